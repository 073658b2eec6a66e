"""Where we chose to differ from the reference, why, and what we return instead. Everything else must agree."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from golden_cases import PARTS, POST

from clarify_spark.bias.roles import PREDICTION_MISMATCH


@dataclass(frozen=True)
class Refused:
    """The run stops with a config error at this JSON path."""

    path: str


@dataclass(frozen=True)
class SameAs:
    """Exactly what the reference returns for another case, whose data differ only in what is said here."""

    case: str


@dataclass(frozen=True)
class Named:
    """These values, or error texts, under these names; other names of the part are not looked at."""

    values: dict[str, float | str | list[float]]


@dataclass(frozen=True)
class Difference:
    """``instead`` is what we return in place of the reference's value of each of the ``parts``."""

    case: str
    parts: tuple[str, ...]
    reason: str
    instead: Refused | SameAs | Named


CONFIG = "the reference raises in the middle of a run; here the config is refused, with the place and what to do"
NO_POSITIVE = "the reference gives up when no prediction is positive; here all that the counts allow is computed"

ALL_NEGATIVE = Named(
    {
        **dict.fromkeys(("AD", "DAR", "DCA", "DCR", "DI", "DPPL", "DRR", "FT", "GE", "RD", "SD", "TE"), 0.0),
        "CDDPL": "No positive labels in set",
    }
)
ALL_NEGATIVE_STATISTICS = Named({"observed_label_distribution": [0.0, 1.0], "confusion_matrix": [0.0, 0.0, 0.0, 1.0]})
ALL_NEGATIVE_PERFORMANCE = Named(
    {
        "Accuracy": 1.0,
        "True Positive Rate / Recall": 0.0,
        "Conditional Acceptance": 0.0,
        "binary_confusion_matrix": [0.0, 0.0, 0.0, 1.0],
    }
)


def _all_negative(case: str) -> tuple[Difference, ...]:
    instead = (ALL_NEGATIVE, ALL_NEGATIVE_STATISTICS, ALL_NEGATIVE_PERFORMANCE)
    return tuple(Difference(case, (part,), NO_POSITIVE, named) for part, named in zip(POST, instead, strict=True))


DIFFERENCES: tuple[Difference, ...] = (
    Difference("d03_facet_column_missing", PARTS, CONFIG, Refused("facet[0].name_or_index")),
    Difference("d21_unknown_metric_name", PARTS, CONFIG, Refused("methods.pre_training_bias.methods")),
    Difference("d22_no_positive_label_values", PARTS, CONFIG, Refused("label_values_or_threshold")),
    Difference("f04_facet_threshold_not_numeric", PARTS, CONFIG, Refused("facet[0].value_or_threshold")),
    Difference("f05_facet_continuous_no_threshold", PARTS, CONFIG, Refused("facet[0].value_or_threshold")),
    Difference(
        "d23_index_not_starting_at_0",
        PARTS,
        "the reference stumbles over the index of its pandas frame; here rows have no index (same rows as c10)",
        SameAs("c10_facet_int_value_for_digit_string_column"),
    ),
    Difference(
        "d16_prediction_dtype_mismatch_float_label",
        POST,
        "predictions 0.0 and 1.0 equal labels 0 and 1 as numbers, so they are compared (same rows as c10)",
        SameAs("c10_facet_int_value_for_digit_string_column"),
    ),
    Difference(
        "d17_prediction_is_a_score",
        ("post_training_bias",),
        "the reference gives up on the report; here every entry says why, and the rest of the run goes on",
        Named(
            dict.fromkeys(
                ("AD", "CDDPL", "DAR", "DCA", "DCR", "DI", "DPPL", "DRR", "FT", "GE", "RD", "SD", "TE"),
                PREDICTION_MISMATCH,
            )
        ),
    ),
    Difference(
        "d17_prediction_is_a_score",
        ("basic_stats_post_training",),
        "the statistics that need no predictions are kept",
        Named({"proportion": 323 / 1000, "observed_label_distribution": [44 / 323, 1 - 44 / 323]}),
    ),
    Difference(
        "d17_prediction_is_a_score",
        ("model_performance",),
        "the section says why it has no numbers",
        Named({"error": PREDICTION_MISMATCH}),
    ),
    Difference(
        "d04_no_positive_predictions",
        ("post_training_bias",),
        NO_POSITIVE,
        Named(
            {
                **dict.fromkeys(("DAR", "DCA", "DI", "DPPL", "FT", "RD", "SD", "TE"), 0.0),
                "AD": 477 / 677 - 279 / 323,
                "DCR": 279 / 323 - 477 / 677,
                "DRR": 279 / 323 - 477 / 677,
                "GE": (756 / 0.756**2 - 1000) / 2000,
                "CDDPL": "No positive labels in set",
            }
        ),
    ),
    Difference(
        "d04_no_positive_predictions",
        ("basic_stats_post_training",),
        NO_POSITIVE,
        Named({"proportion": 323 / 1000, "confusion_matrix": [0.0, 0.0, 44 / 323, 279 / 323]}),
    ),
    Difference(
        "d04_no_positive_predictions",
        ("model_performance",),
        NO_POSITIVE,
        Named(
            {"Accuracy": 0.756, "Conditional Acceptance": "Infinity", "binary_confusion_matrix": [0, 0, 0.244, 0.756]}
        ),
    ),
    *_all_negative("l09_label_float_binary_value_1"),
    *_all_negative("l15_label_absent_value"),
    *_all_negative("l18_label_40_rows_becomes_continuous"),
    Difference(
        "l20_label_three_rows",
        ("post_training_bias",),
        NO_POSITIVE,
        Named(
            {
                "GE": 0.0,
                "CDDPL": "No positive labels in set",
                **dict.fromkeys(("AD", "FT", "TE"), "Negated Facet set is empty"),
                **dict.fromkeys(("DAR", "DRR"), "DLR: Negated Facet set is empty"),
                **dict.fromkeys(("DCA", "DCR"), "DCO: Negated Facet set is empty"),
                **dict.fromkeys(("RD", "SD"), "DLA: Negated Facet set is empty"),
                "DI": "Negated facet set is empty",
                "DPPL": "Negative facet set is empty.",
            }
        ),
    ),
    Difference("l20_label_three_rows", ("basic_stats_post_training",), NO_POSITIVE, ALL_NEGATIVE_STATISTICS),
    Difference("l20_label_three_rows", ("model_performance",), NO_POSITIVE, ALL_NEGATIVE_PERFORMANCE),
)


@dataclass(frozen=True)
class Conversion:
    """Configured values that match no row as they stand, and what they stand for in a column of a kind.

    No published result shows these; ``reference`` is what smclarify's conversion makes of them.
    """

    kind: str
    configured: tuple[str | int | float | bool, ...]
    ours: tuple[str | int | float | bool, ...]
    reference: str
    reason: str


CONVERSIONS: tuple[Conversion, ...] = (
    Conversion("boolean", ("False",), (False,), "True", 'bool("False") is true in Python; nobody means that'),
    Conversion("boolean", (2,), (), "True", "any number but 0 turns true; 2 is no boolean"),
    Conversion("boolean", ("yes",), (), "True", "any text turns true; yes is no boolean"),
    Conversion("integer", (0.5,), (), "0", "the value is cut to 0; no integer equals 0.5"),
    Conversion("integer", ("0.5",), (), "none", "the reference agrees"),
    Conversion(
        "integer", (0, "1"), (0,), "0 and 1 if no row is 0", "mixed sorts: the reference looks at the rows first"
    ),
    Conversion("integer", ("abc",), (), "an error in every metric", "no integer equals abc: the group is empty"),
    Conversion("integer", (inf,), (), "an error in every metric", "no integer is infinite: the group is empty"),
)
