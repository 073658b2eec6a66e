"""The page in a real browser: axe-core's rules, narrow windows, no scripts, dark colours, hostile names."""

import io
import shutil
from pathlib import Path

import pytest
from pypdf import PdfReader

from clarify_spark.report.content import report_content
from clarify_spark.report.html import html

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs a browser: apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        running = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page; keywords are settings of the browser's context."""

    def call(text, **settings):
        path = tmp_path / "report.html"
        path.write_text(text, encoding="utf-8")
        page = browser.new_context(**settings).new_page()
        page.goto(path.as_uri())
        return page

    return call


@pytest.fixture(scope="module")
def page_of_loans(loans):
    return html(report_content(*loans, "Loan approvals"))


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
def test_axe_core_finds_nothing_wrong(opened, page_of_loans, scheme, width):
    import axe_core_python

    page = opened(page_of_loans, color_scheme=scheme, viewport={"width": width, "height": 900})
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.evaluate((Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")  # of rules that hold, one element
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]] == []
    assert len(found["passes"]) > 20


def test_a_window_of_a_quarter_of_the_width_needs_no_sideways_scrolling_but_for_tables_and_charts(
    opened, page_of_loans
):
    page = opened(page_of_loans, viewport={"width": 320, "height": 640})  # 1,280 pixels at 400 %
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_without_scripts_everything_is_there(opened, page_of_loans):
    plain = opened(page_of_loans, java_script_enabled=False)
    scripted = opened(page_of_loans)
    for selector in ("td", "svg", "li", "figcaption"):
        assert plain.locator(selector).count() == scripted.locator(selector).count() > 0


def test_tables_are_sorted_and_filtered(opened, page_of_loans):
    page = opened(page_of_loans)
    table = page.locator("table", has=page.locator("caption", has_text="race = black against all other rows"))
    table.get_by_role("button", name="Value", exact=True).click()
    values = [float(one.get_attribute("value")) for one in table.locator("tbody td:nth-child(4) data").all()]
    assert values == sorted(values)
    page.get_by_label("Filter rows of: race = black").fill("divided")
    assert table.locator("tbody tr:visible th").all_inner_texts() == ["DI"]


def test_one_of_several_outputs_can_be_chosen(opened, three_outputs):
    page = opened(html(report_content(*three_outputs, "three outputs")))
    outputs = page.locator("section[aria-labelledby] > section", has=page.locator("h3", has_text="Output class"))
    assert outputs.count() == 9
    page.get_by_label("Outputs shown in: Single predictions").select_option("Output class 1")
    shown = outputs.locator("visible=true").locator("> h3").all_inner_texts()
    assert shown == [f"Output class {number}" for number in (0, 1, 2, 1, 0, 1, 2)]


def test_hostile_names_do_nothing(opened, renamed):
    analysis, details = renamed()
    title = "<script>document.title='hacked'</script>"
    page = opened(html(report_content(analysis, details, title)), viewport={"width": 1280, "height": 900})
    assert page.title() == title
    assert page.locator("img, iframe, object, embed").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_intervals_are_sorted_by_their_lower_ends_with_the_minus_sign_that_is_shown(opened, page_of_loans):
    page = opened(page_of_loans)
    table = page.locator("table", has=page.locator("caption", has_text="race = black against all other rows"))
    table.get_by_role("button", name="Interval").click()
    shown = [text for text in table.locator("tbody td:nth-child(5)").all_inner_texts() if " to " in text]
    ends = [float(text.split(" to ")[0].replace("−", "-")) for text in shown]
    assert len({end < 0 for end in ends}) == 2
    assert ends == sorted(ends)
    everything = table.locator("tbody td:nth-child(5)").all_inner_texts()
    assert everything[: len(shown)] == shown  # texts come after numbers


@pytest.mark.parametrize("scripts", [True, False])
def test_folded_tables_are_on_paper(opened, page_of_loans, scripts):
    page = opened(page_of_loans, java_script_enabled=scripts)
    pages = PdfReader(io.BytesIO(page.pdf())).pages
    printed = " ".join(" ".join(one.extract_text() for one in pages).split())
    assert "Standard error (coalitions)" in printed
    assert "Missing values" in printed
    assert page.locator("details[open]").count() == 0
