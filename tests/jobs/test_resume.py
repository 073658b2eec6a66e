"""Runs that are killed for real, anywhere, and started again: the files are those of a run that nothing disturbed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyspark
import pytest

from clarify_spark.cli import main

CHECKPOINTS = Path("explanations_shap") / "_journal"
MODEL = """
import time

def predict(frame):
    time.sleep(0.03)
    return 1 / (1 + (frame["obrat"] / 40) ** 2 + 0.3 * frame["black"] * frame["loanprc"])
"""
#: The command with waves of half a second instead of half a minute.
COMMAND = """
import sys
from clarify_spark.spark.blocks import waves
waves.FIRST_SECONDS = waves.WAVE_SECONDS = 0.5
from clarify_spark.cli import main
sys.exit(main(sys.argv[1:]))
"""
pytestmark = [
    pytest.mark.classic("kills drivers together with their own JVMs and executors"),
    pytest.mark.process(
        "clarify_spark/spark/blocks", "clarify_spark/spark/cancellation.py", "clarify_spark/cli/ending.py"
    ),
]
FEATURES = ["black", "male", "obrat", "loanprc", "unem", "chist"]
WAIT = 240


@dataclass(frozen=True)
class Run:
    """A driver process with its JVM and workers, in a session (of processes) of its own."""

    process: subprocess.Popen
    output: Path
    log: Path

    def ranges(self):
        """How many finished ranges the checkpoints have."""
        return len(list((self.output / CHECKPOINTS).glob("range-*.arrow")))

    def until(self, holds):
        """Wait for something while the driver runs."""
        deadline = time.monotonic() + WAIT
        while not holds():
            assert self.process.poll() is None, f"ended too early: {self.log.read_text()}"
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def end(self):
        """The exit code and all that was said on stderr."""
        code = self.process.wait(WAIT)
        return code, self.log.read_text()

    def processes(self, what):
        """Ids of this run's processes whose command line has ``what``."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
                words = (folder / "cmdline").read_text().replace("\0", " ")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if session == self.process.pid and what in words:
                found.append(int(folder.name))
        return sorted(found)


@pytest.fixture(scope="module")
def case(loans, tmp_path_factory):
    """A folder with data, config, model and command: 1,974 rows in 31 blocks, some seconds of work."""
    folder = tmp_path_factory.mktemp("case")
    rows = loans[["approve", *FEATURES]]
    rows.to_csv(folder / "loans.csv", index=False)
    shap = {"baseline": rows[FEATURES].iloc[::30].to_numpy().tolist(), "engine": "shared", "seed": 3}
    config = {
        "dataset_type": "text/csv",
        "label": "approve",
        "methods": {"shap": {**shap, "save_local_shap_values": True}},
        "predictor": {"model_uri": "python:slow_loans:predict"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "slow_loans.py").write_text(MODEL)
    (folder / "command.py").write_text(COMMAND)
    return folder


@pytest.fixture(scope="module")
def start(case):
    """Start the command; whatever still runs in the end is killed."""
    runs = []

    def begin(output, *options, master="local[2]", **environment):
        log = case / f"{len(runs)}.log"
        path = os.pathsep.join(filter(None, [str(case), os.environ.get("PYTHONPATH")]))
        words = ["--config", case / "config.json", "--data", case / "loans.csv", "--output", case / output]
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, case / "command.py", "analyze", *words, "--master", master, *options],
                stdout=subprocess.DEVNULL,
                stderr=stream,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": path, **environment},
            )
        runs.append(Run(process, case / output, log))
        return runs[-1]

    yield begin
    for run in runs:
        kill_all(run)


def kill_all(run):
    """Kill the driver, its JVM and its workers, as a machine that is switched off does."""
    with suppress(ProcessLookupError):
        os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait(WAIT)


def files(folder):
    """Every file by name; of the details what does not tell when, how long and on which occasions it was made."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    details = json.loads(found["analysis_details.json"])
    assert all(details.pop(name) for name in ("seconds", "finished", "notes"))
    return {**found, "analysis_details.json": details}


@pytest.fixture(scope="module")
def undisturbed(ship_file, case):
    """The files of a run in the tests' own session, in waves of the usual size."""
    ship_file(case / "slow_loans.py")
    output = case / "undisturbed"
    words = ["--config", case / "config.json", "--data", case / "loans.csv", "--output", output]
    assert main(["analyze", *map(str, words)]) == 0
    assert not (output / CHECKPOINTS).exists()
    return files(output)


@pytest.mark.smoke
def test_a_driver_killed_again_and_again_ends_with_the_files_of_an_undisturbed_run(start, undisturbed):
    draw = random.Random(20)
    for victim in (kill_all, lambda run: run.process.kill()):
        run = start("killed")
        goal = run.ranges() + draw.randint(1, 4)
        run.until(lambda run=run, goal=goal: run.ranges() >= goal)
        time.sleep(draw.random())
        victim(run)
    kept = run.ranges()
    run = start("killed")
    run.until(lambda: run.ranges() > kept)
    run.process.send_signal(signal.SIGTERM)
    code, said = run.end()
    assert code == 1, said
    assert said.splitlines()[-1] == (
        "exit_message: Stopped: ended by SIGTERM; finished blocks are kept, start the same command again to continue"
    )
    assert "Traceback" not in said
    run = start("killed")
    code, said = run.end()
    assert code == 0, said
    assert "note: Resuming: " in said
    assert files(run.output) == undisturbed


def test_lost_executors_and_workers_change_no_byte(start, undisturbed, tmp_path):
    run = start("lost", master="local-cluster[2,1,1024]", SPARK_HOME=str(spark_home(tmp_path)))
    run.until(lambda: run.ranges() >= 1)
    os.kill(run.processes("CoarseGrainedExecutorBackend")[-1], signal.SIGKILL)
    goal = run.ranges() + 3
    run.until(lambda: run.ranges() >= goal)
    os.kill(run.processes("pyspark.daemon")[-1], signal.SIGKILL)
    code, said = run.end()
    assert code == 0, said
    assert files(run.output) == undisturbed


def spark_home(folder):
    """Spark's own folder by links: workers of a local cluster write beside its jars."""
    for part in Path(pyspark.__file__).parent.iterdir():
        if part.name != "work":
            (folder / part.name).symlink_to(part)
    return folder
