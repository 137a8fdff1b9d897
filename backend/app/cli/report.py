"""`etftrader report`: one HTML file about a portfolio or a backtest, to be handed to somebody."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.app import new_app
from app.cli.asking import given, typed
from app.cli.backtest_options import BacktestId
from app.cli.failing import failures_in_one_sentence, say
from app.cli.output import print_line
from app.cli.performance import BenchmarkOption, EndOption, PeriodOption, StartOption
from app.cli.runtime import Context, PortfolioId, run
from app.cli.saving import ForceOption, require_folder, require_free, save
from app.schemas.report import BacktestFindings, PortfolioFindings, ReportAsked
from app.services import backtest_running, backtest_runs, reporting
from app.web import report

app = new_app("Write a report: one HTML file that needs nothing else, to be handed to somebody.")

OutOption = Annotated[Path, typer.Option(metavar="FILE", help="Where to write it.")]


@app.command()
def portfolio(
    portfolio_id: PortfolioId,
    *,
    out: OutOption,
    period: PeriodOption = None,
    start: StartOption = None,
    end: EndOption = None,
    benchmark: BenchmarkOption = None,
    force: ForceOption = False,
) -> None:
    """What a portfolio did, why, at which cost and risk, and how far that can be trusted."""
    options = typed(period=period, start=start, end=end, benchmark=benchmark)
    asked = given(ReportAsked, options)
    _require_free(out, force=force)

    async def command(context: Context) -> PortfolioFindings:
        _be_ready()
        found = await context.portfolio(portfolio_id)
        return await reporting.of_portfolio(
            context.session,
            context.resources.cache,
            await context.market_of(found),
            found,
            asked,
            now=context.now,
        )

    _save(report.of_portfolio(run(command)), out, force=force)


@app.command()
def backtest(backtest_id: BacktestId, *, out: OutOption, force: ForceOption = False) -> None:
    """What rules did over past sessions, and whether that can be believed."""
    _require_free(out, force=force)

    async def command(context: Context) -> BacktestFindings:
        _be_ready()
        owner_id = context.resources.owner_id
        found = await backtest_runs.found(context.session, owner_id, backtest_id)
        market = await context.market(found.market)
        return await reporting.of_backtest(
            context.session, context.resources.cache, market, found, now=context.now
        )

    _save(report.of_backtest(run(command)), out, force=force)


def _be_ready() -> None:
    """What makes factor scores is compiled once for each version of the program."""
    if not backtest_running.engine_is_compiled():
        say("Compiling the engine of backtests, once: half a minute or so ...")
        backtest_running.load_engine()


def _require_free(out: Path, *, force: bool) -> None:
    with failures_in_one_sentence():
        require_free(out, replace=force)
        require_folder(out)


def _save(page: str, out: Path, *, force: bool) -> None:
    with failures_in_one_sentence():
        save(page, out, replace=force)
    print_line(f"Wrote {len(page.encode()):,} bytes to {out}.")
