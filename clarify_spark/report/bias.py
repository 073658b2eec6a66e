"""The bias part of a report: groups, metrics, charts of intervals, intersections, segments, model performance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from clarify_spark.report import charts
from clarify_spark.report.blocks import (
    VERDICTS,
    Block,
    Cell,
    Facts,
    Figure,
    Finding,
    Mark,
    Number,
    Paragraph,
    Section,
    Table,
    section,
)
from clarify_spark.report.charts import Estimate, key_of
from clarify_spark.report.formatting import (
    LONGEST_IN_CHART,
    as_float,
    display_sentence,
    display_text,
    number,
    range_of,
    rounded,
    share,
    shortened,
)
from clarify_spark.report.glossary import BOUNDS
from clarify_spark.report.part import Document, ReportPart

#: What the details say about each metric, by short name.
MetricFacts = Mapping[str, Document]
#: Groups of a facet with their own tables; nobody would read a report with more.
MOST_GROUPS = 20
#: Lines of one chart, and of a list of what was left out.
MOST_LINES, MOST_LEFT_OUT = 40, 20
#: Metrics next to each other in a table of comparisons.
MOST_METRICS = 4
ALL_OTHERS = "all other rows"
#: Lines of a table of columns.
MOST_COLUMNS = 100
STAGES = ("pre_training", "post_training")
NAMED = {"outside_bounds": "outside", "not_enough_data": "without enough data to tell", "within_bounds": "within"}


def _comparisons(details: Document) -> Iterator[Document]:
    """Every comparison of the details that has metrics: facet entries, cells of intersections, segments."""
    bias = details.get("bias", {})
    for entries in bias.get("facets", {}).values():
        yield from entries
    for intersection in bias.get("facet_intersections", []):
        for cell in intersection["cells"]:
            yield cell["against_all_others"]
            yield {"metrics": cell.get("against_best_cell", [])}
    for one in bias.get("segments", []):
        for segment in one["segments"]:
            for entries in segment["facets"].values():
                yield from entries


def _sections(_: Document, details: Document) -> Iterator[Section | None]:
    bias = details.get("bias")
    if not bias:
        return
    yield section("Groups", [*_groups(bias)])
    yield section("Bias metrics", [*_metrics(bias)])
    yield section("Intersections of facets", [*_intersections(bias)])
    yield section("Segments", [*_segments(bias)])
    yield section("Model performance", [*_performance(details)])


# --- groups ---------------------------------------------------------------------------------------------------------


def _groups(bias: Document) -> Iterator[Block]:
    for name, entries in bias["facets"].items():
        shown = _worst(entries)
        known, weighted = any(map(_has_predictions, shown)), any(map(_weighted, shown))
        rows: list[tuple[Cell, ...]] = []
        for entry in shown:
            group = display_text(entry["value_or_threshold"])
            others = ALL_OTHERS if len(entries) == 1 else f"{ALL_OTHERS} (not {group})"
            rows += [(group, *_group_row(entry, "d", known)), (others, *_group_row(entry, "a", known))]
        yield Table(f"Groups of {display_text(name)}", ("Group", *_titles(known, weighted)), tuple(rows))
        if len(entries) > len(shown):
            yield _left_to_files(len(entries), len(shown))
        yield _distribution(name, shown, known, weighted)


def _titles(predictions: bool, weighted: bool) -> tuple[str, ...]:
    """For what ``_group_row`` returns."""
    titles = ["Positive labels"]
    if predictions:
        titles += [
            "Positive predictions",
            "True positive rate (of positive labels)",
            "False positive rate (of negative labels)",
        ]
    return ("Rows", "Weight", *(f"{title} (weighted)" for title in titles)) if weighted else ("Rows", *titles)


def _left_to_files(all_of_them: int, shown: int) -> Paragraph:
    return Paragraph(
        f"Of {all_of_them:,} groups the {shown} with the clearest differences are shown; "
        "analysis.json and analysis_details.json have all.",
        note=True,
    )


def _worst(entries: Sequence[Document]) -> list[Document]:
    """At most MOST_GROUPS entries in their order: those with metrics outside bounds, then the clearest differences."""
    if len(entries) <= MOST_GROUPS:
        return list(entries)

    def surest(place: int) -> tuple[int, float]:
        metrics = entries[place]["metrics"]
        outside = sum(metric.get("verdict") == "outside_bounds" for metric in metrics)
        return -outside, min((metric["test"]["p_value"] for metric in metrics if "test" in metric), default=1.0)

    chosen = sorted(range(len(entries)), key=surest)[:MOST_GROUPS]
    return [entries[place] for place in sorted(chosen)]


def _has_predictions(comparison: Document) -> bool:
    return any("prediction_positive" in cell for cell in comparison["counts"])


def _weighted(comparison: Document) -> bool:
    return any("weight" in cell for cell in comparison["counts"])


def _cells(comparison: Document, facet: str, **wanted: bool) -> list[Document]:
    """The cells of the group ("d") or of all others ("a") that are as wanted."""
    return [
        cell
        for cell in comparison["counts"]
        if cell["facet"] == facet and all(cell.get(key) == value for key, value in wanted.items())
    ]


def _rows(comparison: Document, facet: str) -> int:
    return sum(int(cell["rows"]) for cell in _cells(comparison, facet))


def _sum(comparison: Document, facet: str = "d", **wanted: bool) -> float:
    """Rows of the cells that are as wanted; where there are weights, the sum of those."""
    return sum(float(cell.get("weight", cell["rows"])) for cell in _cells(comparison, facet, **wanted))


def _group_row(entry: Document, facet: str, predictions: bool) -> Iterator[Cell]:
    """The entry's own rows ("d") or all others ("a")."""
    yield share(_rows(entry, facet), _rows(entry, "d") + _rows(entry, "a"))
    whole, positive, negative = (
        _sum(entry, facet, **labels) for labels in ({}, {"label_positive": True}, {"label_positive": False})
    )
    if _weighted(entry):
        yield share(whole, _sum(entry, "d") + _sum(entry, "a"))
    yield share(positive, whole)
    if predictions:
        true = _sum(entry, facet, label_positive=True, prediction_positive=True)
        false = _sum(entry, facet, label_positive=False, prediction_positive=True)
        yield share(true + false, whole)
        yield share(true, positive)
        yield share(false, negative)


def _distribution(name: str, entries: Sequence[Document], predictions: bool, weighted: bool) -> Figure:
    sides = [(entry, "d") for entry in entries] + ([(entries[0], "a")] if len(entries) == 1 else [])
    labels = [display_text(entry["value_or_threshold"]) if side == "d" else ALL_OTHERS for entry, side in sides]
    parts = [("positive labels", [_part(*one, label_positive=True) for one in sides])]
    if predictions:
        parts.append(("positive predictions", [_part(*one, prediction_positive=True) for one in sides]))
    columns = ("Group", *(part for part, _ in parts))
    rows = tuple((label, *(f"{values[place]:.1%}" for _, values in parts)) for place, label in enumerate(labels))
    title = f"How often each group of {display_text(name)} has a positive outcome"
    of = "weight" if weighted else "rows"
    return Figure(
        title,
        f"Bars for each group: {', '.join(part for part, _ in parts)}, in percent of its {of}.",
        charts.shares(labels, parts, f"% of the group's {of}", key_of("shares", name)),
        Table(title, columns, rows, folded=True),
    )


def _part(entry: Document, facet: str, **wanted: bool) -> float:
    rows = _sum(entry, facet)
    return _sum(entry, facet, **wanted) / rows if rows else 0.0


# --- metrics --------------------------------------------------------------------------------------------------------


def _metrics(bias: Document) -> Iterator[Block]:
    facts = _metric_facts(bias)
    for name, entries in bias["facets"].items():
        shown = _worst(entries)
        blocks: list[Block] = [*_forests(name, shown, facts)]
        for entry in shown:
            blocks.append(_metric_table(name, entry, facts))
        if len(entries) > len(shown):
            blocks.append(_left_to_files(len(entries), len(shown)))
        yield Section(f"Facet {display_text(name)}", tuple(blocks))


def _metric_table(name: str, entry: Document, facts: MetricFacts) -> Table:
    bounded = any("verdict" in metric for metric in entry["metrics"])
    rows = []
    for metric in entry["metrics"]:
        value = f"undefined: {display_text(metric['error'])}" if metric.get("error") else number(metric["value"])
        rows.append((metric["name"], *_meaning_and_ideal(facts, metric["name"]), value, *_sureness(metric, bounded)))
    titles = ("Metric", "What it is", "Ideal", "Value", "Interval", "Adjusted p-value")
    return Table(
        f"{display_text(name)} = {display_text(entry['value_or_threshold'])} against all other rows",
        titles + (("Bounds", "Verdict") if bounded else ()),
        tuple(rows),
    )


def _metric_facts(bias: Document) -> MetricFacts:
    """What the details say about each metric; nothing in details of older runs, which do not describe metrics."""
    found: MetricFacts = bias.get("metrics", {})
    return found


def _meaning_and_ideal(facts: MetricFacts, metric: str) -> tuple[str, str]:
    """In words what a metric is, its name where that is not known, and the value of groups that are alike."""
    known = facts.get(metric)
    return (metric, "–") if known is None else (display_text(known["meaning"]), f"{known['ideal']:g}")


def _sureness(metric: Document, bounded: bool) -> tuple[Cell, ...]:
    test = metric.get("test")
    interval = range_of(metric.get("interval"))
    if "interval" not in metric and metric.get("reason"):
        interval = f"none: {display_text(metric['reason'])}"
    found: list[Cell] = [interval, "–" if test is None else _p_value(test["holm"])]
    if bounded:
        found += [_bounds(metric.get("bounds")), Mark(metric["verdict"]) if "verdict" in metric else "–"]
    return tuple(found)


def _p_value(value: float) -> Number:
    return Number("< 0.001" if value < 0.001 else f"{value:.3f}", value)


def _bounds(bounds: Document | None) -> str:
    if not bounds:
        return "–"
    low, high = (rounded(bounds[end]) if end in bounds else None for end in ("min", "max"))
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def _charted(entries: Sequence[Document], facts: MetricFacts, ideal: int) -> list[str]:
    """The metrics of the entries that are in the chart around an ideal value, in their order there."""
    present = {metric["name"] for entry in entries for metric in entry["metrics"]}
    charted = {name: one["chart_place"] for name, one in facts.items() if name in present and "chart_place" in one}
    return sorted((name for name in charted if facts[name]["ideal"] == ideal), key=lambda name: charted[name])


def _forests(name: str, entries: Sequence[Document], facts: MetricFacts) -> Iterator[Figure]:
    """Differences with their intervals: all such metrics of few groups, the first two of many; then ratios."""
    chosen, of_ratio = (_charted(entries, facts, ideal) for ideal in (0, 1))
    if len(entries) * len(chosen) > MOST_LINES:
        chosen = chosen[: max(1, MOST_LINES // len(entries))]
    of = f"between each group of {display_text(name)} and all others, with intervals"
    differences = (f"Differences {of}", "difference", "0: the group has less than all others")
    ratios = (f"Ratios ({', '.join(of_ratio)}) {of}", "ratio", "1: the group has more")
    for metrics, ideal, (title, what, side) in ((chosen, 0.0, differences), (of_ratio, 1.0, ratios)):
        estimates = [*_estimates(entries, metrics)]
        if not any(math.isfinite(one.value) for one, _ in estimates):
            continue
        lines = [one for one, _ in estimates if math.isfinite(one.value)]
        bounded = any("bounds" in metric for _, metric in estimates)
        line = f"{ideal:g} is {' or '.join(dict.fromkeys(display_text(facts[one]['ideal_means']) for one in metrics))}"
        rows = tuple(
            (
                one.label,
                number(metric["value"]),
                range_of(metric.get("interval")),
                *([_bounds(metric.get("bounds"))] if bounded else []),
            )
            for one, metric in estimates
        )
        yield Figure(
            title,
            f"For each group and metric a dot at the {what} and a line over its interval; the broken line at {line}. "
            "A triangle is outside its bounds, a ring has not enough data."
            + (" Grey bands are the bounds that were set." if bounded else ""),
            charts.forest([_short(one) for one in lines], ideal, f"{what} (right of {side})", key_of(what, name)),
            Table(
                title,
                ("Group and metric", "Value", "Interval", *(["Bounds"] if bounded else [])),
                rows,
                folded=True,
            ),
        )


def _estimates(entries: Sequence[Document], metrics: Sequence[str]) -> Iterator[tuple[Estimate, Document]]:
    """The metrics that have values, infinite ones among them."""
    for entry in entries:
        found = {metric["name"]: metric for metric in entry["metrics"]}
        for metric in (found[one] for one in metrics if one in found and found[one]["value"] is not None):
            interval, bounds = metric.get("interval") or {}, metric.get("bounds")
            yield (
                Estimate(
                    f"{display_text(entry['value_or_threshold'])}: {metric['name']}",
                    as_float(metric["value"]),
                    as_float(interval.get("low")),
                    as_float(interval.get("high")),
                    metric.get("verdict", "o"),
                    (bounds.get("min", -math.inf), bounds.get("max", math.inf)) if bounds else None,
                ),
                metric,
            )


def _short(one: Estimate) -> Estimate:
    """With the group's name shortened to leave room for the metric's."""
    group, _, metric = one.label.rpartition(": ")
    return replace(one, label=f"{shortened(group, LONGEST_IN_CHART - 8)}: {metric}")


# --- intersections and segments -------------------------------------------------------------------------------------


def _intersections(bias: Document) -> Iterator[Block]:
    for intersection in bias.get("facet_intersections", []):
        facets = " × ".join(display_text(facet) for facet in intersection["facets"])
        cells = sorted(intersection["cells"], key=lambda cell: -cell["rows"])
        shown = cells[:MOST_LINES]
        metrics = _first_metrics([cell["against_all_others"] for cell in shown], _metric_facts(bias))
        rows = tuple(
            (
                " and ".join(display_text(value) for value in cell["cell"].values()),
                number(cell["rows"]),
                *(_value_and_interval(cell["against_all_others"], metric) for metric in metrics),
            )
            for cell in shown
        )
        if rows:
            yield Table(f"{facets}: each cell compared with all others", ("Cell", "Rows", *metrics), rows)
        if len(cells) > len(shown):
            yield Paragraph(f"The {len(shown)} largest of {len(cells):,} cells are shown.", note=True)
        left = intersection["left_out"]
        if left:
            yield _left_out(f"Cells of {facets} that are left out", left, intersection["min_cell_size"])


def _left_out(caption: str, left: Sequence[Document], min_cell_size: int) -> Table:
    rows = tuple(
        (" and ".join(display_text(value) for value in one["cell"].values()), display_text(one["reason"]))
        for one in left[:MOST_LEFT_OUT]
    )
    more = f"; {len(left):,} in all" if len(left) > len(rows) else ""
    return Table(f"{caption} (smallest cell shown: {min_cell_size} rows{more})", ("Cell", "Why"), rows, folded=True)


def _first_metrics(comparisons_: Sequence[Document], facts: MetricFacts) -> list[str]:
    """The headlines that fit next to each other; if these are not known, any metrics."""
    present = dict.fromkeys(metric["name"] for one in comparisons_ for metric in one["metrics"])
    headlines = [name for name, one in facts.items() if one["headline"]] if facts else present
    return [name for name in headlines if name in present][:MOST_METRICS]


def _value_and_interval(comparison: Document, name: str) -> str:
    metric = next((one for one in comparison["metrics"] if one["name"] == name), None)
    if metric is None or metric["value"] is None:
        return "–"
    value = number(metric["value"], 3)
    text = value if isinstance(value, str) else value.text
    mark = f" {Mark(metric['verdict']).text}" if "verdict" in metric else ""
    return f"{text} ({range_of(metric.get('interval'))}){mark}"


def _segments(bias: Document) -> Iterator[Block]:
    for one in bias.get("segments", []):
        found = [
            (segment, facet, entry)
            for segment in one["segments"]
            if segment["rows"]
            for facet, entries in segment["facets"].items()
            for entry in entries
        ]
        metrics = _first_metrics([entry for _, _, entry in found], _metric_facts(bias))
        rows = tuple(
            (
                f"{display_text(segment['segment'])} ({segment['rows']:,} rows)",
                f"{display_text(facet)} = {display_text(entry['value_or_threshold'])}",
                *(_value_and_interval(entry, metric) for metric in metrics),
            )
            for segment, facet, entry in found[:MOST_LINES]
        )
        if rows:
            yield Table(f"Segments of {display_text(one['column'])}", ("Segment", "Group", *metrics), rows)
        empty = [display_text(segment["segment"]) for segment in one["segments"] if not segment["rows"]]
        if empty:
            yield Paragraph(f"No row is in: {', '.join(empty)}.", note=True)
        if len(found) > len(rows):
            yield Paragraph(f"The first {len(rows)} of {len(found):,} comparisons are shown.", note=True)
        if one["left_out"]:
            left = [
                {
                    "cell": {"segment": left["segment"], "group": f"{left['facet']} = {left['value_or_threshold']}"},
                    "reason": left["reason"],
                }
                for left in one["left_out"]
            ]
            yield _left_out(f"Left out of segments of {display_text(one['column'])}", left, one["min_cell_size"])


# --- model performance ----------------------------------------------------------------------------------------------


def _performance(details: Document) -> Iterator[Block]:
    found = details.get("model_performance")
    if not found:
        return
    weighted = " (weighted)" if details["bias"].get("weight") else ""
    rows = tuple(
        (display_text(metric["name"]), display_text(metric["description"]), number(metric["value"]))
        for metric in found["model_performance_metrics"]
    )
    yield Table(f"Over all rows{weighted}", ("Measure", "What it is", "Value"), rows)
    confusion = found.get("confusion_matrix")
    if confusion and len(confusion) <= MOST_GROUPS:
        classes = list(dict.fromkeys([*confusion, *(name for row in confusion.values() for name in row)]))
        yield Table(
            f"Rows by true class and predicted class{weighted}",
            ("True class", *(f"predicted {display_text(name)}" for name in classes)),
            tuple(
                (display_text(true), *(number(row.get(name, 0.0)) for name in classes))
                for true, row in confusion.items()
            ),
        )
    for name, entries in details["bias"]["facets"].items():
        groups = tuple(_errors_of_group(entry) for entry in _worst(entries) if _has_predictions(entry))
        if groups:
            titles = (
                "Group",
                "True positives",
                "False positives",
                "False negatives",
                "True negatives",
                "Positive labels found",
                "Right predictions",
            )
            yield Table(f"Right and wrong predictions of the groups of {display_text(name)}{weighted}", titles, groups)


def _errors_of_group(entry: Document) -> tuple[Cell, ...]:
    tp, fp, fn, tn = (
        _sum(entry, label_positive=label, prediction_positive=predicted)
        for label, predicted in ((True, True), (False, True), (True, False), (False, False))
    )
    return (
        display_text(entry["value_or_threshold"]),
        *(number(int(cell) if float(cell).is_integer() else cell) for cell in (tp, fp, fn, tn)),
        share(tp, tp + fn),
        share(tp + tn, tp + fp + fn + tn),
    )


# --- outside the sections -------------------------------------------------------------------------------------------


def _verdict(details: Document) -> str | None:
    """The overall result of the bounds: the worst of the three verdicts, and how many metrics have each."""
    found = details.get("bias", {}).get("verdicts")
    if not found:
        return None
    counts = {kind: found.get(kind, 0) for kind in VERDICTS}
    worst = next((kind for kind in VERDICTS if counts[kind]), None)
    if worst is None:
        return "No metric that was computed has bounds: this report gives no verdict."
    text = [f"{count:,} {NAMED[kind]}" for kind, count in counts.items()]
    return f"{VERDICTS[worst]}: {BOUNDS[worst]} Metrics with bounds: {', '.join(text)}."


def _findings(details: Document) -> Iterator[Finding]:
    marks = {
        metric["sentence"]: Mark(metric["verdict"])
        for comparison in _comparisons(details)
        for metric in comparison["metrics"]
        if "verdict" in metric
    }
    for text in details.get("bias", {}).get("findings", []):
        yield Finding(display_sentence(text), marks.get(text))


def _analysed(details: Document) -> Iterator[tuple[str, Cell]]:
    bias = details.get("bias", {})
    if "label" in bias:
        yield "Label", f"{display_text(bias['label']['name'])}, positive: {display_text(bias['label']['positive'])}"
    if bias.get("predicted_label"):
        predicted = bias["predicted_label"]
        yield "Prediction", f"{display_text(predicted['name'])}, positive: {display_text(predicted['positive'])}"
    for name, entries in bias.get("facets", {}).items():
        groups = ", ".join(display_text(entry["value_or_threshold"]) for entry in entries[:10])
        yield f"Facet {display_text(name)}", groups if len(entries) <= 10 else f"{groups}, … ({len(entries):,} groups)"
    for key, name in (("group_variable", "Group variable"), ("weight", "Weight")):
        if bias.get(key):
            yield name, display_text(bias[key])
    if "statistics" in bias:
        yield "Confidence level of intervals", f"{100 * bias['statistics']['confidence_level']:g} %"
        yield "Questions asked of the data", number(bias["statistics"]["hypotheses_tested"])


def _columns(details: Document) -> Iterator[Table]:
    columns = details.get("columns", [])
    if not columns:
        return
    rows = tuple(
        (
            display_text(column["name"]),
            display_text(column.get("kind", "–")),
            display_text(column.get("type", "–")),
            number(column["missing"]),
            number(column.get("distinct")),
        )
        for column in columns[:MOST_COLUMNS]
    )
    titles = ("Column", "Holds", "Taken as", "Missing values", "Different values")
    yield Table("Columns that the bias metrics use", titles, rows, folded=True)


def _joined(analysis: Document, details: Document) -> Document:
    """The details with the values of facets' metrics in analysis.json."""
    if not details.get("bias"):
        return details
    metrics = _said(analysis)
    facets = {
        name: [_entry(entry, metrics.get((name, entry["value_or_threshold"]), {})) for entry in entries]
        for name, entries in details["bias"]["facets"].items()
    }
    return {**details, "bias": {**details["bias"], "facets": facets}}


def _said(analysis: Document) -> dict[tuple[str, str], dict[tuple[str, str], Document]]:
    """The metrics of analysis.json: by facet and entry, then by stage and name."""
    found: dict[tuple[str, str], dict[tuple[str, str], Document]] = {}
    for stage in STAGES:
        for name, entries in analysis.get(f"{stage}_bias_metrics", {}).get("facets", {}).items():
            for entry in entries:
                of_entry = found.setdefault((name, entry["value_or_threshold"]), {})
                of_entry |= {(stage, metric["name"]): metric for metric in entry["metrics"]}
    return found


def _entry(entry: Document, metrics: Mapping[tuple[str, str], Document]) -> Document:
    return {**entry, "metrics": [_metric(one, metrics.get((one["stage"], one["name"]))) for one in entry["metrics"]]}


def _metric(metric: Document, said: Document | None) -> Document:
    return metric if said is None else {**metric, **{key: said[key] for key in ("value", "error") if key in said}}


def _help(details: Document) -> Iterator[Block]:
    used = {metric["name"] for comparison in _comparisons(details) for metric in comparison["metrics"]}
    facts = _metric_facts(details.get("bias", {}))
    rows = tuple((name, *_meaning_and_ideal(facts, name)) for name in facts if name in used)
    if rows:
        yield Table("Metrics in this report", ("Metric", "Meaning", "Ideal"), rows, folded=True)
    if used:
        yield Facts(tuple(_methods(details)))


def _methods(details: Document) -> Iterator[tuple[str, Cell]]:
    statistics = details["bias"].get("statistics", {})
    for kind, key in (("Interval", "interval_methods"), ("Test", "tests")):
        for name, meaning in statistics.get(key, {}).items():
            yield f"{kind} “{display_text(name.replace('_', ' '))}”", display_text(meaning)


LOAD = """rows = [
    {"stage": stage, "facet": facet, "group": entry["value_or_threshold"], **metric}
    for stage in ("pre_training_bias_metrics", "post_training_bias_metrics")
    for facet, entries in analysis.get(stage, {}).get("facets", {}).items()
    for entry in entries
    for metric in entry["metrics"]
]
metrics = pd.DataFrame(rows)
metrics"""


def _code(_: Document, details: Document) -> tuple[str, ...]:
    return (LOAD,) if "bias" in details else ()


GLOSSARY = (
    ("Group", "The rows with one value (or range) of a facet, compared with all other rows."),
    ("Facet", "A column whose groups are compared, such as sex or age."),
    ("Positive", "The outcome that is hoped for, as the configuration says: a granted loan, a hire."),
    (
        "95 % interval",
        "From other samples of the same size, such intervals would hold the true value in 95 of 100 cases. "
        "The level is the one under “What was analysed”.",
    ),
    (
        "Verdict",
        "Within bounds: the whole interval is inside the bounds that were set. Outside: the whole interval is outside. "
        "Not enough data: the interval reaches over a bound, so that this sample cannot tell.",
    ),
    (
        "Adjusted p-value",
        "How likely a difference at least this large would be by chance if there were none, corrected for the number "
        "of questions that were asked in this run (Holm).",
    ),
)

PART = ReportPart(
    names={
        "pre_training_bias_metrics": "bias of the data",
        "post_training_bias_metrics": "bias of the predictions",
    },
    joined=_joined,
    verdict=_verdict,
    findings=_findings,
    analysed=_analysed,
    columns=_columns,
    sections=_sections,
    help=_help,
    glossary=GLOSSARY,
    cells=_code,
)
