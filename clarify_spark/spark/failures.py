"""Failures inside Spark, turned back into errors that a user can fix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from clarify_spark.errors import ClarifyError, CommandError, DataError, ModelError, OutputError
from clarify_spark.udfs.errors import MORE_MEMORY


class LostWorkerError(ModelError):
    """A Python worker or an executor died, and Spark has retried the task as often as allowed.

    ``task`` is the task's number in its stage, None where Spark does not report it.
    """

    task: int | None = None


_OWN_ERROR = re.compile(
    r"clarify_spark\.udfs\.errors\.(?P<kind>DataError|ModelError|RecordError): (?P<text>.*?)"
    r"(?=\n\s*\n|\n\s*SQLSTATE|\n\s*at |\n\s*JVM stack|\Z)",
    re.DOTALL,
)
_KINDS: dict[str, type[ClarifyError]] = {"DataError": DataError, "ModelError": ModelError, "RecordError": ModelError}

#: Checked before damaged files: a worker that died leaves an EOFException too.
WORKER_DIED = r"Python worker exited unexpectedly|worker crashed|Python worker .* killed|ExecutorLostFailure"
_TASK = re.compile(r"Task (\d+) in stage \S+ failed")
#: (what Spark's text contains, the error it means, the message); the first match wins.
_KNOWN: tuple[tuple[str, type[ClarifyError], str], ...] = (
    (
        r"No module named 'clarify_spark",
        CommandError,
        "the executors cannot import clarify_spark; use spark-submit --py-files, or install it on the nodes",
    ),
    (
        r"No module named '(numpy|pandas|pyarrow|jmespath)'",
        CommandError,
        "a Python library is missing on the executors",
    ),
    (
        WORKER_DIED,
        LostWorkerError,
        f"a Python worker died: it ran out of memory, or the model's code ended it; {MORE_MEMORY}",
    ),
    (r"(?<!OutOf)(?<!except )MemoryError", ModelError, f"a Python worker ran out of memory; {MORE_MEMORY}"),
    (
        r"OutOfMemoryError",
        CommandError,
        "Spark itself ran out of memory; raise spark.executor.memory, or spark.driver.memory for the driver",
    ),
    (
        r"bigger than spark\.driver\.maxResultSize",
        CommandError,
        "the results of a job are larger than Spark allows; raise spark.driver.maxResultSize",
    ),
    (
        r"Master removed our application|SparkContext was shut down|All masters are unresponsive",
        CommandError,
        "the cluster ended the application: its master was lost, executors could not start or died too often (their "
        "logs give the reason), or it was stopped; finished blocks are kept, the same command resumes from there",
    ),
    (r"No space left on device", OutputError, "a disk is full (Spark's scratch folder is spark.local.dir)"),
    (r"is not a Parquet file|Could not read footer|CANNOT_READ_FILE_FOOTER", DataError, "a file is not valid Parquet"),
    (
        r"EOFException|ZipException|invalid (block|stored)|Unexpected end of",
        DataError,
        "a compressed file is truncated or damaged",
    ),
    (r"FileNotFoundException|PATH_NOT_FOUND|FILE_NOT_EXIST|does not exist", DataError, "a file could not be found"),
    (r"AccessControlException|AccessDenied|Permission denied|403 Forbidden", DataError, "a file may not be read"),
    (
        r"No FileSystem for scheme|ClassNotFoundException: .*FileSystem",
        DataError,
        "Spark has no driver for this file system",
    ),
)


@contextmanager
def user_errors() -> Iterator[None]:
    """Re-raise a Spark failure of the block as the corresponding ClarifyError; other failures pass unchanged."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        translated = translate(str(error))
        if translated is None:
            raise
        raise translated from error


def user_error(kind: str, text: str) -> ClarifyError:
    """The error that an executor names by its class."""
    return _KINDS[kind](text)


def translate(text: str) -> ClarifyError | None:
    """The user's error in the text of a Spark exception, None when the text contains no known one."""
    own = list(_OWN_ERROR.finditer(text))
    if own:
        return user_error(own[-1]["kind"], own[-1]["text"].strip())
    for pattern, kind, meaning in _KNOWN:
        found = re.search(pattern, text)
        if found:
            error = kind(f"{meaning[0].upper()}{meaning[1:]}. Spark says: {_line_with(text, found.start())}")
            task = _TASK.search(text)
            if isinstance(error, LostWorkerError) and task is not None:
                error.task = int(task[1])
            return error
    return None


def _line_with(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    line = text[start : end if end >= 0 else len(text)].replace("org.apache.spark.SparkException: ", "")
    return line.partition(" Consider setting ")[0].strip(": \t")[:500]
