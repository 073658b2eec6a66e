"""Partial dependence of a run, in one straight line: features, grids, blocks of rows, curves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import reduce
from typing import Any

from clarify_spark.config import Pdp
from clarify_spark.documents import partial_dependence as documents
from clarify_spark.documents.analysis_json import label_keys
from clarify_spark.errors import ConfigError, DataError, Problem
from clarify_spark.explaining.dependence import DependenceResult, Distribution, FeatureRange, block_rows, curves
from clarify_spark.explaining.result import Weighed
from clarify_spark.run.analysis import AnalysisOutcome, Need, Steps
from clarify_spark.run.context import Run
from clarify_spark.spark.blocks.checkpoints import CURVES, Checkpoints
from clarify_spark.spark.data.datasets import Dataset, data_fingerprint, resolve_name
from clarify_spark.spark.delivery.models import predictor_fingerprint
from clarify_spark.spark.dependence import RowSample, curve_sums, individual_keys
from clarify_spark.spark.distributions import distributions, feature_ranges
from clarify_spark.udfs.partial_dependence import CurvePlan, Grid, added
from clarify_spark.version import __version__

#: Rows whose individual curves are kept.
INDIVIDUAL_ROWS = 50


@dataclass(frozen=True)
class CurveInputs:
    """The section of the config, and ``candidates``: the ranges of the requested features or, if the most important
    ones are requested, of all explained features.
    """

    pdp: Pdp
    candidates: tuple[FeatureRange, ...]


def _plan(run: Run) -> CurveInputs:
    """The ranges of all features that may get a curve."""
    pdp = run.config.methods.of(Pdp)
    assert pdp is not None
    names = requested_features(pdp, run.dataset)
    with run.progress.phase("Looking at the features"):
        return CurveInputs(pdp, tuple(feature_ranges(run.dataset, run.dataset.features if names is None else names)))


def _used(run: Run, rows: int) -> int:
    """The number of rows used if the data have that many."""
    return rows if run.options.pdp_rows is None else min(rows, run.options.pdp_rows)


def requested_features(pdp: Pdp, dataset: Dataset) -> list[str] | None:
    """The features requested by name or index, None when those with the largest SHAP values are requested."""
    if not pdp.features:
        return None
    names, problems = list[str](), list[Problem]()
    for index, reference in enumerate(pdp.features):
        path = f"methods.pdp.features[{index}]"
        name = resolve_name(reference, dataset.names, path)
        names.append(name)
        if name not in dataset.features:
            allowed = ", ".join(dataset.features)
            problems.append(Problem(path, f"found {reference!r}, which is not a feature; allowed: {allowed}"))
    if problems:
        raise ConfigError(problems)
    return list(dict.fromkeys(names))


def _need(run: Run, inputs: CurveInputs) -> Need:
    """What the run will send to the model; for features chosen by SHAP values, the longest grids."""
    points = [one.points(inputs.pdp.grid_resolution) for one in inputs.candidates]
    used = _used(run, run.dataset.rows)
    how = f"{used:,} rows × {sum(points):,} grid points of {len(points)} features"
    if not inputs.pdp.features:
        points = sorted(points, reverse=True)[: inputs.pdp.top_k_features]
        how = f"{used:,} rows × at most {sum(points):,} grid points of {len(points)} features"
    together = min(used, block_rows(points, len(run.dataset.features))) * max([0, *points])
    return Need("partial dependence", how, used * sum(points), together)


def _compute(run: Run, inputs: CurveInputs, earlier: Mapping[str, AnalysisOutcome]) -> AnalysisOutcome:
    """The curves of the requested features, or of those that an earlier analysis found most important."""
    result, checkpoints = _curves(run, inputs, [one.result for one in earlier.values()])
    return AnalysisOutcome(result, documents.section(result), (checkpoints,))


def _curves(run: Run, inputs: CurveInputs, earlier: Sequence[Any]) -> tuple[DependenceResult, Checkpoints]:
    with run.progress.phase("Counting values of features"):
        found = distributions(run.dataset, _chosen(inputs, earlier), inputs.pdp.grid_resolution)
    total = run.dataset.rows
    if total == 0:
        raise DataError("the data set has no rows, so there is no partial dependence")
    plan = _curve_plan(run, found)
    checkpoints = Checkpoints(
        run.output, _fingerprint(run, found), folder=CURVES, force_resume=run.options.force_resume
    )
    if checkpoints.note is not None:
        run.progress.note(checkpoints.note)
    if not plan.grids:
        return DependenceResult((), 0, total, (), tuple(found), 0, 0), checkpoints
    if _used(run, total) < total:
        run.progress.note(f"Partial dependence uses {_used(run, total):,} of {total:,} rows (--pdp-rows).")
    used = RowSample(run.dataset, _used(run, total), total, run.seed)
    with closing(curve_sums(used, plan, checkpoints, run.progress)) as blocks:
        sums = reduce(added, blocks)
    result = DependenceResult(
        labels=label_keys(run.spec.label_headers, sums.sums.shape[1]),
        rows=sums.rows,
        of_rows=total,
        individual_keys=tuple(sums.individual_keys.tolist()),
        curves=curves(found, sums),
        records=sums.records,
        calls=sums.calls,
        traffic=sums.traffic,
    )
    return result, checkpoints


def _chosen(inputs: CurveInputs, earlier: Sequence[Any]) -> list[FeatureRange]:
    """The features that get a curve or an error."""
    weighed = next((one for one in earlier if isinstance(one, Weighed)), None)
    if inputs.pdp.features or weighed is None:
        return list(inputs.candidates)
    of_name = {one.name: one for one in inputs.candidates}
    return [of_name[name] for name in weighed.most_important(inputs.pdp.top_k_features)]


def _curve_plan(run: Run, found: Sequence[Distribution]) -> CurvePlan:
    grids = tuple(Grid(run.dataset.features.index(one.name), one.values) for one in found if one.error is None)
    rows = block_rows([len(grid.values) for grid in grids], len(run.dataset.features))
    individual = individual_keys(run.dataset, run.spec, run.seed, INDIVIDUAL_ROWS)
    return CurvePlan(run.spec, grids, individual, rows)


def _fingerprint(run: Run, found: Sequence[Distribution]) -> dict[str, str]:
    """What the sums follow from; an interrupted run resumes only if all of it is unchanged."""
    grids = hashlib.sha256(repr([(one.name, one.values) for one in found]).encode("utf-8")).hexdigest()
    return {
        "grids": grids,
        "rows used": str(run.options.pdp_rows),
        **data_fingerprint(run.config, run.dataset.source),
        **predictor_fingerprint(run.config, run.spec),
        "seed": str(run.seed),
        "version of clarify_spark": __version__,
    }


STEPS: Steps[CurveInputs] = Steps(plan=_plan, compute=_compute, need=_need)
