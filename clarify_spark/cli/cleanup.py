"""``clarify-spark cleanup``: delete temporary endpoints left behind by a killed run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clarify_spark.cli.ending import note, say
from clarify_spark.cli.options import PROCESSING, Parser, location
from clarify_spark.errors import CommandError

if TYPE_CHECKING:
    from clarify_spark.spark.files.output import Output


def add_options(cleanup: Parser) -> None:
    """Declare the options of the command."""
    cleanup.description = (
        "Delete the temporary SageMaker endpoints recorded in an output: those of runs that were "
        "killed, and those of a run that is still in progress. Without --output the output folder of a SageMaker "
        f"processing job under {PROCESSING} is used where it exists."
    )
    cleanup.add_argument("--output", metavar="URI", help="the output of the run that left them behind")
    cleanup.add_argument("--dry-run", action="store_true", help="list them and stop")
    cleanup.add_argument("--master", metavar="MASTER", help="Spark master, needed only for a remote output")


def run(arguments: argparse.Namespace) -> int:
    """Delete or list the endpoints; returns the exit code."""
    from clarify_spark.spark.session import require_pyspark, session

    require_pyspark()
    from clarify_spark.spark.files.output import Output, local_path

    given = location(arguments.output, "--output", PROCESSING / "output")
    folder = local_path(given)
    if folder is not None:
        if not folder.is_dir():
            raise CommandError(f"--output {given}: there is no such folder.")
        return _clean(Output(given, None), dry_run=arguments.dry_run)
    with session(arguments.master) as started:
        return _clean(Output(given, started.spark), dry_run=arguments.dry_run)


def _clean(output: Output, *, dry_run: bool) -> int:
    from clarify_spark.aws.shadow_endpoint import cleanup, leftovers

    lines = leftovers(output) if dry_run else cleanup(output, note)
    for line in lines:
        say(line)
    return 0
