"""Whether what our code makes of a case is what the reference made of it, or what the table of differences says."""

import pytest
from differences import DIFFERENCES, Named, Refused, SameAs
from golden_cases import COMMITTED, FULL, NOT_IN_CLONE, PARTS, load_cases, mismatches

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


def disagreements(case, outcome):
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


#: pytest parameters: the committed cases, and those of the full set where it is at hand.
COMMITTED_PARAMS = [pytest.param(case, id=case.name) for case in load_cases(COMMITTED)]
FULL_PARAMS = [pytest.param(case, id=name) for name, case in FULL_CASES.items()] or ABSENT
