"""analysis.json, the details and the closing lines: of bias alone, of Kernel SHAP alone, of both."""

import json
from dataclasses import replace

import numpy as np
import pytest

from clarify_spark.bias.comparisons import StatisticsSettings, bias_statistics
from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.metrics import choose
from clarify_spark.bias.predicates import Predicate
from clarify_spark.bias.verdicts import BoundsByMetric
from clarify_spark.config.metrics import of_stage
from clarify_spark.documents import analysis_json, bias, details, kernel_shap, summary
from clarify_spark.documents.analysis_json import label_keys
from clarify_spark.udfs.shap.engines import ENGINES

FACTS = details.RunFacts({"rows": 4}, None, {"Counting": 0.5}, {"python": "3"}, "ab", 7)


def sections(bias_result=None, shap=None):
    """What the analyses say, those that there are."""
    of_bias = [] if bias_result is None else [bias.section(bias_result)]
    return of_bias if shap is None else [*of_bias, kernel_shap.section(shap)]


BIAS_AND_SHAP = """{
  "version": "1.0",
  "post_training_bias_metrics": {
    "label": "approve",
    "facets": {
      "sex": [
        {
          "value_or_threshold": "f",
          "metrics": [
            {
              "name": "CDDPL",
              "description": "Conditional Demographic Disparity in Predicted Labels (CDDPL)",
              "value": null,
              "error": "Group variable is empty or not provided"
            },
            {
              "name": "DPPL",
              "description": "Difference in Positive Proportions in Predicted Labels (DPPL)",
              "value": 0.375
            }
          ]
        }
      ]
    },
    "label_value_or_threshold": "1"
  },
  "pre_training_bias_metrics": {
    "label": "approve",
    "facets": {
      "sex": [
        {
          "value_or_threshold": "f",
          "metrics": [
            {
              "name": "CI",
              "description": "Class Imbalance (CI)",
              "value": 0.5
            },
            {
              "name": "DPL",
              "description": "Difference in Positive Proportions in Labels (DPL)",
              "value": 0.25
            }
          ]
        }
      ]
    },
    "label_value_or_threshold": "1"
  },
  "explanations": {
    "kernel_shap": {
      "no": {
        "global_shap_values": {
          "age": 5.0,
          "income": 5.5,
          "zip": 6.0
        },
        "expected_value": 0.25
      },
      "yes": {
        "global_shap_values": {
          "age": 6.5,
          "income": 7.0,
          "zip": 7.5
        },
        "expected_value": 0.25
      }
    }
  }
}
"""


# --- analysis.json ------------------------------------------------------------------------------------------------


def test_analysis_json_has_bias_and_explanations_to_the_letter(bias_result, shap_result):
    assert analysis_json.json_text(analysis_json.document(sections(bias_result, shap_result()))) == BIAS_AND_SHAP


def test_analysis_json_has_only_what_was_asked_for(bias_result, shap_result):
    both = json.loads(BIAS_AND_SHAP)
    shap = shap_result()
    assert analysis_json.document(sections(None, None)) == {"version": "1.0"}
    assert analysis_json.document(sections(None, shap)) == {key: both[key] for key in ("version", "explanations")}
    pre = replace(bias_result, post_training=None)
    assert list(analysis_json.document(sections(pre, shap))) == ["version", "pre_training_bias_metrics", "explanations"]
    post = replace(bias_result, pre_training=None)
    assert list(analysis_json.document(sections(post, None))) == ["version", "post_training_bias_metrics"]


def test_features_keep_their_order(shap_result):
    shap = shap_result(features=("zip", "age", "Income"))
    found = analysis_json.document(sections(None, shap))["explanations"]["kernel_shap"]["no"]["global_shap_values"]
    assert list(found) == ["zip", "age", "Income"]


def test_infinite_numbers_are_texts(shap_result):
    shap = shap_result(labels=("label0",))
    infinite = replace(
        shap,
        plan=replace(shap.plan, expected=np.array([-np.inf])),
        summary=replace(shap.summary, values=np.array([[np.inf] * 3])),
    )
    found = analysis_json.document(sections(None, infinite))["explanations"]["kernel_shap"]["label0"]
    assert found == {"global_shap_values": dict.fromkeys(shap.features, "Infinity"), "expected_value": "-Infinity"}


@pytest.mark.parametrize(
    ("headers", "outputs", "wanted"),
    [
        (("no", "yes"), 2, ("no", "yes")),
        ((0, 1, 2), 3, ("0", "1", "2")),
        (None, 2, ("label0", "label1")),
        (("no", "yes"), 1, ("label0",)),
        ((1, "1"), 2, ("label0", "label1")),
    ],
)
def test_outputs_are_called_by_label_headers_if_there_is_another_one_for_each(headers, outputs, wanted):
    assert label_keys(headers, outputs) == wanted


# --- analysis_details.json ----------------------------------------------------------------------------------------


def test_details_of_bias_alone_say_nothing_of_explanations_and_the_other_way_round(bias_result, shap_result):
    facts = ["dataset", "model", "seed", "config_sha256", "versions", "seconds"]
    bias = ["cautions", "columns", "bias", "model_performance"]
    assert list(details.document(sections(bias_result), (), FACTS)) == ["version", "warnings", *bias, *facts]
    assert list(details.document(sections(shap=shap_result()), (), FACTS)) == [
        "version",
        "warnings",
        "kernel_shap",
        *facts,
    ]
    both = details.document(sections(bias_result, shap_result()), ("careful",), FACTS)
    assert list(both) == ["version", "warnings", *bias, "kernel_shap", *facts]
    assert both["warnings"] == ["careful"]
    assert analysis_json.json_text(both)


def test_details_of_an_exact_run(shap_result):
    found = details.document(sections(shap=shap_result(errors=None)), (), FACTS)["kernel_shap"]
    assert found["design"]["sampling"] == "exact"
    assert found["design"]["coalitions"] == 6
    assert found["estimator"] == "exact"
    assert found["intervals"].startswith("exact")
    assert "prior" not in found
    assert (found["model_records"], found["model_calls"], found["deduplicated_share"]) == (80, 3, 0.2)
    assert found["largest_residual"] == 2.0**-50
    assert found["baseline"] == {
        "rows": 2,
        "source": "config",
        "weights": [0.25, 0.75],
        "facts": {"k": 2},
        "notes": ["a note"],
    }
    assert (found["engine"], found["link"], found["block_rows"], found["seed"]) == ("shared", "identity", 4, 7)


def test_details_of_a_feature(shap_result):
    found = details.document(sections(shap=shap_result(errors=8.0 / 1.96)), (), FACTS)["kernel_shap"]
    assert [one["label"] for one in found["outputs"]] == ["no", "yes"]
    assert [one["name"] for one in found["outputs"][1]["features"]] == ["age", "income", "zip"]
    age = found["outputs"][1]["features"][0]
    values = np.array([-2.0, 5.0, -8.0, 11.0])
    assert age["global_shap_value"] == 6.5
    assert age["mean"] == values.mean()
    assert age["standard_error_rows"] == pytest.approx(np.abs(values).std(ddof=1) / 2)
    assert age["sign_certain_share"] == 0.25
    assert age["standard_error_coalitions"] > 0


def test_numbers_that_do_not_exist_are_null(shap_result):
    shap = shap_result(features=tuple("abcdefgh"), samples=100, errors=None)
    one_row = replace(shap, summary=replace(shap.summary, row_errors=np.full((2, 8), np.nan)))
    found = details.document(sections(shap=one_row), (), FACTS)["kernel_shap"]
    assert found["design"]["sampling"] == "sampled"
    assert found["intervals"].startswith("unknown")
    feature = found["outputs"][0]["features"][0]
    nothing = ("standard_error_coalitions", "standard_error_rows", "sign_certain_share")
    assert [feature[key] for key in nothing] == [None, None, None]


def test_details_of_a_sampled_run_name_the_prior_and_whether_intervals_can_be_trusted(shap_result):
    shap = shap_result(features=tuple("abcdefgh"), samples=100)
    found = details.document(sections(shap=shap), (), FACTS)["kernel_shap"]
    assert found["estimator"] == "blup"
    assert found["prior"]["source"] == "default"
    plan = replace(shap.plan, prior=replace(shap.plan.prior, trusted=True, relevance=(1.0,) * 8))
    trusted = details.document(sections(shap=replace(shap, plan=plan)), (), FACTS)["kernel_shap"]
    assert "95 of 100" in trusted["intervals"]
    assert trusted["prior"]["relevance"] == [1.0] * 8
    plan = replace(plan, prior=replace(plan.prior, trusted=False))
    doubtful = details.document(sections(shap=replace(shap, plan=plan)), (), FACTS)["kernel_shap"]
    assert doubtful["intervals"].startswith("doubtful")


def test_details_of_pair_games_are_exact_where_no_pair_was_left_with_an_error(shap_result):
    shap = shap_result(features=tuple("abcdefgh"), samples=100, errors=0.0)
    pairs = replace(shap, plan=replace(shap.plan, engine=ENGINES["pairwise"]))
    found = details.document(sections(shap=pairs), (), FACTS)["kernel_shap"]
    assert (found["design"]["sampling"], found["estimator"]) == ("exact", "exact")
    shared = details.document(sections(shap=shap), (), FACTS)["kernel_shap"]
    assert (shared["design"]["sampling"], shared["estimator"]) == ("sampled", "blup")


# --- closing lines ------------------------------------------------------------------------------------------------


def test_closing_lines_of_each_analysis_stand_alone_and_together(bias_result, shap_result):
    of_bias, of_shap = summary.lines(sections(bias_result, None)), summary.lines(sections(None, shap_result()))
    assert of_bias[0].startswith("Positive outcomes")
    assert of_shap[0].startswith("Kernel SHAP")
    assert summary.lines(sections(bias_result, shap_result())) == [*of_bias, "", *of_shap]
    assert summary.lines(sections(None, None)) == []


def test_closing_lines_show_the_largest_groups_of_a_facet_with_many(bias_result):
    sizes = [9, 5, 20, 8, 7, 30, 6, 10, 11, 12, 13, 14]
    counts = [[FacetCounts(np.array([[[9, 0], [9, 0]], [[size, 0], [0, 0]]]), False) for size in sizes]]
    entries = tuple(Predicate("sex", (text,), None, text) for text in (f"{'x' * 90}{size}" for size in sizes))
    found = replace(bias_result.roles, facets=(replace(bias_result.roles.facets[0], entries=entries),), predicted=None)
    asked = StatisticsSettings(
        {"pre_training": choose(of_stage("pre_training"), ("CI",), "methods")}, 0.95, 0, BoundsByMetric(), 10
    )
    many = replace(bias_result, roles=found, counts=counts, statistics=bias_statistics(found, counts, (), (), asked))
    lines = summary.lines(sections(many, None))[1:]
    shown = [line.split(": ")[1].split()[0] for line in lines if " = " in line]
    assert shown == [str(size) for size in sizes if size not in (5, 6)]
    assert lines[0].startswith(f"  sex = {'x' * 79}…: ")
    assert lines[-1] == "  … the 10 largest of 12 groups of sex"


def test_closing_lines_show_features_by_weight_with_both_errors_and_the_cost(shap_result):
    shap = shap_result(labels=("label0",), features=tuple("abcdefghijkl"), samples=100)
    head, output, *features, more = summary.lines(sections(None, shap))
    assert "engine: shared, coalitions: 100, model records: 80, calls: 3" in head
    assert output == "  label0: mean |value| ± standard errors (expected value 0.25)"
    assert [line.split()[0] for line in features] == list("lkjihgfedc")
    assert features[0].startswith("    l  15 ± ")
    assert "(coalitions) ± " in features[0]
    assert features[0].endswith("(rows)")
    assert "12 features" in more


def test_closing_lines_of_exact_values_tell_no_error_over_coalitions(shap_result):
    lines = summary.lines(sections(None, shap_result(features=("a\nb", "c", "d"))))
    assert "exact" in lines[0]
    assert not any("(coalitions)" in line or "\n" in line for line in lines)


def test_closing_lines_say_when_intervals_are_doubtful(shap_result):
    shap = shap_result(features=tuple("abcdefgh"), samples=100)
    for trusted, wanted in ((True, 0), (False, 1)):
        plan = replace(shap.plan, prior=replace(shap.plan.prior, trusted=trusted))
        lines = summary.lines(sections(None, replace(shap, plan=plan)))
        assert sum("doubtful" in line for line in lines) == wanted
