"""How a command runs: resources opened for its length, failures as one sentence on stderr."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources, open_resources
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.database import unit_of_work
from app.core.errors import ETFTraderError, NotFound
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio, owned_portfolio
from app.quant.errors import QuantError

Result = TypeVar("Result")

FAILED = 1

errors = Console(stderr=True, highlight=False)

MarketOption = Annotated[
    str | None,
    typer.Option(help="us or demo; left out: us once it has data, demo until then."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@dataclass(frozen=True, slots=True)
class Context:
    """One command: its resources, its transaction, the moment it was given."""

    resources: Resources
    session: AsyncSession
    now: datetime

    async def market(self, code: str | None) -> MarketSnapshot:
        chosen = code or await self.resources.market_data.default_market(self.session)
        return await self.resources.market_data.snapshot(self.session, chosen)

    async def portfolio(self, portfolio_id: int) -> Portfolio:
        """This user's portfolio, its row locked until the command ends."""
        query = owned_portfolio(self.resources.owner_id, portfolio_id).with_for_update()
        found = await self.session.scalar(query)
        if found is None:
            raise NotFound("portfolio")
        return found


@asynccontextmanager
async def opened() -> AsyncIterator[Context]:
    """One transaction, committed when the block ends without an error."""
    async with (
        open_resources(Settings.load()) as resources,
        unit_of_work(resources.sessions) as session,
    ):
        yield Context(resources, session, utc_now())


def run(command: Callable[[Context], Awaitable[Result]]) -> Result:
    """Run a command to its end; its result may be printed only after the commit."""

    async def inside() -> Result:
        async with opened() as context:
            return await command(context)

    with failures_in_one_sentence():
        return asyncio.run(inside())


@contextmanager
def failures_in_one_sentence() -> Iterator[None]:
    try:
        yield
    except (ETFTraderError, QuantError) as error:
        errors.print(f"[red]Error:[/red] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(FAILED) from None
