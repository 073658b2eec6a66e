"""A toy engine: each feature alone, in the row and in the baseline; exact unless three features interact."""

import numpy as np

from clarify_spark.udfs.explained import Explained
from clarify_spark.udfs.outputs import ModelCalls
from clarify_spark.udfs.shap.coalition_values import coalition_values
from clarify_spark.udfs.shap.engines import Engine

ENGINE = Engine("toy", "each feature alone", "toy_engine", share=0.5)
NO_LINK = "features do not add up inside of a link"


def refused(asked):
    return ("toy with use_logit", f"auto: {NO_LINK}") if asked.use_logit else None


def obstacle(settings, pair_sizes):
    return None if settings.link == "identity" else NO_LINK


def records_per_row(settings, pair_sizes):
    base = 0 if settings.everyone_plays else 1
    return float((2 * len(settings.players) + base) * len(settings.background.weights) + 1)


def explain_block(frame, predict, plan, buffer):
    ask = ModelCalls(predict, plan.settings.spec, plan.outputs)
    asked = coalition_values(frame, plan.settings, ask, buffer)
    prediction, base = asked.everything(), asked.nothing(plan.expected)
    totals = prediction - base
    # Twice the value of j is what it adds to v(∅) and what v(N) loses without it.
    alone = asked.differences(np.eye(len(plan.settings.players), dtype=bool))
    values = np.ascontiguousarray((alone + totals).transpose(1, 2, 0)) / 2
    residual = totals - values.sum(axis=2)
    return Explained(
        row_keys=np.arange(len(frame)),
        join=None,
        prediction=prediction,
        base=base,
        values=values,
        errors=np.zeros_like(values) + np.abs(residual)[:, :, np.newaxis],
        residual=residual,
        records=ask.records,
        calls=ask.calls,
        duplicates=ask.duplicates,
        traffic=ask.traffic,
    )


def exact(plan, errors):
    return not errors.any()


def design(plan):
    return {"kind": "each feature alone"}


def workload(settings, pair_sizes, rows):
    return f"{rows:,} rows × {len(settings.players)} features alone × {settings.background.counted}"


def effort(plan):
    return f"features alone: {len(plan.settings.players)}"
