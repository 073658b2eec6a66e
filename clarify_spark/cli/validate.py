"""``clarify-spark validate``: list all problems of a config."""

from __future__ import annotations

import argparse

from clarify_spark.cli.ending import say
from clarify_spark.cli.options import Parser
from clarify_spark.errors import CommandError, ConfigError


def add_options(validate: Parser) -> None:
    """Declare the options of the command."""
    validate.add_argument("file", metavar="FILE", help="analysis_config.json")
    validate.add_argument("--strict", action="store_true", help="reject what Clarify's own schema rejects")


def run(arguments: argparse.Namespace) -> int:
    """List the problems; returns the exit code when there are none."""
    from clarify_spark.config import check_runnable, later, load, unsupported
    from clarify_spark.spark.files.output import read_text

    text = read_text(arguments.file, None)
    try:
        loaded = load(text, strict=arguments.strict)
    except ConfigError as error:
        problems, notes = error.problems, tuple[str, ...]()
    else:
        found = check_runnable(loaded.config)
        problems = tuple(problem for problem in found if not problem.incomplete)
        unready = (*(problem for problem in found if problem.incomplete), *unsupported(loaded.config))
        notes = (*loaded.warnings, *later(loaded.config), *(f"cannot run yet: {problem}" for problem in unready))
    lines = (*map(str, problems), *(f"warning: {note}" for note in notes), *(() if problems else ("valid",)))
    say("\n".join(f"{arguments.file}: {line}" for line in lines))
    if problems:
        raise CommandError(f"{arguments.file} has {len(problems)} problem{'s' if len(problems) > 1 else ''}.")
    return 0
