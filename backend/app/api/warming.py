"""What the first requests would wait for, done beforehand."""

import gc
from contextlib import suppress

from app.bootstrap import Resources
from app.core.database import reading
from app.core.errors import NoMarketData, Unavailable
from app.quant.errors import QuantError
from app.schemas.settings import default_settings
from app.services import strategy


async def warm_up(resources: Resources) -> None:
    """Load the default market and score it once, which also loads the compiled kernels."""
    try:
        await _score_once(resources)
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
