"""What verdicts and words of a report mean, in plain words."""

from __future__ import annotations

#: What the worst verdict of a run means for all of it.
BOUNDS = {
    "outside_bounds": "the whole interval of at least one metric is outside the bounds that were set.",
    "not_enough_data": "no interval is wholly outside its bounds, but of at least one metric this sample cannot tell.",
    "within_bounds": "the intervals of all metrics with bounds are wholly within them.",
}

#: Words of all explanations.
GLOSSARY: tuple[tuple[str, str], ...] = (
    ("Residual", "What a row's SHAP values leave unexplained of its prediction; 0 but for rounding."),
)

LIMITS: tuple[str, ...] = (
    "A difference says that groups differ, not why: it does not tell whether the difference is justified.",
    "A metric that is within bounds does not show that a model is fair; other groups, metrics or data may differ.",
    "Intervals speak of chance alone, not of wrong labels, missing rows or a sample that is not the population.",
    "SHAP values and partial dependence describe the model, not the world: they are no causes and no advice.",
    "Partial dependence sets features to values that may never occur together with a row's other values.",
)
