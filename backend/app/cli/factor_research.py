"""`etftrader factors research`: whether a factor says anything about the returns to come."""

from collections.abc import Iterable
from typing import Annotated

import typer

from app.cli.asking import given, typed
from app.cli.failing import say
from app.cli.output import (
    Figure,
    describe,
    percent,
    print_json,
    print_line,
    print_reasons,
    print_table,
)
from app.cli.runtime import Context, JsonOption, MarketOption, run
from app.quant.periods import Period
from app.quant.research.forward import Entry
from app.schemas.research import (
    AverageRead,
    FactorName,
    FactorQuestion,
    FactorResearchRead,
    HorizonRead,
    OtherName,
    PartHorizonRead,
)
from app.services import backtest_running
from app.services import research as researching

NameArgument = Annotated[
    FactorName, typer.Argument(metavar="NAME", help="A registered factor, or composite.")
]
PeriodOption = Annotated[
    Period | None, typer.Option(help="Counted back from the last close; left out: ALL.")
]
HorizonOption = Annotated[
    list[int] | None,
    typer.Option(metavar="SESSIONS", help="As often as needed; left out: 1, 5, 21, 63, 126."),
]
QuantilesOption = Annotated[int | None, typer.Option(help="Left out: 5.")]
OtherOption = Annotated[
    list[OtherName] | None,
    typer.Option(help="A factor to examine it with; left out: the market's four."),
]
EntryOption = Annotated[
    Entry | None, typer.Option(help="At which price after the score; left out: next_close.")
]
CapitalOption = Annotated[
    float | None, typer.Option(metavar="USD", help="On each side; left out: 1000000.")
]
SeriesOption = Annotated[
    bool, typer.Option("--series", help="With --json: rank IC and spread of every session too.")
]


def research(
    name: NameArgument,
    *,
    period: PeriodOption = None,
    horizon: HorizonOption = None,
    quantiles: QuantilesOption = None,
    other: OtherOption = None,
    entry: EntryOption = None,
    capital: CapitalOption = None,
    series: SeriesOption = False,
    market: MarketOption = None,
    json: JsonOption = False,
) -> None:
    """Whether a factor ranked the returns that followed: rank IC, quantiles, turnover and costs.

    Returns begin at the price of the session after the score. Errors allow for returns that
    overlap.
    """
    asked = typed(
        market=market,
        period=period,
        horizons=tuple(horizon) if horizon else None,
        quantiles=quantiles,
        others=tuple(other) if other else None,
        entry=entry,
        capital=capital,
        series=series or None,
    )
    question = given(FactorQuestion, asked)

    async def command(context: Context) -> FactorResearchRead:
        found = await context.market(question.market)
        if not backtest_running.engine_is_compiled():
            say("Compiling, once: half a minute or so ...")
            backtest_running.load_engine()
        ask = researching.ask(found, context.resources.settings, name, question)
        return researching.examine(ask, now=context.now)

    answer = run(command)
    if json:
        print_json(answer)
    else:
        _show(answer)


def _show(found: FactorResearchRead) -> None:
    print_line(
        f"{found.factor}: {found.about}. {found.sessions} sessions with scores, {found.start} to "
        f"{found.end} ({describe(found)})"
    )
    for note in found.notes:
        print_line(note)
    _show_ics(found)
    _show_quantiles(found)
    _show_spreads(found)
    _show_costs(found)
    _show_persistence(found)
    _show_others(found)
    _show_parts(found)


def _show_ics(found: FactorResearchRead) -> None:
    print_line()
    print_table(
        "Rank IC by horizon",
        ("sessions", "IC", "deviation", "IR", "error", "t", "95 % from", "to", "not over"),
        (
            (
                each.horizon,
                each.ic.mean,
                each.ic.deviation,
                each.ic.ratio,
                each.ic.error,
                _two(each.ic.t),
                each.ic.low,
                each.ic.high,
                each.incomplete,
            )
            for each in found.horizons
        ),
    )
    _show_reasons((each.horizon, each.ic) for each in found.horizons)


def _show_quantiles(found: FactorResearchRead) -> None:
    print_line()
    rising = [each.monotonicity for each in found.horizons]
    print_table(
        "Mean return by quantile and horizon, Q1 the lowest scores",
        ("quantile", *(str(each.horizon) for each in found.horizons)),
        [
            *(
                (
                    f"Q{place + 1}",
                    *(_fine(each.quantiles[place].returns.mean) for each in found.horizons),
                )
                for place in range(found.quantiles)
            ),
            ("rank correlation", *(_two(each.rank_correlation) for each in rising)),
            ("p if not rising", *(_two(each.p_value) for each in rising)),
        ],
    )


def _show_spreads(found: FactorResearchRead) -> None:
    print_line()
    print_table(
        "Spread, the highest less the lowest quantile",
        ("sessions", "spread", "error", "t", "95 % from", "to", "a year"),
        (
            (
                each.horizon,
                _fine(each.spread.mean),
                _fine(each.spread.error),
                _two(each.spread.t),
                _fine(each.spread.low),
                _fine(each.spread.high),
                percent(each.spread_yearly),
            )
            for each in found.horizons
        ),
    )


def _show_costs(found: FactorResearchRead) -> None:
    print_line()
    print_table(
        "After costs, held for the horizon",
        ("sessions", "traded", "cost", "net", "error", "t", "break-even"),
        (
            (
                each.horizon,
                percent(each.after_costs.traded),
                _fine(each.after_costs.cost),
                _fine(each.after_costs.net.mean),
                _fine(each.after_costs.net.error),
                _two(each.after_costs.net.t),
                _fine(each.after_costs.break_even),
            )
            for each in found.horizons
        ),
    )


def _show_persistence(found: FactorResearchRead) -> None:
    print_line()
    print_table(
        "The score against its own past",
        ("sessions", "rank autocorrelation", "new in Q1", f"new in Q{found.quantiles}"),
        (
            (
                each.lag,
                each.autocorrelation,
                percent(each.turnover_bottom),
                percent(each.turnover_top),
            )
            for each in found.persistence.lags
        ),
    )
    if found.persistence.half_life is not None:
        print_line(f"Half-life {found.persistence.half_life:.0f} sessions.")
    print_reasons(found.persistence.reasons)


def _show_others(found: FactorResearchRead) -> None:
    each = _middle(found.horizons)
    if each.coefficients:
        print_line()
        print_table(
            f"Return of one deviation more, {each.horizon} sessions",
            ("factor", "alone", "t", "together", "error", "t together"),
            (
                (
                    one.factor,
                    _fine(one.alone.mean),
                    _two(one.alone.t),
                    _fine(one.together.mean),
                    _fine(one.together.error),
                    _two(one.together.t),
                )
                for one in each.coefficients
            ),
        )
    print_line()
    print_table(
        "Correlation of scores",
        ("factor", *found.correlations.factors),
        (
            (factor, *(_two(value) for value in row))
            for factor, row in zip(
                found.correlations.factors, found.correlations.matrix, strict=True
            )
        ),
    )
    if each.interactions:
        print_line()
        print_table(
            f"Spread of thirds of {found.factor} within thirds of another, {each.horizon} sessions",
            ("other", "lowest", "middle", "highest", "difference", "t"),
            (
                (
                    one.other,
                    *(_fine(spread.mean) for spread in one.spreads),
                    _fine(one.difference.mean),
                    _two(one.difference.t),
                )
                for one in each.interactions
            ),
        )


def _show_parts(found: FactorResearchRead) -> None:
    place = found.horizons.index(_middle(found.horizons))
    horizon = found.horizons[place].horizon
    columns = ("sessions", "ETFs", "IC", "t", "spread", "t spread")
    print_line()
    print_table(
        f"By asset class, {horizon} sessions",
        ("asset class", *columns),
        (
            (each.asset_class, each.sessions, _whole(each.etfs), *_part(each.horizons[place]))
            for each in found.asset_classes
        ),
    )
    print_line()
    print_table(
        f"By regime of the volatility index at the score, {horizon} sessions",
        ("regime", "spells", *columns),
        (
            (
                each.regime,
                each.spells,
                each.sessions,
                _whole(each.etfs),
                *_part(each.horizons[place]),
            )
            for each in found.regimes
        ),
    )


def _part(found: PartHorizonRead) -> tuple[object, ...]:
    return (
        found.ic.mean,
        _two(found.ic.t),
        _fine(found.spread.mean),
        _two(found.spread.t),
    )


def _middle(horizons: list[HorizonRead]) -> HorizonRead:
    """The one that tables with one horizon show; JSON has all."""
    return horizons[len(horizons) // 2]


def _show_reasons(averages: Iterable[tuple[int, AverageRead]]) -> None:
    for horizon, each in averages:
        if each.reasons:
            reason = next(iter(each.reasons.values()))
            print_line(f"{horizon} sessions: {reason}.")


def _fine(value: float | None) -> Figure | None:
    """Returns of a session are hundredths of a percent."""
    return None if value is None else Figure(f"{value:z.3%}")


def _two(value: float | None) -> Figure | None:
    return None if value is None else Figure(f"{value:z.2f}")


def _whole(value: float | None) -> Figure | None:
    return None if value is None else Figure(f"{value:.0f}")
