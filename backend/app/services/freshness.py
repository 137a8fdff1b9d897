"""How old a market's latest prices are, counted in sessions, never in days."""

from datetime import date, datetime
from functools import lru_cache
from typing import TypedDict

from app.core import calendar
from app.market_data.snapshot import MarketSnapshot


class AsOfFields(TypedDict):
    """The fields of `schemas.market.AsOf`."""

    market: str
    simulated: bool
    as_of: date
    stale: bool
    sessions_behind: int


ACTS_WITHIN = 1
"""Sessions that may be missing where nobody looks: the newest one's prices take a while to come."""


def is_too_old_to_act(sessions_behind: int) -> bool:
    """Whether what acts by itself pauses."""
    return sessions_behind > ACTS_WITHIN


def behind(market: MarketSnapshot, now: datetime) -> int:
    """How many sessions have closed by `now` that the market has no prices of."""
    # Sessions close on full minutes, so all moments of a minute have the same answer.
    return _behind(market.latest_session, now.replace(second=0, microsecond=0))


@lru_cache(maxsize=64)
def _behind(latest: date, now: datetime) -> int:
    return max(calendar.sessions_between(latest, calendar.last_completed_session(now)), 0)


def as_of(market: MarketSnapshot, now: datetime) -> AsOfFields:
    """What an answer built on the market's latest close says about it."""
    missing = behind(market, now)
    return AsOfFields(
        market=market.code,
        simulated=market.simulated,
        as_of=market.latest_session,
        stale=missing > 0,
        sessions_behind=missing,
    )
