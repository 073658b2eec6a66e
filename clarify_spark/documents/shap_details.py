"""The part of analysis_details.json about how Kernel SHAP computed its values, and how far to trust them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clarify_spark.documents.analysis_json import finite, json_number
from clarify_spark.explaining.example_rows import ExampleRows, Highlight
from clarify_spark.explaining.result import ShapResult
from clarify_spark.redaction import without_secrets
from clarify_spark.udfs.row_keys import row_location

#: Features and outputs reported for sampled rows.
MOST_FEATURES, MOST_OUTPUTS = 20, 5


def kernel_shap(shap: ShapResult) -> dict[str, Any]:
    """The facts of the run, then every output with its features."""
    plan, summary = shap.plan, shap.summary
    found = {
        "rows": summary.rows,
        "engine": plan.engine.key,
        "design": _design(shap),
        "estimator": _estimator(shap),
        "prior": _prior(shap),
        "intervals": intervals(shap),
        "agg_method": summary.method,
        "link": plan.settings.link,
        "seed": plan.settings.seed,
        "block_rows": plan.block_rows,
        "model_records": summary.records,
        "model_calls": summary.calls,
        "deduplicated_share": deduplicated(shap),
        "largest_residual": json_number(float(summary.largest_residuals.max())),
        "baseline": _baseline(shap),
        "outputs": [_output(shap, output) for output in range(len(shap.labels))],
        "sampled_rows": None if shap.examples is None else _sampled(shap, shap.examples),
        "local": None if shap.examples is None else [_local(shap, highlight) for highlight in shap.examples.highlights],
    }
    return {key: value for key, value in found.items() if value is not None}


def exact(shap: ShapResult) -> bool:
    """Whether the values are those of all coalitions, according to the engine."""
    return shap.plan.engine.code.exact(shap.plan, shap.summary.coalition_errors)


def intervals(shap: ShapResult) -> str:
    """What is known about the standard errors over coalitions."""
    if exact(shap):
        return "exact: the values are those of all coalitions, so there is no error over coalitions"
    if shap.summary.coalition_errors is None:
        return "unknown: the coalitions are a sample, and no standard errors were computed"
    if doubtful(shap):
        return (
            "doubtful: the model's values on the pilot rows do not fit the assumptions behind the standard errors; "
            "increase num_samples"
        )
    return (
        "value ± 1.96 standard errors should contain the value of all coalitions in 95 of 100 cases; "
        "for a global value more often, because its standard error is an upper bound"
    )


def doubtful(shap: ShapResult) -> bool:
    """Whether there are standard errors that the pilot rows contradict."""
    return not (exact(shap) or shap.summary.coalition_errors is None or shap.plan.prior.trusted)


def deduplicated(shap: ShapResult) -> float:
    """The share of the model records that were not sent because they equal others."""
    asked = shap.summary.records + shap.summary.duplicates
    return shap.summary.duplicates / asked if asked else 0.0


def _estimator(shap: ShapResult) -> str:
    return "exact" if exact(shap) else shap.plan.game.solver.kind


def _design(shap: ShapResult) -> dict[str, Any]:
    return {
        "sampling": "exact" if exact(shap) else "sampled",
        "features": len(shap.features),
        "coalitions": shap.plan.coalitions,
        **shap.plan.engine.code.design(shap.plan),
    }


def _prior(shap: ShapResult) -> dict[str, Any] | None:
    """The hyper-parameters of the best linear unbiased prediction, where it was used."""
    prior = shap.plan.prior
    if _estimator(shap) != "blup":
        return None
    found = {
        "source": prior.source,
        "trusted": prior.trusted,
        "misfit": json_number(float(prior.misfit)),
        "share5": json_number(float(prior.share5)),
        "nugget": json_number(float(prior.nugget)),
    }
    if prior.relevance is not None:
        found["relevance"] = [json_number(float(one)) for one in prior.relevance]
    return found


def _baseline(shap: ShapResult) -> dict[str, Any]:
    baseline = shap.baseline
    return {
        "rows": len(baseline.rows),
        "source": baseline.source,
        "weights": [json_number(float(weight)) for weight in baseline.weights],
        "facts": dict(baseline.facts),
        "notes": [without_secrets(note) for note in baseline.notes],
    }


def _output(shap: ShapResult, output: int) -> dict[str, Any]:
    summary = shap.summary
    return {
        "label": shap.labels[output],
        "expected_value": json_number(float(shap.plan.expected[output])),
        "mean_base_value": json_number(float(summary.bases[output])),
        "largest_residual": json_number(float(summary.largest_residuals[output])),
        "features": [_feature(shap, output, player) for player in range(len(shap.features))],
    }


def _feature(shap: ShapResult, output: int, player: int) -> dict[str, Any]:
    """One feature's numbers; null where there is nothing to compute them from."""
    summary = shap.summary

    def at(numbers: NDArray[np.float64] | None) -> float | str | None:
        return None if numbers is None else finite(float(numbers[output, player]))

    return {
        "name": shap.features[player],
        "global_shap_value": at(summary.values),
        "standard_error_coalitions": at(summary.coalition_errors),
        "standard_error_rows": at(summary.row_errors),
        "mean": at(summary.means),
        "sign_certain_share": at(summary.certain),
    }


def _sampled(shap: ShapResult, examples: ExampleRows) -> dict[str, Any]:
    """Six digits of the values of some rows for the most important features, for drawing."""
    outputs = []
    for output, label in enumerate(shap.labels[:MOST_OUTPUTS]):
        weightiest = np.argsort(-np.abs(shap.summary.values[output]), kind="stable")[:MOST_FEATURES]
        outputs.append(
            {
                "label": label,
                "features": [shap.features[player] for player in weightiest],
                "values": [[_six(row.values[output, player]) for player in weightiest] for row in examples.rows],
                "ranks": [[_six(rank) for rank in ranks[weightiest]] for ranks in examples.ranks],
            }
        )
    return {"rows": [row_location(row.key) for row in examples.rows], "outputs": outputs}


def _local(shap: ShapResult, highlight: Highlight) -> dict[str, Any]:
    """One row with all of its values, in the order of the features."""
    row, output = highlight.row, highlight.output
    return {
        "row": row_location(row.key),
        "why": highlight.reason,
        "output": shap.labels[output],
        "base_value": json_number(float(row.base[output])),
        "prediction": json_number(float(row.prediction[output])),
        "values": [json_number(float(value)) for value in row.values[output]],
        "residual": json_number(float(row.residual[output])),
    }


def _six(value: float) -> float | str | None:
    return finite(float(f"{value:.6g}"))
