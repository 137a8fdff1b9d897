"""What is asked of a backtest, as the engine takes it."""

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import sha256

import numpy as np

from app.core import calendar
from app.core.config import Settings
from app.core.errors import Refused
from app.core.version import VERSION
from app.market_data.snapshot import MarketSnapshot
from app.quant.backtest.rules import Timetable, TradingRules
from app.quant.covariance import carried
from app.quant.factors.scoring import FORMULA_VERSION
from app.quant.panel import CARRY_SESSIONS, SESSIONS_PER_YEAR, FloatArray
from app.schemas.backtest import BacktestSpec
from app.schemas.settings import PortfolioSettings, Schedule, default_settings
from app.services import portfolios, strategy

ENGINE_VERSION = "2"
"""Changes whenever the same specification on the same data would trade otherwise."""

WEIGHT_DIGITS = 12
"""Factor weights count by their shares: these are equal where rounding alone tells them apart."""

CODE_VERSION = f"{VERSION}/scores-{FORMULA_VERSION}/engine-{ENGINE_VERSION}"

PERIODS = {
    Schedule.DAILY: calendar.Period.DAY,
    Schedule.WEEKLY: calendar.Period.WEEK,
    Schedule.MONTHLY: calendar.Period.MONTH,
    Schedule.QUARTERLY: calendar.Period.QUARTER,
}


@dataclass(frozen=True, slots=True)
class Life:
    """`benchmark` is a ticker of the market, None where it has none."""

    settings: PortfolioSettings
    rules: TradingRules
    timetable: Timetable
    capital: Decimal
    benchmark: str | None


def resolved(market: MarketSnapshot, configured: Settings, spec: BacktestSpec) -> BacktestSpec:
    """With everything said that was left out, and days that are sessions: the same life has one
    specification. Raises Refused for what the market cannot answer."""
    settings = spec.over(default_settings(configured))
    if settings.benchmark is None and market.benchmark in market.row_of:
        settings = settings.model_copy(update={"benchmark": market.benchmark})
    portfolios.check_settings(market, settings)
    earliest = _earliest(market)
    start, end = spec.start or earliest, spec.end or market.latest_session
    if end <= start:
        raise Refused(f"There is no session between the start, {start}, and the end, {end}.")
    body = {
        **settings.model_dump(mode="json"),
        **spec.model_dump(mode="json", exclude=set(PortfolioSettings.model_fields)),
        "market": market.code,
        "start": str(start),
        "end": str(end),
    }
    complete = BacktestSpec.model_validate_json(json.dumps(body))
    _require_known_days(market, complete, earliest)
    return _on_sessions(market, complete)


def settings_hash(spec: BacktestSpec) -> bytes:
    """Of a complete specification: the same however the same question is written."""
    body = spec.model_dump(mode="json")
    weights = body["factor_weights"]
    total = sum(weights.values()) or 1.0
    body["factor_weights"] = {
        name: round(weight / total, WEIGHT_DIGITS) for name, weight in weights.items()
    }
    body["universe"] = {
        field: sorted({label.casefold() for label in labels})
        for field, labels in body["universe"].items()
    }
    flows = defaultdict[str, Decimal](Decimal)
    for flow in spec.cash_flows:
        flows[str(flow.day)] += flow.amount
    body["cash_flows"] = {day: f"{amount:.2f}" for day, amount in flows.items() if amount}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).digest()


def life_of(market: MarketSnapshot, spec: BacktestSpec) -> Life:
    """Of a complete specification."""
    assert spec.start is not None
    assert spec.end is not None
    settings = PortfolioSettings.model_validate_json(
        json.dumps(spec.model_dump(mode="json", include=set(PortfolioSettings.model_fields)))
    )
    days = market.panel.sessions
    by_drift = spec.schedule is Schedule.DRIFT
    asks = np.zeros(len(days), np.bool_)
    if not by_drift:
        asks = np.isin(days, calendar.first_session_of_each(PERIODS[spec.schedule], days))
    timetable = Timetable(
        first=_first_from(market, spec.start),
        last=market.column(spec.end),
        asks=asks,
        interest_days=np.diff(days, prepend=days[0]).astype(np.int64),
        by_drift=by_drift,
        flows=_flows(market, spec),
    )
    rules = strategy.trading_rules(settings, fills=spec.fill, cash_yield=spec.cash_yield)
    benchmark = settings.benchmark or market.benchmark
    known = benchmark if benchmark in market.row_of else None
    return Life(settings, rules, timetable, spec.initial_capital, known)


def benchmark_closes(market: MarketSnapshot, life: Life) -> FloatArray | None:
    """Adjusted closes of the sessions lived through, a missing one carried for at most 5; None
    where that is not enough: figures of some sessions would stand beside those of all."""
    if life.benchmark is None:
        return None
    first, end = life.timetable.first, life.timetable.last + 1
    row = market.row(life.benchmark)
    before = max(first - CARRY_SESSIONS, 0)
    closes: FloatArray = carried(market.panel.adjusted[[row], before:end])[0, first - before :]
    return None if np.isnan(closes).any() else closes


def _earliest(market: MarketSnapshot) -> date:
    """The first session that can be scored."""
    days = market.panel.sessions
    if len(days) <= SESSIONS_PER_YEAR + 1:
        raise Refused(
            f"The market has {len(days)} sessions; a backtest needs {SESSIONS_PER_YEAR} before its "
            "first one."
        )
    first: date = days[SESSIONS_PER_YEAR].item()
    return first


def _require_known_days(market: MarketSnapshot, spec: BacktestSpec, earliest: date) -> None:
    assert spec.start is not None
    assert spec.end is not None
    if spec.start < earliest:
        raise Refused(
            f"The data begin on {market.panel.sessions[0]}, and scores look back a year: start on "
            f"{earliest} or later."
        )
    if spec.end > market.latest_session:
        raise Refused(f"The data end on {market.latest_session}: end there or before.")
    first, last = _first_from(market, spec.start), market.column(spec.end)
    if last <= first:
        raise Refused("There are fewer than two sessions between start and end.")
    for flow in spec.cash_flows:
        if not spec.start <= flow.day <= market.panel.sessions[last].item():
            raise Refused(f"The cash flow of {flow.day} is not within the days lived through.")


def _on_sessions(market: MarketSnapshot, spec: BacktestSpec) -> BacktestSpec:
    assert spec.start is not None
    assert spec.end is not None
    days: list[date] = market.panel.sessions.tolist()
    flows = (
        flow.model_copy(update={"day": days[_first_from(market, flow.day)]})
        for flow in spec.cash_flows
    )
    return spec.model_copy(
        update={
            "start": days[_first_from(market, spec.start)],
            "end": days[market.column(spec.end)],
            "cash_flows": tuple(flows),
        }
    )


def _first_from(market: MarketSnapshot, day: date) -> int:
    return int(np.searchsorted(market.panel.sessions, np.datetime64(day, "D")))


def _flows(market: MarketSnapshot, spec: BacktestSpec) -> dict[int, Decimal]:
    found: dict[int, Decimal] = {}
    for flow in spec.cash_flows:
        column = _first_from(market, flow.day)
        found[column] = found.get(column, Decimal(0)) + flow.amount
    return found
