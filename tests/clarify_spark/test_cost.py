import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarify_spark.config.analyses import ANALYSES
from clarify_spark.errors import CommandError
from clarify_spark.run.analysis import Planned, steps_of
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
    cost, analyses = Cost(9000, NEEDS, None), of("bias", "kernel_shap")
    refuse_too_many(cost, analyses, None)
    refuse_too_many(cost, analyses, 99_000)
    with pytest.raises(CommandError, match=r"98,999: .* about 99,000 model records .*kernel SHAP: 9,000 rows × 10"):
        refuse_too_many(cost, analyses, 98_999)


@pytest.mark.parametrize(
    ("keys", "advice"),
    [
        (("bias",), "Raise the limit"),
        (("bias", "partial_dependence"), "Set --pdp-rows, or raise the limit"),
        (
            ("kernel_shap", "partial_dependence"),
            "Lower methods.shap.num_samples, use fewer baseline rows, set --pdp-rows, or raise the limit",
        ),
    ],
)
def test_a_refusal_advises_what_lowers_the_records_of_the_requested_analyses(keys, advice):
    with pytest.raises(CommandError) as refusal:
        refuse_too_many(Cost(9000, NEEDS, None), of(*keys), 1)
    assert str(refusal.value).endswith(f"; nothing was sent. {advice} (--dry-run reports the cost)")


def of(*keys):
    return [Planned(key, steps_of(ANALYSES[key]), None) for key in keys]
