"""``clarify_spark.bias_report``, ``explain`` and ``analyze`` on frames, against the command line on the same rows."""

import json
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import clarify_spark
from clarify_spark.errors import ArgumentError, CommandError, ConfigError, DataError, ModelError

FEATURES = ["obrat", "loanprc", "unem", "chist"]
DOCUMENTS = ("analysis.json", "explanations_shap/out.csv/part-00000.csv", "explanations_shap/baseline.csv")


@pytest.fixture(scope="module")
def rows(loans):
    return loans.head(300).assign(race=lambda rows: rows["black"].map({0: "other", 1: "Black"}))


@pytest.fixture(scope="module")
def model(rows):
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[FEATURES], rows["approve"])


@pytest.fixture
def folder(request, tmp_path):
    """What a session that does not see this machine's files needs besides."""
    return {"data_folder": str(tmp_path / "kept")} if request.config.getoption("--connect") else {}


def of_spark(spark, rows):
    """The rows as a Spark frame; from plain values, since pyspark 3.5 warns of what it asks of pandas."""
    return spark.createDataFrame(list(rows.astype(object).itertuples(index=False, name=None)), list(rows.columns))


def written(output):
    return {name: (Path(output) / name).read_bytes() for name in DOCUMENTS if (Path(output) / name).exists()}


# --- agreement with the command line --------------------------------------------------------------------------------


@pytest.fixture
def by_command(analyze, rows, tmp_path):
    """The files of ``clarify-spark analyze`` on the same rows as CSV."""

    def call(config, *options):
        rows.to_csv(tmp_path / "loans.csv", index=False)
        ran = analyze({"dataset_type": "text/csv", **config}, tmp_path / "loans.csv", *options)
        assert ran.code == 0, ran.err
        return written(ran.output)

    return call


BIAS = {
    "label": "approve",
    "label_values_or_threshold": [1],
    "label_type": "categorical",
    "predicted_label": "predicted",
    "facet": [{"name_or_index": "race", "value_or_threshold": ["Black"]}, {"name_or_index": "male"}],
    "methods": {"pre_training_bias": {"methods": "all"}, "post_training_bias": {"methods": "all"}},
}


def test_a_bias_report_of_a_pandas_frame_has_the_bytes_of_the_command(spark, rows, folder, by_command, tmp_path):
    facets = {"race": "Black", "male": None}
    result = clarify_spark.bias_report(
        rows, label="approve", facets=facets, predicted_label="predicted", output=tmp_path / "api", **folder
    )
    expected = by_command(BIAS)
    assert written(tmp_path / "api") == expected
    assert list(expected) == ["analysis.json"]
    assert result.analysis.post_training_bias_metrics.label == "approve"


@pytest.mark.spark_line
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_bias_report_of_a_spark_frame_has_them_too(spark, rows, by_command, tmp_path, partitions):
    frame = of_spark(spark, rows).repartition(partitions)
    clarify_spark.bias_report(
        frame,
        label="approve",
        facets={"race": ["Black"], "male": [1]},
        predicted_label="predicted",
        config={"methods": {"post_training_bias": {"methods": ["DPPL", "DI", "GE"]}}},
        output=tmp_path / "api",
        data_folder=tmp_path / "kept",
    )
    methods = {**BIAS["methods"], "post_training_bias": {"methods": ["DPPL", "DI", "GE"]}}
    facet = [BIAS["facet"][0], {"name_or_index": "male", "value_or_threshold": [1]}]
    assert written(tmp_path / "api") == by_command({**BIAS, "methods": methods, "facet": facet})
    assert list((tmp_path / "kept").iterdir()) == []  # the rows were there only meanwhile


def test_explanations_of_a_fitted_model_have_the_bytes_of_the_command(spark, rows, model, folder, by_command, tmp_path):
    result = clarify_spark.explain(
        rows, model, num_clusters=2, num_samples=14, pdp=["unem"], seed=3, output=tmp_path / "api", **folder
    )
    joblib.dump(model, tmp_path / "model.joblib")
    config = {
        "excluded_columns": [name for name in rows.columns if name not in FEATURES],
        "methods": {
            "shap": {"num_clusters": 2, "num_samples": 14, "save_local_shap_values": True},
            "pdp": {"features": ["unem"], "grid_resolution": 15},
        },
        "predictor": {"model_uri": str(tmp_path / "model.joblib")},
    }
    expected = by_command(config, "--allow-pickle", "--seed", "3")
    assert written(tmp_path / "api") == expected
    assert len(expected) == 3
    local = result.local_explanations
    assert local.count() == 300
    assert "unem_label0" in local.columns
    assert list(result.shap_values["feature"]) == sorted(FEATURES, key=list(rows.columns).index)


# --- models ---------------------------------------------------------------------------------------------------------


def dppl(result):
    metrics = result.metrics
    return metrics[metrics["metric"] == "DPPL"]["value"].iloc[0]


@pytest.fixture
def report(spark, rows, folder):
    def call(model, frame=None, **more):
        config = {"methods": {"post_training_bias": {"methods": ["DPPL"]}}}
        arguments = {"label": "approve", "facets": {"race": "Black"}, "config": config, **folder, **more}
        return clarify_spark.bias_report(rows if frame is None else frame, model=model, **arguments)

    return call


@pytest.fixture(scope="module")
def gap(rows, model):
    """DPPL of the model, from its own predictions."""
    positive, black = model.predict(rows[FEATURES]) == 1, rows["race"] == "Black"
    return positive[~black].mean() - positive[black].mean()


def test_a_scikit_learn_model_gets_what_it_was_trained_on(report, model, gap):
    assert dppl(report(model)) == pytest.approx(gap)


def test_a_function_that_lives_in_a_notebook_is_a_model(report, model, gap):
    assert dppl(report(lambda frame: model.predict_proba(frame)[:, 1], features=FEATURES)) == pytest.approx(gap)


def test_a_function_of_labels_is_a_model(report, rows):
    def low_ratio(frame):
        return (frame["obrat"] < 40).astype(int)

    black = rows["race"] == "Black"
    expected = rows["predicted"][~black].mean() - rows["predicted"][black].mean()
    assert dppl(report(low_ratio, features=["obrat"])) == pytest.approx(expected)


def test_a_class_of_a_notebook_with_predict_is_a_model(report, rows):
    class Mine:
        def predict(self, frame):
            return (frame["obrat"] < 40).to_numpy().astype(int)

    black = rows["race"] == "Black"
    expected = rows["predicted"][~black].mean() - rows["predicted"][black].mean()
    assert dppl(report(Mine(), features=["obrat"])) == pytest.approx(expected)


def test_boosters_go_in_their_own_formats(report, rows):
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    data = lightgbm.Dataset(rows[FEATURES], rows["approve"])
    light = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 5)
    matrix = xgboost.DMatrix(rows[FEATURES], rows["approve"])
    extreme = xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 5)
    black = rows["race"] == "Black"
    for model, scores in ((light, light.predict(rows[FEATURES])), (extreme, extreme.predict(matrix))):
        good = scores > 0.5
        assert dppl(report(model)) == pytest.approx(good[~black].mean() - good[black].mean())


@pytest.mark.spark_line
def test_a_pipeline_of_spark_is_a_model(spark, report, rows, tmp_path):
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression as SparkRegression
    from pyspark.ml.feature import VectorAssembler

    steps = [VectorAssembler(inputCols=FEATURES, outputCol="x"), SparkRegression(featuresCol="x", labelCol="approve")]
    fitted = Pipeline(stages=steps).fit(of_spark(spark, rows[[*FEATURES, "approve"]]))
    found = report(fitted, features=FEATURES, data_folder=str(tmp_path / "kept"))
    transformed = fitted.transform(of_spark(spark, rows[FEATURES])).select("prediction").collect()
    predicted = np.array([row[0] for row in transformed]) == 1
    black = rows["race"] == "Black"
    assert dppl(found) == pytest.approx(predicted[~black].mean() - predicted[black].mean())
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_path_to_a_pickle_needs_the_word_that_it_is_trusted(report, model, gap, tmp_path):
    joblib.dump(model, tmp_path / "model.joblib")
    with pytest.raises(ModelError, match="is a pickle"):
        report(tmp_path / "model.joblib", features=FEATURES)
    assert dppl(report(tmp_path / "model.joblib", features=FEATURES, allow_pickle=True)) == pytest.approx(gap)


# --- frames ---------------------------------------------------------------------------------------------------------


@pytest.mark.spark_line
def test_every_kind_of_column_of_pandas_can_be_read(spark, folder):
    days = pd.date_range("2026-01-01", periods=60, tz="UTC")
    frame = pd.DataFrame(
        {
            "good": pd.array([True, False] * 30, dtype="boolean"),
            "group": pd.Categorical(["a", "b", "a"] * 20),
            "age": pd.array([*range(59), None], dtype="Int64"),
            "score": np.linspace(0, 1, 60, dtype="float32"),
            "small": np.arange(60, dtype="uint8"),
            "day": days,
            "size": pd.Categorical([1, 2, 3] * 20),
            "odd name, `and` all": ["x", None, "z"] * 20,
        },
        index=range(100, 160),
    )
    result = clarify_spark.bias_report(frame, label="good", facets=["group", "size", "odd name, `and` all"], **folder)
    facets = result.analysis.pre_training_bias_metrics.facets
    assert [entry.value_or_threshold for entry in facets["group"]] == ["a", "b"]
    assert [entry.value_or_threshold for entry in facets["size"]] == ["1", "2", "3"]
    assert result.analysis.pre_training_bias_metrics.label_value_or_threshold == "True"


@pytest.mark.parametrize(
    ("values", "shown"), [([0, 1], "1"), ([0.0, 1.0], "1"), ([False, True], "True")], ids=["int", "float", "bool"]
)
def test_a_label_of_0_and_1_says_itself_what_is_good_however_few_rows(spark, folder, values, shown):
    frame = pd.DataFrame({"y": [values[1], values[0], values[1], values[1]] * 5, "g": ["a", "b", "b", "a"] * 5})
    result = clarify_spark.bias_report(frame, label="y", facets={"g": "a"}, **folder)
    section = result.analysis.pre_training_bias_metrics
    assert section.label_value_or_threshold == shown
    values = {metric.name: metric.value for metric in section.facets["g"][0].metrics}
    assert values["DPL"] == pytest.approx(-0.5)


def test_results_last_when_nothing_holds_them(spark, rows, folder, model):
    local = clarify_spark.explain(rows, model, num_clusters=1, num_samples=14, **folder).local_explanations
    assert local.count() == 300


@pytest.mark.spark_line
def test_the_session_of_the_frame_is_used_and_left_alone(spark, rows, tmp_path):
    before = dict(spark.conf.getAll) if hasattr(spark.conf, "getAll") else None
    frame = of_spark(spark, rows)
    result = clarify_spark.bias_report(
        frame, label="approve", facets=["race"], output=tmp_path / "api", data_folder=tmp_path / "kept"
    )
    assert result.spark is spark
    assert spark.range(3).count() == 3
    assert before is None or dict(spark.conf.getAll) == before


def test_a_config_and_a_uri_are_enough(spark, rows, tmp_path):
    rows.to_csv(tmp_path / "loans.csv", index=False)
    (tmp_path / "config.json").write_text(json.dumps({"dataset_type": "text/csv", **BIAS}))
    first = clarify_spark.analyze(tmp_path / "config.json", tmp_path / "loans.csv")
    second = clarify_spark.analyze({**BIAS, "dataset_uri": str(tmp_path / "loans.csv"), "dataset_type": "text/csv"})
    third = clarify_spark.analyze(BIAS, str(tmp_path / "loans.csv"))
    assert first.document == second.document == third.document


@pytest.mark.spark
@pytest.mark.spark_line
@pytest.mark.process("clarify_spark/api", "clarify_spark/spark/session.py")
def test_in_a_fresh_process_a_local_session_is_made_and_ends_with_it(tmp_path):
    code = (
        "import logging, pandas as pd, clarify_spark\n"
        "rows = pd.DataFrame({'y': [0, 1, 1, 0] * 9, 'g': list('abba') * 9})\n"
        "result = clarify_spark.bias_report(rows, label='y', facets=['g'])\n"
        "again = clarify_spark.bias_report(rows, label='y', facets=['g'])\n"
        "assert result.document == again.document\n"
        "assert result.spark is again.spark, logging.getLogger().handlers == []\n"
        "print(result.output)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert not Path(ran.stdout.splitlines()[-1]).exists()
    assert list(tmp_path.iterdir()) == []


# --- mistakes -------------------------------------------------------------------------------------------------------


def small(**columns):
    return pd.DataFrame({"y": [0, 1] * 10, "g": list("ab") * 10, **columns})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"data": [1, 2]},
            ArgumentError,
            "data: found an object of type list; allowed: a DataFrame of pandas or Spark",
        ),
        ({"label": "z"}, ArgumentError, "label: there is no column 'z'; the columns are y, g"),
        ({"label": "g"}, ArgumentError, "label_values: name the favourable outcomes.*'g' has 'a', 'b'"),
        ({"data": "loans.csv"}, ArgumentError, "label_values: name the favourable outcomes"),
        ({"facets": 3}, ArgumentError, "facets: found an object of type int"),
        ({"facets": ["h"]}, ConfigError, r"facet\[0\].name_or_index: .*'h'"),
        ({"facets": [4.5]}, ConfigError, r"facet\[0\].name_or_index: found 4.5"),
        ({"facets": []}, ConfigError, "facet: found \\[\\]; allowed: at least one facet"),
        ({"excluded_columns": ["h"]}, ArgumentError, "excluded_columns: there is no column 'h'"),
        ({"features": ["h"], "model": len}, ArgumentError, "features: there is no column 'h'"),
        ({"model": 3}, ArgumentError, "model: found an object of type int; allowed: a path or URI"),
        ({"model": LogisticRegression}, ArgumentError, "model: found an object of type ABCMeta|type"),
        ({"model": "m.skops", "config": {"bounds": 3}}, ConfigError, "bounds: found 3"),
        ({"config": "analysis_config.json"}, ArgumentError, "config: found an object of type str"),
        ({"config": {"wieght": "w"}}, ConfigError, 'did you mean "weight"'),
        ({"sed": 3}, ArgumentError, "sed: unknown argument; the others are seed"),
        ({"data": small().rename(columns={"g": 3})}, ArgumentError, "the column 3 has a name that is not text"),
        ({"data": small(g2=1).set_axis(["y", "g", "g"], axis=1)}, ArgumentError, "two columns are called 'g'"),
        ({"data": small(h=[[1]] * 20)}, DataError, "the column 'h' holds lists"),
        ({"data": small(h=[1, "a"] * 10)}, DataError, r"the column 'h' \(object\) has values of several kinds"),
        ({"data": small().head(0)}, ArgumentError, "'y' has no values"),
        ({"data": small().head(0), "label_values": 1}, DataError, "no row"),
    ],
    ids=lambda value: None if isinstance(value, type) else str(value)[:40],
)
def test_mistakes_are_told(spark, folder, arguments, error, message):
    given = {"data": small(), "label": "y", "facets": ["g"], **folder, **arguments}
    with pytest.raises(error, match=message):
        clarify_spark.bias_report(given.pop("data"), **given)


def test_a_model_that_cannot_be_pickled_is_told(spark, folder):
    import threading

    lock = threading.Lock()
    with pytest.raises(ArgumentError, match="model: the function cannot be sent to executors"):
        clarify_spark.explain(small(), lambda frame: lock, features=["y"], **folder)


def test_a_function_that_fails_is_told(spark, folder):
    with pytest.raises(ModelError, match="KeyError: 'nothing'"):
        clarify_spark.explain(small(x=1.5), lambda frame: frame["nothing"], label="y", features=["x"], **folder)


@pytest.mark.parametrize("data", [None, [[1, 2]]])
def test_explanations_need_rows(spark, model, data):
    with pytest.raises(ArgumentError, match="data: found an object of type"):
        clarify_spark.explain(data, model)


def test_a_config_that_is_no_config_is_told(spark, tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ArgumentError, match="is not valid JSON"):
        clarify_spark.analyze(tmp_path / "config.json")
    with pytest.raises(CommandError, match="There is no file"):
        clarify_spark.analyze(tmp_path / "other.json")


def test_a_session_that_does_not_see_this_machine_needs_a_folder(spark, rows, tmp_path):
    from clarify_spark.spark.data.staging import staged
    from clarify_spark.spark.session import Session

    with pytest.raises(ArgumentError, match="data_folder: the executors of this session may not see"):
        staged(Session(spark, local=False), rows, None).__enter__()
    with staged(Session(spark, local=False), rows, str(tmp_path)) as place:
        found = [row[0] for row in spark.read.parquet(place).select("approve").collect()]
    assert found == rows["approve"].tolist()
    assert list(tmp_path.iterdir()) == []


# --- the package ----------------------------------------------------------------------------------------------------


def test_importing_the_package_loads_nothing_that_executors_lack():
    code = (
        "import sys, clarify_spark\n"
        "assert not {'pandas', 'pydantic', 'pyspark', 'clarify_spark.api'} & set(sys.modules), sorted(sys.modules)\n"
        "import clarify_spark.run.pipeline, clarify_spark.explaining.plan\n"
        "assert callable(clarify_spark.explain)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_what_the_package_offers_is_listed():
    assert set(dir(clarify_spark)) >= {"analyze", "bias_report", "explain", "Results"}
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        _ = clarify_spark.explian


# --- columns by name ------------------------------------------------------------------------------------------------

WEIGHTS = {"a": 3.0, "b": 1.0, "c": 0.5}
POINTS = pd.DataFrame({"a": [1.0, 2.0], "b": [10.0, 20.0], "c": [100.0, 200.0], "id": [7, 8]})
BASE = pd.DataFrame({"a": [0.5], "b": [5.0], "c": [50.0]})
RIGHT = {f"{name}_label0": WEIGHTS[name] * (POINTS[name] - BASE[name][0]) for name in WEIGHTS}


def by_names(frame):
    return sum(frame[name] * weight for name, weight in WEIGHTS.items()).to_numpy(dtype=float)


def by_positions(frame):
    return frame.to_numpy() @ np.array([WEIGHTS["c"], WEIGHTS["a"], WEIGHTS["b"]])


def trained(columns):
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=list(columns))
    return LinearRegression().fit(rows, sum(rows[name] * weight for name, weight in WEIGHTS.items()))


@pytest.mark.parametrize(
    ("model", "frames", "data", "baseline", "features"),
    [
        (by_names, "pandas", ["a", "b", "c"], BASE[["c", "b", "a"]], None),
        (by_names, "spark", ["a", "b", "c"], BASE[["b", "c", "a"]], ["c", "a", "b"]),
        (by_positions, "pandas", ["id", "a", "b", "c"], BASE, ["c", "a", "b"]),
        (by_positions, "spark", ["id", "a", "b", "c"], [[50.0, 0.5, 5.0]], ["c", "a", "b"]),
        (trained("abc"), "pandas", ["c", "id", "a", "b"], BASE.assign(id=1)[["id", "b", "a", "c"]], None),
        (trained("cba"), "pandas", ["a", "b", "c"], [[0.5, 5.0, 50.0]], ["a", "b", "c"]),
    ],
)
def test_columns_of_data_and_baseline_go_by_name(spark, folder, tmp_path, model, frames, data, baseline, features):
    rows = POINTS[data] if frames == "pandas" else of_spark(spark, POINTS[data])
    output = tmp_path / "out"
    result = clarify_spark.explain(rows, model, baseline=baseline, features=features, output=output, **folder)
    found = pd.read_csv(output / "explanations_shap" / "out.csv" / "part-00000.csv")
    for name, values in RIGHT.items():
        assert found[name].to_numpy() == pytest.approx(values.to_numpy())
    assert result.shap_values.expected_value.iloc[0] == pytest.approx(by_names(BASE)[0])


def test_what_only_a_position_would_tell_is_refused(spark, folder):
    data = POINTS[["c", "a", "b"]]
    with pytest.raises(ArgumentError, match=r"trained on a, b, c, which the data has in the order c, a, b"):
        clarify_spark.explain(data, trained("abc"), baseline=[[0.5, 5.0, 50.0]], **folder)
    named = {"facet": [{"name_or_index": 2}]}
    with pytest.raises(ArgumentError, match="position 2 in the config is ambiguous"):
        clarify_spark.explain(POINTS, by_names, features=["b", "a", "c"], config=named, baseline=BASE, **folder)
    with pytest.raises(ArgumentError, match="features: 'a' is there twice"):
        clarify_spark.explain(POINTS, by_names, features=["a", "b", "a"], baseline=BASE, **folder)
    with pytest.raises(ArgumentError, match="baseline: there is no column 'c'"):
        clarify_spark.explain(POINTS[["c", "a", "b"]], trained("abc"), baseline=BASE[["a", "b"]], **folder)
