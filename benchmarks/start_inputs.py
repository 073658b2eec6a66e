"""The data, model and configs that bench_start.py gives to the commands; run by the Python that it measures, since a
model file belongs to one version of scikit-learn.

python benchmarks/start_inputs.py FOLDER ROWS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = ["income", "amount", "years", "debt", "unemployment", "score", "children"]
EXPLAINED_ROWS = 200
COMMON: dict[str, Any] = {
    "dataset_type": "text/csv",
    "label": "approved",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "sex", "value_or_threshold": ["Female"]}],
    "group_variable": "district",
}


def applications(rows: int) -> pd.DataFrame:
    """Rows of texts, integers, floats, some of them missing, and a label that depends on them; seeded."""
    random = np.random.default_rng(18)
    frame = pd.DataFrame(
        {
            "approved": 0,
            "sex": random.choice(["Female", "Male"], rows, p=[0.4, 0.6]),
            "district": random.choice([f"district {number}" for number in range(6)], rows),
            "income": np.round(random.lognormal(8, 0.5, rows), 2),
            "amount": random.integers(20, 500, rows) * 1000,
            "years": random.integers(5, 31, rows),
            "debt": np.round(random.uniform(0, 1, rows), 4),
            "unemployment": np.round(random.uniform(2, 10, rows), 1),
            "score": random.integers(300, 850, rows),
            "children": random.integers(0, 5, rows),
            "employer": random.choice(["public", "private", "self"], rows),
            "opened": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 1500, rows), unit="D"),
        }
    )
    likely = frame["score"] / 850 - frame["debt"] + 0.1 * (frame["sex"] == "Male") + random.normal(0, 0.2, rows)
    frame["approved"] = (likely > 0.2).astype(int)
    frame["employer"] = frame["employer"].mask(random.uniform(size=rows) < 0.02)
    return frame


def write(folder: Path, rows: int) -> None:
    """Write data.csv, explained.csv, model.joblib, pre_training.json and model.json."""
    frame = applications(rows)
    frame.to_csv(folder / "data.csv", index=False)
    trained = applications(2000)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    joblib.dump(model.fit(trained[FEATURES], trained["approved"]), folder / "model.joblib")
    trained.tail(EXPLAINED_ROWS).to_csv(folder / "explained.csv", index=False)
    _config(folder, "pre_training", "data.csv", methods={"pre_training_bias": {"methods": "all"}})
    _config(
        folder,
        "model",
        "explained.csv",
        excluded_columns=[name for name in frame if name not in ("approved", *FEATURES)],
        methods={
            "post_training_bias": {"methods": ["DPPL", "DI", "AD"]},
            "shap": {"num_clusters": 4, "save_local_shap_values": True, "seed": 1},
        },
        predictor={"model_uri": str(folder / "model.joblib")},
    )


def _config(folder: Path, name: str, data: str, **more: Any) -> None:
    config = {**COMMON, "dataset_uri": str(folder / data), **more}
    (folder / f"{name}.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
