"""Models over the network that fail in every way: answers are those of a sound service, or the error says why not.

Against a real server, over HTTP and in SageMaker's wire format.
"""

import csv
import io
import json
import math
import os
import socket
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from serving import Faults, RefusedError, Server, certificate, serve

from clarify_spark.udfs.errors import ModelError, RecordError
from clarify_spark.udfs.predictors import Calling, PredictorSpec, load_predictor
from clarify_spark.udfs.scoring import score_batches, scored_blocks, unpacked

KINDS = {"age": "integer", "income": "float", "job": "string", "member": "boolean"}
#: Short time-outs, small requests: many of them.
CALLING = Calling(batch_records=10, in_flight=8, timeout_seconds=1.5, retry_seconds=30.0)
PASSING = Faults(every=7, time_outs=0.01, drops=0.01, cuts=0.01, pages=0.02, time_out_seconds=2.5, seed=42)
FORMS = {
    "text/csv": {"probability": 0},
    "application/jsonlines": {"content_template": '{"features":$features}', "probability": "score"},
    "application/json": {
        "content_template": '{"instances":$records}',
        "record_template": '{"features":$features}',
        "probability": "predictions[*].score",
    },
}
#: The way to a service has nothing to do with the format: one of them is enough for the second.
SERVICES = [*(("http", kind) for kind in FORMS), ("endpoint", "text/csv")]


def score(record):
    """A score with all its digits, from every value of the record."""
    age, income, job, member = record
    raw = math.sin(income or 0.0) + (age or 20) / 50 - len(job or "") / 7 + (0.3 if member else 0.0)
    return 1 / (1 + math.exp(-raw))


def alone(records):
    return [score(record) for record in records]


def in_company(records):
    """Scores that depend on the records that came in the same request."""
    scores = alone(records)
    return [one + sum(scores) / 1e6 for one in scores]


def people(count):
    """Typed features: numbers, texts with everything that CSV must quote, booleans, and missing ones of each."""
    random = np.random.default_rng(1)
    age = pd.Series(random.integers(18, 90, count))
    jobs = ["clerk", 'cook, "chef"', "poet\nand father", "Bürger", None]
    columns = {
        "age": age.where(age % 9 != 0),
        "income": pd.Series(random.normal(3, 2, count)).where(age % 7 != 0),
        "job": pd.Series(random.choice(jobs, count), dtype=object),
        "member": pd.Series(random.random(count) < 0.4, dtype=object).where(age % 5 != 0, None),
    }
    return pd.DataFrame(columns)


@dataclass(frozen=True)
class Service:
    """A server and how to load it as a predictor."""

    server: Server
    format: str

    def spec(self, kind="text/csv", calling=CALLING, **changes):
        name = f"model-{self.server.server_port}"
        self.server.endpoints.add(name)
        settings = {
            "format": self.format,
            "uri": name if self.format == "endpoint" else f"{self.server.url}/invocations",
            "feature_names": tuple(KINDS),
            "feature_kinds": tuple(KINDS.values()),
            "content_type": kind,
            "region": "eu-west-1",
            "calling": calling,
        }
        return PredictorSpec(**{**settings, **FORMS[kind], **changes})

    def ask(self, frame, *args, **changes):
        return load_predictor(self.spec(*args, **changes))(frame)


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch, tmp_path):
    """Neither its proxies nor its AWS account."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr("clarify_spark.udfs.requests.calling.FIRST_PAUSE", 0.02)


@pytest.fixture(params=["http", "endpoint"])
def service(request, monkeypatch):
    with serve(alone) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
        yield Service(server, request.param)


def outcomes(server):
    return Counter(seen.outcome for seen in server.seen)


def matches(traffic, server):
    """Whether the counts of the caller are those of the server."""
    seen = outcomes(server)
    assert traffic.requests == len(server.seen)
    assert traffic.answered == seen["answer"]
    assert traffic.bytes_sent == sum(len(one.body) for one in server.seen)
    assert traffic.throttled == seen["throttled"]
    # A page comes as 502, which is a reason of its own, or as 200.
    assert traffic.unavailable + traffic.garbled == seen["unavailable"] + seen["page"]
    assert traffic.timed_out == seen["time_out"]
    assert traffic.disconnected == seen["drop"] + seen["cut"]
    assert traffic.too_large == seen["too_large"]
    return True


# failures that pass


@pytest.mark.slow
@pytest.mark.parametrize(("service", "kind"), SERVICES, indirect=["service"])
def test_a_service_that_fails_now_and_then_gives_the_answers_of_a_sound_one_bit_for_bit(service, kind):
    frame = people(2000)
    sound = service.ask(frame, kind)
    assert matches(sound.traffic, service.server)
    assert sound.traffic.requests == 200
    service.server.forget()
    service.server.faults = PASSING
    faulty = service.ask(frame, kind)
    assert np.array_equal(sound.scores, faulty.scores)
    assert sound.scores[:, 0].tolist() == alone([[None if pd.isna(v) else v for v in row] for row in frame.to_numpy()])
    assert matches(faulty.traffic, service.server)
    assert min(outcomes(service.server)[kind] for kind in ("throttled", "unavailable", "drop", "cut", "page")) > 0
    assert faulty.traffic.timed_out > 0
    assert faulty.traffic.waited > 0
    assert (faulty.traffic.records, faulty.traffic.splits) == (2000, 0)


@pytest.mark.slow
def test_records_keep_their_company_however_often_their_request_is_sent(service):
    service.server.model = in_company
    frame = people(1000)
    sound = service.ask(frame)
    service.server.faults = replace(PASSING, time_outs=0.0)
    assert np.array_equal(sound.scores, service.ask(frame).scores)
    assert not np.array_equal(sound.scores, service.ask(frame, calling=replace(CALLING, batch_records=9)).scores)


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["body_limit", "front_limit"])
def test_a_limit_below_ours_is_found_and_kept(service, limit):
    frame = people(2000)
    large = replace(CALLING, batch_records=500)
    sound = service.ask(frame, calling=large)
    service.server.forget()
    service.server.faults = replace(PASSING, time_outs=0.0, **{limit: 3000})
    limited = service.ask(frame, calling=replace(large, retry_seconds=29.0))
    assert np.array_equal(sound.scores, limited.scores)
    assert matches(limited.traffic, service.server)
    assert 0 < limited.traffic.too_large < limited.traffic.splits
    assert max(len(seen.body) for seen in service.server.seen if seen.outcome == "answer") <= 3000
    again = service.ask(frame, calling=replace(large, retry_seconds=29.0))
    assert np.array_equal(sound.scores, again.scores)
    assert again.traffic.too_large == 0


def test_a_model_that_cannot_take_many_records_at_once_is_asked_about_fewer(service):
    def few(records):
        if len(records) > 30:
            raise RefusedError(500, "out of memory")
        return alone(records)

    frame = people(200)
    sound = service.ask(frame)
    service.server.model = few
    answer = service.ask(frame, calling=replace(CALLING, batch_records=100))
    assert np.array_equal(sound.scores, answer.scores)
    # 100 and 50 records fail, each three times.
    assert (answer.traffic.most, answer.traffic.splits, answer.traffic.model_errors) == (25, 6, 18)


@pytest.mark.slow
def test_requests_that_take_too_long_are_cut(service):
    frame = people(40)
    sound = service.ask(frame)
    service.server.faults = Faults(record_ms=15)
    answer = service.ask(frame, calling=replace(CALLING, batch_records=40, timeout_seconds=0.4))
    assert np.array_equal(sound.scores, answer.scores)
    assert answer.traffic.splits > 0
    assert answer.traffic.timed_out >= 3


@pytest.mark.slow
def test_a_pause_that_the_service_asks_for_is_kept(service):
    service.server.faults = Faults(every=2, turns=("throttled",), retry_after="1")
    traffic = service.ask(people(20), calling=replace(CALLING, in_flight=1)).traffic
    assert traffic.throttled == 1
    assert traffic.waited >= 1.0


# failures that stay


@pytest.mark.slow
@pytest.mark.parametrize(("service", "kind"), SERVICES, indirect=["service"])
def test_a_record_that_always_fails_is_named_with_the_services_own_words(service, kind):
    frame = people(400)
    frame.loc[123, "income"] = 1234.5
    frame.loc[321, "income"] = 1234.5
    service.server.faults = Faults(bad_record=lambda record: record[1] == 1234.5)
    with pytest.raises(RecordError, match=r"ValueError: no such luck with \[.*1234\.5") as raised:
        service.ask(frame, kind, calling=replace(CALLING, batch_records=200))
    assert raised.value.position == 123
    assert "answered with" in str(raised.value)
    failed = [seen for seen in service.server.seen if seen.outcome == "bad_record"]
    assert min(seen.body.count(b"1234.5") for seen in failed) == 1
    assert min(len(seen.body) for seen in failed) < 100


def test_a_record_that_always_fails_is_named_by_its_row_key(service):
    frame = people(40)
    frame.loc[31, "income"] = 1234.5
    service.server.faults = Faults(bad_record=lambda record: record[1] == 1234.5)
    batch = pa.RecordBatch.from_pandas(frame.assign(row_key=np.arange(40) + (3 << 40)))
    with pytest.raises(ModelError, match=rf"row key {(3 << 40) + 31} \(record 32 of file 4\).*no such luck"):
        list(score_batches(iter([batch]), service.spec(), list(KINDS)))


@pytest.mark.parametrize("kind", ["denied", "unauthorized", "not_found"])
def test_a_service_that_knows_neither_us_nor_the_model_is_asked_once(service, kind):
    service.server.faults = Faults(refuse=kind)
    said = {"denied": "403", "unauthorized": "401|403", "not_found": "404|account 123456789012 not found"}
    with pytest.raises(ModelError, match=said[kind]):
        service.ask(people(10))
    assert len(service.server.seen) == 1


def test_what_fails_for_good_ends_the_other_requests_of_a_call(service):
    service.server.faults = Faults(refuse="denied", request_ms=20)
    with pytest.raises(ModelError, match="403"):
        service.ask(people(3000), calling=replace(CALLING, in_flight=2))
    assert len(service.server.seen) <= 10


@pytest.mark.parametrize("off", [-1, 1])
def test_a_wrong_number_of_answers_is_told_with_both_numbers(service, off):
    service.server.faults = Faults(records_off=off)
    with pytest.raises(ModelError, match=f"answers {10 + off} records, but 10 were sent"):
        service.ask(people(10))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["throttled", "unavailable", "not_ready"])
def test_a_service_that_never_recovers_is_given_up_with_its_words(service, kind):
    service.server.faults = Faults(refuse=kind)
    with pytest.raises(ModelError, match=r"(?i)(too many|rate|unavailable|load).*the last of \d+ tries"):
        service.ask(people(10), calling=replace(CALLING, retry_seconds=0.5))
    assert len(service.server.seen) > 1


@pytest.mark.slow
def test_nobody_at_the_address_is_told_after_some_tries(service):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    spec = service.spec(calling=replace(CALLING, retry_seconds=0.3), uri=f"{address}/invocations")
    if service.format == "endpoint":
        os.environ["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] = address
        spec = replace(spec, uri="elsewhere")
    with pytest.raises(ModelError, match=r"cannot be reached.*the last of \d+ tries"):
        load_predictor(spec)(people(10))


def test_a_server_whose_certificate_nobody_signed_gets_nothing(service, monkeypatch, tmp_path):
    with serve(alone, certificate=certificate(tmp_path)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", server.url)
        secure = replace(service, server=server)
        with pytest.raises(ModelError, match=r"cannot be trusted.*(?i:certificate)"):
            secure.ask(people(10))
        assert server.seen == []


def test_a_server_with_a_certificate_of_our_own_authority_is_asked(service, monkeypatch, tmp_path):
    with serve(alone, certificate=certificate(tmp_path)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", server.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        monkeypatch.setenv("AWS_CA_BUNDLE", str(server.certificate))
        assert replace(service, server=server).ask(people(10)).records == 10


# what is sent


@pytest.mark.slow
@pytest.mark.parametrize("in_flight", [1, 3, 8])
def test_as_many_requests_are_under_way_as_allowed_and_never_more(service, in_flight):
    service.server.faults = Faults(request_ms=40)
    service.ask(people(300), calling=replace(CALLING, in_flight=in_flight))
    assert service.server.most_at_once == in_flight


@pytest.mark.slow
def test_blocks_of_one_request_each_are_under_way_together(service):
    service.server.faults = Faults(request_ms=200)
    calling = replace(CALLING, batch_records=4096, in_flight=4, timeout_seconds=5.0)
    frame = people(70)
    batch = pa.RecordBatch.from_pandas(frame.assign(row_key=np.arange(70) * 512), preserve_index=False)
    results = scored_blocks(iter([batch]), service.spec(calling=calling), list(KINDS))
    scored = pa.Table.from_batches(unpacked(results)).to_pandas()
    assert service.server.most_at_once == 4
    assert len(service.server.seen) == 9
    assert scored["row_key"].tolist() == (np.arange(70) * 512).tolist()
    assert np.array_equal(scored["score"], service.ask(frame).scores[:, 0])


@pytest.mark.slow
def test_requests_are_filled_up_to_the_limits_and_not_beyond(service):
    frame = people(500)
    calling = replace(CALLING, batch_records=100, payload_bytes=1000)
    service.ask(frame, calling=calling)
    lengths = [len(seen.body) for seen in service.server.seen]
    assert max(lengths) <= 1000
    assert sorted(lengths)[1] > 900  # all but the last are full
    service.server.forget()
    service.ask(frame, calling=replace(calling, payload_bytes=1))
    assert len(service.server.seen) == 500  # a record above the limit goes alone


def test_only_the_features_are_sent_in_the_order_of_the_data(service):
    frame = people(40)
    about = {"row_key": np.arange(40), "secret label": "yes", "joined": 7}
    batch = pa.RecordBatch.from_pandas(frame.iloc[:, ::-1].assign(**about), preserve_index=False)
    spec = service.spec(calling=replace(CALLING, in_flight=1))
    list(score_batches(iter([batch]), spec, list(KINDS)))
    text = "\n".join(seen.body.decode() for seen in service.server.seen)
    rows = list(csv.reader(io.StringIO(text, newline="")))
    age, income, job, member = zip(*rows, strict=True)
    assert age == tuple("" if pd.isna(value) else str(int(value)) for value in frame["age"])
    assert income == tuple("" if pd.isna(value) else repr(value) for value in frame["income"].tolist())
    assert job == tuple("" if value is None else value for value in frame["job"])
    assert member == tuple("" if value is None else str(value) for value in frame["member"])


@pytest.mark.parametrize(("service", "kind"), SERVICES, indirect=["service"])
def test_numbers_arrive_to_the_last_bit_and_floats_as_floats(service, kind):
    random = np.random.default_rng(0)
    drawn = random.integers(0, 2**64, 3000, dtype=np.uint64).view(np.float64)
    whole = [sign * digits * 10.0**power for sign in (1, -1) for digits in (1, 123) for power in range(23)]
    numbers = np.array([*drawn[np.isfinite(drawn)], *whole, 0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, 1e-7, 2.5])
    got = []

    def same(records):
        got.extend(record[1] for record in records)
        return [record[1] for record in records]

    service.server.model = same
    frame = people(len(numbers)).assign(income=numbers)
    answer = service.ask(frame, kind, calling=replace(CALLING, batch_records=1000))
    assert answer.scores[:, 0].tobytes() == numbers.tobytes()
    assert {type(number) for number in got} == {float}


def test_names_are_sent_where_a_template_has_them(service):
    service.server.model = lambda records: [0.5 for _ in records]
    service.ask(people(12), "application/json", record_template="$features_kvp")
    records = [record for seen in service.server.seen for record in json.loads(seen.body)["instances"]]
    assert [list(record) for record in records] == [list(KINDS)] * 12


def test_headers_reach_a_service_and_stay_out_of_every_message(service):
    spec = service.spec(headers=(("Authorization", "Bearer hush"),), target_model="b.tar.gz", custom_attributes="id=1")
    load_predictor(spec)(people(10))
    headers = service.server.seen[0].headers
    assert (headers["content-type"], headers["accept"]) == ("text/csv", "text/csv")
    if service.format == "http":
        assert headers["authorization"] == "Bearer hush"
    else:
        assert headers["x-amzn-sagemaker-target-model"] == "b.tar.gz"
        assert headers["x-amzn-sagemaker-custom-attributes"] == "id=1"
    service.server.faults = Faults(refuse="denied")
    with pytest.raises(ModelError) as raised:
        load_predictor(spec)(people(10))
    assert "hush" not in f"{raised.value}{spec}"
