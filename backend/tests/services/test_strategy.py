from decimal import Decimal

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.quant.factors.scoring import ScoreSettings
from app.quant.optimizers import MeanVariance, MinimumVariance
from app.quant.returns import Flow
from app.schemas.settings import FactorWeights, OptimizerName, ScoreMethod, ScoreWithin, Universe
from app.services import deciding, exposure, marking, strategy
from app.services.strategy import Standing
from tests.services import lives

EMPTY = Standing(value=Decimal(100_000), weights={}, barred={}, frozen=frozenset())


def test_settings_reach_the_arithmetic() -> None:
    settings = lives.rules(
        optimizer=OptimizerName.MVO,
        risk_aversion=7.0,
        cost_aversion=2.0,
        num_positions=7,
        hold_buffer=2.0,
        max_correlation=0.9,
        cash_buffer=0.05,
        asset_class_caps={"Equity": 0.5},
        lookback=100,
        stop_loss_pct=0.08,
        cooldown_sessions=5,
        min_trade=0.01,
    )
    found = strategy.construction_settings(settings)
    assert found.optimizer == MeanVariance(risk_aversion=7.0, cost_aversion=2.0)
    assert found.selection.num_positions == 7
    assert found.selection.hold_buffer == 2.0
    assert found.selection.max_correlation == 0.9
    assert found.limits.cash_buffer == 0.05
    assert found.limits.caps == {"Equity": 0.5}
    assert found.lookback == 100
    assert strategy.stop_policy(settings).fixed == 0.08
    assert strategy.stop_policy(settings).cooldown_sessions == 5
    assert strategy.order_settings(settings).min_trade == Decimal("0.01")
    quiet = lives.rules(optimizer=OptimizerName.MINVAR, volatility_penalty=0.5)
    assert strategy.construction_settings(quiet).optimizer == MinimumVariance(0.5)


def test_the_default_rules_score_as_the_market_does() -> None:
    assert strategy.score_settings(lives.rules()) == ScoreSettings()


@pytest.mark.parametrize(
    "changes",
    [
        {"factor_weights": FactorWeights(momentum=1.0, quality=0.0, volatility=0.0, value=0.0)},
        {"score_method": ScoreMethod.MIX},
        {"score_within": ScoreWithin.ASSET_CLASS},
        {"universe": Universe(tickers=("AAA", "BBB", "CCC", "DDD", "EEE"))},
    ],
)
async def test_what_changes_a_score_is_not_answered_from_memory(
    market: MarketSnapshot, changes: dict[str, object]
) -> None:
    day = market.latest_session
    plain = await strategy.scores_at(market, lives.rules(), day)
    other = await strategy.scores_at(market, lives.rules(**changes), day)
    assert await strategy.scores_at(market, lives.rules(), day) is plain
    assert not np.array_equal(plain.composite, other.composite, equal_nan=True)


async def test_a_narrowed_universe_is_all_that_is_scored(market: MarketSnapshot) -> None:
    universe = Universe(asset_classes=("equity", "Commodity"), excluded=("AAA",))
    scores = await strategy.scores_at(market, lives.rules(universe=universe), market.latest_session)
    scored = {market.etfs[row].ticker for row in np.flatnonzero(scores.scored)}
    assert "AAA" not in scored
    assert {market.etfs[market.row(t)].asset_class for t in scored} == {"Equity", "Commodity"}


async def test_no_score_or_target_sees_a_later_price(market: MarketSnapshot) -> None:
    day = lives.day(market, 15)
    other = lives.scrambled(market, day)
    for optimizer in OptimizerName:
        settings = lives.rules(optimizer=optimizer)
        mine = await strategy.targets_at(market, settings, day, EMPTY)
        theirs = await strategy.targets_at(other, settings, day, EMPTY)
        assert mine == theirs


async def test_a_frozen_name_keeps_its_weight_and_the_rest_is_divided(
    market: MarketSnapshot,
) -> None:
    standing = Standing(
        value=Decimal(100_000), weights={"MUTE": 0.3}, barred={}, frozen=frozenset({"MUTE"})
    )
    found = await strategy.targets_at(market, lives.rules(), market.latest_session, standing)
    assert found.weights["MUTE"] == 0.3
    assert sum(found.weights.values()) == pytest.approx(0.3 + 0.7 * 0.98)


async def test_after_a_deep_fall_half_is_held(market: MarketSnapshot) -> None:
    found = await strategy.targets_at(market, lives.rules(), market.latest_session, EMPTY, part=0.5)
    assert sum(found.weights.values()) == pytest.approx(0.49)


async def test_barred_names_are_passed_over_with_their_reason(market: MarketSnapshot) -> None:
    day = market.latest_session
    best = next(iter((await strategy.targets_at(market, lives.rules(), day, EMPTY)).weights))
    standing = Standing(Decimal(100_000), {}, {best: "barred until then"}, frozenset())
    found = await strategy.targets_at(market, lives.rules(), day, standing)
    assert best not in found.weights
    assert {name.ticker: name.reason for name in found.passed}[best] == "barred until then"


async def test_only_the_newest_scorings_are_remembered(market: MarketSnapshot) -> None:
    for back in range(5):
        await strategy.scores_at(
            market, lives.rules(risk_free_rate=0.01 * back), lives.day(market, 1)
        )
    assert len(strategy._remembered) <= strategy.REMEMBERED_SCORES


def test_growth_leaves_deposits_and_withdrawals_out() -> None:
    values = [("99", "100"), ("198", "100"), ("0", "-198"), ("50", "50"), ("55", "0")]
    found = list(exposure.indices((Decimal(value), Flow(Decimal(flow))) for value, flow in values))
    assert found == pytest.approx([0.99, 0.99 * 198 / 199, 0.99 * 198 / 199, *found[3:]])
    assert found[3] == found[2]
    assert found[4] == pytest.approx(1.1 * found[3])


async def test_a_portfolio_that_lost_a_fifth_is_told_to_hold_half(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lives.opened(session, market, resources.owner_id, on=lives.day(market, 9))
    shares = int(portfolio.cash / lives.close(market, "AAA", portfolio.opened_on))
    await lives.bought(session, market, portfolio, AAA=shares)
    fallen = lives.falling(market, "AAA", lives.day(market, 3), by=0.4)
    await marking.mark_portfolios(session, fallen, [portfolio], now=lives.NOW)

    before = await exposure.at(session, portfolio, lives.day(market, 4))
    decision = await deciding.decide(session, fallen, portfolio)

    assert before == 1.0
    assert sum(decision.targets.weights.values()) == pytest.approx(0.49)
