"""A decoder of chapter nerve as size paper trains it, 1.6 million parameters, beside that of size book.

`python benchmarks/nerve_paper.py [--out FILE]`: both on the first session of size paper's first nerve, the
same trials for training and test. On one core of a processor this takes half an hour.
"""

import argparse
import csv
from dataclasses import replace
from time import perf_counter

from crossroads.analyse.hand_scores import scores
from crossroads.analyse.nerve import NerveSettings, plan_trainings
from crossroads.analyse.nerve_study import Training, open_recording, train
from crossroads.data.settings import load_settings

COLUMNS = ("decoder", "parameters", "steps", "s", "on", "balanced accuracy", "VAF")


def first(size: str) -> Training:
    """The first main decoder of a size."""
    return plan_trainings(load_settings(NerveSettings, "nerve", size), 0)["main"][0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", help="CSV of the rows")
    out = parser.parse_args().out
    paper, book = first("paper"), first("book")
    open_recording(paper.recording)  # is simulated before the clock starts
    rows = []
    for size, one in (
        ("book", replace(paper, kind=book.kind, fitting=book.fitting)),
        (
            "book, trained as long",
            replace(paper, kind=book.kind, fitting=replace(paper.fitting, n_hidden=64)),
        ),
        ("paper", paper),
    ):
        start = perf_counter()
        found = train(one)
        seconds = perf_counter() - start
        table = scores(found["true"], found["decoded"])
        steps = one.fitting.epochs * one.fitting.batches
        on = found.get("device", "cpu")
        quality = f"{table.balanced.mean():.3f}", f"{table.vaf.mean():.3f}"
        rows.append((f"of size {size}", len(found["weights"]), steps, f"{seconds:.0f}", on, *quality))
        print(
            *(f"{name} {value}" for name, value in zip(COLUMNS, rows[-1], strict=True)), sep=", ", flush=True
        )
    if out:
        with open(out, "w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()
