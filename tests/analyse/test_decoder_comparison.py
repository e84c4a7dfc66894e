"""Comparisons of decoders against scikit-learn on planted code."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from crossroads.analyse.decoder_comparison import BIN_COUNTS, COMPARED, DecoderComparison, compare_decoders
from crossroads.analyse.position_decoding import random_halves
from crossroads.data.linear_track import find_runs
from crossroads.data.place_cells import VirtualMouse
from crossroads.data.place_recordings import Recording, open_runs

RECORDING = Recording(VirtualMouse(n_cells=60, n_runs=40, n_modules=2), seed=3, mouse=0, session=0)


@pytest.fixture(scope="module")
def compared() -> dict[str, np.ndarray]:
    return compare_decoders(DecoderComparison(RECORDING, 1000))


def test_every_comparison_has_its_errors(compared: dict[str, np.ndarray]) -> None:
    assert compared["decoders"].shape == (len(COMPARED), 3)
    assert compared["bins"].shape == (len(BIN_COUNTS), 3)
    assert compared["blocks"].shape == (3,)
    for name, n_bins in (("decoders", 20), ("blocks", 20), ("bins", np.array(BIN_COUNTS)[:, None])):
        assert (compared[name] > 0.8 * compared["floor"]).all()
        assert (compared[name] < 120 / n_bins * np.sqrt((n_bins**2 - 1) / 6)).all()  # a bin at random


def test_naive_bayes_is_that_of_scikit_learn_on_the_same_halves(compared: dict[str, np.ndarray]) -> None:
    _, runs = open_runs(RECORDING)
    # Fewer cells than asked for: all, in the order that the unit's generator puts them.
    x = runs.activity[..., RECORDING.rng(6).permutation(60)]
    first = random_halves(runs.rightward, RECORDING.rng(7))
    bins = np.tile(np.arange(20), (len(x), 1))
    labels = 2 * bins + ~runs.rightward[:, None]
    errors = []
    for train, test in ((first, ~first), (~first, first)):
        fitted = GaussianNB(var_smoothing=0.01).fit(x[train].reshape(-1, 60), labels[train].ravel())
        named = fitted.predict(x[test].reshape(-1, 60)) // 2
        errors.append((6.0 * (named - bins[test].ravel())) ** 2)
    expected = np.sqrt(np.concatenate(errors).mean())
    assert compared["decoders"][list(COMPARED).index("naive Bayes"), 0] == pytest.approx(expected)


def test_narrower_bins_lose_only_runs_that_skip_one() -> None:
    session, runs = open_runs(RECORDING)
    frames, _ = find_runs(session.position_cm, max(BIN_COUNTS))
    assert set(map(tuple, frames)) <= set(map(tuple, find_runs(session.position_cm)[0]))
    assert len(frames) > 0.7 * len(runs.rightward)


def test_cells_are_a_part_of_those_recorded() -> None:
    few = compare_decoders(DecoderComparison(RECORDING, 15))
    assert (
        few["decoders"][:, 0] > compare_decoders(DecoderComparison(RECORDING, 60))["decoders"][:, 0]
    ).all()
