"""A model server on loopback for tests and benchmarks: HTTP/1.1, SageMaker's wire format, and faults on demand.

``POST /invocations`` answers as a container or a scoring server of MLflow does, ``POST /endpoints/<name>/invocations``
as the SageMaker runtime. Requests and answers are CSV, JSON Lines or JSON by Content-Type and Accept. In a thread:

    with serve(predict, Faults(every=7)) as server:
        ...  # server.url, server.seen, server.most_at_once

or as a process of its own, which prints its port and ends when its stdin does:

    python tests/serving.py --model model.txt --request-ms 20
"""

import argparse
import contextlib
import csv
import datetime
import hashlib
import io
import ipaddress
import itertools
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|nan|[+-]?inf")
ENDPOINT = re.compile(r"/endpoints/([^/]+)/invocations")
PAGE = "<html>\n<head><title>{0}</title></head>\n<body>\n<center><h1>{0}</h1></center>\n<hr><center>nginx</center>\n"
LOG_STREAM = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/sagemaker/Endpoints/test"

#: From records (lists of numbers, texts, booleans and None) to a score, or a list of scores, for each.
Model = Callable[[list[list]], object]


@dataclass(frozen=True)
class Faults:
    """What goes wrong, by the number of a request alone: shares are drawn with a hash of ``seed`` and that number.

    Every ``every``-th request is refused for the reasons ``turns`` in turn (kinds of ``PLAIN`` and ``SAGEMAKER``).
    ``time_outs``, ``drops`` (reset without an answer), ``cuts`` (half an answer) and ``pages`` (HTML pages, as 502 and
    as 200 in turn) are shares of the requests. The container allows bodies of ``body_limit`` bytes, what stands before
    it ``front_limit``. Records that ``bad_record`` holds for fail, whatever comes with them. ``records_off`` is how
    many records too many an answer has. ``refuse`` refuses all requests.
    """

    seed: int = 0
    every: int = 0
    turns: tuple[str, ...] = ("throttled", "unavailable")
    retry_after: str | None = None
    time_outs: float = 0.0
    time_out_seconds: float = 3.0
    drops: float = 0.0
    cuts: float = 0.0
    pages: float = 0.0
    body_limit: int | None = None
    front_limit: int | None = None
    bad_record: Callable[[list], bool] | None = None
    records_off: int = 0
    refuse: str | None = None
    request_ms: float = 0.0
    record_ms: float = 0.0

    def drawn(self, kind: str, share: float, number: int) -> bool:
        """Whether the request with this number has the fault."""
        draw = hashlib.sha256(f"{self.seed} {kind} {number}".encode()).digest()
        return int.from_bytes(draw[:8]) / 2**64 < share


@dataclass(frozen=True)
class Seen:
    """A request as it came; ``outcome`` is ``answer`` or a kind of fault, ``ended`` None while it is under way.

    Headers have small letters; times are those of the monotonic clock.
    """

    number: int
    path: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    began: float
    ended: float | None = None
    outcome: str | None = None

    @property
    def endpoint(self) -> str | None:
        """The name of the endpoint; None for plain HTTP."""
        found = ENDPOINT.fullmatch(self.path)
        return found and found[1]


@dataclass(frozen=True)
class Reply:
    """An answer, ``share`` of which is sent: below 1 the connection ends with it."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    outcome: str = "answer"
    records: int = 0
    share: float = 1.0
    seconds: float = 0.0


class RefusedError(Exception):
    """The container cannot take the body or a record: status and its own words."""


# Formats


def records_of(body: bytes, content_type: str, path: str) -> list[list]:
    """The records of a request; ``path`` is where a JSON record has its features, with dots."""
    kind = content_type.partition(";")[0].strip()
    text = body.decode("utf-8")
    if kind == "text/csv":
        return [[_cell(cell) for cell in row] for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
    if kind == "application/jsonlines":
        return [_row(json.loads(line), path) for line in text.split("\n") if line]
    if kind == "application/json":
        return [_row(record, path) for record in _documents(json.loads(text))]
    raise RefusedError(415, f"This predictor does not take {kind}")


def _cell(text: str):
    if text in ("True", "False"):
        return text == "True"
    return None if text == "" else float(text) if NUMBER.fullmatch(text) else text


def _documents(document) -> list:
    """The records of a JSON request, whichever of the usual shapes it has."""
    if isinstance(document, dict):
        for key in ("instances", "inputs", "dataframe_records"):
            if key in document:
                return document[key]
        if "dataframe_split" in document:
            return document["dataframe_split"]["data"]
        return [document]
    return document if document and isinstance(document[0], (list, dict)) else [document]


def _row(record, path: str) -> list:
    """The values of a record: a list, an object that has one at the path, or an object of its values."""
    found = record
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    values = record if found is None else found
    return list(values.values()) if isinstance(values, dict) else values


def written(scores, accept: str) -> bytes:
    """The answer's body: one score, or list of scores, per record, with all their digits."""
    listed = np.asarray(scores, dtype=np.float64).tolist()
    if accept == "text/csv":
        rows = (score if isinstance(score, list) else [score] for score in listed)
        return "".join(f"{','.join(map(repr, row))}\n" for row in rows).encode()
    if accept == "application/jsonlines":
        return "".join(f"{json.dumps({'score': score})}\n" for score in listed).encode()
    if accept == "application/json":
        return json.dumps({"predictions": [_prediction(score) for score in listed]}).encode()
    raise RefusedError(406, f"This predictor does not answer {accept}")


def _prediction(score) -> dict:
    best = int(np.argmax(score)) if isinstance(score, list) else int(score > 0.5)
    return {"score": score, "label": best}


# Errors in the two languages

#: Kinds of refusal: status and words.
PLAIN = {
    "throttled": (429, "Too many requests"),
    "unavailable": (503, "Service unavailable"),
    "internal": (500, "Internal server error"),
    "not_ready": (503, "The model is loading"),
    "unauthorized": (401, "Invalid credentials"),
    "denied": (403, "Forbidden"),
    "not_found": (404, "Not found"),
}
#: The same kinds: status, type and message.
SAGEMAKER = {
    "throttled": (400, "ThrottlingException", "Rate exceeded"),
    "unavailable": (503, "ServiceUnavailable", "The service is currently unavailable."),
    "internal": (500, "InternalFailure", "An internal failure occurred."),
    "not_ready": (429, "ModelNotReadyException", "The model is being loaded."),
    "unauthorized": (403, "UnrecognizedClientException", "The security token included in the request is invalid."),
    "denied": (403, "AccessDeniedException", "User is not authorized to perform: sagemaker:InvokeEndpoint"),
    "not_found": (400, "ValidationError", "Endpoint {name} of account 123456789012 not found."),
}


def refusal(seen: Seen, kind: str, retry_after: str | None = None) -> Reply:
    """The service itself says no."""
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    if seen.endpoint is None:
        status, words = PLAIN[kind]
        return Reply(status, json.dumps({"error": words}).encode(), headers=headers, outcome=kind)
    status, name, message = SAGEMAKER[kind]
    return _aws_error(status, name, {"message": message.format(name=seen.endpoint)}, headers, kind)


def container_error(seen: Seen, status: int, words: str, outcome: str) -> Reply:
    """The model's container says no; the SageMaker runtime wraps what it says."""
    if seen.endpoint is None:
        kind = "text/html" if words.startswith("<html>") else "text/plain"
        return Reply(status, words.encode(), f"{kind}; charset=utf-8", outcome=outcome)
    blame = "client" if status < 500 else "server"
    message = f'Received {blame} error ({status}) from primary with message "{words}". See the logs for more.'
    original = {"OriginalStatusCode": status, "OriginalMessage": words, "LogStreamArn": LOG_STREAM}
    return _aws_error(424, "ModelError", {"Message": message, **original}, (), outcome)


def _aws_error(status: int, name: str, body: dict, headers: tuple, outcome: str) -> Reply:
    return Reply(status, json.dumps(body).encode(), headers=(("x-amzn-ErrorType", name), *headers), outcome=outcome)


def page(status: int, title: str, outcome: str) -> Reply:
    """What a proxy in front of the service says."""
    return Reply(status, PAGE.format(title).encode(), "text/html", outcome=outcome)


# Deciding


def reply_to(seen: Seen, server: "Server") -> Reply:
    """The answer to a request, faulty if it is the request's turn."""
    faults = server.faults
    reply = _in_front(seen, server) or _from_container(seen, server)
    if faults.drawn("time-outs", faults.time_outs, seen.number):
        return replace(reply, seconds=faults.time_out_seconds, outcome="time_out")
    if faults.drawn("drops", faults.drops, seen.number):
        return replace(reply, share=0.0, outcome="drop")
    if faults.drawn("cuts", faults.cuts, seen.number):
        return replace(reply, share=0.5, outcome="cut")
    return replace(reply, seconds=(faults.request_ms + faults.record_ms * reply.records) / 1000)


def _in_front(seen: Seen, server: "Server") -> Reply | None:
    """What is said before a container sees the request."""
    faults = server.faults
    if faults.refuse:
        return refusal(seen, faults.refuse)
    unknown = seen.path != "/invocations" if seen.endpoint is None else seen.endpoint not in server.endpoints
    if unknown:
        return refusal(seen, "not_found")
    if faults.every and seen.number % faults.every == 0:
        turn = (seen.number // faults.every - 1) % len(faults.turns)
        return refusal(seen, faults.turns[turn], faults.retry_after)
    if faults.drawn("pages", faults.pages, seen.number):
        status, title = next(server.pages)
        return page(status, title, "page")
    if faults.front_limit is not None and len(seen.body) > faults.front_limit:
        return page(413, "413 Request Entity Too Large", "too_large")
    return None


def _from_container(seen: Seen, server: "Server") -> Reply:
    faults = server.faults
    if faults.body_limit is not None and len(seen.body) > faults.body_limit:
        return container_error(seen, 413, PAGE.format("413 Request Entity Too Large"), "too_large")
    try:
        return _answer(seen, server)
    except RefusedError as refused:
        return container_error(seen, *refused.args, "bad_record")
    except (ValueError, csv.Error, LookupError) as error:
        return container_error(seen, 400, f"Unable to read the request: {error}", "unreadable")


def _answer(seen: Seen, server: "Server") -> Reply:
    faults = server.faults
    content_type = seen.headers.get("content-type", "")
    records = server.read(seen.body, content_type, server.features)
    bad = next((record for record in records if faults.bad_record and faults.bad_record(record)), None)
    if bad is not None:
        raise RefusedError(500, f"ValueError: no such luck with {bad}")
    accept = seen.headers.get("accept", "*/*").partition(";")[0].strip()
    accept = content_type.partition(";")[0].strip() if accept == "*/*" else accept
    scores = np.asarray(server.model(records), dtype=np.float64)
    if faults.records_off:
        scores = np.resize(scores, (len(records) + faults.records_off, *scores.shape[1:]))
    headers = (("x-Amzn-Invoked-Production-Variant", "primary"),) if seen.endpoint else ()
    return Reply(200, written(scores, accept), accept, headers, records=len(records))


# Serving


class Handler(BaseHTTPRequestHandler):
    """One connection, in a thread of its own."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: "Server"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen = self.server.begin(self.path, {key.lower(): value for key, value in self.headers.items()}, body)
        reply = reply_to(seen, self.server)
        seen = self.server.note(replace(seen, outcome=reply.outcome))
        self.server.stopping.wait(max(0.0, seen.began + reply.seconds - time.monotonic()))
        # Over before the client can know: whoever sends its next request at once is not two at once.
        self.server.note(replace(seen, ended=time.monotonic()))
        self._send(reply)

    def do_GET(self):
        """Health, and for other processes what came so far."""
        self._send(Reply(200, json.dumps(self.server.traffic()).encode()))

    def _send(self, reply: Reply):
        if reply.share == 0.0:
            self._reset()
            return
        self.send_response(reply.status)
        for name, value in (("Content-Type", reply.content_type), *reply.headers):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: int(len(reply.body) * reply.share)])
        self.close_connection = self.close_connection or reply.share < 1.0

    def _reset(self):
        """Close so that the other side gets a RST."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for stream in (self.rfile, self.wfile, self.connection):
            stream.close()
        self.wfile = io.BytesIO()  # flushed once more by the base class

    def log_message(self, *_):
        """Nothing: ``Server.seen`` has it."""


class Server(ThreadingHTTPServer):
    """A model and what is wrong with it; ``faults`` may be set between requests."""

    request_queue_size = 256
    daemon_threads = True

    def __init__(self, model: Model, faults: Faults = Faults(), port: int = 0, certificate: Path | None = None):
        super().__init__(("127.0.0.1", port), Handler)
        self.model, self.faults, self.read = model, faults, records_of
        self.endpoints, self.features = {"model"}, "features"
        self.stopping, self.most_at_once = threading.Event(), 0
        self.pages = itertools.cycle([(502, "502 Bad Gateway"), (200, "Please wait")])
        self.certificate = certificate
        self.errors: list[BaseException] = []
        self._seen: dict[int, Seen] = {}
        self._under_way: set[int] = set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        """Its address without a path."""
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.server_port}"

    @property
    def seen(self) -> list[Seen]:
        """The requests so far, in the order in which they came."""
        with self._lock:
            return list(self._seen.values())

    def traffic(self) -> dict:
        """The requests so far in numbers."""
        outcomes = Counter(str(seen.outcome) for seen in self.seen)
        return {"requests": outcomes.total(), "most_at_once": self.most_at_once, "outcomes": dict(outcomes)}

    def forget(self):
        """Start counting anew."""
        with self._lock:
            self._seen.clear()
            self._under_way.clear()
            self.most_at_once = 0

    def begin(self, path: str, headers: dict[str, str], body: bytes) -> Seen:
        """Note a request."""
        with self._lock:
            seen = Seen(len(self._seen) + 1, path, headers, body, time.monotonic())
            self._seen[seen.number] = seen
            self._under_way.add(seen.number)
            self.most_at_once = max(self.most_at_once, len(self._under_way))
            return seen

    def note(self, seen: Seen) -> Seen:
        """Note what became of a request."""
        with self._lock:
            known = self._seen.get(seen.number)
            if known and known.began == seen.began:
                self._seen[seen.number] = seen
                self._under_way -= {seen.number} if seen.ended else set()
        return seen

    def process_request(self, request, client_address):
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def stop(self):
        """End all connections and the thread that accepts new ones."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            waiting = list(self._open)
        for connection in waiting:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address):
        """Clients that have left, or that do not trust the certificate, are no error of the server."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.errors.append(error)


@contextlib.contextmanager
def serve(model: Model, faults: Faults = Faults(), certificate: Path | None = None, port: int = 0):
    """A server in a thread of this process; raises what went wrong in it, if that was not on demand."""
    server = Server(model, faults, port, certificate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
    for error in server.errors:
        raise error


@contextlib.contextmanager
def serve_apart(*options: str):
    """The port of a server in a process of its own; options are those of the command line."""
    command = [sys.executable, __file__, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(30)


def certificate(folder: Path) -> Path:
    """A self-signed certificate for loopback, which nobody trusts, in a PEM file with its key beside it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    signed = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "server.key").write_bytes(key.private_bytes(pem, form, plain))
    (folder / "server.pem").write_bytes(signed.public_bytes(pem))
    return folder / "server.pem"


# Models


def matrix(records: list[list]) -> np.ndarray:
    """Records of numbers (n, M); None is NaN."""
    return np.array([[np.nan if value is None else value for value in record] for record in records], dtype=np.float64)


def lightgbm_model(path: str | os.PathLike) -> Model:
    """The model of a LightGBM text file."""
    import lightgbm

    booster = lightgbm.Booster(model_file=str(path))
    lock = threading.Lock()

    def predict(records: list[list]):
        with lock:
            return booster.predict(matrix(records), num_threads=1)

    return predict


def first_value(records: list[list]) -> list[float]:
    """The first value of each record: a model that costs nothing."""
    return [float(record[0] or 0.0) for record in records]


def first_cells(body: bytes, content_type: str, path: str) -> list[list]:
    """Of CSV without quotes only the first cell of each record: reading that costs next to nothing either."""
    if content_type != "text/csv":
        return records_of(body, content_type, path)
    return [[line.partition(b",")[0]] for line in body.split(b"\n")]


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="a LightGBM text file; without it a record's first value is its score")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", type=Path)
    for name, kind in (("every", int), ("time_outs", float), ("drops", float), ("cuts", float), ("pages", float),
                       ("body_limit", int), ("request_ms", float), ("record_ms", float)):  # fmt: skip
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=getattr(Faults, name))
    options = vars(parser.parse_args())
    path, port, pem = options.pop("model"), options.pop("port"), options.pop("certificate")
    server = Server(lightgbm_model(path) if path else first_value, Faults(**options), port, pem)
    server.read = records_of if path else first_cells
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()
    for error in server.errors:
        raise error


if __name__ == "__main__":
    main()
