"""What executors must know to explain rows: plain, picklable values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.outputs import Link

if TYPE_CHECKING:
    from clarify_spark.udfs.shap.engines import Engine
    from clarify_spark.udfs.shap.shapley import Game, Prior


@dataclass(frozen=True, eq=False)
class Background:
    """The rows that replace absent features: (B, M), typed as ``features.typed`` gives; weights (B,) sum to 1."""

    rows: pd.DataFrame
    weights: NDArray[np.float64]

    @property
    def counted(self) -> str:
        """How many rows there are, in words."""
        return f"{len(self.weights):,} baseline row{'' if len(self.weights) == 1 else 's'}"


@dataclass(frozen=True, eq=False)
class ShapSettings:
    """All that is known before the model is called.

    ``players`` are the positions of the K explained features among the M of ``spec``; the others keep the row's own
    value in every coalition. ``samples`` is the number of coalitions per row; ``buffer_bytes`` limits the masked
    records that a worker holds at once.
    """

    spec: PredictorSpec
    players: tuple[int, ...]
    background: Background
    link: Link
    samples: int
    seed: int
    estimator: Literal["blup", "wls"]
    standard_errors: bool
    buffer_bytes: int = 256 * 2**20

    @property
    def everyone_plays(self) -> bool:
        """Whether every feature is explained, so that v(∅) is the same for every row."""
        return len(self.players) == len(self.spec.feature_names)

    @property
    def masked_records(self) -> int:
        """Model records of a row in one design for all players: of its coalitions, and of its base unless all play."""
        coalitions = 2 * max(1, self.samples // 2) if self.samples else 0  # they come in pairs
        return (coalitions + (not self.everyone_plays)) * len(self.background.weights)


@dataclass(frozen=True, eq=False)
class ShapPlan:
    """Everything needed to explain a block.

    ``engine`` is its row of the driver's table; ``expected`` (D,) is v(∅) in units of the link when every feature is
    explained; ``game`` is for the K players; ``prior`` serves games of fewer players; rows whose keys share
    ``row_key // block_rows`` are one block, the unit of model calls, sums and results.
    """

    settings: ShapSettings
    engine: Engine
    outputs: int
    expected: NDArray[np.float64]
    game: Game
    prior: Prior
    block_rows: int

    @property
    def coalitions(self) -> int:
        """How many coalitions of the K players are evaluated."""
        return 2 * len(self.game.design.members)
