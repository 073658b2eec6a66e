"""Counts made in pandas, metrics made by our code: the numbers and texts of smclarify 0.5."""

import pytest
from agreement import ABSENT, COMMITTED_PARAMS, FULL_CASES, FULL_PARAMS, disagreements
from differences import CONVERSIONS, DIFFERENCES
from golden_cases import COMMITTED, evaluate, load_cases, mismatches
from pandas_counts import PANDAS

from clarify_spark.bias.predicates import equal_to


@pytest.mark.parametrize("case", COMMITTED_PARAMS)
def test_every_committed_case_agrees_with_the_reference(case):
    assert disagreements(case, evaluate(case, PANDAS)) == []


@pytest.mark.slow
@pytest.mark.parametrize("case", FULL_PARAMS)
def test_every_case_of_the_full_set_agrees_with_the_reference_or_with_the_table_of_differences(case):
    assert disagreements(case, evaluate(case, PANDAS)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "difference",
    [pytest.param(one, id=f"{one.case[:3]}-{len(one.parts)}-{one.parts[0]}") for one in DIFFERENCES]
    if FULL_CASES
    else ABSENT,
)
def test_no_listed_difference_is_unused(difference):
    case = FULL_CASES[difference.case]
    outcome = evaluate(case, PANDAS)
    parts = [part for part in difference.parts if part in case.expected]
    assert any(mismatches(outcome.parts.get(part), case.expected[part], part) for part in parts)


def test_the_committed_subset_is_that_of_the_full_set():
    committed = load_cases(COMMITTED)
    assert len(committed) >= 6
    for case in committed:
        if case.name in FULL_CASES:
            assert case.expected == FULL_CASES[case.name].expected


@pytest.mark.parametrize("conversion", CONVERSIONS, ids=lambda one: f"{one.configured} in {one.kind}")
def test_configured_values_stand_for_what_the_table_says(conversion):
    assert equal_to("x", conversion.kind, conversion.configured).values == conversion.ours
