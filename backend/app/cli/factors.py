"""Scores of the market: make them, list the best, show one ETF."""

from datetime import datetime
from typing import Annotated

import typer

from app.cli import factor_research, factor_returns
from app.cli.app import new_app
from app.cli.asking import given
from app.cli.output import describe, print_json, print_json_of, print_line, print_table
from app.cli.progress import bars
from app.cli.runtime import Context, JsonOption, MarketOption, run
from app.schemas.base import Input, Ticker
from app.schemas.factor import LatestScores, ScoreHistory
from app.services import scoring, updating
from app.services.scoring import Scored

app = new_app("Score the market; list the best; look at one ETF.")


@app.command()
def score(
    date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="One session, anew."),
    ] = None,
    begin: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=["%Y-%m-%d"], metavar="DATE", help="Sessions from this day on, anew."
        ),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], metavar="DATE", help="Up to this day."),
    ] = None,
    market: MarketOption = None,
    json: JsonOption = False,
) -> None:
    """Score the last 252 sessions where scores are missing, or the sessions of some days anew."""
    if date is not None and (begin is not None or end is not None):
        raise typer.BadParameter("is one session; give either it or a range", param_hint="--date")
    asked = any(day is not None for day in (date, begin, end))
    first, last = (day and day.date() for day in (date or begin, date or end))

    async def command(context: Context) -> Scored:
        code = (await context.market(market)).code
        with bars() as progress:
            found = await updating.in_turn(
                context.session, context.resources.market_data, code, progress=progress
            )
            if not asked:
                return await scoring.score_missing(context.session, found, progress=progress)
            return await scoring.score_between(
                context.session, found, first, last, progress=progress
            )

    scored = run(command)
    if json:
        print_json_of(Scored, scored)
        return
    print_line(
        f"Scored {scored.sessions} sessions. On {scored.latest} {scored.etfs_scored} ETFs have a "
        f"score and {scored.etfs_excluded} have none."
    )


@app.command()
def top(
    count: Annotated[int, typer.Option(min=1, max=10_000, help="How many to list.")] = 20,
    market: MarketOption = None,
    json: JsonOption = False,
) -> None:
    """The best composites of the latest session."""

    async def command(context: Context) -> LatestScores:
        found = await context.market(market)
        return await scoring.latest_scores(context.session, found, unscored=False, now=context.now)

    answer = run(command)
    shown = answer.model_copy(update={"scores": answer.scores[:count]})
    if json:
        print_json(shown)
        return
    print_table(
        f"Best of {answer.scored} scored ETFs ({describe(answer)})",
        ("rank", "ticker", "name", "composite", "momentum", "quality", "volatility", "value"),
        (
            (
                row.rank,
                row.ticker,
                row.name,
                row.composite,
                row.momentum,
                row.quality,
                row.volatility,
                row.value,
            )
            for row in shown.scores
        ),
    )


class OneEtf(Input):
    ticker: Ticker


@app.command()
def show(
    ticker: Annotated[str, typer.Argument(metavar="TICKER", help="Such as SPY.")],
    days: Annotated[int, typer.Option(min=1, max=10_000, help="How many sessions.")] = 90,
    market: MarketOption = None,
    json: JsonOption = False,
) -> None:
    """The scores of one ETF over its last sessions, or the reason it has none."""
    wanted = given(OneEtf, {"ticker": ticker})

    async def command(context: Context) -> ScoreHistory:
        found = await context.market(market)
        return await scoring.history(
            context.session, found, wanted.ticker, days=days, now=context.now
        )

    answer = run(command)
    if json:
        print_json(answer)
        return
    print_table(
        f"{answer.ticker} {answer.name or ''} ({describe(answer)})",
        ("session", "rank", "composite", "momentum", "quality", "volatility", "value", "reason"),
        (
            (
                row.session,
                row.rank,
                row.composite,
                row.momentum,
                row.quality,
                row.volatility,
                row.value,
                row.reason or "",
            )
            for row in answer.history
        ),
        wrapped="reason",
    )


app.command()(factor_returns.returns)
app.command("regression")(factor_returns.regress)
app.command()(factor_research.research)
