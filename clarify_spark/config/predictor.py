"""The ``predictor`` section: the model, how to call it and how to read its answers."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from clarify_spark.config.values import (
    BY_JSON_KIND,
    EXTENSION,
    LOWERED,
    Integer,
    NameOrIndex,
    Section,
    Text,
    TextBranch,
)
from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors import format_of

ContentType = Literal[
    "text/csv", "application/jsonlines", "application/json", "image/jpeg", "image/png", "application/x-npy"
]
AcceptType = Literal["text/csv", "application/jsonlines", "application/json"]
ModelFormat = Literal["sklearn", "skops", "xgboost", "lightgbm", "python", "sagemaker"]

PREFIX_PATTERN = "^[a-zA-Z0-9](-*[a-zA-Z0-9])"


def _matching_prefix(prefix: str) -> str:
    if not re.search(PREFIX_PATTERN, prefix):
        raise PydanticCustomError("prefix", "wrong prefix")
    return prefix


EndpointPrefix = Annotated[
    Text, AfterValidator(_matching_prefix), WithJsonSchema({"type": "string", "pattern": PREFIX_PATTERN})
]
ContentTemplate = Annotated[TextBranch | Annotated[dict[str, Text], Tag("<object>")], BY_JSON_KIND]


class TimeSeriesPredictorConfig(Section):
    """Where the forecast is in a response."""

    forecast: Text = Field(description="JMESPath of the forecast in a response")


class Predictor(Section):
    """The model that gives predictions, unless the data have them."""

    endpoint_name: Text | None = Field(None, description="An existing endpoint")
    endpoint_name_prefix: EndpointPrefix = Field("sm-clarify", description="Prefix of the name of a temporary endpoint")
    model_name: Text | None = Field(None, description="A model to start a temporary endpoint with")
    target_model: Text | None = Field(None, description="The model of a multi-model endpoint")
    instance_type: Text | None = Field(None, description="Instance type of a temporary endpoint")
    initial_instance_count: Integer | None = Field(None, description="Instance count of a temporary endpoint")
    accelerator_type: Text | None = Field(None, description="Accelerator of a temporary endpoint")
    content_type: Annotated[ContentType, LOWERED] | None = Field(
        None, description="Format of requests; by default the dataset_type"
    )
    accept_type: Annotated[AcceptType, LOWERED] | None = Field(
        None, description="Format of responses; by default the content_type"
    )
    label: NameOrIndex | None = Field(None, description="Where the predicted label is in a response")
    probability: NameOrIndex | None = Field(None, description="Where the score or scores are in a response")
    label_headers: tuple[NameOrIndex, ...] | None = Field(None, description="Class names for a list of scores")
    content_template: ContentTemplate | None = Field(
        None, description="Request body: $features (JSON Lines), $record or $records (JSON)"
    )
    record_template: Text | None = Field(
        None, description='One JSON record: $features, $feature_names, $features_kvp, or "${Name}" per feature'
    )
    custom_attributes: Text | None = Field(None, description="Passed on to the endpoint")
    time_series_predictor_config: TimeSeriesPredictorConfig | None = Field(
        None, description="How to read a forecast; time series only"
    )
    model_uri: Text | None = Field(
        None,
        description="File or folder of a model that Spark executors load, or python:package.module:function",
        json_schema_extra=EXTENSION,
    )
    model_format: Annotated[ModelFormat, LOWERED] | None = Field(
        None, description="Format of model_uri; by default told by its ending", json_schema_extra=EXTENSION
    )


def model_format(predictor: Predictor) -> str | None:
    """The format given, else the one that ``model_uri`` speaks for; None when it speaks for none."""
    if predictor.model_format is not None or predictor.model_uri is None:
        return predictor.model_format
    try:
        return format_of(predictor.model_uri)
    except ModelError:
        return None
