"""`etftrader risk`: stops, drawdown, and the risk of what is held or of what a backtest held."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.app import new_app
from app.cli.asking import given, typed
from app.cli.failing import say
from app.cli.output import print_json
from app.cli.performance_files import columns_of
from app.cli.risk_tables import Answer, print_risk
from app.cli.runtime import MAX_ID, Context, JsonOption, MarketOption, run
from app.quant.benchmarks import Rebalanced
from app.quant.periods import Period
from app.schemas.performance_asked import SeriesIn
from app.schemas.risk import BacktestRiskRead, RiskRead, SeriesRiskAnswer
from app.services import backtest_risk, backtest_running, backtest_runs, series_risk
from app.services import risk as assessing

app = new_app()


PortfolioId = Annotated[
    int | None,
    typer.Argument(
        min=1, max=MAX_ID, metavar="[ID]", help="As 'etftrader portfolio list' shows it."
    ),
]
BacktestOption = Annotated[
    int | None,
    typer.Option(min=1, max=MAX_ID, metavar="ID", help="Of this backtest, not of a portfolio."),
]
FileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.csv",
        help="Of a series instead: date, and value (with or without flow) or return.",
    ),
]
BenchmarkOption = Annotated[
    str | None, typer.Option(metavar="TICKER", help="Or a blend; of a file alone.")
]
RebalancedOption = Annotated[
    Rebalanced | None,
    typer.Option(help="When a blend is put back to its weights; of a file alone."),
]
PeriodOption = Annotated[
    Period | None, typer.Option(help="Counted back from the end; of a file alone.")
]
StartOption = Annotated[
    str | None, typer.Option(metavar="DATE", help="The close to begin at; of a file alone.")
]
EndOption = Annotated[
    str | None, typer.Option(metavar="DATE", help="The last close; of a file alone.")
]


@app.command()
def risk(
    portfolio_id: PortfolioId = None,
    *,
    backtest: BacktestOption = None,
    file: FileOption = None,
    benchmark: BenchmarkOption = None,
    rebalanced: RebalancedOption = None,
    period: PeriodOption = None,
    start: StartOption = None,
    end: EndOption = None,
    market: MarketOption = None,
    json: JsonOption = False,
) -> None:
    """Where every position stands against its stop, what the weights risk, and what was promised.

    Of a backtest: what it held at its end, and the returns that it made. Of a file: its returns.
    """
    if sum(each is not None for each in (portfolio_id, backtest, file)) != 1:
        raise typer.BadParameter("name one: the ID of a portfolio, --backtest or --file")
    about = typed(
        benchmark=benchmark,
        rebalanced=rebalanced,
        period=period,
        start=start,
        end=end,
        market=market,
    )
    if about and file is None:
        raise typer.BadParameter(
            "--benchmark, --rebalanced, --period, --start, --end, --market need a --file"
        )
    answer: Answer
    if portfolio_id is not None:
        answer = run(lambda context: _of_portfolio(context, portfolio_id))
    elif backtest is not None:
        answer = run(lambda context: _of_backtest(context, backtest))
    else:
        assert file is not None
        series = given(SeriesIn, {**about, **columns_of(file)})
        answer = run(lambda context: _of_series(context, series))
    if json:
        print_json(answer)
    else:
        print_risk(answer)


async def _of_series(context: Context, series: SeriesIn) -> SeriesRiskAnswer:
    market = None if series.benchmark is None else await context.market(series.market)
    return series_risk.assess(market, series, now=context.now)


def _have_scores_at_hand() -> None:
    """Factor risk is made from the scores of every session."""
    if not backtest_running.engine_is_compiled():
        say("Compiling what makes scores, once: half a minute or so ...")
        backtest_running.load_engine()


async def _of_portfolio(context: Context, portfolio_id: int) -> RiskRead:
    portfolio = await context.portfolio(portfolio_id)
    _have_scores_at_hand()
    market = await context.market_of(portfolio)
    return await assessing.assess(context.session, market, portfolio, now=context.now)


async def _of_backtest(context: Context, backtest_id: int) -> BacktestRiskRead:
    row = await backtest_runs.found(context.session, context.resources.owner_id, backtest_id)
    _have_scores_at_hand()
    market = await context.resources.market_data.snapshot(context.session, row.market)
    return await backtest_risk.assess(market, row, now=context.now)
