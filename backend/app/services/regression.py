"""What a portfolio, a backtest or an ETF loads on: its returns on published daily factors."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.errors import NotFound
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest, Portfolio
from app.quant.attribution import regression
from app.quant.attribution.regression import Coefficient, Regression, Rolling
from app.quant.definitions.regression import DEFINITIONS
from app.quant.measured import Missing, number
from app.quant.panel import DateArray, FloatArray
from app.schemas.regression import (
    Estimate,
    EtfRegressionAsked,
    PortfolioRegressionAsked,
    RegressionAsked,
    RegressionRead,
    RollingEstimate,
    RollingPoint,
)
from app.schemas.trace import Trace
from app.services import blends, freshness, history, published_factors
from app.services.backtest_answers import returns_of
from app.services.published_factors import Published

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


async def of_portfolio(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    asked: PortfolioRegressionAsked,
    now: datetime,
) -> RegressionRead:
    """A portfolio's time-weighted returns in a period. Raises `NoPublishedFactors`."""
    stretch = history.stretch(await history.read(session, market, portfolio), asked.period)
    command = f"etftrader factors regression --portfolio {portfolio.id}{_options(asked)}"
    subject = Subject(f"portfolio {portfolio.id}", stretch.dates[1:], stretch.returns, command)
    return await of_subject(session, market, subject, asked, now=now)


async def of_backtest(
    session: AsyncSession,
    market: MarketSnapshot,
    run: Backtest,
    *,
    asked: RegressionAsked,
    now: datetime,
) -> RegressionRead:
    """The kept returns of a run. Raises `NoPublishedFactors`."""
    days = calendar.sessions(run.first_session, run.last_session)
    command = f"etftrader factors regression --backtest {run.id}{_options(asked)}"
    subject = Subject(f"backtest {run.id}", days[1:], returns_of(run), command)
    return await of_subject(session, market, subject, asked, now=now)


async def of_etf(
    session: AsyncSession,
    market: MarketSnapshot,
    ticker: str,
    *,
    asked: EtfRegressionAsked,
    now: datetime,
) -> RegressionRead:
    """The returns of an ETF in the sessions from `start` to `end`, of all where they are None.

    Raises `NotFound` for a ticker that the market does not have and `NoPublishedFactors`.
    """
    if ticker not in market.row_of:
        raise NotFound("ETF in this market")
    days = market.panel.sessions
    first = (
        0 if asked.start is None else int(np.searchsorted(days, np.datetime64(asked.start, "D")))
    )
    last = len(days) if asked.end is None else market.column(asked.end) + 1
    days = days[first : max(last, first)]
    row = np.array([market.row_of[ticker]], np.int64)
    returns = await asyncio.to_thread(blends.returns_of, market, row, days)
    command = f"etftrader factors regression {ticker} --market {market.code}{_options(asked)}"
    subject = Subject(ticker, days, returns[:, 0], command)
    return await of_subject(session, market, subject, asked, now=now)


async def of_subject(
    session: AsyncSession,
    market: MarketSnapshot,
    subject: Subject,
    asked: RegressionAsked,
    *,
    now: datetime,
) -> RegressionRead:
    """Any daily returns. Raises `NoPublishedFactors`."""
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
    return RegressionRead(
        **freshness.as_of(market, now),
        subject=subject.name,
        factors=list(asked.names),
        start=used[0] if used else None,
        end=used[-1] if used else None,
        published_until=published.until,
        observations=len(used),
        unmatched=len(days) - len(used),
        window=asked.window,
        **_fields(*found, asked.names),
        trace=_trace(market, subject, published),
    )


def _options(asked: RegressionAsked) -> str:
    """As they are typed, those left out too: defaults may change."""
    values = asked.model_dump(mode="json", exclude_none=True)
    return "".join(f" --{name} {value}" for name, value in sorted(values.items()))


def _fields(
    found: Regression | Missing, windows: Rolling | Missing, names: Sequence[str]
) -> dict[str, Any]:
    reasons: dict[str, str] = {}
    fields: dict[str, Any] = dict.fromkeys(ESTIMATED)
    if isinstance(found, Missing):
        reasons |= dict.fromkeys((*ESTIMATED, "start", "end"), found.reason)
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


def _trace(market: MarketSnapshot, subject: Subject, published: Published) -> Trace:
    inputs = {
        "risk_free": "rf, as published with the factors",
        "published_until": str(published.until),
    }
    return Trace.of(
        DEFINITIONS, inputs=inputs, data_version=market.data_version, command=subject.command
    )
