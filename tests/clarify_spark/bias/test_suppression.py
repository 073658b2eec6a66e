"""Small cells stay unknown: an attacker with all published numbers, and linear programming, cannot pin them down."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog

from clarify_spark.bias.suppression import FrequencyTable, Status, reason, suppress

MIN = 10
HIDDEN = (Status.SMALL, Status.COMPLEMENTARY)
rows = st.one_of(st.integers(0, 12), st.integers(0, 200))
law = settings(deadline=None, max_examples=60)


def margins(shape):
    """The equations of all one-dimensional margins, one row each."""
    places = np.arange(np.prod(shape)).reshape(shape)
    found = []
    for axis, entries in enumerate(shape):
        for entry in range(entries):
            equation = np.zeros(places.size)
            equation[places.take(entry, axis=axis).reshape(-1)] = 1
            found.append(equation)
    return np.array(found)


def ranges(table, hidden, extra=()):
    """The smallest and largest value of each hidden cell that agree with margins and published cells."""
    flat, known = table.reshape(-1), ~hidden.reshape(-1)
    equations = np.vstack([margins(table.shape), *extra]) if len(extra) else margins(table.shape)
    totals = equations @ flat
    bounds = [(value, value) if is_known else (0, None) for value, is_known in zip(flat, known, strict=True)]
    found = {}
    for cell in np.flatnonzero(~known):
        objective = np.zeros(flat.size)
        objective[cell] = 1
        low, high = (
            sign * linprog(sign * objective, A_eq=equations, b_eq=totals, bounds=bounds).fun for sign in (1, -1)
        )
        found[int(cell)] = (low, high)
    return found


def given_away(table):
    """Cells that the margins alone determine, whatever is left out: nothing can hide them."""
    return {cell for cell, (low, high) in ranges(table, table > 0).items() if high - low < 1e-6}


def check(table):
    status = suppress([FrequencyTable(tuple(range(table.ndim)), table)], MIN)[0]
    hidden = np.isin(status, [Status.SMALL, Status.COMPLEMENTARY])
    assert ((status == Status.SMALL) == ((table > 0) & (table < MIN))).all()
    assert ((status == Status.EMPTY) == (table == 0)).all()
    assert (table[status == Status.SHOWN] >= MIN).all()
    narrow = {cell for cell, (low, high) in ranges(table, hidden).items() if high - low < 1 - 1e-6}
    assert not narrow or narrow <= given_away(table), (table, narrow)
    return status


@pytest.mark.slow
@law
@given(arrays(np.int64, st.tuples(st.integers(2, 5), st.integers(2, 4)), elements=rows))
def test_no_hidden_cell_of_two_facets_can_be_worked_out(table):
    check(table)


@pytest.mark.slow
@law
@given(arrays(np.int64, (3, 2, 3), elements=rows))
def test_no_hidden_cell_of_three_facets_can_be_worked_out(table):
    check(table)


def test_a_cell_that_only_no_negative_rows_give_away_is_covered_too():
    check(np.array([[[10, 10, 5], [10, 5, 10]], [[1, 10, 10], [1, 10, 10]], [[10, 10, 10], [10, 10, 5]]]))


def test_a_cell_whose_lines_are_hidden_already_is_protected_by_others():
    check(np.array([[[0, 10, 11], [0, 4, 0]], [[0, 0, 0], [0, 0, 0]], [[0, 0, 165], [0, 9, 1]]]))


def test_a_bridge_between_two_covered_blocks_is_found():
    # Two blocks of small cells, each covered in itself, and one small cell between: on all of its lines are two hidden
    # cells, and yet it is the rows of the first block less its columns.
    table = np.full((4, 4), 50)
    for cell in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (2, 3), (3, 2), (3, 3), (1, 2)):
        table[cell] = 8
    status = check(table)
    assert (status == Status.COMPLEMENTARY).any()


def test_one_small_cell_takes_the_smallest_others_with_it():
    table = np.array([[3, 40, 60], [25, 70, 90], [30, 80, 100]])
    status = check(table)
    hidden = {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert {tuple(map(int, place)) for place in np.argwhere(np.isin(status, HIDDEN))} == hidden
    assert status[0, 0] is Status.SMALL
    assert "worked out" in reason(status[1, 1], MIN)
    assert reason(Status.SMALL, MIN) == "fewer than 10 rows"


def test_two_small_cells_on_a_line_need_ten_rows_together():
    table = np.array([[2, 3, 50], [40, 60, 80], [90, 30, 70]])
    status = check(table)
    assert table[0][np.isin(status[0], HIDDEN)].sum() >= MIN


@pytest.mark.parametrize("min_size", [0, 1])
def test_without_a_smallest_size_everything_is_shown(min_size):
    status = suppress([FrequencyTable((0, 1), np.array([[1, 2], [3, 0]]))], min_size)[0]
    assert status.tolist() == [[Status.SHOWN, Status.SHOWN], [Status.SHOWN, Status.EMPTY]]


def test_a_cell_that_is_all_of_its_facet_entry_ends_the_search():
    status = suppress([FrequencyTable((0, 1), np.array([[4, 0], [50, 60]]))], MIN)[0]
    assert status[0, 0] is Status.SMALL


def width(fine, equations, hidden, cells):
    """How far the sum of some cells may vary for who knows the equations' sums and all cells that are not hidden."""
    flat = fine.reshape(-1)
    bounds = [(0, None) if h else (value, value) for value, h in zip(flat, hidden.reshape(-1), strict=True)]
    ends = [sign * linprog(sign * cells, A_eq=equations, b_eq=equations @ flat, bounds=bounds).fun for sign in (1, -1)]
    return ends[1] - ends[0]


@pytest.mark.slow
@law
@given(arrays(np.int64, (3, 2, 2), elements=rows))
def test_a_finer_table_does_not_give_away_a_coarser_one(fine):
    of_fine, of_coarse = suppress([FrequencyTable((0, 1, 2), fine), FrequencyTable((0, 1), fine.sum(axis=2))], MIN)
    places = np.arange(fine.size).reshape(fine.shape)
    sums = {tuple(map(int, cell)): (places[..., None] == places[tuple(cell)]).any(axis=-1).reshape(-1) * 1.0
            for cell in np.ndindex(of_coarse.shape)}  # fmt: skip
    shown = [sums[cell] for cell in sums if of_coarse[cell] not in HIDDEN]
    published = np.vstack([margins(fine.shape), *shown])
    hidden = np.isin(of_fine, HIDDEN)
    for cell in (cell for cell in sums if of_coarse[cell] in HIDDEN):
        if width(fine, margins(fine.shape), fine > 0, sums[cell]) >= 1 - 1e-6:  # else the margins give it away
            assert width(fine, published, hidden, sums[cell]) >= 1 - 1e-6, (fine, cell)


def test_suppression_is_the_same_every_time_and_quick_on_many_cells():
    table = np.random.default_rng(0).integers(0, 400, (60, 60))
    first, second = (suppress([FrequencyTable((0, 1), table)], MIN)[0] for _ in range(2))
    assert (first == second).all()
    assert (first == Status.SHOWN).mean() > 0.5
