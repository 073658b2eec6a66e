"""Complete files at any URI: local paths by the operating system, all others through Hadoop's file systems.

On Spark Connect, which has none, this process accesses object stores itself.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from clarify_spark.errors import ClarifyError, CommandError, OutputError
from clarify_spark.spark.files.hadoop_files import TEMPORARY_NAME, HadoopFiles
from clarify_spark.spark.session import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from clarify_spark.spark.files.arrow_files import ArrowFiles

_PROBE = ".clarify-spark-probe"
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")
_RIGHTS = "list, read, write and delete there"
_OWN_WAY = (
    ". Through Spark Connect this process writes the output itself, with its own credentials and region "
    "(AWS_ACCESS_KEY_ID or AWS_PROFILE, AWS_REGION, …), not those of the cluster."
)


def local_path(uri: str) -> Path | None:
    """The local path of a ``file:`` URI or of a plain path, None for any other scheme."""
    if uri.startswith("file:"):
        return Path(unquote(urlsplit(uri).path))
    return None if _SCHEME.match(uri) else Path(uri)


def read_text(uri: str, spark: SparkSession | None) -> str:
    """The complete UTF-8 text at ``uri``; a remote one needs ``spark``."""
    path = local_path(uri)
    try:
        if path is not None:
            return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise CommandError(f"There is no file {uri}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The file {uri} cannot be read: {error}") from error
    if spark is None:
        raise CommandError(f"{uri} is not a local file, and this command starts no Spark; copy it here first.")
    from clarify_spark.spark.files.raw_text import raw_value
    from clarify_spark.spark.files.read_failures import reading

    try:
        with reading(uri):
            rows = spark.read.text(uri, wholetext=True).limit(2).select(raw_value()).collect()
        return bytes(rows[0][0]).decode("utf-8-sig") if rows else ""
    except ClarifyError as error:
        raise CommandError(f"The file {uri} cannot be read. {error}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"The file {uri} cannot be read: {error}") from error


class Sink(Protocol):
    """Where the bytes of one file go."""

    def write(self, data: bytes, /) -> object:
        """Append ``data``."""


class Output:
    """A folder at a URI to which complete files are written; each appears under its name at once or not at all.

    A name may contain sub-folders (``explanations_shap/out.csv/part-00000.csv``); they are created as needed.
    """

    def __init__(self, uri: str, spark: SparkSession | None) -> None:
        """Open the folder; a local one needs no ``spark``."""
        self.uri = uri.rstrip("/") or "/"
        self._folder = local_path(uri)
        self._files: _Local | HadoopFiles | ArrowFiles = (
            _remote(self.uri, spark) if self._folder is None else _Local(self._folder)
        )

    def prepare(self) -> None:
        """Create the folder and verify that a file can be written there, before hours are spent on the results."""
        with self._translating(self.uri):
            if self._files.is_file():
                raise OutputError(f"{self.uri} is a file; the output must be a folder.")
            with self._files.create(_PROBE):
                pass
        with self._translating(self.uri, "read"):
            self._files.read(_PROBE)
        with self._translating(self.uri, "removed"):
            self._files.delete(_PROBE)

    def write(self, name: str, text: str) -> str:
        """Write ``text`` as UTF-8 under ``name``; returns the file's URI."""
        return self.write_bytes(name, text.encode("utf-8"))

    def write_bytes(self, name: str, data: bytes) -> str:
        """Write ``data`` under ``name`` through a temporary name; returns the file's URI."""
        with self.create(name) as sink:
            sink.write(data)
        return f"{self.uri}/{name}"

    @contextmanager
    def create(self, name: str) -> Iterator[Sink]:
        """Where to write one file piece by piece: it appears under ``name`` when the block ends without an error."""
        translating = partial(self._translating, f"{self.uri}/{name}")
        opened = self._files.create(name)
        with translating():
            sink = opened.__enter__()
        try:
            yield _TranslatingSink(sink, translating)
        except BaseException as error:  # an error in the block is not a storage failure
            with suppress(OutputError), translating():  # a full disk fails again when the file is closed
                opened.__exit__(type(error), error, error.__traceback__)
            raise
        with translating():
            opened.__exit__(None, None, None)

    def read_bytes(self, name: str) -> bytes | None:
        """The complete file, None when there is none."""
        with self._translating(f"{self.uri}/{name}", "read"):
            return self._files.read(name)

    def names(self, folder: str) -> list[str]:
        """The names of what is in a sub-folder, sorted; empty when there is no such folder."""
        with self._translating(f"{self.uri}/{folder}", "read"):
            return sorted(self._files.names(folder))

    def delete(self, name: str) -> None:
        """Remove a file, or a sub-folder with all that is in it; fine when there is none."""
        with self._translating(f"{self.uri}/{name}", "removed"):
            self._files.delete(name)

    @contextmanager
    def _translating(self, shown: str, done: str = "written") -> Iterator[None]:
        """Report storage failures by ``shown``, a URI that the user knows."""
        try:
            with self._told_by_spark(shown, done) if isinstance(self._files, HadoopFiles) else nullcontext():
                yield
        except OSError as error:
            whose = "" if isinstance(self._files, _Local | HadoopFiles) else _OWN_WAY
            raise OutputError(f"{shown} cannot be {done}: {error.strerror or error}{whose}") from error

    @contextmanager
    def _told_by_spark(self, shown: str, done: str) -> Iterator[None]:
        """The same for failures of the JVM."""
        from py4j.protocol import Py4JJavaError
        from pyspark.errors import PySparkException

        from clarify_spark.spark.files.read_failures import storage_error

        try:
            yield
        except (Py4JJavaError, PySparkException) as error:
            cause: Any = getattr(error, "java_exception", None)
            reason = _TEMPORARY.sub(
                r"/\1", f"{type(error).__name__}: {error}" if cause is None else str(cause.toString())
            )
            explained = storage_error(reason, self.uri, _RIGHTS) or f"{shown}: {reason[:300]}"
            raise OutputError(f"The results cannot be {done}. {explained}") from error


@dataclass(frozen=True)
class _TranslatingSink:
    """A sink whose failures are reported in the user's terms."""

    sink: Sink
    translating: Callable[[], AbstractContextManager[None]]

    def write(self, data: bytes, /) -> None:
        with self.translating():
            self.sink.write(data)


_TEMPORARY = re.compile(r"/_([^/\s]+)\.tmp\b")


@dataclass(frozen=True)
class _Local:
    """Files of the operating system."""

    folder: Path

    @contextmanager
    def create(self, name: str) -> Iterator[Sink]:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(TEMPORARY_NAME.format(path.name))
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, folder: str) -> list[str]:
        try:
            return os.listdir(self.folder / folder)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def is_file(self) -> bool:
        return self.folder.exists() and not self.folder.is_dir()

    def delete(self, name: str) -> None:
        path = self.folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _remote(uri: str, spark: SparkSession | None) -> HadoopFiles | ArrowFiles:
    if spark is None:
        raise OutputError(f"{uri} is not a local folder, and this command starts no Spark.")
    if not is_connect(spark):
        return HadoopFiles(uri, spark)
    from clarify_spark.spark.files.arrow_files import SCHEMES, ArrowFiles

    scheme = uri.partition(":")[0].lower()
    if scheme not in SCHEMES or not uri[len(scheme) :].startswith("://"):
        raise OutputError(
            f"{uri}: through Spark Connect this process writes the output itself, and cannot write to this URI. Give a "
            "path on this machine (a mounted volume, /Volumes/… on Databricks), or a folder at "
            f"{', '.join(f'{known}://' for known in SCHEMES)}."
        )
    return ArrowFiles(uri)
