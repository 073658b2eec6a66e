"""Output to an object store through Spark Connect: this process writes it, with credentials of its own."""

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from clarify_spark.errors import OutputError
from clarify_spark.spark.blocks.checkpoints import Block, Checkpoints, KeyRange
from clarify_spark.spark.files.output import Output

#: Stands for a session of which nothing is asked but what it is.
ConnectSession = type("SparkSession", (), {"__module__": "pyspark.sql.connect.session"})
EVERYWHERE = ["arn:aws:s3:::loans/*", "arn:aws:s3:::loans"]
CONFIG = {
    "dataset_type": "text/csv",
    "label": "y",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "x", "value_or_threshold": [1]}],
    "methods": {
        "pre_training_bias": {"methods": "all"},
        "shap": {"baseline": [[0, 1]], "save_local_shap_values": True},
    },
    "predictor": {"model_uri": "python:scores:predict"},
}


@pytest.fixture
def connect(store, monkeypatch):
    """A function: the output at a URI for a client of Spark Connect that has the owner's keys."""
    for name, value in {**store.owner.environment, "AWS_ENDPOINT_URL": store.url}.items():
        monkeypatch.setenv(name, value)
    return lambda uri: Output(uri, ConnectSession())


@pytest.fixture
def output(connect, request):
    made = connect(f"s3a://loans/{request.node.name}")
    made.prepare()
    return made


def test_bytes_come_back_from_sub_folders(output, store, request):
    data = bytes(range(256)) * 50_000
    assert output.write_bytes("a/b/part 1%20?#.bin", data).endswith("/a/b/part 1%20?#.bin")
    assert output.read_bytes("a/b/part 1%20?#.bin") == data
    assert store.files(f"{request.node.name}/") == {"a/b/part 1%20?#.bin": data}
    assert output.names("a") == ["b"]
    output.write("a/b/part 1%20?#.bin", "é")
    assert output.read_bytes("a/b/part 1%20?#.bin") == "é".encode()
    output.delete("a")
    output.delete("a")
    assert store.keys(f"{request.node.name}/") == []
    assert output.read_bytes("a/b/part 1%20?#.bin") is None
    assert output.names("a") == []


def test_a_file_written_piece_by_piece_appears_when_it_is_whole(output, store, request):
    with output.create("out.csv") as sink:
        sink.write(b"a,b\n")
        assert store.keys(f"{request.node.name}/") == []
        sink.write(b"1,2\n")
    assert store.files(f"{request.node.name}/") == {"out.csv": b"a,b\n1,2\n"}


def test_a_failure_amid_a_file_leaves_the_old_one(output, store, request):
    def fail_amid():
        with output.create("out.csv") as sink:
            sink.write(b"half")
            raise KeyboardInterrupt

    output.write("out.csv", "old")
    with pytest.raises(KeyboardInterrupt):
        fail_amid()
    assert store.files(f"{request.node.name}/") == {"out.csv": b"old"}


def test_checkpoints_continue_there(output):
    blocks = [Block(0, 4, b"first"), Block(1, 4, b"second")]
    Checkpoints(output, {"seed": 0}).commit(KeyRange(0, 8), blocks)
    checkpoints = Checkpoints(output, {"seed": 0})
    assert checkpoints.ranges == (KeyRange(0, 8),)
    assert checkpoints.blocks(KeyRange(0, 8)) == blocks
    assert Checkpoints(output, {"seed": 1}).ranges == ()


def test_an_output_that_is_a_file_is_refused(connect, store):
    store.put("taken", b"x")
    with pytest.raises(OutputError, match=r"s3://loans/taken is a file; the output must be a folder"):
        connect("s3://loans/taken").prepare()


def test_a_missing_bucket_is_told_and_whose_credentials_were_used(connect):
    with pytest.raises(OutputError, match=r"s3://missing/out cannot be written: .*bucket does not exist") as told:
        connect("s3://missing/out").prepare()
    assert "with its own credentials and region (AWS_ACCESS_KEY_ID or AWS_PROFILE" in str(told.value)


def test_missing_rights_are_told(connect, store, monkeypatch):
    keys = store.user("onlooker", (["s3:Get*", "s3:List*", "s3:Head*"], EVERYWHERE))
    for name, value in keys.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OutputError, match=r"s3://loans/out cannot be written: .*ACCESS_DENIED"):
        connect("s3://loans/out").prepare()


def test_wrong_credentials_are_told(connect, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "notTheSecretThatAnybodyHas0123456789abcd")
    with pytest.raises(OutputError, match=r"s3://loans/out cannot be written: ") as told:
        connect("s3://loans/out").prepare()
    assert "notTheSecret" not in str(told.value)


@pytest.mark.parametrize("uri", ["hdfs://host/out", "dbfs:/Volumes/a/b/c", "s3:/loans/out"])
def test_other_remote_folders_are_refused_with_the_ways_there_are(uri):
    with pytest.raises(
        OutputError, match=r"a mounted volume, /Volumes/… on Databricks\), or a folder at s3://, s3a://"
    ):
        Output(uri, ConnectSession())


@pytest.mark.process("clarify_spark/spark/files", "clarify_spark/spark/object_stores.py")
@pytest.mark.spark
@pytest.mark.skipif(version("pyspark") < "4", reason="pyspark 3.5 from PyPI has no Connect server")
def test_a_run_through_connect_has_the_bytes_of_one_on_a_disk(store, spark_environment, tmp_path):
    rows = "".join(f"{x},{y},{z}\n" for x in (0, 1) for y in (0, 1) for z in range(1, 6 + 3 * x * y))
    store.put("connect/data.csv", f"x,y,z\n{rows}".encode())
    store.put("connect/config.json", json.dumps(CONFIG).encode())
    (tmp_path / "data.csv").write_text(f"x,y,z\n{rows}")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "scores.py").write_text("def predict(frame):\n    return frame['x'] / (1 + frame['z'])\n")
    environment = {
        **spark_environment(store.owner, store.conf),
        "AWS_ENDPOINT_URL": store.url,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")])),
    }

    def run(place, output, **variables):
        words = ["--config", f"{place}/config.json", "--data", f"{place}/data.csv", "--output", output]
        return subprocess.run(
            [sys.executable, "-m", "clarify_spark", "analyze", *words],
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    classic = run(tmp_path, str(tmp_path / "out"))
    assert classic.returncode == 0, classic.stderr
    connect = run("s3a://loans/connect", "s3a://loans/connect/out", SPARK_REMOTE="local[2]")
    assert connect.returncode == 0, connect.stderr
    assert store.owner.secret not in connect.stdout + connect.stderr
    on_disk = {
        str(path.relative_to(tmp_path / "out")): path.read_bytes()
        for path in (tmp_path / "out").rglob("*.*")
        if path.is_file()
    }
    there = store.files("connect/out/")
    assert there.keys() == on_disk.keys()
    assert "explanations_shap/out.csv/part-00000.csv" in there
    for files in (there, on_disk):
        del files["analysis_details.json"]
    assert there == on_disk
