"""`etftrader trade`: one order on paper."""

from typing import Annotated
from uuid import uuid4

import typer

from app.cli.app import new_app
from app.cli.asking import given, typed
from app.cli.once import KeyOption, checked_key, once
from app.cli.output import describe, print_facts, print_json, print_line, shares
from app.cli.runtime import Context, JsonOption, PortfolioId, run
from app.quant.costs import Side
from app.schemas.trade import OrderType, TradeCreate, TradeReceipt
from app.services import receipts, trading
from app.services.trading import OrderTicket, order_id_of

app = new_app()


@app.command()
def trade(
    *,
    portfolio_id: PortfolioId,
    side: Annotated[Side, typer.Argument(metavar="buy|sell", help="What to do.")],
    ticker: Annotated[str, typer.Argument(metavar="TICKER", help="Such as SPY.")],
    quantity: Annotated[
        str | None, typer.Argument(metavar="QUANTITY", help="In shares; or give --notional.")
    ] = None,
    notional: Annotated[
        str | None, typer.Option(metavar="AMOUNT", help="In USD, fees of a purchase included.")
    ] = None,
    limit: Annotated[
        str | None, typer.Option(metavar="PRICE", help="The worst price to trade at.")
    ] = None,
    key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """Trade one order on paper, at the latest close plus costs, whole or not at all."""
    body = given(
        TradeCreate,
        typed(
            portfolio_id=portfolio_id,
            ticker=ticker,
            side=side,
            quantity=quantity,
            notional=notional,
            order_type=OrderType.LIMIT if limit is not None else None,
            limit_price=limit,
        ),
    )
    checked_key(key)

    async def command(context: Context) -> TradeReceipt:
        return await once(
            context,
            key,
            ("/api/trades", body),
            lambda: _place(context, body, key),
            kind=TradeReceipt,
        )

    answer = run(command)
    if json:
        print_json(answer)
    else:
        _show(answer)


async def _place(context: Context, order: TradeCreate, key: str | None) -> TradeReceipt:
    portfolio = await context.portfolio(order.portfolio_id, locked=True)
    market = await context.market_of(portfolio)
    ticket = OrderTicket(
        order_id=order_id_of(context.resources.owner_id, key) if key else uuid4(),
        ticker=order.ticker,
        side=order.side,
        quantity=order.quantity,
        notional=order.notional,
        limit_price=order.limit_price,
        idempotency_key=key,
    )
    trade = await trading.place(context.session, market, portfolio, ticket, now=context.now)
    return receipts.of_trade(market, portfolio, trade)


def _show(receipt: TradeReceipt) -> None:
    verb = "Bought" if receipt.side is Side.BUY else "Sold"
    print_line(
        f"{verb} {shares(receipt.quantity)} {receipt.ticker} for portfolio "
        f"{receipt.portfolio_id} ({describe(receipt)})"
    )
    print_facts(
        (
            ("close", f"{receipt.reference_price:,f} of {receipt.price_date}"),
            ("fill price", receipt.fill_price),
            ("fee", receipt.fee),
            ("net amount", receipt.net_amount),
            ("cash left", receipt.cash),
            ("sequence", receipt.sequence),
        )
    )
