"""The two kinds of prices, as they were traded and adjusted, which a market never mixes.

Its first prices decide of which kind a market is. Prices as traded bring dividends and splits with
them as actions; adjusted ones have both in the prices.
"""

from datetime import date

from app.core.errors import Refused
from app.models import Market

_ELSEWHERE = "to use these, begin an installation of its own with another DATA_DIR"


class AlreadyAdjusted(Refused):
    """A dividend or split for a market that has them in its prices."""

    def __init__(self, market: str, kind: str, ticker: str, day: date) -> None:
        super().__init__(
            f"The prices of the market '{market}' are already adjusted for dividends and splits, "
            f"so neither can be credited (the first is a {kind} of {ticker} on {day}): leave them "
            "out, or begin an installation of its own, with another DATA_DIR, by importing prices "
            "as traded with --traded."
        )


class KindsMixed(Refused):
    """Prices of one kind for a market that has prices of the other."""

    def __init__(self, market: str, *, traded: bool) -> None:
        super().__init__(
            f"The market '{market}' has prices that are adjusted for dividends and splits, and "
            f"prices as traded never mix with them: import adjusted prices without --traded, or, "
            f"{_ELSEWHERE}."
            if traded
            else f"The market '{market}' has prices as they were traded, and adjusted prices never "
            f"mix with them: import prices as traded, with --traded, or, {_ELSEWHERE}."
        )


def decide(about: Market, *, traded: bool) -> None:
    """Note of which kind arriving prices are, where the market has none yet.

    Raises `KindsMixed` where it has those of the other kind.
    """
    if about.latest_session is None:
        about.adjusted_only = not traded
    elif about.adjusted_only is traded:
        raise KindsMixed(about.code, traded=traded)
