"""The retro-cue networks of experiments 1 and 2 at the paper's size and schedule, trained on a GPU.

`python benchmarks/gpu_networks.py [--out FOLDER]` trains the networks of each condition in ensembles, and the
first six of experiment 1 on the processor too, in a quarter of an hour: with the same first weights, trials
and noise. Rounding differs, and what it does grows as networks learn. Without a GPU nothing is trained.
"""

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import numpy as np

from crossroads.analyse.retro_cue import plateau_loss
from crossroads.data.settings import load_settings
from crossroads.data.units import Result, sweep
from crossroads.models import retro_cue_experiments as experiments
from crossroads.models.device import device
from crossroads.models.retro_cue_training import STAGES, Network, train_network, train_together

N_ALONE, EPOCHS = 6, (10, 30, 60, 100)


def conditions() -> dict[str, list[Network]]:
    """Networks of experiment 1, and of experiment 2 by their delay after the cue."""
    settings = load_settings(experiments.RetroCueSettings, "retrocue", "paper")
    by_delay = experiments.experiment_2(settings, 0)
    return {"1": experiments.experiment_1(settings, 0)} | {
        f"2, delay {d}": those for d, those in by_delay.items()
    }


def learning(on_gpu: Mapping[Network, Result]) -> list[tuple]:
    """How the networks of each condition learn: rows of a table, its header first."""
    rows: list[tuple] = [
        (
            "experiment",
            "networks",
            "at the criterion",
            "after epochs, median",
            "from",
            "to",
            "loss at the plateau",
        )
    ]
    for name, networks in conditions().items():
        found = [on_gpu[network] for network in networks]
        there = sum(one["loss"][-1] <= n.stop_loss for n, one in zip(networks, found, strict=True))
        epochs = [one["epoch"][STAGES.index("final")] for one in found]
        plateau = [
            plateau_loss(one["loss"], n.plateau_smoothing) for n, one in zip(networks, found, strict=True)
        ]
        spread = f"{np.median(epochs):.0f}", min(epochs), max(epochs)
        rows.append((name, len(networks), there, *spread, f"{np.median(plateau):.4f}"))
    return rows


def parting(networks: list[Network], on_gpu: Mapping[Network, Result]) -> list[tuple]:
    """Networks trained on both: rows of a table, its header first."""
    rows: list[tuple] = [
        ("network", "epochs on the processor", "on the GPU", *(f"losses apart after {n}" for n in EPOCHS))
    ]
    for network, here in zip(networks, sweep(train_network, networks, label="on the processor"), strict=True):
        ours, gpu = here["loss"], on_gpu[network]["loss"]
        apart = [f"{abs(gpu[n - 1] / ours[n - 1] - 1):.1g}" for n in EPOCHS]
        rows.append((network.model, len(ours), len(gpu), *apart))
    return rows


def write(rows: list[tuple], folder: str | None, name: str) -> None:
    for row in rows:
        print(*row, sep=", ")
    if folder:
        with (Path(folder) / name).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", help="folder for the tables")
    out = parser.parse_args().out
    if device().type == "cpu":
        print("torch finds no NVIDIA GPU here: nothing is trained")
        return
    start = perf_counter()
    on_gpu = dict(train_together([network for those in conditions().values() for network in those]))
    print(f"{len(on_gpu)} networks in {perf_counter() - start:.0f} s")
    write(learning(on_gpu), out, "gpu-networks.csv")
    write(parting(conditions()["1"][:N_ALONE], on_gpu), out, "gpu-parting.csv")


if __name__ == "__main__":
    main()
