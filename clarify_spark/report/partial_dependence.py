"""The part of a report about partial dependence: how outputs move with the values of a feature."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from clarify_spark.report import charts
from clarify_spark.report.blocks import Block, Cell, Figure, Paragraph, Section, Table, section
from clarify_spark.report.charts import Dependence, key_of
from clarify_spark.report.formatting import as_float, display_text, number, rounded
from clarify_spark.report.part import Document, ReportPart

#: Outputs and features of charts.
MOST_OUTPUTS, MOST_CURVES = 3, 20


def _sections(analysis: Document, details: Document) -> Iterator[Section | None]:
    curves = analysis.get("explanations", {}).get("pdp")
    if curves:
        yield section("Partial dependence", [*_curves(curves, details.get("partial_dependence", {}))])


def _curves(curves: Sequence[Document], details: Document) -> Iterator[Block]:
    if details.get("sampled"):
        yield Paragraph(f"Computed from a sample of {details['rows']:,} of {details['of_rows']:,} rows.", note=True)
    besides = {one["feature_name"]: one for one in details.get("features", [])}
    drawn = [curve for curve in curves[:MOST_CURVES] if "error" not in curve]
    for output, label in enumerate(drawn[0]["label_headers"][:MOST_OUTPUTS] if drawn else ()):
        figures = (_curve(curve, besides.get(curve["feature_name"], {}), output) for curve in drawn)
        yield Section(f"Output {display_text(label)}", tuple(figures))
    for curve in curves[:MOST_CURVES]:
        if "error" in curve:
            yield Paragraph(f"{display_text(curve['feature_name'])}: no curve, {display_text(curve['error'])}.")
    if len(curves) > MOST_CURVES:
        yield Paragraph(f"{MOST_CURVES} of {len(curves):,} features are shown; analysis.json has all.", note=True)


def _curve(curve: Document, besides: Document, output: int) -> Figure:
    name, label = display_text(curve["feature_name"]), display_text(curve["label_headers"][output])
    means = np.array(curve["model_predictions"][output], float)
    errors = besides.get("standard_errors")
    spread = np.array([as_float(error) for error in errors[output]]) if errors else np.full(len(means), np.nan)
    individual = besides.get("individual_predictions")
    numbers = curve["data_type"] == "numerical"
    values = [float(value) if numbers else display_text(value) for value in curve["feature_values"]]
    title = f"Mean output {label} when {name} is set to a value"
    rows = tuple(
        (
            number(value) if numbers else str(value),
            number(mean),
            number(float(error), 2) if math.isfinite(error) else "–",
            f"{share:.1%}",
        )
        for value, mean, error, share in zip(
            values, means.tolist(), spread.tolist(), curve["data_distribution"], strict=True
        )
    )
    one = Dependence(
        values,
        means,
        np.nan_to_num(spread),
        np.array(individual[output]) if individual else np.empty((0, len(means))),
        np.array(curve["data_distribution"], float),
        name,
    )
    lines = f" Thin grey lines are {len(one.individual)} single rows." if len(one.individual) else ""
    return Figure(
        title,
        f"The mean output from {rounded(float(means.min()))} to {rounded(float(means.max()))} over the values of "
        f"{name}, with a band of 95 % over rows; below, how many rows have them.{lines}",
        charts.dependence(one, key_of("pdp", curve["feature_name"], output)),
        Table(title, (name, "Mean output", "Standard error", "Share of rows"), rows, folded=True),
    )


def _quality(details: Document) -> Iterator[tuple[str, Cell]]:
    curves = details.get("partial_dependence")
    if curves:
        yield "Rows used for partial dependence", f"{curves['rows']:,} of {curves['of_rows']:,}"
        yield "Model records for partial dependence", number(curves["model_records"])


PART = ReportPart(
    names={"pdp": "partial dependence"},
    sections=_sections,
    quality=_quality,
    glossary=(
        (
            "Partial dependence",
            "The mean prediction when a feature is set to a value in every row and all else stays as it is.",
        ),
        ("Individual curve", "The same for a single row, not averaged."),
    ),
)
