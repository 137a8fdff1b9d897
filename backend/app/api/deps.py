"""What a route may ask for."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.convertors import Convertor, register_url_convertor

from app.bootstrap import Resources
from app.core.database import reading
from app.core.errors import NotFound
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio, owned_portfolio

MAX_ID = 2**31 - 1


class IdConvertor(Convertor[int]):
    """`{name:id}` in a path: digits only, so that a word in their place is a path of its own, which
    answers 405 to methods that it lacks."""

    regex = "[0-9]{1,10}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("id", IdConvertor())

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most")]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to pass over")]


async def resources(request: Request) -> Resources:
    """Async so that it runs where it is asked for: FastAPI sends plain functions to a thread."""
    found: Resources = request.state.resources
    return found


ResourcesDep = Annotated[Resources, Depends(resources)]


async def session(request: Request, resources: ResourcesDep) -> AsyncIterator[AsyncSession]:
    """The request's transaction if its method is unsafe, a plain reading session otherwise."""
    transaction = getattr(request.state, "session", None)
    if transaction is not None:
        yield transaction
        return
    async with reading(resources.sessions) as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(session, scope="function")]


async def transaction(request: Request) -> AsyncSession:
    """The transaction of an unsafe request, as `session` gives it, at a fraction of the cost."""
    opened: AsyncSession = request.state.session
    return opened


TransactionDep = Annotated[AsyncSession, Depends(transaction)]


MarketCode = Annotated[
    str | None,
    Query(
        pattern="^[a-z]{1,32}$",
        description="`us` or `demo`; left out: `us` once it has data, `demo` until then.",
        examples=["demo"],
    ),
]


async def market(resources: ResourcesDep, market: MarketCode = None) -> MarketSnapshot:
    """The market asked for, as last committed; a connection is taken only to see whether it is."""
    fresh = resources.market_data.fresh(market)
    if fresh is not None:
        return fresh
    async with reading(resources.sessions) as session:
        code = market or await resources.market_data.default_market(session)
        return await resources.market_data.snapshot(session, code)


MarketDep = Annotated[MarketSnapshot, Depends(market)]

PortfolioId = Annotated[int, Path(ge=1, le=MAX_ID, examples=[1])]


async def portfolio(
    portfolio_id: PortfolioId, session: SessionDep, resources: ResourcesDep
) -> Portfolio:
    """This user's portfolio; somebody else's is as absent as one that never was."""
    return await portfolio_of(session, resources, portfolio_id)


async def portfolio_of(session: AsyncSession, resources: Resources, portfolio_id: int) -> Portfolio:
    found = await session.scalar(owned_portfolio(resources.owner_id, portfolio_id))
    if found is None:
        raise NotFound("portfolio")
    return found


PortfolioDep = Annotated[Portfolio, Depends(portfolio)]


async def locked_portfolio(
    portfolio_id: PortfolioId, session: SessionDep, resources: ResourcesDep
) -> Portfolio:
    """The same, with its row locked until the transaction ends: for whatever changes the book."""
    query = owned_portfolio(resources.owner_id, portfolio_id).with_for_update()
    found = await session.scalar(query)
    if found is None:
        raise NotFound("portfolio")
    return found


LockedPortfolioDep = Annotated[Portfolio, Depends(locked_portfolio)]

IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="A repeat with the same key and body gets the first answer; kept for ever.",
    ),
]
