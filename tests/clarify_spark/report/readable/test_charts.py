"""Charts: what is made of matplotlib's SVG, and that no text in one is taken for markup."""

import pytest
from pages import parsed

from clarify_spark.report.readable import charts
from clarify_spark.report.readable.charts import Estimate, standalone

#: What the clearing of drawings would take for its own if it looked at texts.
NAMES = (
    'id="patch_1"',
    "url(#k) #010203",
    'd="1.2345" x="2.3456"',
    'href="#other" currentColor',
    'transform="rotate(-0 1 2)"',
    "font-family: 'DejaVu Sans', sans-serif; ",
    "<metadata>a</metadata>",
    "a > b",
)


def texts(svg):
    return [element.text for element in parsed(svg).all("text")]


@pytest.fixture
def chart(monkeypatch):
    monkeypatch.setattr(charts, "shortened", lambda text: text)
    return charts.bars([Estimate(name, 1.0, 0.5, 1.5) for name in NAMES], 'value, id="1.2345"', "key")


def test_texts_are_drawn_as_they_are(chart):
    assert [text for text in texts(chart) if text in NAMES] == list(NAMES)
    assert 'value, id="1.2345"' in texts(chart)


def test_texts_of_a_chart_of_its_own_are_as_they_are_too(chart):
    assert texts(standalone(chart)) == texts(chart)


def test_a_chart_of_its_own_is_black_on_white(chart):
    (svg,) = parsed(standalone(chart)).all("svg")
    background = next(svg.all())
    assert (background.tag, background.attributes) == (
        "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"}
    )  # fmt: skip
    for element in svg.all():
        assert "currentColor" not in " ".join(map(str, element.attributes.values()))
