"""The figures of the nerve chapter against the numbers that they were given."""

import re
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crossroads.data.nerve_session import DOFS, GESTURES
from crossroads.models.nerve_features import FEATURES
from crossroads.report import figures
from crossroads.report import nerve_figures as nerve
from tests.report.texts import check_texts

RNG = np.random.default_rng(0)
LATENCY = pd.DataFrame(
    {
        "block": ["packet", "filter", "window", "features", "network", "radio", "hand"],
        "ms": [20, 1.6, 50, 0.571, 0.382, 20.3, 123.4],
    }
)
POSTURES = np.array(list(GESTURES.values()), float)
INTENT = np.repeat(POSTURES[[0, 11, 0, 7]], 100, axis=0)  # 8 s
GLOVE = np.roll(INTENT, 2, axis=0) + RNG.normal(0, 0.03, INTENT.shape)
RATE_HZ = 10_000
SIGNAL = RNG.normal(0, 8, (8 * RATE_HZ, 16)).astype(np.float32)
Z = RNG.normal(size=(200, 224))
CORRELATION = np.corrcoef(RNG.normal(size=(14, 30)))
LAYERS = [
    ("input", "16 channels × 14 features", 0),
    ("convolution", "224 → 264, 3 steps", 177_672),
    ("recurrent, twice", "264 → 264", 839_520),
    ("attention", "528 → 264 → 1", 139_921),
    ("recurrent, one step", "264 → 264", 419_760),
    ("linear", "264 → 128", 33_920),
    ("output", "128 → 6", 774),
]
NETWORKS = pd.DataFrame(  # nerve means of vaf are 0.8, 0.9 and 1 less what the degree of freedom takes away
    [
        (n, s, dof, 0.8 + 0.1 * n + 0.01 * (s - 1) - 0.01 * i, 0.01 * (i + 1) + 0.001 * n)
        for n in range(3)
        for s in range(3)
        for i, dof in enumerate(DOFS)
    ],
    columns=["nerve", "seed", "dof", "vaf", "mse"],
)
STATES = pd.DataFrame(
    [
        (n, dof, 0.96 + 0.01 * n, 0.9 + 0.01 * i, 0.8, 0.85 + 0.01 * n, 0.99, 0.97, 0.78 + 0.03 * i)
        for n in range(3)
        for i, dof in enumerate(DOFS)
    ],
    columns=["nerve", "dof", "accuracy", "balanced", "f1", "tpr", "tnr", "auc", "rest"],
)
DECODERS = {  # mse, balanced, parameters, ms
    "constant": (0.14, 0.5, 6, 0.0),
    "ridge": (0.051, 0.8, 1350, 0.02),
    "ridge, ten steps": (0.040, 0.86, 13_446, 0.05),
    "support vectors": (0.041, 0.87, np.nan, 1.2),
    "forest": (0.036, 0.88, np.nan, 8),
    "one step": (0.038, 0.88, 30_000, 0.1),
    "convolutional": (0.032, 0.92, 150_000, 0.3),
    "recurrent": (0.028, 0.95, 182_950, 0.38),
    "with attention": (0.0275, 0.95, 1_611_567, 0.6),
}
COMPARED = pd.DataFrame(
    [
        (name, n, mse + 0.001 * (n - 1), balanced, size, ms)
        for name, (mse, balanced, size, ms) in DECODERS.items()
        for n in range(3)
    ],
    columns=["decoder", "nerve", "mse", "balanced", "n_parameters", "ms"],
)
COUNTS = np.diag(np.arange(20, 32))
COUNTS[3, [0, 5]] = 1, 4
COUNTS[8] = 0
SPIKES = pd.DataFrame({"unit": RNG.integers(80, size=900), "time_s": RNG.uniform(0, 4, 900)})
DRIVE = np.repeat(0.75 * INTENT[:200], 10, axis=0)
RATES = pd.DataFrame({"unit": range(80), "planted_hz": np.linspace(0.3, 20, 80)}).assign(
    found_hz=lambda t: t.planted_hz + 0.5
)
SNR = pd.DataFrame({"channel": range(16), "fascicle": np.arange(16) // 4, "snr_db": np.linspace(-6, 12, 16)})

DRAWN = {
    "system": lambda: nerve.draw_system(LATENCY),
    "recording": lambda: nerve.draw_recording(SIGNAL, RATE_HZ, INTENT, GLOVE, (2.0, 2.05)),
    "recording, intent unknown": lambda: nerve.draw_recording(
        SIGNAL[:, :6], RATE_HZ, None, GLOVE, (2.0, 2.05)
    ),
    "features": lambda: nerve.draw_features(Z, CORRELATION, FEATURES),
    "decoder": lambda: nerve.draw_decoder(LAYERS),
    "trajectories": lambda: nerve.draw_trajectories(INTENT, GLOVE, NETWORKS, RNG),
    "states": lambda: nerve.draw_states(STATES, (0.97, 0.98), RNG),
    "comparison": lambda: nerve.draw_comparison(COMPARED, RNG),
    "comparison, one nerve": lambda: nerve.draw_comparison(COMPARED[COMPARED.nerve == 0], RNG),
    "confusion": lambda: nerve.draw_confusion(COUNTS, list(GESTURES)),
    "truth": lambda: nerve.draw_truth(SPIKES, DRIVE, RATES, SNR),
}
LETTERS = {"recording": "ABC", "features": "AB", "trajectories": "ABC", "states": "AB", "comparison": "ABC",
           "truth": "ABC"}  # fmt: skip
NO_UNIT = re.compile(
    "degree of freedom|feature|correlation|variance accounted for|mean squared error|balanced accuracy|score|"
    "mean over degrees of freedom|decoder|gesture (decoded|asked for)|share of the trials of a gesture"
)


@pytest.fixture(scope="module")
def drawn():
    with plt.rc_context():
        figures.style()
        yield {name: draw() for name, draw in DRAWN.items()}
        plt.close("all")


def rows(drawn, name, **where):
    table = drawn[name][1]
    for column, value in where.items():
        table = table[table[column] == value]
    return table.dropna(axis=1, how="all")


def means(drawn, name, panel):
    found = rows(drawn, name, panel=panel, item="estimate")
    return dict(zip(found.group, found.value, strict=True))


@pytest.mark.parametrize("name", DRAWN)
def test_text_is_large_inside_and_apart(drawn, name):
    fig, _ = drawn[name]
    assert fig.get_figwidth() <= figures.WIDTH
    texts = check_texts(fig)
    shown = [t.get_text() for t in texts if re.fullmatch("[A-Z]", t.get_text())]
    assert "".join(shown) == LETTERS.get(name.split(",")[0], "")
    for ax in fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
            boxes = [t.get_window_extent() for t in ticks if t.get_visible() and t.get_text() and ax.axison]
            assert not any(one.overlaps(two) for one, two in pairwise(boxes)), (ax, axis)


@pytest.mark.parametrize("name", DRAWN)
def test_axes_say_quantity_and_unit(drawn, name):
    for ax in drawn[name][0].axes:
        if not ax.axison:
            continue
        below = {other.get_xlabel() for other in ax.get_shared_x_axes().get_siblings(ax)} - {""}
        bar = ax.get_label() == "<colorbar>"
        beside = {ax.get_ylabel()} - ({""} if bar else set())
        labels = below | beside
        assert labels, ax
        assert bar or below, ax
        for label in labels:
            assert NO_UNIT.fullmatch(label) or re.search(r"\(.+\)$", label), label


def test_every_block_has_its_time_between_the_boxes_that_it_lies_between(drawn):
    fig, table = drawn["system"]
    at = {text.get_text(): text.get_position() for text in fig.axes[0].texts}
    for text, left, right in (
        ("packet\n20 ms", "recorder", "band-pass"),
        ("filter\n1.6 ms", "band-pass", "window"),
        ("window\n50 ms", "window", "features"),
        ("network\n0.382 ms", "radio", "network"),
        ("radio\n20.3 ms", "hand", "radio"),
        ("hand\n123 ms", "user:\neye and intent", "hand"),
    ):
        assert at[left][0] < at[text][0] < at[right][0]
    assert at["features"][1] > at["features\n0.571 ms"][1] > at["network"][1]
    pd.testing.assert_frame_equal(table, LATENCY)


def test_envelopes_hold_every_extreme_and_zoom_is_the_signal(drawn):
    fig, table = drawn["recording"]
    assert len(table) <= 4000
    envelope = rows(drawn, "recording", panel="B")
    low, high = envelope.filter(like="_low").to_numpy(), envelope.filter(like="_high").to_numpy()
    np.testing.assert_array_equal(low.min(0), SIGNAL.min(0))
    np.testing.assert_array_equal(high.max(0), SIGNAL.max(0))
    assert envelope.time_s.iloc[0] == 0
    at = np.flatnonzero(envelope.time_s >= 3.0)[0]
    begin, end = (round(RATE_HZ * envelope.time_s.iloc[i]) for i in (at, at + 1))
    np.testing.assert_array_equal(low[at], SIGNAL[begin:end].min(0))
    near = rows(drawn, "recording", panel="C")
    np.testing.assert_allclose(near.time_s, 2.0 + np.arange(500) / RATE_HZ)
    channels = [0, 4, 8, 12]
    np.testing.assert_array_equal(near.filter(like="channel"), SIGNAL[20_000:20_500, channels])
    close = fig.axes[2]
    (apart,) = (float(text) for text in re.findall(r"\((.+) µV", close.get_ylabel()))
    for i, line in enumerate(close.lines):
        np.testing.assert_allclose(apart * (line.get_ydata() + i), near[f"channel_{4 * i + 1}"], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("recording", ("glove", GLOVE), ("intent", INTENT)),
     ("trajectories", ("glove", INTENT), ("decoded", GLOVE))],
)  # fmt: skip
def test_traces_are_apart_and_time_is_that_of_the_steps(drawn, name, first, second):
    ax, table = drawn[name][0].axes[0], rows(drawn, name, panel="A")
    np.testing.assert_allclose(table.time_s, 0.02 * np.arange(1, 401))
    offset = 1.3 * np.arange(6)
    for lines, (label, values) in ((ax.lines[:6], first), (ax.lines[6:], second)):
        np.testing.assert_array_equal(table[[f"{label}_{dof}" for dof in DOFS]], values)
        np.testing.assert_allclose(np.transpose([line.get_ydata() for line in lines]) + offset, values)
    assert [t.get_text() for t in ax.get_yticklabels()] == list(DOFS)
    np.testing.assert_allclose(ax.get_yticks(), -offset)
    assert ax.lines[0].get_linestyle() != ax.lines[6].get_linestyle()


def test_unknown_intent_is_not_drawn(drawn):
    fig, table = drawn["recording, intent unknown"]
    assert not [c for c in table if c.startswith("intent")]
    assert len(fig.axes[0].lines) == 6
    assert {c for c in rows(drawn, "recording, intent unknown", panel="C") if "channel" in c} == {
        "channel_1", "channel_3", "channel_5",
    }  # fmt: skip


def test_features_are_pictures_of_what_was_given(drawn):
    fig, _ = drawn["features"]
    ax, pairs = fig.axes[:2]
    np.testing.assert_array_equal(ax.images[0].get_array(), Z.T)
    assert ax.images[0].get_extent() == [0, 4.0, 224, 0]
    np.testing.assert_allclose(ax.get_yticks(), np.arange(8, 224, 16))
    np.testing.assert_array_equal(pairs.images[0].get_array(), CORRELATION)
    for labels in (ax.get_yticklabels(), pairs.get_xticklabels(), pairs.get_yticklabels()):
        assert [t.get_text() for t in labels] == list(FEATURES)
    np.testing.assert_array_equal(rows(drawn, "features", panel="A")["WL_2"], Z[:, 33])
    np.testing.assert_array_equal(rows(drawn, "features", panel="B")["WL"], CORRELATION[:, 2])


def test_decoder_is_in_order_and_its_parameters_sum(drawn):
    fig, table = drawn["decoder"]
    texts = {t.get_text(): t.get_position()[0] for t in fig.axes[0].texts}
    counts = [texts[f"{n:,}"] for _, _, n in LAYERS[1:]]
    assert counts == sorted(counts)
    assert "1,611,567 parameters in all" in texts
    assert table.n_parameters.tolist() == [n for _, _, n in LAYERS]
    boxes = [t for t in fig.axes[0].texts if t.get_bbox_patch()]
    for (name, shape, _), box in zip(LAYERS, boxes, strict=True):
        assert box.get_text().split() == f"{name} {shape}".split()


def test_estimates_are_over_nerves_and_marks_are_networks(drawn):
    assert means(drawn, "trajectories", "B") == pytest.approx({d: 0.9 - 0.01 * i for i, d in enumerate(DOFS)})
    assert means(drawn, "trajectories", "C") == pytest.approx(
        {d: 0.011 + 0.01 * i for i, d in enumerate(DOFS)}
    )
    vaf = rows(drawn, "trajectories", panel="B", group="index").set_index("item")
    # Of three nerves, one in 27 resamples holds only the worst: the interval reaches its mean.
    assert tuple(vaf.loc["estimate", ["low", "high"]]) == pytest.approx((0.79, 0.99))
    marks = NETWORKS[NETWORKS.dof == "index"].vaf
    np.testing.assert_array_equal(vaf.drop("estimate").value, marks)
    points = [line.get_xydata() for line in drawn["trajectories"][0].axes[1].lines]
    (found,) = (xy for xy in points if len(xy) == 9 and (xy[:, 0] == 1).all())
    np.testing.assert_array_equal(found[:, 1], marks)


def test_always_rest_and_the_paper_are_drawn_beside_the_accuracies(drawn):
    fig, _ = drawn["states"]
    each, scores = fig.axes
    assert means(drawn, "states", "A") == pytest.approx(dict.fromkeys(DOFS, 0.97))
    assert means(drawn, "states", "B") == pytest.approx(
        {"balanced": 0.925, "f1": 0.8, "tpr": 0.86, "tnr": 0.99, "auc": 0.97}
    )
    (rest,) = (line for line in each.lines if line.get_label() == "always rest")
    np.testing.assert_allclose(rest.get_ydata(), 0.78 + 0.03 * np.arange(6))
    np.testing.assert_allclose(rows(drawn, "states", panel="A, always rest").value, rest.get_ydata())
    assert rest.get_markerfacecolor() == "none"
    (band,) = each.patches
    assert (band.get_y(), band.get_height()) == pytest.approx((0.97, 0.01))
    assert [t.get_text() for t in each.get_legend().get_texts()] == [
        "paper: 97–98 %", "always rest", "decoded",
    ]  # fmt: skip
    assert [t.get_text() for t in scores.get_xticklabels()] == list(nerve.SCORES.values())


@pytest.mark.parametrize("name", ["comparison", "comparison, one nerve"])
def test_decoders_keep_their_order_and_looks(drawn, name):
    fig, table = drawn[name]
    errors, accuracy, cost = fig.axes
    assert list(rows(drawn, name, panel="A").group.unique()) == list(DECODERS)
    assert [t.get_text().replace("\n", " ") for t in accuracy.get_xticklabels()] == list(DECODERS)
    looks = [
        (line.get_color(), line.get_marker()) for line in errors.lines if line.get_marker() in "osD^vP*X<"
    ]
    each = list(dict.fromkeys(looks))
    assert len(each) == len(DECODERS)
    off = 0 if name == "comparison" else -0.001
    on_cost = rows(drawn, name, panel="C").set_index("group")
    assert set(on_cost.index) == set(DECODERS) - {"constant"}  # takes no time
    for decoder, (mse, _, _, ms) in list(DECODERS.items())[1:]:
        assert tuple(on_cost.loc[decoder, ["value", "ms"]]) == pytest.approx((mse + off, ms))
        (mark,) = (x for x in cost.lines if len(x.get_xdata()) == 1 and x.get_xdata()[0] == pytest.approx(ms)
                   and x.get_marker() in "osD^vP*X<")  # fmt: skip
        assert mark.get_ydata()[0] == pytest.approx(mse + off)
        assert (mark.get_color(), mark.get_marker()) == each[list(DECODERS).index(decoder)]
    if name == "comparison":
        assert means(drawn, name, "B") == pytest.approx({k: v[1] for k, v in DECODERS.items()})
        estimate = rows(drawn, name, panel="A", group="ridge", item="estimate").iloc[0]
        assert tuple(on_cost.loc["ridge", ["low", "high"]]) == (estimate.low, estimate.high)
    else:
        assert "estimate" not in set(table["item"])
        assert "low" not in on_cost


def test_labels_are_as_high_as_their_marks_where_there_is_room(drawn):
    cost = drawn["comparison"][0].axes[2]
    text = {t.get_text(): t for t in cost.texts if t.get_text()}
    assert set(text) == {
        f"{name} ({size:,})" if np.isfinite(size) else name for name, (_, _, size, _) in DECODERS.items()
    } - {"constant (6)"}
    order = sorted(text, key=lambda t: text[t].get_window_extent().y0)
    assert [t.split(" (")[0] for t in order] == sorted(list(DECODERS)[1:], key=lambda d: DECODERS[d][0])
    box = text["ridge (1,350)"].get_window_extent()
    assert (box.y0 + box.y1) / 2 == pytest.approx(cost.transData.transform((0.02, 0.051))[1], abs=3)


def test_spread_keeps_what_is_apart_and_parts_what_is_not():
    apart = np.array([0.1, 0.4, 0.9])
    np.testing.assert_array_equal(nerve._spread(apart, 0.2), apart)
    np.testing.assert_allclose(nerve._spread(np.full(4, 0.95), 0.1), [0.7, 0.8, 0.9, 1.0])


def test_confusion_has_shares_of_rows_and_counts_in_its_cells(drawn):
    fig, table = drawn["confusion"]
    ax = fig.axes[0]
    shares = ax.images[0].get_array()
    np.testing.assert_allclose(shares.sum(1), np.arange(12) != 8)
    assert shares[3, 5] == pytest.approx(4 / 28)
    cells = {tuple(map(int, t.get_position()[::-1])): int(t.get_text()) for t in ax.texts}
    assert cells == {(i, j): COUNTS[i, j] for i, j in np.argwhere(COUNTS)}
    np.testing.assert_array_equal(table[list(GESTURES)], COUNTS)
    assert table.asked_for.tolist() == list(GESTURES)


def test_truth_sorts_units_by_degree_of_freedom_above_their_drive(drawn):
    fig, _ = drawn["truth"]
    raster, found, seen, drive = (fig.axes[i] for i in (0, 2, 3, 1))
    assert raster.get_position().y0 > drive.get_position().y1
    fired = [line for line in raster.lines if line.get_marker() == "|"]
    for i, line in enumerate(fired):
        units = SPIKES.unit[SPIKES.unit // 12 == i]
        np.testing.assert_array_equal(line.get_ydata(), units)
        if i < 6:
            assert line.get_color() == drive.lines[i].get_color()
    assert len(fired) == 7
    ticks = [(t.get_text(), at) for t, at in zip(raster.get_yticklabels(), raster.get_yticks(), strict=True)]
    assert ticks == [*zip(DOFS, np.arange(5.5, 72, 12), strict=True), ("untuned", 75.5)]
    asked = rows(drawn, "truth", panel="A, drive")
    np.testing.assert_allclose(asked.filter(like="drive_"), DRIVE[::5])
    np.testing.assert_allclose(asked.time_s, np.arange(400) / 100)
    np.testing.assert_allclose(drive.lines[2].get_ydata() + 2.6, DRIVE[::5, 2])
    np.testing.assert_array_equal(found.lines[0].get_xydata(), RATES[["planted_hz", "found_hz"]])
    assert found.lines[1].get_slope() == 1
    for i, line in enumerate(seen.lines):
        np.testing.assert_array_equal(line.get_ydata(), SNR.snr_db[4 * i : 4 * i + 4])
        assert set(line.get_xdata()) == {i}
    assert len(rows(drawn, "truth", panel="A, spikes")) == len(SPIKES)
