"""Waves of whole blocks: every row in exactly one, blocks shared out evenly, sizes that follow the speed."""

import time
from bisect import bisect_left
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarify_spark.spark.blocks.checkpoints import KeyRange
from clarify_spark.spark.blocks.waves import (
    FIRST_SECONDS,
    WAVE_BYTES,
    WAVE_SECONDS,
    Layout,
    PendingRanges,
    WaveSettings,
    WaveSizer,
)
from clarify_spark.udfs.row_keys import FILE_BITS


def layout_of(keys, block_rows, cell_keys):
    """What the driver learns from one groupBy of the row keys."""
    keys = np.array(sorted(keys), np.int64)
    cells, starts, counts = np.unique(keys // cell_keys, return_index=True, return_counts=True)
    return Layout(block_rows, cells * cell_keys, counts, keys[starts + counts - 1])


@st.composite
def data_sets(draw, most_left_out=9):
    """Row keys of some files, with up to so many of ten records left out; the rows of a block; the layout."""
    block_rows = draw(st.sampled_from([1, 2, 4, 8]))
    files = draw(st.lists(st.tuples(st.integers(0, 40), st.integers(0, most_left_out)), min_size=1, max_size=6))
    numbered = [(number << FILE_BITS, rows, left_out) for number, (rows, left_out) in enumerate(files)]
    keys = [start + i for start, rows, left_out in numbered for i in range(rows) if (i + 1) % 10 >= left_out]
    keys = keys or [0]
    cell = block_rows * draw(st.sampled_from([1, 2, 16]))
    return keys, block_rows, layout_of(keys, block_rows, cell)


@settings(max_examples=200)
@given(data_sets(), st.data())
def test_waves_hold_each_unfinished_row_once_in_order_whatever_their_sizes_and_wherever_a_run_was_cut(made, data):
    keys, block_rows, layout = made
    waves = all_waves(PendingRanges(layout, []), data)
    assert covered(waves, keys) == keys
    finished = [wave for wave in waves if data.draw(st.booleans())]
    again = all_waves(PendingRanges(layout, finished), data)
    assert sorted(covered(finished, keys) + covered(again, keys)) == keys
    for wave in (*waves, *again):
        assert wave.lo % block_rows == 0
        assert wave.hi % block_rows == 0


@settings(max_examples=200)
@given(data_sets(), st.data())
def test_no_wave_goes_beyond_an_end(made, data):
    keys, _, layout = made
    ends = sorted({layout.key_after(rows) for rows in data.draw(st.lists(st.integers(1, 200)))} - {layout.whole.hi})
    found = all_waves(PendingRanges(layout, [], ends), data)
    assert covered(found, keys) == keys
    assert not [wave for wave in found for end in ends if wave.lo < end < wave.hi]


def all_waves(remaining, data):
    found = []
    while remaining.first is not None:
        found.append(remaining.take(data.draw(st.integers(0, 60))))
        assert found[-1].lo < found[-1].hi
    assert all(before.hi <= after.lo for before, after in pairwise(found))
    return found


def covered(waves, keys):
    return [key for wave in waves for key in keys[bisect_left(keys, wave.lo) : bisect_left(keys, wave.hi)]]


@settings(max_examples=200)
@given(data_sets(), st.data())
def test_the_blocks_of_a_wave_have_numbers_of_their_own(made, data):
    numbers, blocks = numbered_blocks(made, data)
    assert len(set(numbers)) == len(numbers)
    assert all(0 <= number < blocks for number in numbers)


@settings(max_examples=200)
@given(data_sets(most_left_out=0), st.data())
def test_the_blocks_of_a_wave_are_numbered_through_where_no_record_was_left_out(made, data):
    numbers, blocks = numbered_blocks(made, data)
    assert sorted(numbers) == list(range(blocks))


def numbered_blocks(made, data):
    """The numbers of a wave's blocks that have rows, and how many blocks the wave is said to have."""
    keys, block_rows, layout = made
    wave = data.draw(st.sampled_from(all_waves(PendingRanges(layout, []), data)))
    first, bases = layout.file_bases(wave)
    found = {key // block_rows: int(bases[(key >> FILE_BITS) - first]) for key in covered([wave], keys)}
    return [base + block for block, base in found.items()], layout.blocks(wave)


def test_rows_before_a_key_are_exact_where_cells_end():
    keys = [*range(20), *range(1 << FILE_BITS, (1 << FILE_BITS) + 5)]
    layout = layout_of(keys, 4, 8)
    assert [layout.rows_before(key) for key in (0, 8, 16, 20, 1 << FILE_BITS, 1 << 41)] == [0, 8, 16, 20, 20, 25]
    assert layout.whole == KeyRange(0, (1 << FILE_BITS) + 8)
    assert layout.total == 25


@pytest.fixture
def layout():
    return layout_of(range(100_000), 8, 4096)


def test_the_first_waves_follow_the_probe_and_are_short(layout):
    speed = WaveSizer(WaveSettings(seconds_per_row=0.01), 4, layout, 100)
    assert [speed.wave_rows(), speed.wave_rows(), speed.wave_rows()] == [
        400 * FIRST_SECONDS,
        400 * FIRST_SECONDS,
        400 * WAVE_SECONDS,
    ]


def test_waves_follow_the_measured_speed(layout, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    speed = WaveSizer(WaveSettings(seconds_per_row=1.0), 4, layout, 100)
    speed.wave_rows(), speed.wave_rows()
    now[0] = 10.0
    speed.finished(2000)
    assert speed.wave_rows() == 200 * WAVE_SECONDS


def test_a_wave_has_a_block_for_each_core_at_least_and_its_results_fit_in_memory(layout):
    assert WaveSizer(WaveSettings(seconds_per_row=1000.0), 4, layout, 100).wave_rows() == 32
    assert WaveSizer(WaveSettings(seconds_per_row=1e-9), 4, layout, 2**20).wave_rows() == WAVE_BYTES // 2**20
    assert WaveSizer(WaveSettings(seconds_per_row=1e-9), 4, layout, 2**40).wave_rows() == 8


def test_tasks_are_no_more_than_blocks_and_last_some_seconds(layout):
    speed = WaveSizer(WaveSettings(seconds_per_row=0.01), 2, layout, 100)
    assert speed.tasks(rows=5000, blocks=625) == 25
    assert speed.tasks(rows=5000, blocks=7) == 7
    assert speed.tasks(rows=50, blocks=625) == 8


def test_tasks_that_work_on_several_blocks_at_once_get_as_many_where_there_are_enough(layout):
    one, four = (WaveSizer(WaveSettings(seconds_per_row=1000.0), 2, layout, 100, at_once=at_once) for at_once in (1, 4))
    sizes = [(one.wave_rows(), four.wave_rows()) for _ in range(3)]
    assert sizes == [(16, 16), (16, 16), (16, 64)]  # while the speed is a guess, little is at stake
    assert [one.tasks(80, 10), four.tasks(80, 10)] == [10, 2]
    assert four.tasks(320, 40) == 10
    assert four.tasks(8, 1) == 1
