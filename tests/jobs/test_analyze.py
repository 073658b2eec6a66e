"""The analyze command from argv to files, as a user runs it."""

import json
import os
import random
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from clarify_spark.cli import main

#: What a run does where its metrics are not what is tested.
FEW_METRICS = {"pre_training_bias": {"methods": ["CI"]}}


def split(frame, parts):
    """The frame in that many consecutive pieces."""
    size = -(-len(frame) // parts)
    return [frame.iloc[start : start + size] for start in range(0, len(frame), size)]


def values(analysis, section, facet, entry=0):
    return {m["name"]: m["value"] for m in analysis[section]["facets"][facet][entry]["metrics"]}


@pytest.mark.spark_line
def test_a_run_writes_every_metric_of_every_facet_value(finished, loans):
    assert (finished.code, finished.last_line) == (0, "exit_message: Completed: clarify_spark ran successfully")
    analysis = finished.json()
    assert list(analysis) == ["version", "post_training_bias_metrics", "pre_training_bias_metrics"]
    pre = analysis["pre_training_bias_metrics"]
    assert (pre["label"], pre["label_value_or_threshold"]) == ("approve", "1")
    assert [entry["value_or_threshold"] for entry in pre["facets"]["male"]] == [
        str(value) for value in loans["male"].drop_duplicates()
    ]
    found = values(analysis, "pre_training_bias_metrics", "black")
    assert list(found) == sorted(["CI", "DPL", "KL", "JS", "LP", "TVD", "KS", "CDDL"])
    rates = loans.groupby("black")["approve"].mean()
    assert found["DPL"] == pytest.approx(rates[0] - rates[1], abs=1e-12)
    after = values(analysis, "post_training_bias_metrics", "black")
    assert len(after) == 13
    chosen = loans.groupby("black")["predicted"].mean()
    assert after["DI"] == pytest.approx(chosen[1] / chosen[0], abs=1e-12)
    assert -1 <= after["FT"] <= 1


def test_the_details_hold_the_counts_behind_the_metrics(finished, loans):
    details = finished.json("analysis_details.json")
    (entry,) = details["bias"]["facets"]["black"]
    cells = {(c["facet"], c["label_positive"], c["prediction_positive"]): c["rows"] for c in entry["counts"]}
    expected = loans.groupby(["black", "approve", "predicted"]).size()
    assert {("d" if b else "a", bool(y), bool(p)): n for (b, y, p), n in expected.items()} == {
        cell: rows for cell, rows in cells.items() if rows
    }
    assert details["dataset"]["rows"] == len(loans)
    accuracy = details["model_performance"]["model_performance_metrics"][0]
    assert accuracy["value"] == pytest.approx((loans["approve"] == loans["predicted"]).mean(), abs=1e-12)
    assert {column["name"]: column["type"] for column in details["columns"] if "type" in column} == {
        "approve": "categorical",
        "black": "categorical",
        "male": "categorical",
        "predicted": "categorical",
    }
    assert set(details) >= {"warnings", "cautions", "versions", "seconds", "config_sha256", "seed"}


@pytest.mark.spark_line
@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "jsonl", "json", "parquet"])
def test_every_format_gives_the_same_numbers(analyze, finished, config, loans, tmp_path, suffix):
    path = tmp_path / f"data.{suffix}"
    features = [name for name in loans.columns if name not in ("approve", "predicted")]
    records = [
        {"features": row[features].tolist(), "label": int(row["approve"]), "predicted": int(row["predicted"])}
        for _, row in loans.astype(object).iterrows()
    ]
    if suffix == "parquet":
        loans.to_parquet(path, index=False)
        config["dataset_type"] = "application/x-parquet"
    elif suffix.startswith("csv"):
        loans.to_csv(path, index=False, header=False)
        config["headers"] = list(loans.columns)
    else:
        prefix = "[*]." if suffix == "json" else ""
        text = json.dumps(records) if suffix == "json" else "\n".join(json.dumps(record) for record in records)
        path.write_text(text, encoding="utf-8")
        config["dataset_type"] = "application/json" if suffix == "json" else "application/jsonlines"
        config["headers"] = [*features, "approve", "predicted"]
        config |= {"features": f"{prefix}features", "label": f"{prefix}label", "predicted_label": f"{prefix}predicted"}
    ran = analyze(config, path)
    assert ran.code == 0, ran.err
    assert ran.json() == finished.json()


@pytest.mark.spark_line
def test_partitions_and_the_order_of_files_change_no_byte(analyze, config, loans, tmp_path, partitioned):
    """1 and 64 partitions; the same files written in another order."""
    texts = set()
    for run, (split_bytes, tasks) in enumerate([("1g", "1"), ("1k", "64")]):
        folder = tmp_path / f"data{run}"
        folder.mkdir()
        pieces = list(enumerate(split(loans.head(600), 5)))
        random.Random(run).shuffle(pieces)
        for number, piece in pieces:
            piece.to_csv(folder / f"part-{number}.csv", index=False)
        with partitioned(split_bytes, tasks):
            ran = analyze(config, folder, output=tmp_path / f"out{run}")
        assert ran.code == 0, ran.err
        texts.add((ran.output / "analysis.json").read_bytes())
    assert len(texts) == 1


def test_infinite_values_are_texts_and_undefined_ones_carry_their_error(analyze, config, csv, loans):
    loans = loans.assign(predicted=(loans["black"] == 1).astype(int))
    loans.to_csv(csv, index=False)
    del config["group_variable"]
    found = analyze(config, csv).json()["post_training_bias_metrics"]["facets"]["black"][0]["metrics"]
    by_name = {metric["name"]: metric for metric in found}
    assert by_name["DI"]["value"] == "Infinity"
    assert by_name["CDDPL"] == {
        "name": "CDDPL",
        "description": "Conditional Demographic Disparity in Predicted Labels (CDDPL)",
        "value": None,
        "error": "Group variable is empty or not provided",
    }


def test_predictions_without_a_positive_one_finish_with_a_warning(analyze, config, csv, loans):
    loans.assign(predicted=0).to_csv(csv, index=False)
    ran = analyze(config, csv)
    assert ran.code == 0
    assert values(ran.json(), "post_training_bias_metrics", "black")["DPPL"] == 0.0
    assert "predictions is positive" in ran.err


def test_only_what_was_asked_for_is_written(analyze, config, csv):
    config["methods"] = {"pre_training_bias": {"methods": ["DPL", "CI"]}}
    analysis = analyze(config, csv).json()
    assert list(analysis) == ["version", "pre_training_bias_metrics"]
    assert list(values(analysis, "pre_training_bias_metrics", "male")) == ["CI", "DPL"]


def test_scores_in_the_data_are_thresholded(analyze, finished, config, csv, loans):
    loans.assign(predicted=loans["predicted"] * 0.2 + 0.5).to_csv(csv, index=False)
    config["probability_threshold"] = 0.6
    assert analyze(config, csv).json()["post_training_bias_metrics"] == finished.json()["post_training_bias_metrics"]


@pytest.mark.spark_line
def test_facets_and_predictions_may_come_from_files_of_their_own(analyze, finished, config, csv, loans, tmp_path):
    data = loans.reset_index(names="id")
    data.drop(columns=["black", "predicted"]).to_csv(csv, index=False)
    data[["id", "black"]].sample(frac=1, random_state=1).to_csv(tmp_path / "facets.csv", index=False)
    data[["predicted", "id"]].sample(frac=1, random_state=2).to_csv(tmp_path / "predicted.csv", index=False)
    del config["predicted_label"]
    config["facet"] = config["facet"][:1]
    config |= {
        "joinsource_name_or_index": "id",
        "facet_dataset_uri": str(tmp_path / "facets.csv"),
        "predicted_label_dataset_uri": str(tmp_path / "predicted.csv"),
        "predicted_label": "predicted",
    }
    ran = analyze(config, csv)
    assert ran.code == 0, ran.err
    found = ran.json()["pre_training_bias_metrics"]["facets"]["black"]
    assert found == finished.json()["pre_training_bias_metrics"]["facets"]["black"]


# --- how a run ends -------------------------------------------------------------------------------------------------


def test_all_problems_of_a_config_are_told_at_once_and_end_with_2(analyze, config, csv):
    config["label"] = "aprove"
    config["facet"][0]["value"] = [1]
    config["methods"]["shap"] = {"num_samples": 1.5}
    ran = analyze(config, csv)
    assert ran.code == 2
    assert "facet[0].value" in ran.err
    assert "methods.shap.num_samples" in ran.err
    assert ran.last_line.startswith("exit_message: Customer Error: ")
    assert not ran.output.exists()


def test_an_analysis_of_a_later_release_is_refused_by_name(analyze, config, csv):
    config["methods"]["asymmetric_shapley_value"] = {"direction": "chronological", "granularity": "timewise"}
    config["time_series_data_config"] = {"target_time_series": "obrat", "item_id": "male", "timestamp": "unem"}
    ran = analyze(config, csv)
    assert ran.code == 2
    assert "methods.asymmetric_shapley_value" in ran.err
    assert "not supported yet" in ran.err


def test_a_report_that_cannot_be_written_costs_nothing_else(analyze, config, csv, tmp_path):
    config["methods"] = {**FEW_METRICS, "report": {"name": "report", "title": "Analysis Report"}}
    in_the_way = tmp_path / "output" / "report.html" / "folder"
    in_the_way.mkdir(parents=True)
    ran = analyze(config, csv)
    assert ran.code == 5
    assert "report.html" in ran.last_line
    assert ran.json()["pre_training_bias_metrics"]
    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    assert main(["report", str(ran.output)]) == 0
    assert "<h1><bdi>Analysis Report</bdi></h1>" in (ran.output / "report.html").read_text(encoding="utf-8")


def test_a_report_is_drawn_again_from_its_run_byte_for_byte(finished, tmp_path):
    assert finished.code == 0
    assert "Written: " in finished.out
    files = {path.name: path.read_bytes() for path in finished.output.glob("loans.*")}
    assert sorted(files) == ["loans.html", "loans.ipynb", "loans.pdf"]
    for name in ("analysis.json", "analysis_details.json"):
        shutil.copy(finished.output / name, tmp_path)
    assert main(["report", str(tmp_path)]) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.glob("loans.*")} == files


def test_without_typst_there_is_no_pdf_not_even_an_old_one(analyze, config, csv, tmp_path, monkeypatch):
    config["methods"] = {**FEW_METRICS, "report": {"name": "report"}}
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "report.pdf").write_bytes(b"an old one")
    monkeypatch.setitem(sys.modules, "typst", None)
    ran = analyze(config, csv)
    assert ran.code == 0
    assert "warning: report.pdf was not made: it needs typst (pip install 'clarify-spark[pdf]')." in ran.err
    assert sorted(path.name for path in ran.output.glob("report.*")) == ["report.html", "report.ipynb"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "has no analysis.json"),
        ("{", "is not valid JSON"),
        ("[]", "is not a JSON object"),
        ('{"explanations": {"pdp": [{"feature_name": "x"}]}}', "another version wrote them (KeyError"),
    ],
)
def test_a_report_of_no_run_is_refused(tmp_path, capfd, content, said):
    if content is not None:
        (tmp_path / "analysis.json").write_text(content)
        (tmp_path / "analysis_details.json").write_text("{}")
    assert main(["report", str(tmp_path)]) == 2
    assert said in capfd.readouterr().err


def test_a_report_may_not_leave_the_output(analyze, config, csv):
    config["methods"]["report"] = {"name": "../report", "title": "t"}
    ran = analyze(config, csv)
    assert ran.code == 2
    assert "methods.report.name" in ran.err


def test_a_column_that_is_not_there_ends_with_2_and_names_near_ones(analyze, config, csv):
    config["facet"][0]["name_or_index"] = "blakc"
    ran = analyze(config, csv)
    assert ran.code == 2
    assert "facet[0].name_or_index" in ran.err
    assert "'black'" in ran.err


@pytest.mark.spark_line
def test_data_that_is_not_there_ends_with_3(analyze, config, tmp_path):
    ran = analyze(config, tmp_path / "nowhere.csv")
    assert ran.code == 3
    assert "nowhere.csv" in ran.last_line


@pytest.mark.spark_line
def test_a_malformed_record_ends_with_3_and_says_where(analyze, config, csv):
    lines = csv.read_text().splitlines()
    lines[100] = "1,0,1"
    config["methods"] = FEW_METRICS
    csv.write_text("\n".join(lines) + "\n")
    ran = analyze(config, csv)
    assert ran.code == 3
    assert "loans.csv" in ran.err
    assert "'1,0,1'" in ran.err
    config["max_malformed_records"] = 1
    tolerant = analyze(config, csv)
    assert tolerant.code == 0, tolerant.err
    assert tolerant.json("analysis_details.json")["dataset"]["malformed_records"] == 1


def test_an_output_that_cannot_be_written_ends_with_5_before_anything_is_read(analyze, config, csv, tmp_path):
    (tmp_path / "taken").write_text("a file")
    ran = analyze(config, csv, output=tmp_path / "taken")
    assert ran.code == 5
    assert "taken" in ran.last_line


def test_a_missing_option_ends_with_2(capfd):
    assert main(["analyze", "--output", "x"]) == 2
    assert "--config must be given" in capfd.readouterr().err


def test_an_unknown_option_ends_with_2_and_an_exit_message(capfd):
    assert main(["analyze", "--confg", "x"]) == 2
    assert capfd.readouterr().err.splitlines()[-1].startswith("exit_message: Customer Error: ")


def test_a_bug_ends_with_70_and_its_traceback(monkeypatch, capfd):
    monkeypatch.setattr("clarify_spark.config.json_schema", lambda: 1 / 0)
    assert main(["schema"]) == 70
    err = capfd.readouterr().err
    assert "ZeroDivisionError" in err
    assert err.splitlines()[-1] == "exit_message: Internal Error: ZeroDivisionError: division by zero"


def test_a_dry_run_says_what_would_run_and_writes_nothing(analyze, config, csv):
    ran = analyze(config, csv, "--dry-run")
    assert ran.code == 0
    assert "nothing was computed or written" in ran.out
    assert "rows: 1,974" in ran.out
    assert "facet: male (categorical), groups: 1, 0" in ran.out
    assert not ran.output.exists()


def test_a_dry_run_refuses_what_the_columns_do_not_allow(analyze, config, csv):
    config["facet"] = [{"name_or_index": "obrat"}]
    ran = analyze(config, csv, "--dry-run")
    assert ran.code == 2
    assert "'obrat' is continuous and needs a threshold" in ran.err
    assert "the first record is read as the header row" in ran.err  # told although the run failed


def test_an_interrupt_ends_with_1_even_when_the_call_to_spark_fails_over_it(monkeypatch, capfd):
    def cut_short():
        try:
            raise KeyboardInterrupt
        finally:
            raise ConnectionError("Answer from Java side is empty")

    monkeypatch.setattr("clarify_spark.config.json_schema", cut_short)
    assert main(["schema"]) == 1
    assert capfd.readouterr().err == "exit_message: Stopped: interrupted before the end\n"


def test_output_that_nobody_reads_is_no_bug():
    command = [sys.executable, "-m", "clarify_spark", "schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        running.stdout.close()
        said = running.stderr.read()
    assert (running.returncode, said) == (1, "exit_message: Stopped: the output pipe was closed\n")


def test_the_folders_of_a_processing_job_are_used_when_nothing_is_given(spark, config, loans, tmp_path, monkeypatch):
    monkeypatch.setattr("clarify_spark.cli.analyze.PROCESSING", tmp_path)
    monkeypatch.setattr("clarify_spark.cli.ending.MESSAGE_FILE", tmp_path / "message")
    for folder in ("input/config", "input/data", "output"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "input/config/analysis_config.json").write_text(json.dumps({**config, "methods": FEW_METRICS}))
    loans.to_csv(tmp_path / "input/data/loans.csv", index=False)
    assert main(["analyze"]) == 0
    assert sorted(os.listdir(tmp_path / "output")) == ["analysis.json", "analysis_details.json"]
    assert (tmp_path / "message").read_text() == "Completed: clarify_spark ran successfully"


@pytest.mark.spark_line
def test_the_session_that_was_there_before_is_still_there_after_a_run(analyze, config, csv, spark):
    analyze({**config, "methods": FEW_METRICS}, csv)
    assert spark.range(3).count() == 3


# --- other commands -------------------------------------------------------------------------------------------------


def test_validate_lists_every_problem_with_its_path(tmp_path, config, capfd):
    path = tmp_path / "config.json"
    config["probability_treshold"] = 0.5
    config["methods"]["shap"] = {"agg_method": "mean"}
    path.write_text(json.dumps(config))
    assert main(["validate", str(path)]) == 2
    out, err = capfd.readouterr()
    assert "probability_treshold" in out
    assert 'did you mean "probability_threshold"' in out
    assert "methods.shap.agg_method" in out
    assert err.splitlines()[-1].startswith("exit_message: Customer Error: ")


def test_validate_accepts_what_can_only_mean_one_thing_unless_strict(tmp_path, config, capfd):
    path = tmp_path / "config.json"
    config["facet"][0]["value_or_threshold"] = 1
    path.write_text(json.dumps(config))
    assert main(["validate", str(path)]) == 0
    assert "warning: facet[0].value_or_threshold" in capfd.readouterr().out
    assert main(["validate", str(path), "--strict"]) == 2


def test_validate_accepts_a_config_that_only_a_later_release_or_a_model_can_run(tmp_path, config, capfd):
    path = tmp_path / "config.json"
    del config["predicted_label"]
    config["methods"] |= {"shap": {"text_config": {"granularity": "token", "language": "english"}}}
    path.write_text(json.dumps(config))
    assert main(["validate", str(path)]) == 0
    out = capfd.readouterr().out
    assert "warning: cannot run yet: predictor: found no such key" in out
    assert "warning: cannot run yet: methods.shap.text_config" in out


def test_schema_prints_a_json_schema(capfd):
    assert main(["schema"]) == 0
    assert json.loads(capfd.readouterr().out)["$schema"].startswith("https://json-schema.org/")


@pytest.mark.spark_line
def test_a_parquet_file_that_is_cut_short_ends_with_3(analyze, config, loans, tmp_path):
    path = tmp_path / "data.parquet"
    pd.DataFrame(loans).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])
    config["dataset_type"] = "application/x-parquet"
    ran = analyze(config, path)
    assert ran.code == 3
    assert "data.parquet" in ran.err
