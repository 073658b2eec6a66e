"""Dotted names in tables: what a row names is imported on use, so that tables load nothing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def resolved(name: str) -> Any:
    """The module ``package.module``, or what ``package.module:attribute`` names in it."""
    module, _, attribute = name.partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found
