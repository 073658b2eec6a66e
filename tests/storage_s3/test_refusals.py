"""What an object store refuses is told in words, with the exit code of what could not be done."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import PATHS

pytestmark = [pytest.mark.spark, pytest.mark.process(*PATHS, "clarify_spark/spark/failures.py")]

HERE = Path(__file__).parent
#: Buckets by what is wrong with them, and what is said.
WRONG = {
    "missing": "there is no such bucket; check the URI's spelling",
    "under_score": "the URI names no bucket, or an invalid one",
    "forbidden": "access is refused; check the credentials, and give the user or role that runs Spark permission to",
    "wrong-secret": "access is refused; check the credentials",
    "unknown-key": "access is refused; check the credentials",
    "unreachable": "the file system does not answer; check the URI and the network",
}
CONFIG = {
    "dataset_type": "text/csv",
    "label": "y",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "x", "value_or_threshold": [1]}],
    "methods": {"pre_training_bias": {"methods": ["CI"]}},
}
WITH_MODEL = {
    **CONFIG,
    "methods": {"post_training_bias": {"methods": ["DPPL"]}},
    "predictor": {"model_uri": "s3a://missing/model.joblib"},
}
SETTINGS = ["fs.s3.impl", "fs.s3a.retry.limit", "fs.s3a.attempts.maximum", "fs.s3a.connection.establish.timeout"]
SECRET = "notTheSecretThatAnybodyHas0123456789abcd"


@pytest.fixture(scope="module")
def told(store, spark_environment, tmp_path_factory):
    """Code, stdout and stderr of each command by its name."""
    folder = tmp_path_factory.mktemp("refusals")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "with_model.json").write_text(json.dumps(WITH_MODEL))
    (folder / "data.csv").write_text("x,y\n1,1\n0,1\n1,0\n0,0\n")
    data, config, output = folder / "data.csv", folder / "config.json", "s3a://loans/output"
    for bucket in ("forbidden", "wrong-secret", "unknown-key"):
        store.client().create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    words = {
        **{f"data {name}": (config, f"s3a://{name}/data.csv", folder / "out") for name in WRONG},
        **{f"output {name}": (config, data, f"s3a://{name}/output") for name in WRONG},
        "data no file": (config, "s3a://loans/input/other.csv", folder / "out"),
        "config missing": ("s3a://missing/config.json", data, folder / "out"),
        "config no file": ("s3a://loans/config.json", data, folder / "out"),
        "model missing": (folder / "with_model.json", data, folder / "out"),
        "output may not delete": (config, data, "s3a://loans/kept"),
        "all is well": (config, data, output),
    }
    commands = [
        ["analyze", "--config", str(config), "--data", str(data), "--output", str(output), "--allow-pickle"]
        for config, data, output in words.values()
    ]
    everywhere = ["arn:aws:s3:::loans/*", "arn:aws:s3:::loans"]
    keys = store.user(
        "somebody",
        (["s3:GetObject", "s3:ListBucket", "s3:PutObject"], [*everywhere, "arn:aws:s3:::missing*"]),
        (["s3:DeleteObject"], ["arn:aws:s3:::loans/output/*"]),
    )
    s3a = "spark.hadoop.fs.s3a.bucket"
    conf = {
        **store.conf,
        f"{s3a}.wrong-secret.access.key": keys.access,
        f"{s3a}.wrong-secret.secret.key": SECRET,
        f"{s3a}.unknown-key.access.key": "AKIAUNKNOWN",
        f"{s3a}.unknown-key.secret.key": SECRET,
        f"{s3a}.unreachable.endpoint": "http://127.0.0.1:1",
        f"{s3a}.unreachable.retry.limit": "1",
        "spark.hadoop.fs.s3a.connection.establish.timeout": "7000",
    }
    with (folder / "told").open("w") as said, (folder / "log").open("w") as log:
        process = subprocess.run(
            [sys.executable, HERE / "commands.py", json.dumps(commands), json.dumps(SETTINGS)],
            env=spark_environment(keys, conf),
            stdout=said,
            stderr=log,
            check=False,
        )
    out, err = (folder / "told").read_text(), (folder / "log").read_text()
    assert process.returncode == 0, err[-5000:]
    assert keys.secret not in out + err
    assert SECRET not in out + err
    return dict(zip([*words, "settings"], map(json.loads, out.splitlines()), strict=True))


@pytest.mark.parametrize("name", WRONG)
def test_data_that_cannot_be_had_end_a_run_with_code_3(told, name):
    ran = told[f"data {name}"]
    assert WRONG[name] in ran["err"], ran["err"]
    assert f"s3a://{name}/data.csv" in ran["err"]
    assert ran["code"] == 3


@pytest.mark.parametrize("name", WRONG)
def test_an_output_that_cannot_be_written_ends_a_run_with_code_5_before_any_work(told, name):
    ran = told[f"output {name}"]
    assert f"The results cannot be written. s3a://{name}/output: {WRONG[name]}" in ran["err"], ran["err"]
    assert ran["code"] == 5
    assert "Counting" not in ran["err"]


def test_an_output_from_which_nothing_may_be_deleted_is_refused_before_any_work(told):
    ran = told["output may not delete"]
    assert "The results cannot be removed. s3a://loans/kept: access is refused" in ran["err"], ran["err"]
    assert "permission to list, read, write and delete there" in ran["err"]
    assert ran["code"] == 5


def test_a_file_that_is_not_there_is_told(told):
    assert (
        "s3a://loans/input/other.csv: there is no such file or folder; check the path." in told["data no file"]["err"]
    )
    assert told["data no file"]["code"] == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "missing",
            "The file s3a://missing/config.json cannot be read. s3a://missing/config.json: there is no such bucket",
        ),
        ("no file", "s3a://loans/config.json: there is no such file or folder; check the path."),
    ],
)
def test_a_config_that_cannot_be_had_ends_a_run_with_code_2(told, name, said):
    assert said in told[f"config {name}"]["err"]
    assert told[f"config {name}"]["code"] == 2


def test_a_model_that_cannot_be_had_ends_a_run_with_code_4(told):
    assert "predictor.model_uri: s3a://missing/model.joblib: there is no such bucket" in told["model missing"]["err"]
    assert told["model missing"]["code"] == 4


def test_the_same_command_without_what_is_wrong_succeeds(told, store):
    assert told["all is well"]["code"] == 0, told["all is well"]["err"]
    assert {"output/analysis.json", "output/analysis_details.json"} <= set(store.keys("output/"))


def test_a_session_that_is_started_here_reads_s3_by_s3a_with_bounded_patience_and_the_users_own_settings(told):
    assert told["settings"] == {
        "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.s3a.retry.limit": "6",
        "fs.s3a.attempts.maximum": "2",
        "fs.s3a.connection.establish.timeout": "7000",
    }
