"""Portfolios: create, show, change, pay into, close."""

from datetime import datetime
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter

from app.cli import gains, lots, portfolio_cash, portfolio_trades, rebalance
from app.cli import portfolio_tables as tables
from app.cli.app import new_app
from app.cli.asking import SetOption, given, settings_from, typed
from app.cli.failing import say
from app.cli.once import OK, Asked, KeyOption, checked_key, once
from app.cli.output import print_json, print_json_text
from app.cli.progress import bars
from app.cli.runtime import Context, JsonOption, MarketOption, PortfolioId, run
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio, PortfolioStatus
from app.schemas.portfolio import PortfolioCreate, PortfolioItem, PortfolioPatch, PortfolioRead
from app.schemas.position import PositionList
from app.schemas.settings import OptimizerName, default_settings, stored_settings
from app.services import overview, portfolios, positions, replay
from app.services.replay import Undecided

app = new_app("Create, show, pay into, rebalance and close portfolios.")

OptimizerOption = Annotated[
    OptimizerName | None, typer.Option(help="How the selected ETFs are weighted.")
]
NumberOption = Annotated[int | None, typer.Option(help="How many ETFs to hold.")]
ThresholdOption = Annotated[
    str | None, typer.Option(metavar="FRACTION", help="The absolute drift band, such as 0.05.")
]


@app.command()
def create(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as Retirement.")],
    capital: Annotated[str, typer.Argument(metavar="CAPITAL", help="In USD, such as 100000.")],
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="DATE",
            help="Live through the past from this day on by its own rules.",
        ),
    ] = None,
    market: MarketOption = None,
    optimizer: OptimizerOption = None,
    num_positions: NumberOption = None,
    drift_threshold: ThresholdOption = None,
    settings: SetOption = None,
    key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """Open a portfolio with its capital in cash. Nothing is bought until you ask for it.

    With --since it opens in the past and lives through every session since, with weekly checks,
    drift, costs and stops, and says that its history was replayed.
    """
    chosen = _chosen(settings, optimizer, num_positions, drift_threshold)
    opening = {"name": name, "initial_capital": capital, **typed(market=market)}
    body = given(PortfolioCreate, {**opening, **chosen})
    checked_key(key)
    undecided: list[Undecided] = []

    async def command(context: Context) -> PortfolioRead:
        async def act() -> PortfolioRead:
            found = await context.market(body.market)
            portfolio, gaps = await _open(context, found, body, since)
            undecided.extend(gaps)
            return await overview.detail(context.session, found, portfolio, now=context.now)

        asked = Asked("/api/portfolios", body, query=f"since={since.date()}" if since else "")
        return await once(context, key, asked, act, kind=PortfolioRead)

    answer = run(command)
    for gap in undecided:
        say(f"Undecided on {gap.session}: {gap.reason}")
    if json:
        print_json(answer)
    else:
        tables.show(answer)


async def _open(
    context: Context, market: MarketSnapshot, body: PortfolioCreate, since: datetime | None
) -> tuple[Portfolio, tuple[Undecided, ...]]:
    resources = context.resources
    settings = body.over(default_settings(resources.settings))
    if since is None:
        opened = await portfolios.create(
            context.session,
            market,
            owner_id=resources.owner_id,
            name=body.name,
            initial_capital=body.initial_capital,
            settings=settings,
            now=context.now,
        )
        return opened, ()
    with bars() as progress:
        opened, replayed = await replay.open_replayed(
            context.session,
            market,
            owner_id=resources.owner_id,
            name=body.name,
            initial_capital=body.initial_capital,
            settings=settings,
            since=since.date(),
            now=context.now,
            progress=progress,
        )
    return opened, replayed.undecided


@app.command("list")
def show_all(
    status: Annotated[PortfolioStatus | None, typer.Option(help="Only those.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    offset: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="How many to pass.")] = 0,
    json: JsonOption = False,
) -> None:
    """Your portfolios, oldest first, valued at their market's latest close."""

    async def command(context: Context) -> bytes:
        return await overview.listed(
            context.session,
            context.resources.market_data,
            context.resources.owner_id,
            status=status,
            limit=limit,
            offset=offset,
            now=context.now,
        )

    answer = run(command)
    if json:
        print_json_text(answer)
    else:
        tables.show_all(TypeAdapter(list[PortfolioItem]).validate_json(answer))


@app.command()
def show(portfolio_id: PortfolioId, json: JsonOption = False) -> None:
    """One portfolio: its rules, its positions, and what it is worth at the latest close."""

    async def command(context: Context) -> PortfolioRead:
        portfolio = await context.portfolio(portfolio_id)
        market = await context.market_of(portfolio)
        return await overview.detail(context.session, market, portfolio, now=context.now)

    answer = run(command)
    if json:
        print_json(answer)
    else:
        tables.show(answer)


@app.command("positions")
def show_positions(portfolio_id: PortfolioId, json: JsonOption = False) -> None:
    """What it holds: price, value, weight, target and how far each stop is."""

    async def command(context: Context) -> bytes:
        return await positions.answer(
            context.session,
            context.resources.market_data,
            owner_id=context.resources.owner_id,
            portfolio_id=portfolio_id,
            now=context.now,
        )

    answer = run(command)
    if json:
        print_json_text(answer)
    else:
        tables.show_positions(PositionList.model_validate_json(answer))


@app.command()
def change(
    *,
    portfolio_id: PortfolioId,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="A new name.")] = None,
    optimizer: OptimizerOption = None,
    num_positions: NumberOption = None,
    drift_threshold: ThresholdOption = None,
    settings: SetOption = None,
    key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """Change the name or any rule; what is left out stays as it is."""
    chosen = _chosen(settings, optimizer, num_positions, drift_threshold)
    body = given(PortfolioPatch, {**typed(name=name), **chosen})
    checked_key(key)

    async def command(context: Context) -> PortfolioRead:
        portfolio = await context.portfolio(portfolio_id, locked=True)

        async def act() -> PortfolioRead:
            market = await context.market_of(portfolio)
            await portfolios.change(
                context.session,
                market,
                portfolio,
                name=name and body.name,
                settings=body.over(stored_settings(portfolio.settings)),
            )
            return await overview.detail(context.session, market, portfolio, now=context.now)

        asked = Asked(f"/api/portfolios/{portfolio_id}", body, method="PATCH", status=OK)
        return await once(context, key, asked, act, kind=PortfolioRead)

    answer = run(command)
    if json:
        print_json(answer)
    else:
        tables.show(answer)


@app.command()
def close(
    portfolio_id: PortfolioId,
    liquidate: Annotated[
        bool, typer.Option("--liquidate", help="Sell all it holds first.")
    ] = False,
    key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """Close a portfolio for good: it can be read and no longer changed, and its name is free."""
    checked_key(key)

    async def command(context: Context) -> PortfolioRead:
        portfolio = await context.portfolio(portfolio_id, locked=True)

        async def act() -> PortfolioRead:
            session, now = context.session, context.now
            market = await context.market_of(portfolio)
            await portfolios.close(session, market, portfolio, liquidate=liquidate, now=now)
            return await overview.detail(session, market, portfolio, now=now)

        asked = Asked(
            f"/api/portfolios/{portfolio_id}",
            method="DELETE",
            query="liquidate=true" if liquidate else "",
            status=OK,
        )
        return await once(context, key, asked, act, kind=PortfolioRead)

    answer = run(command)
    if json:
        print_json(answer)
    else:
        tables.show(answer)


def _chosen(
    settings: list[str] | None,
    optimizer: OptimizerName | None,
    num_positions: int | None,
    drift_threshold: str | None,
) -> dict[str, Any]:
    threshold = settings_from([f"drift_threshold={drift_threshold}"]) if drift_threshold else {}
    options = typed(optimizer=optimizer, num_positions=num_positions)
    return {**settings_from(settings or []), **options, **threshold}


for another in (
    rebalance.drift,
    rebalance.rebalance,
    rebalance.execute,
    rebalance.proposal,
    portfolio_trades.trades,
    lots.lots,
    gains.gains,
):
    app.command()(another)
for moving in (portfolio_cash.deposit, portfolio_cash.withdraw, portfolio_cash.cash):
    # An amount such as -500 is no option.
    app.command(context_settings={"ignore_unknown_options": True})(moving)
