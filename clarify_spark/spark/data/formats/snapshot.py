"""The state of a data set when it was read: its files, or the version of a table."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

GLOB = re.compile(r"([\\\[\]{}*?])")


@dataclass(frozen=True)
class SourceFile:
    """One input file: its URI, its size in bytes and its modification time."""

    uri: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Snapshot:
    """One data set, frozen for the run: files in the order of their URIs, or a table of a catalogue, or both.

    ``keys`` is what ``_metadata.file_path`` calls the files. ``partitioned`` is the folder at which names like
    ``column=value`` start, None unless all files are in such folders of the same columns, or ``uri`` is not a folder
    above them. ``version`` is the table's, None when files are all there is. ``order``: its row-order key, the columns
    that order and identify the rows; empty if rows are in the order of their files.
    """

    uri: str
    files: tuple[SourceFile, ...] = ()
    keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    partitioned: str | None = None
    version: str | None = None
    order: tuple[str, ...] = ()

    @property
    def patterns(self) -> list[str]:
        """The files' paths in a form that Spark's globbing takes literally."""
        return [GLOB.sub(r"\\\1", file.uri) for file in self.files]

    @property
    def hash(self) -> str:
        """SHA-256 over each file's name below the data set's folder and its size, so that a copy has the same.

        Of a table: over its name, its version and its row-order key, which the rows' keys follow from.
        """
        if self.version is not None:
            return _digest(f"{part}\0" for part in (self.uri, self.version, *self.order))
        names = _relative([file.uri for file in self.files])
        return _digest(f"{name}\0{file.size}\n" for name, file in zip(names, self.files, strict=True))


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
    return digest.hexdigest()


def _relative(uris: Sequence[str]) -> list[str]:
    folder = uris[0].rsplit("/", 1)[0] + "/"
    while not all(uri.startswith(folder) for uri in uris):
        folder = folder[: folder.rstrip("/").rfind("/") + 1]
    return [uri[len(folder) :] for uri in uris]
