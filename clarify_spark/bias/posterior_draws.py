"""Seeded draws of counts compatible with the sample, for metrics without a known score interval.

Each cell of a group's observed label × prediction gets a gamma variate of shape n + ½: normalised, these are draws of
the posterior of the cells' probabilities under Jeffreys' prior, a smooth variant of the multinomial bootstrap that has
no problem with empty cells. With weights a cell represents (Σw)² / Σw² rows of weight Σw² / Σw.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from clarify_spark.bias.proportions import Floats

DRAWS = 2_000
PRIOR = 0.5
#: Comparisons that are processed together, metric by metric; this bounds the draws kept.
BLOCK = 128


def posterior_draws(cells: Floats, squares: Floats, stream: int, seed: int) -> Floats:
    """Draws (DRAWS, …) of one group's cells, on the scale of the cells; their sum is random too.

    They depend on the seed, the ``stream`` and the effective counts alone: equal groups get equal draws wherever they
    stand.
    """
    scale = _scales(cells, squares)
    shapes = np.where(squares > 0, cells / scale, 0.0) + PRIOR
    return _variates(shapes.tobytes(), shapes.shape, stream, seed) * scale


def posterior_draws_of_groups(cells: Floats, squares: Floats, seed: int) -> tuple[Floats, Floats]:
    """Independent draws of facets a and d (2, …), each group keeping its draws when the two are swapped."""
    streams = (0, 1) if cells[0].tolist() >= cells[1].tolist() else (1, 0)
    return posterior_draws(cells[0], squares[0], streams[0], seed), posterior_draws(
        cells[1], squares[1], streams[1], seed
    )


@lru_cache(maxsize=4 * BLOCK)
def _variates(shapes: bytes, layout: tuple[int, ...], stream: int, seed: int) -> Floats:
    """Gamma variates (DRAWS, *layout)."""
    entropy = [seed % 2**64, stream, *np.frombuffer(shapes, np.uint64).tolist()]
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
    return generator.standard_gamma(np.frombuffer(shapes).reshape(layout), size=(DRAWS, *layout))


def _scales(cells: Floats, squares: Floats) -> Floats:
    """The weight of one effective row of each cell; the group's own for empty cells."""
    whole = squares.sum() / cells.sum() if cells.sum() > 0 else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(cells > 0, squares / cells, whole)
