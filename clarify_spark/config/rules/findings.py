"""How rules report what they found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clarify_spark.config.places import Place, path_of
from clarify_spark.errors import Problem

Problems = Iterator[Problem]


def finding(place: Place | str, found: str, allowed: str) -> Problem:
    """A problem in the sentence form of all config messages."""
    path = place if isinstance(place, str) else path_of(place)
    return Problem(path, f"found {found}; allowed: {allowed}")


def incomplete(problem: Problem) -> Problem:
    """The same problem, marked as one of a config that is not wrong, only incomplete."""
    return replace(problem, incomplete=True)


def missing(place: Place | str, reason: str, allowed: str) -> Problem:
    """A problem about a missing key."""
    return finding(place, f"no such key, which {reason} needs", allowed)


def later(path: str, what: str, instead: str) -> Problem:
    """A problem about what comes in a later release."""
    return finding(path, f"{what} that is not supported yet in this version", instead)
