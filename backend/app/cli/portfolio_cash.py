"""Commands for money that is no trade, today or with an earlier date."""

from datetime import datetime
from typing import Annotated

import typer

from app.cli import portfolio_tables as tables
from app.cli.asking import given, typed
from app.cli.once import Asked, KeyOption, checked_key, once
from app.cli.output import print_json
from app.cli.runtime import Context, JsonOption, PortfolioId, run
from app.schemas.cash import CashCreate, CashKind, CashRead
from app.services import cash_flows, receipts

DateOption = Annotated[
    datetime | None,
    typer.Option(
        "--date",
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="The day it counts from; left out: the latest session.",
    ),
]
NoteOption = Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")]
SourceOption = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Who says so, such as a bank.")
]


def deposit(
    *,
    portfolio_id: PortfolioId,
    amount: Annotated[
        str, typer.Argument(metavar="AMOUNT", help="In USD; negative to withdraw, such as -500.")
    ],
    date: DateOption = None,
    note: NoteOption = None,
    source: SourceOption = None,
    key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """Pay money in, or out with a negative amount."""
    wanted = typed(amount=amount, date=_day(date), note=note, source=source)
    _move(portfolio_id, given(CashCreate, wanted), key, json=json)


def withdraw(
    *,
    portfolio_id: PortfolioId,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="In USD, such as 500.")],
    date: DateOption = None,
    note: NoteOption = None,
    source: SourceOption = None,
    key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """Pay money out."""
    if amount.startswith("-"):
        raise typer.BadParameter("write what is paid out without a sign", param_hint="AMOUNT")
    wanted = typed(amount=f"-{amount}", date=_day(date), note=note, source=source)
    _move(portfolio_id, given(CashCreate, wanted), key, json=json)


def cash(
    *,
    portfolio_id: PortfolioId,
    amount: Annotated[
        str, typer.Argument(metavar="AMOUNT", help="In USD: positive comes in, negative goes out.")
    ],
    kind: Annotated[CashKind | None, typer.Option(help="What the money is.")] = None,
    ticker: Annotated[
        str | None, typer.Option(metavar="TICKER", help="The ETF of a dividend, a tax or a fee.")
    ] = None,
    date: DateOption = None,
    note: NoteOption = None,
    source: SourceOption = None,
    key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """Book interest, a fee, a dividend, a tax, or money paid in or out."""
    wanted = typed(
        amount=amount, kind=kind, ticker=ticker, date=_day(date), note=note, source=source
    )
    _move(portfolio_id, given(CashCreate, wanted), key, json=json)


def _day(value: datetime | None) -> str | None:
    return None if value is None else value.date().isoformat()


def _move(portfolio_id: int, body: CashCreate, key: str | None, *, json: bool) -> None:
    checked_key(key)

    async def command(context: Context) -> CashRead:
        portfolio = await context.portfolio(portfolio_id, locked=True)

        async def act() -> CashRead:
            market = await context.market_of(portfolio)
            booked = await cash_flows.move_cash(
                context.session, market, portfolio, body, now=context.now
            )
            return receipts.of_cash(market, portfolio, booked)

        path = f"/api/portfolios/{portfolio_id}/cash"
        return await once(context, key, Asked(path, body), act, kind=CashRead)

    answer = run(command)
    if json:
        print_json(answer)
    else:
        tables.show_cash(answer)
