"""The report files of a run, made from its two documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clarify_spark.config.rules.report import is_plain
from clarify_spark.errors import CommandError
from clarify_spark.report.content import report_content
from clarify_spark.report.html import html
from clarify_spark.report.notebook import notebook
from clarify_spark.report.part import sources
from clarify_spark.report.pdf import pdf
from clarify_spark.udfs.short_repr import short_repr

NAME, TITLE = "report", "SageMaker AI Analysis Report"


@dataclass(frozen=True)
class ReportFiles:
    """The files by name, why others could not be made, also by name, and notes on those that were."""

    files: Mapping[str, bytes]
    missing: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything that the recipient of the report should know."""
        return (*self.missing.values(), *self.notes)


def page(analysis: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    """The report as one HTML page, with the title in the details."""
    asked = details.get("report", {})
    return html(report_content(analysis, details, str(asked.get("title", TITLE))))


def report_files(analysis: Mapping[str, Any], details: Mapping[str, Any]) -> ReportFiles:
    """HTML, notebook and PDF with the name and the title in the details; what needs a missing library is left out."""
    asked = details.get("report", {})
    name = str(asked.get("name", NAME))
    if not is_plain(name):
        raise CommandError(f"The report cannot be called {short_repr(name)}: its name must be a plain file name.")
    found = report_content(analysis, details, str(asked.get("title", TITLE)))
    notes: list[str] = []
    makers: dict[str, Callable[[], bytes]] = {
        "html": lambda: html(found).encode("utf-8"),
        "ipynb": lambda: notebook(found, sources(analysis, details)).encode("utf-8"),
        "pdf": lambda: pdf(found, notes.append),
    }
    files, missing = dict[str, bytes](), dict[str, str]()
    for kind, make in makers.items():
        try:
            files[f"{name}.{kind}"] = make()
        except ModuleNotFoundError as error:
            install = "'clarify-spark[pdf]'" if kind == "pdf" else error.name
            missing[f"{name}.{kind}"] = f"{name}.{kind} was not made: it needs {error.name} (pip install {install})."
    return ReportFiles(files, missing, tuple(notes))
