"""How well a hand's posture is decoded, and how much information a match carries."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from crossroads.data.nerve_session import ACTIVE, DOFS, POSTURES

TINY = 1e-12


def scores(true: np.ndarray, decoded: np.ndarray) -> pd.DataFrame:
    """Scores of each degree of freedom, one row each.

    Parameters
    ----------
    true, decoded : (..., 6) flexion, 0 to 1.

    Returns
    -------
    dof; mse and vaf (variance accounted for) of trajectories; of states (active above ACTIVE): accuracy,
    balanced (mean of tpr and tnr), f1, tpr, tnr, auc; rest, the accuracy of always saying "rest".
    What has no meaning, as tpr where nothing is active, is nan.
    """
    true, decoded = true.reshape(-1, len(DOFS)), decoded.reshape(-1, len(DOFS))
    on, said = true > ACTIVE, decoded > ACTIVE
    n_on, n_off = on.sum(0), (~on).sum(0)
    hit, correct_rest = (on & said).sum(0), (~on & ~said).sum(0)
    error = np.asarray(((decoded - true) ** 2).mean(0))
    # How often an active step is above a resting one, ties half: from the sum of ranks (Mann and Whitney).
    above = (on * rankdata(decoded, axis=0)).sum(0) - n_on * (n_on + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        tpr, tnr = hit / n_on, correct_rest / n_off
        table = {
            "mse": error,
            "vaf": 1 - error / true.var(0),
            "accuracy": (on == said).mean(0),
            "balanced": (tpr + tnr) / 2,
            "f1": 2 * hit / (n_on + said.sum(0)),
            "tpr": tpr,
            "tnr": tnr,
            "rest": (~on).mean(0),
            "auc": above / (n_on * n_off),
        }
    return pd.DataFrame({"dof": DOFS, **table})


def nearest_gesture(posture: np.ndarray) -> np.ndarray:
    """(...,) index of the gesture whose posture is nearest to (..., 6)."""
    return np.linalg.norm(posture[..., None, :] - POSTURES, axis=-1).argmin(-1)


def confusion(asked: np.ndarray, made: np.ndarray, n: int) -> np.ndarray:
    """(n, n) counts: rows what was asked for, columns what was made."""
    counts = np.zeros((n, n), int)
    np.add.at(counts, (asked, made), 1)
    return counts


def wolpaw_bits(n: int, p: float) -> float:
    """Bits of one selection among n that is right with probability p and else wrong alike in all ways.

    Equation eq-nerve-wolpaw (Wolpaw 1998). Raises ValueError for n < 2 or p outside 0 to 1.
    """
    if n < 2 or not 0 <= p <= 1:
        raise ValueError(f"a selection among {n} with probability {p}: n >= 2 and 0 <= p <= 1 are needed")
    wrong = (1 - p) * np.log2((1 - p) / (n - 1)) if p < 1 else 0.0
    return float(np.log2(n) + (p * np.log2(p) if p > 0 else 0.0) + wrong)


def information_bits(counts: np.ndarray) -> float:
    """Mutual information of a confusion matrix (n, m) [bit], corrected by Miller and Madow's bias.

    Equation eq-nerve-information. The plug-in estimate is too large by about
    (cells - rows - columns + 1) / (2 ln 2 * counts), where only those that occur count.
    """
    total = counts.sum()
    joint = counts / total
    product = joint.sum(1, keepdims=True) * joint.sum(0)
    seen = joint > 0
    plug_in = float(np.sum(joint[seen] * np.log2(joint[seen] / product[seen])))
    n_free = seen.sum() - seen.any(1).sum() - seen.any(0).sum() + 1
    return plug_in - n_free / (2 * np.log(2) * total)
