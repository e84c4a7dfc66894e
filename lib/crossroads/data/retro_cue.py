"""The retro-cue colour task of Piwek, Stokes & Summerfield (2023): what a network sees and is asked.

Two coloured items appear together, one at each location; after a delay a cue says which one will be asked
for; after a second delay its colour is reported. One time step is one cycle (sec. 4.1 of the published code).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import numpy as np

from crossroads.data.circle import wrap

N_COLOURS = 16
N_UNITS = 17  # tuned units at each location, and report units
N_INPUTS = 2 + 2 * N_UNITS  # two cue lines, then the units of location 1 and of location 2
KAPPA = 5.0
COLOURS = -np.pi + 2 * np.pi * np.arange(N_COLOURS) / N_COLOURS
CENTRES = -np.pi + 2 * np.pi * np.arange(N_UNITS) / N_UNITS
# The code divides by the largest of 100 points of the density, which miss the peak: units reach 1.0025.
PEAK = np.exp(KAPPA * (np.cos(np.pi / 99) - 1))


@dataclass(frozen=True)
class Timing:
    """Cycles of each delay; stimulus, cue and probe last one cycle each. `probe_delay` < 0 means no probe."""

    pre_cue: int
    post_cue: int
    probe_delay: int = -1

    @property
    def cue_step(self) -> int:
        return 1 + self.pre_cue

    @property
    def probe_step(self) -> int:
        return 2 + self.pre_cue + self.post_cue

    @property
    def n_steps(self) -> int:
        return self.probe_step + max(0, 1 + self.probe_delay)

    @property
    def readouts(self) -> tuple[int, ...]:
        """Last cycle of every delay (with no post-cue delay, the cue's own cycle)."""
        return (self.cue_step - 1, self.probe_step - 1, self.n_steps - 1)[: 2 + (self.probe_delay >= 0)]

    @property
    def event_steps(self) -> tuple[int, ...]:
        """Cycles with input: stimulus, cue and, in experiment 4, probe."""
        return (0, self.cue_step, self.probe_step)[: 2 + (self.probe_delay >= 0)]


@dataclass(frozen=True)
class Trials:
    """Indices of the colours (0..15) at both locations and the location (0 or 1) that is asked for, each
    (n_trials,)."""

    colour1: np.ndarray
    colour2: np.ndarray
    probed: np.ndarray

    @property
    def target(self) -> np.ndarray:
        """Colour index of the item asked for."""
        return np.where(self.probed == 0, self.colour1, self.colour2)

    @property
    def other(self) -> np.ndarray:
        """Colour index of the other item."""
        return np.where(self.probed == 0, self.colour2, self.colour1)


def all_trials() -> Trials:
    """The 16 x 16 x 2 = 512 trials of one epoch, same colours allowed."""
    colour1, colour2, probed = np.array(list(product(range(N_COLOURS), range(N_COLOURS), range(2)))).T
    return Trials(colour1, colour2, probed)


def tuning(colours: np.ndarray) -> np.ndarray:
    """Activity of the 17 tuned units, exp(kappa (cos(c - phi_k) - 1)) / peak, for colours [rad] of shape
    (n,): (n, 17).

    Equation eq-retrocue-tuning over PEAK, as published.
    """
    return np.exp(KAPPA * (np.cos(colours[:, None] - CENTRES) - 1)) / PEAK


def event_inputs(trials: Trials, cued: np.ndarray | None = None, n_items: int = 2) -> np.ndarray:
    """Inputs at the events of a trial; at every other cycle the input is zero.

    Parameters
    ----------
    trials : the trials.
    cued : location (0 or 1) that the retro-cue points at, (n_trials,), where that may differ from the probed
        one (experiment 4); the probe is then a third event, always right.
    n_items : 2, or 1 for a control task in which only the item asked for is shown.

    Returns
    -------
    (n_events, n_trials, 36) float64: stimulus, cue and, where `cued` is given, probe.
    """
    units = tuning(COLOURS)
    lines = np.eye(2)
    pointers = [trials.probed] if cued is None else [cued, trials.probed]
    inputs = np.zeros((1 + len(pointers), len(trials.probed), N_INPUTS))
    inputs[0, :, 2 : 2 + N_UNITS] = units[trials.colour1]
    inputs[0, :, 2 + N_UNITS :] = units[trials.colour2]
    if n_items == 1:
        inputs[0, trials.probed == 0, 2 + N_UNITS :] = 0
        inputs[0, trials.probed == 1, 2 : 2 + N_UNITS] = 0
    for event, pointer in enumerate(pointers, start=1):
        inputs[event, :, :2] = lines[pointer]
    return inputs


def report_cost(trials: Trials) -> np.ndarray:
    """Squared angular distance d_k^2 [rad^2] of each report unit from the target unit: (n_trials, 17).

    The target unit is the most active one for the colour asked for (unit 9 is never a target).
    """
    target_unit = tuning(COLOURS).argmax(1)[trials.target]
    return wrap(CENTRES - CENTRES[target_unit][:, None]) ** 2


def variable_timings(delays: tuple[int, ...] = (2, 6, 7, 9)) -> list[Timing]:
    """Delay pairs of experiment 3: combinations with replacement, so the first delay is never the longer
    one."""
    return [Timing(pre, post) for pre, post in combinations_with_replacement(delays, 2)]


def flip_cues(probed: np.ndarray, validity: float, rng: np.random.Generator) -> np.ndarray:
    """Cued locations of experiment 4: wrong in a random share 1 - validity of the trials, (n_trials,)."""
    cued = probed.copy()
    wrong = rng.permutation(len(probed))[: round((1 - validity) * len(probed))]
    cued[wrong] = 1 - cued[wrong]
    return cued


def unit_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of standard deviation `sigma` for every unit and cycle, float32; none is drawn where it
    is zero."""
    if sigma == 0:
        return np.zeros(shape, np.float32)
    return np.float32(sigma) * rng.standard_normal(shape, np.float32)


def prefrontal_patterns(trials: Trials, reversed_order: bool = False) -> np.ndarray:
    """Noise-free population coordinates that the macaque recordings suggest for every trial: (2, n_trials,
    4).

    Before the cue each location has a colour plane of its own (axes 0-1 and 2-3); after it the item asked for
    lies in one plane, whichever its location (Panichello & Buschman 2021). `reversed_order` swaps the two
    epochs: a wrong target.
    """
    colour1, colour2, target = (COLOURS[c] for c in (trials.colour1, trials.colour2, trials.target))
    before = np.column_stack([np.cos(colour1), np.sin(colour1), np.cos(colour2), np.sin(colour2)])
    after = np.column_stack([np.cos(target), np.sin(target), 0 * target, 0 * target])
    return np.stack([after, before] if reversed_order else [before, after])
