"""SageMaker's control plane on loopback: moto's, and before it a server for what moto does not do.

Moto's endpoints are in service at once and can always be deleted. Here an endpoint can be looked at for a while before
it is ready, is not deleted until then, and requests are refused, late or without an answer on demand.
"""

import contextlib
import functools
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

IN_PROGRESS = 'Cannot update in-progress endpoint "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/{}".'
REGION = "eu-west-1"
#: What botocore needs to sign requests, and nothing that leads beyond loopback.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
    "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
}


@dataclass
class ControlPlane:
    """What the server does and what it was asked; tests change it while it runs.

    The next ``looks`` at an endpoint see it Creating, after which it is ``Failed`` if there is a ``failure``. The next
    requests of an operation in ``refusals`` are answered with (HTTP status, code, message); an endless list refuses all
    of them. Operations in ``late`` are done after so many seconds, those in ``unanswered`` once without an answer.
    """

    moto: str
    url: str = ""
    looks: int = 0
    failure: str | None = None
    refusals: dict[str, list[tuple[int, str, str]] | Callable[[dict], tuple[int, str, str] | None]] = field(
        default_factory=dict
    )
    late: dict[str, float] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    asked: list[tuple[str, dict]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead boto3 here."""
        return ENVIRONMENT | {"AWS_REGION": REGION, "AWS_ENDPOINT_URL_SAGEMAKER": self.url}

    def client(self, region: str = REGION):
        """A client of moto itself, which nothing refuses or delays."""
        return _client(self.moto, region)

    def reset(self) -> None:
        """Forget what was asked and made, and begin again with a model named credit."""
        self.looks, self.failure = 0, None
        for scripted in (self.refusals, self.late, self.unanswered, self.asked):
            scripted.clear()
        urllib.request.urlopen(f"{self.moto}/moto-api/reset", data=b"", timeout=60).close()
        self.add_model("credit")

    def add_model(self, name: str, region: str = REGION) -> None:
        """Make a model that endpoints can be created for."""
        container = {"Image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/model"}
        role = "arn:aws:iam::123456789012:role/model"
        self.client(region).create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer=container)

    def left(self, region: str = REGION) -> tuple[list[str], list[str]]:
        """The names of the endpoints and of the configs that there are."""
        client = self.client(region)
        endpoints = [found["EndpointName"] for found in client.list_endpoints()["Endpoints"]]
        return endpoints, [found["EndpointConfigName"] for found in client.list_endpoint_configs()["EndpointConfigs"]]

    def operations(self) -> list[str]:
        """The names of the requests so far."""
        return [operation for operation, _ in self.asked]

    def answer(self, operation: str, body: dict, forward: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        """Status and body for a request; ``forward`` asks moto."""
        with self.lock:
            self.asked.append((operation, body))
            refusal = self._refusal(operation, body)
        if refusal is not None:
            return error(*refusal)
        time.sleep(self.late.get(operation, 0))
        status, data = forward()
        if operation == "DescribeEndpoint" and status == 200:
            with self.lock:
                return status, self._seen(data)
        return status, data

    def _refusal(self, operation: str, body: dict) -> tuple[int, str, str] | None:
        scripted = self.refusals.get(operation)
        if callable(scripted):
            return scripted(body)
        if scripted:
            return scripted.pop(0)
        if operation == "DeleteEndpoint" and self.looks > 0:
            return 400, "ValidationException", IN_PROGRESS.format(body["EndpointName"])
        return None

    def _seen(self, data: bytes) -> bytes:
        """What a look shows while the endpoint is not ready, or when it has failed."""
        found = json.loads(data)
        if self.looks > 0:
            self.looks -= 1
            found["EndpointStatus"] = "Creating"
        elif self.failure is not None:
            found |= {"EndpointStatus": "Failed", "FailureReason": self.failure}
        return json.dumps(found).encode()


@functools.cache
def _client(url: str, region: str):
    import boto3

    session = boto3.session.Session(
        ENVIRONMENT["AWS_ACCESS_KEY_ID"], ENVIRONMENT["AWS_SECRET_ACCESS_KEY"], region_name=region
    )
    return session.client("sagemaker", endpoint_url=url)


def error(status: int, code: str, message: str) -> tuple[int, bytes]:
    """An error response of the AWS JSON 1.1 protocol."""
    return status, json.dumps({"__type": code, "message": message}).encode()


def denied(action: str) -> tuple[int, str, str]:
    """The refusal of an action that the policies of the caller do not allow."""
    who = "arn:aws:sts::123456789012:assumed-role/analyst/session"
    why = "because no identity-based policy allows the"
    return 400, "AccessDeniedException", f"User: {who} is not authorized to perform: {action} {why} {action} action"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        plane = self.server.plane
        status, answer = plane.answer(operation, json.loads(data or b"{}"), lambda: self._of_moto(data))
        if operation in plane.unanswered:
            plane.unanswered.remove(operation)
            self.close_connection = True
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a caller who was killed
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    def _of_moto(self, data):
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        request = urllib.request.Request(self.server.plane.moto, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def control_plane() -> Iterator[ControlPlane]:
    """A control plane, to be reset before each use."""
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    plane = ControlPlane("http://{}:{}".format(*moto.get_host_and_port()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.plane = plane
    plane.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield plane
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        moto.stop()
