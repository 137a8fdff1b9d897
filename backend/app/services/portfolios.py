"""The life of a portfolio: opened with money and rules, changed, paid into, closed."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Conflict, NameTaken, NoPrice, Refused
from app.core.money import ZERO, to_cents
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, OrderOrigin, Portfolio, PortfolioStatus
from app.quant.book import Market, order_for
from app.quant.costs import Side
from app.quant.factors.registry import REGISTRY
from app.quant.optimizers import Limits, feasibility
from app.schemas.settings import PortfolioSettings, stored_settings
from app.services import ledger, open_orders, pricing, settling, strategy, trading
from app.services.desk import Batch, LineStatus
from app.services.entry import Entry
from app.services.order_life import ReasonCode
from app.services.pricing import NotTraded

OPEN_NAME = "uq_portfolios_open_name"


class StillHolds(Conflict):
    def __init__(self, positions: int) -> None:
        super().__init__(
            f"The portfolio still holds {positions} position{'s' if positions > 1 else ''}: "
            "sell them first, or close it with liquidate (?liquidate=true, --liquidate)."
        )


class CannotLiquidate(Conflict):
    """A position could not be sold, so none was and the portfolio stays open."""


async def create(
    session: AsyncSession,
    market: MarketSnapshot,
    *,
    owner_id: int,
    name: str,
    initial_capital: Decimal,
    settings: PortfolioSettings,
    now: datetime,
    opened_on: date | None = None,
) -> Portfolio:
    """Open a portfolio; its first ledger entry is the deposit of its capital.

    `opened_on` is the market's latest session unless a replay begins earlier. Raises what
    `check_settings` raises, and NameTaken.
    """
    check_settings(market, settings)
    day = opened_on or market.latest_session
    portfolio = Portfolio(
        owner_id=owner_id,
        market=market.code,
        name=name,
        status=PortfolioStatus.ACTIVE,
        initial_capital=to_cents(initial_capital),
        cash=ZERO,
        last_sequence=0,
        marked_sequence=0,
        settings=settings.model_dump(mode="json"),
        opened_on=day,
        replayed_until=None,
        # Who holds nothing before the latest session is entitled to nothing that is known.
        settled_version=market.data_version if day == market.latest_session else None,
        created_at=now,
        closed_at=None,
    )
    session.add(portfolio)
    await _flush_name(session)
    deposit = Entry(EntryKind.DEPOSIT, day, portfolio.initial_capital, "Initial capital", "user")
    await ledger.book(session, portfolio, deposit, now=now)
    return portfolio


async def change(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    name: str | None,
    settings: PortfolioSettings,
) -> None:
    """Give the portfolio these rules and, unless None, this name."""
    portfolio.require_active()
    check_settings(market, settings)
    portfolio.settings = settings.model_dump(mode="json")
    if name is not None:
        portfolio.name = name
    await _flush_name(session)


async def close(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    liquidate: bool,
    now: datetime,
) -> None:
    """Close it for good, with `liquidate` after selling all it holds; its cash stays in it.

    Raises StillHolds where it holds something and need not be sold, CannotLiquidate where one of
    its positions has no buyer.
    """
    portfolio.require_active()
    await settling.settle(session, market, portfolio, now=now)
    holdings = await ledger.read_holdings(session, portfolio.id)
    if holdings and not liquidate:
        raise StillHolds(len(holdings))
    if holdings:
        await _sell_all(session, market, portfolio, now=now)
    orders = await open_orders.cancelled(
        session, portfolio, ReasonCode.PORTFOLIO_CLOSED, on=market.latest_session, at=now
    )
    await ledger.book_all(session, portfolio, [], now=now, orders=orders)
    portfolio.status = PortfolioStatus.CLOSED
    portfolio.closed_at = now
    await session.flush()


def check_settings(market: MarketSnapshot, settings: PortfolioSettings) -> None:
    """Refuse rules that no portfolio can follow, whatever the market does.

    Raises LimitsClash naming the clashing bounds and the smallest relaxation, UnknownTicker for a
    benchmark the market lacks, Refused for other names it lacks, and where no factor counts, one
    of them is unknown in this market, or the drawdown rule has no way back.
    """
    limits = Limits(settings.min_weight, settings.max_weight, settings.cash_buffer)
    feasibility.check(feasibility.Shape(("",) * settings.num_positions, limits))
    if not any(settings.factor_weights.model_dump().values()):
        raise Refused("Every factor weight is zero: at least one must be positive.")
    for name, weight in settings.factor_weights.model_dump().items():
        if weight and REGISTRY[name].reads_distributions and market.distributions is None:
            raise Refused(f"{name} cannot count in this market: {REGISTRY[name].without}.")
    if settings.drawdown_recovery >= settings.drawdown_limit:
        raise Refused(
            f"drawdown_recovery ({settings.drawdown_recovery:g}) must be below drawdown_limit "
            f"({settings.drawdown_limit:g}): exposure would be reduced and restored by one fall."
        )
    if settings.benchmark is not None:
        market.row(settings.benchmark)
    strategy.require_known(market, settings)


async def _sell_all(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *, now: datetime
) -> None:
    on = market.latest_session
    holdings = await ledger.read_holdings(session, portfolio.id)
    tickers = [market.panel.tickers[market.row_of_id[etf_id]] for etf_id in holdings]
    try:
        quotes = {ticker: pricing.priced(market, ticker, on).quote for ticker in tickers}
    except (NoPrice, NotTraded) as error:
        raise CannotLiquidate(str(error)) from None
    desk = Market(quotes, pricing.cost_model(stored_settings(portfolio.settings)))
    orders = [
        order_for(ticker, Side.SELL, held.quantity, market=desk, reason="The portfolio is closed")
        for ticker, held in zip(tickers, holdings.values(), strict=True)
    ]
    batch = Batch(OrderOrigin.LIQUIDATION, f"close:{portfolio.id}")
    outcomes = await trading.execute(
        session, market, portfolio, orders, as_of=on, now=now, batch=batch
    )
    for outcome in outcomes:
        if outcome.status is not LineStatus.FILLED:
            advice = (
                " Sell it over several sessions first, or raise max_volume_share."
                if outcome.life is not None and outcome.life.reason_code is ReasonCode.OVERSIZED
                else ""
            )
            raise CannotLiquidate(
                f"{outcome.order.ticker} cannot be sold: {outcome.reason}{advice}"
            )


async def _flush_name(session: AsyncSession) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        if OPEN_NAME in str(error.orig):
            raise NameTaken(
                "Another open portfolio has this name, in whatever case: choose another one."
            ) from None
        raise
