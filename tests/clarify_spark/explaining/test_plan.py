from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import threadpoolctl
from hypothesis import given
from hypothesis import strategies as st

from clarify_spark.config import Shap
from clarify_spark.explaining.plan import BLOCK_RECORDS, MOST_BLOCK_ROWS, block_rows, plan_of
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.shap.engines import ENGINES
from clarify_spark.udfs.shap.kernel_shap import Background, Probe, ShapSettings
from clarify_spark.udfs.shap.shapley import design, game

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


@pytest.mark.slow
def test_pair_games_are_chosen_where_rows_and_baseline_agree_on_most_features():
    settings, probe = settings_and_probe()
    assert plan_of(Shap(), settings, probe).engine.key == "shared"
    alike = replace(probe, pair_sizes=np.full((16, 2), 5), background=np.full((2, 1), 0.5))
    assert plan_of(Shap(), settings, alike).engine.key == "pairwise"
    assert plan_of(Shap(), replace(settings, link="logit"), alike).engine.key == "shared"
    assert ENGINES["pairwise"].code.records_per_row(settings, alike.pair_sizes) == 2 * (2**5 - 2) + 1
    assert ENGINES["shared"].code.records_per_row(settings, alike.pair_sizes) == 2 * SAMPLES + 1


@given(st.floats(1, 1e9))
def test_a_block_is_a_power_of_two_of_rows_and_bounded_in_records(records):
    rows = block_rows(records)
    assert rows.bit_count() == 1
    assert rows <= MOST_BLOCK_ROWS
    assert rows == 1 or rows * records <= BLOCK_RECORDS


@pytest.mark.slow
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
