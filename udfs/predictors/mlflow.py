"""MLflow model folders: the model in them by our own loaders where we have one, else as loaded by ``pyfunc``.

MLflow's ``pyfunc`` gives labels where the model has probabilities, and checks every call against a signature. Its
``MLmodel`` also lists which types of a skops file to trust, which is not for the file to decide (GHSA-w582-9x45-8mpx):
here only the user's ``trusted_types`` count.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Answer, NumericPredict, Predict, expect_records, matrix_of
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors import load_as
from clarify_spark.udfs.predictors.python import answer_of
from clarify_spark.udfs.predictors.user_code import calling_user_code, library, model_threads

MLMODEL = "MLmodel"
#: A flavour's part of ``MLmodel``.
Flavour = Mapping[str, Any]
_BOOSTER = "lightgbm.basic.Booster"


def _of_sklearn(flavour: Flavour) -> str:
    # Before it had other formats, MLflow wrote pickles without declaring it.
    return "skops" if flavour.get("serialization_format") == "skops" else "sklearn"


def _of_lightgbm(flavour: Flavour) -> str:
    return "lightgbm" if flavour.get("model_class", _BOOSTER) == _BOOSTER else _of_sklearn(flavour)


#: For each flavour that we load ourselves, the key of the model's path in the folder, and our format for it.
_NATIVE: dict[str, tuple[str, Callable[[Flavour], str]]] = {
    "sklearn": ("pickled_model", _of_sklearn),
    "xgboost": ("data", lambda flavour: "xgboost"),
    "lightgbm": ("data", _of_lightgbm),
    "onnx": ("data", lambda flavour: "onnx"),
    "spark": ("model_data", lambda flavour: "sparkml"),
}


def load(spec: PredictorSpec) -> Predict:
    """The model of an MLflow folder."""
    folder = Path(spec.path).resolve()
    described = _described(folder)
    flavours = described["flavors"]
    for name, (key, our_format) in _NATIVE.items():
        if name in flavours:
            flavour = flavours[name] or {}
            if spec.allow_pickle:
                _let_import(folder, flavour)
            place = _inside(folder, flavour.get(key), f"{name}.{key}")
            found = replace(spec, format=our_format(flavour), uri=str(place))
            return _by_signature(found, _signature(described, spec.feature_names, folder))
    if "python_function" not in flavours:
        raise ModelError(f"{folder / MLMODEL} has the flavours {', '.join(flavours)}; expected one of {_allowed()}")
    return _pyfunc(folder, flavours["python_function"], spec)


def _allowed() -> str:
    return ", ".join((*_NATIVE, "python_function"))


def _described(folder: Path) -> dict[str, Any]:
    """What ``MLmodel`` says; its ``flavors`` are there, by name."""
    yaml = library("yaml", "mlflow")
    with calling_user_code(f"{folder / MLMODEL} cannot be read"):
        described = yaml.safe_load((folder / MLMODEL).read_text(encoding="utf-8"))
    flavours = described.get("flavors") if isinstance(described, dict) else None
    if not isinstance(flavours, dict) or not all(isinstance(value, dict | None) for value in flavours.values()):
        raise ModelError(f"{folder / MLMODEL} lists no flavors, so it does not describe an MLflow model")
    return {**described, "flavors": flavours}


def _signature(described: Mapping[str, Any], given: Sequence[str], folder: Path) -> list[str]:
    """The input columns in the model's signature, in order; empty where it has none with names.

    Without those that the data lacks if they are optional.
    """
    signature = described.get("signature")
    inputs = signature.get("inputs") if isinstance(signature, dict) else None
    try:
        columns = {str(one["name"]): one.get("required", True) for one in json.loads(inputs or "[]") if "name" in one}
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{folder / MLMODEL}: the inputs of the signature cannot be read: {error}") from error
    return [name for name, required in columns.items() if required or name in given]


def _by_signature(spec: PredictorSpec, names: list[str]) -> Predict:
    """The model with its columns picked by the names of the signature, as ``pyfunc`` does; as they are without one.

    A model that was fitted on an array has its names only there.
    """
    given = spec.feature_names
    if not set(names) <= set(given):  # pyfunc refuses these, too
        missing = ", ".join(name for name in names if name not in given)
        raise ModelError(f"{spec.path}: the model's signature has columns that are not in the data: {missing}")
    if not names or names == list(given):
        return load_as(spec)
    places = [given.index(name) for name in names]
    kinds = tuple(spec.feature_kinds[place] for place in places)
    predict = load_as(replace(spec, feature_names=tuple(names), feature_kinds=kinds))
    matrix = matrix_of(predict)
    if matrix is None:
        return lambda features: predict(features[names])
    return NumericPredict(lambda features: predict(features[names]), lambda cells: matrix(cells.T[places].T))


def _inside(folder: Path, name: Any, key: str) -> Path:
    """The path in the folder that a flavour names."""
    if not isinstance(name, str):
        raise ModelError(f"{folder / MLMODEL}: {key} should name the location of the model, but is {name!r}")
    path = (folder / name).resolve()
    if not path.is_relative_to(folder) or not path.exists():
        raise ModelError(f"{folder / MLMODEL}: {key} is {name!r}, and there is no such file in the folder")
    return path


def _let_import(folder: Path, flavour: Flavour) -> None:
    """Lets pickles find the modules that were saved with the model, as MLflow does."""
    if flavour.get("code"):
        path = str(_inside(folder, flavour["code"], "code"))
        if path not in sys.path:
            sys.path.insert(0, path)


def _pyfunc(folder: Path, flavour: Flavour, spec: PredictorSpec) -> Predict:
    """A model that only MLflow itself can load, if the user allows its code; called like a ``python:`` one."""
    if not spec.allow_pickle:
        raise ModelError(
            f"{folder} is loaded by {flavour.get('loader_module')}, which runs any code its author included, "
            "on every executor. If you trust its author, pass --allow-pickle; else save the model with one of the "
            f"flavours {', '.join(_NATIVE)}"
        )
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with calling_user_code(f"{folder} cannot be loaded by mlflow"), model_threads(spec):
        model = library("mlflow.pyfunc", "mlflow").load_model(str(folder), suppress_warnings=True)

    def predict(features: pd.DataFrame) -> Answer:
        with calling_user_code(f"the model {folder} failed"), model_threads(spec):
            returned = model.predict(features)
        return expect_records(answer_of(returned, spec, str(folder)), len(features), str(folder))

    return predict
