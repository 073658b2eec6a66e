"""Roles from a config and the facts about columns: types, predicates, texts, refusals."""

import re
from dataclasses import dataclass

import pytest

from clarify_spark.bias.predicates import Predicate, above, column_type
from clarify_spark.bias.roles import PREDICTION_MISMATCH, RoleNames, needed_facts, resolve
from clarify_spark.columns import ColumnProfile
from clarify_spark.errors import ConfigError


@dataclass(frozen=True)
class Facet:
    value_or_threshold: tuple | None = None
    type: str | None = None


@dataclass(frozen=True)
class Config:
    label_values_or_threshold: tuple | None = (1,)
    label_type: str | None = None
    facet: tuple[Facet, ...] | None = ()


def integers(name="x", rows=1000, nulls=0, distinct=2, maximum=1, **facts):
    return ColumnProfile(name, "integer", rows, nulls, distinct, maximum=maximum, **facts)


def floats(name="x", rows=1000, nulls=0, maximum=1.0, **facts):
    return ColumnProfile(name, "float", rows, nulls, maximum=maximum, **facts)


def texts(name="x", rows=1000, nulls=0, distinct=2, all_integers=False, **facts):
    return ColumnProfile(name, "string", rows, nulls, distinct, all_integers, **facts)


LABELS = integers("y")


def facet(profile, *values, type=None):
    """The role of a facet column with these configured values."""
    config = Config(facet=(Facet(values or None, type),))
    return resolve(config, {"y": LABELS, profile.name: profile}, RoleNames("y", (profile.name,))).facets[0]


def labels(profile, *values, type=None, predicted=None):
    config = Config(values, type)
    profiles = {"y": profile} if predicted is None else {"y": profile, "p": predicted}
    return resolve(config, profiles, RoleNames("y", predicted=None if predicted is None else "p"))


def refusal(config, profiles, names):
    with pytest.raises(ConfigError) as refused:
        resolve(config, profiles, names)
    return refused.value.problems


class TestTypes:
    @pytest.mark.parametrize(
        ("profile", "values", "expected"),
        [
            (integers(rows=40), (1,), "continuous"),
            (integers(rows=41), (1,), "categorical"),
            (integers(rows=50, nulls=10), (1,), "continuous"),
            (integers(rows=5, nulls=5, distinct=0), (1,), "categorical"),
            (floats(), (1,), "continuous"),
            (floats(), (0, 1), "categorical"),
            (integers(rows=10, distinct=10), (1, 2), "categorical"),
            (texts(rows=10, distinct=10), ("a",), "categorical"),
            (texts(rows=10, distinct=10, all_integers=True), ("3",), "continuous"),
            (texts(rows=10, nulls=1, distinct=9, all_integers=True), ("3",), "categorical"),
            (texts(rows=1000, distinct=10, all_integers=True), ("3",), "categorical"),
            (ColumnProfile("x", "boolean", 10, 0), (1,), "categorical"),
            (ColumnProfile("x", "other", 10, 0), ("2020-01-01",), "categorical"),
        ],
    )
    def test_the_rule_is_that_of_clarify(self, profile, values, expected):
        assert column_type(profile, values, None) == expected

    def test_the_configs_own_word_wins(self):
        assert column_type(floats(), (1,), "categorical") == "categorical"
        assert column_type(integers(), (1, 2), "continuous") == "continuous"


class TestThresholds:
    @pytest.mark.parametrize(
        ("threshold", "maximum", "interval", "text"),
        [
            (40, 90, (40, 90), "(40, 90]"),
            (40.5, 90, (40.5, 90.0), "(40.5, 90.0]"),
            (500, 4877.06, (500.0, 4877.06), "(500.0, 4877.06]"),
            (0.5, 0.9936148802477393, (0.5, 0.9936148802477393), "(0.5, 0.9936148802477393]"),
            (90, 90, None, ""),
            (100, 90, (90, 100), "(90, 100]"),
            (17, -17, None, ""),
            (-17, -17, (-17, -17), "(-17, -17]"),
            (-40, -17, (-40, -17), "(-40, -17]"),
            (1, None, None, ""),
        ],
    )
    def test_the_interval_ends_at_the_maximum_with_all_of_clarifys_quirks(self, threshold, maximum, interval, text):
        found = above("x", threshold, maximum)
        assert (found.interval, found.text) == (interval, text)
        assert (found.values is None) == (interval is not None)

    def test_a_threshold_as_text_becomes_a_float(self):
        assert facet(integers(distinct=90, maximum=90), "40").entries[0].text == "(40.0, 90.0]"

    def test_text_that_spells_integers_is_cut_as_integers(self):
        profile = texts(distinct=90, all_integers=True, maximum=90)
        assert facet(profile, 40).entries[0] == Predicate("x", None, (40, 90), "(40, 90]")


class TestValues:
    @pytest.mark.parametrize(
        ("profile", "values", "expected", "text"),
        [
            (integers(), ("0",), (0,), "0"),
            (integers(), (1.0,), (1,), "1.0"),
            (integers(), ("1.0",), (1,), "1.0"),
            (integers(), (1, 2), (1, 2), "1,2"),
            (integers(), (True,), (1,), "True"),
            (texts(), (0,), ("0",), "0"),
            (texts(), ("a", 0), ("a",), "a,0"),
            (floats(), (0, 1), (0.0, 1.0), "0,1"),
            (floats(), ("0", "1"), (0.0, 1.0), "0,1"),
            (ColumnProfile("x", "boolean", 9, 0), (1,), (True,), "1"),
            (ColumnProfile("x", "boolean", 9, 0), ("True",), (True,), "True"),
            (ColumnProfile("x", "boolean", 9, 0), (False,), (False,), "False"),
            (ColumnProfile("x", "other", 9, 0), ("2020-01-01",), ("2020-01-01",), "2020-01-01"),
        ],
    )
    def test_values_are_typed_like_the_column_and_reported_as_configured(self, profile, values, expected, text):
        (entry,) = facet(profile, *values).entries
        assert (entry.values, entry.text) == (expected, text)
        assert [type(value) for value in entry.values] == [type(value) for value in expected]

    def test_without_values_every_distinct_value_is_an_entry_and_missing_matches_no_row(self):
        role = facet(texts(nulls=3, values=(None, "1.0", "0.0")))
        assert role.listed
        assert [(entry.values, entry.text) for entry in role.entries] == [
            ((), "nan"),
            (("1.0",), "1.0"),
            (("0.0",), "0.0"),
        ]

    @pytest.mark.parametrize(
        ("profile", "found"),
        [
            (integers(values=(1, 0)), ["1", "0"]),
            (ColumnProfile("x", "boolean", 9, 0, values=(True, False)), ["True", "False"]),
        ],
    )
    def test_listed_values_are_written_as_pandas_writes_them(self, profile, found):
        assert [entry.text for entry in facet(profile).entries] == found

    def test_an_empty_list_of_values_is_the_same_as_none(self):
        config = Config(facet=(Facet(()),))
        roles = resolve(config, {"y": LABELS, "x": integers(values=(1, 0))}, RoleNames("y", ("x",)))
        assert roles.facets[0].listed

    def test_a_float_column_declared_categorical_is_listed_value_by_value(self):
        role = facet(floats(values=(1.0, 0.0)), type="categorical")
        assert [entry.text for entry in role.entries] == ["1.0", "0.0"]


class TestPredictions:
    def test_they_are_positive_where_labels_are(self):
        roles = labels(LABELS, 1, predicted=integers("p"))
        assert roles.predicted.positive == Predicate("p", (1,), None, "1")

    def test_a_continuous_labels_interval_ends_at_the_joint_maximum(self):
        roles = labels(floats("y", maximum=10.0), 5, predicted=floats("p", maximum=12.5))
        assert roles.label.positive.text == "(5.0, 10.0]"
        assert roles.predicted.positive.interval == (5.0, 12.5)

    def test_floats_that_equal_integers_are_compared_with_integer_labels(self):
        roles = labels(LABELS, 1, predicted=floats("p", all_integers=True))
        assert roles.predicted.positive.values == (1.0,)
        assert roles.predicted.error is None
        assert any("compared as numbers" in sentence for sentence in roles.warnings)

    def test_integer_predictions_are_compared_with_float_labels(self):
        roles = labels(floats("y"), 0.5, predicted=integers("p"))
        assert roles.predicted.positive.interval == (0.5, 1.0)

    def test_scores_cannot_be_compared_with_integer_labels(self):
        roles = labels(LABELS, 1, predicted=floats("p", all_integers=False))
        assert roles.predicted.error == PREDICTION_MISMATCH
        assert roles.predicted.positive.values == ()
        assert any("probability_threshold" in sentence for sentence in roles.warnings)

    def test_text_cannot_be_compared_with_a_threshold(self):
        assert labels(floats("y"), 0.5, predicted=texts("p")).predicted.error == PREDICTION_MISMATCH

    def test_integers_cannot_be_compared_with_words(self):
        assert labels(texts("y"), "yes", predicted=integers("p")).predicted.error == PREDICTION_MISMATCH

    def test_integers_are_compared_with_labels_that_spell_integers(self):
        assert labels(texts("y", all_integers=True), "1", predicted=integers("p")).predicted.positive.values == (1,)

    def test_their_own_type_does_not_matter(self):
        """With few rows one of two 0/1 columns can pass for continuous and the other for categorical."""
        roles = labels(integers("y", rows=41), 1, predicted=integers("p", rows=41, distinct=3))
        assert roles.predicted.type == "categorical"


class TestRefusals:
    @pytest.mark.parametrize(
        ("profile", "item", "path", "message"),
        [
            (floats(), Facet(), "facet[0].value_or_threshold", "needs a threshold"),
            (integers(rows=9), Facet(), "facet[0].value_or_threshold", "needs a threshold"),
            (integers(rows=9), Facet(("old",)), "facet[0].value_or_threshold", "found 'old'; .* single numeric"),
            (integers(), Facet((1, 2), "continuous"), "facet[0].value_or_threshold", "found 1, 2; .* single numeric"),
            (texts(), Facet((1,), "continuous"), "facet[0].type", "not numeric"),
            (ColumnProfile("x", "boolean", 9, 0), Facet((1,), "continuous"), "facet[0].type", "not numeric"),
            (floats(), Facet(("nan",)), "facet[0].value_or_threshold", "single numeric"),
        ],
    )
    def test_a_facet_that_the_user_can_mend_is_a_config_error(self, profile, item, path, message):
        (problem,) = refusal(Config(facet=(item,)), {"y": LABELS, "x": profile}, RoleNames("y", ("x",)))
        assert problem.path == path
        assert re.search(message, problem.message)

    @pytest.mark.parametrize(
        ("profile", "values", "message"),
        [
            (LABELS, None, "positive label values"),
            (LABELS, (), "positive label values"),
            (LABELS, ("yes",), "no value of column 'y'"),
            (floats("y"), ("yes",), "single numeric"),
        ],
    )
    def test_labels_without_positive_values_are_a_config_error(self, profile, values, message):
        (problem,) = refusal(Config(values), {"y": profile}, RoleNames("y"))
        assert problem.path == "label_values_or_threshold"
        assert message in problem.message

    def test_all_problems_are_reported_at_once(self):
        config = Config((), facet=(Facet(), Facet(("old",))))
        names = RoleNames("y", ("a", "b"))
        profiles = {"y": LABELS, "a": floats("a"), "b": floats("b")}
        paths = [problem.path for problem in refusal(config, profiles, names)]
        assert paths == ["label_values_or_threshold", "facet[0].value_or_threshold", "facet[1].value_or_threshold"]

    def test_unknown_columns_are_config_errors_that_name_the_columns(self):
        config = Config(facet=(Facet((1,)),))
        with pytest.raises(ConfigError) as refused:
            needed_facts(config, {"a": "integer"}, RoleNames("y", ("x",), "g", "p"))
        assert [problem.path for problem in refused.value.problems] == [
            "label",
            "facet[0].name_or_index",
            "group_variable",
            "predicted_label",
        ]
        assert "its columns are 'a'" in str(refused.value)

    def test_quoted_values_are_short(self):
        config = Config(facet=(Facet(("x" * 500,)),))
        (problem,) = refusal(config, {"y": LABELS, "x": floats()}, RoleNames("y", ("x",)))
        assert len(problem.message) < 250


class TestFacts:
    @pytest.mark.parametrize(
        ("kind", "item", "expected"),
        [
            ("float", Facet((1,)), {"maximum"}),
            ("float", Facet((1, 2)), set()),
            ("float", Facet(), set()),
            ("float", Facet((1,), "categorical"), set()),
            ("float", Facet(None, "categorical"), {"values"}),
            ("integer", Facet((1,)), {"distinct", "maximum"}),
            ("integer", Facet((1, 2)), set()),
            ("integer", Facet(), {"distinct", "values"}),
            ("integer", Facet((1,), "continuous"), {"maximum"}),
            ("string", Facet((1,)), {"distinct", "all_integers", "maximum"}),
            ("string", Facet(), {"distinct", "all_integers", "values"}),
            ("string", Facet(("a", "b")), set()),
            ("string", Facet((1,), "continuous"), {"all_integers", "maximum"}),
            ("boolean", Facet((1,)), set()),
            ("boolean", Facet(), {"values"}),
            ("other", Facet(("a",)), set()),
        ],
    )
    def test_no_more_is_counted_than_the_rule_needs(self, kind, item, expected):
        facts = needed_facts(Config((0, 1), facet=(item,)), {"y": "integer", "x": kind}, RoleNames("y", ("x",)))
        assert facts == {"y": frozenset(), "x": expected}

    @pytest.mark.parametrize(
        ("values", "label", "predicted", "expected"),
        [
            ((1, 2), "integer", "integer", set()),
            ((1, 2), "integer", "float", {"all_integers"}),
            ((1,), "integer", "integer", {"maximum"}),
            ((1,), "integer", "float", {"all_integers", "maximum"}),
            ((1,), "float", "float", {"maximum"}),
            ((1,), "float", "string", {"all_integers", "maximum"}),
            ((1,), "boolean", "boolean", set()),
        ],
    )
    def test_predictions_are_asked_for_what_the_labels_type_needs(self, values, label, predicted, expected):
        facts = needed_facts(Config(values), {"y": label, "p": predicted}, RoleNames("y", predicted="p"))
        assert facts["p"] == expected

    def test_a_column_in_two_roles_gets_the_facts_of_both(self):
        config = Config((0, 1), facet=(Facet((1,)), Facet()))
        facts = needed_facts(config, {"y": "integer", "x": "integer"}, RoleNames("y", ("x", "x")))
        assert facts["x"] == {"distinct", "maximum", "values"}


@pytest.mark.parametrize("number", [2**63, -(10**30), 10**400, 1e400, "1" + "0" * 30])
def test_a_number_that_no_column_of_integers_can_hold_selects_no_value_and_is_a_threshold_in_float(number):
    assert facet(integers(), number, type="categorical").entries[0].values == ()
    interval = facet(integers(), number, type="continuous").entries[0].interval
    assert [type(bound) for bound in interval] == [float, float]


def test_missing_labels_and_predictions_are_said_to_count_as_negative():
    config, names = Config(), RoleNames("y", predicted="p")
    profiles = {"y": integers("y", nulls=3), "p": integers("p", nulls=1)}
    assert [warning for warning in resolve(config, profiles, names).warnings if "missing" in warning] == [
        "3 of 1,000 values of the label 'y' are missing; as in Clarify they count as negative.",
        "1 of 1,000 values of the prediction 'p' is missing; as in Clarify it counts as negative.",
    ]


def test_missing_facet_values_are_said_once_a_column():
    config = Config(facet=(Facet((1,)), Facet((2,))))
    profiles = {"y": integers("y"), "x": integers("x", nulls=31)}
    assert [
        warning for warning in resolve(config, profiles, RoleNames("y", ("x", "x"))).warnings if "miss" in warning
    ] == ["31 of 1,000 values of the facet 'x' are missing; as in Clarify they count among all other rows."]
