"""How a command runs: resources opened for its length, one transaction, one moment."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources, open_resources
from app.cli import schema
from app.cli.failing import failures_in_one_sentence
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.database import unit_of_work
from app.core.errors import Conflict, NoMarketData, NotFound
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio, owned_portfolio

Result = TypeVar("Result")

MAX_ID = 2**31 - 1

MarketOption = Annotated[
    str | None,
    typer.Option(
        metavar="MARKET", help="us or demo; left out: us once it has data, demo until then."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
PortfolioId = Annotated[
    int,
    typer.Argument(min=1, max=MAX_ID, metavar="ID", help="As 'etftrader portfolio list' shows it."),
]


class NothingYet(Conflict):
    def __init__(self) -> None:
        super().__init__(
            "No market has prices yet: 'etftrader up' makes the simulated one, and 'etftrader data "
            "import FILE' brings your own."
        )


@dataclass(frozen=True, slots=True)
class Context:
    """One command: its resources, its transaction, the moment it was given."""

    resources: Resources
    session: AsyncSession
    now: datetime

    async def market(self, code: str | None) -> MarketSnapshot:
        """The market of this code; without one, the market that commands are about by default."""
        chosen = code or await self.resources.market_data.default_market(self.session)
        try:
            return await self.resources.market_data.snapshot(self.session, chosen)
        except NoMarketData:
            if code is None:
                raise NothingYet from None
            raise

    async def portfolio(self, portfolio_id: int, *, locked: bool = False) -> Portfolio:
        """This user's portfolio; its row is locked until the command ends if the book changes."""
        query = owned_portfolio(self.resources.owner_id, portfolio_id)
        found = await self.session.scalar(query.with_for_update() if locked else query)
        if found is None:
            raise NotFound("portfolio")
        return found

    async def market_of(self, portfolio: Portfolio) -> MarketSnapshot:
        return await self.resources.market_data.snapshot(self.session, portfolio.market)


def run(command: Callable[[Context], Awaitable[Result]]) -> Result:
    """Run a command to its end; its result may be printed only after the commit."""

    async def in_one_transaction(resources: Resources) -> Result:
        async with unit_of_work(resources.sessions) as session:
            return await command(Context(resources, session, utc_now()))

    return with_resources(in_one_transaction)


def with_resources(command: Callable[[Resources], Awaitable[Result]]) -> Result:
    """The same for a command of several transactions."""

    async def inside(settings: Settings) -> Result:
        async with open_resources(settings) as resources:
            return await command(resources)

    with failures_in_one_sentence(), schema.ready(Settings.load()) as settings:
        return asyncio.run(inside(settings))
