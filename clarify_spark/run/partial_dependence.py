"""Partial dependence of a run, in one straight line: features, grids, blocks of rows, curves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import reduce

from clarify_spark.config import AnalysisConfig, Pdp
from clarify_spark.documents.analysis_json import label_keys
from clarify_spark.errors import ConfigError, DataError, Problem
from clarify_spark.explaining.dependence import DependenceResult, Distribution, Range, block_rows, curves, weightiest
from clarify_spark.explaining.result import ShapResult
from clarify_spark.spark.blocks.checkpoints import CURVES, Journal
from clarify_spark.spark.data.datasets import Dataset, data_facts, resolve_name
from clarify_spark.spark.delivery.models import model_facts
from clarify_spark.spark.dependence import Used, curve_sums, individual_keys
from clarify_spark.spark.distributions import distributions, ranges
from clarify_spark.spark.files.output import Output
from clarify_spark.spark.progress import Progress
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.partial_dependence import CurvePlan, Grid, added
from clarify_spark.version import __version__

#: Rows whose own curves are kept.
INDIVIDUAL_ROWS = 50


@dataclass(frozen=True)
class CurveJob:
    """Partial dependence of one data set and one model; ``most_rows`` bounds the rows that are used.

    ``candidates``: the ranges of the features asked for or, where the weightiest are, of all that are explained.
    """

    config: AnalysisConfig
    pdp: Pdp
    dataset: Dataset
    spec: PredictorSpec
    seed: int
    most_rows: int | None
    force_resume: bool
    progress: Progress
    candidates: tuple[Range, ...]

    def rows(self, rows: int) -> int:
        """How many rows are used of so many."""
        return rows if self.most_rows is None else min(rows, self.most_rows)


@dataclass(frozen=True)
class Forecast:
    """Model records of a run, in all and of one call, and how they come about."""

    records: int
    call_records: int
    how: str


@dataclass(frozen=True, eq=False)
class Done:
    """A result, and the journal that is to be removed once every file of the run is written."""

    result: DependenceResult
    journal: Journal


def candidates(pdp: Pdp, dataset: Dataset, progress: Progress) -> tuple[Range, ...]:
    """The ranges of all features that may get a curve."""
    names = asked_features(pdp, dataset)
    with progress.phase("Looking at the features"):
        return tuple(ranges(dataset, dataset.features if names is None else names))


def asked_features(pdp: Pdp, dataset: Dataset) -> list[str] | None:
    """The features asked for by name or index, None when those with the largest SHAP values are wanted."""
    if not pdp.features:
        return None
    names, problems = list[str](), list[Problem]()
    for index, reference in enumerate(pdp.features):
        path = f"methods.pdp.features[{index}]"
        name = resolve_name(reference, dataset.names, path)
        names.append(name)
        if name not in dataset.features:
            allowed = ", ".join(dataset.features)
            problems.append(Problem(path, f"found {reference!r}, which is no feature; allowed: {allowed}"))
    if problems:
        raise ConfigError(problems)
    return list(dict.fromkeys(names))


def forecast(job: CurveJob, rows: int) -> Forecast:
    """What the run will ask the model for; of features that SHAP values will choose, the longest grids."""
    points = [one.points(job.pdp.grid_resolution) for one in job.candidates]
    used = job.rows(rows)
    how = f"{used:,} rows × {sum(points):,} grid points of {len(points)} features"
    if not job.pdp.features:
        points = sorted(points, reverse=True)[: job.pdp.top_k_features]
        how = f"{used:,} rows × at most {sum(points):,} grid points of {len(points)} features"
    together = min(used, block_rows(points, len(job.dataset.features))) * max([0, *points])
    return Forecast(used * sum(points), together, how)


def explain(job: CurveJob, shap: ShapResult | None, output: Output) -> Done:
    """The curves of the features asked for, or of those that weigh most in ``shap``."""
    with job.progress.phase("Counting values of features"):
        found = distributions(job.dataset, _chosen(job, shap), job.pdp.grid_resolution)
    total = job.dataset.source.rows if job.dataset.source.rows is not None else job.dataset.frame.count()
    if total == 0:
        raise DataError("the data set has no rows, so there is no partial dependence")
    plan = _plan(job, found)
    journal = Journal(output, _facts(job, found), folder=CURVES, force_resume=job.force_resume)
    if journal.note is not None:
        job.progress.note(journal.note)
    if not plan.grids:
        return Done(DependenceResult((), 0, total, (), tuple(found), 0, 0), journal)
    if job.rows(total) < total:
        job.progress.note(f"Partial dependence uses {job.rows(total):,} of {total:,} rows (--pdp-rows).")
    used = Used(job.dataset, job.rows(total), total, job.seed)
    with closing(curve_sums(used, plan, journal, job.progress)) as blocks:
        sums = reduce(added, blocks)
    result = DependenceResult(
        labels=label_keys(job.spec.label_headers, sums.sums.shape[1]),
        rows=sums.rows,
        of_rows=total,
        individual_keys=tuple(sums.individual_keys.tolist()),
        curves=curves(found, sums),
        records=sums.records,
        calls=sums.calls,
        traffic=sums.traffic,
    )
    return Done(result, journal)


def _chosen(job: CurveJob, shap: ShapResult | None) -> list[Range]:
    """The features that get a curve or an error."""
    if job.pdp.features or shap is None:
        return list(job.candidates)
    of_name = {one.name: one for one in job.candidates}
    return [of_name[name] for name in weightiest(shap, job.pdp.top_k_features)]


def _plan(job: CurveJob, found: Sequence[Distribution]) -> CurvePlan:
    grids = tuple(Grid(job.dataset.features.index(one.name), one.values) for one in found if one.error is None)
    rows = block_rows([len(grid.values) for grid in grids], len(job.dataset.features))
    individual = individual_keys(job.dataset, job.spec, job.seed, INDIVIDUAL_ROWS)
    return CurvePlan(job.spec, grids, individual, rows)


def _facts(job: CurveJob, found: Sequence[Distribution]) -> dict[str, str]:
    """What the sums follow from; an interrupted run is continued only when all of it is as it was."""
    grids = hashlib.sha256(repr([(one.name, one.values) for one in found]).encode("utf-8")).hexdigest()
    return {
        "grids": grids,
        "rows used": str(job.most_rows),
        **data_facts(job.config, job.dataset.source),
        **model_facts(job.config, job.spec),
        "seed": str(job.seed),
        "version of clarify_spark": __version__,
    }
