"""The metric of the flip test: rows of a group whose nearest neighbours among all others get another prediction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.detectable_differences import deviations
from clarify_spark.bias.formulas import UndefinedMetric, compared, divide
from clarify_spark.bias.hypothesis_tests import UnadjustedTest
from clarify_spark.bias.intervals import Ends, Method
from clarify_spark.bias.parts import Parts
from clarify_spark.bias.proportions import Floats, critical, paired_interval
from clarify_spark.bias.samples import Batch, D, Mask, Reasons, kish
from clarify_spark.bias.sentences import SentenceFacts, compared_points, points

#: Features whose spreads differ by more than this leave the narrow one without influence on Euclidean distances.
UNSCALED_RATIO = 10.0


def flip_test(counts: FacetCounts) -> float:
    """FT = (flips to negative − flips to positive) / n_d, in [−1, 1].

    A flip is a row of d whose nearest neighbours in a get the other prediction. Positive when d fares better than its
    neighbours in a, 0 when flips balance. Sign as in Clarify's output, opposite to its guide.
    """
    _, d = compared(counts)
    if counts.flips is None:
        raise ValueError("FT was requested, but the flip test was not run")
    if counts.flips.error is not None:
        raise UndefinedMetric(counts.flips.error)
    return divide(counts.flips.to_negative - counts.flips.to_positive, d.rows)


def _ends(batch: Batch, _: Mask) -> Ends:
    """With weights, the ends for flips among the effective number of rows of facet d."""
    flips = [of_one.flips for of_one in batch.counts]
    flipped = np.array([(0, 0) if one is None else (one.to_negative, one.to_positive) for one in flips], np.float64)
    rows = np.array([kish(of_one)[D] for of_one in batch.counts])
    scale = rows / np.array([of_one.cells[D].sum() for of_one in batch.counts])
    return paired_interval(flipped[:, 0] * scale, flipped[:, 1] * scale, rows, critical(batch.level))


def _not_run(batch: Batch) -> Reasons:
    return ["the flip test was not run" if of_one.flips is None else None for of_one in batch.counts]


def _sign_test(counts: FacetCounts) -> UnadjustedTest | None:
    """Exact without weights; with weights, of flips among the effective number of rows of facet d, rounded."""
    from scipy.stats import binom

    flips = counts.flips
    if flips is None or not flips.to_negative + flips.to_positive:
        return None
    weight = float(counts.cells[D].sum())
    scale = kish(counts)[D] / weight
    lost, won = round(flips.to_negative * scale), round(flips.to_positive * scale)
    p_value = min(1.0, 2 * float(binom.cdf(min(lost, won), lost + won, 0.5)))
    return UnadjustedTest("sign", p_value, ("flips", lost, won, counts.cells.tobytes()))


def _gap_of_flips(counts: FacetCounts, level: float) -> float:
    """Flips vary as their number implies when they balance: the variance of their share is share / n_d."""
    flips = counts.flips
    flipped = 0.0 if flips is None else flips.to_negative + flips.to_positive
    share = flipped / float(counts.cells[D].sum())
    difference = deviations(level) * float(np.sqrt(share / kish(counts)[D]))
    return difference if 0 < difference < 1 else np.nan


def _gaps(batch: Batch) -> Floats:
    return np.array([_gap_of_flips(of_one, batch.level) for of_one in batch.counts])


def _sentence(one: SentenceFacts) -> str:
    flips, rows = one.counts.flips, one.counts.rows[1].sum().item()
    if flips is None:
        raise ValueError("FT has a value, but there are no flips")
    of = "a weight of " if one.counts.weighted else ""
    interval = compared_points(one.interval.low, one.interval.high, "worse", "better", one.stated)
    better = "better" if one.value >= 0 else "worse"
    return (
        f"Of {rows:,} rows of {one.groups.d}, {of}{flips.to_negative:,.6g} get a positive prediction where their "
        f"nearest neighbours in {one.groups.a} get a negative one, and {of}{flips.to_positive:,.6g} the reverse: "
        f"{points(one.value)} points {better} off ({interval}; given the rows of {one.groups.a})."
    )


FT = Parts(
    formula=flip_test,
    interval=Method("tango", _ends),
    sentence=_sentence,
    too_little=_not_run,
    null_test=lambda batch: [_sign_test(of_one) for of_one in batch.counts],
    minimum_detectable_difference=_gaps,
)


# --- what distorts it -------------------------------------------------------------------------------------------------


def flip_note(spreads: Mapping[str, float], tied: int, compared: int) -> str | None:
    """A sentence about what distorts the flip test, None when nothing does.

    ``spreads``: standard deviation of each feature; ``tied``: rows of d whose k-th and next neighbour are equally far;
    ``compared``: rows of d.
    """
    clauses: list[str] = []
    wide = max(spreads, key=lambda name: spreads[name], default=None)
    narrow = min((name for name in spreads if spreads[name] > 0), key=lambda name: spreads[name], default=None)
    if wide is not None and narrow is not None and spreads[wide] > UNSCALED_RATIO * spreads[narrow]:
        ratio = spreads[wide] / spreads[narrow]
        clauses.append(
            f"features are compared unscaled, and {wide!r} spreads {ratio:.3g} times as wide as {narrow!r}: it decides "
            "who is a neighbour"
        )
    if tied:
        clauses.append(f"{tied} of {compared} rows have equally distant neighbours, whose order decides")
    return f"FT: {'; '.join(clauses)}." if clauses else None


def sampled_note(used: int, rows: int) -> str | None:
    """A sentence about neighbours looked for among ``used`` of the rows of facet a only; None when these are all."""
    if used >= rows:
        return None
    return f"FT: neighbours come from a sample of {used:,} of the {rows:,} rows of facet a."
