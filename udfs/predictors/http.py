"""Models behind an HTTP(S) address: requests and responses as configured, TLS certificates verified."""

from __future__ import annotations

import re
import ssl
import urllib.request
from typing import Any
from urllib.parse import unquote, urlsplit

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Predict
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.user_code import library
from clarify_spark.udfs.requests.calling import Caller, RequestError, Send, is_page, reason_of_status, words
from clarify_spark.udfs.requests.payloads import content_type, encoder
from clarify_spark.udfs.requests.responses import accept_type, decoder

#: Seconds to connect to the server; its answer may take longer.
CONNECT_SECONDS = 10.0
#: How urllib3 reports a proxy that needs a password, or denies access.
_REFUSED_BY_PROXY = re.compile(r"Tunnel connection failed: 40[137]")


def load(spec: PredictorSpec) -> Predict:
    """The service at an address."""
    where = spec.uri.partition("?")[0]  # a query may hold a secret
    return predictor(_sender(spec, where), spec, where)


def predictor(send: Send, spec: PredictorSpec, where: str) -> Predict:
    """A predictor that sends its requests by ``send``, with requests and responses as configured."""
    encode = encoder(spec)
    caller = Caller(send, decoder(spec), spec.calling, where)
    return lambda features: caller.ask(encode(features))


def _sender(spec: PredictorSpec, where: str) -> Send:
    urllib3 = library("urllib3", "http")
    pool = _pool(urllib3, spec)
    headers = urllib3.HTTPHeaderDict({"Content-Type": content_type(spec), "Accept": accept_type(spec)})
    for name, value in spec.headers:  # instead of ours, regardless of case
        headers[name] = value

    def send(body: bytes) -> bytes:
        try:
            response = pool.request("POST", spec.uri, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise _failure(urllib3.exceptions, error, spec) from error
        data = bytes(response.data)
        if response.status != 200:
            raise _refusal(response, data)
        if is_page(data, response.headers.get("Content-Type", "")):
            raise RequestError("garbled", f"answered with a page instead of predictions: {words(data)}")
        return data

    return send


def _pool(urllib3: Any, spec: PredictorSpec) -> Any:
    """Persistent connections, through the environment's proxy if it names one; urllib3 verifies TLS."""
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
    return _through(proxy, urllib3, settings)


def _through(proxy: str, urllib3: Any, settings: dict[str, Any]) -> Any:
    """Connections through a proxy; messages do not show its address, which may hold a password."""
    address = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(address)
        login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        headers = urllib3.make_headers(proxy_basic_auth=login) if parts.username else None
        return urllib3.ProxyManager(address, proxy_headers=headers, **settings)
    except ValueError as error:
        raise ModelError(
            "HTTP_PROXY or HTTPS_PROXY on the executors is not a usable proxy; set http://host:port"
        ) from error


def _failure(exceptions: Any, error: Exception, spec: PredictorSpec) -> RequestError:
    """Why there was no response."""
    if isinstance(error, exceptions.SSLError) and re.search("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE", str(error)):
        return RequestError("fatal", f"does not speak TLS at this port; is it http://? ({error})")
    if isinstance(error, exceptions.SSLError) and not isinstance(error.args[0], ssl.SSLEOFError):
        return RequestError(
            "fatal",
            f"cannot be trusted: {error}. If its certificate is from your own authority, set SSL_CERT_FILE on the "
            "executors to a file with the authority's certificate",
        )
    if isinstance(error, exceptions.ProxyError) and _REFUSED_BY_PROXY.search(str(error)):
        return RequestError("fatal", f"cannot be reached: {error}; see HTTP_PROXY and HTTPS_PROXY on the executors")
    if isinstance(error, exceptions.ConnectTimeoutError | exceptions.NewConnectionError | exceptions.ProxyError):
        return RequestError("unreachable", f"cannot be reached: {error}")
    if isinstance(error, exceptions.TimeoutError):
        seconds = f"{spec.calling.timeout_seconds:g}"
        return RequestError("timed_out", f"did not answer within {seconds} s (--request-timeout)")
    if isinstance(error, exceptions.LocationValueError):
        return RequestError("fatal", f"is not a usable address: {error}")
    return RequestError("disconnected", f"closed the connection without an answer: {error}")


def _refusal(response: Any, data: bytes) -> RequestError:
    """What a response other than 200 means, with its own message."""
    status = int(response.status)
    said = f"answered with HTTP {status}: {words(data) or response.reason or 'nothing more'}"
    if 300 <= status < 400:
        said = f"answered with HTTP {status}, a redirect, which is not followed; use the final address instead"
    return RequestError(reason_of_status(status), said, _seconds(response.headers.get("Retry-After")))


def _seconds(text: str | None) -> float | None:
    """The seconds of a Retry-After header; a date is ignored."""
    return float(text) if text is not None and text.strip().isdecimal() else None
