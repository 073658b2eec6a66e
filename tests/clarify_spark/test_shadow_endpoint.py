"""Temporary endpoints: made, waited for, deleted however a run ends, and cleaned up after runs that were killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from control_plane import control_plane, denied
from hypothesis import given
from hypothesis import strategies as st

from clarify_spark.aws import control_plane as aws
from clarify_spark.aws.shadow_endpoint import FOLDER, PollingTimeouts, Record, _new_name, leftover_note, shadow_endpoint
from clarify_spark.cli import main
from clarify_spark.config.predictor import Predictor
from clarify_spark.errors import ModelError, OutputError
from clarify_spark.spark.files.output import Output

QUICK = PollingTimeouts(ready_seconds=60, delete_seconds=60, poll_seconds=0.05, settle_seconds=0)
PREDICTOR = Predictor(model_name="credit", instance_type="ml.m5.large", initial_instance_count=2)
NAME = re.compile(r"sm-clarify-credit-\d{10}-[0-9a-f]{8}")
SAGEMAKERS_PATTERN = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
WAIT = 60


@pytest.fixture(scope="module")
def server():
    with control_plane() as plane:
        yield plane


@pytest.fixture
def plane(server, monkeypatch):
    """The control plane without endpoints, and an environment that leads there."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.reset()
    return server


@dataclass(frozen=True)
class Run:
    """The output of a run and what was told."""

    folder: Path
    told: list[str] = field(default_factory=list)

    @property
    def output(self):
        return Output(str(self.folder), None)

    def endpoint(self, predictor=PREDICTOR, timeouts=QUICK, **options):
        return shadow_endpoint(predictor, self.output, self.told.append, timeouts=timeouts, **options)

    def records(self):
        return sorted(path.name for path in self.folder.glob(f"{FOLDER}/*"))

    def refused(self, predictor=PREDICTOR, kind=ModelError, **options):
        """The text of the error that ends a run before its endpoint is ready."""
        with pytest.raises(kind) as caught, self.endpoint(predictor, **options):
            pytest.fail("the endpoint is taken for ready")
        return str(caught.value)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "output")


# --- the life of an endpoint ----------------------------------------------------------------------------------------


def test_an_endpoint_runs_the_model_on_the_instances_asked_for_and_says_who_made_it(plane, run):
    with run.endpoint() as name:
        assert NAME.fullmatch(name)
        assert plane.left() == ([name], [name])
        [variant] = plane.client().describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]
        assert variant == {
            "VariantName": "AllTraffic",
            "ModelName": "credit",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 2,
        }
        arn = plane.client().describe_endpoint(EndpointName=name)["EndpointArn"]
        assert {"Key": "created-by", "Value": "clarify_spark"} in plane.client().list_tags(ResourceArn=arn)["Tags"]
    assert plane.left() == ([], [])


def test_an_accelerator_is_asked_for(plane, run):
    with run.endpoint(PREDICTOR.model_copy(update={"accelerator_type": "ml.eia2.medium"})):
        [body] = [body for operation, body in plane.asked if operation == "CreateEndpointConfig"]
    assert body["ProductionVariants"][0]["AcceleratorType"] == "ml.eia2.medium"


def test_the_endpoint_is_given_when_it_is_in_service_and_the_wait_is_told(plane, run):
    plane.looks = 3
    with run.endpoint() as name:
        assert plane.operations() == ["CreateEndpointConfig", "CreateEndpoint", *["DescribeEndpoint"] * 4]
    assert run.told == [
        f"Creating endpoint {name} (ml.m5.large × 2)",
        f"Waiting for endpoint {name} (Creating, 0 s)",
        f"Deleting endpoint {name}",
    ]


def test_the_record_says_what_must_be_known_to_delete_the_endpoint_and_no_secret(plane, run):
    with run.endpoint() as name:
        assert run.records() == [f"{name}.json"]
        text = (run.folder / FOLDER / f"{name}.json").read_text()
        record = json.loads(text)
        assert abs(datetime.fromisoformat(record.pop("created")) - datetime.now(UTC)) < timedelta(minutes=1)
        assert record == {"endpoint": name, "region": "eu-west-1", "model": "credit"}
        assert "secret" not in text
        assert "123456789012" not in text
    assert list(run.folder.iterdir()) == []


def test_nothing_is_made_where_no_record_can_be_written(plane, run):
    run.folder.write_text("a file")
    assert "cannot be written" in run.refused(kind=OutputError)
    assert plane.asked == []


@pytest.mark.slow
@pytest.mark.parametrize("ending", [ValueError("a bug"), ModelError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_what_ends_the_run_passes_unchanged_and_leaves_no_endpoint(plane, run, ending):
    with pytest.raises(type(ending)) as caught, run.endpoint():
        raise ending
    assert caught.value is ending
    assert plane.left() == ([], [])
    assert run.records() == []


def test_an_endpoint_that_someone_else_deleted_meanwhile_is_no_failure(plane, run):
    with run.endpoint() as name:
        plane.client().delete_endpoint(EndpointName=name)
        plane.client().delete_endpoint_config(EndpointConfigName=name)
    assert run.records() == []
    assert len(run.told) == 2


def test_the_region_asked_for_counts_before_those_of_the_environment(plane, run, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert aws.default_region() == "eu-west-1"
    with run.endpoint():
        assert len(plane.left()[0]) == 1
    run.refused(region="eu-central-1")  # the model is not there
    monkeypatch.delenv("AWS_REGION")
    assert aws.default_region() == "us-east-1"


@pytest.mark.slow
@given(
    prefix=st.from_regex(r"\A[a-zA-Z0-9]-*[a-zA-Z0-9][a-zA-Z0-9_ .-]{0,30}\Z"),
    model=st.from_regex(r"\A[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}\Z"),
)
def test_any_prefix_and_any_model_make_a_name_that_sagemaker_allows(prefix, model):
    predictor = Predictor(model_name=model, endpoint_name_prefix=prefix)
    name = _new_name(predictor, datetime.now(UTC))
    assert SAGEMAKERS_PATTERN.fullmatch(name)
    assert len(name) <= 63
    assert name[:1] == prefix[:1]
    assert name != _new_name(predictor, datetime.now(UTC))


# --- what goes wrong before it is ready -----------------------------------------------------------------------------

RESOURCE_LIMIT = (
    "The account-level service limit 'ml.m5.large for endpoint usage' is 0 Instances, with current utilization of 0 "
    "Instances and a request delta of 2 Instances."
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operation", "refusal", "says"),
    [
        ("CreateEndpointConfig", denied("sagemaker:AddTags"), "lacks the permission sagemaker:AddTags"),
        ("CreateEndpoint", denied("sagemaker:CreateEndpoint"), "lacks the permission sagemaker:CreateEndpoint"),
        ("CreateEndpoint", (400, "AccessDeniedException", "no"), "lacks the permission sagemaker:CreateEndpoint"),
        ("CreateEndpoint", (400, "ResourceLimitExceeded", RESOURCE_LIMIT), "Request a higher quota"),
        ("CreateEndpointConfig", (400, "ExpiredTokenException", "The token is expired"), "credentials were rejected"),
        ("CreateEndpoint", (400, "ValidationException", "ml.m5.huge is no instance"), "huge is no instance (Vali"),
        ("DescribeEndpoint", denied("sagemaker:DescribeEndpoint"), "lacks the permission sagemaker:DescribeEndpoint"),
    ],
)
def test_a_refusal_is_told_with_what_to_do_and_leaves_nothing(plane, run, operation, refusal, says):
    plane.refusals[operation] = [refusal]
    message = run.refused()
    assert says in message
    assert refusal[2].rstrip(".") in message
    assert plane.left() == ([], [])
    assert run.records() == []


def test_what_was_refused_is_not_deleted(plane, run):
    plane.refusals["CreateEndpoint"] = [denied("sagemaker:CreateEndpoint")]
    run.refused()
    assert plane.operations() == ["CreateEndpointConfig", "CreateEndpoint", "DeleteEndpointConfig"]


def test_an_unknown_model_is_told(plane, run):
    message = run.refused(PREDICTOR.model_copy(update={"model_name": "debit"}))
    assert "Could not find model" in message
    assert "predictor.model_name must name a SageMaker model of this account and region" in message
    assert run.records() == []


def test_an_endpoint_that_fails_is_told_with_sagemakers_reason_and_deleted(plane, run):
    plane.looks, plane.failure = 2, "The primary container did not pass the ping health check."
    message = run.refused()
    assert "is Failed: The primary container did not pass the ping health check. Its log" in message
    assert re.search(r"under /aws/sagemaker/Endpoints/sm-clarify-credit-\d+-\w+ \(eu-west-1\)", message)
    assert plane.left() == ([], [])


@pytest.mark.slow
def test_an_endpoint_that_is_not_ready_in_time_is_told_and_deleted_once_sagemaker_allows_it(plane, run):
    plane.looks = 8
    message = run.refused(timeouts=PollingTimeouts(0.1, 60, 0.05, 0))
    assert "is not ready after 0.00167 minutes (Creating)" in message
    assert "DeleteEndpoint" in plane.operations()
    assert plane.left() == ([], [])
    assert run.records() == []
    assert any("can be deleted when SageMaker has finished with it" in said for said in run.told)


def test_an_endpoint_that_someone_deletes_before_it_is_ready_is_told(plane, run):
    plane.refusals["DescribeEndpoint"] = [(400, "ValidationException", 'Could not find endpoint "arn".')]
    assert "was deleted by someone else before it was ready" in run.refused()


def test_a_creation_whose_answer_is_lost_is_found_again(plane, run):
    def again(_):
        before = plane.operations().count("CreateEndpoint") > 1
        return (400, "ValidationException", 'Cannot create already existing endpoint "arn".') if before else None

    plane.unanswered.add("CreateEndpoint")
    plane.refusals["CreateEndpoint"] = again
    with run.endpoint() as name:
        assert plane.left() == ([name], [name])
    assert plane.left() == ([], [])


def test_missing_credentials_are_told_before_anything_is_asked_or_written(plane, run, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "there are no AWS credentials; set AWS_PROFILE or" in run.refused()
    assert plane.asked == []
    assert not run.folder.exists()


def test_a_missing_region_is_told(plane, run, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    assert "there is no AWS region; set AWS_REGION" in run.refused()
    assert aws.default_region() is None


def test_a_profile_that_does_not_exist_is_told(plane, run, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "The config profile (nobody) could not be found" in run.refused()


def test_a_sagemaker_that_cannot_be_reached_is_told_and_leaves_no_record(plane, run, monkeypatch):
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:1")
    assert "SageMaker cannot be reached (Could not connect to the endpoint URL" in run.refused()
    assert run.records() == []


def test_a_missing_boto3_is_told_with_how_to_get_it(plane, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert run.refused().endswith("pip install 'clarify-spark[aws]'")


# --- what goes wrong at the end -------------------------------------------------------------------------------------

THROTTLED = (400, "ThrottlingException", "Rate exceeded")


@pytest.mark.slow
def test_what_is_throttled_is_asked_again(plane, run):
    with run.endpoint():
        plane.refusals["DeleteEndpoint"] = [THROTTLED, THROTTLED]
    assert plane.operations().count("DeleteEndpoint") == 3
    assert plane.left() == ([], [])
    assert run.records() == []


def test_what_is_throttled_without_end_is_told(plane, run, monkeypatch):
    monkeypatch.setattr(aws, "ATTEMPTS", 2)
    plane.refusals["CreateEndpointConfig"] = lambda _: THROTTLED
    assert "SageMaker throttled the request (Rate exceeded) 2 times" in run.refused()


def test_an_endpoint_that_cannot_be_deleted_does_not_sink_a_finished_run(plane, run):
    with run.endpoint() as name:
        plane.refusals["DeleteEndpoint"] = [denied("sagemaker:DeleteEndpoint")]
    assert run.told[-1].startswith(
        f"The endpoint {name} could not be deleted: the AWS identity of this run lacks the permission "
        "sagemaker:DeleteEndpoint. "
    )
    assert run.told[-1].endswith(
        f"If endpoint {name} remains, it costs money; run: clarify-spark cleanup --output {run.folder}"
    )
    assert run.records() == [f"{name}.json"]
    assert plane.left() == ([name], [name])


def test_an_endpoint_that_cannot_be_deleted_does_not_hide_what_ended_the_run(plane, run):
    plane.refusals["DeleteEndpoint"] = [denied("sagemaker:DeleteEndpoint")]
    with pytest.raises(ModelError, match=r"^the model is bad$"), run.endpoint():
        raise ModelError("the model is bad")
    assert "could not be deleted" in run.told[-1]
    assert len(run.records()) == 1


def test_a_config_that_cannot_be_deleted_stays_in_the_record(plane, run):
    with run.endpoint() as name:
        plane.refusals["DeleteEndpointConfig"] = [denied("sagemaker:DeleteEndpointConfig")]
    assert plane.left() == ([], [name])
    assert "sagemaker:DeleteEndpointConfig" in run.told[-1]
    assert run.records() == [f"{name}.json"]


def test_an_endpoint_that_stays_in_creation_is_left_to_its_record_after_a_while(plane, run):
    plane.looks = 10**6
    run.refused(timeouts=PollingTimeouts(0.1, 0.1, 0.05, 0))
    assert re.search(r"could not be deleted: it has been Creating for 0\.00\d+ minutes\. If endpoint", run.told[-1])
    assert len(run.records()) == 1


def test_a_record_that_cannot_be_removed_is_told(plane, run):
    with run.endpoint() as name:
        record = run.folder / FOLDER / f"{name}.json"
        record.unlink()
        (run.folder / FOLDER).rmdir()
        (run.folder / FOLDER).write_text("in the way")
    assert "_shadow_endpoints" in run.told[-1]
    assert plane.left() == ([], [])


def test_impatience_while_deleting_does_not_hide_what_ended_the_run(plane, run):
    def interrupted(text):
        run.told.append(text)
        if "can be deleted when" in text:
            signal.raise_signal(signal.SIGINT)

    plane.looks = 10**6
    with (
        pytest.raises(ModelError, match="is not ready after"),
        shadow_endpoint(PREDICTOR, run.output, interrupted, timeouts=PollingTimeouts(0.1, 60, 0.05, 0)),
    ):
        pytest.fail("the endpoint is taken for ready")
    assert run.told[-1].startswith("Interrupted while deleting. If endpoint ")
    assert len(run.records()) == 1


# --- processes that are ended from outside --------------------------------------------------------------------------

PROGRAM = """
import sys, time
from clarify_spark.cli.ending import ExitHandler, note
from clarify_spark.config.predictor import Predictor
from clarify_spark.aws.shadow_endpoint import PollingTimeouts, shadow_endpoint
from clarify_spark.spark.files.output import Output

predictor = Predictor(model_name="credit", instance_type="ml.m5.large", initial_instance_count=2)
timeouts = PollingTimeouts(60, 60, 0.1, 20)
with ExitHandler() as ending, shadow_endpoint(predictor, Output(sys.argv[1], None), note, timeouts=timeouts) as name:
    note(f"Using {name}")
    time.sleep(600)
sys.exit(ending.code)
"""


@dataclass(frozen=True)
class Started:
    """A process that makes and uses an endpoint."""

    process: subprocess.Popen
    log: Path

    def until(self, said):
        """Wait until it has said something that matches."""
        deadline = time.monotonic() + WAIT
        while not re.search(said, self.log.read_text()):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def end(self):
        return self.process.wait(WAIT), self.log.read_text()


@pytest.fixture
def start(plane, run, tmp_path):
    """Start the program; it is killed if a test leaves it running."""
    started = []

    def begin():
        log = tmp_path / f"{len(started)}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen([sys.executable, "-c", PROGRAM, run.folder], stderr=stream)
        started.append(process)
        return Started(process, log)

    yield begin
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait(WAIT)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_without_leaving_its_endpoint(plane, run, start, number):
    program = start()
    program.until("Using sm-clarify-credit")
    assert len(plane.left()[0]) == 1
    program.process.send_signal(number)
    code, said = program.end()
    assert code == 1
    assert "exit_message: Stopped: " in said
    assert "Traceback" not in said
    assert plane.left() == ([], [])
    assert run.records() == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_ended_while_sagemaker_creates_the_endpoint_waits_and_deletes_it(plane, run, start, number):
    plane.looks = 10**6
    program = start()
    program.until("Waiting for endpoint")
    program.process.send_signal(number)
    program.until(
        "can be deleted when SageMaker has finished with it; Ctrl-C stops waiting; then run: clarify-spark cleanup"
    )
    assert len(plane.left()[0]) == 1
    plane.looks = 2
    assert program.end()[0] == 1
    assert plane.left() == ([], [])
    assert run.records() == []


@pytest.mark.slow
def test_an_impatient_second_interrupt_leaves_the_record_and_says_the_command(plane, run, start, capsys):
    plane.looks = 10**6
    program = start()
    program.until("Waiting for endpoint")
    program.process.send_signal(signal.SIGINT)
    program.until("can be deleted when")
    program.process.send_signal(signal.SIGINT)
    code, said = program.end()
    assert code == 1
    assert re.search(r"Interrupted while deleting\. If endpoint \S+ remains, it costs money; run: clarify-spark", said)
    assert "Traceback" not in said
    assert len(run.records()) == 1
    plane.looks = 0
    assert main(["cleanup", "--output", str(run.folder)]) == 0
    assert plane.left() == ([], [])
    assert run.records() == []


@pytest.mark.slow
def test_a_run_interrupted_amid_the_creation_finds_the_endpoint_that_comes_late(plane, run, start):
    plane.late["CreateEndpoint"] = 2
    program = start()
    deadline = time.monotonic() + WAIT
    while "CreateEndpoint" not in plane.operations():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    program.process.send_signal(signal.SIGINT)
    assert program.end()[0] == 1
    assert plane.operations().count("DeleteEndpoint") > 1
    assert plane.left() == ([], [])


@pytest.mark.slow
def test_cleanup_deletes_what_a_killed_run_has_left(plane, run, start, capsys):
    program = start()
    program.until("Using sm-clarify-credit")
    program.process.kill()
    program.end()
    [name], _ = plane.left()
    assert run.records() == [f"{name}.json"]
    assert f"({name}); run: clarify-spark cleanup --output {run.folder}" in leftover_note(run.output)

    assert main(["cleanup", "--output", str(run.folder), "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith(f"Left: endpoint {name} (eu-west-1, model credit, of 20")
    assert plane.left() == ([name], [name])

    assert main(["cleanup", "--output", str(run.folder)]) == 0
    assert capsys.readouterr().out.startswith(f"Deleted: endpoint {name} (eu-west-1, model credit, of 20")
    assert plane.left() == ([], [])
    assert run.records() == []

    assert main(["cleanup", "--output", str(run.folder)]) == 0
    assert capsys.readouterr().out == f"Nothing to clean up: {run.folder} has no record of an endpoint.\n"
    assert leftover_note(run.output) is None


# --- cleanup --------------------------------------------------------------------------------------------------------

LONG_AGO = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def leave(plane, run, name, region="eu-west-1"):
    """An endpoint and its record, as a run of long ago has left them."""
    record = Record(name, region, "credit", LONG_AGO)
    run.output.write(record.place, record.text)
    client = plane.client(region)
    if not client.list_models()["Models"]:
        plane.add_model("credit", region)
    variant = {"VariantName": "AllTraffic", "ModelName": "credit", "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": 1}])
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    return name


def test_cleanup_asks_the_region_of_the_record_and_needs_none_itself(plane, run, monkeypatch, capsys):
    leave(plane, run, "sm-clarify-credit-1767323040-0badcafe", "us-west-2")
    assert len(plane.left("us-west-2")[0]) == 1
    monkeypatch.delenv("AWS_REGION")
    assert main(["cleanup", "--output", str(run.folder)]) == 0
    assert "(us-west-2, model credit, of 2026-01-02 03:04 UTC)" in capsys.readouterr().out
    assert plane.left("us-west-2") == ([], [])


def test_what_is_gone_already_is_fine(plane, run, capsys):
    name = leave(plane, run, "sm-clarify-credit-1767323040-0badcafe")
    plane.client().delete_endpoint(EndpointName=name)
    assert main(["cleanup", "--output", str(run.folder)]) == 0
    assert plane.left() == ([], [])
    assert run.records() == []


@pytest.mark.slow
def test_what_cannot_be_deleted_is_told_and_the_others_are_deleted(plane, run, capsys):
    names = [leave(plane, run, f"sm-clarify-credit-176732304{digit}-0badcafe") for digit in range(3)]
    plane.refusals["DeleteEndpoint"] = lambda body: (
        denied("sagemaker:DeleteEndpoint") if body["EndpointName"] == names[1] else None
    )
    assert main(["cleanup", "--output", str(run.folder)]) == 4
    out, err = capsys.readouterr()
    assert [line.split()[2] for line in out.splitlines()] == [names[0], names[2]]
    assert "1 of 3 endpoints could not be cleaned up." in err
    assert f"The endpoint {names[1]} could not be deleted: the AWS identity of this run lacks" in err
    assert plane.left() == ([names[1]], [names[1]])
    assert run.records() == [f"{names[1]}.json"]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        "\xff",
        '{"endpoint": "production", "region": "eu-west-1", "model": "credit", "created": "2026-01-02T03:04:00+00:00"}',
        '{"endpoint": "production-1767323040-0badcafe", "region": "x", "model": "m", "created": "yesterday"}',
    ],
)
def test_what_is_no_record_is_told_and_deletes_nothing(plane, run, capsys, text):
    run.output.write_bytes(f"{FOLDER}/production.json", text.encode("latin-1"))
    message = f"{run.folder}/{FOLDER}/production.json is not the record of an endpoint"
    assert main(["cleanup", "--output", str(run.folder), "--dry-run"]) == 0
    assert message in capsys.readouterr().out
    assert main(["cleanup", "--output", str(run.folder)]) == 4
    assert message in capsys.readouterr().err
    assert plane.asked == []


def test_a_record_that_was_half_written_is_none(plane, run):
    run.output.write(f"{FOLDER}/_sm-clarify-credit-1767323040-0badcafe.json.tmp", "{")
    assert leftover_note(run.output) is None
    assert main(["cleanup", "--output", str(run.folder)]) == 0


def test_an_output_that_does_not_exist_is_told(plane, tmp_path, capsys):
    assert main(["cleanup", "--output", str(tmp_path / "typo")]) == 2
    assert "typo: there is no such folder." in capsys.readouterr().err


def test_a_local_output_is_cleaned_up_without_java(plane, run, monkeypatch):
    leave(plane, run, "sm-clarify-credit-1767323040-0badcafe")
    monkeypatch.setenv("JAVA_HOME", "/nonexistent")
    assert main(["cleanup", "--output", str(run.folder)]) == 0
    assert plane.left() == ([], [])
