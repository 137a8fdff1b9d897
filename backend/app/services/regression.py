"""What a portfolio, a backtest, an ETF or a series loads on: its returns on published factors."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.errors import NotFound, Refused
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest, Portfolio
from app.quant import periods
from app.quant.attribution import regression
from app.quant.attribution.regression import Coefficient, Regression, Rolling
from app.quant.definitions.regression import DEFINITIONS
from app.quant.measured import Missing, number
from app.quant.panel import DateArray, FloatArray
from app.quant.periods import Period, Window
from app.schemas.regression import (
    Estimate,
    RegressionAsked,
    RegressionRead,
    RollingEstimate,
    RollingPoint,
    SeriesRegressionIn,
    SeriesRegressionRead,
)
from app.schemas.trace import Trace
from app.services import freshness, history, published_factors
from app.services.backtest_answers import returns_of
from app.services.series_performance import track_of

ESTIMATED = (
    *("lags", "alpha", "loadings", "r_squared", "adjusted_r_squared", "residual_volatility"),
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose returns [T] are regressed, NaN where there is none; `command` does it again."""

    name: str
    sessions: DateArray
    returns: FloatArray
    command: str
    data_version: UUID | None


class Invented(Refused):
    def __init__(self) -> None:
        super().__init__(
            "The market is simulated: published factors say nothing about its prices. Ask about a "
            "portfolio, backtest or ETF of a market with real prices."
        )


def _require_real(market: MarketSnapshot) -> None:
    if market.simulated:
        raise Invented


async def of_portfolio(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    asked: RegressionAsked,
    *,
    now: datetime,
) -> RegressionRead:
    """A portfolio's time-weighted returns.

    Raises `NoPublishedFactors`, EmptyPeriod and Invented.
    """
    _require_real(market)
    lived = await history.read(session, market, portfolio)
    stretch = history.stretch(lived, asked.period or Period.ALL, start=asked.start, end=asked.end)
    subject = Subject(
        name=f"portfolio {portfolio.id}",
        sessions=stretch.dates[1:],
        returns=stretch.returns,
        command=f"--portfolio {portfolio.id}",
        data_version=market.data_version,
    )
    found = await of_subject(session, subject, asked)
    return RegressionRead(**freshness.as_of(market, now), **found)


async def of_backtest(
    session: AsyncSession,
    market: MarketSnapshot,
    run: Backtest,
    asked: RegressionAsked,
    *,
    now: datetime,
) -> RegressionRead:
    """The kept returns of a run. Raises `NoPublishedFactors`, EmptyPeriod and Invented."""
    _require_real(market)
    days = calendar.sessions(run.first_session, run.last_session)
    window = _window(days, asked)
    subject = Subject(
        name=f"backtest {run.id}",
        sessions=days[window.first + 1 : window.end],
        returns=returns_of(run)[window.first : window.end - 1],
        command=f"--backtest {run.id}",
        data_version=run.data_version,
    )
    found = await of_subject(session, subject, asked)
    return RegressionRead(**freshness.as_of(market, now), **found)


async def of_etf(
    session: AsyncSession,
    market: MarketSnapshot,
    ticker: str,
    asked: RegressionAsked,
    *,
    now: datetime,
) -> RegressionRead:
    """The returns of an ETF, dividends included, between sessions that both have a close.

    Raises `NoPublishedFactors`, EmptyPeriod, Invented, and `NotFound` for a ticker that the market
    does not have.
    """
    if ticker not in market.row_of:
        raise NotFound("ETF in this market")
    _require_real(market)
    window = _window(market.panel.sessions, asked)
    days = market.panel.sessions[window.first + 1 : window.end]
    # No close is carried: a missing one would be a return of nothing and then one of two days.
    closes = market.panel.adjusted[market.row_of[ticker], window.first : window.end]
    subject = Subject(
        name=ticker,
        sessions=days,
        returns=closes[1:] / closes[:-1] - 1.0,
        command=f"{ticker} --market {market.code}",
        data_version=market.data_version,
    )
    found = await of_subject(session, subject, asked)
    return RegressionRead(**freshness.as_of(market, now), **found)


async def of_series(session: AsyncSession, series: SeriesRegressionIn) -> SeriesRegressionRead:
    """The returns of a series that is sent along. Raises `NoPublishedFactors` and EmptyPeriod."""
    whole = track_of(series)
    track = whole.within(_window(whole.dates, series))
    subject = Subject(
        name=series.name or "series",
        sessions=track.dates[1:],
        returns=track.returns,
        command="--file FILE.csv",
        data_version=None,
    )
    return SeriesRegressionRead(**await of_subject(session, subject, series))


def _window(days: DateArray, asked: RegressionAsked) -> Window:
    return periods.between(
        days, start=asked.start, end=asked.end, period=asked.period or Period.ALL
    )


async def of_subject(
    session: AsyncSession, subject: Subject, asked: RegressionAsked
) -> dict[str, Any]:
    """The fields of `schemas.regression.Regressed`. Raises `NoPublishedFactors`."""
    known = np.isfinite(subject.returns)
    days, returns = subject.sessions[known], subject.returns[known]
    # A day without a return lies on no session: it asks for nothing.
    ends = (days[0].item(), days[-1].item()) if len(days) else (date.max, date.max)
    published = await published_factors.read(session, asked.names, *ends)
    _, mine, theirs = np.intersect1d(
        days, published.sessions, assume_unique=True, return_indices=True
    )
    excess = returns[mine] - published.risk_free[theirs]
    values = published.values[theirs]
    found = await asyncio.to_thread(
        lambda: (
            regression.regress(excess, values, asked.names),
            regression.rolling(excess, values, days[mine], window=asked.window),
        )
    )
    used = days[mine].tolist()
    return {
        "subject": subject.name,
        "factors": list(asked.names),
        "start": used[0] if used else None,
        "end": used[-1] if used else None,
        "published_until": published.until,
        "observations": len(used),
        "unmatched": len(days) - len(used),
        "window": asked.window,
        **_fields(*found, asked.names, nothing_known=not used),
        "trace": Trace.of(
            DEFINITIONS,
            inputs={
                "risk_free": "rf, as published with the factors",
                "published_until": str(published.until),
            },
            data_version=subject.data_version,
            command=f"etftrader factors regression {subject.command}{asked.options}",
        ),
    }


def _fields(
    found: Regression | Missing,
    windows: Rolling | Missing,
    names: Sequence[str],
    *,
    nothing_known: bool,
) -> dict[str, Any]:
    reasons: dict[str, str] = {}
    fields: dict[str, Any] = dict.fromkeys(ESTIMATED)
    if isinstance(found, Missing):
        absent = (*ESTIMATED, "start", "end") if nothing_known else ESTIMATED
        reasons |= dict.fromkeys(absent, found.reason)
    else:
        fields |= {
            "lags": found.lags,
            "alpha": _estimate(found.alpha),
            "loadings": [_estimate(each) for each in found.loadings],
            "r_squared": found.r_squared,
            "adjusted_r_squared": found.adjusted_r_squared,
            "residual_volatility": found.residual_volatility,
        }
    if isinstance(windows, Missing):
        reasons["rolling"] = windows.reason
        fields["rolling"] = None
    else:
        fields["rolling"] = _points(windows, names)
    return {**fields, "reasons": reasons}


def _estimate(found: Coefficient) -> Estimate:
    missing = {"t": found.t, "p_value": found.p_value}
    return Estimate(
        name=found.name,
        value=found.value,
        error=found.error,
        t=number(found.t),
        p_value=number(found.p_value),
        low=found.low,
        high=found.high,
        reasons={name: why.reason for name, why in missing.items() if isinstance(why, Missing)},
    )


def _points(found: Rolling, names: Sequence[str]) -> list[RollingPoint]:
    table = np.stack((found.values, found.low, found.high), axis=2).tolist()
    return [
        RollingPoint(
            end=end,
            alpha=alpha,
            loadings={
                name: RollingEstimate(value=value, low=low, high=high)
                for name, (value, low, high) in zip(names, row, strict=True)
            },
        )
        for end, alpha, row in zip(found.ends.tolist(), found.alphas.tolist(), table, strict=True)
    ]
