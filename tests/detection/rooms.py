"""Rooms: the folders of our code, each with a share of the planted faults and a row in the table of coverage."""

from __future__ import annotations

import subprocess
from pathlib import Path


def room(file: str) -> str:
    """The folder of a file."""
    return str(Path(file).parent)


def sources(checkout: Path) -> list[str]:
    """Our code: all Python files that a run of the command or of a job may execute."""
    listed = subprocess.run(
        ["git", "ls-files", "clarify_spark", "udfs", "jobs"], cwd=checkout, check=True, capture_output=True, text=True
    )
    return [name for name in listed.stdout.splitlines() if name.endswith(".py")]
