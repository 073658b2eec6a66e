"""Rules about what bias metrics are compared with and split by: bounds, levels, intersections, segments, weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from clarify_spark.config.metrics import METRICS
from clarify_spark.config.models import AnalysisConfig, Segmentation
from clarify_spark.config.nearest import nearest
from clarify_spark.config.places import Place, short_json
from clarify_spark.config.rules.findings import Problems, finding
from clarify_spark.errors import Problem

MAX_SEGMENTS = 62


def level(config: AnalysisConfig) -> Problems:
    """A confidence level that is not a useful probability."""
    if not 0.5 <= config.confidence_level < 1.0:
        yield finding("confidence_level", str(config.confidence_level), "a number from 0.5 to below 1.0, such as 0.95")


def bounds(config: AnalysisConfig) -> Problems:
    """Bounds of unknown metrics, without an end, or reversed."""
    for metric, bound in (config.bounds or {}).items():
        place: Place = ("bounds", metric)
        if metric not in METRICS:
            suggestion = nearest(metric, METRICS, 0.6)
            yield finding(place, "no metric", ", ".join(METRICS) + (f" ({suggestion})" if suggestion else ""))
        elif bound.min is None and bound.max is None:
            yield finding(place, "neither min nor max", 'at least one of them, such as {"min": -0.1, "max": 0.1}')
        elif bound.min is not None and bound.max is not None and bound.min > bound.max:
            yield finding(place, f"min {bound.min:g} above max {bound.max:g}", "min up to max")


def intersections(config: AnalysisConfig) -> Problems:
    """Intersections of anything but different facets of the config."""
    facets = Counter(facet.name_or_index for facet in config.facet or ())
    seen: set[frozenset[str | int]] = set()
    for index, intersection in enumerate(config.facet_intersections or ()):
        place: Place = ("facet_intersections", index)
        allowed = "two or more different facets of the config, by the name_or_index that they have in facet"
        if len(set(intersection)) < 2 or len(set(intersection)) < len(intersection):
            yield finding(place, short_json(list(intersection)), allowed)
        elif frozenset(intersection) in seen:
            yield finding(place, f"{short_json(list(intersection))} a second time", "each combination once")
        seen.add(frozenset(intersection))
        for position, facet in enumerate(intersection):
            if facet not in facets:
                yield finding((*place, position), short_json(facet), "a name_or_index of facet")
            elif facets[facet] > 1:
                yield finding(
                    (*place, position), f"{short_json(facet)}, which facet lists twice", "a facet listed once"
                )


def weight(config: AnalysisConfig) -> Problems:
    """A weight column that has another role too."""
    others = {
        "label": config.label,
        "predicted_label": config.predicted_label,
        "group_variable": config.group_variable,
        **{f"facet[{i}].name_or_index": facet.name_or_index for i, facet in enumerate(config.facet or ())},
    }
    for key, column in others.items():
        if config.weight is not None and column == config.weight:
            yield finding("weight", f"{short_json(config.weight)}, which is {key} too", "another column")


def segments(config: AnalysisConfig) -> Problems:
    """Segments that are empty, too many, or named ambiguously."""
    for index, segmentation in enumerate(config.segment_config or ()):
        yield from _segments(("segment_config", index), segmentation)


def _segments(place: Place, segmentation: Segmentation) -> Iterator[Problem]:
    count = len(segmentation.segments)
    if not 1 <= count <= MAX_SEGMENTS:
        yield finding((*place, "segments"), f"{count} lists", f"1 to {MAX_SEGMENTS} lists of values or intervals")
    for index, members in enumerate(segmentation.segments):
        here = (*place, "segments", index)
        if not members:
            yield finding(here, "[]", 'at least one value, or interval such as "[1, 4]"')
        elif len(set(members)) < len(members):
            yield finding(here, f"{short_json(list(members))}, a value twice", "each value once")
    aliases = segmentation.display_aliases
    if aliases is not None:
        here = (*place, "display_aliases")
        if len(aliases) not in (count, count + 1):
            yield finding(here, f"{len(aliases)} names", f"{count} names, one per segment, or {count + 1}")
        if len(set(aliases)) < len(aliases):
            yield finding(here, f"{short_json(list(aliases))}, a name twice", "different names")


RULES = (level, bounds, intersections, weight, segments)
