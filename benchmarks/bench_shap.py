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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import threadpoolctl
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from clarify_spark.config import Shap
from clarify_spark.explaining.plan import plan_of
from clarify_spark.udfs.model_answer import NumericPredict
from clarify_spark.udfs.predictors import PredictorSpec, load_predictor
from clarify_spark.udfs.shap.kernel_shap import Background, ShapPlan, ShapSettings, explain_block, probe
from clarify_spark.udfs.shap.masking import Buffer
from clarify_spark.udfs.shap.shapley import default_samples

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted model: as called by its library for a matrix of floats, and as loaded by executors from a file."""

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
    if name == "GradientBoosting regression":
        fitted = GradientBoostingRegressor(n_estimators=100).fit(frame, label)
        joblib.dump(fitted, path)
        return Model(name, fitted.predict, spec, fitted)
    estimators = {
        "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=100, early_stopping=False),
        "GradientBoosting": GradientBoostingClassifier(n_estimators=100),
        "logistic regression": LogisticRegression(),
    }
    fitted = estimators[name].fit(frame, label)
    joblib.dump(fitted, path)
    return Model(name, lambda x: fitted.predict_proba(x)[:, 1], spec, fitted)


def plan(spec: PredictorSpec, budget: Budget) -> ShapPlan:
    """The plan of a job with a pilot of 16 rows, as built by the command."""
    features = len(spec.feature_names)
    settings = ShapSettings(
        spec=spec,
        players=tuple(range(features)),
        background=Background(data(budget.backs, features, seed=1)[0], np.full(budget.backs, 1 / budget.backs)),
        link="identity",
        samples=budget.samples or default_samples(features),
        seed=0,
        estimator="blup",
        standard_errors=True,
    )
    pilot = data(16, features, seed=3)[0]
    return plan_of(Shap(engine="shared"), settings, probe(pilot, load_predictor(spec), settings))


def seconds(timed: Sequence[Callable[[], object]], repeat: int) -> list[float]:
    """The median processor time of each, run in turn after a warm-up round, which reduces the effect of other load."""
    runs: list[list[float]] = [[] for _ in timed]
    for turn in range(repeat + 1):
        for work, found in zip(timed, runs, strict=True):
            start = time.process_time()
            work()
            if turn:
                found.append(time.process_time() - start)
    return [statistics.median(found) for found in runs]


class Block:
    """A block of rows to explain by a plan, and the masked records sent to its model."""

    def __init__(self, asked: Model, planned: ShapPlan) -> None:
        self.asked, self.planned = asked, planned
        self.rows = data(planned.block_rows, len(asked.spec.feature_names), seed=2)[0]
        self.records: list[np.ndarray] = []
        self._predict = load_predictor(asked.spec)
        self._buffer = Buffer()
        explain_block(self.rows, NumericPredict(self._predict.frame, self._kept), planned)

    def ours(self) -> object:
        """The rows explained."""
        return explain_block(self.rows, self._predict, self.planned, self._buffer)

    def bare(self) -> object:
        """The outputs of the model for the same masked records in the same calls."""
        return [self.asked.bare(records) for records in self.records]

    def _kept(self, cells: np.ndarray) -> Any:
        self.records.append(cells.copy(order="K"))
        return self._predict.matrix(cells)


def blocks(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Block]]:
    """A block for each model and budget, and what to call it in a table."""
    for name in ("HistGradientBoosting", "GradientBoosting", "LightGBM", "logistic regression"):
        asked = model(name, options.features, folder)
        for budget in (Budget(None, 10), Budget(100, 1)):
            yield f"| {name} | {budget} |", Block(asked, plan(asked.spec, budget))


def overhead(options: argparse.Namespace, folder: Path) -> None:
    """A block of rows explained, relative to the bare model for the same masked records in the same calls."""
    print("| model | budget | calls | ns a record, explained | bare model | ratio |\n|---|---|---|---|---|---|")
    for title, block in blocks(options, folder):
        ours, bare = seconds([block.ours, block.bare], options.repeat)
        each = 1e9 / sum(map(len, block.records))
        told = f"{title} {len(block.records)} | {ours * each:.0f} | {bare * each:.0f} | {ours / bare:.2f} |"
        print(told, flush=True)
    print()


def against_shap(options: argparse.Namespace, folder: Path) -> None:
    """Time per row, ours over that of shap at the same budget and background, bounded by the bare model's time."""
    print("| model | budget | shap, ms a row | ours, ms a row | times faster | the bare model alone |")
    print("|---|---|---|---|---|---|")
    for title, block in blocks(options, folder):
        few = block.rows.iloc[: 20 if block.planned.settings.samples == 100 else 3]
        by_them = partial(by_shap, block.asked, block.planned, few)
        theirs, ours, bare = seconds([by_them, block.ours, block.bare], options.repeat)
        theirs, ours, bare = theirs / len(few), ours / len(block.rows), bare / len(block.rows)
        told = f"{title} {theirs * 1e3:.2f} | {ours * 1e3:.3f} | {theirs / ours:.1f} | {theirs / bare:.1f} |"
        print(told, flush=True)
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
    """Time to the error of shap at its default budget; the truth is interventional TreeSHAP (regressions)."""
    print("| model | B | contender | coalitions | relative squared error | ms a row | times faster |")
    print("|---|---|---|---|---|---|---|")
    for name in ("LightGBM regression", "GradientBoosting regression"):
        for backs in (1, 10):
            _accuracy(model(name, options.features, folder), backs, options.repeat)
    print()


def _accuracy(asked: Model, backs: int, repeat: int) -> None:
    import shap

    predict = load_predictor(asked.spec)
    whole = plan(asked.spec, Budget(None, backs))
    rows = data(30, len(asked.spec.feature_names), seed=2)[0]
    background = whole.settings.background.rows
    truth = shap.TreeExplainer(asked.fitted, background, feature_perturbation="interventional").shap_values(rows)
    start = time.process_time()
    error = _error(by_shap(asked, whole, rows), truth)
    slow = (time.process_time() - start) / len(rows)
    title = f"| {asked.name} | {backs} |"
    print(f"{title} shap | {whole.settings.samples} | {error:.1e} | {slow * 1e3:.2f} | 1 |")
    for samples in (100, 200, 300, 400, 500, 1000, whole.settings.samples):
        planned = plan(asked.spec, Budget(samples, backs))
        found = _error(explain_block(rows, predict, planned).values[:, 0], truth)
        many = data(planned.block_rows, len(asked.spec.feature_names), seed=2)[0]
        fast = seconds([lambda: explain_block(many, predict, planned)], repeat)[0] / len(many)  # noqa: B023
        told = f"{title} ours | {samples} | {found:.1e} | {fast * 1e3:.2f} | {slow / fast:.0f}"
        print(f"{told}{' (error reached)' if found <= error else ''} |", flush=True)


def _error(values: np.ndarray, truth: np.ndarray) -> float:
    return float(((values - truth) ** 2).sum() / (truth**2).sum())


def scaling(options: argparse.Namespace, folder: Path) -> None:
    """Cost against rows, features, background rows and budget, with a model that costs almost nothing; and a plot."""
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
        axis.minorticks_off()
        axis.set_xlabel(name)
    axes[0].set_ylabel("seconds (dotted: proportional)")
    figure.savefig(path, metadata={"Date": None})


#: One worker's script: it prints its resident size after loading the model and the peak from then on.
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
    """Peak resident memory of a separate process that explains one row, above its size before (Linux)."""
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
    parser = argparse.ArgumentParser(description="Kernel SHAP next to the bare model and shap, one thread.")
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
