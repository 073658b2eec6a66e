"""The results of a run as values, for notebooks and programs."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from clarify_spark.config.analyses import ANALYSES
from clarify_spark.documents.typed import Analysis, analysis_model
from clarify_spark.errors import CommandError
from clarify_spark.report.files import NAME, page
from clarify_spark.spark.files.output import Output
from clarify_spark.udfs.dotted_names import resolved

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ANALYSIS, DETAILS = "analysis.json", "analysis_details.json"
#: Height of the report in a notebook.
PIXELS = 800


@dataclass(frozen=True)
class Results:
    """The files of a finished run, read on demand; local folders need no Spark except for local values.

    ``lines`` and ``warnings``: what the run reported, if it ran in this process.
    """

    output: str
    spark: SparkSession | None = None
    lines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def document(self) -> dict[str, Any]:
        """analysis.json, unchanged."""
        return read_document(self._folder, ANALYSIS)

    @cached_property
    def details(self) -> dict[str, Any]:
        """analysis_details.json, unchanged."""
        return read_document(self._folder, DETAILS)

    @cached_property
    def analysis(self) -> Analysis:
        """analysis.json with types."""
        try:
            return analysis_model().model_validate(self.document)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise CommandError(f"{self.output}/{ANALYSIS} has an unexpected layout: {place}: {first['msg']}") from error

    def __getattr__(self, name: str) -> Any:
        """A table or a frame of an analysis by the name that its row in ANALYSES gives it; see ``dir(results)``.

        ``metrics`` and ``shap_values`` are pandas frames; ``local_explanations`` is a Spark data frame with one row for
        each row of the data: ``row_key``, the join column if any, ``prediction_<label>`` and ``<feature>_<label>``.
        """
        for row in ANALYSES.values():
            for table in row.tables:
                if table.name == name:
                    return self.__dict__.setdefault(name, resolved(table.maker)(self.analysis, self.details))
            for frame, maker in row.frames:
                if frame == name:
                    return resolved(maker)(self._folder, self.spark, self.analysis)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        """Its attributes, the tables and frames of analyses among them."""
        frames = {name for row in ANALYSES.values() for name, _ in row.frames}
        return sorted({*super().__dir__(), *frames, *(table.name for row in ANALYSES.values() for table in row.tables)})

    @cached_property
    def report_html(self) -> str:
        """The report as one page: the file that the run wrote, else one made from the two documents."""
        name = str(self.details.get("report", {}).get("name", NAME))
        found = self._folder.read_bytes(f"{name}.html") if "report" in self.details else None
        return page(self.document, self.details) if found is None else found.decode("utf-8")

    def show(self) -> None:
        """Show the report in a notebook; elsewhere write the tables to standard output."""
        if _in_notebook():
            from IPython.display import display

            display(self)  # type: ignore[no-untyped-call]
        else:
            sys.stdout.write(f"{self}\n")

    def __str__(self) -> str:
        """The tables as plain text."""
        tables = [getattr(self, table.name)[list(table.printed)] for row in ANALYSES.values() for table in row.tables]
        texts = [table.to_string(index=False) for table in tables if len(table)]
        return "\n\n".join([*texts, f"Results: {self.output}"])

    def _repr_html_(self) -> str:
        """The report in its own frame, so that its style and the notebook's do not interfere."""
        return (
            f'<iframe title="Analysis report" srcdoc="{escape(self.report_html)}" sandbox="allow-scripts allow-popups" '
            f'style="width: 100%; height: {PIXELS}px; border: 0"></iframe>'
        )

    @cached_property
    def _folder(self) -> Output:
        return Output(self.output, self.spark)


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this process."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def read_document(folder: Output, name: str) -> dict[str, Any]:
    """A JSON document of a finished run; raises CommandError if it is missing or not a JSON object."""
    data = folder.read_bytes(name)
    if data is None:
        raise CommandError(f"{folder.uri} has no {name}; name the output folder of a finished run.")
    try:
        found = json.loads(data)
    except ValueError as error:
        raise CommandError(f"{folder.uri}/{name} is not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise CommandError(f"{folder.uri}/{name} is not a JSON object.")
    return found
