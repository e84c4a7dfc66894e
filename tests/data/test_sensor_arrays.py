import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mne.transforms import apply_trans
from numpy.polynomial import legendre

from crossroads.data.sensor_arrays import (
    ARRAYS,
    HEAD_CENTRE_M,
    SOURCES,
    background_positions,
    lead_field,
    occipital_positions,
    sensor_array,
    take,
)

COUNTS = {"kit-208": 208, "ctf-275": 273, "biosemi-128": 128, "easycap-60": 60}
MEG, EEG = ARRAYS[:2], ARRAYS[2:]
POSITIONS, ORIENTATIONS = (np.array(v) for v in zip(*SOURCES.values(), strict=True))
SHIFT = np.array([0.004, -0.003, 0.005])
# Of MNE's table of coils: the diameter of the loops [m]; both pairs are 5 cm apart.
LOOP_M = {"kit-208": 0.0155, "ctf-275": 0.018}


def distances(points):
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


def sarvas(q, r0, r):
    """Sarvas 1987, Eq. 25: B (k, 3) at r (k, 3) of the dipole q at r0, the sphere about the origin."""
    a_vec = r - r0
    a, rn = np.linalg.norm(a_vec, axis=1)[:, None], np.linalg.norm(r, axis=1)[:, None]
    ar = (a_vec * r).sum(1)[:, None]
    f = a * (rn * a + rn**2 - r @ r0[:, None])
    grad = (a**2 / rn + ar / a + 2 * a + 2 * rn) * r - (a + 2 * rn + ar / a) * r0
    q_r0 = np.cross(q, r0)
    return 1e-7 * (f * q_r0 - (r @ q_r0)[:, None] * grad) / f**2


def gradiometers(array, q, position, shift):
    """Field through the inner loop minus that through the outer, each averaged over its disc."""
    nodes, weights = np.polynomial.legendre.leggauss(4)  # over the square of the radius: equal areas
    turns = np.arange(8) * np.pi / 4
    total = np.zeros(len(array.names))
    radius = LOOP_M[array.name] / 2
    to_head = array.info["dev_head_t"]
    for c, ch in enumerate(array.info["chs"]):
        place = apply_trans(to_head, ch["loc"][:3]) - HEAD_CENTRE_M - shift
        ex, ey, ez = ch["loc"][3:].reshape(3, 3)
        for sign, far in ((1, 0.0), (-1, 0.05)):
            for node, weight in zip(nodes, weights, strict=True):
                rho = radius * np.sqrt((node + 1) / 2)
                ring = place + far * ez + rho * (np.outer(np.cos(turns), ex) + np.outer(np.sin(turns), ey))
                total[c] += sign * weight / 2 * (sarvas(q, position - HEAD_CENTRE_M, ring) @ ez).mean()
    return total


def four_shells(electrodes, q, position, n_terms=80):
    """Potentials on the scalp by Legendre series; in each shell A r^n + B r^-(n+1), joined at the borders.

    Lengths are in units of the scalp's radius, 9 cm.
    """
    radii, sigma, scale = [0.90, 0.92, 0.97, 1.0], [0.33, 1.0, 0.004, 0.33], 0.09
    b_vec = (position - HEAD_CENTRE_M) / scale
    b = np.linalg.norm(b_vec)
    u, e = b_vec / b, (electrodes - HEAD_CENTRE_M) / scale
    cosine = e @ u
    v = np.zeros(len(e))
    for n in range(1, n_terms):
        # Unknowns A1 (B1 = 1: the dipole's own), A2, B2, A3, B3, A4, B4.
        table, right = np.zeros((7, 7)), np.zeros(7)
        for k, r in enumerate(radii):
            own, slope = [r**n, r ** -(n + 1)], [n * r ** (n - 1), -(n + 1) * r ** -(n + 2)]
            inner, outer = [2 * k - 1, 2 * k], [2 * k + 1, 2 * k + 2]
            for side, cols, s, shell in ((1, inner, sigma[k], k), (-1, outer, sigma[min(k + 1, 3)], k + 1)):
                if shell == 4:  # air: no current leaves, and the potential is free
                    continue
                for part, (value, gradient) in enumerate(zip(own, slope, strict=True)):
                    rows = [(2 * k, side * value)] * (k < 3) + [(2 * k + (k < 3), side * s * gradient)]
                    for row, entry in rows:
                        col = 0 if shell == 0 and part == 0 else cols[part]
                        if shell == 0 and part == 1:
                            right[row] -= entry
                        else:
                            table[row, col] += entry
        gain = np.linalg.solve(table, right)[5:].sum()
        coefficients = np.eye(n + 1)[n]
        radial = n * (q @ u) * legendre.legval(cosine, coefficients)
        tangential = (e @ (q - (q @ u) * u)) * legendre.legval(cosine, legendre.legder(coefficients))
        v += gain * b ** (n - 1) * (radial + tangential)
    return v / (4 * np.pi * sigma[0] * scale**2)


@pytest.mark.parametrize("name", ARRAYS)
def test_counts_names_and_layout(name):
    array = sensor_array(name)
    assert array.kind == ("meg" if name in MEG else "eeg")
    assert len(array.names) == len(set(array.names)) == COUNTS[name]
    assert array.names == tuple(array.info["ch_names"])
    np.testing.assert_array_equal(array.xy.min(0), 0)
    np.testing.assert_array_equal(array.xy.max(0), 1)
    x, y, z = (array.positions_m() - HEAD_CENTRE_M).T
    top = array.xy[np.argmax(z)]
    beside, before = np.abs(x) > 0.03, np.abs(y) > 0.03
    np.testing.assert_array_equal((array.xy[:, 0] > top[0])[beside], (x > 0)[beside])
    np.testing.assert_array_equal((array.xy[:, 1] > top[1])[before], (y > 0)[before])
    assert sensor_array(name) is array


def test_electrode_29_is_the_one_that_is_missing():
    assert set(sensor_array("easycap-60").names) == {str(k) for k in range(1, 62)} - {"29"}


@pytest.mark.parametrize("name", ARRAYS)
def test_neighbours_on_the_head_are_neighbours_in_the_layout(name):
    array = sensor_array(name)
    near = np.argsort(distances(array.positions_m()), axis=1)[:, 1]
    rank = np.argsort(np.argsort(distances(array.xy), axis=1), axis=1)
    assert rank[np.arange(len(near)), near].max() <= 8


@pytest.mark.parametrize("name", ARRAYS)
def test_sensors_are_even_symmetric_and_around_the_head(name):
    array = sensor_array(name)
    seats = array.positions_m() - HEAD_CENTRE_M
    gaps = distances(seats) + np.eye(len(seats))
    assert gaps.min(0).max() < 2 * gaps.min()
    radius = np.linalg.norm(seats, axis=1)
    if array.kind == "eeg":
        np.testing.assert_allclose(radius, 0.09)
    else:
        assert radius.min() > 0.1  # the head's own is 9 cm
        assert radius.max() < 0.145
        normal = np.array([ch["loc"][9:] for ch in array.info["chs"]])
        assert ((normal * seats).sum(1) / radius).min() > 0.65
    assert np.abs(seats[:, 0].mean()) < 0.003


@pytest.mark.parametrize("name", MEG)
@pytest.mark.parametrize("shift", [np.zeros(3), SHIFT])
def test_fields_are_those_of_sarvas_through_the_coils(name, shift):
    array = sensor_array(name)
    field = lead_field(array, POSITIONS[:2], ORIENTATIONS[:2], shift)
    for column, q, position in zip(field.T, ORIENTATIONS, POSITIONS, strict=False):
        expected = gradiometers(array, q, position, shift)
        np.testing.assert_allclose(column, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", EEG)
@pytest.mark.parametrize("shift", [np.zeros(3), SHIFT])
def test_potentials_are_those_of_the_series_less_their_mean(name, shift):
    """MNE puts three dipoles in place of the series; that is worth half a per cent here."""
    array = sensor_array(name)
    q = np.random.default_rng(0).normal(size=(3, 3))
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    seats = array.positions_m() - HEAD_CENTRE_M - shift
    electrodes = HEAD_CENTRE_M + 0.09 * seats / np.linalg.norm(seats, axis=1, keepdims=True)
    field = lead_field(array, POSITIONS[[0, 3, 4]], q, shift)
    for column, moment, position in zip(field.T, q, POSITIONS[[0, 3, 4]], strict=True):
        expected = four_shells(electrodes, moment, position)
        np.testing.assert_allclose(column, expected - expected.mean(), atol=0.01 * np.abs(expected).max())


def test_series_of_one_conductor_is_the_known_closed_form_in_the_centre():
    """The peer itself: near the centre of the shells a dipole's potential is a cosine."""
    electrodes = HEAD_CENTRE_M + 0.09 * np.array([[0.0, 0, 1], [1, 0, 0], [0, 0, -1], [0, 0.6, 0.8]])
    v = four_shells(electrodes, np.array([0.0, 0, 1]), HEAD_CENTRE_M + np.array([0, 0, 1e-7]), 3)
    np.testing.assert_allclose(v / v[0], [1, 0, -1, 0.8], atol=1e-5)


@pytest.mark.parametrize("name", EEG)
def test_potentials_have_the_average_as_reference(name):
    field = lead_field(sensor_array(name), POSITIONS, ORIENTATIONS)
    np.testing.assert_allclose(field.mean(0), 0, atol=1e-12 * np.abs(field).max())


@pytest.mark.parametrize("name", MEG)
def test_magnetometry_is_blind_to_radial_dipoles_and_electrodes_are_not(name):
    radial = POSITIONS - HEAD_CENTRE_M
    radial /= np.linalg.norm(radial, axis=1, keepdims=True)
    seen = np.abs(lead_field(sensor_array(name), POSITIONS, ORIENTATIONS)).max()
    assert np.abs(lead_field(sensor_array(name), POSITIONS, radial)).max() < 1e-9 * seen
    potentials = np.abs(lead_field(sensor_array(EEG[0]), POSITIONS, radial)).max(0)
    assert (potentials > np.abs(lead_field(sensor_array(EEG[0]), POSITIONS, ORIENTATIONS)).max(0)).all()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("kit-208", 40e-15, 150e-15),
        ("ctf-275", 40e-15, 150e-15),
        ("biosemi-128", 0.5e-6, 5e-6),
        ("easycap-60", 0.5e-6, 5e-6),
    ],
)
def test_ten_nam_are_seen_as_in_recordings_and_on_their_side(name, low, high):
    array = sensor_array(name)
    field = 10e-9 * lead_field(array, POSITIONS, ORIENTATIONS)
    peak = np.abs(field).max(0)
    assert ((peak > low) & (peak < high)).all()
    power = field**2
    side = (power.T @ (array.positions_m()[:, 0])) / power.sum(0)
    np.testing.assert_array_equal(np.sign(side), np.sign(POSITIONS[:, 0]))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), turn=st.floats(-np.pi, np.pi), name=st.sampled_from(ARRAYS))
def test_fields_of_two_dipoles_in_one_place_add_up(seed, turn, name):
    array, rng = sensor_array(name), np.random.default_rng(seed)
    shift = rng.uniform(-0.005, 0.005, 3)
    (position,), _ = background_positions(1, rng)
    position = HEAD_CENTRE_M + rng.uniform(0.1, 1) * (position - HEAD_CENTRE_M)
    one, other, _ = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    both = np.cos(turn) * one + np.sin(turn) * other
    field = lead_field(array, np.tile(position, (3, 1)), np.array([one, other, both]), shift)
    expected = np.cos(turn) * field[:, 0] + np.sin(turn) * field[:, 1]
    np.testing.assert_allclose(field[:, 2], expected, atol=1e-9 * np.abs(field).max())
    alone = lead_field(array, position[None], both[None], shift)
    np.testing.assert_allclose(alone[:, 0], field[:, 2], atol=1e-9 * np.abs(field).max())


def test_a_computation_leaves_the_shared_array_and_the_streams_alone(capfd):
    for name in ARRAYS:
        array = sensor_array(name)
        before = pickle.dumps(array)
        shifted = lead_field(array, POSITIONS, ORIENTATIONS, SHIFT)
        assert pickle.dumps(array) == before
        copy = pickle.loads(before)  # as a worker process gets it
        np.testing.assert_array_equal(lead_field(copy, POSITIONS, ORIENTATIONS, SHIFT), shifted)
        assert (
            np.abs(shifted - lead_field(array, POSITIONS, ORIENTATIONS)).max() > 0.02 * np.abs(shifted).max()
        )
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("n", [1, 20, 48])
def test_sensors_taken_are_spread_evenly(name, n):
    """No sensor is further from a chosen one than chosen ones are from each other."""
    array = sensor_array(name)
    chosen = take(array, n)
    assert len(chosen) == n
    assert (np.diff(chosen) > 0).all()
    away = distances(array.positions_m())
    if n > 1:
        closest = (away[np.ix_(chosen, chosen)] + np.eye(n)).min()
        assert away[:, chosen].min(1).max() <= closest + 1e-12
    np.testing.assert_array_equal(take(array, n), chosen)


def test_all_sensors_may_be_taken_and_no_more():
    array = sensor_array("easycap-60")
    np.testing.assert_array_equal(take(array, 60), np.arange(60))
    for n in (0, 61):
        with pytest.raises(ValueError, match=f"{n} sensors of easycap-60; expected 1 to 60"):
            take(array, n)


def test_planted_sources_are_tangential_and_mirror_each_other():
    out = POSITIONS - HEAD_CENTRE_M
    assert ((np.linalg.norm(out, axis=1) > 0.055) & (np.linalg.norm(out, axis=1) < 0.06)).all()
    np.testing.assert_allclose((out * ORIENTATIONS).sum(1), 0, atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(ORIENTATIONS, axis=1), 1)
    for place in ("Heschl", "posterior STG"):
        left, right = np.array(SOURCES[f"left {place}"]), np.array(SOURCES[f"right {place}"])
        np.testing.assert_allclose(left * [-1, 1, 1], right)


def test_background_and_occipital_dipoles_lie_where_they_should():
    positions, orientations = background_positions(4000, np.random.default_rng(2))
    again = background_positions(4000, np.random.default_rng(2))
    assert positions.tobytes() == again[0].tobytes()
    assert orientations.tobytes() == again[1].tobytes()
    occipital, occipital_orientations = occipital_positions()
    assert (occipital[:, 1] < -0.05).all()
    for p, q in ((positions, orientations), (occipital, occipital_orientations)):
        out = p - HEAD_CENTRE_M
        np.testing.assert_allclose(np.linalg.norm(out, axis=1), 0.07)
        np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1)
        np.testing.assert_allclose((out * q).sum(1), 0, atol=1e-15)
        assert (out[:, 2] >= 0).all()
    # Evenly over the half sphere (Archimedes: heights are uniform), and over the tangents.
    out = (positions - HEAD_CENTRE_M) / 0.07
    np.testing.assert_allclose(np.histogram(out[:, 2], 4, (0, 1))[0], 1000, atol=5 * np.sqrt(750))
    np.testing.assert_allclose(out.mean(0), [0, 0, 0.5], atol=5 * np.sqrt(1 / 3 / 4000))
    np.testing.assert_allclose(orientations.mean(0), 0, atol=5 * np.sqrt(1 / 2 / 4000))


def test_unknown_arrays_are_refused():
    with pytest.raises(
        ValueError, match="'306m' is no sensor array.*kit-208, ctf-275, biosemi-128, easycap-60"
    ):
        sensor_array("306m")


UP = [[0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("positions", "orientations", "shift", "message"),
    [
        (
            [[0, 0, 0.13]],
            UP,
            np.zeros(3),
            "dipole 0 .* 0.09 m from the head's centre.*expected 0.0001 to 0.08",
        ),
        ([[0.05, 0, 0.04], [50, 0, 40]], UP * 2, np.zeros(3), "dipole 1 at .*metres, in head coordinates"),
        ([[0, 0, 0.04]], UP, np.zeros(3), "dipole 0 .* 0 m from"),
        ([[np.nan, 0, 0.04]], UP, np.zeros(3), r"dipole 0 at \[ *nan"),
        ([0, 0, 0.05], UP, np.zeros(3), r"shape \(3,\); expected \(n, 3\)"),
        (np.empty((0, 3)), UP, np.zeros(3), r"shape \(0, 3\); expected \(n, 3\), n >= 1"),
        ([[0, 0, 0.08]], UP * 2, np.zeros(3), r"orientations \(2, 3\).*for 1 dipoles"),
        ([[0, 0, 0.08]], UP, np.zeros(2), r"shift of the head \(2,\)"),
        ([[0, 0, 0.08]], [[0, 0, 2]], np.zeros(3), "orientations of length 2 to 2; expected 1"),
        ([[0, 0, 0.08]], UP, [0, 0.03, 0], "shifted by .* expected 0.02 m at most"),
        ([[0, 0, 0.08]], UP, [0, np.nan, 0], "shifted by .*nan"),
    ],
)
@pytest.mark.parametrize("name", ["kit-208", "easycap-60"])
def test_bad_dipoles_and_shifts_are_named(name, positions, orientations, shift, message):
    with pytest.raises(ValueError, match=message):
        lead_field(sensor_array(name), positions, orientations, shift)
