from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from clarify_spark.udfs.shap.priors import MARGIN, _likelihood, interactions, symmetric
from clarify_spark.udfs.shap.shapley import default_prior, design, fit_prior, solver


def products(members, orders, seed, active):
    """Differences (P, n) of 24 games of products of members' signs of the given orders among the active players."""
    random = np.random.default_rng(seed)
    signs = np.where(members, 1.0, -1.0)
    found = signs[:, active] @ random.normal(size=(len(active), 24))
    for order in orders:
        for chosen in list(combinations(active, order))[:60]:
            found += np.prod(signs[:, chosen], axis=1)[:, np.newaxis] * random.normal(size=24) / 3
    return found


def fitted(coalitions, differences, totals):
    return fit_prior(coalitions, differences.T[:, :, np.newaxis], totals[:, np.newaxis], 0)


def pilot(orders, players=14, samples=600, active=None, seed=1):
    coalitions = design(players, samples, 0)
    active = list(range(players)) if active is None else active
    everyone = np.ones((1, players), dtype=bool)
    seen = products(np.vstack([coalitions.members, everyone]), orders, seed, active)
    return coalitions, seen[:-1], seen[-1]


def test_elementary_polynomials_are_sums_of_products():
    values = np.random.default_rng(0).normal(size=9)
    found = symmetric(lambda k: np.asarray((values**k).sum()), [0, 1, 4, 7])
    for order, polynomial in found.items():
        wanted = sum(np.prod(values[list(chosen)]) for chosen in combinations(range(9), order))
        assert float(polynomial) == pytest.approx(wanted)


def test_smooth_games_get_a_small_share_of_high_orders_and_rough_ones_a_large():
    smooth = fitted(*pilot([3]))
    rough = fitted(*pilot([3, 5, 7]))
    assert smooth.share5 <= 0.03 < 0.3 <= rough.share5
    assert smooth.source == rough.source == "pilot"
    assert smooth.trusted
    assert rough.trusted


def test_players_that_interact_are_found_relevant():
    prior = fitted(*pilot([3, 5], active=[0, 1, 2, 3, 4, 5]))
    relevance = np.array(prior.relevance)
    assert relevance[:6].min() > 3 * relevance[6:].max()
    assert relevance.mean() == pytest.approx(1)


def test_relevance_helps_where_few_players_interact():
    coalitions, seen, totals = pilot([3], players=30, samples=300, active=[0, 1, 2, 3, 4, 5], seed=2)
    values, _ = solver(coalitions, "blup", fitted(coalitions, seen, totals), False).solve(seen, totals)
    plain, _ = solver(coalitions, "blup", default_prior(), False).solve(seen, totals)
    assert (values[6:] ** 2).sum() < (plain[6:] ** 2).sum() / 2


def test_several_outputs_and_scales_are_one_pilot():
    coalitions, seen, totals = pilot([3, 5])
    both = np.stack([seen.T, 1e6 * seen.T], axis=2)
    scaled = fit_prior(coalitions, both, np.stack([totals, 1e6 * totals], axis=1), 0)
    assert scaled.source == "pilot"
    assert fitted(coalitions, 1e-9 * seen, 1e-9 * totals).share5 == fitted(coalitions, seen, totals).share5


def test_the_pilot_alone_decides():
    given = pilot([3])
    assert fitted(*given) == fitted(*given)


@pytest.mark.parametrize("size", [0.0, 1.0])
def test_additive_and_constant_games_keep_the_default(size):
    coalitions, seen, totals = pilot([])
    assert fitted(coalitions, size * seen, size * totals) == default_prior()


def test_a_pilot_of_too_few_coalitions_or_no_rows_is_not_trusted():
    for coalitions, seen, totals in (pilot([3], samples=15), tuple(part for part in pilot([3]))):
        few = slice(0, 0) if len(seen) > 50 else slice(None)
        prior = fitted(coalitions, seen[:, few], totals[few])
        assert (prior.source, prior.trusted) == ("default", False)


def test_a_game_that_no_prior_fits_widens_the_intervals_or_is_not_trusted():
    coalitions, seen, totals = pilot([3], samples=800)
    spoilt = seen.copy()
    spoilt[:40] += 30 * np.random.default_rng(0).standard_t(1.2, size=(40, seen.shape[1]))
    assert fitted(coalitions, seen, totals).misfit < 1.5 * MARGIN
    found = fitted(coalitions, spoilt, totals)
    assert found.misfit > MARGIN or not found.trusted


@pytest.mark.parametrize("scale", [1e-5, 1e-4, 1e-3, 1e-2])
def test_games_that_are_additive_but_for_rounding_have_a_prior_too(scale):
    coalitions = design(12, 600, 0)
    random = np.random.default_rng(0)
    weights, rows = scale * random.normal(size=12), random.normal(size=(20, 12))
    everyone = np.ones((1, 12), dtype=bool)
    inside = np.vstack([coalitions.members, everyone]).astype(float)
    shares = (logistic(inside @ (rows * weights).T) - logistic((1 - inside) @ (rows * weights).T)).T
    prior = fit_prior(coalitions, shares[:, :-1, np.newaxis], shares[:, -1:], 0)
    assert prior.share5 <= 0.1
    assert prior.trusted


def test_differences_beyond_the_largest_float_tell_nothing():
    coalitions, seen, totals = pilot([3])
    seen[0, 0] = np.inf
    prior = fitted(coalitions, seen, totals)
    assert (prior.source, prior.trusted) == ("default", False)


def logistic(values):
    return 1 / (1 + np.exp(-values))


def test_pairs_of_which_main_effects_leave_nothing_are_as_likely_as_can_be():
    signs = np.vstack([np.where(design(8, 100, 0).members, 1.0, -1.0), np.ones(8)])
    assert _likelihood(np.eye(len(signs)), signs, np.zeros((len(signs), 3))) == np.inf


def test_the_likelihood_is_that_of_what_main_effects_do_not_explain():
    random = np.random.default_rng(0)
    signs = np.vstack([np.where(design(8, 100, 0).members, 1.0, -1.0), np.ones(8)])
    seen, free = random.normal(size=(len(signs), 3)), len(signs) - signs.shape[1]
    contrasts = np.linalg.svd(signs)[0][:, signs.shape[1] :].T
    found, expected = [], []
    for weights in (np.ones(8), random.random(8)):
        covariance = 0.01 * np.eye(len(signs)) + sum(interactions(signs, weights).values())
        inner = contrasts @ covariance @ contrasts.T
        square = np.einsum("ir,ij,jr", contrasts @ seen, np.linalg.inv(inner), contrasts @ seen)
        expected.append(-0.5 * (free * np.log(square) + np.linalg.slogdet(inner)[1]))
        found.append(_likelihood(covariance, signs, seen))
    assert found[0] - found[1] == pytest.approx(expected[0] - expected[1])


def test_rows_more_than_coalitions_and_repeated_give_the_same_prior():
    coalitions, seen, totals = pilot([3, 5], samples=100)
    often = len(seen) // len(totals) + 2
    whole = fitted(coalitions, np.tile(seen, often), np.tile(totals, often))
    assert replace(whole, relevance=None) == replace(fitted(coalitions, seen, totals), relevance=None)
