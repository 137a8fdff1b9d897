"""What made a return: `etftrader performance ... --attribution`."""

from app.cli.failing import say
from app.cli.output import describe, percent, print_json, print_line, print_reasons, print_table
from app.cli.runtime import Context, run
from app.schemas.attribution import (
    AttributionAsked,
    AttributionRead,
    BacktestAttributionRead,
    ClassAttribution,
    FactorAttribution,
    Parts,
)
from app.schemas.performance import SpanRead
from app.services import attribution, backtest_running, backtest_runs

MOST_POSITIONS = 40


def of_portfolio(portfolio_id: int, asked: AttributionAsked, *, json: bool) -> None:
    async def command(context: Context) -> AttributionRead:
        portfolio = await context.portfolio(portfolio_id)
        market = await context.market_of(portfolio)
        return await attribution.attribute(
            context.session, market, portfolio, asked, now=context.now
        )

    answer = run(command)
    if json:
        print_json(answer)
        return
    print_line(f"Portfolio {answer.portfolio_id}, {_span(answer)} ({describe(answer)})")
    if answer.replay_note:
        print_line(answer.replay_note)
    _print_parts(answer)


def of_backtest(backtest_id: int, asked: AttributionAsked, *, json: bool) -> None:
    async def command(context: Context) -> BacktestAttributionRead:
        owner_id = context.resources.owner_id
        found = await backtest_runs.found(context.session, owner_id, backtest_id)
        market = await context.market(found.market)
        if not backtest_running.engine_is_compiled():
            say("Compiling the engine of backtests, once: half a minute or so ...")
        backtest_running.load_engine()
        return await attribution.attribute_backtest(market, found, asked, now=context.now)

    answer = run(command)
    if json:
        print_json(answer)
        return
    print_line(f"Backtest {answer.backtest_id}, {_span(answer)} ({describe(answer)})")
    _print_parts(answer)


def _span(answer: SpanRead) -> str:
    days = f"{answer.start} to {answer.end}"
    return days if answer.period is None else f"{answer.period}: {days}"


def _print_parts(found: Parts) -> None:
    if found.positions is not None:
        _print_positions(found)
    if found.factors is not None:
        _print_factors(found.factors, found.total)
    if found.asset_classes is not None:
        _print_classes(found.asset_classes)
    print_reasons(found.reasons)


def _print_positions(found: Parts) -> None:
    rows = found.positions or []
    if len(rows) > MOST_POSITIONS:
        half = MOST_POSITIONS // 2
        print_line(f"The {half} best and {half} worst of {len(rows)} positions; --json has all.")
        rows = [*rows[:half], *rows[-half:]]
    print_table(
        f"What made the return of {percent(found.total)}, by position",
        ("ticker", "name", "asset class", "contribution"),
        [
            *((row.ticker, row.name, row.asset_class, percent(row.contribution)) for row in rows),
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
        f"By asset class, against {blend}, which returned {percent(found.benchmark_return)}: a "
        f"difference of {percent(found.active)}",
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
