"""The risk of a portfolio as it stands: stops, drawdown, and what its weights would have risked."""

import asyncio
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.money import to_micros
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.quant import risk, stop_loss
from app.quant.covariance import recent_returns
from app.quant.measured import Measured, Missing, number
from app.quant.returns import growth
from app.quant.risk import LOOKBACK, Risk
from app.quant.stop_loss import StopPolicy, Vix
from app.schemas.risk import (
    Concentration,
    PositionRisk,
    RiskContribution,
    RiskRead,
    VixHistory,
    VixOnDate,
    VixRead,
)
from app.schemas.settings import PortfolioSettings
from app.services import freshness, history, performance, stops, strategy, valuation
from app.services.history import History
from app.services.projection import fold
from app.services.stops import WatchedLine
from app.services.valuation import Valuation

VOLATILITY_INDEX = "VIX"


async def assess(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *, now: datetime
) -> RiskRead:
    """Everything at the market's latest close."""
    settings = strategy.settings_of(portfolio)
    policy = strategy.stop_policy(settings)
    lived = await history.read(session, market, portfolio)
    book = fold(lived.entries)
    valued = valuation.value(market, book.cash, book.holdings.values(), market.latest_session)
    benchmark = performance.benchmark_of(market, settings)
    found = await asyncio.to_thread(_measured, market, valued, benchmark)
    watched = stops.watch(market, valued, policy).lines
    fallen = _drawdown(lived)
    return RiskRead(
        **freshness.as_of(market, now),
        portfolio_id=portfolio.id,
        total_value=valued.total,
        cash_weight=float(valued.cash / valued.total) if valued.total else None,
        vix=vix_as_of(market, policy),
        trailing_stop=policy.trailing,
        positions=[_position(market, each, valued) for each in watched],
        at_risk=[each.line.ticker for each in watched if each.status.at_risk],
        portfolio_drawdown=number(fallen),
        benchmark=benchmark,
        **_statistics(found),
        reasons=_reasons(found, fallen, valued),
    )


async def vix_history(
    market: MarketSnapshot, settings: PortfolioSettings, *, days: int, now: datetime
) -> VixHistory:
    """The last `days` closes of the volatility index up to the market's latest session."""
    policy = strategy.stop_policy(settings)
    latest = np.datetime64(market.latest_session, "D")
    end = int(np.searchsorted(market.vix_sessions, latest, side="right"))
    span = slice(max(end - days, 0), end)
    closes: list[float] = market.vix[span].tolist()
    dates: list[date] = market.vix_sessions[span].tolist()
    return VixHistory(
        **freshness.as_of(market, now),
        symbol=VOLATILITY_INDEX,
        current=vix_as_of(market, policy),
        history=[
            VixOnDate(date=day, close=close, regime=stop_loss.regime(close, policy))
            for day, close in zip(reversed(dates), reversed(closes), strict=True)
        ],
    )


def vix_as_of(market: MarketSnapshot, policy: StopPolicy) -> VixRead:
    """The index at the market's latest session, compared by sessions, not by today's date."""
    latest = market.latest_session
    found = market.vix_as_of(latest)
    close, day = found or (None, None)
    age = None if day is None else calendar.sessions_between(day, latest)
    vix = None if close is None or age is None else Vix(close, age)
    limit = stop_loss.threshold(policy, vix)
    # A portfolio that does not adjust its stop is told all the same that the index is too old.
    warning = stop_loss.threshold(replace(policy, use_vix_adjustment=True), vix).warning
    return VixRead(
        value=close,
        date=day,
        sessions_old=age,
        stale=age is None or age > policy.vix_good_for,
        regime=limit.regime,
        threshold=limit.fall,
        warning=warning,
    )


def _measured(market: MarketSnapshot, valued: Valuation, benchmark: str) -> Risk:
    """Of today's weights over the last year, or what there is of it."""
    sessions = min(LOOKBACK, len(market.panel) - 1)
    rows = np.array([line.row for line in valued.lines], dtype=np.int64)
    row = market.row_of.get(benchmark)
    against = (
        None
        if row is None
        else recent_returns(market.panel, np.array([row], dtype=np.int64), sessions)[0]
    )
    weights = valued.weights
    found = risk.assess(
        [line.ticker for line in valued.lines],
        np.array([weights.get(line.ticker, 0.0) for line in valued.lines]),
        recent_returns(market.panel, rows, sessions),
        benchmark=against,
    )
    if against is None and not isinstance(found.volatility, Missing):
        return replace(
            found, beta=Missing(f"the market has no prices of the benchmark {benchmark}")
        )
    return found


def _drawdown(lived: History) -> Measured:
    if not np.isfinite(lived.returns).any():
        return Missing("no capital was ever at work")
    return 0.0 - float(performance.drawdowns(growth(lived.returns))[-1])


def _position(market: MarketSnapshot, watched: WatchedLine, valued: Valuation) -> PositionRisk:
    line, status = watched.line, watched.status
    measured = {"drawdown": status.drawdown, "distance_to_stop": status.distance}
    reasons = {name: each.reason for name, each in measured.items() if isinstance(each, Missing)}
    return PositionRisk(
        ticker=line.ticker,
        name=market.etfs[line.row].name,
        weight=valued.weights[line.ticker],
        market_value=line.value,
        price=line.last.price,
        price_date=line.last.session,
        stale_price=line.last.carried,
        drawdown=number(status.drawdown),
        stop_price=to_micros(status.stop_price),
        distance_to_stop=number(status.distance),
        at_risk=status.at_risk,
        reasons=reasons,
    )


MEASURES = ("volatility", "beta", "var_95", "var_99", "cvar_95", "cvar_99")


def _statistics(found: Risk) -> dict[str, Any]:
    """The fields of `RiskRead` that a `Risk` has under the same names."""
    parts = found.contributions
    return {
        "observations": found.observations,
        **{name: number(getattr(found, name)) for name in MEASURES},
        "concentration": Concentration(
            hhi=number(found.concentration.hhi),
            effective_number=number(found.concentration.effective_number),
        ),
        "contributions": (
            None
            if isinstance(parts, Missing)
            else [RiskContribution.model_validate(part) for part in parts]
        ),
    }


def _reasons(found: Risk, fallen: Measured, valued: Valuation) -> dict[str, str]:
    shown: dict[str, object] = {
        **{name: getattr(found, name) for name in MEASURES},
        "concentration.hhi": found.concentration.hhi,
        "concentration.effective_number": found.concentration.effective_number,
        "contributions": found.contributions,
        "portfolio_drawdown": fallen,
        "cash_weight": None if valued.total else Missing("the portfolio is worth nothing"),
    }
    return {name: each.reason for name, each in shown.items() if isinstance(each, Missing)}
