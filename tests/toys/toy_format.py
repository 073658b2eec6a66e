"""A format of data sets: ``loans.toy`` is the temporary view ``loans`` in the order of its column ``id``."""

from pyspark.sql import functions as sf

from clarify_spark.config.formats import DatasetFormat
from clarify_spark.spark.data.formats.baselines import first_rows
from clarify_spark.spark.data.formats.caching import cached
from clarify_spark.spark.data.formats.parquet import kind_of
from clarify_spark.spark.data.formats.row_keys import ordered, with_ordered_keys
from clarify_spark.spark.data.formats.snapshot import Snapshot
from clarify_spark.spark.data.formats.table import Column, LoadedTable
from clarify_spark.spark.files.read_failures import reading

TYPE = "application/x-toy"
FORMAT = DatasetFormat(
    name="toy",
    reader="toy_format:table_of",
    baseline="toy_format:baseline_of",
    word="toy",
    recognised=(".toy",),
    names_requests=True,
)


def table_of(spark, config, uri):
    """The rows of the view, with keys in the order of ``id``."""
    return _table(spark, uri)


def baseline_of(spark, uri, features):
    """The rows of the view as those of a baseline."""
    return first_rows(_table(spark, uri), features)


def _table(spark, uri):
    snapshot = Snapshot(uri, version="7", order=("id",))
    with reading(uri):
        view = spark.table(uri.removesuffix(".toy"))
        fields = list(enumerate(view.schema.fields))
        rows = ordered(view, snapshot, [sf.col(field.name).alias(f"c{index}") for index, field in fields])
        with cached(rows) as kept:
            keyed = with_ordered_keys(spark, kept, snapshot)
    columns = tuple(Column(field.name, f"c{index}", kind_of(field.dataType)) for index, field in fields)
    return LoadedTable(keyed.drop("row_key"), keyed, columns, snapshot, None, 0, (), (kept,))
