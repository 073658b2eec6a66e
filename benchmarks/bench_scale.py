"""How time and the driver's memory grow with rows: the real command on Parquet, executors in their own JVMs.

    python benchmarks/bench_scale.py --bias 2000000 20000000 200000000 --shap 10000 100000 1000000

The driver has 2 GB and the two executors 4 GB each. Counts of bias runs are compared with DuckDB's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
from pyspark.sql import SparkSession

HERE = Path(__file__).resolve().parent
FEATURES = [f"f{number}" for number in range(14)]
MASTER = "local-cluster[2,1,4096]"
SUBMIT = "--driver-memory 2g --conf spark.executor.memory=3g --conf spark.ui.enabled=false pyspark-shell"
BIAS = (
    "cast(rand(1) < 0.4 as int) approved",
    "cast(rand(2) < 0.35 as int) predicted",
    "if(rand(3) < 0.3, 'Female', 'Male') sex",
    "concat('race ', cast(rand(4) * 5 as int)) race",
    "cast(rand(5) * 8 as int) age",
    "cast(rand(6) * 6 as int) district",
)
SHAP = (
    *[f"round(rand({number + 1}), 4) {name}" for number, name in enumerate(FEATURES)],
    "cast(rand(99) < 0.4 as int) approved",
)


def main() -> None:
    """Print a line per run, after it."""
    parser = argparse.ArgumentParser(description="Growth of time and of the driver's memory with rows.")
    parser.add_argument("--bias", type=int, nargs="*", default=[2_000_000, 20_000_000, 200_000_000])
    parser.add_argument("--shap", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--data", type=Path, default=HERE / "data" / "scale")
    options = parser.parse_args()
    for kind in ("bias", "shap"):
        first: tuple[int, float] | None = None
        for rows in getattr(options, kind):
            path = generated(options.data, kind, rows)
            seconds, driver, executors = run(options.data, kind, rows, path)
            first = first or (rows, seconds)
            growth = f"{seconds / first[1]:.2f} times the time for {rows / first[0]:g} times the rows"
            print(
                f"{kind} {rows:,} rows: {seconds:.1f} s ({growth}); driver {driver:,.0f} MB, "
                f"executors {executors:,.0f} MB",
                flush=True,
            )


def generated(folder: Path, kind: str, rows: int) -> Path:
    """The data with that many rows, generated once."""
    path = folder / f"{kind}-{rows}"
    if not (path / "_SUCCESS").exists():
        spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
        spark.range(0, rows, 1, max(2, rows // 10_000_000)).selectExpr(*(BIAS if kind == "bias" else SHAP)).write.mode(
            "overwrite"
        ).parquet(str(path))
        spark.stop()
    return path


def config(kind: str) -> dict[str, object]:
    """What is requested."""
    common = {"dataset_type": "application/x-parquet", "label": "approved", "label_values_or_threshold": [1]}
    if kind == "shap":
        shap = {"baseline": [[0.5] * len(FEATURES)], "num_samples": 100, "save_local_shap_values": True, "seed": 1}
        return {**common, "methods": {"shap": shap}, "predictor": {"model_uri": "python:bench_scale:model"}}
    facets = [
        {"name_or_index": "sex", "value_or_threshold": ["Female"]},
        {"name_or_index": "race", "value_or_threshold": ["race 1"]},
    ]
    methods = {name: {"methods": "all"} for name in ("pre_training_bias", "post_training_bias")}
    return {**common, "predicted_label": "predicted", "facet": facets, "group_variable": "district", "methods": methods}


def model(frame):  # type: ignore[no-untyped-def]
    """A logistic model of the features."""
    import numpy as np

    return 1 / (1 + np.exp(-(frame.to_numpy(dtype=float) @ np.linspace(-1, 1, frame.shape[1]))))


def run(folder: Path, kind: str, rows: int, data: Path) -> tuple[float, float, float]:
    """(seconds, peak MB of the driver's Python and JVM, peak MB of executors and their Python workers)."""
    place, output = folder / f"{kind}.json", folder / f"output-{kind}-{rows}"
    subprocess.run(["rm", "-rf", str(output)], check=True)
    place.write_text(json.dumps(config(kind)))
    command = [sys.executable, "-m", "clarify_spark", "analyze", "--config", str(place), "--data", str(data)]
    command += ["--output", str(output), "--master", MASTER]
    environment = {**os.environ, "PYSPARK_SUBMIT_ARGS": SUBMIT, "PYTHONPATH": str(HERE)}
    peaks = {"driver": 0.0, "executors": 0.0}
    start = time.perf_counter()
    with (folder / f"{kind}-{rows}.log").open("w") as log:
        started = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        watch = threading.Thread(target=_watch, args=(started, peaks))
        watch.start()
        code = started.wait()
    seconds = time.perf_counter() - start
    watch.join()
    if code:
        raise SystemExit(f"{kind} of {rows} rows ended with {code}: see {log.name}")
    if kind == "bias":
        _check(data, Path(log.name))
    return seconds, peaks["driver"], peaks["executors"]


def _watch(root: subprocess.Popen[bytes], peaks: dict[str, float]) -> None:
    """Sample resident memory until the command has ended; executors are the processes below their backend."""
    while root.returncode is None:
        parents = _parents()
        now = {"driver": 0.0, "executors": 0.0}
        family = {root.pid: "driver"}
        for pid in _below(root.pid, parents):
            of_parent = family.get(parents[pid], "driver")
            family[pid] = "executors" if _is_executor(pid) else of_parent
        for pid, kind in family.items():
            now[kind] += _resident(pid)
        for kind, value in now.items():
            peaks[kind] = max(peaks[kind], value)
        time.sleep(0.3)


def _parents() -> dict[int, int]:
    """The parent of every process, from /proc."""
    found = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(place.parent.name)] = int(place.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found


def _below(root: int, parents: dict[int, int]) -> list[int]:
    """All descendants, parents before their children."""
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def _is_executor(pid: int) -> bool:
    try:
        return b"CoarseGrainedExecutorBackend" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _resident(pid: int) -> float:
    """Megabytes; 0 for a process that has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, IndexError):
        return 0.0


def _check(data: Path, log: Path) -> None:
    """The rows of each facet's group, counted by DuckDB, must match those that the command reports."""
    with duckdb.connect() as connection:
        counted = connection.execute(
            f"SELECT count(*) FILTER (sex = 'Female'), count(*) FILTER (race = 'race 1') FROM '{data}/*.parquet'"
        ).fetchone()
    for number in counted or ():
        if f": {number:,} of " not in log.read_text():
            raise SystemExit(f"DuckDB counts {number:,} rows of a group, but not the command: see {log}")


if __name__ == "__main__":
    main()
