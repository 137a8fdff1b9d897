"""`etftrader risk`: stops, drawdown, and the risk of what is held or of what a backtest held."""

from typing import Annotated

import typer

from app.cli.app import new_app
from app.cli.output import print_json
from app.cli.risk_tables import print_risk
from app.cli.runtime import MAX_ID, Context, JsonOption, run
from app.schemas.risk import BacktestRiskRead, RiskRead
from app.services import backtest_risk, backtest_runs
from app.services import risk as assessing

app = new_app()


@app.command()
def risk(
    portfolio_id: Annotated[
        int | None,
        typer.Argument(
            min=1, max=MAX_ID, metavar="[ID]", help="As 'etftrader portfolio list' shows it."
        ),
    ] = None,
    *,
    backtest: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_ID, metavar="ID", help="Of this backtest, not of a portfolio."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Where every position stands against its stop, what the weights risk, and what was promised.

    Of a backtest: what it held at its end, and the returns that it made.
    """
    if (portfolio_id is None) == (backtest is None):
        raise typer.BadParameter("give the id of a portfolio, or --backtest ID")
    answer: RiskRead | BacktestRiskRead
    if portfolio_id is not None:
        answer = run(lambda context: _of_portfolio(context, portfolio_id))
    else:
        assert backtest is not None
        answer = run(lambda context: _of_backtest(context, backtest))
    if json:
        print_json(answer)
    else:
        print_risk(answer)


async def _of_portfolio(context: Context, portfolio_id: int) -> RiskRead:
    portfolio = await context.portfolio(portfolio_id)
    market = await context.market_of(portfolio)
    return await assessing.assess(context.session, market, portfolio, now=context.now)


async def _of_backtest(context: Context, backtest_id: int) -> BacktestRiskRead:
    row = await backtest_runs.found(context.session, context.resources.owner_id, backtest_id)
    market = await context.resources.market_data.snapshot(context.session, row.market)
    return await backtest_risk.assess(market, row, now=context.now)
