"""Simple JMESPaths without the library give what the library gives."""

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarify_spark.udfs.jmespaths import JMESPathError, compile_path, simple_steps

names = st.sampled_from(["a", "b", "c", "_x1"])
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=30,
)


@st.composite
def expressions(draw):
    first = draw(names | st.sampled_from(["[*]", "[0]", "[-1]"]))
    steps = draw(st.lists(names.map(".{}".format) | st.just("[*]") | st.integers(-3, 3).map("[{}]".format), max_size=5))
    return first + "".join(steps)


@given(expressions(), documents)
def test_simple_expressions_find_what_jmespath_finds(expression, document):
    assert simple_steps(expression) is not None
    assert compile_path(expression)(document) == jmespath.search(expression, document)


@given(st.lists(names, min_size=1, max_size=3).map(".".join), documents)
def test_dotted_names_find_what_jmespath_finds(expression, document):
    assert compile_path(expression)(document) == jmespath.search(expression, document)


@pytest.mark.parametrize(
    "expression",
    ["[*].f", "data[*].features", "a.b[0].c", "a[]", "[a, b]", "{x: a}", '"a b".c', "@", "a | b", "a[?b > `1`]"],
)
def test_all_other_expressions_go_to_the_library(expression):
    document = {"a": [{"b": 2, "c": [1]}, {"b": 0}], "b": 1, "a b": {"c": 3}, "data": [{"features": [1]}]}
    assert compile_path(expression)(document) == jmespath.search(expression, document)


@pytest.mark.parametrize("expression", ["", "a.", "a..b", "[*", "a[x]", "a b", ".a", "a[*]b"])
def test_what_is_no_jmespath_is_refused_as_the_library_refuses_it(expression):
    with pytest.raises(JMESPathError):
        jmespath.compile(expression)
    with pytest.raises(JMESPathError):
        compile_path(expression)
