"""Removes passwords and tokens from the URIs that a run prints or writes."""

from __future__ import annotations

import re

_HIDDEN = "***"
_USER = re.compile(r"(?<=://)[^/\s'\"@]+@")
_QUERY = re.compile(r"(?P<uri>\b[A-Za-z][\w+.-]*://[^\s'\"?]*\?)[^\s'\"]*=[^\s'\",;:]*")


def without_secrets(text: str) -> str:
    """``text`` with the user part and the query of every URI in it replaced by asterisks."""
    return _QUERY.sub(rf"\g<uri>{_HIDDEN}", _USER.sub(f"{_HIDDEN}@", text))
