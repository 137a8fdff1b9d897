"""`etftrader performance`: how a portfolio did, and what made its return."""

from typing import Annotated

import typer

from app.cli import attribution as attributing
from app.cli.app import new_app
from app.cli.asking import given
from app.cli.output import (
    describe,
    percent,
    print_facts,
    print_json,
    print_line,
    print_reasons,
    print_table,
)
from app.cli.runtime import Context, JsonOption, PortfolioId, run
from app.quant.periods import Period
from app.schemas.base import Input, Ticker
from app.schemas.performance import BenchmarkRead, MetricsRead, PerformanceRead, PeriodRead
from app.services import performance as measuring

app = new_app()

PERCENTAGES = (
    *("total_return", "money_weighted_return", "cagr", "volatility", "max_drawdown", "win_rate"),
    *("var_95", "var_99", "cvar_95", "cvar_99", "alpha", "tracking_error"),
)
RATIOS = (
    *("sharpe", "sortino", "calmar", "skew", "kurtosis"),
    *("beta", "information_ratio", "up_capture", "down_capture"),
)


class Against(Input):
    benchmark: Ticker | None = None


@app.command()
def performance(
    portfolio_id: PortfolioId,
    period: Annotated[
        Period, typer.Option(help="Counted back from the last close; ALL is the whole life.")
    ] = Period.ALL,
    benchmark: Annotated[
        str | None, typer.Option(metavar="TICKER", help="Left out: its own, or the market's.")
    ] = None,
    attribution: Annotated[
        bool, typer.Option("--attribution", help="Say what made the return instead.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Return, risk and benchmark statistics of a period.

    With --attribution the period's return by position, by factor, and by asset class against the
    benchmark, which may be a blend such as SPY:0.6,AGG:0.4; the parts add up to the total.
    """
    if attribution:
        attributing.of_portfolio(portfolio_id, period=period, benchmark=benchmark, json=json)
        return
    against = given(Against, {"benchmark": benchmark}).benchmark

    async def command(context: Context) -> PerformanceRead:
        session, now = context.session, context.now
        portfolio = await context.portfolio(portfolio_id)
        market = await context.market_of(portfolio)
        return await measuring.measure(
            session, market, portfolio, period=period, benchmark=against, now=now
        )

    answer = run(command)
    if json:
        print_json(answer)
    else:
        _show(answer)


def _show(found: PerformanceRead) -> None:
    _show_period(found)
    print_facts(
        (
            ("start value", found.start_value),
            ("end value", found.end_value),
            ("net flow", found.net_flow),
            ("profit", found.profit),
            ("costs", found.costs),
        )
    )
    _show_metrics(found.metrics, found.benchmark)
    _show_extremes(found.metrics)
    print_reasons({**found.reasons, **found.metrics.reasons})


def _show_metrics(metrics: MetricsRead, against: BenchmarkRead | None) -> None:
    rows = [
        (name.replace("_", " "), _cell(metrics, name), _cell(against, name))
        for name in (*PERCENTAGES, *RATIOS)
    ]
    known = [row for row in rows if row[1:] != (None, None)]
    if known:
        print_line()
        columns = ("metric", "portfolio", against.ticker if against else "benchmark")
        print_table(f"Sessions with a return: {metrics.observations}", columns, known)


def _cell(metrics: MetricsRead | BenchmarkRead | None, name: str) -> object:
    value = getattr(metrics, name, None)
    return percent(value) if name in PERCENTAGES else value


def _show_extremes(metrics: MetricsRead) -> None:
    worst = metrics.worst_drawdown
    if worst is not None:
        recovered = f"recovered on {worst.recovery}" if worst.recovery else "not recovered yet"
        print_line(
            f"Worst drawdown {worst.depth:.2%} from {worst.peak} to {worst.trough}, {recovered}."
        )
    for name in ("best_day", "worst_day", "best_month", "worst_month"):
        extreme = getattr(metrics, name)
        if extreme is not None:
            words = name.replace("_", " ").capitalize()
            print_line(f"{words} {extreme.value:.2%}, ended on {extreme.on}.")


def _show_period(found: PeriodRead) -> None:
    print_line(
        f"Portfolio {found.portfolio_id}, {found.period}: {found.start} to {found.end} "
        f"({describe(found)})"
    )
    if found.replay_note:
        print_line(found.replay_note)
