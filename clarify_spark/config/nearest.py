"""Which known word an unknown one may stand for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], likeness: float) -> str | None:
    """A question with the known word most similar to this one, or None if none is similar enough (0 to 1)."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower()[:100], by_lower, n=1, cutoff=likeness)
    return f'did you mean "{by_lower[close[0]]}"?' if close else None
