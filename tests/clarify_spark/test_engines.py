"""An engine is a row of ENGINES and a module: a toy one takes part in everything, without another line of code."""

import json
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pandas as pd
import pytest

from clarify_spark.config import Shap, check_runnable, json_schema, load
from clarify_spark.documents import shap_details
from clarify_spark.documents.kernel_shap import section
from clarify_spark.errors import ConfigError
from clarify_spark.explaining.baseline import Baseline
from clarify_spark.explaining.plan import engine_of, plan_of, settings_of
from clarify_spark.explaining.result import ShapResult
from clarify_spark.explaining.summary import summarize
from clarify_spark.run import kernel_shap
from clarify_spark.run.context import Options
from clarify_spark.udfs.model_answer import Answer
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.shap.engines import ENGINES, EngineModule
from clarify_spark.udfs.shap.kernel_shap import Background, explain_block, probe, probe_records

K = 8
NAMES = tuple(f"x{place}" for place in range(K))
WEIGHTS = np.array([0.5, 0.5])


def whole_numbers(seed, rows):
    return pd.DataFrame(np.random.default_rng(seed).integers(0, 1000, (rows, K)).astype(float), columns=NAMES)


BACKGROUND, ROWS = whole_numbers(0, 2), whole_numbers(1, 5)


def adds(frame):
    return Answer(None, np.asarray(frame, dtype=float) @ np.arange(1.0, K + 1)[:, np.newaxis])


def multiplies(frame):
    cells = np.asarray(frame, dtype=float)
    return Answer(None, cells[:, :3].prod(axis=1, keepdims=True))


def settings(shap):
    spec = PredictorSpec("python", "python:nowhere:nothing", NAMES, ("float",) * K)
    return settings_of(shap, spec, tuple(range(K)), Background(BACKGROUND, WEIGHTS), 0)


def planned(predict, **shap):
    asked = Shap(num_samples=100, **shap)
    return plan_of(asked, settings(asked), probe(ROWS, predict, settings(asked)))


def result_of(predict):
    plan = planned(predict, engine="toy")
    found = summarize([explain_block(ROWS, predict, plan)], "mean_abs", exact=plan.game.design.exact)
    return ShapResult(("label0",), NAMES, plan, Baseline(BACKGROUND, WEIGHTS, "config", (), {}), found)


def config(**shap):
    shap = {"baseline": [[0.0] * K], **shap}
    model = {"model_uri": "model.skops"}
    return json.dumps({"dataset_type": "text/csv", "label": "y", "methods": {"shap": shap}, "predictor": model})


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "toys"))
    from toy_engine import ENGINE

    monkeypatch.setitem(ENGINES, "toy", ENGINE)
    yield ENGINE
    sys.modules.pop("toy_engine", None)


def test_every_engine_has_all_that_a_module_must_have(toy):
    due = {name for name in vars(EngineModule) if not name.startswith("_")}
    for row in ENGINES.values():
        assert due <= vars(row.code).keys()


def test_a_config_may_ask_for_it(toy):
    assert load(config(engine="TOY"), strict=True).config.methods.shap.engine == "toy"


def test_no_config_may_ask_for_an_engine_that_is_not_in_the_table():
    with pytest.raises(ConfigError) as failed:
        load(config(engine="toy"), strict=True)
    (problem,) = failed.value.problems
    assert str(problem) == 'methods.shap.engine: found "toy"; allowed: one of "auto", "shared", "pairwise"'


def test_messages_and_the_schema_name_it(toy):
    with pytest.raises(ConfigError, match='"shared", "pairwise", "toy"'):
        load(config(engine="share"), strict=True)
    node = json_schema()["$defs"]["Shap"]["properties"]["engine"]
    assert node["enum"] == ["auto", "shared", "pairwise", "toy"]
    assert "toy: each feature alone; auto: " in node["description"]
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(config(engine="toy")))


def test_the_schema_forgets_it_with_its_row(toy, monkeypatch):
    assert "toy" in json.dumps(json_schema())
    monkeypatch.delitem(ENGINES, "toy")
    assert "toy" not in json.dumps(json_schema())


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("toy", "toy with use_logit; allowed: auto: features do not add up inside of a link"),
        (
            "pairwise",
            "pairwise with use_logit; allowed: shared or auto: log-odds of a mean are not the mean of one game per "
            "baseline row",
        ),
    ],
)
def test_an_engine_refuses_configs_in_its_own_words(toy, engine, message):
    (problem,) = check_runnable(load(config(engine=engine, use_logit=True)).config)
    assert str(problem) == f"methods.shap.engine: found {message}"


def test_auto_takes_it_where_it_saves_enough(toy, monkeypatch):
    assert planned(adds).engine is toy
    assert planned(lambda frame: Answer(None, adds(frame).scores / 1e5), use_logit=True).engine is ENGINES["shared"]
    monkeypatch.delitem(ENGINES, "toy")
    assert planned(adds).engine is ENGINES["shared"]


def test_the_first_engine_is_taken_where_no_pilot_rows_tell(toy):
    assert engine_of(Shap(), settings(Shap()), np.empty((0, 2), np.int64)) is ENGINES["shared"]


def test_an_engine_asked_for_that_cannot_explain_the_rows_says_why(toy):
    asked = Shap(engine="toy", use_logit=True)
    with pytest.raises(ConfigError) as failed:
        engine_of(asked, settings(asked), np.full((1, 2), K))
    told = "methods.shap.engine: found toy; allowed: auto, shared: features do not add up inside of a link"
    assert str(failed.value) == told


def test_executors_find_its_module_by_the_plan_alone(toy, monkeypatch):
    sent = pickle.dumps(planned(adds, engine="toy"))
    monkeypatch.delitem(ENGINES, "toy")
    plan = pickle.loads(sent)  # noqa: S301
    explained = explain_block(ROWS, adds, plan)
    slopes = np.arange(1.0, K + 1)
    np.testing.assert_allclose(explained.values[:, 0], slopes * (ROWS - WEIGHTS @ BACKGROUND).to_numpy())
    assert explained.records + explained.duplicates == len(ROWS) * plan.engine.code.records_per_row(plan.settings, None)


def need(engine):
    """What a run over 1,000 rows, of which five are at hand, needs of its model."""
    asked = Shap(engine=engine, num_samples=100)
    inputs = kernel_shap.ShapInputs(asked, Baseline(BACKGROUND, WEIGHTS, "config", (), {}))
    dataset = SimpleNamespace(rows=1000, features=NAMES)
    run = SimpleNamespace(dataset=dataset, spec=settings(asked).spec, seed=0, options=Options())
    return kernel_shap.STEPS.need(run, inputs)


def test_a_forecast_counts_its_records_and_those_of_the_probe(toy, monkeypatch):
    monkeypatch.setattr(kernel_shap, "typed_sample", lambda *_: ROWS)
    found = need("toy")
    assert found.together == 1000 * (2 * K * len(BACKGROUND) + 1)
    assert found.records == found.together + probe_records(settings(Shap(num_samples=100)), 16)
    assert found.how == "1,000 rows × 8 features alone × 2 baseline rows, and a probe"
    assert need("shared").how == "1,000 rows × 100 coalitions × 2 baseline rows, and each row once, and a probe"
    assert need("pairwise").how == "1,000 rows × 201.0 (features that differ from 2 baseline rows), and a probe"


@pytest.mark.parametrize("samples", [20, 2**K - 2])
def test_the_probe_asks_for_as_many_records_as_foretold(samples):
    asked = settings(Shap(num_samples=samples))
    assert probe(ROWS, adds, asked).records == probe_records(asked, len(ROWS))


def test_the_details_and_the_closing_lines_speak_of_it_in_its_words(toy):
    details = shap_details.kernel_shap(result_of(multiplies))
    assert details["engine"] == "toy"
    assert details["design"] == {"sampling": "sampled", "features": K, "coalitions": 100, "kind": "each feature alone"}
    assert "engine: toy, features alone: 8, model records" in "\n".join(section(result_of(multiplies)).lines)


def test_the_details_and_the_closing_lines_call_exact_what_the_engine_calls_so(toy):
    assert shap_details.kernel_shap(result_of(adds))["estimator"] == "exact"
    assert "engine: toy, exact, model records" in "\n".join(section(result_of(adds)).lines)
