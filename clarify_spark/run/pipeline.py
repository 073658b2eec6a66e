"""A whole run, in one straight line: config, data set, model, analyses one after the other, files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from clarify_spark.aws.shadow_endpoint import leftover_note
from clarify_spark.config import AnalysisConfig
from clarify_spark.errors import ConfigError, ModelError, Problem
from clarify_spark.run import dry_run, model
from clarify_spark.run.analysis import AnalysisOutcome, Planned, planned
from clarify_spark.run.checks import check_model, runnable
from clarify_spark.run.context import Options, Result, Run, RunLocations
from clarify_spark.run.cost import cost_of, refuse_too_many
from clarify_spark.run.write import write
from clarify_spark.spark.data.datasets import Dataset, read
from clarify_spark.spark.delivery.code import ship_own_code
from clarify_spark.spark.failures import user_errors
from clarify_spark.spark.files.output import Output
from clarify_spark.spark.progress import Progress
from clarify_spark.spark.session import Session


def run(
    session: Session, text: str, places: RunLocations, options: Options, progress: Progress | None = None
) -> Result:
    """Run every analysis of the config in ``text`` and write the results to ``places.output``."""
    loaded = runnable(text, strict=options.strict)
    check_model(loaded.config, options)
    output = Output(places.output, session.spark)
    progress = progress or Progress(session.spark)
    with user_errors(), ExitStack() as held:
        ship_own_code(session)
        if not options.dry_run:
            output.prepare()
        if (leftover := leftover_note(output)) is not None:
            progress.note(leftover)
        with progress.phase("Reading the data"):
            data_uri = _data_uri(loaded.config, places)
            dataset = read(session.spark, loaded.config, data_uri)
        held.callback(dataset.release)
        for note in dataset.source.notes:
            progress.note(note)
        this = model.added(Run(session, loaded.config, options, output, progress, data_uri, dataset, held))
        analyses = planned(this)
        cost = cost_of(this, analyses)
        refuse_too_many(cost, analyses, options.max_model_calls)
        if options.dry_run:
            return dry_run.result(this, analyses, cost, loaded.warnings)
        with _files_named(dataset):
            found = _run_results(this, analyses)
        result = write(this, loaded, text, found)
        for one in found:
            for checkpoints in one.all_checkpoints:
                checkpoints.remove()
            for name in one.stale:
                output.delete(name)
    return result


def _run_results(this: Run, analyses: Sequence[Planned]) -> tuple[AnalysisOutcome, ...]:
    """What the analyses find; the model is released when this returns."""
    found: dict[str, AnalysisOutcome] = {}
    with model.ready(this) as ready:
        for one in analyses:
            found[one.key] = one.compute(ready, found)
    return tuple(found.values())


@contextmanager
def _files_named(dataset: Dataset) -> Iterator[None]:
    """A context in which errors about a record name its file, of which executors know the number."""
    try:
        yield
    except ModelError as error:
        raise ModelError(dataset.source.named(str(error))) from error


def _data_uri(config: AnalysisConfig, places: RunLocations) -> str:
    uri = places.data_of(config)
    if uri is None:
        raise ConfigError([Problem("dataset_uri", "missing; name the data here or with --data")])
    return uri
