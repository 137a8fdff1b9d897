"""Which ETFs to hold: the best composites, without cool-downs, and without the same bet twice.

Names with a composite that are not excluded are placed by it, best first, equal ones by ticker.
Names already held whose place is within `hold_buffer` times `num_positions` come first, in the
order of their places; then all others follow in theirs. Down this list every name is taken unless
it is barred, lacks returns, or is a twin of one taken before, until `num_positions` are found.

So a held name keeps its place against a better twin that is not held (swapping one bet for itself
only costs), and of two held names that became twins the better placed one stays.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import numpy as np

from app.quant.covariance import largest_correlation, recent_returns, unit_deviations
from app.quant.panel import FloatArray, IntArray, Panel

TWIN_SESSIONS = 252
BLOCK = 32
"""Names whose returns are read at a time: most walks end in the first block or two."""


@dataclass(frozen=True, slots=True)
class SelectionRules:
    num_positions: int = 20
    max_correlation: float = 0.98
    hold_buffer: float = 1.5
    history: int = TWIN_SESSIONS
    """Returns a name must have, at least those that the search for twins reads."""

    @property
    def last_kept(self) -> int:
        return int(self.hold_buffer * self.num_positions + 1e-9)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of the portfolio and its limits on the day: tickers.

    `barred` gives for each name the reason, as it is to be read ("barred until 2025-07-31").
    """

    held: AbstractSet[str] = frozenset()
    barred: Mapping[str, str] = field(default_factory=dict)
    excluded: AbstractSet[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pick:
    """A name taken: its row in the panel, its place, and why."""

    row: int
    ticker: str
    rank: int
    composite: float
    held: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Passed:
    """A name not taken though better than the last one taken, or though held, and why.

    `rank` is None for an excluded or unscored name: it has no place.
    """

    ticker: str
    rank: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Picks in the order of their places, names passed over, and how many were asked for."""

    picks: tuple[Pick, ...]
    passed: tuple[Passed, ...]
    asked: int

    @property
    def rows(self) -> IntArray:
        return np.array([pick.row for pick in self.picks], dtype=np.int64)

    @property
    def shortfall(self) -> str | None:
        """A sentence where fewer names were eligible than asked for."""
        if len(self.picks) == self.asked:
            return None
        return f"only {len(self.picks)} of {self.asked} positions: no other ETF is eligible"


def select(
    panel: Panel, composites: FloatArray, rules: SelectionRules, circumstances: Circumstances
) -> Selection:
    """Choose from `composites` (one per row of `panel`, NaN = no score) at the panel's end.

    Raises InsufficientHistory where the panel is shorter than the returns asked for.
    """
    scored = by_composite(panel.tickers, composites)
    order = [row for row in scored if panel.tickers[row] not in circumstances.excluded]
    taken, objections = _take(
        panel, _walk(panel, order, rules, circumstances), rules, circumstances
    )

    places = {row: place for place, row in enumerate(order, start=1)}
    picks = tuple(
        _pick(panel, row, places[row], rules, composites=composites, circumstances=circumstances)
        for row in sorted(taken, key=places.__getitem__)
    )
    last = scored.index(picks[-1].row) if picks else len(scored)
    passed = [
        Passed(panel.tickers[row], places.get(row), _why_not(row, places, objections, rules))
        for position, row in enumerate(scored)
        if row not in taken and (position < last or panel.tickers[row] in circumstances.held)
    ]
    unscored = sorted(circumstances.held - {panel.tickers[row] for row in scored})
    passed += [Passed(ticker, None, "held, but without a score") for ticker in unscored]
    return Selection(picks, tuple(passed), rules.num_positions)


def by_composite(tickers: Sequence[str], composites: FloatArray) -> list[int]:
    """Rows that have a composite, best first, equal ones by ticker."""
    rows = np.flatnonzero(~np.isnan(composites)).tolist()
    values = composites.tolist()
    return sorted(rows, key=lambda row: (-values[row], tickers[row]))


def _walk(
    panel: Panel, order: Sequence[int], rules: SelectionRules, circumstances: Circumstances
) -> list[int]:
    """Held names within the buffer, then the rest."""
    kept = [row for row in order[: rules.last_kept] if panel.tickers[row] in circumstances.held]
    first = set(kept)
    return kept + [row for row in order if row not in first]


def _take(
    panel: Panel, walk: Sequence[int], rules: SelectionRules, circumstances: Circumstances
) -> tuple[list[int], dict[int, str]]:
    """The rows taken along the walk, and the objection to each one passed over on the way."""
    taken: list[int] = []
    deviations: list[FloatArray] = []
    objections: dict[int, str] = {}
    for row, deviation in _deviations(panel, walk, rules.history):
        if len(taken) == rules.num_positions:
            break
        objection = circumstances.barred.get(panel.tickers[row])
        if objection is None and np.isnan(deviation).any():
            objection = f"closes missing within the last {rules.history} returns"
        if objection is None and deviations:
            nearest, correlation = largest_correlation(deviation, deviations)
            if correlation > rules.max_correlation:
                objection = f"twin of {panel.tickers[taken[nearest]]} ({correlation:.3f})"
        if objection is None:
            taken.append(row)
            deviations.append(deviation)
        else:
            objections[row] = objection
    return taken, objections


def _deviations(
    panel: Panel, walk: Sequence[int], history: int
) -> Iterator[tuple[int, FloatArray]]:
    """Each row of the walk with its unit deviations, all NaN where a needed return is missing."""
    for start in range(0, len(walk), BLOCK):
        block = walk[start : start + BLOCK]
        returns = recent_returns(panel, np.array(block), history)
        deviations = unit_deviations(returns[:, -TWIN_SESSIONS:])
        deviations[np.isnan(returns).any(axis=1)] = np.nan
        yield from zip(block, deviations, strict=True)


def _pick(
    panel: Panel,
    row: int,
    place: int,
    rules: SelectionRules,
    *,
    composites: FloatArray,
    circumstances: Circumstances,
) -> Pick:
    held = panel.tickers[row] in circumstances.held
    reason = f"rank {place}, held" if held else f"rank {place}"
    if held and place > rules.num_positions:
        reason += f" and within the buffer of {rules.last_kept}"
    return Pick(row, panel.tickers[row], place, float(composites[row]), held, reason)


def _why_not(
    row: int, places: Mapping[int, int], objections: Mapping[int, str], rules: SelectionRules
) -> str:
    if row not in places:
        return "excluded"
    if row in objections:
        return objections[row]
    if places[row] > rules.last_kept:
        return f"held, but rank {places[row]} is outside the buffer of {rules.last_kept}"
    return f"rank {places[row]} after {rules.num_positions} others"
