"""Results that exist but mean little: constant predictions, empty or tiny groups, a flip test on unscaled data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from clarify_spark.bias.counts import Confusion, FacetCounts, everyone, facet_a, facet_d
from clarify_spark.bias.report import CountTable
from clarify_spark.bias.roles import Roles

#: Below this many rows a group's proportions are mostly chance.
SMALL_GROUP = 30
#: Features whose spreads differ by more than this leave the narrow one without a say in Euclidean distances.
UNSCALED_RATIO = 10.0

Code = Literal["one_label", "no_positive_prediction", "constant_prediction", "perfect", "empty", "small", "flip_test"]


@dataclass(frozen=True)
class Caution:
    """Why a result deserves no trust.

    Scope: a ``facet`` and its ``entry`` (text of value or threshold), with a ``metric`` when only that one is meant;
    without a facet it concerns the whole data set or model.
    """

    code: Code
    sentence: str
    facet: str | None = None
    entry: str | None = None
    metric: str | None = None


def cautions(roles: Roles, counts: CountTable) -> tuple[Caution, ...]:
    """Everything degenerate about the counts: first of all rows, then entry by entry."""
    entries = [
        (role.name, entry.text, of_entry)
        for role, of_role in zip(roles.facets, counts, strict=True)
        for entry, of_entry in zip(role.entries, of_role, strict=True)
    ]
    found: list[Caution] = []
    if entries:
        found += overall_cautions(roles, everyone(entries[0][2]))
    for facet, text, of_entry in entries:
        found += _entry_cautions(facet, text, of_entry)
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
        why = "Clarify gives up on such predictions; check the threshold and the positive label values"
        yield Caution("no_positive_prediction", f"None of {rows.rows} predictions is positive ({positive}). {why}.")
    elif rows.predicted_negatives == 0:
        yield Caution("constant_prediction", f"All {rows.rows} predictions are positive; they tell no group apart.")
    if not one_label and rows.fp + rows.fn == 0:
        leak = "the prediction may be a copy of the label, or a feature may give it away"
        yield Caution("perfect", f"The model is right about all {rows.rows} rows; {leak}.")


def flip_note(spreads: Mapping[str, float], tied: int, compared: int) -> str | None:
    """A sentence about what distorts the flip test, None when nothing does.

    ``spreads``: standard deviation of each feature; ``tied``: rows of d whose k-th and next neighbour are equally far;
    ``compared``: rows of d.
    """
    clauses: list[str] = []
    wide = max(spreads, key=lambda name: spreads[name], default=None)
    narrow = min((name for name in spreads if spreads[name] > 0), key=lambda name: spreads[name], default=None)
    if wide is not None and narrow is not None and spreads[wide] > UNSCALED_RATIO * spreads[narrow]:
        ratio = spreads[wide] / spreads[narrow]
        clauses.append(
            f"features are compared unscaled, and {wide!r} spreads {ratio:.3g} times as wide as {narrow!r}: it decides "
            "who is a neighbour"
        )
    if tied:
        clauses.append(f"{tied} of {compared} rows have equally distant neighbours, whose order decides")
    return f"FT: {'; '.join(clauses)}." if clauses else None


def _entry_cautions(facet: str, text: str, counts: FacetCounts) -> Iterator[Caution]:
    groups = {"facet d": facet_d(counts).rows, "facet a (all other rows)": facet_a(counts).rows}
    total = sum(groups.values())
    for group, rows in groups.items():
        if rows == 0:
            yield Caution("empty", f"No row is in {group} of {facet!r} = {text!r} ({total} rows).", facet, text)
        elif rows < SMALL_GROUP:
            sentence = (
                f"Only {rows} of {total} rows are in {group} of {facet!r} = {text!r}; proportions are mostly chance."
            )
            yield Caution("small", sentence, facet, text)
    if counts.flips is not None and counts.flips.note is not None:
        sentence = counts.flips.note.replace("FT:", f"FT of {facet!r} = {text!r}:", 1)
        yield Caution("flip_test", sentence, facet, text, "FT")
