"""Everything that Kernel SHAP finds in a run except the local values; the writers take their numbers from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from clarify_spark.explaining.summary import Summary

if TYPE_CHECKING:
    from clarify_spark.explaining.baseline import Baseline
    from clarify_spark.explaining.example_rows import ExampleRows
    from clarify_spark.udfs.shap.shap_plan import ShapPlan


@runtime_checkable
class Weighed(Protocol):
    """A result of an analysis that shows which features are most important."""

    def most_important(self, count: int) -> list[str]:
        """That many features at most, the most important first."""


@dataclass(frozen=True, eq=False)
class ShapResult:
    """The result of Kernel SHAP in one run: names of the D outputs, of the K explained features, and their numbers.

    ``examples``: the rows that a report shows.
    """

    labels: tuple[str, ...]
    features: tuple[str, ...]
    plan: ShapPlan
    baseline: Baseline
    summary: Summary
    examples: ExampleRows | None = None

    def most_important(self, count: int) -> list[str]:
        """The features with the largest global values, summed over all outputs, the most important first."""
        totals = np.abs(self.summary.values).sum(axis=0)
        return [self.features[place] for place in np.argsort(-totals, kind="stable")[:count]]
