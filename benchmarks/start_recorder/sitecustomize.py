"""Every Python process of a command, driver and workers, writes what its main thread does: a line at each change.

This folder comes first on PYTHONPATH, so that Python imports this module before anything else. A thread looks at the
stacks a hundred times a second; in our daemon of workers, which may have one thread only, a timer does. The lines go to
a file for each process in the folder START_RECORDS:
[time, step, imported package, function, kind, step of another thread].
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import FrameType

SECONDS = 0.01
DAEMON = "clarify_spark.udfs.worker_daemon"
#: Steps by a function on the stack and the package that it belongs to; the first that matches counts.
STEPS = (
    ("launch_gateway", "pyspark", "JVM launch"),
    ("require_java", "clarify_spark", "java -version"),
    ("getOrCreate", "pyspark", "session"),
    ("ship_own_code", "clarify_spark", "code shipping"),
    ("stop", "pyspark", "stop"),
    ("load_predictor", "clarify_spark", "model load"),
    ("prepare", "clarify_spark.cli.demo", "training"),
)
#: Innermost functions of a thread that waits: for other threads, processes, rows or tasks.
WAITING = frozenset(("wait", "readinto", "read_int", "load_stream", "select", "_wait_for_tstate_lock", "manager"))
#: Modules through which many others work.
PASSED = ("clarify_spark.spark.collect", "clarify_spark.spark.progress", "clarify_spark.udfs.dotted_names")


def described(frame: FrameType | None) -> tuple[str, str, str, str]:
    """(step, imported package, innermost function of clarify_spark or the program, kind) of a stack."""
    kind = "waiting" if frame is not None and frame.f_code.co_name in WAITING else "python"
    seen: set[str] = set()
    package = function = ""
    while frame is not None:
        name, module = frame.f_code.co_name, str(frame.f_globals.get("__name__", ""))
        if name == "send_command" and module.startswith("py4j"):
            kind = "jvm"
        if name == "_find_and_load" and module == "importlib._bootstrap":
            package = outer(package, str(frame.f_locals.get("name", "")).partition(".")[0])
        if not function and module.startswith("clarify_spark") and module not in PASSED:
            function = f"{module.removeprefix('clarify_spark.')}.{frame.f_code.co_qualname}"
        if not function and module == "__main__":
            function = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        seen.update(step for known, owner, step in STEPS if name == known and module.startswith(owner))
        frame = frame.f_back
    step = next((one for _, _, one in STEPS if one in seen), "")
    return step, package, function, kind


def outer(package: str, importer: str) -> str:
    """The innermost package that does not belong to Python itself."""
    if package and package != "standard library":
        return package
    return "standard library" if importer in sys.stdlib_module_names else importer


class Recorder:
    """Writes the changes of this process."""

    def __init__(self, forked: bool = False) -> None:
        """The first line of the file has the process's command, and whether it is a fork."""
        path = Path(os.environ["START_RECORDS"]) / f"{os.getpid()}-{time.time():.3f}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._main = threading.main_thread().ident or 0
        self._own = 0
        self._last: tuple[str, ...] = ()
        self._ended = False
        command = Path("/proc/self/cmdline").read_bytes().decode(errors="replace").split("\0")
        self._write([time.time(), command, forked])
        if DAEMON in command and not forked:
            signal.signal(signal.SIGALRM, lambda _, frame: self._changed(frame, []))
            signal.setitimer(signal.ITIMER_REAL, SECONDS, SECONDS)
        else:
            threading.Thread(target=self._watch, daemon=True).start()

    def end(self) -> None:
        """The program is over, and Python ends."""
        self._ended = True
        self._write([time.time(), "exit", "", "", "python", ""])

    def _watch(self) -> None:
        self._own = threading.get_ident()
        while not self._ended:
            frames = sys._current_frames()
            others = [frame for thread, frame in frames.items() if thread not in (self._own, self._main)]
            self._changed(frames.get(self._main), others)
            del frames, others
            time.sleep(SECONDS)

    def _changed(self, main: FrameType | None, others: list[FrameType]) -> None:
        now = (*described(main), next((step for step in (described(one)[0] for one in others) if step), ""))
        if now != self._last and not self._ended:
            self._last = now
            self._write([time.time(), *now])

    def _write(self, line: list[object]) -> None:
        os.write(self._file, (json.dumps(line) + "\n").encode())


def start() -> None:
    """Record this process, also after a fork."""
    atexit.register(Recorder().end)


if "START_RECORDS" in os.environ:
    start()
    os.register_at_fork(after_in_child=partial(Recorder, forked=True))
