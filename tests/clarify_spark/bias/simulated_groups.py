"""Samples of groups whose true probabilities are known, and how often the intervals of the metrics hold the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clarify_spark.bias.counts import FacetCounts, Flips
from clarify_spark.bias.estimates import Interval
from clarify_spark.bias.inference import Comparison, infer
from clarify_spark.bias.metrics import measure
from clarify_spark.config.metrics import METRICS as ROWS

METRICS = (
    "CI", "DPL", "KL", "JS", "LP", "TVD", "KS", "CDDL",
    "DPPL", "DI", "AD", "RD", "SD", "DAR", "DRR", "DCA", "DCR", "TE", "GE", "CDDPL", "FT",
)  # fmt: skip


@dataclass(frozen=True)
class Group:
    """A group's true rates: of positive labels, of positive predictions among negative labels, of negative ones among
    positive labels, and of flips to negative and to positive."""

    base: float
    false_positive: float
    false_negative: float
    flips: tuple[float, float] = (0.1, 0.1)

    def cells(self) -> np.ndarray:
        """Probabilities (2, 2) of observed label × prediction."""
        return np.array(
            [
                [(1 - self.base) * (1 - self.false_positive), (1 - self.base) * self.false_positive],
                [self.base * self.false_negative, self.base * (1 - self.false_negative)],
            ]
        )


@dataclass(frozen=True)
class Scenario:
    """Two groups, their sizes, and over how many values of a group variable their rows spread."""

    rows_a: int
    rows_d: int
    a: Group
    d: Group
    strata: int = 4


@dataclass(frozen=True)
class Coverage:
    """The share of samples with an interval, and the share of those whose interval holds the true value."""

    given: float
    held: float


PAIRS = (
    (Group(0.5, 0.2, 0.2), Group(0.5, 0.2, 0.2)),
    (Group(0.3, 0.1, 0.2), Group(0.2, 0.1, 0.4, (0.2, 0.05))),
    (Group(0.3, 0.1, 0.25), Group(0.25, 0.1, 0.25, (0.05, 0.0))),
    (Group(0.2, 0.05, 0.3), Group(0.1, 0.05, 0.3, (0.02, 0.05))),
    (Group(0.7, 0.1, 0.05), Group(0.5, 0.3, 0.1, (0.3, 0.1))),
)
SIZES = ((30, 30), (300, 30), (200, 200), (2000, 200), (2000, 2000))
SCENARIOS = tuple(Scenario(*size, *pair) for size in SIZES for pair in PAIRS)


def truth(scenario: Scenario) -> FacetCounts:
    """The expected counts: their metrics are the true values."""
    cells = np.stack([scenario.rows_a * scenario.a.cells(), scenario.rows_d * scenario.d.cells()])
    shares = np.arange(1, scenario.strata + 1) / np.arange(1, scenario.strata + 1).sum()
    lost, won = scenario.d.flips
    strata = shares[:, None, None, None] * cells
    return FacetCounts(cells, True, strata, flips=Flips(lost * scenario.rows_d, won * scenario.rows_d))


def drawn(scenario: Scenario, times: int, rng: np.random.Generator) -> list[FacetCounts]:
    """Samples of the scenario: the groups' sizes vary too, as in a sample of a population."""
    expected = truth(scenario)
    total = scenario.rows_a + scenario.rows_d
    strata = rng.multinomial(total, (expected.strata / total).reshape(-1), times).reshape(times, -1, 2, 2, 2)
    found = []
    for one in strata:
        rows_d = one[:, 1].sum()
        lost, won, _ = rng.multinomial(rows_d, [*scenario.d.flips, 1 - sum(scenario.d.flips)])
        found.append(FacetCounts(one.sum(axis=0), True, one, flips=Flips(int(lost), int(won))))
    return found


def coverage(scenario: Scenario, times: int, level: float, seed: int) -> dict[str, Coverage]:
    """By metric how often its interval is given and holds the true value."""
    table = tuple(ROWS.values())
    counts = drawn(scenario, times, np.random.default_rng(seed))
    true = {result.name: result.value for result in measure(table, truth(scenario))}
    inferences, _ = infer([Comparison(one, measure(table, one)) for one in counts], level, seed)
    ends: dict[str, list[Interval]] = {metric: [] for metric in METRICS}
    for inference in (inference for of_sample in inferences for inference in of_sample):
        if inference.interval is not None:
            ends[inference.metric].append(inference.interval)
    return {
        metric: Coverage(
            len(found) / times,
            float(np.mean([end.low - 1e-12 <= true[metric] <= end.high + 1e-12 for end in found])) if found else np.nan,
        )
        for metric, found in ends.items()
    }
