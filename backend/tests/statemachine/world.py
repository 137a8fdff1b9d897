"""The real services on a real database, driven step by step from code that is not async."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString, TypeVar, cast
from unittest.mock import patch

import httpx2
import psycopg
from sqlalchemy import event, make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from app.bootstrap import Resources, open_resources
from app.core.config import Settings
from app.core.database import Sessions, unit_of_work
from app.main import create_app
from app.market_data.live import MarketData
from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind, Portfolio, owned_portfolio
from app.schemas.settings import PortfolioSettings, default_settings
from app.services import portfolios
from tests.statemachine.tape import LETTERS, SESSIONS, Tape, rows_of, ticker

T = TypeVar("T")
MAKE_ETFS = """
    INSERT INTO etfs (market, ticker) SELECT 'us', unnest(%(tickers)s::text[]) RETURNING id
    """
MAKE_USER = "INSERT INTO users (name, created_at) VALUES (%(name)s, now()) RETURNING id"
MAKE_BAR = """
    INSERT INTO etf_prices (etf_id, session, open, high, low, close, volume)
    VALUES (%(etf_id)s, %(session)s, %(open)s, %(high)s, %(low)s, %(close)s, %(volume)s)
    """
MAKE_ACTION = """
    INSERT INTO corporate_actions (etf_id, ex_date, kind, value, source)
    VALUES (%(etf_id)s, %(ex_date)s, %(kind)s, %(value)s, 'tape') RETURNING id
    """


class Crash(BaseException):
    """The process dies here."""


class Breakable(Session):
    """A session that dies just before or just after its commit, when it is told to."""

    dies: str | None = None


@event.listens_for(Breakable, "before_commit")
def _die_before(_session: Session) -> None:
    if Breakable.dies == "before":
        raise Crash


@event.listens_for(Breakable, "after_commit")
def _die_after(_session: Session) -> None:
    if Breakable.dies == "after":
        raise Crash


@contextmanager
def dying(when: str | None) -> Iterator[None]:
    """Within the block, units of work die `before` or `after` their commit, or not at all."""
    Breakable.dies = when
    try:
        yield
    finally:
        Breakable.dies = None


@dataclass(slots=True)
class Prices:
    """Stands where market data are read: always the tape of the current example."""

    tape: Tape | None = None

    async def snapshot(self, _session: AsyncSession, _market: str) -> MarketSnapshot:
        assert self.tape is not None
        return self.tape.snapshot()


@dataclass(slots=True)
class Clock:
    """Moves a second with every look, and to the close with every session."""

    now: datetime = datetime(2024, 1, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now = self.next
        return self.now

    @property
    def next(self) -> datetime:
        """What the next look will say."""
        return self.now + timedelta(seconds=1)

    def after_close(self, day: date) -> None:
        self.now = datetime(day.year, day.month, day.day, 22, tzinfo=UTC)


@dataclass(slots=True)
class World:
    """One database, one event loop, one application; example after example."""

    runner: asyncio.Runner
    sessions: Sessions
    direct: psycopg.Connection[tuple[Any, ...]]
    client: httpx2.AsyncClient
    resources: Resources
    prices: Prices
    clock: Clock = field(default_factory=Clock)
    examples: int = 0
    steps: int = 0
    owner_id: int = 0
    portfolio_id: int = 0

    def run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.runner.run(awaited())

    def open_tape(self, volumes: tuple[int, ...]) -> Tape:
        """Three new ETFs and a new user."""
        self.examples += 1
        number = self.examples

        names = [ticker(etf, number) for etf in range(len(LETTERS))]
        ids = tuple(row[0] for row in self.rows(MAKE_ETFS, tickers=names))
        ((self.owner_id,),) = self.rows(MAKE_USER, name=f"example {number}")
        self.prices.tape = Tape(number, ids, volumes)
        return self.prices.tape

    def open_portfolio(self, capital: Any, settings: PortfolioSettings) -> None:
        async def make() -> int:
            async with unit_of_work(self.sessions) as session:
                portfolio = await portfolios.create(
                    session,
                    await self.prices.snapshot(session, "us"),
                    owner_id=self.owner_id,
                    name="A model",
                    initial_capital=capital,
                    settings=settings,
                    now=self.clock(),
                )
                return portfolio.id

        self.portfolio_id = self.run(make())

    def write_bars(self, tape: Tape) -> None:
        """Store the bars of the latest session, where resting orders look for them."""
        self.clock.after_close(SESSIONS[tape.latest])

        with self.direct.cursor() as cursor:
            cursor.executemany(MAKE_BAR, rows_of(tape))

    def write_action(self, tape: Tape, etf: int, day: int, kind: ActionKind, value: str) -> int:
        ((number,),) = self.rows(
            MAKE_ACTION,
            etf_id=tape.ids[etf],
            ex_date=SESSIONS[day],
            kind=kind.value,
            value=Decimal(value),
        )
        return int(number)

    def work(self, do: Callable[[AsyncSession, MarketSnapshot, Portfolio], Awaitable[T]]) -> T:
        """One unit of work on the portfolio's locked row, as every door opens it."""

        async def run() -> T:
            async with unit_of_work(self.sessions) as session:
                query = owned_portfolio(self.owner_id, self.portfolio_id).with_for_update()
                portfolio = (await session.scalars(query)).one()
                return await do(session, await self.prices.snapshot(session, "us"), portfolio)

        return self.run(run())

    def post(self, body: dict[str, Any], key: str) -> httpx2.Response:
        headers = {"Idempotency-Key": key}
        return self.run(self.client.post("/api/trades", json=body, headers=headers))

    def rows(self, query: LiteralString, **about: object) -> list[tuple[Any, ...]]:
        """Straight from the database, apart from what is proved."""
        about.setdefault("portfolio_id", self.portfolio_id)
        return self.direct.execute(query, about).fetchall()


@contextmanager
def opened(database_url: str, redis_url: str, data_dir: Path) -> Iterator[World]:
    """The world on an empty database. What it proves is not durability: commits do not wait."""
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        data_dir=data_dir,
        _env_file=None,
    )
    engine = create_async_engine(
        database_url, connect_args={"options": "-c synchronous_commit=off"}
    )
    sessions = async_sessionmaker(engine, expire_on_commit=False, sync_session_class=Breakable)
    prices, clock = Prices(), Clock()
    stack = AsyncExitStack()
    app = create_app(settings)

    async def open_application() -> World:
        found = await stack.enter_async_context(open_resources(settings))
        stack.push_async_callback(engine.dispose)
        resources = replace(found, sessions=sessions, market_data=cast("MarketData", prices))

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            owned = replace(resources, owner_id=world.owner_id)
            await app({**scope, "state": {"resources": owned}}, receive, send)

        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(with_state), base_url="http://localhost"
        )
        await stack.enter_async_context(client)
        world = World(runner, sessions, direct, client, resources, prices, clock)
        return world

    url = make_url(database_url).set(drivername="postgresql")
    with (
        psycopg.connect(
            url.render_as_string(hide_password=False), autocommit=True, prepare_threshold=1
        ) as direct,
        asyncio.Runner() as runner,
    ):
        try:
            with patch("app.api.trades.utc_now", clock):
                yield runner.run(open_application())
        finally:
            runner.run(stack.aclose())


def settings_of(world: World, **rules: object) -> PortfolioSettings:
    """Fills without market impact: its square root is no fraction."""
    plain = {"impact": 0.0, "use_vix_adjustment": False, "min_weight": 0.0}
    return default_settings(world.resources.settings).model_copy(update={**plain, **rules})
