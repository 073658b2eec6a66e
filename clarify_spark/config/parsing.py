"""JSON text to plain values, with everything that JSON itself forbids reported by its path."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from clarify_spark.config.places import Place, path_of
from clarify_spark.errors import ConfigError, Problem

#: Deeper than any config; the limit keeps every later step clear of Python's recursion limit.
DEEPEST = 40


class _Members(dict[str, Any]):
    """A JSON object that remembers which of its keys were written twice."""

    repeated: tuple[str, ...] = ()


def _members(pairs: list[tuple[str, Any]]) -> _Members:
    members = _Members(pairs)
    if len(members) < len(pairs):
        keys = [key for key, _ in pairs]
        members.repeated = tuple(key for key in members if keys.count(key) > 1)
    return members


def parse_json(text: str) -> tuple[Any, tuple[Problem, ...]]:
    """The document and its problems as JSON; text that is not valid JSON at all raises ConfigError."""
    try:
        document = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_members)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        message = f"found text that is not JSON at {where} ({error.msg}); allowed: JSON"
        raise ConfigError([Problem("", message)]) from None
    except RecursionError:
        raise ConfigError([Problem("", _too_deep())]) from None
    except ValueError:
        raise ConfigError([Problem("", "found an integer with thousands of digits; allowed: shorter ones")]) from None
    problems = tuple(_json_problems(document, ()))
    if any(problem.message == _too_deep() for problem in problems):
        raise ConfigError(problems)
    return document, problems


def _too_deep() -> str:
    return f"found lists or objects more than {DEEPEST} deep; allowed: at most {DEEPEST}"


def _json_problems(value: Any, place: Place) -> Iterator[Problem]:
    if isinstance(value, str) and not _is_text(value):
        yield Problem(path_of(place), "found a string with half a surrogate pair; allowed: Unicode text")
    if isinstance(value, float) and not math.isfinite(value):
        found = json.dumps(value)
        yield Problem(path_of(place), f"found {found}, or a number too large for a float; allowed: finite numbers")
    if not isinstance(value, dict | list) or not value:
        return
    if len(place) >= DEEPEST:
        yield Problem(path_of(place), _too_deep())
        return
    if isinstance(value, _Members):
        yield from _key_problems(value, place)
    steps: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for step, member in steps:
        yield from _json_problems(member, (*place, step))


def _key_problems(members: _Members, place: Place) -> Iterator[Problem]:
    for key in members.repeated:
        yield Problem(path_of((*place, key)), "found this key more than once; allowed: once")
    for key in members:
        if not _is_text(key):
            yield Problem(path_of((*place, key)), "found a key with half a surrogate pair; allowed: Unicode text")


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)
