"""The Spark session of a run: the caller's own, the cluster's through spark-submit, or a quiet local one."""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clarify_spark.errors import ClarifyError, CommandError
from clarify_spark.spark.object_stores import adapt
from clarify_spark.spark.startup import Startup, begun
from clarify_spark.udfs.worker_daemon import unchanged

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JAVA_MINIMUM = 17
JAVA_HELP = (
    "Debian or Ubuntu: sudo apt-get install openjdk-17-jre-headless (or default-jre-headless); "
    "macOS: brew install openjdk@17; conda: conda install -c conda-forge openjdk=17. "
    "Then set JAVA_HOME or put java on the PATH."
)


@dataclass(frozen=True)
class Session:
    """A Spark session, whether executors share this machine's files, and where its JVM's log goes (None: elsewhere)."""

    spark: SparkSession
    local: bool
    log: Path | None = None


@contextmanager
def session(master: str | None, startup: Startup | None = None) -> Iterator[Session]:
    """Yield the session to work in, and stop it afterwards only if it was started here."""
    require_pyspark()
    startup = startup or Startup()
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is not None:
        begun(startup.meanwhile)()
        yield Session(active, local=runs_locally(active))
        return
    meanwhile = begun(startup.meanwhile)
    started = _start(master, startup)
    warming = _warmed(started.spark) if started.log is not None and startup.worker_libraries else None
    try:
        meanwhile()
        if not is_connect(started.spark):
            _let_interrupts_end_quietly()
            adapt(started.spark)
        yield started
    finally:
        error = sys.exception()
        try:
            started.spark.stop()
        finally:  # a JVM that was terminated externally cannot be stopped
            _let_go_of(started.log, error)
            if warming is not None:
                warming.join()


def _warmed(spark: SparkSession) -> threading.Thread:
    """A thread that has Spark start its daemon of Python workers; who needs workers reports what is wrong with them."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    def start() -> None:
        with suppress(PySparkException, Py4JError, OSError):
            spark.range(0, 1, 1, 1).mapInArrow(unchanged, "id bigint").collect()

    thread = threading.Thread(target=start, name="warming", daemon=True)
    thread.start()
    return thread


def lasting_session(spark: SparkSession | None, master: str | None) -> Session:
    """The given session, else the active one, else one that is started here and ends with this process."""
    if spark is not None:
        return Session(spark, local=runs_locally(spark))
    ending = ExitStack()
    atexit.register(ending.close)
    return ending.enter_context(session(master))


def _let_go_of(log: Path | None, error: BaseException | None) -> None:
    """Remove the JVM's log, unless a bug ended the run: then the log is kept, and the traceback names it."""
    if log is None:
        return
    if error is None or isinstance(error, ClarifyError | KeyboardInterrupt):
        shutil.rmtree(log.parent, ignore_errors=True)
    else:
        error.add_note(f"Spark's own log: {log}")


def _start(master: str | None, startup: Startup) -> Session:
    from pyspark.sql import SparkSession

    builder: SparkSession.Builder = SparkSession.builder.appName("clarify-spark")
    if (master or "").startswith("sc://"):
        return Session(builder.remote(str(master)).getOrCreate(), local=False)
    if master is None and ("PYSPARK_GATEWAY_PORT" in os.environ or "SPARK_REMOTE" in os.environ):
        if os.environ.get("SPARK_REMOTE", "").startswith("local"):  # a server that pyspark starts next to this process
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        with _explained_connect():
            spark = builder.getOrCreate()
        return Session(spark, local=runs_locally(spark))
    require_java()
    if master is None or master.startswith("local"):
        return _start_local(builder, master or "local[*]", startup)
    spark = builder.master(master).getOrCreate()
    return Session(spark, local=False)


@contextmanager
def _explained_connect() -> Iterator[None]:
    """A context that explains the failure of a Spark without a Connect server, such as pip's pyspark 3.5."""
    from py4j.protocol import Py4JJavaError

    try:
        yield
    except Py4JJavaError as error:
        if "SparkConnectPlugin" not in str(error):
            raise
        raise CommandError(
            f"SPARK_REMOTE={os.environ.get('SPARK_REMOTE')}: this Spark has no Connect server (pyspark 3.5 from PyPI "
            "does not include one). Use Spark 4, name a running server (sc://host:port), or leave SPARK_REMOTE unset"
        ) from error


def _start_local(builder: SparkSession.Builder, master: str, startup: Startup) -> Session:
    """A local session whose JVM writes its log to a separate file, so that the terminal stays readable."""
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    log = Path(tempfile.mkdtemp(prefix="clarify-spark-")) / "spark.log"
    for key, value in {**_local_conf(), **startup.conf(master)}.items():
        builder = builder.config(key, value)
    with _stderr_of_children_to(log):
        try:
            spark = builder.master(master).getOrCreate()
        except (RuntimeError, OSError) as error:  # the JVM ended before it could be reached, or no port was available
            raise CommandError(f"Spark did not start: {error}. The JVM wrote: {_tail(log) or 'nothing'}") from error
    return Session(spark, local=runs_locally(spark), log=log)


def _let_interrupts_end_quietly() -> None:
    """Take Ctrl-C back from pyspark, whose handler calls the JVM during a call, and silence py4j's tracebacks."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    logging.getLogger().addHandler(logging.NullHandler())


def _local_conf() -> dict[str, str]:
    cores = os.cpu_count() or 1
    return {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": f"{_driver_memory_mb()}m",
        "spark.sql.caseSensitive": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(cores),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }


def _driver_memory_mb() -> int:
    """Half of the machine's memory, 1 GB at least and 16 GB at most: the workers need the rest."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return min(max(total // 2, 1024), 16 * 1024)


@contextmanager
def _stderr_of_children_to(log: Path) -> Iterator[None]:
    """Point file descriptor 2 at ``log`` while the JVM is launched: it and the Python workers inherit it."""
    sys.stderr.flush()
    saved = os.dup(2)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.dup2(target, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(target)


def _tail(log: Path, characters: int = 2000) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-characters:].strip() if log.is_file() else ""


def runs_locally(spark: SparkSession) -> bool:
    """Whether executors are threads of this machine's JVM in this folder (local mode, and no Connect server)."""
    master = spark.conf.get("spark.master", "") or ""
    return not is_connect(spark) and bool(re.match(r"local(\[|$)", master))


def is_connect(spark: SparkSession) -> bool:
    """Whether the session uses a Spark Connect server."""
    return "connect" in type(spark).__module__


def require_pyspark() -> None:
    """Raise a CommandError that says how to install pyspark if it is missing; silence its warning about new pandas."""
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    try:
        import pyspark  # noqa: F401
    except ModuleNotFoundError as error:
        raise CommandError(
            f"pyspark is not installed ({error}). Install it with: pip install 'clarify-spark[spark]', "
            "or run the job with the cluster's spark-submit jobs/analyze.py"
        ) from error


def require_java(minimum: int = JAVA_MINIMUM) -> None:
    """Raise a CommandError that says how to install Java unless the java that Spark would use is recent enough."""
    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java")
    place = f"JAVA_HOME={home}" if home else "the PATH (JAVA_HOME is not set)"
    if java is None or not os.access(java, os.X_OK):
        raise CommandError(f"Spark needs Java {minimum} or newer, and no java was found in {place}. {JAVA_HELP}")
    found = _released_major(java) or _major_that_runs(java, minimum)
    if found < minimum:
        raise CommandError(f"Spark needs Java {minimum} or newer; {place} has Java {found}. {JAVA_HELP}")


def _released_major(java: str) -> int | None:
    """The major version by the file that every JDK has since Java 9, since asking Java itself starts a JVM."""
    with suppress(OSError):
        text = (Path(java).resolve().parents[1] / "release").read_text(encoding="utf-8", errors="replace")
        return java_major(text.replace("JAVA_VERSION=", "version "))
    return None


def _major_that_runs(java: str, minimum: int) -> int:
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = java_major(answer.stderr + answer.stdout)
    if found is None:
        raise CommandError(
            f"Spark needs Java {minimum} or newer, and {java} does not run ({answer.stderr.strip()[:200]}). {JAVA_HELP}"
        )
    return found


def java_major(version_text: str) -> int | None:
    """The major version in the text of ``java -version`` (8 for "1.8.0_292"), None when there is none."""
    match = re.search(r'version "(?:1\.)?(\d+)', version_text)
    return int(match.group(1)) if match else None
