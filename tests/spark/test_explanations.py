"""Blocks of explanations through Spark: the same bytes however they are computed, cut short or continued."""

import io
import threading
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as sf
from sklearn.linear_model import LogisticRegression

from clarify_spark.errors import DataError, ModelError
from clarify_spark.spark import explanations
from clarify_spark.spark.blocks import scheduler, waves
from clarify_spark.spark.blocks.cached_ranges import CachedRanges
from clarify_spark.spark.blocks.checkpoints import Checkpoints, KeyRange
from clarify_spark.spark.blocks.waves import MOST_TASKS, Layout
from clarify_spark.spark.data.datasets import Column
from clarify_spark.spark.explanations import WaveSettings, explained_blocks, probe
from clarify_spark.spark.files.output import Output
from clarify_spark.spark.progress import Progress
from clarify_spark.udfs.explained import from_bytes, to_bytes
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors import load_predictor
from clarify_spark.udfs.row_keys import FILE_BITS
from clarify_spark.udfs.shap.engines import ENGINES
from clarify_spark.udfs.shap.kernel_shap import Background, ShapPlan, ShapSettings, explain_batches
from clarify_spark.udfs.shap.shapley import default_prior, game

FEATURES = ("age", "debt", "income", "rate", "term")
ROWS, BLOCK_ROWS = 300, 8
SCHEMA = "c0 double, c1 double, c2 double, c3 double, c4 double, row_key bigint, c5 bigint"


@pytest.fixture(scope="module")
def frame():
    """Rows in three files of different lengths, with an id."""
    values = np.random.default_rng(5).normal(size=(ROWS, len(FEATURES)))
    keys = [*range(130), *((1 << FILE_BITS) + i for i in range(20)), *((2 << FILE_BITS) + i for i in range(150))]
    return pd.DataFrame(values, columns=[f"c{i}" for i in range(len(FEATURES))]).assign(row_key=keys, c5=range(ROWS))


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    """A model that predicts through BLAS: its last bits depend on the number of records in a call."""
    draw = np.random.default_rng(6)
    train = pd.DataFrame(draw.normal(size=(200, len(FEATURES))), columns=FEATURES)
    path = tmp_path_factory.mktemp("model") / "model.joblib"
    joblib.dump(LogisticRegression().fit(train, train.sum(axis=1) > draw.normal(size=200)), path)
    return PredictorSpec("sklearn", str(path), FEATURES, ("float",) * len(FEATURES), allow_pickle=True)


@pytest.fixture(scope="module")
def plan(spec):
    return plan_of(spec)


def plan_of(spec):
    rows = pd.DataFrame(np.random.default_rng(7).normal(size=(3, len(FEATURES))), columns=FEATURES)
    weights = np.array([0.5, 0.25, 0.25])
    settings = ShapSettings(
        spec, tuple(range(len(FEATURES))), Background(rows, weights), "identity", 20, 0, "wls", True
    )
    expected = weights @ load_predictor(spec)(rows).scores
    played = game(len(FEATURES), settings.samples, settings.estimator, default_prior(), 0, True)
    return ShapPlan(settings, ENGINES["shared"], 1, expected, played, default_prior(), BLOCK_ROWS)


@pytest.fixture
def dataset(spark, frame):
    def make(partitions=3, rows=frame, join=None):
        columns = {name: Column(name, f"c{i}", "float") for i, name in enumerate((*FEATURES, "id"))}
        records = list(rows.sample(frac=1, random_state=partitions).itertuples(index=False, name=None))
        keyed = spark.createDataFrame(records, SCHEMA).repartition(partitions)
        source = SimpleNamespace(file_rows=None)
        return SimpleNamespace(keyed=keyed, column=columns.__getitem__, join=join, source=source)

    return make


@pytest.fixture
def checkpoints(spark, tmp_path):
    return lambda: Checkpoints(Output(str(tmp_path / "output"), spark), {"seed": 0})


@pytest.fixture
def progress(spark):
    return Progress(spark, io.StringIO())


def in_one_process(frame, plan, join=None):
    """Every block as the batch function gives it, without Spark."""
    table = pa.Table.from_pandas(frame.sort_values("row_key"), preserve_index=False)
    features = [f"c{i}" for i in range(len(FEATURES))]
    rows = explain_batches(iter(table.to_batches()), plan, features, join)
    return [row.column("result")[0].as_py() for row in rows]


@pytest.mark.parametrize(("partitions", "wave_rows"), [(1, None), (7, 61), (64, 1000), (2, 150)])
def test_blocks_are_those_of_one_process_for_any_partitions_and_waves(
    dataset, plan, checkpoints, progress, frame, partitions, wave_rows
):
    found = list(explained_blocks(dataset(partitions), plan, checkpoints(), progress, WaveSettings(0.001, wave_rows)))
    assert [to_bytes(block) for block in found] == in_one_process(frame, plan)


@pytest.fixture
def small_ranges(monkeypatch):
    """Cached ranges of 40 rows: five waves of a block."""
    monkeypatch.setattr(waves, "WAVE_BYTES", 1)
    monkeypatch.setattr(scheduler, "WAVES_PER_RANGE", 5)


@pytest.mark.usefixtures("small_ranges")
def test_blocks_are_the_same_where_a_job_has_many_cached_ranges(dataset, plan, checkpoints, progress, frame):
    opened = checkpoints()
    found = list(explained_blocks(dataset(7), plan, opened, progress, WaveSettings(0.001, 24)))
    assert [to_bytes(block) for block in found] == in_one_process(frame, plan)
    whole = len(in_one_process(frame, plan)) * BLOCK_ROWS
    assert whole / 40 <= len(opened.ranges) < whole / BLOCK_ROWS


def test_a_wave_looks_through_few_partitions_of_its_range(dataset):
    rows = dataset(50).keyed.persist()
    layout = Layout(8, *(np.array(one) for one in ([0, 1 << FILE_BITS, 2 << FILE_BITS], [130, 20, 150])), _LASTS)
    ranges = CachedRanges(rows, layout, 40)
    try:
        found = [
            ranges.wave(KeyRange(lo, hi)).select("row_key", sf.spark_partition_id().alias("partition")).collect()
            for lo, hi in pairwise([0, *ranges.ends, layout.whole.hi])
        ]
    finally:
        ranges.close()
        rows.unpersist()
    assert len(found) == 8
    assert sorted(row["row_key"] for wave in found for row in wave) == [
        *range(130), *range(1 << FILE_BITS, (1 << FILE_BITS) + 20), *range(2 << FILE_BITS, (2 << FILE_BITS) + 150),
    ]  # fmt: skip
    assert {row["partition"] for wave in found for row in wave} == {0}


_LASTS = np.array([129, (1 << FILE_BITS) + 19, (2 << FILE_BITS) + 149])


def test_the_id_of_a_row_comes_along_as_text(dataset, plan, checkpoints, progress, frame):
    found = list(explained_blocks(dataset(join="id"), plan, checkpoints(), progress))
    assert [text for block in found for text in block.join] == [str(number) for number in range(ROWS)]


@pytest.mark.parametrize("ranges", [False, True])
def test_what_is_finished_is_not_computed_again_wherever_the_run_was_cut(
    dataset, plan, checkpoints, progress, spec, frame, shipped, ranges, request
):
    shipped("halves", "def predict(frame):\n    return [0.5] * len(frame)\n")
    other = replace(plan.settings, spec=replace(spec, format="python", uri="python:halves:predict"))
    whole = in_one_process(frame, plan)
    first = checkpoints()
    list(explained_blocks(dataset(), plan, first, progress, WaveSettings(0.001, 40)))
    kept = [done for number, done in enumerate(first.ranges) if number % 3]
    for done in set(first.ranges) - set(kept):
        first._output.delete(f"explanations_shap/_journal/{done.name}")
    if ranges:
        request.getfixturevalue("small_ranges")
    again = list(
        explained_blocks(dataset(5), replace(plan, settings=other), checkpoints(), progress, WaveSettings(0.001, 24))
    )
    keys = [key for block in again for key in block.row_keys.tolist()]
    assert keys == frame["row_key"].tolist()
    same = [to_bytes(block) == before for block, before in zip(again, whole, strict=True)]
    expected = [any(done.lo <= block.row_keys[0] < done.hi for done in kept) for block in again]
    assert same == expected
    assert 0 < sum(expected) < len(expected)


def test_a_finished_run_needs_no_model(dataset, plan, checkpoints, progress, frame, spec):
    list(explained_blocks(dataset(), plan, checkpoints(), progress))
    gone = replace(plan.settings, spec=replace(spec, uri="/nowhere/model.joblib"))
    found = list(explained_blocks(dataset(), replace(plan, settings=gone), checkpoints(), progress))
    assert [to_bytes(block) for block in found] == in_one_process(frame, plan)
    assert f"Resuming: {ROWS} of {ROWS} rows are already done (Explaining)." in progress._stream.getvalue()


def test_a_model_that_fails_amid_the_rows_ends_the_run_and_what_was_finished_stays(
    dataset, plan, checkpoints, progress, spec, frame, shipped
):
    limit = frame["c0"][:200].max()
    later = frame.assign(c0=frame["c0"].where(frame.index != 250, limit + 1))
    text = f"    assert frame['age'].max() <= {limit + 0.5}\n    return [0.5] * len(frame)\n"
    shipped("picky", "def predict(frame):\n" + text)
    picky = replace(plan.settings, spec=replace(spec, format="python", uri="python:picky:predict"))
    opened = checkpoints()
    with pytest.raises(ModelError, match=r"block \d+ \(record \d+ of file \d+ to .*\): .*AssertionError"):
        list(
            explained_blocks(
                dataset(rows=later), replace(plan, settings=picky), opened, progress, WaveSettings(0.001, 40)
            )
        )
    assert opened.rows(opened.ranges) >= 40
    assert checkpoints().ranges == opened.ranges
    assert not _waves()


def test_a_consumer_that_stops_early_leaves_no_thread_and_no_job(
    running, dataset, plan, checkpoints, progress, shipped, spec
):
    shipped("sleepy", "import time\ndef predict(frame):\n    time.sleep(0.2)\n    return [0.5] * len(frame)\n")
    slow = replace(plan.settings, spec=replace(spec, format="python", uri="python:sleepy:predict"))
    blocks = explained_blocks(dataset(), replace(plan, settings=slow), checkpoints(), progress, WaveSettings(0.001, 16))
    next(blocks)
    assert _waves()
    blocks.close()
    assert not _waves()
    until(lambda: not running())


def _waves():
    return [thread for thread in threading.enumerate() if thread.name.startswith("wave")]


def until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_data_set_without_rows_is_told(dataset, plan, checkpoints, progress):
    empty = dataset()
    empty.keyed = empty.keyed.limit(0)
    with pytest.raises(DataError, match="has no rows"):
        list(explained_blocks(empty, plan, checkpoints(), progress))


def test_data_that_changed_since_the_interruption_are_told(dataset, plan, checkpoints, progress, frame):
    list(explained_blocks(dataset(), plan, checkpoints(), progress))
    fewer = frame[frame.index != 100]
    with pytest.raises(DataError, match="299 rows were counted but 300 were returned: the data changed"):
        list(explained_blocks(dataset(rows=fewer), plan, checkpoints(), progress))


@pytest.mark.parametrize("file_rows", [(1,), (300,), (4096, 1), (0, 4097, 0, 20_000)])
def test_the_layout_of_whole_files_is_that_of_counted_rows(spark, plan, checkpoints, file_rows):
    keys = [(file << FILE_BITS) + row for file, rows in enumerate(file_rows) for row in range(rows)]
    rows = spark.createDataFrame([(key,) for key in keys], "row_key bigint")
    counted = explanations._work(rows, plan, checkpoints()).layout()
    told = replace(explanations._work(rows, plan, checkpoints()), file_rows=file_rows).layout()
    for name in ("starts", "rows", "lasts"):
        assert np.array_equal(getattr(told, name), getattr(counted, name))


@pytest.mark.parametrize("tasks", [2, 7, 16, 100])
def test_tasks_of_a_wave_get_the_same_number_of_blocks_but_for_one(spark, dataset, plan, checkpoints, frame, tasks):
    small = replace(plan, block_rows=1)
    rows = dataset().keyed
    work = explanations._work(rows, small, checkpoints())
    layout = work.layout()
    wave = KeyRange(10, (2 << FILE_BITS) + 120)
    inside = rows.where((sf.col("row_key") >= wave.lo) & (sf.col("row_key") < wave.hi))
    spread = inside.repartition(tasks, scheduler._partition(layout, wave, tasks)).select(sf.spark_partition_id())
    counts = Counter(row[0] for row in spread.collect())
    assert sorted(counts) == list(range(tasks))
    assert max(counts.values()) - min(counts.values()) <= 1


def test_every_task_of_any_number_of_tasks_has_an_integer_that_spark_sends_there(spark):
    hashes = scheduler.integer_hashes(20_000)
    known = [row[0] for row in spark.range(20_000).selectExpr("hash(id) AS hash").collect()]
    assert np.array_equal(hashes, known)
    for tasks in range(1, MOST_TASKS + 1):
        assert np.array_equal(hashes[scheduler.partition_keys(hashes, tasks)] % tasks, np.arange(tasks))


def test_the_probe_sees_the_same_rows_for_any_partitions(dataset, plan, progress):
    one, other = (probe(dataset(partitions), plan.settings, 9, progress) for partitions in (1, 8))
    assert one.pair_sizes.shape == (9, 3)
    assert np.array_equal(one.differences, other.differences)
    assert np.array_equal(one.totals, other.totals)
    assert one.outputs == other.outputs == 1


def test_another_seed_probes_other_rows(dataset, plan, progress):
    one, other = (probe(dataset(), replace(plan.settings, seed=seed), 9, progress) for seed in (0, 1))
    assert not np.array_equal(one.totals, other.totals)


def test_the_results_survive_their_way_through_the_checkpoints(dataset, plan, checkpoints, progress):
    opened = checkpoints()
    found = [to_bytes(block) for block in explained_blocks(dataset(), plan, opened, progress, WaveSettings(0.001, 50))]
    assert [to_bytes(block) for block in opened.explained()] == found
    assert sum(len(from_bytes(data).row_keys) for data in found) == ROWS
