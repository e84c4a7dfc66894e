"""The retro-cue networks of experiments 1 and 2, trained on a GPU and on the processor: do both learn alike?

`python benchmarks/gpu_networks.py [--out FILE]` trains those of size paper-1-2 on the GPU, in ensembles, and
sets their learning beside that of the same networks, with the same first weights, trials and noise, on the
processor: from its stored units, or computed anew, an hour and a half of processor time. Rounding differs,
and grows as networks learn; so networks part, and what must agree is what each condition does.
"""

import argparse
import csv
from collections.abc import Mapping, Sequence
from time import perf_counter

import numpy as np

from crossroads.analyse.retro_cue import plateau_loss
from crossroads.data.settings import load_settings
from crossroads.data.units import Result, sweep
from crossroads.models import retro_cue_experiments as experiments
from crossroads.models.device import device
from crossroads.models.retro_cue_training import Network, train_network, train_together

COLUMNS = (
    "experiment", "networks", "epochs to the criterion, processor", "GPU", "of a network, apart",
    "loss at the plateau, processor", "GPU",
)  # fmt: skip


def conditions() -> dict[str, list[Network]]:
    """Networks of experiment 1, and of experiment 2 by their delay after the cue."""
    settings = load_settings(experiments.RetroCueSettings, "retrocue", "paper-1-2")
    by_delay = {f"2, delay {d}": those for d, those in experiments.experiment_2(settings, 0).items()}
    return {"1": experiments.experiment_1(settings, 0)} | by_delay


def compare(networks: Sequence[Network], here: Sequence[Result], there: Sequence[Result]) -> tuple:
    """Medians over the networks of one condition, on the processor (here) and on the GPU (there)."""
    epochs = np.array([[len(one["loss"]) for one in those] for those in (here, there)])
    plateau = np.array(
        [
            [plateau_loss(one["loss"], n.plateau_smoothing) for n, one in zip(networks, those, strict=True)]
            for those in (here, there)
        ]
    )
    apart = np.median(np.abs(np.diff(epochs, axis=0)))
    numbers = [*np.median(epochs, 1), apart]
    return len(networks), *(f"{n:.0f}" for n in numbers), *(f"{loss:.4f}" for loss in np.median(plateau, 1))


def table(there: Mapping[Network, Result]) -> list[tuple]:
    """Rows of all conditions; there: results on the GPU."""
    rows = []
    for name, networks in conditions().items():
        here = sweep(train_network, networks, label=name)
        rows.append((name, *compare(networks, here, [there[n] for n in networks])))
        print(*(f"{column} {value}" for column, value in zip(COLUMNS, rows[-1], strict=True)), sep=", ")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", help="CSV of the rows")
    out = parser.parse_args().out
    if device().type == "cpu":
        print("torch finds no NVIDIA GPU here: nothing is trained")
        return
    networks = [network for those in conditions().values() for network in those]
    start = perf_counter()
    there = dict(train_together(networks))
    print(f"{len(there)} networks on the GPU in {perf_counter() - start:.0f} s")
    rows = table(there)
    if out:
        with open(out, "w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()
