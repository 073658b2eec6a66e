"""Complete files in object stores, written by this process through pyarrow; used on Spark Connect.

Connect clients have no Hadoop file systems, and a DataFrame cannot be written under a chosen file name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import IO, Any
from urllib.parse import quote

import pyarrow as pa
from pyarrow import fs

#: What pyarrow calls the schemes that Spark's users write.
SCHEMES = {"s3": "s3", "s3a": "s3", "gs": "gs", "abfs": "abfs", "abfss": "abfss"}


class ArrowFiles:
    """The files in a folder of an object store, with the credentials and the region that this process finds."""

    def __init__(self, uri: str) -> None:
        """The store is not contacted yet."""
        self._uri = uri

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        """Where to write one file; it is kept on the local disk, and sent when the block ends without an error.

        Sending is one call, so that no interrupt closes, and so publishes, half a file.
        """
        files, path = self._at(name)
        with tempfile.NamedTemporaryFile(prefix="clarify-spark-") as kept:
            yield kept
            kept.flush()
            fs.copy_files(
                kept.name,
                path,
                source_filesystem=fs.LocalFileSystem(),
                destination_filesystem=files,
                use_threads=False,
            )

    def read(self, name: str) -> bytes | None:
        """The complete file, None when there is none."""
        files, path = self._at(name)
        try:
            with files.open_input_stream(path) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """What is in a sub-folder."""
        files, path = self._at(folder)
        return [str(found.base_name) for found in files.get_file_info(fs.FileSelector(path, allow_not_found=True))]

    def delete(self, name: str) -> None:
        """Remove a file, or a sub-folder with all that is in it."""
        files, path = self._at(name)
        found = files.get_file_info(path).type
        if found == fs.FileType.Directory:
            files.delete_dir(path)
        elif found != fs.FileType.NotFound:
            files.delete_file(path)

    def is_file(self) -> bool:
        """Whether a file has the name of the folder."""
        files, path = self._at("")
        return bool(files.get_file_info(path).type == fs.FileType.File)

    def _at(self, name: str) -> tuple[Any, str]:
        files, folder = self._store
        return files, f"{folder}/{name}" if name else folder

    @cached_property
    def _store(self) -> tuple[Any, str]:
        """The store and the folder's path in it; every character of the URI's path is literal, as for Hadoop."""
        scheme, _, rest = self._uri.partition("://")
        place, _, path = rest.partition("/")
        try:
            files, folder = fs.FileSystem.from_uri(f"{SCHEMES[scheme.lower()]}://{place}/{quote(path)}")
        except (ValueError, NotImplementedError, pa.ArrowException) as error:
            raise OSError(str(error)) from error
        return files, str(folder)
