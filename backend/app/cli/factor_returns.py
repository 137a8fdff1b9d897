"""`etftrader factors returns` and `etftrader factors regression`."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

import typer

from app.cli.asking import given, typed
from app.cli.output import describe, percent, print_json, print_line, print_reasons, print_table
from app.cli.performance import EndOption, FileOption, PeriodOption, StartOption
from app.cli.performance_files import columns_of
from app.cli.runtime import MAX_ID, Context, JsonOption, MarketOption, run
from app.schemas.base import Input, Ticker
from app.schemas.factor_return import FactorReturnsAsked, FactorReturnsRead
from app.schemas.regression import (
    SIX,
    Regressed,
    RegressionAsked,
    RegressionRead,
    SeriesRegressionIn,
)
from app.services import backtest_runs, regression
from app.services import factor_returns as returning

SHOWN_WINDOWS = 12


def returns(
    *,
    period: PeriodOption = None,
    start: StartOption = None,
    end: EndOption = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1000, help="How many sessions to list in JSON.")
    ] = 252,
    offset: Annotated[int, typer.Option(min=0, max=MAX_ID, help="How many to pass.")] = 0,
    market: MarketOption = None,
    json: JsonOption = False,
) -> None:
    """What each factor returned, and whether it was chance."""
    options = typed(period=period, start=start, end=end, limit=limit, offset=offset)
    asked = given(FactorReturnsAsked, options)

    async def command(context: Context) -> FactorReturnsRead:
        return await returning.read(await context.market(market), asked, now=context.now)

    answer = run(command)
    if json:
        print_json(answer)
        return
    print_table(
        f"Factor returns of {answer.sessions} sessions, {answer.start} to {answer.end} "
        f"({describe(answer)})",
        ("factor", "cumulative", "mean of a year", "volatility", "error", "t"),
        (
            (
                row.name,
                percent(row.cumulative),
                percent(row.mean),
                percent(row.volatility),
                percent(row.error),
                row.mean_t,
            )
            for row in answer.factors
        ),
    )
    print_reasons(answer.reasons)
    for row in answer.factors:
        print_reasons({f"{row.name} {name}": why for name, why in row.reasons.items()})


class OneEtf(Input):
    ticker: Ticker


def regress(
    ticker: Annotated[
        str | None, typer.Argument(metavar="TICKER", help="Such as MTUM; or name one of these:")
    ] = None,
    *,
    portfolio: Annotated[
        int | None, typer.Option(min=1, max=MAX_ID, metavar="ID", help="A portfolio instead.")
    ] = None,
    backtest: Annotated[
        int | None, typer.Option(min=1, max=MAX_ID, metavar="ID", help="A backtest instead.")
    ] = None,
    file: FileOption = None,
    factors: Annotated[
        str, typer.Option(metavar="NAMES", help="Of mkt_rf, smb, hml, rmw, cma, mom, qmj, bab.")
    ] = SIX,
    window: Annotated[
        int | None, typer.Option(metavar="SESSIONS", help="Of rolling regressions: 63 to 2520.")
    ] = None,
    period: PeriodOption = None,
    start: StartOption = None,
    end: EndOption = None,
    market: MarketOption = None,
    json: JsonOption = False,
) -> None:
    """What returns load on: alpha and loadings on published factors, with their errors.

    'etftrader data import --published-factors FILE' brings the factors.
    """
    if sum(each is not None for each in (ticker, portfolio, backtest, file)) != 1:
        raise typer.BadParameter("name one: a ticker, --portfolio, --backtest or --file")
    if market is not None and ticker is None:
        raise typer.BadParameter("is of a ticker", param_hint="--market")
    options = typed(factors=factors, window=window, period=period, start=start, end=end)
    ask: Callable[[Context], Awaitable[Regressed]]
    if file is not None:
        ask = partial(_of_series, series=given(SeriesRegressionIn, options | columns_of(file)))
    else:
        asked = given(RegressionAsked, options)
        if portfolio is not None:
            ask = partial(_of_portfolio, portfolio_id=portfolio, asked=asked)
        elif backtest is not None:
            ask = partial(_of_backtest, backtest_id=backtest, asked=asked)
        else:
            named = given(OneEtf, {"ticker": ticker}).ticker
            ask = partial(_of_etf, market=market, ticker=named, asked=asked)
    _show(run(ask), json=json)


async def _of_series(context: Context, *, series: SeriesRegressionIn) -> Regressed:
    return await regression.of_series(context.session, series)


async def _of_etf(
    context: Context, *, market: str | None, ticker: str, asked: RegressionAsked
) -> Regressed:
    found = await context.market(market)
    return await regression.of_etf(context.session, found, ticker, asked, now=context.now)


async def _of_portfolio(
    context: Context, *, portfolio_id: int, asked: RegressionAsked
) -> Regressed:
    found = await context.portfolio(portfolio_id)
    market = await context.market_of(found)
    return await regression.of_portfolio(context.session, market, found, asked, now=context.now)


async def _of_backtest(context: Context, *, backtest_id: int, asked: RegressionAsked) -> Regressed:
    found = await backtest_runs.found(context.session, context.resources.owner_id, backtest_id)
    market = await context.market(found.market)
    return await regression.of_backtest(context.session, market, found, asked, now=context.now)


def _show(found: Regressed, *, json: bool) -> None:
    if json:
        print_json(found)
        return
    about = f" ({describe(found)})" if isinstance(found, RegressionRead) else ""
    print_line(
        f"{found.subject}: {found.observations} sessions, {found.start or '-'} to "
        f"{found.end or '-'}{about}"
    )
    if found.alpha is not None:
        print_table(
            "Daily returns over the risk-free rate on published factors",
            ("coefficient", "value", "error", "t", "p", "low", "high"),
            (
                (each.name, each.value, each.error, each.t, each.p_value, each.low, each.high)
                for each in (found.alpha, *(found.loadings or ()))
            ),
        )
        print_line(
            f"alpha is per year. R2 {found.r_squared:.3f}, adjusted "
            f"{found.adjusted_r_squared:.3f}; residual volatility "
            f"{percent(found.residual_volatility)}; errors over {found.lags} lags."
        )
    if found.rolling:
        print_line()
        print_table(
            f"Loadings over {found.window} sessions that end on a day",
            ("end", "alpha", *found.factors),
            (
                (point.end, point.alpha, *(each.value for each in point.loadings.values()))
                for point in found.rolling[-SHOWN_WINDOWS:]
            ),
        )
    if found.unmatched:
        print_line(
            f"Sessions without published factors, left out: {found.unmatched}. They reach to "
            f"{found.published_until}."
        )
    print_reasons(found.reasons)
