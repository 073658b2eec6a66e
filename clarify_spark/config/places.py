"""Places in a JSON document, and how they and the values there are written in messages."""

from __future__ import annotations

import json
import re
from typing import Any

Place = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[^\W\d][\w$-]*")
_USER_OF_URI = re.compile(r"://[^/@\s\"]+@")
LONGEST = 80


def path_of(place: Place) -> str:
    """The path as messages write it: ``facet[0].value_or_threshold``; odd keys as ``["two words"]``."""
    return "".join(_step(step) for step in place).removeprefix(".")


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_KEY.fullmatch(step) and len(step) <= LONGEST else f"[{short_json(step)}]"


def short_json(value: Any) -> str:
    """The value as JSON on one line, at most 80 characters, without any credentials in a URI before its host."""
    text = _USER_OF_URI.sub("://…@", json.dumps(value, ensure_ascii=False, default=str))
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def at(document: Any, place: Place) -> Any:
    """The value at a place that exists."""
    for step in place:
        document = document[step]
    return document
