"""Segments of the data: the rows of one of them, and all of them as a part of the grouping key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import functions as sf

from clarify_spark.bias.segments import Segment, Segmentation
from clarify_spark.spark.counting.packed_keys import KeyPart
from clarify_spark.spark.counting.profiles import as_number, present

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression

    from clarify_spark.spark.data.datasets import Column, Dataset


def restricted(dataset: Dataset, segmentation: Segmentation, k: int) -> Dataset:
    """The rows of segment ``k`` of the segmentation, the number of its segments denoting the rest."""
    mask = _mask(dataset, segmentation)
    inside = mask == 0 if k == len(segmentation.segments) else mask.bitwiseAND(sf.lit(1 << k)) != 0
    return replace(dataset, frame=dataset.frame.where(inside), keyed=dataset.keyed.where(inside))


def segment_part(dataset: Dataset, segmentation: Segmentation) -> KeyPart:
    """The row's segments as bits; rows in several are looked up like any unexpected value."""
    return KeyPart(_mask(dataset, segmentation), (0, *(1 << k for k in range(len(segmentation.segments)))))


def groups_in(segmentation: Segmentation, k: int, values: Sequence[int]) -> NDArray[np.intp]:
    """The places of those ``values`` of ``segment_part`` that are in segment ``k``, or in the rest."""
    masks = np.array(values, np.int64)
    return np.flatnonzero(masks == 0 if k == len(segmentation.segments) else (masks >> k) & 1 == 1)


def _mask(dataset: Dataset, segmentation: Segmentation) -> Expression:
    """The segments that a row is in, as bits: bit k for segment k."""
    column = dataset.column(segmentation.column)
    mask = sf.lit(0).cast("bigint")
    for k, segment in enumerate(segmentation.segments):
        mask = mask.bitwiseOR(sf.when(_in_segment(segment, column), sf.lit(1 << k)).otherwise(sf.lit(0)).cast("bigint"))
    return mask


def _in_segment(segment: Segment, column: Column) -> Expression:
    """Whether the row's value is in the segment; a missing value is in none."""
    inside = present(column).isin(list(segment.values)) if segment.values else sf.lit(False)
    for span in segment.spans:
        value = as_number(column).cast("double")
        low, high = sf.lit(span.low), sf.lit(span.high)
        above = value >= low if span.low_included else value > low
        below = value <= high if span.high_included else value < high
        inside = inside | (above & below)
    return sf.coalesce(inside, sf.lit(False))
