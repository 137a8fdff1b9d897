"""What an order is priced with: the portfolio's cost model, the reference close, the liquidity."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from functools import lru_cache
from uuid import UUID

import numpy as np

from app.core.errors import NoPrice, Refused
from app.core.money import CENT
from app.market_data.snapshot import MarketSnapshot
from app.quant.costs import (
    EXACT,
    MAX_MOVE,
    CostModel,
    Liquidity,
    PerOrder,
    Proportional,
    Side,
    SquareRootImpact,
)
from app.quant.fills import volume_cap
from app.quant.liquidity import measure, median_value
from app.quant.sizing import Quote, largest, rounded_down
from app.schemas.settings import PortfolioSettings
from app.services import valuation

REMEMBERED = 20_000
_traded: OrderedDict[tuple[UUID, date, int], "Traded"] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Traded:
    """How one ETF trades; `median_value` is USD a session, None where unknown."""

    liquidity: Liquidity
    median_value: Decimal | None


class NotTraded(Refused):
    """The ETF was closed: nobody buys or sells it any more."""

    def __init__(self, ticker: str, closed_on: date) -> None:
        super().__init__(f"{ticker} was closed on {closed_on}: it cannot be traded any more.")


@dataclass(frozen=True, slots=True)
class Priced:
    """An ETF that can be traded, its reference close, and the session of that close."""

    etf_id: int
    ticker: str
    quote: Quote
    price_date: date
    median_value: Decimal | None

    def session_cap(self, settings: PortfolioSettings, step: Decimal) -> Decimal | None:
        """The most shares an order may trade in one session; None where volume is unknown."""
        share = Decimal(repr(settings.max_volume_share))
        return volume_cap(self.median_value, self.quote.reference, share, step)


def cost_model(settings: PortfolioSettings) -> CostModel:
    return _cost_model(settings.slippage_pct, settings.impact, settings.commission)


@lru_cache(maxsize=256)
def _cost_model(slippage_pct: float, impact: float, commission: Decimal) -> CostModel:
    return CostModel(
        frictions=(
            Proportional(Decimal(repr(slippage_pct))),
            SquareRootImpact(Decimal(repr(impact))),
        ),
        fees=(PerOrder(commission),),
    )


def liquidity(market: MarketSnapshot, rows: Sequence[int], session: date) -> tuple[Liquidity, ...]:
    """How each of the ETFs in `rows` trades, as known at the close of `session`."""
    if not rows:
        return ()
    volatility, value = measure(market.panel.until(session), np.array(rows, dtype=np.int64))
    return tuple(
        Liquidity.measured(float(sigma), float(daily))
        for sigma, daily in zip(volatility, value, strict=True)
    )


def priced(market: MarketSnapshot, ticker: str, session: date) -> Priced:
    """Raises UnknownTicker, NotTraded, or NoPrice where the last close is too old."""
    row = market.row(ticker)
    etf = market.etfs[row]
    if etf.closed_on is not None and etf.closed_on <= session:
        raise NotTraded(ticker, etf.closed_on)
    last = valuation.last_price(market, row, session)
    if last is None or last.halted:
        raise NoPrice(ticker, session)
    traded = how_it_trades(market, row, session)
    quote = Quote(last.price, traded.liquidity)
    return Priced(etf.id, ticker, quote, last.session, traded.median_value)


def how_it_trades(market: MarketSnapshot, row: int, session: date) -> Traded:
    """What is measured of one ETF, remembered for as long as its data version is."""
    key = market.data_version, session, row
    known = _traded.get(key)
    if known is None:
        (found,) = liquidity(market, [row], session)
        median = median_value(market.panel.until(session), row)
        known = _traded[key] = Traded(found, median)
        while len(_traded) > REMEMBERED:
            _traded.popitem(last=False)
    return known


def sellable_quantity(amount: Decimal, quote: Quote, costs: CostModel, *, step: Decimal) -> Decimal:
    """The largest quantity, in multiples of `step`, that sells for at most `amount`, fees apart."""
    with localcontext(EXACT):
        # A sale fills at no less than half its reference, which bounds the search.
        ceiling = (amount + CENT) / (1 - MAX_MOVE)
        highest = int(rounded_down(ceiling, quote.reference, step) / step)

        def fits(steps: int) -> bool:
            return quote.fill(Side.SELL, steps * step, costs).gross <= amount

        return largest(highest, fits) * step
