"""The book's figures: one style, and one way to show a figure with caption, alt text and numbers."""

import base64
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from crossroads.report.intervals import Estimate, estimate

WIDTH = 7.2  # inches of a page's text column: wider figures would be shrunk, and their text with them
SMALLEST = 8  # points
PIXELS_PER_INCH = 100  # in the page; the picture holds twice as many

Look = Mapping[str, str]  # "color" and "marker" of one kind of item


def style() -> None:
    """Set the book's style; call once, in a chapter's import cell."""
    sns.set_theme(
        context="paper",
        style="ticks",
        palette="colorblind",
        rc={
            "axes.labelsize": 9,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 9,
            "figure.constrained_layout.use": True,
            "figure.dpi": PIXELS_PER_INCH,
            "figure.facecolor": "white",
            "figure.figsize": (WIDTH, 2.8),
            "font.size": 9,
            "image.cmap": "viridis",
            "legend.fontsize": 8,
            "legend.frameon": False,
            "legend.title_fontsize": 8,
            "savefig.facecolor": "white",
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
        },
    )


def two_rows(
    n_polar: int, width_ratios: Sequence[float], heights: tuple[float, float] = (2.5, 2.4)
) -> tuple[Figure, Any, Any]:
    """A figure with polar axes above and plain ones below; heights [inches] of the rows."""
    fig = plt.figure(figsize=(WIDTH, sum(heights)))
    rows: Any = fig.subfigures(2, 1, height_ratios=heights)
    polar = rows[0].subplots(1, n_polar, subplot_kw={"projection": "polar"})
    return fig, polar, rows[1].subplots(1, len(width_ratios), width_ratios=width_ratios)


def letter(axes: Iterable[Axes], letters: Iterable[str] = "ABCDEFGH") -> None:
    """Letter panels in the order given; an empty letter where a panel goes on in the next axes."""
    for ax, name in zip(axes, letters, strict=False):
        ax.set_title(name, loc="left", fontweight="bold", fontsize=10)


def legend(ax: Axes, ncols: int = 2, handlelength: float = 2.0) -> None:
    """Put the legend above the panel, beside its letter, where it covers no data."""
    ax.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=ncols, borderaxespad=0,
        handlelength=handlelength, handletextpad=0.4, columnspacing=1.2,
    )  # fmt: skip


def dots(
    ax: Axes,
    x: float,
    values: Iterable[float],
    estimate: Estimate,
    *,
    color: str,
    marker: str = "o",
    label: str = "",
    beside: float = 0.15,
) -> None:
    """Draw one group: every item as a light mark at x, the estimate with its interval `beside` it."""
    values = list(values)
    ax.plot([x] * len(values), values, marker, ms=4, color=color, alpha=0.35, mew=0, clip_on=False)
    error = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
    ax.errorbar(
        x + beside,
        estimate.value,
        error,
        fmt=marker,
        ms=5,
        color=color,
        capsize=2,
        label=label,
        clip_on=False,
    )


def groups(
    ax: Axes,
    values: Mapping[str, np.ndarray],
    looks: Look | Sequence[Look],
    rng: np.random.Generator,
    *,
    at: np.ndarray | None = None,
    beside: float = 0.15,
    label: str = "",
    statistic: Callable[..., float] = np.mean,
    level: float = 0.95,
) -> pd.DataFrame:
    """Draw groups next to each other, each by `dots`, and write their names under them.

    Parameters
    ----------
    values : the items (n,) of each group, n >= 2, finite, by the group's name.
    looks : one for all groups, or one a group.
    rng : for the bootstrap of the intervals.
    at : places of the items on the axis; 0, 1, ... by default.
    label : of all the groups, in the legend.
    statistic, level : as for `intervals.estimate`.

    Returns
    -------
    The numbers drawn, one row a mark: group; item, its number or "estimate"; value; low and high end of the
    estimate's interval.
    """
    places = np.arange(len(values)) if at is None else at
    each = [looks] * len(values) if isinstance(looks, Mapping) else looks
    rows: list[tuple] = []
    for x, look, (name, items) in zip(places, each, values.items(), strict=True):
        found = estimate(np.asarray(items), "", rng, statistic, level=level)
        dots(ax, x, items, found, **look, beside=beside, label=label)
        label = ""  # one entry in the legend
        name = name.replace("\n", " ")
        rows += [(name, str(i), float(value), np.nan, np.nan) for i, value in enumerate(items)]
        rows.append((name, "estimate", found.value, found.low, found.high))
    ax.set_xticks(places + beside / 2, list(values))
    ax.margins(x=0.08)
    return pd.DataFrame(rows, columns=["group", "item", "value", "low", "high"])


def series(
    ax: Axes,
    values: Mapping[str, Mapping[str, np.ndarray]],
    looks: Sequence[Look],
    rng: np.random.Generator,
    *,
    at: Sequence[float] | None = None,
    statistic: Callable[..., float] = np.mean,
    level: float = 0.95,
) -> pd.DataFrame:
    """Draw several series of the same groups, side by side in each group's place; see `groups`.

    values : the groups of each series, by its name in the legend.
    looks : one a series.

    Returns the numbers drawn, those of `groups` with a first column "series".
    """
    names = list(next(iter(values.values())))
    places = np.arange(len(names)) if at is None else np.asarray(at)
    room = 0.8 * (np.diff(places).min() if len(places) > 1 else 1) / len(values)
    drawn = {}
    for i, (label, look) in enumerate(zip(values, looks, strict=True)):
        left = places + room * (i + 0.25 - len(values) / 2)
        drawn[label] = groups(
            ax, values[label], look, rng,
            at=left, beside=room / 2, label=label, statistic=statistic, level=level,
        )  # fmt: skip
    ax.set_xticks(places, names)
    return stack(drawn, "series")


def stack(tables: Mapping[str, pd.DataFrame], column: str) -> pd.DataFrame:
    """Tables below each other, the name of each in a first column."""
    named = [table.assign(**{column: name}) for name, table in tables.items()]
    joined = pd.concat(named, ignore_index=True)
    return joined[[column, *joined.columns.drop(column)]]


def error_density(
    ax: Axes, errors_deg: np.ndarray, *, color: str, marker: str = "o", line: str = "-", label: str = ""
) -> pd.DataFrame:
    """Draw the density of report errors (n_subjects, n_trials) [deg] in nine bins of 40 deg.

    Mean and standard error over subjects; returns the numbers drawn.
    """
    edges = np.linspace(-180, 180, 10)
    centres = (edges[1:] + edges[:-1]) / 2
    density = np.array([np.histogram(errors, edges, density=True)[0] for errors in errors_deg])
    mean, sem = density.mean(0), density.std(0, ddof=1) / np.sqrt(len(density))
    ax.errorbar(centres, mean, sem, fmt=line, marker=marker, ms=4, color=color, capsize=2, label=label)
    ax.set(xlabel="error (°)", ylabel="density (1/°)", xticks=[-180, -90, 0, 90, 180])
    return pd.DataFrame({"error_deg": centres, "density": mean, "sem": sem})


def paper(ax: Axes, x: float, value: float, error: float = 0.0) -> None:
    """Draw a value that the paper printed: an open marker, with its own error where it has one."""
    ax.errorbar(x, value, error or None, fmt="D", ms=6, mfc="none", color="black", capsize=2, label="paper")


def show(fig: Figure, name: str, caption: str, alt: str, data: pd.DataFrame, out: str | Path) -> None:
    """Display a figure, write its numbers to `out`/figures/<name>.csv, and close it.

    name : label of the figure in the book, fig-<chapter>-<what>.
    caption, alt : Markdown under the figure; one or two plain sentences that say trend and scale without it.
    data : the numbers drawn, one row a mark.

    Raises ValueError for a bad name, an empty caption or alt text, a figure too wide for the page, text
    below 8 pt.
    """
    check_labels(name, caption, alt)
    if fig.get_figwidth() > WIDTH:
        raise ValueError(f"{name} is {fig.get_figwidth():.1f} inches wide; the page holds {WIDTH}")
    for text in fig.findobj(Text):
        assert isinstance(text, Text)
        points = float(text.get_fontsize())
        if text.get_visible() and text.get_text() and points < SMALLEST:
            raise ValueError(f"{name}: '{text.get_text()}' is {points:.1f} pt; {SMALLEST} pt is the least")
    write_numbers(name, data, out)
    picture = io.BytesIO()
    fig.savefig(picture, format="png", dpi=2 * PIXELS_PER_INCH, facecolor="white")
    plt.close(fig)
    display(
        {"image/png": base64.b64encode(picture.getvalue()).decode(), "text/plain": alt},
        raw=True,
        metadata={
            "crossroads": {"name": name, "caption": caption, "alt": alt},
            "image/png": {"width": round(fig.get_figwidth() * PIXELS_PER_INCH)},
        },
    )


def check_labels(name: str, caption: str, alt: str) -> None:
    """Refuse a figure that the book could not refer to or describe (ValueError)."""
    if not re.fullmatch(r"fig(-[a-z0-9]+){2,}", name):
        raise ValueError(f"figure name '{name}': write fig-<chapter>-<what>, lower case")
    for what, text in (("caption", caption), ("alt text", alt)):
        if not text.strip():
            raise ValueError(f"{name}: the {what} is empty")


def write_numbers(name: str, data: pd.DataFrame, out: str | Path) -> None:
    """Write a figure's numbers to `out`/figures/<name>.csv."""
    folder = Path(out) / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    data.to_csv(folder / f"{name}.csv", index=False, float_format="%.8g", lineterminator="\n")
