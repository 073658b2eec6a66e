"""What a config leaves to the environment: secrets, by the names of variables."""

from __future__ import annotations

import os
from collections.abc import Iterator

from clarify_spark.config.predictor import Predictor
from clarify_spark.errors import ConfigError, Problem


def headers_of(predictor: Predictor) -> Iterator[tuple[str, str]]:
    """The HTTP headers' names and values, from the environment; raises a ConfigError for those that are missing."""
    variables = predictor.http_headers or {}
    absent = [
        Problem(f"predictor.http_headers.{name}", f"the environment variable {variable} is not set")
        for name, variable in variables.items()
        if variable not in os.environ
    ]
    if absent:
        raise ConfigError(absent)
    for name, variable in variables.items():
        value = os.environ[variable].strip()
        if not value.isascii() or not value.isprintable():  # a library's own error message would quote it
            problem = f"the value of the environment variable {variable} has characters that headers cannot have"
            raise ConfigError([Problem(f"predictor.http_headers.{name}", problem)])
        yield name, value
