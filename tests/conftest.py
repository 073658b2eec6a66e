"""Fixtures shared by all tests: one Spark session for the whole run, started only when a test asks for it."""

import importlib.util
import os
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent


def importable(name):
    """Make a module of this folder importable; on the path, the folder's clarify_spark would hide the real one."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

# A shell's background job ignores interrupts, and so would all that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# JVMs of tests live for seconds, so the compiler that is quick to start is enough. Every JVM looks here for its flags.
os.environ["JDK_JAVA_OPTIONS"] = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"

importable("layers")
importable("times")
importable("serving")
importable("control_plane")
importable("connect_server")
sys.path.append(str(HERE / "toys"))


def pytest_addoption(parser, pluginmanager):
    for name in ("layers", "times"):
        pluginmanager.register(sys.modules[name], name)
    parser.addoption("--connect", action="store_true", help="the tests that use Spark, through a Spark Connect server")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker("spark")
    if not config.getoption("--connect"):
        return
    # What starts a Spark of its own, or none, is the same in a run without the option.
    others = [item for item in items if "spark" not in getattr(item, "fixturenames", ())]
    items[:] = [item for item in items if "spark" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=others)
    for item in items:
        for mark in item.iter_markers("classic"):
            item.add_marker(pytest.mark.skip(reason=f"classic sessions only: {mark.args[0]}"))


@pytest.fixture(scope="session")
def endpoint_port(request):
    """The port of a test's model server that workers find through their environment; 0 is any that is free."""
    from connect_server import free_port

    return free_port() if request.config.getoption("--connect") else 0


@pytest.fixture(scope="session")
def spark(request, tmp_path_factory, endpoint_port):
    """The tests' session: on two threads of this process's JVM, or with --connect on those of a Connect server.

    ``viewfs://tests/data`` is the folder of temporary files, as a file system that is not the operating system's.
    """
    mounted = {"spark.hadoop.fs.viewfs.mounttable.tests.link./data": tmp_path_factory.getbasetemp().resolve().as_uri()}
    if request.config.getoption("--connect"):
        yield from connected(mounted, tmp_path_factory, endpoint_port)
    else:
        yield from classic(mounted)


def classic(conf):
    """A small local session: two threads, two shuffle partitions, no UI (see docs/architecture.md)."""
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").appName("clarify-spark-tests")
    for name, value in conf.items():
        builder = builder.config(name, value)
    session = (
        builder.config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.default.parallelism", "2")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def connected(conf, tmp_path_factory, endpoint_port):
    """A client of a server whose Python workers have no clarify_spark but what the client sends them."""
    from connect_server import connect_server, without_clarify_spark
    from pyspark.sql import SparkSession

    from clarify_spark.spark.delivery.code import ship_own_code
    from clarify_spark.spark.session import Session

    python = without_clarify_spark(tmp_path_factory.mktemp("workers") / "venv")
    endpoint = {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": f"http://127.0.0.1:{endpoint_port}"}
    with connect_server(tmp_path_factory.mktemp("server"), python, conf, **endpoint) as address:
        session = SparkSession.builder.remote(address).getOrCreate()
        ship_own_code(Session(session, local=False))
        yield session
        session.stop()


@pytest.fixture
def shipped(ship_file, tmp_path):
    """Give executors a module, as spark-submit --py-files does."""

    def ship(name, text):
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        ship_file(path)

    return ship


@pytest.fixture(scope="session")
def ship_file(spark, request):
    """Give executors a Python file or zip."""
    connect = request.config.getoption("--connect")
    return lambda path: (
        spark.addArtifacts(str(path), pyfile=True) if connect else spark.sparkContext.addPyFile(str(path))
    )


@pytest.fixture
def remote_uri(spark, tmp_path_factory):
    """The address of a temporary file in a file system that is not the operating system's."""
    base = tmp_path_factory.getbasetemp().resolve()
    return lambda path: f"viewfs://tests/data/{path.resolve().relative_to(base)}"


@pytest.fixture
def running(spark, request):
    """A function: what Spark still works at for this session. Through Connect, asking ends it."""
    if request.config.getoption("--connect"):
        return spark.interruptAll
    return spark.sparkContext.statusTracker().getActiveJobsIds


@pytest.fixture
def environment_of_workers(spark, request, monkeypatch):
    """Set variables of this process and of its Python workers; those of a Connect server have them from its start."""

    def give(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
            if not request.config.getoption("--connect"):
                # Workers get the environment that the JVM was started with, and these.
                monkeypatch.setitem(spark.sparkContext.environment, name, value)

    return give
