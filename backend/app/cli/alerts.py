"""`etftrader alerts`: what the owner of the portfolios should know."""

from typing import Annotated

import typer

from app.cli.app import new_app
from app.cli.asking import given, typed
from app.cli.output import print_json_of, print_line, print_table
from app.cli.runtime import MAX_ID, Context, JsonOption, run
from app.schemas.alert import AlertFilter, AlertRead
from app.services import alerts as telling

app = new_app()


@app.command()
def alerts(
    *,
    portfolio: Annotated[
        int | None, typer.Option(min=1, max=MAX_ID, metavar="ID", help="Of this portfolio only.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    offset: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="How many to pass.")] = 0,
    json: JsonOption = False,
) -> None:
    """Stops reached where a portfolio only alerts, and changes of exposure; newest first."""
    wanted = given(AlertFilter, typed(portfolio_id=portfolio, limit=limit, offset=offset))

    async def command(context: Context) -> list[AlertRead]:
        return await telling.listed(context.session, context.resources.owner_id, wanted)

    answer = run(command)
    if json:
        print_json_of(list[AlertRead], answer)
    elif not answer:
        print_line("There are no alerts.")
    else:
        print_table(
            f"{len(answer)} alert{'s' if len(answer) > 1 else ''}",
            ("id", "portfolio", "ticker", "session", "kind", "message"),
            (
                (row.portfolio_id, row.portfolio, row.ticker, row.session, row.kind, row.message)
                for row in answer
            ),
            wrapped="message",
        )
