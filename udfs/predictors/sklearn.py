"""scikit-learn models from joblib or pickle files, which run code when they are read."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from clarify_spark.udfs.model_answer import Predict
from clarify_spark.udfs.model_formats import pickle_refusal
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.estimators import predictor
from clarify_spark.udfs.predictors.python import calls
from clarify_spark.udfs.predictors.user_code import calling_user_code, library

log = logging.getLogger(__name__)


def load(spec: PredictorSpec) -> Predict:
    """The estimator in a joblib or pickle file, if the user allows pickles; a function in it counts as one."""
    if not spec.allow_pickle:
        raise pickle_refusal(spec.path)
    library("sklearn", "sklearn")
    joblib = library("joblib", "sklearn")
    with calling_user_code(f"{spec.path} cannot be loaded"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)  # that of another version is one
        estimator: Any = joblib.load(spec.path)
    for note in version_notes(caught, spec):
        log.warning("%s", note)
    is_function = callable(estimator) and not hasattr(estimator, "predict")
    return calls(estimator, spec, f"the function in {spec.path}") if is_function else predictor(estimator, spec)


def version_notes(caught: list[warnings.WarningMessage], spec: PredictorSpec) -> list[str]:
    """One sentence for all parts of a model that another version of scikit-learn has written."""
    messages = [warning.message for warning in caught]
    found = {
        (getattr(message, "original_sklearn_version", "?"), getattr(message, "current_sklearn_version", "?"))
        for message in messages
        if type(message).__name__ == "InconsistentVersionWarning"
    }
    return [
        f"{spec.path} was written by scikit-learn {written}, and the executors have {here}: "
        "predictions may differ; install the same version to rule that out"
        for written, here in sorted(found)
    ]
