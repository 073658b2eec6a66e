"""The page of a report: what is in it, that it is one file, and that nothing in the data can do harm."""

import re
from itertools import pairwise

import pytest
from pages import parsed, table_rows

from clarify_spark.report.readable.content import report
from clarify_spark.report.readable.html import html

STAGES = ("pre_training_bias_metrics", "post_training_bias_metrics")


@pytest.fixture(scope="module")
def page(loans):
    return html(report(*loans, "Loan approvals"))


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
    analysis, details = (dict(document) for document in loans)
    entry = analysis["post_training_bias_metrics"]["facets"]["race"][0]
    changed = {**entry, "metrics": [dict(metric) for metric in entry["metrics"]]}
    comparison = details["bias"]["facets"]["race"][0]
    metrics = [dict(metric) for metric in comparison["metrics"]]
    for metric in changed["metrics"]:
        if metric["name"] == "TE":
            metric |= {"value": None, "error": "No <positive> rows"}
    for metric in metrics:
        if metric["name"] == "TE":
            metric["value"] = None
        if metric["name"] == "DI":
            metric["value"] = "Infinity"
    analysis["post_training_bias_metrics"] = {
        **analysis["post_training_bias_metrics"], "facets": {"race": [changed]}
    }  # fmt: skip
    details["bias"] = {**details["bias"], "facets": {"race": [{**comparison, "metrics": metrics}]}}
    rows = {
        cells[0].text: cells
        for caption, cells in table_rows(parsed(html(report(analysis, details, "t"))))
        if caption.endswith("against all other rows")
    }
    assert rows["TE"][3].text == "undefined: No <positive> rows"
    assert rows["DI"][3].text == "∞"
    assert [data.attributes["value"] for data in rows["DI"][3].all("data")] == ["Infinity"]


def test_findings_come_first_with_their_verdicts(root, loans):
    _, details = loans
    sections = [heading.text for heading in root.all("h2")]
    assert sections[:2] == ["Contents", "In brief"]
    items = [item.text for item in next(root.all("ol", **{"class": "findings"})).all("li")]
    for item, sentence in zip(items, details["bias"]["findings"][:5], strict=False):
        assert item.strip() == f"▲ outside bounds {sentence}"
    assert len(items) == 6


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


def test_hostile_names_are_text_and_nothing_else(renamed, page):
    analysis, details = renamed()
    hostile = html(report(analysis, details, "</title><script>document.title='hacked'</script>"))
    tree = parsed(hostile)
    tags = {element.tag for element in tree.all()}
    assert tags == {element.tag for element in parsed(page).all()}
    assert len(list(tree.all("script"))) == 1
    assert not [name for element in tree.all() for name in element.attributes if name.startswith("on")]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\x00-\x08\x0b-\x1f]", hostile)
    assert "\\u202egnp.exe" in tree.text
    assert "{{ 7*7 }}{% raw %}" in tree.text
    assert "שלום עולם" in tree.text


def test_the_same_documents_make_the_same_page(loans, page):
    assert html(report(*loans, "Loan approvals")) == page


def test_a_large_analysis_stays_below_two_megabytes(large):
    page = html(report(*large, "large"))
    assert len(page.encode("utf-8")) < 2e6
    root = parsed(page)
    assert "Of 10,000 groups the 20 with the clearest differences are shown" in root.text
    assert "zip 9999" not in root.text
    assert root.text.count("against all other rows") >= 40


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
    root = parsed(html(report(kept, details, "t")))
    headings = [heading.text for heading in root.all("h2")]
    assert ("Bias metrics" in headings) == (part == "bias")
    assert ("What moves the predictions" in headings) == (part == "kernel_shap")
    assert ("Partial dependence" in headings) == (part == "partial_dependence")
