"""How an analysis is run: the steps that the pipeline takes for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from clarify_spark.config import AnalysisConfig
from clarify_spark.config.analyses import Analysis, asked_for
from clarify_spark.documents.section import DocumentSection
from clarify_spark.run.context import Options, Run
from clarify_spark.spark.blocks.checkpoints import Checkpoints
from clarify_spark.udfs.dotted_names import resolved

P = TypeVar("P")


@dataclass(frozen=True)
class Need:
    """What one analysis sends to the model: ``records`` in total, at most ``together`` per call, ``how`` in words."""

    name: str
    how: str
    records: int
    together: int


@dataclass(frozen=True)
class Preview:
    """What a dry run reports about an analysis; ``rows``: the number of rows of the data, if it counted them."""

    lines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rows: int | None = None


@dataclass(frozen=True, eq=False)
class AnalysisOutcome:
    """What an analysis found: its ``result``, for later analyses, and its ``section``, for the documents.

    Once every file of the run is written, ``all_checkpoints`` are removed, and so are the ``stale`` files and folders
    of the output.
    """

    result: Any
    section: DocumentSection
    all_checkpoints: tuple[Checkpoints, ...] = ()
    stale: tuple[str, ...] = ()


def _no_need(run: Run, plan: Any) -> None:
    return None


def _no_preview(run: Run, plan: Any) -> Preview:
    return Preview()


def _no_check(config: AnalysisConfig, options: Options) -> None:
    return None


@dataclass(frozen=True)
class Steps(Generic[P]):
    """The steps of an analysis.

    ``check`` raises what is wrong with config and options before anything is started, whether or not the analysis is
    requested. ``plan`` determines what follows from config and data, without calling the model. ``need``: what will be
    sent to the model, None for nothing. ``preview``: what a dry run reports. ``compute`` does the work, given a run
    whose model can be called, the plan, and the outcomes of earlier analyses by key.
    """

    plan: Callable[[Run], P]
    compute: Callable[[Run, P, Mapping[str, AnalysisOutcome]], AnalysisOutcome]
    need: Callable[[Run, P], Need | None] = _no_need
    preview: Callable[[Run, P], Preview] = _no_preview
    check: Callable[[AnalysisConfig, Options], None] = _no_check


@dataclass(frozen=True)
class Planned:
    """An analysis that a run requests, with its plan."""

    key: str
    steps: Steps[Any]
    plan: Any = field(repr=False)

    def need(self, run: Run) -> Need | None:
        """What it will send to the model."""
        return self.steps.need(run, self.plan)

    def preview(self, run: Run) -> Preview:
        """What a dry run reports about it."""
        return self.steps.preview(run, self.plan)

    def compute(self, run: Run, earlier: Mapping[str, AnalysisOutcome]) -> AnalysisOutcome:
        """What it finds."""
        return self.steps.compute(run, self.plan, earlier)


def steps_of(row: Analysis) -> Steps[Any]:
    """The steps of an analysis that this version runs."""
    found: Steps[Any] = resolved(str(row.steps))
    return found


def planned(run: Run) -> tuple[Planned, ...]:
    """The analyses that the run's config requests, in the order of the table."""
    rows = asked_for(run.config.methods).values()
    steps = {row.key: steps_of(row) for row in rows}
    return tuple(Planned(key, of_one, of_one.plan(run)) for key, of_one in steps.items())
