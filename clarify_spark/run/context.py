"""One run: what the command line adds to a config, the locations of data and results, and the model."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clarify_spark.errors import ConfigError, Problem
from clarify_spark.udfs.model_spec import Calling, PredictorSpec

if TYPE_CHECKING:
    from clarify_spark.config import AnalysisConfig, Predictor
    from clarify_spark.spark.data.datasets import Dataset
    from clarify_spark.spark.files.output import Output
    from clarify_spark.spark.progress import Progress
    from clarify_spark.spark.session import Session


@dataclass(frozen=True)
class RunLocations:
    """Where things are; ``data`` overrides the config's dataset_uri, and that overrides ``mounted_data``."""

    output: str
    data: str | None = None
    mounted_data: str | None = None

    def data_of(self, config: AnalysisConfig) -> str | None:
        """Where the data set is, None if nothing names it."""
        return self.data or config.dataset_uri or self.mounted_data


@dataclass(frozen=True)
class Options:
    """What the command line adds to a config.

    ``bounds_from``: the text and the location of an earlier analysis.json; ``fail_on``: verdicts that fail a gate.
    ``force_resume``: checkpoints are used even if config, data, model or seed have changed since. ``buffer_bytes``
    limits the masked rows of one Python worker. ``single_file``: out.csv is one file. ``pdp_rows`` limits the rows of
    partial dependence.
    """

    seed: int | None = None
    strict: bool = False
    dry_run: bool = False
    allow_pickle: bool = False
    trusted_types: tuple[str, ...] = ()
    max_model_calls: int | None = None
    bounds_from: tuple[str, str] | None = None
    fail_on: tuple[str, ...] = ()
    calling: Calling = field(default_factory=Calling)
    force_resume: bool = False
    buffer_bytes: int = 256 * 2**20
    single_file: bool = False
    pdp_rows: int | None = None


@dataclass(frozen=True)
class RunModel:
    """The model of a run: its section of the config, and what executors must know about it."""

    predictor: Predictor
    spec: PredictorSpec


@dataclass(frozen=True)
class Run:
    """A config applied to its data; ``held``: what is released when the run is over. ``model``: None if none is needed;
    it can be called only in the run that ``run.model.ready`` yields.
    """

    session: Session
    config: AnalysisConfig
    options: Options
    output: Output
    progress: Progress
    data_uri: str
    dataset: Dataset
    held: ExitStack
    model: RunModel | None = None

    @property
    def seed(self) -> int:
        """The seed of every random choice."""
        return self.options.seed if self.options.seed is not None else self.config.methods.seed or 0

    @property
    def spec(self) -> PredictorSpec:
        """The model's spec; a ConfigError where there is no model."""
        if self.model is None:
            raise ConfigError([Problem("predictor", "missing; the requested methods need a model")])
        return self.model.spec


@dataclass(frozen=True)
class Result:
    """What to show when a run is over; ``verdicts``: the number of metrics per verdict."""

    lines: tuple[str, ...]
    warnings: tuple[str, ...]
    verdicts: Mapping[str, int] = field(default_factory=dict)
