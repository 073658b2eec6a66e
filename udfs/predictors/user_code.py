"""The boundary to foreign code: importing it, calling it, and attributing its failures."""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from clarify_spark.udfs.errors import MORE_MEMORY, ModelError
from clarify_spark.udfs.model_spec import PredictorSpec

_OURS = str(Path(__file__).resolve().parent.parent) + os.sep
_LIBRARIES = tuple(
    {
        str(Path(sysconfig.get_paths()[name]).resolve()) + os.sep
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
)

#: What libraries warn of, each with its reason: files of other versions, names of features and habits (UserWarning),
#: what their next version changes (FutureWarning, DeprecationWarning and its like), and numbers beyond what floats hold
#: (RuntimeWarning); those that reach an answer are reported as outputs that are not finite.
LIBRARY_WARNINGS = (UserWarning, FutureWarning, DeprecationWarning, PendingDeprecationWarning, RuntimeWarning)


def library(name: str, extra: str) -> Any:
    """The imported module; if it is missing, a ModelError says how to install it."""
    with calling_user_code(f"the executors cannot import {name}"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):
                raise
            install = f"pip install 'clarify-spark[{extra}]'"
            raise ModelError(f"{name.partition('.')[0]} is not installed on the executors: {install}") from error


@contextmanager
def calling_user_code(doing: str) -> Iterator[None]:
    """Turns whatever the model's code raises into a ModelError that quotes it and the line it came from.

    What its libraries warn of is not printed: a warning on every executor is no answer to the user.
    """
    try:
        with warnings.catch_warnings():
            for category in LIBRARY_WARNINGS:
                warnings.simplefilter("ignore", category)
            yield
    except ModelError:
        raise
    # A model's code may raise anything, and all of it is for the user to see and fix: the only broad catch there is.
    except (Exception, SystemExit) as error:
        text = " ".join(str(error).partition("Stack trace:")[0].split())  # xgboost appends one from its C++ code
        text = text if len(text) <= 500 else text[:500] + "…"
        said = f": {text}" if text else ""
        remedy = f"; {MORE_MEMORY}" if isinstance(error, MemoryError) else ""
        raise ModelError(f"{doing}: {type(error).__name__}{said}{_place(error.__traceback__)}{remedy}") from error


def _place(trace: TracebackType | None) -> str:
    """`` (file:line)`` of the last frame that belongs to the user, empty when there is none."""
    for frame in reversed(traceback.extract_tb(trace)):
        file = str(Path(frame.filename).resolve())
        if not file.startswith((_OURS, *_LIBRARIES)) and not frame.filename.startswith("<"):
            return f" ({frame.filename}:{frame.lineno})"
    return ""


@contextmanager
def one_thread() -> Iterator[None]:
    """A context in which BLAS and OpenMP use one thread: our own sums must not depend on the cores of a machine."""
    with _threads(1):
        yield


@contextmanager
def model_threads(spec: PredictorSpec) -> Iterator[None]:
    """A context in which BLAS and OpenMP use as many threads as a task has cores, which is what a model may use."""
    with _threads(spec.threads):
        yield


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """A limit on the threads of BLAS and OpenMP (none without threadpoolctl).

    Entering costs about 40 microseconds, and nothing inside another context with the same limit.
    """
    wanted, outer = (len(sys.modules), count), getattr(_limited, "state", None)
    pools = None if outer == wanted else _pools(wanted[0])
    if pools is None:
        yield
        return
    _limited.state = wanted
    try:
        with pools.limit(limits=count):
            yield
    finally:
        _limited.state = outer


#: How many modules were loaded when this thread entered the current limit, and the limit.
_limited = threading.local()


@lru_cache(maxsize=1)
def _pools(modules: int) -> Any:
    """The thread pools of the loaded libraries; searched again (a few milliseconds) when more modules are loaded."""
    try:
        return importlib.import_module("threadpoolctl").ThreadpoolController()
    except ModuleNotFoundError:
        return None
