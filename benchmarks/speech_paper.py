"""The decoder of chapter speech trained at the paper's shapes, and how well it retrieves on simulated MEG.

`python benchmarks/speech_paper.py [--out FILE]`: a network on Mel bands that is learned with the decoder, the
bands themselves, and the former with pairs shuffled in training, for a third of the epochs: it must stay at
chance. All but the number of listeners and the length of training is of size paper, also the strength, of
10 nA m; the voice is espeak's, and no pretrained speech model listens. With that strength a decoder of 64
channels and 2 blocks at 16 Hz has 80 to 90 % top-10 accuracy after 1,000 steps, and with half of it 40 to
47 %; five blocks of 48 to 64 channels at 120 Hz leave the plateau of the loss after 80 to 120 steps.

Made for a GPU beside 16 cores, for four minutes; `--size ci` with few parts, listeners and steps tries it on
any processor. A row's seconds hold its training and test.
"""

import argparse
import csv
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import mne
import numpy as np
import torch
from threadpoolctl import threadpool_limits

from crossroads.analyse import speech
from crossroads.analyse.retrieval import chance, top_k
from crossroads.analyse.speech_study import MAIN, SpeechSettings, reference, table_2, tellings
from crossroads.data import listening_brain
from crossroads.data.listening import Recording, Story
from crossroads.data.settings import load_settings
from crossroads.models import contrastive_training
from crossroads.models.device import device

COLUMNS = (
    "what", "parameters", "windows in training", "training steps", "s", "on", "validation loss at best",
    "top-10 accuracy %", "top-1 accuracy %", "candidates", "chance of top-10 %",
)  # fmt: skip
watched: dict[str, float] = {}  # of the last training


def record(story: Story, brain: listening_brain.Brain, rate_hz: float, seed: int) -> list[Recording]:
    """As `simulate_cohort`, a thread each; the same people, other noise."""
    mne.set_log_level("error")  # for all threads
    people = listening_brain.listeners(brain, seed)
    listening_brain.listeners = lambda _, subject: [people[subject]]
    listening_brain.streams(story)  # so that the threads find it

    def one(subject: int) -> Recording:
        (recording,) = listening_brain.simulate_cohort(story, brain, rate_hz, subject)
        return replace(recording, subject=str(subject))

    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, range(brain.n_subjects)))


def fit(decoder: contrastive_training.Decoder, *arguments: Any) -> np.ndarray:
    """As that of the library; keeps how much is trained, and when."""
    watched["parameters"] = sum(weights.numel() for weights in decoder.parameters())
    watched["begin"] = perf_counter()
    history = contrastive_training.fit(decoder, *arguments)
    watched["end"] = perf_counter()
    return history


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(os.devnull), help="CSV of the rows")
    parser.add_argument("--size", default="paper", help="of ci/sizes/speech.yml")
    for name, default in {"parts": 20, "listeners": 12, "epochs": 6, "epoch-steps": 150}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    given = parser.parse_args()
    settings = replace(
        load_settings(SpeechSettings, "speech", given.size),
        n_parts=given.parts,
        n_subjects=given.listeners,
        max_epochs=given.epochs,
        epoch_steps=given.epoch_steps,
    )
    speech.simulate_cohort, speech.fit = record, fit
    full = reference(settings, tellings(settings, "espeak", 0, ""), 0, MAIN)
    start = perf_counter()
    speech.open_story(full.story)
    told = perf_counter()
    speech.open_group(full.story, full.brain, full.rate_hz, full.seed, full.group)
    print(f"story told in {told - start:.1f} s, recorded in {perf_counter() - told:.1f} s", flush=True)
    deep = table_2(settings, full)["deep mel"]
    shuffled = replace(deep.fitting, shuffled=True, max_epochs=max(1, given.epochs // 3))
    where = torch.cuda.get_device_name() if device().type == "cuda" else "cpu"
    with given.out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for what, unit in (
            ("deep mel", deep),
            ("contrastive", table_2(settings, full)["contrastive"]),
            ("deep mel, pairs shuffled in training", replace(deep, fitting=shuffled)),
        ):
            start = perf_counter()
            found = speech.decode(unit)
            begin, end, now = watched["begin"], watched["end"], perf_counter()
            n_windows = given.listeners * len(speech.timeline_of(unit).train)
            steps, n = len(found["history"]) * given.epoch_steps, len(found["word"])
            accuracy = (f"{100 * top_k(found['rank'], k):.1f}" for k in (10, 1))
            row = (
                *(what, int(watched["parameters"]), n_windows, steps, f"{now - begin:.0f}", where),
                *(f"{found['history'][:, 1].min():.3f}", *accuracy, n, f"{100 * chance(10, n):.1f}"),
            )
            writer.writerow(row)
            stream.flush()
            print(*(f"{name} {value}" for name, value in zip(COLUMNS, row, strict=True)), sep=", ")
            seconds = f"prepared in {begin - start:.1f} s, trained in {end - begin:.1f} s"
            print(f"{seconds}, tested in {now - end:.1f} s", flush=True)


if __name__ == "__main__":
    main()
