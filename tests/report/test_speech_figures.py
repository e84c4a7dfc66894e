"""The paper's figures of the speech chapter, drawn from tables and arrays that are known."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.legend import Legend
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from crossroads.models.brain_module import BrainModule, BrainShape
from crossroads.models.fast_convolutions import GatedConvolution, NormedConvolution
from crossroads.report import figures
from crossroads.report import speech_figures as paper
from tests.report.texts import check_texts

RNG = np.random.default_rng(0)
X, Z, Y = RNG.normal(size=(208, 172)), RNG.normal(size=(64, 172)), RNG.normal(size=(64, 172))
SOUND = np.sin(2 * np.pi * 5 * np.arange(48_000) / 16_000)  # 15 periods: low and high in all pieces
MATCHES = np.full((8, 8), 0.05) + 0.6 * np.eye(8)
P = np.array([0.02, 0.4, 0.03, 0.3, 0.05, 0.1, 0.1])
WORDS = np.array(["a", "rabbit", "b", "considering", "garden", "of", "the"])
SHAPE = BrainShape(1024)
MODELS = {"base": 0.1, "contrastive": 0.5, "deep mel": 0.6, "pretrained": 0.75}
CHANCE = {"Gwilliams": 0.02, "Brennan": 0.06, "Schoffelen": 0.02, "Broderick": 0.03}
ACCURACY = pd.DataFrame(
    [
        (dataset, model, seed, value + seed / 100)
        for dataset in CHANCE
        for model, value in MODELS.items()
        for seed in range(3)
    ],
    columns=["dataset", "model", "seed", "top10"],
)
OURS = pd.DataFrame(
    [
        (name, subject, difference + subject / 100)
        for name, difference in (("ReLU", -0.02), ("no GLU", -0.05), ("no clamping", -0.4))
        for subject in range(3)
    ],
    columns=["variant", "item", "difference"],
)
SUBJECTS = pd.DataFrame(
    [(dataset, i, 0.2 + i / 10) for dataset in CHANCE for i in range(3)],
    columns=["dataset", "subject", "top10"],
)
CURVE = pd.DataFrame(
    [(n, seed, n / 50 + seed / 100) for n in (3, 6, 12, 24) for seed in range(3)],
    columns=["n_subjects", "seed", "top10"],
)
KINDS = pd.DataFrame(
    [(k, q, i, gain * q / 30 + i / 100) for k, gain in (("MEG", 1), ("EEG", 0.4)) for q in (3, 24)
     for i in range(3)],
    columns=["kind", "strength_nam", "subject", "top10"],
)  # fmt: skip
SHIFT = pd.DataFrame(
    [(ms, delay, i, 0.5 - abs(ms - best) / 1000 + i / 100)
     for ms in (0, 150, 300) for delay, best in (("planted", 150), ("immediate", 0)) for i in range(3)],
    columns=["shift_ms", "delay", "seed", "top10"],
)  # fmt: skip
FIVE = ["considering", "garden", "of", "of", "rabbit"]
EXAMPLES = [
    {"true": word, "words": FIVE, "p": np.array([0.5, 0.3, 0.1, 0.06, 0.04]) / (i + 1)}
    for i, word in enumerate(["garden", "considering", "of", "marmalade", "rabbit", "garden"])
]
LEVELS = pd.DataFrame(
    [
        (level, i, strength * j + i / 100, brain)
        for j, level in enumerate(("phonemes", "frequency", "part of speech", "word", "bag of words"))
        for brain, strength in (("reference", 0.1), ("acoustic only", 0.0))
        for i in range(3)
    ],
    columns=["level", "subject", "r", "brain"],
)


def rng():
    return np.random.default_rng(1)


@pytest.fixture(scope="module")
def drawn():
    with plt.rc_context():
        figures.style()
        yield {
            "approach": paper.draw_approach(X, SOUND, Z, Y, MATCHES, P, WORDS, 3),
            "architecture": paper.draw_architecture(SHAPE),
            "main": paper.draw_main(ACCURACY, CHANCE, rng()),
            "ablations": paper.draw_ablations(OURS, rng()),
            "subjects": paper.draw_subjects(SUBJECTS, CURVE, CURVE.assign(top10=CURVE.seed / 100), rng()),
            "kinds": paper.draw_kinds(KINDS, SHIFT, rng()),
            "examples": paper.draw_examples(EXAMPLES),
            "levels": paper.draw_levels(LEVELS, rng()),
        }
        plt.close("all")


NAMES = ["approach", "architecture", "main", "ablations", "subjects", "kinds", "examples", "levels"]


def marked(drawn, name, **where):
    """Rows of a figure's numbers."""
    numbers = drawn[name][1]
    for column, value in where.items():
        numbers = numbers[numbers[column] == value]
    return numbers


@pytest.mark.parametrize("name", NAMES)
def test_text_is_whole_and_apart(drawn, name):
    fig, _ = drawn[name]
    assert fig.get_figwidth() <= figures.WIDTH
    check_texts(fig)


@pytest.mark.parametrize("name", ["main", "ablations", "subjects", "kinds", "levels"])
def test_axes_have_units_and_legends_cover_no_data_and_no_letter(drawn, name):
    fig, _ = drawn[name]
    fig.draw_without_rendering()
    for ax in fig.axes:
        (label,) = {other.get_ylabel() for other in ax.get_shared_y_axes().get_siblings(ax)} - {""}
        assert re.search(r"\((%|points)\)$", label) or label.startswith("R, ")
        named = re.search("[a-zA-Z]{3}", " ".join(t.get_text() for t in ax.get_xticklabels()))
        assert named or re.search(r"\(.+\)$", ax.get_xlabel())
        letter = ax.title if ax.get_title() else ax._left_title
        for legend in fig.findobj(Legend):
            place = legend.get_window_extent().padded(-1)  # it may touch
            assert not ax.get_window_extent().overlaps(place)
            assert not letter.get_window_extent().overlaps(place)


def test_series_differ_in_more_than_colour(drawn):
    for name, panel in (("subjects", 1), ("kinds", 0), ("kinds", 1)):
        lines = [c.lines[0] for c in drawn[name][0].axes[panel].containers]
        for property_of in ("get_color", "get_marker", "get_linestyle"):
            assert len({getattr(line, property_of)() for line in lines}) == len(lines) == 2


def test_the_published_tables_agree_with_themselves():
    """Means and differences that the notebook printed follow from its rows, but for rounding."""
    reference = paper.ABLATIONS["reference"]
    for sets, mean, difference in paper.ABLATIONS.values():
        assert np.mean([value for value, _ in sets]) == pytest.approx(mean, abs=0.101)
        assert mean - reference[1] == pytest.approx(difference, abs=0.051)
    assert len(paper.ABLATIONS) == 12
    # The dossier's mean of every row of Table 2.
    means = [np.mean([value for value, _ in row]) for row in paper.TABLE_2.values()]
    np.testing.assert_allclose(means, [1.8, 10.0, 32.0, 41.4, 45.4], atol=0.051)
    # The same model and data in both tables: that of Brennan.
    assert paper.TABLE_2["pretrained"][0] == reference[0][3] == (25.7, 2.9)


def test_the_approach_shows_the_arrays_it_is_given(drawn):
    numbers = drawn["approach"][1]
    x = numbers[numbers.panel == "X"].astype({"row": int})
    assert x.row.nunique() == 12
    np.testing.assert_array_equal(x[x.row == 207].value, X[207])
    z = numbers[numbers.panel == "Z"].value.to_numpy().reshape(24, 172)
    np.testing.assert_allclose(z, Z[:24] / Z.std())
    batch = numbers[numbers.panel == "batch"]
    np.testing.assert_allclose(batch.value[batch.row == batch.column], 0.65)
    sound = numbers[numbers.panel == "sound"].value
    assert (sound.min(), sound.max()) == pytest.approx((-1, 1), abs=1e-3)
    found = numbers[numbers.panel == "held-out segments"]
    assert found.word.tolist() == ["rabbit", "considering", "of", "the", "garden"]
    assert found.value.tolist() == [0.4, 0.3, 0.1, 0.1, 0.05]
    assert found.right.tolist() == [False, True, False, False, False]


def test_a_certain_answer_stays_inside_the_figure():
    with plt.rc_context():
        figures.style()
        fig, _ = paper.draw_approach(X, SOUND, Z, Y, MATCHES, np.eye(7)[2], WORDS, 2)
        check_texts(fig)
        plt.close(fig)


def test_channels_are_those_of_the_module(drawn):
    shape = BrainShape(7, d1=5, d2=6, n_blocks=3, harmonics=2)
    fig, numbers = paper.draw_architecture(shape)
    plt.close(fig)
    module = BrainModule(2, torch.rand(1, 9, 2), shape)
    layer = numbers.set_index("layer")
    assert layer.n_out["spatial attention"] == module.attention_weight.shape[0]
    assert (layer.n_out["initial conv"], layer.n_in["initial conv"]) == tuple(module.initial.weight.shape)
    assert layer.n_out["subject layer"] == module.subject_layer.shape[1]
    blocks = numbers[numbers.layer.str.startswith("block")]
    for row, conv in zip(blocks.itertuples(), module.stack.layers, strict=True):
        n_out, n_in = next(p.shape for p in conv.parameters() if p.ndim == 3)[:2]
        assert (row.n_in, row.n_out) == (n_in, n_out)
        assert isinstance(conv, GatedConvolution if "gated" in row.layer else NormedConvolution)
    last = [p.shape for p in module.stack.last.parameters() if p.ndim == 2]
    assert last == [
        tuple(layer.loc[name, ["n_out", "n_in"]].astype(int)) for name in ("final conv 1", "final conv 2")
    ]
    # The dossier's dilations of the ten convolutions.
    dilated = drawn["architecture"][1].set_index("layer").dilation.filter(regex="conv [ab]")
    assert dilated.tolist() == [1, 2, 4, 8, 16, 1, 2, 4, 8, 16]
    words = [text.get_text() for text in drawn["architecture"][0].findobj(Text)]
    assert {"270", "320", "640", "1024"} <= set(words)
    assert any("1, 2;  4, 8;  16, 1;  2, 4;  8, 16" in word for word in words)


def test_a_module_without_a_part_is_not_drawn():
    with pytest.raises(ValueError, match=r"differs from it in \['subject', 'skip'\]"):
        paper.draw_architecture(BrainShape(8, subject="none", skip=False))


def test_table_2_stands_beside_our_accuracies(drawn):
    fig, numbers = drawn["main"]
    assert [ax.get_title() for ax in fig.axes] == [
        "Gwilliams (MEG)", "Brennan (EEG)", "Schoffelen (MEG)", "Broderick (EEG)",
    ]  # fmt: skip
    for dataset, printed, sd in (("Gwilliams", 70.7, 0.1), ("Brennan", 25.7, 2.9)):
        rows = numbers[(numbers.dataset == dataset) & (numbers.item == "paper")]
        assert rows.value.iloc[-1] == printed
        assert rows.high.iloc[-1] - printed == pytest.approx(sd)
        assert len(rows) == 5
    ours = numbers[(numbers.dataset == "Brennan") & (numbers.item == "estimate")]
    np.testing.assert_allclose(ours.value, [6, 11, 51, 61, 76])
    assert 9.99 < ours.low.iloc[1] < 11 < ours.high.iloc[1] < 12.01
    diamonds = [line for line in fig.axes[0].lines if line.get_marker() == "D"]
    np.testing.assert_allclose([d.get_ydata()[0] for d in diamonds], [0.7, 12.4, 55.1, 64.4, 70.7])
    assert all(to_hex(d.get_color()) == "#000000" and d.get_markerfacecolor() == "none" for d in diamonds)
    np.testing.assert_allclose([round(d.get_xdata()[0]) for d in diamonds], range(5))
    assert len({ax.get_ylim() for ax in fig.axes}) == 1
    assert len(fig.findobj(Legend)[0].get_texts()) == 3


def test_ablations_stand_beside_the_printed_differences(drawn):
    fig, numbers = drawn["ablations"]
    printed = numbers[numbers.item == "paper"]
    assert printed.value.tolist() == [0, 0.5, 0.1, -0.4, -1.4, -2.5, -2.7, -3.1, -3.3, -6.8, -14.9, -33.6]
    assert printed.panel.tolist() == 10 * ["A"] + 2 * ["B"]
    ours = numbers[numbers.item == "estimate"].set_index("group").value
    assert ours.to_dict() == pytest.approx({"ReLU": -1, "no GLU": -4, "no clamping": -39})
    # Ours stand at their own names, wherever variants are missing.
    names = [t.get_text().replace("\n", " ") for t in fig.axes[0].get_xticklabels()]
    (line,) = [c.lines[0] for c in fig.axes[0].containers if c.get_label() == "simulated"][:1]
    assert names[round(line.get_xdata()[0])] == "ReLU"


def test_participants_and_the_number_trained_on(drawn):
    fig, _ = drawn["subjects"]
    paper_rows = marked(drawn, "subjects", panel="A", item="paper").set_index("group")
    assert paper_rows.value["Gwilliams (MEG)"] == 66.7
    assert paper_rows.high["Gwilliams (MEG)"] == pytest.approx(66.7 + 2.7)
    assert paper_rows.low["Broderick (EEG)"] == pytest.approx(13.4 - 1.5)
    items = marked(drawn, "subjects", panel="A", group="Brennan (EEG)")
    assert items.value.tolist()[:4] == pytest.approx([20, 30, 40, 30])
    means = marked(drawn, "subjects", panel="B, same story", item="estimate")
    np.testing.assert_allclose(means.value, 2 * means.group.astype(float) + 1)
    control = marked(drawn, "subjects", panel="B, other story", item="estimate")
    np.testing.assert_allclose(control.value, 1)
    np.testing.assert_array_equal(fig.axes[1].containers[0].lines[0].get_xdata(), [3, 6, 12, 24])


def test_kinds_and_shifts(drawn):
    eeg = marked(drawn, "kinds", panel="A, EEG", item="estimate")
    np.testing.assert_allclose(eeg.value, [5, 33])
    assert eeg.group.tolist() == [3, 24]
    immediate = marked(drawn, "kinds", panel="B, immediate", item="estimate")
    np.testing.assert_allclose(immediate.value, [51, 36, 21])
    planted = marked(drawn, "kinds", panel="B, planted", item="estimate")
    np.testing.assert_allclose(planted.value, [36, 51, 36])


def test_the_word_that_was_heard_is_marked(drawn):
    fig, numbers = drawn["examples"]
    assert numbers[numbers.window == "1, garden"].right.tolist() == [False, True, False, False, False]
    # Two places of the story with the same word.
    assert numbers[numbers.window == "3, of"].right.tolist() == [False, False, True, True, False]
    assert not numbers[numbers.window == "4, marmalade"].right.any()
    assert fig.axes[3].get_title() == "heard: marmalade\n(missed)"
    bars = [patch for patch in fig.axes[0].patches if isinstance(patch, Rectangle)]
    np.testing.assert_allclose([bar.get_width() for bar in bars], [0.5, 0.3, 0.1, 0.06, 0.04])
    assert [bool(bar.get_hatch()) for bar in bars] == [False, True, False, False, False]
    bold = [label.get_fontweight() == "bold" for label in fig.axes[0].get_yticklabels()]
    assert bold == [False, True, False, False, False]
    assert bars[0].get_window_extent().y0 > bars[1].get_window_extent().y0


@pytest.mark.parametrize(("n", "n_axes"), [(1, 1), (4, 4), (5, 5)])
def test_fewer_windows_leave_no_empty_panel(n, n_axes):
    with plt.rc_context():
        figures.style()
        fig, _ = paper.draw_examples(EXAMPLES[:n])
        check_texts(fig)
        assert len(fig.axes) == n_axes
        assert fig.axes[-1].get_xlabel() == "probability"
        plt.close(fig)


def test_levels_of_two_brains(drawn):
    fig, numbers = drawn["levels"]
    means = numbers[numbers.item == "estimate"]
    np.testing.assert_allclose(means.value[means.brain == "reference"], [0.01, 0.11, 0.21, 0.31, 0.41])
    np.testing.assert_allclose(means.value[means.brain == "acoustic only"], 0.01)
    assert means.level.tolist()[2] == "part of speech"
    assert [t.get_text() for t in fig.axes[0].get_xticklabels()][2] == "part\nof speech"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda: paper.draw_main(ACCURACY, {"Alice": 0.1}, rng()),
            r"data sets \['Alice'\]: unknown",
        ),
        (lambda: paper.draw_main(ACCURACY, {"Brennan": 0.1}, rng()), "data sets .*Gwilliams"),
        (
            lambda: paper.draw_main(ACCURACY[ACCURACY.seed == 0], CHANCE, rng()),
            "Gwilliams: two seeds or",
        ),
        (lambda: paper.draw_ablations(OURS.assign(variant="tanh"), rng()), r"variants \['tanh'\]: unknown"),
        (lambda: paper.draw_ablations(OURS.assign(difference=-6), rng()), "-6 to -6: give shares"),
        (lambda: paper.draw_kinds(KINDS.assign(kind="meg"), SHIFT, rng()), r"kinds \['meg'\]: unknown"),
        (lambda: paper.draw_levels(LEVELS.assign(brain="mine"), rng()), r"brains \['mine'\]: unknown"),
        (lambda: paper.draw_examples(EXAMPLES + EXAMPLES), "12 examples: the page holds one to six"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
    plt.close("all")


def test_the_same_seed_gives_the_same_numbers(drawn):
    fig, again = paper.draw_main(ACCURACY, CHANCE, rng())
    plt.close(fig)
    pd.testing.assert_frame_equal(again, drawn["main"][1])


def test_recorded_brains_are_not_called_simulated():
    fig, _ = paper.draw_main(ACCURACY, CHANCE, rng(), "recorded")
    names = [text.get_text() for legend in fig.legends for text in legend.get_texts()]
    plt.close(fig)
    assert names == ["chance, recorded", "recorded", "paper"]
