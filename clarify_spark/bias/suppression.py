"""Which cells of a table of facet combinations are shown: not small ones, nor those they could be derived from.

The rows of every facet entry, the table's margins, are published elsewhere: a small cell that is left out alone on its
line is the margin less the others. Complementary suppression leaves out further cells until no left-out cell is
determined by what is shown; Cox (1980), Willenborg and de Waal (2001), chapter 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

#: Up to this many left-out cells, the range left open to each is computed, too.
MOST_SOLVED = 60


class Status(Enum):
    """Whether a cell is shown, and if not, why."""

    SHOWN = "shown"
    EMPTY = "empty"
    SMALL = "small"
    COMPLEMENTARY = "complementary"


@dataclass(frozen=True)
class FrequencyTable:
    """Rows of every combination of some facets' entries. ``facets``: which facet each axis of ``rows`` is."""

    facets: tuple[int, ...]
    rows: NDArray[np.int64]


def suppress(tables: Sequence[FrequencyTable], min_size: int) -> list[NDArray[np.object_]]:
    """The status of each cell of each table; cells with 1 to ``min_size`` − 1 rows are small.

    A line is all cells with one entry of one facet; of a table whose facets are among those of another, each cell
    stands for a line of the other, too. On every line the cells left out have ``min_size`` rows together, and no cell
    left out is determined by the lines (tested by the null space of the lines' equations), nor, where few are left out,
    pinned to less than a row by these and by cells not being negative. Cells to leave out besides the small ones are
    taken from the smallest on. Some cells are revealed by the lines whatever is left out (one that is all
    of its line is the facet's own entry): these cannot be hidden.
    """
    found: list[NDArray[np.object_]] = [np.full(table.rows.shape, Status.SHOWN, object) for table in tables]
    order = sorted(range(len(tables)), key=lambda t: len(tables[t].facets))
    for position, t in enumerate(order):
        lines = list(_lines(tables[t]))
        for other in order[:position]:
            lines += _lines_of(tables[t], tables[other])
        rows = tables[t].rows.reshape(-1)
        hidden = (rows > 0) & (rows < min_size)
        small = hidden.copy()
        for other in order[:position]:
            hidden |= _cover_of_hidden(tables[t], tables[other], found[other], rows)
        _complete(rows, hidden, lines, min_size)
        status = found[t].reshape(-1)
        status[hidden] = Status.COMPLEMENTARY
        status[small] = Status.SMALL
        status[rows == 0] = Status.EMPTY
    return found


def reason(status: Status, min_size: int) -> str:
    """Why a cell is left out, in words."""
    if status is Status.EMPTY:
        return "no rows"
    if status is Status.SMALL:
        return f"fewer than {min_size} rows"
    return f"left out so that groups of fewer than {min_size} rows cannot be worked out from it"


def _lines(table: FrequencyTable) -> Iterator[NDArray[np.intp]]:
    """The places of the cells of each line."""
    places = np.arange(table.rows.size).reshape(table.rows.shape)
    for axis, entries in enumerate(table.rows.shape):
        for entry in range(entries):
            yield places.take(entry, axis=axis).reshape(-1)


def _lines_of(table: FrequencyTable, part: FrequencyTable) -> list[NDArray[np.intp]]:
    """The places of the cells of ``table`` that each cell of ``part`` is the sum of; none unless its facets are."""
    if len(part.facets) >= len(table.facets) or not set(part.facets) <= set(table.facets):
        return []
    places = np.arange(table.rows.size).reshape(table.rows.shape)
    axes = [table.facets.index(facet) for facet in part.facets]
    ordered = np.moveaxis(places, axes, range(len(axes)))
    return list(ordered.reshape(part.rows.size, -1))


def _cover_of_hidden(
    table: FrequencyTable, part: FrequencyTable, status: NDArray[np.object_], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """All cells whose sum is a cell that ``part`` leaves out."""
    covered = np.zeros(table.rows.size, bool)
    for line, of_sum in zip(_lines_of(table, part), status.reshape(-1), strict=False):
        if of_sum in (Status.SMALL, Status.COMPLEMENTARY):
            covered[line] = True
    return covered & (rows > 0)


def _complete(
    rows: NDArray[np.int64], hidden: NDArray[np.bool_], lines: Sequence[NDArray[np.intp]], min_size: int
) -> None:
    """Hide further cells, in place, until the hidden ones protect each other.

    An exposed cell whose lines are hidden already is protected by cells of other lines, if all of them together can.
    """
    every = rows > 0
    filled = [line[rows[line] > 0] for line in lines]
    given_away = set(_determined(every, filled)) if hidden.any() else set()
    while True:
        again = False
        for line in filled:
            again |= _fill_line(rows, hidden, line, min_size)
        if again:
            continue
        exposed = [cell for cell in _determined(hidden, filled) if cell not in given_away]
        if not exposed and hidden.sum() <= MOST_SOLVED:
            exposed = _pinned(rows, hidden, filled, [int(c) for c in np.flatnonzero(hidden) if c not in given_away])
        again = False
        for cell in exposed:
            again |= _hide_one(rows, hidden, _neighbours(cell, filled)) or (
                not _pinned(rows, every, filled, [cell]) and _hide_one(rows, hidden, np.flatnonzero(every))
            )
        if not again:
            return


def _fill_line(rows: NDArray[np.int64], hidden: NDArray[np.bool_], line: NDArray[np.intp], min_size: int) -> bool:
    """Hide cells of a line until its hidden ones are two with ``min_size`` rows; whether any was."""
    changed = False
    while hidden[line].any() and (hidden[line].sum() < 2 or rows[line][hidden[line]].sum() < min_size):
        if not _hide_one(rows, hidden, line):
            break
        changed = True
    return changed


def _hide_one(rows: NDArray[np.int64], hidden: NDArray[np.bool_], cells: NDArray[np.intp]) -> bool:
    """Hide the smallest shown one of the cells; False when there is none."""
    shown = np.unique(cells[~hidden[cells]])
    if not len(shown):
        return False
    hidden[shown[np.argmin(rows[shown])]] = True
    return True


def _neighbours(cell: int, lines: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
    """The cells that are on a line with the cell."""
    return np.concatenate([line for line in lines if cell in line])


def _determined(hidden: NDArray[np.bool_], lines: Sequence[NDArray[np.intp]]) -> list[int]:
    """The hidden cells that the lines' sums, less what is shown, leave only one value: those on which every vector of
    the null space of the equations is 0."""
    cells = np.flatnonzero(hidden)
    if not len(cells):
        return []
    from scipy.sparse import csr_array

    column = {int(cell): c for c, cell in enumerate(cells)}
    equations = sorted({tuple(sorted(column[int(cell)] for cell in line if hidden[cell])) for line in lines})
    members = np.array([cell for equation in equations for cell in equation], np.intp)
    ends = np.cumsum([0, *(len(equation) for equation in equations)])
    matrix = csr_array((np.ones(len(members)), members, ends), shape=(len(equations), len(cells)))
    # A cell is determined when the projection on the row space leaves its unit vector as it is. The equations are far
    # fewer than the cells: their products with each other give the row space.
    squared, directions = np.linalg.eigh((matrix @ matrix.T).toarray())
    spanning = squared > 1e-9 * max(float(squared.max(initial=0.0)), 1.0)
    inside = ((matrix.T @ directions[:, spanning]) ** 2 / squared[spanning]).sum(axis=1)
    return [int(cell) for cell in cells[inside > 1 - 1e-7]]


def _pinned(
    rows: NDArray[np.int64], hidden: NDArray[np.bool_], lines: Sequence[NDArray[np.intp]], asked: Sequence[int]
) -> list[int]:
    """Which of the ``asked`` cells can differ by less than one row if the ``hidden`` ones are left out, given lines'
    sums and that no cell is negative.
    """
    from scipy.optimize import linprog

    cells = np.flatnonzero(hidden)
    equations = np.array([np.isin(cells, line) for line in lines], np.float64)
    sums = equations @ rows[cells]
    found = []
    for cell in asked:
        one = (cells == cell).astype(np.float64)
        ends = [linprog(sign * one, A_eq=equations, b_eq=sums, bounds=(0, None)) for sign in (1.0, -1.0)]
        if all(end.status == 0 for end in ends) and -ends[1].fun - ends[0].fun < 1 - 1e-6:
            found.append(cell)
    return found
