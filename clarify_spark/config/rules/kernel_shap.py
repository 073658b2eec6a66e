"""Rules about Kernel SHAP."""

from __future__ import annotations

from collections.abc import Iterator

from clarify_spark.config.formats import DATASET_FORMATS
from clarify_spark.config.methods import ImageConfig, Shap
from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.places import short_json
from clarify_spark.config.rules.analysis import AnalysisRules, FeatureList
from clarify_spark.config.rules.findings import Problems, finding, later, missing
from clarify_spark.errors import Problem
from clarify_spark.udfs.shap.engines import AUTO, ENGINES

#: More baseline rows than this are a mistake: each of them multiplies the model records.
MOST_CLUSTERS = 1_000
#: Keys of the section whose analyses come in a later release.
LATER_KEYS = ("text_config", "image_config")
MODEL_TYPES = ("IMAGE_CLASSIFICATION", "OBJECT_DETECTION")


def shap(config: AnalysisConfig) -> Problems:
    """Problems of methods.shap."""
    settings = config.methods.of(Shap)
    if settings is None:
        return
    if settings.baseline is not None and settings.num_clusters is not None:
        yield finding("methods.shap.num_clusters", "this key with baseline", "baseline or num_clusters")
    special = settings.text_config is not None or settings.image_config is not None
    if settings.features_to_explain is not None and special:
        found = "this key with text_config or image_config"
        yield finding("methods.shap.features_to_explain", found, "this key for numbers and categories only")
    if settings.text_config is not None and settings.image_config is not None:
        yield finding("methods.shap", "text_config and image_config", "one of them")
    samples, clusters = settings.num_samples, settings.num_clusters
    if samples is not None and samples < 1:
        yield finding("methods.shap.num_samples", str(samples), "1 or more")
    if clusters is not None and not 1 <= clusters <= MOST_CLUSTERS:
        yield finding("methods.shap.num_clusters", f"{clusters:,}", f"1 to {MOST_CLUSTERS:,}")
    yield from _explained(settings)
    yield from _engine(settings)
    yield from _baseline_rows(settings)


def _engine(settings: Shap) -> Iterator[Problem]:
    refused = None if settings.engine == AUTO else ENGINES[settings.engine].code.refused(settings)
    if refused is not None:
        yield finding("methods.shap.engine", *refused)


def _explained(settings: Shap) -> Iterator[Problem]:
    features = settings.features_to_explain
    if features is None:
        return
    if not features:
        place = "methods.shap.features_to_explain"
        yield finding(place, "[]", "at least one feature; without this key all are explained")
    for index, feature in enumerate(features):
        if feature in features[:index]:
            yield finding(
                f"methods.shap.features_to_explain[{index}]", f"{short_json(feature)} again", "each feature once"
            )


def _baseline_rows(settings: Shap) -> Iterator[Problem]:
    rows = settings.baseline
    if not isinstance(rows, tuple):
        return
    if not rows:
        yield finding("methods.shap.baseline", "[]", "at least one row")
        return
    lengths = {len(row) for row in rows if isinstance(row, tuple)}
    if len(lengths) > 1:
        found = f"rows of {' and '.join(map(str, sorted(lengths)))} values"
        yield finding("methods.shap.baseline", found, "rows of one length, a value per feature")


def images(config: AnalysisConfig) -> Problems:
    """Problems of image_config and of image data."""
    asked = config.methods.of(Shap)
    settings = None if asked is None else asked.image_config
    kind, is_images = f"the dataset_type {config.dataset_type}", config.format.images
    if settings is not None and not is_images:
        allowed = " or ".join(kind for kind, row in DATASET_FORMATS.items() if row.images)
        yield finding("methods.shap.image_config", f"this key with {kind}", f"this key with {allowed}")
    if is_images and asked is not None and settings is None:
        yield missing("methods.shap.image_config", kind, "an object with model_type")
    if settings is not None:
        yield from _model_type(settings)


def _model_type(settings: ImageConfig) -> Iterator[Problem]:
    place = "methods.shap.image_config.model_type"
    if settings.model_type is None:
        yield missing(place, "methods.shap.image_config", " or ".join(MODEL_TYPES))
    elif settings.model_type.upper() not in MODEL_TYPES:
        yield finding(place, short_json(settings.model_type), " or ".join(MODEL_TYPES))


def _features(config: AnalysisConfig) -> Iterator[FeatureList]:
    settings = config.methods.of(Shap)
    if settings is not None:
        yield FeatureList(("methods", "shap", "features_to_explain"), settings.features_to_explain, no_labels=True)


def _unsupported(config: AnalysisConfig) -> Iterator[Problem]:
    for key in LATER_KEYS:
        if getattr(config.methods.of(Shap), key, None) is not None:
            yield later(f"methods.shap.{key}", "a key", "features that are numbers and categories")


ANALYSIS = AnalysisRules(
    problems=(shap, images),
    features=_features,
    unsupported=_unsupported,
    plain_words={
        "methods.shap.baseline": 'a URI, a list of rows such as [[35, "F"]] or an object',
        "methods.shap.baseline[]": 'a row: a list of numbers, strings and nulls such as [35, "F"], or an object',
    },
)
