"""Small results of bias analyses and of Kernel SHAP, for tests of what is written about them."""

import numpy as np
import pandas as pd
import pytest

from clarify_spark.bias.cautions import bias_cautions
from clarify_spark.bias.comparisons import StatisticsSettings, bias_statistics
from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.metrics import choose
from clarify_spark.bias.predicates import Predicate
from clarify_spark.bias.result import BiasResult
from clarify_spark.bias.roles import FacetRole, LabelRole, Roles
from clarify_spark.bias.sections import post_training_section, pre_training_section
from clarify_spark.bias.verdicts import Bound, BoundsByMetric
from clarify_spark.columns import ColumnProfile
from clarify_spark.config.metrics import of_stage
from clarify_spark.explaining.baseline import Baseline
from clarify_spark.explaining.result import ShapResult
from clarify_spark.explaining.summary import summarize
from clarify_spark.udfs.explained import Explained
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.shap.engines import ENGINES
from clarify_spark.udfs.shap.shap_plan import Background, ShapPlan, ShapSettings
from clarify_spark.udfs.shap.shapley import default_prior, game


@pytest.fixture
def bias_result():
    """One facet with one value, two metrics before and one after training."""
    sex = FacetRole("sex", "categorical", (Predicate("sex", ("f",), None, "f"),), listed=False)
    positive = Predicate("approve", (1,), None, "1")
    label, predicted = (LabelRole(name, "categorical", positive) for name in ("approve", "guess"))
    roles = Roles((sex,), label, predicted, None, ())
    counts = [[FacetCounts(np.array([[[6, 6], [18, 18]], [[8, 0], [6, 2]]]), True)]]
    metrics = {
        "pre_training": choose(of_stage("pre_training"), ("CI", "DPL"), "methods"),
        "post_training": choose(of_stage("post_training"), ("DPPL", "CDDPL"), "methods"),
    }
    asked = StatisticsSettings(metrics, 0.95, 0, BoundsByMetric({"DPL": Bound(-0.2, 0.2)}), 10)
    return BiasResult(
        roles=roles,
        profiles={"sex": ColumnProfile("sex", "string", 64, 0, distinct=2)},
        counts=counts,
        post_training=post_training_section(roles, counts, ("DPPL", "CDDPL")),
        pre_training=pre_training_section(roles, counts, ("CI", "DPL")),
        performance=None,
        cautions=bias_cautions(roles, counts),
        notes=(),
        statistics=bias_statistics(roles, counts, (), (), asked),
    )


def _explained(rows, outputs, features, errors):
    """A block whose values are 1, 2, 3, … halves, of opposite signs in turn for the second output."""
    values = np.arange(1.0, 1 + rows * outputs * features).reshape(rows, outputs, features) / 2
    values[::2, 1:] *= -1
    return Explained(
        row_keys=np.arange(rows),
        join=None,
        prediction=values.sum(axis=2) + 0.25,
        base=np.full((rows, outputs), 0.25),
        values=values,
        errors=np.full_like(values, errors) if errors is not None else None,
        residual=np.full((rows, outputs), 2.0**-50),
        records=80,
        calls=3,
        duplicates=20,
    )


@pytest.fixture
def shap_result():
    """Makes results of Kernel SHAP."""
    return _shap_result


def _shap_result(labels=("no", "yes"), features=("age", "income", "zip"), samples=100, errors=0.5, method="mean_abs"):
    """Kernel SHAP of four rows; ``samples`` below 2^K - 2 make it a sampled one."""
    count = len(features)
    rows = pd.DataFrame([[1.0] * count, [2.0] * count], columns=list(features))
    weights = np.array([0.25, 0.75])
    settings = ShapSettings(
        spec=PredictorSpec("python", "model:predict", tuple(features), ("float",) * count),
        players=tuple(range(count)),
        background=Background(rows, weights),
        link="identity",
        samples=samples,
        seed=7,
        estimator="blup",
        standard_errors=errors is not None,
    )
    prior = default_prior()
    plan = ShapPlan(
        settings=settings,
        engine=ENGINES["shared"],
        outputs=len(labels),
        expected=np.full(len(labels), 0.25),
        game=game(count, samples, "blup", prior, 7, errors is not None),
        prior=prior,
        block_rows=4,
    )
    block = _explained(4, len(labels), count, errors)
    summary = summarize([block], method, exact=plan.game.design.exact)
    return ShapResult(labels, features, plan, Baseline(rows, weights, "config", ("a note",), {"k": 2}), summary)
