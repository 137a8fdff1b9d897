"""The factor model of a few positions, out of the scores of a whole market."""

import numpy as np

from app.quant.factors.factor_history import FactorHistory
from app.quant.measured import Missing
from app.quant.panel import BoolArray, DateArray, FloatArray, IntArray
from app.quant.risk.factor_risk import FactorModel


def model_of_positions(
    history: FactorHistory,
    returns: tuple[tuple[str, ...], DateArray, FloatArray],
    rows: IntArray,
    days: DateArray,
) -> FactorModel | Missing:
    """Of the ETFs in `rows` over `days`, the sessions of their returns, up to the last of them.

    `returns` are the factors' names, the market first, the sessions after those of `history`, line
    by line, and what each factor earned in them. A score that is unknown counts as 0, as it does
    where factor returns are made; an ETF without any score has no exposures.
    """
    names, sessions, values = returns
    latest = np.flatnonzero(history.sessions == days[-1:])
    if not len(latest):
        return Missing(f"there are no scores of {days[-1]}")
    if not len(sessions):
        return Missing("there are no factor returns")
    line = np.minimum(np.searchsorted(sessions, days), len(sessions) - 1)
    known = sessions[line] == days
    earned = np.where(known[:, np.newaxis], values[line], np.nan)
    exposures = _exposures(history, rows, np.append(np.where(known, line, -1), latest))
    used: BoolArray = np.any(np.isfinite(earned), axis=0)
    if not used.any():
        return Missing("there are no factor returns of the last sessions")
    return FactorModel(
        names=tuple(name for name, each in zip(names, used, strict=True) if each),
        returns=earned[:, used],
        exposures=exposures[:-1][:, :, used],
        latest=exposures[-1][:, used],
    )


def _exposures(history: FactorHistory, rows: IntArray, lines: IntArray) -> FloatArray:
    """[L, N, K] on the given lines of the history, NaN where an ETF was not scored; a line is -1
    where there is none, and comes once at most."""
    found = np.full((len(lines), len(rows), 1 + len(history.names)), np.nan)
    column = np.full(len(history.tickers), -1)
    column[rows] = np.arange(len(rows))
    known = lines[lines >= 0]
    first, end = int(known.min()), int(known.max()) + 1
    begin = int(history.starts[first])
    at = column[history.rows[begin : int(history.starts[end])]]
    held = np.flatnonzero(at >= 0)
    line = np.searchsorted(history.starts, held + begin, side="right") - 1
    place_of = np.full(len(history.sessions), -1)
    place_of[known] = np.flatnonzero(lines >= 0)
    place = place_of[line]
    held, place = held[place >= 0], place[place >= 0]
    scores = history.z[:, begin + held]
    found[place, at[held], 0] = 1.0
    found[place, at[held], 1:] = np.where(np.isnan(scores), 0.0, scores).T
    return found
