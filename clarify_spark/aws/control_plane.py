"""SageMaker's control plane for the driver: a client, and its refusals in the user's terms."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clarify_spark.errors import ModelError

#: How often a throttled or unanswered request is sent, with pauses that grow to 20 s.
ATTEMPTS = 6
CONNECT_SECONDS, READ_SECONDS = 10, 60

_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_UNREACHED = ("EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError")
#: Errors after which the request may still have taken effect.
_UNANSWERED = (*_UNREACHED, "HTTPClientError", "ConnectionClosedError", "ReadTimeoutError", "SSLError")
_CREDENTIALS = (
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "SSOTokenLoadError",
    "TokenRetrievalError",
    "UnauthorizedSSOTokenError",
)
_GET_CREDENTIALS = "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
_GET_REGION = "set AWS_REGION, or a region in the AWS config file"


def _library(name: str) -> Any:
    """boto3 or a part of it; if it is missing, a ModelError says how to install it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModelError(
            "boto3 is not installed, and a temporary endpoint needs it: pip install 'clarify-spark[aws]'"
        ) from error


def _session(region: str | None) -> Any:
    """A boto3 session; AWS_REGION, which other SDKs read and boto3 does not, overrides AWS_DEFAULT_REGION."""
    boto3, exceptions = _library("boto3"), _library("botocore.exceptions")
    try:
        return boto3.session.Session(region_name=region or os.environ.get("AWS_REGION") or None)
    except exceptions.ProfileNotFound as error:
        raise ModelError(f"SageMaker cannot be called: {error}; AWS_PROFILE must name a profile.") from error


def default_region() -> str | None:
    """The region of the environment (AWS_REGION, AWS_DEFAULT_REGION) or of the AWS config file, None without one."""
    region = _session(None).region_name
    return None if region is None else str(region)


def sagemaker(region: str | None) -> Any:
    """A client of SageMaker's control plane that retries throttled requests; by default in the default region."""
    session = _session(region)
    exceptions, config = _library("botocore.exceptions"), _library("botocore.config").Config
    settings = config(
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
    )
    try:
        if session.get_credentials() is None:
            raise ModelError(f"SageMaker cannot be called: there are no AWS credentials; {_GET_CREDENTIALS}.")
        return session.client("sagemaker", config=settings)
    except exceptions.NoRegionError as error:
        raise ModelError(f"SageMaker cannot be called: there is no AWS region; {_GET_REGION}.") from error
    except (exceptions.BotoCoreError, ValueError) as error:
        raise ModelError(f"SageMaker cannot be called: {error}") from error


@dataclass(frozen=True)
class Refusal:
    """Why a request failed: SageMaker's error code or the name of boto3's error, and its message.

    ``refused``: SageMaker refused it, or never received it, so that nothing can have happened.
    """

    operation: str
    code: str
    message: str
    refused: bool

    @property
    def not_found(self) -> bool:
        """Whether the object of the request does not exist."""
        return self.of_request and "could not find" in self.message.lower()

    @property
    def existing(self) -> bool:
        """Whether the object to be created already exists."""
        return self.of_request and "already existing" in self.message.lower()

    @property
    def untimely(self) -> bool:
        """Whether the request may succeed later: SageMaker changes nothing that it is still creating."""
        return self.of_request and "in-progress" in self.message.lower()

    @property
    def unreached(self) -> bool:
        """Whether no connection could be made."""
        return self.code in _UNREACHED

    @property
    def of_request(self) -> bool:
        """Whether SageMaker objects to the request itself, not to who sends it or how often."""
        return self.code.startswith(("Validation", "Resource", "Conflict"))

    def error(self, doing: str) -> ModelError:
        """The error for the user: what could not be done, why, and what helps."""
        return ModelError(f"{doing}: {_explained(self)}")


def ask(call: Callable[..., Any], **arguments: Any) -> dict[str, Any] | Refusal:
    """SageMaker's answer to a method of its client, or why there is none."""
    exceptions = _library("botocore.exceptions")
    try:
        return dict(call(**arguments))
    except exceptions.ClientError as error:
        details = error.response.get("Error", {})
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        message = " ".join(str(details.get("Message", "")).split())
        return Refusal(error.operation_name, str(details.get("Code", "")), message, 400 <= status < 500)
    except exceptions.BotoCoreError as error:
        code = type(error).__name__
        return Refusal("", code, " ".join(str(error).split()), code not in _UNANSWERED)


def _explained(refusal: Refusal) -> str:
    code, said = refusal.code, refusal.message.rstrip(".")
    if code in _DENIED:
        found = re.search(r"not authorized to perform: ([\w-]+:\w+)", said)
        action = found[1] if found else f"sagemaker:{refusal.operation}"
        return f"the AWS identity of this run lacks the permission {action}. AWS says: {said}."
    if code in _CREDENTIALS:
        return f"the AWS credentials were rejected ({said or code}); {_GET_CREDENTIALS}."
    if code == "ResourceLimitExceeded":
        return f"{said}. Request a higher quota (Service Quotas), or choose another predictor.instance_type or fewer."
    if "could not find model" in said.lower():
        return f"{said}. predictor.model_name must name a SageMaker model of this account and region."
    if "Throttl" in code:
        return f"SageMaker throttled the request ({said}) {ATTEMPTS} times; try again later."
    if refusal.unreached:
        return f"SageMaker cannot be reached ({said}); without internet a VPC needs an endpoint for sagemaker.api."
    return f"{said or 'no reason was given'} ({code})."
