"""The engines of Kernel SHAP: ways to the Shapley values of a block of rows, one module each.

To add one: write its module, with all that EngineModule lists, and its row in ENGINES. Plans carry the row to the
executors, which find the module by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from clarify_spark.udfs.dotted_names import resolved

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from clarify_spark.udfs.explained import Explained
    from clarify_spark.udfs.model_answer import Predict
    from clarify_spark.udfs.shap.masking import Buffer
    from clarify_spark.udfs.shap.shap_plan import ShapPlan, ShapSettings

#: The word of a config that leaves the choice to the run.
AUTO = "auto"


class ShapRequest(Protocol):
    """The keys of methods.shap for which an engine may refuse a config."""

    @property
    def use_logit(self) -> bool:
        """Whether log-odds are explained."""


class EngineModule(Protocol):
    """What the module of an engine has; pair sizes (r, B): in how many features pilot and baseline rows differ."""

    def refused(self, asked: ShapRequest) -> tuple[str, str] | None:
        """What a config requests that the engine cannot do, and what is allowed instead; None if it can do all."""

    def obstacle(self, settings: ShapSettings, pair_sizes: NDArray[np.int64]) -> str | None:
        """Why the engine cannot explain these rows; None where it can."""

    def records_per_row(self, settings: ShapSettings, pair_sizes: NDArray[np.int64]) -> float:
        """Model records per explained row, in the mean over the pilot rows where it depends on the row."""

    def explain_block(self, frame: pd.DataFrame, predict: Predict, plan: ShapPlan, buffer: Buffer) -> Explained:
        """The Shapley values of the rows of a typed frame, which are one block; ``buffer`` is memory to use.

        BLAS works on one thread meanwhile.
        """

    def exact(self, plan: ShapPlan, errors: NDArray[np.float64] | None) -> bool:
        """Whether the values are those of all coalitions, by the plan or by the errors over coalitions (D, K)."""

    def design(self, plan: ShapPlan) -> dict[str, Any]:
        """What analysis_details.json reports about the coalitions: their kind, and more."""

    def workload(self, settings: ShapSettings, pair_sizes: NDArray[np.int64], rows: int) -> str:
        """How the number of model records of a run is made up, for a dry run."""

    def effort(self, plan: ShapPlan) -> str:
        """How much was evaluated per row where that is a sample, for the closing lines."""


@dataclass(frozen=True)
class Engine:
    """One engine: its word in a config, what the word means, and the dotted name of its module.

    ``auto`` chooses an engine if it needs at most ``share`` of the model records of the best one above it.
    """

    key: str
    meaning: str
    module: str
    share: float = 1.0

    @property
    def code(self) -> EngineModule:
        """The engine's own module."""
        found: EngineModule = resolved(self.module)
        return found


#: By the word in a config; the first one explains every kind of model and row.
ENGINES: dict[str, Engine] = {
    "shared": Engine(
        key="shared",
        meaning="one sample of coalitions for all rows",
        module="clarify_spark.udfs.shap.shared",
    ),
    "pairwise": Engine(
        key="pairwise",
        meaning="only the features in which a row and a baseline row differ",
        module="clarify_spark.udfs.shap.pair_games",
        share=0.8,  # pair games cost more per model record than the shared design
    ),
}
