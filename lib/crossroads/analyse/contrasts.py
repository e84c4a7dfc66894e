"""Tests of difference, parametric where the samples look normal and by ranks where not.

The choice is that of the published code of Piwek, Stokes & Summerfield (2023), src/stats.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Alternative = Literal["two-sided", "greater", "less"]


@dataclass(frozen=True)
class Contrast:
    """Outcome of one statistical test."""

    name: str
    statistic: float
    p: float
    n: int  # observations used, of both samples together
    effect: float  # size of the effect; what it is depends on the test


def contrast_one_sample(
    sample: np.ndarray, null: float = 0.0, alternative: Alternative = "two-sided"
) -> Contrast:
    """Whether a sample, or the differences of paired samples, lies about `null`.

    One-sample t-test if Shapiro-Wilk does not reject normality at 5 %, else Wilcoxon's signed-rank test.

    Parameters
    ----------
    sample : (n,) finite values, n >= 3. For paired samples pass their difference.
    null : centre of the sample under the null hypothesis.
    alternative : where the sample lies relative to `null` under the alternative.

    Returns
    -------
    Contrast with effect Cohen's d (t-test) or the matched-pairs rank-biserial correlation (Wilcoxon), for
    which the published code has none.

    Raises
    ------
    ValueError : fewer than 3 values, or values that are not finite.
    """
    difference = _checked(sample) - null
    if stats.shapiro(difference).pvalue >= 0.05:
        outcome = stats.ttest_1samp(difference, 0.0, alternative=alternative)
        name, effect = "one-sample t", difference.mean() / difference.std(ddof=1)
    else:
        outcome = stats.wilcoxon(difference, alternative=alternative)
        moved = difference[difference != 0]
        ranks = stats.rankdata(np.abs(moved))
        name, effect = "Wilcoxon signed-rank", (np.sign(moved) * ranks).sum() / ranks.sum()
    return Contrast(name, float(outcome.statistic), float(outcome.pvalue), len(difference), float(effect))


def contrast_two_samples(x: np.ndarray, y: np.ndarray, alternative: Alternative = "two-sided") -> Contrast:
    """Whether two independent samples differ.

    Student's t-test if Shapiro-Wilk rejects normality of neither sample at 5 %, else the Mann-Whitney test.

    Parameters
    ----------
    x, y : (n_x,), (n_y,) finite values, at least 3 each.
    alternative : where x lies relative to y under the alternative.

    Returns
    -------
    Contrast with effect Cohen's d by the pooled standard deviation (t-test) or the rank-biserial correlation
    P(x > y) - P(x < y) (Mann-Whitney), for which the published code has none.

    Raises
    ------
    ValueError : fewer than 3 values in a sample, or values that are not finite.
    """
    x, y = _checked(x), _checked(y)
    if min(stats.shapiro(x).pvalue, stats.shapiro(y).pvalue) >= 0.05:
        outcome = stats.ttest_ind(x, y, alternative=alternative)
        pooled = ((len(x) - 1) * x.var(ddof=1) + (len(y) - 1) * y.var(ddof=1)) / (len(x) + len(y) - 2)
        name, effect = "two-sample t", (x.mean() - y.mean()) / np.sqrt(pooled)
    else:
        outcome = stats.mannwhitneyu(x, y, alternative=alternative)
        name, effect = "Mann-Whitney", 2 * outcome.statistic / (len(x) * len(y)) - 1
    return Contrast(name, float(outcome.statistic), float(outcome.pvalue), len(x) + len(y), float(effect))


def _checked(sample: np.ndarray) -> np.ndarray:
    sample = np.asarray(sample, dtype=float)
    if sample.ndim != 1 or len(sample) < 3 or not np.isfinite(sample).all():
        raise ValueError(f"need at least 3 finite values in one row; got {sample}")
    return sample
