"""What a stop has sold is not bought back before its cool-down has passed."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.market_data.snapshot import MarketSnapshot
from app.models import OPEN_STATES, Order, OrderOrigin, Portfolio
from app.quant import stop_loss
from app.quant.stop_loss import StopPolicy
from app.services.order_life import ReasonCode


@dataclass(frozen=True, slots=True)
class CoolDown:
    """A name that is not bought up to and including `until`, nor while its stop order is open."""

    ticker: str
    stopped_on: date
    until: date
    waiting: bool

    @property
    def reason(self) -> str:
        if self.waiting:
            return f"barred: its stop of {self.stopped_on} is still being sold"
        return f"barred until {self.until} after its stop on {self.stopped_on}"


async def barred(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    at: date,
    policy: StopPolicy,
) -> dict[str, str]:
    """The names stopped out so recently that they may not be bought at `at`, and until when."""
    found = await read(session, market, portfolio, at=at, policy=policy)
    return {each.ticker: each.reason for each in found}


async def read(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    at: date,
    policy: StopPolicy,
) -> tuple[CoolDown, ...]:
    """The cool-downs at the close of `at` by ticker, counted from the session of the stop's order.

    An order bars that is open, that sold anything, or that found the shares sold by another one.
    """
    end = market.column(at)
    first: date = market.panel.sessions[max(end - policy.cooldown_sessions, 0)].item()
    is_open = Order.state.in_(OPEN_STATES)
    query = (
        select(Order.etf_id, Order.session, is_open)
        .where(
            Order.portfolio_id == portfolio.id,
            Order.origin == OrderOrigin.STOP,
            Order.session <= at,
            or_(
                is_open,
                (Order.session >= first)
                & (
                    (Order.filled_quantity > 0)
                    | (Order.reason_code == ReasonCode.INSUFFICIENT_SHARES)
                ),
            ),
        )
        .order_by(Order.session)
    )
    latest: dict[int, CoolDown] = {}
    for etf_id, stopped_on, still_open in await session.execute(query):
        in_cooldown = stop_loss.in_cooldown(end - market.column(stopped_on), policy)
        if not (still_open or in_cooldown):
            continue
        ticker = market.etfs[market.row_of_id[etf_id]].ticker
        until = sessions_after(stopped_on, policy.cooldown_sessions)
        latest[etf_id] = CoolDown(ticker, stopped_on, until, still_open and not in_cooldown)
    return tuple(sorted(latest.values(), key=lambda each: each.ticker))


def sessions_after(session: date, count: int) -> date:
    for _ in range(count):
        session = calendar.next_session(session)
    return session
