"""Saved Spark ML models computed with numpy, held against what Spark's own ``transform`` says of the same rows."""

import json
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml import classification as mlc
from pyspark.ml import feature as mlf
from pyspark.ml import regression as mlr
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.tuning import CrossValidatorModel

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import matrix_of
from clarify_spark.udfs.predictors import PredictorSpec, format_of, load_predictor, sparkml
from clarify_spark.udfs.scoring import resolved_labels

#: The oracle alone is Spark's; what is tested is numpy.
pytestmark = pytest.mark.classic("the models are trained and saved by Spark ML of a classic session")

ROWS = 240
KINDS = {"city": "string", "size": "string", "age": "integer", "income": "float", "debt": "float", "member": "boolean"}
FEATURES = tuple(KINDS)
NUMBERS = ("age", "income", "debt", "member")
TWO = ("age", "debt")
SCHEMA = "city string, size string, age int, income double, debt double, member boolean, denied string, grade string"


def drawn(seed, rows=ROWS):
    """Rows with missing texts and numbers, and with values that other draws may lack."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "city": draw.choice(["Oslo", "Rome", "Bern", "Kyiv"], rows, p=[0.5, 0.25, 0.2, 0.05]),
            "size": draw.choice(["small", "large"], rows),
            "age": draw.integers(18, 80, rows),
            "income": np.abs(draw.normal(5, 2, rows)),
            "debt": np.where(draw.random(rows) < 0.4, 0.0, draw.gamma(2, 1, rows)),
            "member": draw.random(rows) < 0.4,
        }
    )
    signal = frame["age"] / 20 + frame["income"] - frame["debt"] + draw.normal(0, 1, rows)
    frame["denied"] = np.where(signal > 6.5, "no", "yes")
    frame["grade"] = np.array(["a", "b", "c"])[np.digitize(signal, [5, 8])]
    frame["city"] = frame["city"].astype(object).mask(draw.random(rows) < 0.1, None)
    frame["income"] = frame["income"].mask(draw.random(rows) < 0.15)
    return frame


def to_spark(spark, frame):
    return spark.createDataFrame(list(frame.itertuples(index=False, name=None)), SCHEMA).coalesce(1)


@pytest.fixture(scope="module")
def train(spark):
    return to_spark(spark, drawn(1)).cache()


@pytest.fixture(scope="module")
def asked(spark):
    """Rows that the training did not have, in pandas and in Spark."""
    frame = drawn(2)
    return frame, to_spark(spark, frame).cache()


@pytest.fixture(scope="module")
def ready(train):
    """Stages that impute, assemble and scale numbers, and the training's rows behind them with the labels indexed."""
    stages = [
        mlf.Imputer(inputCols=["income", "age"], outputCols=["income_f", "age_f"]),
        mlf.VectorAssembler(inputCols=["age_f", "income_f", "debt", "member"], outputCol="raw"),
        mlf.StandardScaler(inputCol="raw", outputCol="features"),
    ]
    labels = mlf.StringIndexer(inputCols=["denied", "grade"], outputCols=["denied_i", "grade_i"])
    fitted = Pipeline(stages=[*stages, labels]).fit(train)
    return fitted.stages[:3], fitted.transform(train).cache()


def spec(path, frame=FEATURES, **changes):
    return PredictorSpec("sparkml", str(path), tuple(frame), tuple(KINDS[name] for name in frame), **changes)


def features(frame, names=FEATURES):
    return frame[list(names)].reset_index(drop=True)


def saved(model, folder):
    model.write().overwrite().save(str(folder / "model"))
    return folder / "model"


def columns_of(model, frame, *names):
    """What Spark computes, as arrays."""
    rows = model.transform(frame).select(*names).collect()
    plain = [[cell.toArray() if hasattr(cell, "toArray") else cell for cell in row] for row in rows]
    return [np.array(column) for column in zip(*plain, strict=True)]


#: Made when a test runs, since Spark ML needs a session for them.
CLASSIFIERS = {
    "two classes": lambda: mlc.LogisticRegression(labelCol="denied_i", maxIter=10),
    "two classes by softmax": lambda: mlc.LogisticRegression(labelCol="denied_i", maxIter=10, family="multinomial"),
    "a threshold": lambda: mlc.LogisticRegression(labelCol="denied_i", maxIter=10, threshold=0.3),
    "thresholds": lambda: mlc.LogisticRegression(labelCol="denied_i", maxIter=10, thresholds=[0.7, 0.3]),
    "three classes": lambda: mlc.LogisticRegression(labelCol="grade_i", maxIter=10, thresholds=[0.2, 0.3, 0.5]),
    "sparse": lambda: mlc.LogisticRegression(labelCol="grade_i", maxIter=20, regParam=0.1, elasticNetParam=1.0),
    "tree": lambda: mlc.DecisionTreeClassifier(labelCol="grade_i", maxDepth=4),
    "forest": lambda: mlc.RandomForestClassifier(labelCol="grade_i", numTrees=7, maxDepth=4, seed=3),
    "forest with thresholds": lambda: mlc.RandomForestClassifier(
        labelCol="grade_i", numTrees=3, maxDepth=3, seed=3
    ).setThresholds([0.6, 0.2, 0.2]),
    "boosted": lambda: mlc.GBTClassifier(labelCol="denied_i", maxIter=5, maxDepth=3, seed=3),
    "net": lambda: mlc.MultilayerPerceptronClassifier(labelCol="grade_i", layers=[4, 5, 4, 3], maxIter=15, seed=3),
    "counts": lambda: mlc.NaiveBayes(labelCol="grade_i"),
    "gaussians": lambda: mlc.NaiveBayes(labelCol="grade_i", modelType="gaussian"),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_gives_the_probabilities_and_the_labels_of_spark(ready, asked, tmp_path, name):
    stages, rows = ready
    model = PipelineModel([*stages, CLASSIFIERS[name]().fit(rows)])
    probability, predicted = columns_of(model, asked[1], "probability", "prediction")
    of = spec(saved(model, tmp_path), NUMBERS)
    answer = load_predictor(of)(features(asked[0], NUMBERS))
    wanted = probability[:, 1:] if probability.shape[1] == 2 else probability
    np.testing.assert_allclose(answer.scores, wanted, rtol=0, atol=1e-12)
    assert resolved_labels(answer, of).labels.tolist() == predicted.tolist()
    assert wanted.std() > 0.01
    assert len(set(predicted)) > 1


REGRESSIONS = {
    "linear": lambda: mlr.LinearRegression(labelCol="debt", maxIter=10),
    "poisson": lambda: mlr.GeneralizedLinearRegression(labelCol="age", family="poisson"),
    "gamma by log": lambda: mlr.GeneralizedLinearRegression(labelCol="age", family="gamma", link="log"),
    "gaussian": lambda: mlr.GeneralizedLinearRegression(labelCol="debt"),
    "tree": lambda: mlr.DecisionTreeRegressor(labelCol="debt", maxDepth=4),
    "forest": lambda: mlr.RandomForestRegressor(labelCol="debt", numTrees=7, maxDepth=4, seed=3),
    "boosted": lambda: mlr.GBTRegressor(labelCol="debt", maxIter=5, maxDepth=3, seed=3),
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression_gives_the_values_of_spark(ready, asked, tmp_path, name):
    stages, rows = ready
    model = PipelineModel([*stages, REGRESSIONS[name]().fit(rows)])
    (predicted,) = columns_of(model, asked[1], "prediction")
    answer = load_predictor(spec(saved(model, tmp_path), NUMBERS))(features(asked[0], NUMBERS))
    np.testing.assert_allclose(np.array(answer.labels.tolist()), predicted, rtol=1e-12, atol=1e-12)
    assert (answer.scores, answer.label_is) == (None, "number")
    assert predicted.std() > 0.01


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_a_binomial_regression_gives_a_score(ready, asked, tmp_path, link):
    stages, rows = ready
    estimator = mlr.GeneralizedLinearRegression(labelCol="denied_i", family="binomial", link=link)
    model = PipelineModel([*stages, estimator.fit(rows)])
    (predicted,) = columns_of(model, asked[1], "prediction")
    answer = load_predictor(spec(saved(model, tmp_path), NUMBERS))(features(asked[0], NUMBERS))
    np.testing.assert_allclose(answer.scores[:, 0], predicted, rtol=0, atol=1e-12)


def test_a_support_vector_machine_gives_the_labels_of_spark(ready, asked, tmp_path):
    stages, rows = ready
    model = PipelineModel([*stages, mlc.LinearSVC(labelCol="denied_i", maxIter=10).fit(rows)])
    (predicted,) = columns_of(model, asked[1], "prediction")
    answer = load_predictor(spec(saved(model, tmp_path), NUMBERS))(features(asked[0], NUMBERS))
    assert answer.labels.tolist() == predicted.tolist()
    assert (answer.scores, answer.label_is) == (None, "class")
    assert len(set(predicted)) == 2


SCALERS = [
    ("StandardScaler", {"withMean": True}),
    ("StandardScaler", {}),
    ("StandardScaler", {"withMean": True, "withStd": False}),
    ("MinMaxScaler", {"min": -1.0, "max": 3.0}),
    ("MaxAbsScaler", {}),
    ("RobustScaler", {"withCentering": True}),
    ("RobustScaler", {"withScaling": False, "withCentering": True}),
    ("Normalizer", {"p": 1.0}),
    ("Normalizer", {}),
    ("PCA", {"k": 3}),
    ("Binarizer", {"threshold": 0.5}),
]


def test_stages_on_vectors_compute_what_spark_computes(train, asked, tmp_path):
    """All of them beside each other, one of them of a column that has the same value everywhere."""
    outputs = [f"v{at}" for at in range(len(SCALERS))]
    stages = [
        mlf.Imputer(inputCols=["income"], outputCols=["income_f"]),
        mlf.Binarizer(inputCol="debt", outputCol="always", threshold=-1.0),
        mlf.VectorAssembler(inputCols=["age", "income_f", "debt", "member", "always"], outputCol="raw"),
        *[
            getattr(mlf, name)(inputCol="raw", outputCol=output, **parameters)
            for output, (name, parameters) in zip(outputs, SCALERS, strict=True)
        ],
        mlf.VectorAssembler(inputCols=outputs, outputCol="features"),
        mlr.DecisionTreeRegressor(labelCol="debt", maxDepth=2),
    ]
    model = Pipeline(stages=stages).fit(train)
    seen, of = {}, spec(saved(model, tmp_path), NUMBERS)
    _watched(seen, of, features(asked[0], NUMBERS))
    for output, vectors in zip(outputs, columns_of(model, asked[1], *outputs), strict=True):
        np.testing.assert_allclose(seen[output], vectors, rtol=1e-12, atol=1e-12)
        assert vectors.std() > 0.01


def _watched(seen, of, frame):
    """The answer, with the columns that the model saw kept in ``seen``."""
    told = sparkml.Model.predicted

    def kept(self, columns):
        seen.update(columns)
        return told(self, columns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparkml.Model, "predicted", kept)
        return sparkml.load(of)(frame)


@pytest.mark.parametrize("drop", [True, False])
@pytest.mark.parametrize("keeps", ["keep", "error"])
def test_buckets_indices_and_categories_are_those_of_spark(train, asked, tmp_path, drop, keeps):
    frame, rows = asked
    inf = float("inf")
    stages = [
        mlf.Bucketizer(splits=[-inf, 3.0, 5.0, inf], inputCol="income", outputCol="income_b", handleInvalid="keep"),
        mlf.Bucketizer(
            splitsArray=[[0.0, 0.5, 99.0], [0.0, 4.0, inf]], inputCols=["debt", "income"],
            outputCols=["debt_b", "age_b"], handleInvalid="keep",
        ),
        mlf.Binarizer(thresholds=[0.5, 4.0], inputCols=["debt", "income"], outputCols=["debt_s", "age_s"]),
        mlf.StringIndexer(inputCol="income_b", outputCol="income_i", handleInvalid="keep"),
        mlf.StringIndexer(
            inputCols=["city", "size", "age_b"], outputCols=["city_i", "size_i", "age_i"], handleInvalid="keep"
        ),
        mlf.OneHotEncoder(
            inputCols=["income_b" if keeps == "keep" else "income_i", "city_i", "size_i"],
            outputCols=["income_v", "city_v", "size_v"], dropLast=drop, handleInvalid=keeps,
        ),
        mlf.VectorAssembler(
            inputCols=["income_v", "income", "income_i", "city_v", "size_v", "age_i", "debt_b", "debt_s", "age_s"],
            outputCol="features", handleInvalid="keep",
        ),
        mlr.DecisionTreeRegressor(labelCol="debt", maxDepth=5),
    ]  # fmt: skip
    model = Pipeline(stages=stages).fit(train.dropna())
    vectors, predicted = columns_of(model, rows, "features", "prediction")
    seen = {}
    answer = _watched(seen, spec(saved(model, tmp_path)), features(frame))
    np.testing.assert_array_equal(seen["features"], vectors)
    assert np.isnan(vectors).any()
    assert answer.labels.tolist() == predicted.tolist()


def test_categories_in_a_vector_are_indexed_as_spark_does(train, asked, tmp_path):
    frame, rows = asked
    names = ("age", "debt", "member")
    stages = [
        mlf.Binarizer(inputCol="debt", outputCol="debt_s", threshold=1.0),
        mlf.VectorAssembler(inputCols=["age", "debt_s", "member", "debt"], outputCol="raw"),
        mlf.VectorIndexer(inputCol="raw", outputCol="features", maxCategories=70, handleInvalid="keep"),
        mlr.DecisionTreeRegressor(labelCol="debt", maxDepth=3, maxBins=80),
    ]
    model = Pipeline(stages=stages).fit(train.where("age < 70"))
    vectors, predicted = columns_of(model, rows, "features", "prediction")
    seen = {}
    answer = _watched(seen, spec(saved(model, tmp_path), names), features(frame, names))
    np.testing.assert_array_equal(seen["features"], vectors)
    assert answer.labels.tolist() == predicted.tolist()


def test_numbers_are_found_among_the_labels_that_spark_made_texts(train, asked, tmp_path):
    frame, rows = asked
    stages = [
        mlf.StringIndexer(inputCols=["age", "debt"], outputCols=["age_i", "debt_i"], handleInvalid="keep"),
        mlf.VectorAssembler(inputCols=["age_i", "debt_i"], outputCol="features"),
        mlr.LinearRegression(labelCol="debt", maxIter=2),
    ]
    model = Pipeline(stages=stages).fit(train)
    (vectors,) = columns_of(model, rows, "features")
    seen = {}
    _watched(seen, spec(saved(model, tmp_path), ("age", "debt")), features(frame, ("age", "debt")))
    np.testing.assert_array_equal(seen["features"], vectors)


def test_trees_split_categories_as_spark_does(spark, tmp_path):
    """Without one-hot columns, so that indices stay categories."""
    frame, later = drawn(5), drawn(6)
    letters = np.random.default_rng(7)
    for some in (frame, later):
        some["city"] = letters.choice(list("abcdefgh"), ROWS)
        some["debt"] = some["city"].map({c: (n * 5) % 8 for n, c in enumerate("abcdefgh")}) + some["age"] / 100
    stages = [
        mlf.StringIndexer(inputCol="city", outputCol="city_i", handleInvalid="keep"),
        mlf.VectorAssembler(inputCols=["city_i", "age", "income"], outputCol="features", handleInvalid="keep"),
        mlr.RandomForestRegressor(labelCol="debt", numTrees=5, maxDepth=6, seed=3),
    ]
    model = Pipeline(stages=stages).fit(to_spark(spark, frame.dropna()))
    later.loc[::5, "city"] = "elsewhere"
    (predicted,) = columns_of(model, to_spark(spark, later), "prediction")
    names = ("city", "age", "income")
    answer = load_predictor(spec(saved(model, tmp_path), names))(features(later, names))
    np.testing.assert_allclose(np.array(answer.labels.tolist()), predicted, rtol=1e-12)


@pytest.fixture(scope="module")
def numeric(train, tmp_path_factory):
    """A pipeline on numbers alone, whose classes are named by the stage that turns predictions into texts."""
    stages = [
        mlf.StringIndexer(inputCol="denied", outputCol="denied_i"),
        mlf.VectorAssembler(inputCols=["age", "debt"], outputCol="raw"),
        mlf.StandardScaler(inputCol="raw", outputCol="features", withMean=True),
        mlc.LogisticRegression(labelCol="denied_i", maxIter=5),
        mlf.IndexToString(inputCol="prediction", outputCol="text", labels=["good", "bad"]),
    ]
    model = Pipeline(stages=stages).fit(train)
    return model, saved(model, tmp_path_factory.mktemp("numeric"))


def test_classes_are_named_by_the_last_stage(asked, numeric):
    frame, rows = asked
    model, path = numeric
    of = spec(path, TWO)
    (texts,) = columns_of(model, rows, "text")
    assert resolved_labels(load_predictor(of)(features(frame, TWO)), of).labels.tolist() == texts.tolist()
    (probability,) = columns_of(model, rows, "probability")
    strict = spec(path, TWO, probability_threshold=0.7, label_headers=("fine", "poor"))
    expected = ["poor" if score > 0.7 else "fine" for score in probability[:, 1]]
    assert resolved_labels(load_predictor(strict)(features(frame, TWO)), strict).labels.tolist() == expected


def test_a_matrix_gives_the_answer_of_the_frame_to_the_last_bit(asked, numeric):
    _, path = numeric
    predict = load_predictor(spec(path, ("debt", "age")))
    some = features(asked[0], ("debt", "age"))
    for rows in (1, 7, ROWS):
        cells = np.asfortranarray(some[:rows].to_numpy(dtype=float))
        np.testing.assert_array_equal(matrix_of(predict)(cells).scores, predict(some[:rows]).scores)
    assert matrix_of(load_predictor(spec(path))) is None


def test_labels_that_were_numbers_are_numbers_again(spark, tmp_path):
    from pyspark.sql import functions as sf

    rows = to_spark(spark, drawn(8)).withColumn("paid", sf.when(sf.col("denied") == "yes", 7).otherwise(3))
    stages = [
        mlf.StringIndexer(inputCol="paid", outputCol="label"),
        mlf.VectorAssembler(inputCols=["age", "debt"], outputCol="features"),
        mlc.LogisticRegression(maxIter=3),
    ]
    model = Pipeline(stages=stages).fit(rows)
    of = spec(saved(model, tmp_path), TWO)
    (predicted,) = columns_of(model, rows, "prediction")
    labels = resolved_labels(load_predictor(of)(features(drawn(8), TWO)), of).labels.tolist()
    assert labels == [int(model.stages[0].labels[int(index)]) for index in predicted]
    assert set(labels) == {3, 7}


def test_a_single_model_and_a_tuned_one_and_a_pipeline_in_a_pipeline(train, asked, tmp_path):
    frame, rows = asked
    assembler = mlf.VectorAssembler(inputCols=["age", "debt"], outputCol="features")
    inner = Pipeline(stages=[Pipeline(stages=[assembler]), mlr.LinearRegression(labelCol="debt")])
    # As a CrossValidator returns it; its own fit leaves a pool of threads behind.
    model = CrossValidatorModel(inner.fit(train), [0.5])
    model._set(estimator=inner, estimatorParamMaps=[{}], evaluator=RegressionEvaluator(labelCol="debt"))
    (predicted,) = columns_of(model, rows, "prediction")
    of = spec(saved(model, tmp_path), TWO)
    assert format_of(of.uri) == "sparkml"
    got = load_predictor(of)(features(frame, TWO)).labels
    np.testing.assert_allclose(np.array(got.tolist()), predicted, rtol=1e-12, atol=1e-12)
    single = saved(model.bestModel.stages[1], tmp_path / "single")
    assert format_of(str(single)) == "sparkml"
    with pytest.raises(
        ModelError, match=r"reads columns that are not features of the data: features; the features are"
    ):
        load_predictor(spec(single, TWO))


def test_values_that_spark_refuses_are_named(train, tmp_path):
    stages = [
        mlf.StringIndexer(inputCol="size", outputCol="size_i"),
        mlf.VectorAssembler(inputCols=["size_i", "income"], outputCol="features"),
        mlr.LinearRegression(labelCol="debt"),
    ]
    model = Pipeline(stages=stages).fit(train.dropna())
    names = ("size", "income")
    predict = load_predictor(spec(saved(model, tmp_path), names))
    good = pd.DataFrame({"size": ["small", "large"], "income": [1.0, 2.0]})
    assert len(predict(good).labels) == 2
    with pytest.raises(ModelError, match=r"StringIndexerModel\): the column size holds 'huge', which did not occur"):
        predict(good.assign(size="huge"))
    with pytest.raises(ModelError, match=r"VectorAssembler\) does not take missing values, .* column income has some"):
        predict(good.assign(income=np.nan))


def test_stages_that_cannot_be_evaluated_are_named_with_those_that_can(train, tmp_path):
    dct = [
        mlf.VectorAssembler(inputCols=["age", "debt"], outputCol="raw"),
        mlf.DCT(inputCol="raw", outputCol="features"),
        mlr.LinearRegression(labelCol="debt"),
    ]
    path = saved(Pipeline(stages=dct).fit(train), tmp_path)
    with pytest.raises(
        ModelError, match=r"DCT_\w+ of org.apache.spark.ml.feature.DCT. Models: .*ONNX.*predicted_label"
    ):
        load_predictor(spec(path, TWO))
    path = saved(Pipeline(stages=dct[:2]).fit(train), tmp_path)
    with pytest.raises(ModelError, match=r"does not end in a supported model: its last stage is DCT_"):
        load_predictor(spec(path, TWO))
    skipping = [dct[0].copy().setHandleInvalid("skip").setOutputCol("features"), dct[2]]
    path = saved(Pipeline(stages=skipping).fit(train), tmp_path)
    with pytest.raises(ModelError, match=r"VectorAssembler\) has handleInvalid skip, which leaves rows without"):
        load_predictor(spec(path, TWO))


def test_a_pipeline_that_mlflow_saved_is_found_in_its_folder(asked, numeric, tmp_path):
    model, path = numeric
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.spark

        mlflow.spark.save_model(model, str(tmp_path / "saved"), pip_requirements=[])
    assert format_of(str(tmp_path / "saved")) == "mlflow"
    of = PredictorSpec("mlflow", str(tmp_path / "saved"), TWO, ("integer", "float"))
    some = features(asked[0], TWO)
    np.testing.assert_array_equal(load_predictor(of)(some).scores, load_predictor(spec(path, TWO))(some).scores)


def test_damaged_folders_are_plain_messages(numeric, tmp_path):
    _, path = numeric
    shutil.copytree(path, tmp_path / "model")
    (stage,) = (tmp_path / "model" / "stages").glob("*LogisticRegression*")
    for file in (stage / "data").glob("*.parquet"):
        file.write_text("not Parquet")
    with pytest.raises(ModelError, match=r"data cannot be read as Parquet"):
        load_predictor(spec(tmp_path / "model", TWO))
    shutil.rmtree(stage)
    with pytest.raises(ModelError, match=r"the folders of the stages LogisticRegression_\w+ are missing"):
        load_predictor(spec(tmp_path / "model", TWO))
    (tmp_path / "other" / "metadata").mkdir(parents=True)
    with pytest.raises(ModelError, match=r"is not a saved Spark ML model: it has no metadata"):
        load_predictor(spec(tmp_path / "other", TWO))
    (tmp_path / "other" / "metadata" / "part-00000").write_text("{}")
    with pytest.raises(ModelError, match=r"is not the metadata of a Spark ML model"):
        load_predictor(spec(tmp_path / "other", TWO))


def test_no_jvm_and_no_pyspark_is_needed(numeric):
    script = (
        "import json, sys\n"
        "import pandas as pd\n"
        "from clarify_spark.udfs.predictors import PredictorSpec, load_predictor\n"
        "of = PredictorSpec('sparkml', sys.argv[1], ('age', 'debt'), ('integer', 'float'))\n"
        "answer = load_predictor(of)(pd.DataFrame({'age': [30, 60], 'debt': [0.5, 3.0]}))\n"
        "print(json.dumps([len(answer.scores), 'pyspark' in sys.modules]))\n"
    )
    _, path = numeric
    ran = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [2, False]
