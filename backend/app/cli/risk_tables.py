"""The tables of `etftrader risk`."""

from collections.abc import Sequence
from typing import TypeAlias

from app.cli.output import (
    Figure,
    describe,
    percent,
    print_facts,
    print_line,
    print_reasons,
    print_table,
)
from app.schemas.risk import BacktestRiskRead, RiskRead, SeriesRiskAnswer, VixRead
from app.schemas.risk_parts import (
    CorrelationsRead,
    FactorRiskRead,
    LiquidityRead,
    ReplayRead,
    SeriesRiskRead,
    TailRead,
)

Held: TypeAlias = RiskRead | BacktestRiskRead
Answer: TypeAlias = Held | SeriesRiskAnswer


def print_risk(found: Answer) -> None:
    if isinstance(found, SeriesRiskAnswer):
        _print_file(found)
    else:
        _print_held(found)


def _print_file(found: SeriesRiskAnswer) -> None:
    print_line(f"{found.name or 'The series'}, {found.start} to {found.end}")
    facts: list[tuple[str, object]] = [("drawdown", percent(found.drawdown))]
    if found.benchmark is not None:
        facts.append((f"beta to {found.benchmark}", _beta(found.beta, found.beta_error)))
    print_facts(facts)
    _print_series("Its returns", found.own)
    if found.benchmark is None:
        return
    print_reasons(found.reasons)


def _print_held(found: Held) -> None:
    whose = (
        f"Portfolio {found.portfolio_id}"
        if isinstance(found, RiskRead)
        else f"Backtest {found.backtest_id}"
    )
    print_line(f"{whose} ({describe(found)})")
    _print_facts(found)
    if found.vix.warning:
        print_line(found.vix.warning)
    if found.positions:
        print_line()
        _print_positions(found)
    _print_stops(found)
    _print_series("Today's weights through the past", found.held)
    _print_series("The returns that were made", found.own)
    _print_correlations(found.correlations)
    _print_factors(found.factor_risk)
    _print_liquidity(found.liquidity)
    _print_replays(found.replays or [])
    _print_shocks(found)
    if isinstance(found, BacktestRiskRead):
        for note in found.notes:
            print_line(note)
    print_reasons(found.reasons)


def _print_facts(found: Held) -> None:
    print_facts(
        (
            ("VIX", _vix(found.vix)),
            ("stop", f"{found.vix.threshold:.0%}{' trailing' if found.trailing_stop else ''}"),
            ("total value", found.total_value),
            ("cash weight", percent(found.cash_weight)),
            ("drawdown", percent(found.portfolio_drawdown)),
            ("volatility", percent(found.volatility)),
            (f"beta to {found.benchmark}", _beta(found.beta, found.beta_error)),
            ("VaR 95 % / 99 %", _pair(found.var_95, found.var_99)),
            ("CVaR 95 % / 99 %", _pair(found.cvar_95, found.cvar_99)),
            ("like equal positions", found.concentration.effective_number),
            ("like uncorrelated bets", found.concentration.effective_bets),
        )
    )


def _print_positions(found: Held) -> None:
    parts = {row.ticker: row for row in found.contributions or ()}
    days = {row.ticker: row.days for row in found.liquidity.positions} if found.liquidity else {}
    print_table(
        f"{len(found.positions or ())} positions",
        ("ticker", "name", "weight", "of risk", "of CVaR", "days", "price", "stop at", "to stop"),
        (
            (
                row.ticker,
                row.name,
                percent(row.weight),
                percent(parts[row.ticker].share if row.ticker in parts else None),
                percent(parts[row.ticker].component_cvar_95 if row.ticker in parts else None),
                days.get(row.ticker),
                row.price,
                row.stop_price,
                percent(row.distance_to_stop),
            )
            for row in found.positions or ()
        ),
    )


def _print_stops(found: Held) -> None:
    if found.positions is not None:
        print_line(f"At risk: {', '.join(found.at_risk) or 'none'}")
    if isinstance(found, RiskRead):
        firing = [each.ticker for each in found.stops.positions if each.would_fire]
        print_line(f"Would fire now: {', '.join(firing) or 'none'}")
    if found.stop_ladder:
        print_line()
        print_table(
            "If every price fell by the same",
            ("fall", "weight", "stops that would fire"),
            (
                (percent(rung.fall), percent(rung.weight), ", ".join(rung.tickers) or "none")
                for rung in found.stop_ladder
            ),
            wrapped="stops that would fire",
        )


def _print_series(title: str, found: SeriesRiskRead) -> None:
    print_line()
    print_line(f"{title}: {found.observations} sessions, {found.history} in all")
    print_facts(
        (
            ("volatility, sample", _percents(found.volatility, found.volatility_error)),
            ("volatility, EWMA", _percents(found.volatility_ewma, found.volatility_ewma_error)),
            (
                "volatility, shrunk",
                _percents(found.volatility_shrunk, found.volatility_shrunk_error),
            ),
        )
    )
    if found.tails:
        print_table(
            "One session, with 95 % intervals; p-values of the tests of its own past",
            ("method", "level", "VaR", "from", "to", "CVaR", "beyond", "Kupiec", "alone", "both"),
            (_tail(each) for each in found.tails),
        )
    print_reasons({name: why for name, why in found.reasons.items() if name == "tails"})
    for (level, reason), methods in _untested(found.tails or ()).items():
        print_line(f"No test at {level:.0%} of {', '.join(methods)}: {reason}")


def _untested(tails: Sequence[TailRead]) -> dict[tuple[float, str], list[str]]:
    """Methods by the level and the reason for which they are not tested."""
    found: dict[tuple[float, str], list[str]] = {}
    for each in sorted(tails, key=lambda tail: tail.level):
        if "coverage" in each.reasons:
            found.setdefault((each.level, each.reasons["coverage"]), []).append(each.method.value)
    return found


def _tail(found: TailRead) -> tuple[object, ...]:
    tested = found.coverage
    return (
        found.method.value,
        Figure(f"{found.level:.0%}"),
        percent(found.var),
        percent(found.var_low),
        percent(found.var_high),
        percent(found.cvar),
        Figure(f"{tested.exceptions}/{tested.expected:.1f}") if tested else None,
        tested.kupiec.p_value if tested else None,
        tested.independence.p_value if tested else None,
        tested.conditional.p_value if tested else None,
    )


def _print_correlations(found: CorrelationsRead | None) -> None:
    if found is None:
        return
    print_line()
    if found.average is not None:
        print_line(f"Mean correlation {found.average:.2f} over {found.sessions} sessions")
    for group in found.twins:
        print_line(f"One bet (correlation above {found.limit:.2f}): {', '.join(group)}")


def _print_factors(found: FactorRiskRead | None) -> None:
    if found is None:
        return
    print_line()
    print_table(
        f"Factor model: {found.total:.2%} a year, {found.systematic:.2%} by factors, "
        f"{found.specific:.2%} specific",
        ("factor", "exposure", "volatility", "component", "share"),
        (
            (
                each.factor,
                each.exposure,
                percent(each.volatility),
                percent(each.component),
                percent(each.share),
            )
            for each in found.factors
        ),
    )


def _print_liquidity(found: LiquidityRead | None) -> None:
    if found is None or found.days is None:
        return
    print_line()
    sold = ", ".join(f"{each.share or 0.0:.1%} in {each.sessions}" for each in found.within)
    print_line(
        f"Selling at {found.participation:.0%} of the volume takes {found.days:.2f} sessions, "
        f"longest {found.slowest}; by sessions: {sold}"
    )


def _print_replays(found: list[ReplayRead]) -> None:
    if not found:
        return
    print_line()
    print_table(
        "Past crises, today's weights",
        ("crisis", "from", "to", "return", "fall", "benchmark", "proxies"),
        (
            (
                each.name,
                str(each.start),
                str(each.end),
                percent(each.total),
                percent(each.drawdown),
                percent(each.benchmark_total),
                each.reasons.get("total") or _proxies(each),
            )
            for each in found
        ),
        wrapped="proxies",
    )


def _proxies(found: ReplayRead) -> str:
    named = [
        f"{each.ticker} by {each.proxy} ({each.correlation or 0.0:.2f} over {each.overlap})"
        for each in found.positions
        if each.proxy is not None
    ]
    return ", ".join(named) or "none"


def _print_shocks(found: Held) -> None:
    rows = [
        (each.asset_class, percent(each.move), percent(each.alone), percent(each.together))
        for each in found.class_shocks or ()
    ]
    rows += [
        (each.factor, percent(each.move), percent(each.alone), percent(each.together))
        for each in found.factor_shocks or ()
    ]
    if rows:
        print_line()
        print_table("Shocks", ("what moves", "by", "alone", "with what follows it"), rows)


def _vix(vix: VixRead) -> str:
    if vix.value is None:
        return f"unknown ({vix.regime})"
    return f"{vix.value:.2f} of {vix.date} ({vix.regime})"


def _pair(first: float | None, second: float | None) -> str:
    return " / ".join(percent(value) or Figure("-") for value in (first, second))


def _beta(value: float | None, error: float | None) -> Figure | None:
    if value is None:
        return None
    return Figure(f"{value:.3f}" if error is None else f"{value:.3f} ± {error:.3f}")


def _percents(value: float | None, error: float | None) -> Figure | None:
    if value is None:
        return None
    return Figure(f"{value:.2%}" if error is None else f"{value:.2%} ± {error:.2%}")
