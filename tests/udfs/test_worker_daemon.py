"""Spark's daemon with libraries: what it loads, that it may fork, and that its standard output stays Spark's."""

import os
import subprocess
import sys

import pytest

from clarify_spark.udfs import worker_daemon
from clarify_spark.udfs.worker_daemon import LIBRARIES, unchanged

LOADED = """
import sys
from clarify_spark.udfs.worker_daemon import preloaded
alone = preloaded(sys.argv[1:])
print(alone, *(name in sys.modules for name in sys.argv[1:]))
"""


def python(*words, **environment):
    """What a new Python prints, as a worker: one thread for numerical libraries."""
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def module(folder, name, text):
    (folder / f"{name}.py").write_text(text)
    return {"PYTHONPATH": str(folder)}


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted on Linux only")
def test_the_libraries_of_models_leave_one_thread():
    ran = python("-c", LOADED, "pandas", "pyarrow", "sklearn.neighbors", "skops.io", "lightgbm", "xgboost")
    assert ran.stdout.split() == ["True"] * 7, ran.stderr


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted on Linux only")
def test_a_library_that_starts_a_thread_is_seen(tmp_path):
    threaded = "import threading, time; threading.Thread(target=time.sleep, args=(30,), daemon=True).start()"
    ran = python("-c", LOADED, "threaded_library", **module(tmp_path, "threaded_library", threaded))
    assert ran.stdout.split() == ["False", "True"], ran.stderr


def test_what_a_library_prints_and_one_that_is_missing_do_not_disturb_the_daemon(tmp_path):
    ran = python("-c", LOADED, "talkative", "no_such_library", **module(tmp_path, "talkative", "print('hello')"))
    assert ran.stdout.split()[1:] == ["True", "False"]
    assert "hello" in ran.stderr


@pytest.mark.parametrize("libraries", ["pandas", "threaded_library", "broken_library"])
def test_it_speaks_as_sparks_own_daemon_does(tmp_path, libraries):
    threaded = "import threading, time; threading.Thread(target=time.sleep, args=(30,), daemon=True).start()"
    module(tmp_path, "broken_library", "raise RuntimeError('built for another version')")
    environment = {**module(tmp_path, "threaded_library", threaded), LIBRARIES: libraries}
    environment["PYTHON_WORKER_FACTORY_SECRET"] = "secret"
    command = [sys.executable, "-m", "clarify_spark.udfs.worker_daemon", "pyspark.worker"]
    daemon = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    port = int.from_bytes(daemon.stdout.read(4), "big")
    daemon.stdin.close()  # Spark is gone, and so is the daemon
    assert 0 < port < 2**16
    daemon.wait(timeout=30)
    daemon.stdout.close()
    daemon.stderr.close()


class ReplacedError(Exception):
    """Instead of the end of a process that becomes another program."""


def refused(*arguments):
    raise RuntimeError("built for another version")


@pytest.mark.parametrize(
    ("loads", "becomes"),
    [(lambda libraries: True, None), (lambda libraries: False, "pyspark.daemon"), (refused, "pyspark.daemon")],
)
def test_it_is_the_daemon_or_becomes_that_of_spark(monkeypatch, loads, becomes):
    calls = []

    def replaced(program, words):
        calls.append(words[2])
        raise ReplacedError

    monkeypatch.setattr(worker_daemon, "preloaded", loads)
    monkeypatch.setattr(os, "execv", replaced)
    monkeypatch.setattr("pyspark.daemon.manager", lambda: calls.append(None))
    monkeypatch.setattr(sys, "argv", ["daemon", "pyspark.worker"])
    if becomes is None:
        worker_daemon.main()
    else:
        with pytest.raises(ReplacedError):
            worker_daemon.main()
    assert calls == [becomes]


def test_the_first_work_of_a_session_leaves_batches_as_they_are():
    assert list(unchanged(iter([1, 2]))) == [1, 2]
