"""With ``TEST_TIMES=FOLDER`` in the environment, a file there tells the seconds of a run of pytest and of each test."""

import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

STARTED = pytest.StashKey[float]()


def pytest_configure(config):
    config.stash[STARTED] = time.monotonic()


def pytest_unconfigure(config):
    folder = os.environ.get("TEST_TIMES")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if not folder or hasattr(config, "workerinput"):  # a worker of xdist reports to the process that has started it
        return
    tests = defaultdict(float)
    for found in reporter.stats.values():
        for report in found:
            if isinstance(report, pytest.TestReport):
                tests[report.nodeid] += report.duration
    words = [Path(sys.prefix).name, "pytest", *config.invocation_params.args]
    told = {"name": " ".join(words), "seconds": time.monotonic() - config.stash[STARTED], "tests": tests}
    Path(folder, f"{os.getpid()}.json").write_text(json.dumps(told), encoding="utf-8")
