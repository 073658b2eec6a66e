"""The model of a run: what it is asked for, how it gets ready, and the predictions it gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from clarify_spark.aws.control_plane import default_region
from clarify_spark.aws.shadow_endpoint import shadow_endpoint
from clarify_spark.config import Pdp, PostTrainingBias, Predictor, Shap
from clarify_spark.errors import ConfigError, Problem
from clarify_spark.run import kernel_shap, partial_dependence
from clarify_spark.run.context import Run
from clarify_spark.run.cost import Analyses, Cost, cost_of
from clarify_spark.run.kernel_shap import Job
from clarify_spark.run.partial_dependence import CurveJob
from clarify_spark.spark.blocks.checkpoints import PREDICTIONS, Journal
from clarify_spark.spark.data.datasets import Dataset, data_facts
from clarify_spark.spark.delivery.models import delivered, model_facts
from clarify_spark.spark.scoring import predictor_spec, thresholded, with_kept_predictions, with_model_predictions
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.traffic import Traffic
from clarify_spark.version import __version__


@dataclass(frozen=True)
class Asked:
    """A model, and what a run asks it for: predictions, explanations or both."""

    predictor: Predictor
    spec: PredictorSpec
    predictions: bool
    job: Job | None
    curves: CurveJob | None
    cost: Cost


@dataclass(frozen=True)
class Predicted:
    """A data set with predictions; what asking an endpoint for them took, and the journal that keeps them."""

    dataset: Dataset
    traffic: Traffic | None = None
    journal: Journal | None = None


def asked(run: Run) -> Asked | None:
    """What the run asks its model for, None when it needs no model; nothing is sent yet."""
    config, dataset = run.config, run.dataset
    predictions = config.methods.of(PostTrainingBias) is not None and dataset.predicted_label is None
    shap, pdp = config.methods.of(Shap), config.methods.of(Pdp)
    if not predictions and shap is None and pdp is None:
        return None
    if config.predictor is None:
        raise ConfigError([Problem("predictor", "missing; the methods asked for need a model")])
    spec = replace(
        predictor_spec(config, config.predictor, dataset),
        allow_pickle=run.options.allow_pickle,
        trusted_types=run.options.trusted_types,
        calling=run.options.calling,
    )
    job = None
    if shap is not None:
        baseline = kernel_shap.baseline(config, dataset, run.seed, run.progress)
        job = Job(config, shap, dataset, spec, run.seed, run.options.shap, run.progress, baseline)
    curves = None if pdp is None else _curve_job(run, pdp, spec)
    needs = Analyses(predictions=predictions, job=job, curves=curves)
    return Asked(config.predictor, spec, predictions, job, curves, cost_of(dataset, spec, run.seed, needs))


def _curve_job(run: Run, pdp: Pdp, spec: PredictorSpec) -> CurveJob:
    return CurveJob(
        config=run.config,
        pdp=pdp,
        dataset=run.dataset,
        spec=spec,
        seed=run.seed,
        most_rows=run.options.pdp_rows,
        force_resume=run.options.shap.force_resume,
        progress=run.progress,
        candidates=partial_dependence.candidates(pdp, run.dataset, run.progress),
    )


@contextmanager
def ready(run: Run, asked: Asked) -> Iterator[Asked]:
    """The same with a model that can be called while the block runs: a temporary endpoint is up, files are shipped."""
    spec = asked.spec
    with ExitStack() as held:
        if spec.format == "endpoint":
            spec = replace(spec, region=default_region())
        if asked.predictor.model_name is not None:
            endpoint = shadow_endpoint(asked.predictor, run.output, run.progress.note, region=spec.region)
            spec = replace(spec, uri=held.enter_context(endpoint), name=f"model {asked.predictor.model_name}")
        spec = held.enter_context(delivered(run.session, spec, asked.predictor.model_format))
        job = None if asked.job is None else replace(asked.job, spec=spec)
        curves = None if asked.curves is None else replace(asked.curves, spec=spec)
        yield replace(asked, spec=spec, job=job, curves=curves)


def with_predictions(run: Run, asked: Asked | None) -> Predicted:
    """The data set with a predicted label where post-training metrics need one; scores among them thresholded."""
    dataset, threshold = run.dataset, run.config.probability_threshold
    if run.config.methods.of(PostTrainingBias) is None:
        return Predicted(dataset)
    if asked is None or not asked.predictions:
        return Predicted(dataset if threshold is None else thresholded(dataset, threshold))
    if not asked.spec.remote:
        with run.progress.phase("Calling the model"):
            return Predicted(with_model_predictions(dataset, asked.spec))
    facts = {
        **data_facts(run.config, dataset.source),
        **model_facts(run.config, asked.spec),
        "probability_threshold": str(threshold),
        "version of clarify_spark": __version__,
    }
    journal = Journal(run.output, facts, folder=PREDICTIONS, force_resume=run.options.shap.force_resume)
    if journal.note is not None:
        run.progress.note(journal.note)
    predicted, traffic = with_kept_predictions(dataset, asked.spec, journal, run.progress)
    return Predicted(predicted, traffic, journal)
