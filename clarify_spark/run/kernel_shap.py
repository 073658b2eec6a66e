"""Kernel SHAP of a run, in one straight line: baseline, probe, plan, blocks of rows, files, global values."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from clarify_spark.config import AnalysisConfig, Shap
from clarify_spark.documents import local_values
from clarify_spark.documents.analysis_json import label_keys
from clarify_spark.documents.local_values import LocalNames
from clarify_spark.errors import ConfigError, DataError, Problem
from clarify_spark.explaining.baseline import Baseline
from clarify_spark.explaining.picked import Picking
from clarify_spark.explaining.plan import block_rows, engine_of, plan_of, settings_of
from clarify_spark.explaining.result import ShapResult
from clarify_spark.explaining.summary import Totals
from clarify_spark.spark import explanations
from clarify_spark.spark.baseline import baseline_of
from clarify_spark.spark.blocks.checkpoints import Journal
from clarify_spark.spark.data.datasets import Dataset, data_facts, resolve_name
from clarify_spark.spark.data.sample import typed_sample
from clarify_spark.spark.delivery.models import model_facts
from clarify_spark.spark.explanations import Pace
from clarify_spark.spark.files.output import Output
from clarify_spark.spark.progress import Progress
from clarify_spark.udfs.explained import Explained, Probe, probe_from_bytes, to_bytes
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.shap.kernel_shap import Background, ShapPlan, ShapSettings, link, probe_records
from clarify_spark.udfs.shap.masking import encoded
from clarify_spark.udfs.traffic import together
from clarify_spark.version import __version__

FOLDER = "explanations_shap"
CSV, PARQUET, BASELINE = f"{FOLDER}/out.csv", f"{FOLDER}/local.parquet", f"{FOLDER}/baseline.csv"
#: Rows that the model is probed with before the work is planned.
PILOT_ROWS = 16
#: Rows that a report shows.
SAMPLED_ROWS = 300
PROBE = "probe.arrow"


@dataclass(frozen=True)
class ShapOptions:
    """What the command line adds to methods.shap; ``buffer_bytes`` bounds the masked rows of one Python worker."""

    single_file: bool = False
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
    baseline: Baseline

    @property
    def settings(self) -> ShapSettings:
        """All that is known before the model is called."""
        background = Background(self.baseline.rows, self.baseline.weights)
        settings = settings_of(self.shap, self.spec, _players(self), background, self.seed)
        return replace(settings, buffer_bytes=self.options.buffer_bytes)


@dataclass(frozen=True)
class Prepared:
    """What is known before rows are explained."""

    settings: ShapSettings
    probe: Probe
    plan: ShapPlan
    rows: int

    @property
    def records(self) -> int:
        """Model records that the run takes, by the pilot rows where it depends on the rows."""
        return round(self.rows * self.plan.engine.code.records_per_row(self.settings, self.probe.pair_sizes))

    @property
    def seconds_of_one_core(self) -> float:
        """How long the model takes for them on one core, as fast as in the probe."""
        return self.records * self.probe.seconds / max(1, self.probe.records)


@dataclass(frozen=True, eq=False)
class Done:
    """A result, and the journal that is to be removed once every file of the run is written."""

    result: ShapResult
    journal: Journal


@dataclass(frozen=True)
class Forecast:
    """Model records of a run, in all and of one block of rows, and how they come about."""

    records: int
    block_records: int
    how: str


def explain(job: Job, output: Output) -> Done:
    """Explain every row, write the files of explanations_shap, and give the global values."""
    journal = Journal(output, _facts(job), force_resume=job.options.force_resume)
    if journal.note is not None:
        job.progress.note(journal.note)
    prepared = prepare(job, journal)
    names = _names(job, prepared.plan)
    for name in (CSV, PARQUET, BASELINE):  # of an earlier run; the finished blocks of this one are in the journal
        output.delete(name)
    output.write_bytes(BASELINE, local_values.baseline_csv(job.baseline.rows))
    totals = Totals(job.shap.agg_method, exact=prepared.plan.game.design.exact)
    picking = _picking(job, prepared.plan)
    pace = Pace(seconds_per_row=prepared.seconds_of_one_core / max(1, prepared.rows))
    with closing(explanations.explain(job.dataset, prepared.plan, journal, job.progress, pace)) as explained:
        blocks = _added(totals, picking, explained)
        if not job.shap.save_local_shap_values:
            deque(blocks, maxlen=0)
        else:
            _save(blocks, names, output, prepared.rows, single_file=job.options.single_file)
    summary = totals.summary(_Again(journal))
    traffic = together([prepared.probe.traffic, summary.traffic])
    return Done(
        ShapResult(
            labels=names.labels,
            features=names.features,
            plan=prepared.plan,
            baseline=job.baseline,
            summary=replace(summary, traffic=traffic),
            picked=picking.picked(),
        ),
        journal,
    )


def forecast(job: Job, rows: int) -> Forecast:
    """What the run will ask the model for, from the data alone: the model is not called."""
    settings = job.settings
    pilot = typed_sample(job.dataset, job.spec, job.seed, PILOT_ROWS)
    sizes = encoded(pilot, job.baseline.rows, matrix=False).differing(settings.players).sum(axis=0)
    engine = engine_of(job.shap, settings, sizes)
    each = engine.code.records_per_row(settings, sizes)
    how = engine.code.workload(settings, sizes, rows)
    records = round(rows * each) + probe_records(settings, min(rows, PILOT_ROWS))
    return Forecast(records, round(min(rows, block_rows(each)) * each), f"{how}, and a probe")


# --- before rows are explained --------------------------------------------------------------------------------------


def prepare(job: Job, journal: Journal | None) -> Prepared:
    """Probe and plan; a probe that the journal of an interrupted run holds is not made again."""
    settings = job.settings
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
    return Prepared(settings, probe, plan_of(job.shap, settings, probe), rows)


def baseline(config: AnalysisConfig, dataset: Dataset, seed: int, progress: Progress) -> Baseline:
    """The baseline of the config, given, read or computed."""
    with progress.phase("Reading the baseline"):
        found = baseline_of(dataset.frame.sparkSession, config, dataset, seed)
    for note in found.notes:
        progress.note(note)
    return found


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


def _names(job: Job, plan: ShapPlan) -> LocalNames:
    features = tuple(job.dataset.features[position] for position in plan.settings.players)
    return LocalNames(label_keys(job.spec.label_headers, plan.outputs), features, job.dataset.join)


def _picking(job: Job, plan: ShapPlan) -> Picking:
    """Picks the rows that a report shows; what facets they are in is not told."""
    sample = typed_sample(job.dataset, job.spec, job.seed, SAMPLED_ROWS).iloc[:, list(plan.settings.players)]
    facets = {
        resolve_name(facet.name_or_index, job.dataset.facet_names, f"facet[{index}].name_or_index")
        for index, facet in enumerate(job.config.facet or ())
    }
    threshold = job.config.probability_threshold
    if threshold is not None and plan.settings.link == "logit":
        threshold = float(link(np.clip([threshold], 0.0, 1.0), "logit")[0])
    return Picking(sample, frozenset(facets), threshold)


# --- what a journal belongs to --------------------------------------------------------------------------------------


def _facts(job: Job) -> dict[str, str]:
    """What results follow from; an interrupted run is continued only when all of it is as it was."""
    asked = job.shap.model_dump(mode="json", exclude={"agg_method", "save_local_shap_values"})
    rows = job.baseline.rows.to_json(orient="split", double_precision=15) + repr(job.baseline.weights.tolist())
    in_flight = job.spec.calling.in_flight if job.spec.remote else None  # as many requests are filled by one call
    return {
        "config": _hash(repr([asked, job.options.buffer_bytes, job.dataset.join, in_flight])),
        **data_facts(job.config, job.dataset.source),
        "baseline": _hash(rows),
        **model_facts(job.config, job.spec),
        "seed": str(job.seed),
        "version of clarify_spark": __version__,
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


# --- local values ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Again:
    """The blocks of a journal, as often as one asks."""

    journal: Journal

    def __iter__(self) -> Iterator[Explained]:
        return self.journal.explained()


def _added(totals: Totals, picking: Picking, blocks: Iterator[Explained]) -> Iterator[Explained]:
    """The blocks, each added to the totals and looked at on its way."""
    for block in blocks:
        totals.add(block)
        picking.add(block)
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
