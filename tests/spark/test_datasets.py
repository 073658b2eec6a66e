"""Data sets read through Spark: values and types as pandas has them, keys, roles, joins, messages on broken data."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import functions as sf

from clarify_spark.config import load as load_config
from clarify_spark.errors import ConfigError, DataError
from clarify_spark.spark.data.datasets import read
from clarify_spark.spark.data.formats import csv, listing
from clarify_spark.spark.data.formats.column_names import resolve_name

CSV, LINES, DOCUMENT, PARQUET = "text/csv", "application/jsonlines", "application/json", "application/x-parquet"


def config(dataset_type=CSV, **keys):
    return load_config(json.dumps({"dataset_type": dataset_type, "methods": {}, **keys})).config


def rows(dataset):
    """The rows in the order of their keys, the key last."""
    ids = [column.id for column in dataset.columns]
    return [tuple(row) for row in dataset.keyed.select(*ids, "row_key").orderBy("row_key").collect()]


def splits(dataset):
    """How many tasks read a data set, those that find no row in their part of a file too."""

    def once(batches):
        for _ in batches:
            pass
        yield pd.DataFrame({"task": [1]})

    return dataset.frame.select(sf.lit(1)).mapInPandas(once, "task int").count()


def kinds(dataset):
    return [column.kind for column in dataset.columns]


def write(path: Path, text: str | bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


@pytest.fixture
def load(spark):
    """``read`` whose data sets are released after the test."""
    opened = []

    def _load(uri, dataset_type=CSV, **keys):
        opened.append(read(spark, config(dataset_type, **keys), str(uri)))
        return opened[-1]

    yield _load
    for dataset in opened:
        dataset.release()


@pytest.fixture
def small_splits(spark):
    """Files cut into splits of a few dozen bytes."""
    key = "spark.sql.files.maxPartitionBytes"
    before = spark.conf.get(key)
    spark.conf.set(key, "64")
    yield
    spark.conf.set(key, before)


MESSY = (
    "id,whole,gaps,real,flag,half_flag,text,big,java,padded\n"
    "1,10,1,1.5,True,True,plain,1,1,  7\n"
    '2,-3,,1e3,FALSE,,"quoted ""text"", with comma",99999999999999999999,1d,8  \n'
    "3,+4,NA,inf,true,False,,2,0x1p3,9\n"
    '4,0,3,nan,false,TRUE," spaced ",3,5,10\n'
)


def test_csv_types_and_values_are_those_of_pandas(load, tmp_path):
    path = write(tmp_path / "messy.csv", MESSY)
    dataset = load(path)
    assert kinds(dataset) == [
        "integer", "integer", "float", "float", "boolean", "string", "string", "string", "string", "integer",
    ]  # fmt: skip
    expected = pd.read_csv(path)
    values = pd.DataFrame([row[:-1] for row in rows(dataset)], columns=expected.columns, dtype=object)
    for name in ("id", "whole", "gaps", "real", "flag", "text", "java", "padded"):
        known = expected[name].notna()
        assert [*values[name].notna()] == [*known], name
        assert [*values[name][known]] == [*expected[name][known]], name
    assert [*values["half_flag"]] == ["True", None, "False", "True"]
    assert [*values["big"]] == ["1", "99999999999999999999", "2", "3"]
    assert dataset.source.rows == 4
    assert any("'big'" in note for note in dataset.source.notes)


def test_many_columns_have_the_types_and_values_of_few(load, tmp_path, monkeypatch):
    path = write(tmp_path / "messy.csv", MESSY)
    few = load(path)
    monkeypatch.setattr(csv, "MOST_GROUPS", 0)
    many = load(path)
    assert kinds(many) == kinds(few)
    assert repr(rows(many)) == repr(rows(few))  # NaN is not equal to itself
    assert many.source.notes == few.source.notes


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_change_nothing(load, tmp_path):
    plain = load(write(tmp_path / "plain.csv", "a,b\n1,x\n2,y\n"))
    odd = load(write(tmp_path / "odd [1].csv", b"\xef\xbb\xbfa,b\r\n\r\n1,x\r\n   \r\n2,y\r\n"))
    assert rows(plain) == rows(odd) == [(1, "x", 0), (2, "y", 1)]


def test_line_ends_inside_quotes_belong_to_the_value(load, tmp_path):
    dataset = load(write(tmp_path / "lines.csv", 'a,b\n1,"first\nsecond"\n2,"5"" pipe"\n'))
    assert rows(dataset) == [(1, "first\nsecond", 0), (2, '5" pipe', 1)]


def test_headers_in_the_config_name_the_columns_of_files_without_a_header_row(load, tmp_path):
    dataset = load(write(tmp_path / "d.csv", "1,x\n2,y\n"), headers=["a", "b"])
    assert dataset.names == ("a", "b")
    assert [row[-1] for row in rows(dataset)] == [0, 1]
    assert "no header row" in dataset.source.notes[0]


def test_a_first_record_that_equals_the_headers_is_the_header_row_of_every_file(load, tmp_path):
    for name in ("1", "2"):
        write(tmp_path / "in" / f"{name}.csv", f"a,b\n{name},x\n")
    dataset = load(tmp_path / "in", headers=["a", "b"])
    assert rows(dataset) == [(1, "x", 0), (2, "x", 1 << 40)]
    assert "header row" in dataset.source.notes[0]


def test_names_that_the_config_uses_make_a_header_row_of_a_file_of_text(load, tmp_path):
    dataset = load(write(tmp_path / "d.csv", "colour,size\nred,big\nblue,small\n"), label="size")
    assert (dataset.names, dataset.label, dataset.features) == (("colour", "size"), "size", ("colour",))


def test_without_headers_anywhere_columns_are_numbered(load, tmp_path):
    dataset = load(write(tmp_path / "d.csv", "1,2\n3,4\n"), label=1)
    assert (dataset.names, dataset.label) == (("column_0", "column_1"), "column_1")


def test_keys_do_not_depend_on_splits_compression_or_the_order_of_files(load, tmp_path, small_splits):
    names = {"b": range(40), "a": range(40, 100), "c": range(100, 103)}
    for name, numbers in names.items():
        text = "n,t\n" + "".join(f"{n},text {n}\n" for n in numbers)
        write(tmp_path / "plain" / f"{name}.csv", text)
        write(tmp_path / "packed" / f"{name}.csv.gz", gzip.compress(text.encode()))
    plain, packed = load(tmp_path / "plain"), load(tmp_path / "packed")
    assert splits(plain) > 10
    expected = [
        (n, f"text {n}", (file << 40) + position)
        for file, numbers in enumerate([names["a"], names["b"], names["c"]])
        for position, n in enumerate(numbers)
    ]
    assert rows(plain) == rows(packed) == expected


def test_files_of_another_kind_are_left_out_of_a_folder_and_named(load, tmp_path):
    write(tmp_path / "in" / "deep" / "d.csv", "a,b\n1,2\n")
    write(tmp_path / "in" / "manifest.json", "{}")
    dataset = load(tmp_path / "in")
    assert [file.uri.rsplit("/", 1)[-1] for file in dataset.source.files] == ["d.csv"]
    assert "manifest.json" in dataset.source.notes[0]


def test_the_listing_hash_tells_names_and_sizes(load, tmp_path):
    first, copy, other = (
        load(write(tmp_path / folder / "d.csv", text)).source.listing_hash
        for folder, text in (("1", "a,b\n1,2\n"), ("2", "a,b\n1,2\n"), ("3", "a,b\n1,23\n"))
    )
    assert first == copy != other


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        ("", {}, "the data set is empty"),
        ("a,b\n", {"headers": ["a", "b"]}, "no records besides the header row"),
        ("a,b\n1,2\n3\n4,5\n", {}, r"d.csv, record 2 .*1 columns, 2 expected: '3'"),
        ("a,b\n1,2\n3,4\n5,6,7\n", {}, r"d.csv, record 3 .*3 columns, 2 expected: '5,6,7'"),
        ("1,2\n3,4\n", {"headers": ["a"]}, "Headers in config do not match.* 1 columns.* have 2"),
        ("a,a\n1,2\n", {}, "more than one column is called 'a'"),
        ("Age,Sex\n1,2\n", {"headers": ["age", "Sex"]}, "says 'Age' where headers says 'age'"),
        ("\x1f\x8b\x08binary", {}, "looks gzip-compressed"),
        ("PAR1binary", {}, "is a Parquet file"),
        ("a\x00,\x00b\n", {}, "not UTF-8 text"),
        ('{"features": [1], "y": 1}\n', {}, "is JSON; dataset_type must be application/jsonlines"),
        ('a,b\n1,2\n"3,4\n', {}, r"1 columns, 2 expected \(a quote is not closed\)"),
    ],
)
def test_csv_that_cannot_be_read_is_a_data_error_that_says_where(load, tmp_path, text, keys, message):
    with pytest.raises(DataError, match=message):
        load(write(tmp_path / "d.csv", text), **keys)


@pytest.mark.parametrize(
    ("text", "label", "hint"),
    [
        ("a;b\n1;2\n", "b", "There are semicolons and no commas"),
        ("a\tb\n1\t2\n", "b", "There are tabs and no commas"),
        (b"f\xe9,b\n1,2\n", "fé", "first record has bytes that are not UTF-8"),
    ],
)
def test_a_column_that_is_not_there_comes_with_what_looks_wrong_about_the_file(load, tmp_path, text, label, hint):
    with pytest.raises(ConfigError, match=rf"(?s)no column '{label}'.*{hint}"):
        load(write(tmp_path / "d.csv", text), label=label)


def test_results_of_an_earlier_run_are_no_data(load, tmp_path):
    write(tmp_path / "part-0", "a,b\n1,2\n")
    write(tmp_path / "analysis.json", "{}")
    dataset = load(tmp_path)
    assert [file.uri.rsplit("/", 1)[-1] for file in dataset.source.files] == ["part-0"]
    assert "not read as data" in dataset.source.notes[0]


def test_malformed_records_are_left_out_and_counted_when_the_config_allows(load, tmp_path):
    path = write(tmp_path / "d.csv", "a,b\n1,2\n3\n4,5\n6,7,8\n9,10\n")
    dataset = load(path, max_malformed_records=2)
    assert rows(dataset) == [(1, 2, 0), (4, 5, 2), (9, 10, 4)]
    assert (dataset.source.rows, dataset.source.malformed) == (3, 2)
    with pytest.raises(
        DataError, match=r"2 records are malformed, max_malformed_records allows 1. The first: .*record 2"
    ):
        load(path, max_malformed_records=1)


def test_a_header_row_in_some_files_only_is_an_error_that_names_the_file(load, tmp_path):
    write(tmp_path / "in" / "1.csv", "a,b\n1,2\n")
    write(tmp_path / "in" / "2.csv", "3,4\n")
    with pytest.raises(DataError, match=r"2\.csv: starts without the header row"):
        load(tmp_path / "in")
    write(tmp_path / "in2" / "1.csv", "3,4\n")
    write(tmp_path / "in2" / "2.csv", "a,b\n1,2\n")
    with pytest.raises(DataError, match=r"in2/2\.csv: starts with the header row"):
        load(tmp_path / "in2", headers=["a", "b"])


def test_a_gzip_file_cut_short_is_named(load, tmp_path):
    packed = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * 7919 % 1009) for n in range(9999)))
    with pytest.raises(DataError, match=r"d\.csv\.gz: the compressed file is truncated"):
        load(write(tmp_path / "d.csv.gz", packed[: len(packed) // 2]))


def test_paths_that_spark_cannot_list_are_explained(load, tmp_path):
    with pytest.raises(DataError, match="nothing_here: there is no such file or folder"):
        load(tmp_path / "nothing_here")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="the data set is empty"):
        load(tmp_path / "empty")
    with pytest.raises(DataError, match="hadoop-aws"):
        load("s3a://bucket/key.csv")
    with pytest.raises(DataError, match="no driver for the URI's scheme"):
        load("s3://bucket/key.csv")


def test_bytes_that_are_not_utf8_are_noted_with_their_column(load, tmp_path):
    dataset = load(write(tmp_path / "d.csv", b"a,b\n1,caf\xe9\n"))
    assert any("'b'" in note and "UTF-8" in note for note in dataset.source.notes)


def test_every_unknown_column_of_the_config_is_reported_at_once(load, tmp_path):
    path = write(tmp_path / "d.csv", "Sex,Age\n1,2\n")
    with pytest.raises(ConfigError) as caught:
        load(path, label="sex", facet=[{"name_or_index": 7}], excluded_columns=["Agee"], headers=["Sex", "Age"])
    assert [problem.path for problem in caught.value.problems] == [
        "label",
        "excluded_columns[0]",
        "facet[0].name_or_index",
        "(data)",
    ]
    assert "did you mean 'Sex'" in str(caught.value)
    assert "index 7 is outside 0 to 1" in str(caught.value)


def test_features_are_all_columns_but_label_prediction_id_and_excluded(load, tmp_path):
    path = write(tmp_path / "d.csv", "id,y,p,a,b,c\n1,1,0,5,6,7\n")
    dataset = load(path, label="y", predicted_label="p", joinsource_name_or_index="id", excluded_columns=["b"])
    assert dataset.features == ("a", "c")
    assert (dataset.label, dataset.predicted_label, dataset.join) == ("y", "p", "id")
    assert dataset.kinds["id"] == "integer"


@pytest.mark.parametrize("weight", ["c", 5])
def test_a_weight_is_no_feature(load, tmp_path, weight):
    path = write(tmp_path / "d.csv", "id,y,p,a,b,c\n1,1,0,5,6,7\n")
    assert load(path, label="y", predicted_label="p", weight=weight).features == ("id", "a", "b")
    with pytest.raises(ConfigError, match=r"weight: .*'w'"):
        load(path, label="y", weight="w")


def test_resolve_name_takes_names_and_indices():
    assert resolve_name("b", ("a", "b"), "label") == resolve_name(1, ("a", "b"), "label") == "b"


# Parquet


def parquet(path: Path, frame: pd.DataFrame) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, index=False)
    return str(path)


def test_parquet_has_its_own_names_and_types_and_keys_by_row_index(load, tmp_path):
    frame = pd.DataFrame(
        {
            "n": [1, 2],
            "x.y": [0.5, None],
            "s": ["a", None],
            "f": [True, False],
            "d": pd.to_datetime(["2020-01-02"] * 2).astype("datetime64[us]"),
        }
    )
    parquet(tmp_path / "in" / "1.parquet", frame)
    parquet(tmp_path / "in" / "2.parquet", frame)
    dataset = load(tmp_path / "in", PARQUET, label="s")
    assert kinds(dataset) == ["integer", "float", "string", "boolean", "other"]
    found = rows(dataset)
    assert [row[-1] for row in found] == [0, 1, 1 << 40, (1 << 40) + 1]
    assert found[0][:4] == (1, 0.5, "a", True)
    assert dataset.source.rows is None


def test_parquet_headers_must_name_the_columns_of_the_file(load, tmp_path):
    path = parquet(tmp_path / "d.parquet", pd.DataFrame({"a": [1], "b": [2]}))
    assert "different order" in load(path, PARQUET, headers=["b", "a"]).source.notes[0]
    with pytest.raises(DataError, match="Headers in config do not match"):
        load(path, PARQUET, headers=["a"])
    with pytest.raises(DataError, match="headers names 'c'"):
        load(path, PARQUET, headers=["a", "c"])


def test_parquet_files_with_different_columns_are_an_error_that_names_the_column(load, tmp_path):
    parquet(tmp_path / "in" / "1.parquet", pd.DataFrame({"a": [1], "b": [2]}))
    parquet(tmp_path / "in" / "2.parquet", pd.DataFrame({"a": [1], "b": ["x"]}))
    with pytest.raises(DataError, match=r"2\.parquet: its columns differ .*'b' is string there and bigint"):
        load(tmp_path / "in", PARQUET)


def partitioned(folder):
    """Parquet files in folders as Spark's ``partitionBy("race", "n")`` names them."""
    for race, n, count in (("b%2Fw", 1, 30), ("__HIVE_DEFAULT_PARTITION__", 2, 5), ("a c", 10, 20)):
        place = folder / f"race={race}" / f"n={n}"
        place.mkdir(parents=True)
        frame = pd.DataFrame({"x": [n * 100.0 + i for i in range(count)], "y": [i % 2 for i in range(count)]})
        frame.to_parquet(place / "part-0.parquet", index=False, row_group_size=5)
    return folder


def test_parquet_folders_named_column_value_become_columns_with_keys_that_do_not_depend_on_splits(
    load, spark, tmp_path, small_splits
):
    folder = partitioned(tmp_path / "some in")
    spark.conf.set("spark.sql.files.maxPartitionBytes", "512")
    race = [{"name_or_index": "race", "value_or_threshold": ["b/w"]}]
    dataset = load(folder, PARQUET, label="y", facet=race)
    assert dataset.names == ("x", "y", "race", "n")
    assert (kinds(dataset), dataset.source.notes) == (["float", "integer", "string", "integer"], ())
    assert splits(dataset) > 10
    cut = rows(dataset)
    assert [cut[0], cut[5], cut[-1]] == [
        (200.0, 0, None, 2, 0), (1000.0, 0, "a c", 10, 1 << 40), (129.0, 1, "b/w", 1, (2 << 40) + 29),
    ]  # fmt: skip
    spark.conf.set("spark.sql.files.maxPartitionBytes", "128m")
    assert rows(load(f"file://{folder}/", PARQUET, label="y")) == cut


def test_parquet_folders_with_different_columns_or_below_a_pattern_are_no_columns_and_a_note_says_so(load, tmp_path):
    folder = partitioned(tmp_path / "in")
    assert load(folder / "race=a c", PARQUET).names == ("x", "y", "n")
    below = load(f"{folder}/race=a*", PARQUET)
    parquet(folder / "other.parquet", pd.DataFrame({"x": [1.0], "y": [1]}))
    mixed = load(folder, PARQUET)
    for dataset in (below, mixed):
        assert dataset.names == ("x", "y")
        assert "'column=value' are read as columns only" in dataset.source.notes[0]


def test_nested_parquet_columns_are_refused_unless_excluded(load, tmp_path):
    path = parquet(tmp_path / "d.parquet", pd.DataFrame({"a": [1], "list": [[1, 2]], "b": [3]}))
    with pytest.raises(DataError, match="list 'list' in excluded_columns"):
        load(path, PARQUET)
    dataset = load(path, PARQUET, excluded_columns=["list"])
    assert (dataset.names, rows(dataset)) == (("a", "b"), [(1, 3, 0)])
    assert load(path, PARQUET, excluded_columns=[1], label=2).label == "b"


@pytest.mark.parametrize("text", [b"PAR1 this is no footer", b"a,b\n1,2\n"])
def test_a_broken_parquet_file_is_named(load, tmp_path, text):
    with pytest.raises(DataError, match=r"d\.parquet: it is not a complete Parquet file"):
        load(write(tmp_path / "d.parquet", text), PARQUET)


def test_parquet_without_rows_is_an_error(load, tmp_path):
    with pytest.raises(DataError, match="there are no rows"):
        load(parquet(tmp_path / "d.parquet", pd.DataFrame({"a": pd.Series([], dtype="int64")})), PARQUET)
    with pytest.raises(DataError, match="the data set is empty"):
        load(write(tmp_path / "e.parquet", b""), PARQUET)


# JSON Lines and JSON documents

RECORDS = [
    {"x": {"features": [1, 1.5, "a", True, None]}, "y": 1},
    {"x": {"features": [2, 2, "NA", False, 4]}, "y": 0},
    {"x": {"features": [None, float("nan"), "", True, 10**20]}, "y": 1},
]
LINES_TEXT = "\n\n".join(json.dumps(record) for record in RECORDS) + "\n"


def test_json_types_settle_the_kinds_and_blank_lines_keep_their_number(load, tmp_path):
    dataset = load(write(tmp_path / "d.jsonl", LINES_TEXT), LINES, features="x.features", label="y")
    assert dataset.names == ("column_0", "column_1", "column_2", "column_3", "column_4", "label")
    assert kinds(dataset) == ["float", "float", "string", "boolean", "string", "integer"]
    assert rows(dataset) == [
        (1.0, 1.5, "a", True, None, 1, 0),
        (2.0, 2.0, "NA", False, "4", 0, 2),
        (None, None, "", True, str(10**20), 1, 4),
    ]
    assert (dataset.label, dataset.source.rows) == ("label", 3)


def test_json_headers_name_features_then_label_then_prediction(load, tmp_path):
    text = "".join(json.dumps({"f": [n, n + 1], "y": n % 2, "p": 1}) + "\n" for n in range(3))
    names = ["a", "b", "truth", "guess"]
    dataset = load(
        write(tmp_path / "d.jsonl", text), LINES, features="f", label="y", predicted_label="p", headers=names
    )
    assert (dataset.label, dataset.predicted_label, dataset.features) == ("truth", "guess", ("a", "b"))
    with pytest.raises(DataError, match=r"Headers in config do not match.*3 columns.*have 4 \(2 features\)"):
        load(tmp_path / "d.jsonl", LINES, features="f", label="y", predicted_label="p", headers=names[:3])


def test_json_lines_and_a_json_document_of_the_same_records_agree(load, tmp_path, small_splits):
    records = [{"f": [n, n / 7, f"t{n}"], "y": n % 2} for n in range(60)]
    lines = load(
        write(tmp_path / "d.jsonl", "".join(json.dumps(record) + "\n" for record in records)),
        LINES,
        features="f",
        label="y",
    )
    document = load(
        write(tmp_path / "d.json", json.dumps(records, indent=1)), DOCUMENT, features="[*].f", label="[*].y"
    )
    assert splits(lines) > 10
    assert rows(lines) == rows(document) == [(n, n / 7, f"t{n}", n % 2, n) for n in range(60)]
    assert lines.columns == document.columns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the data set is empty"),
        ("\n\n", "there are no records"),
        (
            '{"f": [1], "y": 1}\nnot json\n',
            r"d\.jsonl, record 2: not JSON \(Expecting value, character 1\): 'not json'",
        ),
        ('{\n "f": [1]}\n', r"record 1: not JSON .*dataset_type must be application/json"),
        ('{"f": [1], "y": 1}\n{"f": [1, 2], "y": 1}\n', "record 2: 2 features, 1 expected"),
        ('{"f": [[1]], "y": 1}\n', r"record 1: a single value is needed where the record has \[1\]"),
        ('{"f": {"a": 1}, "y": 1}\n', r"record 1: the JMESPath 'f' gives \{'a': 1\}; expected a list of features"),
        ('{"g": [1], "y": 1}\n', "Data must contain features. The JMESPath 'f' finds nothing"),
        ('{"f": [1]}\n', "the JMESPath label 'y' finds nothing in any record"),
        (b'{"f": ["caf\xe9"], "y": 1}\n', "record 1: not UTF-8"),
    ],
)
def test_json_lines_that_cannot_be_read_are_a_data_error_that_says_where(load, tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        load(write(tmp_path / "d.jsonl", text), LINES, features="f", label="y")


def test_malformed_lines_are_left_out_and_counted_when_the_config_allows(load, tmp_path):
    text = '{"f": [1], "y": 1}\noops\n{"f": [3], "y": 0}\n'
    dataset = load(write(tmp_path / "d.jsonl", text), LINES, features="f", label="y", max_malformed_records=1)
    assert rows(dataset) == [(1, 1, 0), (3, 0, 2)]
    assert dataset.source.malformed == 1


def test_a_jmespath_that_is_none_is_a_config_error_with_its_key(load, tmp_path):
    path = write(tmp_path / "d.jsonl", '{"f": [1], "y": 1}\n')
    with pytest.raises(ConfigError, match=r"features: 'f\[\*' is not a JMESPath"):
        load(path, LINES, features="f[*", label="y")
    with pytest.raises(ConfigError, match="label: 0 is an index"):
        load(path, LINES, features="f", label=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"f": [1], "y": 1}, {"f": [2]}]', "features '.*f' finds 2 records and label '.*y' finds 1"),
        ('{"f": [1]}', r"Data must contain features. the JMESPath features '\[\*\].f' finds nothing"),
        ('[{"f": [1], "y": 1}', r"d\.json: not JSON \(Expecting"),
        ('{"f": [1], "y": 1}\n{"f": [1], "y": 1}', "dataset_type must be application/jsonlines"),
        ('[{"f": [1], "y": 1}, {"f": [1, 2], "y": 1}]', "record 2: 2 features, 1 expected"),
    ],
)
def test_json_documents_that_cannot_be_read_are_a_data_error(load, tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        load(write(tmp_path / "d.json", text), DOCUMENT, features="[*].f", label="[*].y", headers=["a", "y"])


# Joins


MAIN = "id,y,a\n" + "".join(f"{n},{n % 2},{n * 10}\n" for n in range(6))


def test_facets_and_predictions_are_joined_by_id(load, tmp_path):
    main = write(tmp_path / "main.csv", MAIN)
    facets = write(tmp_path / "facets.csv", "id,Sex\n" + "".join(f"{n},s{n % 2}\n" for n in reversed(range(1, 9))))
    predictions = write(tmp_path / "p.csv", "".join(f"{n},0.{n}\n" for n in range(6)))
    dataset = load(
        main, headers=["id", "y", "a"], label="y", joinsource_name_or_index="id", facet=[{"name_or_index": "Sex"}],
        facet_dataset_uri=facets, facet_headers=["id", "Sex"],
        predicted_label_dataset_uri=predictions, predicted_label_headers=["id", "score"], predicted_label="score",
    )  # fmt: skip
    assert rows(dataset) == [(n, n % 2, n * 10, f"s{n % 2}", n / 10, n) for n in range(1, 6)]
    assert dataset.features == ("a",)
    assert (dataset.predicted_label, dataset.join, dataset.facet_names) == ("score", "id", ("id", "Sex"))
    assert dataset.source.rows == 5
    assert any("1 rows of the first and 3 of the second had no match" in note for note in dataset.source.notes)
    assert len(dataset.source.files) == 3


def test_predictions_are_matched_by_position_without_an_id(load, tmp_path):
    main = write(tmp_path / "main.csv", MAIN)
    predictions = write(tmp_path / "p.csv", "".join(f"0.{n}\n" for n in range(6)))
    dataset = load(main, label="y", predicted_label_dataset_uri=predictions)
    assert [row[3:] for row in rows(dataset)] == [(n / 10, n) for n in range(6)]
    assert dataset.predicted_label == "column_0"
    short = write(tmp_path / "short.csv", "0.1\n0.2\n")
    with pytest.raises(DataError, match=r"has 6 records and .*short.csv has 2.*Set joinsource_name_or_index"):
        load(main, label="y", predicted_label_dataset_uri=short)


def test_duplicate_ids_and_missing_ids_are_explained(load, tmp_path):
    main = write(tmp_path / "main.csv", MAIN)
    twice = write(tmp_path / "twice.csv", "id,predicted_label\n1,0\n1,1\n")
    with pytest.raises(DataError, match=r"twice\.csv: the ids in column 'id' must be distinct; 1 occurs 2 times"):
        load(main, label="y", joinsource_name_or_index="id", predicted_label_dataset_uri=twice)
    without = write(tmp_path / "without.csv", "key,predicted_label\n1,0\n")
    with pytest.raises(ConfigError, match="joinsource_name_or_index: the id column 'id' must be in every data set"):
        load(main, label="y", joinsource_name_or_index="id", predicted_label_dataset_uri=without)
    strangers = write(tmp_path / "strangers.csv", "id,predicted_label\na,0\nb,1\n")
    with pytest.raises(DataError, match=r"No row of .* has a match"):
        load(main, label="y", joinsource_name_or_index="id", predicted_label_dataset_uri=strangers)


@pytest.mark.classic("looks into the JVM's cache manager")
def test_nothing_stays_cached_when_reading_fails(spark, load, tmp_path):
    spark.catalog.clearCache()
    held = spark._jsparkSession.sharedState().cacheManager()
    assert held.isEmpty()
    main = write(tmp_path / "main.csv", MAIN)
    strangers = write(tmp_path / "strangers.csv", "id,predicted_label\na,0\nb,1\n")
    malformed = write(tmp_path / "malformed.csv", "a,b\n1,2\n1,2,3\n")
    broken = write(tmp_path / "broken.jsonl", '{"x": [1, 2]}\n{"x": \n')
    for uri, keys in (
        (main, {"label": "unknown"}),
        (main, {"label": "y", "joinsource_name_or_index": "id", "predicted_label_dataset_uri": strangers}),
        (main, {"label": "y", "predicted_label_dataset_uri": malformed}),
        (malformed, {}),
        (broken, {"dataset_type": LINES, "features": "x"}),
    ):
        with pytest.raises((ConfigError, DataError)):
            load(uri, **keys)
        assert held.isEmpty(), uri


def test_a_column_in_both_data_sets_is_ambiguous(load, tmp_path):
    main = write(tmp_path / "main.csv", MAIN)
    facets = write(tmp_path / "facets.csv", "id,a\n1,2\n")
    with pytest.raises(DataError, match="Column 'a' is in both"):
        load(main, label="y", joinsource_name_or_index="id", facet=[{"name_or_index": "a"}], facet_dataset_uri=facets)


@pytest.mark.classic("a Connect server lists the files of its own machine")
@pytest.mark.parametrize("given", ["{path}", "file://{path}"])
def test_a_local_file_is_listed_as_spark_lists_it(spark, tmp_path, given):
    path = tmp_path / "rows-1_2.csv"
    path.write_text("a,b\n1,2\n")
    uri = given.format(path=path)
    assert listing._local_file(uri) == listing._listed(spark, uri)


@pytest.mark.parametrize(
    "name", ["_hidden.csv", ".hidden.csv", "a b.csv", "ä.csv", "x._COPYING_", "x{1}.csv", "empty.csv"]
)
def test_a_file_whose_name_or_size_spark_treats_in_another_way_is_left_to_it(tmp_path, name):
    (tmp_path / name).write_text("" if name == "empty.csv" else "a\n")
    assert listing._local_file(str(tmp_path / name)) is None
