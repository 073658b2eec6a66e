"""Rules about the data set: which keys apply to which format, and which keys belong together."""

from __future__ import annotations

import jmespath
import jmespath.exceptions

from clarify_spark.config.analyses import ANALYSES
from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.places import short_json
from clarify_spark.config.rules.findings import Problems, finding, incomplete, missing


def version(config: AnalysisConfig) -> Problems:
    """Problems of the version."""
    if config.version not in (None, "1.0"):
        yield finding("version", short_json(config.version), '"1.0" (or leave the key out)')


def keys_of_the_format(config: AnalysisConfig) -> Problems:
    """Problems of keys that do not apply to the dataset_type."""
    for key in config.format.refused:
        if getattr(config, key) is not None:
            yield finding(key, f"this key with the dataset_type {config.dataset_type}", "no such key")


def paths_into_json(config: AnalysisConfig) -> Problems:
    """Problems of the JMESPaths that address JSON data."""
    if not config.format.by_jmespath or config.time_series_data_config is not None:
        return
    if config.features is None:
        absent = missing("features", f"the dataset_type {config.dataset_type}", 'a JMESPath such as "features"')
        measured = any(row.asked(config.methods) for row in ANALYSES.values() if not row.explains)
        yield absent if measured else incomplete(absent)
    for key in ("features", "label", "predicted_label"):
        value = getattr(config, key)
        if isinstance(value, int):
            yield finding(key, f"the index {value}", f"a JMESPath, since dataset_type is {config.dataset_type}")
        elif value is not None and (reason := jmespath_error(value)):
            yield finding(key, f"{short_json(value)}, which is not a JMESPath ({reason})", "a JMESPath")


def jmespath_error(expression: str) -> str | None:
    """Why the text is not a JMESPath, on one line; None when it is one."""
    try:
        jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        return str(error).splitlines()[0].rstrip(":")
    return None


def headers_of_second_data_sets(config: AnalysisConfig) -> Problems:
    """Problems of headers without their data set."""
    for kind in ("facet", "predicted_label"):
        headers, uri = f"{kind}_headers", f"{kind}_dataset_uri"
        if getattr(config, headers) is not None and getattr(config, uri) is None:
            yield finding(headers, f"this key without {uri}", f"{headers} together with {uri}")


def repeated_headers(config: AnalysisConfig) -> Problems:
    """Problems of names that stand for two columns."""
    for key in ("headers", "facet_headers", "predicted_label_headers"):
        names = getattr(config, key) or ()
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            yield finding(key, f"{short_json(name)} {names.count(name)} times", "each name once")


def threshold(config: AnalysisConfig) -> Problems:
    """Problems of the probability_threshold."""
    value = config.probability_threshold
    if value is not None and not 0 <= value <= 1:
        yield finding("probability_threshold", short_json(value), "a number from 0.0 to 1.0")


RULES = (
    version,
    keys_of_the_format,
    paths_into_json,
    headers_of_second_data_sets,
    repeated_headers,
    threshold,
)
