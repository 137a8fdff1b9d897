"""The realised gains of a portfolio, and the file for the tax program."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.failing import failures_in_one_sentence
from app.cli.output import print_facts, print_json, print_line, print_table, shares
from app.cli.runtime import Context, JsonOption, PortfolioId, run
from app.cli.saving import ForceOption, require_free, save
from app.schemas.gain import GainList, GainRead
from app.services import gains as taxing

YearOption = Annotated[
    int | None, typer.Option(min=1990, max=2200, help="Only what was sold in it.")
]
CsvOption = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Write the columns of Form 8949 to this file."),
]


def gains(
    *,
    portfolio_id: PortfolioId,
    year: YearOption = None,
    csv: CsvOption = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Its realised gains, one line for each lot that was closed, with wash sales marked."""
    if csv is not None:
        with failures_in_one_sentence():
            require_free(csv, replace=force)

    async def command(context: Context) -> GainList:
        portfolio = await context.portfolio(portfolio_id)
        market = await context.market_of(portfolio)
        return await taxing.realised(context.session, market, portfolio, year=year)

    answer = run(command)
    if csv is not None:
        with failures_in_one_sentence():
            save(taxing.form_8949(answer), csv, replace=force)
    if json:
        print_json(answer)
    elif csv is not None:
        print_line(f"Wrote {len(answer.lines)} lines to {csv}.")
    elif not answer.lines:
        print_line("Nothing was sold.")
    else:
        _show(answer)


def _show(found: GainList) -> None:
    print_table(
        f"Portfolio {found.portfolio_id}: {len(found.lines)} closed lots",
        ("no.", "ticker", "acquired", "sold", "shares", "cost", "gain", "term"),
        (
            (
                row.sequence,
                row.ticker,
                row.acquired_on,
                row.sold_on,
                shares(row.quantity),
                row.cost,
                row.gain,
                f"{row.term} W" if row.wash_sale else row.term,
            )
            for row in found.lines
        ),
    )
    print_facts(
        (
            ("short-term gain", found.short.gain),
            ("long-term gain", found.long.gain),
            ("disallowed losses", found.total.disallowed),
        )
    )
    for row in found.lines:
        if row.wash_sale:
            print_line(_washed(row))


def _washed(row: GainRead) -> str:
    by = ", ".join(
        f"no. {each.sequence} ({each.ticker} {each.bought_on})" for each in row.replaced_by
    )
    return (
        f"W: of the loss of no. {row.sequence} {row.disallowed:,f} is disallowed, replaced by {by}"
    )
