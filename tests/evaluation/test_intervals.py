"""Intervals against published values and against their definition, solved the slow way."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

from sslviz.errors import UserError
from sslviz.evaluation.intervals import Z95, accuracy_interval, paired_difference


def test_wilson_interval_has_its_known_values():
    """Newcombe 1998, table I: 81 of 263 and 0 of 20; and the mirror image of the latter."""
    assert accuracy_interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert accuracy_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert accuracy_interval(1, 20) == pytest.approx((0.8389, 1), abs=5e-5)
    with pytest.raises(UserError):
        accuracy_interval(0.5, 0)


def rows(only_a, only_b, both=0, neither=0):
    """Labels and predictions with these counts."""
    a = np.repeat([1, 0, 1, 0], [only_a, only_b, both, neither])
    b = np.repeat([0, 1, 1, 0], [only_a, only_b, both, neither])
    return np.ones(len(a), int), a, b


def score(delta, only_a, only_b, n):
    """Tango's statistic from its definition: the nuisance share is found by maximising the likelihood."""
    low, high = max(0.0, -delta), (1 - delta) / 2

    def loss(q):  # q: share of rows that b alone has right; q + delta those that a alone has right
        parts = ((only_a, q + delta), (only_b, q), (n - only_a - only_b, 1 - 2 * q - delta))
        return -sum(count * np.log(max(share, 1e-300)) for count, share in parts if count)

    q = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (only_a - only_b - n * delta) / np.sqrt(n * (2 * q + delta - delta**2))


@pytest.mark.parametrize(
    ("only_a", "only_b", "n"), [(12, 2, 50), (2, 12, 50), (7, 5, 30), (1, 0, 44), (300, 200, 10_000), (40, 90, 1000)]
)
def test_paired_interval_equals_its_definition(only_a, only_b, n):
    found = paired_difference(*rows(only_a, only_b, n - only_a - only_b))
    value = (only_a - only_b) / n
    low = brentq(lambda d: score(d, only_a, only_b, n) - Z95, -0.99, value - 1e-9)
    high = brentq(lambda d: score(d, only_a, only_b, n) + Z95, value + 1e-9, 0.99)
    assert (found.value, found.low, found.high) == pytest.approx((value, low, high), abs=2e-5)
    assert (found.only_a, found.only_b, found.n) == (only_a, only_b, n)


def test_paired_interval_has_its_known_values():
    """36 + 12 against 36 + 2 of 50, the example of Newcombe 1998 (Statistics in Medicine 17:2635): 0.0611 to 0.3447."""
    found = paired_difference(*rows(12, 2, 36))
    assert (found.low, found.high) == pytest.approx((0.0611, 0.3447), abs=5e-5)


def test_no_row_that_tells_them_apart_gives_the_closed_form():
    found = paired_difference(*rows(0, 0, 40, 4))
    assert (found.low, found.high) == pytest.approx((-(Z95**2) / (44 + Z95**2), Z95**2 / (44 + Z95**2)))
    assert found.value == 0 and not found.told


def test_always_and_never_right_is_wilson_of_all():
    """Where every row tells them apart the difference is 2 p - 1, so its interval is that of p."""
    for only_a, only_b in ((30, 0), (0, 30), (20, 10)):
        found = paired_difference(*rows(only_a, only_b))
        low, high = accuracy_interval(only_a / 30, 30)
        assert (found.low, found.high) == pytest.approx((2 * low - 1, 2 * high - 1), abs=1e-6)


def test_a_difference_is_told_exactly_where_mcnemars_test_tells_it():
    rng = np.random.default_rng(0)
    for _ in range(300):
        only_a, only_b, both = rng.integers(0, 40, 3)
        if only_a + only_b == 0:
            continue
        told = (only_a - only_b) ** 2 / (only_a + only_b) > Z95**2
        assert paired_difference(*rows(only_a, only_b, both, 5)).told == told


def test_the_interval_covers_the_true_difference_of_paired_draws():
    """2,000 draws of 200 rows: 95 % of the intervals hold the true 0.06, but for the noise of 2,000 draws."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(2000):
        counts = rng.multinomial(200, [0.12, 0.06, 0.7, 0.12])
        found = paired_difference(*rows(*counts))
        held += found.low <= 0.06 <= found.high
    assert held / 2000 == pytest.approx(0.95, abs=0.02)


def test_exchanging_the_two_changes_the_sign():
    y, a, b = rows(12, 2, 36)
    there, back = paired_difference(y, a, b), paired_difference(y, b, a)
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))


def test_rows_that_do_not_pair_are_refused():
    with pytest.raises(UserError, match="rows of one length"):
        paired_difference(np.zeros(3), np.zeros(3), np.zeros(4))
    with pytest.raises(UserError, match="not empty"):
        paired_difference(np.zeros(0), np.zeros(0), np.zeros(0))
