"""Figures of the retro-cue chapter beyond the paper: planted truth, controls, recordings, other costs.

Functions return the figure and the numbers drawn, as in `retro_cue_figures`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from crossroads.analyse.retro_cue import Geometry
from crossroads.report import figures
from crossroads.report.retro_cue_figures import AFTER, CROSS, DELAYS, INDEX, OTHER, POST, PRE, Drawn, pre_post


def draw_recovery(recovery: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw what is read off planted planes with more and more trials (no figure of the paper).

    recovery : the table of `analyse.retro_cue.recover_planes`; its rows with n_trials 0 are the lines. The
        phase is drawn after the cue only, as planes at right angles have none.
    """
    fig, grid = plt.subplots(2, 2, figsize=(figures.WIDTH, 4.8))
    figures.letter(grid.flat)
    axes, phase_ax = grid.flat[[0, 2, 3]], grid[0, 1]
    axes[2].sharey(axes[1])
    truth = recovery[recovery.n_trials == 0].set_index("epoch")
    measured = recovery[recovery.n_trials > 0]
    names = {"theta_deg": "angle θ (°)", "ai2": INDEX, "ai2_split": "the same, split halves"}
    numbers = {}
    for ax, (measure, name) in zip(axes, names.items(), strict=True):
        both = {
            f"{n:g}": np.transpose([rows[rows.epoch == epoch][measure] for epoch in DELAYS])
            for n, rows in measured.groupby("n_trials")
        }
        drawn = pre_post(ax, both, rng)
        for (epoch, look), line in zip(DELAYS.items(), ("--", ":"), strict=True):
            ax.axhline(truth.loc[epoch, measure], ls=line, color=look["color"], lw=1)
        unlimited = {"series": list(DELAYS), "group": "unlimited", "value": truth.loc[list(DELAYS), measure]}
        numbers[name] = pd.concat([drawn, pd.DataFrame(unlimited)], ignore_index=True)
        ax.set(xlabel="trials per location and bin", ylabel=name)
    after = measured[(measured.epoch == "post-cue") & measured.psi_deg.notna()].groupby("n_trials").psi_deg
    phases = {f"{n:g}": found.to_numpy() for n, found in after if len(found) > 1}
    numbers["phase ψ (°)"] = figures.groups(phase_ax, phases, POST, rng).assign(series="post-cue")
    phase_ax.axhline(truth.loc["post-cue", "psi_deg"], ls=":", color=POST["color"], lw=1)
    phase_ax.set(
        xlabel="trials per location and bin", ylabel="phase ψ (°)", ylim=(-90, 90), yticks=range(-90, 91, 45)
    )
    axes[0].set(ylim=(0, 180), yticks=range(0, 181, 45))
    axes[1].set_ylim(0, 1.05 * measured[["ai2", "ai2_split"]].to_numpy().max())
    figures.legend(axes[0])
    return fig, figures.stack(numbers, "panel")


def draw_controls(
    ai2: Mapping[str, np.ndarray], across: Mapping[str, np.ndarray], rng: np.random.Generator
) -> Drawn:
    """Draw conditions without what makes the effect, by name (no figure of the paper).

    ai2, across : (n, 2 delays) alignment, and accuracy of a decoder at the location it was not trained at.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.9), width_ratios=[2, 1])
    figures.letter((left, right))
    numbers = {
        INDEX: pre_post(left, ai2, rng),
        "accuracy at the other location": pre_post(right, across, rng),
    }
    left.set(ylabel=INDEX, ylim=(0, 1.1))
    right.set(ylabel="accuracy at the other location", ylim=(0.3, 1.05))
    right.axhline(0.5, color=OTHER["color"], ls=":", label="chance", zorder=0)
    figures.legend(left)
    handles, labels = right.get_legend_handles_labels()
    right.legend(handles[:1], labels[:1], loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    return fig, figures.stack(numbers, "panel")


def draw_recordings(networks: Geometry, recordings: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw networks before the cue beside prefrontal recordings (no figure of the paper).

    networks : geometry of the cued colours, (n, 2 delays).
    recordings : one row each, with columns recording, theta_colour_tied_deg, ai2 and pve3.
    """
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.6))
    figures.letter(axes)
    numbers = {}
    for ax, column, values, name, top in (
        (axes[0], "theta_colour_tied_deg", networks.planes.theta_deg, "|θ| (°)", 180),
        (axes[1], "ai2", networks.ai2, INDEX, 1.1),
        (axes[2], "pve3", networks.pve, "variance in 3 PCs (share)", 1.1),
    ):
        drawn = figures.groups(ax, {"networks": values[:, 0]}, PRE, rng)
        for x, marker, value in zip((1, 2), "s*", recordings[column], strict=False):
            ax.plot(x, value, marker, color="black", ms=8, clip_on=False)
        recorded = pd.DataFrame({"group": recordings.recording, "item": "0", "value": recordings[column]})
        numbers[name] = pd.concat([drawn, recorded], ignore_index=True)
        labels = [textwrap.fill(label, 12) for label in recordings.recording]
        ax.set_xticks(range(1 + len(labels)), ["networks", *labels])
        ax.set(ylabel=name, ylim=(0, top), xlim=(-0.5, len(labels) + 0.5))
    axes[0].set_yticks(range(0, 181, 45))
    return fig, figures.stack(numbers, "panel")


def draw_costs(
    ai2: Mapping[str, np.ndarray], grid: Mapping[tuple[float, int], np.ndarray], rng: np.random.Generator
) -> Drawn:
    """Draw alignment under other costs, by name, and by noise and post-cue delay (no figure of the paper).

    ai2, grid : (n, 2 delays) alignment; `grid` by (sigma, delay), whose mean after the cue is drawn.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.9))
    figures.letter((left, right))
    numbers = {INDEX: pre_post(left, ai2, rng)}
    left.set(ylabel=INDEX, ylim=(0, 1.1))
    figures.legend(left)
    means = [(sigma, delay, values[:, 1].mean()) for (sigma, delay), values in grid.items()]
    numbers[AFTER] = pd.DataFrame(means, columns=["sigma", "delay", "value"])
    heat = numbers[AFTER].pivot(index="sigma", columns="delay", values="value")
    sns.heatmap(
        heat, ax=right, vmin=0, vmax=1, cmap="cividis", annot=True, fmt=".2f", annot_kws={"size": 8},
        cbar_kws={"label": AFTER},
    )  # fmt: skip
    right.invert_yaxis()
    right.tick_params(axis="y", rotation=0)
    right.set(xlabel="post-cue delay (cycles)", ylabel="noise σ (activity)")
    return fig, figures.stack(numbers, "panel")


def draw_tilt(tilt: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw what is read of planted tilts, with and without an offset between locations (none of the paper).

    tilt : the table of `analyse.retro_cue.tilt_readings`, with two offsets.
    """
    fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.7))
    figures.letter(axes)
    planted = sorted(set(tilt.planted_deg))
    drive = np.linspace(0, 90, 91)
    numbers = {}
    for ax, column, name, expected in (
        (axes[0], "theta_deg", "angle read in 3 PCs (°)", drive),
        (axes[1], "ai2", INDEX, (1 + np.cos(np.radians(drive)) ** 2) / 2),
    ):
        readings = {
            f"offset {offset:g}": {f"{x:g}": rows[rows.planted_deg == x][column].to_numpy() for x in planted}
            for offset, rows in tilt.groupby("offset")
        }
        ax.plot(drive, expected, "k:", lw=1, label="planted")
        numbers[name] = figures.series(ax, readings, (OTHER, CROSS), rng, at=planted)
        ax.set(xlabel="planted angle (°)", ylabel=name)
    axes[0].set(ylim=(0, 180), yticks=range(0, 181, 45))
    axes[1].set_ylim(0, 1.1)
    figures.legend(axes[0], ncols=3)
    return fig, figures.stack(numbers, "panel")
