"""Data values inside messages: quoted, shortened, never whole records."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from clarify_spark.udfs.short_repr import short_repr

__all__ = ["did_you_mean", "quoted", "short_repr"]


def quoted(name: str) -> str:
    """A column's name as Spark takes it literally."""
    return "`" + name.replace("`", "``") + "`"


def did_you_mean(name: object, names: Sequence[str]) -> str:
    """A clause that lists the columns, with names close to ``name`` first."""
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.6)
    folded = [known for known in names if known.casefold() == str(name).casefold() and known not in close]
    hint = f"; did you mean {' or '.join(repr(known) for known in [*folded, *close])}?" if folded or close else ""
    listed = ", ".join(names[:30]) + (f", … ({len(names)} in all)" if len(names) > 30 else "")
    return f"the columns are {listed}{hint}" if names else "there are no columns"
