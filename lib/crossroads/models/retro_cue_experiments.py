"""Which networks each experiment of the retro-cue paper trains, and how many at each size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from crossroads.data.retro_cue import Timing, variable_timings
from crossroads.models.retro_cue_training import Network

FIXED = Timing(7, 7)  # experiments 1 and 3 (test)
PROBED = Timing(5, 5, 5)  # experiment 4
COMPARED = 16  # trials an update where their patterns are compared with each other


@dataclass(frozen=True)
class RetroCueSettings:
    """Settings of the chapter, one block a size in ci/sizes/retrocue.yml."""

    n_hidden: int
    gain: float  # of the initial orthogonal recurrent weights; the paper's is 1
    batch: int  # trials an update; the paper's is 1
    learning_rate_1: float  # experiment 1
    learning_rate: float  # every other experiment
    max_epochs: int
    plateau_smoothing: float  # of the loss curve [epochs]; the paper's is 4, at one trial an update
    sigma: float  # noise of experiment 1
    models_1: int
    models_2: int  # per post-cue delay
    models_3: int
    models_4: int  # per validity
    models_extra: int  # per condition of controls, departures and what goes beyond the paper
    delays_2: tuple[int, ...]  # post-cue delays of experiment 2, cycles
    delays_grid: tuple[int, ...]  # of the noise x delay grid
    sigmas_grid: tuple[float, ...]
    validities: tuple[float, ...]
    similarities: tuple[float, ...]  # weights of the added neural-similarity loss
    test_repeats: int  # noisy repeats of the 512 test trials
    lpfc_trials: int  # simulated trials per location and colour bin
    lpfc_sessions: int  # simulated recordings per point of a recovery curve
    n_reports: int  # simulated colour reports


def networks(
    settings: RetroCueSettings, n_models: int, seed: int, *timings: Timing, **changes: Any
) -> list[Network]:
    """`n_models` noise-free networks of the settings; `changes` are fields of `Network`."""
    base = Network(
        timings=timings,
        sigma=0.0,
        n_hidden=settings.n_hidden,
        gain=settings.gain,
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        max_epochs=settings.max_epochs,
        plateau_smoothing=settings.plateau_smoothing,
        seed=seed,
        model=0,
    )
    return [replace(base, model=model, **changes) for model in range(n_models)]


def experiment_1(settings: RetroCueSettings, seed: int, **changes: Any) -> list[Network]:
    """Fixed delays of seven cycles, noise in every unit."""
    noisy = {"sigma": settings.sigma, "learning_rate": settings.learning_rate_1} | changes
    return networks(settings, settings.models_1, seed, FIXED, **noisy)


def experiment_2(settings: RetroCueSettings, seed: int) -> dict[int, list[Network]]:
    """Post-cue delay from none to seven cycles at a total delay of fourteen, without noise."""
    return {d: networks(settings, settings.models_2, seed, Timing(14 - d, d)) for d in settings.delays_2}


def experiment_3(settings: RetroCueSettings, seed: int) -> dict[str, list[Network]]:
    """Variable delays, and fixed ones without noise as their like-for-like control."""
    return {
        "variable": networks(settings, settings.models_3, seed, *variable_timings()),
        "fixed": networks(settings, settings.models_3, seed, FIXED),
    }


def experiment_4(settings: RetroCueSettings, seed: int) -> dict[float, list[Network]]:
    """Probabilistic cues, put right by a probe."""
    return {v: networks(settings, settings.models_4, seed, PROBED, validity=v) for v in settings.validities}


def noise_by_delay(settings: RetroCueSettings, seed: int) -> dict[tuple[float, int], list[Network]]:
    """Beyond the paper: does noise or delay ask for the common code? Total delay fourteen, as in experiment
    2."""
    return {
        (sigma, d): networks(settings, settings.models_extra, seed, Timing(14 - d, d), sigma=sigma)
        for sigma in settings.sigmas_grid
        for d in settings.delays_grid
    }


def neural_similarity(settings: RetroCueSettings, seed: int) -> dict[tuple[str, float], list[Network]]:
    """Beyond the paper: a cost that also rewards likeness to prefrontal patterns, right or reversed in
    time.

    Likeness is between trials, so that an update needs several.
    """
    return {
        (target, weight): networks(
            settings,
            settings.models_extra,
            seed,
            FIXED,
            batch=max(settings.batch, COMPARED),
            similarity=weight,
            similar_to=target if weight else "lpfc",
        )
        for target in ("lpfc", "reversed")
        for weight in settings.similarities
    }


def controls(settings: RetroCueSettings, seed: int) -> dict[str, list[Network]]:
    """Networks that lack what a claim rests on, and the paper's own schedule beside ours.

    "one item": experiment 1 with only the item asked for shown; "fixed again": other seeds of experiment 3's
    fixed delays; "ours" and "paper schedule": fixed delays without noise, trained our way, and one trial an
    update with gain 1.
    """
    ours = networks(settings, settings.models_extra, seed, FIXED)
    return {
        "one item": experiment_1(settings, seed, n_items=1)[: settings.models_extra],
        "fixed again": [
            replace(network, model=1000 + i)
            for i, network in enumerate(experiment_3(settings, seed)["fixed"])
        ],
        "ours": ours,
        "paper schedule": [replace(network, gain=1.0, batch=1, learning_rate=1e-4) for network in ours],
    }


def flatten(*groups: list[Network] | dict) -> list[Network]:
    """Every different network of lists and dictionaries of lists, in order."""
    lists = [
        networks for group in groups for networks in (group.values() if isinstance(group, dict) else [group])
    ]
    return list(dict.fromkeys(network for networks in lists for network in networks))
