"""Answers that are computed in turn: see `core.computing`."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Annotated, TypeVar

from fastapi import Depends, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import MAX_ID, ResourcesDep
from app.bootstrap import Resources
from app.core.database import reading
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest
from app.services import backtest_runs

Answer = TypeVar("Answer")

BacktestId = Annotated[int, Path(ge=1, le=MAX_ID, description="A backtest's `id`", examples=[1])]


class Compute:
    """Do what takes a processor for long, in its turn, in a reading session of its own.

    A route that uses it asks for no session: who stands in line holds no connection.
    """

    def __init__(self, resources: Resources, question: Hashable) -> None:
        self._resources = resources
        self._question = question

    async def __call__(self, work: Callable[[AsyncSession], Awaitable[Answer]]) -> Answer:
        async def alone() -> Answer:
            async with reading(self._resources.sessions) as session:
                return await work(session)

        return await self._resources.computing.answer(self._question, alone)


async def compute(request: Request, resources: ResourcesDep) -> Compute:
    """The same question is the same path, query and form of answer, asked by the same user."""
    url = request.url
    accept = request.headers.get("accept")
    return Compute(resources, (resources.owner_id, url.path, url.query, accept))


ComputeDep = Annotated[Compute, Depends(compute)]


class ComputeOnRun:
    """The same for what is about one kept run of this user, in the prices of its market."""

    def __init__(self, compute: Compute, resources: Resources, backtest_id: int) -> None:
        self._compute = compute
        self._resources = resources
        self._backtest_id = backtest_id

    async def __call__(
        self, work: Callable[[AsyncSession, MarketSnapshot, Backtest], Awaitable[Answer]]
    ) -> Answer:
        """Raises NotFound; somebody else's run is as absent as one that never was."""
        resources = self._resources

        async def on_run(session: AsyncSession) -> Answer:
            run = await backtest_runs.found(session, resources.owner_id, self._backtest_id)
            market = await resources.market_data.snapshot(session, run.market)
            return await work(session, market, run)

        return await self._compute(on_run)


async def compute_on_run(
    backtest_id: BacktestId, compute: ComputeDep, resources: ResourcesDep
) -> ComputeOnRun:
    return ComputeOnRun(compute, resources, backtest_id)


ComputeOnRunDep = Annotated[ComputeOnRun, Depends(compute_on_run)]
