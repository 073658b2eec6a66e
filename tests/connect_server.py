"""A Spark Connect server on loopback, whose Python workers have every library of this environment but clarify_spark."""

import contextlib
import os
import socket
import subprocess
import sysconfig
import time
import venv
from pathlib import Path

import pyspark
from control_plane import ENVIRONMENT, REGION

START_SECONDS = 400
#: What the workers of a server have in their environment from the start: a client cannot change it later.
WORKERS = {
    **ENVIRONMENT,
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "no_proxy": "127.0.0.1",
    "NO_PROXY": "127.0.0.1",
}


def free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def without_clarify_spark(folder):
    """The Python of a new environment with the libraries of this one, where clarify_spark cannot be imported."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    # Folders that a .pth file names are searched, but their own .pth files, which lead to a checkout, are not read.
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    (Path(packages.stdout.strip()) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    looked_up = (
        "import importlib.util, sklearn; raise SystemExit(importlib.util.find_spec('clarify_spark') is not None)"
    )
    subprocess.run([python, "-c", looked_up], check=True, cwd=folder, env=_environment({}))
    return python


def _environment(more):
    """This process's environment without what would lead Python workers to the checkout."""
    left_out = ("PYTHONPATH", "SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, **more}


@contextlib.contextmanager
def connect_server(folder, python, conf=None, **environment):
    """The address of a server in a process of its own, which works in ``folder`` with workers that run ``python``."""
    port = free_port()
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.default.parallelism": "2",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.log.level": "WARN",
        **(conf or {}),
    }
    words = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    home = Path(pyspark.__file__).parent
    started = {
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_DRIVER_PYTHON": str(python),
    }
    command = ["bash", home / "bin" / "spark-submit", "--master", "local[2]", *words]
    log = folder / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"],
            cwd=folder,
            env=_environment({**WORKERS, **started, **environment}),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, port, log)
        yield f"sc://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def _wait(process, port, log):
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the Connect server did not start: {log.read_text()[-3000:]}")
        time.sleep(0.2)
