"""What is displayed and written for a figure, against the picture itself."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from crossroads.report import figures
from crossroads.report.intervals import Estimate

DATA = pd.DataFrame({"x": [1.0, 2.0], "name": ["a", "b"], "y": [1 / 3, 2e-9]})


@pytest.fixture(autouse=True)
def book_style():
    with plt.rc_context():
        figures.style()
        yield
        plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """Everything displayed, as (data, metadata)."""
    outputs = []
    monkeypatch.setattr(
        figures, "display", lambda data, raw, metadata: outputs.append((data, metadata)) if raw else None
    )
    return outputs


def show(fig, out, name="fig-demo-line", caption="A line.", alt="It rises from 0 to 1."):
    figures.show(fig, name, caption, alt, DATA, out)


def test_the_picture_is_opaque_and_twice_its_size_on_the_page(shown, tmp_path):
    fig, ax = plt.subplots(figsize=(6, 2))
    ax.plot([0, 1])
    show(fig, tmp_path)
    ((data, metadata),) = shown
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.size == (1200, 400)
    assert metadata["image/png"] == {"width": 600}
    assert np.asarray(picture.convert("RGBA"))[..., 3].min() == 255
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert metadata["crossroads"] == {
        "name": "fig-demo-line",
        "caption": "A line.",
        "alt": "It rises from 0 to 1.",
    }
    assert not plt.get_fignums()


def test_the_numbers_lie_beside_it(shown, tmp_path):
    show(plt.figure(), tmp_path)
    written = (tmp_path / "figures" / "fig-demo-line.csv").read_text()
    assert written == "x,name,y\n1,a,0.33333333\n2,b,2e-09\n"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"name": "line"}, "figure name 'line': write fig-<chapter>-<what>"),
        ({"caption": " "}, "fig-demo-line: the caption is empty"),
        ({"alt": ""}, "fig-demo-line: the alt text is empty"),
    ],
)
def test_a_figure_that_cannot_be_referred_to_is_refused(shown, tmp_path, labels, message):
    with pytest.raises(ValueError, match=message):
        show(plt.figure(), tmp_path, **labels)
    assert not shown
    assert not list(tmp_path.iterdir())


def test_text_too_small_to_print_is_refused(shown, tmp_path):
    fig, ax = plt.subplots()
    ax.set_xlabel("tiny", fontsize=6)
    with pytest.raises(ValueError, match="'tiny' is 6.0 pt; 8 pt is the least"):
        show(fig, tmp_path)
    with pytest.raises(ValueError, match="9.0 inches wide; the page holds 7.2"):
        show(plt.figure(figsize=(9, 2)), tmp_path)


def test_every_text_of_the_style_prints_at_8_pt_or_more(shown, tmp_path):
    fig, axes = plt.subplots(1, 3)
    figures.letter(axes)
    for ax in axes:
        ax.plot([0, 1], label="line")
        ax.set(xlabel="time [s]", ylabel="rate [Hz]")
        ax.legend(title="what")
    show(fig, tmp_path)
    assert len(shown) == 1


def test_panels_are_lettered_in_order():
    _, axes = plt.subplots(2, 2)
    figures.letter(axes.flat, ["C", "D", "", "F"])
    assert [ax.get_title(loc="left") for ax in axes.flat] == ["C", "D", "", "F"]


def test_dots_show_every_item_and_the_interval():
    _, ax = plt.subplots()
    figures.dots(ax, 2.0, [1.0, 4.0, 9.0], Estimate(4.5, 2.0, 8.0, 3), color="C0")
    assert list(ax.lines[0].get_ydata()) == [1.0, 4.0, 9.0]
    (bar,) = ax.collections
    assert bar.get_segments()[0][:, 1] == pytest.approx([2.0, 8.0])


def test_the_paper_s_value_is_an_open_marker():
    _, ax = plt.subplots()
    figures.paper(ax, 0.0, 0.95, 0.03)
    assert ax.lines[0].get_markerfacecolor() == "none"
    assert ax.collections[0].get_segments()[0][:, 1] == pytest.approx([0.92, 0.98])


LOOKS = [{"color": "C0", "marker": "o"}, {"color": "C1", "marker": "s"}]


def test_groups_return_every_mark_that_they_draw():
    _, ax = plt.subplots()
    values = {"pre": np.array([1.0, 3.0]), "post": np.array([5.0, 5.0])}
    drawn = figures.groups(ax, values, LOOKS, np.random.default_rng(0), label="networks")
    assert list(drawn.group) == ["pre"] * 3 + ["post"] * 3
    assert list(drawn.value) == [1.0, 3.0, 2.0, 5.0, 5.0, 5.0]
    assert drawn.loc[2, ["low", "high"]].tolist() == [1.0, 3.0]  # all that two items can give
    assert drawn.loc[5, ["low", "high"]].tolist() == [5.0, 5.0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["pre", "post"]
    assert len(ax.get_legend_handles_labels()[1]) == 1


def test_series_stand_side_by_side_in_their_group_s_place():
    _, ax = plt.subplots()
    values = {name: {"2": np.arange(3.0), "4": np.arange(3.0)} for name in ("noisy", "clean")}
    drawn = figures.series(ax, values, LOOKS, np.random.default_rng(0), at=[2, 4])
    assert list(drawn.columns[:2]) == ["series", "group"]
    assert len(drawn) == 2 * 2 * 4
    x = sorted({line.get_xdata()[0] for line in ax.lines if line.get_alpha()})
    assert len(x) == 4
    assert all(abs(place - tick) < 1 for place, tick in zip(x, [2, 2, 4, 4], strict=True))


def test_an_error_density_integrates_to_one():
    _, ax = plt.subplots()
    errors_deg = np.random.default_rng(0).uniform(-180, 180, (5, 9000))
    drawn = figures.error_density(ax, errors_deg, color="C0")
    assert drawn.density.sum() * 40 == pytest.approx(1)
    assert drawn.density.to_numpy() == pytest.approx(1 / 360, rel=0.1)
    assert drawn.error_deg.tolist() == list(range(-160, 161, 40))


def test_stacked_tables_keep_their_names():
    joined = figures.stack({"a": DATA, "b": DATA[:1]}, "which")
    assert joined.which.tolist() == ["a", "a", "b"]
    assert joined.columns.tolist() == ["which", "x", "name", "y"]
