"""A portfolio's stops as they are shown: what would fire at which price, and what a check did."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.money import to_micros
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.quant.measured import number
from app.quant.stop_loss import PriceState
from app.schemas.stop import (
    CoolDownRead,
    DrawdownRule,
    PositionStop,
    StopOrder,
    StopsChecked,
    StopsRead,
)
from app.services import (
    cooldowns,
    corporate_actions,
    exposure,
    freshness,
    ledger,
    settling,
    stopping,
    strategy,
    valuation,
    verdicts,
)
from app.services.exposure import Standing
from app.services.stopping import Acted
from app.services.valuation import Valuation
from app.services.verdicts import Block, Judged, Occasion, Verdict

SENTENCES = {
    Block.ETF_CLOSED: "The ETF was closed: nobody buys it any more.",
    Block.PRICE_MISSING: "There is no price of it.",
    Block.PRICE_QUARANTINED: "Its bar of {session} was refused: the last good price is of {date}.",
    Block.PRICE_STALE: "It has no price of {session}: the last one is of {date}.",
    Block.WORTHLESS: "The position is worth no more than a cent.",
    Block.SPLIT: "{session} is the ex-date of a split.",
    Block.ORDERED: "Its stop has fired: the order waits to be filled.",
    Block.FIRED: "Its stop has fired on {session} already.",
    Block.ALERTED: "It was told of already, and has not closed above the stop since.",
}


async def preview(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *, now: datetime
) -> StopsRead:
    """Every stop at the market's latest close; nothing is done. Raises PricesChanged."""
    worth = await worth_now(session, market, portfolio)
    return await preview_of(session, market, portfolio, worth, now=now)


async def worth_now(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> Valuation:
    """What is held at the market's latest close, due actions included. Raises PricesChanged."""
    book = await ledger.current_book(session, portfolio)
    book = await corporate_actions.settled(session, market, portfolio, book)
    return valuation.value(market, book.cash, book.holdings.values(), market.latest_session)


async def preview_of(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    worth: Valuation,
    *,
    now: datetime,
) -> StopsRead:
    """The same for who knows already what is held."""
    at = market.latest_session
    settings = strategy.settings_of(portfolio)
    occasion = await stopping.occasion_of(session, market, at, now=None)
    done = (await stopping.done_by(session, [portfolio.id], at)).get(portfolio.id)
    judged = verdicts.judge(occasion, portfolio.id, worth, settings, done or stopping.NOTHING)
    standing = await exposure.standing(session, portfolio, at)
    fields = await _fields(session, portfolio, occasion, judged, standing, now=now)
    return StopsRead(**fields)


async def check(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *, now: datetime
) -> StopsChecked:
    """Act on the stops at the market's latest close, for a person who asks.

    The caller holds the lock on the portfolio. Raises PortfolioClosed and what `settle` raises.
    """
    portfolio.require_active()
    await settling.settle(session, market, portfolio, now=now)
    found = await stopping.check(
        session, market, portfolio, at=market.latest_session, now=now, unattended=False
    )
    fields = await _fields(
        session, portfolio, found.occasion, found.judged, found.standing, now=now
    )
    return StopsChecked(
        **fields,
        orders=[_order(each) for each in found.acted],
        alerts=[each.message for each in found.alerts],
    )


async def _fields(
    session: AsyncSession,
    portfolio: Portfolio,
    occasion: Occasion,
    judged: Judged,
    standing: Standing,
    *,
    now: datetime,
) -> dict[str, Any]:
    market = occasion.market
    settings = strategy.settings_of(portfolio)
    policy = strategy.stop_policy(settings)
    cooling = await cooldowns.read(session, market, portfolio, at=occasion.session, policy=policy)
    return {
        **freshness.as_of(market, now),
        "portfolio_id": portfolio.id,
        "action": settings.stop_action,
        "trailing": policy.trailing,
        "threshold": judged.threshold.fall,
        "vix_regime": judged.threshold.regime,
        "warning": judged.threshold.warning,
        "paused": _paused(market, now),
        "positions": [_position(occasion, each) for each in judged.verdicts],
        "cooling_down": [CoolDownRead.model_validate(each) for each in cooling],
        "drawdown_rule": _rule(standing),
    }


def _paused(market: MarketSnapshot, now: datetime) -> str | None:
    behind = freshness.behind(market, now)
    if not freshness.is_too_old_to_act(behind):
        return None
    return (
        f"The prices are {behind} sessions behind: no stop acts by "
        "itself until they have caught up."
    )


def _position(occasion: Occasion, verdict: Verdict) -> PositionStop:
    line, watched, status = verdict.line, verdict.watched, verdict.watched.status
    known = watched.state is not PriceState.MISSING
    sentence = None if verdict.block is None else SENTENCES[verdict.block]
    return PositionStop(
        ticker=line.ticker,
        name=occasion.market.etfs[line.row].name,
        quantity=line.quantity,
        opened_on=line.opened_on,
        reference_price=watched.reference,
        threshold=status.threshold,
        stop_price=to_micros(status.stop_price),
        price=line.last.price if known else None,
        price_date=line.last.session if known else None,
        price_state=watched.state,
        drawdown=number(status.drawdown),
        distance_to_stop=number(status.distance),
        at_risk=status.at_risk,
        breached=watched.breached,
        would_fire=verdict.fires,
        block=verdict.block,
        reason=sentence and sentence.format(session=occasion.session, date=line.last.session),
        order_id=verdict.order_id if verdict.block is Block.ORDERED else None,
    )


def _rule(standing: Standing) -> DrawdownRule:
    rules, reduced = standing.policy, standing.state.is_reduced
    left = standing.sessions_left
    way_back = (
        f"A fall of less than {rules.restore_below:.1%}, or {left} more "
        f"session{'' if left == 1 else 's'}."
    )
    return DrawdownRule(
        valued_on=standing.valued_on,
        drawdown=number(standing.drawdown),
        limit=rules.reduce_at,
        recovery=rules.restore_below,
        sessions=rules.restore_after,
        exposure=standing.part,
        reduced=reduced,
        reduced_since=standing.changed_on if reduced else None,
        sessions_left=left,
        way_back=way_back if reduced else None,
    )


def _order(acted: Acted) -> StopOrder:
    order = acted.order
    return StopOrder(
        ticker=acted.verdict.line.ticker,
        order_id=order.id,
        state=order.state,
        fill_at=order.fill_at,
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        why=order.reason,
        reason=acted.reason,
    )
