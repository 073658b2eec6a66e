"""Score intervals against statsmodels, published examples and constrained likelihoods maximised by brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, norm
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from clarify_spark.bias.proportions import (
    critical,
    difference_interval,
    difference_score,
    folded_margin,
    paired_interval,
    ratio_interval,
    wilson,
)

Z = critical(0.95)
trials = st.integers(2, 400)
law = settings(deadline=None, max_examples=60)


def arrays(*values):
    return [np.array([float(value)]) for value in values]


@st.composite
def proportion(draw):
    n = draw(trials)
    return draw(st.integers(0, n)), n


def test_the_critical_value_is_the_normal_quantile():
    assert critical(0.95) == pytest.approx(norm.ppf(0.975), abs=1e-12)


@law
@given(proportion())
def test_wilson_is_that_of_statsmodels(one):
    expected = proportion_confint(*one, method="wilson")
    assert np.ravel(wilson(*arrays(*one), Z)) == pytest.approx(expected, abs=1e-12)


@law
@given(proportion(), proportion())
def test_the_ratio_is_that_of_statsmodels_where_it_has_one(first, second):
    (x1, n1), (x2, n2) = first, second
    low, high = np.ravel(ratio_interval(*arrays(x1, n1, x2, n2), Z))
    if 0 < x1 < n1 and 0 < x2 < n2:
        expected = confint_proportions_2indep(x1, n1, x2, n2, compare="ratio", method="score", correction=True)
        assert (low, high) == pytest.approx(expected, rel=1e-6)
    if x1 or x2:
        ratio = np.inf if x2 == 0 else (x1 / n1) / (x2 / n2)
        assert low - 1e-9 <= ratio <= high + 1e-9
    assert (low == 0) == (x1 == 0)
    assert (high == np.inf) == (x2 == 0)


def constrained_score(x1, n1, x2, n2, difference):
    """The score statistic with the likelihood maximised numerically under p1 = p2 + difference."""

    def loss(p):
        first = p + difference
        terms = ((x1, first), (n1 - x1, 1 - first), (x2, p), (n2 - x2, 1 - p))
        return -sum(n * np.log(max(share, 1e-300)) for n, share in terms if n)

    ends = (max(0, -difference), min(1, 1 - difference))
    p = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-13}).x
    first, total = p + difference, n1 + n2
    variance = (first * (1 - first) / n1 + p * (1 - p) / n2) * total / (total - 1)
    return (x1 / n1 - x2 / n2 - difference) / np.sqrt(variance)


@law
@given(proportion(), proportion(), st.floats(-0.9, 0.9))
def test_the_difference_score_maximises_the_constrained_likelihood(first, second, difference):
    (x1, n1), (x2, n2) = first, second
    if not (0 < x1 < n1 and 0 < x2 < n2):
        return
    found = difference_score(*arrays(x1, n1, x2, n2, difference))[0]
    assert found == pytest.approx(constrained_score(x1, n1, x2, n2, difference), rel=1e-4, abs=1e-5)


def test_the_difference_interval_of_newcombe_1998():
    # Newcombe (1998), table II, method 9 (Miettinen and Nurminen), 56/70 - 48/80.
    assert np.ravel(difference_interval(*arrays(56, 70, 48, 80), Z, Z)) == pytest.approx((0.0528, 0.3382), abs=5e-5)


@pytest.mark.slow
@law
@given(proportion(), proportion())
def test_ends_of_the_difference_are_where_the_score_is_critical(first, second):
    values = arrays(*first, *second)
    low, high = difference_interval(*values, Z, Z)
    if low[0] > -1:
        assert difference_score(*values, low)[0] == pytest.approx(Z, abs=1e-5)
    if high[0] < 1:
        assert difference_score(*values, high)[0] == pytest.approx(-Z, abs=1e-5)
    mirrored = difference_interval(*values[2:], *values[:2], Z, Z)
    assert (-mirrored[1][0], -mirrored[0][0]) == pytest.approx((low[0], high[0]), abs=1e-9)


def exact_coverage(n1, p1, n2, p2):
    x1, x2 = (values.ravel() for values in np.meshgrid(np.arange(n1 + 1.0), np.arange(n2 + 1.0), indexing="ij"))
    probability = binom.pmf(x1, n1, p1) * binom.pmf(x2, n2, p2)
    keep = probability > 1e-10
    x1, x2, probability = x1[keep], x2[keep], probability[keep]
    low, high = difference_interval(x1, np.full_like(x1, n1), x2, np.full_like(x2, n2), Z, Z)
    held = (low - 1e-9 <= p1 - p2) & (p1 - p2 <= high + 1e-9)
    return probability[held].sum()


@pytest.mark.parametrize("p1", [0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_exact_coverage_of_the_difference(p1, gap):
    p2 = p1 - gap if p1 > gap else p1 + gap
    assert 0.93 <= exact_coverage(200, p1, 200, p2) <= 0.97
    assert exact_coverage(30, p1, 30, p2) >= 0.90


def paired_score(gains, losses, n, difference):
    def loss(lost):
        gained = lost + difference
        terms = ((gains, gained), (losses, lost), (n - gains - losses, 1 - gained - lost))
        return -sum(k * np.log(max(share, 1e-300)) for k, share in terms if k)

    ends = (max(0.0, -difference), (1 - difference) / 2)
    lost = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-13}).x
    return (gains - losses - n * difference) / np.sqrt(n * (2 * lost + difference * (1 - difference)))


@law
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 200))
def test_the_paired_interval_ends_where_the_constrained_score_is_critical(gains, losses, neither):
    n = gains + losses + neither
    low, high = np.ravel(paired_interval(*arrays(gains, losses, n), Z))
    assert paired_score(gains, losses, n, low) == pytest.approx(Z, abs=1e-4)
    assert paired_score(gains, losses, n, high) == pytest.approx(-Z, abs=1e-4)


def test_flips_of_nobody_leave_an_interval():
    low, high = np.ravel(paired_interval(*arrays(0, 0, 30), Z))
    assert low == pytest.approx(-high)
    assert 0.05 < high < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("theta", [0.0, 0.3, 1.0, 1.5, 1.96, 2.5, 3.0, 6.0])
def test_the_folded_interval_holds_every_parameter_exactly_as_often_as_stated(theta):
    z = np.abs(theta + norm.ppf((np.arange(200_000) + 0.5) / 200_000))
    low = z - folded_margin(z, 0.95)
    low = np.where(z <= Z, 0.0, low)
    held = (low - 1e-9 <= theta) & (theta <= z + Z)
    assert held.mean() == pytest.approx(0.95, abs=1e-3)
