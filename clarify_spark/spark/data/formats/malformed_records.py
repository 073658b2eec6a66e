"""Malformed records: stop at the first, or tolerate some and count them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from clarify_spark.errors import DataError
from clarify_spark.spark.data.formats.row_keys import PLACE, Split, starts
from clarify_spark.spark.data.formats.snapshot import Snapshot

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_FILE_MASK = (1 << 40) - 1


def first_malformed(bad: DataFrame, reason: str, splits: Sequence[Split], snapshot: Snapshot) -> tuple[str, int, str]:
    """The file, the 0-based position and the ``reason`` column of the malformed record that comes first in the data."""
    bases = {(split.file, split.block): base for split, base in starts(splits)}
    row = bad.select(reason, *PLACE).orderBy("_file", "_block", "_mid").first()
    assert row is not None
    key = bases[(row[1], row[2])] + row[3]
    return snapshot.files[row[1]].uri, key & _FILE_MASK, str(row[0])


def require_tolerable(malformed: int, limit: int, first: Callable[[], str]) -> None:
    """Raise DataError with the first malformed record when there are more than the config tolerates."""
    if malformed <= limit:
        return
    if limit:
        raise DataError(
            f"{malformed} records are malformed, max_malformed_records allows {limit}. The first: {first()}"
        )
    others = f" (and {malformed - 1} more)" if malformed > 1 else ""
    raise DataError(
        f"{first()}{others}. Fix the data, or set max_malformed_records to skip up to that many such records."
    )


def tolerated_note(malformed: int) -> tuple[str, ...]:
    """A note on the skipped records, empty when there are none."""
    return (f"{malformed} malformed records were skipped (max_malformed_records).",) if malformed else ()
