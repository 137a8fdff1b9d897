"""Which names a simulation holds, compiled: the walk of `quant.selection`, without sentences."""

from typing import NamedTuple

import numpy as np

from app.quant.backtest.filling import carried_window
from app.quant.backtest.state import Records, State
from app.quant.backtest.tape import MarketArrays, ScoreArrays
from app.quant.compiled import exactly, reordering
from app.quant.panel import FloatArray, IntArray

TWIN_SESSIONS = 252


class Choice(NamedTuple):
    """The rules of selection; `history` counts the returns that a name must have."""

    positions: int
    last_kept: int
    max_correlation: float
    history: int
    cooldown: int


@exactly
def choose(
    market: MarketArrays, scores: ScoreArrays, choice: Choice, state: State, held: Records
) -> None:
    """Put the rows to hold into `picks`, best first, with their places among the eligible.

    Of the `held` names (see `living.standing`) the frozen ones take no place.
    """
    now = state.now[0]
    column, line = now.column, scores.line_of[now.column]
    walk, places = _walk(scores.order[line], choice, held, len(state.etfs))
    taken = np.empty(choice.positions, np.int64)
    deviations = np.empty((choice.positions, TWIN_SESSIONS))
    count = 0
    for step in range(len(walk)):
        if count == choice.positions:
            break
        row = walk[step]
        barred = column - state.etfs[row].stopped <= choice.cooldown or market.closed[row] <= column
        if barred or not _deviations(
            market.adjusted[row], column + 1, choice.history, deviations[count]
        ):
            continue
        if not _is_twin(deviations, count, choice.max_correlation):
            taken[count] = step
            count += 1
    best_first = np.argsort(places[taken[:count]])
    for pick in range(count):
        step = taken[best_first[pick]]
        state.picks[pick].row, state.picks[pick].place = walk[step], places[step]
    now.picks = count


@exactly
def _walk(order: IntArray, choice: Choice, held: Records, etfs: int) -> tuple[IntArray, IntArray]:
    """Held names within the buffer, then the rest; and the place of each, from 1."""
    left_out, is_held = np.zeros(etfs, np.bool_), np.zeros(etfs, np.bool_)
    for slot in range(len(held)):
        left_out[held[slot].row] = held[slot].frozen > 0
        is_held[held[slot].row] = held[slot].weight > 0.0
    eligible = np.empty(len(order), np.int64)
    count = 0
    for row in order:
        if row < 0:
            break
        if not left_out[row]:
            eligible[count] = row
            count += 1
    walk, places = np.empty(count, np.int64), np.empty(count, np.int64)
    step = 0
    for kept in (True, False):
        for place in range(count):
            row = eligible[place]
            if kept == (place < choice.last_kept and is_held[row]):
                walk[step], places[step] = row, place + 1
                step += 1
    return walk, places


@reordering
def _deviations(prices: FloatArray, end: int, history: int, deviation: FloatArray) -> bool:
    """Fill in the last returns less their mean, scaled to length one; False where one of the
    `history` returns is missing. A name that does not move correlates with nothing."""
    closes = np.empty(history + 1)
    if end <= history:
        return False
    if history == TWIN_SESSIONS and _is_whole(prices, end - history - 1, end):
        closes[:] = prices[end - history - 1 : end]
    else:
        carried_window(prices, end, closes)
        for close in closes:
            if np.isnan(close):
                return False
    first = history - TWIN_SESSIONS
    total = 0.0
    for k in range(TWIN_SESSIONS):
        deviation[k] = closes[first + k + 1] / closes[first + k] - 1.0
        total += deviation[k]
    mean, squares = total / TWIN_SESSIONS, 0.0
    for k in range(TWIN_SESSIONS):
        deviation[k] -= mean
        squares += deviation[k] * deviation[k]
    scale = 1.0 / np.sqrt(squares) if squares > 0.0 else 0.0
    for k in range(TWIN_SESSIONS):
        deviation[k] *= scale
    return True


@reordering
def _is_whole(prices: FloatArray, begin: int, end: int) -> bool:
    missing = 0
    for column in range(begin, end):
        missing += np.isnan(prices[column])
    return missing == 0


@reordering
def _is_twin(deviations: FloatArray, count: int, limit: float) -> bool:
    """Whether entry `count` correlates above the limit with one before it."""
    for other in range(count):
        correlation = 0.0
        for k in range(TWIN_SESSIONS):
            correlation += deviations[other, k] * deviations[count, k]
        if correlation > limit:
            return True
    return False
