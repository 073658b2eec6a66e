"""What several commands share: the parser, kinds of values, and the folders of a processing job."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

from clarify_spark.errors import CommandError
from clarify_spark.udfs.dotted_names import resolved

#: Where SageMaker Processing mounts a job's input and expects its output.
PROCESSING = Path("/opt/ml/processing")

EXIT_CODES = """exit codes:
  0   done
  1   interrupted (Ctrl-C or SIGTERM); finished blocks are kept, the same command resumes.
      Also, after everything was written: --fail-on found a metric with that verdict
  2   the config or the command is wrong
  3   the data cannot be read as the config describes it
  4   the model cannot be loaded or called; finished blocks are kept
  5   the output location cannot be written
  70  a bug in clarify_spark
"""


class Parser(argparse.ArgumentParser):
    """A parser that raises mistakes as CommandErrors; that of a command imports the command on first use.

    ``module``: the module of the command, with ``add_options(parser)`` and ``run(arguments)``.
    """

    def __init__(self, *, module: str | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._module = module

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Declare the options of the command, then parse as usual."""
        if self._module is not None:
            command, self._module = resolved(self._module), None
            command.add_options(self)
            self.set_defaults(run=command.run)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise the mistake as a CommandError."""
        raise CommandError(f"{message} (see {self.prog} --help)")


def positive(text: str) -> int:
    """The text as a whole number, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed: a whole number, 1 or more")
    return int(text)


def location(given: str | None, option: str, mounted: Path) -> str:
    """The option's value, else the mount of a SageMaker processing job."""
    if given is not None:
        return given
    if not mounted.exists():
        raise CommandError(f"{option} must be given: there is no SageMaker processing folder {mounted} to use instead.")
    return str(mounted)
