"""A whole run, in one straight line: config, data set, predictions, roles, counts, numbers, files."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from clarify_spark import __version__, kernel_shap
from clarify_spark.bias import degenerate
from clarify_spark.bias.counts import everyone
from clarify_spark.bias.performance import ModelPerformance, model_performance
from clarify_spark.bias.report import CountTable, post_training_section, pre_training_section
from clarify_spark.bias.result import BiasResult
from clarify_spark.bias.roles import RoleNames, Roles, needed_facts, resolve
from clarify_spark.columns import ColumnProfile
from clarify_spark.config import (
    AnalysisConfig,
    Loaded,
    check_runnable,
    later,
    load,
    model_format,
    unsupported,
)
from clarify_spark.errors import ConfigError, Problem
from clarify_spark.explain.result import ShapResult
from clarify_spark.kernel_shap import Job, ShapOptions
from clarify_spark.redaction import without_secrets
from clarify_spark.report import analysis_json, details, summary
from clarify_spark.spark.batches import user_errors
from clarify_spark.spark.counts import Counts, count
from clarify_spark.spark.datasets import Dataset, read, resolve_name
from clarify_spark.spark.flip_test import flip_test
from clarify_spark.spark.profiles import profile
from clarify_spark.spark.progress import Progress
from clarify_spark.spark.scoring import predictor_spec, thresholded, with_model_predictions
from clarify_spark.spark.session import Session
from clarify_spark.spark.storage import Output
from clarify_spark.udfs.predictors.spec import PredictorSpec

ANALYSIS, DETAILS = "analysis.json", "analysis_details.json"
LIBRARIES = ("numpy", "pandas", "pyarrow", "scikit-learn", "pydantic")


@dataclass(frozen=True)
class Places:
    """Where things are; ``data`` wins over the config's dataset_uri, and that over ``mounted_data``."""

    output: str
    data: str | None = None
    mounted_data: str | None = None


@dataclass(frozen=True)
class Options:
    """What the command line adds to a config."""

    seed: int | None = None
    strict: bool = False
    dry_run: bool = False
    allow_pickle: bool = False
    trusted_types: tuple[str, ...] = ()
    shap: ShapOptions = field(default_factory=ShapOptions)


@dataclass(frozen=True)
class Found:
    """The data set of a run and what its analyses found; None for those that were not asked for."""

    dataset: Dataset
    bias: BiasResult | None
    shap: ShapResult | None


@dataclass(frozen=True)
class Result:
    """What to show when a run is over."""

    lines: tuple[str, ...]
    warnings: tuple[str, ...]


def runnable(text: str, *, strict: bool) -> Loaded:
    """The config of a run that this version can do; raises ConfigError with every reason why not."""
    loaded = load(text, strict=strict)
    problems = (*check_runnable(loaded.config), *unsupported(loaded.config))
    if problems:
        raise ConfigError(problems)
    return replace(loaded, warnings=(*loaded.warnings, *later(loaded.config)))


def run(session: Session, text: str, places: Places, options: Options) -> Result:
    """Run every analysis of the config in ``text`` and write the results to ``places.output``."""
    loaded = runnable(text, strict=options.strict)
    config = loaded.config
    output = Output(places.output, session.spark)
    progress = Progress(session.spark)
    with user_errors():
        if not options.dry_run:
            output.prepare()
        with progress.phase("Reading the data"):
            dataset = read(session.spark, config, _data_uri(config, places))
        with ExitStack() as cached:
            cached.callback(dataset.release)
            for note in dataset.source.notes:
                progress.note(note)
            if options.dry_run:
                return _plan(config, dataset, options, loaded.warnings, progress)
            bias = None
            if asks_for_bias(config):
                predicted = _with_predictions(config, dataset, options, progress)
                cached.callback(predicted.release)
                bias = _bias(config, predicted, _seed(config, options), progress)
            job = _shap_job(config, dataset, options, progress)
            explained = None if job is None else kernel_shap.explain(job, output)
            found = Found(dataset, bias, None if explained is None else explained.result)
        result = _write(output, loaded, options, text, found, progress)
        if explained is not None:
            explained.journal.remove()
    return result


def asks_for_bias(config: AnalysisConfig) -> bool:
    """Whether a bias analysis is among the methods."""
    return config.methods.pre_training_bias is not None or config.methods.post_training_bias is not None


def _data_uri(config: AnalysisConfig, places: Places) -> str:
    uri = places.data or config.dataset_uri or places.mounted_data
    if uri is None:
        raise ConfigError([Problem("dataset_uri", "missing; name the data here or with --data")])
    return uri


def _seed(config: AnalysisConfig, options: Options) -> int:
    configured = config.methods.shap.seed if config.methods.shap is not None else None
    return options.seed if options.seed is not None else configured or 0


# --- predictions ----------------------------------------------------------------------------------------------------


def _with_predictions(config: AnalysisConfig, dataset: Dataset, options: Options, progress: Progress) -> Dataset:
    """The data set with a predicted label where post-training metrics need one; scores among them thresholded."""
    if config.methods.post_training_bias is None:
        return dataset
    if dataset.predicted_label is not None:
        threshold = config.probability_threshold
        return dataset if threshold is None else thresholded(dataset, threshold)
    with progress.phase("Calling the model"):
        return with_model_predictions(dataset, _model(config, dataset, options))


def _model(config: AnalysisConfig, dataset: Dataset, options: Options) -> PredictorSpec:
    """The model of the config, and what the user allows it."""
    if config.predictor is None:
        raise ConfigError([Problem("predictor", "missing; the methods asked for need a model")])
    spec = predictor_spec(config, config.predictor, dataset)
    return replace(spec, allow_pickle=options.allow_pickle, trusted_types=options.trusted_types)


# --- explanations ---------------------------------------------------------------------------------------------------


def _shap_job(config: AnalysisConfig, dataset: Dataset, options: Options, progress: Progress) -> Job | None:
    shap = config.methods.shap
    if shap is None:
        return None
    spec = _model(config, dataset, options)
    return Job(config, shap, dataset, spec, _seed(config, options), options.shap, progress)


# --- bias -----------------------------------------------------------------------------------------------------------


def _bias(config: AnalysisConfig, dataset: Dataset, seed: int, progress: Progress) -> BiasResult:
    post, pre = config.methods.post_training_bias, config.methods.pre_training_bias
    profiles, roles = _roles(config, dataset, progress, with_predictions=post is not None)
    with progress.phase("Counting"):
        counted = count(dataset, roles, profiles)
    counts: CountTable = counted.facets
    if post is not None and "FT" in (post.methods if post.methods != "all" else ("FT",)):
        with progress.phase("Flip test"):
            counts = flip_test(dataset, roles, counted.facets, seed)
    return BiasResult(
        roles=roles,
        profiles=profiles,
        counts=counts,
        post_training=None if post is None else post_training_section(roles, counts, post.methods),
        pre_training=None if pre is None else pre_training_section(roles, counts, pre.methods),
        performance=_performance(roles, counted),
        cautions=degenerate.cautions(roles, counts),
        notes=counted.notes,
    )


def _roles(
    config: AnalysisConfig, dataset: Dataset, progress: Progress, *, with_predictions: bool
) -> tuple[dict[str, ColumnProfile], Roles]:
    """What the role columns hold, and what each is taken for."""
    names = role_names(config, dataset, with_predictions=with_predictions)
    facts = needed_facts(config, dataset.kinds, names)
    if names.group is not None:
        facts.setdefault(names.group, frozenset())
    with progress.phase("Looking at the columns"):
        profiles = profile(dataset, facts)
        return profiles, resolve(config, profiles, names)


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
    )


def _performance(roles: Roles, counted: Counts) -> ModelPerformance | None:
    if roles.predicted is None or roles.predicted.error is not None or not counted.facets or not counted.facets[0]:
        return None
    return model_performance(roles.label.name, everyone(counted.facets[0][0]), counted.classes)


# --- results --------------------------------------------------------------------------------------------------------


def _write(output: Output, loaded: Loaded, options: Options, text: str, found: Found, progress: Progress) -> Result:
    """Write the details, then, last and whole, analysis.json."""
    bias, shap = found.bias, found.shap
    warnings = (*loaded.warnings, *(() if bias is None else (*bias.roles.warnings, *bias.notes)))
    facts = details.RunFacts(
        dataset=_dataset_facts(found),
        model=_model_facts(loaded.config),
        seconds=progress.seconds,
        versions=_versions(found.dataset.frame.sparkSession.version),
        config_sha256=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        seed=_seed(loaded.config, options),
    )
    extra = analysis_json.text(details.document(bias, shap, warnings, facts))
    content = analysis_json.text(analysis_json.document(bias, shap))
    written = [output.write(DETAILS, extra)]
    written.insert(0, output.write(ANALYSIS, content))
    if shap is not None:
        written.append(f"{output.uri}/{kernel_shap.FOLDER}/")
    said = (*warnings, *(() if bias is None else (caution.sentence for caution in bias.cautions)))
    shown = (*summary.lines(bias, shap), "", *(f"Written: {uri}" for uri in written))
    return Result(shown, said)


def _dataset_facts(found: Found) -> dict[str, Any]:
    source = found.dataset.source
    rows = found.shap.summary.rows if found.shap is not None else 0
    if found.bias is not None:
        rows = next(iter(found.bias.profiles.values())).rows
    return {
        "files": len(source.files),
        "bytes": sum(file.size for file in source.files),
        "listing_sha256": source.listing_hash,
        "rows": rows,
        "malformed_records": source.malformed,
        "features": list(found.dataset.features),
        "notes": [without_secrets(note) for note in source.notes],
    }


def _model_facts(config: AnalysisConfig) -> dict[str, Any] | None:
    predictor = config.predictor
    if predictor is None or predictor.model_uri is None:
        return None
    return {"model_uri": without_secrets(predictor.model_uri), "format": model_format(predictor)}


def _versions(spark_version: str) -> dict[str, str]:
    found = {"clarify_spark": __version__, "python": platform.python_version(), "spark": spark_version}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _plan(
    config: AnalysisConfig, dataset: Dataset, options: Options, warnings: Sequence[str], progress: Progress
) -> Result:
    """What a run would do; data are read and columns judged, and only a few rows go to a model to be explained."""
    files, said, roles = dataset.source.files, tuple[str, ...](), list[str]()
    rows = dataset.source.rows
    if asks_for_bias(config):
        profiles, found = _roles(config, dataset, progress, with_predictions=False)
        rows, said, roles = next(iter(profiles.values())).rows, found.warnings, list(summary.roles(found))
    job = _shap_job(config, dataset, options, progress)
    methods = [name for name in ("pre_training_bias", "post_training_bias", "shap") if getattr(config.methods, name)]
    lines = (
        "Dry run: the config and the data fit together; nothing was computed or written.",
        f"  data: files: {len(files)}, bytes: {sum(file.size for file in files):,}, "
        f"columns: {len(dataset.columns)}" + ("" if rows is None else f", rows: {rows:,}"),
        *(f"  {line}" for line in roles),
        f"  methods: {', '.join(methods)}",
        f"  model calls for predictions: {_model_calls(config, dataset)}",
        *(f"  {line}" for line in (() if job is None else kernel_shap.cost(job))),
    )
    return Result(lines, (*warnings, *said))


def _model_calls(config: AnalysisConfig, dataset: Dataset) -> str:
    if dataset.predicted_label is not None:
        return "none: the data has predictions"
    if config.methods.post_training_bias is None or config.predictor is None:
        return "none"
    return f"every row once, features: {len(dataset.features)}, {config.predictor.model_uri}"


def analyze(config: Path, output: str, master: str | None, options: Options) -> Result:
    """Run the config file at a local path in a session of its own; what the demo does."""
    from clarify_spark.spark.session import session
    from clarify_spark.spark.storage import read_text

    text = read_text(str(config), None)
    runnable(text, strict=options.strict)
    with session(master) as started:
        return run(started, text, Places(output), options)
