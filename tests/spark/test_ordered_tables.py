"""Tables that have an order instead of files: consecutive row keys, and a format of its own down to the data set."""

import json

import pytest
from pyspark.sql import functions as sf
from toy_format import FORMAT, TYPE

from clarify_spark.config import load as load_config
from clarify_spark.config.formats import DATASET_FORMATS
from clarify_spark.errors import DataError
from clarify_spark.spark.baseline import baseline_of
from clarify_spark.spark.data.datasets import read

ROWS = 1000


@pytest.fixture
def load(spark, monkeypatch):
    """The data set of a frame with ``id`` as the toy format reads it, sorted by several tasks."""
    monkeypatch.setitem(DATASET_FORMATS, TYPE, FORMAT)
    opened = []

    def _load(frame, **keys):
        frame.createOrReplaceTempView("loans")
        config = load_config(json.dumps({"dataset_type": TYPE, "label": "y", "methods": {}, **keys})).config
        opened.append(read(spark, config, "loans.toy"))
        return config, opened[-1]

    spark.conf.set("spark.sql.adaptive.coalescePartitions.enabled", "false")
    yield _load
    spark.conf.unset("spark.sql.adaptive.coalescePartitions.enabled")
    for dataset in opened:
        dataset.release()


@pytest.mark.parametrize(("partitions", "tasks"), [(1, 1), (5, 2)])
def test_row_keys_are_consecutive_in_the_order_of_the_key(spark, load, partitions, tasks):
    frame = spark.range(ROWS).selectExpr(f"id * 7 % {ROWS} * 10 AS id", "id AS x", "id % 2 AS y")
    _, dataset = load(frame.repartition(partitions))
    found = dataset.keyed.orderBy("row_key").collect()
    assert [row["row_key"] for row in found] == list(range(ROWS))
    assert [row["c0"] for row in found] == list(range(0, 10 * ROWS, 10))
    assert dataset.keyed.select(sf.spark_partition_id()).distinct().count() == tasks
    assert (dataset.names, dataset.label, dataset.features) == (("id", "x", "y"), "y", ("id", "x"))
    assert (dataset.source.files, dataset.source.malformed) == ((), 0)


def test_a_key_that_two_rows_share_is_refused(spark, load):
    twice = spark.createDataFrame([(3, 1.5, 0), (4, 2.5, 1), (3, 3.5, 1)], "id int, x double, y int")
    with pytest.raises(DataError, match=r"loans.toy: the key that orders the rows .*; id=3 occurs 2 times"):
        load(twice)
    with pytest.raises(DataError, match=r"loans.toy: there are no rows"):
        load(twice.limit(0))


def test_a_baseline_is_read_in_the_format(spark, load):
    frame = spark.createDataFrame([(1, 1.5, 0), (2, 2.5, 1)], "id int, x double, y int")
    shap = {"shap": {"baseline": "rows.toy", "num_samples": 9}}
    config, dataset = load(frame, methods=shap, excluded_columns=["id"])
    spark.createDataFrame([(8, 0.5), (7, 0.25)], "id int, x double").createOrReplaceTempView("rows")
    assert baseline_of(spark, config, dataset, 1).rows["x"].tolist() == [0.25, 0.5]
