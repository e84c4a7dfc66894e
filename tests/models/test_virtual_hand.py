"""A virtual hand goes where it is sent, each degree of freedom by itself, as slowly as was measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossroads.data.nerve_session import DOFS, POSTURES
from crossroads.models import virtual_hand
from crossroads.models.virtual_hand import ShadowHand, StickHand, step_response

REST = np.zeros(len(DOFS))


def robot():
    pytest.importorskip("mujoco", reason="the robot's hand needs MuJoCo (extra nerve)")
    if virtual_hand.missing():
        pytest.skip("the robot's hand is not there; run python -m ci.hand_model")
    return ShadowHand()


HANDS = pytest.mark.parametrize("make", [robot, StickHand])


def in_palm(chains):
    """Joints of the fingers as seen from the palm, whatever the wrist does: (5, 5, 3)."""
    palm, along = chains[0, 1], chains[2, 2] - chains[0, 1]  # to the middle finger's knuckle
    along = along / np.linalg.norm(along)
    frame = np.stack([[1, 0, 0], along, np.cross([1, 0, 0], along)])
    return (chains[:, 1:] - palm) @ frame.T


@HANDS
def test_an_open_hand_stays_open(make):
    hand = make()
    start = hand.chains()
    hand.move(REST, 2.0)
    np.testing.assert_allclose(hand.posture(), REST, atol=0.01)
    # The robot's joints keep 10 mrad away from their stops.
    np.testing.assert_allclose(hand.chains(), start, atol=0.004)


@HANDS
@pytest.mark.parametrize("dof", range(len(DOFS)))
def test_each_degree_of_freedom_moves_its_own_part(make, dof):
    hand = make()
    hand.move(REST, 1.0)
    before = hand.chains()
    hand.move(np.eye(6)[dof], 2.0)
    after = hand.chains()
    np.testing.assert_allclose(hand.posture(), np.eye(6)[dof], atol=0.02)
    moved = np.linalg.norm(in_palm(after) - in_palm(before), axis=-1).max(1)
    own = np.arange(5) == dof
    assert (moved[own] > 0.05).all()
    np.testing.assert_allclose(moved[~own], 0, atol=0.002)
    # What flexes goes out of the palm, to z > 0; the wrist takes all tips along.
    tips = (after - before)[:, -1, 2]
    assert (tips[own | (dof == 5)] > 0.02).all()


@HANDS
def test_links_keep_their_lengths(make):
    hand = make()
    lengths = []
    for posture in POSTURES:
        hand.move(posture, 0.3)
        assert hand.chains().shape == (5, 6, 3)
        assert hand.posture().shape == (6,)
        lengths.append(np.linalg.norm(np.diff(hand.chains(), axis=1), axis=-1))
    # 2 mm: the robot's thumb has two more joints, which give a little.
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], np.shape(lengths)), atol=0.002)


def test_the_robot_s_hand_reaches_gestures_whose_fingers_touch():
    hand = robot()
    for posture in POSTURES:
        hand.move(REST, 2.0)  # a thumb that is closed already stops the fingers that come after it
        hand.move(posture, 2.0)
        np.testing.assert_allclose(hand.posture(), posture, atol=0.1)


def test_sticks_are_where_the_robot_s_fingers_are():
    hand, sticks = robot(), StickHand()
    for posture in np.vstack([REST, np.eye(6)]):
        hand.move(posture, 2.0)
        sticks.move(posture, 2.0)
        np.testing.assert_allclose(sticks.chains(), hand.chains(), atol=0.016)


def test_sticks_lag_as_was_measured_on_the_robot_s_hand():
    np.testing.assert_allclose(step_response(robot()), virtual_hand.TAU_S, atol=0.004)


@pytest.mark.parametrize("t", [0.02, 0.1, 1.0])
def test_sticks_follow_a_step_as_an_exponential(t):
    hand = StickHand()
    for _ in range(4):  # in parts as in one
        hand.move(np.ones(6), t / 4)
    np.testing.assert_allclose(hand.posture(), 1 - np.exp(-t / virtual_hand.TAU_S), rtol=1e-12)
    hand.move(REST, 0.18)
    np.testing.assert_allclose(
        hand.posture()[1:5], (1 - np.exp(-t / 0.18)) * np.exp(-1), rtol=1e-12, err_msg="the way back"
    )


def test_the_response_of_sticks_is_their_time_constant(monkeypatch):
    tau = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 3.0])
    monkeypatch.setattr(virtual_hand, "TAU_S", tau)
    # The slowest does not get to 63 % within the 2 s that are looked at.
    np.testing.assert_allclose(step_response(StickHand()), [*tau[:5], np.nan], rtol=1e-3)


@given(posture=st.lists(st.floats(-5, 5), min_size=6, max_size=6).map(np.array), seconds=st.floats(0.0, 5.0))
def test_sticks_stay_between_open_and_closed(posture, seconds):
    hand = StickHand()
    hand.move(posture, seconds)
    assert (hand.posture() >= 0).all()
    assert (hand.posture() <= 1).all()


def test_a_posture_that_was_given_out_is_not_the_hand_s_own():
    hand = StickHand()
    hand.posture()[:] = 7
    np.testing.assert_array_equal(hand.posture(), REST)


def test_without_the_files_sticks_take_over_and_the_robot_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setattr(virtual_hand, "missing", lambda folder=tmp_path: [virtual_hand.REACH])
    assert isinstance(virtual_hand.open_hand(), StickHand)
    pytest.importorskip("mujoco", reason="the robot's hand needs MuJoCo (extra nerve)")
    with pytest.raises(FileNotFoundError, match=r"1 files .* as .*reach.xml; run python -m ci.hand_model"):
        ShadowHand(tmp_path)


def test_without_mujoco_sticks_take_over(monkeypatch):
    monkeypatch.setattr(virtual_hand, "missing", lambda folder=None: [])
    monkeypatch.setattr(virtual_hand, "find_spec", lambda name: None)
    assert isinstance(virtual_hand.open_hand(), StickHand)


def test_damaged_files_count_as_missing(tmp_path):
    assert virtual_hand.missing(tmp_path) == list(virtual_hand.FILES)
    file = tmp_path / virtual_hand.REACH
    file.parent.mkdir(parents=True)
    file.write_text("<mujoco/>")
    assert virtual_hand.REACH in virtual_hand.missing(tmp_path)
