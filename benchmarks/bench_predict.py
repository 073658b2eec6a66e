"""How fast predictions are, as ratios measured side by side: requests to a service on loopback next to a bare loop that
posts the same payloads, and in-process models next to their library's own predict.

    python benchmarks/bench_predict.py endpoint process
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import requests
import threadpoolctl
import xgboost
from bench_shap import Model, data, model, seconds

from clarify_spark.udfs.outputs import ModelCalls
from clarify_spark.udfs.predictors import Calling, PredictorSpec, load_predictor
from clarify_spark.udfs.requests.payloads import encoder
from clarify_spark.udfs.scoring import BLOCK_ROWS, score_batches, scored_blocks, unpacked

SERVER = Path(__file__).resolve().parent.parent / "tests" / "serving.py"
IN_FLIGHT = (1, 4, 8)


@dataclass(frozen=True, eq=False)
class Rows:
    """The same rows as a frame, and as they reach executors: batches with a row_key."""

    frame: pd.DataFrame
    batches: list[pa.RecordBatch]


def rows(count: int, features: int) -> Rows:
    """Rows of floats."""
    frame = data(count, features, seed=5)[0]
    table = pa.Table.from_pandas(frame.assign(row_key=np.arange(count)), preserve_index=False)
    return Rows(frame, table.to_batches(max_chunksize=10_000))


# A service


@contextmanager
def service(milliseconds: float) -> Iterator[str]:
    """The address of a service in its own process that answers with the given latency."""
    command = [sys.executable, str(SERVER), "--request-ms", str(milliseconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/invocations"
        finally:
            process.stdin.close()
            process.wait(30)


def payloads(asked: Rows, spec: PredictorSpec) -> list[bytes]:
    """The bodies in which blocks of these rows are sent."""
    encode = encoder(spec)
    frames = [asked.frame.iloc[start : start + BLOCK_ROWS] for start in range(0, len(asked.frame), BLOCK_ROWS)]
    encoded = [encode(frame) for frame in frames]
    return [payload.body(some) for payload in encoded for some in payload.requests(spec.calling)]


def post(session: requests.Session, bodies: list[bytes], spec: PredictorSpec) -> list[bytes]:
    """The bare loop: one request after the other, without parsing the answers."""
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    return [session.post(spec.uri, data=body, headers=headers).content for body in bodies]


def write_and_post(session: requests.Session, asked: Rows, spec: PredictorSpec) -> list[np.ndarray]:
    """The loop that one would write manually: a slice of the frame as CSV, a request, the scores of its answer."""
    size = spec.calling.batch_records
    slices = (asked.frame.iloc[start : start + size] for start in range(0, len(asked.frame), size))
    bodies = (some.to_csv(index=False, header=False).encode() for some in slices)
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    answers = (session.post(spec.uri, data=body, headers=headers).text for body in bodies)
    return [np.array(answer.split(), dtype=np.float64) for answer in answers]


def ask(asked: Rows, spec: PredictorSpec) -> pa.Table:
    """The predictions of an executor's task."""
    return pa.Table.from_batches(unpacked(scored_blocks(iter(asked.batches), spec, spec.feature_names)))


def wall(timed: list[Callable[[], object]], repeat: int) -> list[list[tuple[float, float]]]:
    """Wall-clock and processor seconds of each, in turn after a warm-up round."""
    runs: list[list[tuple[float, float]]] = [[] for _ in timed]
    for turn in range(repeat + 1):
        for work, found in zip(timed, runs, strict=True):
            start, busy = time.perf_counter(), time.process_time()
            work()
            if turn:
                found.append((time.perf_counter() - start, time.process_time() - busy))
    return runs


def endpoint(options: argparse.Namespace, _: Path) -> None:
    """Records a second by requests in flight and records per request, relative to the bare loop."""
    print("| records a request | requests | | s | records a second | times the bare loop | busy, ms a request |")
    print("|---|---|---|---|---|---|---|")
    with service(options.latency) as url, requests.Session() as session:
        session.trust_env = False
        for records in (100, 1000):
            asked = rows(4 * BLOCK_ROWS if records == 100 else 20 * BLOCK_ROWS, options.features)
            names = tuple(asked.frame.columns)
            calling = Calling(batch_records=records)
            spec = PredictorSpec("http", url, names, ("float",) * len(names), probability=0, calling=calling)
            specs = [replace(spec, calling=replace(calling, in_flight=most)) for most in IN_FLIGHT]
            bodies = payloads(asked, spec)
            for one in specs:
                assert np.array_equal(ask(asked, one)["score"], asked.frame.iloc[:, 0])
            loops = [partial(post, session, bodies, spec), partial(write_and_post, session, asked, spec)]
            timed = [*loops, *(partial(ask, asked, one) for one in specs)]
            _tell(records, len(bodies), len(asked.frame), wall(timed, options.repeat))
    print()


def _tell(records: int, sent: int, count: int, runs: list[list[tuple[float, float]]]) -> None:
    bare = [one for one, _ in runs[0]]
    titles = ("bare loop", "loop with to_csv", *(f"{most} in flight" for most in IN_FLIGHT))
    for title, found in zip(titles, runs, strict=True):
        took = statistics.median(one for one, _ in found)
        busy = statistics.median(each for _, each in found)
        ratios = [theirs / ours for theirs, (ours, _) in zip(bare, found, strict=True)]
        told = (
            f"| {records:,} | {sent} | {title} | {took:.2f} | {count / took:,.0f} | {statistics.median(ratios):.2f} |"
        )
        print(f"{told} {busy / sent * 1e3:.1f} |", flush=True)


# In this process


def models(features: int, folder: Path) -> Iterator[Model]:
    """Boosters and estimators of 100 trees, and one that costs almost nothing."""
    yield model("LightGBM", features, folder)
    frame, label = data(4000, features)
    train = xgboost.DMatrix(frame, label, nthread=1)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, train, 100)
    booster.save_model(folder / "model.ubj")
    spec = PredictorSpec("xgboost", str(folder / "model.ubj"), tuple(frame.columns), ("float",) * features)
    names = list(frame.columns)
    yield Model("XGBoost", lambda x: booster.predict(xgboost.DMatrix(x, nthread=1, feature_names=names)), spec, booster)
    for name in ("HistGradientBoosting", "logistic regression"):
        yield model(name, features, folder)


def process(options: argparse.Namespace, folder: Path) -> None:
    """Records a second of the bare model over ours, for the predictions of a task and for the calls of Kernel SHAP."""
    asked = rows(8 * BLOCK_ROWS, options.features)
    cells = [
        np.asfortranarray(asked.frame.iloc[start : start + BLOCK_ROWS])
        for start in range(0, len(asked.frame), BLOCK_ROWS)
    ]
    print("| model | bare, ns a record | predictions | share of the bare model's speed | Kernel SHAP's calls | share |")
    print("|---|---|---|---|---|---|")
    for one in models(options.features, folder):
        calls = ModelCalls(load_predictor(one.spec), one.spec)

        def bare(one: Model = one) -> list[np.ndarray]:
            return [one.bare(block) for block in cells]

        def predictions(one: Model = one) -> pa.Table:
            return pa.Table.from_batches(score_batches(iter(asked.batches), one.spec, one.spec.feature_names))

        def explaining(calls: ModelCalls = calls) -> list[np.ndarray]:
            return [calls(block.copy(order="F")) for block in cells]

        assert np.allclose(predictions()["score"], np.concatenate(bare()), rtol=1e-6, atol=0)
        alone, ours, shap = (
            1e9 * took / len(asked.frame) for took in seconds([bare, predictions, explaining], options.repeat)
        )
        print(
            f"| {one.name} | {alone:.0f} | {ours:.0f} | {alone / ours:.2f} | {shap:.0f} | {alone / shap:.2f} |",
            flush=True,
        )
    print()


PARTS = {"endpoint": endpoint, "process": process}


def main() -> None:
    """Print one table per part."""
    parser = argparse.ArgumentParser(description="Predictions next to a bare loop and bare models.")
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="|".join(PARTS))
    parser.add_argument("--features", type=int, default=30)
    parser.add_argument("--latency", type=float, default=20.0, help="milliseconds of a request")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with threadpoolctl.threadpool_limits(1), tempfile.TemporaryDirectory() as name:
        for part in options.parts:
            PARTS[part](options, Path(name))


if __name__ == "__main__":
    main()
