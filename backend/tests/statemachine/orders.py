"""Orders as they are asked for and as they stand."""

from dataclasses import dataclass, replace
from fractions import Fraction
from uuid import UUID

from tests.statemachine.book import SHARES, Day, Etf
from tests.statemachine.exact import NONE, Picks


@dataclass(frozen=True, slots=True)
class Wish:
    """An order as it is asked for; either a quantity or a notional amount."""

    etf: Etf
    side: str
    quantity: Fraction | None = None
    notional: Fraction | None = None
    limit: Fraction | None = None
    stop: Fraction | None = None
    good_till_cancelled: bool = False
    next_open: bool = False
    picks: Picks | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """`made` orders them in time; `seen` is the last session that anything happened in."""

    id: UUID
    made: tuple[object, ...]
    etf: Etf
    side: str
    quantity: Fraction
    day: Day
    origin: str = "user"
    filled: Fraction = NONE
    state: str = "accepted"
    limit: Fraction | None = None
    stop: Fraction | None = None
    triggered: bool = False
    day_only: bool = True
    picks: Picks | None = None
    key: str | None = None
    lacked_shares: bool = False

    @property
    def is_open(self) -> bool:
        return self.state in {"accepted", "partially_filled"}

    @property
    def left(self) -> Fraction:
        return self.quantity - self.filled

    def plus(self, quantity: Fraction) -> "Order":
        filled = self.filled + quantity
        state = "filled" if filled == self.quantity else "partially_filled"
        return replace(self, filled=filled, state=state)

    def given_up(self, why: str = "") -> "Order":
        """Ended by the lack of means: what was never filled is rejected."""
        state = "cancelled" if self.filled else "rejected"
        return replace(self, state=state, lacked_shares=why == SHARES)

    def picks_for(self, quantity: Fraction) -> Picks | None:
        """The chosen lots of the next shares, in the order they were chosen."""
        if self.picks is None:
            return None
        end, at, found = self.filled + quantity, NONE, []
        for number, part in self.picks:
            taken = min(at + part, end) - max(at, self.filled)
            at += part
            if taken > 0:
                found.append((number, taken))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Lines of a rebalance: ETF, side and quantity in shares of the day it was decided."""

    day: Day
    at_sequence: int
    lines: tuple[tuple[Etf, str, Fraction], ...]
    executed: bool = False
