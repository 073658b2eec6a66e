"""Which process tests a change runs: real changes in a real repository of git."""

import subprocess

import layers
import pytest

pytest_plugins = ["pytester"]
MODULE = """
import pytest

@pytest.mark.process("code/cluster", "{also}")
def test_cluster(): pass

@pytest.mark.smoke
@pytest.mark.process("code/files.py")
def test_smoke(): pass

@pytest.mark.process("code/store.py")
def test_store(): pass

def test_plain(): pass
"""


@pytest.fixture
def repository(pytester):
    """A repository with one commit: four tests and the files that they name."""
    folder = pytester.path
    for name in (
        "code/cluster/delivery.py",
        "code/files.py",
        "code/store.py",
        "conf/cluster.sh",
        "conf/constraints/old.txt",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    (folder / "tests").mkdir()
    (folder / "tests" / "test_them.py").write_text(MODULE.format(also="conf/cluster.sh"))
    (folder / ".gitignore").write_text("__pycache__\n.pytest_cache\n")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


@pytest.fixture
def chosen(pytester, repository):
    """A function of options: the names of the tests that ran, and the summary's lines."""

    def run(*options):
        done = pytester.runpytest_inprocess("tests", "-v", "-p", "no:cacheprovider", *options, plugins=[layers])
        ran = [line.partition("::")[2].split()[0] for line in done.outlines if " PASSED" in line]
        return ran, done

    return run


def changed(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("# changed\n")


def test_without_the_option_everything_runs(chosen):
    assert chosen()[0] == ["test_cluster", "test_smoke", "test_store", "test_plain"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "tests"),
    [
        ("code/cluster/delivery.py", ["test_cluster", "test_smoke", "test_plain"]),
        ("code/cluster/new.py", ["test_cluster", "test_smoke", "test_plain"]),
        ("conf/cluster.sh", ["test_cluster", "test_smoke", "test_plain"]),
        ("code/store.py", ["test_smoke", "test_store", "test_plain"]),
        ("code/stores.py", ["test_smoke", "test_plain"]),
        ("tests/conftest.py", ["test_cluster", "test_smoke", "test_store", "test_plain"]),
        ("tests/helper.py", ["test_cluster", "test_smoke", "test_store", "test_plain"]),
        ("tests/test_others.py", ["test_smoke", "test_plain"]),
        ("conf/constraints/new.txt", ["test_cluster", "test_smoke", "test_store", "test_plain"]),
    ],
)
def test_process_tests_run_when_a_file_of_theirs_has_changed(chosen, repository, name, tests):
    changed(repository, name)
    assert chosen("--change=HEAD")[0] == tests


def test_a_change_that_was_committed_counts_as_much(chosen, repository):
    changed(repository, "code/store.py")
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qam", "two"], check=True)
    assert chosen("--change=HEAD~1")[0] == ["test_smoke", "test_store", "test_plain"]
    assert chosen("--change=HEAD")[0] == ["test_smoke", "test_plain"]


def test_a_file_that_was_moved_away_has_changed(chosen, repository):
    subprocess.run(["git", "mv", "conf/cluster.sh", "code/other.sh"], check=True)
    (repository / "tests" / "test_them.py").write_text(MODULE.format(also="code/other.sh"))
    assert "test_cluster" in chosen("--change=HEAD")[0]


def test_the_summary_says_why_each_test_was_chosen_and_how_many_were_not(chosen, repository):
    changed(repository, "code/store.py")
    chosen("--change=HEAD")[1].stdout.fnmatch_lines(
        [
            "*process tests*",
            "1 files have changed since HEAD",
            "tests/test_them.py: 1, code/store.py has changed",
            "tests/test_them.py: 1, smoke",
            "1 are left to make test-all",
        ]
    )


@pytest.mark.parametrize(
    ("base", "said"), [("", "no base commit is given: *"), ("0" * 40, f"git does not know the commit {'0' * 40}: *")]
)
def test_without_a_known_base_the_smoke_set_runs_and_the_summary_says_so(chosen, repository, base, said):
    changed(repository, "code/store.py")
    ran, done = chosen(f"--change={base}")
    assert ran == ["test_smoke", "test_plain"]
    done.stdout.fnmatch_lines([f"{said}of the process tests the smoke set alone", "*", "2 are left to make test-all"])


def test_a_mark_with_a_path_that_does_not_exist_is_refused(chosen, repository):
    (repository / "tests" / "test_them.py").write_text(MODULE.format(also="code/gone.py"))
    ran, done = chosen()
    assert ran == []
    done.stderr.fnmatch_lines(["*test_cluster is marked process with paths that do not exist: *code/gone.py*"])
