"""The model server that tests of endpoints rely on: clients that others wrote understand it, and each fault shows."""

import json
import threading
import time

import boto3
import botocore.config
import botocore.exceptions
import numpy as np
import pytest
import urllib3
from serving import Faults, certificate, first_value, serve, serve_apart

ROWS = [[0.1, 2.0, None], [1 / 3, -5.0, 7.0]]
CSV = b"0.1,2,\n0.3333333333333333,-5.0,7"


def total(records):
    return [sum(value or 0.0 for value in record) for record in records]


@pytest.fixture
def server():
    with serve(total) as started:
        yield started


@pytest.fixture
def pool():
    with urllib3.PoolManager(timeout=1.0, retries=False) as manager:
        yield manager


@pytest.fixture
def runtime(server):
    settings = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=1)
    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=server.url,
        region_name="eu-west-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=settings,
    )
    yield client
    client.close()


def post(pool, server, body=CSV, accept="text/csv", kind="text/csv"):
    return pool.request("POST", f"{server.url}/invocations", body, headers={"Content-Type": kind, "Accept": accept})


def invoke(runtime, name="model", **more):
    return runtime.invoke_endpoint(EndpointName=name, Body=CSV, ContentType="text/csv", Accept="text/csv", **more)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/csv", CSV),
        ("application/jsonlines", "\n".join(json.dumps({"features": row}) for row in ROWS)),
        ("application/json", json.dumps({"instances": [{"features": row} for row in ROWS]})),
        ("application/json", json.dumps({"instances": ROWS})),
        ("application/json", json.dumps({"dataframe_split": {"columns": ["a", "b", "c"], "data": ROWS}})),
        ("application/json", json.dumps([dict(zip("abc", row, strict=True)) for row in ROWS])),
    ],
)
def test_every_shape_of_request_gives_every_digit_of_the_scores(pool, server, kind, body):
    texts = {accept: post(pool, server, body, accept, kind).data for accept in ("text/csv", "application/json")}
    assert [float(line) for line in texts["text/csv"].split()] == total(ROWS)
    predictions = json.loads(texts["application/json"])["predictions"]
    assert predictions == [{"score": score, "label": int(score > 0.5)} for score in total(ROWS)]
    lines = post(pool, server, body, "application/jsonlines", kind).data.splitlines()
    assert [json.loads(line) for line in lines] == [{"score": score} for score in total(ROWS)]


def test_a_single_record_and_quoted_texts_are_understood(pool, server):
    server.model = lambda records: [len(record[0]) for record in records]
    assert post(pool, server, '{"a":"four"}', "text/csv", "application/json").data == b"4.0\n"
    assert post(pool, server, '"a,""b\nc",1').data == b"6.0\n"


def test_requests_and_the_most_at_once_are_noted(pool, server):
    server.faults = Faults(request_ms=200)
    threads = [threading.Thread(target=post, args=(pool, server)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.most_at_once == 3
    assert {(seen.path, seen.body, seen.headers["accept"], seen.outcome) for seen in server.seen} == {
        ("/invocations", CSV, "text/csv", "answer")
    }
    assert all(seen.ended - seen.began >= 0.2 for seen in server.seen)


def test_boto3_gets_answers_and_its_headers_arrive(runtime, server):
    answer = invoke(runtime, TargetModel="one.tar.gz", CustomAttributes="trace=1")
    assert answer["Body"].read() == "".join(f"{score!r}\n" for score in total(ROWS)).encode()
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/csv", "primary")
    headers = server.seen[0].headers
    assert headers["x-amzn-sagemaker-target-model"] == "one.tar.gz"
    assert headers["x-amzn-sagemaker-custom-attributes"] == "trace=1"


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("throttled", "ThrottlingException", 400),
        ("unavailable", "ServiceUnavailable", 503),
        ("internal", "InternalFailure", 500),
        ("not_ready", "ModelNotReadyException", 429),
        ("denied", "AccessDeniedException", 403),
    ],
)
def test_boto3_raises_what_the_service_refuses_with(runtime, server, kind, code, status):
    server.faults = Faults(refuse=kind)
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        invoke(runtime)
    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_boto3_raises_a_model_error_with_the_containers_words(runtime, server):
    server.faults = Faults(bad_record=lambda record: record[1] < 0)
    with pytest.raises(runtime.exceptions.ModelError) as raised:
        invoke(runtime)
    assert raised.value.response["OriginalStatusCode"] == 500
    assert raised.value.response["OriginalMessage"].startswith("ValueError: no such luck with [0.333")
    assert raised.value.response["LogStreamArn"]


def test_boto3_raises_a_validation_error_for_an_unknown_endpoint(runtime):
    with pytest.raises(runtime.exceptions.ValidationError, match="Endpoint other of account 123456789012 not found"):
        invoke(runtime, "other")


def test_every_third_request_is_refused_in_turns(pool, server):
    server.faults = Faults(every=3, retry_after="1")
    answers = [post(pool, server) for _ in range(9)]
    assert [answer.status for answer in answers] == [200, 200, 429, 200, 200, 503, 200, 200, 429]
    assert answers[2].headers["Retry-After"] == "1"


def test_shares_are_the_same_in_every_run(pool, server):
    server.faults = Faults(pages=0.2, seed=4)
    runs = []
    for _ in range(2):
        runs.append([post(pool, server).headers["Content-Type"] for _ in range(200)])
        server.forget()
    assert runs[0] == runs[1]
    assert 20 <= runs[0].count("text/html") <= 60


def test_pages_come_as_502_and_as_200(pool, server):
    server.faults = Faults(pages=1.0)
    assert [post(pool, server).status for _ in range(3)] == [502, 200, 502]
    assert b"Please wait" in post(pool, server).data


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(time_outs=1.0), urllib3.exceptions.ReadTimeoutError),
        (Faults(drops=1.0), urllib3.exceptions.ProtocolError),
        (Faults(cuts=1.0), urllib3.exceptions.ProtocolError),
    ],
)
def test_connections_fail(pool, server, faults, error):
    server.faults = faults
    with pytest.raises(error):
        post(pool, server)


def test_bodies_above_the_limit_get_a_413_from_the_container_or_from_what_is_before_it(pool, runtime, server):
    for faults in (Faults(body_limit=len(CSV) - 1), Faults(front_limit=len(CSV) - 1)):
        server.faults = faults
        answer = post(pool, server)
        assert (answer.status, b"<h1>413 Request Entity Too Large" in answer.data) == (413, True)
    with pytest.raises(botocore.exceptions.ClientError, match="413"):
        invoke(runtime)
    server.faults = Faults(body_limit=len(CSV) - 1)
    with pytest.raises(runtime.exceptions.ModelError, match="413 Request Entity Too Large"):
        invoke(runtime)
    server.faults = Faults(body_limit=len(CSV))
    assert post(pool, server).status == 200


def test_a_bad_record_fails_in_any_company(pool, server):
    server.faults = Faults(bad_record=lambda record: record[1] < 0)
    assert post(pool, server, b"0.1,2,").status == 200
    answer = post(pool, server)
    assert (answer.status, answer.data) == (500, b"ValueError: no such luck with [0.3333333333333333, -5.0, 7.0]")


@pytest.mark.parametrize("off", [-1, 1])
def test_answers_have_records_too_few_or_too_many(pool, server, off):
    server.faults = Faults(records_off=off)
    assert len(post(pool, server).data.splitlines()) == len(ROWS) + off


def test_a_body_that_is_none_is_refused(pool, server):
    assert post(pool, server, b"{", kind="application/json").status == 400
    assert post(pool, server, kind="image/png").status == 415
    assert pool.request("POST", f"{server.url}/elsewhere").status == 404


def test_a_server_with_tls_is_trusted_only_with_its_certificate(pool, tmp_path):
    with serve(total, certificate=certificate(tmp_path)) as server:
        with pytest.raises(urllib3.exceptions.SSLError, match="certificate"):
            post(pool, server)
        with urllib3.PoolManager(ca_certs=str(server.certificate)) as trusting:
            assert post(trusting, server).status == 200


def broken(records):
    raise ArithmeticError("no such sum")


def ask_a_broken_server(pool):
    with serve(broken) as server:
        with pytest.raises(urllib3.exceptions.ProtocolError):
            post(pool, server)
        wait_until(lambda: server.errors)


def test_what_goes_wrong_in_the_server_itself_is_raised(pool):
    with pytest.raises(ArithmeticError, match="no such sum"):
        ask_a_broken_server(pool)


def wait_until(holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_a_server_in_a_process_of_its_own(pool, tmp_path):
    import lightgbm

    rows = np.random.default_rng(0).normal(size=(200, 3))
    data = lightgbm.Dataset(rows, rows[:, 0] > 0)
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 5)
    booster.save_model(tmp_path / "model.txt")
    body = "\n".join(",".join(map(repr, row)) for row in rows.tolist())
    with serve_apart("--model", str(tmp_path / "model.txt")) as port:
        answer = pool.request(
            "POST", f"http://127.0.0.1:{port}/invocations", body, headers={"Content-Type": "text/csv"}
        )
        told = pool.request("GET", f"http://127.0.0.1:{port}/").json()
    assert np.array_equal([float(line) for line in answer.data.split()], booster.predict(rows))
    assert told == {"requests": 1, "most_at_once": 1, "outcomes": {"answer": 1}}
    assert first_value([[2, 1], [None, 1]]) == [2.0, 0.0]
