import numpy as np
import pandas as pd
import threadpoolctl

from clarify_spark.config import Shap
from clarify_spark.explain.plan import plan_of
from clarify_spark.udfs.kernel_shap import Background, Probe, ShapSettings
from clarify_spark.udfs.predictors.spec import PredictorSpec
from clarify_spark.udfs.shapley import design, game

PLAYERS, SAMPLES = 30, 2108


def settings_and_probe():
    random = np.random.default_rng(0)
    names = tuple(f"x{place}" for place in range(PLAYERS))
    background = Background(pd.DataFrame(random.normal(size=(2, PLAYERS)), columns=names), np.array([0.5, 0.5]))
    settings = ShapSettings(
        spec=PredictorSpec("python", "python:nowhere:nothing", names, ("float",) * PLAYERS),
        players=tuple(range(PLAYERS)),
        background=background,
        link="identity",
        samples=SAMPLES,
        seed=0,
        estimator="blup",
        standard_errors=True,
    )
    pairs = len(design(PLAYERS, SAMPLES, 0).members)
    probe = Probe(
        outputs=1,
        background=random.normal(size=(2, 1)),
        differences=random.normal(size=(16, pairs, 1)),
        totals=random.normal(size=(16, 1)),
        pair_sizes=np.full((16, 2), PLAYERS),
        seconds=1.0,
        records=1,
        calls=1,
    )
    return settings, probe


def test_the_plan_does_not_depend_on_the_cores_of_the_driver():
    plans = []
    for threads in (1, 2):
        getattr(game, "cache_clear", lambda: None)()
        with threadpoolctl.threadpool_limits(threads):
            plans.append(plan_of(Shap(engine="shared"), *settings_and_probe()))
    one, two = plans
    np.testing.assert_array_equal(one.game.solver.matrix, two.game.solver.matrix)
    np.testing.assert_array_equal(one.game.design.members, two.game.design.members)
    assert one.prior == two.prior
