"""Files read and counted by Spark, metrics made by our code: the numbers and texts of smclarify 0.5."""

import pytest
from agreement import COMMITTED_PARAMS, FULL_PARAMS, disagreements
from golden_cases import evaluate
from spark_counts import SparkCounts


@pytest.fixture(scope="module")
def counted(spark, tmp_path_factory):
    return SparkCounts(spark, tmp_path_factory.mktemp("cases")).engine()


@pytest.mark.parametrize("case", COMMITTED_PARAMS)
def test_every_committed_case_agrees_with_the_reference(case, counted):
    assert disagreements(case, evaluate(case, counted)) == []


@pytest.mark.parametrize("case", FULL_PARAMS)
def test_every_case_of_the_full_set_agrees_with_the_reference_or_with_the_table_of_differences(case, counted):
    assert disagreements(case, evaluate(case, counted)) == []
