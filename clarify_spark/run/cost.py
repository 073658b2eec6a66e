"""What a run asks a model for, told before anything is sent: rows, records, requests, bytes and, from a probe, time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pandas as pd

from clarify_spark.errors import CommandError
from clarify_spark.run import kernel_shap, partial_dependence
from clarify_spark.run.kernel_shap import Job
from clarify_spark.run.partial_dependence import CurveJob
from clarify_spark.spark.blocks.scheduler import cores
from clarify_spark.spark.data.datasets import Dataset
from clarify_spark.spark.data.sample import feature_ids, sampled, typed_sample
from clarify_spark.spark.progress import Progress
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.requests.payloads import encoder
from clarify_spark.udfs.requests.responses import SPEAKING_BYTES
from clarify_spark.udfs.scoring import BLOCK_ROWS
from clarify_spark.udfs.timing import SCHEMA, timed_batches

#: Rows whose records are measured, and rows that a probe asks an endpoint about.
SAMPLE_ROWS = 50


@dataclass(frozen=True)
class Need:
    """What one analysis asks the model for; ``together`` records at most go into its calls one after the other."""

    name: str
    how: str
    records: int
    together: int


@dataclass(frozen=True)
class Size:
    """How records become requests: bytes of a record, and records of a full request."""

    record_bytes: float
    request_records: int

    def requests(self, need: Need) -> int:
        """About how many requests a need takes: calls are cut into requests, and the last of each is not full."""
        calls = math.ceil(need.records / max(1, need.together))
        full, rest = divmod(min(need.together, need.records), self.request_records)
        return calls * (full + (rest > 0))


@dataclass(frozen=True)
class Cost:
    """All needs of a run; ``size`` is None for models that are not asked by requests."""

    rows: int
    needs: tuple[Need, ...]
    size: Size | None

    @property
    def records(self) -> int:
        """Model records of the run."""
        return sum(need.records for need in self.needs)

    @property
    def requests(self) -> int:
        """Requests of the run, as many as model records at most."""
        return 0 if self.size is None else sum(self.size.requests(need) for need in self.needs)

    @property
    def bytes(self) -> int:
        """Bytes of all request bodies."""
        return 0 if self.size is None else round(self.records * self.size.record_bytes)


@dataclass(frozen=True)
class Analyses:
    """What a model is needed for."""

    predictions: bool
    job: Job | None
    curves: CurveJob | None


def cost_of(dataset: Dataset, model: PredictorSpec, seed: int, asked: Analyses) -> Cost:
    """What the run asks the model for; nothing is sent to find out."""
    rows = dataset.source.rows if dataset.source.rows is not None else dataset.frame.count()
    needs = []
    if asked.predictions:
        needs.append(Need("predictions", f"{rows:,} rows, each once", rows, min(rows, BLOCK_ROWS)))
    if asked.job is not None:
        shap = kernel_shap.forecast(asked.job, rows)
        needs.append(Need("kernel SHAP", shap.how, shap.records, shap.block_records))
    if asked.curves is not None:
        curves = partial_dependence.forecast(asked.curves, rows)
        needs.append(Need("partial dependence", curves.how, curves.records, curves.call_records))
    sends = model.format in SPEAKING_BYTES and rows > 0
    return Cost(rows, tuple(needs), _size(typed_sample(dataset, model, seed, SAMPLE_ROWS), model) if sends else None)


def _size(sample: pd.DataFrame, model: PredictorSpec) -> Size:
    payload = encoder(model)(sample)
    each = float(payload.ends[-1]) / len(payload.ends)
    fit = int(model.calling.payload_bytes // each) if each else model.calling.batch_records
    most = min(model.calling.batch_records, payload.most or model.calling.batch_records)
    return Size(each, max(1, min(most, fit)))


def refuse_too_many(cost: Cost, most: int | None) -> None:
    """Raise a CommandError when the run would ask for more records than allowed."""
    if most is None or cost.records <= most:
        return
    parts = "; ".join(f"{need.name}: {need.how} = {need.records:,}" for need in cost.needs)
    requests = "" if cost.size is None else f" in {cost.requests:,} requests"
    raise CommandError(
        f"--max-model-calls {most:,}: this run would take about {cost.records:,} model records{requests} ({parts}); "
        "nothing was sent. Lower methods.shap.num_samples, use fewer baseline rows or --pdp-rows, or allow more "
        "(--dry-run tells the cost)"
    )


def lines(cost: Cost) -> Iterator[str]:
    """The needs in words."""
    for need in cost.needs:
        yield f"{need.name}: {need.how} = about {need.records:,} model records"
    if cost.size is not None:
        yield (
            f"requests: about {cost.requests:,}, with {cost.size.request_records:,} records or fewer in each; "
            f"about {_bytes(cost.bytes)} to send"
        )


def timing_lines(cost: Cost, dataset: Dataset, model: PredictorSpec, seed: int, progress: Progress) -> Iterator[str]:
    """An estimate of time from a probe that asks the model about a few rows."""
    some = sampled(dataset, model, seed, SAMPLE_ROWS).coalesce(1)
    ask = partial(timed_batches, spec=model, features=feature_ids(dataset, model))
    with progress.phase("Probing the model"):
        found = some.mapInArrow(ask, SCHEMA).collect()[0]
    seconds = cost.records * float(found["per_record"]) + cost.requests * float(found["per_request"])
    tasks = cores(dataset.keyed.sparkSession)
    if model.remote:
        at_once = tasks * model.calling.in_flight
        yield (
            f"probe: {found['records']} records in 2 requests, {1000 * found['per_request']:.1f} ms a request and "
            f"{1e6 * found['per_record']:.0f} µs a record"
        )
        yield f"time: about {_duration(seconds / at_once)} in the endpoint with {at_once} requests in flight"
    else:
        yield f"probe: {1e6 * found['per_record']:.1f} µs a record on one core"
        yield f"time: about {_duration(seconds / tasks)} in the model on {tasks} cores, {_duration(seconds)} on one"


def _bytes(number: int) -> str:
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} bytes"


def _duration(seconds: float) -> str:
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"
