"""Some rows of a data set: those whose keys have the smallest hashes, the same on any partitioning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pyspark.sql import functions as sf

from clarify_spark.spark.collect import collected_columns
from clarify_spark.spark.data.datasets import Dataset
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.features import typed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def sampled(dataset: Dataset, spec: PredictorSpec, seed: int, rows: int) -> DataFrame:
    """That many rows with ``row_key`` and the features of a model."""
    order = sf.xxhash64(sf.col("row_key"), sf.lit(seed).cast("bigint"))
    return dataset.keyed.select("row_key", *feature_ids(dataset, spec)).orderBy(order, "row_key").limit(rows)


def typed_sample(dataset: Dataset, spec: PredictorSpec, seed: int, rows: int) -> pd.DataFrame:
    """The same rows on the driver by row key, in the order of their hashes, as a model gets them."""
    columns = collected_columns(sampled(dataset, spec, seed, rows))
    keys = pd.Index(np.array(columns["row_key"], np.int64))
    values = pd.DataFrame({name: columns[name] for name in feature_ids(dataset, spec)}).set_index(keys)
    return typed(values, spec.feature_names, spec.feature_kinds)


def feature_ids(dataset: Dataset, spec: PredictorSpec) -> list[str]:
    """The Spark columns of a model's features, in order."""
    return [dataset.column(name).id for name in spec.feature_names]
