"""Texts that come to the driver as bytes: Spark Connect cannot bring one whose bytes are not UTF-8."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F


def raw_value() -> Column:
    """The bytes of a line or text that ``spark.read.text`` has read, as its column ``value``."""
    return F.col("value").cast("binary").alias("value")


def decoded(raw: bytes) -> str:
    """The text of such bytes; U+FFFD for what is not UTF-8, as Spark's other readers have it."""
    return bytes(raw).decode("utf-8", errors="replace")
