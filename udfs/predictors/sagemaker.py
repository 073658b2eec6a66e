"""Model folders with the contract of SageMaker's containers: a script that loads the model and takes request bodies.

``model_fn(model_dir)`` has no default, as in the scikit-learn container; ``input_fn``, ``predict_fn`` and ``output_fn``
have that container's (``container_defaults``). ``transform_fn(model, body, content_type, accept)`` replaces the three.
By naming the folder the user agrees to run the script; nothing else in the folder is read here. A folder without
a script that holds one model of a known format is loaded as that format.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Answer, Predict, concatenated
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors import MODEL_SUFFIXES, container_defaults, format_of, load_as
from clarify_spark.udfs.predictors.user_code import calling_user_code, model_threads
from clarify_spark.udfs.requests.payloads import content_type, encoder
from clarify_spark.udfs.requests.responses import Decode, accept_type, decoder

#: Where the script may be, in order.
SCRIPTS = ("code/inference.py", "code/predictor.py", "inference.py", "predictor.py")
#: The model's file name in SageMaker's own XGBoost algorithm.
BUILT_IN_XGBOOST = "xgboost-model"
#: The first bytes of files whose suffix alone is ambiguous.
_BEGINNINGS = {".json": b'{"learner"', ".txt": b"tree\n"}
#: Bodies of these types reach ``input_fn`` as text, as in the containers; others as bytes.
_TEXT = ("text/csv", "application/json")


@dataclass(frozen=True)
class _Script:
    """A user's script, the names importable from its folder, and the modules imported from there so far."""

    path: Path
    names: frozenset[str]
    siblings: dict[str, ModuleType] = field(default_factory=dict)

    @contextmanager
    def at_home(self) -> Iterator[None]:
        """A context in which the script finds its own folder first, and the modules next to it under their names.

        Two folders may both hold an ``estimates.py`` or a ``features.py``, in one Python worker, and so may the
        Python path: outside the context ``sys.modules`` is unchanged.
        """
        folder = str(self.path.parent)
        writes_bytecode = sys.dont_write_bytecode
        others = self._taken_out()
        sys.path.insert(0, folder)
        sys.modules.update(self.siblings)
        sys.dont_write_bytecode = True
        try:
            yield
        finally:
            sys.dont_write_bytecode = writes_bytecode
            if folder in sys.path:
                sys.path.remove(folder)
            self.siblings.update(self._taken_out())
            sys.modules.update(others)

    def _taken_out(self) -> dict[str, ModuleType]:
        """The loaded modules under names of the folder, removed from ``sys.modules``."""
        found = [name for name in sys.modules if name.partition(".")[0] in self.names]
        return {name: sys.modules.pop(name) for name in found}


def _importable(folder: Path) -> frozenset[str]:
    """The names of the modules and packages in a folder."""
    modules = {path.stem for path in folder.glob("*.py")}
    return frozenset(modules | {path.parent.name for path in folder.glob("*/*.py")})


def load(spec: PredictorSpec) -> Predict:
    """The folder's model behind its own script; requests and responses as configured."""
    folder = Path(spec.path).resolve()
    path = _script(folder, spec.entry_script)
    if path is None:
        return load_as(_without_script(folder, spec))
    encode, decode = encoder(spec), decoder(spec)
    script = _Script(path, _importable(path.parent))
    with calling_user_code(f"{script.path} failed while loading the model"), script.at_home(), model_threads(spec):
        module = _imported(script.path)
        if not hasattr(module, "model_fn"):
            raise ModelError(f"{script.path} has no model_fn(model_dir), which must load the model and has no default")
        model = _call(module.model_fn, str(folder))
    transform = _transform(module, script.path)

    def predict(features: pd.DataFrame) -> Answer:
        answers = []
        payload = encode(features)
        for some in payload.requests(spec.calling):
            with calling_user_code(f"{script.path} failed"), script.at_home(), model_threads(spec):
                returned = transform(model, _body(payload.body(some), spec), content_type(spec), accept_type(spec))
            answers.append(_read(returned, some.stop - some.start, decode, spec))
        return concatenated(answers)

    return predict


def _script(folder: Path, entry: str | None) -> Path | None:
    """The script of the folder: the one that the user names, else one in a usual place, else None."""
    if entry is None:
        return next((folder / name for name in SCRIPTS if (folder / name).is_file()), None)
    path = (folder / entry).resolve()
    if not path.is_relative_to(folder):
        raise ModelError(f"predictor.entry_script {entry!r} points outside the model folder {folder}")
    if not path.is_file():
        scripts = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.py"))
        there = f"has {_listed(scripts)}" if scripts else "has no script at all"
        raise ModelError(f"predictor.entry_script {entry!r}: no such file in {folder}, which {there}")
    return path


def _listed(names: list[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _without_script(path: Path, spec: PredictorSpec) -> PredictorSpec:
    """The spec of the one model in a folder without a script, or of a file whose name does not reveal it."""
    if path.is_dir() and format_of(str(path)) != "sagemaker":
        return replace(spec, format=format_of(str(path)))
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    models = {file: found for file in files if (found := _model_format(file))}
    if len(models) == 1:
        ((file, found),) = models.items()
        return replace(spec, format=found, uri=str(file))
    if path.is_file():
        raise ModelError(f"{path} is a file; a model of format sagemaker is a folder or its packed .tar.gz")
    scripts = f"no inference script ({', '.join(SCRIPTS)}, or the one named by predictor.entry_script)"
    if not models:
        raise ModelError(f"{path} has {scripts} and no model file of a known kind ({', '.join(MODEL_SUFFIXES)})")
    names = _listed([file.name for file in models])
    raise ModelError(f"{path} has {scripts} and {len(models)} model files: {names}; set predictor.model_uri to one")


def _model_format(file: Path) -> str | None:
    """The format of a model file, None for any other file."""
    if file.name == BUILT_IN_XGBOOST:
        return "xgboost"
    suffix = file.suffix.lower()
    if suffix in _BEGINNINGS:
        with file.open("rb") as opened:
            if not opened.read(64).replace(b" ", b"").startswith(_BEGINNINGS[suffix]):
                return None
    return MODEL_SUFFIXES.get(suffix)


def _imported(path: Path) -> ModuleType:
    """The script as a module under its own name, which pickles of its classes refer to."""
    found = importlib.util.spec_from_file_location(path.stem, path)
    if found is None or found.loader is None:
        raise ModelError(f"{path} cannot be imported")
    module = sys.modules[path.stem] = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _transform(module: ModuleType, path: Path) -> Callable[[Any, Any, str, str], Any]:
    """The script's transform_fn, or input_fn, predict_fn and output_fn one after the other."""
    own = [name for name in ("input_fn", "predict_fn", "output_fn") if hasattr(module, name)]
    if hasattr(module, "transform_fn"):
        if own:
            raise ModelError(f"{path} has transform_fn and also {', '.join(own)}; a container takes one or the other")
        return lambda *arguments: _call(module.transform_fn, *arguments)
    functions = [getattr(module, name, getattr(container_defaults, name)) for name in container_defaults.FUNCTIONS]
    read, ask, write = functions

    def transform(model: Any, body: Any, sent: str, wanted: str) -> Any:
        return _call(write, _call(ask, _call(read, body, sent), model), wanted)

    return transform


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns; one with an extra parameter gets the context, which is None here."""
    parameters = inspect.signature(function).parameters.values()
    due = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return function(*arguments, None) if len(due) == len(arguments) + 1 else function(*arguments)


def _body(body: bytes, spec: PredictorSpec) -> bytes | str:
    return body.decode("utf-8") if content_type(spec) in _TEXT else body


def _read(returned: Any, sent: int, decode: Decode, spec: PredictorSpec) -> Answer:
    """The answer in the return value of output_fn: a body, or a pair of a body and its type, or a web response."""
    if isinstance(returned, tuple) and len(returned) == 2:
        returned, kind = returned
        decode = decode if kind == accept_type(spec) else decoder(replace(spec, accept_type=str(kind)))
    if hasattr(returned, "get_data"):
        returned = returned.get_data()
    if isinstance(returned, bytearray | memoryview):
        returned = bytes(returned)
    if not isinstance(returned, bytes | str):
        raise ModelError(
            f"output_fn of {spec.path} returned a {type(returned).__name__}; it must return text or bytes "
            f"of type {accept_type(spec)}"
        )
    return decode(returned, sent)
