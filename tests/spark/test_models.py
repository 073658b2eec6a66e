"""Models on their way to executors that share the driver's files, and from file systems that are not the driver's."""

import json
import tarfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from clarify_spark.errors import ModelError
from clarify_spark.spark.delivery.models import delivered, model_fingerprint, read_through_spark, task_cores
from clarify_spark.spark.failures import user_errors
from clarify_spark.spark.session import Session
from clarify_spark.udfs.predictors import PredictorSpec, format_of

SCRIPT = """
import json, os

def model_fn(folder):
    with open(os.path.join(folder, "limits.json")) as stream:
        return json.load(stream)["age"]

def predict_fn(rows, limit):
    return [float(row[0] > limit) for row in rows]
"""
NAMES, KINDS = ("age", "debt"), ("integer", "float")


def spec(uri, **changes):
    return PredictorSpec(format_of(str(uri)), str(uri), NAMES, KINDS, **changes)


@pytest.fixture
def folder(tmp_path):
    """A model for SageMaker's containers: 1 above the age of 40. Its script is in a package with an __init__.py."""
    (tmp_path / "disk" / "model" / "code" / "own").mkdir(parents=True)
    model = tmp_path / "disk" / "model"
    (model / "limits.json").write_text(json.dumps({"age": 40}))
    (model / "code" / "inference.py").write_text(f"from own import one\n{SCRIPT}")
    (model / "code" / "own" / "__init__.py").write_text("one = 1\n")
    return model


@pytest.fixture
def archive(folder):
    path = folder.with_name("model.tar.gz")
    with tarfile.open(path, "w:gz") as packed:
        packed.add(folder, ".")
    return path


@pytest.fixture
def remote(remote_uri, tmp_path):
    """The address of something under ``disk`` in a file system that is not the operating system's."""
    (tmp_path / "disk").mkdir(exist_ok=True)
    return lambda name: f"{remote_uri(tmp_path)}/disk/{name}"


@pytest.fixture
def local(spark):
    return Session(spark, local=True)


@pytest.fixture
def scores(spark):
    """The scores that an executor gives to the ages 30 and 50."""
    frame = spark.createDataFrame([(30, 1.0), (50, 1.0)], "age bigint, debt double").coalesce(1)

    def ask(of):
        def score(batches):
            import pyarrow as pa

            from clarify_spark.udfs.predictors import load_predictor

            for batch in batches:
                answer = load_predictor(of)(batch.to_pandas())
                yield pa.RecordBatch.from_pydict({"score": answer.scores[:, -1]})

        with user_errors():
            return [row["score"] for row in frame.mapInArrow(score, "score double").collect()]

    return ask


def sklearn_model(path):
    ages = pd.DataFrame({"age": [20, 30, 50, 60], "debt": [1.0, 1.0, 1.0, 1.0]})
    joblib.dump(LogisticRegression(C=1e6).fit(ages, [0, 0, 1, 1]), path)
    return path


def refused(session, of, match, model_format=None):
    with pytest.raises(ModelError, match=match), delivered(session, of, model_format):
        pass


def given_away(session, of, model_format=None):
    """The delivered spec when the context is over."""
    with delivered(session, of, model_format) as there:
        return there


# --- where executors read the driver's files ------------------------------------------------------------------------


def test_a_file_or_folder_of_the_driver_is_read_where_it_is(local, folder, tmp_path, scores):
    for model in (folder, sklearn_model(tmp_path / "m.joblib")):
        of = spec(model, allow_pickle=True)
        with delivered(local, of, None) as there:
            assert there == of
            assert [round(score) for score in scores(there)] == [0, 1]


def test_a_file_uri_is_a_path(local, tmp_path, scores):
    (tmp_path / "with space").mkdir()
    model = sklearn_model(tmp_path / "with space" / "m.joblib")
    with delivered(local, spec(model.as_uri(), allow_pickle=True), None) as there:
        assert (there.uri, there.name) == (str(model), model.as_uri())
        assert [round(score) for score in scores(there)] == [0, 1]


def test_an_archive_is_unpacked_for_as_long_as_it_is_needed(local, archive, scores):
    with delivered(local, spec(archive), None) as there:
        assert scores(there) == [0.0, 1.0]
        kept = Path(there.uri)
        assert kept.stat().st_mode & 0o077 == 0
    assert not kept.parent.exists()


def test_what_a_packed_model_says_names_the_archive(local, folder, archive, scores):
    (folder / "code" / "inference.py").write_text("def model_fn(folder):\n    raise ValueError(folder)\n")
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder, ".")
    with pytest.raises(ModelError) as caught, delivered(local, spec(archive), None) as there:
        scores(there)
    assert str(caught.value) == (
        f"{archive}/code/inference.py failed while loading the model: "
        f"ValueError: {archive} ({archive}/code/inference.py:2)"
    )


def test_a_model_in_an_archive_is_what_its_files_say_unless_the_config_says_it(local, tmp_path):
    (tmp_path / "MLmodel").write_text("")
    with tarfile.open(tmp_path / "model.tgz", "w:gz") as packed:
        packed.add(tmp_path / "MLmodel", "MLmodel")
    assert given_away(local, spec(tmp_path / "model.tgz")).format == "mlflow"
    assert given_away(local, spec(tmp_path / "model.tgz"), "sagemaker").format == "sagemaker"


def test_one_packed_file_is_the_model_when_the_config_tells_its_format(local, tmp_path, archive, scores):
    model = sklearn_model(tmp_path / "m.joblib")
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as packed:
        packed.add(model, "deep/m.bin")
    of = spec(tmp_path / "packed.tar.gz", allow_pickle=True)
    with delivered(local, of, "sklearn") as there:
        assert there.uri.endswith("deep/m.bin")
        assert [round(score) for score in scores(there)] == [0, 1]
    refused(local, spec(archive), r"model\.tar\.gz: a model of format sklearn is one file, and 3 are in", "sklearn")


def test_what_needs_no_delivery_is_left_alone(local, tmp_path):
    given = [
        PredictorSpec("http", "https://models.example/ask", NAMES, KINDS),
        PredictorSpec("endpoint", "loans", NAMES, KINDS),
        PredictorSpec("python", "python:loans:predict", NAMES, KINDS),
        PredictorSpec("own.loader", "s3://models/model.tar.gz", NAMES, KINDS),
        PredictorSpec("mlflow", "models:/loans/1", NAMES, KINDS),
        PredictorSpec("skops", str(tmp_path / "nothing.skops"), NAMES, KINDS),
    ]
    for local_or_not in (local, Session(local.spark, local=False)):
        assert [given_away(local_or_not, of) for of in given] == given


def test_a_task_has_as_many_threads_as_spark_gives_it_cores(spark, local, folder):
    assert task_cores(spark) == 1
    assert given_away(local, spec(folder, threads=7)).threads == 1


# --- other file systems ---------------------------------------------------------------------------------------------


@pytest.mark.classic("through Connect a remote folder cannot be copied and is rejected")
def test_a_remote_folder_comes_whole(local, folder, remote, scores):
    with delivered(local, spec(remote("model")), None) as there:
        assert sorted(path.name for path in Path(there.uri).rglob("*.*")) == sorted(
            path.name for path in folder.rglob("*.*")
        )
        assert scores(there) == [0.0, 1.0]
        assert there.name == remote("model")
    assert not Path(there.uri).exists()


def test_a_remote_archive_is_fetched_and_unpacked(local, archive, remote, scores):
    with delivered(local, spec(remote("model.tar.gz")), None) as there:
        assert scores(there) == [0.0, 1.0]


def test_a_remote_file_keeps_its_name(local, folder, remote, scores):
    sklearn_model(folder.parent / "m 1%20.joblib")
    with delivered(local, spec(remote("m 1%20.joblib"), allow_pickle=True), None) as there:
        assert there.uri.endswith("/m 1%20.joblib")
        assert [round(score) for score in scores(there)] == [0, 1]


def test_what_a_remote_model_says_names_its_address(local, folder, remote, scores):
    sklearn_model(folder.parent / "m.joblib")
    with pytest.raises(ModelError) as caught, delivered(local, spec(remote("m.joblib")), None) as there:
        scores(there)
    assert str(caught.value).startswith(f"{remote('m.joblib')} is a pickle")


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        (None, "there is no such file(, or nothing in that| or) folder; check the path"),
        ("s3://models/m.skops", "no driver for the URI's scheme; add the file system's package"),
        ("s3a://models/m.skops", "hadoop-aws is not installed"),
        ("hdfs://nowhere.invalid/m.skops", "the host of the URI cannot be found"),
    ],
)
def test_a_model_that_cannot_be_fetched_is_told(local, remote, uri, says):
    uri = uri or remote("nothing.skops")
    refused(local, spec(uri), rf"^predictor\.model_uri: .*{says}")


def test_through_spark_alone_a_file_comes_in_pieces(spark, tmp_path, remote):
    (tmp_path / "disk" / "m[1]").mkdir(parents=True)
    content = np.random.default_rng(0).bytes(2 * 8 * 2**20)
    for name, data in {"even.bin": content, "odd.bin": content[:-1], "small.bin": b"x"}.items():
        (tmp_path / "disk" / "m[1]" / name).write_bytes(data)
        read_through_spark(spark, remote(f"m[1]/{name}"), tmp_path / name)
        assert (tmp_path / name).read_bytes() == data


def test_through_spark_alone_a_folder_is_refused_since_it_would_lose_files(spark, tmp_path, folder, remote):
    with pytest.raises(ModelError, match=r"cannot be copied through Spark Connect.*pack it as one model\.tar\.gz"):
        read_through_spark(spark, remote("model"), tmp_path / "copy")
    (folder.parent / "one" / "one").mkdir(parents=True)
    (folder.parent / "one" / "one" / "one").write_bytes(b"x")
    with pytest.raises(ModelError, match="cannot be copied"):
        read_through_spark(spark, remote("one"), tmp_path / "copy")


# --- what a model is ------------------------------------------------------------------------------------------------


@pytest.mark.classic("through Connect a remote folder cannot be copied and is rejected")
def test_a_fingerprint_follows_from_names_and_contents_wherever_they_are(local, folder, archive, remote):
    def of(model):
        with delivered(local, spec(model), None) as there:
            return model_fingerprint(there)

    first = of(folder)
    assert first == of(archive) == of(remote("model")) == of(remote("model.tar.gz"))
    shipped = Session(local.spark, local=False)
    with delivered(shipped, spec(archive), None) as there:
        assert model_fingerprint(there) == first
    (folder / "code" / "__pycache__").mkdir()
    (folder / "code" / "__pycache__" / "inference.pyc").write_bytes(b"")
    assert of(folder) == first
    (folder / "limits.json").write_text('{"age": 41}')
    second = of(folder)
    (folder / "limits.json").rename(folder / "bounds.json")
    assert len({first, second, of(folder)}) == 3


def test_a_fingerprint_of_code_is_that_of_its_source(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    of = PredictorSpec("python", "python:loans.rules:predict", NAMES, KINDS)
    unknown = model_fingerprint(of)
    (tmp_path / "loans").mkdir()
    (tmp_path / "loans" / "rules.py").write_text("1")
    first = model_fingerprint(of)
    (tmp_path / "loans" / "rules.py").write_text("2")
    assert len({unknown, first, model_fingerprint(of)}) == 3


def test_a_fingerprint_of_what_the_driver_cannot_see_is_that_of_its_address():
    of = PredictorSpec("endpoint", "loans", NAMES, KINDS)
    assert model_fingerprint(of) == model_fingerprint(replace(of, threads=4)) != model_fingerprint(replace(of, uri="x"))


# --- to executors elsewhere -----------------------------------------------------------------------------------------


@pytest.mark.classic("asks the SparkContext for its files; tests/cluster asks executors, through Connect too")
def test_the_same_model_is_shipped_once_however_often_it_is_delivered(spark, folder, archive, scores):
    elsewhere = Session(spark, local=False)
    with ExitStack() as stack:
        there = [stack.enter_context(delivered(elsewhere, spec(model), None)) for model in (folder, archive, folder)]
    assert len({of.uri for of in there}) == 1
    assert [of.name for of in there] == [str(folder), str(archive), str(folder)]
    name = f"clarify-model-{model_fingerprint(there[0])}.packed"
    assert [uri.rpartition("/")[2] for uri in spark.sparkContext.listFiles].count(name) == 1
    assert scores(there[1]) == [0.0, 1.0]
