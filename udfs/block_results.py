"""The outcome of the blocks of a task: one row each, with a result or an error that the user can fix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from threading import Event

import pyarrow as pa

from clarify_spark.udfs.concurrent_map import map_in_order
from clarify_spark.udfs.errors import MORE_MEMORY, ClarifyError
from clarify_spark.udfs.row_keys import SOURCE_KEY, block_description

#: The columns as Spark's types; where ``error`` is not null, ``result`` is.
SCHEMA = "block bigint, rows bigint, result binary, error_kind string, error string"


def block_results(
    work: Callable[[pa.Table], bytes], blocks: Iterable[pa.Table], block_rows: int, at_once: int
) -> Iterator[pa.RecordBatch]:
    """One row per block in order, with that many blocks in progress at once; after a failure no more are begun.

    An error is returned instead of raised, since Spark would discard what the task has finished, and retry it.
    Blocks in progress are then finished and returned too: their requests are paid for, and a thread that is
    left behind would keep sending requests during the worker's next task.
    """
    failed = Event()

    def attempted(block: pa.Table) -> pa.RecordBatch:
        keys = block.column("row_key")
        found: dict[str, object] = {"result": None, "error_kind": None, "error": None}
        try:
            found["result"] = work(block)
        except ClarifyError as error:
            found |= {"error_kind": type(error).__name__, "error": str(error)}
            failed.set()
        except MemoryError as error:
            found |= {"error_kind": "ModelError", "error": f"{_block_description(block, block_rows)}: {_reason(error)}"}
            failed.set()
        types = {"result": pa.binary(), "error_kind": pa.string(), "error": pa.string()}
        columns = {name: pa.array([value], types[name]) for name, value in found.items()}
        numbers = {"block": pa.array([keys[0].as_py() // block_rows]), "rows": pa.array([len(keys)])}
        return pa.RecordBatch.from_pydict({**numbers, **columns})

    yield from map_in_order(attempted, takewhile(lambda _: not failed.is_set(), blocks), at_once)


def _block_description(block: pa.Table, block_rows: int) -> str:
    keys = block.column(SOURCE_KEY if SOURCE_KEY in block.column_names else "row_key")
    return block_description(block.column("row_key")[0].as_py() // block_rows, keys[0].as_py(), keys[-1].as_py())


def _reason(error: MemoryError) -> str:
    said = f" ({error})" if str(error) else ""
    return f"a Python worker ran out of memory{said}; {MORE_MEMORY}"
