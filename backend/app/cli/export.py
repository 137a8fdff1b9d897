"""`etftrader export`: the series of a portfolio or a backtest as tables to compute with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from app.cli.app import new_app
from app.cli.asking import given
from app.cli.backtest_options import BacktestId
from app.cli.failing import failures_in_one_sentence, say
from app.cli.output import print_line
from app.cli.runtime import Context, PortfolioId, run
from app.cli.saving import ForceOption, require_folder, require_free, save
from app.quant.periods import Period
from app.schemas.attribution import AttributionAsked
from app.services import backtest_runs, exporting
from app.services.exporting import Book, Exported, Format, Run, Series

app = new_app("Write the series of a portfolio or a backtest as CSV or Parquet; money is exact.")

Asked = TypeVar("Asked", Book, Run)

OutOption = Annotated[
    Path,
    typer.Option(
        metavar="FILE_OR_FOLDER", help="The file of one series, or the folder of all of them."
    ),
]
SeriesOption = Annotated[
    str | None, typer.Option("--series", metavar="NAME", help="Left out: all, a file for each.")
]
FormOption = Annotated[Format, typer.Option("--format", help="What to write.")]


@app.command()
def portfolio(
    portfolio_id: PortfolioId,
    *,
    out: OutOption,
    series: SeriesOption = None,
    form: FormOption = Format.CSV,
    period: Annotated[
        Period, typer.Option(help="Counted back from the last close; ALL is the whole life.")
    ] = Period.ALL,
    benchmark: Annotated[
        str | None, typer.Option(metavar="TICKER", help="Left out: its own, or the market's.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """The series of a portfolio: values by day, trades, contributions and more."""
    offered = exporting.OF_PORTFOLIOS
    against = given(AttributionAsked, {"benchmark": benchmark}).benchmark
    files = _files(offered, series, out, form)
    _require_free(files, force=force)

    async def command(context: Context) -> Exported:
        found = await context.portfolio(portfolio_id)
        market = await context.market_of(found)
        book = Book(context.session, market, found, period, against, context.now)
        return await _exported(offered, book, form, series)

    _save(run(command), files, force=force)


@app.command()
def backtest(
    backtest_id: BacktestId,
    *,
    out: OutOption,
    series: SeriesOption = None,
    form: FormOption = Format.CSV,
    force: ForceOption = False,
) -> None:
    """The series of a backtest: its curve, trades, months and more."""
    offered: Mapping[str, Series[Run]] = exporting.OF_BACKTESTS
    files = _files(offered, series, out, form)
    _require_free(files, force=force)

    async def command(context: Context) -> Exported:
        owner_id = context.resources.owner_id
        row = await backtest_runs.found(context.session, owner_id, backtest_id)
        asked = Run(await context.market(row.market), row, context.now)
        return await _exported(offered, asked, form, series)

    _save(run(command), files, force=force)


async def _exported(
    offered: Mapping[str, Series[Asked]], asked: Asked, form: Format, wanted: str | None
) -> Exported:
    if wanted is None:
        return await exporting.export_all(offered, asked, form)
    return Exported({wanted: await exporting.export(offered, wanted, asked, form)}, {})


def _files(
    offered: Mapping[str, Series[Asked]], wanted: str | None, out: Path, form: Format
) -> dict[str, Path]:
    """Where each series goes. Exit code 2 for a series that there is not."""
    if wanted is None:
        return {name: out / f"{name}.{form}" for name in offered}
    if wanted not in offered:
        raise typer.BadParameter(
            f"no such series; there are {', '.join(offered)}", param_hint="--series"
        )
    return {wanted: out}


def _require_free(files: Mapping[str, Path], *, force: bool) -> None:
    with failures_in_one_sentence():
        for file in files.values():
            require_free(file, replace=force)
            if len(files) == 1:
                require_folder(file)


def _save(found: Exported, files: Mapping[str, Path], *, force: bool) -> None:
    with failures_in_one_sentence():
        for name, content in found.contents.items():
            if len(files) > 1:
                files[name].parent.mkdir(parents=True, exist_ok=True)
            save(content, files[name], replace=force)
            print_line(f"Wrote {len(content):,} bytes to {files[name]}.")
    for name, why in found.left_out.items():
        old = f" {files[name]} is from before." if files[name].exists() else ""
        say(f"Left out {name}: {why}.{old}")
