"""Proxies, headers and broken handshakes of HTTP services, against sockets that say what a test wants."""

import base64
import os
import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors import Calling, PredictorSpec
from clarify_spark.udfs.predictors.http import _sender
from clarify_spark.udfs.requests.calling import RequestError

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n0.5"


@pytest.fixture(autouse=True)
def _no_proxies_of_this_machine(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@contextmanager
def listening(reply):
    """The port of a server that answers its first connection with ``reply``, and what it was sent."""
    got = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection, suppress(OSError):  # the other side may have hung up
                got.append(connection.recv(65536))
                connection.sendall(reply)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], got
        thread.join(10)


def sent(uri, headers=()):
    """The answer to a request to this address."""
    spec = PredictorSpec(
        format="http",
        uri=uri,
        feature_names=("a",),
        feature_kinds=("integer",),
        headers=headers,
        calling=Calling(timeout_seconds=5.0),
    )
    return _sender(spec, uri)(b"1")


def failure(uri):
    with pytest.raises(RequestError) as caught:
        sent(uri)
    return caught.value


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_proxy_is_used_with_or_without_a_scheme(monkeypatch, scheme):
    with listening(ANSWER) as (port, got):
        monkeypatch.setenv("HTTP_PROXY", f"{scheme}127.0.0.1:{port}")
        assert sent("http://models.example.com/invocations") == b"0.5"
    assert got[0].startswith(b"POST http://models.example.com/invocations ")


def test_a_proxy_gets_the_password_in_its_address(monkeypatch):
    with listening(ANSWER) as (port, got):
        monkeypatch.setenv("HTTP_PROXY", f"http://me:p%40ss@127.0.0.1:{port}")
        sent("http://models.example.com/invocations")
    assert b"proxy-authorization: basic " + base64.b64encode(b"me:p@ss").lower() in got[0].lower()


def test_a_proxy_that_refuses_us_is_told_at_once_and_without_its_password(monkeypatch):
    with listening(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as (port, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:s3cret@127.0.0.1:{port}")
        found = failure("https://models.example.com/invocations")
    assert found.reason == "fatal"
    assert "407" in str(found)
    assert "s3cret" not in str(found)


@pytest.mark.parametrize("proxy", ["socks5://me:s3cret@127.0.0.1:1", "http://me:s3cret@[::1"])
def test_an_unusable_proxy_is_told_without_its_address(monkeypatch, proxy):
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(ModelError, match="is not a usable proxy") as caught:
        sent("http://models.example.com/invocations")
    assert "s3cret" not in str(caught.value)


def test_a_header_of_the_user_takes_the_place_of_ours():
    with listening(ANSWER) as (port, got):
        sent(f"http://127.0.0.1:{port}/", headers=(("content-type", "application/x-mine"),))
    lines = [line for line in got[0].lower().splitlines() if line.startswith(b"content-type:")]
    assert lines == [b"content-type: application/x-mine"]


def test_a_connection_that_breaks_in_the_handshake_may_be_made_again():
    with listening(b"") as (port, _):
        assert failure(f"https://127.0.0.1:{port}/").reason == "disconnected"


def test_a_server_that_speaks_no_tls_is_told_at_once():
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (port, _):
        assert failure(f"https://127.0.0.1:{port}/").reason == "fatal"
