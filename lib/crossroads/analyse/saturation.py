"""How information grows with the number of cells, and where it stops: fitted curves and the theory of limits.

With I0 n the information of n cells without harmful correlations and noise of covariance eps f'f'^T added,
I(n) = I0 n / (1 + eps I0 n): half of its limit 1/eps is reached by N = 1/(eps I0) cells (Moreno-Bote et al.
2014). Hazon et al. (2022, Fig. 2e,f) fit this curve to 1/MSE of decoded position, whose limit is 1/eps too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import curve_fit
from scipy.stats import t as student

N_MAX = 1e6  # cells; curves that bend later than this are straight for any recording


@dataclass(frozen=True)
class Saturation:
    """The curve 1/MSE(n) = i0 n / (1 + n / n_half), eq-hippocampus-saturation.

    i0 : information per cell [cm^-2] of few cells; n_half : cells that give half of the limit i0 n_half.
    i0_ci, n_half_ci (2,) : 95% intervals; the latter ends at infinity where the curve may be straight.
    r2 : explained share of the variance of the fitted values.
    """

    i0: float
    n_half: float
    i0_ci: np.ndarray
    n_half_ci: np.ndarray
    r2: float

    @property
    def unbounded(self) -> bool:
        """Whether n_half stands at its bound N_MAX: no sign of saturation."""
        return self.n_half >= 0.999 * N_MAX

    @property
    def asymptotic_rms(self) -> float:
        """Error of infinitely many cells [cm], (i0 n_half)^(-1/2)."""
        return (self.i0 * self.n_half) ** -0.5

    def size_for(self, fraction: float) -> float:
        """Number of cells that give this fraction (0-1) of the limit: n_half for 0.5, 9 n_half for 0.9."""
        return self.n_half * fraction / (1 - fraction)

    def curve(self, n: np.ndarray) -> np.ndarray:
        """1/MSE [cm^-2] of n cells."""
        return self.i0 * n / (1 + n / self.n_half)


@dataclass(frozen=True)
class Exponential:
    """The alternative curve 1/MSE(n) = asymptote (1 - exp(-n / n_scale)); r2 as in `Saturation`."""

    asymptote: float
    n_scale: float
    r2: float

    def curve(self, n: np.ndarray) -> np.ndarray:
        """1/MSE [cm^-2] of n cells."""
        return -self.asymptote * np.expm1(-n / self.n_scale)


def fit_saturation(n: np.ndarray, information: np.ndarray) -> Saturation:
    """Fit the saturating curve by unweighted least squares (the authors' `createFit_infoSaturation`).

    Equation eq-hippocampus-saturation.

    Fitted are slope and 1/N, in units of the largest size and value: in the paper's units the start (1, 100)
    is four orders of magnitude off in I0, and N itself has no finite estimate for a straight line. Start: N =
    100 as in the paper, slope of the last point. The interval of N is that of 1/N inverted; the published
    one, N +- t SE, agrees where it is narrow and reaches negative sizes where it is not.

    Parameters
    ----------
    n : (n_sizes,) numbers of cells, at least 3 different ones.
    information : (n_sizes,) 1/MSE [cm^-2], averaged over ensembles (mean of 1/MSE, not 1 / mean MSE).
    """
    (i0, rate), error, r2 = _fit_slope_and_rate(
        lambda x, slope, rate: slope * x / (1 + rate * x), n, information
    )
    reach = student.ppf(0.975, len(n) - 2) * error
    low, high = np.clip([rate - reach[1], rate + reach[1]], 0, None)
    n_half_ci = np.array([1 / high, 1 / low if low > 0 else np.inf])
    return Saturation(i0, 1 / rate, i0 + reach[0] * np.array([-1, 1]), n_half_ci, r2)


def fit_exponential(n: np.ndarray, information: np.ndarray) -> Exponential:
    """Fit the exponential that the published scripts compare with; arguments as in `fit_saturation`."""
    (slope, rate), _, r2 = _fit_slope_and_rate(
        lambda x, slope, rate: -slope * np.expm1(-rate * x) / rate, n, information
    )
    return Exponential(slope / rate, 1 / rate, r2)


def fit_one_parameter(n: np.ndarray, d2: np.ndarray, d2_shuffled: np.ndarray) -> tuple[float, np.ndarray]:
    """Fit (d')^2 = (d')^2_shuffled / (1 + epsilon n) (Rumyantsev et al. 2020), unweighted least squares.

    Better conditioned than `fit_saturation`: the shuffled data carry whatever else bends both curves.

    Parameters
    ----------
    n : (n_sizes,) numbers of cells, at least 2.
    d2, d2_shuffled : (n_sizes,) squared d', or information, of real and of shuffled data.

    Returns
    -------
    epsilon [1/cell], 1/N of `Saturation`; its 95% interval (2,).
    """
    n, d2, d2_shuffled = (np.asarray(values, dtype=float) for values in (n, d2, d2_shuffled))
    start = np.median((d2_shuffled / d2 - 1) / n)
    (epsilon,), covariance = curve_fit(
        lambda n, epsilon: d2_shuffled / (1 + epsilon * n),
        n,
        d2,
        p0=start,
        jac=lambda n, epsilon: (-d2_shuffled * n / (1 + epsilon * n) ** 2)[:, None],
    )
    reach = student.ppf(0.975, len(n) - 1) * np.sqrt(covariance[0, 0])
    return float(epsilon), epsilon + reach * np.array([-1, 1])


def limited_information(information: np.ndarray, epsilon: float) -> np.ndarray:
    """Information once noise of covariance epsilon f'f'^T is added: I / (1 + epsilon I), at most 1 / epsilon.

    Equation eq-hippocampus-limit.

    Holds for any noise it is added to (Moreno-Bote et al. 2014). Jitter of the represented position by an SD
    of sigma [cm] has epsilon = sigma^2, for information in cm^-2.
    """
    return information / (1 + epsilon * information)


def _fit_slope_and_rate(
    curve: Callable[[np.ndarray, float, float], np.ndarray], n: np.ndarray, information: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Least squares of curve(n, slope at 0, rate of bending >= 1/N_MAX): estimates, standard errors, R^2."""
    n, information = np.asarray(n, dtype=float), np.asarray(information, dtype=float)
    if len(np.unique(n)) < 3:
        raise ValueError(f"a curve of two parameters needs three numbers of cells or more; got {n}")
    unit = np.array([information.max() / n.max(), 1 / n.max()])
    start, lowest = [1.0, 0.01 * n.max()], [-np.inf, n.max() / N_MAX]
    x, y = n * unit[1], information / information.max()
    found, covariance = curve_fit(curve, x, y, p0=start, bounds=(lowest, np.inf), method="dogbox", gtol=1e-14)
    r2 = 1 - np.sum((y - curve(x, *found)) ** 2) / np.sum((y - y.mean()) ** 2)
    return found * unit, np.sqrt(np.diag(covariance)) * unit, float(r2)
