"""Some explained rows that a report shows: a sample, and those with extreme predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from clarify_spark.udfs.explained import Explained

Floats = NDArray[np.float64]
Reason = Literal["lowest prediction", "middle prediction", "highest prediction", "nearest to the threshold"]
#: Outputs for which single rows are picked.
MOST_OUTPUTS = 3


@dataclass(frozen=True, eq=False)
class ExampleRow:
    """One explained row: its key, and in units of the link the outputs (D,), base values (D,), SHAP values (D, K) and
    residuals (D,).
    """

    key: int
    prediction: Floats
    base: Floats
    values: Floats
    residual: Floats


@dataclass(frozen=True)
class Highlight:
    """A row, for which output it was picked, and why."""

    row: ExampleRow
    output: int
    reason: Reason


@dataclass(frozen=True, eq=False)
class ExampleRows:
    """What a report shows of single rows.

    ``rows``: m sampled ones in order; ``ranks`` (m, K): the rank of the row's feature among theirs, from 0 (lowest) to
    1, NaN where the feature is not a number or is a facet. ``highlights``: rows shown individually.
    """

    rows: tuple[ExampleRow, ...]
    ranks: Floats
    highlights: tuple[Highlight, ...]


class ExampleRowSelector:
    """Picks rows from blocks as they pass, in the order of the data.

    ``sample``: the features of the sampled rows by key, in the order of the K players; ``hidden``: those whose values
    must not be shown. ``threshold``: of the first output, in units of the link.
    """

    def __init__(self, sample: pd.DataFrame, hidden: frozenset[str], threshold: float | None) -> None:
        self._sample = sample.sort_index()
        self._hidden = hidden
        self._threshold = threshold
        self._rows: list[ExampleRow] = []
        self._best: dict[tuple[int, Reason], tuple[float, ExampleRow]] = {}

    def add(self, block: Explained) -> None:
        """Process the next block."""
        inside = np.flatnonzero(np.isin(block.row_keys, self._sample.index.to_numpy()))
        self._rows += [_row(block, int(place)) for place in inside]
        for output in range(min(block.prediction.shape[1], MOST_OUTPUTS)):
            outputs = block.prediction[:, output]
            self._offer(block, output, "lowest prediction", outputs)
            self._offer(block, output, "highest prediction", -outputs)
            if self._threshold is not None and output == 0:
                self._offer(block, output, "nearest to the threshold", np.abs(outputs - self._threshold))

    def _offer(self, block: Explained, output: int, why: Reason, badness: Floats) -> None:
        place = int(badness.argmin())
        best = self._best.get((output, why))
        if best is None or badness[place] < best[0]:
            self._best[output, why] = float(badness[place]), _row(block, place)

    def examples(self) -> ExampleRows:
        """What was picked."""
        picks = [Highlight(row, output, why) for (output, why), (_, row) in self._best.items()]
        for output in range(min(len(self._rows[0].prediction), MOST_OUTPUTS) if self._rows else 0):
            order = np.argsort([row.prediction[output] for row in self._rows], kind="stable")
            picks.append(Highlight(self._rows[order[(len(order) - 1) // 2]], output, "middle prediction"))
        return ExampleRows(tuple(self._rows), self._ranks(), tuple(sorted(picks, key=lambda one: one.output)))

    def _ranks(self) -> Floats:
        ranks = np.full(self._sample.shape, np.nan)
        for position, name in enumerate(self._sample.columns):
            column = self._sample.iloc[:, position]
            if name in self._hidden or not pd.api.types.is_numeric_dtype(column) or column.nunique() < 2:
                continue
            ranks[:, position] = (column.rank() - 1) / (column.count() - 1)
        return ranks


def _row(block: Explained, place: int) -> ExampleRow:
    """A copy: the block is not kept."""
    return ExampleRow(
        key=int(block.row_keys[place]),
        prediction=block.prediction[place].copy(),
        base=block.base[place].copy(),
        values=block.values[place].copy(),
        residual=block.residual[place].copy(),
    )
