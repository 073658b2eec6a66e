"""The part of a report about Kernel SHAP: which features move predictions, and single rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from clarify_spark.report import charts
from clarify_spark.report.blocks import Block, Cell, Figure, Finding, Paragraph, Section, Table, section
from clarify_spark.report.charts import Estimate, key_of
from clarify_spark.report.formatting import as_float, display_sentence, display_text, number, rounded
from clarify_spark.report.part import Document, ReportPart

#: Outputs and features of charts; features of a table.
MOST_OUTPUTS, MOST_FEATURES, MOST_LISTED = 3, 15, 200
AGGREGATES = {"mean_abs": "mean |SHAP value|", "median": "median SHAP value", "mean_sq": "mean squared SHAP value"}
#: Mean SHAP values of the rows with one half of a feature's values and with the other.
HALVES = ("Mean, feature low", "Mean, feature high")


def _always(details: Document) -> Iterator[Finding]:
    """What moves an output most, in a sentence."""
    shap = details.get("kernel_shap")
    if not shap:
        return
    for output in shap["outputs"][:1]:
        names = [display_text(feature["name"]) for feature in _ordered(output)[:3]]
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        what = AGGREGATES[shap["agg_method"]]
        yield Finding(f"The model's output {display_text(output['label'])} is moved most by {listed} ({what}).")


def _sections(_: Document, details: Document) -> Iterator[Section | None]:
    shap = details.get("kernel_shap")
    if shap:
        yield section("What moves the predictions", [*_global(shap)])
        yield section("Single predictions", [*_local(shap)])


def _ordered(output: Document) -> list[Document]:
    return sorted(output["features"], key=lambda one: -abs(_known(one["global_shap_value"])))


def _known(value: Any) -> float:
    found = as_float(value)
    return 0.0 if math.isnan(found) else found


def _global(shap: Document) -> Iterator[Block]:
    what = AGGREGATES[shap["agg_method"]]
    for output in shap["outputs"][:MOST_OUTPUTS]:
        blocks: list[Block] = [_weights(shap, output, what)]
        sampled = next(
            (one for one in shap.get("sampled_rows", {}).get("outputs", []) if one["label"] == output["label"]), None
        )
        if sampled and sampled["values"]:
            blocks.append(_beeswarm(sampled))
        yield Section(f"Output {display_text(output['label'])}", tuple(blocks))
    if len(shap["outputs"]) > MOST_OUTPUTS:
        yield Paragraph(
            f"{MOST_OUTPUTS} of {len(shap['outputs']):,} outputs are shown; analysis.json has all.", note=True
        )


def _weights(shap: Document, output: Document, what: str) -> Figure:
    ordered = _ordered(output)
    rows = tuple(
        (
            display_text(one["name"]),
            number(one["global_shap_value"]),
            number(one["standard_error_coalitions"], 2),
            number(one["standard_error_rows"], 2),
            number(one["mean"]),
        )
        for one in ordered[:MOST_LISTED]
    )
    title = f"Features that move {display_text(output['label'])} most ({what})"
    more = f"; {MOST_LISTED} of {len(ordered):,} features" if len(ordered) > MOST_LISTED else ""
    return Figure(
        title,
        f"Bars of the {what} of the weightiest features, with 95 % intervals over rows and coalitions.",
        charts.bars([_estimate(one) for one in ordered[:MOST_FEATURES]], what, key_of("weights", output["label"])),
        Table(
            f"Expected value {_text(number(output['expected_value']))}; all features{more}",
            ("Feature", what, "Standard error (coalitions)", "Standard error (rows)", "Mean (signed)"),
            rows,
            folded=True,
        ),
    )


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell.text


def _estimate(one: Document) -> Estimate:
    value = as_float(one["global_shap_value"])
    error = math.hypot(_known(one["standard_error_coalitions"]), _known(one["standard_error_rows"]))
    return Estimate(display_text(one["name"]), value, value - 1.96 * error, value + 1.96 * error)


def _beeswarm(sampled: Document) -> Figure:
    names = [display_text(name) for name in sampled["features"][:MOST_FEATURES]]
    values = np.array([[as_float(value) for value in row] for row in sampled["values"]])[:, : len(names)]
    ranks = np.array([[as_float(rank) for rank in row] for row in sampled["ranks"]])[:, : len(names)]
    rows = tuple(
        (
            name,
            *(number(float(part), 3) for part in np.quantile(values[:, place], (0, 0.25, 0.5, 0.75, 1))),
            _mean(values[ranks[:, place] < 0.5, place]),
            _mean(values[ranks[:, place] > 0.5, place]),
        )
        for place, name in enumerate(names)
    )
    title = f"SHAP values of {len(values):,} sampled rows"
    titles = ("Feature", "Lowest", "First quarter", "Median", "Third quarter", "Highest", *HALVES)
    return Figure(
        title,
        "For each feature a dot per row at its SHAP value. Orange dots have high values of the feature, blue ones low "
        "values; grey ones are categories or facets. The last two columns of the table tell the same in numbers.",
        charts.beeswarm(names, values, ranks, key_of("swarm", sampled["label"])),
        Table(title, titles, rows, folded=True),
    )


def _mean(values: np.ndarray) -> Cell:
    return number(float(values.mean()), 3) if len(values) else "–"


def _local(shap: Document) -> Iterator[Block]:
    names = [display_text(one["name"]) for one in shap["outputs"][0]["features"]]
    local = shap.get("local") or []
    for output in dict.fromkeys(one["output"] for one in local):
        yield Section(
            f"Output {display_text(output)}", tuple(_waterfall(one, names) for one in local if one["output"] == output)
        )
    if local:
        yield Paragraph(
            "Values of features are not shown here; the rows are found in the data by their place. "
            "explanations_shap has the SHAP values of all rows if they were saved.",
            note=True,
        )


def _waterfall(one: Document, names: Sequence[str]) -> Figure:
    values = np.array([_known(value) for value in one["values"]])
    order = np.argsort(-np.abs(values), kind="stable")
    first, rest = order[: MOST_FEATURES - 1], order[MOST_FEATURES - 1 :]
    labels = [names[place] for place in first]
    shown = [float(values[place]) for place in first]
    if len(rest):
        labels.append(f"{len(rest):,} other features")
        shown.append(float(values[rest].sum()))
    base, prediction = as_float(one["base_value"]), as_float(one["prediction"])
    why = display_text(one["why"])
    title = (
        f"{why[:1].upper()}{why[1:]} of {display_text(one['output'])}: {display_text(one['row'])}, "
        f"output {rounded(prediction)}"
    )
    rows = tuple((label, number(value)) for label, value in zip(labels, shown, strict=True))
    residual = number(one["residual"], 2)
    return Figure(
        title,
        f"Bars that lead from the expected value {rounded(base)} to the output {rounded(prediction)}; orange bars "
        "raise it, hatched blue ones lower it.",
        charts.waterfall(labels, shown, base, key_of("local", one["row"], one["why"], one["output"])),
        Table(f"{title}; residual {_text(residual)}", ("Feature", "SHAP value"), rows, folded=True),
    )


# --- outside the sections -------------------------------------------------------------------------------------------


def _joined(analysis: Document, details: Document) -> Document:
    """The details with the global values of analysis.json."""
    if not details.get("kernel_shap"):
        return details
    explained = analysis.get("explanations", {}).get("kernel_shap", {})
    outputs = [_output(output, explained.get(output["label"], {})) for output in details["kernel_shap"]["outputs"]]
    return {**details, "kernel_shap": {**details["kernel_shap"], "outputs": outputs}}


def _output(output: Document, said: Document) -> Document:
    values = said.get("global_shap_values", {})
    features = [
        {**feature, "global_shap_value": values.get(feature["name"], feature["global_shap_value"])}
        for feature in output["features"]
    ]
    return {**output, "expected_value": said.get("expected_value", output["expected_value"]), "features": features}


def _quality(details: Document) -> Iterator[tuple[str, Cell]]:
    shap = details.get("kernel_shap")
    if shap:
        yield "SHAP values", display_sentence(f"{shap['design']['sampling']}; {shap['intervals']}")
        yield "Largest residual of a SHAP row", number(shap.get("largest_residual"))
        yield "Model records for SHAP values", number(shap.get("model_records"))
        yield "Baseline rows", number(shap["baseline"]["rows"])


GLOBAL = """weights = pd.DataFrame(
    {label: output["global_shap_values"] for label, output in analysis["explanations"]["kernel_shap"].items()}
)
weights.sort_values(weights.columns[0], ascending=False)"""

LOCAL = """files = sorted((folder / "explanations_shap" / "local.parquet").glob("*.parquet"))
local = pd.concat([pd.read_parquet(file) for file in files]) if files else pd.DataFrame()
local.head()"""


def _cells(analysis: Document, _: Document) -> tuple[str, ...]:
    return (GLOBAL, LOCAL) if "kernel_shap" in analysis.get("explanations", {}) else ()


PART = ReportPart(
    names={"kernel_shap": "Kernel SHAP"},
    joined=_joined,
    always=_always,
    sections=_sections,
    quality=_quality,
    glossary=(
        (
            "SHAP value",
            "How far a feature's value moves one prediction away from the expected value, all others given.",
        ),
        ("Expected value", "The mean prediction for the baseline rows, from which SHAP values count."),
    ),
    cells=_cells,
)
