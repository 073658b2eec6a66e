"""Notebook and PDF of a report have the numbers of its page, and hostile names are text in them, too."""

import base64
import io
import json
import re
import sys

import nbclient
import nbformat
import pytest
from pages import parsed, table_rows
from pypdf import PdfReader

from clarify_spark.errors import CommandError
from clarify_spark.report.content import report_content
from clarify_spark.report.files import report_files
from clarify_spark.report.html import html
from clarify_spark.report.notebook import notebook
from clarify_spark.report.part import sources
from clarify_spark.report.pdf import pdf


@pytest.fixture(scope="module")
def found(loans):
    return report_content(*loans, "Loan approvals")


@pytest.fixture(scope="module")
def numbers(found):
    """(metric, value, interval) of each metric as the page shows them."""
    rows = [
        tuple(cells[place].text for place in (0, 3, 4))
        for caption, cells in table_rows(parsed(html(found)))
        if caption.endswith("against all other rows")
    ]
    assert len(rows) == 4 * 21
    return rows


def words(pages):
    """The text with every run of blanks as one."""
    return re.sub(r"\s+", " ", pages)


def text_of_pdf(data):
    return words(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages))


def unescaped(markdown):
    return re.sub(r"\\(.)", r"\1", markdown).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@pytest.mark.slow
def test_the_pdf_has_the_numbers_of_the_page_and_is_tagged(found, numbers):
    data = pdf(found)
    text = text_of_pdf(data)
    for name, value, interval in numbers:
        assert re.search(
            rf"{re.escape(name)} .{{0,160}}? [01] {re.escape(words(value))} {re.escape(interval)}", text
        ), name
    reader = PdfReader(io.BytesIO(data))
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert reader.metadata.title == "Loan approvals"
    assert pdf(found) == data


def test_the_notebook_has_the_numbers_of_the_page(found, loans, numbers):
    book = nbformat.reads(notebook(found, sources(*loans)), as_version=4)
    nbformat.validate(book)
    text = unescaped("\n".join(cell.source for cell in book.cells))
    for name, value, interval in numbers:
        assert re.search(rf"\| {name} \| [^|]+ \| [01] \| {re.escape(value)} \| {re.escape(interval)} \|", text), name
    for cell in book.cells:
        for chart in cell.get("attachments", {}).values():
            assert b'<rect width="100%" height="100%" fill="#ffffff"/>' in base64.b64decode(chart["image/svg+xml"])
    charts = [chart for cell in book.cells for chart in cell.get("attachments", {})]
    assert len(charts) == html(found).count("<figure>")


@pytest.mark.slow
def test_the_notebook_runs_beside_the_files_of_its_run(found, loans, tmp_path):
    for name, document in zip(("analysis.json", "analysis_details.json"), loans, strict=True):
        (tmp_path / name).write_text(json.dumps(document), encoding="utf-8")
    book = nbformat.reads(notebook(found, sources(*loans)), as_version=4)
    nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = "\n".join(
        output.data["text/plain"] for cell in book.cells if cell.cell_type == "code" for output in cell.outputs
    )
    assert "post_training_bias_metrics" in shown
    assert "CDDL" in shown
    assert "obrat" in shown


@pytest.mark.slow
def test_hostile_names_are_text_in_the_pdf(renamed):
    analysis, details = renamed()
    text = text_of_pdf(pdf(report_content(analysis, details, "#panic()"))).replace("\u200b", "")
    assert '#image("/etc/passwd")' in text
    assert "#panic()" in text
    assert "<script>document.title='hacked'</script>" in text.replace(" ", "")


@pytest.mark.slow
def test_characters_that_the_fonts_of_the_pdf_lack_are_told_in_it_and_as_a_warning(renamed, recwarn):
    analysis, details = renamed(["中国", "日本", "a"])
    files = report_files(analysis, details)
    data = files.files["report.pdf"]
    told = (
        "The fonts of this PDF lack 4 of the characters in it (U+4E2D, U+56FD, U+65E5, U+672C), which look like boxes "
        "here. The HTML report shows them with the fonts of the reader's machine."
    )
    assert told in text_of_pdf(data)
    assert files.warnings == (told,)
    assert not [one for one in recwarn if "Glyph" in str(one.message)]
    assert report_files(analysis, details).files["report.pdf"] == data


@pytest.mark.slow
def test_a_pdf_with_all_its_letters_says_nothing_of_fonts(found, renamed):
    told = []
    for one in (found, report_content(*renamed(), "t")):
        assert "The fonts of this PDF" not in text_of_pdf(pdf(one, told.append))
    assert told == []


@pytest.mark.slow
def test_hostile_names_are_text_in_the_notebook(renamed):
    analysis, details = renamed()
    book = nbformat.reads(
        notebook(report_content(analysis, details, "<b>t</b>"), sources(analysis, details)), as_version=4
    )
    nbformat.validate(book)
    for cell in book.cells:
        if cell.cell_type == "markdown":
            assert "<" not in cell.source.replace("\\<", "")
            assert "](javascript" not in cell.source
            assert not re.search(r"(?<!\\)\$", cell.source)
            assert not re.search("[\u202a-\u202e\u2028]", cell.source)


@pytest.mark.slow
def test_a_library_that_is_missing_costs_its_file_only(loans, monkeypatch):
    monkeypatch.setitem(sys.modules, "typst", None)
    analysis, details = loans
    files = report_files(analysis, details)
    assert sorted(files.files) == ["report.html", "report.ipynb"]
    why = "report.pdf was not made: it needs typst (pip install 'clarify-spark[pdf]')."
    assert files.missing == {"report.pdf": why}


@pytest.mark.parametrize("name", ["../report", "a/b", "", ".hidden", "_x", "c:d", "a\nb"])
def test_a_name_that_leads_elsewhere_is_refused(loans, name):
    analysis, details = loans
    with pytest.raises(CommandError, match="plain file name"):
        report_files(analysis, {**details, "report": {"name": name, "title": "t"}})


@pytest.mark.slow
def test_files_have_the_name_and_the_title_that_were_asked_for(loans):
    analysis, details = loans
    files = report_files(analysis, {**details, "report": {"name": "loans 2026", "title": "All <loans>"}}).files
    assert sorted(files) == ["loans 2026.html", "loans 2026.ipynb", "loans 2026.pdf"]
    assert "All &lt;loans&gt;" in files["loans 2026.html"].decode("utf-8")
