"""A report from the two documents of a run: what is shown, and in which order."""

from __future__ import annotations

from collections.abc import Iterator

from clarify_spark.report import glossary
from clarify_spark.report.blocks import (
    Block,
    Bullets,
    Cell,
    Facts,
    Findings,
    Paragraph,
    Report,
    Section,
    Table,
    section,
)
from clarify_spark.report.formatting import display_sentence, display_text, number
from clarify_spark.report.part import Document, parts

#: Sentences of “In brief”, explanations among them; cautions.
MOST_FINDINGS, MOST_CAUTIONS = 5, 5


def report_content(analysis: Document, details: Document, title: str) -> Report:
    """The report of a run, from analysis.json and analysis_details.json."""
    for part in parts():
        details = part.joined(analysis, details)
    sections = (
        _findings(details),
        _analysed(details),
        *(section for part in parts() for section in part.sections(analysis, details)),
        _quality(details),
        _reading_help(details),
        _reproduce(details),
    )
    return Report(
        title=display_text(title),
        verdict=overall_verdict(details),
        header=Facts(tuple(_header(analysis, details))),
        sections=tuple(one for one in sections if one is not None),
    )


def overall_verdict(details: Document) -> str:
    """The overall verdict on the bounds."""
    found = (part.verdict(details) for part in parts())
    return next((one for one in found if one is not None), "No bounds were set: this report gives no verdict.")


def _header(analysis: Document, details: Document) -> Iterator[tuple[str, Cell]]:
    dataset, model = details.get("dataset", {}), details.get("model")
    if dataset.get("uri"):
        yield "Data set", display_text(dataset["uri"])
    if dataset.get("rows") is not None:
        yield "Rows", number(dataset["rows"])
    if model:
        named = next((model[key] for key in ("model_uri", "endpoint_name", "model_name") if model.get(key)), None)
        yield "Model", display_text(named if named is not None else "given in the configuration")
    keys = {**analysis, **analysis.get("explanations", {})}
    methods = [name for part in parts() for key, name in part.names.items() if key in keys]
    yield "Methods", ", ".join(methods)
    if details.get("finished"):
        yield "Finished", display_text(details["finished"])
    yield "Configuration", display_text(details.get("config_sha256", "–"))


def _findings(details: Document) -> Section | None:
    entries = [finding for part in parts() for finding in part.findings(details)]
    always = [finding for part in parts() for finding in part.always(details)]
    shown = entries[: MOST_FINDINGS - len(always)]
    items = [*shown, *always]
    more = len(entries) - len(shown)
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
    entries = [display_sentence(caution["sentence"]) for caution in details.get("cautions", [])]
    if not entries:
        return None
    rest = (
        [f"… and {len(entries) - MOST_CAUTIONS:,} more in analysis_details.json"]
        if len(entries) > MOST_CAUTIONS
        else []
    )
    return Section("Read with care", (Bullets((*entries[:MOST_CAUTIONS], *rest)),))


def _analysed(details: Document) -> Section | None:
    columns = (block for part in parts() for block in part.columns(details))
    return section("What was analysed", [Facts(tuple(_facts(details))), *columns])


def _facts(details: Document) -> Iterator[tuple[str, Cell]]:
    for part in parts():
        yield from part.analysed(details)
    dataset = details.get("dataset", {})
    if dataset.get("features"):
        features = [display_text(name) for name in dataset["features"]]
        more = f", … ({len(features):,} in all)" if len(features) > 20 else ""
        yield "Features of the model", ", ".join(features[:20]) + more


def _quality(details: Document) -> Section | None:
    dataset = details.get("dataset", {})
    pairs: list[tuple[str, Cell]] = []
    if "malformed_records" in dataset:
        pairs.append(("Malformed records left out", number(dataset["malformed_records"])))
    pairs += [pair for part in parts() for pair in part.quality(details)]
    blocks: list[Block | None] = [Facts(tuple(pairs)) if pairs else None, _calls(details)]
    warnings = [display_sentence(warning) for warning in (*details.get("warnings", []), *details.get("notes", []))]
    if warnings:
        blocks.append(Section("Warnings and notes", (Bullets(tuple(warnings[:50])),)))
    return section("Quality of this run", blocks)


def _calls(details: Document) -> Table | None:
    calls = details.get("model_calls", {})
    if not calls:
        return None
    rows = tuple(
        (
            display_text(name.replace("_", " ")),
            number(one["records"]),
            number(one["requests"]),
            display_text(", ".join(f"{why}: {times:,}" for why, times in one["failed_requests"].items()) or "none"),
            number(one["seconds_waited"]),
        )
        for name, one in calls.items()
    )
    return Table(
        "Requests to the model", ("Needed for", "Records", "Requests", "Failed and sent again", "Seconds waited"), rows
    )


def _reading_help(details: Document) -> Section:
    terms = (*(term for part in parts() for term in part.glossary), *glossary.GLOSSARY)
    blocks = (block for part in parts() for block in part.help(details))
    return Section("Limits and reading help", (Bullets(glossary.LIMITS), Facts(terms), *blocks))


def _reproduce(details: Document) -> Section:
    pairs: list[tuple[str, Cell]] = [("Seed", number(details.get("seed")))]
    if details.get("command"):
        pairs.insert(0, ("Command", display_sentence(details["command"])))
    dataset = details.get("dataset", {})
    if dataset.get("listing_sha256"):
        what = "list of data files" if dataset.get("files", 1) else "table's name and version"
        pairs.append((f"SHA-256 of the {what}", display_text(dataset["listing_sha256"])))
    pairs.append(("SHA-256 of the configuration", display_text(details.get("config_sha256", "–"))))
    pairs += [
        (f"Version of {display_text(name)}", display_text(version))
        for name, version in details.get("versions", {}).items()
    ]
    seconds = tuple((display_text(phase), number(taken)) for phase, taken in details.get("seconds", {}).items())
    blocks: list[Block] = [Facts(tuple(pairs))]
    if seconds:
        blocks.append(Table("Time taken", ("Phase", "Seconds"), seconds, folded=True))
    return Section("How to reproduce this", tuple(blocks))
