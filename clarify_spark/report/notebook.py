"""A report as a notebook: the same sections to read, and cells that load the files next to it for a closer look."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Any

from clarify_spark.report.blocks import (
    Block,
    Bullets,
    Facts,
    Figure,
    Findings,
    Paragraph,
    Report,
    Section,
    Table,
    text_of,
)
from clarify_spark.report.charts import standalone

#: Characters that Markdown or HTML may interpret.
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>&~$:^=])")

LOAD = """import json
from pathlib import Path

import pandas as pd

folder = Path(".")  # where this notebook is: the output folder of the run
analysis = json.loads((folder / "analysis.json").read_text(encoding="utf-8"))
details = json.loads((folder / "analysis_details.json").read_text(encoding="utf-8"))
list(analysis)"""


def notebook(report: Report, sources: Iterable[str]) -> str:
    """The notebook as JSON; ``sources``: code that loads the results of analyses."""
    from nbformat import v4, validate, writes

    cells = [
        v4.new_markdown_cell(f"# {_escaped(report.title)}\n\n**{_escaped(report.verdict)}**\n\n{_facts(report.header)}")
    ]
    for section in report.sections:
        cells += _cells(section)
    cells.append(v4.new_markdown_cell("## Look closer\n\nThe cells below load the files of the run."))
    cells += [v4.new_code_cell(source) for source in (LOAD, *sources)]
    for number, cell in enumerate(cells):  # ids that are the same every time
        cell["id"] = f"cell-{number}"
    found = v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    found.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    validate(found)
    return str(writes(found)) + "\n"


def _cells(section: Section) -> Iterator[Any]:
    """One cell for the section, and its charts as attachments."""
    from nbformat import v4

    attachments: dict[str, dict[str, str]] = {}
    cell = v4.new_markdown_cell("\n\n".join(_parts(section, 2, attachments)))
    if attachments:
        cell["attachments"] = attachments
    yield cell


def _parts(section: Section, level: int, attachments: dict[str, dict[str, str]]) -> Iterator[str]:
    yield f"{'#' * level} {_escaped(section.title)}"
    for block in section.blocks:
        if isinstance(block, Section):
            yield from _parts(block, level + 1, attachments)
        elif isinstance(block, Figure):
            name = f"chart-{len(attachments) + 1}.svg"
            drawn = base64.b64encode(standalone(block.svg).encode("utf-8")).decode("ascii")
            attachments[name] = {"image/svg+xml": drawn}
            caption, alt = _escaped(block.caption), _escaped(block.alt)
            yield f"**{caption}**\n\n![{alt}](attachment:{name})\n\n{alt}"
            yield _table(block.table)
        else:
            yield _text(block)


def _text(block: Block) -> str:
    if isinstance(block, Paragraph):
        return _escaped(block.text)
    if isinstance(block, Findings):
        lines = [
            f"{number}. " + (f"**{one.mark.text}** " if one.mark else "") + _escaped(one.text)
            for number, one in enumerate(block.items, 1)
        ]
        return "\n".join(lines)
    if isinstance(block, Bullets):
        return "\n".join(f"* {_escaped(item)}" for item in block.items)
    if isinstance(block, Facts):
        return _facts(block)
    if isinstance(block, Table):
        return _table(block)
    raise TypeError(type(block).__name__)


def _facts(facts: Facts) -> str:
    return "\n".join(
        ["| | |", "|---|---|", *(f"| {_escaped(name)} | {_escaped(text_of(cell))} |" for name, cell in facts.pairs)]
    )


def _table(table: Table) -> str:
    head = [f"| {' | '.join(map(_escaped, table.columns))} |", "|---" * len(table.columns) + "|"]
    rows = [f"| {' | '.join(_escaped(text_of(cell)) for cell in row)} |" for row in table.rows]
    return "\n".join([f"**{_escaped(table.caption)}**", "", *head, *rows])


def _escaped(text: str) -> str:
    """The text escaped for Markdown: HTML by entities, everything else by backslashes."""
    return _SPECIAL.sub(lambda match: {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(match[1], f"\\{match[1]}"), text)
