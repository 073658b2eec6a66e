"""The config objects of a call to one analysis config, with the rules of the SageMaker SDK.

Objects are duck-typed: those of ``sagemaker.clarify``, of ``sagemaker.core.clarify`` and of
``clarify_spark.sagemaker`` have the same public methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clarify_spark.errors import ArgumentError

#: The report that every call asks for.
REPORT = {"name": "report", "title": "Analysis Report"}
#: Deeper than any config.
DEEPEST = 40

Config = dict[str, Any]
Methods = str | Sequence[str] | None


@dataclass(frozen=True)
class Call:
    """The arguments of one call; ``methods``: the bias methods by key, without those that have no metrics.

    ``scores``: a ModelPredictedLabelConfig, or where the score is in a response.
    """

    data: Any
    bias: Any = None
    model: Any = None
    scores: Any = None
    explainability: Any = None
    methods: Mapping[str, Methods] | None = None


def composed(call: Call) -> Config:
    """The analysis config of a call; keys in the SDK's order."""
    data = _config(call.data, "data_config", "get_config", "DataConfig")
    explanations = _explanations(call.explainability, data)
    predictor = _predictor(call)
    _check_time_series(call, data, predictor, explanations)
    metrics = {key: {"methods": json_value(named, key)} for key, named in (call.methods or {}).items() if named}
    if not metrics and not explanations:
        raise ArgumentError("Nothing to do: name bias metrics or give an explainability_config.")
    methods = {"methods": {"report": dict(REPORT), **metrics, **explanations}}
    if call.methods is None:
        return {**data, **predictor, **methods}
    bias = _config(call.bias, "bias_config", "get_config", "BiasConfig")
    if call.methods.get("post_training_bias"):
        _check_predictions(predictor, data)
    return {**data, **bias, **methods, **predictor}


def json_value(value: Any, place: str, depth: int = 0) -> Any:
    """The value as JSON: numpy numbers, arrays, and pandas indices and series too; tuples become lists."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if depth > DEEPEST:
        raise ArgumentError(f"{place}: found lists or objects more than {DEEPEST} deep.")
    if isinstance(value, Mapping):
        return {_key(key, place): json_value(member, f"{place}.{key}", depth + 1) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(member, f"{place}[{index}]", depth + 1) for index, member in enumerate(value)]
    if hasattr(value, "tolist") and not isinstance(value, type):
        return json_value(value.tolist(), place, depth + 1)
    raise ArgumentError(f"{place}: found {described(value)}; allowed: numbers, strings, lists and dicts of these.")


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str):
        raise ArgumentError(f"{place}: found the key {key!r}; allowed: keys that are strings.")
    return key


def described(value: Any) -> str:
    """What a value is, for a message."""
    if value is None:
        return "None"
    kind = type(value).__name__
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    return f"{article} {kind}"


# --- parts ----------------------------------------------------------------------------------------------------------


def _part(value: Any, argument: str, method: str, wanted: str) -> Any:
    """What the object's public method returns, as JSON."""
    ask = None if isinstance(value, type) else getattr(value, method, None)
    if not callable(ask):
        found = f"the class {value.__name__} itself" if isinstance(value, type) else described(value)
        raise ArgumentError(
            f"{argument}: found {found}; allowed: a {wanted} of sagemaker.clarify, sagemaker.core.clarify or "
            "clarify_spark.sagemaker."
        )
    return json_value(ask(), argument)


def _config(value: Any, argument: str, method: str, wanted: str) -> Config:
    found = _part(value, argument, method, wanted)
    if not isinstance(found, dict):
        raise ArgumentError(f"{argument}: found {described(value)}; allowed: a {wanted}.")
    return found


def _predictor(call: Call) -> Config:
    """``predictor`` and ``probability_threshold``, as far as there are any."""
    found: Config = {}
    if call.model is not None:
        predictor = _config(call.model, "model_config", "get_predictor_config", "ModelConfig")
        found["predictor"] = predictor
    elif call.explainability is not None:
        raise ArgumentError("model_config: found None; explanations need a ModelConfig.")
    if call.scores is None:
        return found
    if isinstance(call.scores, str | int) and not isinstance(call.scores, bool):
        if "predictor" in found:
            found["predictor"]["label"] = call.scores
        return found
    threshold, keys = _scores(call.scores)
    if "predictor" in found:
        found["predictor"].update(keys)
    if threshold is not None:
        found["probability_threshold"] = threshold
    return found


def _scores(value: Any) -> tuple[Any, Config]:
    wanted = "ModelPredictedLabelConfig"
    found = _part(value, "model_predicted_label_config", "get_predictor_config", wanted)
    if not (isinstance(found, list) and len(found) == 2 and isinstance(found[1], dict)):
        raise ArgumentError(f"model_predicted_label_config: found {described(value)}; allowed: a {wanted}.")
    return found[0], found[1]


def _explanations(value: Any, data: Config) -> Config:
    """The explanation methods of one object or of a list of them, none twice."""
    if value is None:
        return {}
    listed = list(value) if isinstance(value, list | tuple) else [value]
    if not listed:
        raise ArgumentError("explainability_config: found an empty list; allowed: one config or several.")
    found: Config = {}
    for index, one in enumerate(listed):
        argument = "explainability_config" if len(listed) == 1 else f"explainability_config[{index}]"
        for method, keys in _config(one, argument, "get_explainability_config", "SHAPConfig or PDPConfig").items():
            if method in found:
                raise ArgumentError(f"{argument}: found a second config of {method}; allowed: one of each kind.")
            found[method] = keys
    if "asymmetric_shapley_value" in found and len(listed) > 1:
        raise ArgumentError("explainability_config: an AsymmetricShapleyValueConfig must be given alone, not in lists.")
    if "pdp" in found and "shap" not in found and "features" not in found["pdp"]:
        raise ArgumentError("explainability_config: a PDPConfig needs features unless there is a SHAPConfig too.")
    _check_static_covariates(found, data)
    return found


# --- rules ----------------------------------------------------------------------------------------------------------


def _check_predictions(predictor: Config, data: Config) -> None:
    if not ("predictor" in predictor or "predicted_label" in data or "predicted_label_dataset_uri" in data):
        raise ArgumentError(
            "model_config: found None; post-training bias needs a ModelConfig, or predicted_label or "
            "predicted_label_dataset_uri in the DataConfig."
        )


def _check_time_series(call: Call, data: Config, predictor: Config, explanations: Config) -> None:
    """Time series need all three of their configs, and have no bias metrics."""
    given = {
        "an AsymmetricShapleyValueConfig": "asymmetric_shapley_value" in explanations,
        "a TimeSeriesDataConfig in the DataConfig": "time_series_data_config" in data,
        "a TimeSeriesModelConfig in the ModelConfig": "time_series_predictor_config" in predictor.get("predictor", {}),
    }
    if not any(given.values()):
        return
    if call.methods is not None:
        raise ArgumentError("There are no bias metrics of time series; use run_explainability.")
    missing = [name for name, there in given.items() if not there]
    if missing:
        raise ArgumentError(f"Explanations of time series also need {' and '.join(missing)}.")


def _check_static_covariates(explanations: Config, data: Config) -> None:
    """A baseline has one value for each static covariate, for every item."""
    baseline = explanations.get("asymmetric_shapley_value", {}).get("baseline")
    if not isinstance(baseline, dict) or "static_covariates" not in baseline:
        return
    count = len(data.get("time_series_data_config", {}).get("static_covariates", []))
    if not count:
        raise ArgumentError("baseline: found static_covariates, but the TimeSeriesDataConfig names none.")
    for item, values in baseline["static_covariates"].items():
        if not isinstance(values, list) or len(values) != count:
            raise ArgumentError(
                f"baseline: found {values!r} for the item {item!r}; allowed: a list of {count} values, one for each "
                "static covariate."
            )
