"""A report as one HTML file that needs no network, no script and no mouse."""

from __future__ import annotations

from typing import Any

from clarify_spark.report.blocks import (
    Bullets,
    Facts,
    Figure,
    Findings,
    Mark,
    Number,
    Paragraph,
    Report,
    Section,
    Table,
)

KINDS = {
    Paragraph: "paragraph",
    Findings: "findings",
    Bullets: "bullets",
    Facts: "facts",
    Table: "table",
    Figure: "figure",
    Section: "section",
    Mark: "mark",
    Number: "number",
    str: "text",
}


def html(report: Report) -> str:
    """The page; every text is escaped by Jinja, and charts are the only markup inserted unescaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("clarify_spark.report")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pages.filters["kind"] = _kind
    return pages.get_template("report.html.j2").render(report=report)


def _kind(block: Any) -> str:
    return KINDS[type(block)]
