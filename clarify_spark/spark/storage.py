"""Small text files at any URI: local paths by the operating system, all others through Hadoop's file systems."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from clarify_spark.errors import ClarifyError, CommandError, OutputError
from clarify_spark.spark.session import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_PROBE = ".clarify-spark-probe"
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")


def local_path(uri: str) -> Path | None:
    """The local path of a ``file:`` URI or of a plain path, None for any other scheme."""
    if uri.startswith("file:"):
        return Path(unquote(urlsplit(uri).path))
    return None if _SCHEME.match(uri) else Path(uri)


def read_text(uri: str, spark: SparkSession | None) -> str:
    """The whole UTF-8 text at ``uri``; a remote one needs ``spark``."""
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
    from clarify_spark.spark.batches import user_errors

    try:
        with user_errors():
            rows = spark.read.text(uri, wholetext=True).limit(2).collect()
    except ClarifyError as error:
        raise CommandError(f"The file {uri} cannot be read: {error}") from error
    return str(rows[0][0]).removeprefix("\ufeff") if rows else ""


class Output:
    """A folder at a URI to which whole files are written; each appears under its name at once or not at all."""

    def __init__(self, uri: str, spark: SparkSession) -> None:
        self.uri = uri.rstrip("/") or "/"
        self._folder = local_path(uri)
        self._spark = spark
        if self._folder is None and is_connect(spark):
            raise OutputError(
                f"{uri}: writing to a remote folder through Spark Connect is not supported yet; "
                "give a path that this machine sees (a mounted volume, for instance)."
            )

    def prepare(self) -> None:
        """Make the folder and prove that a file can be written there, before hours are spent on the results."""
        if self._folder is not None and self._folder.exists() and not self._folder.is_dir():
            raise OutputError(f"{self.uri} is a file; the output must be a folder.")
        self._put(_PROBE, "", self.uri)
        self._delete(_PROBE)

    def write(self, name: str, text: str) -> str:
        """Write ``text`` under ``name`` through a temporary name; returns the file's URI."""
        uri = f"{self.uri}/{name}"
        self._put(name, text, uri)
        return uri

    def _put(self, name: str, text: str, shown: str) -> None:
        """Write a file; a failure is told of ``shown``, a URI that the user knows."""
        try:
            if self._folder is not None:
                _write_local(self._folder, name, text)
            else:
                self._write_hadoop(name, text, shown)
        except OSError as error:
            raise OutputError(f"{shown} cannot be written: {error.strerror or error}") from error

    def _delete(self, name: str) -> None:
        if self._folder is not None:
            (self._folder / name).unlink(missing_ok=True)
        else:
            files, _, path = self._hadoop(name)
            files.delete(path, False)

    def _hadoop(self, name: str) -> tuple[Any, Any, Any]:
        jvm: Any = self._spark.sparkContext._jvm
        folder = jvm.org.apache.hadoop.fs.Path(self.uri)
        files = folder.getFileSystem(self._spark.sparkContext._jsc.hadoopConfiguration())
        return files, folder, jvm.org.apache.hadoop.fs.Path(folder, name)

    def _write_hadoop(self, name: str, text: str, shown: str) -> None:
        """Create, fill, rename; on object stores creating is atomic by itself and the rename copies a small object."""
        from py4j.protocol import Py4JJavaError

        from clarify_spark.spark.formats.failures import explain

        try:
            files, folder, path = self._hadoop(name)
            files.mkdirs(folder)
            _, _, temporary = self._hadoop(f"_{name}.tmp")
            stream = files.create(temporary, True)
            try:
                stream.write(bytearray(text.encode("utf-8")))
            finally:
                stream.close()
            files.delete(path, False)
            renamed = files.rename(temporary, path)
        except Py4JJavaError as error:
            own = f"/_{name}.tmp"
            reason = str(error.java_exception.toString()).replace(own, shown.removeprefix(self.uri))
            explained = explain(reason, self.uri) or f"{shown}: {reason[:300]}"
            raise OutputError(f"The results cannot be written. {explained}") from error
        if not renamed:
            raise OutputError(f"{shown} cannot be written: the file system refused to rename the temporary file.")


def _write_local(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, folder / name)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
