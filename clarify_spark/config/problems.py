"""What pydantic found, as one Problem per place in plain words: what was found and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from clarify_spark.config.nearest import nearest
from clarify_spark.config.places import Place, at, path_of, short_json
from clarify_spark.config.rules.analysis import all_rules
from clarify_spark.config.schema import Node, allowed, branches, choices, node_at
from clarify_spark.errors import Problem

VALUE_TYPES = {"string", "integer", "number"}
#: Places whose schema is hard to put into words; those of analyses are in their rules.
PLAIN_WORDS = {"predictor.content_template": "a string, or an object of strings"}


def problems_of(document: Any, errors: Iterable[Mapping[str, Any]]) -> Iterator[Problem]:
    """One problem per place, in pydantic's order."""
    reported: set[Place] = set()
    for error in errors:
        place = _place(document, error)
        if place not in reported:
            reported.add(place)
            yield Problem(path_of(place), _message(document, place, error["type"]))


def _place(document: Any, error: Mapping[str, Any]) -> Place:
    """The location without the names of union branches that pydantic puts into it."""
    location: Place = error["loc"]
    inside, missing = (location[:-1], location[-1:]) if error["type"] == "missing" else (location, ())
    place: Place = ()
    for step in inside:
        is_member = isinstance(document, dict) and step in document
        is_item = isinstance(document, list) and isinstance(step, int) and step < len(document)
        if is_member or is_item:
            place, document = (*place, step), document[step]
    return (*place, *missing)


def _message(document: Any, place: Place, kind: str) -> str:
    if kind == "extra_forbidden":
        return _unknown_key(str(place[-1]), node_at(place[:-1]))
    node = node_at(place)
    words = _plain_words(re.sub(r"\[\d+\]", "[]", path_of(place))) or allowed(node)
    if kind == "missing":
        return f"found no such key, which is required; allowed: {words}"
    found = at(document, place)
    if kind == "null":
        return f"found null; allowed: {words} (or leave the key out)"
    return f"found {short_json(found)}; allowed: {words}{_hint(found, node)}"


def _plain_words(path: str) -> str | None:
    return next((found for rules in all_rules() if (found := rules.plain_words.get(path))), PLAIN_WORDS.get(path))


def _unknown_key(key: str, node: Node) -> str:
    known = [name for branch in branches(node) for name in branch.get("properties", ())]
    suggestion = nearest(key, known, 0.6)
    allowed_keys = f"only known keys ({suggestion})" if suggestion else ", ".join(known)
    return f"found an unknown key; allowed: {allowed_keys}"


def _hint(found: Any, node: Node) -> str:
    if isinstance(found, bool):
        if _types(node) >= VALUE_TYPES:
            return f' (for a column of booleans write "{found}", with the quotes)'
        if any(_types(branch.get("items", {})) >= VALUE_TYPES for branch in branches(node)):
            return f' (for a column of booleans write ["{found}"], with the quotes)'
    if isinstance(found, str) and (suggestion := nearest(found, choices(node), 0.8)):
        return f" ({suggestion})"
    return ""


def _types(node: Node) -> set[str | None]:
    return {branch.get("type") for branch in branches(node)}
