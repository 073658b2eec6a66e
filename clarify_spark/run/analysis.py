"""How an analysis is run: the steps that the pipeline asks of each."""

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
    """What one analysis sends to the model; at most ``together`` records go into its calls one after the other."""

    name: str
    how: str
    records: int
    together: int


@dataclass(frozen=True)
class Preview:
    """What a dry run says of an analysis before it names the methods; ``rows``: those of the data, where it counted."""

    lines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rows: int | None = None


@dataclass(frozen=True, eq=False)
class AnalysisOutcome:
    """What an analysis found: its ``result``, for later ones, and its ``section``, for the documents.

    Once every file of the run is written its ``all_checkpoints`` are removed, and ``stale`` files and folders of the
    output.
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
    """The steps of an analysis, in their order.

    ``check`` raises what is wrong with config and options before anything is started, whatever is asked for. ``plan``
    settles what follows from config and data; the model is not called yet. ``need``: what it will be asked for, None
    for nothing. ``preview``: for a dry run. ``compute`` does the work: with the plan, a model that can be called, and
    by key what analyses before it have found.
    """

    plan: Callable[[Run], P]
    compute: Callable[[Run, P, Mapping[str, AnalysisOutcome]], AnalysisOutcome]
    need: Callable[[Run, P], Need | None] = _no_need
    preview: Callable[[Run, P], Preview] = _no_preview
    check: Callable[[AnalysisConfig, Options], None] = _no_check


@dataclass(frozen=True)
class Planned:
    """An analysis that a run asks for, with its plan."""

    key: str
    steps: Steps[Any]
    plan: Any = field(repr=False)

    def need(self, run: Run) -> Need | None:
        """What it asks the model for."""
        return self.steps.need(run, self.plan)

    def preview(self, run: Run) -> Preview:
        """What a dry run says of it."""
        return self.steps.preview(run, self.plan)

    def compute(self, run: Run, earlier: Mapping[str, AnalysisOutcome]) -> AnalysisOutcome:
        """What it finds."""
        return self.steps.compute(run, self.plan, earlier)


def steps_of(row: Analysis) -> Steps[Any]:
    """The steps of an analysis that this version runs."""
    found: Steps[Any] = resolved(str(row.steps))
    return found


def planned(run: Run) -> tuple[Planned, ...]:
    """The analyses that the config of the run asks for, in their order."""
    rows = asked_for(run.config.methods).values()
    steps = {row.key: steps_of(row) for row in rows}
    return tuple(Planned(key, of_one, of_one.plan(run)) for key, of_one in steps.items())
