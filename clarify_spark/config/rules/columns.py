"""Rules about columns: every reference must name an existing one, as far as headers show."""

from __future__ import annotations

from collections.abc import Iterator

from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.nearest import nearest
from clarify_spark.config.places import Place, path_of, short_json
from clarify_spark.config.rules.analysis import FeatureList, all_rules
from clarify_spark.config.rules.findings import Problems, finding
from clarify_spark.errors import Problem

#: The key of the headers that a column is looked up in, and the names there; None when only the data show them.
Headers = tuple[str, tuple[str, ...] | None]
Reference = tuple[Place, str | int, Headers]


def columns_exist(config: AnalysisConfig) -> Problems:
    """Problems of names and indices that point to no column."""
    if config.time_series_data_config is not None:
        return
    for reference in (*_roles(config), *_model_columns(config), *_second_data_sets(config)):
        yield from _check(*reference)


def _roles(config: AnalysisConfig) -> Iterator[Reference]:
    main, facets = _main_headers(config), _facet_headers(config)
    if not config.format.by_jmespath:
        yield from _given(("label",), config.label, main)
        if config.predicted_label_dataset_uri is None:
            yield from _given(("predicted_label",), config.predicted_label, main)
    for index, facet in enumerate(config.facet or ()):
        in_main = isinstance(facet.name_or_index, str) and facet.name_or_index in (main[1] or ())
        yield ("facet", index, "name_or_index"), facet.name_or_index, main if in_main else facets
    group = config.group_variable
    in_main = not isinstance(group, str) or group in (main[1] or ())
    in_facets = facets[1] is None or group in facets[1]
    yield from _given(("group_variable",), group, facets if in_facets and not in_main else main)
    yield from _given(("weight",), config.weight, main)
    for index, segmentation in enumerate(config.segment_config or ()):
        yield ("segment_config", index, "name_or_index"), segmentation.name_or_index, main


def _model_columns(config: AnalysisConfig) -> Iterator[Reference]:
    main = _main_headers(config)
    lists = ((("excluded_columns",), config.excluded_columns), *((one.place, one.columns) for one in _features(config)))
    for place, columns in lists:
        for index, column in enumerate(columns or ()):
            yield (*place, index), column, main


def _features(config: AnalysisConfig) -> Iterator[FeatureList]:
    """The lists of features in the sections of analyses."""
    return (one for rules in all_rules() for one in rules.features(config))


def _second_data_sets(config: AnalysisConfig) -> Iterator[Reference]:
    join: Place = ("joinsource_name_or_index",)
    predicted: Headers = ("predicted_label_headers", config.predicted_label_headers)
    yield from _given(join, config.joinsource_name_or_index, _main_headers(config))
    if config.facet_dataset_uri is not None:
        yield from _given(join, _join_name(config), _facet_headers(config))
    if config.predicted_label_dataset_uri is not None:
        yield from _given(join, _join_name(config), predicted)
        yield from _given(("predicted_label",), _predicted_label(config), predicted)


def _join_name(config: AnalysisConfig) -> str | None:
    """The name of the id column, which is the same in every data set; None when only the data show it."""
    join, names = config.joinsource_name_or_index, config.headers or ()
    if isinstance(join, int):
        return names[join] if 0 <= join < len(names) else None
    return join


def _predicted_label(config: AnalysisConfig) -> str | int | None:
    """The prediction's column in its own data set; None when it is the only one apart from the id."""
    others = [name for name in config.predicted_label_headers or () if name != _join_name(config)]
    if config.predicted_label is None and len(others) == 1:
        return None
    return "predicted_label" if config.predicted_label is None else config.predicted_label


def _given(place: Place, column: str | int | None, headers: Headers) -> Iterator[Reference]:
    if column is not None:
        yield place, column, headers


def _main_headers(config: AnalysisConfig) -> Headers:
    return "headers", config.headers


def _facet_headers(config: AnalysisConfig) -> Headers:
    if config.facet_dataset_uri is None:
        return _main_headers(config)
    return "facet_headers", config.facet_headers


def _check(place: Place, column: str | int, headers: Headers) -> Iterator[Problem]:
    key, names = headers
    if isinstance(column, int):
        if column < 0 or (names is not None and column >= len(names)):
            bound = "0 or more" if names is None else f"0 to {len(names) - 1}, the columns of {key}"
            yield finding(place, f"the index {column}", bound)
    elif names is not None and column not in names:
        suggestion = nearest(column, names, 0.6)
        yield finding(place, f"{short_json(column)}", f"a name in {key}{f' ({suggestion})' if suggestion else ''}")


def different_columns(config: AnalysisConfig) -> Problems:
    """Problems of one column in two roles that exclude each other."""
    label = config.label
    same_data = config.predicted_label_dataset_uri is None
    if label is not None and same_data and label == config.predicted_label:
        yield finding("predicted_label", f"{short_json(label)}, which is the label too", "another column")
    if label is not None and label == config.joinsource_name_or_index and not config.format.by_jmespath:
        yield finding("joinsource_name_or_index", f"{short_json(label)}, which is the label too", "another column")
    for one in (one for one in _features(config) if one.no_labels):
        for index, feature in enumerate(one.columns or ()):
            if feature in (label, config.predicted_label) and not config.format.by_jmespath:
                path = path_of((*one.place, index))
                yield finding(path, f"{short_json(feature)}, which is a label", "features of the model")


RULES = (columns_exist, different_columns)
