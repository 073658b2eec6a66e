from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pytest

from clarify_spark.udfs.explained import Explained, Probe, from_bytes, probe_from_bytes, to_bytes

RANDOM = np.random.default_rng(0)
BLOCK = Explained(
    row_keys=np.array([7, 8, 2**40]),
    join=("a", None, "Ünal"),
    prediction=RANDOM.normal(size=(3, 2)),
    base=RANDOM.normal(size=(3, 2)),
    values=RANDOM.normal(size=(3, 2, 4)),
    errors=RANDOM.random((3, 2, 4)),
    residual=np.zeros((3, 2)),
    records=123,
    calls=4,
    duplicates=5,
)
PROBE = Probe(
    2, RANDOM.random((4, 2)), RANDOM.random((3, 9, 2)), RANDOM.random((3, 2)), np.ones((3, 4), int), 0.5, 9, 2
)


def same(left, right):
    for field in fields(left):
        mine, other = getattr(left, field.name), getattr(right, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == other.dtype
            assert mine.shape == other.shape
            np.testing.assert_array_equal(mine, other)
        else:
            assert mine == other
            assert type(mine) is type(other)


@pytest.mark.parametrize("changes", [{}, {"join": None}, {"errors": None}, {"join": None, "errors": None}])
def test_a_block_comes_back_as_it_was(changes):
    block = replace(BLOCK, **changes)
    same(from_bytes(to_bytes(block)), block)


def test_arrays_that_are_transposed_views_come_back_as_they_were():
    block = replace(BLOCK, values=np.asfortranarray(BLOCK.values))
    same(from_bytes(to_bytes(block)), block)


def test_a_probe_comes_back_as_it_was_also_without_differences():
    same(probe_from_bytes(to_bytes(PROBE)), PROBE)
    exact = replace(PROBE, differences=np.empty((0, 9, 2)), totals=np.empty((0, 2)))
    same(probe_from_bytes(to_bytes(exact)), exact)


def test_the_bytes_are_an_arrow_stream_that_anyone_can_read():
    table = pa.ipc.open_stream(to_bytes(BLOCK)).read_all()
    assert table.column("row_keys").to_pylist() == [[7, 8, 2**40]]
    assert table.column("values").to_pylist() == [BLOCK.values.ravel().tolist()]


def test_the_same_block_gives_the_same_bytes_and_its_arrays_can_be_written_to():
    assert to_bytes(BLOCK) == to_bytes(replace(BLOCK))
    found = from_bytes(to_bytes(BLOCK))
    found.values[0] = 1.0
    found.row_keys[0] = 0
