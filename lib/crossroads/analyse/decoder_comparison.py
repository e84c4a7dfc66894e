"""The same runs decoded in different ways: by other decoders, in other bins, by first against second half."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.linear_model import RidgeClassifierCV
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

from crossroads.analyse.position_decoding import (
    Decoder,
    block_halves,
    decode_halves,
    errors_cm,
    fit_pairwise_svm,
    fit_position_regression,
    fit_shrinkage_lda,
    sklearn_fit,
)
from crossroads.data.linear_track import average_visits, find_runs
from crossroads.data.place_recordings import Recording, open_runs

# The last one tells what the penalty does. Naive Bayes has a variance added (a hundredth of the largest), or
# cells that are silent in one place would outvote all others.
COMPARED: dict[str, Decoder] = {
    "LDA": fit_shrinkage_lda,
    "SVM": fit_pairwise_svm,
    "SVM, voting": sklearn_fit(SVC(kernel="linear", C=0.1)),
    "naive Bayes": sklearn_fit(GaussianNB(var_smoothing=0.01)),
    "one-vs-rest ridge": sklearn_fit(RidgeClassifierCV(np.logspace(0, 5, 6))),
    "regression": fit_position_regression,
    "SVM, C = 30": partial(fit_pairwise_svm, c=30),
}
BIN_COUNTS = (10, 20, 40)


@dataclass(frozen=True)
class DecoderComparison:
    """A unit: one recording, decoded in every way from the same n_cells random cells, or all it has."""

    recording: Recording
    n_cells: int


def compare_decoders(unit: DecoderComparison) -> dict[str, np.ndarray]:
    """RMS errors [cm], the last axis for the kinds of `position_decoding.KINDS`.

    Returns
    -------
    "decoders" (len(COMPARED), 3); "blocks" (3,): LDA trained on one half of the session in time, tested on
    the other; "bins" (len(BIN_COUNTS), 3): LDA with as many bins, in runs that have a frame in each of the
    narrowest; "floor" [cm], NaN where nothing is planted.
    """
    session, runs = open_runs(unit.recording)
    n_cells = runs.activity.shape[2]
    cells = unit.recording.rng(6).permutation(n_cells)[: unit.n_cells]
    activity = runs.activity[..., cells]

    def rms(activity: np.ndarray, rightward: np.ndarray, fit: Decoder, **halves: np.ndarray) -> np.ndarray:
        # One generator for each, so that all decoders see the same halves and shuffles.
        predicted = decode_halves(activity, rightward, fit, unit.recording.rng(7), **halves)
        return np.sqrt((errors_cm(predicted, runs.circular) ** 2).mean((1, 2)))

    frames, rightward = find_runs(session.position_cm, max(BIN_COUNTS))
    by_bins = [
        rms(
            average_visits(session.events[:, cells], session.position_cm, frames, n),
            rightward,
            fit_shrinkage_lda,
        )
        for n in BIN_COUNTS
    ]
    return {
        "decoders": np.array([rms(activity, runs.rightward, fit) for fit in COMPARED.values()]),
        "blocks": rms(activity, runs.rightward, fit_shrinkage_lda, first_half=block_halves(runs.rightward)),
        "bins": np.array(by_bins),
        "floor": np.array(session.truth.floor_cm if session.truth else np.nan),
    }
