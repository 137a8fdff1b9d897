"""The open tax lots of a portfolio at its market's latest close."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.money import ZERO, market_value
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.quant.gains import Term, long_from, shared
from app.quant.lots import Lot
from app.schemas.lot import LotList, LotRead
from app.services import corporate_actions, freshness, ledger, strategy, valuation
from app.services.lot_book import LotBook
from app.services.projection import entry_price
from app.services.valuation import LastPrice


async def overview(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *, now: datetime
) -> LotList:
    """Cost, value and term of each open lot; values of an ETF's lots add up to its position's.

    What is due at the latest session and not booked yet is counted in. Raises PricesChanged.
    """
    book = LotBook(
        await ledger.read_lots(session, portfolio.id), strategy.settings_of(portfolio).lot_method
    )
    due = await corporate_actions.unbooked(session, market, portfolio)
    for number, entry in enumerate(due, start=portfolio.last_sequence + 1):
        book.book(entry, number)
    shown = [
        line for etf_id, held in book.open.items() if held for line in _of(market, etf_id, held)
    ]
    shown.sort(key=lambda line: (line.ticker, line.acquired_on, line.lot))
    return LotList(
        **freshness.as_of(market, now),
        portfolio_id=portfolio.id,
        cost=sum((line.cost for line in shown), ZERO),
        market_value=sum((line.market_value for line in shown), ZERO),
        unrealised_gain=sum((line.unrealised_gain for line in shown), ZERO),
        lots=shown,
    )


def _of(market: MarketSnapshot, etf_id: int, held: Sequence[Lot]) -> list[LotRead]:
    """The lots of one ETF."""
    row, today = market.row_of_id[etf_id], market.latest_session
    quantity = sum((lot.quantity for lot in held), ZERO)
    last = valuation.last_price(market, row, today) or _paid(held, quantity)
    values = shared(market_value(quantity, last.price), [lot.quantity for lot in held])
    return [
        _line(lot, market.etfs[row].ticker, (last, value), today)
        for lot, value in zip(held, values, strict=True)
    ]


def _paid(held: Sequence[Lot], quantity: Decimal) -> LastPrice:
    """Every close was withdrawn from the data: what was paid is what is left."""
    paid = entry_price(sum((lot.cost for lot in held), ZERO), quantity)
    return LastPrice(paid, held[0].acquired_on, carried=True, halted=True)


def _line(lot: Lot, ticker: str, worth: tuple[LastPrice, Decimal], today: date) -> LotRead:
    last, value = worth
    long = long_from(lot.acquired_on)
    return LotRead(
        lot=lot.number,
        ticker=ticker,
        acquired_on=lot.acquired_on,
        quantity=lot.quantity,
        cost=lot.cost,
        price=last.price,
        price_date=last.session,
        market_value=value,
        unrealised_gain=value - lot.cost,
        term=Term.LONG if today >= long else Term.SHORT,
        long_from=long,
        days_until_long=max((long - today).days, 0),
    )
