"""Errors that end a run with their own exit code; the hierarchy is shown in ``clarify_spark.udfs.errors``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clarify_spark.udfs.errors import ClarifyError, DataError, ModelError

__all__ = [
    "ArgumentError",
    "ClarifyError",
    "CommandError",
    "ConfigError",
    "DataError",
    "ModelError",
    "OutputError",
    "Problem",
]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a config.

    ``path`` is a JSON path without the leading ``$.`` (``facet[0].value_or_threshold``), empty for the whole document.
    ``message`` says what was found and what is allowed. ``incomplete``: nothing in the config is wrong, but something
    must be added before it can run; a monitor's configuration, which gets its model elsewhere, is an example.
    """

    path: str
    message: str
    incomplete: bool = False

    def __str__(self) -> str:
        return f"{self.path or '(config)'}: {self.message}"


class ConfigError(ClarifyError):
    """The analysis config is wrong; carries every problem found, not only the first."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class CommandError(ClarifyError):
    """The command line or the machine it runs on is wrong (a missing option, no Java)."""

    exit_code = 2


class ArgumentError(CommandError, ValueError):
    """An argument of a Python call is invalid; also a ValueError, which Python's own classes and SDKs raise."""


class OutputError(ClarifyError):
    """The results cannot be written to the output location."""

    exit_code = 5
