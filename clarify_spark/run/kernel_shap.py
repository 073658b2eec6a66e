"""Kernel SHAP of a run, in one straight line: baseline, probe, plan, blocks of rows, files, global values."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from clarify_spark.config import Shap
from clarify_spark.documents import kernel_shap as documents
from clarify_spark.documents import local_values
from clarify_spark.documents.analysis_json import label_keys
from clarify_spark.documents.kernel_shap import FOLDER
from clarify_spark.documents.local_values import LocalNames
from clarify_spark.errors import ConfigError, DataError, Problem
from clarify_spark.explaining.baseline import Baseline
from clarify_spark.explaining.example_rows import ExampleRowSelector
from clarify_spark.explaining.plan import block_rows, engine_of, plan_of, settings_of
from clarify_spark.explaining.result import ShapResult
from clarify_spark.explaining.summary import Totals
from clarify_spark.run.analysis import AnalysisOutcome, Need, Steps
from clarify_spark.run.context import Run
from clarify_spark.spark import explanations
from clarify_spark.spark.baseline import baseline_of
from clarify_spark.spark.blocks.checkpoints import Checkpoints
from clarify_spark.spark.data.datasets import data_fingerprint, resolve_name
from clarify_spark.spark.data.sample import typed_sample
from clarify_spark.spark.delivery.models import predictor_fingerprint
from clarify_spark.spark.explanations import WaveSettings
from clarify_spark.spark.files.output import Output
from clarify_spark.udfs.explained import Explained, Probe, probe_from_bytes, to_bytes
from clarify_spark.udfs.shap.kernel_shap import Background, ShapPlan, ShapSettings, link, probe_records
from clarify_spark.udfs.shap.masking import encoded
from clarify_spark.udfs.traffic import together
from clarify_spark.version import __version__

CSV, PARQUET, BASELINE = f"{FOLDER}/out.csv", f"{FOLDER}/local.parquet", f"{FOLDER}/baseline.csv"
#: Rows that the model is probed with before the work is planned.
PILOT_ROWS = 16
#: Rows that a report shows.
SAMPLED_ROWS = 300
PROBE = "probe.arrow"


@dataclass(frozen=True)
class ShapInputs:
    """What is known before the model is called: the section of the config, and the baseline."""

    shap: Shap
    baseline: Baseline


@dataclass(frozen=True)
class Prepared:
    """What is known before rows are explained."""

    settings: ShapSettings
    probe: Probe
    plan: ShapPlan
    rows: int

    @property
    def records(self) -> int:
        """Model records that the run needs, estimated from the pilot rows where it depends on the rows."""
        return round(self.rows * self.plan.engine.code.records_per_row(self.settings, self.probe.pair_sizes))

    @property
    def seconds_of_one_core(self) -> float:
        """How long the model takes for them on one core, at the speed of the probe."""
        return self.records * self.probe.seconds / max(1, self.probe.records)


def _compute(run: Run, inputs: ShapInputs, earlier: Mapping[str, AnalysisOutcome]) -> AnalysisOutcome:
    """Explain every row, write the files of explanations_shap, and give the global values."""
    output = run.output
    checkpoints = Checkpoints(output, _fingerprint(run, inputs), force_resume=run.options.force_resume)
    if checkpoints.note is not None:
        run.progress.note(checkpoints.note)
    prepared = prepare(run, inputs, checkpoints)
    names = _local_names(run, prepared.plan)
    for name in (CSV, PARQUET, BASELINE):  # of an earlier run; finished blocks of this one are checkpoints
        output.delete(name)
    output.write_bytes(BASELINE, local_values.baseline_csv(inputs.baseline.rows))
    totals = Totals(inputs.shap.agg_method, exact=prepared.plan.game.design.exact)
    selector = _example_row_selector(run, prepared.plan)
    pace = WaveSettings(seconds_per_row=prepared.seconds_of_one_core / max(1, prepared.rows))
    with closing(
        explanations.explained_blocks(run.dataset, prepared.plan, checkpoints, run.progress, pace)
    ) as explained:
        blocks = _added(totals, selector, explained)
        if not inputs.shap.save_local_shap_values:
            deque(blocks, maxlen=0)
        else:
            _save(blocks, names, output, prepared.rows, single_file=run.options.single_file)
    summary = totals.summary(_CheckpointedBlocks(checkpoints))
    traffic = together([prepared.probe.traffic, summary.traffic])
    result = ShapResult(
        labels=names.labels,
        features=names.features,
        plan=prepared.plan,
        baseline=inputs.baseline,
        summary=replace(summary, traffic=traffic),
        examples=selector.examples(),
    )
    return AnalysisOutcome(result, documents.section(result), (checkpoints,))


def _need(run: Run, inputs: ShapInputs) -> Need:
    """What the run will send to the model, from the data alone: the model is not called."""
    rows, settings = run.dataset.rows, _settings(run, inputs)
    pilot = typed_sample(run.dataset, run.spec, run.seed, PILOT_ROWS)
    sizes = encoded(pilot, inputs.baseline.rows, matrix=False).differing(settings.players).sum(axis=0)
    engine = engine_of(inputs.shap, settings, sizes)
    each = engine.code.records_per_row(settings, sizes)
    how = engine.code.workload(settings, sizes, rows)
    records = round(rows * each) + probe_records(settings, min(rows, PILOT_ROWS))
    together = round(min(rows, block_rows(each)) * each)
    return Need("kernel SHAP", f"{how}, and a probe", records, together)


# --- before rows are explained --------------------------------------------------------------------------------------


def prepare(run: Run, inputs: ShapInputs, checkpoints: Checkpoints | None) -> Prepared:
    """Probe and plan; a probe in the checkpoints of an interrupted run is reused."""
    settings = _settings(run, inputs)
    rows = run.dataset.rows
    if rows == 0:
        raise DataError("the data set has no rows, so there is nothing to explain")
    kept = None if checkpoints is None else checkpoints.get(PROBE)
    if kept is not None:
        probe = probe_from_bytes(kept)
    else:
        probe = explanations.probe(run.dataset, settings, PILOT_ROWS, run.progress)
        if checkpoints is not None:
            checkpoints.put(PROBE, to_bytes(probe))
    return Prepared(settings, probe, plan_of(inputs.shap, settings, probe), rows)


def _plan(run: Run) -> ShapInputs:
    """The section of the config, and its baseline: given, read or computed."""
    shap = run.config.methods.of(Shap)
    assert shap is not None
    with run.progress.phase("Reading the baseline"):
        found = baseline_of(run.session.spark, run.config, run.dataset, run.seed)
    for note in found.notes:
        run.progress.note(note)
    return ShapInputs(shap, found)


def _settings(run: Run, inputs: ShapInputs) -> ShapSettings:
    """Everything known before the model is called."""
    background = Background(inputs.baseline.rows, inputs.baseline.weights)
    settings = settings_of(inputs.shap, run.spec, _players(run, inputs.shap), background, run.seed)
    return replace(settings, buffer_bytes=run.options.buffer_bytes)


def _players(run: Run, shap: Shap) -> tuple[int, ...]:
    """The positions of the explained features among all features, in the order of the data."""
    requested = shap.features_to_explain
    features = run.dataset.features
    if requested is None:
        return tuple(range(len(features)))
    names, problems = set(), []
    for index, reference in enumerate(requested):
        path = f"methods.shap.features_to_explain[{index}]"
        name = resolve_name(reference, run.dataset.names, path)
        names.add(name)
        if name not in features:
            problems.append(
                Problem(path, f"found {reference!r}, which is not a feature; allowed: {', '.join(features)}")
            )
    if problems:
        raise ConfigError(problems)
    return tuple(position for position, name in enumerate(features) if name in names)


def _local_names(run: Run, plan: ShapPlan) -> LocalNames:
    features = tuple(run.dataset.features[position] for position in plan.settings.players)
    return LocalNames(label_keys(run.spec.label_headers, plan.outputs), features, run.dataset.join)


def _example_row_selector(run: Run, plan: ShapPlan) -> ExampleRowSelector:
    """Picks the rows that a report shows; their facet values are not shown."""
    sample = typed_sample(run.dataset, run.spec, run.seed, SAMPLED_ROWS).iloc[:, list(plan.settings.players)]
    facets = {
        resolve_name(facet.name_or_index, run.dataset.facet_names, f"facet[{index}].name_or_index")
        for index, facet in enumerate(run.config.facet or ())
    }
    threshold = run.config.probability_threshold
    if threshold is not None and plan.settings.link == "logit":
        threshold = float(link(np.clip([threshold], 0.0, 1.0), "logit")[0])
    return ExampleRowSelector(sample, frozenset(facets), threshold)


# --- what checkpoints belong to ---------------------------------------------------------------------------------------


def _fingerprint(run: Run, inputs: ShapInputs) -> dict[str, str]:
    """What results follow from; an interrupted run resumes only if all of it is unchanged."""
    requested = inputs.shap.model_dump(mode="json", exclude={"agg_method", "save_local_shap_values"})
    rows = inputs.baseline.rows.to_json(orient="split", double_precision=15) + repr(inputs.baseline.weights.tolist())
    in_flight = run.spec.calling.in_flight if run.spec.remote else None  # one call fills this many requests
    return {
        "config": _hash(repr([requested, run.options.buffer_bytes, run.dataset.join, in_flight])),
        **data_fingerprint(run.config, run.dataset.source),
        "baseline": _hash(rows),
        **predictor_fingerprint(run.config, run.spec),
        "seed": str(run.seed),
        "version of clarify_spark": __version__,
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


# --- local values ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _CheckpointedBlocks:
    """The blocks of checkpoints, as often as needed."""

    checkpoints: Checkpoints

    def __iter__(self) -> Iterator[Explained]:
        return self.checkpoints.explained()


def _added(totals: Totals, selector: ExampleRowSelector, blocks: Iterator[Explained]) -> Iterator[Explained]:
    """The blocks, each added to the totals and offered to the selector on the way."""
    for block in blocks:
        totals.add(block)
        selector.add(block)
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


STEPS: Steps[ShapInputs] = Steps(plan=_plan, compute=_compute, need=_need)
