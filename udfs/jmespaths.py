"""JMESPath expressions as functions; the simple ones without the library, with the same results."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

__all__ = ["JMESPathError", "Path", "compile_path", "simple_steps"]

Path = Callable[[Any], Any]
Step = str | int | None  # a key, an index, or None for the projection [*]

_STEP = r"(?P<key>[A-Za-z_][A-Za-z0-9_]*)|\[(?P<index>0|-?[1-9][0-9]*)\]|\[(?P<star>\*)\]"
_NEXT = re.compile(rf"\.(?=[A-Za-z_])|(?={re.escape('[')})|\Z")
_TOKEN = re.compile(_STEP)


def compile_path(expression: str) -> Path:
    """The function that evaluates a JMESPath expression; raises JMESPathError for an invalid one."""
    steps = simple_steps(expression)
    if steps is None:
        search: Path = jmespath.compile(expression).search
        return search
    if all(isinstance(step, str) for step in steps):
        return _keys(tuple(str(step) for step in steps))
    return lambda value: _walk(steps, value)


def simple_steps(expression: str) -> tuple[Step, ...] | None:
    """The steps of an expression made of plain names, indices and ``[*]`` only; None for all other expressions."""
    steps: list[Step] = []
    position = 0
    while position < len(expression):
        token = _TOKEN.match(expression, position)
        if token is None:
            return None
        key, index = token["key"], token["index"]
        steps.append(key if key is not None else int(index) if index is not None else None)
        separator = _NEXT.match(expression, token.end())
        if separator is None:
            return None
        position = separator.end()
    return tuple(steps) or None


def _keys(names: Sequence[str]) -> Path:
    def find(value: Any) -> Any:
        for name in names:
            if type(value) is not dict:
                return None
            value = value.get(name)
        return value

    return find


def _walk(steps: Sequence[Step], value: Any) -> Any:
    for place, step in enumerate(steps):
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        elif isinstance(step, int):
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
        else:
            return _project(steps[place + 1 :], value)
    return value


def _project(steps: Sequence[Step], value: Any) -> list[Any] | None:
    """Every element's result that is not null, as JMESPath projections leave nulls out."""
    if not isinstance(value, list):
        return None
    found = (_walk(steps, element) for element in value)
    return [element for element in found if element is not None]
