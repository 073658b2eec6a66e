"""The config that ``bias_report`` and ``explain`` build from their arguments."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import clarify_spark
from clarify_spark.api import dataframes

ROWS = pd.DataFrame(
    {
        "decile": [1, 2, 3, 3, 4, 5],
        "amount": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5],
        "flag": [0, 1, 0, 1, 1, 0],
        "share": [0.0, 1.0, 0.0, 1.0, 1.0, 0.0],
        "truth": [True, False, True, False, True, False],
        "price": [Decimal("1.5"), Decimal(2), Decimal(3), Decimal(4), Decimal(5), Decimal(6)],
        "text": ["1", "2", "3", "1", "2", "3"],
        "level": pd.Categorical([1, 2, 3, 1, 2, 3]),
        "y": [0, 1, 2, 3, 1, 0],
    }
)


@pytest.fixture
def config_of(monkeypatch):
    found = []
    monkeypatch.setattr(dataframes, "analyze", lambda config, *arguments, **options: found.append(config))

    def call(data=ROWS, **arguments):
        clarify_spark.bias_report(data, **{"label": "y", "label_values": [1], "facets": "flag", **arguments})
        return found[-1]

    return call


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("decile", 3, "continuous"),
        ("decile", np.int64(3), "continuous"),
        ("decile", [3], None),
        ("amount", 2, "continuous"),
        ("price", 2.5, "continuous"),
        ("flag", 1, "categorical"),
        ("share", 1, "categorical"),
        ("flag", 0.5, "continuous"),
        ("truth", True, None),
        ("text", 2, None),
        ("level", 2, "categorical"),
    ],
)
def test_a_single_number_is_a_threshold_unless_it_is_one_of_two_values(config_of, column, value, kind):
    (facet,) = config_of(facets={column: value})["facet"]
    assert facet.get("type") == kind
    assert len(facet["value_or_threshold"]) == 1


def test_a_single_number_for_the_label_is_a_threshold_too(config_of):
    assert config_of(label_values=1)["label_type"] == "continuous"
    assert "label_type" not in config_of(label_values=[1])
    assert config_of(label="share", label_values=1)["label_type"] == "categorical"


def test_a_single_number_for_a_column_not_known_yet_is_a_threshold_unless_it_looks_like_a_code(config_of):
    found = config_of("rows.csv", facets={"age": 40, "male": 1}, label_values=400)
    assert [facet.get("type") for facet in found["facet"]] == ["continuous", None]
    assert found["label_type"] == "continuous"


def test_a_type_in_the_facet_stays(config_of):
    stated = {"name_or_index": "decile", "value_or_threshold": [3], "type": "categorical"}
    assert config_of(facets=[stated])["facet"] == [stated]


def test_values_of_a_baseline_are_not_positions_whatever_their_columns_are_called(monkeypatch):
    found = []
    monkeypatch.setattr(dataframes, "analyze", lambda config, data, **options: found.append((config, data)))
    rows = pd.DataFrame({"weight": [70, 80], "label": [1, 2]})
    clarify_spark.explain(rows, len, features=["label", "weight"], baseline=rows.head(1))
    ((config, data),) = found
    assert list(data.columns) == ["label", "weight"]
    assert config["methods"]["shap"]["baseline"] == [{"weight": 70, "label": 1}]
