"""Rules about predictions: where they come from, and how the model is called."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from clarify_spark.config.analyses import Method, all_methods
from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.places import short_json
from clarify_spark.config.predictor import Predictor, model_format
from clarify_spark.config.rules.data import jmespath_error
from clarify_spark.config.rules.findings import Problems, finding, incomplete, missing
from clarify_spark.errors import Problem
from clarify_spark.redaction import without_secrets
from clarify_spark.udfs.model_formats import MODEL_SUFFIXES, SPEAKING_BYTES

KINDS = ("model_uri", "endpoint_name", "model_name")
INSTANCE_KEYS = ("instance_type", "initial_instance_count")
LONGEST_PREFIX = 23
#: A header's name by RFC 9110, and the name of an environment variable.
HEADER, VARIABLE = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", r"[A-Za-z_][A-Za-z0-9_]*"
CALLABLE = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*"


def needs_model(config: AnalysisConfig) -> tuple[str, ...]:
    """The requested methods that call the model, since the data have no predictions for them."""
    return tuple(method.key for method in _calling(config))


def _calling(config: AnalysisConfig) -> Iterator[Method]:
    in_data = config.predicted_label is not None or config.predicted_label_dataset_uri is not None
    for _, method in all_methods():
        spared = method.calls_model == "never" or (method.calls_model == "without predictions" and in_data)
        if not spared and getattr(config.methods, method.key, None) is not None:
            yield method


def model_given(config: AnalysisConfig) -> Problems:
    """Problems of methods that need a model where none is given."""
    first = next(_calling(config), None)
    if first is None:
        return
    reason, others = f"methods.{first.key}", ""
    if first.calls_model == "without predictions":
        others = ", or predicted_label, or predicted_label_dataset_uri"
    if config.predictor is None:
        yield incomplete(missing("predictor", reason, f"a model (predictor.model_uri){others}"))
    elif not any(getattr(config.predictor, kind) is not None for kind in KINDS):
        yield finding("predictor", f"no model, which {reason} needs", f"one of {', '.join(KINDS)}{others}")


def one_model(config: AnalysisConfig) -> Problems:
    """Problems of how the model is named."""
    predictor = config.predictor
    if predictor is None:
        return
    given = [kind for kind in KINDS if getattr(predictor, kind) is not None]
    if len(given) > 1:
        yield finding("predictor", " and ".join(given), f"one of {', '.join(KINDS)}")
    yield from _temporary_endpoint(predictor)
    yield from _model_file(predictor)


def _temporary_endpoint(predictor: Predictor) -> Iterator[Problem]:
    if predictor.model_name is not None:
        for key in INSTANCE_KEYS:
            if getattr(predictor, key) is None:
                yield missing(f"predictor.{key}", "predictor.model_name", "the instances of the temporary endpoint")
    if predictor.initial_instance_count is not None and predictor.initial_instance_count < 1:
        yield finding("predictor.initial_instance_count", str(predictor.initial_instance_count), "1 or more")
    if "endpoint_name_prefix" in predictor.model_fields_set:
        if predictor.endpoint_name is not None:
            yield finding("predictor.endpoint_name_prefix", "this key with endpoint_name", "this key with model_name")
        if len(predictor.endpoint_name_prefix) > LONGEST_PREFIX:
            length = len(predictor.endpoint_name_prefix)
            yield finding("predictor.endpoint_name_prefix", f"{length} characters", f"at most {LONGEST_PREFIX}")


def _model_file(predictor: Predictor) -> Iterator[Problem]:
    uri, place = predictor.model_uri, "predictor.model_uri"
    if uri is None:
        for key in ("model_format", "entry_script", "http_headers"):
            if getattr(predictor, key) is not None:
                yield finding(f"predictor.{key}", "this key without model_uri", f"{key} together with model_uri")
        return
    found_format = model_format(predictor)
    if not uri:
        yield finding(place, '""', "the location of a model")
    elif found_format is None:
        found = f"a suffix that does not determine the format: {short_json(without_secrets(uri).rsplit('/', 1)[-1])}"
        yield finding(place, found, f"{', '.join(MODEL_SUFFIXES)}, a folder, or a predictor.model_format")
    elif found_format == "python" and not re.fullmatch(CALLABLE, uri.removeprefix("python:")):
        yield finding(place, short_json(uri), '"python:package.module:function"')
    elif found_format != "python" and uri.startswith("python:"):
        yield finding("predictor.model_format", f'"{found_format}" for a python: model_uri', '"python"')
    elif found_format == "http":
        yield from _service(uri)
    if predictor.entry_script is not None and found_format != "sagemaker":
        allowed = "this key with the folder or archive of a model (model_format sagemaker)"
        yield finding("predictor.entry_script", "this key with another kind of model", allowed)
    elif predictor.entry_script is not None and re.search(r"^/|(^|/)\.\.(/|$)", predictor.entry_script):
        yield finding("predictor.entry_script", short_json(predictor.entry_script), "a path inside the model's folder")
    yield from _headers(predictor, found_format)


def _service(uri: str) -> Iterator[Problem]:
    """Problems of the URL of an HTTP service."""
    place = "predictor.model_uri"
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = None, None
    if parts is None or parts.scheme.lower() not in ("http", "https") or not host:
        yield finding(place, short_json(without_secrets(uri)), "a URL such as https://host/invocations")
    elif parts.username is not None or parts.password is not None:
        yield finding(place, "a URL with a user or password in it", "secrets in environment variables: http_headers")


def _headers(predictor: Predictor, found_format: str | None) -> Iterator[Problem]:
    if predictor.http_headers is None:
        return
    if found_format != "http":
        yield finding("predictor.http_headers", "this key without a URL in model_uri", "http_headers with a URL")
    for name, variable in predictor.http_headers.items():
        if not re.fullmatch(HEADER, name):
            yield finding("predictor.http_headers", f"the header {short_json(name)}", "names such as Authorization")
        if not re.fullmatch(VARIABLE, variable):  # it may be the secret itself, so it is not shown
            allowed = "the name of an environment variable, such as MODEL_TOKEN"
            yield finding(f"predictor.http_headers.{name}", "something that is not such a name", allowed)


def content_type(config: AnalysisConfig) -> Problems:
    """Problems of the request format."""
    predictor = config.predictor
    if predictor is None:
        return
    given = predictor.content_type
    if given is None:
        if config.format.names_requests and is_sent(predictor):
            reason = f"a {config.format.name} data set"
            yield missing("predictor.content_type", reason, "the format of requests, such as text/csv")
        return
    allowed = config.format.requests
    if given not in allowed:
        found = f"{given} with the dataset_type {config.dataset_type}"
        yield finding("predictor.content_type", found, ", ".join(allowed))


def is_sent(predictor: Predictor) -> bool:
    """Whether rows are turned into request bodies: for endpoints and for model folders with SageMaker's functions."""
    return model_format(predictor) in SPEAKING_BYTES


def request_type(config: AnalysisConfig) -> str:
    """The format of requests: the content_type given, else the format of the data."""
    given = config.predictor.content_type if config.predictor is not None else None
    return given or config.dataset_type


def templates(config: AnalysisConfig) -> Problems:
    """Problems of the request templates."""
    predictor, kind = config.predictor, request_type(config)
    if predictor is None or not is_sent(predictor):
        return
    if kind == "application/jsonlines":
        yield from _content_template(predictor, kind, r"\$features\b", "$features")
    elif kind == "application/json":
        yield from _content_template(predictor, kind, r"\$records?\b", "$record or $records")
        yield from _record_template(config, predictor)
    elif predictor.content_template is not None:
        yield finding("predictor.content_template", f"this key with requests of type {kind}", "no such key")
    if kind != "application/json" and predictor.record_template is not None:
        yield finding("predictor.record_template", f"this key with requests of type {kind}", "no such key")


def _content_template(predictor: Predictor, kind: str, pattern: str, placeholder: str) -> Iterator[Problem]:
    place, template = "predictor.content_template", predictor.content_template
    if template is None:
        yield missing(place, f"the content_type {kind}", f"a text with {placeholder}")
    elif len(re.findall(pattern, template if isinstance(template, str) else " ".join(template.values()))) != 1:
        yield finding(place, short_json(template), f"a text with {placeholder}, once")
    elif isinstance(template, str) and not _makes_json(template):
        yield finding(place, short_json(template), f"JSON once {placeholder} is filled in")


def _record_template(config: AnalysisConfig, predictor: Predictor) -> Iterator[Problem]:
    place, template = "predictor.record_template", predictor.record_template
    series = config.time_series_data_config is not None
    wanted = "$target_time_series" if series else '$features, $features_kvp or "${Name}" for each feature'
    if template is None:
        yield missing(place, "the content_type application/json", f"a text with {wanted}")
        return
    names = re.findall(r"\$\{([^}]*)\}", template)
    pattern = r"\$target_time_series\b" if series else r"\$features(_kvp)?\b"
    if not re.search(pattern, template) and (series or not names):
        yield finding(place, short_json(template), f"a text with {wanted}")
    elif not series and not _makes_json(template):
        yield finding(place, short_json(template), "JSON once its placeholders are filled in")
    for name in names:
        if config.headers is not None and name not in config.headers:
            yield finding(place, f'the placeholder "${{{name}}}"', "names in headers")


def _makes_json(template: str) -> bool:
    """Whether a template is JSON with null in all of its places."""
    filled = re.sub(r'"\$\{(?:[^"\\]|\\.)*\}"|\$\w+', "null", template)
    try:
        json.loads(filled)
    except json.JSONDecodeError:
        return False
    return True


def answers(config: AnalysisConfig) -> Problems:
    """Problems of how responses are read."""
    predictor = config.predictor
    if predictor is None or not is_sent(predictor):
        return
    images = config.format.images
    accepted = predictor.accept_type or ("application/json" if images else request_type(config))
    for key in ("label", "probability"):
        value = getattr(predictor, key)
        if accepted == "text/csv" and isinstance(value, str):
            yield finding(f"predictor.{key}", short_json(value), "an index, since responses are text/csv")
        if accepted not in ("application/json", "application/jsonlines") or value is None:
            continue
        if isinstance(value, int):
            yield finding(f"predictor.{key}", f"the index {value}", f"a JMESPath, since responses are {accepted}")
        elif reason := jmespath_error(value):
            yield finding(f"predictor.{key}", f"{short_json(value)}, which is not a JMESPath ({reason})", "a JMESPath")
    if images and predictor.label_headers is None:
        reason = f"the dataset_type {config.dataset_type}"
        yield incomplete(missing("predictor.label_headers", reason, "the names of the classes"))


def positions_in_answers(config: AnalysisConfig) -> Problems:
    """Problems of indices into a response."""
    for key in ("label", "probability"):
        value = getattr(config.predictor, key) if config.predictor is not None else None
        if isinstance(value, int) and value < 0:
            yield finding(f"predictor.{key}", f"the index {value}", "0 or more")


RULES = (model_given, one_model, content_type, templates, answers, positions_in_answers)
