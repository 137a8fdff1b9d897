"""What ETFs do to a book beside trades."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Movement:
    """What an ETF did to a book beside trades: the shares that came (negative: went), in
    millionths, and the cents that it paid, after tax. `ratio` is new shares per old one."""

    column: int
    row: int
    shares: int = 0
    cents: int = 0
    ratio: float = 1.0
