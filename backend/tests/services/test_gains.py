"""Realised gains as the ledger tells them: lots, years, splits, twins, and the tax form."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import Action, MarketSnapshot
from app.models import ActionKind, EntryKind, Portfolio
from app.quant.gains import Term
from app.schemas.gain import GainList
from app.services import gains, lots_overview
from app.services.entry import Entry
from tests.services.past_books import book, opened, rules

NOW = datetime(2025, 6, 30, 22, tzinfo=UTC)
FIRST = date(2024, 4, 22)


@pytest.fixture
async def portfolio(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> Portfolio:
    return await opened(session, market, resources.owner_id, on=FIRST, capital=Decimal(100_000))


def trade(market: MarketSnapshot, ticker: str, shares: int, amount: str, on: str) -> Entry:
    """Bought for, or with negative shares sold for, so much in all."""
    price = Decimal(amount) / abs(shares)
    return Entry(
        EntryKind.BUY if shares > 0 else EntryKind.SELL,
        date.fromisoformat(on),
        Decimal(amount) * (-1 if shares > 0 else 1),
        "test",
        "paper",
        etf_id=market.etfs[market.row(ticker)].id,
        quantity=Decimal(abs(shares)),
        reference_price=price,
        price=price,
        price_date=date.fromisoformat(on),
    )


async def told(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, year: int | None = None
) -> GainList:
    return await gains.realised(session, market, portfolio, year=year)


async def test_gains_are_told_lot_by_lot_and_year_by_year(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    await book(
        session,
        portfolio,
        trade(market, "AAA", 10, "1000.00", "2024-05-01"),
        trade(market, "AAA", 10, "1100.00", "2024-09-03"),
        trade(market, "AAA", -4, "500.00", "2024-12-30"),
        trade(market, "AAA", -10, "1300.01", "2025-05-02"),
    )
    found = await told(session, market, portfolio, 2025)
    assert [(line.lot, line.term) for line in found.lines] == [(2, Term.LONG), (3, Term.SHORT)]
    # Six of ten shares go to the first lot: 780.006 is 780.01, and the last lot takes the rest.
    assert [line.proceeds for line in found.lines] == [Decimal("780.01"), Decimal("520.00")]
    assert [line.cost for line in found.lines] == [Decimal("600.00"), Decimal("440.00")]
    assert (found.long.gain, found.short.gain) == (Decimal("180.01"), Decimal("80.00"))
    assert found.total.proceeds == Decimal("1300.01")
    before = await told(session, market, portfolio, 2024)
    assert [(line.lot, line.gain) for line in before.lines] == [(2, Decimal("100.00"))]
    every = await told(session, market, portfolio)
    assert every.lines == before.lines + found.lines
    assert every.total.gain == before.total.gain + found.total.gain


async def test_a_loss_is_washed_by_a_purchase_of_the_next_year(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    await book(
        session,
        portfolio,
        trade(market, "AAA", 10, "1000.00", "2024-05-01"),
        trade(market, "AAA", -10, "900.00", "2024-12-20"),
        trade(market, "AAA", 4, "380.00", "2025-01-10"),
    )
    (line,) = (await told(session, market, portfolio, 2024)).lines
    assert [line.gain, line.disallowed, line.reported_gain] == [-100, 40, -60]
    (by,) = line.replaced_by
    assert (by.sequence, by.ticker, by.bought_on) == (4, "AAA", date(2025, 1, 10))
    assert by.quantity == 4


async def test_another_etf_washes_a_loss_only_where_it_is_a_twin(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    """BBB moves as AAA does here; CCC goes its own way."""
    await book(
        session,
        portfolio,
        trade(market, "AAA", 10, "1000.00", "2024-05-01"),
        trade(market, "AAA", -10, "900.00", "2025-06-20"),
        trade(market, "BBB", 5, "500.00", "2025-06-23"),
        trade(market, "CCC", 5, "500.00", "2025-06-23"),
    )
    (line,) = (await told(session, market, portfolio)).lines
    assert line.replaced_by == []
    adjusted = market.panel.adjusted.copy()
    adjusted[market.row("BBB")] = 3.0 * adjusted[market.row("AAA")]
    close = replace(market, panel=replace(market.panel, adjusted=adjusted))
    (line,) = (await told(session, close, portfolio)).lines
    assert [each.ticker for each in line.replaced_by] == ["BBB"]
    assert line.disallowed == 50
    portfolio.settings = rules(max_correlation=1.0).model_dump(mode="json")
    assert not (await told(session, close, portfolio)).lines[0].wash_sale


async def test_shares_bought_after_a_split_replace_as_many_old_ones(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    await book(
        session,
        portfolio,
        trade(market, "AAA", 10, "1000.00", "2024-05-01"),
        trade(market, "AAA", -10, "900.00", "2025-06-02"),
        trade(market, "AAA", 10, "450.00", "2025-06-16"),
    )
    etf_id = market.etfs[market.row("AAA")].id
    split = Action(-1, etf_id, date(2025, 6, 9), ActionKind.SPLIT, Decimal(2))
    after = replace(market, actions=(split,), adjusted_only=False)
    (line,) = (await told(session, after, portfolio)).lines
    assert [each.quantity for each in line.replaced_by] == [5]
    assert line.disallowed == 50


@pytest.mark.parametrize("kept", [10, 0])
async def test_shares_sold_before_their_split_was_learned_of_are_old_ones(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, kept: int
) -> None:
    """50 old shares are 100 new ones, of which 30 new ones replace 30 %."""
    etf_id = market.etfs[market.row("AAA")].id
    split = Action(-1, etf_id, date(2025, 6, 9), ActionKind.SPLIT, Decimal(2))
    entries = [
        trade(market, "AAA", 50 + kept, f"{100 * (50 + kept)}.00", "2024-05-01"),
        trade(market, "AAA", -50, "4500.00", "2025-06-10"),
    ]
    if kept:
        noted = Entry(
            EntryKind.SPLIT,
            split.ex_date,
            Decimal(0),
            "test",
            "test",
            etf_id=etf_id,
            quantity=Decimal(kept),
            price=Decimal(45),
        )
        entries.append(noted)
    await book(session, portfolio, *entries, trade(market, "AAA", 30, "1350.00", "2025-06-12"))
    after = replace(market, actions=(split,), adjusted_only=False)
    (line,) = (await told(session, after, portfolio)).lines
    assert [each.quantity for each in line.replaced_by] == [15]
    assert (line.gain, line.disallowed) == (-500, 150)


async def test_a_fraction_paid_out_in_a_split_is_a_sale(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    etf_id = market.etfs[market.row("AAA")].id
    split = Entry(
        EntryKind.SPLIT,
        date(2024, 6, 3),
        Decimal("60.00"),
        "Split: 1.5 new shares for one",
        "prices",
        etf_id=etf_id,
        quantity=Decimal(3),
        price=Decimal(120),
        fraction=Decimal("0.5"),
    )
    await book(session, portfolio, trade(market, "AAA", 7, "1050.00", "2024-05-01"), split)
    (line,) = (await told(session, market, portfolio)).lines
    assert (line.kind, line.quantity, line.cost) == ("split", Decimal("0.5"), Decimal("50.00"))
    assert line.gain == 10
    (lot,) = (await lots_overview.overview(session, market, portfolio, now=NOW)).lots
    assert [lot.quantity, lot.cost] == [10, 1000]


async def test_the_form_has_its_columns_and_a_w_where_a_loss_is_washed(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    await book(
        session,
        portfolio,
        trade(market, "AAA", 10, "1000.00", "2024-05-01"),
        trade(market, "AAA", -5, "450.00", "2025-05-20"),
        trade(market, "AAA", -5, "600.00", "2025-05-21"),
        trade(market, "AAA", 2, "200.00", "2025-06-02"),
    )
    text = gains.form_8949(await told(session, market, portfolio))
    assert text.splitlines() == [
        ",".join(gains.FORM_8949),
        "5 sh. AAA,05/01/2024,05/20/2025,450.00,500.00,W,20.00,-30.00,Long",
        "5 sh. AAA,05/01/2024,05/21/2025,600.00,500.00,,,100.00,Long",
    ]


async def test_open_lots_have_their_value_their_term_and_the_days_that_are_missing(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    await book(
        session,
        portfolio,
        trade(market, "AAA", 10, "400.00", "2024-06-28"),
        trade(market, "AAA", 3, "100.00", "2024-07-01"),
        trade(market, "BBB", 1, "50.00", "2025-06-30"),
    )
    found = await lots_overview.overview(session, market, portfolio, now=NOW)
    assert [(lot.ticker, lot.lot) for lot in found.lots] == [("AAA", 2), ("AAA", 3), ("BBB", 4)]
    assert [lot.long_from for lot in found.lots] == [
        date(2025, 6, 29),
        date(2025, 7, 2),
        date(2026, 7, 1),
    ]
    assert [lot.days_until_long for lot in found.lots] == [0, 2, 366]
    assert [lot.term for lot in found.lots] == [Term.LONG, Term.SHORT, Term.SHORT]
    close = Decimal(str(market.panel.close[market.row("AAA"), -1]))
    assert [lot.price for lot in found.lots[:2]] == [close, close]
    assert sum(lot.market_value for lot in found.lots[:2]) == (13 * close).quantize(Decimal("0.01"))
    assert found.cost == 550
    assert found.unrealised_gain == found.market_value - 550
    assert found.stale is False


async def test_a_split_that_is_due_is_counted_into_the_lots(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    await book(session, portfolio, trade(market, "AAA", 10, "400.00", "2024-06-28"))
    etf_id = market.etfs[market.row("AAA")].id
    split = Action(-1, etf_id, date(2025, 6, 30), ActionKind.SPLIT, Decimal(3))
    after = replace(market, actions=(split,), adjusted_only=False, data_version=uuid4())
    (lot,) = (await lots_overview.overview(session, after, portfolio, now=NOW)).lots
    assert [lot.quantity, lot.cost] == [30, 400]
