"""What anyone would write: a session with the default JVM, a CSV, one count by group, one function over pandas frames.

python benchmarks/bare_program.py MASTER CSV
"""

import sys
from collections.abc import Iterator

import pandas as pd
from pyspark.sql import SparkSession


def sizes(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The number of rows of each frame."""
    for frame in frames:
        yield pd.DataFrame({"rows": [len(frame)]})


def main(master: str, path: str) -> None:
    """Print the groups of the data's second column, and how many rows Python has seen."""
    spark = SparkSession.builder.master(master).getOrCreate()
    data = spark.read.csv(path, header=True, inferSchema=True)
    print(data.groupBy(data.columns[1]).count().collect())
    print(sum(row.rows for row in data.mapInPandas(sizes, "rows long").collect()))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
