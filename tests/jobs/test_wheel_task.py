"""The command as a wheel task of Databricks calls it: a function in a process that has a session, or can get one."""

import json
import os
import subprocess
import sys

import pytest

from clarify_spark.__main__ import job


def test_a_failure_is_raised_and_success_is_not(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["job", "validate", "/none.json"])
    with pytest.raises(SystemExit) as ended:
        job()
    assert ended.value.code == 2
    monkeypatch.setattr(sys, "argv", ["job", "schema"])
    assert job() is None
    assert capfd.readouterr().err.splitlines()[-1] == "exit_message: Completed: clarify_spark ran successfully"


@pytest.mark.process("clarify_spark/__main__.py", "clarify_spark/spark/session.py")
@pytest.mark.spark
def test_on_databricks_the_platforms_session_is_used(config, loans, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    loans.to_csv(tmp_path / "loans.csv", index=False)
    code = """
import sys
from clarify_spark.__main__ import job
from clarify_spark.spark import session
session._start = None  # a session of our own would be a mistake
job()
from pyspark.sql import SparkSession
print("still there:", SparkSession.getActiveSession().range(3).count())
"""
    environment = {**os.environ, "DATABRICKS_RUNTIME_VERSION": "16.4", "PYSPARK_PYTHON": sys.executable}
    options = ["--config", tmp_path / "config.json", "--data", tmp_path / "loans.csv", "--output", tmp_path / "out"]
    command = [sys.executable, "-c", code, "analyze", *map(str, options)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "still there: 3" in done.stdout
    assert (tmp_path / "out" / "analysis.json").is_file()
