"""What one analysis contributes to the documents of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clarify_spark.udfs.traffic import Traffic


@dataclass(frozen=True)
class DocumentSection:
    """The parts of an analysis, ready to be written.

    ``measured``: its keys of analysis.json, ``explained``: those below ``explanations`` there. ``details``: its keys of
    analysis_details.json. ``lines``: the closing lines on the terminal. ``rows``: how many rows were analysed.
    ``warnings`` go to the details and to the terminal, ``cautions`` only to the terminal, since the details have them
    in another form. ``traffic``: by purpose, what was sent to an endpoint. ``verdicts``: how many metrics have each
    verdict on their bounds. ``folders``: what was written in addition to the documents.
    """

    rows: int
    measured: Mapping[str, Any] = field(default_factory=dict)
    explained: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    traffic: Mapping[str, Traffic | None] = field(default_factory=dict)
    verdicts: Mapping[str, int] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
