"""Results of a run as Spark DataFrames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet
from pyspark.sql import functions as sf
from pyspark.sql.types import ArrayType, DataType, DoubleType, LongType, StringType, StructField, StructType

from clarify_spark.errors import CommandError
from clarify_spark.spark.files.output import Output, local_path
from clarify_spark.spark.session import runs_locally

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PARQUET = "explanations_shap/local.parquet"


def local_explanations(output: Output, spark: SparkSession | None, analysis: Any) -> DataFrame:
    """One row for each row of the data, in its order by ``row_key``: predictions, and values as out.csv has them.

    Columns: ``row_key``, the join column if any, ``prediction_<label>`` and ``<feature>_<label>``.
    """
    shap = analysis.explanations.kernel_shap
    if shap is None:
        raise CommandError(f"{output.uri} has no local explanations: its run had no methods.shap.")
    return _local_values(output, spark, {label: list(of_label.global_shap_values) for label, of_label in shap.items()})


def _local_values(output: Output, spark: SparkSession | None, features: Mapping[str, Sequence[str]]) -> DataFrame:
    """The rows of local.parquet with a column for each value; ``features``: the explained ones of each output."""
    names = [name for name in output.names(PARQUET) if name.endswith(".parquet")]
    if not names:
        raise CommandError(
            f"{output.uri} has no local explanations: its run did not save them (save_local_shap_values is false)."
        )
    found = _read(output, _session(spark), names, list(features))
    columns = [sf.col("row_key"), *([sf.col("join")] if "join" in found.columns else [])]
    for label, named in features.items():
        values = sf.col(_quoted(f"values_{label}"))
        columns.append(sf.col(_quoted(f"prediction_{label}")))
        columns += [values[k].alias(f"{name}_{label}") for k, name in enumerate(named)]
    return found.select(*columns)


def _quoted(name: str) -> str:
    """The name of a column as Spark takes it literally."""
    return "`" + name.replace("`", "``") + "`"


def _session(spark: SparkSession | None) -> SparkSession:
    from pyspark.sql import SparkSession

    session = spark if spark is not None else SparkSession.getActiveSession()
    if session is None:
        raise CommandError("Local explanations are a Spark DataFrame, and there is no Spark session; start one first.")
    return session


def _read(output: Output, spark: SparkSession, names: Sequence[str], labels: Sequence[str]) -> DataFrame:
    """All parts, read by Spark if it can access the folder; else this process reads them and passes them on."""
    folder = local_path(output.uri)
    if folder is None:
        return spark.read.parquet(f"{output.uri}/{PARQUET}")
    if runs_locally(spark):
        return spark.read.parquet((folder.absolute() / PARQUET).as_uri())
    parts = [_handed_over(spark, folder / PARQUET / name, labels) for name in names]
    return reduce(lambda above, below: above.unionByName(below), parts)


def _handed_over(spark: SparkSession, part: Path, labels: Sequence[str]) -> DataFrame:
    """The columns of one part that local values are made of."""
    known: dict[str, DataType] = {"row_key": LongType(), "join": StringType()}
    known |= {f"prediction_{label}": DoubleType() for label in labels}
    known |= {f"values_{label}": ArrayType(DoubleType()) for label in labels}
    there = pa.parquet.read_schema(part).names
    table = pa.parquet.read_table(part, columns=[name for name in known if name in there])
    schema = StructType([StructField(name, known[name]) for name in table.column_names])
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return spark.createDataFrame(rows, schema)
