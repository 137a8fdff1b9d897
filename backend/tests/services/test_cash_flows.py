"""Money without a trade: what it may be, which day it counts from, and what that day allows."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core.errors import InsufficientCash, PortfolioClosed, UnknownTicker
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, Portfolio
from app.schemas.cash import CashCreate
from app.services import cash_flows, history, ledger, marking, overview, portfolios
from app.services.cash_flows import BeforeTheOpening, InTheFuture, NoSessionYet
from app.services.cash_history import NotThereThen
from app.services.entry import Booked
from tests.services import lives
from tests.services.lives import NOW

Totals = dict[date, Decimal]
Money = tuple[str, str, str | None]
"""Amount, kind and ticker."""


@pytest.fixture
async def portfolio(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> Portfolio:
    """100,000 USD of 20 sessions ago, 100 AAA bought with it, marked since."""
    opened = await lives.opened(session, market, resources.owner_id, on=lives.day(market, 20))
    await lives.bought(session, market, opened, AAA=100)
    await marking.mark_portfolios(session, market, [opened], now=NOW)
    return opened


async def moved(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    amount: str,
    *,
    now: datetime = NOW,
    **fields: object,
) -> Booked:
    wanted = CashCreate.model_validate({"amount": amount, **fields})
    return await cash_flows.move_cash(session, market, portfolio, wanted, now=now)


async def totals(session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio) -> Totals:
    lived = await history.read(session, market, portfolio)
    return {day.session: day.total for day in lived.days}


@pytest.mark.parametrize(
    "money",
    [
        ("12.34", "interest", None),
        ("-0.50", "interest", None),
        ("-9.99", "fee", None),
        ("-9.99", "fee", "AAA"),
        ("52.00", "dividend", "AAA"),
        ("-7.80", "tax", "AAA"),
        ("-100.00", "tax", None),
        ("500.00", "deposit", None),
        ("-500.00", "withdrawal", None),
    ],
)
async def test_each_kind_of_money_is_booked_as_what_it_is(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, money: Money
) -> None:
    amount, kind, ticker = money
    cash = portfolio.cash
    booked = await moved(session, market, portfolio, amount, kind=kind, ticker=ticker, source="BNK")
    entry = booked.entry
    assert (entry.kind, entry.amount, entry.source) == (kind, Decimal(amount), "BNK")
    assert entry.session == market.latest_session
    assert entry.etf_id == (ticker and lives.etf_id(market, ticker))
    assert portfolio.cash == cash + Decimal(amount)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"amount": "-1", "kind": "deposit"}, "comes in"),
        ({"amount": "1", "kind": "withdrawal"}, "goes out"),
        ({"amount": "1", "kind": "fee"}, "goes out"),
        ({"amount": "1", "kind": "dividend"}, "names the ticker"),
        ({"amount": "1", "kind": "interest", "ticker": "AAA"}, "has a ticker"),
        ({"amount": "1", "ticker": "AAA"}, "has a ticker"),
        ({"amount": "1", "kind": "buy"}, "deposit"),
        ({"amount": "1", "date": "30.06.2025"}, "YYYY-MM-DD"),
        ({"amount": "1", "date": 1751241600}, "YYYY-MM-DD"),
        ({"amount": "0"}, "no money"),
    ],
)
def test_money_that_is_not_what_it_says_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        CashCreate.model_validate(fields)


async def test_only_deposits_and_withdrawals_are_no_part_of_the_return(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    before = await totals(session, market, portfolio)
    day = lives.day(market, 5)
    await moved(session, market, portfolio, "1000", date=day.isoformat())
    await moved(session, market, portfolio, "70", kind="interest", date=day.isoformat())
    await moved(session, market, portfolio, "-20", kind="fee", date=day.isoformat())
    lived = await history.read(session, market, portfolio)
    (index,) = (i for i, each in enumerate(lived.days) if each.session == day)
    assert lived.days[index].external_flow == 1000
    start = lived.days[index - 1].total
    assert lived.returns[index] == pytest.approx(float((before[day] + 1050) / (start + 1000)) - 1)
    shown = await overview.detail(session, market, portfolio, now=NOW)
    assert shown.summary.net_deposits == 101_000


async def test_a_late_entry_corrects_the_values_from_its_day_on_and_no_earlier_ones(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    before = await totals(session, market, portfolio)
    entries = await lives.entries(session, portfolio)
    day = lives.day(market, 7)

    booked = await moved(session, market, portfolio, "-250.25", kind="fee", date=day.isoformat())

    after = await totals(session, market, portfolio)
    assert after == {
        on: total - (Decimal("250.25") if on >= day else 0) for on, total in before.items()
    }
    assert (booked.entry.session, booked.booked_at, booked.sequence) == (day, NOW, 3)
    assert (await lives.entries(session, portfolio))[:-1] == entries
    assert portfolio.marked_sequence == portfolio.last_sequence == 3


async def test_a_day_without_trading_counts_for_the_next_session(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    booked = await moved(session, market, portfolio, "1", date="2025-06-21")
    assert booked.entry.session == date(2025, 6, 23)


async def test_a_day_that_has_no_session_yet_waits_for_its_prices(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    now = datetime(2025, 7, 5, 12, tzinfo=UTC)
    with pytest.raises(NoSessionYet, match="import them first"):
        await moved(session, market, portfolio, "1", date="2025-07-01", now=now)


async def test_money_without_a_date_came_after_the_close_and_dated_money_before_it(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    latest = market.latest_session.isoformat()
    assert (await moved(session, market, portfolio, "1")).entry.after_close
    assert not (await moved(session, market, portfolio, "1", date=latest)).entry.after_close


async def test_money_moves_within_the_life_of_the_portfolio(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    tomorrow = (NOW + timedelta(days=1)).date().isoformat()
    with pytest.raises(InTheFuture):
        await moved(session, market, portfolio, "1", date=tomorrow)
    early = (portfolio.opened_on - timedelta(days=1)).isoformat()
    with pytest.raises(BeforeTheOpening, match=str(portfolio.opened_on)):
        await moved(session, market, portfolio, "1", date=early)
    with pytest.raises(UnknownTicker):
        await moved(session, market, portfolio, "1", kind="dividend", ticker="NONE")
    assert portfolio.last_sequence == 2
    await portfolios.close(session, market, portfolio, liquidate=True, now=NOW)
    with pytest.raises(PortfolioClosed):
        await moved(session, market, portfolio, "1")


async def test_cash_that_came_later_does_not_pay_for_an_earlier_day(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    opened = await lives.opened(
        session, market, resources.owner_id, capital="1000.00", on=lives.day(market, 20)
    )
    low = lives.day(market, 9)
    await moved(session, market, opened, "-900.00", date=low.isoformat())
    await moved(session, market, opened, "5000.00", date=lives.day(market, 4).isoformat())
    early = lives.day(market, 15).isoformat()

    with pytest.raises(NotThereThen, match=f"On {low} the cash would be 0.01 USD below") as refused:
        await moved(session, market, opened, "-100.01", kind="fee", date=early)
    assert (refused.value.missing, refused.value.session) == (Decimal("0.01"), low)
    with pytest.raises(InsufficientCash):
        await moved(session, market, opened, "-5100.01", kind="fee", date=early)
    assert opened.last_sequence == 3

    booked = await moved(session, market, opened, "-100.00", kind="fee", date=early)
    assert booked.entry.kind is EntryKind.FEE
    assert min((await totals(session, market, opened)).values()) == 0


async def test_a_late_purse_is_read_in_the_order_of_its_days(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    for back, amount in ((3, "-10"), (12, "-20"), (8, "40"), (12, "5")):
        on = lives.day(market, back).isoformat()
        await moved(session, market, portfolio, amount, date=on)
    for back, change in ((13, 0), (12, -15), (8, 25), (3, 15), (0, 15)):
        day = lives.day(market, back)
        book = await ledger.read_book(session, portfolio.id, day)
        bought = lives.close(market, "AAA", portfolio.opened_on) * 100
        assert book.cash == 100_000 - bought.quantize(Decimal("0.01")) + change
