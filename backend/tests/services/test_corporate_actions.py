from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind, EntryKind, Portfolio
from app.quant.costs import Side
from app.schemas.cash import CashCreate
from app.services import (
    cash_flows,
    corporate_actions,
    deciding,
    history,
    ledger,
    marking,
    overview,
    portfolios,
    pricing,
    rebalancing,
    replay,
    risk,
    stops,
    strategy,
    trading,
    valuation,
)
from app.services.corporate_actions import PricesChanged
from app.services.projection import Holding
from app.services.rebalancing import OutOfDate
from app.services.trading import OrderTicket
from tests.services import lives
from tests.services.lives import NOW


async def held(
    session: AsyncSession, market: MarketSnapshot, resources: Resources, **shares: int
) -> Portfolio:
    portfolio = await lives.opened(session, market, resources.owner_id, on=lives.day(market, 20))
    await lives.bought(session, market, portfolio, **shares)
    return portfolio


async def holding(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, ticker: str
) -> Holding | None:
    holdings = await ledger.read_holdings(session, portfolio.id)
    return holdings.get(lives.etf_id(market, ticker))


def flat(market: MarketSnapshot, ticker: str, close: float) -> MarketSnapshot:
    closes = market.panel.close.copy()
    closes[market.row(ticker)] = close
    return lives.with_closes(market, closes)


@pytest.mark.parametrize("ratio", ["2", "3", "0.5", "0.333333", "1.5", "0.1"])
async def test_value_and_entry_price_are_continuous_through_a_split(
    session: AsyncSession, market: MarketSnapshot, resources: Resources, ratio: str
) -> None:
    before = flat(market, "AAA", 60.0)
    portfolio = await held(session, before, resources, AAA=101)
    ex_date = lives.day(market, 10)
    after = await lives.with_action(
        session, before, "AAA", ActionKind.SPLIT, ex_date=ex_date, value=ratio
    )

    await marking.mark_portfolios(session, after, [portfolio], now=NOW)

    entries = (await marking.read_entries(session, [portfolio.id]))[portfolio.id]
    totals = [day.total for day in marking.values(after, entries, first=portfolio.opened_on)]
    assert max(totals) - min(totals) <= Decimal("0.02")
    now = await holding(session, after, portfolio, "AAA")
    assert now is not None
    assert now.quantity == int(101 * Fraction(ratio).limit_denominator(100))
    expected = Decimal("60.0") / Decimal(ratio)
    assert abs(now.entry_price - expected) < Decimal("0.001")
    worth = valuation.value(after, portfolio.cash, [now], market.latest_session)
    watch = stops.watch(after, worth, strategy.stop_policy(lives.rules(trailing_stop=True)))
    assert not any(line.breached for line in watch.lines)
    assert watch.lines[0].status.drawdown == pytest.approx(0.0, abs=1e-4)


async def test_a_fraction_of_a_share_stays_where_fractions_are_allowed(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(
        session,
        market,
        resources.owner_id,
        settings=lives.rules(fractional_shares=True),
        on=lives.day(market, 20),
    )
    await lives.bought(session, market, portfolio, AAA=3)
    cash = portfolio.cash
    split = await lives.with_action(
        session, market, "AAA", ActionKind.SPLIT, ex_date=lives.day(market, 10), value="0.5"
    )
    await marking.mark_portfolios(session, split, [portfolio], now=NOW)
    now = await holding(session, split, portfolio, "AAA")
    assert now is not None
    assert now.quantity == Decimal("1.5")
    assert portfolio.cash == cash


async def test_a_reverse_split_of_less_than_a_share_pays_it_out(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, market, resources, AAA=5)
    ex_date = lives.day(market, 10)
    cash = portfolio.cash
    split = await lives.with_action(
        session, market, "AAA", ActionKind.SPLIT, ex_date=ex_date, value="0.1"
    )
    await marking.mark_portfolios(session, split, [portfolio], now=NOW)
    assert await holding(session, split, portfolio, "AAA") is None
    assert portfolio.cash - cash == (lives.close(split, "AAA", ex_date) / 2).quantize(
        Decimal("0.01")
    )


async def test_a_dividend_is_credited_once_on_the_shares_of_the_close_before(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, market, resources, AAA=100)
    cash = portfolio.cash
    paying = await lives.with_action(
        session, market, "AAA", ActionKind.DIVIDEND, ex_date=lives.day(market, 10), value="0.52"
    )
    for _ in range(3):
        await marking.mark_portfolios(session, paying, [portfolio], now=NOW)
    assert portfolio.cash == cash + Decimal("52.00")
    kinds = [row[1] for row in await lives.entries(session, portfolio)]
    assert kinds == [EntryKind.DEPOSIT, EntryKind.BUY, EntryKind.DIVIDEND]


async def test_shares_bought_on_the_ex_date_are_not_entitled(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, market, resources, AAA=100)
    for kind, value in ((ActionKind.DIVIDEND, "0.52"), (ActionKind.SPLIT, "2")):
        other = await lives.with_action(
            session, market, "AAA", kind, ex_date=portfolio.opened_on, value=value
        )
        booked = await corporate_actions.apply_due(
            session, other, portfolio, until=market.latest_session, now=NOW
        )
        assert booked == ()


async def test_a_purchase_on_the_ex_date_adds_nothing_to_the_dividend(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, market, resources, AAA=100)
    ex_date = lives.day(market, 10)
    await lives.bought(session, market, portfolio, ex_date, AAA=50)
    paying = await lives.with_action(
        session, market, "AAA", ActionKind.DIVIDEND, ex_date=ex_date, value="0.52"
    )
    (dividend,) = await corporate_actions.apply_due(
        session, paying, portfolio, until=market.latest_session, now=NOW
    )
    assert dividend.entry.amount == Decimal("52.00")


async def test_a_dividend_on_the_day_of_a_split_is_per_new_share(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, market, resources, AAA=100)
    cash, ex_date = portfolio.cash, lives.day(market, 9)
    both = await lives.with_action(
        session, market, "AAA", ActionKind.DIVIDEND, ex_date=ex_date, value="0.10"
    )
    both = await lives.with_action(
        session, both, "AAA", ActionKind.SPLIT, ex_date=ex_date, value="2"
    )
    await marking.mark_portfolios(session, both, [portfolio], now=NOW)
    assert portfolio.cash == cash + Decimal("20.00")


async def test_where_prices_come_adjusted_nothing_is_booked(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await held(session, market, resources, AAA=100)
    paying = await lives.with_action(
        session, market, "AAA", ActionKind.DIVIDEND, ex_date=lives.day(market, 10), value="0.52"
    )
    adjusted = replace(paying, adjusted_only=True)
    assert not await corporate_actions.apply_due(
        session, adjusted, portfolio, until=market.latest_session, now=NOW
    )


async def test_a_price_carried_over_a_split_is_in_new_shares(
    session: AsyncSession, market: MarketSnapshot
) -> None:
    ex_date = lives.day(market, 3)
    split = await lives.with_action(
        session, market, "AAA", ActionKind.SPLIT, ex_date=ex_date, value="4"
    )
    closes = split.panel.close.copy()
    closes[split.row("AAA"), split.column(ex_date)] = np.nan
    gap = replace(split, panel=replace(split.panel, close=closes))
    last = valuation.last_price(gap, gap.row("AAA"), ex_date)
    assert last is not None
    assert last.carried
    assert last.price == lives.close(gap, "AAA", lives.day(market, 4)) / 4
    order = pricing.priced(gap, "AAA", ex_date)
    assert (order.quote.reference, order.price_date) == (last.price, last.session)


async def test_a_replay_books_what_went_ex_and_scales_what_was_decided(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    since = lives.day(market, 30)
    opening = {"owner_id": resources.owner_id, "initial_capital": Decimal(100_000), "now": NOW}
    plain, _ = await replay.open_replayed(
        session, market, name="plain", settings=lives.rules(), since=since, **opening  # type: ignore[arg-type]
    )
    first_buy = next(row for row in await lives.entries(session, plain) if row[1] == EntryKind.BUY)
    ticker = market.etfs[market.row_of_id[first_buy[2]]].ticker  # type: ignore[index]
    # Decided the session before the split, filled on its ex-date.
    split = await lives.with_action(
        session, market, ticker, ActionKind.SPLIT, ex_date=first_buy[7], value="2"  # type: ignore[arg-type]
    )

    portfolio, replayed = await replay.open_replayed(
        session, split, name="split", settings=lives.rules(), since=since, **opening  # type: ignore[arg-type]
    )

    buys = [row for row in await lives.entries(session, portfolio) if row[2] == first_buy[2]]
    assert buys[0][3] == 2 * first_buy[3]  # type: ignore[operator]
    assert replayed.stops == 0


@dataclass(frozen=True)
class Late:
    """A market before and after it learned of a split and a dividend that went ex long ago, and
    a portfolio of 100 AAA that has booked neither."""

    before: MarketSnapshot
    after: MarketSnapshot
    portfolio: Portfolio


@pytest.fixture
async def late(session: AsyncSession, market: MarketSnapshot, resources: Resources) -> Late:
    before = flat(market, "AAA", 60.0)
    portfolio = await held(session, before, resources, AAA=100)
    await marking.mark_portfolios(session, before, [portfolio], now=NOW)
    after = await lives.with_action(
        session, before, "AAA", ActionKind.SPLIT, ex_date=lives.day(market, 5), value="4"
    )
    after = await lives.with_action(
        session, after, "AAA", ActionKind.DIVIDEND, ex_date=lives.day(market, 3), value="0.10"
    )
    return Late(before, after, portfolio)


async def test_whoever_reads_sees_the_value_go_on_before_anything_is_booked(
    session: AsyncSession, late: Late
) -> None:
    portfolio, after = late.portfolio, late.after
    worth = portfolio.cash + 100 * 60 + 40

    shown = await overview.detail(session, after, portfolio, now=NOW)
    assert (shown.total_value, shown.cash) == (worth, portfolio.cash + 40)
    (line,) = shown.positions
    assert (line.ticker, line.quantity, line.market_value) == ("AAA", Decimal(400), Decimal(6000))
    assert line.price == line.entry_price == Decimal(15)

    lived = await history.read(session, after, portfolio)
    assert {day.total for day in lived.days} == {worth, worth - 40}
    assert lived.days[-1].total == worth
    risk_read = await risk.assess(session, after, portfolio, now=NOW)
    assert [each.drawdown for each in risk_read.positions] == [0.0]
    decision = await deciding.decide(session, after, portfolio)
    assert decision.valuation.total == worth

    assert portfolio.last_sequence == 2
    await marking.mark_portfolios(session, after, [portfolio], now=NOW)
    booked = await overview.detail(session, after, portfolio, now=NOW)
    assert booked.positions == shown.positions
    assert booked.total_value == shown.total_value


async def test_an_order_on_prices_after_a_split_trades_shares_after_it(
    session: AsyncSession, late: Late
) -> None:
    portfolio = late.portfolio
    ticket = OrderTicket(uuid4(), "AAA", Side.SELL, quantity=Decimal(400))
    placed = await trading.place(
        session,
        late.after,
        portfolio,
        ticket,
        now=NOW,
        holdings=await ledger.read_holdings(session, portfolio.id),
    )
    assert placed.trade is not None
    assert placed.trade.booked.sequence == 5
    assert portfolio.cash > 94_000 + 6000 + 40 - 20
    assert await ledger.read_holdings(session, portfolio.id) == {}


async def test_closing_sells_the_shares_after_a_split(session: AsyncSession, late: Late) -> None:
    await portfolios.close(session, late.after, late.portfolio, liquidate=True, now=NOW)
    assert late.portfolio.cash > 94_000 + 6000 + 40 - 20


async def test_what_is_due_can_be_paid_out(session: AsyncSession, late: Late) -> None:
    everything = late.portfolio.cash + 40
    await cash_flows.move_cash(
        session, late.after, late.portfolio, CashCreate(amount=-everything), now=NOW
    )
    assert late.portfolio.cash == 0


async def test_a_proposal_made_before_a_split_is_not_traded_after_it(
    session: AsyncSession, late: Late
) -> None:
    event = await rebalancing.propose(session, late.before, late.portfolio, now=NOW)
    with pytest.raises(OutOfDate, match="book has changed"):
        await rebalancing.execute(session, late.after, late.portfolio, event, now=NOW)


async def test_prices_older_than_the_book_are_not_traded_at(
    session: AsyncSession, late: Late
) -> None:
    portfolio = late.portfolio
    await corporate_actions.settle(session, late.after, portfolio, now=NOW)
    ticket = OrderTicket(uuid4(), "AAA", Side.SELL, quantity=Decimal(1))
    old = replace(late.before, adjusted_only=False)
    with pytest.raises(PricesChanged):
        await trading.place(session, old, portfolio, ticket, now=NOW)


async def test_what_was_settled_is_not_looked_for_again(session: AsyncSession, late: Late) -> None:
    assert len(await corporate_actions.settle(session, late.after, late.portfolio, now=NOW)) == 2
    assert await corporate_actions.settle(session, late.after, late.portfolio, now=NOW) == ()
    unknown = await lives.with_action(
        session, late.after, "AAA", ActionKind.DIVIDEND, ex_date=NOW.date(), value="1"
    )
    same_version = replace(unknown, data_version=late.after.data_version)
    assert await corporate_actions.settle(session, same_version, late.portfolio, now=NOW) == ()
