"""A book's return attributed to positions, factors and asset classes."""

from dataclasses import dataclass

from app.market_data.snapshot import MarketSnapshot
from app.quant.attribution import by_class, by_factor, positions
from app.quant.attribution.by_class import ClassAttribution
from app.quant.attribution.by_factor import FactorAttribution
from app.quant.attribution.positions import PositionAttribution
from app.quant.book_over_time import BookOverTime
from app.quant.measured import Missing
from app.quant.metrics import TOO_FEW
from app.quant.panel import SESSIONS_PER_YEAR
from app.schemas.blend import BlendPart
from app.services import blends, factor_model

LOST = Missing("everything was lost on one day: returns cannot be linked")
BENCHMARK_LOST = Missing("the benchmark lost everything on one day: returns cannot be linked")
NO_BENCHMARK = Missing("the market has no prices of the benchmark")
NO_FACTOR_RETURNS = Missing(
    "no session has factor returns: they need ETFs that were scored at the close before, and "
    f"scores look back {SESSIONS_PER_YEAR} sessions"
)


@dataclass(frozen=True, slots=True)
class Question:
    """A book without gaps, and what it is held against: nothing where `benchmark` is empty.

    `from_nothing` as in `blends.over`.
    """

    book: BookOverTime
    benchmark: tuple[BlendPart, ...]
    from_nothing: bool


@dataclass(frozen=True, slots=True)
class Attributed:
    """One return told three ways."""

    positions: PositionAttribution
    factors: FactorAttribution | Missing
    classes: ClassAttribution | Missing


def attributed(market: MarketSnapshot, asked: Question) -> Attributed | Missing:
    book = asked.book
    if len(book) < 2:
        return TOO_FEW
    if (book.returns <= -1.0).any():
        return LOST
    return Attributed(
        positions=positions.by_position(
            book.tickers, book.contributions, costs=book.costs, returns=book.returns
        ),
        factors=_by_factor(market, book),
        classes=_by_class(market, asked),
    )


def _by_factor(market: MarketSnapshot, book: BookOverTime) -> FactorAttribution | Missing:
    model = factor_model.model_of(market)
    found = by_factor.by_factor(book, model.history, model.returns)
    return NO_FACTOR_RETURNS if found.unexplained_sessions == len(book) else found


def _by_class(market: MarketSnapshot, asked: Question) -> ClassAttribution | Missing:
    book = asked.book
    if not asked.benchmark:
        return NO_BENCHMARK
    blend = blends.over(market, asked.benchmark, book, from_nothing=asked.from_nothing)
    if isinstance(blend, Missing):
        return blend
    if ((blend.returns @ blend.weights) <= -1.0).any():
        return BENCHMARK_LOST
    returns = blends.returns_of(market, book.rows, book.sessions)
    return by_class.by_class(book, returns, blends.classes_of(market, book.rows), blend)
