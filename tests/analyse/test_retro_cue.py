import os
from pathlib import Path

import numpy as np
import pytest
import torch

from crossroads.analyse import retro_cue as analysis
from crossroads.data import retro_cue as task
from crossroads.data.prefrontal import load_lpfc_planes
from crossroads.models import retro_cue_rnn as rnn
from crossroads.models.retro_cue_torch import RetroCueRNN
from crossroads.models.retro_cue_training import STAGES, Network

TIMING = task.Timing(3, 3)
NETWORK = Network((TIMING,), 0.0, 34, 1.0, 16, 1e-3, 1, seed=0, model=0)


def held_memory() -> dict[str, np.ndarray]:
    """A network that copies its 34 colour inputs into 34 units and keeps them; it ignores the cue."""
    w_in = np.zeros((34, 36))
    w_in[:, 2:] = np.eye(34)
    weights = rnn.Weights(w_in, np.zeros(34), np.eye(34), np.zeros((17, 34)), np.zeros(17))
    stages = {name: np.stack([a] * len(STAGES)).astype(np.float32) for name, a in weights._asdict().items()}
    return {"loss": np.zeros(1), "epoch": np.arange(len(STAGES)), **stages}


TRAINED = {NETWORK: held_memory()}


def test_responses_equal_the_torch_model():
    weights = rnn.initial_weights(20, np.random.default_rng(0))
    states, reports = analysis.respond(weights, TIMING, 0.0, np.random.default_rng(1))
    x = torch.zeros(TIMING.n_steps, 512, 36)
    x[list(TIMING.event_steps)] = torch.tensor(task.event_inputs(analysis.TRIALS)).float()
    expected, hidden = RetroCueRNN(weights)(x, torch.zeros(TIMING.n_steps, 512, 20))
    np.testing.assert_allclose(states, hidden.detach(), atol=1e-5)
    np.testing.assert_allclose(reports, expected.detach(), atol=1e-6)


def test_held_memory_keeps_both_items_in_orthogonal_subspaces():
    tested = analysis.examine([NETWORK], TRAINED, 2, np.random.default_rng(0))
    assert tested.cued.shape == tested.uncued.shape == (1, 2, 2, 8, 34)
    # Location 1's colours live in the first 17 units, location 2's in the others.
    found = analysis.geometry(tested.cued.mean(1))
    np.testing.assert_allclose(found.ai2, 0, atol=1e-6)
    np.testing.assert_allclose(tested.cued[0, 0, 0], tested.cued[0, 0, 1], atol=1e-6)
    # With the roles of the items exchanged everything is the same: the network ignores the cue.
    np.testing.assert_allclose(tested.uncued, tested.cued, atol=1e-6)


def test_patterns_are_averages_over_trials_of_a_bin():
    tested = analysis.examine([NETWORK], TRAINED, 2, np.random.default_rng(0))
    shown = task.tuning(task.COLOURS)
    for colour_bin in range(4):
        expected = shown[4 * colour_bin : 4 * colour_bin + 4].mean(0)
        np.testing.assert_allclose(tested.cued[0, 0, 1, colour_bin, :17], expected, atol=1e-6)
        np.testing.assert_allclose(tested.cued[0, 0, 1, colour_bin, 17:], shown.mean(0), atol=1e-6)


def test_invalid_cues_exchange_cued_and_uncued():
    probed = Network((task.Timing(2, 2, 2),), 0.0, 34, 1.0, 16, 1e-3, 1, seed=0, model=0, validity=0.5)
    valid, invalid = (
        analysis.examine([probed], {probed: held_memory()}, 2, np.random.default_rng(0), valid=v)
        for v in (True, False)
    )
    np.testing.assert_allclose(valid.cued, invalid.uncued, atol=1e-6)
    # The item asked for is the probed one whatever the cue said.
    np.testing.assert_array_equal(valid.reports.target, invalid.reports.target)


def test_a_code_that_stands_still_is_as_good_across_time():
    scores = analysis.code_stability(NETWORK, TRAINED[NETWORK], TIMING, 1, np.random.default_rng(0))
    np.testing.assert_allclose(scores, scores[0, 0])
    assert scores[0, 0] > 0.95


def test_held_memory_has_no_common_readout():
    scores = analysis.readout_scores(NETWORK, TRAINED[NETWORK], TIMING, 1, np.random.default_rng(0))
    assert (scores["within"] > 0.95).all()
    assert abs(scores["across"] - 0.5).max() < 0.1
    shuffled = analysis.readout_scores(
        NETWORK, TRAINED[NETWORK], TIMING, 1, np.random.default_rng(0), shuffled=True
    )
    assert abs(shuffled["within"] - 0.5).max() < 0.15


def test_reports_are_drawn_with_their_probabilities():
    p = np.zeros((20_000, 17))
    p[:, [2, 5]] = 0.25, 0.75
    drawn = analysis.draw_reports(p, np.random.default_rng(0))
    assert set(drawn) == {task.CENTRES[2], task.CENTRES[5]}
    assert np.mean(drawn == task.CENTRES[5]) == pytest.approx(0.75, abs=3 * np.sqrt(0.75 * 0.25 / 20_000))


def test_discriminability_grows_with_the_square_of_the_size():
    square = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]], float)  # area 2
    both = np.concatenate([square, square])
    areas = analysis.discriminability([(both, True), (3 * both, False)])
    np.testing.assert_allclose(areas, [2, 18])


def test_cued_and_uncued_rows_come_from_the_same_trials():
    cued, uncued = np.arange(8)[:, None], 10 + np.arange(8)[:, None]
    one, two = analysis.cross_item_patterns(cued, uncued)[..., 0]
    assert one.tolist() == [0, 1, 2, 3, 14, 15, 16, 17]  # cued at 1, uncued shown at 2
    assert two.tolist() == [4, 5, 6, 7, 10, 11, 12, 13]


def test_recovery_nears_the_planted_planes_with_more_trials():
    table = analysis.recover_planes([10, 200], 3, np.random.default_rng(0))
    after = table[table.epoch == "post-cue"].groupby("n_trials").ai2.mean()
    assert after[10] < after[200] < after[0]
    assert after[0] == pytest.approx(1, abs=0.01)  # planted parallel


def test_an_offset_hides_tilt_from_the_angle():
    table = analysis.tilt_readings([45], [0.0, 0.8], 12, np.random.default_rng(0))
    read = table.groupby("offset").theta_deg.mean()
    assert read[0.0] == pytest.approx(45, abs=6)
    assert read[0.8] < 35


@pytest.mark.skipif(not os.environ.get("CROSSROADS_DATA"), reason="needs CROSSROADS_DATA")
def test_the_macaque_example_gives_the_numbers_measured_before():
    path = Path(os.environ["CROSSROADS_DATA"]) / "retrocue" / "planesDemo.mat"
    found = analysis.describe_planes(load_lpfc_planes(path).epochs["pre-cue"])
    assert found["theta_deg"] == pytest.approx(82, abs=0.5)
    assert found["ai2"] == pytest.approx(0.196, abs=5e-4)
    assert found["pve3"] == pytest.approx(0.649, abs=5e-4)
    assert [found["principal_angle_1_deg"], found["principal_angle_2_deg"]] == pytest.approx(
        [55, 85], abs=0.5
    )


def test_plateau_loss_is_that_of_the_step_or_of_the_end():
    epoch = np.arange(60)
    two_falls = 0.001 + 0.005 / (1 + np.exp((epoch - 12) / 2)) + 0.004 / (1 + np.exp((epoch - 40) / 3))
    assert analysis.plateau_loss(two_falls, 1.0) == pytest.approx(0.005, rel=0.02)
    assert analysis.plateau_loss(np.full(30, 0.01), 1.0) == 0.01  # it never falls: its end
