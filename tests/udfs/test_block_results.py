import threading
import time

import numpy as np
import pyarrow as pa
import pytest

from clarify_spark.udfs.block_results import block_results
from clarify_spark.udfs.errors import DataError, RecordError


def blocks(*numbers, rows=4):
    return [pa.table({"row_key": np.arange(number * rows, (number + 1) * rows)}) for number in numbers]


def told(work, tables, at_once):
    return [row for batch in block_results(work, iter(tables), 4, at_once) for row in batch.to_pylist()]


@pytest.mark.parametrize("at_once", [1, 3])
def test_every_block_is_a_row_with_its_number_and_rows(at_once):
    found = told(lambda table: str(table.num_rows).encode(), blocks(2, 3, 7), at_once)
    assert [(row["block"], row["rows"], row["result"]) for row in found] == [(2, 4, b"4"), (3, 4, b"4"), (7, 4, b"4")]
    assert {(row["error_kind"], row["error"]) for row in found} == {(None, None)}


@pytest.mark.parametrize("error", [DataError("no luck"), RecordError("no luck", 3)])
def test_a_block_that_fails_is_told_and_is_the_last(error):
    def work(table):
        if table.column("row_key")[0].as_py() == 8:
            raise error
        return b"fine"

    found = told(work, blocks(0, 1, 2, 3), 1)
    assert [row["result"] for row in found] == [b"fine", b"fine", None]
    assert (found[-1]["block"], found[-1]["error_kind"], found[-1]["error"]) == (2, type(error).__name__, "no luck")


@pytest.mark.parametrize(("source", "place"), [(None, "record 9 of file 1 to record 12"), (41, "record 42 of")])
def test_a_block_for_which_memory_does_not_suffice_is_named_with_its_rows_and_a_way_out(source, place):
    def work(table):
        if table.column("row_key")[0].as_py() == 8:
            raise MemoryError("Unable to allocate 8.00 GiB")
        return b"fine"

    tables = blocks(0, 1, 2, 3)
    if source:  # a sample, whose row keys are not those of the data
        tables = [table.append_column("source_key", pa.array(np.arange(4) + source)) for table in tables]
    found = told(work, tables, 1)
    assert [row["result"] for row in found] == [b"fine", b"fine", None]
    assert found[-1]["error_kind"] == "ModelError"
    assert found[-1]["error"].startswith(f"block 2 ({place}")
    assert "ran out of memory (Unable to allocate 8.00 GiB); give Python workers more" in found[-1]["error"]
    assert "spark.executor.pyspark.memory" in found[-1]["error"]


def test_blocks_under_way_when_another_fails_are_finished_and_told_and_no_more_are_begun():
    together, failed = threading.Barrier(3, timeout=10), threading.Event()
    begun = []

    def work(table):
        number = table.column("row_key")[0].as_py() // 4
        begun.append(number)
        together.wait()
        if number == 1:
            failed.set()
            raise DataError("no luck")
        failed.wait(10)
        time.sleep(0.1)
        return b"fine"

    found = told(work, blocks(*range(9)), 3)
    assert [(row["block"], row["result"], row["error"]) for row in found] == [
        (0, b"fine", None),
        (1, None, "no luck"),
        (2, b"fine", None),
    ]
    assert sorted(begun) == [0, 1, 2]


def test_a_bug_is_raised():
    def work(table):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        told(work, blocks(0), 1)
