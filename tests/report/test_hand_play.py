"""Two hands show what they were given, and the game in the page counts as the chapter does."""

import json
import shutil
import subprocess
from base64 import b64decode
from html.parser import HTMLParser

import numpy as np
import pytest

from crossroads.analyse.hand_scores import information_bits, nearest_gesture, wolpaw_bits
from crossroads.data.nerve_session import DOFS, GESTURES, POSTURES
from crossroads.data.settings import ROOT
from crossroads.models.matching_task import PAUSE_S, Task
from crossroads.models.virtual_hand import StickHand
from crossroads.report import hand_play

SCRIPT = ROOT / "book/_static/hand.js"
SIMULATED = dict(zip(hand_play.RESULTS, (11, 0.94, 0.703, 1.02, 2.97, 3.1, 2.91, 3.04), strict=True))
STEP_S = 0.05


def follow(postures):
    hand, chains = StickHand(), []
    for posture in postures:
        hand.move(posture, STEP_S)
        chains.append(hand.chains())
    return np.array(chains)


@pytest.fixture(scope="module")
def hands():
    """A fist that is meant, and of which the decoder misses the wrist's flexion, for 250 steps."""
    intent = np.zeros((250, 6))
    intent[20:] = 1
    decoded = intent * [1, 1, 1, 1, 1, 0]
    return intent, decoded, follow(intent), follow(decoded)


@pytest.fixture(scope="module")
def animation(hands):
    return hand_play.animate(*hands, STEP_S)


def numbers(packed):
    return np.frombuffer(b64decode(packed["bdata"]), packed["dtype"])


def test_each_frame_holds_both_hands_as_they_were_given(hands, animation):
    figure, table = animation
    plot = json.loads(figure.to_json())
    assert len(plot["frames"]) == 84  # each third step
    assert plot["frames"][50]["name"] == "7.5"
    for frame, k in zip(plot["frames"], range(0, 250, 3), strict=True):
        (line, tips, other, other_tips) = frame["data"]
        for trace, ends, chains, flexion in (
            (line, tips, hands[2][k], hands[0][k]),
            (other, other_tips, hands[3][k], hands[1][k]),
        ):
            assert set(trace) == {"type", "x", "y"}  # what stays the same is not repeated
            x, y = numbers(trace["x"]).reshape(5, 7), numbers(trace["y"]).reshape(5, 7)
            assert np.isnan(x[:, 6]).all()
            # An orthographic view: no link is longer than it is, and what lies along y keeps its direction.
            seen = np.hypot(np.diff(x[:, :6]), np.diff(y[:, :6]))
            assert (seen <= 1000 * np.linalg.norm(np.diff(chains, axis=1), axis=-1) + 1e-3).all()
            assert ends["marker"]["symbol"] == ["circle" if on else "circle-open" for on in flexion]
    middle = [numbers(plot["frames"][i]["data"][0]["y"]).reshape(5, 7)[2, 5] for i in (0, 83)]
    assert middle[1] < 0.7 * middle[0]  # a bent finger is shorter
    assert list(table.columns) == ["time_s", "hand", *DOFS]
    assert len(table) == 2 * 84
    np.testing.assert_array_equal(table[table.hand == "decoded"][[*DOFS]], hands[1][::3])


def test_the_view_turns_and_does_not_stretch():
    np.testing.assert_allclose(hand_play.VIEW @ hand_play.VIEW.T, np.eye(2), atol=0.01)


def test_the_hands_stand_apart_and_move_at_their_own_pace(animation):
    figure, _ = animation
    left, _, right, _ = figure.data
    assert np.nanmax(left.x) < np.nanmin(right.x)
    assert figure.layout.updatemenus[0].buttons[0].args[1]["frame"]["duration"] == 150  # three steps [ms]
    (slider,) = figure.layout.meta["sliders"]
    assert slider["name"] == "Time (s)"
    assert slider["values"] == [f"{0.05 * k:.1f}" for k in range(0, 250, 3)]
    assert len(set(slider["values"])) == 84
    assert len(figure.to_json()) < 300_000


def test_hands_of_different_lengths_are_refused(hands):
    with pytest.raises(
        ValueError, match=r"hands of shapes \[\(250, 6\), \(249, 6\), .*expected two \(n, 6\)"
    ):
        hand_play.animate(hands[0], hands[1][:-1], *hands[2:], STEP_S)


class Game(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.rules, self.results, self.key = None, {}, None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.key = attributes.get("data-result")
        if "data-rules" in attributes:
            self.rules = json.loads(attributes["data-rules"])

    def handle_endtag(self, tag):
        self.key = None

    def handle_data(self, data):
        if self.key:
            self.results[self.key] = data


def test_the_page_has_the_chapter_s_rules_and_a_place_for_each_result():
    html = hand_play.game(SIMULATED).data
    game = Game(html)
    assert {name: tuple(posture) for name, posture in game.rules["gestures"].items()} == GESTURES
    assert game.rules["dofs"] == list(DOFS)
    assert sorted(game.rules["keys"]) == sorted(DOFS)
    assert len(set(game.rules["keys"].values())) == 6
    assert max(game.rules["choices"]) == len(GESTURES) - 1 == Task.n_gestures
    times = [game.rules["dwell_ms"], game.rules["timeout_ms"], *game.rules["pause_ms"]]
    np.testing.assert_allclose(times, 1000 * np.array([Task.dwell_s, Task.timeout_s, *PAUSE_S]))
    assert list(game.results) == list(SIMULATED)
    assert "0.703" in html
    assert "http" not in html


@pytest.mark.parametrize("change", [{"success": np.nan}, {"speed": 1.0}])
def test_results_that_are_none_are_refused(change):
    with pytest.raises(ValueError, match="one finite number is needed for each of"):
        hand_play.game(SIMULATED | change)


def node(expression, given):
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    code = f"const hand = require({json.dumps(str(SCRIPT))}); const given = {json.dumps(given)};"
    run = ["node", "-e", f"{code} console.log(JSON.stringify({expression}))"]
    return json.loads(subprocess.run(run, check=True, capture_output=True, text=True, timeout=60).stdout)


def test_bits_in_the_page_are_those_of_the_chapter():
    chances = [(n, p) for n in (2, 4, 11, 12) for p in (0, 0.05, 0.5, 0.97, 1)]
    bits = node("given.map(([n, p]) => hand.wolpawBits(n, p))", chances)
    np.testing.assert_allclose(bits, [wolpaw_bits(*chance) for chance in chances], atol=1e-12)
    rng = np.random.default_rng(0)
    counts = [rng.poisson(rate, shape) for rate, shape in ((0.3, (12, 12)), (5, (4, 4)), (1, (3, 7)))]
    bits = node("given.map(hand.informationBits)", [table.tolist() for table in counts])
    np.testing.assert_allclose(bits, [information_bits(table) for table in counts], atol=1e-12)


def test_medians_and_nearest_postures_in_the_page_are_numpy_s():
    rng = np.random.default_rng(1)
    samples = [rng.random(n).tolist() for n in (1, 2, 5, 8)]
    np.testing.assert_allclose(node("given.map(hand.median)", samples), [np.median(s) for s in samples])
    every = [[n >> dof & 1 for dof in range(6)] for n in range(64)]
    found = node("given[0].map((p) => hand.nearest(p, given[1]))", [every, POSTURES.tolist()])
    np.testing.assert_array_equal(found, nearest_gesture(np.array(every)))


def test_results_of_a_round_in_the_page_are_those_of_the_chapter():
    rng = np.random.default_rng(2)
    target, wrong = rng.integers(1, 12, 20), rng.integers(0, 12, 20)
    success = rng.random(20) < 0.8
    made = np.where(success, target, wrong)
    reaction, cue = rng.uniform(0.3, 1, 20), rng.uniform(1, 2.6, 20)
    cues = [
        {"target": int(t), "made": int(m), "success": bool(s), "reaction_s": r if s else None, "cue_s": c}
        for t, m, s, r, c in zip(target, made, success, reaction, cue, strict=True)
    ]
    counts = np.zeros((12, 12), int)
    np.add.at(counts, (target, made), 1)
    wolpaw, information = wolpaw_bits(11, success.mean()), information_bits(counts)
    expected = {
        "n_gestures": 11,
        "success": success.mean(),
        "reaction_s": np.median(reaction[success]),
        "cue_s": cue.mean(),
        "wolpaw_bits": wolpaw,
        "information_bits": information,
        "bits_per_s_wolpaw": wolpaw / cue.mean(),
        "bits_per_s": information / cue.mean(),
    }
    found = node("hand.results(given, 11)", cues)
    assert found.keys() == expected.keys() == hand_play.RESULTS.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value), key


# A player in the page who reads the cue, waits, and holds its keys; the sixth cue of each ten is missed, one
# posture in four is first held too shortly.
PLAYER = """
const field = document.querySelector(".cr-hand-field"), told = field.querySelector("p");
const rules = JSON.parse(document.querySelector(".cr-hand").dataset.rules);
const press = (type, dof) => {
  const key = rules.keys[dof] === "space" ? " " : rules.keys[dof];
  const event = new KeyboardEvent(type, { key, cancelable: true });
  field.dispatchEvent(event);
  if (!event.defaultPrevented && type === "keydown") document.title = "not taken";
};
let seen = 0;
const letGo = (dofs) => setTimeout(() => dofs.forEach((dof) => press("keyup", dof)), 300);
new MutationObserver(() => {
  const name = told.textContent.split(":")[0];
  if (!rules.gestures[name]) return;
  seen += 1;
  const dofs = rules.dofs.filter((_, i) => rules.gestures[name][i]);
  const hold = () => { dofs.forEach((dof) => press("keydown", dof)); letGo(dofs); };
  if (seen % 10 === 6) return;
  if (seen % 4 === 0) {
    setTimeout(() => {
      dofs.forEach((dof) => press("keydown", dof));
      setTimeout(() => press("keyup", dofs[0]), 100);
    }, 200);
  }
  setTimeout(hold, 500);
}).observe(told, { childList: true, characterData: true, subtree: true });
document.querySelector(".cr-hand-bar button").click();
"""


def test_a_round_is_timed_and_counted_in_a_browser(tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("Chromium is not installed")
    page = tmp_path / "page.html"
    scripts = f"<script>{SCRIPT.read_text()}</script><script>{PLAYER}</script>"
    page.write_text(f"<!doctype html><title>fine</title>{hand_play.game(SIMULATED).data}{scripts}")
    run = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    run += ["--virtual-time-budget=90000", "--dump-dom", page.as_uri()]
    html = subprocess.run(run, check=True, capture_output=True, text=True, timeout=120).stdout
    assert "<title>fine</title>" in html
    results = {key: float(value) for key, value in Game(html).results.items()}
    assert results["n_gestures"] == 11
    assert results["success"] == 0.9  # 2 of 20 are missed
    # From the cue to the beginning of what was then held, not to the posture that was too short.
    assert results["reaction_s"] == pytest.approx(0.5, abs=0.03)
    assert results["cue_s"] == pytest.approx(0.9 * (0.5 + Task.dwell_s) + 0.1 * Task.timeout_s, abs=0.03)
    assert results["wolpaw_bits"] == pytest.approx(wolpaw_bits(11, 0.9), abs=0.01)
    assert results["bits_per_s_wolpaw"] == pytest.approx(results["wolpaw_bits"] / results["cue_s"], abs=0.02)
