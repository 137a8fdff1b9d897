"""Corporate actions booked in many portfolios together, after a session.

What is due is decided by the rules of a single portfolio (`actions_due`); read and written is for
all of them together. Left to the way of a single one is whatever is not plain: resting orders,
dividends that are reinvested, money or shares taken back, an action that cannot be booked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind
from app.schemas.settings import PortfolioSettings
from app.services import actions_due, corporate_actions, entitlements, many_books
from app.services.actions_due import NeedsFlows
from app.services.entitlements import EtfHistory
from app.services.entry import Booked
from app.services.many_books import NewEntries


class Account(Protocol):
    """What is read of a portfolio's row."""

    @property
    def id(self) -> int: ...

    @property
    def cash(self) -> Decimal: ...

    @property
    def opened_on(self) -> date: ...

    @property
    def last_sequence(self) -> int: ...


@dataclass(frozen=True, slots=True)
class DueIn:
    """One portfolio with actions that are due, by their ids."""

    account: Account
    rules: PortfolioSettings
    action_ids: frozenset[int]


async def book(
    session: AsyncSession, market: MarketSnapshot, due: Sequence[DueIn], *, now: datetime
) -> dict[int, tuple[Booked, ...]]:
    """Book what is due where that is plain; a portfolio that is not named is left as it was.

    The caller holds the locks. Raises PricesChanged, and what `many_books.book` raises.
    """
    known = {action.id: action for action in market.actions}
    plain = [each for each in due if not each.rules.reinvest_dividends]
    wanted = {
        (each.account.id, known[action_id].etf_id)
        for each in plain
        for action_id in each.action_ids
        if action_id in known
    }
    etf_ids = {etf_id for _, etf_id in wanted}
    acting = [
        action
        for action in market.actions
        if action.etf_id in etf_ids
        and action.ex_date <= market.latest_session
        and corporate_actions.acts(market, action)
    ]
    histories = await entitlements.read_many(session, wanted, acting)
    for of_one in histories.values():
        corporate_actions.require_known(market, of_one.values())
    new = [_new_entries(market, each, histories.get(each.account.id, {})) for each in plain]
    found = [each for each in new if each is not None]
    with_entries = [each for each in found if each.entries]
    nothing: dict[int, tuple[Booked, ...]] = {each.portfolio_id: () for each in found}
    if not with_entries:
        return nothing
    return nothing | await many_books.book(session, with_entries, now=now)


def _new_entries(
    market: MarketSnapshot, due: DueIn, histories: Mapping[int, EtfHistory]
) -> NewEntries | None:
    """None where somebody has to look at more than the histories."""
    account = due.account
    for history in histories.values():
        history.actions = [
            action
            for action in history.actions
            if action.kind is ActionKind.CLOSURE or action.ex_date > account.opened_on
        ]
    only = _touched(due, histories)
    span = account.opened_on, market.latest_session
    try:
        found = actions_due.decide(market, due.rules, histories, span, only=only)
    except NeedsFlows:
        return None
    if found.left_open:
        return None
    return NewEntries(
        account.id, account.cash, account.last_sequence, due.rules.lot_method, found.entries
    )


def _touched(due: DueIn, histories: Mapping[int, EtfHistory]) -> set[int]:
    """The actions that are due, and with a split all of its ETF, whose shares it may change."""
    touched = set(due.action_ids)
    for history in histories.values():
        if any(each.kind is ActionKind.SPLIT and each.id in touched for each in history.actions):
            touched |= {each.id for each in history.actions}
    return touched
