"""Charts as SVG: text stays text in the surrounding colour, and they are identical from run to run."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clarify_spark.report.formatting import rounded, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

#: Blue and orange can be told apart by all readers, and both stand out from white and from black.
BLUE, ORANGE, GREY = "#2b7bba", "#d9660a", "#808080"
#: What becomes the colour of the text around a chart.
INK, INHERITED = "#010203", "currentColor"
WIDTH = 8.6
#: For what is drawn as an image.
DOTS_PER_INCH = 150
#: Dots that are drawn one by one; more become one image.
MOST_DOTS = 1000
#: A tag with its attributes, in which matplotlib writes < and > as entities: between tags is text, which stays.
_TAG = re.compile(r"<[^>]*>")
_ID = re.compile(r'\bid="([^"]+)"')
#: Coordinates of lines and letters, for which a tenth of a point is enough.
_PLACES, _DIGITS = re.compile(r'\b(?:d|x|y)="[^"]*"'), re.compile(r"(\.\d)\d+")
#: What has no effect: in tags, and around them.
_NO_TURN = re.compile(r' transform="rotate\(-0 [^"]*\)"')
_NOTHING = re.compile(r"<metadata>.*?</metadata>|(?<=>\n)\s+(?=<)", re.DOTALL)
_FONT = "font-family: 'DejaVu Sans', sans-serif; "
_REFERENCE = re.compile(r'(url\(#|href="#)([^)"]+)')


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its interval (NaN when unknown); ``mark`` is the symbol of the verdict.

    ``bounds``: what is accepted, its ends possibly infinite.
    """

    label: str
    value: float
    low: float
    high: float
    mark: str = "o"
    bounds: tuple[float, float] | None = None


#: Markers of verdicts: a triangle is outside, a ring is unknown, a dot is within or without bounds.
MARKERS = {"outside_bounds": "^", "not_enough_data": "o", "within_bounds": "o"}


def key_of(*parts: Any) -> str:
    """An id for a chart that contains no text from the data."""
    return "c" + hashlib.sha256(repr(parts).encode("utf-8")).hexdigest()[:10]


@contextmanager
def _canvas(height: float, key: str, **grid: Any) -> Iterator[tuple[Canvas, Any]]:
    """An empty figure of that many inches with its axes, one below the other."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": key,
        "font.size": 9,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "text.parse_math": False,
        "axes.unicode_minus": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        **{f"{part}.color": INK for part in ("text", "xtick", "ytick")},
        "axes.labelcolor": INK,
        "axes.edgecolor": GREY,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_alpha(0)
        axes = figure.subplots(**grid)
        for one in np.atleast_1d(axes):
            one.patch.set_alpha(0)
        yield figure, axes


def _svg(figure: Canvas, key: str) -> str:
    """The drawing as an element for a page with others: ids are unique, or removed where nothing refers to them."""
    out = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with warnings.catch_warnings():
        # The text is drawn with the reader's fonts, not those that matplotlib measures with.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        if (layout := figure.get_layout_engine()) is not None:
            layout.execute(figure)
            figure.set_layout_engine(None)  # with one, all is drawn once more for its sake
        figure.savefig(out, format="svg", dpi=DOTS_PER_INCH, metadata=nothing)
    text = out.getvalue()
    text = _NOTHING.sub("", text[text.index("<svg") :]).strip()
    referred = {match[2] for tag in _TAG.findall(text) for match in _REFERENCE.finditer(tag)}

    def cleared(found: re.Match[str]) -> str:
        tag = _NO_TURN.sub("", found[0].replace(INK, INHERITED).replace(_FONT, ""))
        tag = _ID.sub(lambda match: f'id="{key}-{match[1]}"' if match[1] in referred else "", tag)
        tag = _REFERENCE.sub(lambda match: f"{match[1]}{key}-{match[2]}", tag)
        return _PLACES.sub(lambda match: _DIGITS.sub(r"\1", match[0]), tag)

    return _TAG.sub(cleared, text).replace("<svg ", '<svg font-family="DejaVu Sans, sans-serif" ', 1)


def forest(estimates: Sequence[Estimate], ideal: float, label: str, key: str) -> str:
    """Values with intervals, one below the other, their bounds behind them, and the line of no difference."""
    with _canvas(0.9 + 0.24 * len(estimates), key) as (figure, axes):
        _forest(axes, estimates, ideal)
        axes.set_xlabel(label)
        return _svg(figure, key)


def _forest(axes: Axes, estimates: Sequence[Estimate], ideal: float) -> None:
    places = np.arange(len(estimates))[::-1]
    axes.axvline(ideal, color=GREY, linewidth=1, linestyle="--")
    for place, one in zip(places, estimates, strict=True):
        outside = one.mark == "outside_bounds"
        color = ORANGE if outside else BLUE
        if np.isfinite(one.low) and np.isfinite(one.high):
            axes.plot([one.low, one.high], [place, place], color=color, linewidth=2, solid_capstyle="butt")
        if np.isfinite(one.value):
            face = "none" if one.mark == "not_enough_data" else color
            axes.plot(one.value, place, MARKERS.get(one.mark, "o"), color=color, markerfacecolor=face, markersize=6)
    axes.set_yticks(places, [shortened(one.label) for one in estimates])
    axes.set_ylim(-0.7, len(estimates) - 0.3)
    axes.tick_params(axis="y", length=0)
    _bands(axes, places, estimates)


def _bands(axes: Axes, places: np.ndarray, estimates: Sequence[Estimate]) -> None:
    """The bounds as bands as high as a line, to the edge where they have no end."""
    ends = [end for one in estimates for end in one.bounds or () if np.isfinite(end)]
    axes.update_datalim([(end, 0.0) for end in ends])
    axes.autoscale_view(scaley=False)
    left, right = axes.get_xlim()
    for place, one in zip(places, estimates, strict=True):
        if one.bounds is not None:
            low, high = max(one.bounds[0], left), min(one.bounds[1], right)
            axes.barh(place, high - low, 1.0, left=low, color=GREY, alpha=0.18, linewidth=0, zorder=0)
    axes.set_xlim(left, right)


def bars(estimates: Sequence[Estimate], label: str, key: str) -> str:
    """The same as bars from 0, for values that are amounts."""
    with _canvas(0.9 + 0.24 * len(estimates), key) as (figure, axes):
        places = np.arange(len(estimates))[::-1]
        axes.barh(places, [one.value for one in estimates], color=BLUE, height=0.62)
        for place, one in zip(places, estimates, strict=True):
            if np.isfinite(one.low) and np.isfinite(one.high) and one.high > one.low:
                axes.plot([one.low, one.high], [place, place], color=INK, linewidth=1.2)
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set_yticks(places, [shortened(one.label) for one in estimates])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(label)
        return _svg(figure, key)


def shares(labels: Sequence[str], parts: Sequence[tuple[str, Sequence[float]]], label: str, key: str) -> str:
    """Shares in percent, for each label one bar per part."""
    with _canvas(1.1 + 0.2 * len(labels) * len(parts) + 0.1 * len(labels), key) as (figure, axes):
        height = 0.8 / len(parts)
        places = np.arange(len(labels))[::-1].astype(float)
        for number, (name, values) in enumerate(parts):
            color, hatch = (BLUE, None) if number == 0 else (ORANGE, "///")
            at = places + height * ((len(parts) - 1) / 2 - number)
            axes.barh(at, 100 * np.array(values, float), height * 0.9, color=color, hatch=hatch, label=name)
        axes.set_yticks(places, [shortened(one) for one in labels])
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 100)
        axes.set_xlabel(label)
        _legend(axes)
        return _svg(figure, key)


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)


def beeswarm(names: Sequence[str], values: np.ndarray, ranks: np.ndarray, key: str) -> str:
    """The SHAP values (rows, features) of some rows; orange dots have high values of the feature, blue ones low."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("blue to orange", [BLUE, "#b9b9b9", ORANGE])
    with _canvas(1.1 + 0.3 * len(names), key) as (figure, axes):
        axes.axvline(0, color=GREY, linewidth=1, zorder=0)
        places = np.arange(len(names))[::-1]
        heights = np.column_stack([place + _spread(at) for place, at in zip(places, values.T, strict=True)])
        known = np.isfinite(ranks)
        as_picture = values.size > MOST_DOTS  # with few colours, for a small file
        dots = {"s": 8, "linewidths": 0, "rasterized": as_picture, "antialiased": not as_picture}
        axes.scatter(values[~known], heights[~known], color=GREY, **dots)
        axes.scatter(values[known], heights[known], c=colours(np.round(8 * ranks[known]) / 8), **dots)
        axes.set_yticks(np.arange(len(names))[::-1], [shortened(name) for name in names])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("SHAP value (left: lowers the output, right: raises it)")
        return _svg(figure, key)


def _spread(values: np.ndarray) -> np.ndarray:
    """Heights (n,) from −0.4 to 0.4 that keep dots with nearly the same value apart."""
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    bins = np.floor((values - low) / ((high - low) or 1.0) * 60)
    heights = np.zeros(len(values))
    for one in np.unique(bins):
        inside = np.flatnonzero(bins == one)
        order = np.arange(len(inside))
        heights[inside] = np.where(order % 2, 1, -1) * ((order + 1) // 2)
    tallest = np.abs(heights).max(initial=0.0)
    spread: np.ndarray = heights * (0.4 / max(tallest, 8.0))
    return spread


def waterfall(names: Sequence[str], values: Sequence[float], base: float, key: str) -> str:
    """How the values lead from the base value to the prediction, the largest first."""
    starts = base + np.concatenate([[0.0], np.cumsum(values)])
    with _canvas(1.0 + 0.26 * len(names), key) as (figure, axes):
        for number, value in enumerate(values):
            place = len(names) - 1 - number
            color, hatch = (ORANGE, None) if value >= 0 else (BLUE, "///")
            axes.barh(place, value, left=starts[number], color=color, height=0.62, hatch=hatch)
            axes.plot(
                [starts[number + 1]] * 2, [place - 1 if place else place - 0.45, place], color=GREY, linewidth=0.8
            )
        labels = [
            f"{shortened(name, 28)}  {'+' if value >= 0 else '−'}{rounded(abs(value), 3)}"
            for name, value in zip(names, values, strict=True)
        ]
        axes.set_yticks(np.arange(len(names))[::-1], labels)
        axes.tick_params(axis="y", length=0)
        axes.axvline(base, color=GREY, linewidth=1, linestyle="--")
        axes.set_xlabel(f"output, from {rounded(base)} to {rounded(float(starts[-1]))}")
        return _svg(figure, key)


@dataclass(frozen=True, eq=False)
class Dependence:
    """A curve (G,) with standard errors (G,), curves of single rows (m, G) and the shares of rows (G,)."""

    values: Sequence[Any]
    means: np.ndarray
    errors: np.ndarray
    individual: np.ndarray
    shares: np.ndarray
    label: str


def dependence(one: Dependence, key: str) -> str:
    """The mean output over the values of a feature, above how many rows have them."""
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in one.values)
    with _canvas(3.6, key, nrows=2, sharex=True, height_ratios=(4, 1)) as (figure, (axes, below)):
        places = np.array(one.values, float) if numeric else np.arange(len(one.values), dtype=float)
        # One path for all curves, with gaps between them.
        gaps = np.full((len(one.individual), 1), np.nan)
        across = np.tile(np.append(places, np.nan), len(one.individual))
        axes.plot(across, np.hstack([one.individual, gaps]).ravel(), color=GREY, linewidth=0.5, alpha=0.6)
        with np.errstate(over="ignore", invalid="ignore"):  # of outputs near the largest float the band is infinite
            high, low = one.means + 1.96 * one.errors, one.means - 1.96 * one.errors
        if numeric and len(places) > 1:
            axes.fill_between(places, low, high, color=BLUE, alpha=0.3, linewidth=0)
            axes.plot(places, one.means, color=BLUE, linewidth=2)
        else:
            axes.vlines(places, low, high, color=BLUE, linewidth=2)
            axes.plot(places, one.means, "o", color=BLUE)
        width = 0.9 * (float(np.diff(places).min()) if len(places) > 1 else 1.0)
        below.bar(places, 100 * one.shares, width=width, color=GREY)
        below.set_ylabel("% of rows", fontsize=8)
        below.set_xlim(float(places.min()) - width, float(places.max()) + width)
        if not numeric:
            _name_places(below, places, [str(value) for value in one.values])
        axes.set_ylabel("output")
        below.set_xlabel(shortened(one.label))
        return _svg(figure, key)


def _name_places(axes: Axes, places: np.ndarray, names: Sequence[str]) -> None:
    few = len(names) <= 12
    chosen = range(0, len(names), 1 if few else max(1, len(names) // 12))
    turned = few and max(map(len, names)) * len(names) > 70
    axes.set_xticks(
        places[list(chosen)],
        [shortened(names[place], 18) for place in chosen],
        rotation=30 if turned else 0,
        ha="right" if turned else "center",
    )


def standalone(svg: str) -> str:
    """A chart for a separate file: black on white, whatever surrounds it."""
    black = _TAG.sub(lambda tag: tag[0].replace(INHERITED, "#000000"), svg)
    return _TAG.sub(lambda tag: f'{tag[0]}<rect width="100%" height="100%" fill="#ffffff"/>', black, count=1)
