"""The bias analyses of a run: predictions, roles, counts, flip test, statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from clarify_spark.bias import cautions
from clarify_spark.bias.comparisons import StatisticsSettings, bias_statistics
from clarify_spark.bias.counts import everyone
from clarify_spark.bias.metrics import choose
from clarify_spark.bias.performance import ModelPerformance, model_performance
from clarify_spark.bias.result import BiasResult
from clarify_spark.bias.roles import RoleNames, Roles, needed_facts, resolve
from clarify_spark.bias.sections import CountTable, post_training_section, pre_training_section
from clarify_spark.bias.segments import Segmentation, SegmentCounts, segmentation
from clarify_spark.bias.verdicts import BoundsByMetric, baseline_bounds, configured
from clarify_spark.columns import ColumnProfile
from clarify_spark.config import AnalysisConfig, PostTrainingBias, PreTrainingBias
from clarify_spark.config.metrics import METRICS, Metric, Stage, of_stage
from clarify_spark.config.rules.bias import metrics_asked
from clarify_spark.documents import bias as documents
from clarify_spark.errors import CommandError, ConfigError, Problem
from clarify_spark.run.analysis import AnalysisOutcome, Need, Preview, Steps
from clarify_spark.run.context import Options, Run
from clarify_spark.run.predictions import predictions_needed, with_predictions
from clarify_spark.spark.blocks.checkpoints import PREDICTIONS
from clarify_spark.spark.counting.counts import BiasCounts, count
from clarify_spark.spark.counting.flip_test import flip_test
from clarify_spark.spark.counting.profiles import profile
from clarify_spark.spark.counting.segments import restricted
from clarify_spark.spark.data.datasets import Dataset, resolve_name
from clarify_spark.udfs.scoring import BLOCK_ROWS


def _plan(_: Run) -> None:
    """Nothing: columns are inspected once there are predictions."""


def _need(run: Run, _: None) -> Need | None:
    if not predictions_needed(run):
        return None
    rows = run.dataset.rows
    return Need("predictions", f"{rows:,} rows, each once", rows, min(rows, BLOCK_ROWS))


def _preview(run: Run, _: None) -> Preview:
    """How columns are interpreted, and what metrics are computed for in addition to facets."""
    profiles, found = _roles(run, with_predictions=False)
    rows = next(iter(profiles.values())).rows
    return Preview((*documents.roles(found), *_cuts(run)), found.warnings, rows)


def _check(config: AnalysisConfig, options: Options) -> None:
    """Raise what is wrong with bounds: an earlier result that cannot be read, --fail-on without bounds."""
    if options.bounds_from is None and not config.bounds and options.fail_on:
        raise CommandError("--fail-on needs bounds: set bounds in the config, or give --bounds-from FILE.")
    bounds_of(config, options)


def _compute(run: Run, _: None, earlier: Mapping[str, AnalysisOutcome]) -> AnalysisOutcome:
    predicted = with_predictions(run)
    run.held.callback(predicted.dataset.release)
    found = _run_results(replace(run, dataset=predicted.dataset))
    result = replace(found, notes=(*found.notes, *_unbound(run, found)), traffic=predicted.traffic)
    all_checkpoints = () if predicted.checkpoints is None else (predicted.checkpoints,)
    # An interrupted run may have left predictions of an endpoint even if this run did not call one.
    stale = () if run.config.methods.of(PostTrainingBias) is None else (PREDICTIONS,)
    return AnalysisOutcome(result, documents.section(result), all_checkpoints, stale)


def _unbound(run: Run, found: BiasResult) -> Iterator[str]:
    """A warning about metrics for which the earlier result has no value."""
    if run.options.bounds_from is not None and (unbound := found.statistics.without_verdict()):
        place = run.options.bounds_from[1]
        yield f"{unbound} metrics of this run have no bounds: {place} has no value for them."


def _run_results(run: Run) -> BiasResult:
    post, pre = run.config.methods.of(PostTrainingBias), run.config.methods.of(PreTrainingBias)
    profiles, roles = _roles(run, with_predictions=post is not None)
    segmentations = _segmentations(run)
    with run.progress.phase("Counting"):
        counted = count(run.dataset, roles, profiles, _intersections(run), segmentations)
    counts: CountTable = counted.facets
    segments: list[tuple[SegmentCounts, ...]] = list(counted.segments)
    if any(METRICS[name].needs_flips for name in metrics_asked(run.config)):
        with run.progress.phase("Flip test"):
            flipped = partial(flip_test, roles=roles, seed=run.seed, weight=counted.weight)
            counts = flipped(run.dataset, counts=counted.facets)
            segments = [
                tuple(
                    replace(of_one, facets=flipped(restricted(run.dataset, one, k), counts=of_one.facets))
                    for k, of_one in enumerate(of_segmentation)
                )
                for one, of_segmentation in zip(segmentations, counted.segments, strict=True)
            ]
    with run.progress.phase("Statistics"):
        found = bias_statistics(
            roles,
            counts,
            counted.intersections,
            list(zip(segmentations, segments, strict=True)),
            _statistics_settings(run),
        )
    return BiasResult(
        roles=roles,
        profiles=profiles,
        counts=counts,
        post_training=None if post is None else post_training_section(roles, counts, post.methods),
        pre_training=None if pre is None else pre_training_section(roles, counts, pre.methods),
        performance=_performance(roles, counted),
        cautions=cautions.bias_cautions(roles, counts),
        notes=counted.notes,
        statistics=found,
    )


def _statistics_settings(run: Run) -> StatisticsSettings:
    """What the statistics of a run are to report."""
    config, tables = run.config, dict[Stage, tuple[Metric, ...]]()
    pre, post = config.methods.of(PreTrainingBias), config.methods.of(PostTrainingBias)
    if pre is not None:
        tables["pre_training"] = choose(of_stage("pre_training"), pre.methods, "methods.pre_training_bias.methods")
    if post is not None:
        tables["post_training"] = choose(of_stage("post_training"), post.methods, "methods.post_training_bias.methods")
    return StatisticsSettings(
        tables, config.confidence_level, run.seed, bounds_of(config, run.options), config.min_cell_size
    )


def bounds_of(config: AnalysisConfig, options: Options) -> BoundsByMetric:
    """The bounds of the config, and those of an earlier result if the command line names one."""
    former = {} if options.bounds_from is None else baseline_bounds(*options.bounds_from)
    return BoundsByMetric(configured(config.bounds), former)


def _intersections(run: Run) -> list[tuple[int, ...]]:
    """The positions of the facets of every intersection."""
    place = {facet.name_or_index: f for f, facet in enumerate(run.config.facet or ())}
    return [tuple(place[name] for name in intersection) for intersection in run.config.facet_intersections or ()]


def _segmentations(run: Run) -> list[Segmentation]:
    """The segments of the config, their values and intervals read according to their columns' kinds."""
    found = []
    for index, one in enumerate(run.config.segment_config or ()):
        path = f"segment_config[{index}]"
        column = resolve_name(one.name_or_index, run.dataset.names, f"{path}.name_or_index")
        found.append(segmentation(one, column, run.dataset.kinds[column], path))
    return found


def _roles(run: Run, *, with_predictions: bool) -> tuple[dict[str, ColumnProfile], Roles]:
    """What the role columns hold, and how each is interpreted."""
    names = role_names(run.config, run.dataset, with_predictions=with_predictions)
    facts = needed_facts(run.config, run.dataset.kinds, names)
    if names.group is not None:
        facts.setdefault(names.group, frozenset())
    with run.progress.phase("Looking at the columns"):
        profiles = profile(run.dataset, facts)
        return profiles, resolve(run.config, profiles, names)


def role_names(config: AnalysisConfig, dataset: Dataset, *, with_predictions: bool) -> RoleNames:
    """The columns of the bias roles by name."""
    if dataset.label is None:
        raise ConfigError([Problem("label", "missing; bias metrics need the ground truth")])
    facets = tuple(
        resolve_name(facet.name_or_index, dataset.facet_names, f"facet[{index}].name_or_index")
        for index, facet in enumerate(config.facet or ())
    )
    group = config.group_variable
    return RoleNames(
        label=dataset.label,
        facets=facets,
        group=None if group is None else resolve_name(group, dataset.names, "group_variable"),
        predicted=dataset.predicted_label if with_predictions else None,
        weight=None if config.weight is None else resolve_name(config.weight, dataset.names, "weight"),
    )


def _performance(roles: Roles, counted: BiasCounts) -> ModelPerformance | None:
    if roles.predicted is None or roles.predicted.error is not None or not counted.facets or not counted.facets[0]:
        return None
    return model_performance(roles.label.name, everyone(counted.facets[0][0]), counted.classes)


def _cuts(run: Run) -> Iterator[str]:
    """What the bias metrics are computed for in addition to facets."""
    config = run.config
    for intersection in config.facet_intersections or ():
        yield f"intersection: {' × '.join(str(name) for name in intersection)}"
    for one in _segmentations(run):
        yield f"segments of {one.column}: {', '.join(one.names)}"
    if config.weight is not None:
        yield f"weight: {config.weight}"


STEPS: Steps[None] = Steps(plan=_plan, compute=_compute, need=_need, preview=_preview, check=_check)
