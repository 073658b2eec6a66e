"""Results that exist but are unreliable: constant predictions, empty or tiny groups, a flip test on unscaled data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from clarify_spark.bias.counts import Confusion, FacetCounts, confusion
from clarify_spark.bias.roles import Predicate, Roles
from clarify_spark.bias.sections import CountTable

#: Below this many rows a group's proportions are mostly chance.
SMALL_GROUP = 30
#: From this correlation (phi) of membership and label on, a facet coincides with the label.
PROXY = 0.95

Code = Literal[
    "one_label",
    "no_positive_prediction",
    "constant_prediction",
    "perfect",
    "empty",
    "small",
    "one_label_in_group",
    "constant_prediction_in_group",
    "proxy",
    "flip_test",
]


@dataclass(frozen=True)
class Caution:
    """Why a result is unreliable.

    Scope: a ``facet`` and its ``entry`` (text of value or threshold), with a ``metric`` when only that one is meant;
    without a facet it concerns the whole data set or model.
    """

    code: Code
    sentence: str
    facet: str | None = None
    entry: str | None = None
    metric: str | None = None


def bias_cautions(roles: Roles, counts: CountTable) -> tuple[Caution, ...]:
    """Everything degenerate about the counts: first of all rows, then entry by entry."""
    entries = [
        (role.name, entry, of_entry)
        for role, of_role in zip(roles.facets, counts, strict=True)
        for entry, of_entry in zip(role.entries, of_role, strict=True)
    ]
    found: list[Caution] = []
    if entries:
        found += overall_cautions(roles, confusion(entries[0][2].rows.sum(axis=0)))
    whole = {caution.code for caution in found}
    for facet, entry, of_entry in entries:
        found += _entry_cautions(facet, entry, of_entry)
        found += _group_cautions(roles, facet, entry.text, of_entry, whole)
    return tuple(found)


def overall_cautions(roles: Roles, rows: Confusion) -> Iterator[Caution]:
    """What is degenerate about labels and predictions over all rows."""
    positive = roles.label.positive.text or "no value at all"
    one_label = 0 in (rows.positives, rows.negatives)
    if one_label:
        kind = "positive" if rows.positives else "negative"
        sentence = f"All {rows.rows} labels are {kind} (positive is {positive}); there are no outcomes to compare."
        yield Caution("one_label", sentence)
    if roles.predicted is None or roles.predicted.error is not None:
        return
    if rows.predicted_positives == 0:
        why = "Clarify rejects such predictions; check the threshold and the positive label values"
        yield Caution("no_positive_prediction", f"None of {rows.rows} predictions is positive ({positive}). {why}.")
    elif rows.predicted_negatives == 0:
        yield Caution("constant_prediction", f"All {rows.rows} predictions are positive; they do not separate groups.")
    if not one_label and rows.fp + rows.fn == 0:
        leak = "the prediction may be a copy of the label, or a feature may give it away"
        yield Caution("perfect", f"The model is right about all {rows.rows} rows; {leak}.")


def _entry_cautions(facet: str, entry: Predicate, counts: FacetCounts) -> Iterator[Caution]:
    text = entry.text
    rows_a, rows_d = counts.rows.sum(axis=(1, 2)).tolist()
    groups = {"facet d": rows_d, "facet a (all other rows)": rows_a}
    total = rows_a + rows_d
    for group, rows in groups.items():
        if rows == 0:
            why = "; the threshold selects nothing" if entry.interval is not None and group == "facet d" else ""
            why = "; the threshold selects every row" if entry.interval is not None and not why else why
            yield Caution("empty", f"No row is in {group} of {facet!r} = {text!r} ({total} rows){why}.", facet, text)
        elif rows < SMALL_GROUP:
            sentence = (
                f"Only {rows} of {total} rows are in {group} of {facet!r} = {text!r}; proportions are mostly chance."
            )
            yield Caution("small", sentence, facet, text)
    if counts.flips is not None and counts.flips.note is not None:
        metric, _, note = counts.flips.note.partition(":")
        yield Caution("flip_test", f"{metric} of {facet!r} = {text!r}:{note}", facet, text, metric)


def _group_cautions(roles: Roles, facet: str, text: str, counts: FacetCounts, whole: set[Code]) -> Iterator[Caution]:
    """What is degenerate within one group; what holds for all rows (``whole``) is not repeated."""
    named = f"{facet!r} = {text!r}"
    predicted = roles.predicted is not None and roles.predicted.error is None
    for group, cells in (("facet d", counts.rows[1]), ("facet a (all other rows)", counts.rows[0])):
        rows = confusion(cells)
        if rows.rows < SMALL_GROUP:
            continue
        if 0 in (rows.positives, rows.negatives) and "one_label" not in whole:
            kind = "positive" if rows.positives else "negative"
            sentence = f"All {rows.rows} labels in {group} of {named} are {kind}."
            yield Caution("one_label_in_group", sentence, facet, text)
        if (
            predicted
            and 0 in (rows.predicted_positives, rows.predicted_negatives)
            and not whole & {"no_positive_prediction", "constant_prediction"}
        ):
            kind = "positive" if rows.predicted_positives else "negative"
            sentence = f"All {rows.rows} predictions in {group} of {named} are {kind}."
            yield Caution("constant_prediction_in_group", sentence, facet, text)
    yield from _proxy(facet, text, counts)


def _proxy(facet: str, text: str, counts: FacetCounts) -> Iterator[Caution]:
    """Membership and label that (nearly) coincide: the phi coefficient of facet × label."""
    table = counts.rows.sum(axis=2).astype(float)
    rows, labels = table.sum(axis=1), table.sum(axis=0)
    if min(rows) < SMALL_GROUP or min(labels) == 0:
        return
    phi = (table[1, 1] * table[0, 0] - table[1, 0] * table[0, 1]) / math.sqrt(math.prod([*rows, *labels]))
    if abs(phi) >= PROXY:
        agree = int(table[1, 1] + table[0, 0] if phi > 0 else table[1, 0] + table[0, 1])
        label = "a positive" if phi > 0 else "a negative"
        sentence = (
            f"{facet!r} = {text!r} says nearly the same as {label} label ({agree} of {int(table.sum())} rows agree): "
            "the facet may be made from the label, or be another name for it."
        )
        yield Caution("proxy", sentence, facet, text)
