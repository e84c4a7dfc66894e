# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A geometry in which nerve fibres are straight
#
# ```{card}
# **Paper.** Dai, Bauer, Fletcher & Joshi, *Modeling the shape of the brain connectome via deep neural
# networks*, Information Processing in Medical Imaging 2023 (first version 2022: *Deep learning the shape of
# the brain connectome*).
#
# **Question.** Fibres of the white matter are curved, and they cross. Is there a geometry of the brain, a
# Riemannian metric, in which they are shortest paths, and can it be found from diffusion images?
#
# **Answer.** Yes, and easily, where no more than three families of fibres cross: of two strands that cross,
# both become geodesics of one metric. It takes no network. But the metric fits noise as readily as fibres,
# and the loss does not tell which of the two it has fitted.
#
# **Not reproduced here.** The paper's text was not at hand: what is compared are its method, known from the
# published code, its three figures, and a few files of data. Its number of curves, the unit of its distances
# and its 3-D crossing experiment are unknown to us.
# ```

# %% tags=["parameters"]
size: str = "book"  # ci | book | paper
data: str = "synthetic"  # synthetic | hcp-103818 | hcp-100610 | hcp-111312
seed: int = 0  # root of every random stream
out: str = ""  # folder for results; empty: a temporary one

# %% tags=["hide-input"]
from dataclasses import replace
from functools import partial
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from myst_nb import glue

from crossroads.analyse import connectome as analysis
from crossroads.analyse import geodesics
from crossroads.analyse.connectome import Fit, Solver, follow
from crossroads.data import fibre_fields
from crossroads.data import fibre_scenes as source
from crossroads.data.fibre_scenes import Scene, open_scene
from crossroads.data.settings import data_folder, load_settings
from crossroads.data.units import sweep_groups
from crossroads.models import dense_encoder_decoder as dense
from crossroads.models.covariant_residual import official_log10, pose_residual, residual, residual_loss
from crossroads.models.tensor_metrics import adjugate_metric, conformal_metric, inverse_metric
from crossroads.report import connectome_check_figures as checks
from crossroads.report import connectome_figures as paper
from crossroads.report import figures, play, tract_figures
from crossroads.report.claims import Ledger
from crossroads.report.intervals import Estimate, estimate
from crossroads.report.provenance import out_folder, stamp

figures.style()
out = out_folder(out)
settings = load_settings(analysis.ConnectomeSettings, "connectome", size)
ledger = Ledger("connectome", size, data, seed)
# Figures draw from a stream of their own, so that no claim depends on what is drawn.
rng, drawing = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
interval = partial(estimate, rng=rng)

# %% [markdown]
# ## The question
#
# Water diffuses along nerve fibres more easily than across them. From diffusion-weighted images one gets, in
# every voxel, a tensor and its principal direction; *tractography* strings these directions together. It goes
# astray where voxels are noisy and where fibres cross, since each step trusts one voxel.
#
# The older idea {cite:p}`odonnell2002` is global: make the brain a curved space in which it is quick to move
# along fibres, and let tracts be the shortest paths. The inverse of the diffusion tensor does so roughly,
# but its shortest paths cut corners. Two repairs multiply it by a scalar: the determinant of the tensor (the
# *adjugate*, {cite:t}`fuster2016`), or a factor $e^\alpha$ found from a Poisson equation (the *conformal*
# {term}`metric`, {cite:t}`hao2014`). And none can carry two directions through one voxel, because a tensor
# has one.
#
# {cite:t}`dai2023` turn the question round. The directions are known; *which metric has them as geodesics*?
# That is a partial differential equation for the metric, and they let a convolutional network solve it,
# much as physics-informed networks solve others. They try it on two strands that cross, and on brains of
# the Human Connectome Project {cite:p}`vanessen2013`. A review of the first version speaks of subject
# 103818, of regions where fibres cross in 3-D, and of generality as what the authors want next.
#
# ## The model
#
# Let $v$ be a field of unit vectors along the fibres and $g$ a metric. The fibres are
# {term}`geodesics <geodesic>`, up to their speed, where the covariant derivative of $v$ along itself points
# along $v$:
#
# ```{math}
# :label: eq-connectome-pde
# \nabla^g_v v = \sigma v, \qquad
# (\nabla^g_v v)^k = v^j \partial_j v^k + \Gamma^k_{ij} v^i v^j .
# ```
#
# $\sigma = \langle v, \nabla^g_v v\rangle / \langle v, v\rangle$ is taken out by projection, and what is left
# is the residual, whose mean square over all entries of the grid is the only loss:
#
# ```{math}
# :label: eq-connectome-residual
# \varepsilon = \left(I - v v^\top\right) \nabla^g_v v, \qquad L(g) = \overline{\varepsilon^2} .
# ```
#
# The Christoffel symbols $\Gamma$ are never formed. Only what they do to $v$ enters,
#
# ```{math}
# :label: eq-connectome-short
# \nabla^g_v v = (v \cdot \nabla)\,v + g^{-1} w, \qquad
# w_l = v^i v^j \left( \partial_i g_{lj} - \tfrac12\, \partial_l g_{ij} \right) ,
# ```
#
# which is what the library computes:
#
# ::::{tab-set}
# :::{tab-item} The residual
# ```{literalinclude} ../lib/crossroads/models/covariant_residual.py
# :pyobject: plain_residual
# ```
# :::
# :::{tab-item} The metric
# ```{literalinclude} ../lib/crossroads/models/metric_parameters.py
# :pyobject: metric_of
# ```
# :::
# :::{tab-item} The test
# A sine strand has a metric in closed form; its residual must vanish with the square of the voxel.
# ```{literalinclude} ../tests/models/test_covariant_residual.py
# :pyobject: test_closed_form_of_a_strand
# ```
# :::
# ::::
#
# A metric must be symmetric and positive definite in every voxel. In 2-D it is the exponential of a symmetric
# matrix of three numbers. In 3-D the paper takes seven: an axis, an angle and the logarithms of three
# eigenvalues ({numref}`fig-connectome-ellipsoid`).
#
# A voxel gives $n-1$ equations for each family of fibres and has $n(n+1)/2$ unknowns, so three families
# determine the metric, in 2-D and in 3-D alike. One or two leave it free, and four ask for more than it has.
#
# ```{list-table} Symbols, and their values in the published code.
# :header-rows: 1
# :name: tab-connectome-symbols
#
# * - Symbol
#   - Meaning
#   - Value
# * - $v$
#   - direction of the fibres, unit length
#   - principal eigenvector of the diffusion tensor; multiplied by 1000 on load
# * - $g$
#   - Riemannian metric, in voxels
#   - learned
# * - $\Gamma$
#   - Christoffel symbols of $g$
#   - central differences on the grid
# * - $L$
#   - loss, quoted as $\log_{10}$ with $v$ times 1000
#   - flat metric on the braid: 8.37
# * - blocks
#   - layers in the three dense blocks
#   - 6/8/6 in 2-D, 40/30/40 in 3-D
# ```

# %% tags=["remove-output"]
braid_scene, direct = Scene("braid"), Solver("direct", settings.iterations, settings.learning_rate)
spline = replace(direct, kind="spline", knots=settings.knots)
network = Solver(
    "network", settings.network_iterations, settings.network_rate, blocks=settings.network_blocks
)
as_published = replace(network, learning_rate=analysis.PUBLISHED_RATE, published=True)
folder = data_folder("connectome")
slice_scene, volume_scene = Scene("annulus", seed, snr=settings.snr), Scene("helix crossing")
if data == "hcp-111312":
    volume_scene = source.recorded(data, folder)
elif data != "synthetic":
    slice_scene = source.recorded(data, folder)
in_3d = Solver("direct", settings.dwi_iterations, settings.dwi_rate, parameters="rotation")
volume_solver = Solver(
    settings.volume_solver,
    settings.volume_iterations,
    settings.volume_rate,
    parameters="rotation",
    blocks=settings.volume_blocks,
)
seeds = [int(s) for s in np.random.SeedSequence(seed, spawn_key=(2,)).generate_state(settings.n_seeds)]


def noisy(noise_deg, solver):
    return [Fit(Scene("braid", s, noise_deg=noise_deg), solver, s) for s in seeds]


def flipped(share, aligned):
    return [Fit(Scene("braid", s, flips=share), replace(direct, aligned=aligned), s) for s in seeds]


plain = ("annulus", "straight bundle", "curved crossing", "branching", "kissing")
units = {
    "network": [Fit(braid_scene, network, seed)],
    "network, published": [Fit(braid_scene, as_published, seed)],
    "network, shuffled": [Fit(Scene("braid", seed, shuffled=True), network, seed)],
    "volume": [Fit(volume_scene, volume_solver, seed)],
    "volume, published axis": [Fit(volume_scene, replace(volume_solver, parameters="published"), seed)],
    "braid": [Fit(braid_scene, direct, seed)],
    "spline": [Fit(braid_scene, spline, seed)],
    "sigma in": [Fit(braid_scene, replace(direct, project=False), seed)],
    "restarts": [Fit(braid_scene, replace(direct, start=0.3), s) for s in seeds],
    "slice": [Fit(slice_scene, direct, seed)],
    **{name: [Fit(Scene(name), direct, seed)] for name in plain},
    **{f"{n} families": [Fit(Scene(f"{n} families"), direct, seed)] for n in settings.n_families},
    **{f"{s.kind}, {sd:g}": noisy(sd, s) for s in (direct, spline) for sd in settings.noise_deg},
    **{
        f"{s.kind}, {sd:g}, nine in ten": noisy(sd, replace(s, left_out=0.1))
        for s in (direct, spline)
        for sd in settings.noise_deg
    },
    **{f"aligned, {share:g}": flipped(share, True) for share in settings.flips},
    **{f"naive, {share:g}": flipped(share, False) for share in settings.flips},
    "dwi": [Fit(Scene(name), in_3d, seed) for name in source.SHIPPED],
}
fitted = sweep_groups(analysis.fit_scene, units, label="fits")
learned = {name: those[0]["g"] for name, those in fitted.items()}
glue("n_units", sum(map(len, units.values())))

# %% [markdown]
# {glue:text}`n_units:.0f` metrics are fitted, each to the directions of one scene. Most of them *directly*:
# three numbers a voxel, no network, from the flat metric on. The network comes in where the paper is
# repeated, and is then compared.
#
# Every metric is shot in the same way: geodesics at unit speed from a seed, both ways, along the fibre, and
# beside each the {term}`integral curve` of $v$ through the same seed. How far a geodesic strays is said in
# three numbers that belong together. *Distance* is taken at the same arc length, or from the nearest point.
# *Coverage* is the length of the geodesic inside the bundle over that of the integral curve; a curve that
# leaves at once has no time to stray.

# %% [markdown]
# ## Planted truth
#
# Scenes whose fibres are known: the paper's braid, rebuilt to the tenth decimal; a bend of concentric
# circles, like the genu of the corpus callosum; and four that the paper lacks. Look for voxels that belong to
# two bundles.

# %% tags=["hide-input"]
shown = ("braid", "annulus", "curved crossing", "branching", "kissing", "3 families")
scenes = {name: open_scene(Scene(name)) for name in (*shown, "straight bundle")}
fig, numbers = paper.draw_scenes({name: scenes[name] for name in shown})
shared = {
    name: float((scenes[name].mask.sum(0) > 1).sum() / scenes[name].mask.any(0).sum()) for name in shown
}
figures.show(
    fig,
    "fig-connectome-scenes",
    caption="The 2-D scenes. Lines: directions, one colour a bundle; stars: seeds. Lengths in voxels.",
    alt="Share of the voxels that belong to more than one bundle: "
    + ", ".join(f"{name} {share:.2f}" for name, share in shared.items())
    + ".",
    data=numbers,
    out=out,
)

# %% [markdown]
# Some metrics are known in closed form, and test both the residual and the shooting. Round the bend, the
# inverse of a tensor with constant eigenvalues is the metric of a cone: its geodesics are straight on the
# unrolled cone, so they leave the circle, by a formula. Divided by the squared radius, the same tensor has
# every circle as a geodesic. Look for curves on the lines, and in **B** for errors well below a voxel.

# %% tags=["remove-output"]
annulus = scenes["annulus"]
exact = annulus.truth[0]
ring_metrics = analysis.tensor_metrics(annulus) | {"exact": exact, "learned": learned["annulus"]}
ring_seeds, ring_field = analysis.random_seeds(annulus, settings.n_curves, rng)
ring = {name: follow(g, annulus, ring_seeds, ring_field) for name, g in ring_metrics.items()}

# %% tags=["hide-input"]
fig, numbers = paper.draw_closed_forms(annulus, ring_metrics["inverse"], exact)
off = numbers[numbers.panel == "B"].groupby(numbers.series.str.split().str[0]).value.max()
figures.show(
    fig,
    "fig-connectome-closed-forms",
    caption="Geodesics that are known. **A** Round the bend, under the inverse tensor (a cone) and with the "
    "exact conformal factor (circles); dashed: the formulas. **B** Distance of the shot curves from the "
    "formulas against the angle turned.",
    alt="; ".join(f"{name}: {value:.3f} voxels from the formula at most" for name, value in off.items())
    + ".",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
single = replace(scenes["braid"], v=scenes["braid"].v[:1], mask=scenes["braid"].mask[:1])
glue("off_cone", float(off.max()))
glue("rms_flat", analysis.rms_residual(analysis.flat(2, scenes["braid"].mask.shape[1:]), scenes["braid"]))
glue("rms_strand", analysis.rms_residual(scenes["braid"].truth[0], single))
glue("rms_learned", analysis.rms_residual(learned["braid"], scenes["braid"]))
glue("learned_ring", float(ring["learned"].matched.mean()))
glue("inverse_ring", float(ring["inverse"].matched.mean()))

# %% [markdown]
# Shot curves stay within {glue:text}`off_cone:.3f` voxels of the formulas. On the braid, the flat metric has
# a residual of {glue:text}`rms_flat:.3f` (root mean square); the closed form of a single strand
# {glue:text}`rms_strand:.5f`, which is what differences on a grid leave; the metric fitted to both strands
# {glue:text}`rms_learned:.1e`. Round the bend its geodesics are {glue:text}`learned_ring:.2f` voxels off on
# average, those of the inverse tensor {glue:text}`inverse_ring:.1f`.
#
# ## The network, and the metric it makes (architecture, eigen-composition)
#
# A dense encoder-decoder: every layer of a block sees the outputs of all layers before it. Input are the
# directions, output the parameters of the metric in every voxel. There is one example, the subject's own
# directions; so this is no learning across brains but a way to write down a smooth metric.

# %% tags=["hide-input"]
with torch.device("meta"):  # nothing is allocated
    layers = {
        "2-D, 6/8/6": dense.layer_table(dense.DenseEncoderDecoder(2, 4, 3, (6, 8, 6)), (100, 100)),
        "3-D, 40/30/40": dense.layer_table(dense.DenseEncoderDecoder(3, 3, 7, (40, 30, 40)), (48, 64, 48)),
        "3-D, 55/30/55": dense.layer_table(dense.DenseEncoderDecoder(3, 3, 7, (55, 30, 55)), (48, 64, 48)),
    }
counts = {name: sum(row[2] for row in rows) for name, rows in layers.items()}
fig, numbers = paper.draw_architecture(layers["3-D, 40/30/40"])
figures.show(
    fig,
    "fig-connectome-architecture",
    caption="The encoder-decoder for one field on 48 × 64 × 48 voxels (paper: architecture figure). Height "
    "of a box: grid; width: channels; below: parameters of the stage.",
    alt="Seven stages from a stem to a head; parameters in all: "
    + ", ".join(f"{name} {count:,}" for name, count in counts.items())
    + ".",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
for key, count in zip(("n_2d", "n_3d", "n_v1"), counts.values(), strict=True):
    glue(key, count)

# %% [markdown]
# In 2-D, for the two fields of the braid, the network has {glue:text}`n_2d:,` parameters; in 3-D, with the
# published blocks, {glue:text}`n_3d:,`; with the 55/30/55 that a review reports of the first version
# {glue:text}`n_v1:,`.
#
# The last step, from seven numbers to an ellipsoid, hides a slip. In the published code the axis of the
# rotation is not of unit length. Then $R$ is no rotation, and the numbers called logarithms of eigenvalues
# are not. The metric stays positive definite, so training goes on as if nothing were wrong. (The slide in the
# published figures has $\cos(1-\theta)$ where the code rightly has $1-\cos\theta$.) Turn the angle and look
# at the lengths of the half-axes: those of the published form change, the other only turns.

# %% tags=["hide-input"]
positions, numbers = tract_figures.ellipsoid_traces()
play.show(
    play.slider(positions, "Angle (°)", ("x", "y", "z")),
    "fig-connectome-ellipsoid",
    caption="The unit ball of a metric against the angle of its rotation: axis normalised, and not (as "
    "published). The slider answers to the arrow keys.",
    alt="With the normalised axis the three half-axes stay as they are at every angle; without, the longest "
    f"ranges from {numbers.published_longest.min():.2f} to {numbers.published_longest.max():.2f}.",
    data=numbers.round(3),
    out=out,
)

# %% [markdown]
# ## Round the bend (slice, zoom, box plot)
#
# The paper's first result: in an axial slice, from one seed in the genu, five curves. The geodesics of
# inverse and adjugate leave the bend sideways almost at once, the conformal one follows half of it, the
# learned one all of it. Our slice is a bend seen through a simulated diffusion scan, unless a slice of a
# brain is at hand. Look in **B** for the curves that cut the corner.

# %% tags=["remove-output"]
slice_fields = open_scene(slice_scene)
slice_metrics = analysis.tensor_metrics(slice_fields) | {"learned": learned["slice"]}
slice_metrics.pop("flat")
if slice_scene.folder:
    slice_seeds, slice_field = analysis.anisotropic_seeds(slice_fields)
    reach = 30.0  # voxels each way
else:
    slice_seeds, slice_field = analysis.random_seeds(slice_fields, settings.n_curves, rng)
    reach = analysis.REACH
on_slice = {
    name: follow(g, slice_fields, slice_seeds, slice_field, reach=reach) for name, g in slice_metrics.items()
}
stray = np.nan_to_num(on_slice["conformal"].matched)
example = int(np.argsort(stray)[len(stray) // 2])  # the seed of the median conformal curve

# %% tags=["hide-input"]
curves = {name: found.curves for name, found in on_slice.items()}
curves["integral curve"] = on_slice["learned"].references
fig, numbers = paper.draw_slice(slice_fields, curves, example)
described = ", ".join(f"{name} {found.matched[example]:.1f}" for name, found in on_slice.items())
figures.show(
    fig,
    "fig-connectome-slice",
    caption=f"A slice ({slice_fields.name}; paper: performance figure, left and middle). **A** Directions, "
    "and from one seed (star) the integral curve and the geodesics of each metric. **B** The same, nearer.",
    alt=f"Mean distance from the integral curve at equal arc length, in voxels: {described}.",
    data=numbers,
    out=out,
)

# %% [markdown]
# One seed is an illustration. The box plot takes all of them. The paper's boxes, read off its figure, stand
# beside ours; its axis has no unit, and whether its distance is ours is unknown, so look at the order and not
# at the sizes.

# %% tags=["hide-input"]
slice_table = analysis.deviation_table("slice", on_slice)
fig, numbers = paper.draw_deviations(slice_table)
medians = slice_table.groupby("metric", sort=False)[["matched", "coverage"]].median()
described = ", ".join(
    f"{row.Index} {row.matched:.2f} at coverage {row.coverage:.2f}" for row in medians.itertuples()
)
figures.show(
    fig,
    "fig-connectome-deviations",
    caption=f"Deviation of geodesics in the slice ({slice_fields.name}; paper: performance figure, right), "
    f"{len(slice_seeds)} seeds, both ways. **A** Distance from the integral curve at equal arc length: box: "
    "quartiles, line: median, triangle: mean, whiskers to 1.5 interquartile ranges; open marks: the paper's, "
    "digitised, in its own unit. **B** Coverage: length of the geodesic over that of the integral curve.",
    alt=f"Medians: {described}.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
for name, found in on_slice.items():
    glue(f"slice_{name}", float(np.nanmedian(found.matched)))
    glue(f"slice_{name}_mm", float(np.nanmedian(found.matched) * slice_fields.spacing_mm))
glue("best_rival_slice", min(float(np.nanmedian(f.matched)) for n, f in on_slice.items() if n != "learned"))

# %% [markdown]
# The learned metric's median is {glue:text}`slice_learned:.2f` voxels ({glue:text}`slice_learned_mm:.2f` mm),
# that of the best rival {glue:text}`best_rival_slice:.2f`. Round a bend of circles the conformal factor can
# be exact, so this scene cannot put the conformal metric in its place; a brain can (see *Real data*).
#
# ## Two strands that cross (braid)
#
# The test that no tensor can pass. In the voxels that two strands share, one metric has to carry both. Look
# for geodesics (dashed) that pass through the crossings as if the other strand were not there, and at the
# ellipses: where two fibres run through a voxel, the ball bulges along both.

# %% tags=["remove-output"]
braid = scenes["braid"]
braid_metrics = analysis.tensor_metrics(braid) | {
    "learned": learned["braid"],
    "network": learned["network"],
    "spline": learned["spline"],
    "sigma in": learned["sigma in"],
}
braid_seeds, braid_field = analysis.random_seeds(braid, settings.n_curves, rng)
on_braid = {name: follow(g, braid, braid_seeds, braid_field) for name, g in braid_metrics.items()}
paper_seeds = {name: follow(g, braid, braid.seeds, braid.seed_field) for name, g in braid_metrics.items()}
overlap = braid.mask.all(0)
flat_rms = analysis.rms_residual(braid_metrics["flat"], braid)
overlap_share = {
    name: analysis.rms_residual(braid_metrics[name], braid, overlap) / flat_rms
    for name in ("learned", "inverse")
}

# %% tags=["hide-input"]
fig, numbers = paper.draw_braid(
    braid, learned["braid"], paper_seeds["learned"].curves, paper_seeds["learned"].references
)
figures.show(
    fig,
    "fig-connectome-braid",
    caption="The braid (paper: braid figure). Unit balls of the learned metric, integral curves (thin) and "
    "geodesics (thick) from the paper's two seeds (stars).",
    alt="From the paper's seeds the geodesics lie "
    f"{paper_seeds['learned'].matched.mean():.2f} voxels from the strands on average and cover "
    f"{paper_seeds['learned'].coverage.mean():.2f} of them; those of the inverse tensor "
    f"{paper_seeds['inverse'].matched.mean():.1f} and {paper_seeds['inverse'].coverage.mean():.2f}.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
for name in ("learned", "network", "inverse", "conformal"):
    glue(f"braid_{name}", float(on_braid[name].matched.mean()))
    glue(f"braid_{name}_coverage", float(on_braid[name].coverage.mean()))
glue("overlap_share", float(overlap_share["learned"]))

# %% [markdown]
# From random seeds, geodesics of the learned metric stay {glue:text}`braid_learned:.2f` voxels from their
# strand and cover {glue:text}`braid_learned_coverage:.2f` of it. The inverse of the averaged tensor strays by
# {glue:text}`braid_inverse:.1f` voxels over the {glue:text}`braid_inverse_coverage:.2f` that it covers, the
# conformal one by {glue:text}`braid_conformal:.1f` over {glue:text}`braid_conformal_coverage:.2f`. Where the
# strands overlap, the residual is {glue:text}`overlap_share:.1e` of the flat metric's.
#
# An honest word on the scene: the strands cross where they are nearly straight. Three harder ones follow.
# Look in **A** for where the learned metric (lowest in each block) is nearer than the others, and for
# branching bundles, which share many voxels at small angles.

# %% tags=["hide-input"]
others, other_tables = {}, []
for name in ("curved crossing", "branching", "kissing"):
    metrics = analysis.tensor_metrics(scenes[name]) | {"learned": learned[name]}
    starts, which = analysis.random_seeds(scenes[name], settings.n_curves, drawing)
    others[name] = {metric: follow(g, scenes[name], starts, which) for metric, g in metrics.items()}
    other_tables.append(analysis.deviation_table(name, others[name]))
fig, numbers = checks.draw_controls(pd.concat(other_tables, ignore_index=True), drawing)
described = "; ".join(
    f"{name}, {metric}: {tracks[metric].matched.mean():.2f} voxels, {tracks[metric].coverage.mean():.2f}"
    for name, tracks in others.items()
    for metric in ("learned", "inverse")
)
figures.show(
    fig,
    "fig-connectome-others",
    caption="Distance (**A**) and coverage (**B**) of geodesics where bundles cross in a bend, branch, or "
    f"touch; light: {settings.n_curves} curves, dark: mean and 95 % bootstrap interval over them.",
    alt=f"Distance and coverage. {described}.",
    data=numbers,
    out=out,
)

# %% [markdown]
# ## Training (loss curve, residual)
#
# The paper's curve starts above ten and ends below five, in $\log_{10}$ of its units. A start above the flat
# metric's level is worse than doing nothing: a network with random weights makes a rough metric. Ours starts
# at the flat one; a second one is trained as published. Look for where the curves pass that level.

# %% tags=["hide-input"]
losses = {
    "network": official_log10(fitted["network"][0]["loss"]),
    "network, published": official_log10(fitted["network, published"][0]["loss"]),
    "direct": official_log10(fitted["braid"][0]["loss"]),
    "spline": official_log10(fitted["spline"][0]["loss"]),
    "network, shuffled": official_log10(fitted["network, shuffled"][0]["loss"]),
}
flat_level = analysis.log10_loss(braid_metrics["flat"], braid)
fig, numbers = paper.draw_losses(losses, flat_level)
figures.show(
    fig,
    "fig-connectome-loss",
    caption="Loss on the braid against the iteration (paper: training figure), in the paper's units. Open "
    "marks: points that a third party read off the paper's curve. Dashed: the flat metric. Published: as the "
    "published code trains, by Adadelta from random weights. Shuffled: the directions of other voxels, no "
    "fibres are left to follow.",
    alt="Final loss (log10): "
    + ", ".join(f"{name} {curve[-1]:.1f}" for name, curve in losses.items())
    + f"; the flat metric has {flat_level:.2f}.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
shuffled_tracks = follow(learned["network, shuffled"], braid, braid_seeds, braid_field)
published_tracks = follow(learned["network, published"], braid, braid_seeds, braid_field)
glue("flat_level", flat_level)
glue("network_loss", float(losses["network"][-1]))
glue("shuffled_loss", float(losses["network, shuffled"][-1]))
glue("shuffled_coverage", float(shuffled_tracks.coverage.mean()))
glue("published_start", float(losses["network, published"][0]))
glue("published_loss", float(losses["network, published"][-1]))
glue("published_coverage", float(published_tracks.coverage.mean()))
glue("n_network_iterations", settings.network_iterations)

# %% [markdown]
# After {glue:text}`n_network_iterations:.0f` iterations the network is at {glue:text}`network_loss:.1f`, the
# flat metric at {glue:text}`flat_level:.2f`. Its geodesics stay {glue:text}`braid_network:.2f` voxels from
# the strands and cover {glue:text}`braid_network_coverage:.2f` of them. Trained on shuffled directions it
# comes to {glue:text}`shuffled_loss:.1f`, and its geodesics cover {glue:text}`shuffled_coverage:.2f`.
#
# Trained as published it starts at {glue:text}`published_start:.1f`, above the flat metric, as the paper's
# curve does. After as many iterations it is at {glue:text}`published_loss:.1f`, and its geodesics cover
# {glue:text}`published_coverage:.2f` of the strands. The paper goes on to 1,001 iterations, and so does size
# `paper`.
#
# What is left of the residual can be seen voxel by voxel. Look for the arrows of the flat metric, at right
# angles to the fibres wherever these bend.

# %% tags=["hide-input"]
problem = pose_residual(slice_fields.v, slice_fields.mask)
eps = {
    name: residual(g, problem)
    for name, g in (("flat", analysis.flat(2, slice_fields.mask.shape[1:])), ("learned", learned["slice"]))
}
fig, numbers = paper.draw_residual(slice_fields, eps["flat"], eps["learned"])
size_of = {name: float(np.sqrt((e**2).sum(1)[problem.interior].mean())) for name, e in eps.items()}
figures.show(
    fig,
    "fig-connectome-residual",
    caption=f"The residual in the slice ({slice_fields.name}; paper: residual figure), inside the eroded "
    "mask, under the flat and under the learned metric.",
    alt=f"Root mean square length: {size_of['flat']:.3f} under the flat metric, {size_of['learned']:.5f} "
    "under the learned one.",
    data=numbers,
    out=out,
)

# %% [markdown]
# ## Three dimensions (tractography)
#
# A tube of helices, and a fan of straight fibres through it, on the grid of the published sub-volume. Look in
# the lower row, the crossing from near, for geodesics that lie on their integral curves.

# %% tags=["remove-output"]
volume = open_scene(volume_scene)
volume_metrics = {"learned": learned["volume"], "published axis": learned["volume, published axis"]}
if volume.tensor is not None:
    volume_metrics |= {"inverse": analysis.tensor_metrics(volume)["inverse"]}
depth = 1 if volume_scene.folder else 3  # the masks of brains are thin
volume_seeds, volume_field = analysis.random_seeds(volume, settings.n_curves, rng, depth)
in_volume = {name: follow(g, volume, volume_seeds, volume_field) for name, g in volume_metrics.items()}

# %% tags=["hide-input"]
fig, numbers = tract_figures.draw_tracts(
    volume, in_volume["learned"].curves, in_volume["learned"].references, volume_field
)
figures.show(
    fig,
    "fig-connectome-tracts",
    caption=f"Tractography in 3-D ({volume.name}; review of the paper: three views, and a crossing). Upper "
    "row: geodesics of the learned metric from "
    f"{settings.n_curves} random seeds, in three projections; lower row: the crossing, with integral curves.",
    alt="Distance from the integral curves, in voxels, and coverage: "
    + ", ".join(
        f"{name} {np.nanmean(f.matched):.2f} and {np.nanmean(f.coverage):.2f}"
        for name, f in in_volume.items()
    )
    + ".",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("volume_learned", float(np.nanmean(in_volume["learned"].matched)))
glue("volume_coverage", float(np.nanmean(in_volume["learned"].coverage)))
glue("volume_published", float(np.nanmean(in_volume["published axis"].matched)))

# %% [markdown]
# Geodesics stay {glue:text}`volume_learned:.2f` voxels from their fibres and cover
# {glue:text}`volume_coverage:.2f` of them; with the axis as published, after as many iterations,
# {glue:text}`volume_published:.2f` voxels. A matrix that is no rotation makes a metric all the same; it only
# takes longer to fit.
#
# The paper's own 3-D network, trained on a GPU (recorded, size `network`), carries geodesics through the
# crossing no worse than the direct fit does. With the published axis its loss first rises by decades, and on
# the sub-volume of subject 111312 it does not come back within as many iterations.

# %% tags=["hide-input"]
positions, numbers = tract_figures.tract_scene(
    {n: f.curves for n, f in in_volume.items()}, in_volume["learned"].references, volume_field
)
play.show(
    play.slider(positions, "Metric", ("x (voxels)", "y (voxels)", "z (voxels)")),
    "fig-connectome-tracts-turn",
    caption="The same to turn, by metric: integral curves (thin, black) and geodesics (one colour a bundle).",
    alt="Mean distance of the curves shown from their integral curves, in voxels: "
    + ", ".join(f"{name} {rows.distance.mean():.2f}" for name, rows in numbers.groupby("metric", sort=False))
    + ".",
    data=numbers.round(2),
    out=out,
)

# %% [markdown]
# ## Negative controls
#
# Three controls run through the claims. A *straight bundle*: every metric should follow it, and no order of
# metrics should be found. *One averaged tensor* where strands cross: no crossing should be passed.
# *Directions of other voxels*: a loss may fall, but nothing may be followed. Look for bars near zero on the
# left, and for low coverage on the right.

# %% tags=["remove-output"]
straight = scenes["straight bundle"]
straight_metrics = analysis.tensor_metrics(straight) | {"learned": learned["straight bundle"]}
straight_seeds, straight_field = analysis.random_seeds(straight, settings.n_curves, rng)
on_straight = {
    name: follow(g, straight, straight_seeds, straight_field) for name, g in straight_metrics.items()
}

# %% tags=["hide-input"]
tables = [
    analysis.deviation_table("straight bundle", on_straight),
    analysis.deviation_table("bend", ring),
    analysis.deviation_table("braid", on_braid),
    analysis.deviation_table("braid", {"learned, shuffled": shuffled_tracks}),
]
fig, numbers = checks.draw_controls(pd.concat(tables, ignore_index=True), drawing)
largest = max(float(np.nanmax(found.matched)) for found in on_straight.values())
figures.show(
    fig,
    "fig-connectome-controls",
    caption=f"Distance (**A**) and coverage (**B**) of geodesics by scene and metric; light: "
    f"{settings.n_curves} curves, dark: mean and 95 % bootstrap interval over them.",
    alt=f"In the straight bundle no curve of any metric is more than {largest:.3f} voxels off; on the braid "
    f"the learned metric covers {on_braid['learned'].coverage.mean():.2f}, the inverse tensor "
    f"{on_braid['inverse'].coverage.mean():.2f} of a strand, the metric of shuffled directions "
    f"{shuffled_tracks.coverage.mean():.2f}.",
    data=numbers,
    out=out,
)

# %% [markdown]
# ## Beyond the paper
#
# **Is the network needed?** The loss has one example and no other to generalise to. What the network adds is
# its taste for smooth outputs. Against it: one metric a voxel, fitted directly, and a coarse grid of cubic
# splines. Seconds are those of this machine. Look at what the extra minutes buy.


# %%
def seconds_per_iteration(model, problem, n=3):
    """Of loss and gradient, after one that is not counted."""
    residual_loss(model(), problem).backward()
    start = perf_counter()
    for _ in range(n):
        residual_loss(model(), problem).backward()
    return (perf_counter() - start) / n


torch.set_num_threads(1)
on_braid_problem = pose_residual(braid.v, braid.mask)
solvers = {"direct": direct, "spline": spline, "network": network}
models = {name: analysis.model_of(solver, braid.v, seed) for name, solver in solvers.items()}
seconds = {
    name: solvers[name].n_iterations * seconds_per_iteration(model, on_braid_problem)
    for name, model in models.items()
}
with torch.no_grad():
    start = perf_counter()
    models["network"]()
    inference_s = perf_counter() - start
solver_rows = [
    (name, losses[name][-1], matched, coverage, seconds[name])
    for name in solvers
    for found in [on_braid["learned" if name == "direct" else name]]
    for matched, coverage in zip(found.matched, found.coverage, strict=True)
]
solver_table = pd.DataFrame(solver_rows, columns=["solver", "log10_loss", "matched", "coverage", "seconds"])

# %% tags=["hide-input"]
fig, numbers = checks.draw_solvers(solver_table, drawing)
figures.show(
    fig,
    "fig-connectome-solvers",
    caption=f"Three ways to a metric of the braid. Loss, deviation and coverage of {settings.n_curves} "
    "geodesics (light) with mean and 95 % bootstrap interval, and the time of the fit on one core.",
    alt="; ".join(
        f"{name}: loss {group.log10_loss.iloc[0]:.1f}, {group.matched.mean():.2f} voxels, coverage "
        f"{group.coverage.mean():.2f}, {group.seconds.iloc[0]:.0f} s"
        for name, group in solver_table.groupby("solver", sort=False)
    )
    + ".",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
for name in solvers:
    glue(f"seconds_{name}", float(seconds[name]))
glue("braid_spline", float(on_braid["spline"].matched.mean()))

# %% [markdown]
# The direct fit takes {glue:text}`seconds_direct:.1f` s and its geodesics are {glue:text}`braid_learned:.2f`
# voxels off; the spline {glue:text}`seconds_spline:.1f` s and {glue:text}`braid_spline:.2f`; the network
# {glue:text}`seconds_network:.0f` s and {glue:text}`braid_network:.2f`. The lowest loss does not go with the
# nearest geodesics: where every voxel is free, central differences leave neighbours untied. What a smooth
# metric gains, a coarse grid of splines gains as well as a network does, in a fraction of its time.
#
# **Noise.** Now the directions are off by a random angle, as measured ones are, and geodesics are held to the
# true strands. Look at the first panel and then at the others: the loss that is fitted falls to nothing at
# any noise. What tells is the loss of one voxel in ten that a second fit has not seen.

# %% tags=["remove-output"]
noise_rows, flip_rows = [], []


def mean_tracks(fit):
    """Mean deviation and coverage of a fit's geodesics, held to the true strands."""
    found = follow(fit["g"], braid, braid_seeds, braid_field)
    return float(np.nanmean(found.matched)), float(np.nanmean(found.coverage))


for kind in ("direct", "spline"):
    for sd in settings.noise_deg:
        name = f"{kind}, {sd:g}"
        for s, fit, partly in zip(seeds, fitted[name], fitted[f"{name}, nine in ten"], strict=True):
            # The loss of one voxel in ten, on the scale of all.
            losses_of_fit = official_log10(fit["loss"][-1]), official_log10(10 * partly["left_out_loss"][-1])
            noise_rows.append((sd, kind, *losses_of_fit, *mean_tracks(fit), s))
for share in settings.flips:
    for kind in ("aligned", "naive"):
        for s, fit in zip(seeds, fitted[f"{kind}, {share:g}"], strict=True):
            flip_rows.append((share, kind == "aligned", *mean_tracks(fit), s))
noise_table = pd.DataFrame(
    noise_rows,
    columns=["noise_deg", "solver", "log10_loss", "log10_left_out", "matched", "coverage", "seed"],
)
flip_table = pd.DataFrame(flip_rows, columns=["fraction", "aligned", "matched", "coverage", "seed"])

# %% tags=["hide-input"]
fig, numbers = checks.draw_nuisances(noise_table, flip_table, drawing)
by_noise = noise_table[noise_table.solver == "direct"].groupby("noise_deg")[["log10_loss", "coverage"]].mean()
figures.show(
    fig,
    "fig-connectome-nuisances",
    caption="Directions with noise, and with signs reversed at random. Fitted and left-out loss (**A**), "
    "deviation (**B**) and coverage (**C**) against the noise; coverage against the share of reversed "
    f"directions (**D**). Mean and 95 % bootstrap interval over {settings.n_seeds} fits, each with noise of "
    "its own.",
    alt="Direct fit, noise in degrees: "
    + "; ".join(
        f"{row.Index:g}: loss {row.log10_loss:.1f}, coverage {row.coverage:.2f}"
        for row in by_noise.itertuples()
    )
    + ".",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
worst_noise = 10.0
noisy_rows = (
    noise_table[(noise_table.noise_deg == worst_noise)].groupby("solver")[["matched", "coverage"]].mean()
)
glue("noisy_direct_coverage", float(noisy_rows.coverage["direct"]))
glue("noisy_spline_coverage", float(noisy_rows.coverage["spline"]))
most_flips = (
    flip_table[flip_table.fraction == max(settings.flips)].groupby("aligned")[["matched", "coverage"]].mean()
)
glue("flipped_aligned", float(most_flips.coverage[True]))
glue("flipped_naive", float(most_flips.coverage[False]))

# %% [markdown]
# With directions 10° off, the geodesics of the direct fit cover {glue:text}`noisy_direct_coverage:.2f` of the
# strands, those of the spline {glue:text}`noisy_spline_coverage:.2f`. A smooth metric cannot follow noise,
# and that is the use of a prior.
#
# The signs of directions mean nothing, but differences of directions do depend on them. In the published 2-D
# slice about one pair of neighbours in twenty points opposite ways, in the 3-D volume one in five. With the
# signs aligned before differences are taken, geodesics cover {glue:text}`flipped_aligned:.2f` of the strands
# at the largest share of reversals, without {glue:text}`flipped_naive:.2f`.
#
# **Fair shooting.** The published code knows several ways to shoot. Mode f is the geodesic equation. Mode b
# adds $\sigma v$, read off the directions on the way. Mode c adds $\nabla_v v$, and then the metric cancels:
# what is followed are the directions. Look at what mode c does for the flat metric.

# %% tags=["hide-input"]
mode_rows = []
by_mode = {}
for metric in ("flat", "inverse", "conformal", "learned"):
    for mode in ("unit", "f", "b", "c"):
        found = by_mode[metric, mode] = follow(braid_metrics[metric], braid, braid_seeds, braid_field, mode)
        table = analysis.deviation_table("braid", {metric: found})
        mode_rows.append(table.assign(mode=mode))
mode_table = pd.concat(mode_rows, ignore_index=True)
fig, numbers = checks.draw_modes(mode_table, drawing)
figures.show(
    fig,
    "fig-connectome-modes",
    caption="The same metrics on the braid, shot in four ways. unit: unit speed, ours; f, b, c: those of the "
    f"published code. {settings.n_curves} curves; mean and 95 % bootstrap interval.",
    alt="Coverage of the flat metric: "
    + ", ".join(f"{mode} {by_mode['flat', mode].coverage.mean():.2f}" for mode in ("unit", "f", "b", "c"))
    + ".",
    data=numbers,
    out=out,
)

# %% [markdown]
# **Not one metric but many.** Two families leave the metric free. Fits from five random starts should differ
# where the fibres do not say what the metric is, and agree in their geodesics.

# %% tags=["remove-output"]
restarts = [fit["g"] for fit in fitted["restarts"]]
restart_curves = [follow(g, braid, braid.seeds, braid.seed_field).curves for g in restarts]
distance = analysis.restart_spread(restarts, braid.mask.any(0))
apart = analysis.curves_apart(restart_curves)
distance_map = geodesics.metric_distance(restarts[0], restarts[1], braid.mask.any(0))
glue("restart_distance", float(distance.mean()))
glue("restart_apart", float(apart.mean()))

# %% tags=["hide-input"]
pairs = pd.DataFrame({"pair": np.arange(len(distance)), "distance": distance, "apart": apart})
fig, numbers = checks.draw_uniqueness(distance_map, restart_curves, pairs)
figures.show(
    fig,
    "fig-connectome-uniqueness",
    caption=f"Fits of the braid from {len(restarts)} random starts. **A** Affine-invariant distance of two "
    "of the metrics, beyond a global scale; 0.1 is about 10 % in squared length. **B** Geodesics of all from "
    "the paper's seeds. **C** Median distance of metrics against the distance of their geodesics, one mark a "
    "pair.",
    alt=f"Metrics differ by {distance.mean():.2f} on average, their geodesics by {apart.mean():.2f} voxels.",
    data=numbers,
    out=out,
)

# %% [markdown]
# Two fits differ by {glue:text}`restart_distance:.2f` on average, and their geodesics by
# {glue:text}`restart_apart:.1f` voxels: a random start leaves its roughness behind.
#
# **When no metric exists.** Three families of fibres use up the three numbers that a 2-D metric has. Look for
# the step from three to four.

# %% tags=["hide-input"]
way_rows = []
for n in settings.n_families:
    fields = open_scene(Scene(f"{n} families"))
    g = learned[f"{n} families"]
    way_seeds, way_field = analysis.random_seeds(fields, settings.n_curves, rng)
    found = follow(g, fields, way_seeds, way_field)
    shared = fields.mask.all(0)
    rms = analysis.rms_residual(g, fields, shared) / analysis.rms_residual(
        analysis.flat(2, shared.shape), fields
    )
    way_rows += [(n, seed, rms, m, c) for m, c in zip(found.matched, found.coverage, strict=True)]
way_table = pd.DataFrame(way_rows, columns=["n_ways", "seed", "rms", "matched", "coverage"])
left = way_table.groupby("n_ways").rms.first()
fig, numbers = checks.draw_ways(way_table, drawing)
figures.show(
    fig,
    "fig-connectome-families",
    caption="Arcs that cross in one place. Residual of the fitted metric where all cross, over that of the "
    f"flat metric, and deviation and coverage of {settings.n_curves} geodesics (mean and 95 % bootstrap "
    "interval). Dotted: as many families as unknowns.",
    alt="Residual that is left: " + ", ".join(f"{n} families {value:.4f}" for n, value in left.items()) + ".",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("left_3", float(left[3]))
glue("left_4", float(left[4]))

# %% [markdown]
# Three families leave {glue:text}`left_3:.4f` of the flat metric's residual, four {glue:text}`left_4:.4f`. In
# the white matter, where two or three families in a voxel are common, a metric can be had; a Finsler metric,
# whose ball need not be an ellipsoid, would be the next step.
#
# **Does a small mistake stay small?** A curve can be a geodesic and yet unstable: its neighbours may run away
# from it. Look for growth above the dotted line. In a bend part of it is no danger: the outer of two
# neighbours has the longer way and lags behind.

# %% tags=["hide-input"]
starts = analysis.directions_at(braid, braid_seeds, braid_field)
stability = {
    name: geodesics.spread(braid_metrics[name], braid.mask.any(0), braid_seeds, starts, analysis.STEP, 600)
    for name in ("flat", "inverse", "conformal", "learned")
}
fig, numbers = checks.draw_stability(stability, analysis.STEP)
ends = {name: rows.iloc[-1] for name, rows in numbers.groupby("series", sort=False)}
figures.show(
    fig,
    "fig-connectome-stability",
    caption="Distance of neighbouring geodesics over their distance at the start, at the same arc length, on "
    f"the braid; median and quartiles over {settings.n_curves} seeds, as far as half of them reach. Dotted: "
    "no growth.",
    alt="Growth where half of the curves have ended: "
    + ", ".join(f"{name} {end.value:.1f} after {end.x:.0f} voxels" for name, end in ends.items())
    + ".",
    data=numbers,
    out=out,
)

# %% [markdown]
# ## Real data
#
# Two small volumes of measured diffusion images ship with dipy {cite:p}`garyfallidis2014`, so they are on
# every machine: blocks of a few voxels to a side, enough to run the whole way from signals to tensors,
# directions, a metric and its geodesics. Look for the learned metric's distances below those of the others.

# %% tags=["remove-output"]
dwi = {name: open_scene(Scene(name)) for name in source.SHIPPED}
dwi_tracks = {}
for (name, fields), fit in zip(dwi.items(), fitted["dwi"], strict=True):
    metrics = analysis.tensor_metrics(fields) | {"learned": fit["g"]}
    starts, which = analysis.random_seeds(fields, settings.n_curves, rng, depth=1)
    dwi_tracks[name] = {metric: follow(g, fields, starts, which) for metric, g in metrics.items()}


def pooled(metric):
    """Distances of a metric's geodesics in both volumes, one a curve."""
    values = np.concatenate([tracks[metric].matched for tracks in dwi_tracks.values()])
    return values[np.isfinite(values)]


# %% tags=["hide-input"]
dwi_table = pd.concat(
    [analysis.deviation_table(name, tracks) for name, tracks in dwi_tracks.items()], ignore_index=True
)
fig, numbers = checks.draw_dwi(dwi["small_64D"], dwi_table, drawing)
figures.show(
    fig,
    "fig-connectome-dwi",
    caption="Measured diffusion images (dipy's small volumes). **A** Directions in one slice of small_64D. "
    f"**B** Distance of geodesics from integral curves, {settings.n_curves} random seeds in each of two "
    "volumes. **C** Coverage.",
    alt="Mean distance in voxels: "
    + ", ".join(
        f"{name} {pooled(name).mean():.3f}" for name in ("inverse", "adjugate", "conformal", "learned")
    )
    + ".",
    data=numbers,
    out=out,
)

# %% [markdown]
# The authors publish two slices and a sub-volume derived from the Human Connectome Project; the [data
# page](../book/data.md) says where. With `CROSSROADS_DATA` set, `data="hcp-103818"` or `data="hcp-100610"`
# puts a slice in the place of the synthetic one, `data="hcp-111312"` the sub-volume in the place of the
# helices. The tensors of 100610 are not published, so inverse and adjugate are missing there; for 103818
# the conformal metric is that of the published exponent. What was recorded on them stands beside this build
# in the table of claims.

# %% tags=["hide-input"]
seen = volume if data == "hcp-111312" else slice_fields
if data != "synthetic":
    print(
        f"{data} is used above; {fibre_fields.flip_fraction(seen):.3f} of the neighbours point opposite ways."
    )
elif folder is None:
    print("No folder of real data: the slices and the volume of the Human Connectome Project are skipped.")
else:
    print("The recordings are there: run the chapter with data='hcp-103818' to use them.")

# %% [markdown]
# ## From measures to claims
#
# Each claim is measured here, and in the control in which it must fail.


# %% tags=["hide-input", "remove-output"]
def settle(key, values, control="", unit="voxels"):
    """Note a key, with a bootstrap interval over its items; None where nothing is there to measure."""
    found = None
    if values is not None:
        values = np.atleast_1d(np.asarray(values, float))
        values = values[np.isfinite(values)]
        found = interval(values, unit) if len(values) > 1 else Estimate(*[float(values[0])] * 3, 1, unit)
    ledger.measure(key, found, control=control)


def half_of_rivals(tracks):
    """Half of the smallest mean distance of the three tensor metrics."""
    return min(tracks[name].matched.mean() for name in ("inverse", "adjugate", "conformal")) / 2


for control, tracks in (("", ring), ("straight bundle", on_straight)):
    settle("learned_annulus", tracks["learned"].matched, control)
    settle("quarter_of_inverse_annulus", tracks["inverse"].matched / 4, control)
for control, tracks in (("", on_braid), ("straight bundle", on_straight)):
    settle("learned_braid", tracks["learned"].matched, control)
    settle("learned_braid_coverage", tracks["learned"].coverage, control, unit="")
    settle("half_of_rivals_braid", half_of_rivals(tracks), control)
in_brain = on_slice if slice_scene.folder else {}
for control, tracks in (("", in_brain), ("straight bundle", on_straight)):
    for name in ("learned", "conformal", "inverse", "adjugate"):
        settle(f"{name}_slice", tracks[name].matched if name in tracks else None, control)
settle("learned_braid", on_braid["flat"].matched, "flat metric")
settle("learned_braid_coverage", on_braid["flat"].coverage, "flat metric", unit="")


def change(scale):
    """Relative difference of mean deviations round the bend with scaled tensors, adjugate to inverse."""
    fields = analysis.with_tensor_scale(annulus, scale)
    means = [
        follow(metric(fields.tensor, fields.mask[0]), fields, ring_seeds, ring_field).matched.mean()
        for metric in (adjugate_metric, inverse_metric)
    ]
    return means[0] / means[1] - 1


radius = np.sqrt(ring_metrics["inverse"][0, 0] / exact[0, 0])  # what the exact factor is made of
settle("adjugate_change_constant", change(1.0), unit="")
settle("adjugate_change_varying", abs(change(np.exp(radius / 50))), unit="")
settle("adjugate_change_varying", abs(change(3.0)), "scaled tensor", unit="")
if "adjugate" in in_brain:
    scaled = inverse_metric(3 * slice_fields.tensor, slice_fields.mask[0])
    again = follow(scaled, slice_fields, slice_seeds, slice_field, reach=reach)
    settle("adjugate_slice", again.matched, "scaled tensor")
settle("exact_conformal_annulus", ring["exact"].matched)
settle("exact_conformal_annulus", ring["inverse"].matched, "no factor")
settle("conformal_braid", on_braid["conformal"].matched)
settle("conformal_braid", on_braid["inverse"].matched, "no factor")
for control, name in (("", "learned"), ("averaged tensor", "inverse")):
    settle("overlap_residual_share", overlap_share[name], control, unit="")
    settle("paper_seeds_distance", paper_seeds[name].matched, control)
    settle("paper_seeds_coverage", paper_seeds[name].coverage, control, unit="")
averaged = in_volume.get("inverse")  # the recorded volume comes without tensors
settle("learned_crossing_3d", averaged and averaged.matched, "averaged tensor")
settle("learned_crossing_3d_coverage", averaged and averaged.coverage, "averaged tensor", unit="")
settle("learned_crossing_3d", in_volume["learned"].matched)
settle("learned_crossing_3d_coverage", in_volume["learned"].coverage, unit="")
settle("published_axis_crossing_3d", in_volume["published axis"].matched)
for control, name, tracks in (
    ("", "network", on_braid["network"]),
    ("shuffled directions", "network, shuffled", shuffled_tracks),
):
    settle("network_log10_loss", losses[name][-1], control, unit="")
    settle("network_trend", analysis.trend(losses[name]), control, unit="")
    settle("network_braid", tracks.matched, control)
    settle("network_braid_coverage", tracks.coverage, control, unit="")
settle("flat_log10_loss", flat_level, unit="")
settle("published_log10_loss", losses["network, published"][-1], unit="")

# %% tags=["hide-input", "remove-output"]
settle("change_with_speed", analysis.change_with_speed(learned["braid"], braid, rng), unit="")
speed_left_in = analysis.change_with_speed(learned["braid"], braid, rng, project=False)
settle("change_with_speed", speed_left_in, "sigma left in", unit="")
settle("inference_s", inference_s, unit="s")
settle("inference_s", seconds["network"], "training included", unit="s")
for name in ("learned", "inverse", "conformal"):
    settle(f"{name}_dwi", pooled(name))
    settle(f"{name}_dwi", on_straight[name].matched, "straight bundle")
for control, sd in (("", 10.0), ("no noise", 0.0)):
    fits = fitted[f"direct, {sd:g}"]
    settle("noisy_loss_share", [fit["loss"][-1] / fit["loss"][0] for fit in fits], control, unit="")
    rows = noise_table[(noise_table.solver == "direct") & (noise_table.noise_deg == sd)]
    settle("noisy_coverage", rows.coverage, control, unit="")
for control, aligned in (("", True), ("signs as they come", False)):
    rows = flip_table[(flip_table.fraction == 0.2) & (flip_table.aligned == aligned)]
    settle("flipped_braid_coverage", rows.coverage, control, unit="")
    settle("flipped_braid", rows.matched, control)
settle(
    "flipped_naive_coverage", flip_table[(flip_table.fraction == 0.2) & ~flip_table.aligned].coverage, unit=""
)
settle("residual_four_over_three", left[4] / left[3], unit="")
settle("residual_four_over_three", left[2] / left[3], "two families", unit="")
settle("restart_distance", distance, unit="")
settle("restart_curves_apart", apart)
settle("restart_distance", 0.0, "same start", unit="")
settle("restart_curves_apart", 0.0, "same start")
settle("flat_coverage_by_mode", by_mode["flat", "c"].coverage, unit="")
settle("flat_coverage_by_mode", by_mode["flat", "unit"].coverage, "unit speed", unit="")
settle("learned_braid_sigma_in", on_braid["sigma in"].matched)
settle("learned_braid_mode_b", by_mode["learned", "b"].matched)
settle("learned_braid_nearest", on_braid["learned"].nearest)
settle("conformal_annulus", ring["conformal"].matched)
wider = conformal_metric(annulus.tensor, annulus.mask[0], clip=3.0)
clipped = follow(wider, annulus, ring_seeds, ring_field)
settle("conformal_annulus_clip_3", clipped.matched)

# %% [markdown]
# ## Claims
#
# The rules were written before the values of this chapter were looked at; the head of the claims file says
# what was chosen afterwards.

# %%
ledger.settle(out)
ledger.table()

# %% [markdown]
# ## Departures and puzzles

# %%
ledger.departures_table()

# %% [markdown]
# Panels that are not drawn:

# %%
ledger.not_drawn_table()

# %% [markdown]
# ## Try it
#
# Move the seed across the bend, and look at where the geodesics of each metric go.

# %% tags=["hide-input"]
turn = annulus.seeds[0] + np.stack(
    [np.zeros(settings.play_starts), np.linspace(-8, 38, settings.play_starts)], 1
)
which = np.zeros(len(turn), int)
played = {
    n: follow(ring_metrics[n], annulus, turn, which) for n in ("inverse", "adjugate", "conformal", "learned")
}
still, positions, numbers = tract_figures.seed_paths(
    annulus, {n: f.curves for n, f in played.items()}, played["learned"].references
)
start = list(positions)[len(positions) // 2]
play.show(
    play.paths(still, positions, "Seed, y (voxels)", ("x (voxels)", "y (voxels)"), start),
    "fig-connectome-play",
    caption="Geodesics round the bend from a seed that can be moved, under four metrics, and the integral "
    "curve. Inverse and adjugate coincide, since the determinant of these tensors is constant. The slider "
    "answers to the arrow keys.",
    alt="Wherever the seed is put, the geodesics of the inverse tensor leave the bend outwards, and those of "
    f"the learned metric stay within {np.nanmax(played['learned'].matched):.1f} voxels of the circle.",
    data=numbers.round(2),
    out=out,
)

# %% [markdown]
# Worth turning, in a copy of this notebook: `noise_deg` in `ci/sizes/connectome.yml`, the number of `knots`
# of the spline, and the `angle_deg` of `fibre_fields.curved_crossing`.
#
# ## References
#
# ```{bibliography}
# :filter: docname in docnames
# ```

# %% tags=["hide-input"]
stamp(seed, settings.n_seeds)
