"""How fast Kernel SHAP is, as ratios measured side by side in one process on one thread: our blocks and the bare model
on the same masked records, and shap.KernelExplainer(l1_reg=False) at the same coalition budget and background.

    python benchmarks/bench_shap.py overhead shap accuracy scaling memory
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import threadpoolctl
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from clarify_spark.explain.plan import block_rows
from clarify_spark.udfs.kernel_shap import Background, ShapPlan, ShapSettings, explain_block, outputs_of
from clarify_spark.udfs.masking import Buffer
from clarify_spark.udfs.predictors import PredictorSpec, load_predictor
from clarify_spark.udfs.predictors.answer import NumericPredict
from clarify_spark.udfs.shapley import default_prior, default_samples, game

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted model: as its library calls it for a matrix of floats, and as executors load it from a file."""

    name: str
    bare: Callable[[np.ndarray], np.ndarray]
    spec: PredictorSpec
    fitted: Any


@dataclass(frozen=True)
class Budget:
    """Coalitions per row (None: the default) and background rows."""

    samples: int | None
    backs: int

    def __str__(self) -> str:
        return f"{self.samples or 'default'} coalitions, B = {self.backs}"


def data(rows: int, features: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of floats and a label that depends on them with interactions."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(rows, features)), columns=[f"x{place}" for place in range(features)])
    weights = random.normal(size=features) / np.sqrt(features)
    raw = frame.to_numpy() @ weights + frame["x0"] * frame["x1"] - (frame["x2"] > 0.5) * frame["x3"]
    return frame, (raw + 0.3 * random.normal(size=rows) > 0).to_numpy().astype(int)


def model(name: str, features: int, folder: Path) -> Model:
    """One of the models, fitted to 4,000 rows and saved."""
    frame, label = data(4000, features)
    path = folder / f"{name.replace(' ', '-')}-{features}.{'txt' if 'LightGBM' in name else 'joblib'}"
    spec = PredictorSpec("sklearn", str(path), tuple(frame.columns), ("float",) * features, allow_pickle=True)
    if name.startswith("LightGBM"):
        kind = lightgbm.LGBMRegressor if "regression" in name else lightgbm.LGBMClassifier
        fitted = kind(n_estimators=100, n_jobs=1, verbose=-1).fit(frame, label)
        fitted.booster_.save_model(path)
        booster = lightgbm.Booster(model_file=str(path))
        return Model(name, lambda x: booster.predict(x, num_threads=1), replace(spec, format="lightgbm"), fitted)
    estimators = {
        "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=100, early_stopping=False),
        "GradientBoosting": GradientBoostingClassifier(n_estimators=100),
        "logistic regression": LogisticRegression(),
    }
    fitted = estimators[name].fit(frame, label)
    joblib.dump(fitted, path)
    return Model(name, lambda x: fitted.predict_proba(x)[:, 1], spec, fitted)


def plan(spec: PredictorSpec, budget: Budget) -> ShapPlan:
    """The plan of a job without a pilot."""
    features = len(spec.feature_names)
    samples = budget.samples or default_samples(features)
    backs = data(budget.backs, features, seed=1)[0]
    settings = ShapSettings(
        spec=spec,
        players=tuple(range(features)),
        background=Background(backs, np.full(budget.backs, 1 / budget.backs)),
        link="identity",
        samples=samples,
        seed=0,
        estimator="blup",
        standard_errors=True,
    )
    outputs = outputs_of(load_predictor(spec)(backs), spec)
    shared = game(features, samples, "blup", default_prior(), 0, True)
    rows = block_rows(samples * budget.backs + 1.0)
    return ShapPlan(settings, "shared", outputs.shape[1], outputs.mean(axis=0), shared, default_prior(), rows)


def seconds(timed: Sequence[Callable[[], object]], repeat: int) -> list[float]:
    """The median time of each, run in turn after a round to warm up."""
    runs: list[list[float]] = [[] for _ in timed]
    for turn in range(repeat + 1):
        for work, found in zip(timed, runs, strict=True):
            start = time.perf_counter()
            work()
            if turn:
                found.append(time.perf_counter() - start)
    return [statistics.median(found) for found in runs]


def overhead(options: argparse.Namespace, folder: Path) -> None:
    """A block of rows explained, over the bare model asked for the same masked records in the same calls."""
    print("| model | budget | calls | ns a record, explained | bare model | ratio |\n|---|---|---|---|---|---|")
    for name in ("HistGradientBoosting", "GradientBoosting", "LightGBM", "logistic regression"):
        for budget in (Budget(None, 10), Budget(100, 1)):
            asked = model(name, options.features, folder)
            planned = plan(asked.spec, budget)
            predict = load_predictor(asked.spec)
            rows = data(planned.block_rows, options.features, seed=2)[0]
            seen: list[np.ndarray] = []
            explained = explain_block(rows, _watched(predict, seen), planned)
            buffer = Buffer()
            ours, bare = seconds(
                [
                    lambda: explain_block(rows, predict, planned, buffer),  # noqa: B023
                    lambda: [asked.bare(records) for records in seen],  # noqa: B023
                ],
                options.repeat,
            )
            each = 1e9 / explained.records
            told = f"| {name} | {budget} | {explained.calls} | {ours * each:.0f} | {bare * each:.0f} |"
            print(f"{told} {ours / bare:.2f} |", flush=True)
    print()


def _watched(predict: Any, seen: list[np.ndarray]) -> NumericPredict:
    """The predictor, which keeps copies of the masked records that it was asked for."""

    def matrix(cells: np.ndarray) -> Any:
        seen.append(cells.copy(order="K"))
        return predict.matrix(cells)

    return NumericPredict(predict.frame, matrix)


def against_shap(options: argparse.Namespace, folder: Path) -> None:
    """Time per row, ours over that of shap at the same budget and background."""
    print("| model | budget | shap, ms a row | ours, ms a row | times faster |\n|---|---|---|---|---|")
    for name in ("HistGradientBoosting", "GradientBoosting", "LightGBM", "logistic regression"):
        for budget in (Budget(100, 1), Budget(None, 10)):
            asked = model(name, options.features, folder)
            planned = plan(asked.spec, budget)
            predict = load_predictor(asked.spec)
            rows = data(planned.block_rows, options.features, seed=2)[0]
            few = rows.iloc[: 20 if budget.samples else 3]
            buffer = Buffer()
            ours, theirs = seconds(
                [
                    lambda: explain_block(rows, predict, planned, buffer),  # noqa: B023
                    lambda: by_shap(asked, planned, few),  # noqa: B023
                ],
                options.repeat,
            )
            mine, other = ours / len(rows) * 1e3, theirs / len(few) * 1e3
            print(f"| {name} | {budget} | {other:.2f} | {mine:.3f} | {other / mine:.0f} |", flush=True)
    print()


def by_shap(asked: Model, planned: ShapPlan, rows: pd.DataFrame) -> np.ndarray:
    """The values (n, K) of shap.KernelExplainer without feature selection."""
    import shap

    explainer = shap.KernelExplainer(asked.bare, planned.settings.background.rows.to_numpy())
    np.random.seed(0)
    return explainer.shap_values(
        rows.to_numpy(), nsamples=planned.settings.samples, l1_reg=False, silent=True, gc_collect=False
    )


def accuracy(options: argparse.Namespace, folder: Path) -> None:
    """Time to the error of shap at its default budget; the truth is interventional TreeSHAP (a regression)."""
    import shap

    asked = model("LightGBM regression", options.features, folder)
    predict = load_predictor(asked.spec)
    print(
        "| B | contender | coalitions | relative squared error | ms a row | times faster |\n|---|---|---|---|---|---|"
    )
    for backs in (1, 10):
        whole = plan(asked.spec, Budget(None, backs))
        rows = data(30, options.features, seed=2)[0]
        background = whole.settings.background.rows
        trees = shap.TreeExplainer(asked.fitted, background, feature_perturbation="interventional")
        truth = trees.shap_values(rows)
        start = time.perf_counter()
        error = _error(by_shap(asked, whole, rows), truth)
        slow = (time.perf_counter() - start) / len(rows)
        print(f"| {backs} | shap | {whole.settings.samples} | {error:.1e} | {slow * 1e3:.2f} | 1 |")
        for samples in (60, 100, 200, 300, 500, 1000, whole.settings.samples):
            planned = plan(asked.spec, Budget(samples, backs))
            found = _error(explain_block(rows, predict, planned).values[:, 0], truth)
            many = data(planned.block_rows, options.features, seed=2)[0]
            fast = seconds([lambda: explain_block(many, predict, planned)], options.repeat)[0] / len(many)  # noqa: B023
            told = f"| {backs} | ours | {samples} | {found:.1e} | {fast * 1e3:.2f} |"
            print(f"{told} {slow / fast:.0f}{' (error reached)' if found <= error else ''} |", flush=True)
    print()


def _error(values: np.ndarray, truth: np.ndarray) -> float:
    return float(((values - truth) ** 2).sum() / (truth**2).sum())


def scaling(options: argparse.Namespace, folder: Path) -> None:
    """Cost against rows, features, background rows and budget, with a model that costs next to nothing; and a plot."""
    base = {"rows": 256, "features": 30, "background rows": 4, "coalitions": 500}
    grids = {
        "rows": (16, 64, 256, 1024),
        "features": (10, 30, 100, 300, 1000),
        "background rows": (1, 4, 16, 64, 256),
        "coalitions": (100, 500, 2000, 4000),
    }
    found: dict[str, list[tuple[int, float]]] = {}
    print("| varied | value | s | ns a record |\n|---|---|---|---|")
    for name, values in grids.items():
        for value in values:
            case = {**base, name: value, **({"rows": 32} if name == "features" else {})}
            asked = model("logistic regression", case["features"], folder)
            planned = plan(asked.spec, Budget(case["coalitions"], case["background rows"]))
            rows = data(case["rows"], case["features"], seed=2)[0]
            predict, buffer = load_predictor(asked.spec), Buffer()
            (took,) = seconds([lambda: explain_block(rows, predict, planned, buffer)], options.repeat)  # noqa: B023
            records = case["rows"] * case["coalitions"] * case["background rows"]
            print(f"| {name} | {value} | {took:.4f} | {took / records * 1e9:.0f} |", flush=True)
            found.setdefault(name, []).append((value, took))
    _plot(found, options.plot)
    print(f"\nplot: {options.plot.name}\n")


def _plot(found: dict[str, list[tuple[int, float]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"svg.hashsalt": "clarify-spark", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(1, len(found), figsize=(12, 3), constrained_layout=True)
    for axis, (name, points) in zip(axes, found.items(), strict=True):
        values, took = np.array(points).T
        axis.loglog(values, took, "o-", markersize=4)
        axis.loglog(values, took[-1] * values / values[-1], ":", color="grey", linewidth=1)
        axis.set_xlabel(name)
    axes[0].set_ylabel("seconds (dotted: proportional)")
    figure.savefig(path, metadata={"Date": None})


#: What one worker does: it prints its resident size after the model is loaded and the largest one from there on.
_WORKER = """
import json, pickle, re, sys
import bench_shap
def resident(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read()).group(1)) / 1024
bare, planned, rows = pickle.load(open(sys.argv[1], "rb"))
predict = bench_shap.load_predictor(planned.settings.spec)
predict.matrix(rows.to_numpy())
if sys.argv[2] == "shap":
    import shap
open("/proc/self/clear_refs", "w").write("5")
before = resident("VmRSS")
if sys.argv[2] == "shap":
    bench_shap.by_shap(bench_shap.Model("", lambda x: bare.predict_proba(x)[:, 1], None, bare), planned, rows)
else:
    bench_shap.explain_block(rows, predict, planned)
print(json.dumps([before, resident("VmHWM")]))
"""


def memory(options: argparse.Namespace, folder: Path) -> None:
    """Peak resident memory of a process of its own that explains one row, above what it held before (Linux)."""
    print("| M | B | coalitions | contender | MB before | MB at most | grown by |\n|---|---|---|---|---|---|---|")
    for features in (14, 100, 1000):
        asked = model("logistic regression", features, folder)
        planned = plan(asked.spec, Budget(min(default_samples(features), 2248), 100))
        job = folder / "job.pickle"
        job.write_bytes(pickle.dumps((asked.fitted, planned, data(1, features, seed=2)[0])))
        for contender in ("ours", "shap")[: 2 if features <= 100 else 1]:
            told = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", _WORKER, str(job), contender],
                env={**os.environ, "PYTHONPATH": str(HERE)}, capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
            before, peak = json.loads(told)
            told = f"| {features} | 100 | {planned.settings.samples} | {contender} | {before:.0f} | {peak:.0f} |"
            print(f"{told} {peak - before:.0f} |", flush=True)
    print()


PARTS = {
    "overhead": overhead,
    "shap": against_shap,
    "accuracy": accuracy,
    "scaling": scaling,
    "memory": memory,
}


def main() -> None:
    """Print one table per part."""
    parser = argparse.ArgumentParser(description="Kernel SHAP beside the bare model and beside shap, one thread.")
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="|".join(PARTS))
    parser.add_argument("--features", type=int, default=30)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--plot", type=Path, default=HERE / "shap_scaling.svg")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with threadpoolctl.threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        for part in options.parts:
            print(f"\n{part}: {(PARTS[part].__doc__ or '').strip()}\n")
            PARTS[part](options, Path(folder))


if __name__ == "__main__":
    main()
