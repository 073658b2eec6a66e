"""The predictions of a run: those in the data, or those that its model gives."""

from __future__ import annotations

from dataclasses import dataclass

from clarify_spark.config import PostTrainingBias
from clarify_spark.run.context import Run
from clarify_spark.spark.blocks.checkpoints import PREDICTIONS, Checkpoints
from clarify_spark.spark.data.datasets import Dataset, data_fingerprint
from clarify_spark.spark.delivery.models import predictor_fingerprint
from clarify_spark.spark.scoring import thresholded, with_kept_predictions, with_model_predictions
from clarify_spark.udfs.traffic import Traffic
from clarify_spark.version import __version__


@dataclass(frozen=True)
class Predicted:
    """A data set with predictions, the traffic of the endpoint calls for them, and the checkpoints that keep them."""

    dataset: Dataset
    traffic: Traffic | None = None
    checkpoints: Checkpoints | None = None


def predictions_needed(run: Run) -> bool:
    """Whether the model has to predict: requested metrics need predictions, and the data have none."""
    return run.config.methods.of(PostTrainingBias) is not None and run.dataset.predicted_label is None


def with_predictions(run: Run) -> Predicted:
    """The data set with a predicted label where post-training metrics need one; scores are thresholded."""
    dataset, threshold = run.dataset, run.config.probability_threshold
    if run.config.methods.of(PostTrainingBias) is None:
        return Predicted(dataset)
    if not predictions_needed(run):
        return Predicted(dataset if threshold is None else thresholded(dataset, threshold))
    if not run.spec.remote:
        with run.progress.phase("Calling the model"):
            return Predicted(with_model_predictions(dataset, run.spec))
    facts = {
        **data_fingerprint(run.config, dataset.source),
        **predictor_fingerprint(run.config, run.spec),
        "probability_threshold": str(threshold),
        "version of clarify_spark": __version__,
    }
    checkpoints = Checkpoints(run.output, facts, folder=PREDICTIONS, force_resume=run.options.force_resume)
    if checkpoints.note is not None:
        run.progress.note(checkpoints.note)
    predicted, traffic = with_kept_predictions(dataset, run.spec, checkpoints, run.progress)
    return Predicted(predicted, traffic, checkpoints)
