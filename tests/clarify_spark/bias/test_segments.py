"""What a segment selects."""

from types import SimpleNamespace

import pytest

from clarify_spark.bias.segments import DEFAULT, Span, segmentation
from clarify_spark.errors import ConfigError


def resolved(segments, kind, **others):
    config = SimpleNamespace(segments=segments, **{"config_name": None, "display_aliases": None, **others})
    return segmentation(config, "age", kind, "segment_config[0]")


def test_values_are_read_as_the_columns_kind_wants_them():
    assert resolved([["1", 2]], "integer").segments[0].values == (1, 2)
    assert resolved([["a", 2]], "string").segments[0].values == ("a", "2")
    assert resolved([["True"]], "boolean").segments[0].values == (True,)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("[1, 4]", Span(1, 4, True, True)),
        ("(1,4]", Span(1, 4, False, True)),
        (" [ 1.5 , 4e2 ) ", Span(1.5, 400, True, False)),
        ("(-inf, 0)", Span(float("-inf"), 0, False, False)),
        ("[-.5, +Infinity]", Span(-0.5, float("inf"), True, True)),
    ],
)
def test_intervals(text, span):
    assert resolved([[text]], "float").segments[0].spans == (span,)


def test_a_text_column_has_values_only():
    assert resolved([["[1, 4]"]], "string").segments[0].values == ("[1, 4]",)


@pytest.mark.parametrize("text", ["[4, 1]", "(1, 1]", "[1; 4]", "[a, b]", "many", "[1, 4"])
def test_what_is_no_interval_is_told_at_its_place(text):
    with pytest.raises(ConfigError, match=r"segment_config\[0\].segments\[1\]\[0\]: found"):
        resolved([["[1, 2]"], [text]], "integer")


def test_names():
    assert resolved([["[1, 2]", 5], [7]], "integer").names == ("[1, 2], 5", "7", DEFAULT)
    assert resolved([[1], [2]], "integer", display_aliases=("a", "b")).names == ("a", "b", DEFAULT)
    named = resolved([[1]], "integer", display_aliases=("a", "others"), config_name="by age")
    assert (named.name, named.names) == ("by age", ("a", "others"))
    assert resolved([[1]], "integer").name == "age"


def test_too_many_segments_are_refused():
    with pytest.raises(ConfigError, match="63 segments"):
        resolved([[k] for k in range(63)], "integer")
