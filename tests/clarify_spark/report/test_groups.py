"""The tables of groups: rows are rows also where there are weights, rates of the groups and of all others."""

import copy

import pytest
from pages import parsed, table_rows

from clarify_spark.report.content import report_content
from clarify_spark.report.html import html


def tables(analysis, details):
    """Rows of tables outside of figures, as texts by caption, the titles first."""
    root = parsed(html(report_content(analysis, details, "t")))
    found = {}
    for caption, cells in table_rows(root):
        found.setdefault(caption, []).append([cell.text for cell in cells])
    for table in root.all("table"):
        (caption,) = table.all("caption")
        if caption.text in found:
            found[caption.text].insert(0, [cell.text for cell in next(table.all("thead")).all("th")])
    return found


@pytest.fixture(scope="module")
def weighted(loans):
    """The same with a weight, 2.5 for rows of the group and 1.5 for all others."""
    analysis, details = loans
    details = copy.deepcopy(details)
    details["bias"]["weight"] = "w"
    for entries in details["bias"]["facets"].values():
        for entry in entries:
            for cell in entry["counts"]:
                cell["weight"] = cell["rows"] * (2.5 if cell["facet"] == "d" else 1.5)
    return tables(analysis, details), html(report_content(analysis, details, "t"))


@pytest.mark.slow
def test_each_group_has_its_rates_and_a_line_of_all_others(loans):
    found = tables(*loans)["Groups of race"]
    assert found[0] == [
        "Group", "Rows", "Positive labels", "Positive predictions",
        "True positive rate (of positive labels)", "False positive rate (of negative labels)",
    ]  # fmt: skip
    assert [row[0] for row in found[1:]] == [
        "white", "all other rows (not white)", "black", "all other rows (not black)",
        "hispanic", "all other rows (not hispanic)",
    ]  # fmt: skip
    # 125 of 131 and 171 - 125 of 195 - 131, as the findings of the run say.
    assert found[3][1:] == [
        "9.9% (195 of 1,971)", "67.2% (131 of 195)", "87.7% (171 of 195)", "95.4% (125 of 131)", "71.9% (46 of 64)",
    ]  # fmt: skip
    assert found[4][1:3] == ["90.1% (1,776 of 1,971)", "89.9% (1,596 of 1,776)"]


@pytest.mark.slow
def test_the_only_group_of_a_facet_has_its_line_of_all_others(loans):
    assert [row[0] for row in tables(*loans)["Groups of male"]][1:] == ["0", "all other rows"]


def test_rows_are_rows_where_there_are_weights(weighted):
    found, _ = weighted
    titles, _, _, black, *_ = found["Groups of race"]
    told = dict(zip(titles, black, strict=True))
    assert told["Rows"] == "9.9% (195 of 1,971)"
    assert told["Weight"] == "15.5% (487.5 of 3,151.5)"
    assert told["Positive labels (weighted)"] == "67.2% (327.5 of 487.5)"
    assert "Positive labels" not in titles


@pytest.mark.slow
def test_weighted_sums_are_called_weighted_wherever_they_are(weighted, loans):
    found, page = weighted
    assert {"Over all rows (weighted)", "Right and wrong predictions of the groups of race (weighted)"} <= set(found)
    assert "percent of its weight" in page
    assert "% of the group's weight" in page
    assert "of its rows." not in page
    assert not [caption for caption in tables(*loans) if "weighted" in caption]


def test_an_interval_without_a_bound_on_a_side_says_so(loans):
    analysis, details = loans
    details = copy.deepcopy(details)
    entry = next(one for one in details["bias"]["facets"]["race"][1]["metrics"] if one["name"] == "DI")
    entry["interval"]["high"] = "Infinity"
    low = f"{entry['interval']['low']:.3g}"
    assert f"{low} to ∞" in html(report_content(analysis, details, "t"))
