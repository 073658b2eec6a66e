"""How well Spark uses two cores for Kernel SHAP: the blocks of a job through Spark against the same blocks in one
process, in turn. Only the explaining is timed, not Spark's start, reading and probing, which are printed separately.

    python benchmarks/bench_shap_spark.py --rows 1000 --repeat 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd

from clarify_spark.config import load
from clarify_spark.run import kernel_shap
from clarify_spark.run.context import Options, Run
from clarify_spark.run.kernel_shap import Prepared
from clarify_spark.run.model import added
from clarify_spark.spark import explanations
from clarify_spark.spark.blocks.checkpoints import Checkpoints
from clarify_spark.spark.data.datasets import Dataset, read
from clarify_spark.spark.files.output import Output
from clarify_spark.spark.progress import Progress
from clarify_spark.spark.session import session
from clarify_spark.udfs.predictors import load_predictor
from clarify_spark.udfs.shap.kernel_shap import explain_block


@dataclass(frozen=True, eq=False)
class Case:
    """A job ready to be explained, and the same rows in memory."""

    dataset: Dataset
    prepared: Prepared
    rows: pd.DataFrame


def files(folder: Path, rows: int, features: int) -> str:
    """Data and a LightGBM model of 100 trees in ``folder``; the config that explains it."""
    random = np.random.default_rng(0)
    names = [f"x{place}" for place in range(features)]
    frame = pd.DataFrame(random.normal(size=(max(rows, 4000), features)), columns=names)
    raw = (
        frame.to_numpy() @ random.normal(size=features) + frame["x0"] * frame["x1"] - (frame["x2"] > 0.5) * frame["x3"]
    )
    fitted = lightgbm.LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1).fit(frame, raw > 0)
    fitted.booster_.save_model(folder / "model.txt")
    frame.head(rows).to_parquet(folder / "data.parquet", index=False)
    baseline = frame.iloc[-10:].to_numpy().tolist()
    methods = {"shap": {"baseline": baseline, "engine": "shared"}}
    model = {"model_uri": str(folder / "model.txt")}
    return json.dumps({"dataset_type": "application/x-parquet", "methods": methods, "predictor": model})


def alone(case: Case) -> float:
    """Seconds that one process takes for all blocks."""
    plan = case.prepared.plan
    predict = load_predictor(plan.settings.spec)
    start = time.perf_counter()
    for first in range(0, len(case.rows), plan.block_rows):
        explain_block(case.rows.iloc[first : first + plan.block_rows], predict, plan)
    return time.perf_counter() - start


def through_spark(case: Case, output: Output, progress: Progress) -> float:
    """Seconds that Spark takes for all blocks, checkpoints included."""
    checkpoints = Checkpoints(output, {"run": str(time.time())})
    start = time.perf_counter()
    deque(explanations.explained_blocks(case.dataset, case.prepared.plan, checkpoints, progress), maxlen=0)
    taken = time.perf_counter() - start
    checkpoints.remove()
    return taken


def main() -> None:
    """Time one job both ways and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--features", type=int, default=30)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--master", default="local[2]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, session(options.master) as started:
        folder = Path(name)
        config = load(files(folder, options.rows, options.features)).config
        data = str(folder / "data.parquet")
        output = Output(str(folder / "output"), started.spark)
        progress = Progress(started.spark)
        with ExitStack() as held:
            dataset = read(started.spark, config, data)
            run = added(Run(started, config, Options(seed=0), output, progress, data, dataset, held))
            prepared = kernel_shap.prepare(run, kernel_shap.STEPS.plan(run), None)
        case = Case(dataset, prepared, pd.read_parquet(data))
        through_spark(case, output, progress)  # starts the Python workers and loads the model
        times = [(alone(case), through_spark(case, output, progress)) for _ in range(options.repeat)]
    ratios = [one / two for one, two in times]
    records = case.prepared.records
    print(f"{options.rows:,} rows, {options.features} features, {records:,} model records, {options.master}")
    print("| one process, s | through Spark, s | times faster |\n|---|---|---|")
    for (one, two), ratio in zip(times, ratios, strict=True):
        print(f"| {one:.1f} | {two:.1f} | {ratio:.2f} |")
    print(f"median: {statistics.median(ratios):.2f} times faster")


if __name__ == "__main__":
    main()
