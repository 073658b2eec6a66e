"""Rows that stand for many: distances by definition, laws of the choice, and what it is worth to an explanation."""

import builtins
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, make_blobs
from sklearn.ensemble import HistGradientBoostingClassifier

from clarify_spark.errors import CommandError
from clarify_spark.explaining.clustering import (
    ENOUGH,
    GAMMA,
    MOST_CATEGORIES,
    MOST_CHOSEN,
    MOST_COLUMNS,
    Attribute,
    points,
    prototypes,
    sample_size,
)

NUMBERS = st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.integers(-5, 5)
WORDS = st.none() | st.sampled_from(["", "a", "b", "c", True, 1])


def numeric(values):
    return Attribute(list(values), categorical=False)


def words(values):
    return Attribute(list(values), categorical=True)


def of(frame):
    return points([numeric(frame[name].tolist()) for name in frame.columns])


def squared_distances(found):
    return ((found[:, np.newaxis] - found[np.newaxis]) ** 2).sum(axis=2)


# --- distances ------------------------------------------------------------------------------------------------------


def test_rows_are_as_far_apart_as_in_k_prototypes():
    rng = np.random.default_rng(0)
    age, job, flag = rng.normal(size=30), rng.choice(["a", "b", None], 30), rng.choice([True, False], 30)
    found = squared_distances(points([numeric(age), words(job), words(flag)]))
    ranks = np.sqrt(12) * pd.Series(age).rank().to_numpy() / 30
    for one, other in itertools.combinations(range(30), 2):
        categories = int(job[one] != job[other]) + int(flag[one] != flag[other])
        assert found[one, other] == pytest.approx((ranks[one] - ranks[other]) ** 2 + GAMMA * categories)


def test_numbers_have_variance_one_and_neither_units_nor_outliers_matter():
    values = np.random.default_rng(1).normal(size=999)
    found = points([numeric(values)])
    assert found.var() == pytest.approx(1, abs=1e-5)
    assert np.array_equal(found, points([numeric(np.exp(10 * values))]))
    assert np.array_equal(found, points([numeric([*np.where(values == values.max(), np.inf, values)])]))


def test_a_missing_number_lies_in_the_middle_and_a_missing_category_is_one_of_its_own():
    found = points([numeric([1.0, 2.0, 3.0, None, np.nan])])[:, 0]
    assert found[1] == found[3] == found[4]
    found = squared_distances(points([words(["", None, "nan", np.nan])]))
    assert found[1, 3] == 0
    assert found[0, 1] == found[0, 2] == found[1, 2] == pytest.approx(GAMMA)


def test_features_that_do_not_vary_have_no_column():
    constant = [numeric([1, 1, 1]), numeric([None, 7, None]), numeric([None] * 3), words(["x"] * 3), words([None] * 3)]
    assert points(constant).shape == (3, 0)
    assert points([*constant, numeric([1, 2, 3])]).shape == (3, 1)


def test_rare_categories_of_a_column_share_one_place():
    ids = [f"id{number}" for number in range(500)]
    assert points([words([*ids, *["often"] * 9])]).shape == (509, MOST_CATEGORIES + 1)


def test_the_columns_of_many_wide_categories_are_bounded():
    columns = [words([f"{(row * step) % 40}" for row in range(400)]) for step in range(1, 101)]
    assert points(columns).shape[1] <= MOST_COLUMNS


# --- choice ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blobs():
    found, labels = make_blobs([500, 300, 200], centers=np.eye(3, 4) * 40, random_state=0)
    return found, labels


def test_three_heaps_are_three_clusters_of_their_sizes(blobs):
    found = prototypes(blobs[0], None, 0)
    by_heap = dict(zip(blobs[1][found.positions].tolist(), found.shares.tolist(), strict=True))
    assert by_heap == {0: 0.5, 1: 0.3, 2: 0.2}


def test_the_number_chosen_is_the_least_that_takes_away_enough_of_the_spread():
    rows = np.random.default_rng(0).normal(size=(400, 6))
    found = prototypes(rows, None, 0)
    assert list(found.spreads) == list(range(1, MOST_CHOSEN + 1))
    assert found.spreads[1] == pytest.approx(((rows - rows.mean(axis=0)) ** 2).sum())
    gain = {number: found.spreads[1] - spread for number, spread in found.spreads.items()}
    enough = [number for number in gain if gain[number] >= ENOUGH * max(gain.values())]
    assert len(found.positions) == min(enough)


def test_each_row_chosen_is_the_member_of_its_cluster_nearest_to_the_mean(blobs):
    rows, labels = blobs
    for position in prototypes(rows, 3, 0).positions:
        members = np.flatnonzero(labels == labels[position])
        distances = ((rows[members] - rows[members].mean(axis=0)) ** 2).sum(axis=1)
        assert ((rows[position] - rows[members].mean(axis=0)) ** 2).sum() == pytest.approx(distances.min())


@pytest.mark.parametrize("clusters", [1, 2, 7, 40])
def test_as_many_rows_as_asked_for(clusters):
    found = prototypes(np.random.default_rng(0).normal(size=(300, 5)), clusters, 0)
    assert len(set(found.positions.tolist())) == clusters
    assert found.shares.sum() == pytest.approx(1)


def test_of_equal_rows_the_first_is_chosen_and_there_are_no_more_clusters_than_rows_that_differ():
    rows = np.repeat([[0.0, 0.0], [9.0, 1.0]], [3, 2], axis=0)
    for clusters in (None, 2, 5):
        found = prototypes(rows, clusters, 0)
        assert found.positions.tolist() == [0, 3]
        assert found.shares.tolist() == [0.6, 0.4]
    assert prototypes(np.zeros((4, 0)), None, 0).positions.tolist() == [0]
    assert prototypes(np.ones((1, 2)), 3, 0).shares.tolist() == [1.0]


@given(st.integers(1, 20).flatmap(lambda rows: st.tuples(
    st.lists(NUMBERS, min_size=rows, max_size=rows),
    st.lists(WORDS, min_size=rows, max_size=rows),
    st.none() | st.integers(1, 30),
    st.integers(-(2**63), 2**63 - 1),
)))  # fmt: skip
@settings(deadline=None, max_examples=25)
def test_any_columns_give_rows_and_shares_that_sum_to_one_and_the_same_ones_again(case):
    numbers, categories, clusters, seed = case
    rows = points([numeric(numbers), words(categories)])
    assert np.isfinite(rows).all()
    found, again = prototypes(rows, clusters, seed), prototypes(rows, clusters, seed)
    assert found.positions.tolist() == again.positions.tolist()
    assert found.shares.tolist() == again.shares.tolist()
    assert (np.diff(found.positions) > 0).all()
    assert 0 <= found.positions[0] <= found.positions[-1] < len(numbers)
    assert (found.shares > 0).all()
    assert found.shares.sum() == pytest.approx(1)


def test_the_sample_is_bounded_in_cells_and_large_enough_for_the_clusters():
    assert sample_size(10, None) == 3_000
    assert sample_size(2_000, None) == 500
    assert sample_size(10, 1_000) == 10_000
    assert sample_size(10**7, None) == 10 * MOST_CHOSEN


# --- worth ----------------------------------------------------------------------------------------------------------


def values_of_coalitions(model, rows, members, background, weights):
    """The mean output over a weighted background, for coalitions (P, M) of features taken from rows (n, M): (P, n)."""
    found = []
    for member in members:
        masked = np.where(member, rows[:, np.newaxis], background[np.newaxis]).reshape(-1, rows.shape[1])
        found.append(model.predict_proba(masked)[:, 1].reshape(len(rows), len(background)) @ weights)
    return np.array(found)


def test_chosen_rows_stand_for_the_data_far_better_than_the_mean_row():
    data = load_breast_cancer(as_frame=True)
    frame = data.data
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(frame.to_numpy(), data.target)
    rng = np.random.default_rng(0)
    rows, members = frame.to_numpy()[::30], rng.random((12, frame.shape[1])) < 0.5
    some = frame.to_numpy()[::2]
    truth = values_of_coalitions(model, rows, members, some, np.full(len(some), 1 / len(some)))
    found = prototypes(of(frame), None, 0)
    chosen = values_of_coalitions(model, rows, members, frame.to_numpy()[found.positions], found.shares)
    mean = values_of_coalitions(model, rows, members, frame.mean().to_numpy()[np.newaxis], np.ones(1))
    assert ((chosen - truth) ** 2).mean() < ((mean - truth) ** 2).mean() / 4


# --- what a user lacks ----------------------------------------------------------------------------------------------


def test_without_scikit_learn_the_message_names_both_ways_out(monkeypatch):
    original = builtins.__import__

    def without(name, *rest, **named):
        if name.startswith("sklearn"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return original(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CommandError, match=r"pip install 'clarify-spark\[sklearn\]'.*methods\.shap\.baseline"):
        prototypes(np.arange(6.0).reshape(3, 2), 2, 0)
