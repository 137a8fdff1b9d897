"""How far a portfolio is from its rules, what to do about it, and doing it."""

from typing import Annotated

import typer

from app.cli import portfolio_tables as tables
from app.cli.asking import given, typed
from app.cli.once import OK, Asked, KeyOption, checked_key, once
from app.cli.output import print_json
from app.cli.runtime import MAX_ID, Context, JsonOption, PortfolioId, run
from app.schemas.drift import DriftRead
from app.schemas.rebalance import RebalanceRead, RebalanceRequest
from app.services import deciding, rebalance_events, rebalancing

ProposalId = Annotated[
    int, typer.Argument(min=1, max=MAX_ID, metavar="PROPOSAL", help="A proposal's number.")
]


def drift(portfolio_id: PortfolioId, json: JsonOption = False) -> None:
    """How far each position is from what the rules want now, and whether that calls for trades."""

    async def command(context: Context) -> DriftRead:
        portfolio = await context.portfolio(portfolio_id)
        market = await context.market_of(portfolio)
        return await deciding.drift(context.session, market, portfolio, now=context.now)

    answer = run(command)
    if json:
        print_json(answer)
    else:
        tables.show_drift(answer)


def rebalance(
    *,
    portfolio_id: PortfolioId,
    execute: Annotated[bool, typer.Option("--execute", help="Also trade it, at once.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also inside the bands.")] = False,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="AMOUNT", help="Invest at most so much of the cash, and sell nothing."
        ),
    ] = None,
    key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """Propose what to trade at the latest close, and why; nothing is traded without --execute."""
    body = given(
        RebalanceRequest, typed(execute=execute or None, force=force or None, budget=budget)
    )
    checked_key(key)

    async def command(context: Context) -> RebalanceRead:
        portfolio = await context.portfolio(portfolio_id, locked=True)

        async def act() -> RebalanceRead:
            session, now = context.session, context.now
            market = await context.market_of(portfolio)
            event = await rebalancing.rebalance(
                session, market, portfolio, body, now=now, idempotency_key=key
            )
            return await rebalance_events.shown(session, market, event, now=now)

        path = f"/api/positions/{portfolio_id}/rebalance"
        return await once(context, key, Asked(path, body), act, kind=RebalanceRead)

    _answer(run(command), json=json)


def execute(
    portfolio_id: PortfolioId,
    proposal_id: ProposalId,
    key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """Trade a stored proposal at the latest close, once."""
    checked_key(key)

    async def command(context: Context) -> RebalanceRead:
        portfolio = await context.portfolio(portfolio_id, locked=True)

        async def act() -> RebalanceRead:
            session, now = context.session, context.now
            market = await context.market_of(portfolio)
            event = await rebalance_events.find(session, portfolio, proposal_id)
            await rebalancing.execute(
                session, market, portfolio, event, now=now, idempotency_key=key
            )
            return await rebalance_events.shown(session, market, event, now=now)

        path = f"/api/positions/{portfolio_id}/rebalance/{proposal_id}/execute"
        return await once(context, key, Asked(path, status=OK), act, kind=RebalanceRead)

    _answer(run(command), json=json)


def proposal(portfolio_id: PortfolioId, proposal_id: ProposalId, json: JsonOption = False) -> None:
    """A stored proposal, and what became of its lines."""

    async def command(context: Context) -> RebalanceRead:
        portfolio = await context.portfolio(portfolio_id)
        market = await context.market_of(portfolio)
        event = await rebalance_events.find(context.session, portfolio, proposal_id)
        return await rebalance_events.shown(context.session, market, event, now=context.now)

    _answer(run(command), json=json)


def _answer(answer: RebalanceRead, *, json: bool) -> None:
    if json:
        print_json(answer)
    else:
        tables.show_rebalance(answer)
