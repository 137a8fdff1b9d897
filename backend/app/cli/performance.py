"""`etftrader performance`: how a portfolio, a backtest or a file's series did, and why."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from app.cli import attribution as attributing
from app.cli import performance_tables
from app.cli.app import new_app
from app.cli.asking import given, typed
from app.cli.output import print_json
from app.cli.performance_files import columns_of
from app.cli.runtime import MAX_ID, Context, JsonOption, MarketOption, run
from app.quant.benchmarks import Rebalanced
from app.quant.periods import Period
from app.schemas.attribution import AttributionAsked
from app.schemas.performance import (
    BacktestPerformanceRead,
    PerformanceRead,
    SeriesPerformanceRead,
)
from app.schemas.performance_asked import PerformanceAsked, SeriesIn
from app.services import backtest_performance, backtest_runs, series_performance
from app.services import performance as measuring

app = new_app()


Answer: TypeAlias = PerformanceRead | BacktestPerformanceRead | SeriesPerformanceRead
Id = Annotated[
    int | None,
    typer.Argument(
        min=1, max=MAX_ID, metavar="[ID]", help="As 'etftrader portfolio list' shows it."
    ),
]
BacktestOption = Annotated[
    int | None,
    typer.Option(min=1, max=MAX_ID, metavar="ID", help="A backtest instead of a portfolio."),
]
FileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.csv",
        help="A series instead: date, and value (with or without flow) or return.",
    ),
]
PeriodOption = Annotated[
    Period | None, typer.Option(help="Counted back from the end; left out: the whole life.")
]
StartOption = Annotated[str | None, typer.Option(metavar="DATE", help="The close to begin at.")]
EndOption = Annotated[str | None, typer.Option(metavar="DATE", help="Left out: the last close.")]
BenchmarkOption = Annotated[
    str | None,
    typer.Option(
        metavar="TICKER",
        help="Or a blend such as SPY:0.6,AGG:0.4. Left out: its own, or the market's.",
    ),
]
RebalancedOption = Annotated[
    Rebalanced | None, typer.Option(help="When a blend is put back to its weights.")
]
WindowOption = Annotated[
    int | None, typer.Option(metavar="SESSIONS", help="Of the rolling figures.")
]
RateOption = Annotated[
    float | None, typer.Option(metavar="RATE", help="Risk-free, yearly; of a file alone.")
]


@app.command()
def performance(
    portfolio_id: Id = None,
    *,
    backtest: BacktestOption = None,
    file: FileOption = None,
    period: PeriodOption = None,
    start: StartOption = None,
    end: EndOption = None,
    benchmark: BenchmarkOption = None,
    rebalanced: RebalancedOption = None,
    window: WindowOption = None,
    risk_free_rate: RateOption = None,
    market: MarketOption = None,
    attribution: Annotated[
        bool, typer.Option("--attribution", help="Say what made the return instead.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Return, risk, costs and benchmark of a period of a portfolio, a backtest or a file.

    With --attribution the period's return by position, by factor, and by asset class against the
    benchmark, which may be a blend such as SPY:0.6,AGG:0.4; the parts add up to the total.
    """
    _require_one(portfolio_id, backtest, file)
    wanted = typed(period=period, start=start, end=end, benchmark=benchmark)
    wanted |= typed(rebalanced=rebalanced, window=window)
    about = typed(risk_free_rate=risk_free_rate, market=market)
    answer: Answer
    if attribution and file is not None:
        raise typer.BadParameter("--attribution needs holdings, and a file has none")
    if file is not None:
        series = given(SeriesIn, {**wanted, **about, **columns_of(file)})
        answer = run(lambda context: _of_series(context, series))
    elif about:
        raise typer.BadParameter("--risk-free-rate and --market are about a --file")
    elif attribution:
        _attribute(portfolio_id, backtest, wanted, json=json)
        return
    else:
        answer = run(_measured(portfolio_id, backtest, given(PerformanceAsked, wanted)))
    if json:
        print_json(answer)
    else:
        performance_tables.show(answer)


def _require_one(*named: object) -> None:
    if sum(each is not None for each in named) != 1:
        raise typer.BadParameter("name one: the ID of a portfolio, --backtest or --file")


def _measured(
    portfolio_id: int | None, backtest_id: int | None, asked: PerformanceAsked
) -> Callable[[Context], Awaitable[Answer]]:
    async def command(context: Context) -> Answer:
        session, now = context.session, context.now
        if backtest_id is not None:
            kept = await backtest_runs.found(session, context.resources.owner_id, backtest_id)
            market = await context.market(kept.market)
            return await backtest_performance.measure(market, kept, asked, now=now)
        assert portfolio_id is not None
        portfolio = await context.portfolio(portfolio_id)
        market = await context.market_of(portfolio)
        return await measuring.measure(session, market, portfolio, asked, now=now)

    return command


async def _of_series(context: Context, series: SeriesIn) -> Answer:
    market = None if series.benchmark is None else await context.market(series.market)
    return series_performance.measure(market, series, now=context.now)


def _attribute(
    portfolio_id: int | None, backtest_id: int | None, wanted: Mapping[str, object], *, json: bool
) -> None:
    if {"rebalanced", "window"} & set(wanted):
        raise typer.BadParameter(
            "--attribution restores a blend every session and has no rolling figures: leave out "
            "--rebalanced and --window"
        )
    asked = given(AttributionAsked, wanted)
    if backtest_id is not None:
        attributing.of_backtest(backtest_id, asked, json=json)
    elif portfolio_id is not None:
        attributing.of_portfolio(portfolio_id, asked, json=json)
