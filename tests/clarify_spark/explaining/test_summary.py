"""Global values and their errors: numpy on all values at once, any order of computation, known games."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clarify_spark.explaining.medians import order_statistics
from clarify_spark.explaining.summary import Totals, summarize
from clarify_spark.udfs.explained import Explained, from_bytes, to_bytes
from clarify_spark.udfs.shap.shapley import default_prior, game

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TABLES = arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 3)), elements=FINITE)
TIED = arrays(
    np.float64, st.tuples(st.integers(1, 40), st.integers(1, 3)), elements=st.sampled_from([-1.0, -0.0, 0.0, 2.5])
)


def blocks_of(values, errors=None, size=7):
    """Blocks of ``size`` rows with these values and errors (n, D, K)."""
    base = np.zeros(values.shape[:2])
    whole = np.arange(len(values))
    return [
        Explained(
            row_keys=keys,
            join=None,
            prediction=values[keys].sum(axis=2),
            base=base[keys],
            values=values[keys],
            errors=None if errors is None else errors[keys],
            residual=base[keys],
            records=len(keys) * 10,
            calls=2,
            duplicates=1,
        )
        for keys in np.split(whole, range(size, len(values), size))
    ]


@pytest.fixture
def local():
    """Values and errors of 100 rows, 2 outputs and 3 features; the third feature does nothing."""
    rng = np.random.default_rng(5)
    values = rng.normal([0.0, 1.0, 0.0], [1.0, 0.1, 0.0], (100, 2, 3))
    return values, np.broadcast_to([0.5, 0.1, 0.0], values.shape)


# --- laws ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "of"),
    [
        ("mean_abs", lambda values: np.abs(values).mean(axis=0)),
        ("median", partial(np.median, axis=0)),
        ("mean_sq", lambda values: (values**2).mean(axis=0)),
    ],
)
def test_global_values_are_those_of_all_rows_together(local, method, of):
    values, errors = local
    found = summarize(blocks_of(values, errors), method, exact=False)
    assert np.allclose(found.values, of(values), rtol=1e-14)
    assert np.allclose(found.means, values.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("method", ["mean_abs", "median", "mean_sq"])
def test_blocks_that_travelled_give_the_same_bits(local, method):
    blocks = blocks_of(*local)
    travelled = [from_bytes(to_bytes(block)) for block in blocks]
    turned = [replace(block, values=np.asfortranarray(block.values)) for block in blocks]
    wanted = summarize(blocks, method, exact=False)
    for again in (travelled, turned):
        found = summarize(again, method, exact=False)
        for name in ("values", "coalition_errors", "row_errors", "means", "certain"):
            assert np.array_equal(getattr(found, name), getattr(wanted, name)), name


def test_the_size_of_blocks_changes_global_values_by_rounding_only(local):
    values, errors = local
    one, many = (summarize(blocks_of(values, errors, size), "mean_abs", exact=False) for size in (100, 1))
    for name in ("values", "coalition_errors", "row_errors", "means", "certain"):
        assert np.allclose(getattr(one, name), getattr(many, name), rtol=1e-13), name


def test_errors_over_rows_are_standard_errors_of_means(local):
    values, errors = local
    found = summarize(blocks_of(values, errors), "mean_abs", exact=False)
    assert np.allclose(found.row_errors, np.abs(values).std(axis=0, ddof=1) / 10, rtol=1e-12)
    squared = summarize(blocks_of(values, errors), "mean_sq", exact=False)
    assert np.allclose(squared.row_errors, (values**2).std(axis=0, ddof=1) / 10, rtol=1e-12)


def test_values_far_from_zero_keep_their_errors_over_rows():
    values = 1e9 + np.arange(50.0).reshape(50, 1, 1)
    found = summarize(blocks_of(values), "mean_abs", exact=True)
    assert np.allclose(found.row_errors, np.arange(50.0).std(ddof=1) / np.sqrt(50), rtol=1e-9)


def test_one_row_has_no_error_over_rows():
    for method in ("mean_abs", "median", "mean_sq"):
        found = summarize(blocks_of(np.full((1, 1, 2), 3.0)), method, exact=True)
        assert np.isnan(found.row_errors).all()


def test_signs_are_certain_beyond_two_standard_errors_and_without_errors_where_not_zero():
    values = np.array([1.97, -1.97, 1.95, 0.0]).reshape(4, 1, 1)
    assert summarize(blocks_of(values, np.ones_like(values)), "mean_abs", exact=False).certain == 0.5
    assert summarize(blocks_of(values), "mean_abs", exact=True).certain == 0.75
    assert summarize(blocks_of(values), "mean_abs", exact=False).certain is None


@pytest.mark.parametrize("method", ["mean_abs", "median", "mean_sq"])
def test_exact_values_have_no_error_over_coalitions_and_unknown_ones_have_none_to_tell(local, method):
    values, _ = local
    assert not summarize(blocks_of(values), method, exact=True).coalition_errors.any()
    assert summarize(blocks_of(values), method, exact=False).coalition_errors is None


def test_counts_add_up_and_the_largest_residual_of_each_output_remains(local):
    values, errors = local
    first, *others = blocks_of(values, errors)
    first = replace(first, residual=first.residual + np.array([1e-9, -2e-9]), base=first.base + 1.0)
    found = summarize([first, *others], "mean_abs", exact=False)
    assert (found.rows, found.records, found.calls, found.duplicates) == (100, 1000, 30, 15)
    assert found.largest_residuals.tolist() == [1e-9, 2e-9]
    assert np.allclose(found.bases, 0.07)


def test_no_rows_are_a_bug_of_the_caller():
    with pytest.raises(ValueError, match="no rows"):
        Totals("mean_abs", exact=True).summary([])


# --- medians ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2**22], ids=["bit by bit", "at once"])
@given(st.one_of(TABLES, TIED), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_order_statistics_are_those_of_sorted_columns(most, table, size):
    ranks = (0, len(table) // 2, len(table) - 1)
    found = order_statistics(lambda: iter(np.split(table, range(size, len(table), size))), len(table), ranks, most)
    assert np.array_equal(found, np.sort(table, axis=0)[list(ranks)])


@pytest.mark.parametrize("rows", [1, 2, 3, 1000, 1001])
def test_medians_of_even_and_odd_numbers_of_rows_with_ties_and_huge_values(rows):
    rng = np.random.default_rng(rows)
    values = rng.choice([-1e300, -1e-300, 0.0, 1.5, 1e300], (rows, 1, 4)) * rng.choice(
        [1.0, rng.random()], (rows, 1, 4)
    )
    found = summarize(blocks_of(values, size=64), "median", exact=True)
    assert np.array_equal(found.values, np.median(values, axis=0))


def test_a_median_of_the_largest_floats_is_no_infinity():
    values = np.full((2, 1, 1), np.finfo(np.float64).max)
    assert summarize(blocks_of(values), "median", exact=True).values == values[0]


def test_few_readings_narrow_many_values_down_with_few_of_them_in_memory():
    table = np.random.default_rng(1).normal(size=(50_000, 2))
    readings = []

    def read():
        readings.append(1)
        return iter(np.split(table, 50))

    found = order_statistics(read, len(table), (24_999, 25_000), most=2_000)
    assert np.array_equal(found, np.sort(table, axis=0)[24_999:25_001])
    assert len(readings) <= 8


def test_errors_of_medians_over_rows_agree_with_repeated_samples():
    medians, errors = [], []
    for seed in range(200):
        values = np.random.default_rng(seed).standard_t(3, (400, 1, 1))
        found = summarize(blocks_of(values, size=100), "median", exact=True)
        medians.append(found.values.item())
        errors.append(found.row_errors.item())
    assert 0.85 < np.mean(errors) / np.std(medians) < 1.2


def test_errors_of_medians_over_coalitions_bound_shifts_of_all_rows():
    values = np.random.default_rng(3).normal(size=(501, 1, 2))
    errors = np.full_like(values, 0.25)
    found = summarize(blocks_of(values, errors), "median", exact=False)
    assert np.allclose(found.coalition_errors, 0.25)


# --- calibration --------------------------------------------------------------------------------------------------


def coverage(method, of, correlation):
    """How often 1.96 errors over coalitions reach from the seen to the true global value, errors known, rows alike.

    Features: 0 in all rows, as large as its errors, of one sign, of both signs, 0 in most rows.
    """
    rng = np.random.default_rng(11)
    rows = 200
    true = rng.normal([0.0, 0.0, 5.0, 0.0, 0.0], [0.0, 1.0, 1.0, 5.0, 3.0], (rows, 1, 5))
    true[20:, :, 4] = 0.0
    errors = np.broadcast_to(rng.uniform(0.5, 1.5, (rows, 1, 1)), true.shape)
    hits = []
    for _ in range(300):
        shared = rng.normal(size=(1, 1, 5)) * np.where(true < 0, -1.0, 1.0)
        own = rng.normal(size=true.shape)
        seen = true + errors * (np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own)
        found = summarize(blocks_of(seen, errors, 64), method, exact=False)
        hits.append(np.abs(found.values - of(true)) <= 1.96 * found.coalition_errors)
    return np.mean(hits, axis=0)[0]


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.06, 0.5, 1.0])
@pytest.mark.parametrize(
    ("method", "of"),
    [
        ("mean_abs", lambda values: np.abs(values).mean(axis=0)),
        ("median", partial(np.median, axis=0)),
        ("mean_sq", lambda values: (values**2).mean(axis=0)),
    ],
)
def test_intervals_over_coalitions_hold_however_much_the_errors_of_rows_agree(method, of, correlation):
    assert coverage(method, of, correlation).min() >= 0.92


def test_intervals_over_coalitions_are_not_wider_than_errors_that_all_agree_need():
    found = coverage("mean_abs", lambda values: np.abs(values).mean(axis=0), 1.0)
    assert found[2] <= 0.97


class Games:
    """Rows that are polynomials in the signs of 12 features, of odd orders 1 to 5, with known Shapley values.

    Half of the features are alike in all rows, so that errors of rows agree; the last four do nothing. With
    v(s) = sum of c_T prod s_i over T, d(S) = 2 v(s) and φ_i = sum over T with i of 2 c_T / |T|.
    """

    def __init__(self, rows):
        rng = np.random.default_rng(2)
        sets = [rng.choice(8, order, replace=False) for order, count in ((1, 8), (3, 25), (5, 8)) for _ in range(count)]
        self.inside = np.array([np.isin(np.arange(12), one) for one in sets])
        signs = np.where(np.arange(12) < 4, 1.0, rng.choice([-1.0, 1.0], (rows, 12)))
        size = self.inside.sum(axis=1)
        self.terms = rng.normal(size=len(sets)) / size * np.where(self.inside, signs[:, None], 1.0).prod(axis=2)
        self.values = 2 * (self.terms / size) @ self.inside

    def differences(self, members):
        """v(S) - v(N without S) (P, n) and v(N) - v(no feature) (n,)."""
        signs = np.where(members, 1.0, -1.0)
        products = np.where(self.inside, signs[:, None], 1.0).prod(axis=2)
        return 2 * products @ self.terms.T, 2 * self.terms.sum(axis=1)


@pytest.mark.parametrize("method", ["mean_abs", "median", "mean_sq"])
def test_intervals_over_coalitions_hold_in_games_with_known_values(method):
    games = Games(rows=60)
    true = summarize(blocks_of(games.values[:, None]), method, exact=True).values
    hits, ratios = [], []
    for seed in range(25):
        sampled = game(12, 120, "blup", default_prior(), seed, True)
        values, errors = sampled.solver.solve(*games.differences(sampled.design.members))
        found = summarize(blocks_of(values.T[:, None], errors.T[:, None]), method, exact=False)
        off = np.abs(found.values - true)
        hits.append(off <= 1.96 * found.coalition_errors)
        ratios.append(found.coalition_errors.mean() / off.mean())
    assert np.mean(hits) >= 0.95
    assert np.mean(ratios) <= 10
