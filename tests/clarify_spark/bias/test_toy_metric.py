"""A metric that is one row and one module works in all of the product except Spark, and nothing else knows about it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import toy_metric

from clarify_spark.bias import cautions
from clarify_spark.bias.comparisons import StatisticsSettings, bias_statistics
from clarify_spark.bias.counts import FacetCounts, Flips
from clarify_spark.bias.intersections import IntersectionCounts
from clarify_spark.bias.metrics import choose, measure
from clarify_spark.bias.predicates import Predicate
from clarify_spark.bias.result import BiasResult
from clarify_spark.bias.roles import FacetRole, LabelRole, Roles
from clarify_spark.bias.sections import post_training_section
from clarify_spark.bias.verdicts import Bound, BoundsByMetric, no_further
from clarify_spark.columns import ColumnProfile
from clarify_spark.config import check_runnable, json_schema, load
from clarify_spark.config.metrics import METRICS, of_stage
from clarify_spark.documents import analysis_json, details
from clarify_spark.documents.bias import section
from clarify_spark.errors import ConfigError
from clarify_spark.report.blocks import Figure, Section, Table, text_of
from clarify_spark.report.content import report_content

CELLS = np.array([[[400, 40], [100, 260]], [[60, 60], [20, 60]]])
#: TOY is 60/200 - 40/800.
VALUE = 0.25
CROSSED = IntersectionCounts((0, 1), (2, 2), np.stack([CELLS[1], CELLS[1], CELLS[0], CELLS[0]])[:, None], True, False)
BASE = {
    "dataset_type": "text/csv",
    "headers": ["approve", "guess", "sex"],
    "label": "approve",
    "predicted_label": "guess",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "sex"}],
}


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(METRICS, "TOY", toy_metric.ROW)


def facet(name):
    return FacetRole(name, "categorical", (Predicate(name, ("f",), None, "f"),), listed=True)


def bias_result(names=("DPPL", "FT", "TOY")):
    positive = Predicate("approve", (1,), None, "1")
    label, predicted = (LabelRole(name, "categorical", positive) for name in ("approve", "guess"))
    roles = Roles((facet("sex"), facet("race")), label, predicted, None, ())
    counts = [[FacetCounts(CELLS, True, flips=Flips(5, 3))]] * 2
    asked = StatisticsSettings(
        {"post_training": choose(of_stage("post_training"), names, "")},
        0.95,
        0,
        BoundsByMetric({"TOY": Bound(-0.1, 0.1)}),
        10,
    )
    return BiasResult(
        roles=roles,
        profiles={"sex": ColumnProfile("sex", "string", 1000, 0)},
        counts=counts,
        post_training=post_training_section(roles, counts, names),
        pre_training=None,
        performance=None,
        cautions=cautions.bias_cautions(roles, counts),
        notes=(),
        statistics=bias_statistics(roles, counts, [CROSSED], (), asked),
    )


def finding(found, name="TOY"):
    return next(one for one in found.statistics.facets[0][0].findings if one.estimate.metric == name)


def documents(found):
    facts = details.RunFacts({}, None, {}, {}, "x", 0)
    sections = [section(found)]
    return analysis_json.document(sections), details.document(sections, (), facts)


def blocks(part):
    for block in part.blocks if isinstance(part, Section) else part.sections:
        yield block
        if isinstance(block, Section):
            yield from blocks(block)


def problems(*names, bounds=None):
    methods = {"post_training_bias": {"methods": list(names)}}
    text = json.dumps({**BASE, "methods": methods, **({} if bounds is None else {"bounds": bounds})})
    return {problem.path: problem.message for problem in check_runnable(load(text).config)}


def test_a_config_may_ask_for_it_and_bound_it():
    assert problems("TOY", "DI", bounds={"TOY": {"max": 0.1}}) == {}


def test_an_unknown_neighbour_is_refused_as_ever_and_told_of_it():
    found = problems("TOI", bounds={"TYO": {"max": 0.1}})
    assert found["methods.post_training_bias.methods[0]"].endswith('CDDPL, FT, GE, TOY (did you mean "TOY"?)')
    assert found["bounds.TYO"].endswith('CDDPL, FT, GE, TOY (did you mean "TOY"?)')
    with pytest.raises(ConfigError, match=r"unknown metric 'TOI'; allowed .*TE, TOY"):
        choose(of_stage("post_training"), ("TOI",), "methods")


def test_the_schema_names_it_as_long_as_it_is_there(monkeypatch):
    def described():
        return json_schema()["$defs"]["PostTrainingBias"]["properties"]["methods"]["description"]

    assert described() == f'"all", or a list of short names: {", ".join(row.name for row in of_stage("post_training"))}'
    assert described().endswith("FT, GE, TOY")
    monkeypatch.delitem(METRICS, "TOY")
    assert described().endswith("FT, GE")


def test_its_sample_tells_interval_test_gap_sentence_and_verdict():
    told = finding(bias_result())
    inference = told.estimate
    assert inference.value == pytest.approx(VALUE)
    assert inference.interval.low < VALUE < inference.interval.high
    assert inference.interval.method == "miettinen_nurminen"
    assert inference.test.name == "score"
    assert inference.test.holm < 0.001
    assert 0 < inference.minimum_detectable_difference < VALUE
    assert told.sentence.startswith("Of 'sex' = 'f' 60 are favoured, of all other rows 40 (95 % interval ")
    assert told.verdict.kind == "outside_bounds"


def test_without_rows_it_is_undefined():
    nobody = FacetCounts(CELLS * np.array([1, 0])[:, None, None], True)
    (result,) = measure([METRICS["TOY"]], nobody)
    assert (result.value, result.error) == (None, "Facet set is empty")


def test_with_too_few_rows_it_has_a_reason(monkeypatch):
    scarce = replace(toy_metric.TOY, too_little=lambda batch: ["it is too little"] * len(batch.counts))
    monkeypatch.setattr(toy_metric, "TOY", scarce)
    told = finding(bias_result())
    assert told.estimate.interval is None
    assert told.sentence == "TOY of 'sex' = 'f' against all other rows: not enough data, it is too little."
    assert told.verdict.kind == "not_enough_data"


def test_a_former_value_bounds_it_in_the_direction_in_which_it_gets_worse(monkeypatch):
    assert no_further("TOY", 0.2) == Bound(high=0.2)
    monkeypatch.setitem(METRICS, "TOY", replace(toy_metric.ROW, worse="down"))
    assert no_further("TOY", 0.2) == Bound(low=-0.2)
    monkeypatch.setitem(METRICS, "TOY", replace(toy_metric.ROW, ideal=1, worse="down"))
    assert no_further("TOY", 1.25) == Bound(low=0.8)


@pytest.mark.parametrize("needs_flips", [False, True])
def test_a_combination_of_facets_has_it_unless_it_is_made_of_flips(monkeypatch, needs_flips):
    monkeypatch.setitem(METRICS, "TOY", replace(toy_metric.ROW, needs_flips=needs_flips))
    (crossed,) = bias_result().statistics.intersections
    names = [one.estimate.metric for one in crossed.cells[0].against_rest.findings]
    assert names == (["DPPL"] if needs_flips else ["DPPL", "TOY"])


def test_both_documents_have_it():
    analysis, told = documents(bias_result())
    (entry,) = analysis["post_training_bias_metrics"]["facets"]["sex"]
    assert entry["metrics"][-1]["name"] == "TOY"
    assert entry["metrics"][-1]["description"] == "Difference in Favours (TOY)"
    assert list(told["bias"])[-1] == "metrics"
    assert list(told["bias"]["metrics"]) == ["TOY", "DPPL", "FT"]
    assert told["bias"]["metrics"]["TOY"] == {
        "full_name": "Difference in Favours (TOY)",
        "meaning": "Share of favours of the group, less that of all others",
        "ideal": 0,
        "ideal_means": "no difference",
        "worse": "up",
        "minimum": "one row in each group",
        "headline": True,
        "chart_place": 1,
    }


def test_the_closing_lines_show_it():
    found = bias_result()
    interval = finding(found).estimate.interval
    (line,) = {line for line in section(found).lines if line.startswith("    predictions")}
    assert line.endswith(f", favours +0.250 [{interval.low:.3f}, {interval.high:.3f}])")


def test_a_report_shows_it_in_tables_chart_and_reading_help():
    made = list(blocks(report_content(*documents(bias_result()), "t")))
    tables = {block.caption: block for block in made if isinstance(block, Table)}
    row = next(row for row in tables["sex = f against all other rows"].rows if row[0] == "TOY")
    assert row[1:3] == ("Share of favours of the group, less that of all others", "0")
    assert text_of(row[3]) == "0.25"
    assert tables["Metrics in this report"].rows[0] == ("TOY", *row[1:3])
    assert tables["sex × race: each cell compared with all others"].columns == ("Cell", "Rows", "TOY", "DPPL")
    (chart, *_) = [block for block in made if isinstance(block, Figure) and block.caption.startswith("Differences")]
    assert [row[0] for row in chart.table.rows] == ["f: TOY", "f: DPPL"]


def test_a_report_draws_ratios_with_ratios(monkeypatch):
    ratio = replace(toy_metric.ROW, ideal=1, ideal_means="as many favours", chart_place=2)
    monkeypatch.setitem(METRICS, "TOY", ratio)
    made = blocks(report_content(*documents(bias_result(("DI", "TOY"))), "t"))
    chart = next(block for block in made if isinstance(block, Figure) and block.caption.startswith("Ratios (DI, TOY)"))
    assert "1 is the same share of positive predictions or as many favours." in chart.alt


def test_details_of_an_older_run_give_a_report_with_names_instead_of_meanings():
    analysis, told = documents(bias_result())
    del told["bias"]["metrics"]
    tables = {block.caption: block for block in blocks(report_content(analysis, told, "t")) if isinstance(block, Table)}
    assert tables["sex = f against all other rows"].rows[-1][:3] == ("TOY", "TOY", "–")
    assert tables["sex × race: each cell compared with all others"].columns == ("Cell", "Rows", "DPPL", "TOY")
    assert "Metrics in this report" not in tables
