"""What a person reads when a run is over: the few numbers that matter."""

from __future__ import annotations

from collections.abc import Iterator

from clarify_spark.bias.counts import Confusion, FacetCounts, facet_a, facet_d
from clarify_spark.bias.metrics import disparate_impact, divide
from clarify_spark.bias.report import CountTable
from clarify_spark.bias.roles import Roles
from clarify_spark.udfs.quoting import shown


def lines(roles: Roles, counts: CountTable) -> list[str]:
    """Per facet entry how often facet d and everybody else have a positive label and get a positive prediction."""
    positive = roles.label.positive.text or "no value"
    head = f"Positive outcomes of {roles.label.name!r} ({positive}), each group against all other rows:"
    return [head, *_entries(roles, counts)]


def roles(found: Roles) -> Iterator[str]:
    """What each role column is taken for."""
    label = found.label
    yield f"label: {_printable(label.name)} ({label.type}), positive: {_printable(label.positive.text) or 'no value'}"
    for facet in found.facets:
        groups = ", ".join(_printable(entry.text) for entry in facet.entries[:10])
        more = f", … ({len(facet.entries)} in all)" if len(facet.entries) > 10 else ""
        yield f"facet: {_printable(facet.name)} ({facet.type}), groups: {groups}{more}"
    yield f"group variable: {_printable(found.group or 'none')}"


def _entries(roles: Roles, counts: CountTable) -> Iterator[str]:
    for role, of_role in zip(roles.facets, counts, strict=True):
        for entry, of_entry in zip(role.entries, of_role, strict=True):
            d, a = facet_d(of_entry), facet_a(of_entry)
            group = f"{_printable(role.name)} = {_printable(entry.text) or '(no row)'}"
            yield f"  {group}: {d.rows:,} of {d.rows + a.rows:,} rows"
            if d.rows and a.rows:
                yield f"    labels       {_rates(d.positives, d, a.positives, a)}"
                if roles.predicted is not None and roles.predicted.error is None:
                    yield f"    predictions  {_predicted(of_entry, d, a)}"


def _printable(text: str) -> str:
    """The text, quoted where it holds line ends or other characters that a terminal obeys."""
    return text if text.isprintable() else shown(text)


def _rates(of_d: int, d: Confusion, of_a: int, a: Confusion) -> str:
    mine, theirs = divide(of_d, d.rows), divide(of_a, a.rows)
    return f"{mine:6.1%} against {theirs:6.1%}  (difference {theirs - mine:+.3f})"


def _predicted(counts: FacetCounts, d: Confusion, a: Confusion) -> str:
    rates = _rates(d.predicted_positives, d, a.predicted_positives, a)
    return f"{rates[:-1]}, ratio {disparate_impact(counts):.3f})"
