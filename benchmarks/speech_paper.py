"""The decoder of chapter speech trained at the paper's shapes, and how well it retrieves on simulated MEG.

`python benchmarks/speech_paper.py [--out FILE]`: a network on Mel bands that is learned with the decoder, the
bands themselves, and the former with pairs shuffled in training, for a fifth of the steps: it must stay at
chance. Sensors, sources, batches, windows, layers and learning rate are those of size paper; listeners are
fewer, training is short, the voice is espeak's, and no pretrained speech model listens.

Made for a GPU, where it takes five minutes, half of them for the simulation; `--size ci` tries it anywhere.
"""

import argparse
import csv
import os
from dataclasses import replace
from time import perf_counter

from crossroads.analyse import speech
from crossroads.analyse.retrieval import chance, top_k
from crossroads.analyse.speech_study import MAIN, SpeechSettings, reference, table_2, tellings
from crossroads.data.settings import load_settings

COLUMNS = ("what", "steps", "s", "loss", "top-10, %", "top-1, %", "candidates", "chance of top-10, %")
LISTENERS, EPOCHS, EPOCH_STEPS = 8, 5, 150


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.devnull, help="CSV of the rows")
    parser.add_argument("--size", default="paper", help="of ci/sizes/speech.yml")
    given = parser.parse_args()
    settings = replace(
        load_settings(SpeechSettings, "speech", given.size),
        n_subjects=LISTENERS,
        max_epochs=EPOCHS,
        epoch_steps=EPOCH_STEPS,
    )
    full = reference(settings, tellings(settings, "espeak", 0, ""), 0, MAIN)
    rows = table_2(settings, full)
    deep = rows["deep mel"]
    shuffled = replace(deep, fitting=replace(deep.fitting, shuffled=True, max_epochs=1))
    speech.open_group(full.story, full.brain, full.rate_hz, full.seed, full.group)  # before the clock starts
    with open(given.out, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for what, unit in (
            ("deep mel", deep),
            ("contrastive", rows["contrastive"]),
            ("deep mel, pairs shuffled in training", shuffled),
        ):
            start = perf_counter()
            found = speech.decode(unit)
            seconds, history, n = perf_counter() - start, found["history"], len(found["word"])
            row = (
                *(what, len(history) * EPOCH_STEPS, f"{seconds:.0f}"),
                *(f"{history[:, 1].min():.3f}", *(f"{100 * top_k(found['rank'], k):.1f}" for k in (10, 1))),
                *(n, f"{100 * chance(10, n):.1f}"),
            )
            writer.writerow(row)
            stream.flush()
            print(
                *(f"{name} {value}" for name, value in zip(COLUMNS, row, strict=True)), sep=", ", flush=True
            )


if __name__ == "__main__":
    main()
