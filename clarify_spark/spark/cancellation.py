"""Spark jobs that can be cancelled together, started from several threads; classic and Connect."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from clarify_spark.spark.session import is_connect

try:  # A Connect-only client has no py4j.
    from py4j.protocol import Py4JError
except ModuleNotFoundError:  # pragma: no cover
    Py4JError = PySparkException

#: What a call raises when its Spark is gone.
GONE = (PySparkException, Py4JError, OSError)


class Jobs:
    """The jobs of every thread that called ``join``."""

    def __init__(self, spark: SparkSession, name: str) -> None:
        self._spark: Any = spark
        self._connect = is_connect(spark)
        self._name = name
        self._id = f"clarify-spark-{uuid.uuid4()}"

    def join(self) -> None:
        """Add the jobs that this thread starts from now on."""
        if self._connect:
            self._spark.addTag(self._id)
        else:
            self._spark.sparkContext.setJobGroup(self._id, self._name)

    def cancel(self) -> None:
        """Cancel those that run now; a stopped Spark has none."""
        with suppress(*GONE):
            if self._connect:
                self._spark.interruptTag(self._id)
            else:
                self._spark.sparkContext.cancelJobGroup(self._id)
