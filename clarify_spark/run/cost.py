"""What a run sends to a model, reported in advance: rows, records, requests, bytes and, from a probe, time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import pandas as pd

from clarify_spark.config.analyses import ANALYSES
from clarify_spark.errors import CommandError
from clarify_spark.run.analysis import Need, Planned
from clarify_spark.run.context import Run
from clarify_spark.spark.blocks.scheduler import cores
from clarify_spark.spark.data.sample import feature_ids, sampled, typed_sample
from clarify_spark.udfs.model_formats import SPEAKING_BYTES
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.requests.payloads import encoder
from clarify_spark.udfs.timing import SCHEMA, timed_batches

#: Rows whose records are measured, and rows that a probe sends to an endpoint.
SAMPLE_ROWS = 50


@dataclass(frozen=True)
class Size:
    """How records become requests: bytes of a record, and records of a full request."""

    record_bytes: float
    request_records: int

    def requests(self, need: Need) -> int:
        """The approximate requests for a need: calls are split into requests, and the last of each is not full."""
        calls = math.ceil(need.records / max(1, need.together))
        full, rest = divmod(min(need.together, need.records), self.request_records)
        return calls * (full + (rest > 0))


@dataclass(frozen=True)
class Cost:
    """All needs of a run; ``size`` is None for models that are not called by requests."""

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


def cost_of(run: Run, analyses: Iterable[Planned]) -> Cost:
    """What the run will send to the model; nothing is sent to determine it."""
    if run.model is None:
        return Cost(0, (), None)
    needs = tuple(need for one in analyses if (need := one.need(run)) is not None)
    model, rows = run.model.spec, run.dataset.rows
    sends = model.format in SPEAKING_BYTES and rows > 0
    return Cost(rows, needs, _size(typed_sample(run.dataset, model, run.seed, SAMPLE_ROWS), model) if sends else None)


def _size(sample: pd.DataFrame, model: PredictorSpec) -> Size:
    payload = encoder(model)(sample)
    each = float(payload.ends[-1]) / len(payload.ends)
    fit = int(model.calling.payload_bytes // each) if each else model.calling.batch_records
    most = min(model.calling.batch_records, payload.most or model.calling.batch_records)
    return Size(each, max(1, min(most, fit)))


def refuse_too_many(cost: Cost, analyses: Iterable[Planned], most: int | None) -> None:
    """Raise a CommandError when the run would need more model records than allowed, with what would lower them."""
    if most is None or cost.records <= most:
        return
    parts = "; ".join(f"{need.name}: {need.how} = {need.records:,}" for need in cost.needs)
    requests = "" if cost.size is None else f" in {cost.requests:,} requests"
    raise CommandError(
        f"--max-model-calls {most:,}: this run would take about {cost.records:,} model records{requests} ({parts}); "
        f"nothing was sent. {_remedies(analyses)} (--dry-run reports the cost)"
    )


def _remedies(analyses: Iterable[Planned]) -> str:
    """What a user can do about too many model records, as the start of a sentence."""
    savings = [f"{saving}, " for one in analyses for saving in ANALYSES[one.key].savings]
    text = "".join(savings) + ("or raise the limit" if savings else "raise the limit")
    return text[:1].upper() + text[1:]


def cost_lines(cost: Cost) -> Iterator[str]:
    """The needs in words."""
    for need in cost.needs:
        yield f"{need.name}: {need.how} = about {need.records:,} model records"
    if cost.size is not None:
        yield (
            f"requests: about {cost.requests:,}, with {cost.size.request_records:,} records or fewer in each; "
            f"about {_bytes(cost.bytes)} to send"
        )


def timing_lines(cost: Cost, run: Run) -> Iterator[str]:
    """An estimate of the time, from a probe that sends a few rows to the run's model, which must be ready."""
    dataset, model, seed = run.dataset, run.spec, run.seed
    some = sampled(dataset, model, seed, SAMPLE_ROWS).coalesce(1)
    ask = partial(timed_batches, spec=model, features=feature_ids(dataset, model))
    with run.progress.phase("Probing the model"):
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
