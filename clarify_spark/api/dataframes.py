"""From a data frame to a result: ``bias_report``, ``explain`` and ``analyze``, for notebooks and programs.

Each builds the analysis config that the command line would get, and runs it the same way.
"""

from __future__ import annotations

import atexit
import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from numbers import Real
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from clarify_spark.api.results import Results
from clarify_spark.config.formats import DATASET_FORMATS, PARQUET
from clarify_spark.errors import ArgumentError
from clarify_spark.redaction import without_secrets
from clarify_spark.run.checks import check_model, runnable
from clarify_spark.run.context import Options, RunLocations
from clarify_spark.run.pipeline import run
from clarify_spark.spark.data.staging import (
    column_names,
    distinct_values,
    is_spark,
    json_values,
    remove_staged,
    reordered,
    staged,
)
from clarify_spark.spark.delivery.fitted_models import saved
from clarify_spark.spark.files.output import read_text
from clarify_spark.spark.session import Session, lasting_session, require_pyspark
from clarify_spark.udfs.predictors.features import in_training_order, names_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    #: Rows: a frame, or their location.
    Data = pd.DataFrame | DataFrame | str | PathLike[str]
    #: Columns whose groups are compared; with values: those of the group of concern, or one threshold.
    Facets = str | Sequence[str | Mapping[str, Any]] | Mapping[str, Any]

#: Keys of a config whose values are columns.
_COLUMNS = (
    "label", "predicted_label", "group_variable", "weight", "name_or_index", "joinsource_name_or_index",
    "excluded_columns", "features", "features_to_explain",
)  # fmt: skip

__all__ = ["analyze", "bias_report", "explain"]


def bias_report(
    data: Data,
    *,
    label: str,
    facets: Facets,
    label_values: Any = None,
    predicted_label: str | None = None,
    model: Any = None,
    features: Sequence[str] | None = None,
    excluded_columns: Sequence[str] = (),
    group_variable: str | None = None,
    probability_threshold: float | None = None,
    config: Mapping[str, Any] | None = None,
    output: str | PathLike[str] | None = None,
    data_folder: str | PathLike[str] | None = None,
    **options: Any,
) -> Results:
    """The bias metrics of the labels and, with ``predicted_label`` or ``model``, of the predictions.

    ``label_values``: the favourable outcomes, or one number above which they are; 1 or True where the label has no
    other values than 0 and 1. ``features``: the model's input; by default what it was trained on if known, else all
    columns but the label and ``excluded_columns``. ``config``: further keys of an analysis config. ``output``: a folder
    that keeps the results; by default they last as long as this process. ``data_folder``: where clusters may keep the
    rows and a Spark model meanwhile. ``options``: those of the command line, such as ``seed``. docs/python-api.md has
    examples.
    """
    _check(data)
    if label_values is None:
        positive = _good(data, label)
    else:
        kind = _kind_of_number(label_values, data, label)
        positive = {"label_values_or_threshold": _listed(label_values), **({"label_type": kind} if kind else {})}
    asked: dict[str, Any] = {
        "label": label,
        **positive,
        "facet": [_with_type(facet, data) for facet in _facets(facets, data)],
        "methods": {"pre_training_bias": {"methods": "all"}},
    }
    if predicted_label is not None or model is not None:
        asked["methods"]["post_training_bias"] = {"methods": "all"}
    given = {
        "predicted_label": predicted_label,
        "group_variable": group_variable,
        "probability_threshold": None if probability_threshold is None else float(probability_threshold),
    }
    asked |= {key: value for key, value in given.items() if value is not None}
    asked |= _excluded(data, model, features, excluded_columns, [label, predicted_label, *_roles(config)])
    joined = _joined(asked, config)
    data = _in_order(data, features, joined)
    return analyze(joined, data, model=model, output=output, data_folder=data_folder, **options)


def explain(
    data: Data,
    model: Any,
    *,
    label: str | None = None,
    features: Sequence[str] | None = None,
    excluded_columns: Sequence[str] = (),
    baseline: pd.DataFrame | Sequence[Sequence[Any]] | str | None = None,
    num_clusters: int | None = None,
    num_samples: int | None = None,
    use_logit: bool = False,
    agg_method: str | None = None,
    pdp: bool | Sequence[str] = False,
    config: Mapping[str, Any] | None = None,
    output: str | PathLike[str] | None = None,
    data_folder: str | PathLike[str] | None = None,
    **options: Any,
) -> Results:
    """Shapley values of the model for every row and, with ``pdp``, partial dependence (of these features).

    ``label`` is a column not passed to the model. ``baseline``: the rows to compare with, a frame (columns are found by
    name) or lists of values in the order of the features; by default, rows chosen from the data. All others as in
    ``bias_report``.
    """
    _check(data)
    shap: dict[str, Any] = {"save_local_shap_values": True}
    given = {
        "baseline": _baseline(baseline, data, model, features),
        "num_clusters": num_clusters,
        "num_samples": num_samples,
        "agg_method": agg_method,
        "use_logit": use_logit or None,
    }
    shap |= {key: value for key, value in given.items() if value is not None}
    methods: dict[str, Any] = {"shap": shap}
    if not isinstance(pdp, bool):
        methods["pdp"] = {"grid_resolution": 15, "features": [pdp] if isinstance(pdp, str) else list(pdp)}
    elif pdp:
        methods["pdp"] = {"grid_resolution": 15}
    asked: dict[str, Any] = {"methods": methods, **({} if label is None else {"label": label})}
    asked |= _excluded(data, model, features, excluded_columns, [label, *_roles(config)])
    joined = _joined(asked, config)
    data = _in_order(data, features, joined)
    return analyze(joined, data, model=model, output=output, data_folder=data_folder, **options)


def analyze(
    config: Mapping[str, Any] | str | PathLike[str],
    data: Data | None = None,
    *,
    model: Any = None,
    output: str | PathLike[str] | None = None,
    data_folder: str | PathLike[str] | None = None,
    **options: Any,
) -> Results:
    """The analyses of a config (its keys, or the location of its file) on these rows and this model.

    ``data`` overrides ``dataset_uri`` of the config and ``model`` overrides its ``predictor``'s model.
    """
    if data is not None:
        _check(data)
    settings = _options(options)
    with ExitStack() as held:
        spark = _session_for(data)
        document = _document(config, spark)
        if model is not None:
            scratch = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="clarify-spark-model-"))).resolve()
            place = _ModelFolder(spark, scratch, None if data_folder is None else fspath(data_folder))
            if place.data_folder is not None:
                held.callback(remove_staged, spark, place.data_folder, scratch.name)
            document["predictor"], settings = _predictor(model, document.get("predictor"), place, settings)
        if data is not None:
            document.setdefault("dataset_type", _type(data))
        text = json.dumps(document)
        check_model(runnable(text, strict=settings.strict).config, settings)  # before rows are written anywhere
        folder = _lasting_folder() if output is None else fspath(output)
        if data is None or isinstance(data, str | PathLike):
            rows = None if data is None else fspath(data)
        else:
            rows = held.enter_context(staged(spark, data, None if data_folder is None else fspath(data_folder)))
        result = run(spark, text, RunLocations(folder, rows), settings)
    for warning in result.warnings:
        sys.stderr.write(without_secrets(f"warning: {warning}\n"))
    return Results(folder, spark.spark, result.lines, result.warnings)


def _options(given: Mapping[str, Any]) -> Options:
    """What the command line adds to a config, by the names of its options."""
    known = [one.name for one in fields(Options)]
    for name in given:
        if name not in known:
            raise ArgumentError(f"{name}: unknown argument; the others are {', '.join(known)}")
    return Options(**given)


# --- configs --------------------------------------------------------------------------------------------------------


def _document(config: Mapping[str, Any] | str | PathLike[str], spark: Session) -> dict[str, Any]:
    if isinstance(config, Mapping):
        return deepcopy(dict(config))
    if not isinstance(config, str | PathLike):
        raise ArgumentError(
            f"config: found an object of type {type(config).__name__}; allowed: a dict, or a path or URI"
        )
    try:
        found = json.loads(read_text(fspath(config), spark.spark))
    except ValueError as error:
        raise ArgumentError(f"config: {fspath(config)} is not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise ArgumentError(f"config: {fspath(config)} is not a JSON object")
    return found


def _joined(asked: dict[str, Any], config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Two configs merged: common objects are merged recursively, and other values of the second override the first."""
    if config is not None and not isinstance(config, Mapping):
        raise ArgumentError(f"config: found an object of type {type(config).__name__}; allowed: a dict of further keys")
    for key, value in (config or {}).items():
        both = isinstance(value, Mapping) and isinstance(asked.get(key), dict)
        asked[key] = _joined(asked[key], value) if both else deepcopy(value)
    return asked


def _facets(facets: Facets, data: Data) -> list[dict[str, Any]]:
    if isinstance(facets, str):
        facets = [facets]
    if isinstance(facets, Mapping):
        return [_facet(name, values, data) for name, values in facets.items()]
    if not isinstance(facets, Sequence):
        raise ArgumentError(
            f"facets: found an object of type {type(facets).__name__}; allowed: names of columns, or a dict from names "
            "to values, such as {'race': ['Black'], 'sex': None}"
        )
    return [dict(one) if isinstance(one, Mapping) else _facet(one, None, data) for one in facets]


def _facet(name: str, values: Any, data: Data) -> dict[str, Any]:
    found = {"name_or_index": name, **({} if values is None else {"value_or_threshold": _listed(values)})}
    kind = _kind_of_number(values, data, name)
    return {**found, "type": kind} if kind else found


def _kind_of_number(values: Any, data: Data, column: str) -> str | None:
    """How a single number as an argument is meant: a threshold, unless the column has it and at most one other value.

    None if it is not a number, or if the column is not known yet and its rule has to decide, or has other values.
    """
    if not isinstance(values, Real) or isinstance(values, bool | np.bool_):
        return None
    if isinstance(data, str | PathLike):
        return None if values in (0, 1) else "continuous"  # which are rather codes
    if column not in column_names(data):
        return None
    found = distinct_values(data, column, 3)
    numbers = all(isinstance(value, Real | Decimal) and not isinstance(value, bool | np.bool_) for value in found)
    if not numbers or (isinstance(data, pd.DataFrame) and isinstance(data[column].dtype, pd.CategoricalDtype)):
        return None
    return "categorical" if len(found) <= 2 and values in found else "continuous"


def _with_type(facet: dict[str, Any], data: Data) -> dict[str, Any]:
    """The facet; a column that pandas calls categorical is categorical, whatever its values."""
    name = facet.get("name_or_index")
    categorical = (
        isinstance(data, pd.DataFrame)
        and name in list(data.columns)
        and isinstance(data.dtypes.to_dict()[name], pd.CategoricalDtype)
    )
    return {**facet, "type": "categorical"} if categorical and "type" not in facet else facet


def _listed(values: Any) -> list[Any]:
    """One value or several as a JSON list; booleans as the strings used in a config."""
    many = list(values) if not isinstance(values, str) and hasattr(values, "__iter__") else [values]
    return json_values(many)


def _good(data: Data, label: str) -> dict[str, Any]:
    """The default for a label of only 0 and 1 (or False and True): 1 is favourable."""
    if isinstance(data, str | PathLike):
        raise ArgumentError(
            "label_values: name the favourable outcomes, such as [1], or one number above which they are favourable"
        )
    _require(column_names(data), [label], "label")
    found = distinct_values(data, label, 6)
    if not found or not all(isinstance(value, int | float) or hasattr(value, "dtype") for value in found):
        pass
    elif {float(value) for value in found} <= {0.0, 1.0}:
        good = "True" if type(found[0]).__name__.startswith("bool") else 1
        return {"label_values_or_threshold": [good], "label_type": "categorical"}
    shown = ", ".join(map(repr, json_values(found[:5]))) + (", …" if len(found) > 5 else "")
    raise ArgumentError(
        "label_values: name the favourable outcomes, or one number above which they are favourable; "
        f"{label!r} has {shown or 'no values'}"
    )


def _excluded(
    data: Data, model: Any, features: Sequence[str] | None, excluded: Sequence[str], roles: Sequence[str | None]
) -> dict[str, Any]:
    """The columns not passed to the model, apart from those whose roles keep them from it."""
    named = [excluded] if isinstance(excluded, str) else list(excluded)
    if isinstance(data, str | PathLike):
        if features is not None:
            raise ArgumentError("features: the columns of data at a URI are not known yet; name excluded_columns")
        return {"excluded_columns": named} if named else {}
    columns = column_names(data)
    _require(columns, named, "excluded_columns")
    _require(columns, features or (), "features")
    twice = [name for place, name in enumerate(features or ()) if name in (features or ())[:place]]
    if twice:
        raise ArgumentError(f"features: {twice[0]!r} is there twice")
    wanted = features or _trained_on(model, data)
    if wanted is not None:
        named += [name for name in columns if name not in wanted and name not in roles and name not in named]
    return {"excluded_columns": named} if named else {}


def _roles(config: Any) -> list[str]:
    """The columns that further config keys keep from the model."""
    keys = ("predicted_label", "weight", "joinsource_name_or_index") if isinstance(config, Mapping) else ()
    return [config[key] for key in keys if key in config]


def _trained_on(model: Any, data: Data) -> list[str] | None:
    """The features of a fitted model, None when it does not expose them or the frame has other names."""
    if model is None or isinstance(model, str | PathLike | Mapping) or isinstance(data, str | PathLike):
        return None
    names, columns = names_of(model), column_names(data)
    return names if names and set(names) <= set(columns) else in_training_order(names, columns)


def _require(columns: Sequence[str], names: Sequence[str], argument: str) -> None:
    for name in names:
        if name not in columns:
            raise ArgumentError(f"{argument}: there is no column {name!r}; the columns are {', '.join(columns)}")


def _baseline(rows: Any, data: Data, model: Any, features: Sequence[str] | None) -> Any:
    """The rows for the config: those of a frame as objects by name, lists as they are."""
    trained = _trained_on(model, data)
    if isinstance(rows, pd.DataFrame):
        names = column_names(rows, "baseline")
        _require(names, features or trained or (), "baseline")
        values = rows.astype(object).to_numpy().tolist()
        return [dict(zip(names, json_values(row), strict=True)) for row in values]
    if rows is None or isinstance(rows, str):
        return rows
    lists = any(not isinstance(row, str | Mapping) for row in rows)
    if lists and features is None and trained is not None and not isinstance(data, str | PathLike):
        in_data = [name for name in column_names(data) if name in trained]
        if in_data != trained:
            raise ArgumentError(
                f"baseline: lists have no names, and the model was trained on {', '.join(trained)}, which the data has "
                f"in the order {', '.join(in_data)}; give a DataFrame, or their order with features"
            )
    return [json_values(list(row)) if not isinstance(row, str | Mapping) else row for row in rows]


def _in_order(data: Data, features: Sequence[str] | None, config: Mapping[str, Any]) -> Data:
    """The data with ``features`` in the order of the argument, for functions and lists that know no names."""
    if features is None or isinstance(data, str | PathLike):
        return data
    columns, placed = column_names(data), iter(features)
    ordered = [next(placed) if name in features else name for name in columns]
    if ordered == columns:
        return data
    position = next(_positions(config), None)
    if position is not None:
        raise ArgumentError(
            f"features: they are in another order than in the data, so the position {position} in the config is "
            "ambiguous; give the column's name"
        )
    return reordered(data, ordered)


def _positions(config: Any) -> Iterator[int]:
    """The columns that a config names by position."""
    for key, value in config.items() if isinstance(config, Mapping) else ():
        if key in ("predictor", "baseline"):  # positions of outputs, and rows
            continue
        if key in _COLUMNS:
            named = value if isinstance(value, list | tuple) else [value]
            yield from (one for one in named if isinstance(one, int))
        for part in value if isinstance(value, list | tuple) else [value]:
            yield from _positions(part)


# --- data and models ------------------------------------------------------------------------------------------------


def _check(data: Any) -> None:
    if isinstance(data, str | PathLike | pd.DataFrame) or is_spark(data):
        return
    raise ArgumentError(
        f"data: found an object of type {type(data).__name__}; allowed: a DataFrame of pandas or Spark, a path or URI"
    )


def _type(data: Data) -> str:
    """The format implied by the ending of a location, else Parquet; frames are saved as Parquet, too."""
    if not isinstance(data, str | PathLike):
        return PARQUET
    place = fspath(data).lower()
    return next((kind for kind, row in DATASET_FORMATS.items() if place.endswith(row.recognised)), PARQUET)


@dataclass(frozen=True)
class _ModelFolder:
    """Where a fitted model may be saved."""

    session: Session
    scratch: Path
    data_folder: str | None


def _predictor(model: Any, others: Any, place: _ModelFolder, options: Options) -> tuple[dict[str, Any], Options]:
    """The predictor section for a model, and options that allow a pickle of the caller's own object."""
    if isinstance(model, Mapping):
        return _joined(dict(others or {}), model), options
    if isinstance(model, str | PathLike):
        return {**(others or {}), "model_uri": fspath(model)}, options
    uri = saved(model, place.session, place.scratch, place.data_folder)
    return {**(others or {}), "model_uri": uri}, replace(
        options, allow_pickle=options.allow_pickle or uri.endswith("pkl")
    )


# --- sessions and folders -------------------------------------------------------------------------------------------


def _session_for(data: Any) -> Session:
    """The session of the frame, else the active one, else a local one that lasts as long as this process."""
    require_pyspark()
    with _own_logging():
        return lasting_session(data.sparkSession if data is not None and is_spark(data) else None, None)


@contextmanager
def _own_logging() -> Iterator[None]:
    """A context that restores the caller's logging."""
    before = list(logging.getLogger().handlers)
    yield
    for handler in [one for one in logging.getLogger().handlers if one not in before]:
        logging.getLogger().removeHandler(handler)


def _lasting_folder() -> str:
    """A folder that is removed when this process ends."""
    folder = tempfile.mkdtemp(prefix="clarify-spark-results-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
