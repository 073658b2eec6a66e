from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarify_spark.udfs.shap import designs
from clarify_spark.udfs.shap.designs import default_samples, design, population


def whole(found):
    """Both coalitions of each pair (2 P, K)."""
    return np.vstack([found.members, ~found.members])


def strength_of(rows, most):
    """The largest t such that every t columns show all 2^t combinations equally often, by counting."""
    players = rows.shape[1]
    for size in range(1, most + 1):
        for columns in combinations(range(players), size):
            codes = rows[:, columns] @ (1 << np.arange(size))
            if len(set(np.bincount(codes, minlength=2**size))) > 1:
                return size - 1
    return most


@given(st.integers(1, 40), st.integers(1, 600), st.integers(0, 2**64))
@settings(max_examples=60, deadline=None)
def test_pairs_are_as_many_as_asked_for_and_no_coalition_comes_twice(players, samples, seed):
    rows = whole(design(players, samples, seed))
    assert len(rows) == min(2 * max(1, samples // 2), 2**players - 2)
    assert len({row.tobytes() for row in rows}) == len(rows)
    assert np.all(rows.any(axis=1) & ~rows.all(axis=1))


@pytest.mark.parametrize("players", [1, 2, 3, 5, 11])
def test_all_coalitions_are_there_when_the_budget_allows(players):
    found = design(players, 2**players - 2, 0)
    assert found.exact
    assert len({row.tobytes() for row in whole(found)}) == 2**players - 2


def test_one_coalition_less_than_all_is_not_exact():
    assert not design(6, 2**6 - 3, 0).exact


@pytest.mark.parametrize(("players", "bits"), [(4, 4), (8, 6), (13, 8)])
def test_generators_of_bose_give_strength_five(players, bits):
    random = np.random.default_rng(0)
    generators, strength = designs._generators(players, bits, random)
    rows = designs._array(generators, random)
    assert strength == 5
    assert strength_of(np.vstack([rows, ~rows]), 5) == 5


@pytest.mark.parametrize(("players", "bits"), [(6, 5), (9, 6), (12, 6), (20, 5)])
def test_grown_generators_have_the_strength_they_claim(players, bits):
    random = np.random.default_rng(1)
    generators, strength = designs._generators(players, bits, random)
    rows = designs._array(generators, random)
    assert len(set(generators.tolist())) == players
    assert strength_of(np.vstack([rows, ~rows]), 5) == strength


def test_products_by_a_number_but_0_are_a_permutation_of_the_field():
    for degree in designs._POLYNOMIALS:
        if degree <= 6:
            rows = [[designs._product(a, b, degree) for b in range(2**degree)] for a in range(1, 2**degree)]
            assert all(sorted(row) == list(range(2**degree)) for row in rows)


def test_a_design_with_an_array_holds_it_whole_beside_the_single_players():
    found = design(14, 2 * (14 + 256), 5)
    assert (found.kind, found.strength) == ("orthogonal array", 5)
    sizes = np.minimum(found.members.sum(axis=1), 14 - found.members.sum(axis=1))
    assert (sizes == 1).sum() == 14
    means = np.where(found.members[14:], 1.0, -1.0)
    third = [
        abs((means[:, a] * means[:, b] * means[:, c] * means[:, d]).mean()) for a, b, c, d in combinations(range(14), 4)
    ]
    assert max(third) < 0.05


def test_sizes_get_equal_numbers_of_pairs_and_small_ones_all_of_theirs():
    found = design(20, 2000, 3, "wls")
    sizes = found.members.sum(axis=1)
    counts = np.bincount(np.minimum(sizes, 20 - sizes), minlength=11)[1:]
    assert counts[0] == 20
    assert counts[1:].max() - counts[1:].min() <= 1 or counts[1] == population(20, 2)


@given(st.integers(2, 12), st.integers(1, 6))
def test_population_counts_pairs_by_the_smaller_coalition(players, size):
    listed = {min(s, tuple(set(range(players)) - set(s))) for s in combinations(range(players), size)}
    if 2 * size <= players:
        assert population(players, size) == len(listed)
    assert sum(population(players, s) for s in range(1, players // 2 + 1)) == 2 ** (players - 1) - 1


def test_the_seed_decides_and_nothing_else():
    assert np.array_equal(design(30, 700, 4).members, design(30, 700, 4).members)
    assert not np.array_equal(design(30, 700, 4).members, design(30, 700, 5).members)


def test_the_default_number_of_coalitions():
    assert [default_samples(players) for players in (1, 4, 11, 12, 100)] == [0, 14, 2046, 2072, 2248]
    assert comb(4, 2) + 8 == default_samples(4)


def test_a_thousand_players_have_a_design():
    assert design(1000, 4048, 0).members.shape == (2024, 1000)
