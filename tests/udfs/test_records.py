"""JSON records become columns of text with the kinds of their values, without Spark."""

import json
import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarify_spark.udfs import kinds
from clarify_spark.udfs.records import RecordSpec, document_records, kind_bits, line_reader, line_widths, parse_lines
from clarify_spark.udfs.short_repr import short_repr

SPEC = RecordSpec("f", "y", None, 2)


def batch(*lines):
    count = len(lines)
    columns = [pa.array([line.encode() for line in lines], pa.binary()), *(pa.array([0] * count) for _ in range(2))]
    return pa.RecordBatch.from_arrays([*columns, pa.array(range(count))], ["value", "_file", "_block", "_mid"])


def parsed(*lines, spec=SPEC):
    (only,) = parse_lines([batch(*lines)], spec)
    return only.to_pydict()


def test_values_leave_as_text_and_the_first_row_tells_the_kinds_of_the_batch():
    found = parsed('{"f": [1, "a"], "y": true}', '{"f": [2.5, null], "y": false}')
    assert [found[name] for name in ("c0", "c1", "c2")] == [["1", "2.5"], ["a", None], ["True", "False"]]
    bits = [kinds.INTEGER | kinds.FLOAT, kinds.TEXT | kinds.MISSING, kinds.BOOLEAN]
    assert found["_bits"] == [",".join(map(str, bits)), None]
    assert found["_problem"] == [None, None]


def test_blank_and_malformed_lines_keep_their_place_and_leave_the_kinds_alone():
    found = parsed("", '{"f": [1, 2], "y": 1}', "oops", '{"f": [["deep"], 2], "y": 1}', '{"f": [1], "y": 1}')
    assert found["c0"] == [None, "1", None, None, None]
    assert found["_mid"] == [0, 1, 2, 3, 4]
    assert found["_problem"] == [
        "",
        None,
        "not JSON (Expecting value, character 1): 'oops'",
        "a single value is needed where the record has ['deep']",
        '1 features, 2 expected: \'{"f": [1], "y": 1}\'',
    ]
    assert found["_bits"][0] == "2,2,2"


def test_a_batch_without_a_good_line_is_all_null():
    found = parsed("oops", "")
    assert found["c2"] == [None, None]
    assert found["_bits"] == [None, None]


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@given(st.lists(st.lists(scalars, min_size=2, max_size=2), min_size=1, max_size=8))
def test_every_json_number_comes_back_exactly(rows):
    found = parsed(*(json.dumps({"f": row, "y": 0}) for row in rows))
    for place in range(2):
        for text, row in zip(found[f"c{place}"], rows, strict=True):
            value = row[place]
            if isinstance(value, int | float):
                assert type(value)(text) == value if not isinstance(value, bool) else text == str(value)
            elif value is None:
                assert text is None


@pytest.mark.parametrize(
    ("values", "bits"),
    [
        ([1, 2], kinds.INTEGER),
        ([True, 1], kinds.BOOLEAN | kinds.INTEGER),
        ([2**63 - 1, -(2**63)], kinds.INTEGER),
        ([2**63], kinds.BIG | kinds.INTEGER),
        ([1.0, math.nan], kinds.FLOAT | kinds.MISSING),
        ([math.nan], kinds.MISSING),
        (["", None], kinds.TEXT | kinds.MISSING),
    ],
)
def test_kind_bits_know_bools_from_integers_and_nan_from_numbers(values, bits):
    assert kind_bits(values) == bits


def test_half_a_surrogate_pair_is_replaced():
    assert parsed('{"f": ["\\ud800x", null], "y": 1}')["c0"] == ["?x"]


def test_any_jmespath_can_give_the_list_of_features():
    spec = RecordSpec("[a, b.c]", "length(d)", None, 2)
    found = parsed('{"a": 1, "b": {"c": 2}, "d": [7, 8]}', '{"a": 1, "d": 3}', spec=spec)
    assert [found["c0"][0], found["c1"][0], found["c2"][0]] == ["1", "2", "2"]
    assert "the JMESPath fails" in found["_problem"][1]


def test_deep_nesting_is_malformed_and_no_crash():
    problem = parsed("[" * 100_000)["_problem"][0]
    assert "nested too deeply" in problem or "not JSON" in problem


def test_documents_must_have_as_many_labels_as_features():
    spec = RecordSpec("[*].f", "[*].y", None, 1)
    assert document_records(b'\xef\xbb\xbf[{"f": [1], "y": 0}]', spec) == [([1], 0)]
    with pytest.raises(ValueError, match=r"finds 2 records and label .* finds 1"):
        document_records(b'[{"f": [1], "y": 0}, {"f": [1]}]', spec)
    with pytest.raises(ValueError, match="expected a list"):
        document_records(b'{"f": 1, "y": 2}', RecordSpec("f", "y", None, 1))


def test_widths_of_a_sample_leave_out_lines_that_cannot_be_read():
    lines = [b"", b"oops", b'{"f": [1, 2, 3], "y": 1}', b'{"f": [1, 2], "y": 1}']
    assert line_widths(lines, RecordSpec("f", "y", None, -1)) == [3, 2]


def test_a_blank_line_is_no_record():
    assert line_reader(SPEC)(b"  \t") is None


def test_shown_values_are_quoted_and_short():
    assert short_repr("a\nb") == "'a\\nb'"
    assert len(short_repr("x" * 10**6)) == len(short_repr(["x" * 10**3])) == 80
