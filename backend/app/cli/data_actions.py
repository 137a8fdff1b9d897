"""The corporate actions that are stored."""

from typing import Annotated

import typer

from app.cli.asking import given, typed
from app.cli.output import describe_age, print_json, print_line, print_table, shares
from app.cli.runtime import Context, JsonOption, MarketOption, run
from app.schemas.data import ActionFilter, ActionList
from app.services import stored_actions


def actions(
    *,
    market: MarketOption = None,
    ticker: Annotated[str | None, typer.Option(metavar="TICKER", help="Of this ETF only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    offset: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="How many to pass.")] = 0,
    json: JsonOption = False,
) -> None:
    """The dividends, splits, ticker changes and closures that are known, newest first."""
    wanted = given(ActionFilter, typed(ticker=ticker, limit=limit, offset=offset))

    async def command(context: Context) -> ActionList:
        default = await context.resources.market_data.default_market(context.session)
        return await stored_actions.listed(
            context.session, market or default, wanted, now=context.now
        )

    answer = run(command)
    if json:
        print_json(answer)
    else:
        _show(answer)


def _show(found: ActionList) -> None:
    print_table(
        f"{found.total} actions, {len(found.actions)} shown ({describe_age(found)})",
        ("ex-date", "ticker", "kind", "value", "pay date", "formerly", "source"),
        (
            (
                action.ex_date,
                action.ticker,
                action.kind,
                shares(action.value),
                action.pay_date,
                action.former_ticker,
                action.source,
            )
            for action in found.actions
        ),
    )
    shown = found.offset + len(found.actions)
    if found.actions and shown < found.total:
        print_line(f"There are more: --offset {shown}.")
