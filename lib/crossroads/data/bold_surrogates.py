"""Signals without states that share spectra and static connectivity with given ones."""

import numpy as np


def shared_phases(series: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Series with every phase turned at random, by the same angle in all regions at each frequency.

    All power spectra and cross spectra stay, and with them means, covariances at every (circular) lag and the
    autocorrelation: what a stationary Gaussian process can have. What comes and goes in time is lost.
    The published toolbox turns each region by its own angles, and so loses static connectivity too.

    Parameters
    ----------
    series : (T, N) finite signals of one person.

    Returns
    -------
    (T, N) float64.
    """
    spectrum = np.fft.rfft(series, axis=0)
    turn = rng.uniform(0, 2 * np.pi, len(spectrum))
    # Mean and, with an even T, the fastest wave have no phase: turned, they would not come back real.
    turn[0] = 0
    if len(series) % 2 == 0:
        turn[-1] = 0
    return np.fft.irfft(spectrum * np.exp(1j * turn)[:, None], n=len(series), axis=0)
