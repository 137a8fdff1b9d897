"""What a market's factors returned in a period."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from app.market_data.snapshot import MarketSnapshot
from app.quant import periods
from app.quant.attribution.factor_returns import FactorReturns, premia
from app.quant.attribution.factor_returns import Premium as FoundPremium
from app.quant.definitions.factor_returns import DEFINITIONS
from app.quant.measured import Measured, Missing, number
from app.quant.periods import Period
from app.quant.returns import growth
from app.schemas.factor_return import (
    FactorReturnsAsked,
    FactorReturnsRead,
    Premium,
    SessionReturn,
    SessionReturns,
)
from app.schemas.trace import Trace
from app.services import factor_model, freshness
from app.services.attributing import NO_FACTOR_RETURNS


async def read(
    market: MarketSnapshot, asked: FactorReturnsAsked, *, now: datetime
) -> FactorReturnsRead:
    """The factors over the period, and `limit` of its sessions, newest first, after `offset`.

    Raises EmptyPeriod.
    """
    model = await asyncio.to_thread(factor_model.model_of, market)
    found = _within(model.returns, asked)
    days = found.sessions.tolist()
    notes = {note.split(" ")[0]: note for note in model.history.notes}
    return FactorReturnsRead(
        **freshness.as_of(market, now),
        period=None if asked.start is not None else asked.period or Period.ALL,
        start=days[0] if days else None,
        end=days[-1] if days else None,
        sessions=len(days),
        factors=[_premium(each, notes.get(each.name)) for each in premia(found)],
        series=_series(found, asked.limit, asked.offset),
        reasons={} if days else dict.fromkeys(("start", "end"), NO_FACTOR_RETURNS.reason),
        trace=Trace.of(
            DEFINITIONS,
            inputs={"factors": list(found.names)},
            data_version=market.data_version,
            command=f"etftrader factors returns --market {market.code}{asked.options}",
        ),
    )


def _within(returns: FactorReturns, asked: FactorReturnsAsked) -> FactorReturns:
    if not len(returns):
        return returns
    period = asked.period or Period.ALL
    found = periods.between(returns.sessions, start=asked.start, end=asked.end, period=period)
    # The window begins at a close; the first return of the period is of the session after it. The
    # close before the first of all returns is none of their sessions.
    from_first = not found.complete or (asked.start is None and period is Period.ALL)
    return returns.between(found.first if from_first else found.first + 1, found.end)


def _premium(found: FoundPremium, note: str | None) -> Premium:
    measured: dict[str, Measured] = {
        "cumulative": found.cumulative,
        "mean": found.mean,
        "volatility": found.volatility,
        "error": found.error,
        "mean_t": found.t,
    }
    return Premium(
        name=found.name,
        observations=found.observations,
        **{name: number(value) for name, value in measured.items()},
        lags=found.lags,
        reasons={
            name: note or value.reason
            for name, value in measured.items()
            if isinstance(value, Missing)
        },
    )


def _series(found: FactorReturns, limit: int, offset: int) -> list[SessionReturns]:
    last = len(found) - offset
    shown = range(last - 1, max(last - limit, 0) - 1, -1)
    grown = np.column_stack([growth(series) - 1.0 for series in found.values.T])
    values, t = found.values.tolist(), found.t.tolist()
    totals, days = grown.tolist(), found.sessions.tolist()
    counts, shares = found.observations.tolist(), found.r_squared.tolist()
    return [
        SessionReturns(
            session=days[at],
            observations=counts[at],
            r_squared=_known(shares[at]),
            factors=_session(found.names, values[at], t[at], totals[at]),
        )
        for at in shown
    ]


def _session(
    names: Sequence[str], values: list[float], t: list[float], totals: list[float]
) -> dict[str, SessionReturn]:
    return {
        name: SessionReturn(value=_known(value), t=_known(ratio), cumulative=total)
        for name, value, ratio, total in zip(names, values, t, totals, strict=True)
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
