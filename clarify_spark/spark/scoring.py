"""Predicted labels for a data set that has none: executors call the model, in blocks independent of partitions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pyspark import StorageLevel
from pyspark.sql import functions as sf
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from clarify_spark.columns import Kind
from clarify_spark.config import AnalysisConfig, Predictor, headers_of, model_format
from clarify_spark.errors import ConfigError, ModelError, Problem
from clarify_spark.spark.blocks.checkpoints import Checkpoints
from clarify_spark.spark.blocks.scheduler import Work, results
from clarify_spark.spark.data.datasets import Column, Dataset
from clarify_spark.spark.data.formats.caching import cached
from clarify_spark.spark.data.sample import feature_ids
from clarify_spark.spark.failures import LostWorkerError, user_errors
from clarify_spark.spark.progress import Progress
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.requests.responses import speaks_csv
from clarify_spark.udfs.row_keys import block_description
from clarify_spark.udfs.scoring import BLOCK_ROWS, Scored, blocks_at_once, score_batches, scored_blocks, unpacked
from clarify_spark.udfs.traffic import Traffic, together

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame

#: The predictions' column: its name unless the data already uses it, and its Spark name.
PREDICTED_NAME = "predicted_label"
PREDICTED_ID = "predicted"
#: What scoring returns for a row.
_TOLD = (
    StructField("label_text", StringType()),
    StructField("label_kind", StringType()),
    StructField("score", DoubleType()),
)
#: The number of a row's block.
_BLOCK = f"row_key div {BLOCK_ROWS}"
#: Approximate bytes of a row's predictions in transit.
ROW_BYTES = 32
_SPARK_TYPES: dict[Kind, str] = {"integer": "bigint", "float": "double", "boolean": "boolean", "string": "string"}
_WIDEST: tuple[Kind, ...] = ("string", "float", "integer", "boolean")


def predictor_spec(config: AnalysisConfig, predictor: Predictor, dataset: Dataset) -> PredictorSpec:
    """The model of a config and how executors call it; the values of HTTP headers come from the environment."""
    form = model_format(predictor)
    uri = predictor.model_uri or predictor.endpoint_name or predictor.model_name
    if form is None or uri is None:
        raise ConfigError([Problem("predictor.model_uri", f"found {predictor.model_uri!r}; set model_format")])
    content_type = predictor.content_type or (None if config.format.names_requests else config.dataset_type)
    template = predictor.content_template
    return PredictorSpec(
        format=form,
        uri=uri,
        feature_names=dataset.features,
        feature_kinds=tuple(dataset.column(name).kind for name in dataset.features),
        content_type=content_type,
        accept_type=predictor.accept_type or content_type,
        content_template=tuple(template.items()) if isinstance(template, dict) else template,
        record_template=predictor.record_template,
        label=predictor.label,
        probability=predictor.probability,
        label_headers=predictor.label_headers,
        probability_threshold=config.probability_threshold,
        entry_script=predictor.entry_script,
        headers=tuple(headers_of(predictor)),
        target_model=predictor.target_model,
        custom_attributes=predictor.custom_attributes,
    )


def with_model_predictions(dataset: Dataset, spec: PredictorSpec) -> Dataset:
    """The data set with the model's predicted labels; every row has been scored when this returns."""
    features = feature_ids(dataset, spec)
    in_blocks = dataset.keyed.repartition(_tasks(dataset), sf.expr(_BLOCK)).sortWithinPartitions("row_key")
    score = partial(score_batches, spec=spec, features=features)

    def scored(rows: DataFrame) -> DataFrame:
        return rows.mapInArrow(score, _scored_schema(in_blocks))

    try:
        with user_errors():
            return _labelled(dataset, scored(in_blocks), spec)
    except LostWorkerError as error:
        _each_alone(in_blocks, error.task, scored)
    with user_errors():
        return _labelled(dataset, scored(in_blocks), spec)


def _each_alone(rows: DataFrame, task: int | None, scored: Callable[[DataFrame], DataFrame]) -> None:
    """Score each block of a task whose worker died in its own job; an error names the block whose worker dies."""
    lost = rows.withColumn("task", sf.spark_partition_id()).where(sf.col("task") == sf.lit(task)).drop("task")
    spans = lost.groupBy(sf.expr(_BLOCK).alias("block")).agg(
        sf.min("row_key").alias("lo"), sf.max("row_key").alias("hi")
    )
    for block, lo, hi in sorted((int(row["block"]), int(row["lo"]), int(row["hi"])) for row in spans.collect()):
        try:
            with user_errors():
                scored(rows.where(f"{_BLOCK} = {block}").coalesce(1).sortWithinPartitions("row_key")).count()
        except LostWorkerError as error:
            raise ModelError(f"predictions, {block_description(block, lo, hi)}, tried alone: {error}") from error


def with_kept_predictions(
    dataset: Dataset, spec: PredictorSpec, checkpoints: Checkpoints, progress: Progress
) -> tuple[Dataset, Traffic | None]:
    """The same, but finished blocks are kept as checkpoints, since calls to an endpoint take time and money."""
    features = feature_ids(dataset, spec)
    rows = dataset.keyed.select("row_key", *features).persist(StorageLevel.MEMORY_AND_DISK)
    call = partial(scored_blocks, spec=spec, features=features)
    at_once, file_rows = blocks_at_once(spec), dataset.source.file_rows
    work = Work(rows, BLOCK_ROWS, call, Scored.from_bytes, ROW_BYTES, checkpoints, at_once, file_rows)
    traffic: Traffic | None = None
    try:
        with closing(results(work, progress, "Calling the model")) as scored:
            for block in scored:
                traffic = together([traffic, block.traffic])
    finally:
        rows.unpersist()
    kept = [(bytearray(block.result),) for wave in checkpoints.ranges for block in checkpoints.blocks(wave)]
    packed = dataset.keyed.sparkSession.createDataFrame(kept, "result binary")
    predictions = packed.mapInArrow(unpacked, StructType([StructField("row_key", LongType()), *_TOLD]))
    # Rows unknown to a forced resume have no prediction, which is reported later; they must not disappear.
    return _labelled(dataset, dataset.keyed.join(predictions, "row_key", "left"), spec), traffic


def _labelled(dataset: Dataset, rows: DataFrame, spec: PredictorSpec) -> Dataset:
    """The data set of rows that have ``label_text`` and ``label_kind`` in addition to their columns."""
    with cached(rows) as scored:
        kind = _kind_of_labels(scored, texts=speaks_csv(spec))
    label = sf.col("label_text").cast(_SPARK_TYPES[kind]).alias(PREDICTED_ID)
    return _with_prediction(dataset, scored, label, kind)


def _tasks(dataset: Dataset) -> int:
    """As many tasks as the session shuffles into, but no more than there are blocks."""
    rows = dataset.source.rows if dataset.source.rows is not None else dataset.frame.count()
    most = int(dataset.keyed.sparkSession.conf.get("spark.sql.shuffle.partitions") or 1)
    return max(1, min(most, 2 * (rows // BLOCK_ROWS) + 1))


def thresholded(dataset: Dataset, threshold: float) -> Dataset:
    """The data set with its numeric predictions turned into 1 above the threshold, else 0; missing ones are kept."""
    name = dataset.predicted_label or PREDICTED_NAME
    column = dataset.column(name)
    if column.kind not in ("integer", "float"):
        return dataset
    score = sf.col(column.id)
    above = (
        sf.when(score.isNull() | sf.isnan(score.cast("double")), None).when(score > sf.lit(threshold), 1).otherwise(0)
    )
    label = above.cast("bigint").alias(PREDICTED_ID)
    return _with_prediction(dataset, dataset.keyed, label, "integer")


def _with_prediction(dataset: Dataset, rows: DataFrame, label: Expression, kind: Kind) -> Dataset:
    """``dataset`` read from ``rows``, its predictions replaced by ``label`` (a Spark expression)."""
    old = dataset.predicted_label
    name = old or _free_name(dataset.names)
    kept = tuple(column for column in dataset.columns if column.name != old)
    keyed = rows.select("row_key", *[column.id for column in kept], label)
    cached = (*dataset.cached, rows) if rows is not dataset.keyed else dataset.cached
    return replace(
        dataset,
        frame=keyed.drop("row_key"),
        keyed=keyed,
        columns=(*kept, Column(name, PREDICTED_ID, kind)),
        predicted_label=name,
        cached=cached,
    )


def _scored_schema(rows: DataFrame) -> StructType:
    return StructType([*rows.schema.fields, *_TOLD])


def _kind_of_labels(scored: DataFrame, *, texts: bool) -> Kind:
    """The one kind that all predicted labels are read as; ``texts``: they are texts, typed response by response."""
    found = {row[0] for row in scored.select("label_kind").distinct().collect()} - {None}
    if found <= {"integer", "float"}:
        return "float" if "float" in found else "integer"
    if texts and "string" in found and "boolean" not in found:
        return "string"
    if len(found) > 1:
        kinds = ", ".join(sorted(str(kind) for kind in found))
        raise ModelError(f"The model's predicted labels have several types ({kinds}); they must all have the same.")
    return next(kind for kind in _WIDEST if kind in found)


def _free_name(names: tuple[str, ...]) -> str:
    name = PREDICTED_NAME
    while name in names:
        name = f"{name}_"
    return name
