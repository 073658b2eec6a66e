"""The page of a report: what is in it, that it is one file, and that nothing in the data can do harm."""

import copy
import re
from itertools import pairwise

import pytest
from pages import parsed, table_rows

from clarify_spark.report.content import report_content
from clarify_spark.report.html import html

STAGES = ("pre_training_bias_metrics", "post_training_bias_metrics")


@pytest.fixture(scope="module")
def page(loans):
    return html(report_content(*loans, "Loan approvals"))


@pytest.fixture(scope="module")
def root(page):
    return parsed(page)


def test_every_metric_is_there_once_with_the_value_of_analysis_json(root, loans):
    analysis, _ = loans
    wanted = {
        (f"{facet} = {entry['value_or_threshold']} against all other rows", metric["name"]): metric
        for stage in STAGES
        for facet, entries in analysis[stage]["facets"].items()
        for entry in entries
        for metric in entry["metrics"]
    }
    found = {}
    for caption, cells in table_rows(root):
        if " = " in caption and caption.endswith("against all other rows"):
            key = caption, cells[0].text
            assert key not in found
            found[key] = cells[3]
    assert found.keys() == wanted.keys()
    for key, metric in wanted.items():
        if metric["value"] is None:
            assert metric["error"] in found[key].text
        else:
            (data,) = found[key].all("data")
            assert float(data.attributes["value"]) == float(metric["value"])


def test_a_metric_without_a_value_says_why_and_an_infinite_one_is_infinite(loans):
    analysis, details = map(copy.deepcopy, loans)
    for metric in analysis["post_training_bias_metrics"]["facets"]["race"][0]["metrics"]:
        if metric["name"] == "TE":
            metric |= {"value": None, "error": "No <positive> rows"}
        if metric["name"] == "DI":
            metric["value"] = "Infinity"
    details["bias"]["facets"] = {"race": details["bias"]["facets"]["race"][:1]}
    rows = {
        cells[0].text: cells
        for caption, cells in table_rows(parsed(html(report_content(analysis, details, "t"))))
        if caption.endswith("against all other rows")
    }
    assert rows["TE"][3].text == "undefined: No <positive> rows"
    assert rows["DI"][3].text == "∞"
    assert [data.attributes["value"] for data in rows["DI"][3].all("data")] == ["Infinity"]


@pytest.mark.slow
def test_values_that_were_changed_in_analysis_json_are_shown(loans):
    analysis, details = map(copy.deepcopy, loans)
    for metric in analysis["post_training_bias_metrics"]["facets"]["race"][1]["metrics"]:
        if metric["name"] == "DPPL":
            metric["value"] = 0.77777
    explained = next(iter(analysis["explanations"]["kernel_shap"].values()))
    explained["expected_value"] = 0.66666
    feature = min(explained["global_shap_values"], key=explained["global_shap_values"].get)
    explained["global_shap_values"][feature] = 0.55555
    root = parsed(html(report_content(analysis, details, "t")))
    metrics = [(caption, cells) for caption, cells in table_rows(root) if caption.endswith("against all other rows")]
    shown = [caption for caption, cells in metrics if cells[0].text == "DPPL" and cells[3].text == "0.7778"]
    assert shown == ["race = black against all other rows"]
    (chart,) = (one for one in root.all("figure") if "Differences between each group of race" in one.text)
    assert "black: DPPL0.7778" in "".join(chart.text.split("\n"))
    (weights,) = (one for one in root.all("figure") if next(one.all("figcaption")).text.startswith("Features that"))
    assert "Expected value 0.6667" in weights.text
    first = next(next(weights.all("tbody")).all("tr"))
    assert [cell.text for cell in first.children if not isinstance(cell, str)][:2] == [feature, "0.5555"]
    assert f"is moved most by {feature}," in root.text


def test_findings_come_first_with_their_verdicts(root, loans):
    _, details = loans
    sections = [heading.text for heading in root.all("h2")]
    assert sections[:2] == ["Contents", "In brief"]
    items = [item.text.strip() for item in next(root.all("ol", **{"class": "findings"})).all("li")]
    assert items[:4] == [f"▲ outside bounds {sentence}" for sentence in details["bias"]["findings"][:4]]
    assert len(items) == 5
    assert items[4].startswith("The model's output label0 is moved most by ")
    assert f"{len(details['bias']['findings']) - 4} more findings are in" in root.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ({"outside_bounds": 9, "not_enough_data": 43, "within_bounds": 29}, "▲ outside bounds: the whole interval of "),
        ({"not_enough_data": 1, "within_bounds": 1200}, "○ not enough data: no interval is wholly "),
        ({"within_bounds": 3}, "● within bounds: the intervals of all metrics "),
        ({}, "No bounds were set: this report gives no verdict."),
    ],
)
def test_the_header_is_one_of_three_verdicts_in_words(loans, verdicts, told):
    analysis, details = map(copy.deepcopy, loans)
    details["bias"]["verdicts"] = verdicts
    (verdict,) = parsed(html(report_content(analysis, details, "t"))).all("p", **{"class": "verdict"})
    assert verdict.text.startswith(told)
    if verdicts.get("not_enough_data") == 1:
        counts = "Metrics with bounds: 0 outside, 1 without enough data to tell, 1,200 within."
        assert verdict.text.endswith(counts)


def test_the_direction_of_sampled_shap_values_is_told_in_numbers(loans):
    analysis, details = map(copy.deepcopy, loans)
    sampled = details["kernel_shap"]["sampled_rows"]["outputs"][0]
    sampled["values"] = [[-0.5, 0.25], [-0.25, 0.5], [0.5, 0.0]]
    sampled["ranks"] = [[0.1, None], [0.4, None], [0.9, None]]
    sampled["features"] = ["debt", "race"]
    root = parsed(html(report_content(analysis, details, "t")))
    (table,) = (one for one in root.all("table") if next(one.all("caption")).text == "SHAP values of 3 sampled rows")
    titles = [cell.text for cell in next(table.all("thead")).all("th")]
    assert titles[-2:] == ["Mean, feature low", "Mean, feature high"]
    rows = [
        [cell.text for cell in row.children if not isinstance(cell, str)] for row in next(table.all("tbody")).all("tr")
    ]
    assert [(row[0], *row[-2:]) for row in rows] == [("debt", "−0.375", "0.5"), ("race", "–", "–")]


def test_everything_that_was_analysed_has_a_section(root):
    assert [heading.text for heading in root.all("h2")][2:] == [
        "What was analysed", "Groups", "Bias metrics", "Intersections of facets", "Segments", "Model performance",
        "What moves the predictions", "Single predictions", "Partial dependence", "Quality of this run",
        "Limits and reading help", "How to reproduce this",
    ]  # fmt: skip


def test_one_heading_of_the_first_level_and_none_is_skipped(root):
    levels = [int(element.tag[1]) for element in root.all() if re.fullmatch(r"h[1-6]", element.tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_chart_has_a_caption_words_and_its_numbers(root):
    figures = list(root.all("figure"))
    assert len(figures) > 10
    for figure in figures:
        (caption,) = figure.all("figcaption")
        (chart,) = figure.all("div", role="img")
        assert caption.text in chart.attributes["aria-label"]
        assert list(chart.all("svg"))
        (table,) = figure.all("table")
        assert list(table.all("td"))


def test_all_ids_differ_and_every_reference_inside_the_page_has_its_target(page, root):
    ids = [element.attributes["id"] for element in root.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    referred = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', page))
    assert referred
    assert referred <= set(ids)


def test_nothing_is_loaded_from_elsewhere(page, root):
    for element in root.all():
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            place = element.attributes.get(name, "#")
            assert place.startswith(("#", "data:image/png")), (element.tag, place)
    assert "@import" not in page
    assert "url(http" not in page


def test_tables_have_headers_for_columns_and_rows(root):
    for table in root.all("table"):
        (head,) = table.all("thead")
        assert all(cell.attributes["scope"] == "col" for cell in head.all("th"))
        (body,) = table.all("tbody")
        for row in body.all("tr"):
            assert [cell.attributes.get("scope") for cell in row.all("th")] == ["row"]


@pytest.mark.slow
def test_hostile_names_are_text_and_nothing_else(renamed, page):
    analysis, details = renamed()
    hostile = html(report_content(analysis, details, "</title><script>document.title='hacked'</script>"))
    tree = parsed(hostile)
    tags = {element.tag for element in tree.all()}
    assert tags == {element.tag for element in parsed(page).all()}
    assert len(list(tree.all("script"))) == 1
    assert not [name for element in tree.all() for name in element.attributes if name.startswith("on")]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\x00-\x08\x0b-\x1f]", hostile)
    assert "\\u202egnp.exe" in tree.text
    assert "{{ 7*7 }}{% raw %}" in tree.text
    assert "שלום עולם" in tree.text


@pytest.mark.slow
def test_the_same_documents_make_the_same_page(loans, page):
    assert html(report_content(*loans, "Loan approvals")) == page


@pytest.mark.slow
def test_a_large_analysis_stays_below_two_megabytes(large):
    page = html(report_content(*large, "large"))
    assert len(page.encode("utf-8")) < 2e6
    root = parsed(page)
    assert "Of 10,000 groups the 20 with the clearest differences are shown" in root.text
    assert "zip 9999" not in root.text
    assert root.text.count("against all other rows") >= 40


@pytest.mark.slow
@pytest.mark.parametrize("part", ["bias", "kernel_shap", "partial_dependence"])
def test_each_analysis_alone_makes_a_report(loans, part):
    analysis, details = (dict(document) for document in loans)
    explanations = {"kernel_shap": "kernel_shap", "partial_dependence": "pdp"}
    for name in {"bias", "kernel_shap", "partial_dependence"} - {part}:
        del details[name]
    for name in ("columns", "cautions", "model_performance"):
        if part != "bias":
            del details[name]
    kept = {key: value for key, value in analysis.items() if part == "bias" and key.endswith("metrics")}
    if part != "bias":
        kept["explanations"] = {explanations[part]: analysis["explanations"][explanations[part]]}
    root = parsed(html(report_content(kept, details, "t")))
    headings = [heading.text for heading in root.all("h2")]
    assert ("Bias metrics" in headings) == (part == "bias")
    assert ("What moves the predictions" in headings) == (part == "kernel_shap")
    assert ("Partial dependence" in headings) == (part == "partial_dependence")


@pytest.mark.slow
def test_curves_of_a_sample_of_rows_say_so(loans):
    analysis, details = loans
    sample = {**details["partial_dependence"], "sampled": True, "rows": 300, "of_rows": 1974}
    page = html(report_content(analysis, {**details, "partial_dependence": sample}, "t"))
    assert "Computed from a sample of 300 of 1,974" in parsed(page).text
    assert "Computed from a sample" not in parsed(html(report_content(analysis, details, "t"))).text


def charts_of(root, start):
    return [one for one in root.all("figure") if next(one.all("figcaption")).text.startswith(start)]


def lines_of(figure):
    return [
        [cell.text for cell in row.children if not isinstance(cell, str)] for row in next(figure.all("tbody")).all("tr")
    ]


@pytest.mark.slow
def test_ratios_of_positive_predictions_have_a_chart(loans):
    analysis, details = map(copy.deepcopy, loans)
    for metric in analysis["post_training_bias_metrics"]["facets"]["race"][0]["metrics"]:
        if metric["name"] == "DI":
            metric["value"] = "Infinity"
    chart, _ = charts_of(parsed(html(report_content(analysis, details, "t"))), "Ratios (DI)")
    assert "the broken line at 1" in chart.text
    assert [row[0] for row in lines_of(chart)] == ["white: DI", "black: DI", "hispanic: DI"]
    assert [row[1] for row in lines_of(chart)][:1] == ["∞"]
    assert [text.text for text in next(chart.all("svg")).all("text") if ": DI" in text.text] == [
        "black: DI",
        "hispanic: DI",
    ]


@pytest.mark.slow
def test_charts_of_metrics_show_the_bounds_that_were_set(root, loans):
    for start, bounds in (("Differences between each group of race", "−0.1 to 0.1"), ("Ratios (DI)", "0.8 to 1.25")):
        chart = charts_of(root, start)[0]
        assert "Grey bands are the bounds that were set." in chart.text
        assert bounds in [row[3] for row in lines_of(chart)]
        assert "opacity: 0.18" in str([path.attributes for path in chart.all("path")])
    analysis, details = map(copy.deepcopy, loans)
    for entries in details["bias"]["facets"].values():
        for metric in (metric for entry in entries for metric in entry["metrics"]):
            metric.pop("bounds", None)
            metric.pop("verdict", None)
    chart = charts_of(parsed(html(report_content(analysis, details, "t"))), "Differences")[0]
    assert "Grey bands" not in chart.text
    assert [len(row) for row in lines_of(chart)] == [3] * len(lines_of(chart))
