"""The trades of a portfolio, as its ledger has them."""

from datetime import datetime
from typing import Annotated

import typer

from app.cli.asking import given, typed
from app.cli.output import print_json_of, print_line, print_table, shares
from app.cli.runtime import Context, JsonOption, PortfolioId, run
from app.quant.costs import Side
from app.schemas.trade import TradeFilter, TradeRead
from app.services import trade_history

FirstDay = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Of this session or later ones."),
]
LastDay = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Of this session or earlier ones."),
]


def trades(
    *,
    portfolio_id: PortfolioId,
    ticker: Annotated[str | None, typer.Option(metavar="TICKER", help="Of this ETF only.")] = None,
    side: Annotated[Side | None, typer.Option(help="Only those.")] = None,
    start_date: FirstDay = None,
    end_date: LastDay = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    offset: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="How many to pass.")] = 0,
    json: JsonOption = False,
) -> None:
    """Its trades in the order of its ledger, oldest first."""
    options = typed(
        ticker=ticker,
        side=side,
        start_date=start_date and start_date.date().isoformat(),
        end_date=end_date and end_date.date().isoformat(),
        limit=limit,
        offset=offset,
    )
    wanted = given(TradeFilter, options)

    async def command(context: Context) -> list[TradeRead]:
        portfolio = await context.portfolio(portfolio_id)
        # One more than asked for says whether there are others.
        one_more = wanted.model_copy(update={"limit": limit + 1})
        return await trade_history.trades(context.session, portfolio, one_more, now=context.now)

    found = run(command)
    answer = found[:limit]
    if json:
        print_json_of(list[TradeRead], answer)
    elif not answer:
        print_line("There are no such trades.")
    else:
        _show(answer)
        if len(found) > limit:
            print_line(f"There are more: --offset {offset + limit}.")


def _show(trades: list[TradeRead]) -> None:
    print_table(
        f"{len(trades)} trade{'s' if len(trades) > 1 else ''}",
        ("no.", "session", "side", "ticker", "shares", "fill price", "fee", "net amount"),
        (
            (
                row.sequence,
                row.session,
                row.side,
                row.ticker,
                shares(row.quantity),
                row.fill_price,
                row.fee,
                row.net_amount,
            )
            for row in trades
        ),
    )
