"""How scores move from one session to a later one, and what has to be traded for it."""

import numpy as np
import numpy.typing as npt

from app.quant.compiled import exactly
from app.quant.panel import BoolArray, FloatArray, IntArray

CodeArray = npt.NDArray[np.int8]
RowArray = npt.NDArray[np.int32]


@exactly
def moved(
    ranks: FloatArray,
    codes: CodeArray,
    entries: tuple[IntArray, RowArray],
    dense: tuple[npt.NDArray[np.float32], CodeArray],
    asked: tuple[int, int, int],
) -> tuple[FloatArray, FloatArray]:
    """Each session against the one `lag` before it: the correlation of the ranks of ETFs with a
    score on both [T], and the share of each quantile that was not in it then [T, Q].

    `entries`: starts and rows; `dense`: ranks and quantiles as [T, ETF], NaN and -1 where there is
    none; `asked`: the lag, how many quantiles, and the fewest common ETFs.
    """
    starts, rows = entries
    rank_of, code_of = dense
    lag, quantiles, fewest = asked
    sessions = len(starts) - 1
    correlations = np.full(sessions, np.nan)
    turnover = np.full((sessions, quantiles), np.nan)
    now, new, then = np.empty(quantiles), np.empty(quantiles), np.empty(quantiles)
    for t in range(lag, sessions):
        now[:], new[:], then[:] = 0.0, 0.0, 0.0
        for at in range(starts[t - lag], starts[t - lag + 1]):
            if codes[at] >= 0:
                then[codes[at]] += 1.0
        middle = (starts[t + 1] - starts[t] + 1) / 2.0
        before = (starts[t - lag + 1] - starts[t - lag] + 1) / 2.0
        n, x, y, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for at in range(starts[t], starts[t + 1]):
            row, code = rows[at], codes[at]
            if code >= 0:
                now[code] += 1.0
                new[code] += code_of[t - lag, row] != code
            first, second = ranks[at] - middle, rank_of[t - lag, row] - before
            if not np.isnan(second):
                n += 1.0
                x += first
                y += second
                xx += first * first
                yy += second * second
                xy += first * second
        spread = (xx - x * x / n) * (yy - y * y / n) if n >= fewest else 0.0
        if spread > 0.0:
            correlations[t] = (xy - x * y / n) / np.sqrt(spread)
        for code in range(quantiles):
            if now[code] > 0.0 and then[code] > 0.0:
                turnover[t, code] = new[code] / now[code]
    return correlations, turnover


@exactly
def _weigh(held: BoolArray, returns: FloatArray, rows: RowArray, weights: FloatArray) -> float:
    """Put minus what equal weights of the entries held have grown to in `weights`, by row; their
    sum before they were scaled to 1."""
    grown = 0.0
    for at in range(len(held)):
        if held[at] and not np.isnan(returns[at]):
            grown += 1.0 + returns[at]
    for at in range(len(held)):
        if held[at] and not np.isnan(returns[at]) and grown > 0.0:
            weights[rows[at]] = -(1.0 + returns[at]) / grown
    return grown


@exactly
def rebalanced(
    held: BoolArray,
    returns: FloatArray,
    starts: IntArray,
    rows: RowArray,
    asked: tuple[int, int],
) -> tuple[IntArray, RowArray, FloatArray]:
    """The trades that turn the equal weights of the entries `held` a horizon ago into today's.

    In between weights move with `returns`, those of the horizon. `asked`: how many ETFs, and the
    horizon. Answers with session, row and change of weight of each trade; a session that has
    nothing to hold, or had nothing then, has none.
    """
    etfs, horizon = asked
    sessions = len(starts) - 1
    most = 2 * held.sum()
    when, row_of = np.empty(most, np.int64), np.empty(most, np.int32)
    change, count = np.empty(most), 0
    weights = np.zeros(etfs)
    for t in range(horizon, sessions):
        first, last = starts[t - horizon], starts[t - horizon + 1]
        begin, end = starts[t], starts[t + 1]
        new = held[begin:end].sum()
        if (
            new == 0
            or not _weigh(held[first:last], returns[first:last], rows[first:last], weights) > 0.0
        ):
            continue
        for at in range(begin, end):
            if held[at]:
                when[count], row_of[count] = t, rows[at]
                change[count] = weights[rows[at]] + 1.0 / new
                weights[rows[at]] = 0.0
                count += 1
        for at in range(first, last):
            if weights[rows[at]] != 0.0:
                when[count], row_of[count] = t, rows[at]
                change[count] = weights[rows[at]]
                weights[rows[at]] = 0.0
                count += 1
    return when[:count], row_of[:count], change[:count]
