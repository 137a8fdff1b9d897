"""Market data: bring them in, see what there is and what was refused."""

from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.output import console, print_table
from app.cli.progress import bars
from app.cli.runtime import Context, run
from app.services import importing, updating
from app.services.arrivals import ImportReport
from app.services.updating import Update

app = typer.Typer(help="Market data.", no_args_is_help=True)


@app.command("import")
def import_prices(
    prices: Annotated[Path, typer.Argument(help="Parquet or CSV: ticker, date, OHLC, volume.")],
    metadata: Annotated[Path | None, typer.Option(help="CSV of facts about the ETFs.")] = None,
    vix: Annotated[Path | None, typer.Option(help="CSV of the volatility index.")] = None,
    market: Annotated[str, typer.Option(help="The market they belong to.")] = "us",
    traded: Annotated[
        bool, typer.Option(help="Prices are as traded, with dividend and split_ratio columns.")
    ] = False,
) -> None:
    """Import prices, score the last 252 sessions and mark every portfolio to market.

    Safe to repeat: importing the same again changes nothing and says so.
    """

    async def command(context: Context) -> Update:
        with bars() as progress:

            async def bring(session: AsyncSession) -> ImportReport:
                return await importing.import_files(
                    session,
                    market,
                    prices,
                    metadata=metadata,
                    vix=vix,
                    traded=traded,
                    now=context.now,
                    data_version=uuid4(),
                    progress=progress,
                )

            resources = context.resources
            return await updating.update(
                resources.sessions,
                resources.market_data,
                bring,
                now=context.now,
                progress=progress,
            )

    _show(run(command))


def _show(update: Update) -> None:
    report = update.report
    print_table(
        f"Import into market {report.market}",
        ("series", "source", "read", "added", "changed", "unchanged", "quarantined"),
        (
            (s.series, s.source, s.read, s.added, s.changed, s.unchanged, s.quarantined)
            for s in report.series
        ),
    )
    for series in report.series:
        for reason, count in series.reasons.items():
            console.print(f"Quarantined {series.series}: {count} because {reason.sentence}")
    if not report.changed:
        console.print("Nothing changed: these data were here already.")
    if update.scored is not None and update.marked is not None:
        console.print(
            f"Scored {update.scored.sessions} sessions: on {update.scored.latest} "
            f"{update.scored.etfs_scored} ETFs have a score. "
            f"Marked {update.marked.portfolios} portfolios."
        )
