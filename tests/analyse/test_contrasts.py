from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from crossroads.analyse.contrasts import contrast_one_sample, contrast_two_samples

# Evenly spaced normal quantiles pass Shapiro-Wilk; their exponentials, skewed, do not.
NORMAL = stats.norm.ppf((np.arange(20) + 0.5) / 20)
SKEWED = np.exp(2 * NORMAL)


def test_normal_sample_gets_a_t_test() -> None:
    outcome = contrast_one_sample(NORMAL + 3.5, null=3.0, alternative="greater")
    spread = np.sqrt(((NORMAL - NORMAL.mean()) ** 2).sum() / 19)
    assert (outcome.name, outcome.n) == ("one-sample t", 20)
    assert outcome.effect == pytest.approx(0.5 / spread)
    assert outcome.statistic == pytest.approx(0.5 / spread * np.sqrt(20))
    assert outcome.p == pytest.approx(stats.t.sf(outcome.statistic, 19))


def test_skewed_sample_gets_signed_ranks() -> None:
    outcome = contrast_one_sample(SKEWED, null=0.5, alternative="less")
    # By pairs: the share of pairs (with themselves too) whose mean is above the null, less that below.
    walsh = [np.sign(a + b - 1.0) for i, a in enumerate(SKEWED) for b in SKEWED[i:]]
    assert (outcome.name, outcome.n) == ("Wilcoxon signed-rank", 20)
    assert outcome.effect == pytest.approx(np.mean(walsh))
    assert outcome.p > 0.5
    assert contrast_one_sample(SKEWED, null=0.5, alternative="greater").p < 0.05


def test_normal_samples_get_a_two_sample_t_test() -> None:
    outcome = contrast_two_samples(NORMAL + 1.0, 2.0 * NORMAL[::2])
    x, y = NORMAL + 1.0, 2.0 * NORMAL[::2]
    pooled = np.sqrt((((x - x.mean()) ** 2).sum() + ((y - y.mean()) ** 2).sum()) / 28)
    assert (outcome.name, outcome.n) == ("two-sample t", 30)
    assert outcome.effect == pytest.approx((x.mean() - y.mean()) / pooled)
    assert outcome.statistic == pytest.approx((x.mean() - y.mean()) / pooled / np.sqrt(1 / 20 + 1 / 10))
    assert outcome.p == pytest.approx(2 * stats.t.sf(outcome.statistic, 28))


@pytest.mark.parametrize("swap", [False, True])
def test_one_skewed_sample_is_enough_for_ranks(swap: bool) -> None:
    x, y = (NORMAL, SKEWED) if swap else (SKEWED, NORMAL)
    outcome = contrast_two_samples(x, y, alternative="greater")
    assert outcome.name == "Mann-Whitney"
    assert outcome.effect == pytest.approx(np.mean([np.sign(a - b) for a, b in product(x, y)]))
    assert (outcome.p < 0.01) != swap


@pytest.mark.parametrize("bad", [np.array([1.0, 2.0]), np.array([1.0, np.nan, 2.0, 3.0]), np.ones((3, 3))])
def test_bad_samples_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at least 3 finite values"):
        contrast_one_sample(bad)
    with pytest.raises(ValueError, match="at least 3 finite values"):
        contrast_two_samples(NORMAL, bad)
