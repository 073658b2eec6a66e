"""What an executor must know to load and call a model: plain values that pickle."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PredictorSpec:
    """One model and how to talk to it; the keys of ``predictor`` in the config, settled.

    ``uri`` is a path that executors can read, or ``package.module:function`` (with or without ``python:``) for the
    format ``python``. ``feature_names`` and ``feature_kinds`` (``integer``, ``float``, ``string``, ``boolean``,
    ``other``) describe the columns that the model gets, in order. ``content_type`` to ``record_template`` matter to
    models that speak bytes (format ``sagemaker``). ``probability_threshold`` None means that none was configured: 0.5
    for scores, and labels are left alone. ``trusted_types`` are type names that the user allows in a skops file;
    ``max_batch_rows`` limits the records of one request.
    """

    format: str
    uri: str
    feature_names: tuple[str, ...]
    feature_kinds: tuple[str, ...]
    content_type: str | None = None
    accept_type: str | None = None
    content_template: str | None = None
    record_template: str | None = None
    label: str | int | None = None
    probability: str | int | None = None
    label_headers: tuple[str | int, ...] | None = None
    probability_threshold: float | None = None
    allow_pickle: bool = False
    trusted_types: tuple[str, ...] = ()
    max_batch_rows: int | None = None

    @property
    def path(self) -> str:
        """The file or folder of the model, without a ``file:`` scheme."""
        return self.uri.removeprefix("file://").removeprefix("file:")
