"""A format that is only a row and a module is known wherever data sets are named."""

import json
from datetime import datetime

import pytest
from toy_format import FORMAT, TYPE

from clarify_spark.api import dataframes
from clarify_spark.api.sagemaker.configs import DataConfig
from clarify_spark.cli import main
from clarify_spark.config import check_runnable, json_schema, load, unsupported
from clarify_spark.config.formats import DATASET_FORMATS
from clarify_spark.errors import ArgumentError, ConfigError
from clarify_spark.spark.data.datasets import Source
from clarify_spark.spark.data.formats.snapshot import Snapshot, SourceFile

CONFIG = {
    "dataset_type": TYPE,
    "label": "approve",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "black"}],
    "methods": {"pre_training_bias": {"methods": "all"}},
}
TABLE = Snapshot("lake.loans", version="7", order=("year", "id"))


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(DATASET_FORMATS, TYPE, FORMAT)


def problems(**keys):
    return [str(problem) for problem in check_runnable(load(json.dumps({**CONFIG, **keys})).config)]


def test_a_config_may_name_it(toy):
    assert problems() == []
    assert unsupported(load(json.dumps(CONFIG)).config) == ()


def test_without_its_row_it_is_unknown():
    with pytest.raises(ConfigError, match=f'found "{TYPE}"; allowed: one of "text/csv", .*"application/sagemaker'):
        load(json.dumps(CONFIG))


def test_the_schema_has_it_as_long_as_the_table_has(monkeypatch):
    before = json_schema()["properties"]["dataset_type"]["enum"]
    with monkeypatch.context() as patch:
        patch.setitem(DATASET_FORMATS, TYPE, FORMAT)
        assert json_schema()["properties"]["dataset_type"]["enum"] == [*before, TYPE]
    assert json_schema()["properties"]["dataset_type"]["enum"] == before


def test_rules_hold_for_it(toy):
    assert problems(facet_dataset_uri="f", joinsource_name_or_index="id") == [
        f"facet_dataset_uri: found this key with the dataset_type {TYPE}; allowed: no such key"
    ]
    methods = {"post_training_bias": {"methods": "all"}}
    assert "which a toy data set needs" in problems(methods=methods, predictor={"endpoint_name": "loans"})[0]


def test_what_cannot_be_read_yet_names_it_among_what_can(toy):
    config = load(json.dumps({**CONFIG, "dataset_type": "application/x-image"})).config
    assert str(unsupported(config)[0]).endswith(f"application/json, application/x-parquet, {TYPE}")


def test_the_config_command_has_a_word_for_it(toy, capfd):
    words = ["--dataset-type", "toy", "--label", "approve", "--label-values", "1", "--facet", "sex"]
    assert main(["config", *words, "--pre-training-bias"]) == 0
    assert json.loads(capfd.readouterr().out)["dataset_type"] == TYPE
    with pytest.raises(SystemExit):
        main(["config", "--help"])
    assert "parquet, toy, or a MIME type" in " ".join(capfd.readouterr().out.split())


def test_the_python_api_recognises_its_ending(toy):
    assert dataframes._type("lake/Loans.TOY") == TYPE


def test_the_classes_of_the_sdk_take_it(toy):
    assert DataConfig("loans.toy", "out", dataset_type=TYPE).get_config()["dataset_type"] == TYPE
    with pytest.raises(ArgumentError, match=f"facet_dataset_uri: cannot be used with dataset_type '{TYPE}'"):
        DataConfig("loans.toy", "out", dataset_type=TYPE, facet_dataset_uri="f")


# --- snapshots ------------------------------------------------------------------------------------------------------


def test_a_table_is_known_by_its_name_version_and_order():
    others = [Snapshot("lake.cards", version="7"), Snapshot("lake.loans", version="8"), Snapshot("lake.loans")]
    hashes = {
        Snapshot(one.uri, version=one.version, order=order).hash for one in others[:2] for order in ((), ("year", "id"))
    }
    assert len({*hashes, TABLE.hash}) == 5
    assert Snapshot("lake.loans", version="7", order=("year", "id")).hash == TABLE.hash


def test_records_of_files_are_named_by_their_file_and_those_of_a_table_by_its_order():
    file = SourceFile("s3a://b/loans.csv", 9, datetime(2026, 1, 1))
    files = Source((Snapshot("s3a://b", (file,)),), None, 0, ())
    assert files.named("row key 2 (record 1,003 of file 1)") == "row key 2 (record 1,003 of s3a://b/loans.csv)"
    table = Source((TABLE, Snapshot("s3a://b", (file,))), None, 0, ())
    assert table.named("record 1 of file 1: no") == "record 1 of the table lake.loans in the order of year, id: no"
    assert [one.uri for one in table.files] == ["s3a://b/loans.csv"]
