"""The options of ``clarify-spark config``: how texts become values, and what one option is."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clarify_spark.config.places import Place, short_json

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


# --- texts to values ------------------------------------------------------------------------------------------------


def value(text: str) -> Any:
    """A number or a JSON string as its value, any other text unchanged."""
    if _NUMBER.fullmatch(text) or (len(text) > 1 and text[0] == text[-1] == '"'):
        return json_of(text)
    return text


def values(text: str) -> list[Any]:
    """The items of a JSON list, or of a comma-separated list."""
    if not text.startswith("["):
        return [value(item.strip()) for item in text.split(",")] if text else []
    found: list[Any] = json_of(text)
    return found


def texts(text: str) -> list[Any]:
    """The same, numbers kept as texts: names of columns."""
    return json_of(text) if text.startswith("[") else [item.strip() for item in text.split(",")] if text else []


def metrics(text: str) -> Any:
    """ "all", or a list of short names."""
    return text if text == "all" else texts(text)


def text_or_json(text: str) -> Any:
    """A JSON list or object, or a text (a URI, a template)."""
    return json_of(text) if text.startswith(("[", "{")) else text


def template(text: str) -> Any:
    """A template: an object of strings if the text is one as JSON, else the text unchanged."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    is_object_form = isinstance(found, dict) and found and all(isinstance(part, str) for part in found.values())
    return found if is_object_form else text


def facet(text: str) -> dict[str, Any]:
    """``name``, ``name=values`` or the JSON object of a facet."""
    if text.startswith("{"):
        found: dict[str, Any] = json_of(text)
        return found
    name, equals, listed = text.partition("=")
    return {"name_or_index": value(name), **({"value_or_threshold": values(listed)} if equals else {})}


def pair(text: str) -> dict[str, Any]:
    """``name=text`` as an object of one key."""
    name, equals, found = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"found {short_json(text)}; allowed: NAME=VALUE")
    return {name: found}


def bounds(text: str) -> dict[str, Any]:
    """``METRIC=MIN:MAX``, one end may be empty."""
    ((metric, ends),) = pair(text).items()
    low, colon, high = ends.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(
            f"found {short_json(text)}; allowed: METRIC=MIN:MAX, one of which may be empty"
        )
    given = (("min", low), ("max", high))
    return {metric: {end: value(number) for end, number in given if number}}


def assignment(text: str) -> dict[Place, Any]:
    """``path=JSON`` as a place and its value; anything that is not valid JSON is text."""
    ((path, found),) = pair(text).items()
    try:
        return {tuple(path.split(".")): json.loads(found)}
    except ValueError:
        return {tuple(path.split(".")): found}


def json_of(text: str) -> Any:
    """The value of a JSON text."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"found {short_json(text)}, which is not valid JSON ({error})") from error


# --- options --------------------------------------------------------------------------------------------------------


def merged(objects: Sequence[Mapping[Any, Any]]) -> dict[Any, Any]:
    """All objects in one; of a key that several have, the last value counts."""
    return {key: found for one in objects for key, found in one.items()}


@dataclass(frozen=True)
class Option:
    """One option: the place that it sets, and how its text becomes the value there.

    ``bare``: the value without a text; with ``read`` None there is never a text. ``repeated``: one value from those of
    all repetitions.
    """

    flag: str
    place: Place
    help: str | Callable[[], str]
    metavar: str = "TEXT"
    read: Callable[[str], Any] | None = str
    bare: Any = None
    repeated: Callable[[list[Any]], Any] | None = None

    @property
    def name(self) -> str:
        """The attribute that holds the value."""
        return "config_" + self.flag.removeprefix("--").replace("-", "_")

    def add_to(self, group: Any) -> None:
        """Declare the option."""
        said = self.help if isinstance(self.help, str) else self.help()
        common = {"dest": self.name, "help": said, "default": None}
        if self.read is None:
            group.add_argument(self.flag, action="store_const", const=self.bare, **common)
            return
        more = {"nargs": "?", "const": self.bare} if self.bare is not None else {}
        action = "store" if self.repeated is None else "append"
        group.add_argument(self.flag, action=action, metavar=self.metavar, type=self.read, **more, **common)

    def given(self, arguments: argparse.Namespace) -> Any:
        """The value, None when the option was not given."""
        found = getattr(arguments, self.name)
        return found if found is None or self.repeated is None else self.repeated(found)


@dataclass(frozen=True)
class MethodOptions:
    """The options of an analysis, and the values that the SDK writes where the schema needs one."""

    options: tuple[Option, ...]
    defaults: tuple[tuple[Place, Any], ...] = ()
