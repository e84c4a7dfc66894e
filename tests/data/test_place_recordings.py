"""Virtual mice, their conditions, and sessions opened."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from crossroads.data import place_recordings as source
from crossroads.data.place_cells import VirtualMouse, simulate_session

RANGES = source.MouseRanges((40, 60), (20, 30), (5.0, 8.0), (1, 3), (0.1, 0.7), (0.6, 0.6))


def test_mice_are_drawn_within_their_ranges() -> None:
    recordings = source.virtual_recordings(RANGES, n_mice=12, sessions_per_mouse=3, seed=2)
    assert [(r.mouse, r.session) for r in recordings] == [(m, s) for m in range(12) for s in range(3)]
    for low, high, name in ((5, 8, "jitter_cm"), (1, 3, "n_modules"), (0.1, 0.7, "width_sd")):
        values = [getattr(r.source, name) for r in recordings]
        assert low <= min(values)
        assert max(values) <= high
        assert len(set(values)) > 1
        assert values[0] == values[1] == values[2]  # a trait of the mouse
    assert {r.source.peak_sd for r in recordings} == {0.6}
    assert len({r.source.n_cells for r in recordings}) > 5


def test_conditions_share_behaviour_and_differ_in_noise() -> None:
    recording = source.virtual_recordings(RANGES, 1, 1, seed=4)[0]
    quiet, gain, main = (
        source.open_session(r)
        for r in (source.under("independent", recording), source.under("gain", recording), recording)
    )
    assert np.array_equal(quiet.position_cm, gain.position_cm)  # both at constant speed
    assert not np.array_equal(quiet.events, gain.events)
    assert main.truth
    assert gain.truth
    assert gain.truth.floor_cm < 1 < main.truth.floor_cm


@pytest.mark.parametrize(("n_sources", "shared"), [(1, True), (16, False)])
def test_pseudo_populations_lose_what_sessions_do_not_share(n_sources: int, shared: bool) -> None:
    """With a strong gain, two halves of the cells vary together, unless they are of different sessions."""
    mouse = VirtualMouse(n_cells=64, n_runs=80, gain_sd=1.0, jitter_cm=0, n_modules=1, n_latents=0, peak_hz=8)
    _, runs = source.open_runs(source.Recording(mouse, 5, 0, 0, n_sources))
    assert runs.activity.shape[2] == 64
    halves = np.split(runs.activity[runs.rightward].mean(1), 2, axis=1)
    correlation = np.corrcoef(*(half.mean(1) for half in halves))[0, 1]
    assert (correlation > 0.6) if shared else (abs(correlation) < 0.5)  # 3 standard errors of 40 runs


def test_as_many_runs_each_way() -> None:
    recording = source.virtual_recordings(RANGES, 1, 1, seed=1)[0]
    _, runs = source.open_runs(recording)
    assert 2 * runs.rightward.sum() == len(runs.rightward)


def test_recordings_below_the_inclusion_rule_are_left_out(tmp_path: Path) -> None:
    """One session of 151 cells and 62 runs is kept, one with a cell less is not."""
    for n_cells in (151, 150):
        session = simulate_session(
            VirtualMouse(n_cells=n_cells, n_runs=62, n_modules=1), np.random.default_rng(0)
        )
        pixels = 40 + 5.3 * session.position_cm[:, None]
        struct = {"position": pixels, "events_transients": session.events}
        savemat(tmp_path / f"Mouse-2022-{n_cells}.mat", {"tracesEvents": struct}, do_compression=True)
    kept, left_out = source.recorded(tmp_path, seed=0)
    assert [Path(r.source.file).stem for r in kept] == ["Mouse-2022-151"]
    assert len(left_out) == 1
    assert "150 cells" in left_out[0]
    _, runs = source.open_runs(kept[0])
    assert runs.activity.shape[1:] == (20, 151)
    with pytest.raises(ValueError, match="set CROSSROADS_DATA"):
        source.recorded(None, seed=0)


def test_a_condition_must_exist() -> None:
    with pytest.raises(KeyError, match="no such thing"):
        source.under("no such thing", source.virtual_recordings(RANGES, 1, 1, seed=1)[0])
