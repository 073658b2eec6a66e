"""From a config and a probe of the model to the plan of a job: engine, prior, estimator, size of a block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarify_spark.config import Shap
from clarify_spark.errors import ModelError
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.user_code import one_thread
from clarify_spark.udfs.shap.kernel_shap import Background, Engine, Probe, ShapPlan, ShapSettings, link
from clarify_spark.udfs.shap.pair_games import pair_records
from clarify_spark.udfs.shap.shapley import default_prior, default_samples, design, fit_prior, game

#: A block of rows is the unit of model calls, sums and commits: about so many model records, in 1 to 4,096 rows.
BLOCK_RECORDS = 2**18
MOST_BLOCK_ROWS = 2**12
#: Pair games cost more per model record than the shared design, so they must save at least a fifth of the records.
PAIRS_SAVE = 0.8


def settings_of(
    shap: Shap, spec: PredictorSpec, players: tuple[int, ...], background: Background, seed: int
) -> ShapSettings:
    """What is known before the model is called; ``players`` are the positions of the explained features."""
    most = default_samples(len(players)) if shap.num_samples is None else shap.num_samples
    return ShapSettings(
        spec=spec,
        players=players,
        background=background,
        link="logit" if shap.use_logit else "identity",
        samples=int(min(most, 2 ** len(players) - 2)),
        seed=seed,
        estimator=shap.estimator,
        standard_errors=shap.standard_errors,
    )


def plan_of(shap: Shap, settings: ShapSettings, probe: Probe) -> ShapPlan:
    """The plan of a job; a function of the config and the probe alone."""
    players = len(settings.players)
    coalitions = design(players, settings.samples, settings.seed)
    sampled = not coalitions.exact and settings.estimator == "blup" and len(probe.totals) > 0
    # On more threads BLAS rounds otherwise, and the answer would depend on the driver's cores.
    with one_thread():
        prior = fit_prior(coalitions, probe.differences, probe.totals, settings.seed) if sampled else default_prior()
        shared = game(players, settings.samples, settings.estimator, prior, settings.seed, settings.standard_errors)
    engine = engine_of(shap, settings, probe.pair_sizes)
    return ShapPlan(
        settings=settings,
        engine=engine,
        outputs=probe.outputs,
        expected=_expected(settings, probe),
        game=shared,
        prior=prior,
        block_rows=block_rows(records_per_row(settings, engine, probe.pair_sizes)),
    )


def records_per_row(settings: ShapSettings, engine: Engine, pair_sizes: NDArray[np.int64]) -> float:
    """Model records per explained row: the mean over the pilot rows, whose pair sizes (r, B) are given."""
    if engine == "pairwise":
        return float(pair_records(pair_sizes, settings.samples)) / max(1, len(pair_sizes)) + 1.0
    own_base = len(settings.players) < len(settings.spec.feature_names)
    coalitions = 2 * max(1, settings.samples // 2) if settings.samples else 0  # they come in pairs
    return float(coalitions + own_base) * len(settings.background.weights) + 1.0


def block_rows(records: float) -> int:
    """The power of two of rows whose model records come nearest to BLOCK_RECORDS from below, 1 to MOST_BLOCK_ROWS."""
    rows = max(1.0, min(float(MOST_BLOCK_ROWS), BLOCK_RECORDS / max(records, 1.0)))
    return int(2 ** int(np.log2(rows)))


def engine_of(shap: Shap, settings: ShapSettings, pair_sizes: NDArray[np.int64]) -> Engine:
    """The engine asked for; by default pair games where they need clearly fewer model records."""
    if shap.engine == "auto":
        if settings.link != "identity" or not len(pair_sizes):
            return "shared"
        pairs = records_per_row(settings, "pairwise", pair_sizes)
        return "pairwise" if pairs <= PAIRS_SAVE * records_per_row(settings, "shared", pair_sizes) else "shared"
    return shap.engine


def _expected(settings: ShapSettings, probe: Probe) -> np.ndarray:
    """The weighted mean output over the background rows (D,), in the units that are explained."""
    if not np.isfinite(probe.background).all():
        raise ModelError("the model's outputs for the baseline rows are not all finite numbers")
    mean = settings.background.weights @ probe.background
    return link(np.asarray(mean, dtype=np.float64), settings.link)
