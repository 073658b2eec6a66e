"""What is lost during a run, for a moment or for good: the same bytes come, or a message that says what to do."""

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from clarify_spark.cli import main
from clarify_spark.spark.blocks import waves

from .conftest import FEATURES, files

pytestmark = [
    pytest.mark.spark,
    pytest.mark.classic("a standalone cluster is asked by classic sessions"),
    pytest.mark.process(
        "clarify_spark/spark/blocks",
        "clarify_spark/spark/failures.py",
        "clarify_spark/spark/cancellation.py",
        "udfs/block_results.py",
        "conf/local-cluster.sh",
    ),
]

CHECKPOINTS = Path("explanations_shap") / "_journal"
PROGRAM = Path(__file__).with_name("faulty_runs.py")
#: The command with waves as small as they can be.
COMMAND = """
import sys
from clarify_spark.spark.blocks import waves
waves.FIRST_SECONDS = waves.WAVE_SECONDS = 0.5
from clarify_spark.cli import main
sys.exit(main(sys.argv[1:]))
"""
#: Models that are fine but for one value, which a single row has: record BAD_RECORD.
BAD, BAD_RECORD = 77.125, 300
MODELS = f"""
import os, signal, time
import numpy as np

def plain(frame):
    return 1 / (1 + (frame["obrat"] / 40) ** 2 + 0.3 * frame["black"] * frame["loanprc"])

def slow(frame):
    time.sleep(8e-6 * len(frame))
    return plain(frame)

def ends_its_process(frame):
    if (frame["obrat"] == {BAD}).any():
        os._exit(1)
    return plain(frame)

def greedy(frame):
    if (frame["obrat"] == {BAD}).any():
        np.ones(2**29)
    return plain(frame)

def killed_twice(frame):
    if (frame["obrat"] == {BAD}).any():
        for time_of_death in ("first", "second"):
            if not os.path.exists(os.path.join({{deaths!r}}, time_of_death)):
                open(os.path.join({{deaths!r}}, time_of_death), "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
    return plain(frame)
"""


@dataclass(frozen=True)
class Case:
    """A folder with data, the module ``frail`` of models, and configs that name one each."""

    folder: Path

    def config(self, model, **methods):
        rows = self.folder / "baseline.json"
        shap = {"baseline": json.loads(rows.read_text()), "engine": "shared", "seed": 3, "save_local_shap_values": True}
        path = self.folder / f"{model}{''.join(methods)}.json"
        path.write_text(
            json.dumps(
                {
                    "dataset_type": "text/csv",
                    "label": "approve",
                    "label_values_or_threshold": [1],
                    "facet": [{"name_or_index": "black", "value_or_threshold": [1]}],
                    "methods": methods or {"shap": shap},
                    "predictor": {"model_uri": f"python:frail:{model}"},
                }
            )
        )
        return path

    def words(self, model, output, **methods):
        config = self.config(model, **methods)
        return ["--config", str(config), "--data", str(self.folder / "loans.csv"), "--output", str(output)]


@pytest.fixture(scope="module")
def case(loans, spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    rows = loans.copy()
    rows.iloc[BAD_RECORD - 1, rows.columns.get_loc("obrat")] = BAD
    rows.to_csv(folder / "loans.csv", index=False)
    (folder / "baseline.json").write_text(json.dumps(loans[FEATURES].iloc[::10].to_numpy().tolist()))
    (folder / "deaths").mkdir()
    (folder / "frail.py").write_text(MODELS.format(deaths=str(folder / "deaths")))
    (folder / "command.py").write_text(COMMAND)
    spark.sparkContext.addPyFile(str(folder / "frail.py"))
    return Case(folder)


def here(case, model):
    """The files of a run that nothing disturbs, in the tests' own session, in waves of the usual size."""
    output = case.folder / f"{model} here"
    assert main(["analyze", *case.words(model, output)]) == 0
    return files(output)


# --- lost machines --------------------------------------------------------------------------------------------------


def ranges(output):
    return len(list((output / CHECKPOINTS).glob("range-*.arrow")))


def kill(processes):
    assert processes
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def test_a_killed_executor_and_a_worker_that_stops_for_good_change_no_byte(cluster, package, case):
    output = case.folder / "lost"
    words = ["analyze", *case.words("slow", output)]
    job = cluster.submit(case.folder / "command.py", *words, py_files=[package, case.folder / "frail.py"])
    job.until(lambda: ranges(output) >= 1)
    kill(cluster.processes("CoarseGrainedExecutorBackend", "worker-1"))
    job.until(lambda: ranges(output) >= 2)
    kill([int((cluster.folder / "worker-2.pid").read_text()), *cluster.processes("", "worker-2")])
    job.done()
    cluster.start()
    assert files(output) == here(case, "slow")


#: The command, impatient.
IMPATIENT = """
import sys
from clarify_spark.spark import progress
progress.LOG_SECONDS, progress.WAITING_SECONDS = 0.5, 2.0
from clarify_spark.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_run_that_gets_no_executor_says_so(cluster, package, case):
    program = case.folder / "impatient.py"
    program.write_text(IMPATIENT)
    words = ["analyze", *case.words("plain", case.folder / "waiting")]
    job = cluster.submit(program, *words, py_files=[package], conf={"spark.executor.memory": "64g"})
    job.until(lambda: "note: No task of this run " in job.log.read_text())
    assert "there is no executor" in job.log.read_text()
    job.process.terminate()
    job.process.wait()


# --- models that kill their workers ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(cluster, package, case):
    """How runs with frail models ended, all in one application; Spark tries each task twice."""
    scored = {"post_training_bias": {"methods": ["DPPL"]}}
    commands = {
        "killed_twice": case.words("killed_twice", case.folder / "killed_twice"),
        "ends_its_process": case.words("ends_its_process", case.folder / "ends"),
        "greedy": case.words("greedy", case.folder / "greedy"),
        "predictions": case.words("ends_its_process", case.folder / "predictions", **scored),
    }
    (case.folder / "commands.json").write_text(json.dumps({name: ["analyze", *of] for name, of in commands.items()}))
    limits = {"spark.task.maxFailures": "2", "spark.executor.pyspark.memory": "1g"}
    paths = (case.folder / "commands.json", case.folder / "found.json")
    job = cluster.submit(PROGRAM, *paths, py_files=[package, case.folder / "frail.py"], conf=limits)
    job.done()
    return json.loads(paths[1].read_text())


def test_a_worker_killed_as_often_as_spark_tries_a_task_changes_no_byte(runs, case):
    ran = runs["killed_twice"]
    assert ran["code"] == 0, ran["said"]
    assert sorted(os.listdir(case.folder / "deaths")) == ["first", "second"]
    assert "note: A Python worker died, and Spark gave up on its task: the blocks are computed again" in ran["said"]
    assert files(case.folder / "killed_twice") == here(case, "killed_twice")


#: Two places in the data, which are a block's first and last row.
SPAN = re.compile(r"block \d+ \(record (\d+) of (\S+) to record (\d+) of \S+\)")


def named(case, said):
    """The records that the message names; it is one line that quotes Spark but shows no stack."""
    assert not re.search(r"Traceback|\n\s+at |JVM stacktrace", said)
    [line] = [line for line in said.splitlines() if line.startswith("clarify-spark: ")]
    first, file, last = SPAN.search(line).groups()
    assert file.endswith(str(case.folder / "loans.csv"))
    return line, int(first), int(last)


def test_a_model_that_ends_its_process_is_told_with_the_block_that_it_does_it_for(runs, case):
    ran = runs["ends_its_process"]
    assert ran["code"] == 4, ran["said"]
    line, first, last = named(case, ran["said"])
    assert first <= BAD_RECORD <= last < first + 64
    assert "tried alone: A Python worker died: it ran out of memory, or the model's code ended it" in line
    assert "spark.executor.memoryOverhead" in line
    assert "Spark says: Job aborted due to stage failure: Task 0 in stage" in line


def test_a_model_that_wants_too_much_memory_is_told_with_the_block_and_what_to_raise(runs, case):
    ran = runs["greedy"]
    assert ran["code"] == 4, ran["said"]
    line, first, last = named(case, ran["said"])
    assert first <= BAD_RECORD <= last < first + 64
    assert "Unable to allocate 4.00 GiB" in line
    assert "spark.executor.pyspark.memory" in line


def test_what_is_finished_before_is_kept(runs):
    for name in ("ends_its_process", "greedy"):
        kept, rows = re.search(r"(\d+) of (\d+) rows are done and kept", runs[name]["said"]).groups()
        assert 0 < int(kept) < int(rows) == 640


def test_predictions_that_end_their_process_are_told_with_their_block(runs, case):
    ran = runs["predictions"]
    assert ran["code"] == 4, ran["said"]
    line, first, last = named(case, ran["said"])
    assert (first, last) == (1, 640)
    assert "predictions, block 0" in line


# --- a full disk ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"mounting a small file system takes rights that this user has not: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_ends_the_run_in_words_and_the_run_goes_on_when_there_is_space(
    case, small_disk, monkeypatch, capfd
):
    monkeypatch.setattr(waves, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(waves, "WAVE_SECONDS", 0.01)
    output, filler = small_disk / "output", small_disk / "filler"
    free = os.statvfs(small_disk)
    filler.write_bytes(b"x" * (free.f_bavail * free.f_frsize - 80 * 1024))
    assert main(["analyze", *case.words("plain", output)]) == 5
    said = capfd.readouterr().err
    assert re.search(r"clarify-spark: \S+ cannot be written: No space left on device", said)
    assert "Traceback" not in said
    assert ranges(output) >= 1
    assert not list(output.rglob("*.tmp"))
    filler.unlink()
    assert main(["analyze", *case.words("plain", output)]) == 0
    assert "note: Resuming: " in capfd.readouterr().err
    assert files(output) == here(case, "plain")
