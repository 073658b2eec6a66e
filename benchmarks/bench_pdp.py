"""Partial dependence next to scikit-learn's brute force, and the time for a report (make bench-pdp).

First on one core without Spark: our blocks and ``sklearn.inspection.partial_dependence(method="brute")`` on the same
grids, relative to the bare model's time for as many records. Then the whole command on two cores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.inspection import partial_dependence

from clarify_spark.cli import main as clarify
from clarify_spark.explaining.dependence import block_rows, bucket_midpoints
from clarify_spark.report.files import report_files
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.partial_dependence import CurvePlan, Grid, curves_of_block
from clarify_spark.udfs.predictors import load_predictor
from clarify_spark.udfs.predictors.user_code import one_thread

FEATURES, CURVES, POINTS = 20, 5, 15


def data(rows: int) -> pd.DataFrame:
    """Random features and a label of two of them."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, FEATURES)), columns=[f"f{place}" for place in range(FEATURES)])
    return frame.assign(y=(frame["f0"] * frame["f1"] > 0).astype(int))


def alone(frame: pd.DataFrame, folder: Path) -> None:
    """Times on one core."""
    features = frame.drop(columns="y")
    grids = [bucket_midpoints(float(features[name].min()), float(features[name].max()), POINTS) for name in features][
        :CURVES
    ]
    size = block_rows([POINTS], FEATURES)
    print("| model | rows | bare model, s | ours / bare | scikit-learn / ours | largest difference |")
    print("|---|---|---|---|---|---|")
    for model in (HistGradientBoostingClassifier(max_iter=50), RandomForestClassifier(30, max_depth=8)):
        model.fit(features, frame["y"])
        path = folder / f"{type(model).__name__}.joblib"
        joblib.dump(model, path)
        spec = PredictorSpec(
            format="sklearn", uri=str(path), feature_names=tuple(features), feature_kinds=("float",) * FEATURES,
            allow_pickle=True,
        )  # fmt: skip
        plan = CurvePlan(spec, tuple(Grid(place, grid) for place, grid in enumerate(grids)), np.array([0]), size)
        predict = load_predictor(spec)
        with one_thread():
            start = time.perf_counter()
            for _ in range(CURVES * POINTS):
                model.predict_proba(features)
            bare = time.perf_counter()
            keys = np.arange(len(features))
            blocks = [
                curves_of_block(features.iloc[at : at + size], keys[at : at + size], predict, plan)
                for at in range(0, len(features), size)
            ]
            ours = time.perf_counter()
            wanted = [
                partial_dependence(
                    model, features, [place], method="brute", response_method="predict_proba",
                    custom_values={place: np.array(grid)},
                )["average"][0]
                for place, grid in enumerate(grids)
            ]  # fmt: skip
            theirs = time.perf_counter()
        means = sum(block.sums for block in blocks)[:, -1] / len(features)
        gap = np.abs(means - np.concatenate(wanted)).max()
        times = bare - start, ours - bare, theirs - ours
        print(
            f"| {type(model).__name__} | {len(features):,} | {times[0]:.2f} | {times[1] / times[0]:.2f} | "
            f"{times[2] / times[1]:.2f} | {gap:.0e} |"
        )


def command(frame: pd.DataFrame, folder: Path) -> None:
    """Time of the phases of a run, and of the report alone."""
    frame.to_csv(folder / "data.csv", index=False)
    names = [f"f{place}" for place in range(CURVES)]
    config = {
        "dataset_type": "text/csv",
        "label": "y",
        "predictor": {"model_uri": str(folder / "HistGradientBoostingClassifier.joblib")},
        "methods": {"pdp": {"grid_resolution": POINTS, "features": names}, "report": {"name": "r", "title": "r"}},
    }
    (folder / "config.json").write_text(json.dumps(config))
    places = [str(folder / name) for name in ("config.json", "data.csv", "out")]
    clarify(["analyze", "--allow-pickle", "--config", places[0], "--data", places[1], "--output", places[2]])
    analysis, details = (
        json.loads((folder / "out" / f"{name}.json").read_text()) for name in ("analysis", "analysis_details")
    )
    seconds = details["seconds"]
    start = time.perf_counter()
    report_files(analysis, details)
    report = time.perf_counter() - start
    total = sum(seconds.values())
    print(
        f"\n{len(frame):,} rows through the command: "
        + ", ".join(f"{name} {took / total:.0%}" for name, took in seconds.items())
    )
    print(f"report: {report:.1f} s")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=50_000)
    arguments = parser.parse_args()
    frame = data(arguments.rows)
    with tempfile.TemporaryDirectory() as folder:
        alone(frame, Path(folder))
        command(frame, Path(folder))


if __name__ == "__main__":
    main()
