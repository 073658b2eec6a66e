"""The parts of calling that need no server; test_endpoint_faults.py has the whole against a real one."""

import threading
import time
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarify_spark.udfs.errors import ModelError, RecordError
from clarify_spark.udfs.model_answer import Answer
from clarify_spark.udfs.model_spec import Calling
from clarify_spark.udfs.requests.calling import (
    TRIES,
    Caller,
    ConcurrencyLimiter,
    RequestError,
    is_page,
    reason_of_status,
    words,
)
from clarify_spark.udfs.requests.payloads import Payload
from clarify_spark.udfs.row_keys import row_description
from clarify_spark.udfs.traffic import Traffic, together


def admitted(gate, asked):
    """How many of so many threads a gate lets through at once."""
    inside, most, lock = 0, 0, threading.Lock()

    def work():
        nonlocal inside, most
        with gate.slot():
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.02)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(asked)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most


def test_a_gate_lets_as_many_through_as_allowed():
    assert admitted(ConcurrencyLimiter(3), 9) == 3


def test_a_gate_narrows_when_the_endpoint_is_overwhelmed_and_widens_as_it_answers():
    gate = ConcurrencyLimiter(8)
    gate.overwhelmed()
    assert admitted(gate, 12) == 4
    for _ in range(20):
        gate.overwhelmed()
    assert admitted(gate, 4) == 1
    for _ in range(100):
        gate.answered()
    assert admitted(gate, 24) == 8


def pieces(calls, most_bytes, most_records):
    """How many records were answered together, call by call, by an endpoint with these limits."""
    answered = []

    def send(body):
        if len(body) > most_bytes or body.count(b"\n") + 1 > most_records:
            raise RequestError("too_large", "said no")
        answered[-1].append(body)
        return body

    caller = Caller(send, lambda _, count: Answer(None, np.zeros((count, 1))), Calling(batch_records=64), "it")
    for records in calls:
        answered.append([])
        caller.ask(Payload.of(records))
    return [sorted(body.count(b"\n") + 1 for body in bodies) for bodies in answered]


records = st.builds(lambda count, length: [b"1" * length] * count, st.integers(1, 64), st.integers(1, 40))


@given(
    calls=st.lists(records, min_size=2, max_size=4), most_bytes=st.integers(40, 900), most_records=st.integers(1, 40)
)
def test_who_travels_with_whom_does_not_depend_on_what_was_refused_before(calls, most_bytes, most_records):
    alone = [pieces([call], most_bytes, most_records)[0] for call in calls]
    assert pieces(calls, most_bytes, most_records) == alone


@pytest.mark.parametrize("status", range(300, 600))
def test_every_status_has_a_reason_that_is_counted_or_fatal(status):
    reason = reason_of_status(status)
    assert reason == "fatal" or reason in {field.name for field in fields(Traffic)}
    assert (reason in ("throttled", "unavailable")) == (status in (408, 425, 429, 502, 503, 504))
    assert (reason in TRIES) == (reason in ("model_errors", "refused", "too_large"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"could not\n convert  'a'", "could not convert 'a'"),
        (b"<html><style>b{}</style><h1>502 Bad&nbsp;Gateway</h1>\n<hr>nginx</html>", "502 Bad Gateway nginx"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ("x" * 501, "x" * 500 + "…"),
    ],
)
def test_an_endpoints_words_are_one_line_without_tags(body, said):
    assert words(body) == said


traffics = st.builds(
    Traffic, requests=st.integers(0, 9), answered=st.integers(1, 9), fewest=st.integers(1, 9), most=st.integers(1, 9)
)


@given(first=traffics, second=traffics, third=traffics)
def test_traffic_adds_up_in_any_order_and_nothing_changes_nothing(first, second, third):
    assert together([together([first, second]), third]) == together([third, together([second, first])])
    assert together([first, None, Traffic()]) == first
    assert together([None, None]) is None


def test_a_row_is_told_by_its_key_and_by_its_place():
    assert row_description((2 << 40) + 6) == "row key 2199023255558 (record 7 of file 3)"


def test_pages_are_told_by_their_type_or_by_how_they_begin():
    assert is_page(b"sorry", "text/html; charset=utf-8")
    assert is_page(b"\n <html>", "text/plain")
    assert not is_page(b"0.5\n<1", "text/csv")
    assert not is_page(b'{"html": 1}', "application/json")


def caller_of(send, **calling):
    return Caller(send, lambda body, sent: Answer(None, np.zeros((sent, 1))), Calling(**calling), "the service")


def test_a_failure_for_good_is_told_although_an_earlier_request_is_still_tried():
    def send(body):
        if body == b"1":
            raise RequestError("throttled", "later")
        raise RequestError("fatal", "not you")

    caller = caller_of(send, batch_records=1, in_flight=2, retry_seconds=60.0)
    began = time.monotonic()
    with pytest.raises(ModelError, match="the service not you"):
        caller.ask(Payload.of([b"1", b"2"]))
    assert time.monotonic() - began < 30


def test_nobody_who_answers_is_given_up_before_all_records_were_asked_about_alone():
    asked = []

    def send(body):
        asked.append(body)
        time.sleep(0.05)
        raise RequestError("timed_out", "did not answer")

    with pytest.raises(ModelError, match=r"did not answer .*; there was no answer for 0.1 s") as caught:
        caller_of(send, retry_seconds=0.1).ask(Payload.of([b"x"] * 4096))
    assert not isinstance(caught.value, RecordError)
    assert len(asked) == 3


def test_a_record_that_takes_too_long_is_named_where_others_are_answered():
    def send(body):
        if b"slow" in body:
            raise RequestError("timed_out", "did not answer")
        return b""

    with pytest.raises(RecordError, match="did not answer") as caught:
        caller_of(send, retry_seconds=30.0).ask(Payload.of([b"x", b"x", b"slow", b"x"]))
    assert caught.value.position == 2
