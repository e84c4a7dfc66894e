"""Learning curves of the retro-cue task: plateau, stop rules, and the losses that theory expects.

Rules follow the published code of Piwek, Stokes & Summerfield (2023), src/retrocue_model.py and
src/learning_dynamics_and_connectivity_analysis.py.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import argrelmax

from crossroads.data.circle import wrap
from crossroads.data.retro_cue import CENTRES, COLOURS, N_COLOURS, N_UNITS, all_trials, report_cost, tuning

PLATEAU_SMOOTHING = 4.0  # standard deviation of the Gaussian [epochs]
PLATEAU_DROP = 0.95  # share of the initial loss that the plateau must lie under
STOP_LOSS = 5e-4  # abs_loss
WINDOW, STEEPEST, CEILING = 15, -2e-5, 0.0036  # loss_der: epochs, loss per epoch, loss


def plateau_epoch(loss: np.ndarray, smoothing: float = PLATEAU_SMOOTHING) -> int | None:
    """Epochs of training after which the first plateau is reached; retrain as long to visit it.

    The plateau is the first local maximum of the smoothed loss's derivative after that loss has dropped under
    95 % of its initial value.

    Parameters
    ----------
    loss : (n_epochs,) mean loss of each epoch.
    smoothing : standard deviation of the Gaussian [epochs]; less where learning is quicker than the paper's.

    Returns
    -------
    Number of epochs, or None if the curve has no plateau.
    """
    smooth = gaussian_filter1d(np.asarray(loss, dtype=float), smoothing)
    candidates = argrelmax(np.diff(smooth))[0]
    candidates = candidates[smooth[candidates] < PLATEAU_DROP * smooth[0]]
    return int(candidates[0]) if len(candidates) else None


def converged_epoch(loss: np.ndarray, rule: str) -> int | None:
    """Number of epochs after which training stops, or None if it does not.

    "abs_loss": the epoch's loss is at most 5e-4. "loss_der": over the last 15 epochs the fitted slope lies
    from -2e-5 to 0 and every loss is under 0.0036; as in the published code, first tried after 16 epochs.

    Parameters
    ----------
    loss : (n_epochs,) mean loss of each epoch.
    rule : "loss_der" or "abs_loss".

    Raises
    ------
    ValueError : another rule.
    """
    loss = np.asarray(loss, dtype=float)
    met = np.zeros(len(loss), bool)
    if rule == "abs_loss":
        met = loss <= STOP_LOSS
    elif rule != "loss_der":
        raise ValueError(f"stop rule is {rule!r}; known are 'loss_der' and 'abs_loss'")
    elif len(loss) > WINDOW:
        windows = np.lib.stride_tricks.sliding_window_view(loss, WINDOW)[1:]
        centred = np.arange(WINDOW) - (WINDOW - 1) / 2
        slope = windows @ centred / (centred @ centred)
        met[WINDOW:] = (slope >= STEEPEST) & (slope <= 0) & (windows < CEILING).all(1)
    return int(met.argmax()) + 1 if met.any() else None


def chance_loss() -> float:
    """Mean loss over the 512 trials of a network whose report is uniform: 0.01134."""
    return float((report_cost(all_trials()) / N_UNITS**2).mean())


def cue_blind_loss() -> float:
    """Least mean loss that a report can reach which knows both colours but not the cue: 0.00606.

    With the cue unknown, trials with colours A and B cost (1/17) sum_k o_k^2 (d_Ak^2 + d_Bk^2) / 2 on
    average, which is least for o_k proportional to 1 / (d_Ak^2 + d_Bk^2).
    """
    # Neighbouring trials differ in the cue alone.
    either_cue = report_cost(all_trials()).reshape(N_COLOURS**2, 2, N_UNITS).mean(1)
    with np.errstate(divide="ignore"):  # equal colours: no cost at their target, and 1 / inf = 0 in all
        least = 1 / (1 / either_cue).sum(1)
    return float(least.mean() / N_UNITS)


def perfect_error_deg() -> float:
    """Mean absolute error [deg] of always reporting the target unit, one of 17 for 16 colours: 5.29."""
    return float(np.degrees(np.abs(wrap(CENTRES[tuning(COLOURS).argmax(1)] - COLOURS)).mean()))
