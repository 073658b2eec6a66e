"""How sure the metrics of a run are, its intersections, segments, weights and bounds, from argv to files."""

import copy
import json

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from .conftest import CONFIG


def details(ran):
    assert ran.code in (0, 1), ran.err
    return ran.json("analysis_details.json")["bias"]


def by_name(metrics):
    return {metric["name"]: metric for metric in metrics}


def with_groups(config):
    """The config with all that this is about."""
    config["facet_intersections"] = [["black", "male"]]
    config["segment_config"] = [
        {"name_or_index": "unem", "segments": [["[0, 3.1]"], ["(3.1, 4.0]"]], "display_aliases": ["low", "middle"]}
    ]
    config["bounds"] = {"DPL": {"min": -0.1, "max": 0.1}, "DI": {"min": 0.8}}
    return config


@pytest.fixture
def everything(config):
    """A config with all that this is about, which tests may change."""
    return with_groups(config)


@pytest.fixture(scope="module")
def gated(analyze_once, loans):
    """A run with all that this is about, which ends with 1 when a metric is outside its bounds."""
    return analyze_once(with_groups(copy.deepcopy(CONFIG)), loans, "--fail-on", "outside")


def test_every_metric_says_how_sure_it_is(finished, loans):
    found = details(finished)
    metrics = found["facets"]["black"][0]["metrics"]
    assert len(metrics) == 21
    for metric in metrics:
        assert ("interval" in metric) != ("reason" in metric), metric
        assert metric["sentence"].endswith(".")
    impact = by_name(metrics)["DI"]
    table = loans.groupby("black")["predicted"].agg(["sum", "count"])
    expected = confint_proportions_2indep(
        *table.loc[1], *table.loc[0], compare="ratio", method="score", correction=True
    )
    assert (impact["interval"]["low"], impact["interval"]["high"]) == pytest.approx(expected, rel=1e-6)
    assert impact["interval"]["method"] in found["statistics"]["interval_methods"]
    assert impact["test"]["name"] in found["statistics"]["tests"]
    assert found["statistics"]["confidence_level"] == 0.95
    assert "verdicts" not in found


def test_analysis_json_stays_as_it_is(finished, gated):
    assert finished.json() == gated.json()


def test_intersections_against_all_others_and_the_best_cell(gated, loans):
    (found,) = details(gated)["facet_intersections"]
    assert found["facets"] == ["black", "male"]
    rates = loans.groupby(["black", "male"])["predicted"].agg(["mean", "count"])
    for cell in found["cells"]:
        key = (1 if cell["cell"]["black"] == "1" else 0, int(cell["cell"]["male"]))
        assert cell["rows"] == rates.loc[key, "count"]
        rest = loans[(loans["black"] != key[0]) | (loans["male"] != key[1])]
        metrics = by_name(cell["against_all_others"]["metrics"])
        assert metrics["DPPL"]["value"] == pytest.approx(rest["predicted"].mean() - rates.loc[key, "mean"], abs=1e-12)
        assert "FT" not in metrics
        if cell["cell"] == found["best_cell"]:
            assert rates.loc[key, "mean"] == rates["mean"].max()
            assert "against_best_cell" not in cell
        else:
            best = by_name(cell["against_best_cell"])
            assert best["DI"]["value"] == pytest.approx(rates.loc[key, "mean"] / rates["mean"].max(), abs=1e-12)
    assert len(found["cells"]) == 4


def test_small_cells_are_left_out_with_what_would_give_them_away(analyze, everything, csv, loans):
    size = int(loans.groupby(["black", "male"]).size().min()) + 1
    everything["min_cell_size"] = size
    (found,) = details(analyze(everything, csv))["facet_intersections"]
    reasons = {tuple(left["cell"].values()): left["reason"] for left in found["left_out"]}
    assert sum(reason == f"fewer than {size} rows" for reason in reasons.values()) == 1
    assert len(reasons) == 4  # of two by two cells one hides no other without all of them
    assert found["cells"] == []


@pytest.mark.spark_line
def test_segments_are_measured_as_their_rows_alone(analyze, gated, loans, tmp_path, config):
    (found,) = details(gated)["segments"]
    assert [segment["segment"] for segment in found["segments"]] == ["low", "middle", "__default__"]
    cut = {"low": loans["unem"] <= 3.1, "middle": (loans["unem"] > 3.1) & (loans["unem"] <= 4.0)}
    cut["__default__"] = ~cut["low"] & ~cut["middle"]
    for segment in found["segments"]:
        rows = loans[cut[segment["segment"]]]
        assert segment["rows"] == len(rows)
        path = tmp_path / "segment.csv"
        rows.to_csv(path, index=False)
        config["label_type"], config["facet"][1]["type"] = "categorical", "categorical"
        alone = details(analyze(config, path, output=tmp_path / "alone"))["facets"]["black"][0]["metrics"]
        for mine, other in zip(segment["facets"]["black"][0]["metrics"], alone, strict=True):
            assert mine["name"] == other["name"]
            assert mine.get("value") == pytest.approx(other.get("value"), abs=1e-12), mine["name"]
            assert mine.get("interval") == other.get("interval"), mine["name"]


def test_weights_count_in_place_of_rows(analyze, config, csv, loans, tmp_path):
    weights = np.random.default_rng(0).integers(0, 4, len(loans))
    loans.loc[loans.index.repeat(weights)].to_csv(csv, index=False)
    repeated = analyze(config, csv, output=tmp_path / "repeated").json()
    weighted = tmp_path / "weighted.csv"
    loans.assign(w=weights).to_csv(weighted, index=False)
    config["weight"] = "w"
    ran = analyze(config, weighted)
    for stage in ("pre_training_bias_metrics", "post_training_bias_metrics"):
        mine, other = (by_name(analysis[stage]["facets"]["black"][0]["metrics"]) for analysis in (ran.json(), repeated))
        for name in set(mine) - {"FT"}:  # repeated rows are each other's nearest neighbours
            assert mine[name]["value"] == pytest.approx(other[name]["value"], abs=1e-12), name
    entry = details(ran)["facets"]["black"][0]
    assert entry["effective_rows"]["d"] < sum(loans["black"] == 1)
    assert sum(cell["rows"] for cell in entry["counts"]) == len(loans)
    assert sum(cell["weight"] for cell in entry["counts"]) == weights.sum()
    flips = entry["flip_test"]
    assert by_name(entry["metrics"])["FT"]["value"] == pytest.approx(
        (flips["to_negative"] - flips["to_positive"]) / weights[loans["black"] == 1].sum()
    )
    assert "weighted by 'w'" in ran.out


def test_equal_weights_change_nothing(analyze, finished, config, loans, tmp_path):
    plain = details(finished)
    weighted = tmp_path / "weighted.csv"
    loans.assign(w=0.5).to_csv(weighted, index=False)
    found = details(analyze({**config, "weight": "w"}, weighted))
    for mine, other in zip(found["facets"]["black"][0]["metrics"], plain["facets"]["black"][0]["metrics"], strict=True):
        assert mine["value"] == pytest.approx(other["value"], abs=1e-12)
        for end in ("low", "high"):
            assert mine["interval"][end] == pytest.approx(other["interval"][end], rel=1e-6, abs=1e-9), mine["name"]


def test_a_dry_run_tells_the_cuts(analyze, everything, csv):
    everything["weight"] = "unem"
    del everything["segment_config"]
    ran = analyze(everything, csv, "--dry-run")
    assert "intersection: black × male" in ran.out
    assert "weight: unem" in ran.out


def test_a_gate_ends_with_1_when_a_metric_is_outside(gated):
    verdicts = details(gated)["verdicts"]
    assert verdicts["outside_bounds"] > 0
    assert gated.code == 1
    assert f"{verdicts['outside_bounds']} metrics outside (--fail-on outside)" in gated.last_line
    assert "Metrics with bounds:" in gated.out
    metric = by_name(details(gated)["facets"]["black"][0]["metrics"])["DPL"]
    assert metric["bounds"] == {"min": -0.1, "max": 0.1}
    interval = metric["interval"]
    assert (metric["verdict"] == "outside_bounds") == (interval["low"] > 0.1 or interval["high"] < -0.1)


def test_a_gate_passes_when_all_is_within_and_can_ask_for_enough_data(analyze, config, csv, tmp_path):
    config["methods"] = {"post_training_bias": {"methods": ["DPPL"]}}
    config["bounds"] = {"DPPL": {"min": -1, "max": 1.0}}
    assert analyze(config, csv, "--fail-on", "outside").code == 0
    config["bounds"] = {"DPPL": {"min": 0.0, "max": 0.0}}
    assert analyze(config, csv, "--fail-on", "not-enough-data", output=tmp_path / "other").code in (0, 1)


@pytest.mark.parametrize(
    ("change", "metrics", "says"),
    [
        (lambda rows: rows.replace({"approve": {0: "No", 1: "Yes"}, "predicted": {0: "No", 1: "Yes"}}), 3, "no label"),
        (lambda rows: rows.assign(approve=rows["approve"] * 2), 1, "no label"),
        (lambda rows: rows.assign(predicted=0), 2, "no prediction"),
    ],
    ids=["another spelling", "another code", "never predicted"],
)
def test_a_gate_never_passes_where_nothing_is_positive(analyze, config, loans, tmp_path, change, metrics, says):
    place = tmp_path / "changed.csv"
    change(loans[["approve", "predicted", "black"]]).to_csv(place, index=False)
    config = {
        "dataset_type": "text/csv",
        "label": "approve",
        "predicted_label": "predicted",
        "label_values_or_threshold": [1],
        "label_type": "categorical",
        "facet": [{"name_or_index": "black", "value_or_threshold": [1]}],
        "bounds": {name: {"min": -1, "max": 1} for name in ("DPL", "DPPL", "AD")},
        "methods": {"pre_training_bias": {"methods": ["DPL"]}, "post_training_bias": {"methods": ["DPPL", "AD"]}},
    }
    ran = analyze(config, place, "--fail-on", "outside")
    found = by_name(details(ran)["facets"]["black"][0]["metrics"])
    silent = [metric for metric in found.values() if "interval" not in metric]
    assert ran.code == 1
    assert f"{len(silent)} metrics compare nothing" in ran.last_line
    assert len(silent) >= metrics
    assert {metric["verdict"] for metric in silent} == {"not_enough_data"}
    assert says in silent[0]["reason"]
    assert "none of all rows is positive" in ran.out
    assert "0.0% against   0.0%" not in ran.out


def test_a_former_result_bounds_the_next(analyze, finished, config, csv, loans, tmp_path):
    worse = tmp_path / "worse.csv"
    loans.assign(predicted=loans["predicted"] * (1 - (loans["black"] == 1))).to_csv(worse, index=False)
    place = str(finished.output / "analysis.json")
    ran = analyze(config, worse, "--bounds-from", place, "--fail-on", "outside")
    assert ran.code == 1
    found = by_name(details(ran)["facets"]["black"][0]["metrics"])
    assert "have no bounds" not in ran.err
    config["facet"].append({"name_or_index": "chist"})
    assert "metrics of this run have no bounds" in analyze(config, csv, "--bounds-from", place).err
    assert found["DPPL"]["verdict"] == "outside_bounds"
    assert found["DPL"]["verdict"] in ("within_bounds", "not_enough_data")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fail-on", "outside"], "--fail-on needs bounds"),
        (["--bounds-from", "nowhere.json"], "nowhere.json"),
        (["--fail-on", "fair"], "invalid choice"),
    ],
)
def test_a_gate_that_cannot_work_is_told_before_anything_runs(analyze, config, csv, options, words):
    ran = analyze(config, csv, *options)
    assert ran.code == 2, ran.err
    assert words in ran.err


def test_a_former_result_that_is_none_is_told(analyze, config, csv, tmp_path):
    (tmp_path / "other.json").write_text(json.dumps({"version": "1.0"}))
    ran = analyze(config, csv, "--bounds-from", str(tmp_path / "other.json"))
    assert ran.code == 2
    assert "has neither pre_training_bias_metrics" in ran.err


@pytest.mark.spark_line
def test_partitions_change_no_statistic(analyze, everything, loans, tmp_path, partitioned):
    everything["weight"] = "w"
    data = tmp_path / "weighted.csv"
    rows = loans.head(800)
    rows.assign(w=np.random.default_rng(1).lognormal(size=len(rows))).to_csv(data, index=False)
    found = []
    for run, (split_bytes, tasks) in enumerate([("1g", "1"), ("4k", "7")]):
        with partitioned(split_bytes, tasks):
            found.append(details(analyze(everything, data, output=tmp_path / f"out{run}")))
    assert found[0] == found[1]
