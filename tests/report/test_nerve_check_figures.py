"""The loop's figures of the nerve chapter against the tables that they were given."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crossroads.data.nerve_session import DOFS
from crossroads.report import figures
from crossroads.report import nerve_check_figures as checks
from tests.report.texts import check_texts

RNG = np.random.default_rng(0)
NERVES = (1, 2, 3)


def table(keys, n_nerves=3, **columns):
    """A row for each combination of keys and nerve; a column is a function of the keys, spread by 0.02."""
    rows = []
    for values in itertools.product(*keys.values()):
        of = dict(zip(keys, values, strict=True))
        for nerve in NERVES[:n_nerves]:
            found = {name: f(**of) * (1 + 0.02 * (nerve - 2)) for name, f in columns.items()}
            rows.append({**of, "nerve": nerve, **found})
    return pd.DataFrame(rows)


def rising(t, at, lasting):
    return np.clip((t - at) / lasting, 0, 1)


T = 7 + np.arange(-0.4, 1.6, 0.02)
TICKS = pd.concat(
    [
        pd.DataFrame({
            "tick_s": T, "dof": dof, "intent": active * rising(T, 7.35, 0.35),
            "decoded": active * rising(T, 7.52, 0.3) + 0.02 * RNG.standard_normal(len(T)),
            "hand": active * (1 - np.exp(-np.maximum(T - 7.6, 0) / 0.2)),
        })
        for dof, active in zip(DOFS, (1, 1, 0, 0, 0, 0), strict=True)
    ]
)  # fmt: skip
USER = 0.35 * np.exp(0.2 * RNG.standard_normal(60))
MATCHED = USER + 0.35 + 0.03 * RNG.standard_normal(60)
BY_NUMBER = table(
    {"n_gestures": [2, 4, 8, 11]},
    bits_per_s=lambda n_gestures: 1.1 * np.log2(n_gestures),
    bits_per_s_wolpaw=lambda n_gestures: 1.2 * np.log2(n_gestures),
    predicted=lambda n_gestures: 1.15 * np.log2(n_gestures),
)
BY_DWELL = table({"dwell_s": [0.1, 0.2, 0.4, 0.8]}, bits_per_s=lambda dwell_s: 3 / (0.7 + dwell_s))
BUDGET = pd.DataFrame({
    "block": ["packet", "filter", "window", "features", "network", "radio", "hand"],
    "p50_ms": [10, 1.5, 50, 0.6, 0.4, 19, 140], "p99_ms": [20, 1.5, 50, 1.5, 6, 50, 140],
})  # fmt: skip
WINDOWS = table(
    {"decoder": ["one step", "recurrent"], "window_ms": [50, 100, 200, 500]},
    lag_ms=lambda decoder, window_ms: (0.5 if decoder == "one step" else 0.1) * window_ms - 60,
    balanced=lambda decoder, window_ms: 0.9 + window_ms / 1e4,
)  # fmt: skip
MODELS = pd.DataFrame(
    [(n, (0.2 + n / 8e6) * by, (0.6 + n / 2e6) * by, way)
     for way, by in (("state carried on", 1), ("window recomputed", 40))
     for n in (48_000, 183_000, 1_611_567)],
    columns=["n_parameters", "p50_ms", "p99_ms", "way"],
)  # fmt: skip
PROTOCOLS = ("frozen", "re-normalised", "fine-tuned", "retrained", "frozen, no drift")
LOSS = dict(zip(PROTOCOLS, (0.012, 0.001, 0.0015, 0.0003, 0), strict=True))
MONTHS = table(
    {"protocol": LOSS, "month": [0, 4, 8, 12, 16]},
    accuracy=lambda protocol, month: 0.975 - LOSS[protocol] * month,
    balanced=lambda protocol, month: 0.95 - 1.4 * LOSS[protocol] * month,
)
CHANNELS = table(
    {"order": ["by SNR", "at random", "oracle"], "n_channels": [1, 2, 4, 8, 12, 16]},
    balanced=lambda order, n_channels: 0.95 - 0.05 * len(order) / n_channels,
)
BANDS = table(
    {"condition": ["nerve and muscle", "muscle alone", "nerve alone", "noise alone"],
     "band": ["25-600 Hz", "600-2000 Hz"]},
    balanced=lambda condition, band: 0.5 + 0.4 * ("noise" not in condition) * (band[0] == "2")
    + 0.1 * ("nerve" in condition) * (band[0] == "6"),
)  # fmt: skip
GENERAL = table(
    {"trained": ["cued", "cued, warped", "cued and continuous"],
     "tested": ["cued", "free timing", "continuous", "unseen gesture"]},
    vaf=lambda trained, tested: 0.9 - 0.08 * len(tested) / len(trained),
    balanced=lambda trained, tested: 0.95 - 0.02 * len(tested) / len(trained),
)  # fmt: skip
LABELS = table(
    {"delay_ms": [-60, 0, 30, 60, 120]},
    against_intent=lambda delay_ms: 0.02 + (delay_ms / 800) ** 2,
    against_glove=lambda delay_ms: 0.02 + ((delay_ms - 30) / 800) ** 2,
)
FALSE = table(
    {"agreement": [1, 2, 3, 4, 5]},
    per_minute=lambda agreement: 20 / agreement**2, missed=lambda agreement: 0.01 * agreement,
)  # fmt: skip

DRAWN = {
    "timeline": lambda: checks.draw_timeline(TICKS, 7.0, 0.52, 0.74, 0.2),
    "reaction": lambda: checks.draw_reaction(USER, MATCHED, MATCHED + 0.17, RNG),
    "throughput": lambda: checks.draw_throughput(BY_NUMBER, BY_DWELL, RNG),
    "latency": lambda: checks.draw_latency(BUDGET, WINDOWS, MODELS, RNG),
    "months": lambda: checks.draw_months(MONTHS, 0.84, RNG),
    "channels": lambda: checks.draw_channels(CHANNELS, RNG),
    "bands": lambda: checks.draw_bands(BANDS, RNG),
    "generalisation": lambda: checks.draw_generalisation(GENERAL, RNG),
    "labels": lambda: checks.draw_labels(LABELS, RNG),
    "false activations": lambda: checks.draw_false_activations(FALSE, RNG),
}


@pytest.fixture(autouse=True)
def _style():
    figures.style()
    yield
    plt.close("all")


@pytest.mark.parametrize("name", DRAWN)
def test_figures_fit_the_page_and_can_be_read(name):
    fig, numbers = DRAWN[name]()
    assert fig.get_figwidth() == figures.WIDTH
    check_texts(fig)
    for ax in fig.axes:
        assert ax.has_data()
        assert ax.get_ylabel()
        assert ax.get_xlabel() or not any(t.get_visible() and t.get_text() for t in ax.get_xticklabels())
    assert np.isfinite(numbers.value.dropna()).all()
    letters = "".join(ax.get_title(loc="left") for ax in fig.axes)
    assert letters == "ABC"[: len(letters)]
    assert bool(letters) == (name not in ("timeline", "channels", "bands", "labels"))  # of one panel


def means(numbers, **where):
    """Means drawn, by series and place."""
    for column, value in {"item": "mean", **where}.items():
        numbers = numbers[numbers[column] == value]
    return {(row.series, row.x): row.value for row in numbers.itertuples()}


def lines(ax):
    """Points of each line in a panel, by its label."""
    return {line.get_label(): np.stack(line.get_data(), axis=1) for line in ax.get_lines()}


def by(frame, series, x, y):
    """What the means have to be, by pandas' own means."""
    return frame.groupby([series, x])[y].mean().to_dict()


def test_timeline_draws_each_trace_from_the_cue_on_and_shades_the_dwell():
    fig, numbers = DRAWN["timeline"]()
    for ax, dof in zip(fig.axes, DOFS, strict=True):
        assert ax.get_ylabel() == dof
        drawn = lines(ax)
        of = TICKS[TICKS.dof == dof]
        for kind in ("intent", "decoded", "hand"):
            np.testing.assert_allclose(drawn[kind], np.stack([of.tick_s - 7, of[kind]], axis=1))
            written = numbers[(numbers.dof == dof) & (numbers["item"] == kind)]
            np.testing.assert_array_equal(written.value, of[kind])
        for name, x in (("cue", 0), ("half of the intent", 0.52), ("match", 0.74)):
            assert drawn[name][:, 0].tolist() == [x, x]
        (held,) = ax.patches
        assert (held.get_x(), held.get_width()) == pytest.approx((0.74, 0.2))


def test_reaction_curves_rise_by_one_cue_and_reach_medians():
    fig, numbers = DRAWN["reaction"]()
    curves, medians = fig.axes
    decoded = lines(curves)["decoded hand"]
    assert (decoded[:, 0] <= np.median(MATCHED)).mean() == pytest.approx(0.5, abs=0.02)
    assert decoded[-1] == pytest.approx((MATCHED.max(), 1))
    of = numbers[(numbers.series == "virtual hand") & (numbers.panel == "B")].set_index("item")
    assert of.value["median"] == pytest.approx(np.median(MATCHED) + 0.17)
    assert of.value["P90"] == pytest.approx(np.quantile(MATCHED, 0.9) + 0.17)
    assert of.low["median"] < of.value["median"] < of.high["median"]
    assert [t.get_text() for t in medians.get_xticklabels()] == ["own hand", "decoded\nhand", "virtual\nhand"]
    opened = [line.get_ydata() for line in medians.get_lines() if line.get_mfc() == "none"]
    assert list(opened[2]) == pytest.approx([of.value["P90"]])


def test_information_has_its_ticks_at_the_numbers_used_and_the_prediction_as_a_line():
    fig, numbers = DRAWN["throughput"]()
    count, dwell = fig.axes
    assert [t.get_text() for t in count.get_xticklabels()] == ["2", "4", "8", "11"]
    n = np.array([2, 4, 8, 11])
    drawn = lines(count)
    np.testing.assert_allclose(drawn["mutual information"], np.stack([n, 1.1 * np.log2(n)], axis=1))
    np.testing.assert_allclose(drawn["Wolpaw"], np.stack([n, 1.2 * np.log2(n)], axis=1))
    np.testing.assert_allclose(drawn["predicted"], np.stack([n, 1.15 * np.log2(n)], axis=1))
    assert means(numbers, panel="B")["mutual information", 0.4] == pytest.approx(3 / 1.1)
    np.testing.assert_allclose(
        lines(dwell)["mutual information"][:, 1], 3 / (0.7 + np.array([0.1, 0.2, 0.4, 0.8]))
    )


def test_budget_is_stacked_in_order_and_ends_at_its_sum():
    fig, numbers = DRAWN["latency"]()
    budget, delay, balanced, cost = (fig.axes[i] for i in (0, 1, 3, 2))
    assert [t.get_text() for t in budget.get_yticklabels()] == ["P50", "P99"]
    bars = [bar for bars in budget.containers for bar in bars]
    for row, column in enumerate(("p50_ms", "p99_ms")):
        np.testing.assert_allclose([bar.get_width() for bar in bars[row::2]], BUDGET[column])
        np.testing.assert_allclose(
            [bar.get_x() + bar.get_width() for bar in bars[row::2]], BUDGET[column].cumsum()
        )
    assert {"222 ms", "269 ms"} <= {text.get_text() for text in budget.texts}
    assert len({bar.get_hatch() for bar in bars}) == len(BUDGET)
    np.testing.assert_allclose(lines(delay)["one step"], [(w, w / 2 - 60) for w in (50, 100, 200, 500)])
    np.testing.assert_allclose(lines(balanced)["recurrent"][:, 1], [0.905, 0.91, 0.92, 0.95])
    carried = MODELS[MODELS.way == "state carried on"]
    np.testing.assert_array_equal(lines(cost)["state carried on"], carried[["n_parameters", "p50_ms"]])
    levels = [y for y in (line.get_ydata() for line in cost.get_lines()) if list(y) == [20, 20]]
    assert len(levels) == 1
    written = numbers[(numbers.panel == "C") & (numbers["item"] == "p99_ms")]
    np.testing.assert_array_equal(written.value, MODELS.p99_ms)


def test_months_keep_each_protocol_and_the_levels_to_beat():
    fig, numbers = DRAWN["months"]()
    for ax, panel, column, rest in zip(fig.axes, "AB", ("accuracy", "balanced"), (0.84, 0.5), strict=True):
        assert means(numbers, panel=panel) == pytest.approx(by(MONTHS, "protocol", "month", column))
        drawn = lines(ax)
        assert set(drawn["always rest"][:, 1]) == {rest}
        for protocol in PROTOCOLS:
            expected = MONTHS[MONTHS.protocol == protocol].groupby("month")[column].mean()
            np.testing.assert_allclose(drawn[protocol][:, 1], expected)
            np.testing.assert_allclose(drawn[protocol][:, 0], expected.index, atol=1)
    levels = numbers[numbers["item"] == "level"]
    assert dict(zip(levels.panel + levels.series, levels.value, strict=True)) == {
        "Aalways rest": 0.84, "Areview": checks.REVIEW, "Balways rest": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "frame", "series", "x", "panels"),
    [
        ("channels", CHANNELS, "order", "n_channels", {"": "balanced"}),
        ("bands", BANDS, "band", "condition", {"": "balanced"}),
        ("generalisation", GENERAL, "trained", "tested",
         {"variance explained": "vaf", "balanced accuracy": "balanced"}),
    ],
)  # fmt: skip
def test_means_of_each_series_are_at_their_places(name, frame, series, x, panels):
    fig, numbers = DRAWN[name]()
    for ax, (panel, column) in zip(fig.axes, panels.items(), strict=True):
        of = numbers[numbers.panel == panel] if panel else numbers
        assert means(of) == pytest.approx(by(frame, series, x, column))
        nerves = of[of["item"].isin(["1", "2", "3"])]
        assert sorted(nerves.value) == pytest.approx(sorted(frame[column]))
        drawn = lines(ax)
        places = list(frame[x].unique())
        for label, rows in frame.groupby(series):
            for at, value in drawn[label]:
                place = places[round(at)] if isinstance(places[0], str) else round(at)
                assert value == pytest.approx(rows[rows[x] == place][column].mean())
    if isinstance(places[0], str):
        assert [t.get_text().replace("\n", " ") for t in fig.axes[0].get_xticklabels()] == places


def test_labels_and_false_activations_are_as_given():
    fig, numbers = DRAWN["labels"]()
    delays = np.array([-60, 0, 30, 60, 120])
    drawn = lines(fig.axes[0])
    np.testing.assert_allclose(drawn["against the intent"][:, 1], 0.02 + (delays / 800) ** 2)
    np.testing.assert_allclose(drawn["against the glove"][:, 1], 0.02 + ((delays - 30) / 800) ** 2)
    assert next(iter(fig.axes[0].get_xticklabels())).get_text() == "−60"
    assert set(numbers.series) == {"against the intent", "against the glove"}
    fig, numbers = DRAWN["false activations"]()
    np.testing.assert_allclose(lines(fig.axes[0])["ensemble"][:, 1], 20 / np.arange(1, 6) ** 2)
    np.testing.assert_allclose(lines(fig.axes[1])["ensemble"][:, 1], 0.01 * np.arange(1, 6))


def test_interval_is_over_nerves_and_not_over_their_rows():
    twice = pd.concat([FALSE.assign(missed=FALSE.missed + by) for by in (-0.005, 0.005)])
    _, numbers = checks.draw_false_activations(twice, RNG)
    of = numbers[(numbers.panel == "missed") & (numbers.x == 3)]
    assert of[of["item"] != "mean"].value.tolist() == pytest.approx([0.0294, 0.03, 0.0306])
    (mean,) = of[of["item"] == "mean"].itertuples()
    assert (mean.low, mean.value, mean.high) == pytest.approx((0.0294, 0.03, 0.0306), abs=2e-4)


def test_two_nerves_have_an_interval_and_one_has_none():
    for n_nerves in (1, 2):
        few = FALSE[FALSE.nerve <= n_nerves]
        fig, numbers = checks.draw_false_activations(few, RNG)
        fig.draw_without_rendering()
        mean = numbers[(numbers["item"] == "mean") & (numbers.panel == "missed")]
        np.testing.assert_allclose(mean.value, few.groupby("agreement").missed.mean())
        if n_nerves == 1:
            assert mean.low.isna().all()
        else:
            np.testing.assert_allclose(mean.high, few.groupby("agreement").missed.max())
