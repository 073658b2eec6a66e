"""Texts and numbers as a report shows them; text from the data is made safe to display here, once."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from clarify_spark.report.blocks import Cell, Number

#: Characters of a name in a table and in a chart, and of a sentence, which may have several names.
LONGEST, LONGEST_IN_CHART, LONGEST_SENTENCE = 300, 36, 2000


def display_sentence(text: Any) -> str:
    """The same as ``display_text`` for what is longer than a name."""
    return display_text(text, LONGEST_SENTENCE)


def display_text(text: Any, longest: int = LONGEST) -> str:
    """The text in one line; invisible and direction-changing characters are shown by their code points."""
    shown = "".join(
        character
        if unicodedata.category(character)[0] != "C" and character not in "\u2028\u2029"
        else _code_point(character)
        for character in str(text)
    )
    return shortened(shown, longest)


def _code_point(character: str) -> str:
    return " " if character in "\n\r\t" else f"\\u{ord(character):04x}"


def shortened(text: str, longest: int = LONGEST_IN_CHART) -> str:
    """The text, truncated where it is longer."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def number(value: Any, digits: int = 4) -> Cell:
    """A number of the documents with that many significant digits; a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return Number({"Infinity": "∞", "-Infinity": "−∞"}.get(value, display_text(value)), value)
    if isinstance(value, int):
        return Number(f"{value:,}", value)
    return Number(rounded(value, digits), value)


def rounded(value: float, digits: int = 4) -> str:
    """The number with that many significant digits and a real minus sign; a dash for NaN."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if math.isnan(value):
        return "–"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}".replace("-", "−")
    found = f"{value:.{digits}g}"
    return found.replace("-", "−") if "e" not in found else found.replace("e-0", "e-").replace("-", "−")


def share(part: float, whole: float) -> str:
    """A part of a whole in percent, with both numbers."""
    return f"{part / whole:.1%} ({rows_or_weights(part)} of {rows_or_weights(whole)})" if whole else "–"


def rows_or_weights(value: float) -> str:
    """Rows, or their weights."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def as_float(value: Any) -> float:
    """The number of a document: infinities are given as text, and a missing one is NaN."""
    if value is None:
        return math.nan
    return float(str(value).replace("Infinity", "inf"))


def range_of(interval: Any) -> str:
    """The ends of an interval."""
    if interval is None:
        return "–"
    return f"{rounded(as_float(interval['low']), 3)} to {rounded(as_float(interval['high']), 3)}"
