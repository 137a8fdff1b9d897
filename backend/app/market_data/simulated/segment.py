"""A kind of simulated fund: what moves it, how many there are and how they trade."""

from collections.abc import Mapping
from dataclasses import dataclass, field

US, DEVELOPED, EMERGING, GLOBAL = "US", "Developed ex-US", "Emerging markets", "Global"
MONTHLY, QUARTERLY, NEVER = 12, 4, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A group of funds of one kind.

    `code`: two letters of the tickers. `indices`: how many indices the funds share; funds of one
    index are twins. `loadings`: daily excess return per unit of each factor. `noise`: yearly
    volatility of an index that no factor explains. `expense` and `payout` are yearly fractions.
    `turnover`: daily dollar volume from the smallest to the largest fund. `price`: first closes.
    `leverage`: multiple of the daily return of `tracks`, another segment's first index.
    `largest_move`: bound of a day's return of an index. `spread`: how far loadings differ between
    indices. `gaps` and `idle`: chances of a session without a bar and of one without a trade.
    """

    code: str
    label: str
    asset_class: str
    category: str
    funds: int
    loadings: Mapping[str, float] = field(default_factory=dict)
    region: str = US
    indices: int = 0
    noise: float = 0.02
    payout: float = 0.0
    payments: int = NEVER
    expense: tuple[float, float] = (0.0008, 0.0045)
    turnover: tuple[float, float] = (1.2e6, 9e7)
    price: tuple[float, float] = (22.0, 95.0)
    leverage: float = 1.0
    tracks: str = ""
    largest_move: float = 0.14
    spread: float = 0.08
    gaps: float = 0.0
    idle: float = 0.0

    @property
    def own_indices(self) -> int:
        return 0 if self.tracks else self.indices or self.funds
