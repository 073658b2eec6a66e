"""Models delivered by Spark's own file distribution: where they are on an executor, and what messages call them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from clarify_spark.udfs.archives import unpack
from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Answer, NumericPredict, Predict
from clarify_spark.udfs.model_spec import PredictorSpec

SCHEME = "shipped:"
Asked = TypeVar("Asked")


def shipped_uri(fingerprint: str, file: str | None) -> str:
    """The ``uri`` of a model that was shipped: a folder, or the one ``file`` in it."""
    return f"{SCHEME}{fingerprint}" + ("" if file is None else f"/{file}")


def fingerprint_in(uri: str) -> str | None:
    """The fingerprint of a model that was shipped, None for any other ``uri``."""
    return uri.removeprefix(SCHEME).partition("/")[0] if uri.startswith(SCHEME) else None


def packed_name(fingerprint: str) -> str:
    """The name of the file that is shipped; Spark itself would unpack one that ends in .tar, unchecked."""
    return f"clarify-model-{fingerprint}.packed"


def with_local_path(spec: PredictorSpec) -> PredictorSpec:
    """The spec with the path of its model on this machine; a shipped one is unpacked here if it is not yet."""
    fingerprint = fingerprint_in(spec.uri)
    if fingerprint is None:
        return spec
    packed = _files_folder() / packed_name(fingerprint)
    folder = packed.with_suffix("")
    if not folder.is_dir():
        if not packed.is_file():
            raise ModelError(f"{spec.name}: Spark did not deliver {packed.name} to this executor ({packed.parent})")
        with _one_at_a_time(folder.with_suffix(".lock")):
            if not folder.is_dir():
                unpack(packed, folder, f"{spec.name} (shipped to this executor as {packed})")
    return replace(spec, uri=str(folder / spec.uri.removeprefix(SCHEME).partition("/")[2]))


def _files_folder() -> Path:
    """The folder of this application's files, or on Spark Connect of this session's; Spark removes it."""
    from pyspark import SparkFiles  # Only a Spark Python worker calls a shipped model.

    return Path(SparkFiles.getRootDirectory()).resolve()


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    """A context for one process of this machine at a time."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def as_errors_of_named_model(spec: PredictorSpec) -> Iterator[None]:
    """A context whose ModelErrors call a moved model by the user's name for it."""
    try:
        yield
    except ModelError as error:
        if spec.name is not None:
            error.args = tuple(
                text.replace(spec.path, spec.name.rstrip("/")) if isinstance(text, str) else text for text in error.args
            )
        raise


def by_name(predict: Predict, spec: PredictorSpec) -> Predict:
    """The same predictor, whose ModelErrors call the model by the user's name for it."""
    if spec.name is None:
        return predict

    def named(ask: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        def asked(records: Asked) -> Answer:
            with as_errors_of_named_model(spec):
                return ask(records)

        return asked

    if isinstance(predict, NumericPredict):
        return NumericPredict(named(predict.frame), named(predict.matrix))
    return named(predict)
