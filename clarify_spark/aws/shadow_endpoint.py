"""A SageMaker endpoint that lives as long as a run needs it, and the records for deleting a killed run's."""

from __future__ import annotations

import json
import re
import secrets
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from clarify_spark.aws.control_plane import Refusal, ask, sagemaker
from clarify_spark.config.predictor import Predictor
from clarify_spark.errors import ClarifyError, ModelError
from clarify_spark.spark.files.output import Output
from clarify_spark.version import __version__

#: Where the records are in the output.
FOLDER = "_shadow_endpoints"
#: SageMaker's own limit for a name.
LONGEST_NAME = 63
LONGEST_PREFIX = 23
#: How often a wait is reported.
NOTIFY_SECONDS = 30.0
#: Transient states; until they end SageMaker refuses to delete the endpoint.
PASSING = frozenset(("Creating", "Updating", "SystemUpdating", "RollingBack"))
_OWN_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*-\d{10}-[0-9a-f]{8}")

#: Shows a sentence to the user immediately.
Notify = Callable[[str], None]


@dataclass(frozen=True)
class PollingTimeouts:
    """How long to wait, in seconds: until an endpoint is ready, until it can be deleted, and between two polls.

    A missing endpoint is considered gone only when its record is ``settle_seconds`` old: a request that
    was cut off may still be in transit.
    """

    ready_seconds: float = 1800.0
    delete_seconds: float = 900.0
    poll_seconds: float = 10.0
    settle_seconds: float = 20.0


@dataclass(frozen=True)
class Record:
    """What must be known to delete an endpoint and its config, which have the same name."""

    name: str
    region: str
    model: str
    created: datetime

    @property
    def place(self) -> str:
        """The name of its file in the output."""
        return f"{FOLDER}/{self.name}.json"

    @property
    def text(self) -> str:
        """The content of its file."""
        known = {"endpoint": self.name, "region": self.region, "model": self.model}
        return json.dumps({**known, "created": self.created.isoformat(timespec="seconds")}, indent=2) + "\n"

    @property
    def age(self) -> float:
        """Seconds since the record was made."""
        return (datetime.now(UTC) - self.created).total_seconds()

    def __str__(self) -> str:
        return f"{self.name} ({self.region}, model {self.model}, of {self.created:%Y-%m-%d %H:%M} UTC)"


@dataclass(frozen=True)
class _RequestedEndpoint:
    """What SageMaker was asked to create; a request that was cut off counts, one that was refused does not."""

    client: Any
    record: Record
    made: set[str] = field(default_factory=lambda: {"endpoint", "config"})


@contextmanager
def shadow_endpoint(
    predictor: Predictor,
    output: Output,
    notify: Notify,
    *,
    region: str | None = None,
    timeouts: PollingTimeouts = PollingTimeouts(),
) -> Iterator[str]:
    """The name of a ready endpoint for ``predictor.model_name``; it is deleted however the block ends."""
    client = sagemaker(region)
    now = datetime.now(UTC)
    record = Record(_new_name(predictor, now), str(client.meta.region_name), str(predictor.model_name), now)
    requested = _RequestedEndpoint(client, record, set())
    output.write(record.place, record.text)
    try:
        notify(f"Creating endpoint {record.name} ({predictor.instance_type} × {predictor.initial_instance_count})")
        _create(requested, predictor)
        _wait_until_ready(requested, notify, timeouts)
        yield record.name
    except BaseException:
        with suppress(KeyboardInterrupt):  # the interruption has been reported; what ended the run is what counts
            _end(requested, output, notify, timeouts)
        raise
    _end(requested, output, notify, timeouts)


def _new_name(predictor: Predictor, now: datetime) -> str:
    """prefix-model-time-hex, as Clarify names its endpoints, truncated to what SageMaker allows."""
    unique = f"{int(now.timestamp())}-{secrets.token_hex(4)}"
    prefix = _plain(predictor.endpoint_name_prefix, LONGEST_PREFIX)
    model = _plain(str(predictor.model_name), LONGEST_NAME - len(prefix) - len(unique) - 2)
    return "-".join(filter(None, (prefix, model, unique)))


def _plain(text: str, longest: int) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "-", text).strip("-")[:longest].strip("-")


# --- making ---------------------------------------------------------------------------------------------------------


def _create(requested: _RequestedEndpoint, predictor: Predictor) -> None:
    """Ask for the config, then for the endpoint."""
    name = requested.record.name
    tags = [{"Key": "created-by", "Value": "clarify_spark"}, {"Key": "clarify_spark-version", "Value": __version__}]
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": predictor.model_name,
        "InstanceType": predictor.instance_type,
        "InitialInstanceCount": predictor.initial_instance_count,
    }
    if predictor.accelerator_type is not None:
        variant["AcceleratorType"] = predictor.accelerator_type
    config = partial(requested.client.create_endpoint_config, ProductionVariants=[variant])
    for what, create in (("config", config), ("endpoint", requested.client.create_endpoint)):
        requested.made.add(what)  # before the request: one that is cut off may still take effect
        names = {"EndpointConfigName": name} | ({"EndpointName": name} if what == "endpoint" else {})
        answer = ask(create, **names, Tags=tags)
        if isinstance(answer, Refusal) and not answer.existing:  # an earlier attempt took effect without an answer
            if answer.refused or (what == "config" and answer.unreached):
                requested.made.remove(what)
            raise answer.error(f"The endpoint {name} for the model {predictor.model_name} could not be created")


def _wait_until_ready(requested: _RequestedEndpoint, notify: Notify, timeouts: PollingTimeouts) -> None:
    """Poll the endpoint until it is InService."""
    record = requested.record
    wait = _ReportedWait(f"Waiting for endpoint {record.name}", notify, timeouts.poll_seconds)
    while True:
        found = _described(requested)
        if found is None and record.age >= timeouts.settle_seconds:
            raise ModelError(f"The endpoint {record.name} was deleted by someone else before it was ready.")
        status = "Creating" if found is None else str(found["EndpointStatus"])
        if status == "InService":
            return
        if status not in PASSING:
            reason = str((found or {}).get("FailureReason") or "SageMaker gave no reason").rstrip(".")
            raise ModelError(f"The endpoint {record.name} is {status}: {reason}. {_log(record)}")
        if wait.seconds >= timeouts.ready_seconds:
            limit = f"{timeouts.ready_seconds / 60:.3g} minutes"
            raise ModelError(f"The endpoint {record.name} is not ready after {limit} ({status}). {_log(record)}")
        wait.once(status)


def _log(record: Record) -> str:
    return f"Its log is kept in CloudWatch under /aws/sagemaker/Endpoints/{record.name} ({record.region})."


def _described(requested: _RequestedEndpoint) -> dict[str, Any] | None:
    """SageMaker's description of the endpoint, None when there is none."""
    answer = ask(requested.client.describe_endpoint, EndpointName=requested.record.name)
    if not isinstance(answer, Refusal):
        return answer
    if answer.not_found:
        return None
    raise answer.error(f"The state of the endpoint {requested.record.name} could not be read")


class _ReportedWait:
    """A wait that is reported from time to time."""

    def __init__(self, doing: str, notify: Notify, poll_seconds: float) -> None:
        self._doing, self._notify, self._poll = doing, notify, poll_seconds
        self._start = time.monotonic()
        self._next = 0.0

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._start

    def once(self, status: str) -> None:
        """Wait until the next poll."""
        if self.seconds >= self._next:
            self._next = self.seconds + NOTIFY_SECONDS
            self._notify(f"{self._doing} ({status}, {self.seconds:.0f} s)")
        time.sleep(self._poll)


# --- deleting -------------------------------------------------------------------------------------------------------


def _end(requested: _RequestedEndpoint, output: Output, notify: Notify, timeouts: PollingTimeouts) -> None:
    """Delete what was created and its record; what cannot be deleted is reported, never raised."""
    left = f"If endpoint {requested.record.name} remains, it costs money; {_command(output.uri)}"
    try:
        _delete(requested, output.uri, notify, timeouts)
        _forget(requested.record.place, output)
    except ClarifyError as error:
        notify(f"{str(error).rstrip('.')}. {left}")
    except KeyboardInterrupt:
        notify(f"Interrupted while deleting. {left}")
        raise


def _command(uri: str) -> str:
    return f"run: clarify-spark cleanup --output {shlex.quote(uri)}"


def _delete(requested: _RequestedEndpoint, uri: str, notify: Notify, timeouts: PollingTimeouts) -> None:
    """Delete the endpoint, then its config, which SageMaker needs while it creates one."""
    if "endpoint" in requested.made:
        notify(f"Deleting endpoint {requested.record.name}")
        _delete_endpoint(requested, uri, notify, timeouts)
    if "config" in requested.made:
        answer = ask(requested.client.delete_endpoint_config, EndpointConfigName=requested.record.name)
        if isinstance(answer, Refusal) and not answer.not_found:
            raise answer.error(f"The config of endpoint {requested.record.name} could not be deleted")


def _delete_endpoint(requested: _RequestedEndpoint, uri: str, notify: Notify, timeouts: PollingTimeouts) -> None:
    """Delete the endpoint, once SageMaker has created it."""
    record = requested.record
    doing = f"The endpoint {record.name} could not be deleted"
    later = f"Endpoint {record.name} can be deleted when SageMaker has finished with it; Ctrl-C stops waiting; then"
    wait = _ReportedWait(f"{later} {_command(uri)}", notify, timeouts.poll_seconds)
    while True:
        answer = ask(requested.client.delete_endpoint, EndpointName=record.name)
        if not isinstance(answer, Refusal):
            return
        if answer.not_found:
            if record.age >= timeouts.settle_seconds:
                return
            time.sleep(min(1.0, timeouts.poll_seconds))
            continue
        status = _status(requested) if answer.of_request else None
        if status == "Deleting":
            return
        if status is None or not (status in PASSING or answer.untimely):
            raise answer.error(doing)
        if wait.seconds >= timeouts.delete_seconds:
            raise ModelError(f"{doing}: it has been {status} for {wait.seconds / 60:.3g} minutes.")
        wait.once(status)


def _status(requested: _RequestedEndpoint) -> str:
    found = _described(requested)
    return "Deleting" if found is None else str(found["EndpointStatus"])


# --- records --------------------------------------------------------------------------------------------------------


def _forget(place: str, output: Output) -> None:
    """Remove a record, and the folder of records when it was the last."""
    output.delete(place)
    if not output.names(FOLDER):
        output.delete(FOLDER)


def _files(output: Output) -> list[str]:
    return [f"{FOLDER}/{name}" for name in output.names(FOLDER) if name.endswith(".json")]


def _read(place: str, output: Output) -> Record:
    """The record in a file; only names that this module creates are accepted, since they will be deleted."""
    try:
        known = json.loads((output.read_bytes(place) or b"").decode("utf-8"))
        record = Record(
            str(known["endpoint"]), str(known["region"]), str(known["model"]), datetime.fromisoformat(known["created"])
        )
        if not _OWN_NAME.fullmatch(record.name) or record.place != place or record.created.tzinfo is None:
            raise ValueError(record.name)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{output.uri}/{place} is not the record of an endpoint; look for one with that name, and remove the file."
        ) from error
    return record


def leftover_note(output: Output) -> str | None:
    """The notice for an output with records of endpoints that an earlier run may have left; None without."""
    files = _files(output)
    if not files:
        return None
    names = ", ".join(place.rpartition("/")[2].removesuffix(".json") for place in files)
    return f"An earlier run may have left endpoints that cost money ({names}); {_command(output.uri)}"


def leftovers(output: Output) -> Iterator[str]:
    """A line for each endpoint recorded in the output."""
    files = _files(output)
    for place in files:
        try:
            yield f"Left: endpoint {_read(place, output)}"
        except ModelError as error:
            yield str(error)
    if not files:
        yield _nothing(output)


def cleanup(output: Output, notify: Notify, *, timeouts: PollingTimeouts = PollingTimeouts()) -> Iterator[str]:
    """Delete each endpoint recorded in the output, a line for each; raises ModelError for what is left."""
    failures = list[str]()
    files = _files(output)
    for place in files:
        try:
            record = _read(place, output)
            _delete(_RequestedEndpoint(sagemaker(record.region), record), output.uri, notify, timeouts)
            _forget(place, output)
        except ClarifyError as error:
            failures.append(str(error))
        else:
            yield f"Deleted: endpoint {record}"
    if failures:
        raise ModelError("\n".join((f"{len(failures)} of {len(files)} endpoints could not be cleaned up.", *failures)))
    if not files:
        yield _nothing(output)


def _nothing(output: Output) -> str:
    return f"Nothing to clean up: {output.uri} has no record of an endpoint."
