"""The risk of a portfolio as it stands: stops, drawdown, and what its weights would have risked."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.money import to_micros
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.quant import stop_loss
from app.quant.definitions.risk import DEFINITIONS
from app.quant.measured import Measured, Missing, number
from app.quant.panel import FloatArray
from app.quant.returns import growth
from app.quant.risk import series
from app.quant.risk.liquidation import PARTICIPATION
from app.quant.risk.replays import LEAST_CORRELATION, LEAST_OVERLAP
from app.quant.statistics import falls
from app.quant.stop_loss import StopPolicy, Vix
from app.schemas.risk import PositionRisk, RiskRead, VixHistory, VixOnDate, VixRead
from app.schemas.settings import PortfolioSettings
from app.schemas.trace import Trace
from app.services import (
    freshness,
    history,
    performance,
    risk_answers,
    risk_parts,
    stop_report,
    stops,
    strategy,
)
from app.services.risk_parts import Subject
from app.services.stops import WatchedLine

VOLATILITY_INDEX = "VIX"


async def assess(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *, now: datetime
) -> RiskRead:
    """Everything at the market's latest close. Raises PricesChanged."""
    settings = strategy.settings_of(portfolio)
    lived = await history.read(session, market, portfolio)
    valued = await stop_report.worth_now(session, market, portfolio)
    board = await stop_report.preview_of(session, market, portfolio, valued, now=now)
    subject = Subject(
        market, valued, lived.returns, settings, performance.benchmark_of(market, settings)
    )
    command = f"etftrader risk {portfolio.id} --json"
    body = await asyncio.to_thread(body_of, subject, command=command)
    return RiskRead(**freshness.as_of(market, now), portfolio_id=portfolio.id, stops=board, **body)


def body_of(subject: Subject, *, command: str) -> dict[str, Any]:
    """The fields of `HoldingRisk` that do not depend on the time of day."""
    market, valued = subject.market, subject.valued
    policy = strategy.stop_policy(subject.settings)
    watched = stops.watch(market, valued, policy).lines
    values, reasons = risk_answers.held_fields(subject, risk_parts.measure(subject), watched)
    if not valued.total:
        reasons["cash_weight"] = "the portfolio is worth nothing"
    made, why = made_fields(subject)
    weights = valued.weights
    return {
        **values,
        **made,
        "total_value": valued.total,
        "cash_weight": float(valued.cash / valued.total) if valued.total else None,
        "positions": [_position(market, each, weights) for each in watched],
        "at_risk": [each.line.ticker for each in watched if each.status.at_risk],
        "reasons": reasons | why,
        "trace": trace_of(subject, command),
    }


def made_fields(subject: Subject) -> tuple[dict[str, Any], dict[str, str]]:
    """What needs no holdings: the stops' threshold, and the returns that were made."""
    policy = strategy.stop_policy(subject.settings)
    fallen = drawdown(subject.own)
    own = series.of_series(subject.own)
    values = {
        "vix": vix_as_of(subject.market, policy),
        "trailing_stop": policy.trailing,
        "portfolio_drawdown": number(fallen),
        "benchmark": subject.benchmark,
        "own": risk_answers.series(own),
    }
    return values, risk_answers.reasons_of({"portfolio_drawdown": fallen})


def trace_of(subject: Subject, command: str) -> Trace:
    """The method of every figure, and what it is made from."""
    return Trace.of(
        DEFINITIONS,
        inputs={
            "as_of": subject.market.latest_session.isoformat(),
            "benchmark": subject.benchmark,
            **risk_answers.method(),
            "history_sessions": risk_parts.HISTORY,
            "participation": PARTICIPATION,
            "max_correlation": subject.settings.max_correlation,
            "least_proxy_correlation": LEAST_CORRELATION,
            "least_proxy_overlap": LEAST_OVERLAP,
        },
        data_version=subject.market.data_version,
        command=command,
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


def drawdown(returns: FloatArray) -> Measured:
    """The fall of the growth of daily returns from its highest, as a positive fraction."""
    if not np.isfinite(returns).any():
        return Missing("no capital was ever at work")
    return 0.0 - float(falls(growth(returns))[-1])


def _position(
    market: MarketSnapshot, watched: WatchedLine, weights: Mapping[str, float]
) -> PositionRisk:
    line, status = watched.line, watched.status
    measured = {"drawdown": status.drawdown, "distance_to_stop": status.distance}
    reasons = {name: each.reason for name, each in measured.items() if isinstance(each, Missing)}
    return PositionRisk(
        ticker=line.ticker,
        name=market.etfs[line.row].name,
        weight=weights[line.ticker],
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
