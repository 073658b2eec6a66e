"""Partial dependence on executors: all rows, or a sample of them, in blocks (``spark.blocks.scheduler``)."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyspark import StorageLevel
from pyspark.sql import Window
from pyspark.sql import functions as sf

from clarify_spark.spark.blocks.checkpoints import Checkpoints
from clarify_spark.spark.blocks.scheduler import Work, results
from clarify_spark.spark.collect import collected_columns
from clarify_spark.spark.data.datasets import Dataset
from clarify_spark.spark.data.sample import feature_ids, sampled
from clarify_spark.spark.failures import user_errors
from clarify_spark.spark.progress import Progress
from clarify_spark.udfs.explained import CurveSums, curves_from_bytes
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.partial_dependence import CurvePlan, blocks_at_once, curve_batches
from clarify_spark.udfs.row_keys import SOURCE_KEY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def individual_keys(dataset: Dataset, spec: PredictorSpec, seed: int, rows: int) -> NDArray[np.int64]:
    """The sorted keys of that many rows, those whose hashes are the smallest."""
    keys = collected_columns(sampled(dataset, spec, seed, rows).select("row_key"))["row_key"]
    return np.sort(np.array(keys, np.int64))


@dataclass(frozen=True)
class RowSample:
    """``rows`` of the ``of_rows`` rows of a data set: all, or those whose keys have the smallest hashes."""

    dataset: Dataset
    rows: int
    of_rows: int
    seed: int


def curve_sums(
    used: RowSample, plan: CurvePlan, checkpoints: Checkpoints, progress: Progress
) -> Generator[CurveSums, None, None]:
    """The sums of every block in the order of rows."""
    call = partial(curve_batches, plan=plan, features=feature_ids(used.dataset, plan.spec))
    with user_errors(), _persisted(used, plan) as rows:
        at_once = blocks_at_once(plan.spec)
        file_rows = used.dataset.source.file_rows if used.rows == used.of_rows else (used.rows,)
        work = Work(rows, plan.block_rows, call, curves_from_bytes, _row_bytes(plan), checkpoints, at_once, file_rows)
        yield from results(work, progress, "Partial dependence")


@contextmanager
def _persisted(of: RowSample, plan: CurvePlan) -> Iterator[DataFrame]:
    """The rows that are used, cached for the block: ``row_key``, SOURCE_KEY and the features.

    A sample's rows are renumbered: their keys are far apart, and a block of them would have few rows.
    """
    features = feature_ids(of.dataset, plan.spec)
    used = of.dataset.keyed.select("row_key", *features).withColumn(SOURCE_KEY, sf.col("row_key"))
    if of.rows < of.of_rows:
        some = sampled(of.dataset, plan.spec, of.seed, of.rows).withColumnRenamed("row_key", SOURCE_KEY)
        one_task = Window.partitionBy(sf.lit(0)).orderBy(SOURCE_KEY)  # without a partition, Connect warns the user
        number = sf.row_number().over(one_task).cast("bigint") - 1
        used = some.withColumn("row_key", number)
    used = used.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield used
    finally:
        used.unpersist()


def _row_bytes(plan: CurvePlan) -> int:
    """The approximate bytes of results per row."""
    points = sum(len(grid.values) for grid in plan.grids)
    return 64 + 2 * 8 * points // plan.block_rows
