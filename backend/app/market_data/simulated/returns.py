"""Total returns of the simulated funds: drifting factor loadings, noise, costs and tracking."""

import numpy as np

from app.market_data.simulated.factors import CASH_RATE, Drivers
from app.market_data.simulated.roster import Roster
from app.market_data.simulated.streams import BLOCK, Purpose, generator, in_blocks, student_t
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray

LOADING_PERSISTENCE = 0.9
LOADING_DRIFT = 0.6
TRACKING_NOISE = 0.00006
NOISE_FOLLOWS = 0.5


def fund_returns(seed: int, blocks: int, roster: Roster, drivers: Drivers) -> FloatArray:
    """Daily total returns after expenses, (funds, sessions), whether or not the fund lives yet."""
    excess = _index_returns(seed, blocks, roster, drivers)
    funds = roster.funds
    leverage = roster.column([fund.segment.leverage for fund in funds])
    expense = roster.column([fund.expense for fund in funds])
    tracking = in_blocks(
        seed, Purpose.TRACKING, blocks, lambda rng: rng.standard_normal((len(funds), BLOCK))
    )
    followed = excess[[fund.index for fund in funds]]
    return (
        leverage * followed + (CASH_RATE - expense) / SESSIONS_PER_YEAR + TRACKING_NOISE * tracking
    )


def _index_returns(seed: int, blocks: int, roster: Roster, drivers: Drivers) -> FloatArray:
    """Daily excess returns of the indices, (indices, sessions)."""
    indices = roster.indices
    noise = roster.column([index.segment.noise for index in indices])
    bound = roster.column([index.segment.largest_move for index in indices])
    shocks = in_blocks(
        seed, Purpose.INDEX_NOISE, blocks, lambda rng: student_t(rng, (len(indices), BLOCK), 6.0)
    ).clip(-6.0, 6.0)
    own = noise / np.sqrt(SESSIONS_PER_YEAR) * drivers.strain**NOISE_FOLLOWS * shocks
    common = _common_returns(seed, blocks, roster, drivers)
    return (common + own).clip(-bound, bound)


def _common_returns(seed: int, blocks: int, roster: Roster, drivers: Drivers) -> FloatArray:
    base = np.array([index.loadings for index in roster.indices])
    spread = roster.column([index.segment.spread for index in roster.indices])
    wander, quarters = np.zeros_like(base), []
    innovation = np.sqrt(1.0 - LOADING_PERSISTENCE**2)
    for block in range(blocks):
        draw = generator(seed, Purpose.LOADINGS, block).standard_normal(base.shape)
        wander = LOADING_PERSISTENCE * wander + innovation * draw
        loadings = base * (1.0 + LOADING_DRIFT * spread * wander)
        moves = drivers.returns[:, block * BLOCK : (block + 1) * BLOCK]
        # Not a matrix product: its last digits depend on the machine and its threads.
        quarters.append(np.einsum("ik,kt->it", loadings, moves))
    return np.concatenate(quarters, axis=1)
