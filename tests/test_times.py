"""The times that .ci/run prints in the end."""

import importlib.util
import json
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def times():
    spec = importlib.util.spec_from_file_location("ci_times", HERE.parent / ".ci" / "times.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["-n", "1"]])
def test_a_run_leaves_the_seconds_of_each_test_with_its_fixtures(pytester, monkeypatch, options):
    pytester.makepyfile(
        test_it="import pytest\n@pytest.fixture\ndef a(): pass\ndef test_one(a): pass\ndef test_two(): 1/0"
    )
    (pytester.path / "times").mkdir()
    monkeypatch.setenv("TEST_TIMES", str(pytester.path / "times"))
    monkeypatch.setenv("PYTHONPATH", str(HERE))  # for the process that xdist starts
    pytester.runpytest_subprocess("-p", "times", "test_it.py", *options)
    (file,) = (pytester.path / "times").iterdir()
    told = json.loads(file.read_text())
    assert told["name"].endswith(" ".join(["-p times test_it.py", *options]))
    assert set(told["tests"]) == {"test_it.py::test_one", "test_it.py::test_two"}
    assert sum(told["tests"].values()) > 0
    assert told["seconds"] > 0


def test_the_slowest_tests_of_all_parts_are_named(times):
    first = {"name": ".venv pytest", "seconds": 62.4, "tests": {f"a{n}": float(n) for n in range(12)}}
    second = {"name": ".venv-spark35 pytest", "seconds": 5, "tests": {"b": 10.5}}
    told = list(times.lines([first, second], 90, 31))
    assert told[:3] == [
        "1 min 30 s, of which environments took 0 min 31 s",
        "  1 min 02 s  .venv pytest",
        "  0 min 05 s  .venv-spark35 pytest",
    ]
    assert [line.split()[2] for line in told[3:]] == ["a11", "b", *(f"a{n}" for n in range(10, 2, -1))]


def test_more_than_35_minutes_are_told(times):
    assert "above 35 min 00 s" in list(times.lines([], 2101, 0))[1]
    assert len(list(times.lines([], 2100, 0))) == 1
