import pickle
import re
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from shap_plans import mixed, numbers, plan_of, settings_of, shapley_values, spec_of
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.explained import from_bytes, probe_from_bytes
from clarify_spark.udfs.model_answer import Answer, NumericPredict, labels_of
from clarify_spark.udfs.predictors.estimators import predictor
from clarify_spark.udfs.shap.kernel_shap import explain_batches, explain_block, link, outputs_of, probe, probe_batches

MODELS = Path(__file__).parent / "models"


def scores(function):
    """A predictor whose scores are what the function makes of a frame."""
    return lambda frame: Answer(None, np.asarray(function(frame), dtype=float).reshape(len(frame), -1))


@scores
def loans(frame):
    """Two scores between 0 and 1 from features of all kinds, with interactions and missing values."""
    age = frame["age"].fillna(0.3)
    raw = age * frame["children"] + np.where(frame["owner"], frame["income"], 1) * (frame["job"] == "cook")
    raw += 0.5 * frame["job"].isna() * age - frame["income"] ** 2
    return np.stack([1 / (1 + np.exp(-raw)), 0.5 + np.tanh(raw) / 3], axis=1)


class Watched:
    """A predictor that remembers the sizes of the frames it was given."""

    def __init__(self, predict):
        self.predict, self.sizes, self.bytes = predict, [], 0

    def __call__(self, frame):
        self.sizes.append(len(frame))
        self.bytes = max(self.bytes, int(frame.memory_usage(index=False).sum()))
        return self.predict(frame)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["identity", "logit"])
@pytest.mark.parametrize("players", [(0, 1, 2, 3, 4), (1, 3), (2,), (0, 2, 3)])
def test_values_are_those_of_the_definition(kind, players):
    settings = settings_of(mixed(1, 4), [0.1, 0.2, 0.3, 0.4], link=kind, players=players)
    rows = mixed(2, 6)
    explained = explain_block(rows, loans, plan_of(loans, settings))
    for position in range(len(rows)):
        wanted = shapley_values(loans, rows.iloc[[position]], settings)
        np.testing.assert_allclose(explained.values[position], wanted, atol=1e-10)
    np.testing.assert_array_equal(explained.prediction, link(loans(rows).scores, kind))
    np.testing.assert_allclose(explained.residual, 0, atol=1e-12)
    np.testing.assert_array_equal(explained.errors, 0)


def test_the_base_is_the_mean_over_the_background_with_every_player_taken_from_it():
    settings = settings_of(mixed(1, 4), [0.1, 0.2, 0.3, 0.4], players=(1, 3))
    rows = mixed(2, 5)
    explained = explain_block(rows, loans, plan_of(loans, settings))
    for position in range(len(rows)):
        frame = settings.background.rows.copy()
        for name in ("age", "owner", "income"):
            frame[name] = rows[name].iloc[position]
        np.testing.assert_allclose(explained.base[position], settings.background.weights @ loans(frame).scores)
    everyone = plan_of(loans, settings_of(mixed(1, 4), [0.1, 0.2, 0.3, 0.4]))
    np.testing.assert_array_equal(explain_block(rows, loans, everyone).base, np.tile(everyone.expected, (5, 1)))


@pytest.mark.parametrize("samples", [100, 500])
def test_a_linear_model_gives_weight_times_distance_from_the_mean_at_any_budget(samples):
    weights = np.arange(1.0, 31.0)
    predict = scores(lambda frame: frame.to_numpy() @ weights)
    settings = settings_of(numbers(1, 7, 30), samples=samples)
    rows = numbers(2, 9, 30)
    explained = explain_block(rows, predict, plan_of(predict, settings))
    wanted = weights * (rows - settings.background.rows.mean()).to_numpy()
    np.testing.assert_allclose(explained.values[:, 0], wanted, atol=1e-8)


@pytest.mark.parametrize("size", [1e160, 1.7e308])
def test_outputs_near_the_largest_float_are_explained_without_a_warning(size):
    predict = scores(lambda frame: size * np.tanh(frame.to_numpy() @ np.arange(1.0, 13.0)))
    settings = settings_of(numbers(1, 3, 12), samples=200)
    explained = explain_block(numbers(2, 4, 12), predict, plan_of(predict, settings))
    assert explained.values.shape == (4, 1, 12)
    assert probe(numbers(2, 4, 12), predict, settings).totals.shape == (4, 1)


@pytest.mark.slow
def test_values_agree_with_those_of_shap_where_it_enumerates():
    shap = pytest.importorskip("shap")
    background, rows = numbers(1, 5, 8), numbers(2, 3, 8)
    target = rows["x0"] * rows["x1"] + np.sin(rows["x2"])
    model = GradientBoostingRegressor(n_estimators=30).fit(pd.concat([rows] * 20), np.tile(target, 20))
    weights = np.array([0.3, 0.1, 0.2, 0.2, 0.2])
    explainer = shap.KernelExplainer(
        lambda cells: model.predict(pd.DataFrame(cells, columns=rows.columns)),
        shap.utils._legacy.DenseData(background.to_numpy(), list(background.columns), None, weights),
    )
    wanted = explainer.shap_values(rows.to_numpy(), nsamples=2**8, l1_reg=False, silent=True)
    predict = scores(model.predict)
    explained = explain_block(rows, predict, plan_of(predict, settings_of(background, weights)))
    np.testing.assert_allclose(explained.values[:, 0], wanted, atol=1e-9)


def test_a_model_that_takes_a_matrix_gives_the_values_of_its_frames():
    rows, background = numbers(3, 40, 12), numbers(4, 5, 12)
    model = LogisticRegression().fit(rows, rows["x0"] * rows["x1"] > 0)
    by_matrix = predictor(model, spec_of(rows))
    assert isinstance(by_matrix, NumericPredict)
    settings = settings_of(background, samples=300)
    of_matrix, of_frames = (
        explain_block(rows, predict, plan_of(predict, settings)) for predict in (by_matrix, by_matrix.frame)
    )
    np.testing.assert_allclose(of_matrix.values, of_frames.values, atol=1e-12)


@pytest.mark.parametrize("players", [(0, 1, 2, 3, 4), (0, 3)])
@pytest.mark.parametrize("buffer_bytes", [1, 500, 5_000, 2**28])
def test_the_size_of_chunks_bounds_what_the_model_sees_and_hardly_changes_values(buffer_bytes, players):
    settings = settings_of(mixed(1, 6), players=players)
    rows = mixed(2, 5)
    wanted = explain_block(rows, loans, plan_of(loans, settings))
    watched = Watched(loans)
    small = replace(plan_of(loans, settings), settings=replace(settings, buffer_bytes=buffer_bytes))
    explained = explain_block(rows, watched, small)
    np.testing.assert_allclose(explained.values, wanted.values, atol=1e-12)
    masked = watched.sizes[1:]
    assert max(masked) <= max(2, buffer_bytes // (5 * 8 + 1 + 8))
    assert explained.calls == len(watched.sizes)
    assert explained.records == sum(watched.sizes)


@pytest.mark.slow
def test_wide_rows_and_many_background_rows_need_little_memory():
    features, backs = 1000, 100
    settings = settings_of(numbers(1, backs, features), samples=200, standard_errors=False)
    weights = np.linspace(-1, 1, features)
    watched = Watched(scores(lambda frame: frame.to_numpy() @ weights))
    plan = plan_of(watched, settings)
    rows = numbers(2, 1, features)
    tracemalloc.start()
    explained = explain_block(rows, watched, plan)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert explained.records == 200 * backs + 1
    # All masked records together are 160 MB; a chunk of 2,048 is 16 MB.
    assert peak < 40 * 2**20


def test_records_that_repeat_are_asked_for_once_and_nothing_changes():
    def coarse(seed, count):
        return pd.DataFrame(np.random.default_rng(seed).integers(0, 2, (count, 12)).astype(float)).rename(columns=str)

    @scores
    def by_row(frame):
        cells = frame.to_numpy()
        return np.array([cells[row, 0] * cells[row, 1] + cells[row].max() for row in range(len(frame))])

    settings = settings_of(coarse(1, 6), samples=400)
    plan = plan_of(by_row, settings)
    rows = coarse(2, 8)
    watched = Watched(by_row)
    explained = explain_block(rows, watched, plan)
    asked = 400 * 6 * 8 + 8
    assert explained.duplicates > asked / 2
    assert explained.records + explained.duplicates == asked
    # One tiny offset per row and feature keeps all records apart.
    apart = rows + np.random.default_rng(0).random(rows.shape) * 1e-13
    alone = explain_block(apart, by_row, plan)
    assert alone.duplicates < explained.duplicates
    np.testing.assert_allclose(explained.values, alone.values, atol=1e-9)


def test_a_model_that_writes_into_what_it_gets_changes_nothing():
    @scores
    def spoils(frame):
        told = frame["x0"] * frame["x1"] + frame["x2"]
        frame.loc[:, :] = 7.0
        frame["x0"] = 3.0
        return told

    rows, settings = numbers(1, 4, 5), settings_of(numbers(2, 3, 5))
    before = rows.copy()
    plan = plan_of(scores(lambda frame: frame["x0"] * frame["x1"] + frame["x2"]), settings)
    wanted = shapley_values(scores(lambda frame: frame["x0"] * frame["x1"] + frame["x2"]), rows.iloc[[3]], settings)
    np.testing.assert_allclose(explain_block(rows, spoils, plan).values[3], wanted, atol=1e-10)
    pd.testing.assert_frame_equal(rows, before)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda n: Answer(labels_of(["yes"] * n), None), r"only class labels \('yes'\): set predictor.probability"),
        (lambda n: Answer(labels_of([1] * n), None, label_is="class"), r"only class labels \(1\)"),
        (lambda n: Answer(labels_of([True] * n), None), r"only class labels \(True\)"),
        (lambda n: Answer(None, np.zeros((n, 3))), r"3 outputs per record here, but 1 before"),
        (lambda n: Answer(None, np.zeros((n + 1, 1))), r"answered \d+ records, but \d+ were sent"),
        (
            lambda n: Answer(None, np.where(np.arange(n)[:, np.newaxis] == n - 1, np.nan, 1.0)),
            r"1 of \d+ outputs of the model are not finite numbers, for example \[nan\] for x0=",
        ),
        (lambda n: Answer(None, np.full((n, 1), -np.inf)), r"\[-inf\]"),
    ],
)
def test_answers_that_cannot_be_explained_say_why(answer, message):
    plan = plan_of(scores(lambda frame: frame["x0"]), settings_of(numbers(1, 3, 4)))
    with pytest.raises(ModelError, match=message):
        explain_block(numbers(2, 2, 4), lambda frame: answer(len(frame)), plan)


def test_numbers_that_a_regressor_calls_labels_are_outputs():
    spec = spec_of(numbers(1, 1, 1))
    np.testing.assert_array_equal(outputs_of(Answer(labels_of([1, 2.5]), None), spec), [[1.0], [2.5]])
    beside_scores = Answer(labels_of(["a"]), np.array([[0.2, 0.8]]), label_is="class")
    np.testing.assert_array_equal(outputs_of(beside_scores, spec), [[0.2, 0.8]])


def test_log_odds_are_finite_at_the_ends_and_refused_outside():
    np.testing.assert_allclose(link(np.array([0.0, 0.5, 1.0]), "logit"), [-27.6310, 0.0, 27.6310], atol=1e-3)
    assert link(np.array([1e-9]), "logit")[0] == pytest.approx(np.log(1e-9))
    with pytest.raises(ModelError, match=r"use_logit: the model's outputs are not between 0 and 1 \(from -2 to 3\)"):
        link(np.array([-2.0, 0.5, 3.0]), "logit")


@pytest.fixture
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(MODELS))
    sys.modules.pop("shap_functions", None)


def fitted(kind, path):
    """The spec of a model in a file, whose sums depend on the size of a batch."""
    joblib = pytest.importorskip("joblib")
    rows = numbers(5, 300, 6)
    target = (rows["x0"] * rows["x1"] + rows["x2"] > 0).astype(int)
    model = kind().fit(rows, target)
    joblib.dump(model, path / "model.joblib")
    return spec_of(rows, format="sklearn", uri=str(path / "model.joblib"), allow_pickle=True)


def keyed(rows, first=0):
    table = rows.rename(columns={name: f"c{position}" for position, name in enumerate(rows.columns)})
    return table.assign(row_key=np.arange(first, first + len(rows)), join=[f"id {key}" for key in range(len(rows))])


def explained_bytes(table, plan, size):
    whole = pa.Table.from_pandas(table, preserve_index=False)
    features = [f"c{position}" for position in range(len(plan.settings.spec.feature_names))]
    batches = explain_batches(iter(whole.to_batches(max_chunksize=size)), plan, features, "join")
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("kind", [LogisticRegression, lambda: MLPClassifier((20,), max_iter=40, tol=1.0)])
def test_batches_and_partitions_never_change_a_byte(kind, tmp_path):
    spec = fitted(kind, tmp_path)
    settings = settings_of(numbers(6, 3, 6), spec=spec)
    plan = plan_of(scores(lambda frame: [0.5] * len(frame)), settings, block_rows=64)
    table = keyed(numbers(7, 1000, 6), first=10)
    wanted = explained_bytes(table, plan, 10_000)
    assert [(row["block"], row["rows"]) for row in wanted][:2] == [(0, 54), (1, 64)]
    assert sum(row["rows"] for row in wanted) == 1000
    for size in (1, 7, 1000):
        assert explained_bytes(table, plan, size) == wanted
    cut = table["row_key"] < 256
    shipped = pickle.loads(pickle.dumps(plan))  # noqa: S301
    assert explained_bytes(table[cut], shipped, 100) + explained_bytes(table[~cut], shipped, 100) == wanted


def test_a_block_carries_its_keys_and_what_joins_it(tmp_path):
    spec = fitted(LogisticRegression, tmp_path)
    plan = plan_of(scores(lambda frame: [0.5] * len(frame)), settings_of(numbers(6, 3, 6), spec=spec), block_rows=4)
    explained = [from_bytes(row["result"]) for row in explained_bytes(keyed(numbers(7, 6, 6), 2), plan, 100)]
    assert [block.row_keys.tolist() for block in explained] == [[2, 3], [4, 5, 6, 7]]
    assert explained[1].join == ("id 2", "id 3", "id 4", "id 5")
    assert explained[1].values.shape == (4, 1, 6)


@pytest.mark.usefixtures("_importable")
def test_an_error_names_the_block_and_its_rows():
    spec = spec_of(numbers(1, 1, 2), uri="python:shap_functions:not_a_number_at_nine")
    plan = plan_of(scores(lambda frame: [0.5] * len(frame)), settings_of(numbers(1, 2, 2), spec=spec), block_rows=8)
    table = keyed(pd.DataFrame({"x0": np.arange(20.0), "x1": 1.0}))
    good, bad = explained_bytes(table, plan, 100)
    assert (good["block"], good["rows"], good["error"]) == (0, 8, None)
    assert (bad["block"], bad["rows"], bad["result"], bad["error_kind"]) == (1, 8, None, "ModelError")
    said = r"block 1 \(record 9 of file 1 to record 16 of file 1\): 1 of 8 outputs .* not finite .* x0=9.0, x1=1.0"
    assert re.match(said, bad["error"])


@pytest.mark.parametrize("kind", ["identity", "logit"])
def test_a_probe_tells_what_the_plan_and_the_prior_need(kind):
    settings = settings_of(mixed(1, 4), [0.1, 0.2, 0.3, 0.4], samples=12, link=kind)
    rows = mixed(2, 3)
    found = probe(rows, loans, settings)
    plan = plan_of(loans, settings)
    np.testing.assert_array_equal(found.background, loans(settings.background.rows).scores)
    explained = explain_block(rows, loans, plan)
    np.testing.assert_allclose(found.totals, explained.prediction - explained.base)
    solved, _ = plan.game.solver.solve(found.differences[1], found.totals[1])
    np.testing.assert_allclose(solved, explained.values[1].T)
    assert found.outputs == 2
    assert found.pair_sizes.shape == (3, 4)
    assert found.pair_sizes.max() <= 5
    assert found.seconds > 0


def test_a_probe_of_a_game_that_is_enumerated_learns_nothing_and_asks_for_one_row():
    settings = settings_of(mixed(1, 4))
    found = probe(mixed(2, 3), loans, settings)
    assert found.differences.shape == (0, 15, 2)
    assert found.totals.shape == (0, 2)
    assert found.records <= 4 + 3 + 30 * 4


def test_pair_sizes_count_the_players_that_differ():
    background = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", "y"], "c": [1, 2]}).astype({"b": object})
    rows = pd.DataFrame({"a": [np.nan], "b": ["x"], "c": [2]}).astype({"b": object})
    predict = scores(lambda frame: frame["c"])
    assert probe(rows, predict, settings_of(background)).pair_sizes.tolist() == [[2, 1]]
    assert probe(rows, predict, settings_of(background, players=(0, 1))).pair_sizes.tolist() == [[1, 1]]


@pytest.mark.usefixtures("_importable")
def test_a_probe_travels_through_batches():
    spec = spec_of(numbers(1, 1, 3), uri="python:shap_functions:product")
    settings = settings_of(numbers(1, 4, 3), spec=spec, samples=4)
    table = pa.Table.from_pandas(keyed(numbers(2, 5, 3)), preserve_index=False)
    (batch,) = probe_batches(iter(table.to_batches(max_chunksize=2)), settings, ["c0", "c1", "c2"])
    found = probe_from_bytes(batch.to_pylist()[0]["result"])
    assert found.totals.shape == (5, 1)
    assert list(probe_batches(iter([]), settings, ["c0", "c1", "c2"])) == []
