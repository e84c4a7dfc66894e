import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from crossroads.data import fibre_fields as ff

SCENES = [
    ff.braid(),
    ff.branching(),
    ff.kissing(),
    ff.annulus(),
    ff.curved_crossing(30, 30),
    ff.curved_crossing(90, 100),
    ff.three_way_crossing(),
    ff.three_way_crossing(4),
    ff.helix_crossing(),
]
every_scene = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
seeds = st.integers(0, 1000)


def residual(g, v, inside):
    """RMS over voxels of the part of the covariant derivative of v along v that is normal to v."""
    n = len(v)
    axes = tuple(range(-n, 0))
    dv = np.stack(np.gradient(v, axis=axes))  # derivative, component, grid
    dg = np.stack(np.gradient(g, axis=axes))
    lowered = 0.5 * (np.einsum("iaj...->aij...", dg) + np.einsum("jai...->aij...", dg) - dg)
    inverse = np.moveaxis(np.linalg.inv(np.moveaxis(g, (0, 1), (-2, -1))), (-2, -1), (0, 1))
    turning = np.einsum("j...,jk...->k...", v, dv) + np.einsum(
        "ka...,aij...,i...,j...->k...", inverse, lowered, v, v
    )
    turning -= np.sum(turning * v, axis=0) * v
    return np.sqrt(np.mean(np.sum(turning[:, inside] ** 2, axis=0)))


def euclidean(scene):
    n, *grid = scene.v.shape[1:]
    return np.eye(n).reshape(n, n, *[1] * n) * np.ones(grid)


@every_scene
def test_directions_are_unit_in_the_mask_and_zero_outside(scene):
    np.testing.assert_allclose(np.linalg.norm(scene.v, axis=1), scene.mask, atol=1e-12)


@every_scene
def test_seeds_lie_in_the_strands_that_they_name(scene):
    assert set(scene.seed_field) == set(range(len(scene.v)))
    for seed, field in zip(scene.seeds, scene.seed_field, strict=True):
        for corner in (np.floor(seed), np.ceil(seed)):
            assert scene.mask[(field, *corner.astype(int))]


@pytest.mark.parametrize("scene", [s for s in SCENES if s.truth is not None], ids=lambda scene: scene.name)
def test_fibres_are_geodesics_of_the_true_metrics_and_not_of_flat_space(scene):
    inner = ff.erode(scene)
    for metric, v, mask in zip(scene.truth, scene.v, inner.mask, strict=False):
        assert np.linalg.eigvalsh(np.moveaxis(metric, (0, 1), (-2, -1))).min() > 0
        assert residual(metric, v, mask) < 3e-3
    assert residual(euclidean(scene), scene.v[0], inner.mask[0]) > 1e-2


@pytest.mark.parametrize("scene", [SCENES[0], *SCENES[4:6], SCENES[-1]], ids=lambda scene: scene.name)
def test_one_metric_holds_both_fibres_where_they_cross(scene):
    overlap = ff.erode(scene).mask.all(0)
    assert overlap.sum() > 100
    both = [residual(scene.truth[-1], v, overlap) for v in scene.v]
    assert max(both) < 2e-3
    assert residual(euclidean(scene), scene.v[0], overlap) > 20 * both[0]
    if len(scene.truth) == 3:  # the metric of one strand does not hold the other
        assert residual(scene.truth[0], scene.v[1], overlap) > 5e-3


def test_braid_has_the_published_numbers_of_voxels():
    braid = ff.braid()
    np.testing.assert_array_equal(braid.mask.sum((1, 2)), [1692, 1692])
    assert braid.mask.all(0).sum() == 227
    np.testing.assert_array_equal(ff.erode(braid).mask.sum((1, 2)), [1433, 1431])


@pytest.mark.parametrize(
    ("scene", "middle"),
    [
        (
            ff.braid(),
            [lambda x: 20 * np.sin(x / 4 / np.pi) + 49.5, lambda x: 20 * np.cos((x - 60) / 4 / np.pi) + 49.5],
        ),
        (
            ff.branching(),
            [
                lambda x: 49.5 + 0 * x,
                lambda x: 49.5 + np.maximum(0, (x - 20) / 30) ** 3,
                lambda x: 49.5 - np.maximum(0, (x - 20) / 30) ** 3,
            ],
        ),
        (
            ff.kissing(20),
            [
                lambda x: 59.5 + np.abs((x - 49.5) / 18) ** 3,
                lambda x: 39.5 - np.abs((x - 49.5) / 18) ** 3,
            ],
        ),
    ],
)
def test_strands_along_x_follow_their_middles(scene, middle):
    """The middle of each column, and the direction against the difference of the curve's heights."""
    for v, mask, height in zip(scene.v, scene.mask, middle, strict=True):
        columns = np.arange(3, 97)
        assert not mask[:3].any()
        assert not mask[97:].any()
        rows = np.arange(100)
        mean_row = (mask * rows).sum(1)[columns] / mask.sum(1)[columns]
        np.testing.assert_allclose(mean_row, height(columns), atol=1)
        slope = (height(columns + 1e-4) - height(columns - 1e-4)) / 2e-4
        for x, s in zip(columns, slope, strict=True):
            np.testing.assert_allclose(v[1, x][mask[x]], s * v[0, x][mask[x]], atol=1e-6)


def test_kissing_bundles_share_voxels_in_parallel_or_none():
    near, apart = ff.kissing(12), ff.kissing(16)
    shared = near.mask.all(0)
    assert shared.sum() > 30
    assert np.abs(np.sum(near.v[0] * near.v[1], 0))[shared].min() > 0.95
    assert not apart.mask.all(0).any()


@given(angle=st.floats(30, 90), radius=st.floats(30, 100))
def test_arcs_lie_on_circles_that_cross_at_the_angle(angle, radius):
    scene = ff.curved_crossing(angle, radius)
    half = np.deg2rad(angle) / 2
    x, y = np.indices((100, 100), float)
    centres = []
    for v, mask, a in zip(scene.v, scene.mask, (-half, half), strict=True):
        centre = 49.5 + radius * np.array([-np.sin(a), np.cos(a)])
        arm = np.stack([x - centre[0], y - centre[1]])
        np.testing.assert_allclose(np.sum(arm * v, axis=0)[mask], 0, atol=1e-9)
        assert np.abs(np.hypot(*arm)[mask] - radius).max() <= 7.5
        assert mask[49:51, 49:51].all()
        centres.append(centre)
    to_centres = (np.array(centres) - 49.5) / radius
    np.testing.assert_allclose(to_centres[0] @ to_centres[1], np.cos(np.deg2rad(angle)), atol=1e-9)
    again = np.round(np.sum(centres, 0) - 49.5).astype(int)  # where the circles meet a second time
    if again.max() < 100:
        assert not scene.mask[:, again[0], again[1]].any()


@pytest.mark.parametrize("n_ways", [2, 3, 4])
def test_ways_cross_in_the_middle_at_equal_angles(n_ways):
    scene = ff.three_way_crossing(n_ways)
    assert scene.mask[:, 49:51, 49:51].all()
    middle = scene.v[:, :, 49:51, 49:51].mean((2, 3))
    angles = np.rad2deg(np.arctan2(middle[:, 1], middle[:, 0]))
    np.testing.assert_allclose(np.diff(np.sort(angles % 180)), 180 / n_ways, atol=0.1)
    assert (scene.truth is None) == (n_ways > 2)


def test_annulus_runs_round_its_middle_with_the_eigenvalues():
    scene = ff.annulus(10, 30, (2.0, 0.5))
    assert all(side % 4 == 0 for side in scene.mask.shape[1:])
    x, y = np.argwhere(scene.mask[0]).T
    assert (x.min() + x.max()) / 2 == scene.seeds[0, 0]
    arm = np.stack([x - scene.seeds[0, 0], y - 4.0])
    v, tensor = scene.v[0][:, x, y], scene.tensor[x, y]
    np.testing.assert_allclose(np.sum(arm * v, 0), 0, atol=1e-12)
    assert np.hypot(*arm).min() >= 10
    assert np.hypot(*arm).max() <= 30
    np.testing.assert_allclose(np.einsum("kij,jk->ik", tensor, v), 2 * v, atol=1e-12)
    np.testing.assert_allclose(np.einsum("kij,jk->ik", tensor, arm), 0.5 * arm, atol=1e-12)
    conformal = scene.truth[0][:, :, x, y]
    np.testing.assert_allclose(
        np.einsum("ijk,kjl->ilk", conformal, tensor) * np.hypot(*arm) ** 2,
        np.eye(2)[..., None] * np.ones(len(x)),
        atol=1e-12,
    )


@pytest.mark.parametrize("ratio", [1.0, 0.3 / 1.7, 0.01])
def test_cone_geodesic_solves_the_geodesic_equation(ratio):
    """dr^2 / across + r^2 dtheta^2 / along has r'' = ratio r theta'^2 and theta'' = -2 r' theta' / r."""

    def slope(_, state):
        r, _, dr, dtheta = state
        return [dr, dtheta, ratio * r * dtheta**2, -2 * dr * dtheta / r]

    path = solve_ivp(slope, (0, 30), [40, 0, 0, 1 / 40], rtol=1e-10, atol=1e-10).y
    np.testing.assert_allclose(ff.cone_geodesic(path[1], 40, (1.0, ratio)), path[0], rtol=1e-7)


def test_helices_are_the_same_after_a_quarter_turn():
    """Going 15 voxels along y, a quarter of the pitch, the tube turns by 90 degrees from x towards z."""
    scene = ff.helix_crossing()
    mask, v = scene.mask[0], scene.v[0]
    x, y, z = np.argwhere(mask[:, 3:46]).T + np.array([[0], [3], [0]])
    assert mask[:, 18:61].sum() == len(x) > 1000
    there = v[:, 47 - z, y + 15, x]
    np.testing.assert_allclose(there, np.stack([-v[2, x, y, z], v[1, x, y, z], v[0, x, y, z]]), atol=1e-12)
    assert scene.mask.all(0).sum() > 100


@settings(max_examples=20)
@given(sd=st.floats(0, 10), seed=seeds)
def test_angular_noise_turns_by_the_sd_and_keeps_lengths(sd, seed):
    for scene, n_planes in ((SCENES[3], 1), (SCENES[-1], 2)):
        noisy = ff.angular_noise(scene, sd, np.random.default_rng(seed))
        np.testing.assert_allclose(np.linalg.norm(noisy.v, axis=1), scene.mask, atol=1e-12)
        distance = np.linalg.norm(noisy.v - scene.v, axis=1)[scene.mask]
        turned = np.rad2deg(2 * np.arcsin(distance / 2))
        np.testing.assert_allclose(np.sqrt(np.mean(turned**2) / n_planes), sd, rtol=0.05, atol=1e-6)


@given(fraction=st.floats(0, 1), seed=seeds)
def test_sign_flips_reverse_the_fraction_and_nothing_else(fraction, seed):
    annulus = SCENES[3]
    flipped = ff.sign_flips(annulus, fraction, np.random.default_rng(seed))
    same = np.sum(flipped.v * annulus.v, axis=1)[annulus.mask]
    np.testing.assert_allclose(np.abs(same), 1)
    assert np.sum(same < 0) == round(fraction * annulus.mask.sum())
    np.testing.assert_allclose(ff.flip_fraction(flipped), 2 * fraction * (1 - fraction), atol=0.03)


def test_flip_fraction_counts_pairs_of_near_axes():
    mask = np.ones((1, 2, 3), bool)
    angle = np.deg2rad([[0, 180, 200], [90, 90, 20]])  # pairs: 180, 20 | 0, 70 | 90, 90, 180 degrees
    v = np.stack([np.cos(angle), np.sin(angle)])[None]
    assert ff.flip_fraction(ff.FibreFields("", v, mask, 1.0)) == 2 / 4
    mask[0, 0, 1] = False  # leaves pairs 0 and 180
    assert ff.flip_fraction(ff.FibreFields("", v * mask[:, None], mask, 1.0)) == 1 / 2
    assert np.isnan(ff.flip_fraction(ff.FibreFields("", 0 * v, mask, 1.0)))


@given(n_layers=st.integers(1, 4))
def test_erosion_takes_voxels_within_that_many_steps_of_the_outside(n_layers):
    scene = SCENES[0]
    eroded = ff.erode(scene, n_layers)
    outside = np.argwhere(~scene.mask[0])
    for voxel in np.argwhere(scene.mask[0])[::29]:
        steps = np.abs(outside - voxel).sum(1).min()
        assert eroded.mask[(0, *voxel)] == (steps > n_layers)
    np.testing.assert_array_equal(eroded.v, scene.v * eroded.mask[:, None])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ff.annulus(30, 20), "inner=30, outer=20.*expected 1 <= inner < outer"),
        (lambda: ff.annulus(eigenvalues=(1.0, 2.0)), r"eigenvalues=\(1.0, 2.0\).*the one along"),
        (lambda: ff.annulus(eigenvalues=(1.0, 0.0)), r"eigenvalues above 0"),
        (lambda: ff.curved_crossing(20), "angle_deg=20; 30 to 90 is allowed"),
        (lambda: ff.curved_crossing(60, 20), "radius=20; 30 to 100 is allowed"),
        (lambda: ff.three_way_crossing(7), "n_ways=7; 2 to 6 is allowed"),
        (lambda: ff.angular_noise(SCENES[0], -1, np.random.default_rng(0)), "sd_deg=-1; 0 to 90 is"),
        (lambda: ff.sign_flips(SCENES[0], 1.5, np.random.default_rng(0)), "fraction=1.5; 0 to 1 is"),
    ],
)
def test_settings_out_of_range_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
