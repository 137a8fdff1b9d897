"""`etftrader trade`: one order on paper."""

from typing import Annotated
from uuid import uuid4

import typer

from app.cli.app import new_app
from app.cli.asking import given, typed
from app.cli.once import Asked, KeyOption, checked_key, once
from app.cli.output import describe, print_facts, print_json, print_line, shares
from app.cli.runtime import Context, JsonOption, PortfolioId, run
from app.models import FillAt, OrderType, TimeInForce
from app.quant.costs import Side
from app.schemas.trade import TradeCreate, TradeReceipt
from app.services import receipts, trading
from app.services.order_life import id_of_key

app = new_app()


Quantity = Annotated[
    str | None, typer.Argument(metavar="QUANTITY", help="In shares; or give --notional.")
]
Notional = Annotated[
    str | None, typer.Option(metavar="AMOUNT", help="In USD, fees of a purchase included.")
]
Limit = Annotated[str | None, typer.Option(metavar="PRICE", help="The worst price to trade at.")]
Stop = Annotated[
    str | None, typer.Option(metavar="PRICE", help="The price that sets the order off.")
]
Gtc = Annotated[bool, typer.Option("--gtc", help="Keep it until cancelled, not for one session.")]
NextOpen = Annotated[bool, typer.Option("--next-open", help="Fill at the next session's open.")]
Lots = Annotated[
    list[str] | None,
    typer.Option("--lot", metavar="NUMBER:SHARES", help="Close this tax lot; may be repeated."),
]


@app.command()
def trade(
    *,
    portfolio_id: PortfolioId,
    side: Annotated[Side, typer.Argument(metavar="buy|sell", help="What to do.")],
    ticker: Annotated[str, typer.Argument(metavar="TICKER", help="Such as SPY.")],
    quantity: Quantity = None,
    notional: Notional = None,
    limit: Limit = None,
    stop: Stop = None,
    gtc: Gtc = False,
    next_open: NextOpen = False,
    lots: Lots = None,
    key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """Take one order on paper: what the latest close fills is traded at once, the rest waits."""
    body = given(
        TradeCreate,
        typed(
            portfolio_id=portfolio_id,
            ticker=ticker,
            side=side,
            quantity=quantity,
            notional=notional,
            order_type=_order_type(limit, stop),
            limit_price=limit,
            stop_price=stop,
            time_in_force=TimeInForce.GTC if gtc else None,
            fill_at=FillAt.NEXT_OPEN if next_open else None,
            lots=[_lot(choice) for choice in lots] if lots else None,
        ),
    )
    checked_key(key)

    async def command(context: Context) -> TradeReceipt:
        return await once(
            context,
            key,
            Asked("/api/trades", body),
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
    order_id = id_of_key(context.resources.owner_id, key) if key else uuid4()
    ticket = trading.ticket_of(order, order_id, key)
    placed = await trading.place(context.session, market, portfolio, ticket, now=context.now)
    return receipts.of_order(market, portfolio, placed, now=context.now)


def _order_type(limit: str | None, stop: str | None) -> OrderType | None:
    if stop is None:
        return OrderType.LIMIT if limit is not None else None
    return OrderType.STOP if limit is None else OrderType.STOP_LIMIT


def _lot(choice: str) -> dict[str, object]:
    number, _, quantity = choice.partition(":")
    if not number.isdigit() or not quantity:
        raise typer.BadParameter("write a lot as NUMBER:SHARES, such as 3:10", param_hint="--lot")
    return {"lot": int(number), "quantity": quantity}


def _show(receipt: TradeReceipt) -> None:
    if receipt.filled_quantity:
        _show_fill(receipt)
    if receipt.waiting is not None:
        verb = "buy" if receipt.side is Side.BUY else "sell"
        left = shares(receipt.quantity - receipt.filled_quantity)
        print_line(
            f"Order {receipt.order_id} to {verb} {left} {receipt.ticker} waits. {receipt.waiting}"
        )


def _show_fill(receipt: TradeReceipt) -> None:
    verb = "Bought" if receipt.side is Side.BUY else "Sold"
    print_line(
        f"{verb} {shares(receipt.filled_quantity)} {receipt.ticker} for portfolio "
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
            ("order", receipt.order_id),
        )
    )
