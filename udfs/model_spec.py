"""What an executor must know to load and call a model: plain, picklable values."""

from __future__ import annotations

from dataclasses import dataclass, field

#: The formats that are called over the network; all others are loaded by executors.
REMOTE = frozenset(("http", "endpoint"))


@dataclass(frozen=True)
class Calling:
    """How requests are sent.

    A request has at most ``payload_bytes`` bytes and ``batch_records`` records; ``in_flight`` of a task's requests are
    in flight at once. One without a response for ``timeout_seconds`` has failed; what fails for a temporary
    reason is retried for ``retry_seconds``.
    """

    payload_bytes: int = 6_000_000
    batch_records: int = 4096
    in_flight: int = 4
    timeout_seconds: float = 70.0
    retry_seconds: float = 300.0


@dataclass(frozen=True)
class PredictorSpec:
    """One model and how to call it; the keys of ``predictor`` in the config, resolved.

    ``uri`` is a path that executors can read, ``package.module:function`` (with or without ``python:``) for the format
    ``python``, a URL for ``http``, the name of an endpoint for ``endpoint``. ``feature_names`` and ``feature_kinds``
    (``integer``, ``float``, ``string``, ``boolean``, ``other``) describe the columns that the model gets, in order.
    ``content_type`` to ``record_template`` and ``calling`` apply to models called with bodies (``sagemaker`` and remote
    ones); the pairs of ``content_template`` are the keys and texts of its object form. ``probability_threshold`` None
    means that none was configured: 0.5 for scores, and labels are unchanged. ``trusted_types`` are type names that the
    user allows in a skops file. ``entry_script`` is the script of a model folder. ``threads`` is how many cores a task
    has. ``headers`` of HTTP requests may be secrets: no text form of a spec has them. ``name`` is what messages call a
    model whose ``uri`` is not the user's.
    """

    format: str
    uri: str
    feature_names: tuple[str, ...]
    feature_kinds: tuple[str, ...]
    content_type: str | None = None
    accept_type: str | None = None
    content_template: str | tuple[tuple[str, str], ...] | None = None
    record_template: str | None = None
    label: str | int | None = None
    probability: str | int | None = None
    label_headers: tuple[str | int, ...] | None = None
    probability_threshold: float | None = None
    allow_pickle: bool = False
    trusted_types: tuple[str, ...] = ()
    entry_script: str | None = None
    threads: int = 1
    calling: Calling = Calling()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    target_model: str | None = None
    custom_attributes: str | None = None
    region: str | None = None
    name: str | None = None

    @property
    def path(self) -> str:
        """The file or folder of the model, without a ``file:`` scheme."""
        return self.uri.removeprefix("file://").removeprefix("file:")

    @property
    def remote(self) -> bool:
        """Whether the model is called over the network."""
        return self.format in REMOTE
