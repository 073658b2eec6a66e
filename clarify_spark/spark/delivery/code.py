"""Code on its way to executors: the parts of clarify_spark that they run, and the module of a user's own predictor."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from clarify_spark.errors import CommandError
from clarify_spark.spark.session import Session, is_connect
from clarify_spark.udfs.archives import files_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: What each session was sent: the zip of a package or module. A worker that has imported one does not check again.
_sent: WeakKeyDictionary[SparkSession, dict[str, str]] = WeakKeyDictionary()
#: The time of every file in a zip, so that the same files give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
#: Folders of installed packages; executors that need them have them installed too.
_INSTALLED = frozenset(("site-packages", "dist-packages", Path(sysconfig.get_path("stdlib")).name))


def ship_own_code(session: Session) -> None:
    """Send remote executors the part of clarify_spark that they run, in the driver's version."""
    if not session.local:
        udfs = ((f"clarify_spark/udfs/{name}", content) for name, content in _sources(files("clarify_spark.udfs")))
        package = files("clarify_spark")
        own = [(f"clarify_spark/{name}", (package / name).read_bytes()) for name in ("__init__.py", "version.py")]
        _ship(session.spark, "clarify_spark", _zipped([*own, *udfs]))


def ship_module(session: Session, module: str) -> None:
    """Send remote executors a user's module, or the whole package it is in; installed packages are not sent."""
    name = module.partition(".")[0]
    source = _source_of(name)
    if session.local or source is None:
        return
    package = source.name == "__init__.py"
    members = files_of(source.parent) if package else [(source.name, source)]
    below = f"{name}/" if package else ""
    _ship(session.spark, name, _zipped((below + inside, path.read_bytes()) for inside, path in members))


def _source_of(name: str) -> Path | None:
    """The file of a top-level module, or of its package's ``__init__``, if this is the driver's own code."""
    try:
        found = importlib.util.find_spec(name)
    except ValueError:  # a module that was created manually
        return None
    path = Path((found and found.origin) or "")
    own = path.suffix == ".py" and path.is_file() and _INSTALLED.isdisjoint(path.resolve().parts)
    return path if own else None


def _sources(folder: Traversable, below: str = "") -> Iterator[tuple[str, bytes]]:
    """(path, content) of the Python files of a package, including one that is itself in a zip."""
    for entry in sorted(folder.iterdir(), key=lambda found: found.name):
        if entry.is_dir():
            yield from _sources(entry, f"{below}{entry.name}/")
        elif entry.name.endswith(".py"):
            yield f"{below}{entry.name}", entry.read_bytes()


def _zipped(members: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in members:
            package.writestr(zipfile.ZipInfo(name, _NO_TIME), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _ship(spark: SparkSession, module: str, package: bytes) -> None:
    """Let workers import what is in a zip, ahead of anything else they have of that name; once per session."""
    name = f"{module}-{hashlib.sha256(package).hexdigest()[:16]}.zip"
    sent = _sent.setdefault(spark, {})
    if sent.get(module) == name:
        return
    if module in sent:
        raise CommandError(
            f"The code of {module} has changed since it was sent to this session, and its Python workers keep what "
            "they have imported; start a new session"
        )
    if is_connect(spark):
        _send(spark, name, package)
    else:
        _offer(spark, name, package)
    sent[module] = name


def _send(spark: Any, name: str, package: bytes) -> None:
    """Upload to the Connect server, for this session alone."""
    with tempfile.TemporaryDirectory(prefix="clarify-spark-code-") as scratch:
        path = Path(scratch) / name
        path.write_bytes(package)
        spark.addArtifacts(str(path), pyfile=True)


def _offer(spark: SparkSession, name: str, package: bytes) -> None:
    """Let executors fetch the zip from the driver as long as the application lives; see ``spark.delivery.models``."""
    from pyspark import SparkFiles

    context = spark.sparkContext
    if any(offered.endswith(f"/{name}") for offered in context.listFiles):
        return
    path = Path(SparkFiles.getRootDirectory()) / name
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(package)
    os.replace(unfinished, path)
    context.addPyFile(str(path))
    sys.path[:] = [entry for entry in sys.path if entry != str(path)]  # the driver already has all of it
