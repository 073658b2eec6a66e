"""The ``clarify-spark`` command: argv in, exit code out; one module for each subcommand."""

from clarify_spark.cli.command import main

__all__ = ["main"]
