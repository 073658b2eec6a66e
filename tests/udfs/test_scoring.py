import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import threadpoolctl

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Answer, labels_of
from clarify_spark.udfs.predictors import PredictorSpec, load_predictor
from clarify_spark.udfs.predictors.features import typed
from clarify_spark.udfs.predictors.python import answer_of
from clarify_spark.udfs.scoring import BLOCK_ROWS, blocks, predicted_labels, resolved_labels, score_batches

SCHEMA = pa.schema([("row_key", pa.int64()), ("c3", pa.int64())])
MODELS = Path(__file__).parent / "models"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(MODELS))
    sys.modules.pop("scoring_functions", None)


def spec(function="linear", **changes):
    values = {"format": "python", "uri": f"python:scoring_functions:{function}", "feature_names": ("age",)}
    return PredictorSpec(**{**values, "feature_kinds": ("integer",), **changes})


def rows(keys):
    return pd.DataFrame({"row_key": list(keys), "c3": [key % 17 for key in keys]})


def score(frames, of=None):
    batches = (pa.RecordBatch.from_pandas(frame, schema=SCHEMA) for frame in frames)
    return pa.Table.from_batches(score_batches(batches, of or spec(), ["c3"])).to_pandas()


def settled(labels=None, scores=None, of=None, **about):
    answer = Answer(
        None if labels is None else labels_of(labels),
        None if scores is None else np.asarray(scores, dtype=float).reshape(len(scores), -1),
        **about,
    )
    return resolved_labels(answer, of or spec()).labels.tolist()


def test_a_score_above_the_threshold_is_one_and_a_score_at_the_threshold_is_zero():
    assert settled(scores=[0.49, 0.5, 0.51]) == [0, 0, 1]
    assert settled(scores=[0.8, 0.81], of=spec(probability_threshold=0.8)) == [0, 1]
    assert settled(scores=[0.0, 0.1], of=spec(probability_threshold=0.0)) == [0, 1]


def test_the_header_of_the_largest_score_is_the_label_and_of_equal_ones_the_first():
    headers = spec(label_headers=("cat", "dog", "fish"))
    assert settled(scores=[[0.1, 0.6, 0.3], [0.4, 0.2, 0.4]], of=headers) == ["dog", "cat"]


def test_several_scores_without_names_are_refused_with_the_key_to_set():
    with pytest.raises(ModelError, match=r"3 scores per record; predictor.label_headers must name"):
        settled(scores=[[0.1, 0.6, 0.3]])
    with pytest.raises(ModelError, match=r"2 names, but the model gives 3 scores"):
        settled(scores=[[0.1, 0.6, 0.3]], of=spec(label_headers=("a", "b")))


def test_numbers_as_labels_are_thresholded_only_when_a_threshold_is_configured():
    assert settled(labels=[0.2, 0.9]) == [0.2, 0.9]
    assert settled(labels=[0.2, 0.9], of=spec(probability_threshold=0.5)) == [0, 1]
    assert settled(labels=[0.2, 0.9], of=spec(probability_threshold=0.5), label_is="class") == [0.2, 0.9]
    assert settled(labels=["a", "b"], of=spec(probability_threshold=0.5)) == ["a", "b"]
    assert settled(labels=[True, False], of=spec(probability_threshold=0.5)) == [True, False]


def test_a_label_beside_a_configured_score_is_left_alone():
    of = spec(label=0, probability=1, probability_threshold=0.5)
    assert settled(labels=[2, 1], scores=[0.9, 0.1], of=of) == [2, 1]


def test_a_prediction_that_is_not_a_number_is_missing_and_not_negative():
    assert settled(scores=[np.nan, 0.9]) == [None, 1]
    assert settled(scores=[[np.nan, 0.9], [0.1, 0.9]], classes=("a", "b")) == [None, "b"]
    assert settled(labels=[np.nan, 1.5, None]) == [None, 1.5, None]
    assert settled(labels=[np.nan, 1.5], of=spec(probability_threshold=1.0)) == [None, 1]


def test_labels_keep_their_own_type_and_no_numpy_type_leaks():
    labels = settled(labels=np.array([np.int64(1), np.float32(0.5), np.str_("x"), np.bool_(True)], dtype=object))
    assert [type(label) for label in labels] == [int, float, str, bool]


def test_scored_rows_carry_the_label_as_text_its_kind_and_the_score():
    scored = score([rows(range(4, 7))])
    assert list(scored.columns) == ["row_key", "c3", "label_text", "label_kind", "score"]
    assert scored["row_key"].tolist() == [4, 5, 6]
    assert scored["label_text"].tolist() == ["0", "0", "0"]
    assert scored["label_kind"].tolist() == ["integer"] * 3
    np.testing.assert_allclose(scored["score"], [-0.1, 0.0, 0.1], atol=1e-12)


@pytest.mark.parametrize(
    ("function", "labels", "kind", "scored"),
    [
        ("texts", ["cat", "dog"], "string", False),
        ("booleans", ["false", "true"], "boolean", False),
        ("both", ["yes", "yes"], "string", True),
    ],
)
def test_the_kind_of_label_follows_what_the_function_returned(function, labels, kind, scored):
    got = score([rows([5, 6])], spec(function))
    assert got["label_text"].tolist() == labels
    assert got["label_kind"].tolist() == [kind] * 2
    assert got["score"].notna().all() == scored


def test_several_scores_of_a_function_need_and_use_headers():
    of = spec("three", label_headers=("a", "b", "c"))
    assert score([rows([1, 5])], of)["label_text"].tolist() == ["c", "b"]


def test_a_float_array_is_a_label_when_only_label_is_configured():
    got = score([rows([6])], spec(label=0))
    assert got["label_kind"].tolist() == ["float"]
    assert got["score"].isna().all()


@pytest.mark.parametrize(
    ("returned", "answered"),
    [
        (pd.Series([0.9, None], dtype="Float64"), [1, None]),
        (pd.Series([7, None], dtype="Int64"), [7, None]),
        ({"score": [0.9, 0.1]}, [1, 0]),
        ({"label": ["a", "b"]}, ["a", "b"]),
        (np.array([[0.9], [0.1]]), [1, 0]),
    ],
)
def test_what_functions_may_return(returned, answered):
    assert resolved_labels(answer_of(returned, spec(), "f"), spec()).labels.tolist() == answered


@pytest.mark.parametrize(
    ("returned", "configured", "answered"),
    [
        ([[1, 0.2], [0, 0.9]], {"label": 0, "probability": 1}, [1.0, 0.0]),
        ([[1, 0.2], [0, 0.9]], {"probability": 1}, [0, 1]),
        (pd.DataFrame({"yes": [0.2, 0.9]}), {"probability": "yes"}, [0, 1]),
        (pd.DataFrame({"yes": [0.2, 0.9]}), {"probability": 0}, [0, 1]),
        ({"scores": [[0.2, 0.8], [0.9, 0.1]]}, {"probability": "scores", "label_headers": ("n", "y")}, ["y", "n"]),
    ],
)
def test_label_and_probability_pick_columns_of_what_a_function_returned(returned, configured, answered):
    of = spec(**configured)
    assert resolved_labels(answer_of(returned, of, "f"), of).labels.tolist() == answered


@pytest.mark.parametrize(
    ("returned", "configured", "message"),
    [
        ({"class": [1]}, {}, r"returned columns \['class'\]; expected 'label', 'score' or both"),
        ({"score": [0.5]}, {"probability": "p"}, r"no column 'p' among those returned: \['score'\]"),
        ({"score": [0.5], "label": [1, 2]}, {}, "returned 2 labels and 1 scores"),
        (None, {}, "returned one NoneType; expected a value or a row"),
        ([[["a"]]], {}, "returned 3 dimensions"),
        ([["a"]], {}, "the scores are not numbers"),
        ([[], []], {}, "the rows of scores are empty"),
    ],
)
def test_what_functions_may_not_return(returned, configured, message):
    with pytest.raises(ModelError, match=message):
        answer_of(returned, spec(**configured), "f")


def test_no_rows_are_normal():
    empty = pa.RecordBatch.from_pylist([], schema=SCHEMA)
    assert list(score_batches(iter([]), spec(), ["c3"])) == []
    assert list(score_batches(iter([empty, empty]), spec(), ["c3"])) == []


def test_a_model_call_gets_all_rows_of_a_block_however_the_frames_are_cut():
    keys = [*range(10, 2 * BLOCK_ROWS + 5), *range(7 * BLOCK_ROWS - 3, 7 * BLOCK_ROWS + 3), 1 << 40, (1 << 40) + 1]
    whole = pa.RecordBatch.from_pandas(rows(keys), schema=SCHEMA)
    sizes = [BLOCK_ROWS - 10, BLOCK_ROWS, 5, 3, 3, 2]
    for step in (1000, 3333, BLOCK_ROWS, len(keys)):
        batches = [whole.slice(start, step) for start in range(0, len(keys), step)]
        got = list(blocks(iter(batches)))
        assert [block.num_rows for block in got] == sizes
        assert pa.concat_tables(got).combine_chunks().to_batches() == [whole]


def test_cutting_the_data_differently_changes_no_byte_of_the_result():
    whole = rows(range(3 * BLOCK_ROWS // 2))
    expected = score([whole])
    pieces = score([whole.iloc[:11], whole.iloc[11:11], whole.iloc[11:5000], whole.iloc[5000:]])
    pd.testing.assert_frame_equal(pieces, expected)


def test_features_arrive_under_their_own_names_with_the_dtypes_of_read_csv():
    frame = pd.DataFrame(
        {
            "c0": [1, 2],
            "c1": [1.0, None],
            "c2": [True, False],
            "c3": ["a", None],
            "c4": [1.0, np.nan],
            "c5": [True, None],
        }
    )
    kinds = ("integer", "float", "boolean", "string", "integer", "boolean")
    got = typed(frame, ("i", "f", "b", "s", "j", "n"), kinds)
    assert [str(dtype) for dtype in got.dtypes] == ["int64", "float64", "bool", "object", "float64", "object"]
    assert list(got.columns) == ["i", "f", "b", "s", "j", "n"]
    assert got["s"].tolist()[0] == "a"
    assert isinstance(got["s"].tolist()[1], float)


def test_a_nullable_integer_column_without_missing_values_in_the_block_is_int64():
    got = typed(pd.DataFrame({"c0": [1.0, 2.0]}), ("i",), ("integer",))
    assert str(got["i"].dtype) == "int64"


def test_the_number_of_feature_columns_must_fit():
    with pytest.raises(ModelError, match=r"needs 2 feature columns, but 1 arrived"):
        typed(pd.DataFrame({"c0": [1]}), ("a", "b"), ("integer", "integer"))


def test_what_a_users_function_raises_is_quoted_with_its_line():
    line = next(
        n for n, text in enumerate((MODELS / "scoring_functions.py").read_text().splitlines(), 1) if "weather" in text
    )
    with pytest.raises(ModelError, match=rf"ValueError: no weather today \(.*scoring_functions.py:{line}\)") as caught:
        score([rows([1])], spec("broken"))
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_function_that_exits_is_a_model_that_failed():
    with pytest.raises(ModelError, match=r"scoring_functions:quits failed: SystemExit"):
        score([rows([1])], spec("quits"))


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("python:scoring_functions", "write python:package.module:function"),
        ("python:no_such_module:f", "cannot import no_such_module"),
        ("python:scoring_functions:missing", "scoring_functions has no missing"),
        ("python:scoring_functions:NOT_A_FUNCTION", "is of type int, which cannot be called"),
    ],
)
def test_a_function_that_cannot_be_had_is_a_plain_message(uri, message):
    with pytest.raises(ModelError, match=message):
        load_predictor(spec(uri=uri))


def test_models_are_called_with_one_thread_of_each_library():
    with threadpoolctl.threadpool_limits(limits=2):
        threads = load_predictor(spec("threads"))(pd.DataFrame({"age": [1]})).labels
        assert threads.tolist() == [1]
        assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info()} != {1}


def test_a_function_must_answer_every_record():
    with pytest.raises(ModelError, match=r"answered 1 records, but 2 were sent"):
        score([rows([1, 2])], spec("too_few"))


def test_a_label_of_a_strange_type_is_refused():
    with pytest.raises(ModelError, match=r"predicted label is a Timestamp"):
        score([rows([1])], spec("dates"))


def test_predicted_labels_are_those_of_the_model():
    of = spec("texts")
    assert predicted_labels(pd.DataFrame({"age": [9, 1]}), load_predictor(of), of).tolist() == ["dog", "cat"]
