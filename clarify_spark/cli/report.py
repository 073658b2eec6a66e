"""``clarify-spark report``: regenerate the report of a finished run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clarify_spark.cli.ending import say, warn
from clarify_spark.cli.options import Parser
from clarify_spark.errors import CommandError

if TYPE_CHECKING:
    from clarify_spark.spark.files.output import Output


def add_options(report: Parser) -> None:
    """Declare the options of the command."""
    report.description = (
        "Write the report as HTML, notebook and PDF into the output folder of a finished run, from its "
        "analysis.json and analysis_details.json. A local folder needs no Spark."
    )
    report.add_argument("output", metavar="OUTPUT", help="the output of the run")
    report.add_argument("--master", metavar="MASTER", help="Spark master, needed only for a remote output")


def run(arguments: argparse.Namespace) -> int:
    """Regenerate the report; returns the exit code."""
    from clarify_spark.spark.files.output import Output, local_path
    from clarify_spark.spark.session import require_pyspark, session

    if local_path(arguments.output) is not None:
        return _draw(Output(arguments.output, None))
    require_pyspark()
    with session(arguments.master) as started:
        return _draw(Output(arguments.output, started.spark))


def _draw(output: Output) -> int:
    """Make the report of a finished run and write it next to the documents that it is made from."""
    from clarify_spark.api.results import read_document
    from clarify_spark.report.files import report_files

    analysis, details = (read_document(output, name) for name in ("analysis.json", "analysis_details.json"))
    try:
        report = report_files(analysis, details)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise CommandError(
            f"The report cannot be made: the JSON files of {output.uri} were changed, or another version wrote them "
            f"({type(error).__name__}: {error}). Run the analysis again."
        ) from error
    for name, data in report.files.items():
        say(f"Written: {output.write_bytes(name, data)}")
    for name in report.missing:
        output.delete(name)  # of an earlier run
    for warning in report.warnings:
        warn(warning)
    return 0
