"""JSON Lines: our Python path against the JVM's options, on generated dense records, as ratios to a text scan."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clarify_spark.udfs.records import RecordSpec, parse_lines

FEATURES = 14


def generate(path: Path, lines: int) -> None:
    """Write records of 14 features (integers, floats, texts) and a label."""
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as stream:
        for _ in range(lines):
            numbers = [draw.randrange(100) if place % 2 else draw.random() for place in range(FEATURES - 2)]
            words = [draw.choice(["alpha", "beta", "gamma"]) for _ in range(2)]
            stream.write(json.dumps({"features": numbers + words, "label": draw.randrange(2)}) + "\n")


def by_python(text: DataFrame, features: str) -> DataFrame:
    """The path that the reader takes; a complex expression goes through the jmespath library."""
    spec = RecordSpec(features, "label", None, FEATURES)
    columns = ", ".join(f"c{place} string" for place in range(spec.columns))
    source = text.select(F.col("value").cast("binary"), *(F.lit(0).cast(t).alias(n) for n, t in PLACES))
    return source.mapInArrow(
        partial(parse_lines, spec=spec),
        f"{columns}, _problem string, _bits string, _file int, _block bigint, _mid bigint",
    )


PLACES = (("_file", "int"), ("_block", "bigint"), ("_mid", "bigint"))


def by_from_json(text: DataFrame) -> DataFrame:
    """One parse in the JVM; numbers are rewritten as text, and all JSON types are lost."""
    parsed = F.from_json("value", "features array<string>, label string").alias("r")
    return text.select(parsed).select(*[F.col("r.features")[place] for place in range(FEATURES)], "r.label")


def by_get_json_object(text: DataFrame) -> DataFrame:
    """One parse per list and per label; the list stays JSON text and must be parsed again."""
    array = F.from_json(F.get_json_object("value", "$.features"), "array<string>").alias("f")
    parsed = text.select(array, F.get_json_object("value", "$.label").alias("label"))
    return parsed.select(*[F.col("f")[place] for place in range(FEATURES)], "label")


def seconds(frame: DataFrame, repeats: int) -> float:
    """The best time of several runs into Spark's noop sink."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        frame.write.format("noop").mode("overwrite").save()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    """Generate the data, run each method, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=400_000)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        generate(path, given.lines)
        text = spark.read.text(str(path))
        ways: dict[str, Callable[[], DataFrame]] = {
            "text scan": lambda: text,
            "python json, plain name": lambda: by_python(text, "features"),
            "python json, jmespath library": lambda: by_python(text, "features | @"),
            "JVM from_json (other values)": lambda: by_from_json(text),
            "JVM get_json_object (other values)": lambda: by_get_json_object(text),
        }
        floor = 0.0
        for name, way in ways.items():
            took = seconds(way(), given.repeats)
            floor = floor or took
            print(f"{name:36s} {took:7.2f} s  {took / floor:6.1f} x scan  {given.lines / took / 1000:7.0f} krows/s")
    spark.stop()


if __name__ == "__main__":
    main()
