"""A report from the two documents of a run: what is told, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clarify_spark.report import meanings
from clarify_spark.report.bias import bias_sections, comparisons
from clarify_spark.report.blocks import (
    VERDICTS,
    Block,
    Bullets,
    Cell,
    Facts,
    Finding,
    Findings,
    Mark,
    Paragraph,
    Report,
    Section,
    Table,
    section,
)
from clarify_spark.report.explanations import explanation_sections, sentences
from clarify_spark.report.joined import joined
from clarify_spark.report.words import number, plain, sentence

#: Sentences of “In brief”, explanations among them; cautions; lines of a table of columns.
MOST_FINDINGS, MOST_CAUTIONS, MOST_COLUMNS = 5, 5, 100
NAMED = {"outside_bounds": "outside", "not_enough_data": "without enough data to tell", "within_bounds": "within"}
#: What was computed, by the sections of analysis.json.
METHODS = {
    "pre_training_bias_metrics": "bias of the data",
    "post_training_bias_metrics": "bias of the predictions",
    "kernel_shap": "Kernel SHAP",
    "pdp": "partial dependence",
}
Document = Mapping[str, Any]


def report(analysis: Document, details: Document, title: str) -> Report:
    """The report of a run, from analysis.json and analysis_details.json."""
    details = joined(analysis, details)
    sections = (
        _findings(details),
        _analysed(details),
        *bias_sections(details),
        *explanation_sections(analysis, details),
        _quality(details),
        _reading_help(details),
        _reproduce(details),
    )
    return Report(
        title=plain(title),
        verdict=verdict(details),
        header=Facts(tuple(_header(analysis, details))),
        sections=tuple(one for one in sections if one is not None),
    )


def verdict(details: Document) -> str:
    """What the bounds say together: one of the three verdicts, the worst that there is, and how many have which."""
    found = details.get("bias", {}).get("verdicts")
    if not found:
        return "No bounds were set: this report gives no verdict."
    counts = {kind: found.get(kind, 0) for kind in VERDICTS}
    worst = next((kind for kind in VERDICTS if counts[kind]), None)
    if worst is None:
        return "No metric that was computed has bounds: this report gives no verdict."
    told = [f"{count:,} {NAMED[kind]}" for kind, count in counts.items()]
    return f"{VERDICTS[worst]}: {meanings.VERDICTS[worst]} Metrics with bounds: {', '.join(told)}."


def _header(analysis: Document, details: Document) -> Iterator[tuple[str, Cell]]:
    dataset, model = details.get("dataset", {}), details.get("model")
    if dataset.get("uri"):
        yield "Data set", plain(dataset["uri"])
    if dataset.get("rows") is not None:
        yield "Rows", number(dataset["rows"])
    if model:
        named = next((model[key] for key in ("model_uri", "endpoint_name", "model_name") if model.get(key)), None)
        yield "Model", plain(named if named is not None else "given in the configuration")
    methods = [name for key, name in METHODS.items() if key in {**analysis, **analysis.get("explanations", {})}]
    yield "Methods", ", ".join(methods)
    if details.get("finished"):
        yield "Finished", plain(details["finished"])
    yield "Configuration", plain(details.get("config_sha256", "–"))


def _findings(details: Document) -> Section | None:
    told = details.get("bias", {}).get("findings", [])
    marks = {
        metric["sentence"]: Mark(metric["verdict"])
        for comparison in comparisons(details)
        for metric in comparison["metrics"]
        if "verdict" in metric
    }
    explained = [Finding(one) for one in sentences(details)]
    shown = told[: MOST_FINDINGS - len(explained)]
    items = [*(Finding(sentence(one), marks.get(one)) for one in shown), *explained]
    more = len(told) - len(shown)
    return section(
        "In brief",
        [
            Findings(tuple(items)) if items else None,
            Paragraph(f"{more:,} more findings are in analysis_details.json and in the tables below.", note=True)
            if more > 0
            else None,
            _cautions(details),
        ],
    )


def _cautions(details: Document) -> Section | None:
    told = [sentence(caution["sentence"]) for caution in details.get("cautions", [])]
    if not told:
        return None
    rest = [f"… and {len(told) - MOST_CAUTIONS:,} more in analysis_details.json"] if len(told) > MOST_CAUTIONS else []
    return Section("Read with care", (Bullets((*told[:MOST_CAUTIONS], *rest)),))


def _analysed(details: Document) -> Section | None:
    return section("What was analysed", [Facts(tuple(_facts(details))), _columns(details)])


def _facts(details: Document) -> Iterator[tuple[str, Cell]]:
    dataset, bias = details.get("dataset", {}), details.get("bias", {})
    if "label" in bias:
        yield "Label", f"{plain(bias['label']['name'])}, positive: {plain(bias['label']['positive'])}"
    if bias.get("predicted_label"):
        predicted = bias["predicted_label"]
        yield "Prediction", f"{plain(predicted['name'])}, positive: {plain(predicted['positive'])}"
    for name, entries in bias.get("facets", {}).items():
        groups = ", ".join(plain(entry["value_or_threshold"]) for entry in entries[:10])
        yield f"Facet {plain(name)}", groups if len(entries) <= 10 else f"{groups}, … ({len(entries):,} groups)"
    for key, name in (("group_variable", "Group variable"), ("weight", "Weight")):
        if bias.get(key):
            yield name, plain(bias[key])
    if "statistics" in bias:
        yield "Confidence level of intervals", f"{100 * bias['statistics']['confidence_level']:g} %"
        yield "Questions asked of the data", number(bias["statistics"]["hypotheses_tested"])
    if dataset.get("features"):
        features = [plain(name) for name in dataset["features"]]
        more = f", … ({len(features):,} in all)" if len(features) > 20 else ""
        yield "Features of the model", ", ".join(features[:20]) + more


def _columns(details: Document) -> Table | None:
    columns = details.get("columns", [])
    if not columns:
        return None
    rows = tuple(
        (
            plain(column["name"]),
            plain(column.get("kind", "–")),
            plain(column.get("type", "–")),
            number(column["missing"]),
            number(column.get("distinct")),
        )
        for column in columns[:MOST_COLUMNS]
    )
    titles = ("Column", "Holds", "Taken as", "Missing values", "Different values")
    return Table("Columns that the bias metrics use", titles, rows, folded=True)


def _quality(details: Document) -> Section | None:
    dataset, shap, curves = (details.get(key, {}) for key in ("dataset", "kernel_shap", "partial_dependence"))
    pairs: list[tuple[str, Cell]] = []
    if "malformed_records" in dataset:
        pairs.append(("Malformed records left out", number(dataset["malformed_records"])))
    if shap:
        pairs += [
            ("SHAP values", sentence(f"{shap['design']['sampling']}; {shap['intervals']}")),
            ("Largest residual of a SHAP row", number(shap.get("largest_residual"))),
            ("Model records for SHAP values", number(shap.get("model_records"))),
            ("Baseline rows", number(shap["baseline"]["rows"])),
        ]
    if curves:
        rows = f"{curves['rows']:,} of {curves['of_rows']:,}"
        pairs += [
            ("Rows used for partial dependence", rows),
            ("Model records for partial dependence", number(curves["model_records"])),
        ]
    blocks: list[Block | None] = [Facts(tuple(pairs)) if pairs else None, _calls(details)]
    warnings = [sentence(warning) for warning in (*details.get("warnings", []), *details.get("notes", []))]
    if warnings:
        blocks.append(Section("Warnings and notes", (Bullets(tuple(warnings[:50])),)))
    return section("Quality of this run", blocks)


def _calls(details: Document) -> Table | None:
    calls = details.get("model_calls", {})
    if not calls:
        return None
    rows = tuple(
        (
            plain(name.replace("_", " ")),
            number(one["records"]),
            number(one["requests"]),
            plain(", ".join(f"{why}: {times:,}" for why, times in one["failed_requests"].items()) or "none"),
            number(one["seconds_waited"]),
        )
        for name, one in calls.items()
    )
    return Table(
        "Requests to the model", ("Needed for", "Records", "Requests", "Failed and sent again", "Seconds waited"), rows
    )


def _reading_help(details: Document) -> Section:
    used = {metric["name"] for comparison in comparisons(details) for metric in comparison["metrics"]}
    rows = tuple(
        (name, meaning, ideal) for name, (meaning, ideal) in meanings.METRICS.items() if not used or name in used
    )
    blocks: list[Block] = [Bullets(meanings.LIMITS), Facts(tuple(meanings.GLOSSARY))]
    if used:
        blocks.append(Table("Metrics in this report", ("Metric", "Meaning", "Ideal"), rows, folded=True))
        blocks.append(Facts(tuple(_methods(details))))
    return Section("Limits and reading help", tuple(blocks))


def _methods(details: Document) -> Iterator[tuple[str, Cell]]:
    statistics = details["bias"].get("statistics", {})
    for kind, key in (("Interval", "interval_methods"), ("Test", "tests")):
        for name, meaning in statistics.get(key, {}).items():
            yield f"{kind} “{plain(name.replace('_', ' '))}”", plain(meaning)


def _reproduce(details: Document) -> Section:
    pairs: list[tuple[str, Cell]] = [("Seed", number(details.get("seed")))]
    if details.get("command"):
        pairs.insert(0, ("Command", sentence(details["command"])))
    dataset = details.get("dataset", {})
    if dataset.get("listing_sha256"):
        pairs.append(("SHA-256 of the list of data files", plain(dataset["listing_sha256"])))
    pairs.append(("SHA-256 of the configuration", plain(details.get("config_sha256", "–"))))
    pairs += [(f"Version of {plain(name)}", plain(version)) for name, version in details.get("versions", {}).items()]
    seconds = tuple((plain(phase), number(taken)) for phase, taken in details.get("seconds", {}).items())
    blocks: list[Block] = [Facts(tuple(pairs))]
    if seconds:
        blocks.append(Table("Time taken", ("Phase", "Seconds"), seconds, folded=True))
    return Section("How to reproduce this", tuple(blocks))
