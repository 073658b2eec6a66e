"""The files of a data set, listed once through Spark's own file systems and fixed for the run."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING

from clarify_spark.errors import DataError
from clarify_spark.spark.data.formats.snapshot import GLOB, Snapshot, SourceFile
from clarify_spark.spark.files.read_failures import reading
from clarify_spark.spark.session import runs_locally

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
_PARTITION = re.compile(r"/[^/=]+=[^/]+/")
#: What a run writes or is configured by; a second run with one folder for data and output must not read it.
RESULTS = ("/analysis.json", "/analysis_details.json", "/analysis_config.json")
#: A local path whose parts Spark neither ignores nor writes in another way.
_PLAIN = re.compile(r"(/[A-Za-z0-9][A-Za-z0-9._-]*)+(?<!\._COPYING_)")
_PACKED = r"(\.(gz|gzip|bz2|deflate|snappy|lz4|zst))?$"


#: The URI, the size, the time of modification and the key of a file.
Entry = tuple[str, int, datetime, str]


def list_files(spark: SparkSession, uri: str, suffixes: Sequence[str]) -> Snapshot:
    """The files at a file, folder or glob; in a mixed folder only those whose names end in one of ``suffixes``."""
    entries = _local_file(uri) if runs_locally(spark) else None
    if entries is None:
        with reading(uri):
            entries = _listed(spark, _absolute(uri))
    if not entries:
        raise DataError(
            f"{uri}: the data set is empty: there is no file with content "
            "(names that start with '_' or '.' are ignored)."
        )
    entries, own = _without_results(entries)
    chosen, notes = _of_the_format(entries, suffixes)
    notes += own
    files = tuple(SourceFile(path, size, modified) for path, size, modified, _ in chosen)
    partitioned = _partitioned(uri, [file.uri for file in files])
    return Snapshot(uri, files, tuple(key for *_, key in chosen), tuple(notes), partitioned)


def _listed(spark: SparkSession, location: str) -> list[Entry]:
    found = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .load(location)
        .selectExpr("path", "length", "modificationTime", "_metadata.file_path AS key")
        .collect()
    )
    return sorted((str(row[0]), int(row[1]), row[2], str(row[3])) for row in found)


def _local_file(uri: str) -> list[Entry] | None:
    """What Spark would list for one file of this machine with a plain name; None for all else."""
    path = os.path.abspath(uri.removeprefix("file://"))
    if not _PLAIN.fullmatch(path) or not os.path.isfile(path) or not os.access(path, os.R_OK):
        return None
    status = os.stat(path)
    milliseconds = status.st_mtime_ns // 1_000_000
    modified = datetime.fromtimestamp(milliseconds // 1000).replace(microsecond=milliseconds % 1000 * 1000)
    uri = f"file:{path}"
    return [(uri, status.st_size, modified, uri)] if status.st_size else None


def unread_folders(snapshot: Snapshot) -> tuple[str, ...]:
    """A note that folder names are not read as columns, empty when no folder has such a name."""
    if not any(_PARTITION.search(file.uri) for file in snapshot.files):
        return ()
    return (
        "Folder names like 'column=value' are read as columns only for Parquet data, when the data's location "
        "is a folder above them and all files are in folders with the same columns.",
    )


def _partitioned(uri: str, files: Sequence[str]) -> str | None:
    """The folder at or below ``uri`` at which the partition folders start."""
    folder = _path(os.path.abspath(uri) if not _SCHEME.match(uri) and os.path.exists(uri) else uri).rstrip("/") + "/"
    if not all(_path(file).startswith(folder) for file in files):
        return None
    starts = {file[: len(file) - len(_path(file)) + len(folder)] for file in files}
    layouts = {_layout(_path(file)[len(folder) :].split("/")[:-1]) for file in files}
    if len(starts) != 1 or len(layouts) != 1:
        return None
    above, names = layouts.pop()
    return "/".join((starts.pop().rstrip("/"), *above)) if names and all(names) else None


def _layout(folders: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folders above the first ``column=value``, and the columns from there on (empty: a folder that names none)."""
    above = tuple(takewhile(lambda folder: not _PARTITION.fullmatch(f"/{folder}/"), folders))
    below = folders[len(above) :]
    return above, tuple(name.partition("=")[0] if _PARTITION.fullmatch(f"/{name}/") else "" for name in below)


def _path(uri: str) -> str:
    """What follows scheme and host, slashes never doubled."""
    return re.sub("/+", "/", re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*:(//[^/]*)?", "", uri))


def _without_results(entries: list[Entry]) -> tuple[list[Entry], list[str]]:
    """The entries without the results of a run that writes to its data folder."""
    others = [entry for entry in entries if not entry[0].endswith(RESULTS)]
    if not others or len(others) == len(entries):
        return entries, []
    return others, [
        "analysis.json, analysis_details.json and analysis_config.json are results of a run and not read as data."
    ]


def _of_the_format(entries: list[Entry], suffixes: Sequence[str]) -> tuple[list[Entry], list[str]]:
    ends = re.compile(f"({'|'.join(re.escape(suffix) for suffix in suffixes)}){_PACKED}", re.IGNORECASE)
    chosen = [entry for entry in entries if ends.search(entry[0])]
    others = [entry[0].rsplit("/", 1)[-1] for entry in entries if not ends.search(entry[0])]
    if not chosen or not others:
        return entries, []
    named = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
    return chosen, [
        f"{len(others)} of {len(entries)} files skipped, their names do not end in {' or '.join(suffixes)}: {named}"
    ]


def _absolute(uri: str) -> str:
    """An existing local path made absolute (the JVM's working directory may differ) and literal; others as given."""
    if _SCHEME.match(uri) or not os.path.exists(uri):
        return uri
    path = GLOB.sub(r"\\\1", os.path.abspath(uri))
    return path if uri.startswith("/") else f"file://{path}"
