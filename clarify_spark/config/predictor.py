"""The ``predictor`` section: the model, how to call it and how to read its answers."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

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
from clarify_spark.udfs.model_formats import PREDICTORS, format_of

ContentType = Literal[
    "text/csv", "application/jsonlines", "application/json", "image/jpeg", "image/png", "application/x-npy"
]
AcceptType = Literal["text/csv", "application/jsonlines", "application/json"]
DOTTED_PATTERN = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$"

PREFIX_PATTERN = "^[a-zA-Z0-9](-*[a-zA-Z0-9])"


def _matching_prefix(prefix: str) -> str:
    if not re.search(PREFIX_PATTERN, prefix):
        raise PydanticCustomError("prefix", "wrong prefix")
    return prefix


def _model_formats() -> list[str]:
    """The formats that model_uri can have; ``endpoint`` has a key of its own."""
    return [name for name in PREDICTORS if name != "endpoint"]


def _known_format(name: str) -> str:
    if name.lower() in _model_formats():
        return name.lower()
    if not re.search(DOTTED_PATTERN, name):
        raise PydanticCustomError("format", "unknown format")
    return name


def _format_words(node: dict[str, Any]) -> None:
    """Puts the current formats of PREDICTORS into the schema of the key."""
    words, name = {"type": "string", "enum": _model_formats()}, {"type": "string", "pattern": DOTTED_PATTERN}
    node.update(EXTENSION, anyOf=[words, name, {"type": "null"}])


ModelFormat = Annotated[Text, AfterValidator(_known_format)]
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
        description="File, folder or archive of a model that Spark executors load, python:package.module:function, or "
        "the URL of an HTTP service",
        json_schema_extra=EXTENSION,
    )
    model_format: ModelFormat | None = Field(
        None,
        description="Format of model_uri, by default from its suffix; or the dotted name of a module with load",
        json_schema_extra=_format_words,
    )
    entry_script: Text | None = Field(
        None,
        description="The script of a model folder, relative to it; by default code/inference.py or similar",
        json_schema_extra=EXTENSION,
    )
    http_headers: dict[str, Text] | None = Field(
        None,
        description="For a URL: names of headers, and for each the environment variable that holds its value",
        json_schema_extra=EXTENSION,
    )


def is_endpoint(predictor: Predictor) -> bool:
    """Whether the model is a SageMaker endpoint, an existing one or a temporary one."""
    return predictor.endpoint_name is not None or predictor.model_name is not None


def model_format(predictor: Predictor) -> str | None:
    """The format given, else the one that ``model_uri`` implies; None when it implies none."""
    if is_endpoint(predictor):
        return "endpoint"
    if predictor.model_format is not None or predictor.model_uri is None:
        return predictor.model_format
    try:
        return format_of(predictor.model_uri)
    except ModelError:
        return None
