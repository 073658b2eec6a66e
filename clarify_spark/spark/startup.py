"""What is known of a run before Spark starts, and how a Spark on this machine starts quickly because of it."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Bytes of local input up to which a JVM works for too short a time for its second compiler to pay.
SMALL_INPUT = 16 * 2**20
#: Flags of such a JVM: only the quick compiler, and a collector without threads of its own.
QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
#: Where users set the flags of a JVM themselves.
_FLAG_VARIABLES = ("JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS")
_FLAG_SETTINGS = re.compile(r"extraJavaOptions|defaultJavaOptions|--driver-java-options|--properties-file")
#: The Python that forks workers, with libraries loaded before it does, and the variable that names them.
DAEMON, LIBRARIES = "clarify_spark.udfs.worker_daemon", "CLARIFY_SPARK_WORKER_LIBRARIES"


@dataclass(frozen=True)
class Startup:
    """What is known of a run before Spark starts.

    ``input_bytes``: the size of its data on this machine, None if they are elsewhere. ``worker_libraries``: modules
    that Python workers will need, none if there will be no workers. ``meanwhile``: what the driver can do without Spark
    while the JVM starts; it must import nothing of pyspark.
    """

    input_bytes: int | None = None
    worker_libraries: tuple[str, ...] = ()
    meanwhile: Callable[[], None] | None = None

    def conf(self, master: str) -> dict[str, str]:
        """Spark settings of a session on this machine; none of them changes a result."""
        cluster = master.startswith("local-cluster")
        conf = {}
        if self.input_bytes is not None and self.input_bytes <= SMALL_INPUT and not flags_given():
            os.environ.setdefault("SPARK_LAUNCHER_OPTS", QUICK_JVM)
            conf["spark.driver.extraJavaOptions"] = QUICK_JVM
            conf |= {"spark.executor.extraJavaOptions": QUICK_JVM} if cluster else {}
            conf["spark.sql.adaptive.enabled"] = "false"  # it makes a job of every shuffle
        if self.worker_libraries and (not cluster or importable_anywhere()):
            conf["spark.python.daemon.module"] = DAEMON
            conf[f"spark.executorEnv.{LIBRARIES}"] = os.environ[LIBRARIES] = ",".join(self.worker_libraries)
        return conf


def flags_given() -> bool:
    """Whether the user has set flags of the JVM, in the environment or in Spark's defaults: ours could contradict."""
    if any(os.environ.get(name) for name in _FLAG_VARIABLES):
        return True
    return any(_FLAG_SETTINGS.search(text) for text in (os.environ.get("PYSPARK_SUBMIT_ARGS", ""), _defaults()))


def _defaults() -> str:
    """The text of Spark's defaults file, empty if there is none."""
    pyspark = importlib.util.find_spec("pyspark")
    home = os.environ.get("SPARK_HOME") or str(Path((pyspark and pyspark.origin) or "").parent)
    folder = Path(os.environ.get("SPARK_CONF_DIR") or Path(home, "conf"))
    with suppress(OSError):
        return (folder / "spark-defaults.conf").read_text(encoding="utf-8", errors="replace")
    return ""


def importable_anywhere() -> bool:
    """Whether this Python finds clarify_spark from another folder, as executors on this machine will have to."""
    command = [sys.executable, "-c", f"import importlib.util as u; u.find_spec({DAEMON!r}) or 1 / 0"]
    return subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0


def begun(work: Callable[[], None] | None) -> Callable[[], None]:
    """``work`` in a thread that has started: a function that waits for its end and raises its error."""
    pool = ThreadPoolExecutor(1, "startup")
    ended = pool.submit(work or (lambda: None))
    pool.shutdown(wait=False)
    return ended.result


def import_all(modules: Iterable[str]) -> None:
    """Import modules ahead of their use; where one is missing, whoever needs it says so."""
    for module in modules:
        with suppress(ImportError):
            importlib.import_module(module)


def local_bytes(uri: str | None) -> int | None:
    """The size of a file or folder on this machine, more than SMALL_INPUT for any that is larger; None elsewhere."""
    path = (uri or "").removeprefix("file://")
    if not os.path.exists(path):  # which takes what must not be looked at for absent
        return None
    size = os.path.getsize(path) if os.path.isfile(path) else 0
    for folder, _, files in os.walk(path):
        for name in files:
            if size > SMALL_INPUT:
                return size
            with suppress(OSError):
                size += os.stat(os.path.join(folder, name)).st_size
    return size
