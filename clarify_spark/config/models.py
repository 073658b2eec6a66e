"""The analysis config as frozen values: attributes are named like the JSON keys, missing keys are None."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from clarify_spark.config.analyses import ANALYSES, Analysis
from clarify_spark.config.formats import DATASET_FORMATS, DatasetFormat
from clarify_spark.config.methods import Methods, methods_model
from clarify_spark.config.predictor import Predictor
from clarify_spark.config.values import (
    EXTENSION,
    LOWERED,
    Decimal,
    Integer,
    NameOrIndex,
    Section,
    Text,
    Value,
    exactly,
    remade,
)

ColumnType = Literal["categorical", "continuous"]


def _known_format(kind: str) -> str:
    if kind not in DATASET_FORMATS:
        raise PydanticCustomError("format", "unknown format")
    return kind


def _format_words(node: dict[str, Any]) -> None:
    """Puts the current types of DATASET_FORMATS into the schema of the key."""
    node["enum"] = list(DATASET_FORMATS)


def _one_kind(columns: tuple[str | int, ...]) -> tuple[str | int, ...]:
    if len({type(column) for column in columns}) > 1:
        raise PydanticCustomError("mixed", "names and indices are mixed")
    return columns


ONE_KIND_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "array", "items": {"type": kind}} for kind in ("string", "integer")]
}
ColumnsOfOneKind = Annotated[tuple[NameOrIndex, ...], AfterValidator(_one_kind), WithJsonSchema(ONE_KIND_SCHEMA)]


def _at_least_zero(number: int) -> int:
    if number < 0:
        raise PydanticCustomError("negative", "negative")
    return number


Count = Annotated[Integer, AfterValidator(_at_least_zero), WithJsonSchema({"type": "integer", "minimum": 0})]


Number = Annotated[float, exactly(int, float)]


class Bounds(Section):
    """What a user accepts of one metric, ends included; at least one end."""

    min: Number | None = Field(None, description="Smallest accepted value")
    max: Number | None = Field(None, description="Largest accepted value")


class Facet(Section):
    """A column whose groups are compared; rows with the listed values are facet d, the disadvantaged group."""

    name_or_index: NameOrIndex = Field(description="The column")
    value_or_threshold: tuple[Value, ...] | None = Field(
        None, description="Values of facet d, or one number above which a row is in facet d; none: each value in turn"
    )
    type: Annotated[ColumnType, LOWERED] | None = Field(
        None, description="Overrides the type suggested by the data", json_schema_extra=EXTENSION
    )


class Segmentation(Section):
    """One way to split the data into segments that are analysed separately."""

    name_or_index: NameOrIndex = Field(description="The column that determines the segment")
    segments: tuple[tuple[NameOrIndex, ...], ...] = Field(
        description='For each segment its values, or its intervals such as "[1, 4]"'
    )
    config_name: Text | None = Field(None, description="A name for this segmentation")
    display_aliases: tuple[Text, ...] | None = Field(None, description="A name per segment, and one for the rest")


class TimeSeriesData(Section):
    """Where the parts of a time series data set are."""

    target_time_series: NameOrIndex = Field(description="The series that is forecast")
    item_id: NameOrIndex = Field(description="The id of the item")
    timestamp: NameOrIndex = Field(description="The time of a step")
    related_time_series: ColumnsOfOneKind | None = Field(None, description="Series known for the horizon too")
    static_covariates: ColumnsOfOneKind | None = Field(None, description="Facts about an item")
    dataset_format: Annotated[Literal["columns", "item_records", "timestamp_records"], LOWERED] | None = Field(
        None, description="The shape of the JSON; needed with JMESPaths"
    )


class AnalysisConfig(Section):
    """What to analyse, in which data, with which model."""

    dataset_type: Annotated[Text, AfterValidator(_known_format), LOWERED] = Field(
        description="Format of the data set", json_schema_extra=_format_words
    )
    methods: Methods = Field(description="The analyses to run")
    version: Text | None = Field(None, description='Version of this format: "1.0"')
    dataset_uri: Text | None = Field(None, description="File, folder or glob of the data set")
    headers: tuple[Text, ...] | None = Field(None, description="Column names, in the order of the data")
    label: NameOrIndex | None = Field(None, description="The ground truth: column, or JMESPath of JSON data")
    predicted_label: NameOrIndex | None = Field(None, description="Predictions in the data, addressed like label")
    features: Text | None = Field(None, description="JMESPath of the features; JSON and JSON Lines only")
    label_values_or_threshold: tuple[Value, ...] | None = Field(
        None, description="Positive label values, or one number above which a label is positive"
    )
    label_type: Annotated[ColumnType, LOWERED] | None = Field(
        None, description="Overrides the label type suggested by the data", json_schema_extra=EXTENSION
    )
    probability_threshold: Decimal | None = Field(
        None, description="A score above it is the label 1, any other the label 0; 0.5 when scores must become labels"
    )
    facet: tuple[Facet, ...] | None = Field(None, description="The columns whose groups are compared")
    group_variable: NameOrIndex | None = Field(None, description="The subgroups of CDDL and CDDPL")
    facet_dataset_uri: Text | None = Field(None, description="A second CSV with the facets")
    facet_headers: tuple[Text, ...] | None = Field(None, description="Column names of facet_dataset_uri")
    predicted_label_dataset_uri: Text | None = Field(None, description="A second CSV with the predictions")
    predicted_label_headers: tuple[Text, ...] | None = Field(
        None, description="Column names of predicted_label_dataset_uri"
    )
    joinsource_name_or_index: NameOrIndex | None = Field(None, description="The id column for joining data sets")
    excluded_columns: tuple[NameOrIndex, ...] | None = Field(None, description="Columns not passed to the model")
    segment_config: tuple[Segmentation, ...] | None = Field(None, description="Metrics per segment of the data")
    time_series_data_config: TimeSeriesData | None = Field(None, description="Where the parts of time series are")
    predictor: Predictor | None = Field(None, description="The model; needed when the data have no predictions")
    max_malformed_records: Count = Field(
        0, description="How many malformed records are skipped before the run stops", json_schema_extra=EXTENSION
    )
    weight: NameOrIndex | None = Field(
        None,
        description="Column of sampling weights; the bias metrics use them instead of row counts",
        json_schema_extra=EXTENSION,
    )
    confidence_level: Decimal = Field(
        0.95, description="Level of the confidence intervals of the bias metrics", json_schema_extra=EXTENSION
    )
    bounds: dict[str, Bounds] | None = Field(
        None, description="By short name of a bias metric: the accepted values", json_schema_extra=EXTENSION
    )
    facet_intersections: tuple[tuple[NameOrIndex, ...], ...] | None = Field(
        None, description="Lists of facets whose combinations are compared too", json_schema_extra=EXTENSION
    )
    min_cell_size: Count = Field(
        10, description="Combinations and segments with fewer rows are not shown", json_schema_extra=EXTENSION
    )

    @property
    def format(self) -> DatasetFormat:
        """What the dataset_type determines."""
        return DATASET_FORMATS[self.dataset_type]


def config_model() -> type[AnalysisConfig]:
    """AnalysisConfig with a key of ``methods`` for every method that is in ANALYSES now."""
    return _config_model(tuple(ANALYSES.values()))


@lru_cache(maxsize=4)
def _config_model(_: tuple[Analysis, ...]) -> type[AnalysisConfig]:
    return remade(AnalysisConfig, {"methods": (methods_model(), Field(description="The analyses to run"))})
