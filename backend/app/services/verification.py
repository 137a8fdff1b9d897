"""Whether anything that is decided on a market's data follows what came after."""

import numpy as np

from app.core import calendar
from app.core.errors import Refused
from app.core.progress import Progress
from app.market_data.snapshot import MarketSnapshot
from app.quant.backtest.rules import TradingRules
from app.quant.panel import SESSIONS_PER_YEAR
from app.quant.verification.lookahead import (
    Checked,
    Leak,
    Subject,
    merged,
    part_of,
    verify,
)
from app.schemas.settings import OptimizerName, PortfolioSettings
from app.schemas.verification import LeakRead, LookaheadRead, StageRead
from app.services import strategy
from app.services.tapes import tape_of

LIVED = 126
"""Sessions of simulated life before a cut, at least where the data go back so far."""
AFTER = 63
"""Sessions whose replacement is enough of a future."""


def lookahead(
    market: MarketSnapshot,
    settings: PortfolioSettings,
    *,
    cuts: int,
    seed: int,
    progress: Progress,
) -> LookaheadRead:
    """Every factor, and every optimizer with `settings` otherwise. Raises Refused for a market too
    short to look back a year and live on."""
    days = market.panel.sessions
    first = SESSIONS_PER_YEAR + 1
    if len(days) < first + 10:
        raise Refused(f"The market has {len(days)} sessions; {first + 10} are needed.")
    random = np.random.default_rng(seed)
    chosen = np.sort(random.integers(min(first + 5, len(days) - 6), len(days) - 1, cuts))
    subject = Subject(
        tape=tape_of(market),
        facts=market.facts,
        rules={name.value: _rules(settings, name) for name in OptimizerName},
        asks=np.isin(days, calendar.first_session_of_each(calendar.Period.WEEK, days)),
        first=first,
    )
    parts = []
    for number, cut in enumerate(chosen.tolist()):
        begin, end = max(cut - first - LIVED, 0), min(cut + AFTER, len(days))
        part = part_of(subject, begin, end)

        def tell(step: str, done: int, of: int, before: int = number) -> None:
            progress(step, before * of + done, cuts * of)

        parts.append(verify(part, (cut - begin,), seed=seed + number, tell=tell))
    found = merged(parts)
    return LookaheadRead(
        market=market.code,
        seed=seed,
        cuts=days[chosen].tolist(),
        leaks=sum(each.leak is not None for each in found),
        stages=[_stage(each) for each in found],
    )


def _rules(settings: PortfolioSettings, optimizer: OptimizerName) -> TradingRules:
    return strategy.trading_rules(settings.model_copy(update={"optimizer": optimizer}))


def _stage(found: Checked) -> StageRead:
    leak = None if found.leak is None else _leak(found.leak)
    return StageRead(stage=found.stage, compared=found.compared, leak=leak)


def _leak(found: Leak) -> LeakRead:
    return LeakRead(
        followed=found.followed,
        cut=found.cut.item(),
        session=found.session.item(),
        ticker=found.ticker,
        sentence=found.sentence,
    )
