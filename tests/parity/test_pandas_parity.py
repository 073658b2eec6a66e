"""Counts made in pandas, metrics made by our code: the numbers and texts of smclarify 0.5."""

import pytest
from differences import CONVERSIONS, DIFFERENCES, Named, Refused, SameAs
from golden_cases import COMMITTED, FULL, NOT_IN_CLONE, PARTS, evaluate, load_cases, mismatches
from pandas_counts import PANDAS

from clarify_spark.bias.memberships import equal_to

FULL_CASES = {case.name: case for case in load_cases(FULL)}
ABSENT = [pytest.param(None, id="full-set", marks=pytest.mark.skip(reason=NOT_IN_CLONE))]


def _chosen(case):
    return {part: difference for difference in DIFFERENCES if difference.case == case.name for part in difference.parts}


def _named(part):
    """The values of a part by name; of one entry, as all cases with differences have one."""
    if isinstance(part, list):
        (entry,) = part
        return {metric["name"]: metric.get("error", metric["value"]) for metric in entry["metrics"]}
    metrics = {metric["name"]: metric["value"] for metric in part.get("model_performance_metrics", ())}
    return {**part, **metrics}


def _disagreements(case, outcome):
    """One line for everything that is neither the reference's nor what the table of differences says."""
    chosen, lines = _chosen(case), []
    for part in PARTS:
        expected = case.expected.get(part)
        if part in chosen:
            lines += _unlike_the_table(chosen[part].instead, outcome, part)
        elif expected is not None:
            lines += mismatches(outcome.parts.get(part), expected, part)
    return lines


def _unlike_the_table(instead, outcome, part):
    match instead:
        case Refused(path):
            return [] if outcome.problems == (path,) else [f"{part}: not refused at {path} but {outcome.problems}"]
        case SameAs(other):
            return mismatches(outcome.parts.get(part), FULL_CASES[other].expected[part], part)
        case Named(values):
            found = _named(outcome.parts[part])
            return mismatches({name: found.get(name) for name in values}, values, part)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in load_cases(COMMITTED)])
def test_every_committed_case_agrees_with_the_reference(case):
    assert _disagreements(case, evaluate(case, PANDAS)) == []


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in FULL_CASES.items()] or ABSENT)
def test_every_case_of_the_full_set_agrees_with_the_reference_or_with_the_table_of_differences(case):
    assert _disagreements(case, evaluate(case, PANDAS)) == []


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
