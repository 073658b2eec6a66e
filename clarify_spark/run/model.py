"""The model of a run: what executors must know about it, and how it is made ready to be called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from clarify_spark.aws.control_plane import default_region
from clarify_spark.aws.shadow_endpoint import shadow_endpoint
from clarify_spark.config.rules.prediction import needs_model
from clarify_spark.errors import ConfigError, Problem
from clarify_spark.run.context import Run, RunModel
from clarify_spark.spark.delivery.models import delivered
from clarify_spark.spark.scoring import predictor_spec


def added(run: Run) -> Run:
    """The run with its model, if it needs one; nothing is sent yet."""
    config = run.config
    if not needs_model(config):
        return run
    if config.predictor is None:
        raise ConfigError([Problem("predictor", "missing; the requested methods need a model")])
    spec = replace(
        predictor_spec(config, config.predictor, run.dataset),
        allow_pickle=run.options.allow_pickle,
        trusted_types=run.options.trusted_types,
        calling=run.options.calling,
    )
    return replace(run, model=RunModel(config.predictor, spec))


@contextmanager
def ready(run: Run) -> Iterator[Run]:
    """The run with a model that can be called inside the block: a temporary endpoint is up, files are shipped."""
    if run.model is None:
        yield run
        return
    predictor, spec = run.model.predictor, run.model.spec
    with ExitStack() as held:
        if spec.format == "endpoint":
            spec = replace(spec, region=default_region())
        if predictor.model_name is not None:
            endpoint = shadow_endpoint(predictor, run.output, run.progress.note, region=spec.region)
            spec = replace(spec, uri=held.enter_context(endpoint), name=f"model {predictor.model_name}")
        spec = held.enter_context(delivered(run.session, spec, predictor.model_format))
        yield replace(run, model=RunModel(predictor, spec))
