"""Packed model folders: unpacked so that nothing escapes the folder or fills the disk, packed reproducibly."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from clarify_spark.udfs.errors import ModelError

#: Bytes that are read at a time; a longer archive header (headers are read at once) is rejected.
PIECE = 2**20
#: Files and folders that an archive may hold.
MEMBERS = 100_000
#: The allowed compression ratio, and the bytes that any file may unpack to; gzip can reach 1,000.
RATIO = 200
RATIO_FREE = 64 * 2**20
#: The share of the free disk that an archive may take.
SHARE = 0.9
_GZIP = b"\x1f\x8b"
_BROKEN = (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError, LookupError, ArithmeticError)
_KINDS = (("issym", "symbolic link"), ("islnk", "hard link"), ("isdev", "device or pipe"), ("issparse", "sparse file"))


# --- unpacking ------------------------------------------------------------------------------------------------------


def unpack(archive: Path, target: Path, shown: str) -> Path:
    """``target``, a folder with the files of a .tar or .tar.gz, which appears whole or not at all.

    A folder that another process has put there meanwhile is accepted. Messages call the archive ``shown``.
    """
    with _as_archive_errors(shown), tempfile.TemporaryDirectory(prefix=".unpacking-", dir=target.parent) as scratch:
        tar = _decompressed(archive, Path(scratch) / "tar", shown)
        files = Path(scratch) / "files"
        files.mkdir(0o700)
        with tar.open("rb") as stream, tarfile.open(fileobj=_Guarded(stream), mode="r:") as opened:  # type: ignore[call-overload]
            _extract(opened, files, shown)
            _require_end(opened, stream)
        try:
            files.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    return target


@dataclass(frozen=True)
class _Guarded:
    """A file whose reads are limited in size: tarfile reads whole headers into memory."""

    stream: BinaryIO

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= PIECE:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self.stream.read(size)

    def seek(self, position: int) -> int:
        return self.stream.seek(position)

    def tell(self) -> int:
        return self.stream.tell()


@contextmanager
def _as_archive_errors(shown: str) -> Iterator[None]:
    """A context whose failures are reported as the archive's."""
    try:
        yield
    except (*_BROKEN, RecursionError) as error:
        raise ModelError(f"{shown} is not a valid .tar or .tar.gz archive ({error}); pack the model again") from error
    except OSError as error:
        raise ModelError(f"{shown} cannot be unpacked: {error.strerror or error}") from error


def _decompressed(archive: Path, plain: Path, shown: str) -> Path:
    """The archive itself, or ``plain`` with its decompressed content."""
    with archive.open("rb") as stream:
        if stream.read(len(_GZIP)) != _GZIP:
            return archive
    most = max(RATIO_FREE, RATIO * archive.stat().st_size)
    room = _room(plain.parent)
    taken = 0
    with gzip.open(archive) as packed, plain.open("xb") as unpacked:
        while piece := packed.read(PIECE):
            taken += len(piece)
            if taken > most:
                raise ModelError(
                    f"{shown}: {archive.stat().st_size:,} bytes unpack to more than {most:,}; no model compresses "
                    "like that. If this one does, provide it uncompressed (.tar, or a folder)"
                )
            _require_room(taken, room, shown)
            unpacked.write(piece)
    return plain


def _room(folder: Path) -> int:
    return int(shutil.disk_usage(folder).free * SHARE)


def _require_room(taken: int, room: int, shown: str) -> None:
    if taken > room:
        raise ModelError(
            f"{shown}: unpacking takes more than the {room:,} bytes available on the disk of "
            f"{tempfile.gettempdir()} or of Spark's files; free some space, or use a smaller model"
        )


def _extract(opened: tarfile.TarFile, folder: Path, shown: str) -> None:
    room, taken, count = _room(folder), 0, 0
    for count, member in enumerate(opened, 1):
        if count > MEMBERS:
            raise ModelError(f"{shown} holds more than {MEMBERS:,} files and folders")
        path = folder / _relative(member, shown)
        if member.isdir():
            _make_folders(path, folder, member, shown)
            continue
        taken += member.size
        _require_room(taken, room, shown)
        _make_folders(path.parent, folder, member, shown)
        _write(opened, member, path, shown)
    if not count:
        raise ModelError(f"{shown} is an empty archive")


def _relative(member: tarfile.TarInfo, shown: str) -> PurePosixPath:
    """The member's path below the folder; raises ModelError for anything but a plain file or folder inside it."""
    path = PurePosixPath(member.name)
    what = next((what for test, what in _KINDS if getattr(member, test)()), None)
    if what is not None or not (member.isfile() or member.isdir()):
        raise ModelError(
            f"{shown}: {member.name!r} is a {what or 'member of an unknown type'}; only files and folders are unpacked "
            "(pack the model with tar --dereference --hard-dereference)"
        )
    if path.is_absolute() or ".." in path.parts or "\0" in member.name:
        raise ModelError(f"{shown}: {member.name!r} points outside the archive's own folder; pack the model again")
    if not path.parts and not member.isdir():
        raise ModelError(f"{shown}: a file in it has no name; pack the model again")
    return path


def _make_folders(path: Path, top: Path, member: tarfile.TarInfo, shown: str) -> None:
    for folder in (*reversed(path.relative_to(top).parents), path.relative_to(top)):
        with suppress(FileExistsError):
            (top / folder).mkdir(0o700)
        if not (top / folder).is_dir():
            raise ModelError(f"{shown}: {member.name!r} needs a folder where there is a file; pack the model again")


def _write(opened: tarfile.TarFile, member: tarfile.TarInfo, path: Path, shown: str) -> None:
    content = opened.extractfile(member)
    mode = 0o700 if member.mode & stat.S_IXUSR else 0o600
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except FileExistsError as error:
        raise ModelError(f"{shown}: {member.name!r} is in it twice; pack the model again") from error
    with os.fdopen(descriptor, "wb") as file:
        if content is not None:
            shutil.copyfileobj(content, file, PIECE)


def _require_end(opened: tarfile.TarFile, stream: BinaryIO) -> None:
    """Raise unless a block of zeros follows the last member: tarfile treats a damaged header as the end as well."""
    stream.seek(opened.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"it is truncated or damaged at byte {opened.offset:,}")


# --- packing --------------------------------------------------------------------------------------------------------


def files_of(model: Path) -> Iterator[tuple[str, Path]]:
    """Relative name and path of every file of a model (a file or a folder) in order; links are followed."""
    if not model.is_dir():
        yield model.name, model
        return
    found = []
    above: set[str] = set()
    for folder, folders, names in os.walk(model, followlinks=True):
        real = os.path.realpath(folder)
        if real in above:
            raise ModelError(f"{model}: the links in it lead to {folder} a second time; use a folder without links")
        above.add(real)
        folders[:] = [name for name in folders if name != "__pycache__"]
        found += [Path(folder, name) for name in names]
    for path in sorted(found, key=lambda path: path.relative_to(model).parts):
        if not path.is_file():
            raise ModelError(f"{path} is not a readable file; a model folder holds files and folders")
        yield path.relative_to(model).as_posix(), path


def pack(model: Path, target: Path) -> None:
    """Write a model as a tar: the same bytes for the same names and contents, wherever and whenever they were made."""
    with tarfile.open(target, "x:", format=tarfile.PAX_FORMAT) as packed:
        for name, path in files_of(model):
            member = tarfile.TarInfo(name)
            with path.open("rb") as content:
                member.size = os.fstat(content.fileno()).st_size
                member.mode = 0o600
                packed.addfile(member, content)
