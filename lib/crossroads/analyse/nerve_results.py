"""What came of the decoders and the tasks of chapter `nerve`: scores, times, and tables for its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.signal import butter, sosfreqz

from crossroads.analyse.hand_scores import confusion, information_bits, nearest_gesture, scores, wolpaw_bits
from crossroads.analyse.nerve import BANDS, CONTAMINATION, DECODERS, HELD_OUT, NerveSettings
from crossroads.analyse.nerve_study import PER_TRIAL, PROTOCOLS, Training, open_network
from crossroads.data.nerve_session import ACTIVE, DOFS, STEP_S
from crossroads.data.units import Result
from crossroads.models.hand_decoder import AttentionDecoder, n_parameters
from crossroads.models.matching_task import RADIO, Task, recomputing_times, step_times
from crossroads.models.nerve_features import FEATURES, ORDER, FrontEnd
from crossroads.models.virtual_hand import ShadowHand, StickHand

ENSEMBLE = ("recurrent", "convolutional", "one step")
WINDOW_STEPS = 52  # that a network without a state would compute anew each tick
INDEX_FINGER = DOFS.index("index")
MOST_LAG = 30  # steps
# Where a trial that is decoded off line sets out from: the names of these decodings.
STATES = {"fresh": "onsets", "carried on": "onsets, in a row"}
SHOWN = 3  # test trials in figures that move


def summary(found: Result, against: str = "true") -> dict[str, float]:
    """Mean scores over degrees of freedom that move in test trials, and their least gain and vaf."""
    table = scores(found[against], found["decoded"])
    table = table[table.rest < 1]
    return table.drop(columns="dof").mean().to_dict() | {
        "least_gain": float((table.accuracy - table.rest).min()),
        "least_vaf": float(table.vaf.min()),
    }


def gestures_made(found: Result) -> np.ndarray:
    """(n_test,) the gesture that the decoded states of each trial show while it is held."""
    middle = slice(PER_TRIAL * 4 // 10, PER_TRIAL * 6 // 10)
    return nearest_gesture((found["decoded"][:, middle] > ACTIVE).mean(1))


def offline_delay_s(found: Result, dwell_s: float) -> float:
    """Median time from half of the intended movement to the step at which all states are decoded as meant.

    At the onsets of the gestures of test trials; decoded states have to hold for dwell_s, as in the task.
    The intent's half lies between two steps, and is found by a straight line.
    """
    intent, decoded = found["intent"], found["decoded"] > ACTIVE
    goal = intent[:, PER_TRIAL // 2][:, None]
    way = (intent * goal).sum(2) / np.maximum((goal**2).sum(2), 1e-9)
    right = np.all(decoded == (goal > ACTIVE), axis=2)
    n_held = round(dwell_s / STEP_S) + 1
    held = np.lib.stride_tricks.sliding_window_view(right, n_held, axis=1).all(2)
    moved = np.any(goal[:, 0] > ACTIVE, axis=1) & np.any(held, axis=1)
    after = (way >= 0.5).argmax(1)[moved]
    before, there = (way[moved][np.arange(len(after)), step] for step in (after - 1, after))
    half = after - (there - 0.5) / (there - before)
    return float(np.median(STEP_S * (held.argmax(1)[moved] - half)))


def lag_s(found: Result) -> float:
    """By how much decoded trajectories lag the intent [s]: the shift at which they fit it best.

    Shifts of whole steps are tried, with the least squared error, and a parabola finds what is between them.
    """
    decoded, intent = found["decoded"].astype(float), found["intent"].astype(float)
    shifts = np.arange(-MOST_LAG, MOST_LAG + 1)
    kept = slice(MOST_LAG, intent.shape[1] - MOST_LAG)
    error = np.array([((np.roll(decoded, -k, axis=1) - intent)[:, kept] ** 2).mean() for k in shifts])
    best = int(np.clip(error.argmin(), 1, len(shifts) - 2))
    before, least, after = error[best - 1 : best + 2]
    return STEP_S * float(shifts[best] + (before - after) / (before - 2 * least + after) / 2)


def matched(found: Result, task: Task) -> dict[str, float]:
    """What came of the matching task: success, times and information.

    reaction_ms to the first instant of the posture that is then held, median over cues that were matched;
    delay_ms from half of the intent to it; bits_per_s by mutual information and by Wolpaw's formula, over the
    mean time of a cue, holding and time-outs included.
    """
    ok = found["success"].astype(bool)
    lasted = np.where(ok, found["match_s"] + task.dwell_s, task.timeout_s)
    counts = confusion(found["choice"], found["made"], task.n_gestures + 1)
    reaction = np.median(found["match_s"][ok]) if ok.any() else np.nan
    delay = np.median((found["match_s"] - found["half_s"])[ok]) if ok.any() else np.nan
    return {
        "success": float(ok.mean()),
        "reaction_ms": 1e3 * float(reaction),
        "delay_ms": 1e3 * float(delay),
        "seconds": float(lasted.mean()),
        "bits": information_bits(counts),
        "bits_per_s": information_bits(counts) / float(lasted.mean()),
        "bits_per_s_wolpaw": wolpaw_bits(task.n_gestures, float(ok.mean())) / float(lasted.mean()),
    }


def expected_delay_ms(task: Task, offline_s: float) -> float:
    """From half of the intent to the match: the delay seen off line, and what computing and radio take."""
    return 1e3 * (offline_s + task.compute_s + RADIO[0] * RADIO[1])


def onset_table(later: Mapping[str, Sequence[Result]], task: Task) -> pd.DataFrame:
    """Onsets decoded off line from each of STATES; columns state, nerve, balanced, expected_ms."""
    rows = [
        {
            "state": state,
            "nerve": i,
            "balanced": summary(found)["balanced"],
            "expected_ms": expected_delay_ms(task, offline_delay_s(found, task.dwell_s)),
        }
        for state, name in STATES.items()
        for i, found in enumerate(later[name])
    ]
    return pd.DataFrame(rows)


def slope_of_throughput(table: pd.DataFrame, column: str = "bits_per_s") -> float:
    """Slope of bits a second over log2 of the number of gestures, in units of what Wolpaw's bits predict.

    table : one row a number of gestures, columns n_gestures, success, seconds and `column`. The prediction
    has one probability and one time of a cue, the means over all numbers.
    """
    n = np.log2(table.n_gestures)
    predicted = [wolpaw_bits(k, table.success.mean()) / table.seconds.mean() for k in table.n_gestures]
    return float(np.polyfit(n, table[column], 1)[0] / np.polyfit(n, predicted, 1)[0])


def shuffled_cues(found: Result, rng: np.random.Generator) -> Result:
    """The same task with its cues dealt anew: what was made no longer answers them."""
    return found | {"choice": rng.permutation(found["choice"])}


def false_activations(decoded: Sequence[np.ndarray], intent: np.ndarray, needed: int) -> tuple[float, float]:
    """Activations a minute while all is meant to rest, and the share of active steps that are missed.

    decoded : (n_trials, T, 6) by each network of an ensemble. needed : networks that have to agree.
    """
    on = (np.array(decoded) > ACTIVE).sum(0) >= needed
    meant = intent > ACTIVE
    still = ~meant.any(-1, keepdims=True) & (intent.max(-1, keepdims=True) < 0.02)
    begins = on[:, 1:] & ~on[:, :-1] & still[:, 1:] & still[:, :-1]
    minutes = still[:, 1:].sum() * STEP_S / 60
    return float(begins.sum() / minutes), float(1 - (on & meant).sum() / meant.sum())


def score_table(
    trainings: Sequence[Training], found: Sequence[Result], against: str = "true"
) -> pd.DataFrame:
    """Scores by degree of freedom of several decoders, with columns nerve (its number) and seed."""
    numbers = {r: i for i, r in enumerate(dict.fromkeys(one.recording for one in trainings))}
    return pd.concat(
        [
            scores(result[against], result["decoded"]).assign(nerve=numbers[one.recording], seed=one.seed)
            for one, result in zip(trainings, found, strict=True)
        ],
        ignore_index=True,
    )


def month_table(
    settings: NerveSettings, trained: dict[str, list[Result]], later: dict[str, list[Result]]
) -> pd.DataFrame:
    """Accuracy by protocol and month; columns protocol, month, nerve, accuracy, balanced."""
    first = trained["main"][:: settings.n_networks]
    rows = []
    for protocol in PROTOCOLS:
        by_month = {0: first}
        for m in settings.months:
            name = f"{protocol}, month {m}"
            by_month[m] = trained[name] if protocol == "retrained" else later[name]
        rows += [(protocol, m, i, r) for m, results in by_month.items() for i, r in enumerate(results)]
    still = {0: first, max(settings.months): later["frozen, no drift"]}
    rows += [("frozen, no drift", m, i, r) for m, results in still.items() for i, r in enumerate(results)]
    return pd.DataFrame([{"protocol": p, "month": m, "nerve": i, **summary(r)} for p, m, i, r in rows])[
        ["protocol", "month", "nerve", "accuracy", "balanced", "vaf"]
    ]


def losses_over_months(table: pd.DataFrame) -> pd.DataFrame:
    """By protocol and nerve: the most accuracy lost since the first month, and the least that is left."""
    start = table[table.month == 0].set_index(["protocol", "nerve"]).accuracy
    worst = table[table.month > 0].groupby(["protocol", "nerve"]).accuracy.min()
    return pd.DataFrame({"loss": start - worst, "least": worst})


def latency_budget(
    device_times: np.ndarray, front: FrontEnd, lag_s: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Where the time from intent to hand goes; columns block, p50_ms, p99_ms.

    device_times : (n, 2) seconds of features and network, as `matching_task.tick_times`. A packet waits half
    its time on average and all of it at most, a window is half a window late, a filter its group delay at the
    middle of the band; lag_s is the hand's time constant.
    """
    radio = rng.gamma(*RADIO, 10_000)
    compute = 1e3 * np.percentile(device_times, [50, 99], axis=0)
    group_ms = 1e3 * group_delay_s(front)
    window_ms = 1e3 * front.window_s / 2
    rows = [
        ("packet", 500 * STEP_S, 990 * STEP_S),
        ("filter", group_ms, group_ms),
        ("window", window_ms, window_ms),
        ("features", compute[0, 0], compute[1, 0]),
        ("network", compute[0, 1], compute[1, 1]),
        ("radio", *(1e3 * np.percentile(radio, [50, 99]))),
        ("hand", 1e3 * lag_s, 1e3 * lag_s),
    ]
    return pd.DataFrame(rows, columns=["block", "p50_ms", "p99_ms"])


def group_delay_s(front: FrontEnd) -> float:
    """Delay of the envelope by the band-pass at the (geometric) middle of its band [s]."""
    middle = float(np.sqrt(front.band_hz[0] * front.band_hz[1]))
    sos = butter(ORDER, front.band_hz, "bandpass", fs=front.sample_hz, output="sos")
    step = 0.01 * middle
    _, response = sosfreqz(sos, [middle - step, middle + step], fs=front.sample_hz)
    turn = np.angle(response[1] / response[0])
    return float(-turn / (2 * np.pi * 2 * step))


def comparison(
    plans: Mapping[str, Sequence[Training]], trained: Mapping[str, Sequence[Result]], n_ticks: int
) -> pd.DataFrame:
    """Decoders beside each other; columns decoder, nerve, mse, balanced, n_parameters, ms.

    ms : median time of a step on one core, measured for networks; nan for others, whose time says little.
    """
    rows = []
    for kind in ("constant", *DECODERS):
        source = "ridge" if kind == "constant" else kind
        n, ms = _cost(plans[kind][0], n_ticks) if len(trained[source][0]["weights"]) else (np.nan, np.nan)
        for i, found in enumerate(trained[source]):
            if kind == "constant":
                found = found | {"decoded": np.broadcast_to(found["true"].mean((0, 1)), found["true"].shape)}
            rows.append({"decoder": kind, "nerve": i, **summary(found), "n_parameters": n, "ms": ms})
    return pd.DataFrame(rows)[["decoder", "nerve", "mse", "balanced", "n_parameters", "ms"]]


def _cost(training: Training, n_ticks: int) -> tuple[float, float]:
    network, mean, _ = open_network(training)
    return float(n_parameters(network)), 1e3 * float(np.median(step_times(network, len(mean), n_ticks)))


def model_times(sizes: Sequence[int], n_ticks: int) -> pd.DataFrame:
    """What a step of the network with attention takes; columns n_parameters, p50_ms, p99_ms, way."""
    rows = []
    n_features = len(FEATURES) * 16
    for n_hidden in sizes:
        network = AttentionDecoder(n_features, n_hidden).eval()
        ways = {
            "state carried on": step_times(network, n_features, n_ticks),
            "window recomputed": recomputing_times(network, n_features, WINDOW_STEPS, n_ticks),
        }
        for way, taken in ways.items():
            rows.append((n_parameters(network), *(1e3 * np.percentile(taken, [50, 99])), way))
    return pd.DataFrame(rows, columns=["n_parameters", "p50_ms", "p99_ms", "way"])


def window_table(settings: NerveSettings, trained: Mapping[str, Sequence[Result]]) -> pd.DataFrame:
    """Decoders of the first nerve by window: decoder, window_ms, nerve, lag_ms of trajectories, balanced."""
    names = {"recurrent": "windows", "one step": "windows, one step"}
    return pd.DataFrame(
        [
            {
                "decoder": decoder,
                "window_ms": ms,
                "nerve": 0,
                "lag_ms": 1e3 * lag_s(one),
                "balanced": summary(one)["balanced"],
            }
            for decoder, name in names.items()
            for ms, one in zip(settings.windows_ms, trained[name], strict=True)
        ]
    )


def tick_table(played: Result, near: np.ndarray) -> pd.DataFrame:
    """Ticks (n,) of the first user as one row a tick and degree of freedom."""
    columns = {name: played[name][near].ravel() for name in ("intent", "decoded", "hand")}
    times = played["tick_s"][near]
    return pd.DataFrame({"tick_s": times.repeat(len(DOFS)), "dof": DOFS * len(times), **columns})


def hand_over_time(hand: ShadowHand | StickHand, postures: np.ndarray) -> np.ndarray:
    """(n, 5, 6, 3) chains [m] of a hand that follows postures (n, 6), one a step; it starts at rest."""
    chains = []
    for posture in postures:
        hand.move(posture, STEP_S)
        chains.append(hand.chains())
    return np.array(chains)


def throughput_table(settings: NerveSettings, outcomes: Mapping[str, Sequence[dict]]) -> pd.DataFrame:
    """The matching task by number of gestures: n_gestures, nerve, all of `matched`, and predicted [bit/s]."""
    table = pd.DataFrame(
        [
            {"n_gestures": n, "nerve": i, **one}
            for n in settings.n_gestures
            for i, one in enumerate(outcomes[f"{n} gestures"])
        ]
    )
    p, seconds = table.success.mean(), table.seconds.mean()
    return table.assign(predicted=[wolpaw_bits(n, p) / seconds for n in table.n_gestures])


def dwell_table(
    settings: NerveSettings, outcomes: Mapping[str, Sequence[dict]], usual_s: float
) -> pd.DataFrame:
    """The matching task with all gestures by the time of holding: dwell_s, nerve, bits_per_s."""
    names = {usual_s: f"{max(settings.n_gestures)} gestures"}
    names |= {dwell: f"dwell {dwell}" for dwell in settings.dwells_s}
    return pd.DataFrame(
        [
            {"dwell_s": dwell, "nerve": i, "bits_per_s": one["bits_per_s"]}
            for dwell, name in sorted(names.items())
            for i, one in enumerate(outcomes[name])
        ]
    )


def band_table(trained: Mapping[str, Sequence[Result]]) -> pd.DataFrame:
    """Balanced accuracy by what is recorded and in which band: condition, band, nerve, balanced."""
    return pd.DataFrame(
        [
            {"condition": name, "band": band, "nerve": i, "balanced": summary(one)["balanced"]}
            for name in CONTAMINATION
            for band in BANDS
            for i, one in enumerate(trained[f"{name}, {band}"])
        ]
    )


def generalisation_table(
    settings: NerveSettings, trained: Mapping[str, Sequence[Result]], later: Mapping[str, Sequence[Result]]
) -> pd.DataFrame:
    """Scores by what was trained on and what is tested: trained, tested, nerve, vaf, balanced."""
    sources = {"cued": "recurrent", "cued, warped": "warped", "cued and continuous": "both"}
    found = {}
    for name, source in sources.items():
        found[name, "cued"] = trained[source][: settings.n_varied]
        found[name, "free timing"] = later[f"{name}, free"]
        found[name, "continuous"] = later[f"{name}, continuous"]
    found["cued", "unseen gesture"] = [
        {key: one[key][one["gesture"] == HELD_OUT] for key in ("true", "decoded")}
        for one in trained["without one gesture"]
    ]
    rows = [(*names, i, one) for names, those in found.items() for i, one in enumerate(those)]
    return pd.DataFrame([{"trained": a, "tested": b, "nerve": i, **summary(one)} for a, b, i, one in rows])[
        ["trained", "tested", "nerve", "vaf", "balanced"]
    ]


def alarm_table(trained: Mapping[str, Sequence[Result]]) -> pd.DataFrame:
    """False activations and misses by how many kinds of network agree; one row a nerve and number."""
    rows = []
    for i, those in enumerate(zip(*(trained[kind] for kind in ENSEMBLE), strict=True)):
        for needed in range(1, len(ENSEMBLE) + 1):
            alarms = false_activations([one["decoded"] for one in those], those[0]["intent"], needed)
            rows.append((needed, i, *alarms))
    return pd.DataFrame(rows, columns=["agreement", "nerve", "per_minute", "missed"])


def channel_table(settings: NerveSettings, selected: Sequence[Result]) -> pd.DataFrame:
    """Balanced accuracy by channels kept: order, n_channels, nerve, balanced."""
    orders = {"by SNR": "by_snr", "at random": "at_random", "oracle": "oracle"}
    return pd.DataFrame(
        [
            {"order": order, "n_channels": n, "nerve": i, "balanced": found[key][k]}
            for order, key in orders.items()
            for i, found in enumerate(selected)
            for k, n in enumerate(settings.n_channels)
        ]
    )


def play_months(
    settings: NerveSettings, later: Mapping[str, Sequence[Result]], trained: Mapping[str, Sequence[Result]]
) -> tuple[dict[tuple[str, ...], list[go.Scatter]], pd.DataFrame]:
    """Traces of the index finger of the first nerve in each month, and the errors of protocols."""
    positions: dict[tuple[str, ...], list[go.Scatter]] = {}
    rows = []
    for month in settings.months:
        found = {name: later[f"{name}, month {month}"][0] for name in PROTOCOLS[:3]}
        found["retrained"] = trained[f"retrained, month {month}"][0]
        positions[(str(month),)] = _finger({"glove": found["frozen"]["true"]} | _decoded(found))
        error = {name: ((one["decoded"] - one["true"]) ** 2).mean((0, 1)) for name, one in found.items()}
        rows.append(pd.DataFrame({"month": month, "dof": DOFS, **error}))
    return positions, pd.concat(rows, ignore_index=True)


def play_amplitudes(
    settings: NerveSettings, found: Sequence[Result]
) -> tuple[dict[tuple[str, ...], list[go.Scatter]], pd.DataFrame]:
    """Traces of the index finger by amplitude of motor units and muscles, and the scores."""
    positions: dict[tuple[str, ...], list[go.Scatter]] = {}
    rows = []
    pairs = [(a, e) for a in settings.amplitudes_uv for e in settings.emg_uv]
    for (amplitude, emg), one in zip(pairs, found, strict=True):
        positions[f"{amplitude:g}", f"{emg:g}"] = _finger({"glove": one["true"], "decoded": one["decoded"]})
        rows.append({"amplitude_uv": amplitude, "emg_uv": emg, **summary(one)})
    table = pd.DataFrame(rows)
    return positions, table[["amplitude_uv", "emg_uv", "accuracy", "balanced", "vaf", "mse"]]


def _decoded(found: Mapping[str, Result]) -> dict[str, np.ndarray]:
    return {name: one["decoded"] for name, one in found.items()}


def _finger(curves: Mapping[str, np.ndarray]) -> list[go.Scatter]:
    """Flexion of the index finger over the first test trials that move it, each second step."""
    moved = np.argsort(-next(iter(curves.values()))[..., INDEX_FINGER].max(1), kind="stable")[:SHOWN]
    dashes = ("solid", "dot", "dash", "dashdot", "longdash")
    return [
        go.Scatter(
            x=2 * STEP_S * np.arange(SHOWN * PER_TRIAL // 2),
            y=curve[moved, ::2, INDEX_FINGER].ravel(),
            name=name,
            mode="lines",
            line={"dash": dash},
        )
        for (name, curve), dash in zip(curves.items(), dashes, strict=False)
    ]
