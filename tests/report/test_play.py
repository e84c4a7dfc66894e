"""An interactive figure: its JSON in the page, its numbers as a table, the same bytes every time."""

import io
import json
from base64 import b64decode
from html.parser import HTMLParser
from itertools import product
from wave import open as open_wave

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from crossroads.report import play

DATA = pd.DataFrame({"delay": [0, 7], "alignment": [0.0412345, 0.85], "which": ["</script>", "b & c"]})
NAME, CAPTION, ALT = "fig-demo-delay", "Slide the delay.", 'Alignment rises from "0.04" to 0.85.'


class Page(HTMLParser):
    """Collects the parts of the page that a reader and the script need."""

    def __init__(self, html):
        super().__init__()
        self.ids, self.labels, self.cells, self.script, self.inside = [], [], [], "", ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        self.ids += [value for key, value in attrs if key == "id"]
        self.labels += [value for key, value in attrs if key == "aria-label"]

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "script":
            self.script += data
        elif self.inside in ("td", "th"):
            self.cells.append(data)


@pytest.fixture
def shown(monkeypatch, tmp_path):
    outputs = []
    monkeypatch.setattr(play, "display", lambda data, raw, metadata: outputs.append((data, metadata)))
    figure = go.Figure(go.Scatter(x=np.array([0, 7]), y=np.array([0.04, 0.85]), text=DATA["which"]))
    play.show(figure, NAME, CAPTION, ALT, DATA, tmp_path)
    play.show(figure, NAME, CAPTION, ALT, DATA, tmp_path)
    return outputs


def test_the_page_carries_what_jupyterlab_draws(shown):
    (data, metadata), again = shown
    page = Page(data["text/html"])
    assert json.loads(page.script) == data["application/vnd.plotly.v1+json"]
    assert json.loads(page.script)["data"][0]["text"][0] == "</script>"
    assert metadata["crossroads"] == {"name": NAME, "caption": CAPTION, "alt": ALT}
    assert (data, metadata) == again


def test_it_is_described_and_its_numbers_stand_beside_it(shown, tmp_path):
    page = Page(shown[0][0]["text/html"])
    assert page.ids == [f"{NAME}-plot"]
    assert ALT in page.labels
    assert page.cells[:3] == ["delay", "alignment", "which"]
    assert page.cells[3:6] == ["0", "0.0412", "</script>"]
    assert pd.read_csv(tmp_path / "figures" / f"{NAME}.csv")["alignment"][0] == 0.0412345


def test_a_slider_moves_between_all_positions_in_one_frame_of_reference():
    positions = {str(n): [go.Scatter3d(x=[0, n], y=[0, 1], z=[-1, 0])] for n in (1, 2, 5)}
    figure = play.slider(positions, "delay ", ("a", "b", "c"))
    assert [frame.name for frame in figure.frames] == ["1", "2", "5"]
    assert [step.args[0][0] for step in figure.layout.sliders[0].steps] == ["1", "2", "5"]
    assert figure.layout.meta["sliders"] == [{"name": "delay", "values": ["1", "2", "5"], "start": "1"}]
    assert figure.data[0].x == (0, 1)
    scene = figure.layout.scene
    for axis, title in zip((scene.xaxis, scene.yaxis, scene.zaxis), "abc", strict=True):
        assert axis.range[0] < -5 < 5 < axis.range[1]
        assert axis.title.text == title


SIZES = np.array([10, 100, 1000])
CHOICES = {"Jitter (cm)": ("0", "6", "12"), "Gain SD": ("0.0", "0.3")}
START = ("6", "0.0")


def errors_cm(jitter, gain):
    return np.array([40, 12, 1.25]) + float(jitter) + 10 * float(gain)


def jitter_and_gain():
    return {
        (jitter, gain): [
            go.Scatter(x=SIZES, y=errors_cm(jitter, gain), name="real", line_color="blue"),
            go.Scatter(x=SIZES, y=np.full(3, float(jitter) - 2), name="floor", mode="lines"),
        ]
        for jitter, gain in product(*CHOICES.values())
    }


def test_each_combination_of_the_sliders_shows_its_curves():
    figure = play.curves(jitter_and_gain(), tuple(CHOICES), "Cells", "Error (cm)", START)
    plot = json.loads(figure.to_json())
    sliders = {slider["name"]: slider["values"] for slider in plot["layout"]["meta"]["sliders"]}
    assert {name: tuple(values) for name, values in sliders.items()} == CHOICES
    frames = {frame["name"]: frame["data"] for frame in plot["frames"]}
    steps = {step["label"]: step["args"] for step in plot["layout"]["sliders"][0]["steps"]}
    assert list(frames) == list(steps)
    for jitter, gain in product(*sliders.values()):
        position = f"{jitter}, {gain}"  # as play.js joins the values
        assert steps[position][0] == [position]
        real, _ = frames[position]
        np.testing.assert_allclose(
            np.frombuffer(b64decode(real["y"]["bdata"]), real["y"]["dtype"]),
            errors_cm(jitter, gain),
            rtol=1e-6,
        )
        assert set(real) == {"type", "y"}
    np.testing.assert_array_equal(figure.data[0].y, errors_cm(*START))
    assert [slider["start"] for slider in plot["layout"]["meta"]["sliders"]] == list(START)
    assert steps["6, 0.0"] == list(steps.values())[plot["layout"]["sliders"][0]["active"]]
    assert figure.data[0].line.color == "blue"
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("Cells", "Error (cm)")


@pytest.mark.parametrize(
    ("log", "x_range", "y_range"),
    [
        ("", (10 - 49.5, 1000 + 49.5), (-2 - 2.85, 55 + 2.85)),
        ("x", (1 - 0.1, 3 + 0.1), (-2 - 2.85, 55 + 2.85)),
        # What is not positive has no place on a logarithmic axis.
        (
            "xy",
            (1 - 0.1, 3 + 0.1),
            (np.log10(1.25) - 0.05 * np.log10(44), np.log10(55) + 0.05 * np.log10(44)),
        ),
    ],
)
def test_all_curves_share_axes_a_twentieth_wider_than_they_reach(log, x_range, y_range):
    layout = play.curves(jitter_and_gain(), tuple(CHOICES), "Cells", "Error (cm)", START, log).layout
    np.testing.assert_allclose(layout.xaxis.range, x_range)
    np.testing.assert_allclose(layout.yaxis.range, y_range)
    assert (layout.xaxis.type == "log", layout.yaxis.type == "log") == ("x" in log, "y" in log)


def test_curves_that_the_sliders_could_not_show_are_refused():
    positions = jitter_and_gain()
    del positions["6", "0.3"]
    with pytest.raises(ValueError, match=r"no curves for \('6', '0.3'\); the sliders \('Jitter \(cm\)'"):
        play.curves(positions, tuple(CHOICES), "Cells", "Error (cm)", START)
    for change in ({"x": SIZES + 1}, {"name": "shuffled"}):
        positions = jitter_and_gain()
        positions["12", "0.0"][0].update(change)
        with pytest.raises(ValueError, match=r"the curves of \('12', '0.0'\) have other names or other x"):
            play.curves(positions, tuple(CHOICES), "Cells", "Error (cm)", START)


def test_the_figure_given_is_left_as_it_was(monkeypatch, tmp_path):
    monkeypatch.setattr(play, "display", lambda *args, **kwargs: None)
    figure = go.Figure(layout={"width": 500})
    play.show(figure, NAME, CAPTION, ALT, DATA, tmp_path)
    assert figure.layout.width == 500


def hear(html):
    """Players of a page: their attributes, and the sounds as (rate, width, channels, samples)."""

    class Players(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)
            if tag == "audio":
                players.append(dict(attrs))

    tags, players, heard = [], [], []
    Players().feed(html)
    for player in players:
        kind, _, data = player["src"].partition(",")
        assert kind == "data:audio/wav;base64"
        with open_wave(io.BytesIO(b64decode(data, validate=True))) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            heard.append((file.getframerate(), file.getsampwidth(), file.getnchannels(), samples))
    return tags, players, heard


def test_sounds_can_be_heard_without_script_or_request():
    time = np.arange(4_000) / 16_000
    loud, soft = 2 * np.sin(2 * np.pi * 440 * time), np.float32(0.5) * np.cos(2 * np.pi * 440 * time)
    rows = [(("heard", "<rabbit>"), loud), (("found", "garden"), soft)]
    html = play.sounds("What was heard", ["sound of", "word", "listen"], rows)
    tags, players, heard = hear(html)
    assert "script" not in tags
    assert "http" not in html
    assert [player.keys() for player in players] == 2 * [{"controls", "aria-label", "src"}]
    assert players[0]["aria-label"] == "listen; sound of: heard, word: <rabbit>"
    assert Page(html).cells == ["sound of", "word", "listen", "heard", "<rabbit>", "found", "garden"]
    for (rate, width, channels, samples), sound in zip(heard, (loud, soft), strict=True):
        assert (rate, width, channels) == (16_000, 2, 1)
        # One gain for both: the loudest, of amplitude 2, fills the range.
        np.testing.assert_allclose(samples, sound * 32767 / np.abs(loud).max(), atol=0.51)
    assert html == play.sounds("What was heard", ["sound of", "word", "listen"], rows)


def test_silence_stays_silent():
    _, _, [(_, _, _, samples)] = hear(play.sounds("s", ["word", "listen"], [(("none",), np.zeros(7))]))
    np.testing.assert_array_equal(samples, np.zeros(7))


@pytest.mark.parametrize("sound", [np.zeros((2, 5)), np.zeros(0), np.array([0, np.nan])])
def test_what_is_no_sound_is_refused(sound):
    with pytest.raises(ValueError, match=r"the sound of \['a'\] has shape"):
        play.sounds("s", ["word", "listen"], [(("a",), sound)])


def test_each_column_of_sounds_needs_a_text():
    with pytest.raises(ValueError, match="one cell a column"):
        play.sounds("s", ["word", "listen"], [(("a", "b"), np.zeros(5))])
