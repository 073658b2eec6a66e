"""What the keys about bounds, intersections, segments, weights and levels refuse, and at which path."""

import json

import pytest

from clarify_spark.config import check_runnable, later, load

BASE = {
    "dataset_type": "text/csv",
    "headers": ["approve", "race", "sex", "age", "w"],
    "label": "approve",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "race"}, {"name_or_index": "sex", "value_or_threshold": ["f"]}],
    "methods": {"pre_training_bias": {"methods": "all"}},
}


def config(**changes):
    return load(json.dumps({**BASE, **changes})).config


def problems(**changes):
    return {problem.path: problem.message for problem in check_runnable(config(**changes))}


def segments(*lists, **others):
    return {"segment_config": [{"name_or_index": "age", "segments": list(lists), **others}]}


@pytest.mark.parametrize(
    "changes",
    [
        {"confidence_level": 0.5},
        {"bounds": {"DPL": {"min": -1, "max": 0.5}, "DI": {"min": 0.8}, "KL": {"max": 1}}},
        {"facet_intersections": [["race", "sex"]]},
        {"weight": "w"},
        {"weight": 4},
        {"min_cell_size": 0},
        segments(["[1, 2]", 5], ["(2, 4]"], display_aliases=["a", "b"]),
        segments([1], display_aliases=["a", "rest"]),
    ],
)
def test_what_is_right_is_accepted(changes):
    assert problems(**changes) == {}


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"confidence_level": 1.0}, "confidence_level", "0.5 to below 1.0"),
        ({"confidence_level": 0.05}, "confidence_level", "0.5 to below 1.0"),
        ({"bounds": {"DPLL": {"min": 0}}}, "bounds.DPLL", 'did you mean "DPL"?'),
        ({"bounds": {"DPL": {}}}, "bounds.DPL", "at least one of them"),
        ({"bounds": {"DPL": {"min": 1, "max": -1}}}, "bounds.DPL", "min 1 above max -1"),
        ({"facet_intersections": [["race"]]}, "facet_intersections[0]", "two or more different facets"),
        ({"facet_intersections": [["race", "race"]]}, "facet_intersections[0]", "two or more different facets"),
        ({"facet_intersections": [["race", "age"]]}, "facet_intersections[0][1]", "a name_or_index of facet"),
        (
            {"facet_intersections": [["race", "sex"], ["sex", "race"]]},
            "facet_intersections[1]",
            "each combination once",
        ),
        (
            {"facet": [*BASE["facet"], {"name_or_index": "sex"}], "facet_intersections": [["race", "sex"]]},
            "facet_intersections[0][1]",
            "listed once",
        ),
        ({"weight": "approve"}, "weight", "which is label too"),
        ({"weight": "sex"}, "weight", "which is facet[1].name_or_index too"),
        ({"weight": "weigth"}, "weight", "a name in headers"),
        (segments([]), "segment_config[0].segments[0]", "at least one value"),
        (segments(), "segment_config[0].segments", "1 to 62"),
        (segments(*[[k] for k in range(63)]), "segment_config[0].segments", "63 lists"),
        (segments([1, 1]), "segment_config[0].segments[0]", "each value once"),
        (segments([1], display_aliases=["a", "a"]), "segment_config[0].display_aliases", "different names"),
        (segments([1], display_aliases=["a", "b", "c"]), "segment_config[0].display_aliases", "1 names"),
    ],
)
def test_what_is_wrong_is_told_at_its_path(changes, path, words):
    found = problems(**changes)
    assert list(found) == [path]
    assert words in found[path]


def test_what_has_no_effect_is_said():
    shap = {"methods": {"shap": {}}, "predictor": {"model_uri": "m.skops"}}
    said = " ".join(
        later(config(**shap, weight="w", bounds={"DPL": {"min": 0}}, facet_intersections=[["race", "sex"]]))
    )
    for key in ("weight", "bounds", "facet_intersections"):
        assert f"{key}: not used without a bias method" in said
    assert "to leave the column out of the features" in said
    assert any("bounds: not used for DI" in sentence for sentence in later(config(bounds={"DI": {"min": 0.8}})))
