"""Models behind an HTTP(S) address: requests and responses as the config says, TLS certificates verified."""

from __future__ import annotations

import urllib.request
from typing import Any
from urllib.parse import urlsplit

from clarify_spark.udfs.calling import Caller, RequestError, Send, reason_of_status, words
from clarify_spark.udfs.payloads import content_type, encoder
from clarify_spark.udfs.predictors.answer import Predict
from clarify_spark.udfs.predictors.spec import PredictorSpec
from clarify_spark.udfs.predictors.user_code import library
from clarify_spark.udfs.responses import accept_type, decoder

#: Seconds to reach the server; it may take longer to answer.
CONNECT_SECONDS = 10.0


def load(spec: PredictorSpec) -> Predict:
    """The service at an address."""
    where = spec.uri.partition("?")[0]  # a query may hold a secret
    return predictor(_sender(spec, where), spec, where)


def predictor(send: Send, spec: PredictorSpec, where: str) -> Predict:
    """What asks about a frame through ``send``, with requests and responses as the config says."""
    encode = encoder(spec)
    caller = Caller(send, decoder(spec), spec.calling, where)
    return lambda features: caller.ask(encode(features))


def _sender(spec: PredictorSpec, where: str) -> Send:
    urllib3 = library("urllib3", "http")
    pool = _pool(urllib3, spec)
    headers = {"Content-Type": content_type(spec), "Accept": accept_type(spec), **dict(spec.headers)}

    def send(body: bytes) -> bytes:
        try:
            response = pool.request("POST", spec.uri, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise _failure(urllib3.exceptions, error, spec) from error
        data = bytes(response.data)
        if response.status != 200:
            raise _refusal(response, data)
        if "html" in response.headers.get("Content-Type", "").lower():
            raise RequestError("garbled", f"answered with a page instead of predictions: {words(data)}")
        return data

    return send


def _pool(urllib3: Any, spec: PredictorSpec) -> Any:
    """Connections that are kept open, through the proxy that the environment names if it does; urllib3 verifies TLS."""
    parts = urlsplit(spec.uri)
    settings = {
        "maxsize": spec.calling.in_flight,
        "retries": False,
        "timeout": urllib3.Timeout(connect=CONNECT_SECONDS, read=spec.calling.timeout_seconds),
        "cert_reqs": "CERT_REQUIRED",
    }
    proxy = urllib.request.getproxies().get(parts.scheme.lower())
    if proxy is None or urllib.request.proxy_bypass(parts.hostname or ""):
        return urllib3.PoolManager(**settings)
    return urllib3.ProxyManager(proxy, **settings)


def _failure(exceptions: Any, error: Exception, spec: PredictorSpec) -> RequestError:
    """Why no response came."""
    if isinstance(error, exceptions.SSLError):
        return RequestError(
            "fatal",
            f"cannot be trusted: {error}. If it has a certificate of your own authority, set SSL_CERT_FILE on the "
            "executors to a file with the authority's certificate",
        )
    if isinstance(error, exceptions.ConnectTimeoutError | exceptions.NewConnectionError | exceptions.ProxyError):
        return RequestError("unreachable", f"cannot be reached: {error}")
    if isinstance(error, exceptions.TimeoutError):
        seconds = f"{spec.calling.timeout_seconds:g}"
        return RequestError("timed_out", f"did not answer within {seconds} s (--request-timeout)")
    if isinstance(error, exceptions.LocationValueError):
        return RequestError("fatal", f"is no address that can be asked: {error}")
    return RequestError("disconnected", f"closed the connection without an answer: {error}")


def _refusal(response: Any, data: bytes) -> RequestError:
    """What a response other than 200 means, in its own words."""
    status = int(response.status)
    said = f"answered with HTTP {status}: {words(data) or response.reason or 'nothing more'}"
    if 300 <= status < 400:
        said = f"answered with HTTP {status}, a redirection, which is not followed; give the final address instead"
    return RequestError(reason_of_status(status), said, _seconds(response.headers.get("Retry-After")))


def _seconds(text: str | None) -> float | None:
    """The seconds of a Retry-After header; a date there is not looked at."""
    return float(text) if text is not None and text.strip().isdecimal() else None
