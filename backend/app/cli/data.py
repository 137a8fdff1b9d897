"""Market data: bring them in, see what there is and what was refused."""

from functools import partial
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from app.cli import data_actions, data_factors
from app.cli.app import new_app
from app.cli.asking import given
from app.cli.following import BackgroundOption, asked_for
from app.cli.output import (
    describe_age,
    plainly,
    print_json,
    print_json_of,
    print_line,
    print_table,
)
from app.cli.progress import bars
from app.cli.runtime import Context, JsonOption, MarketOption, run
from app.market_data.validation import Reason
from app.models import Job
from app.schemas.base import Input, Ticker
from app.schemas.data import DataStatus, MarketStatus, QuarantineList, Refreshed
from app.services import data_issues, data_status, importing, refreshing, updating
from app.services.arrivals import SeriesReport
from app.services.deliveries import NamedFiles
from app.services.session_close import Closed
from app.services.updating import Update

app = new_app("Import market data; see what there is and what was refused.")

NAMED_AT_MOST = 5
"""Tickers in a sentence."""

PricesArgument = Annotated[
    Path | None,
    typer.Argument(metavar="PRICES", help="Parquet or CSV: ticker, date, OHLC, volume."),
]


@app.command("import")
def import_prices(
    *,
    prices: PricesArgument = None,
    metadata: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV of facts about the ETFs.")
    ] = None,
    vix: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV of the volatility index.")
    ] = None,
    actions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV or Parquet of dividends, splits, ticker changes, closures."
        ),
    ] = None,
    published_factors: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV of daily factor returns, such as mkt_rf and rf."),
    ] = None,
    market: Annotated[
        str, typer.Option(metavar="MARKET", help="The market they belong to.")
    ] = "us",
    traded: Annotated[
        bool, typer.Option(help="Prices are as traded, with dividend and split_ratio columns.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Import prices, corporate actions or both; score 252 sessions; mark every portfolio to market.

    Safe to repeat: importing the same again changes nothing and says so. Published factors are of
    no market; they are imported alone.
    """
    if published_factors is not None:
        if any(each is not None for each in (prices, metadata, vix, actions)):
            raise typer.BadParameter("is imported alone", param_hint="--published-factors")
        data_factors.import_published(published_factors, json=json)
        return
    if prices is None and actions is None:
        raise typer.BadParameter("name a file of prices, or one of actions with --actions")

    named = NamedFiles(prices, metadata, vix, actions)
    update = run(partial(_import, market=market, named=named, traded=traded))
    if json:
        print_json_of(Update, update)
    else:
        _show_update(update)


async def _import(context: Context, *, market: str, named: NamedFiles, traded: bool) -> Update:
    with bars() as progress:
        files = partial(
            importing.import_files,
            market=market,
            prices=named.prices,
            metadata=named.metadata,
            vix=named.vix,
            actions=named.actions,
            traded=traded,
            now=context.now,
            data_version=uuid4(),
            progress=progress,
        )
        resources = context.resources
        return await updating.update(
            resources.sessions, resources.market_data, files, now=context.now, progress=progress
        )


@app.command("update")
def bring_up_to_date(
    *, market: MarketOption = None, background: BackgroundOption = False, json: JsonOption = False
) -> None:
    """Bring a market up to date: score, mark every portfolio, fill orders and check stops.

    A job: while an update of the market is under way, that one is shown.
    """

    async def submit(context: Context) -> Job:
        resources = context.resources
        chosen = market or await resources.market_data.default_market(context.session)
        return await refreshing.submit(context.session, resources.owner_id, chosen, now=context.now)

    answer = asked_for(submit, background=background)
    if json:
        print_json(answer)
    elif answer.result is not None:
        _show_refreshed(Refreshed.model_validate(answer.result, strict=False))


def _show_refreshed(found: Refreshed) -> None:
    print_line(f"Up to date: {describe_age(found)}.")
    print_line(
        f"Scored {found.sessions_scored} sessions. Marked {found.portfolios} portfolios. "
        f"Corporate actions booked: {found.actions}. Orders filled: {found.fills}. "
        f"Stops fired: {found.stops}. Alerts: {found.alerts}. Failures: {found.failures}."
    )


def _show_update(update: Update) -> None:
    report = update.report
    print_table(
        f"Import into market {report.market}",
        ("series", "source", "read", "added", "changed", "unchanged", "quarantined"),
        (
            (s.series, s.source, s.read, s.added, s.changed, s.unchanged, s.quarantined)
            for s in report.series
        ),
    )
    for series in report.series:
        for reason, count in series.reasons.items():
            print_line(f"Quarantined {series.series}: {count}. {reason.sentence}")
        if series.left_out:
            print_line(_left_out(series))
    if not report.changed:
        known = any(series.unchanged for series in report.series)
        print_line(
            "Nothing changed: these data were here already."
            if known
            else "Nothing changed: no row could be taken."
        )
    if update.scored is not None and update.closed is not None:
        print_line(
            f"Scored {update.scored.sessions} sessions: on {update.scored.latest} "
            f"{update.scored.etfs_scored} ETFs have a score."
        )
        _show_closed(update.closed)


def _left_out(series: SeriesReport) -> str:
    named = ", ".join(series.unknown_tickers[:NAMED_AT_MOST])
    more = len(series.unknown_tickers) - NAMED_AT_MOST
    others = f" and {more} more" if more > 0 else ""
    return (
        f"Left out {series.left_out} rows of {series.series}: the market does not have "
        f"{named}{others}."
    )


def _show_closed(closed: Closed) -> None:
    print_line(
        f"Marked {closed.portfolios} portfolios. Corporate actions booked: {closed.actions}. "
        f"Orders filled: {closed.fills}. Stops fired: {closed.stops}. Alerts: {closed.alerts}. "
        f"Failures: {len(closed.failures)}."
    )
    if closed.paused:
        print_line(f"Stops of {closed.paused} portfolios wait for newer prices.")
    for failure in closed.failures:
        print_line(f"Portfolio {failure.portfolio_id} was left as it was: {failure.reason}")


@app.command()
def status(
    market: Annotated[
        str | None, typer.Option(metavar="MARKET", help="Only this one; left out: all.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """What data there are, how old they are, and where they came from."""

    async def command(context: Context) -> DataStatus:
        resources = context.resources
        return await data_status.status(
            context.session,
            resources.cache,
            market=market,
            default_market=await resources.market_data.default_market(context.session),
            now=context.now,
        )

    answer = run(command)
    if json:
        print_json(answer)
        return
    for number, found in enumerate(answer.markets):
        if number:
            print_line()
        _show_market(found, default=found.market == answer.default_market)


def _show_market(found: MarketStatus, *, default: bool) -> None:
    title = f"{found.name} ({describe_age(found)}{', the default' if default else ''})"
    if found.as_of is None:
        print_line(title)
        return
    print_table(
        title,
        ("series", "rows", "first", "latest", "behind"),
        (
            (row.series, row.rows, row.first_session, row.latest_session, row.sessions_behind)
            for row in found.series
        ),
    )
    print_line(
        "Its prices are adjusted for dividends and splits."
        if found.adjusted_only
        else "Its prices are as traded: dividends and splits are booked from actions."
    )
    scores = found.scores
    print_line(
        f"Scores of {scores.latest_session}: {scores.scored} ETFs have one, {scores.excluded} not."
        if scores.latest_session
        else "Nothing is scored yet: run 'etftrader factors score'."
    )
    if found.quarantined:
        print_line(f"Quarantined rows: {found.quarantined}. 'etftrader data issues' lists them.")
        for count in found.quarantine:
            print_line(f"  {count.rows} {count.reason}: {count.sentence}")
    for arrival in found.imports:
        print_line(
            f"Last import of {arrival.series} from {arrival.source}: {arrival.rows_read} rows read "
            f"on {arrival.finished_at:%Y-%m-%d %H:%M} UTC."
        )


class IssueFilter(Input):
    """Which refused rows to list."""

    ticker: Ticker | None = None


@app.command()
def issues(
    *,
    market: MarketOption = None,
    ticker: Annotated[
        str | None, typer.Option(metavar="TICKER", help="Of this ETF or index only.")
    ] = None,
    reason: Annotated[Reason | None, typer.Option(help="Refused for this reason only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    offset: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="How many to pass.")] = 0,
    json: JsonOption = False,
) -> None:
    """The rows that imports refused, as they came, with the reason of each."""
    wanted = given(IssueFilter, {"ticker": ticker})

    async def command(context: Context) -> QuarantineList:
        default = await context.resources.market_data.default_market(context.session)
        return await data_issues.refused(
            context.session,
            market or default,
            ticker=wanted.ticker,
            reason=reason,
            limit=limit,
            offset=offset,
            now=context.now,
        )

    answer = run(command)
    if json:
        print_json(answer)
        return
    print_table(
        f"{answer.total} refused rows, {len(answer.bars)} shown ({describe_age(answer)})",
        ("ticker", "session", "reason", "open", "high", "low", "close", "volume"),
        (
            (
                bar.ticker,
                bar.session,
                bar.reason,
                *map(plainly, (bar.open, bar.high, bar.low, bar.close, bar.volume)),
            )
            for bar in answer.bars
        ),
    )


app.command()(data_actions.actions)
