"""Finished blocks of a run (explanations, predictions, curves), kept next to the results until these are complete.

A killed run resumes from them. A folder holds ``manifest.json`` (the facts that the results follow from) and one
file per finished range of row keys.
Every file ends with its length and a checksum over the run, its name and its content: what was truncated, damaged or
left by another run is ignored, whether or not the file system renames atomically.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from clarify_spark.errors import OutputError
from clarify_spark.spark.files.output import Output
from clarify_spark.udfs.explained import Explained, from_bytes

#: Where the checkpoints of explanations, of predictions and of partial dependence are.
EXPLANATIONS, PREDICTIONS, CURVES = "explanations_shap/_journal", "_predictions_journal", "_pdp_journal"
MANIFEST = "manifest.json"
_RANGE = re.compile(r"range-(\d+)-(\d+)\.arrow")
_MAGIC = b"clarify1"
_FOOTER_BYTES = 8 + hashlib.sha256().digest_size + len(_MAGIC)
_SCHEMA = pa.schema([("block", pa.int64()), ("rows", pa.int64()), ("result", pa.binary())])


@dataclass(frozen=True, order=True)
class KeyRange:
    """Row keys from ``lo`` up to, but without, ``hi``."""

    lo: int
    hi: int

    @property
    def name(self) -> str:
        """The name of the file for this range."""
        return f"range-{self.lo}-{self.hi}.arrow"


@dataclass(frozen=True)
class Block:
    """One finished block: its number, how many rows it has, and its result as bytes."""

    number: int
    rows: int
    result: bytes


def without(spans: Iterable[KeyRange], taken: Iterable[KeyRange]) -> list[KeyRange]:
    """The parts of ``spans`` not covered by ``taken``, in order; neither contains overlapping ranges."""
    left: list[KeyRange] = []
    covers = sorted(taken)
    place = 0
    for span in sorted(spans):
        start = span.lo
        while place < len(covers) and covers[place].hi <= start:
            place += 1
        ahead = place
        while ahead < len(covers) and covers[ahead].lo < span.hi:
            if covers[ahead].lo > start:
                left.append(KeyRange(start, covers[ahead].lo))
            start = max(start, covers[ahead].hi)
            ahead += 1
        if start < span.hi:
            left.append(KeyRange(start, span.hi))
    return left


class Checkpoints:
    """The finished ranges of one run.

    ``note`` states why an older run's are not used, or are used despite changes; then ``forced`` is True.
    """

    def __init__(
        self, output: Output, fingerprint: Mapping[str, Any], *, folder: str = EXPLANATIONS, force_resume: bool = False
    ) -> None:
        """Open the checkpoints in ``output``: one with other ``fingerprint`` (JSON by name) is emptied, unless
        forced.
        """
        self._output = output
        self._folder = folder
        self._lock = threading.Lock()
        self._rows: dict[KeyRange, int] = {}
        self.note: str | None = None
        self.forced = False
        wanted = json.loads(json.dumps(fingerprint))
        found = self._manifest()
        if found is not None and (force_resume or found["facts"] == wanted):
            self._id = str(found["id"])
            self._load_ranges()
        else:
            self._id = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
            output.delete(self._folder)
        if found is not None and found["facts"] != wanted:
            self.forced = force_resume
            self.note = _resume_message(_changed(found["facts"], wanted), kept=force_resume)
        if found is None or found["facts"] != wanted:
            manifest = {"id": self._id, "facts": wanted}
            output.write(f"{self._folder}/{MANIFEST}", json.dumps(manifest, indent=2, sort_keys=True) + "\n")

    @property
    def ranges(self) -> tuple[KeyRange, ...]:
        """The finished ranges in order."""
        with self._lock:
            return tuple(sorted(self._rows))

    def rows(self, ranges: Iterable[KeyRange]) -> int:
        """How many rows the finished ranges hold."""
        return sum(self._rows[done] for done in ranges)

    def pending(self, spans: Iterable[KeyRange]) -> list[KeyRange]:
        """The unfinished parts of ``spans``, in order."""
        return without(spans, self.ranges)

    def drop_unaligned(self, block_rows: int) -> None:
        """Forget ranges that do not consist of whole blocks of that many row keys; a forced resume may find some."""
        for done in self.ranges:
            if done.lo % block_rows or done.hi % block_rows:
                self._output.delete(f"{self._folder}/{done.name}")
                del self._rows[done]

    def commit(self, done: KeyRange, blocks: Sequence[Block]) -> None:
        """Keep the blocks of a range: after this returns, no crash loses them. Thread-safe."""
        self._output.write_bytes(f"{self._folder}/{done.name}", self._sealed(done.name, _packed(blocks)))
        with self._lock:
            self._rows[done] = sum(block.rows for block in blocks)

    def blocks(self, done: KeyRange) -> list[Block]:
        """The blocks of a finished range, in order."""
        data = self.get(done.name)
        if data is None:
            uri = f"{self._output.uri}/{self._folder}/{done.name}"
            raise OutputError(f"{uri} was damaged or removed during the run; run the command again to repair it.")
        return _unpacked(data)

    def explained(self) -> Iterator[Explained]:
        """All finished blocks in the order of row keys."""
        for done in self.ranges:
            for block in self.blocks(done):
                yield from_bytes(block.result)

    def put(self, name: str, data: bytes) -> None:
        """Keep something else of the run under a name."""
        self._output.write_bytes(f"{self._folder}/{name}", self._sealed(name, data))

    def get(self, name: str) -> bytes | None:
        """What this run stored there, None if there is nothing or it is damaged."""
        data = self._output.read_bytes(f"{self._folder}/{name}")
        return None if data is None else self._unsealed(name, data)

    def remove(self) -> None:
        """Delete the checkpoints; the results must be complete by now."""
        self._output.delete(self._folder)

    def _manifest(self) -> dict[str, Any] | None:
        data = self._output.read_bytes(f"{self._folder}/{MANIFEST}")
        try:
            found = json.loads(data) if data is not None else None
        except ValueError:  # truncated
            return None
        known = isinstance(found, dict) and isinstance(found.get("facts"), dict) and "id" in found
        return found if known else None

    def _load_ranges(self) -> None:
        """Load every complete range file; of files that overlap (two drivers at once), the first and longest."""
        matches = [_RANGE.fullmatch(name) for name in self._output.names(self._folder)]
        named = [KeyRange(int(match[1]), int(match[2])) for match in matches if match]
        end = -1
        for candidate in sorted(named, key=lambda one: (one.lo, -one.hi)):
            data = self.get(candidate.name) if candidate.lo >= end else None
            if data is not None:
                self._rows[candidate] = sum(block.rows for block in _unpacked(data))
                end = candidate.hi

    def _sealed(self, name: str, data: bytes) -> bytes:
        return data + len(data).to_bytes(8, "big") + self._checksum(name, data) + _MAGIC

    def _unsealed(self, name: str, data: bytes) -> bytes | None:
        content, footer = data[:-_FOOTER_BYTES], data[-_FOOTER_BYTES:]
        whole = len(content).to_bytes(8, "big") + self._checksum(name, content) + _MAGIC
        return content if footer == whole else None

    def _checksum(self, name: str, data: bytes) -> bytes:
        digest = hashlib.sha256(f"{self._id}/{name}/".encode())
        digest.update(data)
        return digest.digest()


def _packed(blocks: Sequence[Block]) -> bytes:
    columns = [[block.number for block in blocks], [block.rows for block in blocks], [block.result for block in blocks]]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA))
    return bytes(sink.getvalue())


def _unpacked(data: bytes) -> list[Block]:
    with pa.ipc.open_stream(data) as reader:
        columns = reader.read_all().to_pydict()
    return [Block(*values) for values in zip(columns["block"], columns["rows"], columns["result"], strict=True)]


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The names of the facts that differ, in the order of the new ones."""
    names = [*new, *(name for name in old if name not in new)]
    return [name for name in names if old.get(name) != new.get(name)]


def _resume_message(changed: Sequence[str], *, kept: bool) -> str:
    named = [f"the {name}" for name in changed]
    what = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
    if kept:
        return f"Resuming despite changes (--force-resume): {what} changed since the interrupted run."
    return f"Starting over: {what} changed since the interrupted run; --force-resume would keep its finished rows."
