"""What a person reads when a run is over: the few numbers that matter."""

from __future__ import annotations

from collections.abc import Sequence

from clarify_spark.bias.report import BiasSection
from clarify_spark.bias.roles import LabelRole

#: The metrics that the closing lines show, those that were asked for.
HEADLINES = ("CI", "DPL", "DPPL", "DI", "AD", "RD")


def lines(label: LabelRole, sections: Sequence[BiasSection]) -> list[str]:
    """A line per facet entry with its headline metrics, under a line that says what they are about."""
    rows: dict[tuple[str, str, int], list[str]] = {}
    for section in sections:
        for facet in section.facets:
            for position, entry in enumerate(facet.entries):
                cells = rows.setdefault((facet.name, entry.value_or_threshold, position), [])
                cells += [_cell(result.name, result.value) for result in entry.metrics if result.name in HEADLINES]
    head = f"Bias of {label.name!r} (positive: {label.positive.text}), each group against all other rows:"
    return [head, *(f"  {name} = {text or '(no row)'}: {', '.join(cells)}" for (name, text, _), cells in rows.items())]


def _cell(name: str, value: float | None) -> str:
    return f"{name} undefined" if value is None else f"{name} {value:+.3f}"
