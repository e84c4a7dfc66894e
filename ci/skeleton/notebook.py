# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Title of the chapter: {cite:t}`demo`
#
# The question in one sentence. The answer in one sentence.

# %% tags=["parameters"]
size: str = "book"  # ci | book | paper
data: str = "synthetic"  # synthetic | name of a real data set
seed: int = 0  # root of every random stream
out: str = ""  # folder for results; empty: a temporary one

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from crossroads.data.settings import check_parameters, load_settings
from crossroads.data.units import sweep
from crossroads.models.demo import Settings, items, simulate_item
from crossroads.report import figures, provenance
from crossroads.report.claims import Ledger
from crossroads.report.intervals import estimate

check_parameters("demo", size, data, seed)
settings = load_settings(Settings, "demo", size)
folder = provenance.out_folder(out)
ledger = Ledger("demo", size, data, seed)
figures.style()

# %% [markdown]
# ## Planted truth
#
# Items scatter around an effect that we chose; the control has none.

# %%
rng = np.random.default_rng(seed)
measured = {}
for name, effect in [("effect", 0.5), ("no_effect", 0.0)]:
    results = sweep(simulate_item, items(settings, effect, seed), label=name)
    measured[name] = np.array([float(result["mean"]) for result in results])

# %% tags=["hide-input"]
found = estimate(measured["effect"], "", rng)
control = estimate(measured["no_effect"], "", rng)
fig, ax = plt.subplots(figsize=(4, 2.5))
ax.hist(list(measured.values()), label=["effect", "control"])
ax.set(xlabel="mean of an item", ylabel="items")
ax.legend()
figures.show(
    fig,
    "fig-demo-planted",
    caption=f"Means of {found.n} items with the planted effect and without.",
    alt=f"Means lie around {found.value:.2f} with the effect and around {control.value:.2f} without.",
    data=pd.DataFrame(measured),
    out=folder,
)

# %% [markdown]
# ## Claims

# %% tags=["hide-input"]
ledger.measure("effect", found)
ledger.measure("effect", control, control="no_effect")
rows = ledger.settle(folder)
ledger.table()

# %% [markdown]
# ## Departures and puzzles
#
# Every ambiguity of the paper, our choice, and what the other choice does to the numbers.

# %% tags=["hide-input"]
ledger.departures_table()

# %% tags=["hide-input"]
ledger.not_drawn_table()

# %% [markdown]
# ## References
#
# ```{bibliography}
# :filter: docname in docnames
# ```

# %% tags=["hide-input"]
provenance.stamp(seed, settings.n_items)
