"""Texts that reach the driver as bytes: Spark Connect cannot return one whose bytes are not UTF-8."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F


def raw_value() -> Column:
    """The bytes of a line or text that ``spark.read.text`` has read, as its column ``value``."""
    return F.col("value").cast("binary").alias("value")


def decoded(raw: bytes) -> str:
    """The text of such bytes; U+FFFD for what is not UTF-8, as in Spark's other readers."""
    return bytes(raw).decode("utf-8", errors="replace")
