"""Models on their way to executors: fetched, unpacked and shipped once by the driver, or left in place."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from clarify_spark.config import AnalysisConfig
from clarify_spark.errors import DataError, ModelError
from clarify_spark.spark.delivery.code import ship_module
from clarify_spark.spark.files.output import local_path
from clarify_spark.spark.files.read_failures import storage_error
from clarify_spark.spark.session import Session, is_connect
from clarify_spark.udfs.archives import files_of, pack, unpack
from clarify_spark.udfs.model_formats import ARCHIVES, PREDICTORS, SPEAKING_BYTES, format_of
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.shipped import fingerprint_in, packed_name, shipped_uri

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Formats whose models may be folders; a packed model of another format is the one file in its archive.
FOLDERS = frozenset(("sagemaker", "mlflow", "sparkml"))
#: Addresses that the model's own library resolves on executors.
_REGISTRIES = ("models:", "runs:", "mlflow-artifacts:")
#: Bytes of a remote file that reach the driver in one row.
_PIECE = 8 * 2**20
_GLOB = re.compile(r"([\\\[\]{}*?])")
#: What a Connect session has been sent: Connect servers before 4.0 reject the same name a second time.
_sent: WeakKeyDictionary[SparkSession, set[str]] = WeakKeyDictionary()


@contextmanager
def delivered(session: Session, spec: PredictorSpec, model_format: str | None) -> Iterator[PredictorSpec]:
    """The spec that executors can load for as long as the context lasts; ``model_format`` is the config's.

    On a local classic session executors read the driver's files. To all others a model that the driver has is shipped
    once per application (on Connect: per session); the executors must find any other themselves.
    """
    spec = replace(spec, threads=task_cores(session.spark))
    uri = spec.uri
    if spec.format == "python":
        ship_module(session, uri.removeprefix("python:").partition(":")[0])
    elif spec.format not in PREDICTORS:
        ship_module(session, spec.format)
    if spec.remote or spec.format not in PREDICTORS or spec.format == "python" or uri.startswith(_REGISTRIES):
        yield spec
        return
    with tempfile.TemporaryDirectory(prefix="clarify-spark-model-", ignore_cleanup_errors=True) as made:
        scratch = Path(made).resolve()
        model = _on_the_driver(session.spark, uri, model_format, scratch)
        if model is None:
            yield spec
            return
        if model != Path(uri):
            spec = replace(spec, uri=str(model.absolute()), name=uri)
        spec = replace(spec, format=model_format or format_of(str(model)))
        yield spec if session.local else _shipped(session.spark, spec, model, scratch)


def task_cores(spark: SparkSession) -> int:
    """How many cores a task has."""
    return int(spark.conf.get("spark.task.cpus", "1") or 1)


# --- to the driver --------------------------------------------------------------------------------------------------


def _on_the_driver(spark: SparkSession, uri: str, model_format: str | None, scratch: Path) -> Path | None:
    """The model's file or folder on the driver, fetched and unpacked; None when it can only be on executors."""
    path = local_path(uri)
    if path is None:
        path = fetch(spark, uri, scratch / "fetched")
    elif not path.exists():
        return None
    if not (path.name.lower().endswith(ARCHIVES) and path.is_file()):
        return path
    folder = unpack(path, scratch / "unpacked", f"predictor.model_uri {uri}")
    files = list(files_of(folder))
    if model_format in PREDICTORS and model_format not in FOLDERS:
        if len(files) != 1:
            raise ModelError(
                f"predictor.model_uri {uri}: a model of format {model_format} is one file, and {len(files)} are in "
                "the archive; pack the model alone"
            )
        return files[0][1]
    return folder


def fetch(spark: SparkSession, uri: str, folder: Path) -> Path:
    """The copy, in a new folder, of a file or folder on any file system that Spark knows."""
    folder.mkdir(0o700)
    name = uri.rstrip("/").rpartition("/")[2]
    target = folder / (name if name.strip(".") else "model")
    copy = read_through_spark if is_connect(spark) else _copy_by_hadoop
    with _as_model_errors(uri):
        copy(spark, uri, target)
    return target


@contextmanager
def _as_model_errors(uri: str) -> Iterator[None]:
    """A context in which failures to read ``uri`` are reported as the model's."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        cause: Any = getattr(error, "java_exception", None)
        text = f"{type(error).__name__}: {error}" if cause is None else str(cause.toString())
        explained = storage_error(text, uri) or DataError(f"{uri} cannot be fetched: {text[:500]}")
        if isinstance(explained, DataError):
            raise ModelError(f"predictor.model_uri: {explained}") from error
        raise explained from error


def _copy_by_hadoop(spark: SparkSession, uri: str, target: Path) -> None:
    """Copy with the driver's JVM: files of any size, and names that Spark's readers skip (``__init__.py``)."""
    context: Any = spark.sparkContext
    hadoop = context._jvm.org.apache.hadoop.fs
    source = hadoop.Path(uri)
    files = source.getFileSystem(context._jsc.hadoopConfiguration())
    if not files.exists(source):
        raise _missing(uri)
    files.copyToLocalFile(False, source, hadoop.Path(str(target)), True)


def read_through_spark(spark: SparkSession, uri: str, target: Path) -> None:
    """Copy a file of up to 2 GB with a Spark job, the only way on Connect; in pieces, since rows are small."""
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(_GLOB.sub(r"\\\1", uri))
    paths = [str(row[0]) for row in files.select("path").limit(2).collect()]
    if not paths:
        raise _missing(uri)
    if [_below_host(path) for path in paths] != [_below_host(uri)]:
        raise ModelError(
            f"predictor.model_uri {uri}: a folder cannot be copied through Spark Connect, which skips empty "
            "files and names that begin with '_' (__init__.py); pack it as one model.tar.gz"
        )
    piece = f"substring(content, cast(n * {_PIECE} + 1 as int), {_PIECE})"
    cut = f"posexplode(transform(sequence(0L, length div {_PIECE}), n -> {piece})) as (number, piece)"
    with target.open("xb") as stream:
        for number, content in files.selectExpr(cut).toLocalIterator():
            stream.seek(number * _PIECE)
            stream.write(content)


def _below_host(uri: str) -> str:
    """The path of a URI, slashes never doubled."""
    return re.sub("/+", "/", re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*:(//[^/]*)?", "", uri)).rstrip("/")


def _missing(uri: str) -> ModelError:
    return ModelError(f"predictor.model_uri: {uri}: there is no such file, or nothing in that folder; check the path.")


# --- to the executors -----------------------------------------------------------------------------------------------


def _shipped(spark: SparkSession, spec: PredictorSpec, model: Path, scratch: Path) -> PredictorSpec:
    """The spec of the model as one file that Spark distributes, under a name derived from its content."""
    fingerprint = _hash_of_files(model)
    name = packed_name(fingerprint)
    if is_connect(spark):
        _send(spark, model, scratch / name)
    else:
        _offer(spark, model, name)
    return replace(
        spec, uri=shipped_uri(fingerprint, None if model.is_dir() else model.name), name=spec.name or spec.uri
    )


def _send(spark: SparkSession, model: Path, packed: Path) -> None:
    """Upload to the Connect server, which serves its executors."""
    sent = _sent.setdefault(spark, set())
    if packed.name not in sent:
        pack(model, packed)
        spark.addArtifacts(str(packed), file=True)
        packed.unlink()
        sent.add(packed.name)


def _offer(spark: SparkSession, model: Path, name: str) -> None:
    """Let executors fetch the model from the driver for as long as the application lives, even those that start later.

    The file is in Spark's own folder of files: Spark removes it at the end, rejects the same name from another
    location, and copies files from elsewhere.
    """
    from pyspark import SparkFiles

    context = spark.sparkContext
    if any(offered.endswith(f"/{name}") for offered in context.listFiles):
        return
    packed = Path(SparkFiles.getRootDirectory()) / name
    if not packed.exists():
        with tempfile.TemporaryDirectory(prefix=".packing-", dir=packed.parent) as scratch:
            pack(model, Path(scratch) / name)
            os.replace(Path(scratch) / name, packed)
    context.addFile(str(packed))


# --- what a model is ------------------------------------------------------------------------------------------------


def predictor_fingerprint(config: AnalysisConfig, spec: PredictorSpec) -> dict[str, str]:
    """What determines a model's answers to given calls, by name and as hashes: what checkpoints keep and compare."""
    predictor = None if config.predictor is None else config.predictor.model_dump(mode="json")
    cut = (spec.calling.payload_bytes, spec.calling.batch_records)
    calling = cut if spec.format in SPEAKING_BYTES else None  # which records go to the model together
    asked = [predictor, spec.feature_names, spec.feature_kinds, spec.threads, calling]
    return {"predictor": _hash(repr(asked).encode()), "model": model_fingerprint(spec)}


def model_fingerprint(spec: PredictorSpec) -> str:
    """SHA-256 over the names and contents of the model's files as far as the driver sees them, else of its address.

    The same wherever the files are, packed or not, delivered or not.
    """
    shipped = fingerprint_in(spec.uri)
    if shipped is not None:
        return shipped
    path = _source(spec.path.removeprefix("python:").partition(":")[0]) if spec.format == "python" else Path(spec.path)
    if spec.remote or not path.exists():
        where = f" in {spec.region}" if spec.region is not None else ""
        return _hash(f"{spec.format} {spec.name or spec.uri}{where}".encode())
    return _hash_of_files(path)


def _hash_of_files(model: Path) -> str:
    digest = hashlib.sha256()
    for name, path in files_of(model):
        with path.open("rb") as content:
            digest.update(_hash(os.fsencode(name)).encode() + hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


def _source(module: str) -> Path:
    """The file of a module, found without importing it."""
    relative = Path(*module.split("."))
    for folder in sys.path:
        for found in (Path(folder) / relative / "__init__.py", (Path(folder) / relative).with_suffix(".py")):
            if found.is_file():
                return found
    return Path(module)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
