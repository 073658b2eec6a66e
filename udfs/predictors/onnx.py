"""ONNX models through onnxruntime on the CPU; the file holds a graph of operators and no code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import (
    Answer,
    Labels,
    Matrix,
    NumericPredict,
    Predict,
    Scores,
    expect_records,
    labels_of,
    scores_of,
)
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.features import aligned, columns_in_order, only_numbers
from clarify_spark.udfs.predictors.probabilities import class_names, used
from clarify_spark.udfs.predictors.user_code import calling_user_code, library

#: Inputs and outputs of a session by name: arrays, or for a ZipMap one mapping from class to score per record.
Tensors = dict[str, Any]
_FLOATS: dict[str, Any] = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
_WHOLE: dict[str, Any] = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}
_TEXTS = "tensor(string)"
#: The name that converters of scikit-learn, XGBoost and LightGBM give to the output of a regression.
_REGRESSION = "variable"


@dataclass(frozen=True)
class _Outputs:
    """The names of the outputs that are read; ``names_class`` distinguishes a class label from a number."""

    label: str | None
    scores: str | None
    names_class: bool

    @property
    def names(self) -> list[str]:
        """Those of the two that exist."""
        return [name for name in (self.label, self.scores) if name is not None]


def load(spec: PredictorSpec) -> Predict:
    """The graph in an ONNX file, run with as many threads as a task has cores."""
    session = _session(spec)
    inputs, outputs = session.get_inputs(), _outputs(session.get_outputs(), spec)
    whole = _one_matrix(inputs)
    feeds = _by_name(inputs, spec) if whole is None else _as_one(whole, spec)

    def ask(fed: Tensors) -> Tensors:
        with calling_user_code(f"the model {spec.path} failed"):
            return dict(zip(outputs.names, session.run(outputs.names, fed), strict=True))

    def predict(features: pd.DataFrame) -> Answer:
        return expect_records(_answer(ask(feeds(features)), outputs, spec), len(features), spec.path)

    numbers = whole is not None and whole.type in _FLOATS and (outputs.scores is not None or not outputs.names_class)
    if not numbers or columns_in_order(spec, None) is None:
        return predict

    def matrix(cells: Matrix) -> Answer:
        tensors = ask({whole.name: _narrowed(cells, _FLOATS[whole.type])})
        return expect_records(Answer(None, *_numbers(tensors, outputs, spec)), len(cells), spec.path)

    return NumericPredict(predict, matrix)


def _session(spec: PredictorSpec) -> Any:
    """A session that runs one operator after the other and logs only errors."""
    runtime = library("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = spec.threads
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    with calling_user_code(f"{spec.path} cannot be loaded by onnxruntime"):
        session = runtime.InferenceSession(spec.path, options, providers=["CPUExecutionProvider"])
    for port in session.get_inputs():
        _expect_table(port, spec)
    return session


def _expect_table(port: Any, spec: PredictorSpec) -> None:
    """Rejects inputs that rows and columns cannot fill."""
    where = f"{spec.path}: the input {port.name}"
    if port.type not in (*_FLOATS, *_WHOLE, _TEXTS):
        raise ModelError(f"{where} is of type {port.type}; numbers, booleans and text are allowed")
    if len(port.shape) > 2:
        raise ModelError(f"{where} has {len(port.shape)} dimensions; two are allowed: records and features")
    if port.shape and isinstance(port.shape[0], int):
        raise ModelError(
            f"{where} takes exactly {port.shape[0]} records per call: export the model with a free first dimension"
        )


def _one_matrix(inputs: list[Any]) -> Any:
    """The only input, if it takes all features at once (records, features); else None."""
    return inputs[0] if len(inputs) == 1 and len(inputs[0].shape) != 1 else None


def _as_one(port: Any, spec: PredictorSpec) -> Callable[[pd.DataFrame], Tensors]:
    """A function from typed features to one matrix with all of them, in the order of the data."""
    if len(port.shape) == 2 and isinstance(port.shape[1], int):
        positions = [f"f{position}" for position in range(port.shape[1])]
        aligned(pd.DataFrame(columns=list(spec.feature_names)), positions, spec.path)
    return lambda features: {port.name: _cells(features, port, spec)}


def _by_name(inputs: list[Any], spec: PredictorSpec) -> Callable[[pd.DataFrame], Tensors]:
    """A function from typed features to one column for each input, found by its name."""

    def columns(features: pd.DataFrame) -> Tensors:
        given = aligned(features, [port.name for port in inputs], spec.path)
        cells = [_cells(given.iloc[:, [position]], port, spec) for position, port in enumerate(inputs)]
        return {
            port.name: cell[:, 0] if len(port.shape) == 1 else cell for port, cell in zip(inputs, cells, strict=True)
        }

    return columns


def _cells(features: pd.DataFrame, port: Any, spec: PredictorSpec) -> NDArray[Any]:
    """The features (n, k) in the type of the input."""
    if port.type == _TEXTS:
        kinds = dict(zip(spec.feature_names, spec.feature_kinds, strict=True))
        return np.column_stack([_texts(features[name], kinds[name]) for name in features.columns])
    numbers = only_numbers(features, spec.path)
    cells: Matrix = numbers.to_numpy(dtype=np.float64)
    if port.type in _FLOATS:
        return _narrowed(cells, _FLOATS[port.type])
    broken = [name for name, column in zip(features.columns, cells.T, strict=True) if (column % 1 != 0).any()]
    if broken:
        raise ModelError(
            f"{spec.path}: the input {port.name} takes {port.type}, and these columns hold missing or invalid numbers: "
            f"{', '.join(broken)}; export the model with inputs that are floats"
        )
    return cells.astype(_WHOLE[port.type])


def _narrowed(cells: Matrix, dtype: Any) -> NDArray[Any]:
    """The cells row by row as floats of the model's width; those beyond it become infinite."""
    with np.errstate(over="ignore"):
        return cells.astype(dtype, order="C")


def _texts(column: pd.Series, kind: str) -> Labels:
    """The column (n,) as the texts that ``astype(str)`` writes, whatever rows come together.

    1.0 is ``1`` in a column of integers, which holds floats where a value is missing, and ``1.0`` in one of floats.
    """
    return labels_of([_text(value, whole=kind == "integer") for value in column.tolist()])


def _text(value: Any, *, whole: bool) -> str:
    return str(int(value)) if whole and isinstance(value, float) and value.is_integer() else str(value)


def _outputs(ports: list[Any], spec: PredictorSpec) -> _Outputs:
    """The outputs to read: those that the user names, else the first of whole numbers or text and the first other."""
    classes = [port.name for port in ports if port.type in (*_WHOLE, _TEXTS)]
    label = _named(spec.label, "label", ports, spec)
    scores = _named(spec.probability, "probability", ports, spec)
    if label not in (None, *classes) and scores is None:
        return _Outputs(label, None, names_class=False)
    scores = scores or next((port.name for port in ports if port.name not in (*classes, label)), None)
    label = label or next(iter(classes), None)
    if label is None and spec.probability is None and _is_regression(ports[0]):
        return _Outputs(scores, None, names_class=False)
    return _Outputs(label, scores, names_class=label in classes)


def _is_regression(port: Any) -> bool:
    return port.name.startswith(_REGRESSION) and (len(port.shape) < 2 or port.shape[1] == 1)


def _named(wanted: str | int | None, key: str, ports: list[Any], spec: PredictorSpec) -> str | None:
    """The name of the output that the user gives by name or position."""
    names = [port.name for port in ports]
    if isinstance(wanted, int) and 0 <= wanted < len(names):
        return str(names[wanted])
    if wanted is not None and wanted not in names:
        raise ModelError(f"predictor.{key} {wanted!r}: the outputs of {spec.path} are {', '.join(names)}")
    return None if wanted is None else str(wanted)


def _answer(tensors: Tensors, outputs: _Outputs, spec: PredictorSpec) -> Answer:
    """The model's own labels and its scores; labels follow from the scores where a threshold or headers are set."""
    scores, classes = _numbers(tensors, outputs, spec) if outputs.scores is not None else (None, None)
    if outputs.label is None:
        return Answer(None, scores, classes, label_is="class")
    by_scores = spec.label is None and (spec.probability_threshold is not None or spec.label_headers is not None)
    if by_scores and scores is not None:
        if classes is not None:
            return Answer(None, scores, classes, label_is="class")
        if scores.shape[1] == 1:
            raise ModelError(
                f"{spec.path} gives the probabilities of two classes without their names: "
                "name both in predictor.label_headers, since a probability_threshold is set"
            )
    return Answer(
        _labels(tensors, outputs, spec), scores, classes, label_is="class" if outputs.names_class else "number"
    )


def _labels(tensors: Tensors, outputs: _Outputs, spec: PredictorSpec) -> Labels:
    """The label output (n,), which may be one column (n, 1)."""
    values = np.asarray(tensors[str(outputs.label)])
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ModelError(f"{spec.path}: the output {outputs.label} is not a label: it has the shape {values.shape}")
    return labels_of(values)


def _numbers(tensors: Tensors, outputs: _Outputs, spec: PredictorSpec) -> tuple[Scores, tuple[Any, ...] | None]:
    """The scores to use, or the numbers that are labels, and the classes of the scores; None when they are unknown."""
    if outputs.scores is None:
        return scores_of(tensors[str(outputs.label)], spec.path), None
    values, own = tensors[outputs.scores], None
    if isinstance(values, list) and values and isinstance(values[0], Mapping):
        own = tuple(values[0])
        values = [[record[name] for name in own] for record in values]
    scores = scores_of(values, spec.path)
    if scores.shape[1] == 1 and own is None:
        return scores, spec.label_headers if len(spec.label_headers or ()) == 2 else (0, 1)
    chosen, classes = used(scores, class_names(own, scores.shape[1], spec), None, spec)
    positions = own is None and spec.label_headers is None
    return chosen, None if positions and not _are_positions(tensors, outputs, scores) else classes


def _are_positions(tensors: Tensors, outputs: _Outputs, scores: Scores) -> bool:
    """Whether the classes that the model names, if any, are the positions of its largest scores."""
    if outputs.label is None or not outputs.names_class:
        return True
    ordered = np.sort(scores, axis=1)
    clear = ordered[:, -1] > ordered[:, -2]
    return bool(np.array_equal(np.asarray(tensors[outputs.label]).reshape(-1)[clear], scores.argmax(axis=1)[clear]))
