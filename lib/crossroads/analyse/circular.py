"""Statistics of directions. All angles are in radians; NaNs are dropped and do not count in n.

For angles that live on half a circle (plane angles without sign, 0..pi) double them first, as the paper does:
`v_test(2 * np.abs(theta), towards=np.pi)` asks whether |theta| gathers round 90 degrees.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pingouin
from scipy import stats

from crossroads.analyse.contrasts import Contrast
from crossroads.data.circle import wrap


def circular_mean(angles: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean direction in (-pi, pi] along an axis; NaN where there is no angle or the angles cancel exactly."""
    resultant = np.nansum(np.exp(1j * np.asarray(angles, dtype=float)), axis=axis)
    return np.where(resultant == 0, np.nan, np.angle(resultant))


def circular_mean_deg(angles_deg: np.ndarray) -> float:
    """Mean direction [deg] of angles (n,) [deg]; NaNs are left out."""
    return float(np.degrees(circular_mean(np.radians(angles_deg))))


def v_test(angles: np.ndarray, towards: float) -> Contrast:
    """V-test: uniform directions against a mean direction `towards` [rad] known beforehand.

    Parameters
    ----------
    angles : (n,) directions.

    Returns
    -------
    Contrast with statistic V = R cos(mean - towards), R the length of the summed unit vectors; p from the
    normal approximation of V sqrt(2/n), one-sided, so that a mean opposite to `towards` has p near 1;
    effect the mean resultant length R/n, 0..1. With no angle left all are NaN.
    """
    return _uniformity("V-test", lambda sample: pingouin.circ_vtest(sample, dir=towards), angles)


def rayleigh(angles: np.ndarray) -> Contrast:
    """Rayleigh test: uniform directions against one unknown mean direction.

    Parameters
    ----------
    angles : (n,) directions.

    Returns
    -------
    Contrast with statistic z = R^2 / n, Zar's approximate p, and effect the mean resultant length R/n,
    0..1. With no angle left all are NaN.
    """
    return _uniformity("Rayleigh", pingouin.circ_rayleigh, angles)


def _uniformity(name: str, test: Callable[[np.ndarray], tuple[float, float]], angles: np.ndarray) -> Contrast:
    sample = wrap(_without_nan(angles))  # pingouin takes angles of one turn only
    if len(sample) == 0:
        return Contrast(name, np.nan, np.nan, 0, np.nan)
    statistic, p = test(sample)
    return Contrast(name, float(statistic), float(p), len(sample), float(np.abs(np.exp(1j * sample).mean())))


def one_sample_ci(angles: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Mean direction with its confidence interval (Zar, Biostatistical Analysis, ch. 26; Upton 1986).

    The circular one-sample test rejects a mean direction that lies outside the interval.

    Parameters
    ----------
    angles : (n,) directions, taken to be von Mises distributed.
    level : confidence, between 0 and 1.

    Returns
    -------
    (mean, low, high): mean in (-pi, pi], and low <= mean <= high not wrapped. Low and high are NaN where the
    angles are too scattered for an interval, R^2 <= n chi^2 / 2.
    """
    sample = _without_nan(angles)
    n, chi2 = len(sample), stats.chi2.ppf(level, 1)
    resultant = np.abs(np.exp(1j * sample).sum())
    mean = float(circular_mean(sample))
    if resultant**2 <= n * chi2 / 2:
        return mean, np.nan, np.nan
    if resultant < 0.9 * n:
        reach = np.sqrt(2 * n * (2 * resultant**2 - n * chi2) / (4 * n - chi2))
    else:
        reach = np.sqrt(n**2 - (n**2 - resultant**2) * np.exp(chi2 / n))
    half_width = float(np.arccos(min(1.0, reach / resultant)))  # rounding may lift the ratio over 1
    return mean, mean - half_width, mean + half_width


def _without_nan(angles: np.ndarray) -> np.ndarray:
    angles = np.asarray(angles, dtype=float)
    return angles[~np.isnan(angles)]
