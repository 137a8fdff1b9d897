"""The risk of a kept backtest: of what it held at its end, and of the returns it made."""

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.core.money import ZERO
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest
from app.quant.measured import Missing
from app.schemas.risk import BacktestRiskRead
from app.schemas.settings import PortfolioSettings
from app.services import backtest_answers, freshness, risk, risk_answers, valuation
from app.services.risk_parts import Subject
from app.services.valuation import Valuation

NO_POSITIONS = Missing("a member of a sweep keeps no positions: run it alone")


@dataclass(frozen=True, slots=True)
class _Final:
    """A position at the end of a run, as a valuation takes it."""

    etf_id: int
    quantity: Decimal
    cost_basis: Decimal
    opened_on: date


async def assess(market: MarketSnapshot, row: Backtest, *, now: datetime) -> BacktestRiskRead:
    """At the last session lived through, on the market's present prices up to it."""
    known = replace(market, panel=market.panel.until(row.last_session))
    settings = PortfolioSettings.model_validate_json(
        json.dumps({name: row.spec[name] for name in PortfolioSettings.model_fields})
    )
    held = _held(known, row)
    subject = Subject(
        known,
        Valuation(row.last_session, ZERO, ()) if isinstance(held, Missing) else held,
        backtest_answers.returns_of(row),
        settings,
        settings.benchmark or market.benchmark,
        scored=market,
    )
    command = f"etftrader risk --backtest {row.id} --json"
    body = await asyncio.to_thread(_body, subject, held, command)
    return BacktestRiskRead(
        **freshness.as_of(known, now), backtest_id=row.id, notes=_notes(market, row), **body
    )


def _body(subject: Subject, held: Valuation | Missing, command: str) -> dict[str, Any]:
    if not isinstance(held, Missing):
        return risk.body_of(subject, command=command)
    values, reasons = risk_answers.unknown_fields(held)
    made, why = risk.made_fields(subject)
    unknown = dict.fromkeys(("total_value", "cash_weight", "positions"))
    return {
        **values,
        **made,
        **unknown,
        "at_risk": [],
        "reasons": {**reasons, **dict.fromkeys(unknown, held.reason), **why},
        "trace": risk.trace_of(subject, command),
    }


def _held(market: MarketSnapshot, row: Backtest) -> Valuation | Missing:
    details = backtest_answers.details_of(row)
    if details is None:
        return NO_POSITIONS
    gone = [each["ticker"] for each in details["positions"] if each["ticker"] not in market.row_of]
    if gone:
        return Missing(f"the market has no prices of {', '.join(gone)} any more")
    finals = [
        _Final(
            etf_id=market.etfs[market.row_of[each["ticker"]]].id,
            quantity=Decimal(each["quantity"]),
            cost_basis=Decimal(each["cost_basis"]),
            opened_on=date.fromisoformat(each["opened_on"]),
        )
        for each in details["positions"]
    ]
    cash = Decimal(details["curve"][-1]["cash"])
    return valuation.value(market, cash, finals, row.last_session)


def _notes(market: MarketSnapshot, row: Backtest) -> list[str]:
    if market.data_version == row.data_version:
        return []
    return ["The run was made on other prices of this market: its positions are valued at today's."]
