"""What splits, dividends, changes of ticker and closures of ETFs do to a portfolio's book.

Each is booked for the session that it counts for, whenever it is learned of, and once: the ledger
refuses a second entry of the same revision. A value that was corrected since is booked as the
difference. One that would leave less than nothing is left open and tried again with newer data.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import database
from app.core.errors import Unavailable
from app.market_data.snapshot import Action, MarketSnapshot
from app.models import ActionKind, Portfolio, PortfolioStatus
from app.schemas.settings import PortfolioSettings, stored_settings
from app.services import actions_due, alerts, cash_history, entitlements, ledger, valuation
from app.services.action_entries import counts_on
from app.services.actions_due import Due, NeedsFlows
from app.services.entitlements import EtfHistory
from app.services.entry import Booked, Entry
from app.services.projection import Book, fold

log = structlog.get_logger()

ALWAYS = frozenset({ActionKind.TICKER_CHANGE, ActionKind.CLOSURE})
"""What is booked even where prices come adjusted; the rest is in such prices already."""


class Account(Protocol):
    """What is read of a portfolio, whether a row of its table or the object itself."""

    @property
    def id(self) -> int: ...

    @property
    def status(self) -> str: ...

    @property
    def settings(self) -> dict[str, Any]: ...

    @property
    def opened_on(self) -> date: ...

    @property
    def settled_version(self) -> UUID | None: ...


class PricesChanged(Unavailable):
    """The book knows of actions that these prices do not: they are a moment old."""

    def __init__(self) -> None:
        super().__init__("New prices have just arrived: try again in a moment.")


async def settle(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *, now: datetime
) -> tuple[Booked, ...]:
    """Book what is due at the latest session, before anything is done at its prices.

    Prices of new shares on a book of old ones would sell twice of what is held. The caller holds
    the lock on the portfolio; once done for a data version it costs nothing. Raises PricesChanged.
    """
    if _is_settled(market, portfolio):
        return ()
    booked = await apply_due(session, market, portfolio, until=market.latest_session, now=now)
    portfolio.settled_version = market.data_version
    return booked


async def settled(
    session: AsyncSession, market: MarketSnapshot, account: Account, book: Book
) -> Book:
    """The book as it will be once what is due at the latest session is booked: for who only reads.

    Raises PricesChanged.
    """
    return fold(await unbooked(session, market, account), book)


async def unbooked(
    session: AsyncSession, market: MarketSnapshot, account: Account
) -> Sequence[Entry]:
    """What `settle` would book; a closed portfolio is left as it is. Raises PricesChanged."""
    if account.status == PortfolioStatus.CLOSED or _is_settled(market, account):
        return ()
    span = (account.opened_on, market.latest_session)
    return (await find_due(session, market, account, span)).entries


async def apply_due(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    since: date | None = None,
    until: date,
    now: datetime,
) -> tuple[Booked, ...]:
    """Book every action after `since` (left out: the opening) up to `until` that is not booked yet.

    The caller holds the lock on the portfolio. What is left open is logged, and its owner told.
    Raises PricesChanged.
    """
    span = (portfolio.opened_on if since is None else since, until)
    due = await find_due(session, market, portfolio, span)
    for each in due.left_open:
        log.warning(
            "action_left_open",
            portfolio_id=portfolio.id,
            action_id=each.action.id,
            kind=each.action.kind,
            ex_date=each.action.ex_date.isoformat(),
            reason=each.reason,
        )
    open_ones = [
        alerts.of_action_left_open(portfolio.id, each.action, each.reason) for each in due.left_open
    ]
    await alerts.give(session, open_ones, now=now)
    return await ledger.book_all(session, portfolio, due.entries, now=now)


def _is_settled(market: MarketSnapshot, account: Account) -> bool:
    return account.settled_version == market.data_version


async def find_due(
    session: AsyncSession, market: MarketSnapshot, account: Account, span: tuple[date, date]
) -> Due:
    """What counts from after the first day of `span` up to its last and is not booked yet, or not
    as it is known now. Raises PricesChanged."""
    known = valuation.actions_between(market, (date.min, market.latest_session))
    actions = [
        each
        for each in known
        if acts(market, each)
        and (each.kind is ActionKind.CLOSURE or each.ex_date > account.opened_on)
    ]
    if market.adjusted_only and not actions:
        return Due()
    histories = await entitlements.read(session, account.id, actions)
    require_known(market, histories.values())
    rules = stored_settings(account.settings)
    try:
        return actions_due.decide(market, rules, histories, span)
    except NeedsFlows:
        # What was decided until then is in the histories already.
        histories = await entitlements.read(session, account.id, actions)
        flows = await cash_history.read(session, account.id)
        return actions_due.decide(market, rules, histories, span, flows=flows)


def acts(market: MarketSnapshot, action: Action) -> bool:
    return not action.superseded and (not market.adjusted_only or action.kind in ALWAYS)


def require_known(market: MarketSnapshot, histories: Iterable[EtfHistory]) -> None:
    booked = {entry.action_id for history in histories for entry in history.past} - {None}
    if booked and not booked <= {action.id for action in market.actions}:
        raise PricesChanged


def sessions_due(
    market: MarketSnapshot, rules: PortfolioSettings, days: Sequence[date]
) -> dict[date, frozenset[int]]:
    """Of which ETFs an action counts on each of the consecutive sessions, after the first."""
    known = np.array(days, "datetime64[D]")
    found: defaultdict[date, set[int]] = defaultdict(set)
    for action in market.actions:
        day = counts_on(action, rules)
        if days[0] < day <= days[-1] and acts(market, action):
            column = int(np.searchsorted(known, np.datetime64(day, "D")))
            found[days[column]].add(action.etf_id)
    return {day: frozenset(etf_ids) for day, etf_ids in found.items()}


_DUE_FOR = """
    WITH action AS (
        SELECT action.* FROM corporate_actions AS action JOIN etfs ON etfs.id = action.etf_id
        WHERE etfs.market = %(market)s AND action.ex_date <= %(latest)s
        AND action.kind = ANY(%(kinds)s)
        AND (action.kind <> 'closure' OR action.ex_date = etfs.closed_on)
    ), bought AS (
        SELECT portfolio_id, etf_id, min(session) AS since FROM ledger_entries
        WHERE portfolio_id = ANY(%(ids)s) AND kind = 'buy' GROUP BY portfolio_id, etf_id
    ), booked AS (
        SELECT DISTINCT ON (portfolio_id, action_id) portfolio_id, action_id, action_value
        FROM ledger_entries
        WHERE portfolio_id = ANY(%(ids)s) AND action_id IS NOT NULL AND kind <> 'tax'
        ORDER BY portfolio_id, action_id, revision DESC
    )
    SELECT portfolio.id, action.id AS action_id
    FROM portfolios AS portfolio
    JOIN bought ON bought.portfolio_id = portfolio.id
    JOIN action ON action.etf_id = bought.etf_id
        AND (action.ex_date > bought.since OR action.kind = 'closure')
    LEFT JOIN booked ON booked.portfolio_id = portfolio.id AND booked.action_id = action.id
    WHERE portfolio.id = ANY(%(ids)s) AND portfolio.status = 'active'
    AND (CASE WHEN action.kind = 'dividend' AND portfolio.settings->>'dividends_on' = 'pay_date'
         THEN coalesce(action.pay_date, action.ex_date) ELSE action.ex_date END) <= %(latest)s
    AND CASE WHEN booked.action_id IS NOT NULL
        THEN action.kind IN ('split', 'dividend') AND action.value <> booked.action_value
        ELSE 0 < (
            SELECT sum(CASE WHEN kind IN ('buy', 'split') THEN quantity
                            WHEN kind IN ('sell', 'closure') THEN -quantity END)
            FROM ledger_entries AS entry
            WHERE entry.portfolio_id = portfolio.id AND entry.etf_id = action.etf_id
            AND (entry.session < action.ex_date OR action.kind = 'closure'))
        END
    """


async def due_for(
    session: AsyncSession, market: MarketSnapshot, portfolio_ids: Collection[int]
) -> dict[int, set[int]]:
    """By portfolio, the actions that are to be booked at the latest session, by one query.

    Nobody with something due is missing. One whose entitled shares were all sold before a late
    split was learned of is named although nothing comes of it.
    """
    about = {
        "ids": list(portfolio_ids),
        "market": market.code,
        "latest": market.latest_session,
        "kinds": [str(kind) for kind in (ALWAYS if market.adjusted_only else ActionKind)],
    }
    due: defaultdict[int, set[int]] = defaultdict(set)
    for portfolio_id, action_id in await database.rows(session, _DUE_FOR, about):
        due[portfolio_id].add(action_id)
    return dict(due)
