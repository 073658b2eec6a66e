import pickle
from dataclasses import replace
from itertools import combinations, product
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarify_spark.udfs.shap.designs import MOST_PAIRS
from clarify_spark.udfs.shap.priors import moments
from clarify_spark.udfs.shap.shapley import default_prior, design, game, solver

PRIOR = default_prior()


def table_of(players, outputs=1, seed=0):
    """Values (2^K, outputs) of all coalitions at random, numbered by the bits of their members."""
    return np.random.default_rng(seed).normal(size=(2**players, outputs))


def numbers(members):
    return members @ (1 << np.arange(members.shape[1]))


def asked(found, table):
    """The differences (P, n) and totals (n,) of a design."""
    return table[numbers(found.members)] - table[numbers(~found.members)], table[-1] - table[0]


def shapley_values(table):
    """By definition, a mean over all orders of the players: (K, n)."""
    players = len(table).bit_length() - 1
    values = np.zeros((players, table.shape[1]))
    for player in range(players):
        for size in range(players):
            share = factorial(size) * factorial(players - size - 1) / factorial(players)
            for others in combinations([one for one in range(players) if one != player], size):
                without = sum(1 << one for one in others)
                values[player] += share * (table[without | 1 << player] - table[without])
    return values


def additive(players, weights):
    """The table (2^K, n) of an additive game with weights (K, n)."""
    return (np.arange(2**players)[:, np.newaxis] >> np.arange(players) & 1) @ weights


@pytest.mark.parametrize("estimator", ["blup", "wls"])
@pytest.mark.parametrize("players", [1, 2, 3, 4, 7, 10])
def test_all_coalitions_give_the_values_by_definition(players, estimator):
    table = table_of(players, outputs=3, seed=players)
    played = game(players, 2**players - 2, estimator, PRIOR, 0, True)
    values, errors = played.solver.solve(*asked(played.design, table))
    np.testing.assert_allclose(values, shapley_values(table), atol=1e-10)
    assert played.solver.kind == "exact"
    assert not errors.any()


@pytest.mark.parametrize("estimator", ["blup", "wls"])
@given(players=st.integers(3, 14), samples=st.integers(1, 400), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_values_sum_to_the_total_however_few_coalitions(estimator, players, samples, seed):
    table = table_of(players, seed=seed)
    played = game(players, samples, estimator, PRIOR, seed, True)
    values, errors = played.solver.solve(*asked(played.design, table))
    np.testing.assert_allclose(values.sum(axis=0), table[-1] - table[0], atol=1e-9)
    assert np.isfinite(errors).all()
    assert np.all(errors >= 0)


@pytest.mark.parametrize("estimator", ["blup", "wls"])
@given(players=st.integers(3, 12), more=st.integers(0, 40), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_additive_games_are_exact_from_any_sample_that_identifies_them(estimator, players, more, seed):
    weights = np.random.default_rng(seed).normal(size=(players, 2))
    played = game(players, 2 * (players + 1) + more, estimator, PRIOR, seed, True)
    values, errors = played.solver.solve(*asked(played.design, additive(players, weights)))
    np.testing.assert_allclose(values, weights, atol=1e-8)
    if not played.design.exact and len(played.design.members) > players + 20:
        assert errors.max() < 1e-8


@pytest.mark.parametrize("estimator", ["blup", "wls"])
@given(players=st.integers(3, 10), share=st.floats(0.2, 0.9), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_relabelled_players_have_relabelled_values(estimator, players, share, seed):
    random = np.random.default_rng(seed)
    table, order = table_of(players, seed=seed), random.permutation(players)
    found = design(players, int(share * 2**players), seed)
    moved = replace(found, members=found.members[:, order])
    one, _ = solver(found, estimator, PRIOR, False).solve(*asked(found, table))
    other, _ = solver(moved, estimator, PRIOR, False).solve(*asked(found, table))
    np.testing.assert_allclose(other, one[order], atol=1e-8)


@given(players=st.integers(2, 9), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_a_player_that_changes_nothing_gets_nothing_and_equal_players_get_the_same(players, seed):
    table = table_of(players, seed=seed)
    members = (np.arange(2 ** (players + 2))[:, np.newaxis] >> np.arange(players + 2) & 1).astype(bool)
    others = table[numbers(members[:, 2:])]
    alone = game(players + 2, 2 ** (players + 2), "blup", PRIOR, 0, False)
    values, _ = alone.solver.solve(*asked(alone.design, others))
    np.testing.assert_allclose(values[:2], 0, atol=1e-9)
    values, _ = alone.solver.solve(*asked(alone.design, others * members[:, :2].sum(axis=1, keepdims=True) ** 3))
    assert values[0] == pytest.approx(values[1], abs=1e-9)


@pytest.mark.parametrize(("players", "samples"), [(6, 30), (9, 100), (12, 500), (13, 2000)])
def test_least_squares_are_the_textbook_ones_on_the_same_coalitions(players, samples):
    """Lundberg and Lee's weighted regression of v(S) - v(∅) on membership, with Σ φ = v(N) - v(∅) by a multiplier."""
    table = table_of(players, seed=3)
    played = game(players, samples, "wls", PRIOR, 1, False)
    assert not played.design.exact
    rows = np.vstack([played.design.members, ~played.design.members])
    sizes = rows.sum(axis=1)
    kernel = (players - 1) / (sizes * (players - sizes)) / np.bincount(sizes, minlength=players)[sizes]
    normal = rows.T @ (kernel[:, np.newaxis] * rows)
    right = rows.T @ (kernel[:, np.newaxis] * (table[numbers(rows)] - table[0]))
    bordered = np.block([[normal, np.ones((players, 1))], [np.ones((1, players)), np.zeros((1, 1))]])
    wanted = np.linalg.solve(bordered, np.vstack([right, table[-1:] - table[:1]]))[:-1]
    values, _ = played.solver.solve(*asked(played.design, table))
    np.testing.assert_allclose(values, wanted, atol=1e-9)


def by_all_subsets(found, prior, main=1e7):
    """Weights (K, P + 1) of the best linear prediction and its variance (K,), every Fourier coefficient by itself."""
    players = found.members.shape[1]
    signs = np.vstack([np.where(found.members, 1.0, -1.0), np.ones(players)])
    weights = np.ones(players) if prior.relevance is None else np.array(prior.relevance)
    shares = {1: main, 3: 1.0, **{order: prior.share5 ** ((order - 3) // 2) for order in (5, 7, 9, 11)}}
    covariance, cross, variance = prior.nugget * np.eye(len(signs)), np.zeros((players, len(signs))), np.zeros(players)
    for order, share in shares.items():
        sets = list(combinations(range(players), order))
        whole = sum(np.prod(weights[list(one)]) for one in sets)
        for one in sets:
            tau = share * (1 / players if order == 1 else np.prod(weights[list(one)]) / whole)
            column = np.prod(signs[:, list(one)], axis=1)
            covariance += tau * np.outer(column, column)
            cross[list(one)] += tau / order * column
            variance[list(one)] += tau / order**2
    cross[:, -1] += prior.nugget / players
    found_weights = np.linalg.solve(covariance, cross.T).T
    return found_weights, variance + prior.nugget / players**2 - (found_weights * cross).sum(axis=1)


@pytest.mark.parametrize("relevance", [None, (1.7, 0.2, 1.0, 0.6, 1.5, 1.0, 1.0)])
def test_blup_is_the_prediction_from_the_covariance_summed_over_all_subsets(relevance):
    prior = replace(PRIOR, share5=0.3, nugget=0.02, relevance=relevance, misfit=1.5)
    found = design(7, 90, 2)
    weights, variance = by_all_subsets(found, prior)
    solved = solver(found, "blup", prior, True)
    np.testing.assert_allclose(solved.matrix[:7], weights[:, :-1], atol=1e-5)
    np.testing.assert_allclose(solved.shares[:7], weights[:, -1], atol=1e-5)
    np.testing.assert_allclose(solved.spread, 1.5 * np.sqrt(variance), atol=1e-3)


def test_blup_of_few_coalitions_is_the_prediction_with_main_effects_drawn_too():
    found = design(8, 9, 0)
    weights, variance = by_all_subsets(found, PRIOR, main=10.0)
    solved = solver(found, "blup", PRIOR, False)
    np.testing.assert_allclose(solved.matrix, weights[:, :-1], atol=1e-8)
    np.testing.assert_allclose(solved.spread, PRIOR.misfit * np.sqrt(variance), atol=1e-8)


def test_contrasts_have_the_mean_square_of_the_whole_quadratic_form():
    found = design(16, 1200, 0)
    solved = solver(found, "blup", PRIOR, True)
    table = table_of(16, outputs=200, seed=5)
    differences, totals = asked(found, table)
    contrasts = solved.matrix[16:] @ differences + solved.shares[16:, np.newaxis] * totals
    signs = np.vstack([np.where(found.members, 1.0, -1.0), np.ones(16)])
    seen = np.vstack([differences, totals])
    inverse = np.linalg.inv(moments(signs, PRIOR).differences)
    fit = np.linalg.solve(signs.T @ inverse @ signs, signs.T @ inverse @ seen)
    left = seen - signs @ fit
    whole = (left * (inverse @ left)).sum(axis=0) / (len(signs) - 16)
    assert (contrasts**2).mean(axis=0).mean() == pytest.approx(whole.mean(), rel=0.1)
    assert np.abs(solved.matrix[16:] @ signs[:-1] + solved.shares[16:, np.newaxis]).max() < 1e-8


def over_seeds(estimator, table):
    """Errors (300, K, n) of designs by other seeds."""
    found = []
    for seed in range(300):
        played = design(8, 80, seed, estimator)
        found.append(solver(played, estimator, PRIOR, False).solve(*asked(played, table))[0])
    return np.array(found) - shapley_values(table)


def test_least_squares_are_right_in_the_mean_over_seeds():
    errors = over_seeds("wls", table_of(8, outputs=20, seed=9))
    assert np.sqrt((errors.mean(axis=0) ** 2).mean()) < 3 * errors.std() / np.sqrt(300)


def test_shrinkage_of_interactions_is_less_than_half_the_error_even_where_all_orders_weigh_the_same():
    errors = over_seeds("blup", table_of(8, outputs=20, seed=9))
    assert (errors.mean(axis=0) ** 2).mean() < (errors**2).mean() / 2
    assert (errors**2).mean() < (over_seeds("wls", table_of(8, outputs=20, seed=9)) ** 2).mean()


def interacting(players, outputs, seed):
    """Tables (2^K, n) of games with main effects, products of two to five, and their values (K, n)."""
    random = np.random.default_rng(seed)
    members = (np.arange(2**players)[:, np.newaxis] >> np.arange(players) & 1).astype(float)
    table = members @ random.normal(size=(players, outputs))
    for size, _ in product((2, 3, 4, 5), range(12)):
        chosen = random.choice(players, size, replace=False)
        table += np.prod(members[:, chosen], axis=1)[:, np.newaxis] * random.normal(size=outputs)
    return table


@pytest.mark.parametrize("estimator", ["blup", "wls"])
@pytest.mark.parametrize("samples", [60, 200, 500])
def test_intervals_hold_the_true_values(estimator, samples):
    table = interacting(10, 60, 4)
    true = shapley_values(table)
    inside = []
    for seed in range(5):
        played = game(10, samples, estimator, PRIOR, seed, True)
        values, errors = played.solver.solve(*asked(played.design, table))
        inside.append(np.abs(values - true) <= 1.96 * errors)
    assert np.mean(inside) > 0.9


def test_interactions_are_estimated_better_than_by_least_squares():
    table = interacting(12, 40, 6)
    true = shapley_values(table)
    errors = {}
    for estimator in ("blup", "wls"):
        played = game(12, 600, estimator, PRIOR, 0, False)
        errors[estimator] = ((played.solver.solve(*asked(played.design, table))[0] - true) ** 2).sum()
    assert errors["blup"] < errors["wls"] / 4


@pytest.mark.parametrize(("players", "samples"), [(14, 15), (5, 1), (30, 20)])
def test_too_few_coalitions_shrink_towards_equal_shares_and_say_how_far_off_they_may_be(players, samples):
    weights = np.random.default_rng(1).normal(size=(players, 200))
    played = game(players, samples, "blup", PRIOR, 0, True)
    signs = np.where(played.design.members, 1.0, -1.0)
    values, errors = played.solver.solve(signs @ weights, weights.sum(axis=0))
    equal = weights.mean(axis=0)
    assert ((values - weights) ** 2).sum() < ((equal - weights) ** 2).sum()
    assert (np.abs(values - weights) <= 1.96 * errors).mean() > 0.8


@pytest.mark.slow
def test_beyond_the_largest_covariance_least_squares_take_over_and_say_so():
    played = game(14, 2 * MOST_PAIRS + 2, "blup", PRIOR, 0, True)
    assert played.solver.kind.startswith("wls (blup")
    assert played.design.strength == 0


def test_a_prior_about_other_players_counts_without_their_relevance():
    found = design(6, 40, 0)
    other = replace(PRIOR, relevance=(1.0, 2.0, 3.0))
    assert np.array_equal(solver(found, "blup", other, True).matrix, solver(found, "blup", PRIOR, True).matrix)


@pytest.mark.slow
def test_a_thousand_players_are_solved_exactly_where_the_game_is_additive():
    weights = np.random.default_rng(0).normal(size=(1000, 1))
    played = game(1000, 4048, "blup", PRIOR, 0, True)
    values, _ = played.solver.solve(np.where(played.design.members, 1.0, -1.0) @ weights, weights.sum(axis=0))
    np.testing.assert_allclose(values, weights, atol=1e-8)


def test_a_game_survives_a_trip_to_an_executor():
    played = game(6, 30, "blup", PRIOR, 0, True)
    other = pickle.loads(pickle.dumps(played))  # noqa: S301
    assert np.array_equal(other.solver.matrix, played.solver.matrix)
    assert np.array_equal(other.design.members, played.design.members)
