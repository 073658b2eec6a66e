"""Models reach executors that work elsewhere: on a cluster of several processes, and through Spark Connect."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import joblib
import pandas as pd
import pyspark
import pytest
from sklearn.linear_model import LogisticRegression

PROGRAM = Path(__file__).with_name("delivery.py")
#: The script of a model folder that keeps a list of where it was loaded.
SCRIPT = """
import json, os

def model_fn(folder):
    with open({loads!r}, "a") as loads:
        loads.write(f"{{os.getpid()}}\\n")
    with open(os.path.join(folder, "limits.json")) as stream:
        return json.load(stream)["age"]

def predict_fn(rows, limit):
    return [float(row[0] > limit) for row in rows]
"""
#: Addresses relative to the driver's folder, which is no executor's, and in a file system of Spark's own.
FILE, FOLDER, ARCHIVE, COPY, BROKEN = "m.joblib", "model", "model.tar.gz", "again/model.tar.gz", "broken"
REMOTE, NOWHERE = "viewfs://models/data/model.tar.gz", "/mnt/models/m.skops"
MODELS = (FILE, FOLDER, ARCHIVE, COPY, BROKEN, REMOTE, NOWHERE)


@dataclass(frozen=True)
class Delivered:
    """What the driver told, and the ids of the workers that loaded the model folder, one per load."""

    found: dict
    loads: list
    folder: Path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A driver's folder with models."""
    here = tmp_path_factory.mktemp("driver")
    ages = pd.DataFrame({"age": [20, 30, 50, 60], "debt": [1.0] * 4})
    joblib.dump(LogisticRegression(C=1e6).fit(ages, [0, 0, 1, 1]), here / FILE)
    for name, script in ((FOLDER, SCRIPT.format(loads=str(here / "loads"))), (BROKEN, "def model_fn(folder): 1 / 0")):
        (here / name / "code").mkdir(parents=True)
        (here / name / "limits.json").write_text(json.dumps({"age": 40}))
        (here / name / "code" / "inference.py").write_text(script)
    with tarfile.open(here / ARCHIVE, "w:gz") as packed:
        packed.add(here / FOLDER, ".")
    (here / COPY).parent.mkdir()
    shutil.copy(here / ARCHIVE, here / COPY)
    return here


def spark_home(folder):
    """Spark's own folder by links, since a local cluster works beside its jars; with a file system to fetch from."""
    folder.mkdir()
    for part in Path(pyspark.__file__).parent.iterdir():
        if part.name != "work":
            (folder / part.name).symlink_to(part)
    return folder


def run(models, kind, **environment):
    """The program as a user starts it: everything that executors know, they know from Spark."""
    (models / "conf").mkdir(exist_ok=True)
    mounted = f"spark.hadoop.fs.viewfs.mounttable.models.link./data {models.as_uri()}\n"
    (models / "conf" / "spark-defaults.conf").write_text(mounted)
    (models / "loads").write_text("")
    python = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    conf = {"SPARK_CONF_DIR": str(models / "conf")}
    done = subprocess.run(
        [sys.executable, PROGRAM, kind, *MODELS],
        cwd=models,
        env={**os.environ, **python, **conf, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Delivered(json.loads(done.stdout.splitlines()[-1]), (models / "loads").read_text().split(), models)


@pytest.fixture(scope="module")
def cluster(models, tmp_path_factory):
    """On two executors of one core each, processes with folders of their own."""
    return run(models, "cluster", SPARK_HOME=str(spark_home(tmp_path_factory.mktemp("spark") / "home")))


@pytest.fixture(scope="module")
def connect(models):
    """Through a Connect server."""
    return run(models, "connect", SPARK_REMOTE="local[2]")


CONNECT = pytest.param(
    "connect",
    marks=pytest.mark.skipif(version("pyspark") < "4", reason="pyspark 3.5 from PyPI has no Connect server"),
)


@pytest.fixture(params=["cluster", CONNECT])
def told(request):
    return request.getfixturevalue(request.param)


pytestmark = [
    pytest.mark.spark,
    pytest.mark.process("clarify_spark/spark/delivery", "udfs/predictors/shipped.py", "udfs/archives.py"),
]


@pytest.mark.parametrize("model", [FILE, FOLDER, ARCHIVE, COPY, REMOTE])
def test_executors_elsewhere_get_the_model_whatever_it_is(told, model):
    found = told.found[model]
    assert [round(answer["score"]) for answer in found["answers"]] == [1] * 16
    assert all(Path(answer["folder"]) != told.folder for answer in found["answers"])
    assert found["name"] == model
    assert found["uri"].startswith(f"shipped:{found['is']}")


def test_a_model_is_loaded_once_per_worker_however_many_tasks_it_runs(told):
    names = (FOLDER, ARCHIVE, COPY, REMOTE)
    asked = [(answer["pid"], name) for name in names for answer in told.found[name]["answers"]]
    assert len(asked) == 64
    assert len(set(asked)) < 32
    # The folder and its archives are one model under four names, each of which a worker loads once.
    assert sorted(map(int, told.loads)) == sorted(pid for pid, _ in set(asked))


def test_a_model_is_shipped_once_however_often_and_from_wherever_it_is_delivered(told):
    same = {told.found[model]["uri"] for model in (FOLDER, ARCHIVE, COPY, REMOTE)}
    assert len(same) == 1
    for answer in told.found[REMOTE]["answers"]:
        assert len([name for name in answer["files"] if name.endswith(".packed")]) == 3


def test_what_goes_wrong_on_an_executor_names_what_the_user_wrote(told):
    assert told.found["pickle"]["error"].startswith("m.joblib is a pickle")
    assert told.found[BROKEN]["error"] == (
        "broken/code/inference.py failed while loading the model: "
        "ZeroDivisionError: division by zero (broken/code/inference.py:1)"
    )
    assert told.found[BROKEN]["code"] == 4


def test_a_model_that_the_driver_has_not_is_looked_for_where_executors_are(told):
    assert told.found[NOWHERE]["error"].startswith(f"there is no model at {NOWHERE} on the machine that should load it")


def test_an_executor_that_comes_when_the_model_is_not_needed_any_more_still_gets_it(cluster):
    """Spark gives a new executor all files of the application, and fails its tasks when one is gone."""
    before, later = (cluster.found[name]["answers"] for name in (FILE, "later"))
    assert {answer["jvm"] for answer in later} - {answer["jvm"] for answer in before}
    assert [round(answer["score"]) for answer in later] == [1] * 16
