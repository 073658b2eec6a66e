"""Config objects with the names and constructor arguments of the SageMaker SDK's, for use without it.

Arguments are checked when an object is created; an ArgumentError names every invalid one. Values go
into the analysis config as they are given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from enum import Enum
from functools import wraps
from typing import Any, Literal, TypeVar, dataclass_transform

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from clarify_spark.api.sagemaker.composing import Config, described, json_value
from clarify_spark.config.formats import DATASET_FORMATS
from clarify_spark.errors import ArgumentError

NameOrIndex = str | int
Value = int | float | str
C = TypeVar("C")

#: Types are taken as written: neither true nor "1" is an integer.
STRICT = ConfigDict(strict=True, extra="forbid")
PREFIX = re.compile("^[a-zA-Z0-9](-*[a-zA-Z0-9])")


@dataclass_transform(frozen_default=True)
def config_object(cls: type[C]) -> type[C]:
    """A frozen dataclass whose constructor also accepts numpy and pandas values, and raises ArgumentError."""
    made: Any = pydantic_dataclass(config=STRICT, frozen=True)(cls)
    validated: Callable[..., None] = made.__init__

    @wraps(validated)
    def start(self: C, *given: Any, **named: Any) -> None:
        try:
            validated(self, *map(_plain, given), **{name: _plain(value) for name, value in named.items()})
        except ValidationError as error:
            raise ArgumentError("\n".join(_problems(cls, error))) from None

    made.__init__ = start
    found: type[C] = made
    return found


def _plain(value: Any) -> Any:
    """The value as JSON, or the value itself if it has no JSON form."""
    try:
        return json_value(value, "")
    except ArgumentError:
        return value


#: What is allowed, by the kind of pydantic error; its own messages name Python types.
_WORDS = {
    "missing": "found no such argument, which is required",
    "missing_argument": "found no such argument, which is required",
    "unexpected_keyword_argument": "there is no such argument",
    "unexpected_positional_argument": "found more arguments than there are",
}


def _problems(cls: type, error: ValidationError) -> Iterator[str]:
    """One line for each wrong argument, with what all branches of its type allow."""
    names, lines = list(cls.__annotations__), dict[str, dict[str, None]]()
    inputs = dict[str, Any]()
    for found in error.errors(include_url=False):
        cause = found.get("ctx", {}).get("error")
        if isinstance(cause, ArgumentError):
            yield str(cause)
            continue
        place = found["loc"][0] if found["loc"] else "arguments"
        argument = names[place] if isinstance(place, int) and place < len(names) else str(place)
        inputs.setdefault(argument, found["input"])
        words = _WORDS.get(found["type"], found["msg"].removeprefix("Input should be "))
        lines.setdefault(argument, {})[words] = None
    for argument, allowed in lines.items():
        plain_words = next((text for text in allowed if text in _WORDS.values()), None)
        yield f"{cls.__name__}: {argument}: {plain_words or _mismatch(inputs[argument], allowed)}"


def _mismatch(value: Any, allowed: Iterable[str]) -> str:
    shown = repr(value) if isinstance(value, str | int | float) else described(value)
    return f"found {shown}; allowed: {', or '.join(allowed)}"


def _wrong(owner: object, message: str) -> ArgumentError:
    return ArgumentError(f"{type(owner).__name__}: {message}")


def _given(**members: Any) -> Config:
    """The members that are not None, copied."""
    return {key: deepcopy(value) for key, value in members.items() if value is not None}


# --- data -----------------------------------------------------------------------------------------------------------


class DatasetType(Enum):
    """The formats of data sets."""

    TEXTCSV = "text/csv"
    JSONLINES = "application/jsonlines"
    JSON = "application/json"
    PARQUET = "application/x-parquet"
    IMAGE = "application/x-image"


class TimeSeriesJSONDatasetFormat(Enum):
    """The shapes of JSON data that hold time series."""

    COLUMNS = "columns"
    ITEM_RECORDS = "item_records"
    TIMESTAMP_RECORDS = "timestamp_records"


@config_object
class SegmentationConfig:
    """One way to split the data into segments that are analysed separately."""

    name_or_index: NameOrIndex
    segments: list[list[NameOrIndex]]
    config_name: str | None = None
    display_aliases: list[str] | None = None

    def __post_init__(self) -> None:
        """Segments exist, and there are as many as their names or one fewer."""
        if not self.segments:
            raise _wrong(self, "segments: found an empty list; allowed: a list of values for each segment.")
        count = len(self.segments)
        if self.display_aliases is not None and len(self.display_aliases) not in (count, count + 1):
            raise _wrong(
                self,
                f"display_aliases: found {len(self.display_aliases)}; allowed: {count}, a name for each segment, or "
                f"{count + 1}, with one for the rest.",
            )

    def to_dict(self) -> Config:
        """One object of ``segment_config``."""
        return _given(
            name_or_index=self.name_or_index,
            segments=self.segments,
            config_name=self.config_name or None,
            display_aliases=self.display_aliases or None,
        )


@config_object
class TimeSeriesDataConfig:
    """Where the parts of time series are: JMESPaths, or indices of columns."""

    target_time_series: NameOrIndex
    item_id: NameOrIndex
    timestamp: NameOrIndex
    related_time_series: list[NameOrIndex] | None = None
    static_covariates: list[NameOrIndex] | None = None
    dataset_format: Any = None

    def __post_init__(self) -> None:
        """All parts are addressed in the same way; JMESPaths need the shape of the JSON."""
        kind = type(self.target_time_series)
        parts = {"item_id": [self.item_id], "timestamp": [self.timestamp]}
        parts |= {"related_time_series": self.related_time_series or []}
        parts |= {"static_covariates": self.static_covariates or []}
        for name, values in parts.items():
            if any(type(value) is not kind for value in values):
                raise _wrong(self, f"{name}: found a different type than target_time_series; allowed: the same type.")
        for name, values in {"target_time_series": [self.target_time_series], **parts}.items():
            if "" in values:
                raise _wrong(self, f"{name}: found an empty string; allowed: JMESPaths.")
        if kind is str and self._format is None:
            names = ", ".join(f"TimeSeriesJSONDatasetFormat.{one.name}" for one in TimeSeriesJSONDatasetFormat)
            raise _wrong(self, f"dataset_format: found {self.dataset_format!r}; allowed: {names}.")
        if kind is int and self.dataset_format is not None:
            raise _wrong(self, "dataset_format: applies to JMESPaths only; leave it out.")

    @property
    def _format(self) -> str | None:
        """The word for the shape, of our enum or of the SDK's."""
        value = getattr(self.dataset_format, "value", self.dataset_format)
        return value if value in {one.value for one in TimeSeriesJSONDatasetFormat} else None

    def get_time_series_data_config(self) -> Config:
        """``time_series_data_config``."""
        return _given(
            target_time_series=self.target_time_series,
            item_id=self.item_id,
            timestamp=self.timestamp,
            related_time_series=self.related_time_series or None,
            static_covariates=self.static_covariates or None,
            dataset_format=self._format,
        )


@config_object
class DataConfig:
    """The data set, how it is read, and the folder for the results; URIs of any file system that Spark knows."""

    s3_data_input_path: str
    s3_output_path: str
    s3_analysis_config_output_path: str | None = None
    label: NameOrIndex | None = None
    headers: list[str] | None = None
    features: str | None = None
    dataset_type: str = "text/csv"
    s3_compression_type: str = "None"
    joinsource: NameOrIndex | None = None
    facet_dataset_uri: str | None = None
    facet_headers: list[str] | None = None
    predicted_label_dataset_uri: str | None = None
    predicted_label_headers: list[str] | None = None
    predicted_label: NameOrIndex | None = None
    excluded_columns: list[NameOrIndex] | None = None
    segmentation_config: list[Any] | None = None
    time_series_data_config: Any = None

    def __post_init__(self) -> None:
        """The arguments match the format of the data."""
        known = {kind: row for kind, row in DATASET_FORMATS.items() if row.in_sdk}
        row = known.get(self.dataset_type)
        if row is None:
            raise _wrong(self, f"dataset_type: found {self.dataset_type!r}; allowed: {', '.join(known)}.")
        for name in row.refused:
            if getattr(self, name):
                raise _wrong(self, f"{name}: cannot be used with dataset_type {self.dataset_type!r}; leave it out.")
        if self.time_series_data_config is not None and not row.time_series:
            allowed = " or ".join(repr(kind) for kind, other in known.items() if other.time_series)
            raise _wrong(self, f"time_series_data_config: goes with dataset_type {allowed} only.")
        if row.document and self.features is None and self.time_series_data_config is None:
            raise _wrong(self, f"features: missing; dataset_type {self.dataset_type!r} needs their JMESPath.")
        for one in self.segmentation_config or ():
            if not hasattr(one, "to_dict"):
                raise _wrong(
                    self, f"segmentation_config: found {described(one)}; allowed: a list of SegmentationConfig."
                )
        if self.time_series_data_config is not None and not hasattr(
            self.time_series_data_config, "get_time_series_data_config"
        ):
            found = described(self.time_series_data_config)
            raise _wrong(self, f"time_series_data_config: found {found}; allowed: a TimeSeriesDataConfig.")

    def get_config(self) -> Config:
        """The keys of the analysis config about the data."""
        segments = [one.to_dict() for one in self.segmentation_config or ()]
        series = self.time_series_data_config
        return _given(
            dataset_type=self.dataset_type,
            features=self.features,
            headers=self.headers,
            label=self.label,
            joinsource_name_or_index=self.joinsource,
            facet_dataset_uri=self.facet_dataset_uri,
            facet_headers=self.facet_headers,
            predicted_label_dataset_uri=self.predicted_label_dataset_uri,
            predicted_label_headers=self.predicted_label_headers,
            predicted_label=self.predicted_label,
            excluded_columns=self.excluded_columns,
            segment_config=segments or None,
            time_series_data_config=None if series is None else series.get_time_series_data_config(),
        )


@config_object
class BiasConfig:
    """Positive outcomes, the facets whose groups are compared, and the group variable."""

    label_values_or_threshold: list[Value] | Value
    facet_name: NameOrIndex | list[NameOrIndex]
    facet_values_or_threshold: Value | list[Value | list[Value] | None] | None = None
    group_name: NameOrIndex | None = None

    def __post_init__(self) -> None:
        """Several facets have the same number of values or thresholds."""
        if not isinstance(self.facet_name, list):
            return
        if not self.facet_name:
            raise _wrong(self, "facet_name: found an empty list; allowed: the name of a column or several.")
        values = self.facet_values_or_threshold
        if values is not None and not (isinstance(values, list) and len(values) == len(self.facet_name)):
            found = f"{len(values)} entries" if isinstance(values, list) else repr(values)
            raise _wrong(
                self,
                f"facet_values_or_threshold: found {found} for {len(self.facet_name)} facets; allowed: a list with one "
                "entry for each facet (None: every value in turn).",
            )

    def get_config(self) -> Config:
        """The keys of the analysis config about bias."""
        names, values = self.facet_name, self.facet_values_or_threshold
        if not isinstance(names, list):
            pairs: list[tuple[Any, Any]] = [(names, values)]
        else:
            pairs = list(zip(names, values if isinstance(values, list) else [None] * len(names), strict=True))
        return _given(
            label_values_or_threshold=self.label_values_or_threshold,
            facet=[_given(name_or_index=name, value_or_threshold=value) for name, value in pairs],
            group_variable=self.group_name,
        )


# --- model ----------------------------------------------------------------------------------------------------------


@config_object
class TimeSeriesModelConfig:
    """Where the forecast is in a response."""

    forecast: str

    def get_time_series_model_config(self) -> Config:
        """``time_series_predictor_config``."""
        return {"forecast": self.forecast}


@config_object
class ModelConfig:
    """The model and how it is called.

    ``instance_count`` and ``instance_type`` may be left out when the processor maps ``model_name`` to a local model.
    """

    model_name: str | None = None
    instance_count: int | None = None
    instance_type: str | None = None
    accept_type: Literal["text/csv", "application/jsonlines", "application/json"] | None = None
    content_type: (
        Literal[
            "text/csv",
            "application/jsonlines",
            "application/json",
            "image/jpeg",
            "image/jpg",
            "image/png",
            "application/x-npy",
        ]
        | None
    ) = None
    content_template: str | dict[str, str] | None = None
    record_template: str | None = None
    custom_attributes: str | None = None
    accelerator_type: str | None = None
    endpoint_name_prefix: str | None = None
    target_model: str | None = None
    endpoint_name: str | None = None
    time_series_model_config: Any = None

    def __post_init__(self) -> None:
        """Exactly one model; templates have the placeholders that their content type needs."""
        if bool(self.model_name) == bool(self.endpoint_name):
            found = "both model_name and" if self.model_name else "neither model_name nor"
            raise _wrong(self, f"found {found} endpoint_name; allowed: one of them.")
        if self.endpoint_name and (self.instance_count or self.instance_type or self.endpoint_name_prefix):
            raise _wrong(
                self, "instance_count, instance_type and endpoint_name_prefix apply to model_name, not endpoint_name."
            )
        if self.endpoint_name_prefix and not PREFIX.search(self.endpoint_name_prefix):
            raise _wrong(
                self,
                f"endpoint_name_prefix: found {self.endpoint_name_prefix!r}; allowed: letters, digits and dashes, "
                "starting with two letters or digits.",
            )
        self._check_templates()
        self._check_series()

    def _check_templates(self) -> None:
        content, record = self.content_template, self.record_template
        if self.content_type == "application/jsonlines" and (content is None or "$features" not in str(content)):
            raise _wrong(self, f"content_template: found {content!r}; application/jsonlines needs one with $features.")
        if self.content_type == "application/json" and (
            content is None or record is None or "$record" not in str(content)
        ):
            raise _wrong(
                self,
                f"content_template, record_template: found {content!r} and {record!r}; application/json needs both, "
                "the first with $record or $records.",
            )

    def _check_series(self) -> None:
        if self.time_series_model_config is None:
            return
        if not hasattr(self.time_series_model_config, "get_time_series_model_config"):
            found = described(self.time_series_model_config)
            raise _wrong(self, f"time_series_model_config: found {found}; allowed: a TimeSeriesModelConfig.")
        for name in ("accept_type", "content_type"):
            if getattr(self, name) not in (None, "application/json", "application/jsonlines"):
                raise _wrong(
                    self,
                    f"{name}: found {getattr(self, name)!r}; forecasts come as application/json or "
                    "application/jsonlines.",
                )

    def get_predictor_config(self) -> Config:
        """``predictor``, except for how a prediction is read."""
        series = self.time_series_model_config
        return _given(
            endpoint_name=self.endpoint_name or None,
            model_name=self.model_name or None,
            instance_type=self.instance_type,
            initial_instance_count=self.instance_count,
            endpoint_name_prefix=self.endpoint_name_prefix or None,
            accept_type=self.accept_type,
            content_type=self.content_type,
            content_template=self.content_template,
            record_template=self.record_template,
            custom_attributes=self.custom_attributes,
            accelerator_type=self.accelerator_type,
            target_model=self.target_model,
            time_series_predictor_config=None if series is None else series.get_time_series_model_config(),
        )


@config_object
class ModelPredictedLabelConfig:
    """Where label and scores are in a response, and the score above which the label is positive."""

    label: NameOrIndex | None = None
    probability: NameOrIndex | None = None
    probability_threshold: int | float | None = None
    label_headers: list[NameOrIndex] | str | None = None

    def get_predictor_config(self) -> tuple[int | float | None, Config]:
        """``probability_threshold``, and keys of ``predictor``."""
        keys = _given(label=self.label, probability=self.probability, label_headers=self.label_headers)
        return self.probability_threshold, keys


# --- explanations ---------------------------------------------------------------------------------------------------


@config_object
class PDPConfig:
    """Partial dependence of some features or, with SHAP, of the most important ones."""

    features: list[NameOrIndex] | None = None
    grid_resolution: int = 15
    top_k_features: int = 10

    def get_explainability_config(self) -> Config:
        """``methods.pdp``."""
        keys = _given(grid_resolution=self.grid_resolution, top_k_features=self.top_k_features, features=self.features)
        return {"pdp": keys}


@config_object
class TextConfig:
    """How free text is split into units."""

    granularity: Literal["token", "sentence", "paragraph"]
    language: str

    def get_text_config(self) -> Config:
        """``text_config``."""
        return {"granularity": self.granularity, "language": self.language}


@config_object
class ImageConfig:
    """How images are split into segments."""

    model_type: Literal["OBJECT_DETECTION", "IMAGE_CLASSIFICATION"]
    num_segments: int | None = None
    feature_extraction_method: str | None = None
    segment_compactness: int | float | None = None
    max_objects: int | None = None
    iou_threshold: int | float | None = None
    context: int | float | None = None

    def get_image_config(self) -> Config:
        """``image_config``."""
        return _given(
            model_type=self.model_type,
            num_segments=self.num_segments,
            feature_extraction_method=self.feature_extraction_method,
            segment_compactness=self.segment_compactness,
            max_objects=self.max_objects,
            iou_threshold=self.iou_threshold,
            context=self.context,
        )


@config_object
class SHAPConfig:
    """Kernel SHAP: the baseline, the number of coalitions, and how values are aggregated."""

    baseline: Any = None
    num_samples: int | None = None
    agg_method: Literal["mean_abs", "median", "mean_sq"] | None = None
    use_logit: bool = False
    save_local_shap_values: bool = True
    seed: int | None = None
    num_clusters: int | None = None
    text_config: Any = None
    image_config: Any = None
    features_to_explain: list[NameOrIndex] | None = None

    def __post_init__(self) -> None:
        """A baseline is given or computed; features can be chosen for tabular data only."""
        if self.baseline is not None and self.num_clusters is not None:
            raise _wrong(self, "found baseline and num_clusters; allowed: one of them.")
        if not isinstance(self.baseline, str | list | dict | None):
            raise _wrong(self, f"baseline: found {described(self.baseline)}; allowed: a URI, a list of rows or a dict.")
        for name, method in (("text_config", "get_text_config"), ("image_config", "get_image_config")):
            value = getattr(self, name)
            if value is not None and not hasattr(value, method):
                wanted = "TextConfig" if name == "text_config" else "ImageConfig"
                raise _wrong(self, f"{name}: found {described(value)}; allowed: a {wanted}.")
            if value is not None and self.features_to_explain is not None:
                raise _wrong(self, f"features_to_explain: cannot be combined with {name}; leave one of them out.")

    def get_explainability_config(self) -> Config:
        """``methods.shap``."""
        keys = _given(
            use_logit=self.use_logit,
            save_local_shap_values=self.save_local_shap_values,
            baseline=self.baseline,
            num_samples=self.num_samples,
            agg_method=self.agg_method,
            seed=self.seed,
            num_clusters=self.num_clusters,
            text_config=None if self.text_config is None else self.text_config.get_text_config(),
            image_config=None if self.image_config is None else self.image_config.get_image_config(),
            features_to_explain=self.features_to_explain,
        )
        return {"shap": keys}


@config_object
class AsymmetricShapleyValueConfig:
    """Asymmetric Shapley values of time series."""

    direction: Literal["chronological", "anti_chronological", "bidirectional"] = "chronological"
    granularity: Literal["timewise", "fine_grained"] = "timewise"
    num_samples: int | None = None
    baseline: str | dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """fine_grained is sampled and chronological."""
        if self.granularity == "fine_grained":
            if self.num_samples is None:
                raise _wrong(self, "num_samples: missing; granularity 'fine_grained' needs it.")
            if self.direction != "chronological":
                raise _wrong(self, f"direction: found {self.direction!r}; 'fine_grained' needs 'chronological'.")
        elif self.num_samples:
            raise _wrong(self, "num_samples: applies to granularity 'fine_grained' only; leave it out.")
        if isinstance(self.baseline, dict):
            for name in ("target_time_series", "related_time_series"):
                if self.baseline.get(name, "zero") not in ("zero", "mean"):
                    raise _wrong(self, f"baseline: found {self.baseline[name]!r} for {name}; allowed: zero, mean.")

    def get_explainability_config(self) -> Config:
        """``methods.asymmetric_shapley_value``."""
        keys = _given(
            direction=self.direction,
            granularity=self.granularity,
            num_samples=self.num_samples,
            baseline=self.baseline,
        )
        return {"asymmetric_shapley_value": keys}
