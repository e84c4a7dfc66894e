"""What trained retro-cue networks do: test trials, colour patterns at the end of each delay, geometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from crossroads.analyse import decoding, mixture
from crossroads.analyse.planes import N_BINS, Planes, bin_patterns, colour_discriminability, fit_planes
from crossroads.analyse.subspaces import alignment_index, principal_angles_deg, split_half_alignment
from crossroads.data import prefrontal
from crossroads.data import retro_cue as task
from crossroads.data.circle import wrap
from crossroads.data.colour_reports import ColourReports
from crossroads.models.learning import plateau_epoch
from crossroads.models.retro_cue_rnn import Weights, hidden_states, report_probabilities
from crossroads.models.retro_cue_training import STAGES, Network, stage_weights

TRIALS = task.all_trials()
COLOURS_PER_BIN = task.N_COLOURS // N_BINS
Trained = dict[str, np.ndarray]


@dataclass(frozen=True)
class Tested:
    """Networks of one condition on the 512 test trials, one row a network.

    cued, uncued : (n_models, 2 halves, n_readouts, 8, n_hidden) patterns at the end of each delay: four
        colour bins of the item the retro-cue points at (or not), where it was shown at location 1, then at
        location 2. The halves come
        from different noise; without noise they are equal.
    reports : one colour drawn from the network's report for each trial and repeat.
    """

    cued: np.ndarray
    uncued: np.ndarray
    reports: ColourReports

    @property
    def errors_deg(self) -> np.ndarray:
        """Signed report errors [deg], (n_models, n_reports)."""
        return np.degrees(wrap(self.reports.response - self.reports.target))


def respond(
    weights: Weights,
    timing: task.Timing,
    sigma: float,
    rng: np.random.Generator,
    cued: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Run a network over the 512 trials: states (T, 512, n_hidden) after each cycle, reports (512, 17).

    cued : location the retro-cue points at, for trials with a probe.
    """
    noise = task.unit_noise((timing.n_steps, len(TRIALS.probed), len(weights.b_in)), sigma, rng)
    inputs = task.event_inputs(TRIALS, cued).astype(np.float32)
    states = hidden_states(weights, inputs, np.array(timing.event_steps), noise)[1:]
    return states, report_probabilities(weights, states[-1])


def examine(
    networks: Sequence[Network],
    trained: Mapping[Network, Trained],
    n_repeats: int,
    rng: np.random.Generator,
    stage: str = "final",
    timing: task.Timing | None = None,
    valid: bool = True,
    readouts: tuple[int, ...] | None = None,
) -> Tested:
    """Test networks at a stage of their training on all 512 trials.

    Parameters
    ----------
    networks : of one condition; trained : what `train_network` returned for them, and maybe for others.
    n_repeats : runs of the 512 trials with fresh noise, 2 or more; without noise the states are computed once
        and only the reports are drawn again.
    stage : one of STAGES; a network that never reached it is taken at the end of its training.
    timing : of the test trials; by default the first that the networks were trained on.
    valid : whether the retro-cue tells the truth (experiment 4).
    readouts : cycles to read instead of the last of each delay (for the departure on state indices).
    """
    timing = timing or networks[0].timings[0]
    cued = TRIALS.probed if valid else 1 - TRIALS.probed
    colours = np.where(cued == 0, [TRIALS.colour1, TRIALS.colour2], [TRIALS.colour2, TRIALS.colour1])
    read = list(readouts or timing.readouts)
    patterns, responses = [], []
    for network in networks:
        weights = weights_at(trained[network], stage)
        halves = np.zeros((2, len(read), len(TRIALS.probed), network.n_hidden))
        for repeat in range(n_repeats):
            if repeat == 0 or network.sigma > 0:
                has_probe = timing.probe_delay >= 0
                states, reports = respond(weights, timing, network.sigma, rng, cued if has_probe else None)
            halves[repeat % 2] += states[read]
            responses.append(draw_reports(reports, rng))
        items = [
            bin_patterns(halves, colour, where)
            for colour, where in zip(colours, (cued, 1 - cued), strict=True)
        ]
        patterns.append(
            np.stack(items) / np.array([(n_repeats + 1) // 2, n_repeats // 2])[:, None, None, None]
        )
    shape = (len(networks), n_repeats * len(TRIALS.probed))
    target, other = (
        np.broadcast_to(np.tile(task.COLOURS[c], n_repeats), shape) for c in (TRIALS.target, TRIALS.other)
    )
    stacked = np.stack(patterns)
    reports_made = ColourReports(target, other, np.concatenate(responses).reshape(shape))
    return Tested(stacked[:, 0], stacked[:, 1], reports_made)


def plateau_loss(loss: np.ndarray, smoothing: float) -> float:
    """Loss at the plateau of a learning curve (n_epochs,), or at its end where it has none."""
    return float(loss[(plateau_epoch(loss, smoothing) or len(loss)) - 1])


def weights_at(result: Trained, stage: str) -> Weights:
    """Weights of a trained network at a stage, or at the end of its training where it never reached it."""
    return stage_weights(result, stage if result["epoch"][STAGES.index(stage)] >= 0 else "final")


def draw_reports(reports: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One colour [rad] (n_trials,) drawn from each row of report probabilities (n_trials, 17)."""
    below = reports.cumsum(1) < rng.uniform(size=(len(reports), 1)) * reports.sum(1, keepdims=True)
    return task.CENTRES[np.minimum(below.sum(1), task.N_UNITS - 1)]


def cross_item_patterns(cued: np.ndarray, uncued: np.ndarray) -> np.ndarray:
    """Cued colours against the uncued ones of the same trials: (2, ..., 8, N).

    First the trials with location 1 cued (rows 0-3 cued, shown there; rows 4-7 uncued, shown at location 2),
    then those with location 2 cued.
    """
    return np.stack(
        [
            np.concatenate([cued[..., :N_BINS, :], uncued[..., N_BINS:, :]], -2),
            np.concatenate([cued[..., N_BINS:, :], uncued[..., :N_BINS, :]], -2),
        ]
    )


@dataclass(frozen=True)
class Geometry:
    """How the planes of the two locations lie to each other; arrays have the patterns' leading axes."""

    planes: Planes
    ai2: np.ndarray  # alignment index in two dimensions
    ai3: np.ndarray  # and in three
    pve: np.ndarray  # share of the variance in three principal components


def geometry(patterns: np.ndarray) -> Geometry:
    """Angle, phase, alignment and explained variance of patterns (..., 8, N)."""
    one, two = patterns[..., :N_BINS, :], patterns[..., N_BINS:, :]
    planes = fit_planes(patterns)
    return Geometry(
        planes, alignment_index(one, two, 2), alignment_index(one, two, 3), planes.explained.sum(-1)
    )


def discriminability(blocks: Sequence[tuple[np.ndarray, bool]]) -> np.ndarray:
    """Colour discriminability of blocks that share three principal components, mean over cued locations.

    blocks : patterns (..., 8, N), rows by the place of an item, each with whether that item is the cued one:
        the trials with location 1 cued then stand in its rows 0-3 if it is, in rows 4-7 if it is the other
        one.

    Returns
    -------
    (n_blocks, ...) areas.
    """
    areas = []
    for location in (0, 1):
        rows = [
            patterns[..., N_BINS * place : N_BINS * (place + 1), :]
            for patterns, is_cued in blocks
            for place in [location if is_cued else 1 - location]
        ]
        areas.append(np.moveaxis(colour_discriminability(np.stack(rows, -3)), -1, 0))
    return np.mean(areas, axis=0)


def code_stability(
    network: Network,
    result: Trained,
    timing: task.Timing,
    n_repeats: int,
    rng: np.random.Generator,
    stage: str = "final",
) -> np.ndarray:
    """Cross-temporal decoding of the cued colour, mean over cued locations: (T, T) accuracies."""
    repeats = n_repeats if network.sigma > 0 else 1
    weights = weights_at(result, stage)
    states = np.concatenate([respond(weights, timing, network.sigma, rng)[0] for _ in range(repeats)], axis=1)
    bins, where = (np.tile(a, repeats) for a in (TRIALS.target // COLOURS_PER_BIN, TRIALS.probed))
    scores = []
    for location in (0, 1):
        members = where == location
        train = decoding.draw_training(members.sum(), rng)
        scores.append(
            decoding.cross_temporal_scores(states[:, members].transpose(1, 0, 2), bins[members], train)
        )
    return np.mean(scores, axis=0)


def readout_scores(
    network: Network,
    result: Trained,
    timing: task.Timing,
    n_repeats: int,
    rng: np.random.Generator,
    stage: str = "final",
    shuffled: bool = False,
    repeat_noise_free: bool = False,
) -> dict[str, np.ndarray]:
    """Decoding of the cued and of the uncued colour at the end of both delays.

    shuffled : permute the colours among trials first (control).
    repeat_noise_free : repeat trials even where there is no noise, so that copies of one trial sit in
        training and test (what the published code does).

    Returns
    -------
    "within", "across", "uncued": accuracies (n_readouts,), chance .5.
    """
    repeats = n_repeats if network.sigma > 0 or repeat_noise_free else 1
    weights = weights_at(result, stage)
    runs = [respond(weights, timing, network.sigma, rng)[0][list(timing.readouts)] for _ in range(repeats)]
    states = np.concatenate(runs, axis=1)
    bins = (TRIALS.target // COLOURS_PER_BIN, TRIALS.other // COLOURS_PER_BIN, TRIALS.probed)
    cued, uncued, where = (np.tile(a, repeats) for a in bins)
    if shuffled:
        cued, uncued = rng.permutation(cued), rng.permutation(uncued)
    scores = []
    for at_delay in states:
        within, across = decoding.cross_location_scores(at_delay, cued, where, rng)
        other, _ = decoding.cross_location_scores(at_delay, uncued, where, rng)
        scores.append([within.mean(), across.mean(), other.mean()])
    return dict(zip(("within", "across", "uncued"), np.array(scores).T, strict=True))


def fit_mixtures(reports: ColourReports, toolbox: bool = False) -> pd.DataFrame:
    """Mixture parameters of every subject, one row each: k, p_target, p_non_target, p_uniform."""
    subjects = zip(reports.target, reports.non_target, reports.response, strict=True)
    return pd.DataFrame([asdict(mixture.fit_mixture(*arrays, toolbox=toolbox)) for arrays in subjects])


def probed_discriminability(valid: Tested, invalid: Tested) -> np.ndarray:
    """Colour discriminability in experiment 4, (7, n_models).

    Pre-cue; cued and uncued after the cue; at the end of the trial the probed item on valid and on invalid
    trials, and the unprobed one on both.

    On a valid trial the probed item is the cued one, on an invalid trial the uncued one. Blocks share three
    components.
    """
    cued, uncued = (
        (getattr(valid, item).mean(1) + getattr(invalid, item).mean(1)) / 2 for item in ("cued", "uncued")
    )
    last = {"valid": (valid.cued, valid.uncued), "invalid": (invalid.cued, invalid.uncued)}
    at_end = {trials: [item.mean(1)[:, 2] for item in items] for trials, items in last.items()}
    areas = discriminability([
        (cued[:, 0], True), (uncued[:, 0], False), (cued[:, 1], True), (uncued[:, 1], False),
        (at_end["valid"][0], True), (at_end["invalid"][1], False),
        (at_end["valid"][1], False), (at_end["invalid"][0], True),
    ])  # fmt: skip
    return np.concatenate([areas[:2].mean(0, keepdims=True), areas[2:]])


def describe_planes(patterns: np.ndarray) -> dict[str, float]:
    """What the chapter says of one recording's patterns (8, N)."""
    found = geometry(patterns)
    angles = principal_angles_deg(patterns[:N_BINS], patterns[N_BINS:], 2)
    return {
        "theta_deg": float(min(found.planes.theta_deg, 180 - found.planes.theta_deg)),
        "theta_colour_tied_deg": float(found.planes.theta_deg),
        "ai2": float(found.ai2),
        "ai3": float(found.ai3),
        "pve3": float(found.pve),
        "principal_angle_1_deg": float(angles[0]),
        "principal_angle_2_deg": float(angles[1]),
        "n_neurons": patterns.shape[1],
    }


def tilt_readings(
    planted_deg: Sequence[float], offsets: Sequence[float], n_populations: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Angle and alignment read off planes tilted about one axis ("hinge"), as unlimited trials show them.

    Returns
    -------
    One row a population: offset, planted_deg, theta_deg, ai2.
    """
    rows = []
    for offset in offsets:
        for angle in planted_deg:
            settings = prefrontal.PrefrontalSettings(
                n_trials=1, geometry="hinge", theta_pre_deg=angle, offset=offset
            )
            for _ in range(n_populations):
                truth = prefrontal.simulate_lpfc(settings, rng).truth
                assert truth is not None
                found = geometry(truth["pre-cue"].patterns_hz)
                rows.append((offset, angle, float(found.planes.theta_deg), float(found.ai2)))
    return pd.DataFrame(rows, columns=["offset", "planted_deg", "theta_deg", "ai2"])


def recover_planes(trial_counts: Sequence[int], n_populations: int, rng: np.random.Generator) -> pd.DataFrame:
    """Measure planted prefrontal planes from more and more trials.

    Returns
    -------
    One row for each population, number of trials per location and colour bin, and epoch: theta_deg, psi_deg,
    ai2 and ai2_split (corrected by split halves). Rows with n_trials 0 hold what unlimited trials give.
    """
    rows = []
    for n_trials in trial_counts:
        for _ in range(n_populations):
            trials = prefrontal.simulate_trials(prefrontal.PrefrontalSettings(n_trials=n_trials), rng)
            halves = [half.epochs for half in prefrontal.split_halves(trials, rng)]
            means = prefrontal.condition_rates(trials).epochs
            for epoch in ("pre-cue", "post-cue"):
                patterns = np.stack([half[epoch] for half in halves])
                split = split_half_alignment(patterns[:, :N_BINS], patterns[:, N_BINS:], 2)
                assert trials.truth is not None
                truth = trials.truth[epoch].patterns_hz
                rows.append(_plane_row(n_trials, epoch, means[epoch], float(split)))
                rows.append(_plane_row(0, epoch, truth, None))
    table = pd.DataFrame(rows)
    truth = table[table.n_trials == 0].groupby("epoch", as_index=False).mean()
    return pd.concat([table[table.n_trials > 0], truth], ignore_index=True)


def _plane_row(n_trials: int, epoch: str, patterns: np.ndarray, split: float | None) -> dict:
    found = geometry(patterns)
    row = {
        "n_trials": n_trials,
        "epoch": epoch,
        "theta_deg": float(found.planes.theta_deg),
        "ai2": float(found.ai2),
    }
    return row | {"psi_deg": float(found.planes.psi_deg), "ai2_split": row["ai2"] if split is None else split}
