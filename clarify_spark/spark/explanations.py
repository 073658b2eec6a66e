"""Explanations on executors: the probe of a job, then its blocks (``spark.blocks.scheduler``) in row order."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pyspark import StorageLevel
from pyspark.sql import functions as sf

from clarify_spark.spark.blocks.checkpoints import Checkpoints
from clarify_spark.spark.blocks.scheduler import Work, results
from clarify_spark.spark.blocks.waves import WaveSettings
from clarify_spark.spark.data.datasets import Dataset
from clarify_spark.spark.data.sample import feature_ids, sampled
from clarify_spark.spark.failures import user_errors
from clarify_spark.spark.progress import Progress
from clarify_spark.udfs.explained import Explained, Probe, from_bytes, probe_from_bytes
from clarify_spark.udfs.shap.kernel_shap import (
    ShapPlan,
    ShapSettings,
    explain_batches,
    explained_at_once,
    probe_batches,
)

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame

__all__ = ["WaveSettings", "explained_blocks", "probe"]
JOIN_ID = "join_text"


def probe(dataset: Dataset, settings: ShapSettings, pilot_rows: int, progress: Progress) -> Probe:
    """The model's outputs for the baseline and the pilot: the rows whose keys have the smallest hashes."""
    pilot = sampled(dataset, settings.spec, settings.seed, pilot_rows)
    ask = partial(probe_batches, settings=settings, features=feature_ids(dataset, settings.spec))
    with progress.phase("Probing the model"), user_errors():
        answers = pilot.coalesce(1).sortWithinPartitions("row_key").mapInArrow(ask, "result binary").collect()
    return probe_from_bytes(bytes(answers[0]["result"]))


def explained_blocks(
    dataset: Dataset, plan: ShapPlan, checkpoints: Checkpoints, progress: Progress, pace: WaveSettings | None = None
) -> Generator[Explained, None, None]:
    """Every block in the order of row keys; those in the checkpoints are not computed again."""
    with user_errors(), _persisted(dataset, plan) as rows:
        work = replace(_work(rows, plan, checkpoints), file_rows=dataset.source.file_rows)
        yield from results(work, progress, "Explaining", pace)


def _work(rows: DataFrame, plan: ShapPlan, checkpoints: Checkpoints) -> Work[Explained]:
    features = [name for name in rows.columns if name not in ("row_key", JOIN_ID)]
    join = JOIN_ID if JOIN_ID in rows.columns else None
    call = partial(explain_batches, plan=plan, features=features, join=join)
    at_once = explained_at_once(plan.settings.spec)
    return Work(rows, plan.block_rows, call, from_bytes, _row_bytes(plan), checkpoints, at_once)


@contextmanager
def _persisted(dataset: Dataset, plan: ShapPlan) -> Iterator[DataFrame]:
    """What executors need of each row, cached for the block: row key, features, and the id as text, if any."""
    columns: list[Expression | str] = ["row_key", *feature_ids(dataset, plan.settings.spec)]
    if dataset.join is not None:
        columns.append(sf.col(dataset.column(dataset.join).id).cast("string").alias(JOIN_ID))
    rows = dataset.keyed.select(*columns).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield rows
    finally:
        rows.unpersist()


def _row_bytes(plan: ShapPlan) -> int:
    """The approximate bytes of results per row."""
    players = len(plan.settings.players)
    numbers = plan.outputs * (players * (2 if plan.settings.standard_errors else 1) + 3) + 1
    return 8 * numbers + 32
