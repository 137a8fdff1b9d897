"""What the first requests would wait for, done beforehand."""

import asyncio
import gc
import sys
from contextlib import suppress

from app.bootstrap import Resources
from app.core.database import reading
from app.core.errors import NoMarketData, Unavailable
from app.quant.errors import QuantError
from app.schemas.settings import default_settings
from app.services import backtest_running, strategy

SECONDS_BETWEEN_LOOKS = 5.0


async def warm_up(resources: Resources) -> None:
    """Load the default market and score it once, which also loads the compiled kernels; then the
    engine of backtests."""
    try:
        await _score_once(resources)
        await _load_engine()
    finally:
        # What is loaded by now stays: to look through all of it for garbage again and again stopped
        # every request for 150 ms.
        gc.collect()
        gc.freeze()


async def _score_once(resources: Resources) -> None:
    with suppress(NoMarketData, Unavailable, QuantError):
        async with reading(resources.sessions) as session:
            code = await resources.market_data.default_market(session)
            market = await resources.market_data.snapshot(session, code)
        settings = default_settings(resources.settings)
        await strategy.scores_at(market, settings, market.latest_session)


async def _load_engine() -> None:
    """What was never compiled is compiled by a process of its own, which disturbs no request."""
    while not await asyncio.to_thread(backtest_running.engine_is_compiled):
        await _compile()
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
    await asyncio.to_thread(backtest_running.load_engine)


async def _compile() -> None:
    command = (sys.executable, "-m", "app.quant.loading")
    process = await asyncio.create_subprocess_exec("nice", *command)
    try:
        await process.wait()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
