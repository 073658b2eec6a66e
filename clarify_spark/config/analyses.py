"""The analyses that a config can request, a row each: plain facts, and dotted names of their parts in upper layers.

``run`` loops over this table for plan, cost, dry run and work, ``documents`` for what is written, ``report`` for what
is shown, ``api`` for what is returned. A new analysis is a row and modules of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from clarify_spark.config.methods import Methods

#: Named parts: what something is called, and the dotted name of what makes it.
Parts = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Method:
    """A key of ``methods`` that requests an analysis, and the dotted name of the class of its section.

    ``calls_model``: whether a model has to be called for it, or only if the data have no predictions.
    """

    key: str
    section: str
    description: str
    calls_model: Literal["always", "without predictions", "never"] = "always"


@dataclass(frozen=True)
class ResultsTable:
    """A pandas table of Results: its attribute there, what makes it, and the columns shown when results are printed."""

    name: str
    maker: str
    printed: tuple[str, ...]


@dataclass(frozen=True)
class Analysis:
    """One analysis.

    ``rules``: an AnalysisRules of ``config.rules.analysis``; ``steps``: a Steps of ``run.analysis``, None for an
    analysis of a later release; ``report``: a ReportPart of ``report.part``, None if a report does not show it;
    ``options``: a MethodOptions of ``cli.config_options``, None if only ``clarify-spark config --set`` requests it.
    ``explains``: its results are under ``explanations`` in analysis.json. ``sections``: by key there, the classes of
    typed results. ``tables``: the pandas tables of Results; ``frames``: by attribute of Results, what makes a Spark
    data frame. ``savings``: how a user can make it send fewer records to the model. ``libraries``: modules that the
    driver will need, imported while Spark starts.
    """

    key: str
    methods: tuple[Method, ...]
    rules: str
    steps: str | None = None
    report: str | None = None
    options: str | None = None
    explains: bool = True
    sections: Parts = ()
    tables: tuple[ResultsTable, ...] = ()
    frames: Parts = ()
    savings: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()

    def asked(self, methods: Methods) -> bool:
        """Whether one of the methods requests it."""
        return any(getattr(methods, method.key, None) is not None for method in self.methods)


ANALYSES: dict[str, Analysis] = {
    "bias": Analysis(
        key="bias",
        methods=(
            Method(
                "pre_training_bias",
                "clarify_spark.config.methods:PreTrainingBias",
                "Bias metrics of the data",
                calls_model="never",
            ),
            Method(
                "post_training_bias",
                "clarify_spark.config.methods:PostTrainingBias",
                "Bias metrics of the predictions",
                calls_model="without predictions",
            ),
        ),
        rules="clarify_spark.config.rules.bias:ANALYSIS",
        steps="clarify_spark.run.bias:STEPS",
        report="clarify_spark.report.bias:PART",
        options="clarify_spark.cli.bias_options:OPTIONS",
        explains=False,
        sections=(
            ("post_training_bias_metrics", "clarify_spark.documents.typed:BiasMetrics"),
            ("pre_training_bias_metrics", "clarify_spark.documents.typed:BiasMetrics"),
        ),
        tables=(
            ResultsTable(
                "metrics",
                "clarify_spark.documents.bias:metrics_table",
                ("stage", "facet", "value_or_threshold", "metric", "value", "low", "high"),
            ),
        ),
        libraries=("scipy.stats",),
    ),
    "kernel_shap": Analysis(
        key="kernel_shap",
        methods=(Method("shap", "clarify_spark.config.methods:Shap", "Kernel SHAP"),),
        rules="clarify_spark.config.rules.kernel_shap:ANALYSIS",
        steps="clarify_spark.run.kernel_shap:STEPS",
        report="clarify_spark.report.kernel_shap:PART",
        options="clarify_spark.cli.kernel_shap_options:OPTIONS",
        sections=(("kernel_shap", "clarify_spark.documents.typed:KernelShapByLabel"),),
        tables=(
            ResultsTable(
                "shap_values",
                "clarify_spark.documents.kernel_shap:shap_values_table",
                ("label", "feature", "global_shap_value"),
            ),
        ),
        frames=(("local_explanations", "clarify_spark.spark.results:local_explanations"),),
        savings=("lower methods.shap.num_samples", "use fewer baseline rows"),
    ),
    "partial_dependence": Analysis(
        key="partial_dependence",
        methods=(Method("pdp", "clarify_spark.config.methods:Pdp", "Partial dependence"),),
        rules="clarify_spark.config.rules.partial_dependence:ANALYSIS",
        steps="clarify_spark.run.partial_dependence:STEPS",
        report="clarify_spark.report.partial_dependence:PART",
        options="clarify_spark.cli.partial_dependence_options:OPTIONS",
        sections=(("pdp", "clarify_spark.documents.typed:PartialDependenceCurves"),),
        savings=("set --pdp-rows",),
    ),
    "asymmetric_shapley_values": Analysis(
        key="asymmetric_shapley_values",
        methods=(
            Method(
                "asymmetric_shapley_value",
                "clarify_spark.config.methods:AsymmetricShapleyValue",
                "Explanations of time series",
            ),
        ),
        rules="clarify_spark.config.rules.time_series:ANALYSIS",
    ),
}


def supported() -> Iterator[Analysis]:
    """The analyses that this version runs, in the order in which they run and are reported."""
    return (row for row in ANALYSES.values() if row.steps is not None)


def asked_for(methods: Methods) -> Mapping[str, Analysis]:
    """The analyses that the methods request and this version runs, by key."""
    return {row.key: row for row in supported() if row.asked(methods)}


def all_methods() -> Iterator[tuple[Analysis, Method]]:
    """Every key of ``methods`` except ``report``, with its analysis."""
    return ((row, method) for row in ANALYSES.values() for method in row.methods)
