"""Random numbers that do not depend on how long the simulation runs.

Time is cut into blocks of a quarter. Every block of every purpose has its own generator, seeded
by (seed, purpose, block), and is always drawn whole; a longer run only adds blocks.
"""

from collections.abc import Callable
from enum import IntEnum

import numpy as np

from app.quant.panel import FloatArray

BLOCK = 63


class Purpose(IntEnum):
    """What a stream is for. Never renumber: the numbers are part of the seed."""

    FUNDS = 1
    MARKET = 2
    FACTORS = 3
    LOADINGS = 4
    INDEX_NOISE = 5
    TRACKING = 6
    PAYMENTS = 7
    BARS = 8
    VOLUME = 9
    GAPS = 10
    VIX = 11
    TRENDS = 12


def generator(seed: int, purpose: Purpose, block: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, purpose, block])))


def blocks_for(sessions: int) -> int:
    return -(-sessions // BLOCK)


def in_blocks(
    seed: int, purpose: Purpose, blocks: int, draw: Callable[[np.random.Generator], FloatArray]
) -> FloatArray:
    """What `draw` returns for each block, joined along its last axis."""
    return np.concatenate(
        [draw(generator(seed, purpose, block)) for block in range(blocks)], axis=-1
    )


def student_t(rng: np.random.Generator, shape: tuple[int, ...], degrees: float) -> FloatArray:
    """Fat-tailed numbers of variance one."""
    return rng.standard_t(degrees, shape) * np.sqrt((degrees - 2.0) / degrees)
