"""`etftrader order`: the orders of a portfolio, listed, shown and cancelled."""

from typing import Annotated
from uuid import UUID

import typer

from app.cli.app import new_app
from app.cli.asking import given, typed
from app.cli.once import OK, Asked, KeyOption, checked_key, once
from app.cli.output import (
    print_facts,
    print_json,
    print_json_of,
    print_line,
    print_table,
    shares,
)
from app.cli.runtime import Context, JsonOption, PortfolioId, run
from app.models import FillAt
from app.schemas.order import OrderDetail, OrderFilter, OrderRead, StateWanted
from app.services import orders

app = new_app("List, show and cancel the orders of a portfolio.")

OrderId = Annotated[
    UUID, typer.Argument(metavar="ORDER", help="As 'etftrader order list' shows it.")
]


@app.command("list")
def show_all(
    *,
    portfolio_id: PortfolioId,
    state: Annotated[
        StateWanted | None, typer.Option(help="Of this state; open: all that can still fill.")
    ] = None,
    ticker: Annotated[str | None, typer.Option(metavar="TICKER", help="Of this ETF only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    offset: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="How many to pass.")] = 0,
    json: JsonOption = False,
) -> None:
    """Its orders, newest first."""
    wanted = given(OrderFilter, typed(state=state, ticker=ticker, limit=limit, offset=offset))

    async def command(context: Context) -> list[OrderRead]:
        portfolio = await context.portfolio(portfolio_id)
        # One more than asked for says whether there are others.
        one_more = wanted.model_copy(update={"limit": limit + 1})
        return await orders.listed(context.session, portfolio, one_more)

    found = run(command)
    answer = found[:limit]
    if json:
        print_json_of(list[OrderRead], answer)
    elif not answer:
        print_line("There are no such orders.")
    else:
        _show_all(answer)
        if len(found) > limit:
            print_line(f"There are more: --offset {offset + limit}.")


@app.command()
def show(portfolio_id: PortfolioId, order_id: OrderId, json: JsonOption = False) -> None:
    """One order with every change of its state."""

    async def command(context: Context) -> OrderDetail:
        portfolio = await context.portfolio(portfolio_id)
        return await orders.detail(context.session, portfolio, order_id)

    _answer(run(command), json=json)


@app.command()
def cancel(
    portfolio_id: PortfolioId,
    order_id: OrderId,
    key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """Cancel an open order; what was filled of it stays."""
    checked_key(key)

    async def command(context: Context) -> OrderDetail:
        portfolio = await context.portfolio(portfolio_id, locked=True)

        async def act() -> OrderDetail:
            session, now = context.session, context.now
            market = await context.market_of(portfolio)
            return await orders.cancel(session, market, portfolio, order_id, now=now)

        asked = Asked(f"/api/orders/{portfolio_id}/{order_id}", method="DELETE", status=OK)
        return await once(context, key, asked, act, kind=OrderDetail)

    _answer(run(command), json=json)


def _answer(order: OrderDetail, *, json: bool) -> None:
    if json:
        print_json(order)
    else:
        _show(order)


def _show_all(found: list[OrderRead]) -> None:
    print_table(
        f"{len(found)} order{'s' if len(found) > 1 else ''}",
        ("order", "session", "side", "ticker", "shares", "filled", "terms", "state", "why"),
        (
            (
                order.id,
                order.session,
                order.side,
                order.ticker,
                shares(order.quantity),
                shares(order.filled_quantity),
                _terms(order),
                order.state,
                order.message or order.reason,
            )
            for order in found
        ),
        wrapped="why",
    )


def _terms(order: OrderRead) -> str:
    """At what prices, how long and when it fills, such as 'stop 58 limit 57.5, gtc'."""
    prices = [
        f"{name} {shares(price)}"
        for name, price in (("stop", order.stop_price), ("limit", order.limit_price))
        if price is not None
    ]
    terms = [" ".join(prices) or order.order_type, order.time_in_force]
    return ", ".join([*terms, order.fill_at] if order.fill_at is FillAt.NEXT_OPEN else terms)


def _show(order: OrderDetail) -> None:
    print_line(f"Order {order.id} of portfolio {order.portfolio_id}: {order.state}")
    print_facts(
        (
            ("wanted", f"{order.side} {shares(order.quantity)} {order.ticker}"),
            ("type", order.order_type),
            ("time in force", order.time_in_force),
            ("filled at", order.fill_at),
            ("limit price", order.limit_price),
            ("stop price", order.stop_price),
            ("stop set off", order.triggered_on),
            ("filled", shares(order.filled_quantity)),
            ("fill price", order.fill_price),
            ("because", order.reason),
        )
    )
    print_table(
        "Its life",
        ("no.", "session", "state", "reason", "shares", "price", "message"),
        (
            (
                event.number,
                event.session,
                event.state,
                event.reason_code,
                shares(event.quantity),
                event.price,
                event.message,
            )
            for event in order.events
        ),
        wrapped="message",
    )
