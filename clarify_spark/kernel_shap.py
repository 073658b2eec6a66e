"""Kernel SHAP of a run, in one straight line: baseline, probe, plan, blocks of rows, files, global values."""

from __future__ import annotations

import hashlib
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from clarify_spark import __version__
from clarify_spark.config import AnalysisConfig, Shap
from clarify_spark.errors import CommandError, ConfigError, DataError, Problem
from clarify_spark.explain.baseline import Baseline
from clarify_spark.explain.plan import plan_of, records_per_row, settings_of
from clarify_spark.explain.result import ShapResult
from clarify_spark.explain.summary import Totals
from clarify_spark.report import local_values
from clarify_spark.report.analysis_json import label_keys
from clarify_spark.report.local_values import LocalNames
from clarify_spark.spark import explanations
from clarify_spark.spark.baseline import baseline_of
from clarify_spark.spark.datasets import Dataset, resolve_name
from clarify_spark.spark.explanations import Pace
from clarify_spark.spark.journal import Journal
from clarify_spark.spark.progress import Progress
from clarify_spark.spark.storage import Output
from clarify_spark.udfs.explained import Explained, Probe, probe_from_bytes, to_bytes
from clarify_spark.udfs.kernel_shap import Background, ShapPlan, ShapSettings
from clarify_spark.udfs.predictors.spec import PredictorSpec

FOLDER = "explanations_shap"
CSV, PARQUET, BASELINE = f"{FOLDER}/out.csv", f"{FOLDER}/local.parquet", f"{FOLDER}/baseline.csv"
#: Rows that the model is probed with before the work is planned.
PILOT_ROWS = 16
PROBE = "probe.arrow"


@dataclass(frozen=True)
class ShapOptions:
    """What the command line adds to methods.shap; ``buffer_bytes`` bounds the masked rows of one Python worker."""

    single_file: bool = False
    max_model_calls: int | None = None
    force_resume: bool = False
    buffer_bytes: int = 256 * 2**20


@dataclass(frozen=True)
class Job:
    """Kernel SHAP of one data set and one model."""

    config: AnalysisConfig
    shap: Shap
    dataset: Dataset
    spec: PredictorSpec
    seed: int
    options: ShapOptions
    progress: Progress


@dataclass(frozen=True)
class Prepared:
    """What is known before rows are explained."""

    baseline: Baseline
    settings: ShapSettings
    probe: Probe
    plan: ShapPlan
    rows: int

    @property
    def records(self) -> int:
        """Model records that the run takes, by the pilot rows where it depends on the rows."""
        return round(self.rows * records_per_row(self.settings, self.plan.engine, self.probe))

    @property
    def seconds_of_one_core(self) -> float:
        """How long the model takes for them on one core, as fast as in the probe."""
        return self.records * self.probe.seconds / max(1, self.probe.records)


@dataclass(frozen=True, eq=False)
class Done:
    """A result, and the journal that is to be removed once every file of the run is written."""

    result: ShapResult
    journal: Journal


def explain(job: Job, output: Output) -> Done:
    """Explain every row, write the files of explanations_shap, and give the global values."""
    baseline = _baseline(job)
    if job.options.max_model_calls is not None:  # before a journal of other facts is given up
        _refuse_too_many(prepare(job, baseline, None), job.options.max_model_calls)
    journal = Journal(output, _facts(job, baseline), force_resume=job.options.force_resume)
    if journal.note is not None:
        job.progress.note(journal.note)
    prepared = prepare(job, baseline, journal)
    names = _names(job, prepared.plan)
    for name in (CSV, PARQUET, BASELINE):  # of an earlier run; the finished blocks of this one are in the journal
        output.delete(name)
    output.write_bytes(BASELINE, local_values.baseline_csv(baseline.rows))
    totals = Totals(job.shap.agg_method, exact=prepared.plan.game.design.exact)
    pace = Pace(seconds_per_row=prepared.seconds_of_one_core / max(1, prepared.rows))
    with closing(explanations.explain(job.dataset, prepared.plan, journal, job.progress, pace)) as explained:
        blocks = _added(totals, explained)
        if not job.shap.save_local_shap_values:
            deque(blocks, maxlen=0)
        else:
            _save(blocks, names, output, prepared.rows, single_file=job.options.single_file)
    summary = totals.summary(_Again(journal))
    return Done(ShapResult(names.labels, names.features, prepared.plan, baseline, summary), journal)


def cost(job: Job) -> tuple[str, ...]:
    """What a run would cost, from a probe of the model with a few rows; nothing is written."""
    prepared = prepare(job, _baseline(job), None)
    rows, seconds = prepared.rows, prepared.seconds_of_one_core
    backs = len(prepared.baseline.rows)
    if prepared.plan.engine == "pairwise":
        each = prepared.records / max(1, rows)
        how = f"{rows:,} rows × {each:,.1f} model records (features that differ from {_counted(backs, 'baseline row')})"
    else:
        how = f"{rows:,} rows × {prepared.settings.samples:,} coalitions × {_counted(backs, 'baseline row')}"
    return (
        f"kernel SHAP: {how}, and each row once = about {prepared.records:,} model records",
        f"the probe of {prepared.probe.records:,} records took {prepared.probe.seconds:.2f} s in the model: about "
        f"{_duration(seconds)} on one core, divided by the cores of the executors",
    )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


# --- before rows are explained --------------------------------------------------------------------------------------


def prepare(job: Job, baseline: Baseline, journal: Journal | None) -> Prepared:
    """Probe and plan; a probe that the journal of an interrupted run holds is not made again."""
    settings = settings_of(job.shap, job.spec, _players(job), Background(baseline.rows, baseline.weights), job.seed)
    settings = replace(settings, buffer_bytes=job.options.buffer_bytes)
    rows = job.dataset.source.rows if job.dataset.source.rows is not None else job.dataset.frame.count()
    if rows == 0:
        raise DataError("the data set has no rows, so there is nothing to explain")
    kept = None if journal is None else journal.get(PROBE)
    if kept is not None:
        probe = probe_from_bytes(kept)
    else:
        probe = explanations.probe(job.dataset, settings, PILOT_ROWS, job.progress)
        if journal is not None:
            journal.put(PROBE, to_bytes(probe))
    return Prepared(baseline, settings, probe, plan_of(job.shap, settings, probe), rows)


def _baseline(job: Job) -> Baseline:
    with job.progress.phase("Reading the baseline"):
        baseline = baseline_of(job.dataset.frame.sparkSession, job.config, job.dataset, job.seed)
    for note in baseline.notes:
        job.progress.note(note)
    return baseline


def _players(job: Job) -> tuple[int, ...]:
    """The positions of the explained features among all features, in the order of the data."""
    asked = job.shap.features_to_explain
    features = job.dataset.features
    if asked is None:
        return tuple(range(len(features)))
    names, problems = set(), []
    for index, reference in enumerate(asked):
        path = f"methods.shap.features_to_explain[{index}]"
        name = resolve_name(reference, job.dataset.names, path)
        names.add(name)
        if name not in features:
            problems.append(Problem(path, f"found {reference!r}, which is no feature; allowed: {', '.join(features)}"))
    if problems:
        raise ConfigError(problems)
    return tuple(position for position, name in enumerate(features) if name in names)


def _refuse_too_many(prepared: Prepared, most: int) -> None:
    if prepared.records > most:
        raise CommandError(
            f"--max-model-calls {most:,}: this run would take about {prepared.records:,} model records; lower "
            "methods.shap.num_samples or use fewer baseline rows (--dry-run tells the cost)"
        )


def _names(job: Job, plan: ShapPlan) -> LocalNames:
    features = tuple(job.dataset.features[position] for position in plan.settings.players)
    return LocalNames(label_keys(job.spec.label_headers, plan.outputs), features, job.dataset.join)


# --- what a journal belongs to --------------------------------------------------------------------------------------


def _facts(job: Job, baseline: Baseline) -> dict[str, str]:
    """What results follow from; an interrupted run is continued only when all of it is as it was."""
    asked = job.shap.model_dump(mode="json", exclude={"agg_method", "save_local_shap_values"})
    explained = {"shap": asked, "predictor": _json(job.config.predictor), "buffer": job.options.buffer_bytes}
    rows = baseline.rows.to_json(orient="split", double_precision=15) + repr(baseline.weights.tolist())
    return {
        "config": _hash(repr([explained, job.spec.feature_names, job.spec.feature_kinds, job.dataset.join])),
        "data": job.dataset.source.listing_hash,
        "baseline": _hash(rows),
        "model": _hash(repr(sorted(_model_files(job.spec)))),
        "seed": str(job.seed),
        "version of clarify_spark": __version__,
    }


def _json(section: Any) -> Any:
    return None if section is None else section.model_dump(mode="json")


def _model_files(spec: PredictorSpec) -> Iterator[tuple[str, str]]:
    """Name and content hash of the model's files, as far as the driver can read them; its address where it cannot."""
    yield spec.format, spec.uri
    path = Path(spec.path)
    if spec.format == "python":
        path = _source(spec.path.removeprefix("python:").partition(":")[0])
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and "__pycache__" not in file.parts:
            with file.open("rb") as content:
                yield str(file), hashlib.file_digest(content, "sha256").hexdigest()


def _source(module: str) -> Path:
    """The file of a module, found without importing it."""
    relative = Path(*module.split("."))
    for folder in sys.path:
        for found in (Path(folder) / relative / "__init__.py", (Path(folder) / relative).with_suffix(".py")):
            if found.is_file():
                return found
    return Path(module)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


# --- local values ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Again:
    """The blocks of a journal, as often as one asks."""

    journal: Journal

    def __iter__(self) -> Iterator[Explained]:
        return self.journal.explained()


def _added(totals: Totals, blocks: Iterator[Explained]) -> Iterator[Explained]:
    """The blocks, each added to the totals on its way."""
    for block in blocks:
        totals.add(block)
        yield block


def _save(blocks: Iterator[Explained], names: LocalNames, output: Output, rows: int, *, single_file: bool) -> None:
    """Write the local values part by part as they come."""
    each = local_values.part_rows(names)
    with output.create(CSV) if single_file else nullcontext() as whole:
        if whole is not None:
            whole.write(local_values.csv_header(names))
        for number, part in enumerate(local_values.parts(blocks, each)):
            name = partial(local_values.part_name, number, rows, each)
            output.write_bytes(f"{PARQUET}/{name('parquet')}", local_values.parquet_part(part, names))
            if whole is not None:
                whole.write(local_values.csv_rows(part, names))
            else:
                output.write_bytes(f"{CSV}/{name('csv')}", local_values.csv_part(part, names))
