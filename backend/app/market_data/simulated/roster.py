"""Who is in the simulated market: the invented funds, the indices they follow, and their lives."""

from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np

from app.market_data.simulated.bonds import FIXED_INCOME
from app.market_data.simulated.equities import BROAD_EQUITY, SECTOR_EQUITY
from app.market_data.simulated.factors import COLUMN, FACTORS, REGIME_VOLATILITY
from app.market_data.simulated.other_assets import OTHERS
from app.market_data.simulated.segment import Segment
from app.market_data.simulated.streams import Purpose, generator
from app.quant.panel import FloatArray

PREFIX = "ZX"
BENCHMARK = "ZXMKA"
HORIZON = 2520
"""Sessions within which funds are listed late or closed; afterwards the roster stays as it is."""

LATE_SHARE = 0.15
CLOSURES = 7
CLOSING_SEGMENTS = frozenset({"DC", "EC", "TH", "CB", "CA", "MO", "LV", "MB"})
STYLES = ("momentum", "value", "quality", "low_volatility", "small")
ISSUERS = tuple(
    f"{tree} Simulated Funds"
    for tree in ("Alder", "Birch", "Cedar", "Hazel", "Juniper", "Larch", "Rowan", "Willow")
)


@dataclass(frozen=True, slots=True)
class Fund:
    """One fund: what it is, and the column of the session of its first and last bar."""

    ticker: str
    name: str
    issuer: str
    segment: Segment
    index: int
    expense: float
    turnover: float
    first_close: float
    split_ratio: float
    payment_phase: int
    days_before_start: int
    first: int = 0
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """What the funds of a pair of twins have in common."""

    segment: Segment
    loadings: FloatArray


@dataclass(frozen=True, slots=True)
class Roster:
    """Funds in the order of their tickers; indices in the order in which funds refer to them."""

    funds: tuple[Fund, ...]
    indices: tuple[Index, ...]

    def column(self, values: list[float]) -> FloatArray:
        """One value per fund, or per index, shaped to meet (rows, sessions)."""
        return np.array(values, dtype=np.float64)[:, None]


SEGMENTS = tuple(
    sorted((*BROAD_EQUITY, *SECTOR_EQUITY, *FIXED_INCOME, *OTHERS), key=lambda part: part.code)
)


def roster(seed: int) -> Roster:
    rng = generator(seed, Purpose.FUNDS)
    indices: list[Index] = []
    first_index: dict[str, int] = {}
    for segment in SEGMENTS:
        first_index[segment.code] = len(indices)
        indices += [Index(segment, _loadings(rng, segment)) for _ in range(segment.own_indices)]

    lives = _lives(rng)
    funds = [
        _fund(rng, segment, place, first_index[segment.tracks or segment.code], next(lives))
        for segment in SEGMENTS
        for place in range(segment.funds)
    ]
    return Roster(tuple(funds), tuple(indices))


def typical_volatility(index: Index) -> float:
    """Yearly volatility of an index in the normal regime."""
    scale = [REGIME_VOLATILITY[1], *(spec.volatility for spec in FACTORS.values())]
    return float(np.hypot(np.linalg.norm(index.loadings * scale), index.segment.noise))


def _loadings(rng: np.random.Generator, segment: Segment) -> FloatArray:
    loadings = np.zeros(len(COLUMN))
    for factor, amount in segment.loadings.items():
        loadings[COLUMN[factor]] = amount * (1.0 + segment.spread * rng.standard_normal())
    if "equity" in segment.asset_class:
        tilts = segment.spread * rng.standard_normal(len(STYLES))
        loadings[[COLUMN[style] for style in STYLES]] += tilts
    return loadings


def _lives(rng: np.random.Generator) -> Iterator[tuple[int, int | None]]:
    """First and last column of each fund, in the order of the roster."""
    codes = [segment.code for segment in SEGMENTS for _ in range(segment.funds)]
    may_close = [row for row, code in enumerate(codes) if code in CLOSING_SEGMENTS]
    closing = rng.choice(may_close, CLOSURES, replace=False).tolist()
    # One closure in each seventh of the last seven tenths of the horizon, so the last is recent.
    closes = HORIZON * (0.3 + 0.7 * (np.arange(CLOSURES) + rng.random(CLOSURES)) / CLOSURES)
    last = dict(zip(closing, closes.astype(int).tolist(), strict=True))

    late, starts = rng.random(len(codes)), rng.integers(21, HORIZON - 21, len(codes))
    for row, code in enumerate(codes):
        starts_late = late[row] < LATE_SHARE and code != BENCHMARK[2:4] and row not in last
        yield int(starts[row]) if starts_late else 0, last.get(row)


def _fund(
    rng: np.random.Generator,
    segment: Segment,
    place: int,
    first_index: int,
    life: tuple[int, int | None],
) -> Fund:
    expense, price = rng.uniform(*segment.expense), rng.uniform(*segment.price)
    low, high = np.log(segment.turnover)
    # The first funds of a segment are its largest.
    size = np.clip(1.0 - (place + rng.random()) / segment.funds, 0.0, 1.0)
    return Fund(
        ticker=f"{PREFIX}{segment.code}{ascii_uppercase[place]}",
        name=f"Simulated {segment.label} {place + 1}",
        issuer=ISSUERS[int(rng.integers(len(ISSUERS)))],
        segment=segment,
        index=first_index + place % max(segment.own_indices, 1),
        expense=round(float(expense), 4),
        turnover=float(np.exp(low + (high - low) * size)),
        first_close=float(price),
        split_ratio=float(rng.choice([2.0, 3.0, 4.0])),
        payment_phase=int(rng.integers(0, 63)),
        days_before_start=int(rng.integers(90, 5000)),
        first=life[0],
        last=life[1],
    )
