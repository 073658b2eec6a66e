"""One run: what the command line adds to a config, and where a run works."""

from __future__ import annotations

from dataclasses import dataclass, field

from clarify_spark.config import AnalysisConfig
from clarify_spark.run.kernel_shap import ShapOptions
from clarify_spark.spark.data.datasets import Dataset
from clarify_spark.spark.files.output import Output
from clarify_spark.spark.progress import Progress
from clarify_spark.spark.session import Session
from clarify_spark.udfs.predictors import Calling


@dataclass(frozen=True)
class Options:
    """What the command line adds to a config.

    ``bounds_from``: the text of a former analysis.json and where it is. ``pdp_rows`` bounds the rows of partial
    dependence.
    """

    seed: int | None = None
    strict: bool = False
    dry_run: bool = False
    allow_pickle: bool = False
    trusted_types: tuple[str, ...] = ()
    max_model_calls: int | None = None
    bounds_from: tuple[str, str] | None = None
    calling: Calling = field(default_factory=Calling)
    shap: ShapOptions = field(default_factory=ShapOptions)
    pdp_rows: int | None = None


@dataclass(frozen=True)
class Run:
    """A config at work on its data."""

    session: Session
    config: AnalysisConfig
    options: Options
    output: Output
    progress: Progress
    data_uri: str
    dataset: Dataset

    @property
    def seed(self) -> int:
        """The seed of every random choice."""
        return self.options.seed if self.options.seed is not None else self.config.methods.seed or 0
