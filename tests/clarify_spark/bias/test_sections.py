"""Sections: entries under their facet, texts, and predictions that cannot be read."""

from dataclasses import replace

import numpy as np
import pytest

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.predicates import Predicate
from clarify_spark.bias.roles import FacetRole, LabelRole, Roles
from clarify_spark.bias.sections import post_training_section, pre_training_section


def entry(column, value):
    return Predicate(column, (value,), None, str(value))


SEX = FacetRole("sex", "categorical", (entry("sex", 0),), listed=False)
RACE = FacetRole("race", "categorical", (entry("race", "b"), entry("race", "a")), listed=True)
SEX_AGAIN = FacetRole("sex", "categorical", (entry("sex", 1),), listed=False)
LABEL = LabelRole("approve", "categorical", Predicate("approve", (1, 2), None, "1,2"))
PREDICTED = LabelRole("guess", "categorical", Predicate("guess", (1, 2), None, "1,2"))
ROLES = Roles((SEX, RACE, SEX_AGAIN), LABEL, PREDICTED, None, ())
ONE = FacetCounts(np.arange(8).reshape(2, 2, 2), True)
COUNTS = [[ONE], [ONE, ONE], [ONE]]


def test_a_section_has_the_labels_name_and_text():
    section = pre_training_section(ROLES, COUNTS, "all")
    assert (section.label, section.label_value_or_threshold) == ("approve", "1,2")


def test_items_of_one_facet_stand_under_one_name_in_the_configs_order():
    section = pre_training_section(ROLES, COUNTS, ("CI",))
    found = [(facet.name, [entry.value_or_threshold for entry in facet.entries]) for facet in section.facets]
    assert found == [("sex", ["0", "1"]), ("race", ["b", "a"])]


def test_metrics_are_those_asked_for_in_ascii_order():
    section = post_training_section(ROLES, COUNTS, ("TE", "AD", "DI"))
    assert [result.name for result in section.facets[0].entries[0].metrics] == ["AD", "DI", "TE"]


def test_predictions_that_cannot_be_read_give_their_error_to_every_entry():
    roles = replace(ROLES, predicted=replace(PREDICTED, error="not the same"))
    section = post_training_section(roles, COUNTS, "all")
    results = [result for facet in section.facets for entry in facet.entries for result in entry.metrics]
    assert len(results) == 4 * 13
    assert {(result.value, result.error) for result in results} == {(None, "not the same")}


def test_post_training_metrics_without_predictions_are_a_bug():
    with pytest.raises(ValueError, match="no predictions"):
        post_training_section(replace(ROLES, predicted=None), COUNTS, "all")


def test_counts_that_do_not_fit_the_roles_are_a_bug():
    with pytest.raises(ValueError, match="shorter"):
        pre_training_section(ROLES, COUNTS[:2], "all")
