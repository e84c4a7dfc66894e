import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossroads.data import retro_cue as task
from crossroads.data.circle import wrap

TRIALS = task.all_trials()


def test_experiment_1_has_the_published_cycles():
    timing = task.Timing(7, 7)
    assert (timing.n_steps, timing.event_steps, timing.readouts) == (16, (0, 8), (7, 15))


def test_experiment_4_ends_with_a_probe_and_a_third_delay():
    timing = task.Timing(5, 5, 5)
    assert (timing.n_steps, timing.event_steps, timing.readouts) == (18, (0, 6, 12), (5, 11, 17))


@given(pre=st.integers(1, 20), post=st.integers(0, 20), probe=st.integers(-1, 20))
def test_every_trial_structure_is_consistent(pre, post, probe):
    timing = task.Timing(pre, post, probe)
    assert timing.readouts[-1] == timing.n_steps - 1
    assert len(timing.readouts) == len(timing.event_steps) == (3 if probe >= 0 else 2)
    assert all(e < timing.n_steps for e in timing.event_steps)
    assert timing.event_steps[1] - timing.event_steps[0] - 1 == pre


def test_without_a_post_cue_delay_the_cue_itself_is_read():
    timing = task.Timing(14, 0)
    assert timing.readouts[1] == timing.cue_step


def test_the_512_trials_are_all_different_and_balanced():
    rows = set(zip(TRIALS.colour1, TRIALS.colour2, TRIALS.probed, strict=True))
    assert len(rows) == 16 * 16 * 2
    assert np.mean(TRIALS.target == TRIALS.other) == 1 / 16


def test_tuning_peaks_at_the_nearest_unit_and_falls_as_von_mises():
    """eq-retrocue-tuning: against exp(-kappa) a quarter of the circle away."""
    x = task.tuning(np.array([task.CENTRES[4], task.CENTRES[4] + np.pi / 2]))
    assert x[0].argmax() == 4
    assert x[0, 4] == pytest.approx(1.0025, abs=1e-4)  # the code's grid misses the peak by pi/99
    assert x[1, 4] / x[0, 4] == pytest.approx(np.exp(-5))


def test_inputs_hold_both_colours_then_the_cue_then_the_probe():
    cued = 1 - TRIALS.probed
    x = task.event_inputs(TRIALS, cued)
    assert x.shape == (3, 512, 36)
    assert not x[0, :, :2].any()
    assert not x[1:, :, 2:].any()
    np.testing.assert_array_equal(x[1, :, :2].argmax(1), cued)
    np.testing.assert_array_equal(x[2, :, :2].argmax(1), TRIALS.probed)
    # The population vector of 17 units points at the colour shown.
    shown = np.angle(x[0, :, 19:] @ np.exp(1j * task.CENTRES))
    np.testing.assert_allclose(wrap(shown - task.COLOURS[TRIALS.colour2]), 0, atol=1e-3)


def test_the_one_item_task_shows_only_what_is_asked_for():
    x = task.event_inputs(TRIALS, n_items=1)[0]
    asked_1 = TRIALS.probed == 0
    assert not x[asked_1, 19:].any()
    assert not x[~asked_1, 2:19].any()
    np.testing.assert_array_equal(x[asked_1, 2:19], task.event_inputs(TRIALS)[0, asked_1, 2:19])


def test_cost_is_the_squared_distance_from_the_target_unit():
    cost = task.report_cost(TRIALS)
    np.testing.assert_array_equal((cost == 0).sum(1), 1)
    # Distances round a circle of 17 units: each step size 1..8 twice.
    steps = np.sort(np.sqrt(cost) * 17 / (2 * np.pi), axis=1)
    np.testing.assert_allclose(steps, np.tile([0, *np.repeat(np.arange(1, 9), 2)], (512, 1)), atol=1e-9)


def test_one_unit_is_never_a_target():
    assert set(range(17)) - set(task.report_cost(TRIALS).argmin(1)) == {9}


def test_variable_delays_are_combinations_with_replacement():
    pairs = [(t.pre_cue, t.post_cue) for t in task.variable_timings()]
    assert len(pairs) == 10
    assert all(pre <= post for pre, post in pairs)


@pytest.mark.parametrize(("validity", "n_wrong"), [(1.0, 0), (0.75, 128), (0.5, 256)])
def test_a_share_of_the_cues_is_wrong(validity, n_wrong):
    cued = task.flip_cues(TRIALS.probed, validity, np.random.default_rng(0))
    assert (cued != TRIALS.probed).sum() == n_wrong


def test_prefrontal_patterns_are_orthogonal_before_and_shared_after_the_cue():
    before, after = task.prefrontal_patterns(TRIALS)
    gram = before.T @ before / 512  # uniform colours: half the variance on each axis, none shared
    np.testing.assert_allclose(gram, np.eye(4) / 2, atol=1e-12)
    same_target = TRIALS.target == 3
    assert np.ptp(after[same_target], axis=0).max() == 0
    np.testing.assert_array_equal(task.prefrontal_patterns(TRIALS, True)[0], after)


def test_noise_has_the_right_size_and_none_is_drawn_at_zero():
    rng = np.random.default_rng(0)
    noise = task.unit_noise((100, 1000), 0.07, rng)
    assert noise.dtype == np.float32
    assert noise.std() == pytest.approx(0.07, rel=0.01)
    state = rng.bit_generator.state
    assert not task.unit_noise((3, 3), 0.0, rng).any()
    assert rng.bit_generator.state == state
