"""How a command ends: its exit code, one message, the exit_message line; and what it prints before."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from clarify_spark.errors import ClarifyError
from clarify_spark.redaction import without_secrets

#: What SageMaker shows as the ExitMessage of a processing job, the first 1,024 bytes of it and only as UTF-8.
MESSAGE_FILE, MESSAGE_BYTES = Path("/opt/ml/output/message"), 1024

TERMINATED = "Stopped: ended by SIGTERM; finished blocks are kept, start the same command again to continue"


class ExitHandler:
    """Turns whatever ends a command into its exit code, one message and the exit_message line, all on stderr."""

    code = 0

    def __init__(self) -> None:
        self._terminated = False
        self._before: Any = None

    def __enter__(self) -> ExitHandler:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._on_sigterm)
        return self

    def _on_sigterm(self, *_: object) -> None:
        """End as after Ctrl-C; repeated signals do not interrupt the cleanup."""
        if not self._terminated:
            self._terminated = True
            raise KeyboardInterrupt

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
        if isinstance(error, SystemExit):
            return False
        if error is None:
            if self.code == 0:
                write_exit_message("Completed: clarify_spark ran successfully")
        elif self._terminated:  # whatever failed, failed because Spark or this process was ending
            self.code = 1
            write_exit_message(TERMINATED)
        elif isinstance(error, ClarifyError):
            self.code = error.exit_code
            print(without_secrets(f"clarify-spark: {error}"), file=sys.stderr)
            write_exit_message(f"Customer Error: {error}")
        elif _was_interrupted(error):
            self.code = 1
            write_exit_message("Stopped: interrupted before the end")
        elif isinstance(error, _UnreadError):
            self.code = 1
            write_exit_message("Stopped: the output pipe was closed")
        else:
            self.code = 70
            print(without_secrets("".join(traceback.format_exception(kind, error, trace))), file=sys.stderr)
            print("clarify-spark: this is a bug; please report it with the lines above.", file=sys.stderr)
            write_exit_message(f"Internal Error: {kind.__name__ if kind else ''}: {error}")
        return True


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is the cause, even if only of an error in a call to Spark that it interrupted."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


class _UnreadError(Exception):
    """Standard output is a pipe that was closed (``| head``)."""


def say(text: str) -> None:
    """Print to standard output without secrets."""
    print_out(without_secrets(text))


def print_out(text: str) -> None:
    """Print to standard output; once nobody reads it, further output is silently discarded."""
    try:
        print(text, flush=True)
    except BrokenPipeError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise _UnreadError from error


def write_exit_message(text: str) -> None:
    """The reason for the ending as the last line of stderr and, in a processing container, in the file for it."""
    line = without_secrets(" ".join(text.split()))
    if MESSAGE_FILE.parent.is_dir():
        whole_characters = line.encode("utf-8", "replace")[:MESSAGE_BYTES].decode("utf-8", "ignore")
        try:
            MESSAGE_FILE.write_bytes(whole_characters.encode("utf-8"))
        except OSError as error:
            print(f"warning: {MESSAGE_FILE} cannot be written: {error.strerror}", file=sys.stderr)
    print(f"exit_message: {line}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Print a warning to stderr without secrets."""
    print(without_secrets(f"warning: {text}"), file=sys.stderr)


def note(text: str) -> None:
    """Print a note to stderr without secrets, at once."""
    print(without_secrets(f"note: {text}"), file=sys.stderr, flush=True)
