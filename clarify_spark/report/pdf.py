"""A report as a tagged PDF by Typst: the text reaches it as data, never as markup."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unicodedata import category

from clarify_spark.report.blocks import (
    Bullets,
    Cell,
    Facts,
    Figure,
    Findings,
    Mark,
    Paragraph,
    Report,
    Section,
    Table,
    text_of,
)
from clarify_spark.report.charts import standalone

#: This much of a longer word.
_LONG_WORD = re.compile(r"[^\s\u200b]{24}(?=[^\s\u200b]{8})")
#: matplotlib's fonts that have letters; another has a box for every character and does not count.
_LETTERS = "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf", "STIXGeneral.ttf"


def pdf(report: Report, notify: Callable[[str], None] | None = None) -> bytes:
    """The document; needs the package typst, ModuleNotFoundError where it is missing.

    ``notify`` is called with characters that it cannot show.
    """
    import typst

    with TemporaryDirectory() as folder:
        charts: list[str] = []
        content = {
            "title": report.title,
            "verdict": report.verdict,
            "header": _block(report.header, charts),
            "sections": [_block(section, charts) for section in report.sections],
        }
        content["note"] = note = _without_letters(content)
        if note and notify is not None:
            notify(note)
        place = Path(folder)
        (place / "report.json").write_text(json.dumps(_breakable(content)), encoding="utf-8")
        for number, chart in enumerate(charts):
            (place / f"chart-{number}.svg").write_text(chart, encoding="utf-8")
        template = files("clarify_spark.report").joinpath("templates", "report.typ").read_text("utf-8")
        (place / "report.typ").write_text(template, encoding="utf-8")
        # The letters of the charts, the same on every machine.
        fonts = [str(_fonts())]
        made = typst.compile(
            str(place / "report.typ"),
            root=folder,
            font_paths=fonts,
            ignore_system_fonts=True,
            format="pdf",
            pdf_standards=["ua-1"],
            timestamp=0,
        )
    return bytes(made)


def _fonts() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def _without_letters(content: Any) -> str:
    """A sentence about characters that would be boxes; empty when there are none."""
    from matplotlib.ft2font import FT2Font

    known = {code for font in _LETTERS for code in FT2Font(str(_fonts() / font)).get_charmap()}
    # Blank and joining characters need no glyph of their own.
    lacking = sorted(one for one in _characters(content) if ord(one) not in known and category(one)[0] not in "ZC")
    if not lacking:
        return ""
    named = ", ".join(f"U+{ord(one):04X}" for one in lacking[:5]) + (", …" if len(lacking) > 5 else "")
    return (
        f"The fonts of this PDF lack {len(lacking):,} of the characters in it ({named}), which look like "
        "boxes here. The HTML report shows them with the fonts of the reader's machine."
    )


def _characters(content: Any) -> set[str]:
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        return set().union(*map(_characters, content))
    return set(content) if isinstance(content, str) else set()


def _breakable(content: Any) -> Any:
    """The same with places where long words may be broken, which Typst does not do by itself."""
    if isinstance(content, dict):
        return {key: _breakable(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_breakable(value) for value in content]
    return _LONG_WORD.sub("\\g<0>\u200b", content) if isinstance(content, str) else content


def _block(block: Any, charts: list[str]) -> dict[str, Any]:
    """The block as JSON; charts are collected and referred to by their numbers."""
    if isinstance(block, Section):
        return {"kind": "section", "title": block.title, "blocks": [_block(one, charts) for one in block.blocks]}
    if isinstance(block, Paragraph):
        return {"kind": "paragraph", "text": block.text, "note": block.note}
    if isinstance(block, Findings):
        items = [{"text": one.text, "mark": None if one.mark is None else _cell(one.mark)} for one in block.items]
        return {"kind": "findings", "items": items}
    if isinstance(block, Bullets):
        return {"kind": "bullets", "items": list(block.items)}
    if isinstance(block, Facts):
        return {"kind": "facts", "pairs": [[name, _cell(cell)] for name, cell in block.pairs]}
    if isinstance(block, Table):
        rows = [[_cell(cell) for cell in row] for row in block.rows]
        return {"kind": "table", "caption": block.caption, "columns": list(block.columns), "rows": rows}
    if isinstance(block, Figure):
        charts.append(standalone(block.svg))
        figure = {"kind": "figure", "caption": block.caption, "alt": block.alt, "chart": len(charts) - 1}
        return {**figure, "table": _block(block.table, charts)}
    raise TypeError(type(block).__name__)


def _cell(cell: Cell) -> dict[str, Any]:
    return {"text": text_of(cell), "verdict": cell.verdict if isinstance(cell, Mark) else None}
