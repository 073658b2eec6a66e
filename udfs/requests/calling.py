"""Requests to an endpoint: several at once, retried after temporary failures, split in two when records are the cause.

How records are split into requests depends on the records, the limits, and what the endpoint refuses; never on time or
chance, so that the same rows go to the model together however often a request had to be retried.
"""

from __future__ import annotations

import math
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Literal

from clarify_spark.udfs.errors import ModelError, RecordError
from clarify_spark.udfs.model_answer import Answer, concatenated
from clarify_spark.udfs.model_spec import Calling
from clarify_spark.udfs.requests.payloads import Payload
from clarify_spark.udfs.requests.responses import Decode
from clarify_spark.udfs.traffic import Traffic, together

Reason = Literal[
    "throttled", "unavailable", "unreachable", "timed_out", "disconnected", "garbled",
    "model_errors", "refused", "too_large", "fatal",
]  # fmt: skip
#: Failures that may be caused by the records, and after how many tries to assume so; then fewer records may work.
TRIES = {"model_errors": 3, "timed_out": 3, "disconnected": 5, "refused": 1, "too_large": 1}
#: Failures that may also mean that there is no server.
_UNHEARD = ("timed_out", "disconnected")
#: A pause is drawn from 0 up to a bound that doubles with every failure: first and largest bound, in seconds.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 20.0
#: A pause requested by the endpoint is honoured up to this many seconds.
LONGEST_RETRY_AFTER = 60.0
_LONGEST_WORDS = 500


class RequestError(Exception):
    """One request got no answer; the text has the endpoint's own message, ``after`` the pause it requests."""

    def __init__(self, reason: Reason, text: str, after: float | None = None) -> None:
        super().__init__(text)
        self.reason: Reason = reason
        self.after = after


#: From the body of a request to the body of its answer; raises RequestError, and ModelError for permanent failures.
Send = Callable[[bytes], bytes]


def is_page(body: bytes, kind: str) -> bool:
    """Whether an answer is a page from something in front of the model, by its media type or its beginning."""
    return "html" in kind.lower() or body[:100].lstrip().startswith(b"<")


class _StoppedError(Exception):
    """Another request of the same records has finally failed."""


def reason_of_status(status: int) -> Reason:
    """What an HTTP status means for a failed request."""
    known: dict[int, Reason] = {
        408: "unavailable", 413: "too_large", 425: "unavailable", 429: "throttled",
        502: "unavailable", 503: "unavailable", 504: "unavailable",
    }  # fmt: skip
    if status in known:
        return known[status]
    if status < 400 or status in (401, 402, 403, 404, 405, 406, 407, 410, 411, 415, 501, 505, 511):
        return "fatal"
    return "refused" if status < 500 else "model_errors"


def words(body: bytes | str) -> str:
    """An endpoint's own message on one line, without the tags of a page."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    if text.lstrip().startswith("<"):
        text = unescape(re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", text[:20_000], flags=re.DOTALL | re.IGNORECASE))
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_WORDS else f"{text[:_LONGEST_WORDS]}…"


class ConcurrencyLimiter:
    """Limits concurrent requests; to fewer after the endpoint was overwhelmed, and to more again as it answers."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._window = float(most)
        self._active = 0
        self._changed = threading.Condition()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a slot, and hold it while the block runs."""
        with self._changed:
            while self._active >= int(self._window):
                self._changed.wait()
            self._active += 1
        try:
            yield
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify_all()

    def answered(self) -> None:
        """One more answer: after a full window of them the window grows by one."""
        with self._changed:
            self._window = min(float(self._most), self._window + 1 / self._window)
            self._changed.notify_all()

    def overwhelmed(self) -> None:
        """Halve the window, to at least one request."""
        with self._changed:
            self._window = max(1.0, self._window / 2)


@dataclass(eq=False)
class _Call:
    """One call of a model: its records, what became of its requests, and whether it has failed."""

    payload: Payload
    counts: Counter[str] = field(default_factory=Counter)
    sizes: list[int] = field(default_factory=list)
    waited: float = 0.0
    began: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)

    def count(self, **found: int) -> None:
        with self.lock:
            self.counts.update(found)

    def traffic(self) -> Traffic:
        return Traffic(
            **self.counts,
            answered=len(self.sizes),
            records=sum(self.sizes),
            fewest=min(self.sizes, default=0),
            most=max(self.sizes, default=0),
            waited=round(self.waited, 3),
        )


class Caller:
    """The requests of one Python worker to one endpoint; thread-safe, with a shared limit on requests in flight."""

    def __init__(self, send: Send, decode: Decode, calling: Calling, where: str) -> None:
        self._send = send
        self._decode = decode
        self._calling = calling
        self._where = where
        self._limiter = ConcurrencyLimiter(calling.in_flight)
        self._pool = ThreadPoolExecutor(calling.in_flight, "requests")
        #: Bytes and records of bodies refused for their size; none is dominated by another in both.
        self._refused: tuple[tuple[int, int], ...] = ()
        self._heard = -math.inf

    def ask(self, payload: Payload) -> Answer:
        """The answer for all records, in their order."""
        call = _Call(payload)
        requests = payload.requests(self._calling)
        answers = [self._answer(requests[0], call)] if len(requests) == 1 else self._answers(requests, call)
        return replace(concatenated(answers), traffic=together([call.traffic()]))

    def _answers(self, requests: list[slice], call: _Call) -> list[Answer]:
        futures = [self._pool.submit(self._answer, some, call) for some in requests]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            for error in [future.exception() for future in futures if future.done()]:
                if error is not None and not isinstance(error, RecordError):
                    raise error
            return [future.result() for future in futures]  # of several bad records the first is named
        finally:  # after a failure the other answers are not needed
            call.stopped.set()
            for future in futures:
                future.cancel()

    def _answer(self, some: slice, call: _Call) -> Answer:
        """The answer for some of the records, in one request or, if that is refused, in two."""
        count = some.stop - some.start
        body = call.payload.body(some)
        if count > 1 and any(length <= len(body) and records <= count for length, records in self._refused):
            return self._halves(some, call)
        try:
            answered = self._sent(body, count, call)
        except RequestError as failure:
            if failure.reason == "too_large":
                self._note_refused(len(body), count)
            if failure.reason not in TRIES:
                raise ModelError(f"{self._where} {failure}") from failure
            if failure.reason in _UNHEARD and self._silence(call) > self._calling.retry_seconds:
                said = f"there was no answer for {self._calling.retry_seconds:g} s (--retry-seconds)"
                raise ModelError(f"{self._where} {failure}; {said}") from failure
            if count == 1:
                raise RecordError(f"{self._where} {failure}", some.start) from failure
            return self._halves(some, call)
        return self._decode(answered, count)

    def _silence(self, call: _Call) -> float:
        """Seconds since the endpoint last answered, or since its first call."""
        return time.monotonic() - max(self._heard, call.began)

    def _note_refused(self, length: int, count: int) -> None:
        """Record the size of a refused body; the limit may apply to bytes, records, or both."""
        larger = [size for size in self._refused if length <= size[0] and count <= size[1]]
        self._refused = (*(size for size in self._refused if size not in larger), (length, count))

    def _halves(self, some: slice, call: _Call) -> Answer:
        call.count(splits=1)
        middle = (some.start + some.stop + 1) // 2
        return concatenated(
            [self._answer(part, call) for part in (slice(some.start, middle), slice(middle, some.stop))]
        )

    def _sent(self, body: bytes, count: int, call: _Call) -> bytes:
        """The body of the answer; raises the last RequestError when retrying is pointless."""
        failures: Counter[str] = Counter()
        first: float | None = None
        while True:
            if call.stopped.is_set():
                raise _StoppedError
            try:
                return self._once(body, count, call)
            except RequestError as failure:
                failures[failure.reason] += 1
                first = time.monotonic() if first is None else first
                pause = self._pause(failure, failures, time.monotonic() - first)
                if pause is None:
                    raise _final(failure, failures) from failure
            with call.lock:
                call.waited += pause
            call.stopped.wait(pause)

    def _once(self, body: bytes, count: int, call: _Call) -> bytes:
        with self._limiter.slot():
            call.count(requests=1, bytes_sent=len(body))
            try:
                answered = self._send(body)
            except RequestError as failure:
                if failure.reason != "fatal":
                    call.count(**{failure.reason: 1})
                if failure.reason in ("throttled", "unavailable", "timed_out"):
                    self._limiter.overwhelmed()
                raise
            with call.lock:
                call.sizes.append(count)
            self._heard = time.monotonic()
            self._limiter.answered()
            return answered

    def _pause(self, failure: RequestError, failures: Counter[str], seconds: float) -> float | None:
        """How long to wait before the same request is retried; None: no retry."""
        tries = failures[failure.reason]
        if failure.reason == "fatal" or tries >= TRIES.get(failure.reason, tries + 1):
            return None
        if failure.reason not in TRIES and seconds >= self._calling.retry_seconds:
            return None
        bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures.total() - 1, 30))
        asked = min(failure.after or 0.0, LONGEST_RETRY_AFTER)
        return asked + random.uniform(0.0, bound)


def _final(failure: RequestError, failures: Counter[str]) -> RequestError:
    """The failure, with how often the request was sent."""
    tries = failures.total()
    if tries == 1:
        return failure
    return RequestError(failure.reason, f"{failure} (the last of {tries} tries)")
