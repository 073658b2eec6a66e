"""What metrics and words of a report mean, in plain words."""

from __future__ import annotations

#: Per metric: what it is, and the value that means no difference. d is the group, a all other rows.
METRICS: dict[str, tuple[str, str]] = {
    "CI": ("How much smaller the group is than all others: (others − group) / all rows", "0"),
    "DPL": ("Share of positive labels of all others, less that of the group", "0"),
    "CDDL": ("Share of the group among negative labels, less that among positive ones, within the group variable", "0"),
    "KL": ("How far the labels of the two are apart (Kullback-Leibler divergence)", "0"),
    "JS": ("How far the labels of the two are from their mean (Jensen-Shannon divergence)", "0"),
    "LP": ("Distance of the shares of labels (Euclidean norm)", "0"),
    "TVD": ("Half of the summed differences of the shares of labels", "0"),
    "KS": ("The largest difference of the shares of labels", "0"),
    "DPPL": ("Share of positive predictions of all others, less that of the group", "0"),
    "DI": ("Share of positive predictions of the group, divided by that of all others", "1"),
    "AD": ("Share of right predictions of all others, less that of the group", "0"),
    "CDDPL": (
        "Share of the group among negative predictions, less that among positive ones, within the group variable",
        "0",
    ),
    "DAR": ("Of positive predictions the share that is right: all others less the group", "0"),
    "DRR": ("Of negative predictions the share that is right: the group less all others", "0"),
    "DCA": ("Positive labels for each positive prediction: all others less the group", "0"),
    "DCR": ("Negative labels for each negative prediction: the group less all others", "0"),
    "RD": ("Of positive labels the share that is predicted: all others less the group", "0"),
    "SD": ("Of negative labels the share that is predicted: the group less all others", "0"),
    "TE": ("False negatives for each false positive: the group less all others", "0"),
    "FT": ("Share of the group better off than their nearest neighbours in all others, less the share worse off", "0"),
    "GE": ("How unequally the predictions grant outcomes over all rows (generalized entropy)", "0"),
}
#: Metrics between −1 and 1 that are above 0 where the group has less than all others, in the order of a chart.
DIFFERENCES = ("DPL", "DPPL", "CDDL", "CDDPL", "AD", "RD", "DAR")

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
