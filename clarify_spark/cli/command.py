"""The commands of ``clarify-spark``, and how one of them is run: argv in, exit code out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from clarify_spark.cli.ending import ExitHandler
from clarify_spark.cli.options import EXIT_CODES, Parser
from clarify_spark.version import __version__


@dataclass(frozen=True)
class Command:
    """One command: its line in --help, and its module, which has ``add_options(parser)`` and ``run(arguments)``."""

    help: str
    module: str


#: The commands by name; only the module of the given command is imported.
COMMANDS = {
    "analyze": Command("run the analyses of a config", "clarify_spark.cli.analyze"),
    "validate": Command("list all problems of a config", "clarify_spark.cli.validate"),
    "config": Command("write a config from options", "clarify_spark.cli.config"),
    "cleanup": Command("delete temporary endpoints left behind by a killed run", "clarify_spark.cli.cleanup"),
    "report": Command("regenerate the report of a finished run", "clarify_spark.cli.report"),
    "schema": Command("print the JSON Schema of analysis_config.json, for editors", "clarify_spark.cli.schema"),
    "demo": Command(
        "train a small model on real mortgage data and analyse it by race and sex", "clarify_spark.cli.demo"
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never raises except for SystemExit(0) from --help and --version."""
    with ExitHandler() as ending:
        arguments = parser().parse_args(argv)
        ending.code = arguments.run(arguments)
    return ending.code


def parser() -> Parser:
    """The parser of the whole command line."""
    found = Parser(
        prog="clarify-spark",
        description="Measure the bias of data and models on Spark; reads SageMaker Clarify's analysis_config.json.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--version", action="version", version=f"clarify-spark {__version__}")
    commands = found.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.help, module=command.module)
    return found
