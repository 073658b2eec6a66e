"""scikit-learn models from skops files, which can be read without running their author's code."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Predict
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.estimators import predictor
from clarify_spark.udfs.predictors.sklearn import version_notes
from clarify_spark.udfs.predictors.user_code import calling_user_code, library

log = logging.getLogger(__name__)


def load(spec: PredictorSpec) -> Predict:
    """The estimator in a skops file, if skops or the user trusts every type in it."""
    library("sklearn", "sklearn")
    skops = library("skops.io", "sklearn")
    with calling_user_code(f"{spec.path} cannot be loaded"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)  # that of another version is one
        untrusted = set(skops.get_untrusted_types(file=spec.path))
        _refuse(sorted(untrusted - set(spec.trusted_types)), spec)
        # Only what the user named and the file contains: a list taken from the file alone would trust anything.
        estimator: Any = skops.load(spec.path, trusted=sorted(untrusted & set(spec.trusted_types)))
    for note in version_notes(caught, spec):
        log.warning("%s", note)
    return predictor(estimator, spec)


def _refuse(strangers: list[str], spec: PredictorSpec) -> None:
    if strangers:
        raise ModelError(
            f"{spec.path} holds types that skops does not trust by default: {', '.join(strangers)}; "
            "if you trust them, allow each by name: --trust-type NAME"
        )
