"""Code reaches executors whose Python has no clarify_spark, and that work elsewhere: a cluster, and Spark Connect."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pyspark
import pytest
from connect_server import connect_server, without_clarify_spark

pytestmark = [pytest.mark.spark, pytest.mark.process("clarify_spark/spark/delivery", "clarify_spark/spark/session.py")]
#: A user's own package, seen by the driver alone, since it stands in its working folder.
PACKAGE = {
    "__init__.py": "",
    "limits.py": "LIMIT = 40\n",
    "credit.py": "from own_rules.limits import LIMIT\ndef predict(frame): return 1 / (1 + frame['age'] / LIMIT)\n",
}
CONNECT = pytest.param(
    "connect",
    marks=pytest.mark.skipif(version("pyspark") < "4", reason="pyspark 3.5 from PyPI has no Connect server"),
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A driver's working folder with data, a config and the package."""
    here = tmp_path_factory.mktemp("driver")
    (here / "own_rules").mkdir()
    for name, text in PACKAGE.items():
        (here / "own_rules" / name).write_text(text)
    rows = [f"{age},{debt},{int(age + 3 * debt > 50)}" for age in range(20, 60) for debt in (0, 5)]
    (here / "people.csv").write_text("\n".join(["age,debt,paid", *rows]) + "\n")
    config = {
        "dataset_type": "text/csv",
        "label": "paid",
        "label_values_or_threshold": [1],
        "probability_threshold": 0.5,
        "facet": [{"name_or_index": "debt", "value_or_threshold": [0]}],
        "methods": {"post_training_bias": {"methods": "all"}},
        "predictor": {"model_uri": "python:own_rules.credit:predict"},
    }
    (here / "config.json").write_text(json.dumps(config))
    return here


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A Python without clarify_spark."""
    return without_clarify_spark(tmp_path_factory.mktemp("bare") / "venv")


def analyzed(driver, output, *options, **environment):
    """The files of a run that was started in the driver's folder."""
    words = ["--config", "config.json", "--data", driver / "people.csv", "--output", driver / output]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK_", "SPARK_"))}
    inherited.pop("PYTHONPATH", None)
    ran = subprocess.run(
        [sys.executable, "-m", "clarify_spark", "analyze", *words, *options],
        cwd=driver,
        env={**inherited, "SPARK_LOCAL_IP": "127.0.0.1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    written = [path for path in (driver / output).rglob("*") if path.is_file()]
    found = {path.relative_to(driver / output): path.read_bytes() for path in written}
    return {name: content for name, content in found.items() if name.name != "analysis_details.json"}


@pytest.fixture(scope="module")
def here(driver):
    """The files of a run on this machine's own session."""
    return analyzed(driver, "here", "--master", "local[2]")


def on_a_cluster(driver, bare, folder):
    """Spark's own folder by links, since workers of a local cluster write beside its jars."""
    home = folder / "home"
    home.mkdir()
    for part in Path(pyspark.__file__).parent.iterdir():
        if part.name != "work":
            (home / part.name).symlink_to(part)
    python = {"PYSPARK_PYTHON": str(bare), "PYSPARK_DRIVER_PYTHON": sys.executable, "SPARK_HOME": str(home)}
    return analyzed(driver, "cluster", "--master", "local-cluster[2,1,1024]", **python)


def through_connect(driver, bare, folder):
    with connect_server(folder, bare) as address:
        return analyzed(driver, "connect", SPARK_REMOTE=address)


@pytest.mark.timeout(1200)  # executors that start on a machine with much else to do
@pytest.mark.parametrize("kind", ["cluster", CONNECT])
def test_executors_without_clarify_spark_and_the_users_package_give_the_same_files(kind, driver, bare, here, tmp_path):
    run = {"cluster": on_a_cluster, "connect": through_connect}[kind]
    assert run(driver, bare, tmp_path) == here
    assert here
