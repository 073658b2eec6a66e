"""Column names: unique, and found by name or 0-based index."""

from __future__ import annotations

from collections.abc import Sequence

from clarify_spark.errors import ConfigError, DataError, Problem
from clarify_spark.spark.data.formats.suggestions import did_you_mean


def resolve_name(reference: str | int, names: Sequence[str], path: str) -> str:
    """The column that a config key (at JSON path ``path``) means by a name or a 0-based index."""
    if isinstance(reference, str):
        if reference in names:
            return reference
        raise ConfigError(
            [Problem(path, f"there is no column {reference!r} in the data; {did_you_mean(reference, names)}")]
        )
    if 0 <= reference < len(names):
        return names[reference]
    raise ConfigError(
        [
            Problem(
                path,
                f"index {reference} is outside 0 to {len(names) - 1} (indices count from 0); {did_you_mean('', names)}",
            )
        ]
    )


def require_unique(names: Sequence[str], where: str) -> None:
    """Raise DataError when two columns share a name."""
    twice = sorted({name for name in names if list(names).count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        listed = ", ".join(repr(name) for name in twice)
        raise DataError(f"{where}: column names must be unique; more than one column is called {listed}. Rename them.")
