"""What executors must know to explain rows: plain values that pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.outputs import Link

if TYPE_CHECKING:
    from clarify_spark.udfs.shap.shapley import Game, Prior

Engine = Literal["shared", "pairwise"]


@dataclass(frozen=True, eq=False)
class Background:
    """The rows that stand for absent features: (B, M), typed as ``features.typed`` gives; weights (B,) sum to 1."""

    rows: pd.DataFrame
    weights: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ShapSettings:
    """All that is known before the model is called.

    ``players`` are the positions of the K explained features among the M of ``spec``; the others keep the row's own
    value in every coalition. ``samples`` is the number of coalitions per row; ``buffer_bytes`` bounds the masked
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


@dataclass(frozen=True, eq=False)
class ShapPlan:
    """All that a block needs to be explained.

    ``expected`` (D,) is v(∅) in units of the link when every feature is explained; ``game`` is about the K players
    (engine ``shared``); ``prior`` serves games of fewer players (engine ``pairwise``); rows whose keys share
    ``row_key // block_rows`` are one block, the unit of model calls, sums and results.
    """

    settings: ShapSettings
    engine: Engine
    outputs: int
    expected: NDArray[np.float64]
    game: Game
    prior: Prior
    block_rows: int
