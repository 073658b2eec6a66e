"""The results of a run as values: what a notebook or a program wants to have in its hands."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import ValidationError

from clarify_spark.documents.typed import Analysis
from clarify_spark.errors import CommandError
from clarify_spark.report.files import NAME, page
from clarify_spark.spark.files.output import Output
from clarify_spark.spark.results import local_values

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ANALYSIS, DETAILS = "analysis.json", "analysis_details.json"
STAGES = ("pre_training", "post_training")
METRIC_COLUMNS = (
    "stage", "facet", "value_or_threshold", "metric", "description", "value", "error",
    "low", "high", "p_value", "p_value_holm", "verdict", "sentence",
)  # fmt: skip
SHAP_COLUMNS = (
    "label", "feature", "global_shap_value", "standard_error_coalitions", "standard_error_rows", "expected_value",
)  # fmt: skip
#: Height of the report in a notebook.
PIXELS = 800


@dataclass(frozen=True)
class Results:
    """The files of a finished run, read when they are asked for; local folders need no Spark but for local values.

    ``lines`` and ``warnings``: what the run said, when it was this process that ran it.
    """

    output: str
    spark: SparkSession | None = None
    lines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def document(self) -> dict[str, Any]:
        """analysis.json as it is."""
        return _document(self._folder, ANALYSIS)

    @cached_property
    def details(self) -> dict[str, Any]:
        """analysis_details.json as it is."""
        return _document(self._folder, DETAILS)

    @cached_property
    def analysis(self) -> Analysis:
        """analysis.json with types."""
        try:
            return Analysis.model_validate(self.document)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise CommandError(f"{self.output}/{ANALYSIS} is none of Clarify's: {place}: {first['msg']}") from error

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row for each bias metric of each group, with its interval, p-values and verdict where there are any."""
        return pd.DataFrame(list(_metrics(self.analysis, self.details)), columns=list(METRIC_COLUMNS))

    @cached_property
    def shap_values(self) -> pd.DataFrame:
        """One row for each output and feature: the global SHAP value and its standard errors."""
        return pd.DataFrame(list(_shap_values(self.analysis, self.details)), columns=list(SHAP_COLUMNS))

    @property
    def local_explanations(self) -> DataFrame:
        """One row for each row of the data, in its order by ``row_key``: predictions, and values as out.csv has them.

        Columns: ``row_key``, the join column if any, ``prediction_<label>`` and ``<feature>_<label>``.
        """
        shap = self.analysis.explanations.kernel_shap
        if shap is None:
            raise CommandError(f"{self.output} has no local explanations: its run had no methods.shap.")
        features = {label: list(output.global_shap_values) for label, output in shap.items()}
        return local_values(self._folder, self.spark, features)

    @cached_property
    def report_html(self) -> str:
        """The report as one page: the file that the run wrote, else drawn from the two documents."""
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
        tables = [
            self.metrics[["stage", "facet", "value_or_threshold", "metric", "value", "low", "high"]],
            self.shap_values[["label", "feature", "global_shap_value"]],
        ]
        texts = [table.to_string(index=False) for table in tables if len(table)]
        return "\n\n".join([*texts, f"Results: {self.output}"])

    def _repr_html_(self) -> str:
        """The report in a frame of its own, so that its style and the notebook's leave each other alone."""
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


def _document(folder: Output, name: str) -> dict[str, Any]:
    data = folder.read_bytes(name)
    if data is None:
        raise CommandError(f"{folder.uri} has no {name}; name the output folder of a finished run.")
    try:
        found = json.loads(data)
    except ValueError as error:
        raise CommandError(f"{folder.uri}/{name} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise CommandError(f"{folder.uri}/{name} is no JSON object.")
    return found


def _metrics(analysis: Analysis, details: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for stage in STAGES:
        section = getattr(analysis, f"{stage}_bias_metrics")
        if section is None:
            continue
        for facet, entries in section.facets.items():
            sure = details.get("bias", {}).get("facets", {}).get(facet, [])
            for number, entry in enumerate(entries):
                told = sure[number]["metrics"] if number < len(sure) else []
                by_name = {one["name"]: one for one in told if one.get("stage") == stage}
                for metric in entry.metrics:
                    yield {
                        "stage": stage,
                        "facet": facet,
                        "value_or_threshold": entry.value_or_threshold,
                        "metric": metric.name,
                        "description": metric.description,
                        "value": metric.value,
                        "error": metric.error,
                        **_evidence(by_name.get(metric.name, {})),
                    }


def _evidence(told: Mapping[str, Any]) -> dict[str, Any]:
    """How sure one metric is; floats also where JSON has "Infinity"."""
    interval, test = told.get("interval", {}), told.get("test", {})
    return {
        "low": _float(interval.get("low")),
        "high": _float(interval.get("high")),
        "p_value": _float(test.get("p_value")),
        "p_value_holm": _float(test.get("holm")),
        "verdict": told.get("verdict"),
        "sentence": told.get("sentence"),
    }


def _shap_values(analysis: Analysis, details: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    sure = {
        (output["label"], feature["name"]): feature
        for output in details.get("kernel_shap", {}).get("outputs", [])
        for feature in output["features"]
    }
    for label, output in (analysis.explanations.kernel_shap or {}).items():
        for feature, value in output.global_shap_values.items():
            told = sure.get((label, feature), {})
            yield {
                "label": label,
                "feature": feature,
                "global_shap_value": value,
                "standard_error_coalitions": _float(told.get("standard_error_coalitions")),
                "standard_error_rows": _float(told.get("standard_error_rows")),
                "expected_value": output.expected_value,
            }


def _float(value: float | str | None) -> float | None:
    return None if value is None else float(value)
