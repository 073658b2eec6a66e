"""The code that sessions are given for their executors, without a Spark."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from clarify_spark import udfs
from clarify_spark.errors import CommandError
from clarify_spark.spark.delivery.code import ship_module, ship_own_code
from clarify_spark.spark.session import Session, is_connect


class Client:
    """A session of Spark Connect that keeps what it is sent."""

    __module__ = "pyspark.sql.connect.session"

    def __init__(self):
        self.sent = {}

    def addArtifacts(self, path, *, pyfile):
        assert pyfile
        self.sent[Path(path).name] = Path(path).read_bytes()

    @property
    def packages(self):
        return [zipfile.ZipFile(io.BytesIO(content)) for content in self.sent.values()]


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def session(client):
    assert is_connect(client)
    return Session(client, local=False)


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A folder that the driver imports from."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_executors_get_what_runs_there_and_nothing_else(session, client):
    ship_own_code(session)
    (package,) = client.packages
    here = Path(udfs.__file__).parent
    expected = {f"clarify_spark/udfs/{path.relative_to(here).as_posix()}" for path in here.rglob("*.py")}
    assert set(package.namelist()) == {"clarify_spark/__init__.py", "clarify_spark/version.py", *expected}
    assert package.read("clarify_spark/udfs/shap/kernel_shap.py") == (here / "shap" / "kernel_shap.py").read_bytes()


def test_what_executors_get_can_be_imported_from_its_zip(session, client, tmp_path):
    ship_own_code(session)
    ((name, content),) = client.sent.items()
    (tmp_path / name).write_bytes(content)
    words = "import sys; sys.path.insert(0, sys.argv[1]); import clarify_spark.udfs.{0} as one; print(one.__file__)"
    for module in ("shap.kernel_shap", "predictors"):
        ran = subprocess.run(
            [sys.executable, "-I", "-c", words.format(module), tmp_path / name],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )
        assert ran.stdout.startswith(str(tmp_path / name))


def test_a_session_is_given_the_same_code_once_and_all_sessions_the_same_file(session, client):
    ship_own_code(session)
    (name,) = client.sent
    client.sent.clear()
    ship_own_code(session)
    assert not client.sent
    other = Client()
    ship_own_code(Session(other, local=False))
    assert list(other.sent) == [name]


def test_executors_that_share_the_drivers_files_get_nothing(client, driver):
    (driver / "shared_rules.py").write_text("")
    ship_own_code(Session(client, local=True))
    ship_module(Session(client, local=True), "shared_rules")
    assert not client.sent


def test_a_module_comes_alone_and_a_package_whole(session, client, driver):
    (driver / "lone_rules.py").write_text("one = 1\n")
    (driver / "packed_rules" / "deep").mkdir(parents=True)
    for name in ("__init__.py", "deep/__init__.py", "deep/limits.py", "deep/limits.json"):
        (driver / "packed_rules" / name).write_text("1")
    ship_module(session, "lone_rules")
    ship_module(session, "packed_rules.deep.limits")
    found = [sorted(package.namelist()) for package in client.packages]
    deep = [f"packed_rules/deep/{name}" for name in ("__init__.py", "limits.json", "limits.py")]
    assert found == [["lone_rules.py"], ["packed_rules/__init__.py", *deep]]


@pytest.mark.parametrize("module", ["sklearn.linear_model", "json", "sys", "there_is_no_such_module", "__main__"])
def test_what_is_installed_or_is_not_here_is_left_to_the_executors(session, client, module):
    ship_module(session, module)
    assert not client.sent


def test_code_that_changed_within_a_session_is_told_since_workers_keep_the_old_one(session, client, driver):
    (driver / "edited_rules.py").write_text("one = 1\n")
    ship_module(session, "edited_rules")
    (driver / "edited_rules.py").write_text("one = 2\n")
    with pytest.raises(CommandError, match="code of edited_rules has changed since it was sent to this session"):
        ship_module(session, "edited_rules")
    ship_module(Session(Client(), local=False), "edited_rules")
