"""SageMaker endpoints, through boto3: its credential chain, its environment variables, its signatures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Predict
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.http import CONNECT_SECONDS, predictor
from clarify_spark.udfs.predictors.user_code import library
from clarify_spark.udfs.requests.calling import Reason, RequestError, Send, is_page, reason_of_status, words
from clarify_spark.udfs.requests.payloads import content_type
from clarify_spark.udfs.requests.responses import accept_type

#: What SageMaker's error codes mean, where the status would be misleading or too vague.
_CODES: dict[str, Reason] = {
    "InternalDependencyException": "unavailable",
    "InternalFailure": "unavailable",
    "InternalServerException": "unavailable",
    "ModelNotReadyException": "unavailable",
    "ServiceUnavailable": "unavailable",
    "ServiceUnavailableException": "unavailable",
}
_TOO_LARGE = re.compile(r"payload|body|request", re.IGNORECASE), re.compile(r"too large|exceed|limit|length|size", re.I)
_TIMED_OUT = re.compile(r"timed? ?-?out", re.IGNORECASE)
_HINTS = {
    "AccessDenied": "the executors' role needs sagemaker:InvokeEndpoint for it",
    "AccessDeniedException": "the executors' role needs sagemaker:InvokeEndpoint for it",
}


def load(spec: PredictorSpec) -> Predict:
    """The endpoint of this name."""
    return predictor(_sender(spec), spec, f"the endpoint {spec.uri}")


def _sender(spec: PredictorSpec) -> Send:
    client = _client(spec)
    exceptions = library("botocore.exceptions", "aws")
    asked = {
        "EndpointName": spec.uri,
        "ContentType": content_type(spec),
        "Accept": accept_type(spec),
        "TargetModel": spec.target_model,
        "CustomAttributes": spec.custom_attributes,
    }
    arguments = {name: value for name, value in asked.items() if value is not None}

    def send(body: bytes) -> bytes:
        try:
            response = client.invoke_endpoint(Body=body, **arguments)
            data = bytes(response["Body"].read())
        except exceptions.ClientError as error:
            raise _refusal(error.response) from error
        except exceptions.BotoCoreError as error:
            raise _failure(exceptions, error, spec) from error
        if is_page(data, response.get("ContentType", "")):
            raise RequestError("garbled", f"answered with a page instead of predictions: {words(data)}")
        return data

    return send


def _client(spec: PredictorSpec) -> Any:
    """A client that does not retry requests itself: we count the retries."""
    boto3, config = library("boto3", "aws"), library("botocore.config", "aws").Config
    settings = config(
        retries={"total_max_attempts": 1},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=spec.calling.timeout_seconds,
        max_pool_connections=spec.calling.in_flight,
    )
    exceptions = library("botocore.exceptions", "aws")
    try:
        return boto3.session.Session(region_name=spec.region).client("sagemaker-runtime", config=settings)
    except exceptions.NoRegionError as error:
        raise ModelError(
            f"the endpoint {spec.uri}: no AWS region is set; set AWS_REGION, or a region in the AWS config file"
        ) from error
    except (exceptions.BotoCoreError, ValueError) as error:
        raise ModelError(f"the endpoint {spec.uri}: no client can be created: {error}") from error


def _refusal(response: Mapping[str, Any]) -> RequestError:
    """What an error response means, with the messages of SageMaker and of the model behind it."""
    error = response.get("Error", {})
    code, status = str(error.get("Code", "")), int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = words(str(response.get("OriginalMessage") or error.get("Message") or ""))
    own = response.get("OriginalStatusCode")
    of_model = f", the model's status {own}" if own else ""
    hint = f" ({_HINTS[code]})" if code in _HINTS else ""
    text = f"answered with {code} (HTTP {status}{of_model}): {said or 'nothing more'}{hint}"
    after = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", "")
    return RequestError(_reason(code, status, own, said), text, float(after) if after.isdecimal() else None)


def _reason(code: str, status: int, own: int | None, said: str) -> Reason:
    if code == "ModelError":
        if _TIMED_OUT.search(said):
            return "timed_out"
        found = reason_of_status(own) if own else "model_errors"
        return "refused" if found == "fatal" else found
    if "Throttl" in code or "TooManyRequests" in code:
        return "throttled"
    if code in _CODES:
        return _CODES[code]
    if code.startswith("Validation") and all(pattern.search(said) for pattern in _TOO_LARGE):
        return "too_large"
    found = reason_of_status(status)
    # Only the model itself can reject records; SageMaker rejects the request as such.
    return "fatal" if found == "refused" else found


def _failure(exceptions: Any, error: Exception, spec: PredictorSpec) -> RequestError:
    """Why there was no response."""
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return RequestError("fatal", f"cannot be called: {error}; the executors need AWS credentials (usually a role)")
    if isinstance(error, exceptions.SSLError):
        return RequestError("fatal", f"cannot be trusted: {error}")
    if isinstance(error, exceptions.ConnectTimeoutError | exceptions.EndpointConnectionError):
        return RequestError("unreachable", f"cannot be reached: {error}")
    if isinstance(error, exceptions.ReadTimeoutError):
        seconds = f"{spec.calling.timeout_seconds:g}"
        return RequestError("timed_out", f"did not answer within {seconds} s (--request-timeout)")
    broken = exceptions.HTTPClientError, exceptions.ResponseStreamingError, exceptions.IncompleteReadError
    if isinstance(error, broken):
        return RequestError("disconnected", f"closed the connection without an answer: {error}")
    return RequestError("fatal", f"cannot be called: {error}")
