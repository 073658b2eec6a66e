"""From a config and a probe of the model to the plan of a job: engine, prior, estimator, block size."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from clarify_spark.config import Shap
from clarify_spark.errors import ConfigError, ModelError, Problem
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.user_code import one_thread
from clarify_spark.udfs.shap.engines import AUTO, ENGINES, Engine
from clarify_spark.udfs.shap.kernel_shap import Background, Probe, ShapPlan, ShapSettings, link
from clarify_spark.udfs.shap.shapley import default_prior, default_samples, design, fit_prior, game

#: A block of rows is the unit of model calls, sums and commits: about this many model records, in 1 to 4,096 rows.
BLOCK_RECORDS = 2**18
MOST_BLOCK_ROWS = 2**12


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
    # With more threads BLAS rounds differently, and the answer would depend on the driver's cores.
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
        block_rows=block_rows(engine.code.records_per_row(settings, probe.pair_sizes)),
    )


def block_rows(records: float) -> int:
    """The power of two of rows whose model records come closest to BLOCK_RECORDS from below, 1 to MOST_BLOCK_ROWS."""
    rows = max(1.0, min(float(MOST_BLOCK_ROWS), BLOCK_RECORDS / max(records, 1.0)))
    return int(2 ** int(np.log2(rows)))


def engine_of(shap: Shap, settings: ShapSettings, pair_sizes: NDArray[np.int64]) -> Engine:
    """The requested engine; by default the one that needs clearly fewer model records for the pilot rows."""
    fitting = {key: row for key, row in ENGINES.items() if row.code.obstacle(settings, pair_sizes) is None}
    if shap.engine == AUTO:
        return _cheapest(fitting.values(), settings, pair_sizes)
    if shap.engine not in fitting:
        reason = ENGINES[shap.engine].code.obstacle(settings, pair_sizes)
        allowed = f"{', '.join((AUTO, *fitting))}: {reason}"
        raise ConfigError([Problem("methods.shap.engine", f"found {shap.engine}; allowed: {allowed}")])
    return fitting[shap.engine]


def _cheapest(fitting: Iterable[Engine], settings: ShapSettings, pair_sizes: NDArray[np.int64]) -> Engine:
    """The first one, unless another needs, for the pilot rows, at most its ``share`` of the records."""
    best, *others = fitting
    for other in others if len(pair_sizes) else ():
        least = best.code.records_per_row(settings, pair_sizes)
        if other.code.records_per_row(settings, pair_sizes) <= other.share * least:
            best = other
    return best


def _expected(settings: ShapSettings, probe: Probe) -> np.ndarray:
    """The weighted mean output over the background rows (D,), in the units that are explained."""
    if not np.isfinite(probe.background).all():
        raise ModelError("the model's outputs for the baseline rows are not all finite numbers")
    mean = settings.background.weights @ probe.background
    return link(np.asarray(mean, dtype=np.float64), settings.link)
