"""Everything that the bias analyses of a run find; the writers take their numbers from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clarify_spark.bias.cautions import Caution
from clarify_spark.bias.comparisons import BiasStatistics
from clarify_spark.bias.performance import ModelPerformance
from clarify_spark.bias.roles import Roles
from clarify_spark.bias.sections import BiasSection, CountTable
from clarify_spark.columns import ColumnProfile
from clarify_spark.udfs.traffic import Traffic


@dataclass(frozen=True)
class BiasResult:
    """The result of the bias analyses of one run; a section that was not requested is None.

    ``traffic``: what was sent to an endpoint for predictions.
    """

    roles: Roles
    profiles: Mapping[str, ColumnProfile]
    counts: CountTable
    post_training: BiasSection | None
    pre_training: BiasSection | None
    performance: ModelPerformance | None
    cautions: tuple[Caution, ...]
    notes: tuple[str, ...]
    statistics: BiasStatistics
    traffic: Traffic | None = None
