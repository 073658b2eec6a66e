import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarify_spark.errors import CommandError
from clarify_spark.run.cost import Cost, Need, Size, cost_lines, refuse_too_many
from clarify_spark.udfs.predictors import Calling
from clarify_spark.udfs.requests.payloads import Payload

NEEDS = (Need("predictions", "9,000 rows, each once", 9000, 4096), Need("kernel SHAP", "9,000 rows × 10", 90000, 40960))


@given(calls=st.integers(1, 6), together=st.integers(1, 300), most=st.integers(1, 50))
def test_requests_are_as_many_as_payloads_of_equal_records_are_cut_into(calls, together, most):
    payload = Payload.of([b"12345"] * together)
    cut = len(payload.requests(Calling(batch_records=most)))
    need = Need("predictions", "", calls * together, together)
    assert Size(6.0, most).requests(need) == calls * cut


def test_a_cost_adds_up_its_needs():
    cost = Cost(9000, NEEDS, Size(100.0, 1000))
    assert cost.records == 99_000
    assert cost.requests == 3 * 5 + 3 * 41
    assert cost.bytes == 9_900_000
    said = list(cost_lines(cost))
    assert said[0] == "predictions: 9,000 rows, each once = about 9,000 model records"
    assert said[-1] == "requests: about 138, with 1,000 records or fewer in each; about 9.9 MB to send"


def test_a_model_in_process_has_no_requests():
    cost = Cost(9000, NEEDS, None)
    assert (cost.requests, cost.bytes) == (0, 0)
    assert len(list(cost_lines(cost))) == 2


def test_more_records_than_allowed_are_refused_with_how_they_come_about():
    cost = Cost(9000, NEEDS, None)
    refuse_too_many(cost, None)
    refuse_too_many(cost, 99_000)
    with pytest.raises(CommandError, match=r"98,999: .* about 99,000 model records .*kernel SHAP: 9,000 rows × 10"):
        refuse_too_many(cost, 98_999)
