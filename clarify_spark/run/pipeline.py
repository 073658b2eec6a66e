"""A whole run, in one straight line: config, data set, predictions, roles, counts, numbers, files."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from clarify_spark.aws.shadow_endpoint import leftover_note
from clarify_spark.bias import degenerate
from clarify_spark.bias.counts import everyone
from clarify_spark.bias.evidence import Asked as AskedEvidence
from clarify_spark.bias.evidence import Stage, statistics
from clarify_spark.bias.metrics import POST_TRAINING, PRE_TRAINING, Metric, choose
from clarify_spark.bias.performance import ModelPerformance, model_performance
from clarify_spark.bias.report import CountTable, post_training_section, pre_training_section
from clarify_spark.bias.result import BiasResult
from clarify_spark.bias.roles import RoleNames, Roles, needed_facts, resolve
from clarify_spark.bias.segments import Segmentation, SegmentCounts, segmentation
from clarify_spark.bias.verdicts import Bounds, baseline, configured
from clarify_spark.columns import ColumnProfile
from clarify_spark.config import (
    AnalysisConfig,
    Loaded,
    PostTrainingBias,
    PreTrainingBias,
    Report,
    check_runnable,
    headers_of,
    later,
    load,
    model_format,
    unsupported,
)
from clarify_spark.config.rules.prediction import needs_model
from clarify_spark.documents import analysis_json, details, summary
from clarify_spark.errors import CommandError, ConfigError, ModelError, Problem
from clarify_spark.explaining.dependence import DependenceResult
from clarify_spark.explaining.result import ShapResult
from clarify_spark.redaction import without_secrets
from clarify_spark.report.files import made
from clarify_spark.run import cost, kernel_shap, model, partial_dependence
from clarify_spark.run.context import Options, Run
from clarify_spark.run.cost import refuse_too_many
from clarify_spark.run.model import Asked, Predicted
from clarify_spark.spark.blocks.checkpoints import PREDICTIONS, Journal
from clarify_spark.spark.counting.counts import Counts, count
from clarify_spark.spark.counting.flip_test import flip_test
from clarify_spark.spark.counting.profiles import profile
from clarify_spark.spark.counting.segments import restricted
from clarify_spark.spark.data.datasets import Dataset, read, resolve_name
from clarify_spark.spark.delivery.code import ship_own_code
from clarify_spark.spark.failures import user_errors
from clarify_spark.spark.files.output import Output
from clarify_spark.spark.progress import Progress
from clarify_spark.spark.session import Session
from clarify_spark.udfs.predictors.sklearn import refused
from clarify_spark.udfs.traffic import Traffic
from clarify_spark.version import __version__

ANALYSIS, DETAILS = "analysis.json", "analysis_details.json"
LIBRARIES = ("numpy", "pandas", "pyarrow", "scikit-learn", "pydantic")


@dataclass(frozen=True)
class Places:
    """Where things are; ``data`` wins over the config's dataset_uri, and that over ``mounted_data``."""

    output: str
    data: str | None = None
    mounted_data: str | None = None


@dataclass(frozen=True)
class Found:
    """What the analyses of a run found, None for those that were not asked for, and journals to remove in the end."""

    bias: BiasResult | None
    shap: ShapResult | None
    curves: DependenceResult | None
    predictions: Traffic | None
    journals: tuple[Journal, ...]


@dataclass(frozen=True)
class Result:
    """What to show when a run is over; ``verdicts``: how many metrics have which verdict on their bounds."""

    lines: tuple[str, ...]
    warnings: tuple[str, ...]
    verdicts: Mapping[str, int] = field(default_factory=dict)


def runnable(text: str, *, strict: bool) -> Loaded:
    """The config of a run that this version can do; raises ConfigError with every reason why not."""
    loaded = load(text, strict=strict)
    problems = (*check_runnable(loaded.config), *unsupported(loaded.config))
    if problems:
        raise ConfigError(problems)
    return replace(loaded, warnings=(*loaded.warnings, *later(loaded.config)))


def check_model(config: AnalysisConfig, options: Options) -> None:
    """Raise what can be told about the model of a run before anything is started or read."""
    predictor = config.predictor
    if predictor is None or not needs_model(config):
        return
    list(headers_of(predictor))
    if model_format(predictor) == "sklearn" and not options.allow_pickle:
        raise refused(str(predictor.model_uri))


def check_bounds(config: AnalysisConfig, options: Options, fail_on: Sequence[str]) -> None:
    """Raise what is wrong with bounds before anything is computed: an unreadable former result, a gate on no bounds."""
    if options.bounds_from is None and not config.bounds and fail_on:
        raise CommandError("--fail-on needs bounds: set bounds in the config, or give --bounds-from FILE.")
    bounds_of(config, options)


def run(session: Session, text: str, places: Places, options: Options, progress: Progress | None = None) -> Result:
    """Run every analysis of the config in ``text`` and write the results to ``places.output``."""
    loaded = runnable(text, strict=options.strict)
    check_model(loaded.config, options)
    output = Output(places.output, session.spark)
    progress = progress or Progress(session.spark)
    with user_errors(), ExitStack() as cached:
        ship_own_code(session)
        if not options.dry_run:
            output.prepare()
        if (leftover := leftover_note(output)) is not None:
            progress.note(leftover)
        with progress.phase("Reading the data"):
            data_uri = _data_uri(loaded.config, places)
            dataset = read(session.spark, loaded.config, data_uri)
        cached.callback(dataset.release)
        for note in dataset.source.notes:
            progress.note(note)
        this = Run(session, loaded.config, options, output, progress, data_uri, dataset)
        asked = model.asked(this)
        if asked is not None:
            refuse_too_many(asked.cost, options.max_model_calls)
        if options.dry_run:
            return _plan(this, asked, loaded.warnings)
        with _files_named(dataset):
            found = _found(this, asked, cached)
        result = _write(this, loaded, text, found)
        for journal in found.journals:
            journal.remove()
        if this.config.methods.of(PostTrainingBias) is not None:
            output.delete(PREDICTIONS)  # of an interrupted run that called an endpoint where this one did not
    return result


@contextmanager
def _files_named(dataset: Dataset) -> Iterator[None]:
    """A context in which errors about a record name its file, of which executors know the number."""
    files = dataset.source.files

    def named(match: re.Match[str]) -> str:
        place = int(match["file"].replace(",", "")) - 1
        return f"record {match['record']} of {files[place].uri}" if place < len(files) else match[0]

    try:
        yield
    except ModelError as error:
        text = re.sub(r"record (?P<record>[\d,]+) of file (?P<file>[\d,]+)", named, str(error))
        raise ModelError(text) from error


def _found(this: Run, asked: Asked | None, cached: ExitStack) -> Found:
    """What the analyses find; the model is gone again when this returns."""
    with nullcontext() if asked is None else model.ready(this, asked) as ready:
        predicted = Predicted(this.dataset)
        bias = None
        if asks_for_bias(this.config):
            predicted = model.with_predictions(this, ready)
            cached.callback(predicted.dataset.release)
            bias = _bias(replace(this, dataset=predicted.dataset))
        job = None if ready is None else ready.job
        explained = None if job is None else kernel_shap.explain(job, this.output)
        shap = None if explained is None else explained.result
        curve_job = None if ready is None else ready.curves
        curves = None if curve_job is None else partial_dependence.explain(curve_job, shap, this.output)
    kept = (predicted.journal, *(None if one is None else one.journal for one in (explained, curves)))
    return Found(
        bias=bias,
        shap=shap,
        curves=None if curves is None else curves.result,
        predictions=predicted.traffic,
        journals=tuple(journal for journal in kept if journal is not None),
    )


def asks_for_bias(config: AnalysisConfig) -> bool:
    """Whether a bias analysis is among the methods."""
    return config.methods.of(PreTrainingBias) is not None or config.methods.of(PostTrainingBias) is not None


def _data_uri(config: AnalysisConfig, places: Places) -> str:
    uri = places.data or config.dataset_uri or places.mounted_data
    if uri is None:
        raise ConfigError([Problem("dataset_uri", "missing; name the data here or with --data")])
    return uri


# --- bias -----------------------------------------------------------------------------------------------------------


def _bias(this: Run) -> BiasResult:
    post, pre = this.config.methods.of(PostTrainingBias), this.config.methods.of(PreTrainingBias)
    profiles, roles = _roles(this, with_predictions=post is not None)
    segmentations = _segmentations(this)
    with this.progress.phase("Counting"):
        counted = count(this.dataset, roles, profiles, _intersections(this), segmentations)
    counts: CountTable = counted.facets
    segments: list[tuple[SegmentCounts, ...]] = list(counted.segments)
    if post is not None and "FT" in (post.methods if post.methods != "all" else ("FT",)):
        with this.progress.phase("Flip test"):
            flipped = partial(flip_test, roles=roles, seed=this.seed, weight=counted.weight)
            counts = flipped(this.dataset, counts=counted.facets)
            segments = [
                tuple(
                    replace(of_one, facets=flipped(restricted(this.dataset, one, k), counts=of_one.facets))
                    for k, of_one in enumerate(of_segmentation)
                )
                for one, of_segmentation in zip(segmentations, counted.segments, strict=True)
            ]
    with this.progress.phase("Statistics"):
        found = statistics(
            roles, counts, counted.crossed, list(zip(segmentations, segments, strict=True)), _asked_evidence(this)
        )
    return BiasResult(
        roles=roles,
        profiles=profiles,
        counts=counts,
        post_training=None if post is None else post_training_section(roles, counts, post.methods),
        pre_training=None if pre is None else pre_training_section(roles, counts, pre.methods),
        performance=_performance(roles, counted),
        cautions=degenerate.cautions(roles, counts),
        notes=counted.notes,
        statistics=found,
    )


def _asked_evidence(this: Run) -> AskedEvidence:
    """What the statistics of a run are to say."""
    config, tables = this.config, dict[Stage, tuple[Metric, ...]]()
    pre, post = config.methods.of(PreTrainingBias), config.methods.of(PostTrainingBias)
    if pre is not None:
        tables["pre_training"] = choose(PRE_TRAINING, pre.methods, "methods.pre_training_bias.methods")
    if post is not None:
        tables["post_training"] = choose(POST_TRAINING, post.methods, "methods.post_training_bias.methods")
    return AskedEvidence(
        tables, config.confidence_level, this.seed, bounds_of(config, this.options), config.min_cell_size
    )


def bounds_of(config: AnalysisConfig, options: Options) -> Bounds:
    """The bounds of the config, and those of a former result where the command line names one."""
    former = {} if options.bounds_from is None else baseline(*options.bounds_from)
    return Bounds(configured(config.bounds), former)


def _intersections(this: Run) -> list[tuple[int, ...]]:
    """The positions of the facets of every intersection."""
    place = {facet.name_or_index: f for f, facet in enumerate(this.config.facet or ())}
    return [tuple(place[name] for name in crossed) for crossed in this.config.facet_intersections or ()]


def _segmentations(this: Run) -> list[Segmentation]:
    """The segments of the config, their values and intervals read as their columns' kinds want them."""
    found = []
    for index, one in enumerate(this.config.segment_config or ()):
        path = f"segment_config[{index}]"
        column = resolve_name(one.name_or_index, this.dataset.names, f"{path}.name_or_index")
        found.append(segmentation(one, column, this.dataset.kinds[column], path))
    return found


def _roles(this: Run, *, with_predictions: bool) -> tuple[dict[str, ColumnProfile], Roles]:
    """What the role columns hold, and what each is taken for."""
    names = role_names(this.config, this.dataset, with_predictions=with_predictions)
    facts = needed_facts(this.config, this.dataset.kinds, names)
    if names.group is not None:
        facts.setdefault(names.group, frozenset())
    with this.progress.phase("Looking at the columns"):
        profiles = profile(this.dataset, facts)
        return profiles, resolve(this.config, profiles, names)


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


def _performance(roles: Roles, counted: Counts) -> ModelPerformance | None:
    if roles.predicted is None or roles.predicted.error is not None or not counted.facets or not counted.facets[0]:
        return None
    return model_performance(roles.label.name, everyone(counted.facets[0][0]), counted.classes)


# --- results --------------------------------------------------------------------------------------------------------


def _write(this: Run, loaded: Loaded, text: str, found: Found) -> Result:
    """Write the details, the report, then, last and whole, analysis.json; that also when the report fails."""
    bias, shap, curves = found.bias, found.shap, found.curves
    warnings = (*loaded.warnings, *(() if bias is None else (*bias.roles.warnings, *bias.notes)))
    if bias is not None and this.options.bounds_from is not None and (unbound := bias.statistics.without_verdict()):
        place = this.options.bounds_from[1]
        warnings = (*warnings, f"{unbound} metrics of this run have no bounds: {place} has no value for them.")
    facts = details.RunFacts(
        dataset=_dataset_facts(this, found),
        model=_model_facts(loaded.config),
        predictions=found.predictions,
        seconds=this.progress.seconds,
        versions=_versions(this.session.spark.version),
        config_sha256=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        seed=this.seed,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        command=_command(this),
        report=_report_asked(this.config),
        notes=tuple(this.progress.notes),
    )
    extra = details.document(details.Results(bias, shap, curves), warnings, facts)
    content = analysis_json.document(bias, shap, curves)
    written = [f"{this.output.uri}/{ANALYSIS}", this.output.write(DETAILS, analysis_json.text(extra))]
    if shap is not None:
        written.append(f"{this.output.uri}/{kernel_shap.FOLDER}/")
    with ExitStack() as last:
        last.callback(this.output.write, ANALYSIS, analysis_json.text(content))
        if facts.report is not None:
            with this.progress.phase("Report"):
                report = made(content, extra)
                written += [this.output.write_bytes(name, data) for name, data in report.files.items()]
                for name in report.missing:
                    this.output.delete(name)  # of an earlier run
            warnings = (*warnings, *report.warnings)
    said = (*warnings, *(() if bias is None else (caution.sentence for caution in bias.cautions)))
    shown = (*summary.lines(bias, shap, curves), "", *(f"Written: {uri}" for uri in written))
    return Result(
        shown, said, {} if bias is None else {str(kind): count for kind, count in bias.statistics.verdicts().items()}
    )


def _report_asked(config: AnalysisConfig) -> dict[str, str] | None:
    asked = config.methods.of(Report)
    return None if asked is None else {"name": asked.name, "title": asked.title}


def _command(this: Run) -> str:
    """A command that makes the same result."""
    data = without_secrets(this.data_uri)
    return f"clarify-spark analyze --config analysis_config.json --data {data} --output OUTPUT --seed {this.seed}"


def _dataset_facts(this: Run, found: Found) -> dict[str, Any]:
    dataset, source = this.dataset, this.dataset.source
    rows = found.curves.of_rows if found.curves is not None else 0
    if found.shap is not None:
        rows = found.shap.summary.rows
    if found.bias is not None:
        rows = next(iter(found.bias.profiles.values())).rows
    return {
        "uri": without_secrets(this.data_uri),
        "files": len(source.files),
        "bytes": sum(file.size for file in source.files),
        "listing_sha256": source.listing_hash,
        "rows": rows,
        "malformed_records": source.malformed,
        "features": list(dataset.features),
        "notes": [without_secrets(note) for note in source.notes],
    }


def _model_facts(config: AnalysisConfig) -> dict[str, Any] | None:
    predictor = config.predictor
    if predictor is None or model_format(predictor) is None:
        return None
    names = ("model_uri", "endpoint_name", "model_name", "target_model")
    given = {name: getattr(predictor, name) for name in names if getattr(predictor, name) is not None}
    return {**{name: without_secrets(text) for name, text in given.items()}, "format": model_format(predictor)}


def _versions(spark_version: str) -> dict[str, str]:
    found = {"clarify_spark": __version__, "python": platform.python_version(), "spark": spark_version}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _plan(this: Run, asked: Asked | None, warnings: Sequence[str]) -> Result:
    """What a run would do; data are read and columns judged, and a model is asked about a few rows at most."""
    config, source, said, roles = this.config, this.dataset.source, tuple[str, ...](), list[str]()
    rows = source.rows
    if asks_for_bias(config):
        profiles, found = _roles(this, with_predictions=False)
        rows, said, roles = next(iter(profiles.values())).rows, found.warnings, list(summary.roles(found))
    methods = [
        name for name in ("pre_training_bias", "post_training_bias", "shap", "pdp") if getattr(config.methods, name)
    ]
    lines = (
        "Dry run: the config and the data fit together; nothing was computed or written.",
        f"  data: files: {len(source.files)}, bytes: {sum(file.size for file in source.files):,}, "
        f"columns: {len(this.dataset.columns)}" + ("" if rows is None else f", rows: {rows:,}"),
        *(f"  {line}" for line in roles),
        *(f"  {line}" for line in _cuts(this)),
        f"  methods: {', '.join(methods)}",
        *(f"  {line}" for line in _model_lines(this, asked)),
    )
    return Result(lines, (*warnings, *said))


def _cuts(this: Run) -> Iterator[str]:
    """What the bias metrics are asked for besides facets."""
    config = this.config
    for crossed in config.facet_intersections or ():
        yield f"intersection: {' × '.join(str(name) for name in crossed)}"
    for one in _segmentations(this):
        yield f"segments of {one.column}: {', '.join(one.names)}"
    if config.weight is not None:
        yield f"weight: {config.weight}"


def _model_lines(this: Run, asked: Asked | None) -> Iterator[str]:
    """What the model is asked for, and about how long that takes."""
    if asked is None:
        yield f"model: not called{'' if this.dataset.predicted_label is None else ', the data has predictions'}"
        return
    model_named = next(value for value in (asked.predictor.model_uri, asked.spec.uri) if value is not None)
    yield f"model: {without_secrets(model_named)}, features: {len(this.dataset.features)}"
    yield from cost.lines(asked.cost)
    if asked.predictor.model_name is not None:
        yield "time: not known before there is an endpoint; a dry run starts none"
    elif asked.cost.records:
        with model.ready(this, asked) as ready:
            yield from cost.timing_lines(asked.cost, this.dataset, ready.spec, this.seed, this.progress)


def analyze(config: Path, output: str, master: str | None, options: Options) -> Result:
    """Run the config file at a local path in a session of its own; what the demo does."""
    from clarify_spark.spark.files.output import read_text
    from clarify_spark.spark.session import session

    text = read_text(str(config), None)
    runnable(text, strict=options.strict)
    with session(master) as started:
        return run(started, text, Places(output), options)
