"""What a run would do: data are read and columns inspected, and at most a few rows are sent to a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clarify_spark.config.analyses import asked_for
from clarify_spark.redaction import without_secrets
from clarify_spark.run import cost as costs
from clarify_spark.run import model
from clarify_spark.run.analysis import Planned
from clarify_spark.run.context import Result, Run
from clarify_spark.run.cost import Cost


def result(run: Run, analyses: Sequence[Planned], cost: Cost, warnings: Sequence[str]) -> Result:
    """What a run would do, in lines."""
    previews = [one.preview(run) for one in analyses]
    source = run.dataset.source
    rows = next((preview.rows for preview in previews if preview.rows is not None), source.rows)
    lines = (
        "Dry run: the config and the data fit together; nothing was computed or written.",
        f"  data: {source.description}, columns: {len(run.dataset.columns)}"
        + ("" if rows is None else f", rows: {rows:,}"),
        *(f"  {line}" for preview in previews for line in preview.lines),
        f"  methods: {', '.join(_methods(run))}",
        *(f"  {line}" for line in _model_lines(run, cost)),
    )
    return Result(lines, (*warnings, *(warning for preview in previews for warning in preview.warnings)))


def _methods(run: Run) -> Iterator[str]:
    """The keys of the requested methods."""
    methods = run.config.methods
    for row in asked_for(methods).values():
        yield from (method.key for method in row.methods if getattr(methods, method.key) is not None)


def _model_lines(run: Run, cost: Cost) -> Iterator[str]:
    """What the model is needed for, and about how long that takes."""
    if run.model is None:
        yield f"model: not called{'' if run.dataset.predicted_label is None else ', the data has predictions'}"
        return
    predictor = run.model.predictor
    model_named = next(value for value in (predictor.model_uri, run.model.spec.uri) if value is not None)
    yield f"model: {without_secrets(model_named)}, features: {len(run.dataset.features)}"
    yield from costs.cost_lines(cost)
    if predictor.model_name is not None:
        yield "time: unknown until there is an endpoint; a dry run starts none"
    elif cost.records:
        with model.ready(run) as ready:
            yield from costs.timing_lines(cost, ready)
