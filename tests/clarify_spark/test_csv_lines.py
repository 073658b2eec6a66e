"""What is seen of a CSV file before Spark reads it, without a session."""

from datetime import datetime

import pytest

from clarify_spark.errors import CommandError
from clarify_spark.spark import results
from clarify_spark.spark.data.formats import csv
from clarify_spark.spark.data.formats.snapshot import Snapshot, SourceFile


def test_a_small_file_that_cannot_be_read_is_left_to_spark(tmp_path):
    gone = SourceFile(f"file:{tmp_path}/gone.csv", 10, datetime(2026, 1, 1))
    assert csv._scan_small_file(Snapshot(gone.uri, (gone,))) is None


@pytest.mark.parametrize(("line", "json"), [('{"a": 1}', True), ("{a,b", False), ("[1]", False)])
def test_a_line_of_json_lines_is_told_from_csv(line, json):
    assert csv._is_json_object(line) == json


def test_local_explanations_need_a_session(monkeypatch):
    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", lambda: None)
    with pytest.raises(CommandError, match="there is no Spark session"):
        results._session(None)
