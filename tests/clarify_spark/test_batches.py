"""Text of Spark failures, turned back into what a user can mend."""

import re

import pytest

from clarify_spark.errors import CommandError, DataError, ModelError, OutputError
from clarify_spark.spark.failures import LostWorkerError, translate
from clarify_spark.spark.files.read_failures import storage_error

WORKER = """
An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "udfs/scoring.py", line 12, in score
    raise ModelError(text) from error
clarify_spark.udfs.errors.ModelError: The model model.skops failed on 3 rows: ValueError: bad
in model.py:3

\tat org.apache.spark.api.python.BasePythonRunner
"""


def test_an_error_raised_on_an_executor_keeps_its_class_and_text():
    error = translate(WORKER)
    assert type(error) is ModelError
    assert str(error) == "The model model.skops failed on 3 rows: ValueError: bad\nin model.py:3"


def test_of_several_errors_the_last_one_counts():
    text = "clarify_spark.udfs.errors.DataError: first\n\nclarify_spark.udfs.errors.DataError: second\n\tat org.apache"
    assert str(translate(text)) == "second"


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("ModuleNotFoundError: No module named 'clarify_spark'", CommandError, "--py-files"),
        ("java.io.IOException: No space left on device", OutputError, "disk is full"),
        ("file:/x.parquet is not a Parquet file. Expected magic number", DataError, "not valid Parquet"),
        ("Caused by: java.io.EOFException: Unexpected end of input stream", DataError, "truncated"),
        ("org.apache.hadoop.security.AccessControlException: Permission denied: user=a", DataError, "may not be read"),
        ('UnsupportedFileSystemException: No FileSystem for scheme "s3"', DataError, "no driver"),
        (
            "SparkException: Python worker exited unexpectedly (crashed)",
            LostWorkerError,
            "spark.executor.memoryOverhead",
        ),
        ("Reason: ExecutorLostFailure (executor 3 exited caused by one of the tasks)", LostWorkerError, "memory"),
        (
            "numpy._core._exceptions._ArrayMemoryError: Unable to",
            ModelError,
            "spark.executor.pyspark.memory",
        ),
        ("java.lang.OutOfMemoryError: Java heap space", CommandError, "spark.executor.memory"),
        ("results of 2 tasks (3.0 GiB) is bigger than spark.driver.maxResultSize", CommandError, "raise"),
        ("Master removed our application: FAILED", CommandError, "same command resumes"),
    ],
)
def test_known_failures_are_told_in_plain_words_with_sparks_own_line(text, kind, says):
    error = translate(f"Job aborted.\n{text}\nmore")
    assert type(error) is kind
    assert says in str(error)
    assert text in str(error)


def test_a_line_of_a_traceback_that_would_catch_a_want_of_memory_is_none():
    assert translate("PythonException: Traceback\n    except MemoryError as error:\nKeyError: 'age'") is None


@pytest.mark.parametrize(("where", "task"), [("Task 12 in stage 7.0 failed 4 times: ", 12), ("", None)])
def test_a_worker_that_died_is_known_by_its_task(where, task):
    found = translate(f"Job aborted due to stage failure: {where}Python worker exited unexpectedly (crashed)")
    assert found.task == task
    assert found.exit_code == 4


def test_a_worker_that_died_is_not_taken_for_a_broken_file():
    text = "SparkException: Python worker exited unexpectedly (crashed)\nCaused by: java.io.EOFException"
    assert type(translate(text)) is LostWorkerError
    assert "worker died" in str(storage_error(text, "x.json"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("AnalysisException: [COLUMN_ALREADY_EXISTS] The column `f` already exists.", "rename one of them"),
        ("UnsupportedOperationException: ", "cannot be listed"),
    ],
)
def test_what_spark_cannot_read_is_named_with_a_way_out(text, says):
    assert re.fullmatch(rf"x\.parquet: .*{says}.*", str(storage_error(text, "x.parquet")))


def test_an_unknown_failure_is_not_explained_away():
    assert translate("java.lang.NullPointerException") is None
