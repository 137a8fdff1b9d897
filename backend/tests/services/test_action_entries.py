"""What corporate actions put into the book: when, how much, and again when they are corrected."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, permutations
from operator import attrgetter
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind, Alert, EntryKind, LedgerEntry, Order, OrderOrigin, Portfolio
from app.quant.costs import Side
from app.schemas.cash import CashCreate
from app.schemas.settings import DividendDay
from app.services import (
    cash_flows,
    corporate_actions,
    history,
    ledger,
    marking,
    pricing,
    settling,
    trading,
    valuation,
)
from app.services.projection import EMPTY, Holding, fold_session
from app.services.trading import OrderTicket
from tests.services import lives
from tests.services.lives import NOW

CLOSE = 60.0


def flat(market: MarketSnapshot, ticker: str = "AAA", close: float = CLOSE) -> MarketSnapshot:
    closes = market.panel.close.copy()
    closes[market.row(ticker)] = close
    return lives.with_closes(market, closes)


async def held(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    *,
    shares: int = 100,
    **rules: object,
) -> Portfolio:
    """So many AAA, bought 20 sessions ago and marked since."""
    portfolio = await lives.opened(
        session,
        market,
        resources.owner_id,
        settings=lives.rules(**rules),
        on=lives.day(market, 20),
    )
    await lives.bought(session, market, portfolio, AAA=shares)
    await marking.mark_portfolios(session, market, [portfolio], now=NOW)
    return portfolio


async def learned(
    session: AsyncSession, market: MarketSnapshot, kind: ActionKind, *, back: int, **about: object
) -> MarketSnapshot:
    """The market with an action of AAA that went ex so many sessions ago, or its new value."""
    ex_date = lives.day(market, back)
    return await lives.with_action(session, market, "AAA", kind, ex_date=ex_date, **about)  # type: ignore[arg-type]


async def settled(session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio) -> None:
    await marking.mark_portfolios(session, market, [portfolio], now=NOW)


async def booked(
    session: AsyncSession, portfolio: Portfolio, *kinds: EntryKind
) -> list[LedgerEntry]:
    query = select(LedgerEntry).where(
        LedgerEntry.portfolio_id == portfolio.id, LedgerEntry.kind.in_(kinds)
    )
    return list(await session.scalars(query.order_by(LedgerEntry.sequence)))


async def holding(session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio) -> Holding:
    """Of AAA, its tax lots having as many shares."""
    etf_id = lives.etf_id(market, "AAA")
    found = (await ledger.read_holdings(session, portfolio.id))[etf_id]
    lots = (await ledger.read_lots(session, portfolio.id))[etf_id]
    assert sum(lot.quantity for lot in lots) == found.quantity
    return found


async def sold(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, quantity: int
) -> None:
    ticket = OrderTicket(uuid4(), "AAA", Side.SELL, quantity=Decimal(quantity))
    placed = await trading.place(session, market, portfolio, ticket, now=NOW)
    assert placed.trade is not None


async def days(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> dict[date, Decimal]:
    lived = await history.read(session, market, portfolio)
    return {day.session: day.total for day in lived.days}


async def test_a_dividend_leaves_the_total_as_it_was_on_its_ex_date_to_the_cent(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    before = flat(market)
    portfolio = await held(session, before, resources)
    paying = await learned(session, before, ActionKind.DIVIDEND, back=8, value="0.52")
    closes = paying.panel.close.copy()
    closes[paying.row("AAA"), paying.column(lives.day(market, 8)) :] = CLOSE - 0.52
    paying = replace(paying, panel=replace(paying.panel, close=closes))
    await settled(session, paying, portfolio)
    assert set((await days(session, paying, portfolio)).values()) == {Decimal("100000.00")}


async def test_a_dividend_is_credited_on_its_pay_date_where_the_rules_say_so(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    before = flat(market)
    portfolio = await held(session, before, resources, dividends_on=DividendDay.PAY_DATE)
    about = {"back": 8, "value": "0.52", "pay_date": lives.day(market, 3)}
    paying = await learned(session, before, ActionKind.DIVIDEND, **about)  # type: ignore[arg-type]

    early = lives.until(paying, lives.day(market, 4))
    assert not await corporate_actions.apply_due(
        session, early, portfolio, until=early.latest_session, now=NOW
    )
    await sold(session, early, portfolio, 100)
    await settled(session, paying, portfolio)

    (entry,) = await booked(session, portfolio, EntryKind.DIVIDEND)
    assert (entry.session, entry.quantity, entry.amount) == (
        lives.day(market, 3),
        Decimal(100),
        Decimal(52),
    )


async def test_a_dividend_without_a_pay_date_is_credited_on_its_ex_date(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, flat(market), resources, dividends_on=DividendDay.PAY_DATE)
    paying = await learned(session, flat(market), ActionKind.DIVIDEND, back=8, value="0.52")
    await settled(session, paying, portfolio)
    (entry,) = await booked(session, portfolio, EntryKind.DIVIDEND)
    assert entry.session == lives.day(market, 8)


async def test_tax_is_withheld_as_an_entry_of_its_own_and_follows_corrections(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, flat(market), resources, dividend_withholding=0.15)
    cash = portfolio.cash
    paying = flat(market)
    for value, dividend, tax in (
        ("0.333333", "33.33", "-5.00"),
        ("0.50", "16.67", "-2.50"),
        ("0.10", "-40.00", "6.00"),
    ):
        paying = await learned(session, paying, ActionKind.DIVIDEND, back=8, value=value)
        await settled(session, paying, portfolio)
        latest = (await booked(session, portfolio, EntryKind.DIVIDEND))[-1]
        withheld = (await booked(session, portfolio, EntryKind.TAX))[-1]
        assert (latest.amount, withheld.amount) == (Decimal(dividend), Decimal(tax))
        assert latest.action_id == withheld.action_id
        assert latest.action_value == withheld.action_value == Decimal(value)
        assert latest.revision == withheld.revision
    assert latest.revision == 3
    assert portfolio.cash == cash + Decimal("10.00") - Decimal("1.50")


async def test_a_correction_is_booked_once_and_corrects_the_values_from_its_day_on(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, flat(market), resources)
    paying = await learned(session, flat(market), ActionKind.DIVIDEND, back=8, value="0.52")
    await settled(session, paying, portfolio)
    before = await days(session, paying, portfolio)
    paying = await learned(session, paying, ActionKind.DIVIDEND, back=8, value="0.60")
    for version in (paying, replace(paying, data_version=uuid4())):
        await settled(session, version, portfolio)
    ex_date = lives.day(market, 8)
    assert await days(session, paying, portfolio) == {
        day: total + (8 if day >= ex_date else 0) for day, total in before.items()
    }
    assert len(await booked(session, portfolio, EntryKind.DIVIDEND)) == 2


async def test_a_correction_that_the_cash_cannot_bear_is_left_open_until_it_can(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, flat(market), resources)
    paying = await learned(session, flat(market), ActionKind.DIVIDEND, back=8, value="0.52")
    await settled(session, paying, portfolio)
    await cash_flows.move_cash(
        session, paying, portfolio, CashCreate(amount=-portfolio.cash), now=NOW
    )
    less = await learned(session, paying, ActionKind.DIVIDEND, back=8, value="0.02")

    await settled(session, less, portfolio)
    span = (portfolio.opened_on, market.latest_session)
    due = await corporate_actions.find_due(session, less, portfolio, span)
    assert not due.entries
    assert portfolio.cash == 0
    assert "50.00 USD below zero" in due.left_open[0].reason

    await cash_flows.move_cash(
        session,
        less,
        portfolio,
        CashCreate(amount=Decimal("50.00"), date=lives.day(market, 1)),
        now=NOW,
    )
    await settled(session, replace(less, data_version=uuid4()), portfolio)
    assert portfolio.cash == 0
    assert (await booked(session, portfolio, EntryKind.DIVIDEND))[-1].amount == -50


RATIOS = [("2", "3"), ("3", "2"), ("0.5", "0.333333"), ("0.1", "0.2"), ("1.5", "0.5"), ("2", "0.3")]


@pytest.mark.parametrize(("wrong", "right"), RATIOS)
async def test_a_corrected_split_ends_where_the_right_one_would_have(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    *,
    wrong: str,
    right: str,
) -> None:
    """Prices follow the ratio as it is known, so that values are continuous before and after."""
    before = flat(market)
    portfolio = await held(session, before, resources, shares=105)
    cash = portfolio.cash
    split = await learned(session, before, ActionKind.SPLIT, back=8, value=wrong)
    await settled(session, split, portfolio)
    split = await learned(session, split, ActionKind.SPLIT, back=8, value=right)
    await settled(session, split, portfolio)

    exact = 105 * Fraction(right).limit_denominator(100)
    now = await holding(session, split, portfolio)
    assert now.quantity == int(exact)
    rest = float(exact - int(exact)) * CLOSE / float(Fraction(right))
    assert float(portfolio.cash - cash) == pytest.approx(rest, abs=0.005)
    assert float(now.entry_price) == pytest.approx(CLOSE / float(Fraction(right)), rel=1e-4)
    totals = (await days(session, split, portfolio)).values()
    assert max(totals) - min(totals) <= Decimal("0.02")
    assert [e.revision for e in await booked(session, portfolio, EntryKind.SPLIT)] == [1, 2]


async def test_a_corrected_split_multiplies_only_what_is_still_held_of_then(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    before = flat(market)
    portfolio = await held(session, before, resources)
    split = await learned(session, before, ActionKind.SPLIT, back=8, value="2")
    await settled(session, split, portfolio)
    await sold(session, split, portfolio, 50)
    split = await learned(session, split, ActionKind.SPLIT, back=8, value="4")
    await settled(session, split, portfolio)
    # 50 of the 200 were 25 of the 100: of the 75 left there are 300.
    assert (await holding(session, split, portfolio)).quantity == 300


async def test_a_corrected_split_of_shares_that_are_gone_changes_nothing(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, flat(market), resources)
    split = await learned(session, flat(market), ActionKind.SPLIT, back=8, value="2")
    await settled(session, split, portfolio)
    await sold(session, split, portfolio, 200)
    cash = portfolio.cash
    split = await learned(session, split, ActionKind.SPLIT, back=8, value="4")
    await settled(session, split, portfolio)
    assert portfolio.cash == cash
    assert await ledger.read_holdings(session, portfolio.id) == {}


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [("0.001", "0.5", "left no shares"), ("9999999999", None, None), ("2", "9999999999", None)],
)
async def test_a_split_that_cannot_be_booked_is_told_and_stops_nothing_else(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    *,
    first: str,
    then: str | None,
    said: str | None,
) -> None:
    portfolio = await held(session, flat(market), resources, shares=500)
    split = await learned(session, flat(market), ActionKind.SPLIT, back=8, value=first)
    await settled(session, split, portfolio)
    if then is not None:
        split = await learned(session, split, ActionKind.SPLIT, back=8, value=then)
        await settled(session, split, portfolio)
    (alert,) = await session.scalars(select(Alert).where(Alert.portfolio_id == portfolio.id))
    assert (said or "more shares than a portfolio can hold") in alert.message
    assert portfolio.settled_version == split.data_version


async def test_a_late_split_corrects_what_was_booked_after_its_day(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    """Both the split and the dividend that followed found too few shares."""
    portfolio = await held(session, flat(market), resources)
    cash = portfolio.cash
    known = await learned(session, flat(market), ActionKind.SPLIT, back=6, value="2")
    known = await learned(session, known, ActionKind.DIVIDEND, back=4, value="0.10")
    await settled(session, known, portfolio)
    assert portfolio.cash == cash + 20
    known = await learned(session, known, ActionKind.SPLIT, back=9, value="3")
    await settled(session, known, portfolio)
    assert (await holding(session, known, portfolio)).quantity == 600
    assert portfolio.cash == cash + 60


@pytest.mark.parametrize(("value", "paid"), [("58.25", "5825.00"), (None, "6000.00"), ("0", "0")])
async def test_a_closure_pays_out_all_shares_at_its_price_or_the_last(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    *,
    value: str | None,
    paid: str,
) -> None:
    portfolio = await held(session, flat(market), resources)
    cash = portfolio.cash
    closed = await learned(session, flat(market), ActionKind.CLOSURE, back=8, value=value)
    closed = replace(lives.silent(closed, "AAA", lives.day(market, 8)), adjusted_only=True)

    await settled(session, closed, portfolio)

    (entry,) = await booked(session, portfolio, EntryKind.CLOSURE)
    assert (entry.quantity, entry.amount) == (Decimal(100), Decimal(paid))
    assert entry.price == Decimal(value or 60)
    assert portfolio.cash == cash + Decimal(paid)
    assert await ledger.read_holdings(session, portfolio.id) == {}
    assert await ledger.read_lots(session, portfolio.id) == {}
    assert (await days(session, closed, portfolio))[market.latest_session] == portfolio.cash
    await settled(session, replace(closed, data_version=uuid4()), portfolio)
    assert portfolio.last_sequence == 3


@pytest.mark.parametrize("before", [0, 3])
async def test_a_closure_of_before_the_opening_that_is_learned_late_pays_out_all_shares(
    session: AsyncSession, market: MarketSnapshot, resources: Resources, before: int
) -> None:
    known = flat(market)
    portfolio = await held(session, known, resources)
    opened = market.column(portfolio.opened_on)
    back = len(market.panel.sessions) - 1 - opened + before
    closed = await learned(session, known, ActionKind.CLOSURE, back=back, value="42")
    assert set(await corporate_actions.due_for(session, closed, [portfolio.id])) == {portfolio.id}

    await settled(session, closed, portfolio)

    (entry,) = await booked(session, portfolio, EntryKind.CLOSURE)
    assert (entry.quantity, entry.amount) == (Decimal(100), Decimal(4200))
    assert entry.session >= portfolio.opened_on
    assert await ledger.read_holdings(session, portfolio.id) == {}


async def test_a_change_of_ticker_is_noted_by_whoever_held_it_and_moves_nothing(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, flat(market), resources)
    other = await lives.opened(session, market, resources.owner_id, on=lives.day(market, 20))
    before = await holding(session, market, portfolio), portfolio.cash
    changed = await learned(
        session, flat(market), ActionKind.TICKER_CHANGE, back=8, old_ticker="OLD"
    )
    for _ in range(2):
        changed = replace(changed, data_version=uuid4())
        for each in (portfolio, other):
            await settled(session, changed, each)
    (entry,) = await booked(session, portfolio, EntryKind.TICKER_CHANGE)
    assert (entry.amount, entry.quantity) == (Decimal(0), Decimal(100))
    assert entry.session == lives.day(market, 8)
    assert entry.reason == "OLD is called AAA"
    assert (await holding(session, market, portfolio), portfolio.cash) == before
    assert other.last_sequence == 1


async def test_entries_name_the_file_that_the_action_came_from(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, flat(market), resources)
    paying = await learned(
        session, flat(market), ActionKind.DIVIDEND, back=7, value="1", source="june.csv"
    )
    await settled(session, paying, portfolio)
    (entry,) = await booked(session, portfolio, EntryKind.DIVIDEND)
    assert entry.source == "june.csv"


async def test_a_dividend_after_tax_buys_as_much_of_its_etf_as_it_pays_for(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    before = flat(market)
    rules = {"reinvest_dividends": True, "dividend_withholding": 0.25, "fractional_shares": True}
    portfolio = await held(session, before, resources, **rules)  # type: ignore[arg-type]
    cash = portfolio.cash
    paying = await learned(session, before, ActionKind.DIVIDEND, back=8, value="2")

    await settling.settle(session, paying, portfolio, now=NOW)
    assert not await settling.settle(
        session, replace(paying, data_version=uuid4()), portfolio, now=NOW
    )

    *_, buy = await booked(session, portfolio, EntryKind.BUY)
    quote = pricing.priced(paying, "AAA", paying.latest_session).quote
    costs = pricing.cost_model(lives.rules(**rules))
    assert buy.quantity is not None
    step = Decimal("0.000001")
    assert -buy.amount <= 150 < -quote.fill(Side.BUY, buy.quantity + step * 200, costs).net
    assert portfolio.cash == cash + 150 + buy.amount
    order = await session.get_one(Order, buy.order_id)
    assert (order.origin, order.state) == (OrderOrigin.REINVESTMENT, "filled")


async def test_a_dividend_too_small_for_a_share_stays_in_cash(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, flat(market), resources, reinvest_dividends=True)
    cash = portfolio.cash
    paying = await learned(session, flat(market), ActionKind.DIVIDEND, back=8, value="0.50")
    await settling.settle(session, paying, portfolio, now=NOW)
    assert portfolio.cash == cash + 50
    assert len(await booked(session, portfolio, EntryKind.BUY)) == 1


async def test_one_query_tells_whose_book_has_something_due(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    """Of KKK, of which no other test tells the database anything."""
    kept, early, settled_one, none = [
        await lives.opened(session, market, resources.owner_id, on=lives.day(market, 20))
        for _ in range(4)
    ]
    for portfolio in (kept, early, settled_one):
        await lives.bought(session, market, portfolio, KKK=10)
    ids = [portfolio.id for portfolio in (kept, early, settled_one, none)]
    market = replace(market, adjusted_only=False)
    assert set(await corporate_actions.due_for(session, market, ids)) == set()

    ticket = OrderTicket(uuid4(), "KKK", Side.SELL, quantity=Decimal(10))
    before = lives.until(market, lives.day(market, 10))
    await trading.place(session, before, early, ticket, now=NOW)
    ex_date = lives.day(market, 5)
    paying = await lives.with_action(
        session, market, "KKK", ActionKind.DIVIDEND, ex_date=ex_date, value="1"
    )
    await corporate_actions.settle(session, paying, settled_one, now=NOW)
    assert set(await corporate_actions.due_for(session, paying, ids)) == {kept.id}
    more = await lives.with_action(
        session, paying, "KKK", ActionKind.DIVIDEND, ex_date=ex_date, value="1.5"
    )
    assert set(await corporate_actions.due_for(session, more, ids)) == {kept.id, settled_one.id}
    adjusted = replace(more, adjusted_only=True)
    assert set(await corporate_actions.due_for(session, adjusted, ids)) == set()
    for portfolio in (kept, settled_one):
        await corporate_actions.settle(session, more, portfolio, now=NOW)
    assert set(await corporate_actions.due_for(session, more, ids)) == set()


async def test_a_sale_after_a_late_split_was_booked_is_in_new_shares(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    """Sold 40 old ones before it was known and 60 new ones after: 100 - 40 - 20 old ones stay."""
    portfolio = await held(session, flat(market), resources)
    await sold(session, flat(market), portfolio, 40)
    split = await learned(session, flat(market), ActionKind.SPLIT, back=8, value="3")
    await settled(session, split, portfolio)
    assert (await holding(session, split, portfolio)).quantity == 180
    await sold(session, split, portfolio, 60)
    split = await learned(session, split, ActionKind.SPLIT, back=8, value="2")
    await settled(session, split, portfolio)
    now = await holding(session, split, portfolio)
    assert now.quantity == 80
    worth = valuation.value(split, portfolio.cash, [now], market.latest_session)
    assert worth.lines[0].value == 80 * 30


SESSION = attrgetter("session")

ACTIONS = (
    (ActionKind.SPLIT, 9, "3"),
    (ActionKind.DIVIDEND, 7, "0.10"),
    (ActionKind.SPLIT, 6, "0.5"),
    (ActionKind.DIVIDEND, 4, "0.20"),
)


@pytest.mark.parametrize("order", list(permutations(range(4)))[::3])
@pytest.mark.parametrize("corrected", [False, True])
async def test_in_whatever_order_actions_are_learned_of_the_book_ends_the_same(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    *,
    order: tuple[int, ...],
    corrected: bool,
) -> None:
    """100 become 300, which get 30 USD, and then 150, which get another 30."""
    known = flat(market)
    portfolio = await held(session, known, resources)
    cash = portfolio.cash
    if corrected:
        for kind, back, value in (ACTIONS[at] for at in reversed(order)):
            wrong = str(Decimal(value) * 2)
            known = await learned(session, known, kind, back=back, value=wrong)
            await settled(session, known, portfolio)
    for kind, back, value in (ACTIONS[at] for at in order):
        known = await learned(session, known, kind, back=back, value=value)
        await settled(session, known, portfolio)
    assert (await holding(session, known, portfolio)).quantity == 150
    assert portfolio.cash == cash + 60
    movements = await ledger.read_movements(session, portfolio.id)
    by_day = EMPTY
    for _, group in groupby(sorted(movements, key=SESSION), SESSION):
        by_day = fold_session(list(group), by_day)
    assert by_day.cash == portfolio.cash
    assert [each.quantity for each in by_day.holdings.values()] == [150]
