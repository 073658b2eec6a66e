"""Data frames as data sets: kept as Parquet for a run, since files have a row order and frames do not."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from clarify_spark.errors import ArgumentError, DataError, OutputError
from clarify_spark.spark.failures import user_errors
from clarify_spark.spark.files.output import Output
from clarify_spark.spark.session import Session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    Frame = pd.DataFrame | DataFrame

#: Rows of a row group of the file that holds a pandas frame: one task can read each group.
_GROUP_ROWS = 100_000


def is_spark(frame: Any) -> bool:
    """Whether this is a DataFrame of Spark, classic or Connect."""
    return hasattr(frame, "sparkSession") and hasattr(frame, "schema")


def column_names(frame: Frame, argument: str = "data") -> list[str]:
    """The column names; raises for those that a data set cannot have."""
    names = list(frame.columns)
    odd = [name for name in names if not isinstance(name, str)]
    if odd:
        raise ArgumentError(
            f"{argument}: the column {odd[0]!r} has a name that is not text; rename it (frame.rename(columns=str))"
        )
    twice = [name for position, name in enumerate(names) if name in names[:position]]
    if twice:
        raise ArgumentError(f"{argument}: two columns are called {twice[0]!r}; rename one")
    return names


def reordered(frame: Frame, names: Sequence[str]) -> Frame:
    """The columns of a frame in this order."""
    if isinstance(frame, pd.DataFrame):
        return frame[list(names)]
    return frame.select(*[_quoted(name) for name in names])


def distinct_values(frame: Frame, column: str, most: int) -> list[Any]:
    """Up to that many distinct values of a column, without missing ones."""
    if isinstance(frame, pd.DataFrame):
        found: list[Any] = frame[column].dropna().drop_duplicates().head(most).tolist()
        return found
    from pyspark.sql import functions as sf

    named = sf.col("`" + column.replace("`", "``") + "`")
    with user_errors():
        return [row[0] for row in frame.select(named).where(named.isNotNull()).distinct().limit(most).collect()]


@contextmanager
def staged(session: Session, frame: Frame, folder: str | None) -> Iterator[str]:
    """The location of the frame as Parquet while the block runs; below ``folder``, or in a local temporary one."""
    if folder is None and not session.local:
        raise ArgumentError(
            "data_folder: the executors of this session may not see this machine's files. Name a folder that they can "
            "read and write, such as data_folder='s3a://bucket/tmp'; the rows are kept there while the analysis runs"
        )
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="clarify-spark-data-", ignore_cleanup_errors=True) as made:
            yield _written(session, frame, str(Path(made).resolve() / "data"))
        return
    name = f"clarify-spark-{uuid.uuid4().hex}"
    try:
        yield _written(session, frame, f"{folder.rstrip('/')}/{name}")
    finally:
        remove_staged(session, folder, name)


def remove_staged(session: Session, folder: str, name: str) -> None:
    """Remove what a run kept in the caller's folder; where only Spark can write, it stays."""
    with suppress(OutputError):
        Output(folder, session.spark).delete(name)


def _written(session: Session, frame: Frame, place: str) -> str:
    if isinstance(frame, pd.DataFrame):
        table = arrow_table(frame)
        if session.local and "://" not in place:
            Path(place).mkdir(parents=True)
            pa.parquet.write_table(table, Path(place) / "part-00000.parquet", row_group_size=_GROUP_ROWS)
            return place
        rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        schema = ", ".join(f"{_quoted(field.name)} {_SPARK_TYPES[str(field.type)]}" for field in table.schema)
        frame = session.spark.createDataFrame(rows, schema).coalesce(1)  # one file, as everywhere
    with user_errors():
        frame.write.parquet(place)
    return place


_SPARK_TYPES = {"int64": "bigint", "double": "double", "bool": "boolean", "string": "string"}


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def arrow_table(frame: pd.DataFrame) -> pa.Table:
    """The rows in their order, without the index, in the four types that the values of a data set have."""
    names = column_names(frame)
    return pa.table({name: _column(frame[name], name) for name in names})


def _column(series: pd.Series[Any], name: str) -> pa.ChunkedArray | pa.Array:
    """Integers, floats, booleans, or text as ``to_csv`` writes it; NaN and similar values are nulls."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype if not series.isna().any() else object)
    if series.dtype.kind in "mMc" or isinstance(series.dtype, pd.PeriodDtype | pd.IntervalDtype | pd.DatetimeTZDtype):
        series = series.astype(str).where(series.notna(), None)
    try:
        values = pa.array(series, from_pandas=True)
        return values.cast(_type_of(values.type, name))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"data: the column {name!r} ({series.dtype}) has values of several kinds, or of one that no data column "
            f"can have: {str(error).splitlines()[0][:200]}. Convert it, with astype(str) for instance, or drop it"
        ) from error


def _type_of(found: pa.DataType, name: str) -> pa.DataType:
    if pa.types.is_integer(found):
        return pa.int64()
    if pa.types.is_floating(found) or pa.types.is_decimal(found):
        return pa.float64()
    if pa.types.is_boolean(found):
        return pa.bool_()
    if pa.types.is_nested(found):
        raise DataError(f"data: the column {name!r} holds lists or similar values, which cannot be features; drop it")
    return pa.string()


def json_values(values: Sequence[Any]) -> list[Any]:
    """Values of pandas, NumPy or Spark as JSON values; missing ones None."""
    return [_json_value(value) for value in values]


def _json_value(value: Any) -> Any:
    if value is None or (not isinstance(value, str | list | tuple | dict) and pd.isna(value)):
        return None
    value = value.item() if hasattr(value, "item") else value
    return str(value) if isinstance(value, bool) or not isinstance(value, int | float | str) else value
