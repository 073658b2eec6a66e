"""Complete files through Hadoop's file systems, as far as the driver's JVM supports them; needs a classic session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: A file is written under this name, which Spark does not read as data, then renamed; a leftover is overwritten.
TEMPORARY_NAME = "_{}.tmp"
#: Bytes that go to a JVM's stream at a time.
_PIECE = 2**20
#: Files on such a file system (S3A) appear when closed, complete, replacing the old one, or not at all.
_ABORTABLE = "fs.capability.outputstream.abortable"


class HadoopFiles:
    """The files in a folder on any file system that the session's Hadoop supports."""

    def __init__(self, uri: str, spark: SparkSession) -> None:
        """The file system is not contacted yet."""
        self._uri = uri
        self._spark = spark

    @contextmanager
    def create(self, name: str) -> Iterator[JavaSink]:
        """Where to write one file; it appears when the block ends without an error."""
        files, path = self._at(name)
        with (
            self._closed(files, path) if files.hasPathCapability(path, _ABORTABLE) else self._renamed(files, path) as (
                sink
            )
        ):
            yield sink

    @contextmanager
    def _closed(self, files: Any, path: Any) -> Iterator[JavaSink]:
        """Create, write, close: an object store makes that atomic, and a rename would copy the object."""
        stream = files.create(path, True)
        try:
            yield JavaSink(stream)
        except BaseException:
            stream.abort()
            stream.close()
            raise
        stream.close()

    @contextmanager
    def _renamed(self, files: Any, path: Any) -> Iterator[JavaSink]:
        """Create, write, rename."""
        temporary = self._jvm.org.apache.hadoop.fs.Path(path.getParent(), TEMPORARY_NAME.format(path.getName()))
        files.mkdirs(path.getParent())
        stream = files.create(temporary, True)
        try:
            try:
                yield JavaSink(stream)
            finally:
                stream.close()
        except BaseException:
            files.delete(temporary, False)
            raise
        files.delete(path, False)
        if not files.rename(temporary, path):
            raise OSError("the file system refused to rename the temporary file")

    def read(self, name: str) -> bytes | None:
        """The complete file, None when there is none."""
        files, path = self._at(name)
        if not files.exists(path):
            return None
        stream = files.open(path)
        try:
            return bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream))
        finally:
            stream.close()

    def names(self, folder: str) -> list[str]:
        """What is in a sub-folder."""
        files, path = self._at(folder)
        return [status.getPath().getName() for status in files.listStatus(path)] if files.exists(path) else []

    def delete(self, name: str) -> None:
        """Remove a file, or a sub-folder with all that is in it."""
        files, path = self._at(name)
        files.delete(path, True)

    def is_file(self) -> bool:
        """Whether a file has the name of the folder."""
        files, path = self._at("")
        return bool(files.exists(path) and files.getFileStatus(path).isFile())

    @property
    def _jvm(self) -> Any:
        return self._spark.sparkContext._jvm

    def _at(self, name: str) -> tuple[Any, Any]:
        path = self._jvm.org.apache.hadoop.fs.Path
        folder = path(self._uri)
        files = folder.getFileSystem(self._spark.sparkContext._jsc.hadoopConfiguration())
        return files, path(folder, name) if name else folder


@dataclass(frozen=True)
class JavaSink:
    """A JVM stream as a byte sink."""

    stream: Any

    def write(self, data: bytes, /) -> None:
        """Append ``data``."""
        for start in range(0, len(data), _PIECE):
            self.stream.write(bytearray(data[start : start + _PIECE]))
