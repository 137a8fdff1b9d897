"""What made a return: `etftrader performance ID --attribution` and `backtest attribution ID`."""

from typing import Annotated

import typer

from app.cli.asking import given, typed
from app.cli.backtest_options import BacktestId
from app.cli.output import describe, percent, print_json, print_line, print_reasons, print_table
from app.cli.runtime import Context, JsonOption, run
from app.quant.periods import Period
from app.schemas.attribution import (
    AttributionRead,
    BacktestAttributionRead,
    ClassAttribution,
    FactorAttribution,
    Parts,
)
from app.schemas.base import Input
from app.schemas.blend import BlendText
from app.services import attribution, backtest_running, backtest_runs


class Against(Input):
    benchmark: BlendText | None = None


BlendOption = Annotated[
    str | None,
    typer.Option(
        "--benchmark",
        metavar="TICKER",
        help="What asset classes are held against, such as SPY or SPY:0.6,AGG:0.4; left out: its "
        "own, or the market's.",
    ),
]


def of_portfolio(portfolio_id: int, *, period: Period, benchmark: str | None, json: bool) -> None:
    against = given(Against, typed(benchmark=benchmark)).benchmark

    async def command(context: Context) -> AttributionRead:
        portfolio = await context.portfolio(portfolio_id)
        market = await context.market_of(portfolio)
        return await attribution.attribute(
            context.session, market, portfolio, period=period, benchmark=against, now=context.now
        )

    answer = run(command)
    if json:
        print_json(answer)
        return
    print_line(
        f"Portfolio {answer.portfolio_id}, {answer.period}: {answer.start} to {answer.end} "
        f"({describe(answer)})"
    )
    if answer.replay_note:
        print_line(answer.replay_note)
    _print_parts(answer)


def of_backtest(
    backtest_id: BacktestId, benchmark: BlendOption = None, json: JsonOption = False
) -> None:
    """What made a run's return: by position, by factor and by asset class."""
    against = given(Against, typed(benchmark=benchmark)).benchmark

    async def command(context: Context) -> BacktestAttributionRead:
        found = await backtest_runs.found(context.session, context.resources.owner_id, backtest_id)
        market = await context.market(found.market)
        backtest_running.load_engine()
        return await attribution.attribute_backtest(
            market, found, benchmark=against, now=context.now
        )

    answer = run(command)
    if json:
        print_json(answer)
        return
    print_line(
        f"Backtest {answer.backtest_id}: {answer.start} to {answer.end} ({describe(answer)})"
    )
    _print_parts(answer)


def _print_parts(found: Parts) -> None:
    if found.positions is not None:
        _print_positions(found)
    if found.factors is not None:
        _print_factors(found.factors, found.total)
    if found.asset_classes is not None:
        _print_classes(found.asset_classes)
    print_reasons(found.reasons)


def _print_positions(found: Parts) -> None:
    print_table(
        f"What made the return of {percent(found.total)}, by position",
        ("ticker", "name", "asset class", "contribution"),
        [
            *(
                (row.ticker, row.name, row.asset_class, percent(row.contribution))
                for row in found.positions or ()
            ),
            ("costs", None, None, percent(found.costs)),
            ("cash", None, None, percent(found.cash)),
            ("total", None, None, percent(found.total)),
        ],
    )


def _print_factors(found: FactorAttribution, total: float | None) -> None:
    print_line()
    print_table(
        "By factor",
        ("part", "contribution", "mean exposure", "latest exposure"),
        [
            ("market", percent(found.market), found.market_exposure, None),
            *(
                (row.name, percent(row.contribution), row.exposure, row.latest_exposure)
                for row in found.factors
            ),
            ("selection", percent(found.selection), None, None),
            ("costs", percent(found.costs), None, None),
            ("cash", percent(found.cash), None, None),
            ("total", percent(total), None, None),
        ],
    )
    print_line(
        f"Held without a score: {percent(found.unscored_weight)} of the portfolio on average. "
        f"Sessions without factor returns: {found.unexplained_sessions}. Both count to selection."
    )


def _print_classes(found: ClassAttribution) -> None:
    blend = ", ".join(f"{part.ticker} {part.weight:.0%}" for part in found.benchmark)
    print_line()
    print_table(
        f"By asset class, against {blend}: {percent(found.active)} above its "
        f"{percent(found.benchmark_return)}",
        ("asset class", "weight", "benchmark", "allocation", "selection", "interaction"),
        [
            *(
                (
                    row.asset_class,
                    percent(row.weight),
                    percent(row.benchmark_weight),
                    percent(row.allocation),
                    percent(row.selection),
                    percent(row.interaction),
                )
                for row in found.classes
            ),
            (
                "all",
                None,
                None,
                percent(found.allocation),
                percent(found.selection),
                percent(found.interaction),
            ),
        ],
    )
    print_line(
        f"Trading within sessions {percent(found.trading)}, interest {percent(found.interest)}, "
        f"costs {percent(found.costs)}."
    )
