"""Runs cases on one checkout, with a model's server and SageMaker's control plane on loopback.

All sides have the same scratch folder, at ``checkout`` in it a link to the checkout itself: paths do not differ.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cases import Case, Step
from inputs import CHECKOUT, CODE, FAILING_PORT, INPUTS, PORT, SCRATCH, WORK, is_bad, scores, write_inputs

REPOSITORY = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).resolve().with_name("runner.py")
TIMEOUT = 1800
#: Prefixes of environment variables that would make a side use other code or settings.
FOREIGN = ("PYTHON", "SPARK", "PYSPARK", "AWS_", "HADOOP", "JDK_JAVA")


@dataclass(frozen=True)
class Side:
    """A state of the repository: its name, and the checkout or the commit that has it."""

    name: str
    checkout: Path | None = None
    commit: str | None = None

    @property
    def state(self) -> str:
        """What identifies saved results: a commit, or a folder with its commit and its changes."""
        if self.checkout is None:
            return f"{self.commit}"
        changes = _git("diff", "HEAD", "--", ".", ":!tests", at=self.checkout)
        changes += _git("status", "--porcelain", at=self.checkout)
        return f"{self.checkout} {_git('rev-parse', 'HEAD', at=self.checkout).strip()} {_short_hash(changes)}"


def side(name: str, what: str) -> Side:
    """The side that a word means: a checkout's folder, or a commit."""
    if Path(what).is_dir():
        return Side(name, checkout=Path(what).resolve())
    return Side(name, commit=_git("rev-parse", "--verify", f"{what}^{{commit}}").strip())


def run(one: Side, wanted: Sequence[Case], results: Path) -> None:
    """Run cases and keep their folders in ``results``."""
    with _alone(), _checked_out(one), _services() as environment:
        _say(f"{one.name}: {len(wanted)} cases on {one.state}")
        _fresh(wanted)
        _run_together([case for case in wanted if not _apart(case)], environment)
        for case in filter(_apart, wanted):
            _run_apart(case, environment)
        for case in wanted:
            shutil.rmtree(results / case.name, ignore_errors=True)
            shutil.move(case.folder, results / case.name)


def _apart(case: Case) -> bool:
    return any(step.program for step in case.steps)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else "unchanged"


def _git(*words: str, at: Path = REPOSITORY) -> str:
    done = subprocess.run(["git", "-C", f"{at}", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


# What is around a run


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other comparison uses the scratch folder."""
    SCRATCH.mkdir(exist_ok=True)
    with (SCRATCH / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _checked_out(one: Side) -> Iterator[None]:
    """Point CHECKOUT to the side's checkout while the block runs."""
    CHECKOUT.unlink(missing_ok=True)
    if one.checkout:
        CHECKOUT.symlink_to(one.checkout)
        yield
        return
    with tempfile.TemporaryDirectory(prefix="clarify-spark-") as folder:
        _git("worktree", "add", "--detach", f"{folder}/checkout", f"{one.commit}")
        CHECKOUT.symlink_to(f"{folder}/checkout")
        try:
            yield
        finally:
            _git("worktree", "remove", "--force", f"{folder}/checkout")


@contextmanager
def _services() -> Iterator[dict[str, str]]:
    """The environment of commands while a model's servers and a control plane run."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from control_plane import control_plane
    from serving import Faults, serve

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    failing = Faults(bad_record=is_bad)
    with control_plane() as plane, serve(scores, port=PORT) as server, serve(scores, failing, port=FAILING_PORT):
        plane.add_model("loans-2026-11")
        server.endpoints = _Endpoints()
        yield _environment() | plane.environment | {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": server.url}


class _Endpoints:
    """The names of endpoints that there are."""

    def __contains__(self, name: str) -> bool:
        return name != "nobody"


def _environment() -> dict[str, str]:
    """The environment of this process without FOREIGN variables."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return own | {
        "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CODE}",
        "COLUMNS": "120",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "NO_PROXY": "127.0.0.1",
        "MODEL_AUTHORIZATION": "Bearer of-the-tests",
        "JDK_JAVA_OPTIONS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    }


def _fresh(wanted: Sequence[Case]) -> None:
    """Inputs, and a folder with its files for each case."""
    for folder in (INPUTS, WORK):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    write_inputs()
    for case in wanted:
        case.folder.mkdir()
        (case.folder / "case.txt").write_text(case.definition)
        for name, text in case.files.items():
            (case.folder / name).write_text(text)


# Commands


def _run_together(wanted: Sequence[Case], environment: dict[str, str]) -> None:
    """All steps in one process."""
    steps = [
        {"name": f"{case.name} {place}", "argv": step.argv, "terminal": f"{case.folder}/{place}"}
        for case in wanted
        for place, step in enumerate(case.steps)
    ]
    if not steps:
        return
    listed = SCRATCH / "steps.json"
    listed.with_suffix(".log").unlink(missing_ok=True)
    listed.write_text(json.dumps(steps))
    command = [sys.executable, str(RUNNER), str(listed)]
    subprocess.run(command, env=environment, cwd=SCRATCH, timeout=TIMEOUT, stdin=subprocess.DEVNULL, check=False)


def _run_apart(case: Case, environment: dict[str, str]) -> None:
    """Each step in a process of its own."""
    for place, step in enumerate(case.steps):
        began = time.monotonic()
        terminal = case.folder / f"{place}"
        code = _process(step, case.folder, terminal, environment)
        terminal.with_suffix(".code").write_text(f"{code}\n")
        _say(f"  {case.name} {place}: {time.monotonic() - began:.1f} s, exit code {code}")


def _process(step: Step, folder: Path, terminal: Path, environment: dict[str, str]) -> int:
    """The exit code of a command, which is killed with its JVM and workers where that is the step."""
    command = [sys.executable, *step.program, *step.argv]
    with terminal.with_suffix(".out").open("wb") as out, terminal.with_suffix(".err").open("wb") as err:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder, env=environment,
            start_new_session=True,
        )  # fmt: skip
        try:
            if step.killed_at:
                _wait_for(process, folder, step.killed_at)
            else:
                process.wait(TIMEOUT)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if step.killed_at:
        for kind in (".out", ".err"):
            terminal.with_suffix(kind).unlink()
    return process.returncode


def _wait_for(process: subprocess.Popen[bytes], folder: Path, pattern: str) -> None:
    """Until a file is there or the process has ended."""
    deadline = time.monotonic() + TIMEOUT
    while process.poll() is None and not any(folder.glob(pattern)) and time.monotonic() < deadline:
        time.sleep(0.01)
