"""``clarify-spark schema``: print the JSON Schema of analysis_config.json."""

from __future__ import annotations

import argparse
import json

from clarify_spark.cli.ending import say
from clarify_spark.cli.options import Parser


def add_options(_: Parser) -> None:
    """The command has no options."""


def run(_: argparse.Namespace) -> int:
    """Print the schema; returns the exit code."""
    from clarify_spark.config import json_schema

    say(json.dumps(json_schema(), indent=2))
    return 0
