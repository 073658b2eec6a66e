"""conf/spark-defaults.conf: every line has its reason, and Spark knows every key and takes every value."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CONF = Path(__file__).resolve().parents[2] / "conf"
LINES = (CONF / "spark-defaults.conf").read_text(encoding="utf-8").splitlines()
#: Prints whether Spark has an entry of each key (its registry has those of SQL, too), what a session has for it, and
#: what a Python worker sees.
SESSION = """
import json, os, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
entry = spark._jvm.org.apache.spark.internal.config.ConfigEntry
keys = json.loads(sys.argv[1])
known = [key for key in keys if entry.findEntry(key) is not None]
values = {key: spark.conf.get(key) for key in keys}
threads = spark.range(1).rdd.map(lambda row: os.environ["OMP_NUM_THREADS"]).collect()
print("FOUND", json.dumps([known, values, threads]))
"""


def settings(lines):
    return dict(line.split(None, 1) for line in lines)


def active():
    return settings(line for line in LINES if line and not line.startswith("#"))


def suggested():
    """The settings that depend on the nodes, which are commented out."""
    return settings(line[2:] for line in LINES if line.startswith("# spark."))


def test_every_line_has_its_reason_above_it():
    before = ""
    for line in LINES:
        if line.startswith("spark."):
            assert before.startswith("#"), f"no reason above {line}"
        before = line


def test_workers_have_as_many_threads_as_a_task_has_cores():
    assert active()["spark.executorEnv.OMP_NUM_THREADS"] == active()["spark.task.cpus"]


@pytest.mark.process("conf/spark-defaults.conf")
@pytest.mark.spark
def test_spark_knows_every_key_and_takes_every_value(tmp_path):
    wanted = {**active(), **suggested()}
    (tmp_path / "spark-defaults.conf").write_text(
        "\n".join(LINES) + "\n" + "\n".join(map(" ".join, suggested().items()))
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYSPARK_")},
        "SPARK_CONF_DIR": str(tmp_path),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
    }
    command = [sys.executable, "-W", "ignore", "-c", SESSION, json.dumps(list(wanted))]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = next(line for line in done.stdout.splitlines() if line.startswith("FOUND "))
    known, values, threads = json.loads(found.removeprefix("FOUND "))
    assert values == wanted
    assert set(wanted) - set(known) == {"spark.executorEnv.OMP_NUM_THREADS"}
    assert threads == ["1"]
