"""Which tests a change must pass.

Tests that start clusters, servers or commands of their own are marked ``process(*paths)`` with the files and folders
whose change they would notice. ``pytest --change=COMMIT`` leaves these out, except those marked ``smoke`` and those of
which a path has changed since the commit. Without the option nothing is left out.
"""

import subprocess
from collections import Counter
from pathlib import Path

import pytest

#: Every test may notice a change of these.
FOR_ALL = ("conf/constraints",)
#: What is fitted to a version of Spark, besides single tests that are marked ``spark_line``.
SPARK_LINE = ("tests/spark/", "tests/parity/test_spark_parity.py")


def pytest_addoption(parser):
    text = "of process tests only the smoke set and those of files changed since this commit; '': the smoke set alone"
    parser.addoption("--change", metavar="COMMIT", help=text)


def pytest_configure(config):
    config.addinivalue_line("markers", "process(*paths): starts processes; of these files or folders (tests/layers.py)")
    config.addinivalue_line("markers", "slow: takes some seconds without a JVM; make check leaves it out")
    config.addinivalue_line("markers", "smoke: a process test that every change runs")
    config.addinivalue_line("markers", "spark_line: fitted to Spark's versions; every change runs it on the older one")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if within(own_path(item), SPARK_LINE):
            item.add_marker("spark_line")
        absent = [path for path in paths_of(item) if not (config.rootpath / path).exists()]
        if absent:
            raise pytest.UsageError(f"{item.nodeid} is marked process with paths that do not exist: {absent}")
    base = config.getoption("--change")
    if base is not None:
        choose(config, items, base)


def choose(config, items, base):
    """Leave out the process tests that this change does not need, and remember why the others stay."""
    changed = changed_files(config.rootpath, base)
    whys = {id(item): why(item, changed or ()) for item in items}
    left_out = [item for item in items if not whys[id(item)]]
    items[:] = [item for item in items if whys[id(item)]]
    config.hook.pytest_deselected(items=left_out)
    chosen = Counter((own_path(item), whys[id(item)]) for item in items if is_process(item))
    config.stash[REPORT] = list(report(base, changed, chosen, len(left_out)))


REPORT = pytest.StashKey[list]()


def report(base, changed, chosen, left_out):
    """The lines that the summary says of a choice."""
    if not base:
        yield "no base commit is given: of the process tests the smoke set alone"
    elif changed is None:
        yield f"git does not know the commit {base}: of the process tests the smoke set alone"
    else:
        yield f"{len(changed)} files have changed since {base}"
    for (path, reason), number in sorted(chosen.items()):
        yield f"{path}: {number}, {reason}"
    yield f"{left_out} are left to make test-all"


def pytest_terminal_summary(terminalreporter, config):
    if REPORT in config.stash:
        terminalreporter.section("process tests")
        for line in config.stash[REPORT]:
            terminalreporter.line(line)


def changed_files(folder, base):
    """Files that differ from a commit, with those that git does not track yet; None if git does not know the commit."""
    if not base or git(folder, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}") is None:
        return None
    untracked = git(folder, "ls-files", "--others", "--exclude-standard")
    # Of a file that was moved, both places.
    return sorted({*git(folder, "diff", "--name-only", "--no-renames", "--relative", base), *untracked})


def git(folder, *words):
    """The lines that git prints; None if it fails."""
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else None


def why(item, changed):
    """The reason why a test runs; empty where there is none."""
    if not is_process(item):
        return "not a process test"
    if item.get_closest_marker("smoke"):
        return "smoke"
    return next((f"{path} has changed" for path in changed if concerns(path, item)), "")


def concerns(path, item):
    """Whether a test may notice a change of a file: one of its own, of its paths, or of those that all depend on."""
    return own_file(path, own_path(item)) or within(path, (*FOR_ALL, *paths_of(item)))


def own_file(path, test):
    """Whether a file is the test's module, or one beside it that is no test module."""
    beside = Path(path).parent == Path(test).parent and not Path(path).name.startswith("test_")
    return path == test or beside


def within(path, places):
    return any(path == place or path.startswith(f"{place.rstrip('/')}/") for place in places)


def own_path(item):
    return item.nodeid.partition("::")[0]


def is_process(item):
    return item.get_closest_marker("process") is not None


def paths_of(item):
    """The paths of all ``process`` marks of a test: its own and its module's."""
    return [path for mark in item.iter_markers("process") for path in mark.args]
