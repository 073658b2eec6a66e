"""The checkpoints of finished ranges: what was cut short or damaged is not there, what changed is named."""

import json
import resource

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarify_spark.errors import OutputError
from clarify_spark.spark.blocks.checkpoints import EXPLANATIONS, MANIFEST, Block, Checkpoints, KeyRange, without
from clarify_spark.spark.files.output import Output
from clarify_spark.udfs.explained import Explained, to_bytes

FACTS = {"config": "a1", "data": "b2", "model": ["m", 3], "seed": 0}


class NoSpark:
    """Stands where no session is needed."""


def opened(folder, facts=FACTS, **options):
    return Checkpoints(Output(str(folder), NoSpark()), facts, **options)


def explained(keys):
    n = len(keys)
    return Explained(
        row_keys=np.array(keys, np.int64),
        join=None,
        prediction=np.full((n, 1), 0.25),
        base=np.zeros((n, 1)),
        values=np.arange(n * 2, dtype=float).reshape(n, 1, 2),
        errors=None,
        residual=np.zeros((n, 1)),
        records=7,
        calls=1,
        duplicates=0,
    )


def blocks(lo, hi, rows=4):
    """Blocks of ``rows`` rows for a range."""
    return [Block(key // rows, rows, to_bytes(explained(range(key, key + rows)))) for key in range(lo, hi, rows)]


def filled(folder):
    checkpoints = opened(folder)
    checkpoints.commit(KeyRange(8, 16), blocks(8, 16))
    checkpoints.commit(KeyRange(0, 8), blocks(0, 8))
    checkpoints.put("plan", b"weights")
    return checkpoints


def file(folder, name="range-0-8.arrow"):
    return folder / EXPLANATIONS / name


def test_another_process_with_the_same_facts_finds_every_range_in_order(tmp_path):
    filled(tmp_path)
    checkpoints = opened(tmp_path)
    assert checkpoints.note is None
    assert checkpoints.ranges == (KeyRange(0, 8), KeyRange(8, 16))
    assert checkpoints.rows(checkpoints.ranges) == 16
    assert checkpoints.blocks(KeyRange(8, 16)) == blocks(8, 16)
    keys = [key for found in checkpoints.explained() for key in found.row_keys.tolist()]
    assert keys == list(range(16))
    assert checkpoints.get("plan") == b"weights"
    assert checkpoints.get("other") is None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_range_file_cut_short_anywhere_is_not_there(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("cut")
    filled(folder)
    whole = file(folder).read_bytes()
    file(folder).write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert opened(folder).ranges == (KeyRange(8, 16),)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_range_file_with_any_bit_flipped_is_not_there(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flip")
    filled(folder)
    content = bytearray(file(folder).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file(folder).write_bytes(content)
    assert opened(folder).ranges == (KeyRange(8, 16),)


def test_a_range_file_under_another_name_is_not_there(tmp_path):
    filled(tmp_path)
    file(tmp_path).rename(file(tmp_path, "range-16-24.arrow"))
    assert opened(tmp_path).ranges == (KeyRange(8, 16),)


def test_a_range_file_of_another_run_is_not_there(tmp_path):
    filled(tmp_path / "one")
    opened(tmp_path / "two", {**FACTS, "seed": 1})
    file(tmp_path / "two").write_bytes(file(tmp_path / "one").read_bytes())
    assert opened(tmp_path / "two", {**FACTS, "seed": 1}).ranges == ()


def test_a_temporary_file_that_a_killed_run_left_is_neither_read_nor_in_the_way(tmp_path):
    filled(tmp_path)
    file(tmp_path, "_range-16-24.arrow.tmp").write_bytes(b"half")
    checkpoints = opened(tmp_path)
    assert len(checkpoints.ranges) == 2
    checkpoints.commit(KeyRange(16, 24), blocks(16, 24))
    assert opened(tmp_path).ranges == (KeyRange(0, 8), KeyRange(8, 16), KeyRange(16, 24))


def test_a_file_damaged_after_it_was_opened_is_told_and_is_computed_anew_by_the_next_run(tmp_path):
    checkpoints = filled(tmp_path)
    file(tmp_path).write_bytes(b"")
    with pytest.raises(OutputError, match=r"range-0-8.arrow was damaged .* run the command again"):
        checkpoints.blocks(KeyRange(0, 8))
    assert opened(tmp_path).pending([KeyRange(0, 16)]) == [KeyRange(0, 8)]


def test_of_ranges_that_overlap_the_first_and_longest_counts(tmp_path):
    checkpoints = filled(tmp_path)
    checkpoints.commit(KeyRange(4, 12), blocks(4, 12))
    checkpoints.commit(KeyRange(8, 20), blocks(8, 20))
    assert opened(tmp_path).ranges == (KeyRange(0, 8), KeyRange(8, 20))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": "n"}, "the model changed since the interrupted run"),
        ({"model": "n", "config": "x"}, "the config and the model changed"),
        ({"seed": 1, "model": "n", "config": "x"}, "the config, the model and the seed changed"),
        ({"version": "2"}, "the version changed"),
    ],
)
def test_a_run_with_other_facts_starts_afresh_and_says_which_differ(tmp_path, changed, said):
    filled(tmp_path)
    checkpoints = opened(tmp_path, FACTS | changed)
    assert f"Starting over: {said}" in checkpoints.note
    assert checkpoints.ranges == ()
    assert [path.name for path in (tmp_path / EXPLANATIONS).iterdir()] == [MANIFEST]
    assert opened(tmp_path, FACTS | changed).note is None


def test_a_forced_run_keeps_what_is_finished_and_its_facts_hold_from_then_on(tmp_path):
    filled(tmp_path)
    checkpoints = opened(tmp_path, FACTS | {"seed": 1}, force_resume=True)
    assert "despite changes (--force-resume): the seed changed" in checkpoints.note
    assert checkpoints.forced
    assert len(checkpoints.ranges) == 2
    again = opened(tmp_path, FACTS | {"seed": 1})
    assert (again.note, again.forced, len(again.ranges)) == (None, False, 2)
    assert opened(tmp_path).ranges == ()


def test_forcing_a_run_that_never_began_begins_it(tmp_path):
    checkpoints = opened(tmp_path, force_resume=True)
    assert (checkpoints.note, checkpoints.forced, checkpoints.ranges) == (None, False, ())


def test_ranges_of_other_blocks_are_dropped(tmp_path):
    checkpoints = filled(tmp_path)
    checkpoints.commit(KeyRange(16, 28), blocks(16, 28))
    checkpoints.drop_unaligned(8)
    assert checkpoints.ranges == opened(tmp_path).ranges == (KeyRange(0, 8), KeyRange(8, 16))


@pytest.mark.parametrize("content", ["", '{"id": "', "[]", '{"id": 3}', '{"facts": 3, "id": 1}', "\x00" * 40])
def test_a_manifest_that_cannot_be_read_means_a_fresh_start(tmp_path, content):
    filled(tmp_path)
    file(tmp_path, MANIFEST).write_text(content)
    assert opened(tmp_path).ranges == ()
    assert json.loads(file(tmp_path, MANIFEST).read_text())["facts"] == FACTS


def test_removed_checkpoints_leaves_nothing(tmp_path):
    filled(tmp_path).remove()
    assert not (tmp_path / EXPLANATIONS).exists()


def test_a_disk_that_takes_no_more_is_told_and_what_was_committed_stays(tmp_path):
    checkpoints = filled(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OutputError, match=r"range-16-24.arrow cannot be written: File too large"):
            checkpoints.commit(KeyRange(16, 24), blocks(16, 24))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert checkpoints.ranges == opened(tmp_path).ranges == (KeyRange(0, 8), KeyRange(8, 16))
    assert not list((tmp_path / EXPLANATIONS).glob("*.tmp"))


def ranges(keys):
    """Ranges between pairs of the sorted keys: they do not overlap."""
    return [KeyRange(lo, hi) for lo, hi in zip(keys[::2], keys[1::2], strict=False)]


apart = st.lists(st.integers(0, 60), unique=True, max_size=12).map(sorted).map(ranges)


@given(apart, apart)
def test_what_is_pending_are_exactly_the_keys_that_no_finished_range_covers(spans, taken):
    left = without(spans, taken)
    keys = [key for one in left for key in range(one.lo, one.hi)]
    covered = {key for one in taken for key in range(one.lo, one.hi)}
    assert keys == sorted({key for one in spans for key in range(one.lo, one.hi)} - covered)
    assert all(one.lo < one.hi for one in left)
