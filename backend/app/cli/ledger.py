"""`etftrader ledger`: the entries that everything follows from, to read and to take away."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.app import new_app
from app.cli.asking import given, typed
from app.cli.failing import failures_in_one_sentence
from app.cli.output import print_exactly, print_json, print_line, print_table, shares
from app.cli.runtime import MAX_ID, Context, JsonOption, PortfolioId, run
from app.cli.saving import ForceOption, require_free, save
from app.schemas.ledger import LedgerFilter, LedgerPage
from app.services import ledger_export, ledger_reading
from app.services.ledger_export import Format

app = new_app("Show the ledger of a portfolio; export it for Beancount or a spreadsheet.")


@app.command()
def show(
    *,
    portfolio_id: PortfolioId,
    after: Annotated[
        int, typer.Option(min=0, max=MAX_ID, metavar="NO", help="Only entries after this one.")
    ] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    json: JsonOption = False,
) -> None:
    """Its entries in the order of their sequence, with the cash after each."""
    wanted = given(LedgerFilter, typed(after=after, limit=limit))

    async def command(context: Context) -> LedgerPage:
        portfolio = await context.portfolio(portfolio_id)
        return await ledger_reading.page(
            context.session, portfolio, after=wanted.after, limit=wanted.limit
        )

    answer = run(command)
    if json:
        print_json(answer)
    elif not answer.entries:
        print_line("There are no such entries.")
    else:
        _show(answer)


@app.command()
def export(
    *,
    portfolio_id: Annotated[
        int | None,
        typer.Argument(
            min=1, max=MAX_ID, metavar="[ID]", help="As 'etftrader portfolio list' shows it."
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All portfolios in one file.")] = False,
    form: Annotated[Format, typer.Option("--format", help="For which program.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to it and not to the terminal.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write a ledger, or all of them, as a file that others can check.

    'bean-check' accepts the Beancount file; its last lines say what each portfolio must hold.
    """
    if (portfolio_id is None) is not everything:
        raise typer.BadParameter("give the id of a portfolio, or --all")
    if out is not None:
        with failures_in_one_sentence():
            require_free(out, replace=force)

    async def command(context: Context) -> str:
        parts = ledger_export.export(
            context.session, context.resources.owner_id, portfolio_id, form
        )
        return "".join([part async for part in parts])

    text = run(command)
    if out is None:
        print_exactly(text.removesuffix("\n"))
        return
    with failures_in_one_sentence():
        save(text, out, replace=force)
    print_line(f"Wrote {len(text.encode()):,} bytes to {out}.")


def _show(page: LedgerPage) -> None:
    print_table(
        f"Portfolio {page.portfolio_id}: {len(page.entries)} entries",
        ("no.", "session", "kind", "ticker", "shares", "amount", "cash"),
        (
            (
                row.sequence,
                row.session,
                row.kind,
                row.ticker,
                shares(row.quantity),
                row.amount,
                row.cash,
            )
            for row in page.entries
        ),
    )
    if page.next_after is not None:
        print_line(f"There are more: --after {page.next_after}.")
