"""The fingerprint of checkpoints: what would change a result changes one of them, and what would not leaves them
alone.
"""

import json
from dataclasses import replace
from datetime import datetime

import pytest

from clarify_spark.config import load
from clarify_spark.spark.data.datasets import Source, data_fingerprint
from clarify_spark.spark.data.formats.snapshot import Snapshot, SourceFile
from clarify_spark.spark.delivery.models import predictor_fingerprint
from clarify_spark.udfs.predictors import Calling, PredictorSpec

SOURCE = Source((Snapshot("d", (SourceFile("d", 1, datetime(2026, 1, 1)),)),), 3, 0, ())
ENDPOINT = PredictorSpec("endpoint", "loans", ("a",), ("integer",), region="eu-west-1")


def config(**changes):
    methods = {"post_training_bias": {"methods": "all"}}
    text = {
        "dataset_type": "application/jsonlines",
        "features": "x",
        "label": "y",
        "headers": ["a", "y"],
        "label_values_or_threshold": [1],
        "facet": [{"name_or_index": "a", "value_or_threshold": [1]}],
        "methods": methods,
        "predictor": {"endpoint_name": "loans"},
    }
    return load(json.dumps({**text, **changes})).config


@pytest.mark.parametrize("changes", [{"features": "z"}, {"headers": ["y", "a"]}, {"dataset_type": "application/json"}])
def test_data_that_are_read_otherwise_are_other_data(changes):
    assert data_fingerprint(config(**changes), SOURCE) != data_fingerprint(config(), SOURCE)
    assert data_fingerprint(config(), SOURCE) == data_fingerprint(config(), SOURCE)


@pytest.mark.parametrize(
    "changes",
    [
        {"region": "us-east-1"},
        {"uri": "cards"},
        {"feature_names": ("b",)},
        {"calling": Calling(batch_records=7)},
        {"calling": Calling(payload_bytes=7)},
    ],
)
def test_an_endpoint_elsewhere_or_asked_in_other_company_is_another_model(changes):
    assert predictor_fingerprint(config(), replace(ENDPOINT, **changes)) != predictor_fingerprint(config(), ENDPOINT)


def test_a_run_that_was_throttled_can_go_on_with_fewer_requests_at_once_and_more_patience():
    calmer = replace(ENDPOINT, calling=Calling(in_flight=1, timeout_seconds=600.0, retry_seconds=3600.0))
    assert predictor_fingerprint(config(), calmer) == predictor_fingerprint(config(), ENDPOINT)


def test_a_temporary_endpoint_is_known_by_its_model():
    first, second = (replace(ENDPOINT, uri=f"sm-clarify-{run}", name="model loans") for run in (1, 2))
    assert predictor_fingerprint(config(), first) == predictor_fingerprint(config(), second)
