"""Rank correlation beside scipy's, ties included, and when nothing is said."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from sslviz.evaluation.ranks import rank_correlation, words


@pytest.mark.parametrize("seed", range(4))
def test_rho_is_spearmans_and_p_that_of_random_orders(seed):
    generator = np.random.default_rng(seed)
    a, b = generator.integers(0, 6, size=(2, 9))
    found, expected = rank_correlation(a, b), spearmanr(a, b)
    assert found.rho == pytest.approx(expected.statistic) and found.n == 9
    assert found.p == pytest.approx(expected.pvalue, abs=0.06)  # scipy's is the t distribution's
    assert rank_correlation(np.exp(a), b).rho == pytest.approx(found.rho)


def test_too_few_or_equal_values_have_none():
    assert rank_correlation([1, 2, 3], [1, 2, 3]) is None
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]) is None
    assert "too few" in words(None, 2) and "+1.00" in words(rank_correlation(range(5), range(5)), 5)
