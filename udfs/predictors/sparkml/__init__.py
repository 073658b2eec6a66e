"""Saved pipelines and models of Spark ML, computed with numpy: executors need no JVM for them and no pyspark.

Spark's own models live in the JVM of the driver and cannot be called from an executor's Python, where explanations need
predictions for rows that were never in a DataFrame.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Answer, Matrix, NumericPredict, Predict, expect_records, labels_of
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.boosters import expect_indices
from clarify_spark.udfs.predictors.probabilities import class_names, used
from clarify_spark.udfs.predictors.sparkml.features import FEATURES, Stage, labels_in
from clarify_spark.udfs.predictors.sparkml.models import MODELS, Model, PredictionColumns
from clarify_spark.udfs.predictors.sparkml.saved import Columns, Saved, flat, read
from clarify_spark.udfs.predictors.user_code import calling_user_code, model_threads

_NUMBERS = ("integer", "float", "boolean")


def load(spec: PredictorSpec) -> Predict:
    """The last model of a saved pipeline, behind the stages that prepare its features."""
    expect_indices(spec)
    stages = flat(read(Path(spec.path)))
    last = next((at for at in range(len(stages) - 1, -1, -1) if stages[at].kind in MODELS), None)
    if last is None:
        raise _unsupported(stages[-1], spec, "does not end in a supported model: its last stage is")
    before = _needed(stages[:last], stages[last], spec)
    model = MODELS[stages[last].kind](stages[last])
    classes = _classes(stages, stages[last])

    def predicted(columns: Columns) -> PredictionColumns:
        with calling_user_code(f"the model {spec.path} failed"), model_threads(spec), np.errstate(all="ignore"):
            for stage in before:
                columns = {**columns, **stage.run(columns)}
            return model.predicted(columns)

    def predict(features: pd.DataFrame) -> Answer:
        return expect_records(
            _answer(predicted(_columns(features, spec)), model, classes, spec), len(features), spec.path
        )

    if not set(spec.feature_kinds) <= set(_NUMBERS) or model.meaning == "classes":
        return predict

    def matrix(cells: Matrix) -> Answer:
        columns = {name: cells[:, at] for at, name in enumerate(spec.feature_names)}
        return expect_records(_scores(predicted(columns), model, classes, spec), len(cells), spec.path)

    return NumericPredict(predict, matrix)


def _columns(features: pd.DataFrame, spec: PredictorSpec) -> Columns:
    """The features by name: numbers and booleans as floats, others as objects."""
    return {
        name: features[name].to_numpy(dtype=np.float64 if kind in _NUMBERS else object)
        for name, kind in zip(spec.feature_names, spec.feature_kinds, strict=True)
    }


def _needed(stages: list[Saved], model: Saved, spec: PredictorSpec) -> list[Stage | Model]:
    """The stages that contribute to the model's features, in order; others (of the label) are ignored."""
    wanted, found = {str(model.params["featuresCol"])}, []
    for saved in reversed(stages):
        adds = saved.outputs()
        if adds and wanted.isdisjoint(adds):
            continue
        found.append(_stage(saved, spec))
        wanted = wanted.difference(adds).union(saved.inputs())
    lost = sorted(wanted.difference(spec.feature_names))
    if lost:
        raise ModelError(
            f"{spec.path}: the pipeline reads columns that are not features of the data: {', '.join(lost)}; "
            f"the features are {', '.join(spec.feature_names)}"
        )
    return found[::-1]


def _stage(saved: Saved, spec: PredictorSpec) -> Stage | Model:
    if saved.kind in MODELS:
        return MODELS[saved.kind](saved)
    if saved.kind not in FEATURES:
        raise _unsupported(saved, spec, "needs an unsupported stage:")
    return FEATURES[saved.kind](saved, dict(zip(spec.feature_names, spec.feature_kinds, strict=True)))


def _unsupported(saved: Saved, spec: PredictorSpec, what: str) -> ModelError:
    return ModelError(
        f"{spec.path} {what} {saved.uid} of {saved.class_name}. Models: {', '.join(MODELS)}; other stages: "
        f"{', '.join(FEATURES)}. Export the model as ONNX, or add its predictions to the data (predicted_label)"
    )


def _classes(stages: list[Saved], model: Saved) -> tuple[Any, ...] | None:
    """The names of the classes, where the pipeline turns predictions or the label into names and back."""
    for saved in stages:
        if saved.kind == "IndexToString" and saved.params.get("inputCol") == model.params.get("predictionCol"):
            named = saved.params.get("labels")
            if named:
                return _plain(named)
    for saved in stages:
        if saved.kind == "StringIndexerModel" and model.params.get("labelCol") in saved.outputs():
            return _plain(labels_in(saved)[saved.outputs().index(model.params["labelCol"])])
    return None


def _plain(labels: list[str]) -> tuple[Any, ...]:
    """Labels that were numbers before Spark turned them into text, as numbers again."""
    for number in (int, float):
        try:
            if [str(number(label)) for label in labels] == labels:
                return tuple(number(label) for label in labels)
        except ValueError:
            continue
    return tuple(labels)


def _answer(predicted: PredictionColumns, model: Model, classes: tuple[Any, ...] | None, spec: PredictorSpec) -> Answer:
    """The answer; the model's own labels where no threshold is configured, since it may have one of its own."""
    if model.meaning == "values":
        return Answer(labels_of(predicted.prediction), None)
    if model.meaning == "classes":
        return Answer(_labels(predicted, 2, classes, spec), None, label_is="class")
    answer = _scores(predicted, model, classes, spec)
    unconfigured = spec.probability_threshold is None and spec.probability is None
    if predicted.probability is None or not (spec.label is not None or unconfigured):
        return answer
    return Answer(
        _labels(predicted, predicted.probability.shape[1], classes, spec), answer.scores, answer.classes, "class"
    )


def _scores(predicted: PredictionColumns, model: Model, classes: tuple[Any, ...] | None, spec: PredictorSpec) -> Answer:
    """The numbers of ``_answer`` as scores, including those that are values."""
    if predicted.probability is None:
        return Answer(None, predicted.prediction[:, np.newaxis])
    names = class_names(_fitting(classes, predicted.probability.shape[1]), predicted.probability.shape[1], spec)
    return Answer(None, *used(predicted.probability, names, spec.probability, spec), label_is="class")


def _labels(predicted: PredictionColumns, count: int, classes: tuple[Any, ...] | None, spec: PredictorSpec) -> Any:
    names = class_names(_fitting(classes, count), count, spec)
    return labels_of([names[position] for position in predicted.prediction.astype(np.int64).tolist()])


def _fitting(classes: tuple[Any, ...] | None, count: int) -> tuple[Any, ...] | None:
    """The names, if there is one per class; an indexer that keeps unknown labels has one class more."""
    if classes is not None and len(classes) == count - 1:
        classes = (*classes, "__unknown")
    return classes if classes is not None and len(classes) == count else None
