"""Shapley values from one small game for each row and background row (engine ``pairwise``).

Without a link v(S) is an average over the background, and so are the Shapley values: of the games in which absent
features come from one background row. There a feature in which the row and the background row agree changes nothing
and gets 0, so only the m differing ones are players: 2^m - 2 coalitions are often fewer than a sample for all features,
and the values are exact then. Games of more coalitions are sampled, each size m by one design for the whole job.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clarify_spark.udfs.errors import blaming
from clarify_spark.udfs.explained import Explained
from clarify_spark.udfs.model_answer import Predict
from clarify_spark.udfs.outputs import ModelCalls, Outputs
from clarify_spark.udfs.shap.coalition_values import CoalitionValues, coalition_values
from clarify_spark.udfs.shap.deduplication import distinct_records
from clarify_spark.udfs.shap.engines import ShapRequest
from clarify_spark.udfs.shap.masking import Buffer, Encoded, Words, masks
from clarify_spark.udfs.shap.shap_plan import ShapPlan, ShapSettings
from clarify_spark.udfs.shap.shapley import Game, game

Integers = NDArray[np.int64]
NO_LINK = "log-odds of a mean are not the mean of one game per baseline row"


@dataclass(frozen=True, eq=False)
class Games:
    """The G games of m players of a block: rows (G,), background rows (G,), differing players (G, m) by position.

    Those of one row and the same players are adjacent. ``differences`` (P, G, D) are v(S) - v(N∖S) of the P pairs of
    coalitions in ``game``, to be filled.
    """

    game: Game
    rows: Integers
    backs: Integers
    features: Integers
    differences: Outputs


@dataclass(frozen=True)
class Part:
    """The coalitions ``pairs`` of the games ``some``: 2 * games * pairs records of a model call."""

    games: Games
    some: slice
    pairs: slice

    @property
    def shape(self) -> tuple[int, int, int]:
        """(2, games, pairs)."""
        return 2, self.some.stop - self.some.start, self.pairs.stop - self.pairs.start

    @property
    def records(self) -> int:
        """How many records are sent to the model."""
        return int(np.prod(self.shape))


def pair_records(sizes: Integers, samples: int) -> int:
    """How many records pair games send to the model; sizes (r, B) are numbers of differing features."""
    coalitions = np.exp2(np.minimum(sizes, 63)) - 2
    return int(np.clip(coalitions, 0, 2 * max(1, samples // 2)).sum())


def refused(asked: ShapRequest) -> tuple[str, str] | None:
    """Log-odds: their mean over the background is not the log-odds of the mean."""
    return ("pairwise with use_logit", f"shared or auto: {NO_LINK}") if asked.use_logit else None


def obstacle(settings: ShapSettings, pair_sizes: Integers) -> str | None:
    """A link other than the identity."""
    return None if settings.link == "identity" else NO_LINK


def records_per_row(settings: ShapSettings, pair_sizes: Integers) -> float:
    """Model records per explained row: the mean over the pilot rows, whose pair sizes (r, B) are given."""
    return float(pair_records(pair_sizes, settings.samples)) / max(1, len(pair_sizes)) + 1.0


def explain_block(frame: pd.DataFrame, predict: Predict, plan: ShapPlan, buffer: Buffer) -> Explained:
    """The Shapley values of the rows of a typed frame, which are one block; the link must be the identity.

    The model is also called for the background rows once per block.
    """
    settings = plan.settings
    if settings.link != "identity":
        raise ValueError("a mean inside a link does not split into pair games")
    ask = ModelCalls(predict, settings.spec, plan.outputs)
    values = coalition_values(frame, settings, ask, buffer)
    prediction = values.everything()
    nothing = _nothing(values)
    base = values.nothing(plan.expected) if settings.everyone_plays else settings.background.weights @ nothing
    shares, errors = _averaged(values, plan, prediction[:, np.newaxis] - nothing)
    return Explained(
        row_keys=np.arange(len(frame)),
        join=None,
        prediction=prediction,
        base=base,
        values=shares,
        errors=errors if settings.standard_errors else None,
        residual=prediction - base - shares.sum(axis=2),
        records=ask.records,
        calls=ask.calls,
        duplicates=ask.duplicates,
        traffic=ask.traffic,
    )


def _nothing(values: CoalitionValues) -> Outputs:
    """v(∅) of every game: (1, B, D) if every feature plays, else (n, B, D) for rows that keep the other features."""
    block, settings = values.block, values.settings
    if settings.everyone_plays:
        return values.background()[np.newaxis]
    rows, backs = block.rows.shape[1], block.background.shape[1]
    players = list(settings.players)
    found = []
    for start in range(0, rows * backs, values.limit):
        row, back = np.divmod(np.arange(start, min(start + values.limit, rows * backs)), backs)
        records = block.rows[:, row]
        records[players] = block.background[players][:, back]
        with blaming(row.item):
            found.append(values.ask(block.features(records)))
    return np.concatenate(found).reshape(rows, backs, -1)


def _averaged(values: CoalitionValues, plan: ShapPlan, totals: Outputs) -> tuple[Outputs, Outputs]:
    """Values and errors (n, D, K) averaged over the background; totals (n, B, D) are v(N) - v(∅) of each game.

    Games of one size share a design and may err alike, so their errors are added; those of another size have
    another design, and their variances are added.
    """
    shape = (totals.shape[0], len(values.settings.players), totals.shape[2])
    shares, variances = np.zeros(shape), np.zeros(shape)
    every = list(_games(values.block, plan))
    for chunk in _chunks(every, values.limit):
        _ask(values, chunk)
    for games in every:
        place, found, spread = _solved(games, totals, values.settings.background.weights)
        np.add.at(shares, place, found)
        if games.game.solver.spread.any():
            errors = np.zeros(shape)
            np.add.at(errors, place, spread)
            variances += errors**2
    return np.ascontiguousarray(shares.transpose(0, 2, 1)), np.ascontiguousarray(np.sqrt(variances).transpose(0, 2, 1))


def _solved(games: Games, totals: Outputs, weights: Outputs) -> tuple[tuple[Integers, Integers], Outputs, Outputs]:
    """The positions of values, rows (U, 1) and players (U, m), the values and their errors (U, m, D).

    Estimates are linear, so the games of one row and the same players are averaged before they are solved.
    """
    starts = _starts(games)
    share = weights[games.backs][:, np.newaxis]
    differences = np.add.reduceat(games.differences * share, starts, axis=1)
    merged = np.add.reduceat(totals[games.rows, games.backs] * share, starts, axis=0)
    solved = games.game.solver.solve(differences.reshape(len(differences), merged.size), merged.ravel())
    values, errors = (part.reshape(-1, *merged.shape).transpose(1, 0, 2) for part in solved)
    return (games.rows[starts, np.newaxis], games.features[starts]), values, errors


def _starts(games: Games) -> Integers:
    """The first game (U,) of each row and set of players."""
    keys = np.column_stack([games.rows, games.features])
    starts: Integers = np.flatnonzero(np.any(np.diff(keys, axis=0, prepend=-1) != 0, axis=1))
    return starts


def _games(block: Encoded, plan: ShapPlan) -> Iterator[Games]:
    """The games of a block by their number of players, within one number by rows, players and background rows."""
    settings = plan.settings
    # Relevance refers to features; the players differ in every game.
    prior = replace(plan.prior, relevance=None)
    differing = block.differing(settings.players)
    sizes = differing.sum(axis=0)
    for players in np.unique(sizes[sizes > 0]).tolist():
        rows, backs = np.nonzero(sizes == players)
        features = np.nonzero(differing[:, rows, backs].T)[1].reshape(-1, players)
        order = np.lexsort([backs, *features.T[::-1], rows])
        found = game(players, settings.samples, settings.estimator, prior, settings.seed, settings.standard_errors)
        differences = np.empty((len(found.design.members), len(rows), plan.outputs))
        yield Games(found, rows[order], backs[order], features[order], differences)


def _chunks(every: list[Games], limit: int) -> Iterator[list[Part]]:
    """The parts of each model call of at most ``limit`` records, filled across games with any number of players."""
    chunk: list[Part] = []
    free = limit
    for part in _parts(every, limit):
        if part.records > free and chunk:
            yield chunk
            chunk, free = [], limit
        chunk.append(part)
        free -= part.records
    if chunk:
        yield chunk


def _parts(every: list[Games], limit: int) -> Iterator[Part]:
    """The games in parts of at most a quarter of ``limit`` records, or of one game, or of some of its coalitions."""
    for games in every:
        pairs, count = games.differences.shape[:2]
        together = max(1, limit // 8 // max(1, pairs))
        step = max(1, limit // 2)
        for first in range(0, count if pairs else 0, together):
            for start in range(0, pairs, step):
                some = slice(first, min(first + together, count))
                yield Part(games, some, slice(start, min(start + step, pairs)))


def _ask(values: CoalitionValues, chunk: list[Part]) -> None:
    """Computes the differences of a chunk's parts, for which the model is called once."""
    edges = np.cumsum([0, *(part.records for part in chunk)])
    words = values.buffer.words(len(values.block.columns), int(edges[-1]), by_record=False)
    places = [slice(start, stop) for start, stop in pairwise(edges.tolist())]
    for part, place in zip(chunk, places, strict=True):
        _mask(words[:, place].reshape(-1, *part.shape), values, part)
    distinct = distinct_records(lambda which: np.concatenate([_fingerprints(values, part, which) for part in chunk]))
    outputs = values.outputs_of(words, distinct, lambda position: _row(chunk, edges, position))
    for part, place in zip(chunk, places, strict=True):
        both = outputs[place].reshape(*part.shape, -1)
        part.games.differences[part.pairs, part.some] = (both[0] - both[1]).transpose(1, 0, 2)


def _row(chunk: list[Part], edges: Integers, position: int) -> int:
    """The row of the block that a record of a chunk is made of."""
    place = int(np.searchsorted(edges, position, side="right")) - 1
    part = chunk[place]
    _, games, pairs = part.shape
    return int(part.games.rows[part.some][(position - int(edges[place])) // pairs % games])


def _fingerprints(values: CoalitionValues, part: Part, which: int) -> Outputs:
    """Fingerprints of a part's records, in their order: sums over features, so that they are one matrix product."""
    games, prints = part.games, values.fingerprints
    rows, backs, features = games.rows[part.some], games.backs[part.some], games.features[part.some].T
    present = prints.rows[which][:, rows]
    own = (prints.own[which][rows] + present.sum(axis=0))[:, np.newaxis]
    changes = (prints.background[which][features, backs] - present[features, np.arange(len(rows))]).T
    lacking = changes @ (~games.game.design.members[part.pairs]).T.astype(np.float64)
    everything = changes.sum(axis=1, keepdims=True)
    return np.stack([own + lacking, own + (everything - lacking)]).ravel()


def _mask(records: Words, values: CoalitionValues, part: Part) -> None:
    """Writes the records (M, 2, games, pairs) of the coalitions of a part and then of their complements."""
    games, block = part.games, values.block
    players = np.asarray(values.settings.players)[games.features[part.some]].T
    count, several = players.shape
    own = block.rows[:, games.rows[part.some]]
    changes = np.zeros_like(own)
    place = players, np.arange(several)
    changes[place] = own[place] ^ block.background[:, games.backs[part.some]][place]
    # For each feature in each game, the index of its mask; the last is for those that do not differ.
    which = np.full(own.shape, count)
    which[place] = np.arange(count)[:, np.newaxis]
    lacking = np.ascontiguousarray(masks(games.game.design.members[part.pairs], range(count), count + 1))
    for cells, masked, change, alike in zip(records, which, changes, own, strict=True):
        if change.any():
            np.take(lacking, masked, axis=0, out=cells[0], mode="clip")
            np.bitwise_and(cells[0], change[:, np.newaxis], out=cells[0])
            np.bitwise_xor(cells[0], alike[:, np.newaxis], out=cells[0])
            np.bitwise_xor(cells[0], change[:, np.newaxis], out=cells[1])
        else:
            cells[:] = alike[:, np.newaxis]


# --- what the engine reports about itself -----------------------------------------------------------------------------


def exact(plan: ShapPlan, errors: Outputs | None) -> bool:
    """Whether all coalitions are evaluated, of all features or, as errors of 0 show, of those that differ."""
    return plan.game.design.exact or (errors is not None and not errors.any())


def design(plan: ShapPlan) -> dict[str, Any]:
    """The kind of the design."""
    return {"kind": "pair by pair: of the features that differ all coalitions, or as many of them"}


def workload(settings: ShapSettings, pair_sizes: Integers, rows: int) -> str:
    """Records by the features in which the pilot rows differ from the baseline."""
    each = records_per_row(settings, pair_sizes)
    return f"{rows:,} rows × {each:,.1f} (features that differ from {settings.background.counted})"


def effort(plan: ShapPlan) -> str:
    """The coalitions of a row and a baseline row, at most."""
    return f"coalitions: {plan.coalitions:,} at most for each baseline row"
