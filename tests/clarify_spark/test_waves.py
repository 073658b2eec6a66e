"""Waves of whole blocks: every row in exactly one, blocks shared out evenly, sizes that follow the speed."""

import time
from bisect import bisect_left
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clarify_spark.spark.formats.keys import FILE_BITS
from clarify_spark.spark.journal import Range
from clarify_spark.spark.waves import FIRST_SECONDS, WAVE_BYTES, WAVE_SECONDS, Layout, Pace, Remaining, Speed


def layout_of(keys, block_rows, cell_keys):
    """What the driver learns from one groupBy of the row keys."""
    keys = np.array(sorted(keys), np.int64)
    cells, starts, counts = np.unique(keys // cell_keys, return_index=True, return_counts=True)
    return Layout(block_rows, cells * cell_keys, counts, keys[starts + counts - 1])


@st.composite
def data_sets(draw):
    """Row keys of some files with some records left out, the rows of a block, and the layout."""
    block_rows = draw(st.sampled_from([1, 2, 4, 8]))
    files = draw(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=6))
    keys = [
        (number << FILE_BITS) + i
        for number, (rows, every) in enumerate(files)
        for i in range(rows)
        if (i + 1) % 10 >= every
    ]
    if not keys:
        keys = [5]
    cell = block_rows * draw(st.sampled_from([1, 2, 16]))
    return keys, block_rows, layout_of(keys, block_rows, cell)


@settings(max_examples=200)
@given(data_sets(), st.data())
def test_waves_hold_each_unfinished_row_once_in_order_whatever_their_sizes_and_wherever_a_run_was_cut(made, data):
    keys, block_rows, layout = made
    waves = all_waves(Remaining(layout, []), data)
    assert covered(waves, keys) == keys
    finished = [wave for wave in waves if data.draw(st.booleans())]
    again = all_waves(Remaining(layout, finished), data)
    assert sorted(covered(finished, keys) + covered(again, keys)) == keys
    for wave in (*waves, *again):
        assert wave.lo % block_rows == 0
        assert wave.hi % block_rows == 0


def all_waves(remaining, data):
    found = []
    while remaining.first is not None:
        found.append(remaining.take(data.draw(st.integers(0, 60))))
        assert found[-1].lo < found[-1].hi
    assert all(before.hi <= after.lo for before, after in pairwise(found))
    return found


def covered(waves, keys):
    return [key for wave in waves for key in keys[bisect_left(keys, wave.lo) : bisect_left(keys, wave.hi)]]


@settings(max_examples=300)
@given(data_sets(), st.data())
def test_blocks_of_a_wave_without_holes_are_numbered_through(made, data):
    keys, block_rows, layout = made
    wave = data.draw(st.sampled_from(all_waves(Remaining(layout, []), data)))
    first, bases = layout.file_bases(wave)
    own = covered([wave], keys)
    assume(own)
    numbers = {key // block_rows: int(bases[(key >> FILE_BITS) - first]) + key // block_rows for key in own}
    assert len(set(numbers.values())) == len(numbers)
    assert min(numbers.values()) >= 0
    assert max(numbers.values()) < layout.blocks(wave)
    dense = all(key - 1 in set(own) or key % (1 << FILE_BITS) == 0 or key == wave.lo for key in own)
    if dense:
        assert sorted(numbers.values()) == list(range(layout.blocks(wave)))


def test_rows_before_a_key_are_exact_where_cells_end():
    keys = [*range(20), *range(1 << FILE_BITS, (1 << FILE_BITS) + 5)]
    layout = layout_of(keys, 4, 8)
    assert [layout.rows_before(key) for key in (0, 8, 16, 20, 1 << FILE_BITS, 1 << 41)] == [0, 8, 16, 20, 20, 25]
    assert layout.whole == Range(0, (1 << FILE_BITS) + 8)
    assert layout.total == 25


@pytest.fixture
def layout():
    return layout_of(range(100_000), 8, 4096)


def test_the_first_waves_follow_the_probe_and_are_short(layout):
    speed = Speed(Pace(seconds_per_row=0.01), 4, layout, 100)
    assert [speed.wave_rows(), speed.wave_rows(), speed.wave_rows()] == [
        400 * FIRST_SECONDS,
        400 * FIRST_SECONDS,
        400 * WAVE_SECONDS,
    ]


def test_waves_follow_the_measured_speed(layout, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    speed = Speed(Pace(seconds_per_row=1.0), 4, layout, 100)
    speed.wave_rows(), speed.wave_rows()
    now[0] = 10.0
    speed.finished(2000)
    assert speed.wave_rows() == 200 * WAVE_SECONDS


def test_a_wave_has_a_block_for_each_core_at_least_and_its_results_fit_in_memory(layout):
    assert Speed(Pace(seconds_per_row=1000.0), 4, layout, 100).wave_rows() == 32
    assert Speed(Pace(seconds_per_row=1e-9), 4, layout, 2**20).wave_rows() == WAVE_BYTES // 2**20
    assert Speed(Pace(seconds_per_row=1e-9), 4, layout, 2**40).wave_rows() == 8


def test_tasks_are_no_more_than_blocks_and_last_some_seconds(layout):
    speed = Speed(Pace(seconds_per_row=0.01), 2, layout, 100)
    assert speed.tasks(rows=5000, blocks=625) == 25
    assert speed.tasks(rows=5000, blocks=7) == 7
    assert speed.tasks(rows=50, blocks=625) == 8
