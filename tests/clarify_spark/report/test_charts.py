"""Charts: what is made of matplotlib's SVG, and that no text in one is taken for markup."""

import re

import numpy as np
import pytest
from pages import parsed

from clarify_spark.report import charts
from clarify_spark.report.charts import Dependence, Estimate, standalone

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


def bands(svg):
    """(left, right) of each shaded band, in points."""
    paths = [one.attributes for one in parsed(svg).all("path") if "opacity: 0.18" in one.attributes.get("style", "")]
    places = [[float(number) for number in re.findall(r"[ML] (\S+)", one["d"])] for one in paths]
    return [(min(xs), max(xs)) for xs in places]


def test_bounds_are_bands_behind_their_lines():
    lines = [
        Estimate("a", 0.0, -0.05, 0.05, bounds=(-0.1, 0.1)),
        Estimate("b", 0.3, 0.2, 0.4, "outside_bounds", bounds=(float("-inf"), 0.1)),
        Estimate("c", 0.0, -0.05, 0.05),
    ]
    both, open_ended = bands(charts.forest(lines, 0.0, "difference", "key"))
    assert both[1] == open_ended[1]
    assert open_ended[0] < both[0]
    assert bands(charts.forest(lines[2:], 0.0, "difference", "key")) == []


def test_a_curve_near_the_largest_float_is_drawn_without_a_warning():
    means, shares = np.array([1e160, 2e160]), np.array([0.5, 0.5])
    curve = Dependence([1, 2], means, np.array([1e308, 1e308]), np.array([means]), shares, "age")
    assert charts.dependence(curve, "key").startswith("<svg")


@pytest.mark.parametrize("number", [3, 30])
def test_categories_are_named_below_the_points_of_a_curve(number):
    names = [f"town {place}" for place in range(number)]
    means = np.linspace(0.1, 0.9, number)
    curve = Dependence(names, means, np.full(number, 0.1), np.array([means]), np.full(number, 1 / number), "town")
    drawn = charts.dependence(curve, "key")
    assert "town 0" in drawn
    assert drawn.count("town ") <= 16


def test_bounds_are_seen_where_all_values_are_far_from_them():
    line = Estimate("a", 0.3, 0.29, 0.31, "outside_bounds", bounds=(-0.1, 0.1))
    ((left, right),) = bands(charts.forest([line], 0.3, "difference", "key"))
    assert 100 < right - left < 400
