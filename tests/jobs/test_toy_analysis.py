"""An analysis is a row of ANALYSES and a module: a toy one takes part in everything, without another line of code."""

import json
from pathlib import Path

import joblib
import pytest
from sklearn.linear_model import LogisticRegression

from clarify_spark import Results
from clarify_spark.cli import main
from clarify_spark.config import json_schema
from clarify_spark.config.analyses import ANALYSES

TOYS = Path(__file__).resolve().parents[1] / "toys"
FEATURES = ["obrat", "loanprc", "unem"]


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.syspath_prepend(TOYS)
    import toy_analysis

    monkeypatch.setitem(ANALYSES, "toy", toy_analysis.ROW)
    return toy_analysis


@pytest.fixture
def data(loans, tmp_path):
    path = tmp_path / "loans.csv"
    loans[["approve", *FEATURES]].head(300).to_csv(path, index=False)
    return path


@pytest.fixture
def asking(toy, loans, tmp_path):
    """A config that requests the toy, with a model of 300 applications; keywords are keys of its section."""
    rows = loans.head(300)
    model = LogisticRegression(max_iter=500, class_weight="balanced").fit(rows[FEATURES], rows["approve"])
    joblib.dump(model, tmp_path / "model.joblib")

    def make(**section):
        return {
            "dataset_type": "text/csv",
            "label": "approve",
            "methods": {"toy_labels": section, "report": {"name": "report"}},
            "predictor": {"model_uri": str(tmp_path / "model.joblib")},
        }

    return make


def test_a_toy_analysis_is_run_written_drawn_and_handed_back(asking, analyze, data, loans, tmp_path):
    ran = analyze(asking(), data, "--allow-pickle")
    assert ran.code == 0, ran.err
    rows = loans.head(300)
    predicted = joblib.load(tmp_path / "model.joblib").predict(rows[FEATURES])
    wanted = {"0": int((predicted == 0).sum()), "1": int((predicted == 1).sum())}
    assert min(wanted.values()) > 0
    assert ran.json() == {"version": "1.0", "explanations": {"toy_labels": wanted}}
    details = ran.json("analysis_details.json")
    assert details["toy_labels"] == {"labels": 2, "after": []}
    assert details["warnings"] == ["toy labels are toys"]
    assert details["dataset"]["rows"] == 300
    assert f"  1: {wanted['1']}" in ran.out.splitlines()
    assert "Counting labels" in ran.err
    page = (ran.output / "report.html").read_text(encoding="utf-8")
    for words in ("Labels of the toy", "toy labels", "A label of the toy."):
        assert words in page
    results = Results(str(ran.output))
    assert results.analysis.explanations.toy_labels == wanted
    assert results.toy_labels["rows"].tolist() == list(wanted.values())
    assert "toy_labels" in dir(results)
    assert str(wanted["1"]) in str(results)
    assert main(["report", str(ran.output)]) == 0
    assert (ran.output / "report.html").read_text(encoding="utf-8") == page


def test_a_dry_run_tells_what_a_toy_analysis_needs(asking, analyze, data):
    ran = analyze(asking(most=3), data, "--allow-pickle", "--dry-run")
    assert ran.code == 0, ran.err
    told = [line.strip() for line in ran.out.splitlines()]
    assert "labels shown: 3" in told
    assert "methods: toy_labels" in told
    assert "toy labels: 300 rows, each once = about 300 model records" in told
    refused = analyze(asking(), data, "--allow-pickle", "--max-model-calls", "299")
    assert (refused.code, "toy labels: 300 rows" in refused.err) == (2, True)


def test_the_rules_and_the_schema_know_a_toy_analysis(asking, analyze, data):
    wrong = analyze(asking(most=0), data)
    assert (wrong.code, "methods.toy_labels.most: found 0; allowed: 1 or more" in wrong.err) == (2, True)
    unknown = analyze({**asking(), "methods": {"toy_label": {}}}, data)
    assert 'did you mean "toy_labels"?' in unknown.err
    lacking = {key: value for key, value in asking().items() if key != "predictor"}
    assert "methods.toy_labels needs" in analyze(lacking, data).err
    assert json_schema()["$defs"]["Methods"]["properties"]["toy_labels"]["$ref"] == "#/$defs/Toy"


def test_the_config_command_has_the_options_of_a_toy_analysis(toy, capfd):
    assert main(["config", "--dataset-type", "csv", "--toy-labels"]) == 0
    assert json.loads(capfd.readouterr().out)["methods"] == {"toy_labels": {}}


def test_without_its_row_a_toy_analysis_is_unknown(asking, analyze, data, monkeypatch):
    config = asking()
    monkeypatch.delitem(ANALYSES, "toy")
    assert "methods.toy_labels: found an unknown key" in analyze(config, data).err
    assert "toy_labels" not in json_schema()["$defs"]["Methods"]["properties"]
