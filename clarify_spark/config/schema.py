"""The JSON Schema of the config, for editors and for the wording of messages."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from clarify_spark.config.formats import DATASET_FORMATS
from clarify_spark.config.metrics import METRICS
from clarify_spark.config.models import AnalysisConfig, config_model
from clarify_spark.config.places import Place
from clarify_spark.udfs.model_formats import PREDICTORS
from clarify_spark.udfs.shap.engines import ENGINES

Node = dict[str, Any]

HEAD: Node = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:clarify-spark:analysis-config:1.0",
}
NOTE = (
    "The schema of SageMaker Clarify's analysis_config.json, version 1.0. Keys marked x-clarify-spark-extension are "
    "ours. Clarify compares the words of an enum in lower case; write them in lower case."
)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of analysis_config.json, our extension keys marked."""
    return copy.deepcopy(_schema())


def _schema() -> Node:
    tables = (*ENGINES.items(), *METRICS.items(), *DATASET_FORMATS.items(), *PREDICTORS.items())
    return _schema_of(config_model(), tables)


@lru_cache(maxsize=4)
def _schema_of(model: type[AnalysisConfig], _: tuple[tuple[str, object], ...]) -> Node:
    schema = _tidied(model.model_json_schema())
    return {**HEAD, **schema, "title": "analysis_config.json", "$comment": NOTE}


def _tidied(node: Any) -> Any:
    """pydantic's schema with optional keys that may be left out but not null, and a title for every key."""
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _tidied(value) for key, value in node.items()}
    if isinstance(kept.get("properties"), dict):
        kept["properties"] = {key: _property(key, child) for key, child in kept["properties"].items()}
    return kept


def _property(key: str, node: Node) -> Node:
    """The schema of one key, flat where only one alternative is left."""
    node = {"title": key.replace("_", " ").title(), **node}
    alternatives = node.pop("allOf", None) or node.pop("anyOf", None)
    if "default" in node and node["default"] is None:
        del node["default"]
        alternatives = [branch for branch in alternatives or () if branch != {"type": "null"}]
    if not alternatives:
        return node
    return {**alternatives[0], **node} if len(alternatives) == 1 else {**node, "anyOf": alternatives}


def dereferenced(node: Node) -> Node:
    """The node that a ``$ref`` points to, or the node itself."""
    if "$ref" not in node:
        return node
    target: Node = _schema()["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return target


def branches(node: Node) -> Iterator[Node]:
    """The alternatives of a node, down to plain ones."""
    node = dereferenced(node)
    alternatives = node.get("anyOf", node.get("oneOf"))
    if alternatives is None:
        yield node
        return
    for alternative in alternatives:
        yield from branches(alternative)


def node_at(place: Place) -> Node:
    """What the schema says about a place; an empty node where it says nothing."""
    node = _schema()
    for step in place:
        children = [child for branch in branches(node) if (child := _child(branch, step)) is not None]
        node = {"anyOf": children} if children else {}
    return node


def _child(node: Node, step: str | int) -> Node | None:
    if isinstance(step, int):
        child = node.get("items")
    else:
        child = node.get("properties", {}).get(step, node.get("additionalProperties"))
    return child if isinstance(child, dict) else None


def allowed(node: Node) -> str:
    """The values a node allows, in words."""
    phrases = list(dict.fromkeys(_phrase(branch) for branch in branches(node)))
    if len(phrases) == 1:
        return phrases[0]
    return f"{', '.join(phrases[:-1])} or {phrases[-1]}"


def choices(node: Node) -> tuple[str, ...]:
    """The words that a node allows, if it allows only certain words."""
    return tuple(word for branch in branches(node) for word in branch.get("enum", ()))


def _phrase(node: Node) -> str:
    if "enum" in node:
        words = node["enum"]
        listed = ", ".join(f'"{word}"' for word in words[:14])
        return f"one of {listed}" if len(words) <= 14 else f"one of {len(words)} words ({listed}, …)"
    if node.get("type") == "array":
        item = allowed(node.get("items", {}))
        return f"a list of {PLURALS.get(item, f'items, each {item}')}"
    if node.get("type") == "object" and "properties" in node:
        keys = list(node["properties"])
        return f"an object with the keys {', '.join(keys)}" if len(keys) <= 8 else "an object"
    if "pattern" in node:
        return f"a string that matches {node['pattern']}"
    if "minimum" in node:
        return f"an integer, at least {node['minimum']}"
    return WORDS.get(node.get("type", ""), "any JSON value")


WORDS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number with a decimal point such as 0.5",
    "boolean": "true or false",
    "object": "an object",
    "null": "null",
}
PLURALS = {
    "a string": "strings",
    "an integer": "integers",
    "a string or an integer": "strings or integers",
    "an integer, a number with a decimal point such as 0.5 or a string": "numbers or strings",
}
