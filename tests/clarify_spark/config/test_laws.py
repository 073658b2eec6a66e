"""Laws of load, over documents nobody wrote by hand."""

import copy
import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from clarify_spark.config import check_runnable, later, load, unsupported
from clarify_spark.config.places import path_of
from clarify_spark.errors import ConfigError

#: No deadline: the first example builds the schema.
PATIENT = settings(deadline=None)
VALID = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "cases" / "valid").glob("*.json"))
]
#: Objects whose keys are the user's own.
FREE = ("baseline", "static_covariates", "content_template")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
WORDS = st.sampled_from(
    ["dataset_type", "methods", "label", "facet", "predictor", "headers", "text/csv", "shap", "all"]
)


def places(value, place=()):
    """The places of all values in a document."""
    yield place
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in members:
        yield from places(member, (*place, step))


def at(document, place):
    for step in place:
        document = document[step]
    return document


def objects(document):
    """The places of objects whose keys the schema fixes."""
    return [
        place
        for place in places(document)
        if isinstance(at(document, place), dict) and not any(name in place for name in FREE)
    ]


@st.composite
def an_unknown_key(draw):
    document = copy.deepcopy(draw(st.sampled_from(VALID)))
    place = draw(st.sampled_from(objects(document)))
    key = draw(
        st.text(min_size=1).filter(lambda text: not text.isidentifier())
        | st.from_regex(r"zz[a-z]{1,8}", fullmatch=True)
    )
    at(document, place)[key] = draw(DOCUMENTS)
    return document, (*place, key)


@st.composite
def one_value_replaced(draw):
    document = copy.deepcopy(draw(st.sampled_from(VALID)))
    place = draw(st.sampled_from([place for place in places(document) if place]))
    at(document, place[:-1])[place[-1]] = draw(DOCUMENTS)
    return document


def outcome(text, *, strict=False):
    """The config, or the problems; any other exception fails the test."""
    try:
        return load(text, strict=strict).config, ()
    except ConfigError as error:
        return None, error.problems


@PATIENT
@given(an_unknown_key())
def test_an_unknown_key_anywhere_is_reported_at_its_path(changed):
    document, place = changed
    _, problems = outcome(json.dumps(document))
    assert path_of(place) in {problem.path for problem in problems}


@PATIENT
@given(DOCUMENTS | st.dictionaries(WORDS, DOCUMENTS | WORDS))
def test_any_json_document_loads_or_is_a_config_error(document):
    config, problems = outcome(json.dumps(document))
    assert (config is None) == bool(problems)


@PATIENT
@given(st.text() | st.text(alphabet='{}[]",:1eE.-NaIfintyul \n\\ud8'))
def test_any_text_loads_or_is_a_config_error(text):
    outcome(text)


@PATIENT
@given(one_value_replaced())
def test_one_changed_value_gives_each_path_once_and_messages_without_noise(document):
    config, problems = outcome(json.dumps(document))
    paths = [problem.path for problem in problems]
    assert len(paths) == len(set(paths))
    for problem in problems:
        assert problem.message.startswith("found ")
        assert "; allowed: " in problem.message
        assert "<" not in problem.path or "<" in json.dumps(document)
        assert len(str(problem)) < 2000
    if config is not None:
        for problem in (*check_runnable(config), *unsupported(config)):
            assert "; allowed: " in problem.message
        assert all(isinstance(note, str) for note in later(config))


@PATIENT
@given(one_value_replaced())
def test_what_loads_strictly_loads_and_means_the_same(document):
    strict, _ = outcome(json.dumps(document), strict=True)
    if strict is not None:
        assert outcome(json.dumps(document))[0] == strict
