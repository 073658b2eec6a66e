import csv
import io
import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors import Calling, PredictorSpec
from clarify_spark.udfs.predictors.features import typed
from clarify_spark.udfs.requests.payloads import Payload, encoder

TWO = {"A": [0, 3], "B": [1, 4]}
ONE = {"A": [0], "B": [1]}
JSON, LINES = "application/json", "application/jsonlines"


def spec(names=("A", "B"), kinds=None, **changes):
    return PredictorSpec("sagemaker", "model", tuple(names), tuple(kinds or ["integer"] * len(names)), **changes)


def bodies(columns, kinds=None, **changes):
    of = spec(columns, kinds, **changes)
    features = typed(pd.DataFrame(columns), of.feature_names, of.feature_kinds)
    payload = encoder(of)(features)
    return [payload.body(some).decode() for some in payload.requests(of.calling)]


# The rows of the guide's table of requests.


@pytest.mark.parametrize(
    ("templates", "columns", "expected"),
    [
        ({"content_type": "text/csv"}, TWO, ["0,1\n3,4"]),
        (
            {"content_type": LINES, "content_template": '{"features":$features}'},
            TWO,
            ['{"features":[0,1]}\n{"features":[3,4]}'],
        ),
        (
            {"content_type": LINES, "content_template": '{"data":{"features":$features}}'},
            ONE,
            ['{"data":{"features":[0,1]}}'],
        ),
        (
            {
                "content_type": JSON,
                "content_template": '{"instances":$records}',
                "record_template": '{"features":$features}',
            },
            TWO,
            ['{"instances":[{"features":[0,1]},{"features":[3,4]}]}'],
        ),
        (
            {
                "content_type": JSON,
                "content_template": '{"instances":$records,"feature_names":$feature_names}',
                "record_template": "$features",
            },
            TWO,
            ['{"instances":[[0,1],[3,4]],"feature_names":["A","B"]}'],
        ),
        (
            {"content_type": JSON, "content_template": "$records", "record_template": "$features_kvp"},
            TWO,
            ['[{"A":0,"B":1},{"A":3,"B":4}]'],
        ),
        (
            {"content_type": JSON, "content_template": "$records", "record_template": '{"A":"${A}","B":"${B}"}'},
            TWO,
            ['[{"A":0,"B":1},{"A":3,"B":4}]'],
        ),
        (
            {"content_type": JSON, "content_template": "$record", "record_template": "$features_kvp"},
            TWO,
            ['{"A":0,"B":1}', '{"A":3,"B":4}'],
        ),
        (
            {
                "content_type": JSON,
                "content_template": "$record",
                "record_template": '{"A":"${A}","nested":{"B":"${B}"}}',
            },
            ONE,
            ['{"A":0,"nested":{"B":1}}'],
        ),
        (
            {"content_type": JSON, "content_template": '{"data":{"features":$record}}', "record_template": "$features"},
            ONE,
            ['{"data":{"features":[0,1]}}'],
        ),
    ],
)
def test_requests_are_those_of_the_guide(templates, columns, expected):
    assert bodies(columns, **templates) == expected


def test_text_is_quoted_in_csv_and_numbers_are_not():
    columns = {"text": ["This is good", 'say "hi", twice\nnow'], "stars": [5, 1]}
    assert bodies(columns, ("string", "integer")) == ['"This is good",5\n"say ""hi"", twice\nnow",1']


def test_missing_values_are_empty_in_csv_and_null_in_json():
    columns = {"i": [1.0, None], "f": [0.5, None], "b": [True, None], "s": ["", None]}
    kinds = ("integer", "float", "boolean", "string")
    assert bodies(columns, kinds) == ['1,0.5,True,""\n,,,']
    lines = bodies(columns, kinds, content_type=LINES, content_template="$features")
    assert lines == ['[1,0.5,true,""]\n[null,null,null,null]']


def test_a_single_missing_value_still_makes_a_line():
    assert bodies({"s": ["a", None]}, ("string",)) == ['"a"\n""']


def test_integers_stay_integers_and_floats_stay_floats():
    columns = {"i": [9007199254740993], "f": [1.0], "g": [1e-7]}
    assert bodies(columns, ("integer", "float", "float")) == ["9007199254740993,1.0,1e-7"]
    assert bodies(columns, ("integer", "float", "float"), content_type=LINES, content_template="$features") == [
        "[9007199254740993,1.0,1e-7]"
    ]


def test_a_fraction_among_integers_is_written_as_it_is():
    features = pd.DataFrame({"A": [2.5, 3.0, None, -4.0], "B": [1, 2, 3, 4]})
    assert [encoder(spec())(features).body(slice(0, 4)).decode()] == ["2.5,1\n3,2\n,3\n-4,4"]


def test_a_value_that_looks_like_a_placeholder_is_not_filled_in():
    columns = {"A": ["$records $features ${B}", "x"], "B": ['"${A}"', "$feature_names"]}
    templates = {
        "content_template": '{"r":$records,"n":$feature_names}',
        "record_template": '{"a":"${A}","all":$features}',
    }
    (body,) = bodies(columns, ("string", "string"), content_type=JSON, **templates)
    assert json.loads(body) == {
        "r": [
            {"a": "$records $features ${B}", "all": ["$records $features ${B}", '"${A}"']},
            {"a": "x", "all": ["x", "$feature_names"]},
        ],
        "n": ["A", "B"],
    }


def test_names_are_escaped_and_found_when_escaped():
    columns = {'the "age"': [1], "größe": [2]}
    template = '{"x":"${the \\"age\\"}","y":"${größe}","all":$features_kvp}'
    (body,) = bodies(columns, content_type=LINES, content_template=template)
    assert json.loads(body) == {"x": 1, "y": 2, "all": {'the "age"': 1, "größe": 2}}


def test_a_template_on_several_lines_makes_one_json_line_per_record():
    (body,) = bodies(TWO, content_type=LINES, content_template='{\r\n  "features": $features\n}')
    assert [json.loads(line)["features"] for line in body.split("\n")] == [[0, 1], [3, 4]]


@pytest.mark.parametrize(
    ("calling", "expected"),
    [
        (Calling(batch_records=2), ["1\n22", "333\n4"]),
        (Calling(payload_bytes=4), ["1\n22", "333", "4"]),
        (Calling(payload_bytes=5), ["1\n22", "333\n4"]),
        (Calling(payload_bytes=2), ["1", "22", "333", "4"]),
        (Calling(), ["1\n22\n333\n4"]),
    ],
)
def test_requests_are_filled_up_to_the_limits(calling, expected):
    assert bodies({"A": [1, 22, 333, 4]}, calling=calling) == expected


def test_no_records_make_no_request():
    assert bodies({"A": pd.Series([], dtype="int64")}) == []


@given(
    sizes=st.lists(st.integers(0, 9), max_size=30),
    most=st.integers(1, 7),
    room=st.integers(1, 40),
    around=st.sampled_from([b"", b"[]"]),
)
def test_requests_hold_all_records_in_order_within_the_limits_and_are_full(sizes, most, room, around):
    payload = Payload.of([b"x" * size for size in sizes], before=around, between=b",", after=around)
    calling = Calling(payload_bytes=room, batch_records=most)
    requests = payload.requests(calling)
    assert [place for some in requests for place in range(some.start, some.stop)] == list(range(len(sizes)))
    for some in requests:
        count = some.stop - some.start
        assert 1 <= count <= most
        assert count == 1 or len(payload.body(some)) <= room
        one_more = slice(some.start, some.stop + 1)
        assert some.stop == len(sizes) or count == most or len(payload.body(one_more)) > room


def test_the_object_form_of_a_template_is_the_object_of_its_keys():
    template = (("instances", "$records"), ("signature", 'serving "x"'))
    (body,) = bodies(TWO, content_type=JSON, content_template=template, record_template="$features")
    assert json.loads(body) == {"instances": [[0, 1], [3, 4]], "signature": 'serving "x"'}
    (line,) = bodies(ONE, content_type=LINES, content_template=(("features", "$features"),))
    assert json.loads(line) == {"features": [0, 1]}


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ({"content_type": LINES}, "content_template is missing; content_type application/jsonlines needs it"),
        ({"content_type": JSON, "content_template": "$records"}, "record_template is missing"),
        ({"content_type": LINES, "content_template": "{}"}, "no placeholder for features"),
        ({"content_type": LINES, "content_template": '{"data":$features}}'}, "does not make JSON"),
        (
            {"content_type": LINES, "content_template": '{"a":"${C}"}'},
            r"\$\{C\} is not a feature of the model; its features: A, B",
        ),
        ({"content_type": LINES, "content_template": '{"a":"x ${A}","f":$features,}'}, "does not make JSON"),
        (
            {"content_type": JSON, "content_template": "[]", "record_template": "$features"},
            r"either \$record or \$records, once; it holds 0",
        ),
        ({"content_type": JSON, "content_template": "[$record,$record]", "record_template": "$features"}, "it holds 2"),
        (
            {"content_type": JSON, "content_template": '{"a":$record}}', "record_template": "$features"},
            "does not make JSON",
        ),
        ({"content_type": "image/png"}, "'image/png' is not for tabular data"),
    ],
)
def test_templates_that_cannot_work_are_refused_before_any_call(templates, message):
    with pytest.raises(ModelError, match=message):
        encoder(spec(**templates))


def test_json_cannot_say_infinity():
    with pytest.raises(ModelError, match="feature 'A' has an infinite value"):
        bodies({"A": [float("inf")]}, ("float",), content_type=LINES, content_template="$features")
    assert bodies({"A": [float("inf")]}, ("float",)) == ["inf"]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"))


@given(st.lists(st.tuples(TEXT, st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=5))
def test_any_text_and_integer_comes_back_from_csv_and_from_json_lines(rows):
    columns = {"t": [text for text, _ in rows], "i": [number for _, number in rows]}
    (body,) = bodies(columns, ("string", "integer"))
    assert [(text, int(number)) for text, number in csv.reader(io.StringIO(body, newline=""))] == rows
    (body,) = bodies(columns, ("string", "integer"), content_type=LINES, content_template="$features")
    assert [tuple(json.loads(line)) for line in body.split("\n")] == rows


@given(st.lists(st.one_of(st.floats(allow_infinity=False), st.integers(-(2**53), 2**53).map(float)), min_size=1))
def test_any_float_comes_back_as_the_same_float_and_never_as_an_integer(numbers):
    (body,) = bodies({"x": numbers, "y": numbers}, ("float", "float"))
    for line, number in zip(body.split("\n"), numbers, strict=True):
        text = line.split(",")[0]
        assert text == "" if number != number else float(text) == number
        assert text == "" or not text.lstrip("-").isdecimal()
    (body,) = bodies({"x": numbers}, ("float",), content_type=LINES, content_template="$features")
    read = [json.loads(line)[0] for line in body.split("\n")]
    assert all(
        value is None if number != number else value == number for value, number in zip(read, numbers, strict=True)
    )
    assert {type(value) for value in read} <= {float, type(None)}


@given(st.lists(st.one_of(st.none(), st.integers(-(2**53), 2**53)), min_size=1))
def test_integers_that_missing_values_made_floats_of_are_written_as_integers(numbers):
    (body,) = bodies({"x": numbers, "y": numbers}, ("integer", "integer"))
    assert [line.split(",")[0] for line in body.split("\n")] == ["" if one is None else str(one) for one in numbers]
