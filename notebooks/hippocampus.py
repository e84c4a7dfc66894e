# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Noise that no number of cells averages out
#
# ```{card}
# **Paper.** Hazon, Minces, Tomàs, Ganguli, Schnitzer & Jercog, *Noise correlations in neural ensemble
# activity limit the accuracy of hippocampal spatial representations*, Nature Communications 2022.
#
# **Question.** With every further place cell a decoder should know better where the mouse is. Does it, or do
# cells share noise that looks like a change of place and never averages out?
#
# **Answer.** They share it. The error of real data levels off at about 10 cm, the paper says; shuffle the
# runs of each cell, and it goes on falling. In simulated mice the error levels off where the planted jitter
# says it must, and nowhere where there is none.
#
# **Not reproduced here.** The recordings need an account and were not at hand, and of the paper's printed
# numbers only those of its abstract. Simulated mice stand in, with the paper's track, frame rate, kernel and
# numbers of cells and runs; a loader for the recordings is ready.
# ```

# %% tags=["parameters"]
size: str = "book"  # ci | book | paper
data: str = "synthetic"  # synthetic | hc-30
seed: int = 0  # root of every random stream
out: str = ""  # folder for results; empty: a temporary one

# %% tags=["hide-input"]
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
from myst_nb import glue
from scipy import stats

from crossroads.analyse import hierarchy, noise_geometry
from crossroads.analyse import hippocampus as analysis
from crossroads.analyse.decoder_comparison import COMPARED, DecoderComparison, compare_decoders
from crossroads.analyse.fisher_curve import FisherCurve, measure_fisher, recover_information
from crossroads.analyse.frame_decoding import decode_frames
from crossroads.analyse.position_decoding import fit_shrinkage_lda, shuffle_runs
from crossroads.analyse.saturation import fit_one_parameter, fit_saturation
from crossroads.analyse.speed_control import SpeedControl, control_speed, visit_speed
from crossroads.data import calcium
from crossroads.data import place_recordings as source
from crossroads.data.linear_track import FRAMES_PER_S, average_visits
from crossroads.data.place_cells import VirtualMouse
from crossroads.data.settings import data_folder, load_settings
from crossroads.data.units import sweep, sweep_groups
from crossroads.report import figures, play
from crossroads.report import noise_geometry_figures as noise
from crossroads.report import place_code_check_figures as checks
from crossroads.report import place_code_figures as paper
from crossroads.report.claims import Ledger
from crossroads.report.intervals import Estimate, estimate
from crossroads.report.provenance import out_folder, stamp

figures.style()
out = out_folder(out)
settings = load_settings(analysis.HippocampusSettings, "hippocampus", size)
ledger = Ledger("hippocampus", size, data, seed)
# Figures draw from a stream of their own, so that no claim depends on what is drawn.
rng, drawing = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
interval = partial(estimate, rng=rng)

# %% [markdown]
# ## The question
#
# A place cell fires where the animal is, give or take. If the give and take of different cells were
# independent, a thousand cells would know the place thirty times better than one. But cells also vary
# together, and for one kind of common variation more cells do not help: if from run to run the *whole* map is
# read a little too far to the left or to the right, every cell says so, and says it wrongly
# {cite:p}`morenobote2014`. Such noise may be tiny in any pair of cells, and it sets a floor under the error
# of all of them.
#
# To see the floor, hundreds of cells must be recorded at once. {cite:t}`hazon2022` did this in CA1: 12 mice
# on a linear track, up to 497 cells in each of 110 sessions. They decoded the place with linear support
# vector machines from ensembles of growing size, before and after *trial shuffling*, which gives every cell
# another run at the same place and so takes away what cells share.
#
# ```{list-table} Three numbers, and whose they are.
# :header-rows: 1
# :name: tab-hippocampus-numbers
#
# * - Number
#   - What it is
#   - Where it stands
# * - about 10 cm
#   - the error that no number of cells undercuts
#   - the paper's abstract
# * - 300–1400 cells
#   - how many it takes to come there, by animal
#   - the paper's abstract
# * - 5 cm
#   - a dotted line of reference in Fig. 2E, not an asymptote; a review of the paper reads it as one
#   - the published plotting script
# ```
#
# Elsewhere the question has had other answers. Floors were seen in mouse visual cortex
# {cite:p}`rumyantsev2020,kafashan2021` and in macaque prefrontal cortex {cite:p}`bartolo2020`. But
# {cite:t}`stringer2021` read orientation from tens of thousands of cells far better than mice can tell it,
# and in CA1 {cite:t}`stefanini2020` found that destroying correlations made decoding *worse*.
#
# ## The model
#
# Let $f(x)$ be the mean activity of $n$ cells at the place $x$, $f'$ its slope and $\Sigma$ the covariance of
# the noise. The best linear {term}`decoder` knows the place with the information
#
# ```{math}
# :label: eq-hippocampus-fisher
# I = f'^{\top} \Sigma^{-1} f'.
# ```
#
# A common shift of the represented place, of standard deviation $\sqrt\varepsilon$, adds
# $\varepsilon f' f'^{\top}$ to the covariance, and then
#
# ```{math}
# :label: eq-hippocampus-limit
# I_\varepsilon = \frac{I}{1 + \varepsilon I} \;\longrightarrow\; \frac1\varepsilon ,
# ```
#
# so the error never falls below $\sqrt\varepsilon$. With $I = I_0 n$ this is the curve that the paper fits to
# the inverse of the mean squared error,
#
# ```{math}
# :label: eq-hippocampus-saturation
# \frac{1}{\mathrm{MSE}(n)} = \frac{I_0\,n}{1 + n/N}, \qquad N = \frac{1}{\varepsilon I_0}.
# ```
#
# $N$ is where half of the floor's information is reached; 90 % take $9N$ cells, 95 % take $19N$.
#
# ::::{tab-set}
# :::{tab-item} The fit
# ```{literalinclude} ../lib/crossroads/analyse/saturation.py
# :pyobject: fit_saturation
# ```
# :::
# :::{tab-item} The decoder
# Two halves of the runs train and test each other. Every half is shuffled on its own, after the split.
# ```{literalinclude} ../lib/crossroads/analyse/position_decoding.py
# :pyobject: decode_halves
# ```
# :::
# :::{tab-item} The test
# ```{literalinclude} ../tests/analyse/test_position_decoding.py
# :pyobject: test_no_value_crosses_the_split
# ```
# :::
# ::::
#
# ```{list-table} Symbols, and their values in the paper.
# :header-rows: 1
# :name: tab-hippocampus-symbols
#
# * - Symbol
#   - Meaning
#   - Value
# * - $n$
#   - cells in an ensemble
#   - 1, 10, 20, … up to 151–497
# * - $w$
#   - width of a place bin
#   - 6 cm (5.9 cm in some scripts)
# * - $\sigma_\delta$
#   - planted jitter of the represented place
#   - ours; unknown in mice
# * - $\hat u$
#   - unit vector from the mean activity in one bin to that in the next
#   -
# * - MSE
#   - mean squared error, running direction ignored
#   - cm²
# ```
#
# The simulated mice run up and down a track of 120 cm. Their place cells read the place with a common jitter,
# split over several modules of cells; they also share a gain and low-rank noise, which do *not* look like a
# change of place. Calcium events are Poisson, and every event is smeared into a burst, as in the paper. The
# same mice without any shared noise, with a gain alone and with low-rank noise alone are the controls.

# %% tags=["remove-output"]
alike = settings.ranges(width_sd=(0.4, 0.4), peak_sd=(0.6, 0.6))
varied = settings.ranges(width_sd=(0.1, 0.7), peak_sd=(0.2, 1.0))
virtual = source.virtual_recordings(alike, settings.n_mice, settings.sessions_per_mouse, seed)
recordings, left_out = virtual, []
if data == "hc-30":
    recordings, left_out = source.recorded(data_folder("hippocampus"), seed)
listed = {"main": recordings, "virtual": virtual} | {
    condition: [source.under(condition, recording) for recording in virtual]
    for condition in (*source.ALTERED, "pseudo", "another")
}
with_svm = ("main", *source.HARMLESS)
decodings = {
    (condition, decoder): [
        analysis.Decoding(recording, decoder, settings.ensemble_sizes, settings.n_subsets)
        for recording in listed[condition]
    ]
    for condition, decoder in [*product(with_svm, ["svm"]), *product(listed, ["lda"])]
}
measured = {c: listed[c] for c in ("main", *source.HARMLESS, "low rank, orthogonal", "jitter", "speed")}
measured |= {
    name: source.virtual_recordings(ranges, settings.n_varied_mice, 1, seed + 1)
    for name, ranges in (("varied", varied), ("alike", alike))
}
geometries = {
    condition: [
        analysis.Geometry(recording, settings.ensemble_sizes, settings.geometry_subsets, settings.n_splits)
        for recording in those
    ]
    for condition, those in measured.items()
}

decoded = sweep_groups(analysis.decode_session, decodings, label="decoding")
shapes = sweep_groups(analysis.measure_geometry, geometries, label="geometry")
longest = replace(virtual[0], source=replace(virtual[0].source, n_runs=max(settings.grid_runs)))
gridded = analysis.Grid(longest, settings.ensemble_sizes, settings.grid_runs, settings.n_subsets)
(grid,) = sweep(analysis.measure_grid, [gridded], label="grid")
example, example_runs = source.open_runs(recordings[0])
glue("n_sessions", len(recordings))
glue("n_units", sum(map(len, (*decodings.values(), *geometries.values()))))

# %% [markdown]
# ## What is measured
#
# Every session gives an error for each number of cells, the curve of {eq}`eq-hippocampus-saturation` through
# it, and signal and noise along the direction between neighbouring places. Beside each claim stands a control
# in which it must fail; where three must, the one that comes nearest to passing.

# %% tags=["remove-output"]
errors = (
    pd.DataFrame(
        [
            {"condition": condition, "decoder": decoder} | analysis.describe_decoding(result)
            for (condition, decoder), results in decoded.items()
            for result in results
        ]
    )
    .set_index(["decoder", "condition"])
    .sort_index()
)
geometry = pd.DataFrame(
    [{"condition": c} | analysis.describe_geometry(shape) for c, those in shapes.items() for shape in those]
).set_index("condition")
svm, lda = errors.loc["svm"], errors.loc["lda"]


def geometric_mean(values):
    return float(np.exp(np.log(values).mean()))


def settle(key, values, control="", conditions=(), nearest=max, unit="", statistic=np.mean):
    """Note a key for the run, and for the one of the control conditions that comes nearest to passing."""
    condition = nearest(conditions, key=lambda c: statistic(values[c])) if conditions else "main"
    found = values[condition].to_numpy()
    known = not np.isnan(found).any()  # nothing is planted in recordings
    ledger.measure(key, interval(found, unit, statistic=statistic) if known else None, control=control)


# %% [markdown]
# ## Planted truth
#
# A simulated mouse knows its place with an error that we chose. Three things are checked before anything is
# believed: that the planted error is what it is meant to be, that decoders come down to it and no further,
# and that an estimator without a decoder finds a planted amount of information.
#
# In **A**, look at where the cells' code has the animal (dashed) while the animal is at the solid line:
# behind it, because calcium events are slow, and to and fro about that, because of the planted jitter. In
# **B**, conditions with limiting noise should lie on the dash-dotted line or in the grey band above it; those
# without have next to no floor, and their error is set by the number of cells. In **C**, the estimate without
# bias should lie on the line at every number of trials, and the naive one far above it.

# %%
planted = source.open_session(virtual[0])
n_trials, limit_cm = (40, 60, 80, 160, 320), 8.0
recovered, known_information = recover_information(n_trials, 60, limit_cm, 100, drawing)
planted_information = known_information[:, 0].mean()
with_floor = lda.loc[list(checks.CONDITIONS)].reset_index()

# %% tags=["hide-input"]
fig, numbers = checks.draw_truth(planted, 60.0, with_floor, recovered, known_information, n_trials)
above = (with_floor.rms_real / with_floor.planted_floor)[with_floor.planted_floor > 3]
figures.show(
    fig,
    "fig-hippocampus-truth",
    caption="Planted truth. **A** True position, and the position that the population represents: 16 s of "
    "one simulated session. **B** Error of LDA by all cells against the planted floor; every mark is a "
    f"session. **C** Fisher information of 60 Gaussian cells whose noise includes {limit_cm:g}² f′f′ᵀ: mean "
    "and 95 % interval over 100 populations.",
    alt=f"Where the floor is above 3 cm, errors are {above.min():.2f} to {above.max():.2f} times the floor. "
    f"With {n_trials[0]} trials the naive information is "
    f"{recovered.naive[0].mean() / planted_information:.0f} times the planted one, the corrected one "
    f"{recovered.corrected[0].mean() / planted_information:.2f} times.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("above_floor", float(above.median()))
glue("below_floor", int((above < 1).sum()))
glue("n_with_floor", len(above))
glue("lowest_over_floor", float(above.min()))
glue("naive_times", float(recovered.naive[0].mean() / planted_information))

# %% [markdown]
# The median error of the sessions with a floor is {glue:text}`above_floor:.2f` times their floor;
# {glue:text}`below_floor:.0f` of {glue:text}`n_with_floor:.0f` lie below it, the lowest at
# {glue:text}`lowest_over_floor:.2f` times. The floor is that of the central half of the track, and the ends
# are decoded more exactly. The naive information is {glue:text}`naive_times:.0f` times too large with the
# fewest trials: where cells are nearly as many as trials, a plug-in estimate says nothing.
#
# **The event detector.** The recordings of the paper are fluorescence; events are found in it first. In
# simulated fluorescence it is known what there was to find. Look for planted events (downward marks) without
# a detected one below, and in **B** for the share of them.


# %%
def detected_rates(kind, traces, onsets):
    """Hit and false rate of each cell, within 0.2 s."""
    events = calcium.detect_events(traces, kind)
    return [
        (kind, *calcium.detection_rates(events[:, [i]], onsets[:, [i]], 4)) for i in range(events.shape[1])
    ]


assert planted.truth is not None
onsets = planted.truth.onsets[:, :40]
traces = calcium.fluorescence(onsets, drawing)
rates = [row for kind in calcium.KINDS for row in detected_rates(kind, traces, onsets)]
rates = pd.DataFrame(rates, columns=["kind", "hit", "false"])
by_kind = rates.groupby("kind").mean()

# %% tags=["hide-input"]
cell, shown = int(np.argsort(onsets.sum(0))[20]), slice(600, 1400)
found = calcium.detect_events(traces[:, [cell]], "onset")[shown, 0]
fig, numbers = checks.draw_detector(traces[shown, cell], onsets[shown, cell], found, rates, drawing)
figures.show(
    fig,
    "fig-hippocampus-detector",
    caption="Events found in simulated fluorescence. **A** One cell. **B** Share of the planted events with "
    "a detected one within 0.2 s (hits), and of the detected frames without a planted event there (false), "
    f"for each way to say which frames hold the event; {onsets.shape[1]} cells, mean and 95 % bootstrap "
    "interval.",
    alt=f"Onsets are found for {by_kind.hit['onset']:.2f} of the planted events, and "
    f"{by_kind.false['onset']:.3f} of the detected ones are false.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("hit_rate", float(by_kind.hit["onset"]))
glue(
    "rms_detected_over", float((lda.loc["detected", "rms_real"] / lda.loc["main", "rms_real"].mean()).mean())
)

# %% [markdown]
# {glue:text}`hit_rate:.2f` of the events are found. What is lost costs exactness: the error from detected
# events is {glue:text}`rms_detected_over:.2f` times that from the planted ones. It is no limit of the code:
# the detector works cell by cell.

# %% [markdown]
# ## Place cells, and what they share (Fig. 1)
#
# A mouse runs up and down a track of 120 cm for water at its ends. The measured object is the same
# throughout: one mean activity for every run, 6-cm bin and cell. Look for a field in B: events come where
# the cell's place is, and in no run twice alike. Look in C for a map that covers the whole track, and in D
# for what the cells have in common beyond the map.

# %% tags=["remove-output"]
examples = {}  # the first session of three mice
for i, recording in enumerate(recordings):
    examples.setdefault(f"mouse {recording.mouse + 1}", i)
examples = dict(list(examples.items())[:3])
mean_rightward = example_runs.activity[example_runs.rightward].mean(0)
in_the_middle = mean_rightward[6:14].max(0) - 2 * mean_rightward.mean(0)
shown_cell = int(in_the_middle.argmax())
correlations = np.array([shape["correlation"] for shape in shapes["main"]])  # (session, direction, distance)
mixed_correlations = np.array([shape["correlation_shuffled"] for shape in shapes["main"]])
correlation_near, correlation_far = (
    float(np.nanmean(correlations[..., bins])) for bins in (slice(0, 3), slice(10, None))
)
glue("correlation_near", correlation_near)
glue("correlation_far", correlation_far)
largest_mixed = float(np.nanmax(np.abs(mixed_correlations.mean(0))))
n_shown = example_runs.activity.shape[2]
glue("correlation_mixed", largest_mixed)
glue("n_pairs", n_shown * (n_shown - 1) // 2)

# %% tags=["hide-input"]
fig, numbers = paper.draw_task(example, example_runs, shown_cell)
peak = numbers[numbers.series == "mean"].set_index("x").value
figures.show(
    fig,
    "fig-hippocampus-task",
    caption=f"The task (paper Fig. 1A, B). **A** Our drawing. **B** Events of cell {shown_cell} in "
    f"{int(example_runs.rightward.sum())} rightward runs: every frame of a run that has any (dots; frames "
    "of a run are faster than 4 cm/s), and mean and standard error over runs in 20 bins.",
    alt=f"Events of one cell gather round {peak.idxmax():.0f} cm, where their mean is {peak.max():.1f}; at "
    f"the ends of the track it is {peak.iloc[0]:.1f} and {peak.iloc[-1]:.1f}.",
    data=numbers,
    out=out,
)

# %% tags=["hide-input"]
fig, numbers = paper.draw_fields(example_runs, shapes["main"])
figures.show(
    fig,
    "fig-hippocampus-fields",
    caption=f"Maps and noise correlations (paper Fig. 1C, D). **C** Mean activity of {n_shown} cells of one "
    "session by place, each over its peak, in the order of the peaks of each direction. **D** Correlation "
    "of two cells over runs at the same place, by the distance of their fields, before and after trial "
    f"shuffling: mean over {len(shapes['main'])} sessions and 1.96 standard errors.",
    alt="Sorted by their peaks, the fields run along the diagonal in both directions. Noise correlations "
    f"are {correlation_near:.3f} for fields within 12 cm and {correlation_far:.3f} beyond 60 cm; after "
    f"shuffling they are {largest_mixed:.4f} at most.",
    data=numbers,
    out=out,
)

# %% [markdown]
# Noise of cells with fields within 12 cm correlates at {glue:text}`correlation_near:.3f`, with fields beyond
# 60 cm at {glue:text}`correlation_far:.3f`, and nowhere by more than {glue:text}`correlation_mixed:.4f` once
# runs are shuffled. A correlation of a hundredth looks like nothing. But this one session has
# {glue:text}`n_pairs:,` pairs of cells.
#
# ## Where is the mouse? (Fig. 2)
#
# Only whole runs are analysed (A). In B every second rightward run trains a decoder of single frames and the
# others are read with it. Look at *how* it errs: real data stay wrong for a while, all cells together; once
# each cell's frames are shuffled within a bin, the errors jump to and fro and cancel.

# %% tags=["remove-output"]
rightward_frames = example_runs.frames[example_runs.rightward]
by_frame = decode_frames(example.events, example.position_cm, rightward_frames, fit_shrinkage_lda, drawing)
frame_rms = {
    kind: 6 * np.sqrt(np.mean((getattr(by_frame, kind) - by_frame.true) ** 2)) for kind in paper.KINDS
}
frame_memory = {}  # correlation of the errors of successive frames
for kind in paper.KINDS:
    error = getattr(by_frame, kind) - by_frame.true
    frame_memory[kind] = np.corrcoef(error[:-1], error[1:])[0, 1]
    glue(f"frame_rms_{kind}", float(frame_rms[kind]))
    glue(f"frame_memory_{kind}", float(frame_memory[kind]))

# %% tags=["hide-input"]
start_s = example_runs.frames[2, 0] / 20  # the third run begins
fig, numbers = paper.draw_frames(example, example_runs, by_frame, start_s)
figures.show(
    fig,
    "fig-hippocampus-frames",
    caption="Reading single frames (paper Fig. 2A, B). **A** 79 s of one session: frames of analysed runs, "
    "and excluded ones. **B** The bin decoded from each frame of four test runs, set side by side: real, "
    "and with every cell's frames shuffled within each bin (training and test runs apart). Linear "
    "discriminants; odd runs train, even ones test.",
    alt="Decoded bins follow the true one up the track. The RMS error of real frames is "
    f"{frame_rms['real']:.1f} cm and correlates at {frame_memory['real']:.2f} with that of the next frame; "
    f"for shuffled frames it is {frame_rms['shuffled']:.1f} cm and {frame_memory['shuffled']:.2f}.",
    data=numbers,
    out=out,
)

# %% [markdown]
# Single frames are read with an RMS error of {glue:text}`frame_rms_real:.1f` cm, which correlates at
# {glue:text}`frame_memory_real:.2f` with that of the next frame; shuffled ones with
# {glue:text}`frame_rms_shuffled:.1f` cm and {glue:text}`frame_memory_shuffled:.2f`. Time in a bin does not
# average out what lasts longer than the visit. From here on it is the mean of each visit to a bin that is
# decoded, by the paper's 780 support vector machines, and the running direction does not count.

# %% tags=["remove-output"]
main = decoded["main", "svm"]
rms = np.array([analysis.rms_cm(d) for d in main])  # (session, kind), all cells
shown = {name: main[i] for name, i in examples.items()}
half = {name: [fit.n_half for fit in analysis.fits(d)] for name, d in shown.items()}
asymptote = {name: analysis.fits(d)[0].asymptotic_rms for name, d in shown.items()}
at_ends, at_centre = (analysis.rms_cm(main[0], bins=bins) for bins in (analysis.ENDS, analysis.CENTRE))
for name, value in (
    ("rms_real_mean", rms[:, 0].mean()),
    ("rms_shuffled_mean", rms[:, 1].mean()),
    ("asymptote_low", min(asymptote.values())),
    ("asymptote_high", max(asymptote.values())),
    ("half_low", min(n[0] for n in half.values())),
    ("half_high", max(n[0] for n in half.values())),
    ("half_shuffled_low", min(n[1] for n in half.values())),
    ("rms_ends", at_ends[0]),
    ("rms_centre", at_centre[0]),
):
    glue(name, float(value))

# %% tags=["hide-input"]
fig, numbers = paper.draw_errors(main)
figures.show(
    fig,
    "fig-hippocampus-errors",
    caption="Errors with all cells (paper Fig. 2C, D). **C** What is decoded in which bin, in one session; "
    f"white lines part the running directions. **D** RMS error by bin: mean over {len(main)} sessions and "
    "1.96 standard errors over them, as in the paper.",
    alt="Decoded bins lie along the diagonal, closer to it after shuffling. The RMS error is "
    f"{rms[:, 0].mean():.1f} cm for real and {rms[:, 1].mean():.1f} cm for shuffled data, over all bins and "
    "sessions.",
    data=numbers,
    out=out,
)

# %% [markdown]
# Is more better? Look in E for curves that bend away from those of shuffled data, and in F, where
# independent cells would give a straight line.

# %% tags=["hide-input"]
fig, numbers = paper.draw_curves(shown)
figures.show(
    fig,
    "fig-hippocampus-curves",
    caption="Error against the number of cells (paper Fig. 2E, F). Marks: mean and standard error over "
    f"{settings.n_subsets} random ensembles, which share more and more cells and at the last size all of "
    "them. Curves: {eq}`eq-hippocampus-saturation`. Dashed: the abstract's bound; dotted: a line of "
    "reference in the paper's panel; dash-dotted: what the planted jitter allows, where it is known.",
    alt="; ".join(
        f"{name}: half of the information of infinitely many cells is reached by {real:.0f} cells, after "
        f"shuffling by {mixed:.0f}; the error tends to {asymptote[name]:.1f} cm"
        for name, (real, mixed, _) in half.items()
    )
    + ".",
    data=numbers,
    out=out,
)

# %% tags=["hide-input"]
fig, numbers = paper.draw_places(main[0])
figures.show(
    fig,
    "fig-hippocampus-places",
    caption="Ends and centre of the track (paper Fig. 2G, H) in one session. **G** Bins 2, 3, 18 and 19. "
    f"**H** Bins 10 and 11. Mean and 1.96 standard errors over {settings.n_subsets} ensembles.",
    alt=f"With all cells the RMS error of real data is {at_ends[0]:.1f} cm at the ends and "
    f"{at_centre[0]:.1f} cm at the centre; of shuffled data {at_ends[1]:.1f} and {at_centre[1]:.1f} cm.",
    data=numbers,
    out=out,
)

# %% [markdown]
# With all cells the error is {glue:text}`rms_real_mean:.1f` cm, {glue:text}`rms_shuffled_mean:.1f` cm after
# shuffling. Real curves reach half of their limit with {glue:text}`half_low:.0f` to
# {glue:text}`half_high:.0f` cells and tend to {glue:text}`asymptote_low:.1f` to
# {glue:text}`asymptote_high:.1f` cm; shuffled ones need {glue:text}`half_shuffled_low:.0f` or more. In the
# first session the error is {glue:text}`rms_ends:.1f` cm near the ends and {glue:text}`rms_centre:.1f` cm at
# the centre: at an end one can only err to one side.
#
# ## Noise in the direction of the signal (Fig. 3)
#
# Why shuffling helps can be seen without a decoder. A shows all visits in the plane that tells most about
# place and direction. B says what to look for: noise does harm if it moves the activity *along* the curve of
# mean activity, as a change of place would. Shuffling leaves each cell its variance, and takes away the
# direction.

# %% tags=["remove-output"]
mixed_activity = shuffle_runs(example_runs.activity, example_runs.rightward, drawing)
scores = noise_geometry.pls_scores(example_runs.activity, example_runs.rightward, mixed_activity)
snr_all = {kind: [analysis.recorded_snr(s, kind) for s in shapes["main"]] for kind in analysis.NOISE}
snr_limit = {
    kind: np.array([analysis.session_snr(s, kind) for s in shapes["main"]]) for kind in analysis.NOISE
}
# spread over runs at one place, in the plane of the regression
spread_of = {
    kind: s[example_runs.rightward].std(0).mean() for kind, s in zip(paper.KINDS, scores, strict=True)
}
noise_growth = {
    kind: np.mean([analysis.noise_growth(s, kind) for s in shapes["main"]]) for kind in analysis.NOISE
}
for kind in paper.KINDS:
    glue(f"snr_all_{kind}", float(np.mean(snr_all[kind])))
    glue(f"noise_growth_{kind}", float(noise_growth[kind]))
glue("snr_limit_real", float(np.median(snr_limit["real"])))

# %% tags=["hide-input"]
fig, numbers = noise.draw_scores(*scores, example_runs.rightward)
figures.show(
    fig,
    "fig-hippocampus-scores",
    caption="Signal and noise (paper Fig. 3A, B). **A** One mark a visit to a bin in one session, in the "
    "plane of a partial least squares regression on place and direction (dots: rightward, triangles: "
    "leftward runs); shuffled data are drawn in the same plane. **B** Our drawing: two cells, two "
    "neighbouring places.",
    alt="Visits form two arcs, one for each direction, ordered by place. The standard deviation over runs "
    f"at one place is {spread_of['real']:.1f} before and {spread_of['shuffled']:.1f} after shuffling.",
    data=numbers,
    out=out,
)

# %% [markdown]
# Now the same in numbers. Half of the runs gives the direction $\hat u$ from one bin to the next, the other
# half the squared distance of the means along it (*signal*) and the variance along it (*noise*). Both should
# be read against the number of cells: look for noise that grows as the signal does.

# %% tags=["hide-input"]
fig, numbers = noise.draw_signal_noise({name: shapes["main"][i] for name, i in examples.items()})
figures.show(
    fig,
    "fig-hippocampus-signal-noise",
    caption="Signal, noise and their ratio along the direction between neighbouring places (paper Fig. "
    "3C–E), medians over 38 pairs of bins; signals and variances of events. Mean and 1.96 standard errors "
    f"over {settings.geometry_subsets} ensembles. Dash-dotted: bin width over planted floor, squared.",
    alt=f"From about 100 cells to all, noise grows by a factor of {noise_growth['real']:.1f} in real and of "
    f"{noise_growth['shuffled']:.1f} in shuffled data, the signal grows steadily. With all cells their "
    f"ratio is {np.mean(snr_all['real']):.2f} for real and {np.mean(snr_all['shuffled']):.2f} for shuffled "
    "data, mean over sessions.",
    data=numbers,
    out=out,
)

# %% tags=["hide-input"]
fig, numbers = noise.draw_slopes(shapes["main"])
with_ratio = numbers[numbers.panel == "H, shuffled"].n.sum() / (19 * len(shapes["main"]))
middle = numbers[numbers.x.between(5, 16)].groupby("panel").value.median()
figures.show(
    fig,
    "fig-hippocampus-slopes",
    caption="Growth with the number of cells, from 100 on, by place (paper Fig. 3F–H; what G shows is "
    "inferred, as no script for it is published). **F** Signal. **G** Noise. **H** Their ratio, the SNR of "
    f"infinitely many cells. Rightward runs; median and quartiles over {len(shapes['main'])} sessions. The "
    f"noise of shuffled data hardly grows: {1 - with_ratio:.0%} of its ratios are undefined and left out.",
    alt=f"Away from the ends the signal grows by {middle['F']:.4f} a cell, noise by {middle['G, real']:.4f} "
    f"in real and {middle['G, shuffled']:.4f} in shuffled data. The ratio is {middle['H, real']:.2f} for "
    f"real and {middle['H, shuffled']:.1f} for shuffled data.",
    data=numbers,
    out=out,
)

# %% [markdown]
# From about 100 cells to all, noise along the signal grows by a factor of {glue:text}`noise_growth_real:.1f`
# in real and of {glue:text}`noise_growth_shuffled:.1f` in shuffled data. With all cells, signal over noise
# is {glue:text}`snr_all_real:.2f`, and {glue:text}`snr_all_shuffled:.2f` after shuffling; the slopes put the
# limit of real data at {glue:text}`snr_limit_real:.2f` (median over sessions). For shuffled data the same
# extrapolation divides by a slope that is nearly nothing. It has no reliable value.
#
# ## A few dozen modes (Fig. 4)
#
# Where in the many dimensions of the noise is the harmful part? Its principal components at every place are
# compared with the direction of the signal there. One common shift of the whole map would sit in one
# component; look for an excess over several.

# %% tags=["remove-output"]
areas = [noise_geometry.loading_area(s["loadings"], s["loadings_shuffled"]) for s in shapes["main"]]
glue("loading_area_mean", float(np.mean(areas)))


def adjusted_r2(table):
    """Adjusted R^2 of the regression line through a panel's dots."""
    return 1 - (1 - np.corrcoef(table.x, table.value)[0, 1] ** 2) * (len(table) - 1) / (len(table) - 2)


# %% tags=["hide-input"]
fig, numbers = noise.draw_modes(shapes["main"], shapes["varied"], drawing)
panel = dict(list(numbers.groupby("panel")))
best, reached = (int(panel[name].x.iloc[0]) for name in ("A, best mode", "A, 95 % of the sum"))
figures.show(
    fig,
    "fig-hippocampus-modes",
    caption="Noise modes (paper Fig. 4). **A** Squared distance of neighbouring places over variance along "
    "each mode, where modes are found (training; their variance is largest there, by choice) and in other "
    f"runs; mean and 1.96 standard errors over {len(shapes['main'])} sessions. **B** Squared cosine of mode "
    "and signal, median over bins, then median and quartiles over sessions; the area between real and "
    "shuffled data is taken over 30 modes. **C** That area and the asymptotic SNR of "
    f"{len(shapes['varied'])} virtual mice, with regression line and 95 % bootstrap band; adjusted R² = "
    f"{adjusted_r2(panel['C']):.2f}.",
    alt=f"Mode {best} tells places apart best; 95 % of the sum is reached with mode {reached}. The first "
    f"modes are aligned with the signal, up to cos² = {panel['B, real'].value.max():.3f}, against "
    f"{panel['B, shuffled'].value.max():.3f} after shuffling. The area is {np.mean(areas):.2f}.",
    data=numbers,
    out=out,
)

# %% [markdown]
# The area between the curves is {glue:text}`loading_area_mean:.2f`: that much more of the signal's direction
# lies in the 30 largest noise modes than after shuffling. In the simulated mice the modules of cells that
# jitter apart spread it over several modes.
#
# ## Unequal cells (Fig. 5)
#
# Mice differ in how unequal their cells are. What should that do? We plant a spread of the cells' responses
# and compute. Look first at A: with a large spread a few cells carry most of the signal. In C the noise of
# each cell grows with its response, as Poisson events do. Then the direction $\Delta\mu$, which the paper's
# SNR uses, weighs the large and noisy cells too much, and the shuffled SNR of unequal cells is *lower*,
# although with the best weights it would be higher (dotted). What has less to lose keeps a larger share of
# it (D).

# %% tags=["remove-output"]
mice_varied = shapes["varied"]
cell_snr = np.mean([analysis.recorded_snr(mouse, "shuffled") / mouse["sizes"][-1] for mouse in mice_varied])
limit = np.mean([(6 / mouse["floor"]) ** 2 for mouse in mice_varied])

# %% tags=["hide-input"]
fig, numbers = noise.draw_theory(varied.peak_sd, settings.n_cells[1], cell_snr, limit, drawing)
last = numbers.groupby("panel").value.last()
low, high = varied.peak_sd
figures.show(
    fig,
    "fig-hippocampus-theory",
    caption="Theory of unequal cells (our panels for paper Fig. 5A–D, whose script is not published). **A** "
    "Shares of the cells in the signal, by rank. **B** Their variance, the paper's normalized signal "
    "variance. **C** SNR without noise correlations along Δμ; dotted: with the best weights. **D** Its "
    "ratio when limiting noise is added, 1/(1 + SNR/limit). Lines and bands: median and central 95 % of 200 "
    "random populations.",
    alt=f"With spread {high:g} instead of {low:g} the shuffled SNR along Δμ of all cells is "
    f"{last[f'C, {high:g}']:.2f} instead of {last[f'C, {low:g}']:.2f}, and the share that limiting noise "
    f"leaves is {last[f'D, {high:g}']:.2f} instead of {last[f'D, {low:g}']:.2f}.",
    data=numbers,
    out=out,
)

# %% [markdown]
# The virtual mice of the next figure differ in the spread of their fields' peaks and widths, and in their
# jitter. Look in I for a trend: does a mouse with unequal cells lose more, or less?

# %% tags=["hide-input"]
fig, numbers = noise.draw_heterogeneity(mice_varied, drawing)
panel = dict(list(numbers.groupby("panel")))
r_widths, r_ratio = (panel[name][["x", "value"]].corr().iloc[0, 1] for name in "FI")
figures.show(
    fig,
    "fig-hippocampus-heterogeneity",
    caption="Unequal cells and their price (paper Fig. 5E–I). **E** Widths of place fields in the virtual "
    "mice with the least and the most unequal cells. **F** Variance of widths and normalized signal "
    f"variance of {len(mice_varied)} mice. **G** That variance by boundary and direction. **H** Asymptotic "
    "SNR of the two mice over 38 pairs of bins: quartiles, whiskers to 1.5 interquartile ranges. **I** "
    "Asymptotic SNR, real over shuffled; ratios of 7 and more are dropped as in the paper, and those whose "
    f"shuffled noise does not grow ({len(mice_varied) - len(panel['I'])} dropped). Lines: regression with "
    "95 % bootstrap band over mice.",
    alt="Over mice, the normalized signal variance correlates with the variance of widths at "
    f"{r_widths:.2f} and with the ratio of real to shuffled asymptotic SNR at {r_ratio:.2f}.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
ratio_all = [analysis.recorded_snr(mouse) / analysis.recorded_snr(mouse, "shuffled") for mouse in mice_varied]
unequal = [mouse["signal_variance"].mean() for mouse in mice_varied]

# %% tags=["remove-output"]
glue("r_ratio", float(r_ratio))
glue("r_ratio_all", float(np.corrcoef(unequal, ratio_all)[0, 1]))

# %% [markdown]
# Over mice, inequality and the ratio of asymptotic SNRs correlate at {glue:text}`r_ratio:.2f`. That ratio
# has the nearly flat noise of shuffled data in it, which makes it small and unsteady; the ratio at all
# recorded cells, which needs no extrapolation, correlates at {glue:text}`r_ratio_all:.2f`.

# %% [markdown]
# ## Negative controls
#
# Three curves tell kinds of noise apart. Noise that limits the code takes the more from real data, the more
# cells there are, and a decoder that is blind to it (diagonal) does no worse, for nothing can be done about
# it. Noise without a limit costs a constant factor at most, lines that stay parallel; and where it can be
# undone by who knows it, the blind decoder is the worse. Look for curves that bend towards the dash-dotted
# line in the upper row, and for straight ones in the lower.

# %% tags=["hide-input"]
conditions = ("main", "jitter", "speed", *source.HARMLESS)
by_condition = {c: decoded[c, "svm" if (c, "svm") in decoded else "lda"] for c in conditions}
fig, numbers = checks.draw_conditions(by_condition)
ends = {c: np.mean([analysis.rms_cm(d) for d in those], axis=0) for c, those in by_condition.items()}
described = "; ".join(f"{c} {real:.1f}, {shuf:.1f}, {diag:.1f}" for c, (real, shuf, diag) in ends.items())
figures.show(
    fig,
    "fig-hippocampus-controls",
    caption="Information against the number of cells, on logarithmic axes: a straight line of slope 1 is a "
    "code without a limit. Upper row: with limiting noise; lower row: without. Support vector machines (LDA "
    f"in B and C); mean and 95 % interval over {len(virtual)} sessions. Dash-dotted: the planted limit, "
    "where it is within reach.",
    alt=f"Errors with all cells in cm, real, shuffled and diagonal: {described}.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("diagonal_gain", float(ends["gain"][2] / ends["gain"][0]))
glue("diagonal_main", float(ends["main"][2] / ends["main"][0]))
glue("ratio_gain", float(ends["gain"][0] / ends["gain"][1]))
glue("ratio_main", float(ends["main"][0] / ends["main"][1]))

# %% [markdown]
# With all cells, shuffling lowers the error {glue:text}`ratio_main:.2f`-fold in the main condition and
# {glue:text}`ratio_gain:.2f`-fold under a common gain. The blind decoder errs {glue:text}`diagonal_main:.2f`
# times as much as the full one in the main condition, and {glue:text}`diagonal_gain:.2f` times under the
# gain.

# %% [markdown]
# ## Beyond the paper
#
# **Can the fit be trusted?** The paper reads the limit off a fitted curve. Here the limit is known. Look at
# how far the ratio in **B** is from 1, and at how much depends on the curve that is chosen.

# %% tags=["hide-input"]
limited = [("svm", "main"), ("lda", "main"), ("lda", "jitter"), ("lda", "speed"), ("lda", "circular")]
fitted = errors.loc[limited].dropna(subset="planted_floor").reset_index()
fig, numbers = checks.draw_fit_bias(fitted, drawing)
ratio = fitted.fitted_asymptote / fitted.planted_floor
times_higher = fitted.exponential_asymptote / fitted.fitted_asymptote
by_name = ratio.groupby(fitted.condition + ", " + fitted.decoder, sort=False).mean()
figures.show(
    fig,
    "fig-hippocampus-fit-bias",
    caption="Fitted asymptotic error beside the planted floor. **A** Every mark is a session and decoder. "
    f"**B** Their ratio; light: sessions, dark: mean and 95 % bootstrap interval over {len(virtual)} of "
    "them.",
    alt="The hyperbola's asymptote over the floor: "
    + ", ".join(f"{name} {value:.2f}" for name, value in by_name.items())
    + f". The exponential's is {times_higher.mean():.2f} times as high.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("fit_low", float(by_name.min()))
glue("fit_high", float(by_name.max()))

# %% [markdown]
# The hyperbola's limit is {glue:text}`fit_low:.2f` to {glue:text}`fit_high:.2f` times the planted one,
# depending on condition and decoder. Above 1 is what overfitting does, which bends a curve as a limit would;
# below 1 is what a curve does that has hardly begun to bend, and whose start is steepened by the length of
# the track, which bounds the error of few cells.
#
# **Too few runs, or too much noise?** A decoder with too few runs to learn from also stops improving. But
# more runs help it, and they help shuffled data as much. Look for curves that still move apart with the
# number of runs (overfitting) and for those that lie on each other above the floor (a limit).

# %% tags=["hide-input"]
fig, numbers = checks.draw_grid(grid, float(grid["floor"]))
few, many = grid["rms"][0, -1], grid["rms"][-1, -1]
figures.show(
    fig,
    "fig-hippocampus-grid",
    caption="Error of LDA against the number of cells, for growing numbers of runs of one session; root of "
    f"the mean squared error over {settings.n_subsets} ensembles. Dash-dotted: the planted floor.",
    alt=f"With all cells the error of real data falls from {few[0]:.1f} to {many[0]:.1f} cm as runs grow "
    f"from {grid['n_runs'][0]} to {grid['n_runs'][-1]}; that of shuffled data from {few[1]:.1f} to "
    f"{many[1]:.1f} cm, below the floor of {float(grid['floor']):.1f} cm.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("grid_gain", float(1 - many[0] / few[0]))
glue("grid_over_floor", float(many[0] / grid["floor"]))

# %% [markdown]
# With all runs the error is {glue:text}`grid_over_floor:.2f` times the floor.
#
# **Another decoder.** If the limit lies in the code, good decoders share it. Look for decoders of which the
# real error is the same although the shuffled one differs, and for those that are simply bad at ordered
# classes. In **B**, wide bins add $w^2/12$ to the squared error, and narrow ones leave fewer frames a visit.

# %%
units = [DecoderComparison(recording, settings.compared_cells) for recording in recordings]
compared = sweep(compare_decoders, units, label="decoders")
ways = {name: np.array([c["decoders"][i] for c in compared]) for i, name in enumerate(COMPARED)}
for key, values in {
    "rms_lda_one": ways["LDA"][:, 0],
    "rms_lda_blocks": np.array([c["blocks"][0] for c in compared]),
    "rms_svm_one": ways["SVM"][:, 0],
    "rms_svm_vote": ways["SVM, voting"][:, 0],
    "rms_svm_large_c": ways["SVM, C = 30"][:, 0],
}.items():
    ledger.measure(key, interval(values, "cm"))

# %% tags=["hide-input"]
fig, numbers = checks.draw_decoders(compared, drawing)
described = ", ".join(f"{name} {v[:, 0].mean():.1f} and {v[:, 1].mean():.1f}" for name, v in ways.items())
figures.show(
    fig,
    "fig-hippocampus-decoders",
    caption=f"**A** Error of decoders on the same runs and the same cells, {settings.compared_cells} at "
    f"most, of {len(recordings)} sessions; light: sessions, dark: mean and 95 % bootstrap interval. **B** "
    "Error of LDA against the width w of the place bins, mean and 95 % interval. Dash-dotted: the planted "
    "floor, in **B** the root of floor² + w²/12.",
    alt=f"Errors in cm, real and shuffled: {described}.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("rms_lda_mean", float(ways["LDA"][:, 0].mean()))
glue("rms_regression", float(ways["regression"][:, 0].mean()))

# %% [markdown]
# LDA errs by {glue:text}`rms_lda_mean:.1f` cm; regression of the position, which must fit one line to both
# running directions and to all places, by {glue:text}`rms_regression:.1f` cm.
#
# **The smaller correlation is the harmful one.** Look for the conditions at the bottom (few cells to
# saturation): they are not those on the right (large correlations).

# %% tags=["hide-input"]
harm = pd.DataFrame(
    [
        (c, float(shape["mean_correlation"].mean()), fit.n_half, *fit.n_half_ci)
        for c in (*conditions, "low rank, orthogonal")
        for shape, result in zip(shapes[c], decoded[c, "lda"], strict=True)
        for fit in analysis.fits(result)[:1]
    ],
    columns=["condition", "correlation", "n_half", "low", "high"],
)
fig, numbers = checks.draw_harm(harm)
means = harm.groupby("condition", sort=False).agg({"correlation": "mean", "n_half": geometric_mean})
described = "; ".join(f"{row.Index}: {row.correlation:.4f}, {row.n_half:.0f}" for row in means.itertuples())
figures.show(
    fig,
    "fig-hippocampus-harm",
    caption="Number of cells that give half of the limit, N, against the mean noise correlation of all "
    "pairs. Every mark is a session with the 95 % interval of its fit (LDA); N above 10⁴ is drawn at 10⁴.",
    alt=f"Mean correlation and N by condition: {described}.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
for name in ("jitter", "gain"):
    glue(f"correlation_{name}_mean", float(means.correlation[name]))
    glue(f"n_half_{name}_mean", float(means.n_half[name]))

# %% [markdown]
# Jitter correlates cells by {glue:text}`correlation_jitter_mean:.4f`, and half of the limit is reached by
# {glue:text}`n_half_jitter_mean:.0f` cells; a common gain correlates them by
# {glue:text}`correlation_gain_mean:.3f`, and half of the limit takes {glue:text}`n_half_gain_mean:.0f`.
#
# **How sure is N?** Ensembles of the same cells overlap, and at all cells they are one; intervals over them
# are too narrow. What a new study would change is the mice, the sessions and the runs. Look at how the bands
# differ where the number of cells is large.


# %%
def run_errors(result):
    """Squared errors of real data: (size, ensemble, run)."""
    return analysis.squared_errors(result["predicted"][:, :, 0], bool(result["circular"])).mean(-1)


def fit_of(curve):
    fit = fit_saturation(sizes, curve)
    return fit.n_half, fit.asymptotic_rms


results = decoded["main", "lda"]
mice = [recording.mouse for recording in recordings]
sizes, nested = hierarchy.nest_errors(mice, [d["sizes"] for d in results], [run_errors(d) for d in results])
curve = hierarchy.mean_curve(nested)
curves = {
    "mice to runs": hierarchy.hierarchical_curves(nested, 1000, drawing),
    "ensembles": hierarchy.ensemble_curves(nested, 1000, drawing),
}
refitted = {name: np.array([fit_of(c) for c in (curve, *drawn[:200])]) for name, drawn in curves.items()}

# %% tags=["hide-input"]
fig, numbers = checks.draw_hierarchy(sizes, curve, curves, refitted)
width = {name: np.ptp(np.quantile(drawn[:, -1], [0.025, 0.975])) for name, drawn in curves.items()}
of_n = {name: np.quantile(found[1:, 0], [0.025, 0.975]) for name, found in refitted.items()}
figures.show(
    fig,
    "fig-hippocampus-hierarchy",
    caption=f"Information of real data, mean over {len(nested)} mice and {len(recordings)} sessions, with "
    "95 % bootstrap intervals: mice, sessions and runs drawn again, or only the ensembles (LDA, at the "
    "sizes that all sessions have). **B** and **C** The curve fitted to 200 draws of each.",
    alt=f"At {sizes[-1]} cells the interval over mice, sessions and runs is "
    f"{width['mice to runs'] / width['ensembles']:.1f} times as wide as that over ensembles. N is "
    + " and ".join(f"{low:.0f} to {high:.0f} ({name})" for name, (low, high) in of_n.items())
    + ".",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("width_ratio", float(width["mice to runs"] / width["ensembles"]))

# %% [markdown]
# At the largest ensembles the honest interval is {glue:text}`width_ratio:.1f` times the naive one.
#
# **Without a decoder.** Fisher information can be estimated directly, and its bias removed, for as many cells
# as there are trials to spare. Two places of one run share its noise, so each place of a pair takes half of
# the runs. The theory of limiting noise ({eq}`eq-hippocampus-limit`) then says what real data should give,
# from shuffled ones and the planted floor. Look for blue on the solid line; on the right, where nothing
# limits, for all on each other.

# %%
n_cells = (10, 20, 40, 60, 80, 100, 120, 140)
units = [
    FisherCurve(recording, n_cells, settings.fisher_subsets)
    for recording in (longest, source.under("independent", longest))
]
fisher = dict(zip(("main", "independent"), sweep(measure_fisher, units, label="information"), strict=True))
real, shuffled = (fisher["main"][kind].mean(1) for kind in ("real", "shuffled"))
epsilon, (low, high) = fit_one_parameter(np.array(n_cells), real, shuffled)

# %% tags=["hide-input"]
fig, numbers = checks.draw_fisher(fisher)
figures.show(
    fig,
    "fig-hippocampus-fisher",
    caption="Bias-corrected Fisher information between neighbouring places, averaged over places and "
    f"directions, of one simulated session of {longest.source.n_runs} runs each; mean and 95 % interval over "
    f"{units[0].n_subsets} ensembles, each with its own halves of the runs. Solid: what the shuffled data "
    "and the planted floor predict; dotted: the one-parameter curve of {cite:t}`rumyantsev2020`.",
    alt=f"At {n_cells[-1]} cells real information is {real[-1] / shuffled[-1]:.2f} of the shuffled one in "
    f"the main condition; the fitted bend is {epsilon:.4f} per cell ({low:.4f} to {high:.4f}).",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("epsilon_cell", float(epsilon))
glue("n_half_fisher", float(1 / epsilon))

# %% [markdown]
# The one-parameter fit gives ε = {glue:text}`epsilon_cell:.4f` a cell, that is N =
# {glue:text}`n_half_fisher:.0f`.
#
# **A run's speed looks like noise.** Calcium events trail the animal by a third of a second, so a fast run is
# represented further back than a slow one. That shifts all cells together, as limiting noise does, in mice
# without any jitter. Unlike noise, it can be regressed out. Look in **B** for the gap between real and
# shuffled data that varied speed opens and regression closes, and for the gap in the main condition, which
# stays.

# %%
controls = {c: [SpeedControl(recording) for recording in listed[c]] for c in ("independent", "speed", "main")}
without = sweep_groups(control_speed, controls, label="speed")
by_speed = {c: np.array([result["rms"] for result in those]) for c, those in without.items()}
session, runs = source.open_runs(listed["speed"][0])
centre = slice(5, 15)
behind = (session.truth.represented_cm - session.position_cm)[:, None]
shift = average_visits(behind, session.position_cm, runs.frames)[:, centre, 0].mean(1)
lag = pd.DataFrame(
    {
        "speed": visit_speed(session.position_cm, runs.frames)[:, centre].mean(1),
        "shift": np.where(runs.rightward, shift, -shift),
    }
)
kernel = calcium.burst_kernel()
delay_s = float(kernel @ np.arange(len(kernel)) / kernel.sum() / FRAMES_PER_S)

# %% tags=["hide-input"]
pairs = {
    "constant\nspeed": by_speed["independent"][:, 0, :2],
    "varied\nspeed": by_speed["speed"][:, 0, :2],
    "varied,\nregressed": by_speed["speed"][:, 1, :2],
    "main": by_speed["main"][:, 0, :2],
    "main,\nregressed": by_speed["main"][:, 1, :2],
}
fig, numbers = checks.draw_confound(lag, delay_s, pairs, drawing)
gap = {name.replace("\n", " "): (v[:, 0] / v[:, 1]).mean() for name, v in pairs.items()}
figures.show(
    fig,
    "fig-hippocampus-speed",
    caption="Speed and its lag. **A** Represented minus true position against speed, in the central half of "
    f"the track: {len(lag)} runs of one session without jitter; line: the kernel's mean delay. **B** Error "
    "of LDA by all cells, with constant and with varied speed, and in the main condition; mean and 95 % "
    f"bootstrap interval over {len(units) // 3} sessions.",
    alt="Real over shuffled error: " + ", ".join(f"{name} {value:.2f}" for name, value in gap.items()) + ".",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("gap_speed", float(gap["varied speed"]))
glue("gap_regressed", float(gap["varied, regressed"]))
glue("gap_main", float(gap["main, regressed"]))

# %% [markdown]
# Varied speed alone makes the real error {glue:text}`gap_speed:.2f` times the shuffled one; with speed
# regressed out {glue:text}`gap_regressed:.2f` times. In the main condition {glue:text}`gap_main:.2f` remain:
# jitter does not follow from speed. A recording that has not been through this control cannot tell the two
# apart.

# %% [markdown]
# ## From measures to claims
#
# Each claim is measured here, and in the control in which it must fail.

# %% tags=["remove-output"]
harmless = source.HARMLESS
for control, condition in (("", ["main"]), ("independent", ["independent"])):
    for key in ("rms_real", "floor_and_a_quarter", "floor_less_1_cm"):
        settle(key, lda[key], control, condition, unit="cm")
    settle("n_half", svm["n_half"], control, condition, unit="cells", statistic=geometric_mean)
    settle("n_recorded", svm["n_recorded"], control, condition, unit="cells")
    settle("snr_over_limit", geometry["snr_over_limit"], control, condition)
for control, condition in (("", ["main"]), ("no limiting noise", harmless)):
    settle("n_half_ratio", svm["n_half_ratio"], control, condition, statistic=geometric_mean)
    settle("rms_ratio", svm["rms_ratio"], control, condition)
    settle("noise_growth", geometry["noise_growth"], control, condition)
    settle("noise_slope_share", geometry["noise_slope_share"], control, condition, nearest=min)
    settle("loading_area", geometry["loading_area"], control, condition)
for control, condition in (("", ["main"]), ("gain", ["gain"])):
    settle("log_i0_ratio", svm["log_i0_ratio"], control, condition)
    settle("diagonal_ratio", svm["diagonal_ratio"], control, condition)
    settle("correlation_shuffled", geometry["correlation_shuffled"], control, condition)
    curves = np.array([shape["correlation"] for shape in shapes[condition[0]]])
    falling = interval(curves, "", statistic=lambda those: analysis.trend(those.mean(0)))
    ledger.measure("correlation_trend", falling, control=control)
settle("signal_r2", geometry["signal_r2"])
settle("signal_r2", geometry["signal_r2_normalised"], "normalised", ["main"])
settle("ends_over_centre", lda["ends_over_centre"])
settle("ends_over_centre", lda["ends_over_centre"], "circular track", ["circular"])
for name, control in (("varied", ""), ("alike", "fixed heterogeneity")):
    unequal, ratio = (
        geometry.loc[name, ["heterogeneity", "noise_slope_share"]].query("noise_slope_share < 7").T.to_numpy()
    )
    r = stats.pearsonr(unequal, ratio)
    low, high = map(float, r.confidence_interval())
    found = Estimate(float(r.statistic), low, high, len(ratio))
    ledger.measure("heterogeneity_r", found, control=control)


# %% tags=["remove-output"]
for control, quiet in (("", "jitter"), ("independent", "independent")):
    settle("correlation_jitter", geometry["correlation"], control, [quiet])
    settle("n_half_jitter", lda["n_half"], control, [quiet], unit="cells", statistic=geometric_mean)
settle("correlation_gain", geometry["correlation"], conditions=["gain"])
settle("n_half_gain", lda["n_half"], conditions=["gain"], unit="cells", statistic=geometric_mean)
for control, condition in (("", ["speed"]), ("independent", ["independent"])):
    settle("floor_speed", lda["planted_floor"], control, condition, unit="cm")
    settle("rms_ratio_speed", lda["rms_ratio"], control, condition)
for control, condition in (("", "pseudo"), ("one session", "another")):
    ratio = lda.loc[condition, "n_half"].to_numpy() / lda.loc["virtual", "n_half"].to_numpy()
    ledger.measure("n_half_pseudo", interval(ratio, "", statistic=geometric_mean), control=control)
for key in ("rms_118", "mean_error", "fitted_asymptote", "exponential_asymptote", "planted_floor"):
    settle(key, lda[key], unit="cm")
settle("loading_area_all", geometry["loading_area_all"])
settle("rms_svm", svm["rms_real"], unit="cm")
settle("rms_detected", lda["rms_real"], "", ["detected"], unit="cm")

# %% [markdown]
# ## Real data
#
# The recordings of the paper, hc-30, are to be had from CRCNS by everybody with an account, and not to be
# passed on; the [data page](../book/data.md) says how. With `CROSSROADS_DATA` set, `data="hc-30"` opens every
# session, leaves out those with 150 cells or fewer or 30 runs or fewer in a direction, as the authors do, and
# runs all cells above on the rest; planted floors are then unknown, and what rests on them is not testable.
# The controls stay simulated.

# %% tags=["hide-input"]
where = data_folder("hippocampus")
if data == "hc-30":
    print(f"{len(recordings)} sessions of hc-30; {len(left_out)} left out.", *left_out, sep="\n")
elif where is None:
    print("No folder of real data: hc-30 is skipped. What is shown are simulated mice.")
else:
    print("hc-30 is there: run the chapter with data='hc-30' to use it.")

# %% [markdown]
# ## Claims
#
# The paper, this page, and what is recorded, side by side. Rules come from the paper's words and from its
# published scripts; the head of the claims file says what was chosen after values had been seen.

# %%
ledger.settle(out)
ledger.table()

# %% [markdown]
# Some rows deserve a second look. Three are uninformative, because a common gain passes them too: it limits
# nothing, and yet correlations fall with the distance of fields under it, the first cells inform as well as
# before, and a decoder blind to it does as well as one that knows it. None of the three tells which noise
# there is. What does are the shuffles: N, the error at all cells, and noise that grows along the signal.
#
# That mice with unequal cells lose more was our prediction, and it is wrong: the SNR along $\Delta\mu$ weighs
# the large and noisy cells too much. And speed that varies, with the delay of calcium events, sets a limit
# without any jitter in the code: the paper's finding needs this control before it says something about place
# cells.
#
# ## Departures and puzzles

# %%
ledger.departures_table()

# %% [markdown]
# Panels that are not drawn, or that are our own:

# %%
ledger.not_drawn_table()

# %% [markdown]
# ## Try it
#
# Turn the planted jitter, spread it over modules, add a common gain, and look at the number of cells that you
# could record. The dotted curve is no fit: limiting noise of variance $\varepsilon$ adds to the squared error
# of the shuffled data, which is {eq}`eq-hippocampus-limit`. Modules and gain leave it nearly where it is;
# jitter does not.


# %%
def play_recordings(settings, seed):
    """Recordings of one virtual mouse under every setting of the sliders, by their labels."""
    turned = product(settings.play_jitter_cm, settings.play_modules, settings.play_gain_sd)
    quiet = source.QUIET | {"n_cells": settings.play_cells, "n_runs": settings.play_runs}
    return {
        (f"{jitter:g}", f"{modules}", f"{gain:g}"): source.Recording(
            VirtualMouse(**quiet | {"jitter_cm": jitter, "n_modules": modules, "gain_sd": gain}), seed, 0, 0
        )
        for jitter, modules, gain in turned
    }


# %% tags=["hide-input"]
played = play_recordings(settings, seed)
play_sizes = tuple(int(n) for n in np.geomspace(20, settings.play_cells, 6).round())[:-1]
units = [analysis.Decoding(recording, "lda", play_sizes, settings.n_subsets) for recording in played.values()]
results = dict(zip(played, sweep(analysis.decode_session, units, label="sliders"), strict=True))
names = ("Jitter (cm)", "Modules", "Gain (SD of the log)")
positions, numbers = checks.play_traces(results, names)
start = (f"{settings.play_jitter_cm[len(settings.play_jitter_cm) // 2]:g}", *next(iter(played))[1:])
start += (str(settings.play_cells),)
furthest = numbers[numbers.cells == settings.play_cells]
most = furthest[furthest["Jitter (cm)"] == f"{max(settings.play_jitter_cm):g}"]
play.show(
    play.curves(positions, (*names, "Cells"), "number of cells", "RMS error (cm)", start, log="xy"),
    "fig-hippocampus-play",
    caption="Error of real and shuffled data against the number of cells in simulated sessions at constant "
    "speed, by planted jitter, number of modules and common gain (LDA). The ring marks the chosen number of "
    "cells; the sliders answer to the arrow keys.",
    alt=f"With {settings.play_cells} cells real data err by {furthest.real_cm.min():.1f} cm at best; with "
    f"{most['Jitter (cm)'].iloc[0]} cm of jitter by {most.real_cm.mean():.1f} cm, and shuffled data by "
    f"{most.shuffled_cm.mean():.1f} cm.",
    data=numbers.round(2),
    out=out,
)

# %% [markdown]
# Worth turning, in a copy of this notebook: `jitter_cm` and `n_modules` in `ci/sizes/hippocampus.yml`, and
# `peak_hz` of `VirtualMouse`, the rate of events in a field.
#
# ## References
#
# ```{bibliography}
# :filter: docname in docnames
# ```

# %% tags=["hide-input"]
stamp(seed, len(recordings))
