import numpy as np
import pytest

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors import PredictorSpec
from clarify_spark.udfs.requests.responses import decoder
from clarify_spark.udfs.scoring import resolved_labels

CSV, LINES, JSON = "text/csv", "application/jsonlines", "application/json"
AUTOPILOT = (
    "\"dog\",0.6,\"['cat', 'dog', 'fish']\",\"[0.1, 0.6, 0.3]\"\n"
    "\"cat\",0.7,\"['cat', 'dog', 'fish']\",\"[0.7, 0.2, 0.1]\"\n"
)
ALL = (
    '{"predicted_label":"dog","probability":0.6,"predicted_labels":["cat","dog","fish"],"probabilities":[0.1,0.6,0.3]}',
    '{"predicted_label":"cat","probability":0.7,"predicted_labels":["cat","dog","fish"],"probabilities":[0.7,0.2,0.1]}',
)
PETS = ("cat", "dog", "fish")


def spec(accept, **changes):
    return PredictorSpec("sagemaker", "model", ("A",), ("integer",), accept_type=accept, **changes)


def answer(accept, body, sent=2, **changes):
    return decoder(spec(accept, **changes))(body, sent)


def labels(accept, body, sent=2, **changes):
    of = spec(accept, **changes)
    return resolved_labels(decoder(of)(body, sent), of).labels.tolist()


def scores(accept, body, sent=2, **changes):
    return answer(accept, body, sent, **changes).scores.tolist()


# The rows of the guide's table of responses.


@pytest.mark.parametrize("body", ["0.6,0.3", "0.6\n0.3", "0.6\r\n0.3\r\n", b"0.6\n0.3\n\n", "0.6, 0.3\n"])
@pytest.mark.parametrize("where", [{}, {"probability": 0}])
def test_csv_scores_of_two_records_on_one_line_or_two(body, where):
    assert scores(CSV, body, **where) == [[0.6], [0.3]]
    assert labels(CSV, body, **where) == [1, 0]


def test_a_csv_score_of_one_record():
    assert scores(CSV, "0.6", 1) == [[0.6]]
    assert labels(CSV, "0.6", 1, probability=0) == [1]


def test_one_csv_line_for_one_record_holds_its_scores():
    assert scores(CSV, "0.6,0.3", 1) == [[0.6, 0.3]]


def test_several_csv_scores_per_record_need_headers_for_a_label():
    body = "0.1,0.6,0.3\n0.2,0.5,0.3"
    assert scores(CSV, body) == [[0.1, 0.6, 0.3], [0.2, 0.5, 0.3]]
    assert labels(CSV, body, label_headers=PETS) == ["dog", "dog"]
    with pytest.raises(ModelError, match="label_headers must name the classes"):
        labels(CSV, body)


@pytest.mark.parametrize(("body", "sent", "expected"), [("1", 1, [1]), ("1,0", 2, [1, 0]), ("1\n0", 2, [1, 0])])
def test_csv_labels(body, sent, expected):
    assert labels(CSV, body, sent, label=0) == expected


def test_csv_labels_beside_scores():
    got = answer(CSV, "1,0.6\n0,0.3", label=0, probability=1)
    assert got.labels.tolist() == [1, 0]
    assert got.scores.tolist() == [[0.6], [0.3]]


@pytest.mark.parametrize(
    "where", [{"label": 0}, {"label": 2, "probability": 3}, {"probability": 3, "label_headers": PETS}]
)
def test_autopilot_labels(where):
    assert labels(CSV, AUTOPILOT, **where) == ["dog", "cat"]


def test_autopilot_scores():
    assert scores(CSV, AUTOPILOT, probability=3) == [[0.1, 0.6, 0.3], [0.7, 0.2, 0.1]]
    assert scores(CSV, AUTOPILOT, probability=1) == [[0.6], [0.7]]


def test_json_lines_scores_and_labels():
    assert scores(LINES, '{"score":0.6}\n{"score":0.3}', probability="score") == [[0.6], [0.3]]
    assert labels(LINES, '{"prediction":1}', 1, label="prediction") == [1]


@pytest.mark.parametrize(
    "where",
    [
        {"label": "predicted_label"},
        {"label": "predicted_labels", "probability": "probabilities"},
        {"probability": "probabilities", "label_headers": PETS},
    ],
)
def test_json_lines_of_several_classes(where):
    assert labels(LINES, "\n".join(ALL), **where) == ["dog", "cat"]


@pytest.mark.parametrize(
    "where",
    [
        {"label": "[*].predicted_label"},
        {"label": "[*].predicted_labels", "probability": "[*].probabilities"},
        {"probability": "[*].probabilities", "label_headers": PETS},
    ],
)
def test_json_of_several_classes(where):
    assert labels(JSON, f"[{','.join(ALL)}]", **where) == ["dog", "cat"]


def test_json_scores_and_labels():
    assert scores(JSON, "[0.6,0.3]", probability="[*]") == [[0.6], [0.3]]
    body = '{"predictions":[{"label":1,"score":0.6},{"label":0,"score":0.3}]}'
    got = answer(JSON, body, label="predictions[*].label", probability="predictions[*].score")
    assert (got.labels.tolist(), got.scores.tolist()) == ([1, 0], [[0.6], [0.3]])


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("[0.1,0.6,0.3]", {}),
        ("[0.1,0.6,0.3]", {"probability": "[*]"}),
        ('{"prediction":[0.1,0.6,0.3]}', {"probability": "prediction"}),
    ],
)
def test_a_json_list_for_one_record_holds_its_scores(body, where):
    assert scores(JSON, body, 1, **where) == [[0.1, 0.6, 0.3]]


def test_a_json_response_to_one_record_may_have_no_list():
    assert scores(JSON, '{"score":0.6}', 1, probability="score") == [[0.6]]
    assert labels(JSON, '{"label":"yes"}', 1, label="label") == ["yes"]
    assert labels(JSON, '{"labels":["a","b"],"p":[0.2,0.8]}', 1, label="labels", probability="p") == ["b"]
    assert labels(JSON, '[{"label":"yes"}]', 1, label="[*].label") == ["yes"]


# Rules that only show in practice, and what is not in the table.


def test_a_numeric_label_is_thresholded_when_a_threshold_is_configured():
    assert labels(LINES, '{"score":0.6}\n{"score":0.3}', label="score", probability_threshold=0.5) == [1, 0]
    assert labels(LINES, '{"score":0.6}\n{"score":0.3}', label="score") == [0.6, 0.3]


def test_the_accept_type_defaults_to_the_content_type():
    of = PredictorSpec("sagemaker", "m", ("A",), ("integer",), content_type=LINES, probability="p")
    assert decoder(of)('{"p":1}', 1).scores.tolist() == [[1.0]]
    assert decoder(PredictorSpec("sagemaker", "m", ("A",), ("integer",)))("0.5", 1).scores.tolist() == [[0.5]]
    assert scores("text/csv; charset=utf-8", "0.6\n0.3") == [[0.6], [0.3]]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("1\n0", [1, 0]),
        ("1.0\n0", [1.0, 0.0]),
        ("True\nFalse", [True, False]),
        ("yes\n1", ["yes", "1"]),
        ("1_0\n2", ["1_0", "2"]),
        ("inf\nno", ["inf", "no"]),
        ('1\n""', [1, None]),
        ("nan\n1", [None, 1.0]),
    ],
)
def test_csv_labels_get_the_type_that_all_of_them_have(body, expected):
    got = labels(CSV, body, label=0)
    assert got == expected
    assert [type(label) for label in got] == [type(label) for label in expected]


def test_a_score_that_is_not_a_number_makes_no_label():
    assert labels(CSV, "nan\n0.9") == [None, 1]
    assert labels(LINES, '{"p":NaN}\n{"p":1}', probability="p") == [None, 1]
    assert np.isnan(answer(CSV, "nan\n0.9").scores[0, 0])


def test_a_line_separator_inside_a_text_does_not_end_a_json_line():
    assert labels(LINES, '{"l":"a\u2028b"}\n{"l":"c"}\n', label="l") == ["a\u2028b", "c"]


@pytest.mark.parametrize(
    ("accept", "body", "where"),
    [
        (CSV, "0.1\n0.2\n0.3", {}),
        (CSV, "0.1,0.2,0.3", {}),
        (CSV, "1,0.1\n0,0.2\n1,0.3", {"label": 0, "probability": 1}),
        (LINES, '{"p":1}\n{"p":1}\n{"p":1}', {"probability": "p"}),
        (JSON, '{"p":[1,2,3]}', {"probability": "p"}),
    ],
)
def test_another_number_of_records_than_was_sent_is_an_error_with_both_numbers(accept, body, where):
    answered = 1 if body == "0.1,0.2,0.3" else 3
    with pytest.raises(ModelError, match=f"answers {answered} records, but 2 were sent"):
        answer(accept, body, **where)


@pytest.mark.parametrize(
    ("accept", "body", "where", "message"),
    [
        (CSV, "", {}, "answers 0 records, but 2 were sent"),
        (CSV, "dog\ncat", {}, "scores that are not numbers"),
        (CSV, "0.1,0.2\n0.3", {}, "not the same number per record"),
        (CSV, "1\n0", {"label": 0, "probability": 1}, r"no column 1 \(predictor.probability\) in line 1"),
        (CSV, "[1, x]\n[1]", {"probability": 0}, "scores that are not numbers"),
        (CSV, '0.1\n"0.2', {}, "is not CSV"),
        (CSV, '"[f()]"\n"[1]"', {"probability": 0}, r"a list that cannot be read: '\[f\(\)\]'"),
        (CSV, AUTOPILOT, {"label": 2}, "predictor.probability must state where their scores are"),
        (
            CSV,
            '"[\'a\']","[1, 2]"\n"[\'a\']","[1, 2]"',
            {"label": 0, "probability": 1},
            "has 1 labels but 2 scores per record",
        ),
        (LINES, "<html>", {"probability": "p"}, "is not JSON .*: '<html>'"),
        (LINES, '{"p":1}\n{"q":1}', {"probability": "p"}, "nothing at predictor.probability 'p' for record 2"),
        (JSON, '{"q":1}', {"probability": "p"}, "nothing at predictor.probability 'p'"),
        (JSON, '{"p":1}', {"probability": "p"}, "holds one int where 2 records were sent"),
        (JSON, "[true,false]", {}, "true or false where a score is expected"),
        (JSON, '{"p":1}', {"probability": "abs(@)"}, r"does not fit 'abs\(@\)'"),
        (CSV, b"\xff\xfe", {}, "not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_quoted(accept, body, where, message):
    with pytest.raises(ModelError, match=message):
        answer(accept, body, **where)


def test_only_the_first_200_characters_are_quoted():
    with pytest.raises(ModelError) as caught:
        answer(JSON, "x" * 5000)
    assert "x" * 200 + "'…" in str(caught.value)
    assert "x" * 201 not in str(caught.value)


@pytest.mark.parametrize(
    ("accept", "where", "message"),
    [
        (CSV, {"label": "name"}, "a CSV response has no names; give the index"),
        (CSV, {"probability": -1}, "give the index of the column, from 0"),
        (JSON, {"probability": 0}, "a JSON response needs a JMESPath"),
        (LINES, {"label": "a[["}, "is not a JMESPath"),
        ("image/png", {}, "'image/png' is not for tabular data"),
    ],
)
def test_keys_that_cannot_work_are_refused_before_any_call(accept, where, message):
    with pytest.raises(ModelError, match=message):
        decoder(spec(accept, **where))
