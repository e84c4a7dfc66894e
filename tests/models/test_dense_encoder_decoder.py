"""The encoder-decoder against published counts, a network built by hand, and the metric it starts from."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from crossroads.data import fibre_fields
from crossroads.models import dense_encoder_decoder as dense
from crossroads.models.covariant_residual import pose_residual, residual_loss
from crossroads.models.metric_fits import fit_metric


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("n_dims", "n_in", "n_out", "blocks", "count"),
    [
        (2, 2, 3, (6, 8, 6), 742_443),
        (2, 4, 3, (6, 8, 6), 747_147),
        (2, 6, 3, (6, 8, 6), 751_851),
        (3, 3, 7, (40, 30, 40), 53_635_445),
        (3, 3, 7, (55, 30, 55), 86_003_690),
    ],
)
def test_parameters_are_as_many_as_published(n_dims, n_in, n_out, blocks, count):
    with torch.device("meta"):
        model = dense.DenseEncoderDecoder(n_dims, n_in, n_out, blocks)
    assert sum(p.numel() for p in model.parameters()) == count
    rows = dense.layer_table(model, (48,) * n_dims)
    assert sum(row[2] for row in rows) == count


def test_shapes_of_the_stages_are_those_of_the_published_networks():
    with torch.device("meta"):
        plane = dense.DenseEncoderDecoder(2, 4, 3, (6, 8, 6))
        volume = dense.DenseEncoderDecoder(3, 3, 7, (40, 30, 40))
    assert [shape for _, shape, _ in dense.layer_table(plane, (100, 100))] == [
        (48, 50, 50), (144, 50, 50), (72, 25, 25), (200, 25, 25), (100, 50, 50), (196, 50, 50), (3, 100, 100),
    ]  # fmt: skip
    assert [shape[0] for _, shape, _ in dense.layer_table(volume, (48, 64, 48))] == [
        48, 688, 344, 824, 412, 1052, 7,
    ]  # fmt: skip
    assert dense.layer_table(volume, (48, 64, 48))[3][1][1:] == (12, 16, 12)


def by_hand(x, weights):
    """One layer a block, written out."""

    def grow(x, kernel, stride=1, scale=1):
        x = functional.relu(functional.batch_norm(x, None, None, next(weights), next(weights), training=True))
        x = functional.interpolate(x, scale_factor=scale) if scale > 1 else x
        return functional.conv2d(x, next(weights), stride=stride, padding=kernel // 2)

    x = functional.conv2d(x, next(weights), stride=2, padding=3)
    x = torch.cat([x, grow(x, 3)], 1)
    x = grow(grow(x, 1), 3, stride=2)
    x = torch.cat([x, grow(x, 3)], 1)
    x = grow(grow(x, 1), 3, scale=2)
    x = torch.cat([x, grow(x, 3)], 1)
    return grow(grow(grow(x, 3), 3, scale=2), 5)


def test_it_computes_what_a_network_written_out_computes():
    torch.manual_seed(0)
    model = dense.DenseEncoderDecoder(2, 2, 3, (1, 1, 1), growth=4, n_initial=8)
    x = torch.randn(1, 2, 16, 24)
    assert torch.allclose(model(x), by_hand(x, iter(model.parameters())), atol=1e-5)


def test_recomputing_changes_neither_output_nor_gradient():
    x, outputs, gradients = torch.randn(1, 2, 16, 16, generator=generator()), [], []
    for recompute in (False, True):
        torch.manual_seed(1)
        model = dense.DenseEncoderDecoder(2, 2, 3, (2, 1, 1), growth=4, n_initial=8, recompute=recompute)
        outputs.append(model(x))
        outputs[-1].square().sum().backward()
        gradients.append(torch.cat([p.grad.ravel() for p in model.parameters()]))
    assert torch.equal(*outputs)
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-6)


def test_the_scale_of_the_input_hardly_matters():
    torch.manual_seed(0)
    model = dense.DenseEncoderDecoder(2, 2, 3, (2, 2, 2))
    x = torch.randn(1, 2, 32, 32)
    assert torch.allclose(model(x), model(1000 * x), rtol=1e-2, atol=1e-2)


def test_zeros_in_the_last_layer_start_at_the_flat_metric():
    braid = fibre_fields.braid()
    model = dense.NetworkMetric(braid.v, "exponential", (1, 1, 1), generator(), zero_last=True)
    g = model()
    assert g.dtype == torch.float64
    assert torch.equal(g, torch.eye(2, dtype=torch.float64)[..., None, None].expand(2, 2, 100, 100))
    volume = np.zeros((1, 3, 9, 8, 10))
    volume[:, 0] = 1
    for kind in ("rotation", "published"):
        g = dense.NetworkMetric(volume, kind, (1, 1, 1), generator(), zero_last=True)().detach().numpy()
        np.testing.assert_allclose(g, np.eye(3)[..., None, None, None] * np.ones((9, 8, 10)), atol=1e-12)


@pytest.mark.parametrize("kind", ["exponential", "rotation", "published"])
def test_the_flat_start_is_no_dead_end(kind):
    ring = fibre_fields.annulus(3.0, 8.0)
    v, mask = ring.v, ring.mask
    if kind != "exponential":  # the same ring in 3-D, all directions in the plane
        v = np.concatenate([v, np.zeros_like(v[:, :1])], axis=1)[..., None].repeat(4, -1)
        mask = mask[..., None].repeat(4, -1)
    model = dense.NetworkMetric(v, kind, (1, 1, 1), generator(), zero_last=True)
    before = [p.detach().clone() for p in model.parameters()]
    loss = fit_metric(model, pose_residual(v, mask), 6, 1e-3).loss
    assert loss[-1] < 0.9 * loss[0]
    moved = [p.detach() - old for p, old in zip(model.parameters(), before, strict=True)]
    assert all(change.any() for change in moved)
    assert moved[-1].flatten(1).abs().amax(1).min() > 1e-4  # each of the metric's parameters


def test_the_sum_of_taps_is_the_convolution():
    """Against torch's own, with its gradients; on any grid, also of a single voxel along an axis."""
    g = generator(3)
    for grid in ((4, 6, 5), (2, 3, 2), (1, 4, 1)):
        x = torch.randn(1, 5, *grid, generator=g, dtype=torch.float64, requires_grad=True)
        weight = torch.randn(4, 5, 3, 3, 3, generator=g, dtype=torch.float64, requires_grad=True)
        above = torch.randn(1, 4, *grid, generator=g, dtype=torch.float64)
        ours, torchs = dense._SumOfTaps.apply(x, weight), functional.conv3d(x, weight, padding=1)
        torch.testing.assert_close(ours, torchs)
        for one, other in zip(
            torch.autograd.grad(ours, (x, weight), above),
            torch.autograd.grad(torchs, (x, weight), above),
            strict=True,
        ):
            torch.testing.assert_close(one, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no NVIDIA GPU")
def test_a_recorded_network_on_a_gpu_learns_what_one_on_a_processor_does():
    """The same losses in double precision, of a network whose kernels are a graph; TF32 would part them."""
    rope = fibre_fields.helix_crossing()
    v, mask = (a[..., 6:34, 6:34, 6:34] for a in (rope.v, rope.mask))
    problem = pose_residual(v, mask)
    losses = []
    for where in ("cpu", "cuda"):
        model = dense.NetworkMetric(v, "rotation", (2, 2, 2), generator(), zero_last=True).double().to(where)
        if where == "cuda":
            model.record()
        losses.append(fit_metric(model, problem, 8, 1e-4).loss)
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_every_weight_learns_and_the_seed_decides():
    braid = fibre_fields.braid()
    problem = pose_residual(braid.v, braid.mask)
    state = torch.get_rng_state()
    models = [
        dense.NetworkMetric(braid.v, "exponential", (2, 1, 1), generator(s), zero_last=False)
        for s in (1, 1, 2)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    metrics = [model().detach() for model in models]
    assert torch.equal(metrics[0], metrics[1])
    assert not torch.allclose(metrics[0], metrics[2])
    residual_loss(models[0](), problem).backward()
    assert all(p.grad.abs().max() > 0 for p in models[0].parameters())
    values = np.linalg.eigvalsh(np.moveaxis(metrics[0].numpy(), (0, 1), (-2, -1)))
    assert values.min() > 0


def test_a_grid_that_does_not_halve_twice_is_refused_and_fields_are_padded():
    model = dense.DenseEncoderDecoder(2, 2, 3, (1, 1, 1))
    with pytest.raises(ValueError, match=r"grid \(10, 12\)"):
        model(torch.zeros(1, 2, 10, 12))
    v = np.zeros((1, 2, 145, 174))
    v[:, 0] = 1
    metric = dense.NetworkMetric(v, "exponential", (1, 1, 1), generator(), zero_last=False)
    assert metric.x.shape == (1, 2, 148, 176)
    assert metric().shape == (2, 2, 145, 174)
