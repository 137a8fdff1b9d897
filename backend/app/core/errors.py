"""What can go wrong, as types raised where the fact is known. `api.errors` turns them into HTTP."""

from datetime import date
from decimal import Decimal


class ETFTraderError(Exception):
    """Anything a caller can act on; the message says what to do and never echoes raw input."""


class Misconfigured(ETFTraderError):
    """A setting has a value that cannot work."""


class NotFound(ETFTraderError):
    """The thing does not exist, or belongs to somebody else: the two are not told apart."""

    def __init__(self, noun: str) -> None:
        super().__init__(f"There is no such {noun}.")


class Conflict(ETFTraderError):
    """The request is fine, but not in the present state of things."""


class NameTaken(Conflict):
    """Another open portfolio of this user has the name."""


class PortfolioClosed(Conflict):
    def __init__(self) -> None:
        super().__init__("The portfolio is closed: it can be read, not changed.")


class StillRunning(Conflict):
    """A request with this idempotency key is being worked on."""

    def __init__(self) -> None:
        super().__init__("The first request with this Idempotency-Key is still running: ask again.")


class Refused(ETFTraderError):
    """The request cannot be done as it stands, whatever the moment."""


class KeyReused(Refused):
    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used for another request: take a new key for a new request."
        )


class InsufficientCash(Refused):
    def __init__(self, *, needed: Decimal, available: Decimal) -> None:
        super().__init__(
            f"{needed} USD is needed, costs included, and {available} USD is available: "
            f"{needed - available} USD is missing."
        )
        self.missing = needed - available


class InsufficientShares(Refused):
    def __init__(self, *, wanted: Decimal, held: Decimal) -> None:
        super().__init__(f"The order sells {wanted} shares and {held} are held.")


class UnknownTicker(Refused):
    def __init__(self) -> None:
        super().__init__("The portfolio's market has no ETF with this ticker.")


class NoPrice(Refused):
    def __init__(self, ticker: str, session: date) -> None:
        super().__init__(
            f"{ticker} has no usable price for {session} or the 5 sessions before: import prices."
        )


class NoMarketData(Conflict):
    """Nothing has been imported for this market."""

    def __init__(self, market: str) -> None:
        super().__init__(
            f"The market '{market}' has no prices yet: 'etftrader data import' brings real ones, "
            "'etftrader up' makes the simulated ones."
        )


class NotScored(Conflict):
    def __init__(self, market: str) -> None:
        super().__init__(
            f"The market '{market}' has prices and no scores yet: run 'etftrader factors score'."
        )


class BadFile(ETFTraderError):
    """A file that cannot be imported; the message names the file's fault."""


class Unavailable(ETFTraderError):
    """Something we stand on does not answer now; trying again may help."""
