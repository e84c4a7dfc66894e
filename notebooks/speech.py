# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which three seconds did you hear?
#
# ```{card}
# **Paper.** Défossez, Caucheteux, Rapin, Kabeli & King, *Decoding speech perception from non-invasive brain
# recordings*, Nature Machine Intelligence 2023.
#
# **Question.** Somebody listens to a story. Do three seconds of their M/EEG say which three seconds of sound
# it was, among a thousand that nobody trained on?
#
# **Answer.** From MEG often, the paper says: the right one is among the ten best in two of three windows. In
# simulated listeners the same network, loss and test do it too, and the reasons that the paper gives can be
# switched off one by one.
#
# **Not reproduced here.** The four data sets were not at hand, nor was wav2vec 2.0. Simulated listeners under
# the same sensors and a smaller speech model stand in, and what is compared is which way things go, not how
# far. Loaders for two of the data sets are ready.
# ```

# %% tags=["parameters"]
size: str = "book"  # ci | book | paper
data: str = "synthetic"  # synthetic | alice | brennan-2019 | meg-masc
seed: int = 0  # root of every random stream
out: str = ""  # folder for results; empty: a temporary one

# %% tags=["hide-input"]
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
from IPython.display import HTML
from myst_nb import glue

from crossroads.analyse import retrieval, speech
from crossroads.analyse import speech_study as study
from crossroads.analyse.attention_maps import map_agreement
from crossroads.analyse.response_recovery import recover_responses
from crossroads.data.listening import SOUND_HZ
from crossroads.data.listening_brain import RATE_HZ, STREAMS, response, simulate_cohort, streams
from crossroads.data.sensor_arrays import sensor_array
from crossroads.data.settings import data_folder, load_settings
from crossroads.data.units import sweep, sweep_groups
from crossroads.models.brain_module import BrainModule, BrainShape
from crossroads.models.speech_encoders import available
from crossroads.report import figures, play, tables
from crossroads.report import speech_check_figures as checks
from crossroads.report import speech_figures as paper
from crossroads.report.claims import Ledger
from crossroads.report.intervals import Estimate, estimate
from crossroads.report.provenance import out_folder, stamp

figures.style()
out = out_folder(out)
settings = load_settings(study.SpeechSettings, "speech", size)
ledger = Ledger("speech", size, data, seed)
# Figures draw from a stream of their own, so that no claim depends on what is drawn.
rng, drawing = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))

# %% [markdown]
# ## The question
#
# Electrodes on the cortex let people type by thinking of speech. Could sensors outside the head do as much?
# Their signals are weak and noisy, every head is another, and nobody sits still for long: for each person
# there is an hour or two. {cite:t}`defossez2023` take up the question where it is easiest, with people who
# only *listen*, and change what is asked of the {term}`decoder`. It need not say the words. It gets three
# seconds of brain and a list of sounds, the true one among them, and points at one of them.
#
# Two things are meant to make that work. One network serves all listeners of a data set, with a small part
# of its own for each, so that their hours add up. And the network is not taught to draw the sound, but to
# tell the true one from the others: a {term}`contrastive loss` {cite:p}`radford2021`, on features from a
# speech model that was trained without any brain {cite:p}`baevski2020`. Here the encoder of a smaller one,
# Whisper {cite:p}`radford2022`, takes its place.
#
# ```{list-table} Headlines of the two versions. They count other candidates, so they are no contradiction.
# :header-rows: 1
# :name: tab-speech-headlines
#
# * -
#   - First preprint, 2022 {cite:p}`defossez2022`
#   - Journal, 2023
# * - Listeners
#   - 169
#   - 175
# * - MEG
#   - 72.5 % top-10 and 44 % top-1, of 1,594 segments
#   - up to 41 % top-1 of more than 1,000 segments; 70.7 % top-10 of 1,284 (Table 2)
# * - EEG
#   - up to 19.1 % top-10, of 2,604 segments
#   - 17.7 and 25.7 % top-10 (Table 2)
# ```
#
# ## The model
#
# A window $X$ of $C$ sensors and 3 s goes through the **brain module**. Its first layer knows where sensors
# are. Each of its outputs is a mean of the sensors, weighted by a smooth function of their places $(x, y)$ on
# the flattened head:
#
# ```{math}
# :label: eq-speech-attention
# \mathrm{SA}(X)_j &= \sum_i \frac{e^{a_j(x_i, y_i)}}{\sum_{i'} e^{a_j(x_{i'}, y_{i'})}}\, X_i , \\
# a_j(x, y) &= \sum_{k,l=0}^{K-1} \mathrm{Re}\, z_j^{kl} \cos\varphi_{kl}
#   + \mathrm{Im}\, z_j^{kl} \sin\varphi_{kl} , \\
# \varphi_{kl} &= \tfrac{2\pi}{1.4} (k x' + l y')
# ```
#
# with $x' = x + 0.2$, $y' = y + 0.2$, so that the left edge is no neighbour of the right. In training,
# sensors near one random place are left out. Then comes a matrix for each listener, and then blocks of
# dilated convolutions, which nobody has for themselves. What comes out, $Z$, is scored against the features
# $Y_j$ of candidate sounds,
#
# ```{math}
# :label: eq-speech-score
# s_{ij} &= \frac{\langle Z_i, Y_j \rangle}{\lVert Y_j \rVert + 10^{-8}} , \\
# p_{ij} &= \frac{e^{s_{ij}}}{\sum_{j'} e^{s_{ij'}}} ,
# ```
#
# and trained to give the true one all of the probability among the windows of a batch,
#
# ```{math}
# :label: eq-speech-loss
# L = -\frac1B \sum_{i=1}^{B} \log p_{ii} .
# ```
#
# Only the candidates are normalised, so the size of $Z$ says how sure the model is, and no temperature is
# needed. At test the candidates are the sounds around *all* words of held-out sentences.
#
# ::::{tab-set}
# :::{tab-item} The loss
# ```{literalinclude} ../lib/crossroads/models/contrastive_losses.py
# :pyobject: match_scores
# ```
# :::
# :::{tab-item} The split
# A block of sentences goes where the hash of its words says, for all listeners.
# ```{literalinclude} ../lib/crossroads/data/speech_windows.py
# :pyobject: split_of
# ```
# :::
# :::{tab-item} The test
# ```{literalinclude} ../tests/models/test_contrastive_losses.py
# :pyobject: test_orthogonal_pairs_have_a_closed_form
# ```
# :::
# ::::
#
# ```{list-table} Symbols, and their values in the published code.
# :header-rows: 1
# :name: tab-speech-symbols
#
# * - Symbol
#   - Meaning
#   - Value
# * - $C$
#   - sensors
#   - 60 and 128 (EEG), 208 and 273 (MEG)
# * - $K$
#   - Fourier harmonics an axis of the attention
#   - 32
# * -
#   - channels after the attention, and in the five blocks
#   - 270, and 320
# * - $F$
#   - features a sample of the speech model
#   - 1,024
# * - $B$
#   - windows a batch
#   - 256 (on two devices, so 127 wrong sounds for each)
# * -
#   - samples a second; shift of the brain's window
#   - 120; 150 ms later than the sound's
# * -
#   - clamping of the scaled signal
#   - 20 inter-quartile ranges
# ```
#
# The listeners are simulated, and why they can be decoded is known. Six sources, in both auditory cortices,
# behind them, in the left frontal and in the anterior temporal lobe, follow three streams of the story: the
# *acoustic* one (onsets and five spectral bands), the *phonetic* one (articulatory features at the onsets of
# phonemes) and the *lexical* one (words, weighted by {term}`surprisal`, frequency and kind). MNE
# {cite:p}`gramfort2013` brings them to real sensor arrays, where brain noise, alpha waves, drift, blinks and
# jumps of single sensors are added.

# %% tags=["remove-output"]
encoder = "" if settings.encoder == "whisper" and not available() else settings.encoder
voice = data if data == "alice" else settings.voice
tellings = study.tellings(settings, voice, seed, encoder)
sweep(speech.tell, tellings, label="story")
plan = study.plan(settings, tellings, seed)
results = sweep_groups(speech.decode, plan, label="decoders")
main = plan["Gwilliams, pretrained"][0]
linear = replace(main, features="mel", n_features=settings.n_mels, shown=False)
results["linear"] = sweep(speech.decode_linear, [linear], label="linear model")

# %% tags=["hide-input"]
if encoder:
    print(
        f"Speech model: {encoder}. Models trained: "
        f"{len({unit for those in plan.values() for unit in those})}."
    )
else:
    print("The extra `speech` is not installed, so there is no pretrained speech model: Mel stands in for it")
    print(
        "everywhere, and what compares the two is not testable. `pip install crossroads[speech]` brings it."
    )

# %% [markdown]
# ## What is measured
#
# Top-10 accuracy is the share of windows whose own sound is among the ten best of all candidates, top-1 that
# of windows where it is the best. Chance is not taken from the number of candidates alone: windows overlap
# and slow noise lasts, so the scores are compared with themselves after whole blocks of sentences have been
# exchanged. Beside each claim stands a control in which it must fail.

# %% tags=["remove-output"]
table = study.accuracy_table(results)
reference = results["Gwilliams, pretrained"][0]
n_candidates = len(reference["word"])
by_chance = {k: float(retrieval.chance(k, n_candidates)) for k in (1, 10)}
story, _ = speech.open_story(tellings)
items, compared = partial(study.items, table), partial(study.compared, table)
interval = partial(estimate, rng=rng)


def settle(key, values, unit="points", control=""):
    """Note a key: a number, or the items that it is the mean of."""
    if np.ndim(values):
        value = interval(values, unit) if np.isfinite(values).all() else None
    else:
        value = Estimate(float(values), float(values), float(values), 1, unit)
    ledger.measure(key, value, control=control)


glue("n_listeners", settings.n_subjects)

# %% [markdown]
# ## Planted truth
#
# Look in **A** for the words of three seconds and for what the three streams make of them; in **B** for the
# responses that the sources were given; in **C** for how far the story (dash-dotted) lies below what the
# sensors record without it (solid): at every frequency. In **D** are the sensors that see the sources.

# %%
few = min(3, settings.n_subjects)
planted = replace(main.brain, artefacts_per_min=0.0, n_subjects=few)
group = speech.group_seed(main.seed, main.group)
told = simulate_cohort(story, planted, RATE_HZ, group)
(quiet,) = simulate_cohort(story, replace(planted, strength_nam=0.0, n_subjects=1), RATE_HZ, group)
power = study.planted_power(main)
planted_responses = {stream: np.abs(response(stream)) for stream in STREAMS}
largest = {s: 1000 * (r.argmax() - len(r) // 2) / RATE_HZ for s, r in planted_responses.items()}
middle = float(story.sentence_s[len(story.sentence_s) // 2, 0])

# %% tags=["hide-input"]
fig, numbers = checks.draw_planted(story, middle, streams(story), quiet, told[0], power)
share = float(((told[0].x - quiet.x) ** 2).mean() / (quiet.x**2).mean())
figures.show(
    fig,
    "fig-speech-planted",
    caption="Planted truth. **A** Three seconds of the story with the onsets of its words, and the three "
    "streams that the brain follows. **B** Response of a source to each. **C** Spectra of one listener's "
    f"sensors without the story, with it, and of the difference; median and quartiles over {len(quiet.x)} "
    "sensors. **D** Where sources are seen: square of their lead field, mean over listeners.",
    alt=f"The story makes {100 * share:.1f} % of the sensors' power. Responses are largest "
    f"{largest['acoustic']:.0f} ms after sounds, {largest['phonetic']:.0f} ms after phonemes and "
    f"{largest['lexical']:.0f} ms after words.",
    data=numbers,
    out=out,
)

# %% [markdown]
# From the same recordings the responses come back with the field's own tool, a regression over lags
# {cite:p}`crosse2016`, and the trained decoder can be asked where it looks: in **A** at the weights of its
# {term}`spatial attention`, beside **B**, where the sources are seen. In **D**, listeners whose heads see
# the sources alike would lie on the left, those whose matrices are alike at the bottom.

# %%
responses = recover_responses(story, told, speech.people_of(main)[:few], "phonetic")
attention = np.mean([r["attention"] for r in results["Gwilliams, pretrained"]], axis=0)
agreement = np.array([map_agreement(r["attention"], power) for r in results["Gwilliams, pretrained"]])
pairs = study.listener_distances(main, reference)
curves_of = responses.set_index("lag_ms").groupby("subject")[["planted", "recovered"]]
peaks = curves_of.agg(lambda curve: curve.abs().idxmax())

# %% tags=["hide-input"]
xy = told[0].xy
fig, numbers = checks.draw_recovery(
    attention, power, xy, estimate(agreement, "", drawing), responses, pairs, drawing
)
figures.show(
    fig,
    "fig-speech-recovery",
    caption="What comes back. **A** Mean weight of each sensor in the spatial attention. **B** Power of the "
    f"planted sources; below it, the correlation of the two over {len(xy)} sensors, mean and 95 % interval "
    f"over {len(agreement)} initialisations. **C** Response to phonemes, mean and 95 % bootstrap interval "
    f"over {few} listeners. **D** Pairs of listeners: distance of their lead fields and of their matrices.",
    alt=f"Attention and source power correlate by {agreement.mean():.2f}. The response to phonemes is "
    f"largest {np.abs(peaks.recovered - peaks.planted).mean():.0f} ms from where it was planted, on average.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("attention_mean", float(agreement.mean()))
glue("peak_found", float(peaks.recovered.iloc[0]))
glue("peak_planted", float(peaks.planted.iloc[0]))
glue("peak_error", float(np.abs(peaks.recovered - peaks.planted).mean()))
glue("pairs_r", float(np.corrcoef(pairs.lead_distance, pairs.matrix_distance)[0, 1]))

# %% [markdown]
# The first listener's response to phonemes is largest at {glue:text}`peak_planted:.0f` ms, and the one found
# at {glue:text}`peak_found:.0f` ms; over all shown, the two are {glue:text}`peak_error:.0f` ms apart.
# Attention and the power of the sources correlate by {glue:text}`attention_mean:.2f`. The distances in **D**
# correlate by {glue:text}`pairs_r:.2f`, which over so few pairs says little: a matrix starts at random, and
# nothing but the data pulls those of like heads together.
#
# ## Three seconds, twice (Fig. 1)
#
# Follow one test window: through the brain module on top, its sound through the speech model below. Both end
# as features in time. In the matrix, a bright diagonal is a batch in which every window knows its sound.


# %% tags=["hide-input"]
def heard(candidate):
    """Three seconds around the onset of a candidate's word."""
    first = round((reference["onset_s"][candidate] - 0.5) * SOUND_HZ)
    return story.sound[first : first + 3 * SOUND_HZ]


best = int(reference["example"])
p_all = retrieval.probabilities(reference["scores"])
spread_out = np.linspace(0, n_candidates - 1, 12).astype(int)
matches = retrieval.probabilities(reference["scores"][np.ix_(spread_out, spread_out)])
x, z, y, words = (reference[name] for name in ("x", "z", "y", "word"))
fig, numbers = paper.draw_approach(x, heard(best), z, y, matches, p_all[best], words, best)
figures.show(
    fig,
    "fig-speech-approach",
    caption="The approach, drawn with one test window: the one of the first listener whose sound was found "
    f"most surely. The batch is of {len(spread_out)} windows from all over the test; the bars are the best "
    "five of all candidates, the hatched one the truth.",
    alt=f"In the batch the true sound gets a probability of {np.diag(matches).mean():.2f} on average; among "
    f"all candidates that of the window shown gets {p_all[best, best]:.2f}.",
    data=numbers,
    out=out,
)

# %% [markdown]
# ## The brain module (Extended Data Fig. 4)
#
# Drawn at the paper's size, with the channels behind each layer. What this page trains is the same module
# with fewer channels and blocks.

# %% tags=["hide-input"]
full = BrainShape(1024)
positions = torch.from_numpy(sensor_array("kit-208").xy)[None]
n_parameters = sum(p.numel() for p in BrainModule(27, positions, full).parameters())
fig, numbers = paper.draw_architecture(full)
figures.show(
    fig,
    "fig-speech-module",
    caption=f"The brain module for {full.n_outputs} features. With 27 listeners it has {n_parameters:,} "
    "parameters.",
    alt=f"Spatial attention to {full.d1} channels, a convolution, the listener's matrix, {full.n_blocks} "
    f"blocks of {full.d2} channels, and two last convolutions to {full.n_outputs} features.",
    data=numbers,
    out=out,
)

# %% [markdown]
# ## The data sets (Table 1)
#
# A simulated set carries the name of the recordings whose sensors it has. Look at the last column: test
# sentences are new, and some of their words are too.


# %% tags=["hide-input"]
def set_row(name, n):
    """Cells of a data set."""
    listeners, hours = f"{n['listeners']}", f"{n['hours']:.1f}"
    train, test = f"{n['train']:,} / {n['train_words']:,}", f"{n['test']:,} / {n['test_words']:,}"
    return [name, f"{n['sensors']}", listeners, hours, train, test, f"{100 * n['seen']:.1f}&nbsp;%"]


simulated = {name: study.set_numbers(plan[f"{name}, pretrained"][0]) for name in settings.sets}
rows = [set_row(f"{name}, simulated", n) for name, n in simulated.items()]
rows += [set_row(f"{name}, the paper", paper.TABLE_1[name]) for name in paper.SETS]
header = ("Set", "Sensors", "Listeners", "Hours", "Train: windows / words", "Test: segments / words", "Seen")
HTML(tables.table("Data sets", header, rows))

# %% [markdown]
# Windows and words of the paper's rows are those that its published notebook prints.
#
# ## From regression to the full model (Table 2)
#
# From left to right one thing is added at a time. Look for the step that matters most here, and for whether
# it is the one that matters most in the paper (diamonds).

# %% tags=["hide-input"]
named = [
    table.loc[[f"{name}, {model}"]].assign(dataset=name, model_name=model)
    for name in settings.sets
    for model in list(paper.TABLE_2)[1:]
]
rows = pd.concat(named).groupby(["dataset", "model_name", "model"], sort=False).top10.mean().reset_index()
rows = rows.rename(columns={"model": "seed", "model_name": "model"})
fig, numbers = paper.draw_main(rows, dict.fromkeys(settings.sets, by_chance[10]), drawing)
means = {m: 100 * rows.top10[(rows.dataset == "Gwilliams") & (rows.model == m)].mean() for m in rows.model}
figures.show(
    fig,
    "fig-speech-main",
    caption="Top-10 accuracy. Circles: simulated listeners, mean and 95 % interval over "
    f"{settings.n_models} initialisations; diamonds: the paper, mean and SD over three. The dotted line is "
    f"chance among our {n_candidates} candidates; the paper's sets have 190 to 1,284.",
    alt=f"With MEG sensors, {means['base']:.0f} % with regression, {means['contrastive']:.0f} % with the "
    f"contrastive loss, {means['deep mel']:.0f} % with a learned and {means['pretrained']:.0f} % with the "
    "pretrained speech network.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
for name, value in means.items():
    glue(f"main_{name.replace(' ', '_')}", float(value))

# %% [markdown]
# Simulated: {glue:text}`main_base:.0f` % with regression, {glue:text}`main_contrastive:.0f` % once the loss
# is contrastive, {glue:text}`main_deep_mel:.0f` % with a learned speech network and
# {glue:text}`main_pretrained:.0f` % with pretrained features. In the paper the loss brings most too.
#
# **Why regression fails.** It learns, but what it learns is the mean sound. Look at the curves: its
# validation loss falls by a little and stays there, since a mean square is dominated by what all windows
# share. Beside them, the same Mel features with the contrastive loss; and both without any signal.

# %% tags=["hide-input"]
shown_losses = {"regression": "Gwilliams, base", "clip": "Gwilliams, contrastive"}
history = {loss: [r["history"] for r in results[c]] for loss, c in shown_losses.items()}
conditions = {
    "regression": "Gwilliams, base",
    "regression, no signal": "silent, base",
    "clip": "Gwilliams, contrastive",
    "clip, no signal": "silent, contrastive",
    "clip, shuffled pairs": "shuffled",
    "temperature": "temperature",
    "symmetric": "symmetric",
}
listener = {name: 100 * table.loc[[c]].groupby("subject").top1.mean() for name, c in conditions.items()}
rows = pd.concat(
    [pd.DataFrame({"condition": n, "seed": v.index, "top1": v.to_numpy() / 100}) for n, v in listener.items()]
)
fig, numbers = checks.draw_losses(history, rows, by_chance[1], drawing)
figures.show(
    fig,
    "fig-speech-losses",
    caption="Losses. Above: learning curves on Mel, a line an initialisation; the contrastive loss of chance "
    f"is log {settings.batch} = {np.log(settings.batch):.2f}. Below: top-1 accuracy, mean and 95 % interval "
    f"over {settings.n_subjects} listeners. The last three, on pretrained features: pairs shuffled in "
    "training, a learned temperature, and both directions of the loss.",
    alt=f"Regression finds {listener['regression'].mean():.0f} % of the windows at once, the contrastive "
    f"loss {listener['clip'].mean():.0f} %; without signal they find "
    f"{listener['regression, no signal'].mean():.1f} and {listener['clip, no signal'].mean():.1f} %.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("clip_top1", float(listener["clip"].mean()))
glue("regression_top1", float(listener["regression"].mean()))

# %% [markdown]
# {glue:text}`regression_top1:.1f` % against {glue:text}`clip_top1:.1f` % found at once, from the same brain
# and the same Mel. That is the failure the authors report, and it is the loss and not the features.
#
# ## Taking parts away (the ablation table)
#
# Differences to the full model. The two large ones have a panel of their own: who is listening, and the
# clamp.

# %% tags=["hide-input"]
taken = [name for name in list(paper.ABLATIONS)[1:] if name in plan]
rows = pd.concat(
    [
        pd.DataFrame({"variant": name, "difference": lost / 100, "item": np.arange(len(lost))})
        for name in taken
        for lost in [compared(name, "Gwilliams, pretrained", "top10", by="subject")]
    ]
)
fig, numbers = paper.draw_ablations(rows, drawing)
lost = 100 * rows.groupby("variant").difference.mean()
figures.show(
    fig,
    "fig-speech-ablations",
    caption="What each part is worth: top-10 accuracy minus that of the full model. Circles: simulated "
    f"listeners, mean and 95 % interval over {settings.n_subjects} of them; diamonds: the paper, mean of its "
    "four data sets. "
    + ("" if len(taken) == 11 else f"At this size {len(taken)} of the 11 variants are run."),
    alt=f"Without the listener's matrix {lost['no subject layer']:.0f} points, without the clamp "
    f"{lost['no clamping']:.0f} points.",
    data=numbers,
    out=out,
)

# %% tags=["hide-input"]
tests = {
    name: retrieval.paired_wilcoxon(compared(name, "Gwilliams, pretrained", "top10", by="subject"), 0.0)
    for name in taken
}
rows = [[name, f"{t.difference:.1f}".replace("-", "−"), f"{t.p:.2g}", f"{t.n}"] for name, t in tests.items()]
HTML(tables.table("Wilcoxon tests of the ablations", ("Taken away", "Points", "p (Wilcoxon)", "n"), rows))

# %% [markdown]
# The paired test of the paper is over its 175 listeners. Over {glue:text}`n_listeners:.0f` its $p$ cannot
# fall below $2^{1-n}$, whatever the effect, and it is printed for completeness only.
#
# The parts that cost little in the paper may change their sign here: a smaller module learns faster, and
# these trainings are short.
#
# Clamping deserves a curve. Artefacts here are jumps of a few sensors, thousands of times larger than the
# signal. Without them (circles) the clamp changes nothing; with them (squares), look at what a looser clamp
# costs.

# %% tags=["hide-input"]
rows = pd.concat(
    [
        pd.DataFrame({"clamp": clamp, "artefacts": name == "artefacts", "seed": r.subject, "top10": r.top10})
        for clamp in settings.clamps
        for name in ("artefacts", "clean")
        for r in [table.loc[[f"clamp {clamp:g}, {name}"]]]
    ]
)
fig, numbers = checks.draw_clamp(rows, by_chance[10], drawing)
with_artefacts = 100 * rows[rows.artefacts].groupby("clamp").top10.mean()
figures.show(
    fig,
    "fig-speech-clamp",
    caption="Top-10 accuracy against the level of the clamp, with artefacts and without: mean and 95 % "
    f"interval over {settings.n_subjects} listeners.",
    alt=f"With artefacts accuracy falls from {with_artefacts.iloc[0]:.0f} % at the tightest clamp to "
    f"{with_artefacts.iloc[-1]:.0f} % without one.",
    data=numbers,
    out=out,
)

# %% [markdown]
# ## Listeners
#
# In **A**, each dot is one listener. In **B** the same few listeners are tested while others are added to
# training, and each is seen as often as before. The dashed control adds people who hear something else.

# %% tags=["hide-input"]
per_listener = pd.concat(
    [table.loc[[f"{name}, pretrained"]].assign(dataset=name) for name in settings.sets]
).groupby(["dataset", "subject"], sort=False)
tested = settings.n_listeners[0]
curves = {
    which: pd.concat(
        [
            r[r.subject < tested].groupby("model", as_index=False).top10.mean().assign(n_subjects=n)
            for n in settings.n_listeners
            for r in [table.loc[[f"listeners {n}, {which} story"]]]
        ]
    )
    for which in ("same", "other")
}
named = {which: rows.rename(columns={"model": "seed"}) for which, rows in curves.items()}
fig, numbers = paper.draw_subjects(
    per_listener.top10.mean().reset_index(), named["same"], named["other"], drawing
)
at_ends = {which: 100 * rows.groupby("n_subjects").top10.mean() for which, rows in curves.items()}
figures.show(
    fig,
    "fig-speech-listeners",
    caption="**A** Top-10 accuracy of every listener, mean and 95 % interval over them; the diamond is the "
    "paper's (of its ablation runs, with the standard error over its listeners). **B** Accuracy of "
    f"the first {tested} against how many the model was trained on: mean and 95 % interval over "
    f"{settings.n_models} initialisations.",
    alt=f"Trained on the first {settings.n_listeners[0]}, {at_ends['same'].iloc[0]:.0f} %; on "
    f"{settings.n_listeners[-1]}, {at_ends['same'].iloc[-1]:.0f} % where all hear the same story and "
    f"{at_ends['other'].iloc[-1]:.0f} % where the others hear another.",
    data=numbers,
    out=out,
)

# %% [markdown]
# ## MEG against EEG, and the shift
#
# The same brains under 208 MEG coils and under 128 electrodes (**A**). And the same brains
# decoded with the brain's window shifted against the sound's (**B**), once with the planted responses and
# once with brains that answer at once.

# %% tags=["hide-input"]
kinds = pd.concat(
    [
        table.loc[[f"strength {s:g}, {kind}"]].assign(kind=kind, strength_nam=s)
        for s in settings.strengths_nam
        for kind in ("MEG", "EEG")
    ]
)
shifts = pd.concat(
    [
        table.loc[[f"shift {ms:g}, {delay}"]].assign(delay=delay, shift_ms=ms)
        for ms in settings.shifts_ms
        for delay in ("planted", "immediate")
    ]
).rename(columns={"subject": "seed"})
fig, numbers = paper.draw_kinds(kinds, shifts, drawing)
strongest = 100 * kinds[kinds.strength_nam == max(settings.strengths_nam)].groupby("kind").top10.mean()
by_shift = shifts.pivot_table("top10", "seed", ["delay", "shift_ms"])
centres = {
    delay: study.centre(by_shift[delay].to_numpy(), settings.shifts_ms, by_chance[10])
    for delay in ("planted", "immediate")
}
figures.show(
    fig,
    "fig-speech-kinds",
    caption="**A** Top-10 accuracy by MEG and EEG, against the strength of the sources. **B** Against the "
    f"shift of the brain's window. Mean and 95 % interval over {settings.n_subjects} listeners; the paper's "
    f"shift is {study.SHIFT_MS:.0f} ms.",
    alt=f"At the strongest sources {strongest['MEG']:.0f} % by MEG and {strongest['EEG']:.0f} % by EEG. The "
    f"curve is centred at {centres['planted']:.0f} ms with the planted responses and at "
    f"{centres['immediate']:.0f} ms with immediate ones.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("strongest_meg", float(strongest["MEG"]))
glue("strongest_eeg", float(strongest["EEG"]))
glue("centre_planted", centres["planted"])
glue("centre_immediate", centres["immediate"])

# %% [markdown]
# Sources of equal strength give {glue:text}`strongest_meg:.0f` % by MEG and {glue:text}`strongest_eeg:.0f` %
# by EEG. The gap of the paper is wider, and our EEG is kinder than most: no muscles, no bad contacts, four
# shells of known conductivity. The curve over shifts is flat about its peak, since the network sees half a
# second at once: the place of the best says little, the flanks say more. What accuracy has above chance is
# centred at {glue:text}`centre_planted:.0f` ms with planted responses, and at
# {glue:text}`centre_immediate:.0f` ms where the brain answers at once.
#
# ## What the model hears
#
# Test windows from the surest to a hopeless one. A bar is a candidate, named by the word at its onset.

# %% tags=["hide-input"]
order = np.argsort(-reference["p"], kind="stable")
chosen = order[np.linspace(0, len(order) - 1, 6).astype(int)]
examples = [
    {
        "true": reference["word"][reference["true"][i]],
        "words": reference["word"][reference["top"][i]],
        "p": reference["top_p"][i],
    }
    for i in chosen
]
fig, numbers = paper.draw_examples(examples)
figures.show(
    fig,
    "fig-speech-examples",
    caption="Best five candidates of six test windows, at even steps from the most to the least probable "
    "truth. Hatched: the word that was heard, though perhaps at another place of the story.",
    alt=f"The surest window gives its word {examples[0]['p'][0]:.2f}; the last puts none of its five best "
    "words right."
    if examples[-1]["true"] not in examples[-1]["words"]
    else f"The surest window gives its word {examples[0]['p'][0]:.2f}.",
    data=numbers,
    out=out,
)

# %% [markdown]
# Listen to two of them: what was heard, and what the model took it for.

# %% tags=["hide-input"]
rows = []
for number, i in enumerate((chosen[0], chosen[3]), 1):
    true = reference["true"][i]
    rows.append(((f"{number}, heard", reference["word"][true], f"{reference['p'][i]:.2f}"), heard(true)))
    for place, (k, p) in enumerate(zip(reference["top"][i][:2], reference["top_p"][i], strict=False), 1):
        rows.append(((f"{number}, best {place}", reference["word"][k], f"{p:.2f}"), heard(k)))
HTML(play.sounds("Test windows and what was found", ("Window", "Word", "Probability", "Sound"), rows))

# %% [markdown]
# ## Which words are found (last main figure)
#
# How sure the model is of the true word is regressed on what is known of word and window, one level of
# language after the other. Look for whether phrases predict it better than words, and words better than their
# frequency; and for whether that is gone where the brain follows sound alone.

# %% tags=["hide-input"]
levels = {
    name: study.levels_of(plan[c][0], results[c][0])
    for name, c in (("reference", "Gwilliams, pretrained"), ("acoustic only", "acoustic"))
}
rows = pd.concat([r.assign(brain=name) for name, r in levels.items()])
fig, numbers = paper.draw_levels(rows, drawing)
strength = rows.groupby(["brain", "level"]).r.mean()
figures.show(
    fig,
    "fig-speech-levels",
    caption="R between the probability of the true word and its prediction from each level, in sentences "
    f"that the regression has not seen: mean and 95 % interval over {settings.n_subjects} listeners.",
    alt=f"R is {strength['reference', 'frequency']:.2f} for frequency, {strength['reference', 'word']:.2f} "
    f"for words and {strength['reference', 'phrase']:.2f} for phrases.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
wide = {name: r.pivot(index="subject", columns="level", values="r") for name, r in levels.items()}
for control, r in (("", wide["reference"]), ("acoustic only", wide["acoustic only"])):
    settle("phrase_minus_word", (r["phrase"] - r["word"]).to_numpy(), "", control)
    settle("word_minus_frequency", (r["word"] - r["frequency"]).to_numpy(), "", control)
glue("r_phrase", float(strength["reference", "phrase"]))
glue("r_word", float(strength["reference", "word"]))

# %% [markdown]
# R is {glue:text}`r_word:.2f` for words and {glue:text}`r_phrase:.2f` for phrases.
#
# ## When do pretrained features pay?
#
# The paper's step from Mel to wav2vec 2.0 need not mean that the brain shares its features. Here it can be
# asked: let the brain follow sound alone, and step by step more of phonemes and words. In **B**, above zero
# pretrained features win.

# %% tags=["hide-input"]
rows = pd.concat(
    [
        table.loc[[f"share {share:g}, {name}"]]
        .groupby("model", as_index=False)
        .top1.mean()
        .assign(share=share, features=name)
        for share in settings.shares
        for name in ("pretrained", "mel")
    ]
).rename(columns={"model": "seed"})
fig, numbers = checks.draw_shares(rows, by_chance[1], drawing)
gains = {s: compared(f"share {s:g}, pretrained", f"share {s:g}, mel", "top1") for s in settings.shares}
figures.show(
    fig,
    "fig-speech-shares",
    caption="**A** Top-1 accuracy against the share of phonemes and words in what the brain follows; the "
    "rest is acoustic. **B** What pretrained features add to Mel. Mean and 95 % interval over "
    f"{settings.n_models} initialisations.",
    alt=f"Pretrained features add {gains[settings.shares[0]].mean():.0f} points where the brain follows "
    f"sound alone and {gains[settings.shares[-1]].mean():.0f} points where it follows phonemes and words "
    "alone.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("gain_acoustic", float(gains[settings.shares[0]].mean()))
glue("gain_linguistic", float(gains[settings.shares[-1]].mean()))

# %% [markdown]
# From {glue:text}`gain_acoustic:.0f` points where the brain follows sound alone to
# {glue:text}`gain_linguistic:.0f` where it follows phonemes and words. A gain of pretrained features over Mel
# is evidence of signals that are not acoustic, and its size depends on how much of the signal those are.
#
# ## Beyond the paper
#
# **A split that leaks.** Deal windows one by one, and the neighbours of a test window, with most of its
# sound, are in training. Look at the squares: a model that never saw a response can find sounds above
# chance, since it knows the noise of the neighbours.

# %% tags=["hide-input"]
splits = {("sentences", "brain"): "Gwilliams, pretrained", ("sentences", "noise only"): "silent"}
splits |= {("windows", "brain"): "leak, brain", ("windows", "noise only"): "leak, noise only"}
rows = pd.concat(
    [
        r[r.model == 0].assign(split=split, input=name).rename(columns={"model": "m", "subject": "seed"})
        for (split, name), c in splits.items()
        for r in [table.loc[[c]]]
    ]
)
leaking = results["leak, brain"][0]
chances = {"sentences": by_chance[1], "windows": float(retrieval.chance(1, len(leaking["word"])))}
fig, numbers = checks.draw_leak(rows, chances, drawing)
found = 100 * rows.groupby(["split", "input"]).top1.mean()
figures.show(
    fig,
    "fig-speech-leak",
    caption="Top-1 accuracy by what is dealt to training and test, with listeners and with recordings that "
    f"have no response: mean and 95 % interval over {settings.n_subjects} listeners.",
    alt=f"With listeners {found['sentences', 'brain']:.0f} % by sentences and "
    f"{found['windows', 'brain']:.0f} % by windows; with noise {found['sentences', 'noise only']:.1f} and "
    f"{found['windows', 'noise only']:.1f} %.",
    data=numbers,
    out=out,
)

# %% [markdown]
# **What an error is.** Candidates begin 0.3 s apart and are 3 s long. In **B**, count hits within a second,
# or leave out all that share sound with the truth; in **D**, look at whether a probability of one half is
# right half of the time.

# %% tags=["hide-input"]
sizes = np.unique(np.geomspace(10, n_candidates, 12).round().astype(int))
compared_models = {"pretrained": "Gwilliams, pretrained", "mel": "Gwilliams, contrastive", "linear": "linear"}
rows = pd.concat(
    [
        pd.DataFrame(
            {
                "n_candidates": sizes,
                "subject": subject,
                "model": model,
                "top10": retrieval.accuracy_by_candidates(
                    r["rank"][r["subject"] == subject], n_candidates, sizes, 10
                ),
            }
        )
        for model, c in compared_models.items()
        for r in [results[c][0]]
        for subject in range(settings.n_subjects)
    ]
)
own = table.loc[["Gwilliams, pretrained"]].query("model == 0")
rules = {"exact": "top1", "within 1 s": "near", "apart": "apart"}
tolerance = pd.concat(
    [pd.DataFrame({"rule": n, "subject": own.subject, "top1": own[c]}) for n, c in rules.items()]
)
every = np.arange(n_candidates)
n_near = retrieval.near(every, reference["onset_s"], 1.0).sum(1)
n_apart = n_candidates + 1 - retrieval.near(every, reference["onset_s"], retrieval.OVERLAP_S).sum(1)
rule_chance = {
    "exact": by_chance[1],
    "within 1 s": float(retrieval.chance(1, n_candidates, n_near).mean()),
    "apart": float(retrieval.chance(1, n_apart).mean()),
}
ranked = reference["rank"].reshape(settings.n_subjects, -1)
sure = retrieval.calibration(p_all, reference["true"], 8)
fig, numbers = checks.draw_candidates(rows, tolerance, rule_chance, ranked, n_candidates, sure, drawing)
figures.show(
    fig,
    "fig-speech-candidates",
    caption="**A** Top-10 accuracy among fewer candidates, of two networks and of a linear model. **B** "
    "Top-1 accuracy where only the exact sound counts, where all within 1 s do, and among those that share "
    f"no sound. **C** Rank of the true sound. Mean and 95 % interval over {settings.n_subjects} listeners. "
    "**D** Share of best candidates that are right, by their probability (eight groups of windows, Wilson's "
    "95 % intervals).",
    alt=f"Exact hits {100 * own.top1.mean():.0f} %, within a second {100 * own.near.mean():.0f} %, among "
    f"candidates apart {100 * own.apart.mean():.0f} %.",
    data=numbers,
    out=out,
)

# %% [markdown]
# **Where errors fall, and what a sentence adds.** Most errors are not neighbours of the truth: look at **A**
# and **B**. Adding the evidence of all windows of a sentence (**C**) is free and helps.

# %% tags=["hide-input"]
errors = [
    retrieval.error_kinds(
        reference["scores"][mine], reference["true"][mine], reference["sentence"], reference["onset_s"]
    )
    for subject in range(settings.n_subjects)
    for mine in [reference["subject"] == subject]
]
pooled = study.sentence_accuracy(reference)
sentence_chance = 1 / len(np.unique(reference["sentence"]))
fig, numbers = checks.draw_pooling(
    errors, reference["onset_s"], pooled, dict.fromkeys(("window", "sentence"), sentence_chance), drawing
)
by_unit = 100 * pooled.groupby("unit").top1.mean()
wrong = 100 * np.mean([e.other_sentence / max(1 - e.right, 1e-9) for e in errors])
figures.show(
    fig,
    "fig-speech-pooling",
    caption="**A** Where the best candidate lies. **B** Distance of errors to the truth, against that of any "
    "other candidate. **C** Top-1 accuracy in finding the sentence, by one window and by all of its windows. "
    f"Mean and 95 % interval over {settings.n_subjects} listeners.",
    alt=f"{wrong:.0f} % of the errors pick another sentence. One window finds its sentence in "
    f"{by_unit['window']:.0f} % of the cases, all windows together in {by_unit['sentence']:.0f} %.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("wrong_sentence", float(wrong))
glue("one_window", float(by_unit["window"]))
glue("whole_sentence", float(by_unit["sentence"]))

# %% [markdown]
# {glue:text}`wrong_sentence:.0f` % of the errors pick another sentence. One window finds its sentence in
# {glue:text}`one_window:.0f` % of the cases, all windows of it together in
# {glue:text}`whole_sentence:.0f` %.
#
# **An honest baseline.** A linear backward model, ridge regression over 0.4 s of lags for every listener,
# reconstructs the Mel bands and is ranked by the same score.

# %% tags=["hide-input"]
named = {
    "linear, Mel": "linear",
    "network, Mel, regression": "Gwilliams, base",
    "network, Mel, contrastive": "Gwilliams, contrastive",
    "network, pretrained, contrastive": "Gwilliams, pretrained",
}
rows = pd.concat([r[r.model == 0].assign(model=name) for name, c in named.items() for r in [table.loc[[c]]]])
fig, numbers = checks.draw_baseline(rows, by_chance[1], drawing)
baseline = 100 * rows.groupby("model").top1.mean()
figures.show(
    fig,
    "fig-speech-baseline",
    caption="Top-1 accuracy of a linear model beside the networks: mean and 95 % interval over "
    f"{settings.n_subjects} listeners.",
    alt=f"The linear model finds {baseline['linear, Mel']:.0f} %, the networks "
    f"{baseline['network, Mel, regression']:.0f} to {baseline.max():.0f} %.",
    data=numbers,
    out=out,
)

# %% tags=["remove-output"]
glue("linear_top1", float(baseline["linear, Mel"]))

# %% [markdown]
# The linear model finds {glue:text}`linear_top1:.0f` %. The simulated brain *is* linear in its streams, with
# known lags, so this page cannot say that networks are needed for real brains; it can say what a short
# training of theirs is worth beside a closed form.

# %% [markdown]
# ## Settling the claims

# %% tags=["remove-output"]
FULL, MEL, LEARNED = (f"Gwilliams, {model}" for model in ("pretrained", "contrastive", "deep mel"))
loudest = f"strength {max(settings.strengths_nam):g}"
weakest = f"strength {min(settings.strengths_nam):g}"
mixed = "shuffled, strongest", "shuffled, weakest"
alike = "identical", "identical, no layer"
# Key, accuracy, and the two conditions that are compared; then its control and the two of that.
differences = [
    ("contrast_gain", "top1", MEL, "Gwilliams, base", "no signal", "silent, contrastive", "silent, base"),
    ("pretrained_minus_learned", "top1", FULL, LEARNED, "acoustic only", "acoustic", "acoustic, deep mel"),
    ("subject_drop", "top1", FULL, "no subject layer", "identical subjects", *alike),
    ("clamp_100_difference", "top10", "clamp at 100", FULL, "no clamp", "no clamping", FULL),
    ("meg_minus_eeg", "top10", f"{loudest}, MEG", f"{loudest}, EEG", "no signal", "silent", "silent, EEG"),
    ("strength_gain", "top10", f"{loudest}, MEG", f"{weakest}, MEG", "shuffled pairs", *mixed),
    ("leak_gain", "top1", "leak, brain", FULL, "shuffled pairs", "leak, shuffled", "shuffled"),
]  # fmt: skip
for key, column, one, other, control, *instead in differences:
    settle(key, compared(one, other, column))
    settle(key, compared(*instead, column), control=control)
settle("learned_minus_mel", compared(LEARNED, MEL, "top1"))
shuffled, silent = results["shuffled"][0], results["silent"][0]
for control, condition in (("", FULL), ("shuffled pairs", "shuffled")):
    settle("top10", items(condition, "top10"), "%", control)
    settle("p_top10", float(results[condition][0]["p_top10"]), "", control)
    settle("top10_unseen", items(condition, "unseen"), "%", control)
settle("eight_chance", 800 * by_chance[10], "%")
settle("unseen_chance_and_3_se", 100 * study.chance_and(reference, 3, column=1), "%")
settle("top10_unclamped", items("no clamping", "top10"), "%")
settle("top10_unclamped", items("clamp inf, clean", "top10"), "%", "no artefacts")
settle("chance_and_3_se", 100 * study.chance_and(results["no clamping"][0], 3), "%")
for key, result in (("z_shuffled", shuffled), ("z_silent", silent)):
    settle(key, study.z_of(result), "")
    settle(key, study.z_of(reference), "", "pairs as heard")

# %% [markdown]
# Trends are rank correlations over all initialisations or listeners; the centre of shifts is that of the
# mean, with an interval over listeners.


# %% tags=["remove-output"]
def trend(values_at, key, control=""):
    """Settle a key with the rank correlation of values, by what they are measured at."""
    correlation = partial(study.rank_correlation, np.array(list(values_at)))
    level = interval(tuple(values_at.values()), "", statistic=correlation, n_boot=500)
    ledger.measure(key, level, control=control)


if encoder:
    settle("pretrained_gain", gains[settings.shares[-1]])
    settle("pretrained_gain", gains[settings.shares[0]], control="acoustic only")
    trend(gains, "pretrained_gain_trend")
else:
    ledger.measure("pretrained_gain", None)
    ledger.measure("pretrained_gain_trend", None)
by_strength = {s: items(f"strength {s:g}, MEG", "top10") for s in settings.strengths_nam}
trend(by_strength, "strength_trend")
for which, control in (("same", ""), ("other", "other story")):
    at = {n: 100 * rows.top10 for n, rows in curves[which].groupby("n_subjects")}
    trend(at, "listeners_trend", control)
usual = settings.shifts_ms.index(study.SHIFT_MS)
for delay, control in (("planted", ""), ("immediate", "immediate responses")):
    at = np.column_stack([items(f"shift {ms:g}, {delay}", "top10") for ms in settings.shifts_ms])
    centre = partial(study.centre, places=settings.shifts_ms, floor=100 * by_chance[10])
    ledger.measure("centre_of_shifts", interval(at, "ms", statistic=centre), control=control)
    below = interval(at, "points", statistic=partial(study.below_best, index=usual))
    ledger.measure("below_best_shift", below, control=control)
settle("attention_r", agreement, "")
settle("attention_r", map_agreement(silent["attention"], power), "", "no signal")
for key, condition, column in (
    ("top1_pretrained", FULL, "top1"),
    ("top1_mel", MEL, "top1"),
    ("top1_temperature", "temperature", "top1"),
    ("top1_symmetric", "symmetric", "top1"),
    ("top10_clamp_100", "clamp at 100", "top10"),
    ("top1_near", FULL, "near"),
):
    settle(key, items(condition, column), "%")

# %% [markdown]
# ## Real data
#
# With `data="alice"` the story is a real reading: onsets, frequency and surprisal of 2,129 words of *Alice
# in Wonderland*, as 33 people heard them {cite:p}`brennan2019`, each word said by espeak at its time. The
# listeners are simulated as before. With `data="brennan-2019"` the recordings of these people are decoded
# too: the rows of Table 2, on real brains. With `data="meg-masc"` it is the MEG of 27 people who heard four
# stories twice {cite:p}`gwilliams2023`. We had no copy of either. The [data page](../book/data.md) says where
# all of them may be had.

# %% tags=["hide-input"]
where = data_folder("speech")
if data == "alice":
    print(
        f"The story is {len(story.words)} words of a real reading, {len(story.sound) / SOUND_HZ / 60:.1f} "
        "min."
    )
elif data in study.PUBLISHED:
    dataset = study.PUBLISHED[data]
    recorded = study.plan_recorded(settings, data, encoder, seed)
    recorded_results = sweep_groups(speech.decode, recorded, label="recordings")
    real = study.accuracy_table(recorded_results)
    rows = real.groupby(["condition", "model"], sort=False).top10.mean().reset_index()
    rows = rows.rename(columns={"model": "seed", "condition": "model"}).assign(dataset=dataset)
    chance = float(retrieval.chance(10, len(recorded_results["pretrained"][0]["word"])))
    fig, numbers = paper.draw_main(rows[rows.model != "shuffled"], {dataset: chance}, drawing, "recorded")
    figures.show(
        fig,
        "fig-speech-recorded",
        caption=f"Table 2 on recordings of {real.subject.nunique()} listeners: mean and 95 % interval over "
        f"{settings.n_models} initialisations; diamonds: the paper.",
        alt=f"The full model has {100 * real.loc['pretrained'].top10.mean():.0f} % top-10 accuracy, "
        f"{100 * real.loc['shuffled'].top10.mean():.0f} % after training on shuffled pairs; chance is "
        f"{100 * chance:.0f} %.",
        data=numbers,
        out=out,
    )
elif where is None:
    print("No folder of real data: words and recordings are skipped.")
else:
    print("A folder of real data is there: try data='alice', 'brennan-2019' or 'meg-masc'.")

# %% [markdown]
# ## Claims
#
# Rules come from the table of what the paper claims; controls are ours where the paper has none. The head of
# the claims file says what was seen before they were written.

# %%
ledger.settle(out)
ledger.table()

# %% [markdown]
# Some rows deserve a second look. How tight the clamp is hardly matters in the paper, and it does here: our
# artefacts are frequent and large, and at 100 ranges those that are left still outweigh the signal in the
# statistics that normalise a small batch. The leak has no control in recordings without a response, as we
# first thought: they gain from it as well, and that *is* the warning. With pairs shuffled in training there
# is nothing to gain. Levels of language need more listeners and more windows than there are here. And the
# attention of a shortly trained module has hardly left its random start.
#
# The step from Mel to pretrained features is the one that depends on what the brain follows. It comes out as
# in the paper where phonemes and words dominate, and reversed where sound does.

# %% [markdown]
# ## Departures and puzzles

# %%
ledger.departures_table()

# %% [markdown]
# What is not drawn:

# %%
ledger.not_drawn_table()

# %% [markdown]
# ## Try it
#
# How many sounds to choose from? Among ten, everything looks good. Turn the strength of the sources and
# change from MEG to EEG.


# %% tags=["hide-input"]
def played(condition):
    """Accuracy and chance by number of candidates."""
    rank = results[condition][0]["rank"]
    found = 100 * retrieval.accuracy_by_candidates(rank, n_candidates, sizes, 10)
    chance_line = 100 * retrieval.chance(10, sizes)
    return [
        go.Scatter(x=sizes, y=found, name="model", mode="lines+markers", line={"color": "#0173B2"}),
        go.Scatter(
            x=sizes, y=chance_line, name="chance", mode="lines", line={"color": "#4D4D4D", "dash": "dash"}
        ),
    ]


positions = {
    (kind, f"{s:g}"): played(f"strength {s:g}, {kind}")
    for kind in ("MEG", "EEG")
    for s in settings.strengths_nam
}
numbers = pd.DataFrame(
    [
        {"kind": kind, "strength_nam": s, "candidates": int(n), "top10": float(y)}
        for (kind, s), (model, _) in positions.items()
        for n, y in zip(sizes, model.y, strict=True)
    ]
)
play.show(
    play.curves(
        positions,
        ("Sensors", "Strength (nA m)"),
        "candidates",
        "top-10 accuracy (%)",
        ("MEG", f"{max(settings.strengths_nam):g}"),
        log="x",
    ),
    "fig-speech-play",
    caption="Top-10 accuracy against the number of candidates, by sensors and strength of the sources. The "
    "sliders answer to the arrow keys.",
    alt=f"Among {sizes[0]} candidates accuracy is 100 % whatever the signal; among {n_candidates} it is "
    f"{strongest['MEG']:.0f} % by MEG at the strongest sources.",
    data=numbers.round(1),
    out=out,
)

# %% [markdown]
# Worth turning, in a copy of this notebook: `strength_nam`, `n_subjects` and `rate_hz` in
# `ci/sizes/speech.yml`, and `variability` of `Brain`, by how much listeners differ.
#
# ## References
#
# ```{bibliography}
# :filter: docname in docnames
# ```

# %% tags=["hide-input"]
stamp(seed, settings.n_models)
