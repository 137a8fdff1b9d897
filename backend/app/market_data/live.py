"""The newest snapshot of each market, shared by all requests of a process."""

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from sqlalchemy import URL, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NoMarketData, NotFound
from app.market_data.loading import load_snapshot, reading_connection
from app.market_data.panels import PanelFiles
from app.market_data.snapshot import MarketSnapshot
from app.models import Market

REAL_MARKET = "us"
DEMO_MARKET = "demo"

RECHECK_SECONDS = 0.02
"""For how long an answer of "has the data changed" is shared by those who ask next."""

_CODE = re.compile(r"[a-z0-9_-]{1,32}")


@dataclass(slots=True)
class _Held:
    """What is known of one market; `version` is None while it has no bars."""

    version: UUID | None = None
    checked_at: float = float("-inf")
    checking: asyncio.Lock = field(default_factory=asyncio.Lock)
    snapshot: MarketSnapshot | None = None
    loading: asyncio.Task[MarketSnapshot] | None = None


class MarketData:
    """Gives the current snapshot of a market, loading it again when its data version changed.

    Any process may import at any time. The version is read at most once per `RECHECK_SECONDS` and
    market; a load happens once, in a thread, however many requests wait for it. One per event
    loop.
    """

    def __init__(self, data_dir: Path) -> None:
        self._files = PanelFiles(data_dir / "panels")
        self._held: dict[str, _Held] = {}

    async def snapshot(
        self, session: AsyncSession, market: str, *, recheck: bool = False
    ) -> MarketSnapshot:
        """The market as last committed; with `recheck` not as it was a moment ago.

        Raises `NotFound` for an unknown market, `NoMarketData` for one without bars and
        `Unavailable` when the database is away.
        """
        if recheck and market in self._held:
            self._held[market].checked_at = float("-inf")
        held = await self._checked(session, market)
        if held.version is None:
            raise NoMarketData(market)
        current = held.snapshot
        if current is not None and current.data_version == held.version:
            return current
        url, wanted = session.get_bind().engine.url, held.version
        already_loading = held.loading is not None
        loaded = await self._loaded(held, url, market)
        if already_loading and loaded.data_version != wanted:
            # That load may have read the state before the one just seen; the next one cannot.
            loaded = await self._loaded(held, url, market)
        return loaded

    def fresh(self, market: str | None) -> MarketSnapshot | None:
        """The snapshot, if it was found current a moment ago: what most requests need, for nothing.

        None names the default market.
        """
        chosen = self._held.get(market or REAL_MARKET)
        if market is None and chosen is not None and self._is_fresh(chosen) and not chosen.version:
            chosen = self._held.get(DEMO_MARKET)
        if chosen is None or not self._is_fresh(chosen) or chosen.snapshot is None:
            return None
        return chosen.snapshot if chosen.snapshot.data_version == chosen.version else None

    async def default_market(self, session: AsyncSession) -> str:
        """The market of a request that names none: the real one as soon as it has bars."""
        real = await self._checked(session, REAL_MARKET)
        return DEMO_MARKET if real.version is None else REAL_MARKET

    @staticmethod
    def _is_fresh(held: _Held) -> bool:
        return asyncio.get_running_loop().time() - held.checked_at < RECHECK_SECONDS

    async def _checked(self, session: AsyncSession, market: str) -> _Held:
        held = self._held.get(market)
        if held is None:
            held = _Held()
        if self._is_fresh(held):
            return held
        async with held.checking:
            if not self._is_fresh(held):
                held.version = await _version(session, market)
                held.checked_at = asyncio.get_running_loop().time()
        return self._held.setdefault(market, held)

    async def _loaded(self, held: _Held, url: URL, market: str) -> MarketSnapshot:
        """Start the load, or join the one under way; giving up waiting does not stop it."""
        if held.loading is None:
            held.loading = asyncio.create_task(self._load(held, url, market))
            held.loading.add_done_callback(_mark_error_as_seen)
        return await asyncio.shield(held.loading)

    async def _load(self, held: _Held, url: URL, market: str) -> MarketSnapshot:
        try:
            held.snapshot = await asyncio.to_thread(load, url, market, self._files)
            return held.snapshot
        finally:
            held.loading = None


def load(url: str | URL, market: str, files: PanelFiles) -> MarketSnapshot:
    """Read a market without an event loop; raises what `MarketData.snapshot` raises."""
    with reading_connection(url) as connection:
        return load_snapshot(connection, market, files)


async def _version(session: AsyncSession, market: str) -> UUID | None:
    if not _CODE.fullmatch(market):
        raise NotFound("market")
    found = (
        await session.execute(
            select(Market.data_version, Market.latest_session).where(Market.code == market)
        )
    ).one_or_none()
    if found is None:
        raise NotFound("market")
    return found.data_version if found.latest_session is not None else None


def _mark_error_as_seen(task: asyncio.Task[MarketSnapshot]) -> None:
    """Those who waited got the error; when nobody did, it is not worth a warning at exit."""
    if not task.cancelled():
        task.exception()
