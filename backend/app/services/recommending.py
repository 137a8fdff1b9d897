"""What a new portfolio would hold today: selection and optimizer on an empty book."""

from datetime import datetime
from decimal import Decimal
from math import isnan

from app.market_data.snapshot import MarketSnapshot
from app.quant.factors.scoring import Scores
from app.schemas.recommendation import PassedOver, Recommendation, Recommendations
from app.schemas.settings import PortfolioSettings
from app.services import freshness, strategy
from app.services.strategy import Standing, Wanted

CAPITAL = Decimal(100_000)
"""What the costs of trading are estimated on."""


async def recommend(
    market: MarketSnapshot, settings: PortfolioSettings, *, now: datetime
) -> Recommendations:
    """Target weights at the latest close for somebody who holds nothing.

    Raises `Infeasible` when the settings admit no portfolio.
    """
    latest = market.latest_session
    empty = Standing(value=CAPITAL, weights={}, barred={}, frozen=frozenset())
    scores = await strategy.scores_at(market, settings, latest)
    targets = await strategy.targets_at(market, settings, latest, empty)
    return Recommendations(
        **freshness.as_of(market, now),
        optimizer=settings.optimizer,
        num_positions=settings.num_positions,
        cash_weight=1.0 - sum(position.weight for position in targets.positions),
        recommendations=[_described(market, scores, each) for each in targets.positions],
        passed_over=[
            PassedOver(ticker=each.ticker, rank=each.rank, reason=each.reason)
            for each in targets.passed
        ],
        shortfall=targets.shortfall,
    )


def _described(market: MarketSnapshot, scores: Scores, position: Wanted) -> Recommendation:
    row = market.row_of[position.ticker]
    etf = market.etfs[row]
    return Recommendation(
        ticker=etf.ticker,
        name=etf.name,
        asset_class=etf.asset_class,
        target_weight=position.weight,
        why=position.reason,
        momentum=float(scores.momentum[row]),
        quality=float(scores.quality[row]),
        volatility=float(scores.volatility[row]),
        value=None if isnan(scores.value[row]) else float(scores.value[row]),
        composite=float(scores.composite[row]),
        rank=int(scores.rank[row]),
    )
