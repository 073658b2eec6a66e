"""Shapley values from one sample of coalitions for all rows (engine ``shared``), by one matrix product per block.

For a row x and a coalition S, v(S) is the link of the weighted mean over the background of the model with the features
in S taken from x and the others from the background row. Shapley values follow from v(S) - v(N∖S) of pairs of
complementary coalitions and from v(N) - v(∅) (``shapley.Solver``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clarify_spark.udfs.explained import Explained
from clarify_spark.udfs.model_answer import Predict
from clarify_spark.udfs.outputs import ModelCalls, Outputs
from clarify_spark.udfs.shap.coalition_values import coalition_values
from clarify_spark.udfs.shap.engines import ShapRequest
from clarify_spark.udfs.shap.masking import Buffer
from clarify_spark.udfs.shap.shap_plan import ShapPlan, ShapSettings


def refused(asked: ShapRequest) -> tuple[str, str] | None:
    """None: the engine can do what any config requests."""
    return None


def obstacle(settings: ShapSettings, pair_sizes: NDArray[np.int64]) -> str | None:
    """None: the engine can explain any rows."""
    return None


def records_per_row(settings: ShapSettings, pair_sizes: NDArray[np.int64]) -> float:
    """Model records per explained row, the same for every row."""
    return float(settings.masked_records) + 1.0


def explain_block(frame: pd.DataFrame, predict: Predict, plan: ShapPlan, buffer: Buffer) -> Explained:
    """The Shapley values of the rows of a typed frame, which are one block."""
    ask = ModelCalls(predict, plan.settings.spec, plan.outputs, plan.settings.link)
    values = coalition_values(frame, plan.settings, ask, buffer)
    prediction = values.everything()
    base = values.nothing(plan.expected)
    totals = prediction - base
    shares, errors = _solved(plan, values.differences(plan.game.design.members), totals)
    return Explained(
        row_keys=np.arange(len(prediction)),
        join=None,
        prediction=prediction,
        base=base,
        values=shares,
        errors=errors if plan.settings.standard_errors else None,
        residual=totals - shares.sum(axis=2),
        records=values.ask.records,
        calls=values.ask.calls,
        duplicates=values.ask.duplicates,
        traffic=values.ask.traffic,
    )


def _solved(plan: ShapPlan, differences: Outputs, totals: Outputs) -> tuple[Outputs, Outputs]:
    """Values and errors (n, D, K) from differences (P, n, D) and totals (n, D), by one matrix product."""
    rows, outputs = totals.shape
    solved = plan.game.solver.solve(differences.reshape(len(differences), rows * outputs), totals.ravel())
    values, errors = (np.ascontiguousarray(part.T).reshape(rows, outputs, len(part)) for part in solved)
    return values, errors


# --- what the engine reports about itself -----------------------------------------------------------------------------


def exact(plan: ShapPlan, errors: NDArray[np.float64] | None) -> bool:
    """Whether all coalitions are evaluated."""
    return plan.game.design.exact


def design(plan: ShapPlan) -> dict[str, Any]:
    """The kind and the strength of the design."""
    return {"kind": plan.game.design.kind, "strength": plan.game.design.strength}


def workload(settings: ShapSettings, pair_sizes: NDArray[np.int64], rows: int) -> str:
    """Coalitions of each row against each baseline row."""
    return f"{rows:,} rows × {settings.samples:,} coalitions × {settings.background.counted}, and each row once"


def effort(plan: ShapPlan) -> str:
    """The coalitions of a row."""
    return f"coalitions: {plan.coalitions:,}"
