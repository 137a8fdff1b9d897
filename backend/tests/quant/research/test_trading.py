"""What a spread leaves after costs, worked out by hand and by a plain loop."""

from decimal import Decimal

import numpy as np
import pytest

from app.quant.costs import FREE, CostModel, PerOrder, Proportional, SaleFee, Trades
from app.quant.measured import Missing
from app.quant.panel import FloatArray, Panel
from app.quant.research.signals import Signals, kernels
from app.quant.research.trading import NetOfCost, liquidity, net_of_cost
from tests.quant.factors.markets import panel_of
from tests.quant.research.markets import after, by_return, signals_of, walk, whole

FIVE_POINTS = CostModel(frictions=(Proportional(Decimal("0.0005")),), fees=(PerOrder(),))


def measured(
    found: Signals, panel: Panel, horizon: int, costs: CostModel, capital: float = 1e6
) -> tuple[NetOfCost, FloatArray]:
    """And the gross spread [T]."""
    arranged = whole(found, 2)
    returns = after(found, panel, horizon)
    sorting = (found.starts, arranged.groups, arranged.ordered, arranged.codes)
    means = kernels().compared(
        found.scores, returns.returns[0], by_return(found, returns.returns[0]), sorting, (1, 2, 4)
    )[2][0]
    spread = means[:, 1] - means[:, 0]
    net = net_of_cost(
        found,
        arranged,
        returns,
        0,
        spread,
        liquid=liquidity(found, panel),
        quantiles=2,
        costs=costs,
        capital=capital,
    )
    return net, spread


def alternating(sessions: int) -> FloatArray:
    """Four ETFs; the two best change places with the two worst every session."""
    one = np.array([1.0, 2.0, 3.0, 4.0])
    return np.array([one if session % 2 else -one for session in range(sessions)])


def test_quantiles_that_change_places_are_traded_whole() -> None:
    """Each side sells all it has and buys as much: 2 a side, 4 in all, at 5 bp 0.2 %."""
    net, _ = measured(signals_of(alternating(80)), panel_of(np.ones((4, 82))), 1, FIVE_POINTS)
    assert net.traded == pytest.approx(4.0)
    assert net.cost == pytest.approx(0.002)
    assert net.net.mean == pytest.approx(-0.002)
    assert net.break_even == Missing("the spread is not positive before costs")


def test_equal_weights_that_nothing_moves_are_not_traded() -> None:
    scores = np.tile([1.0, 2.0, 3.0, 4.0], (80, 1))
    net, _ = measured(signals_of(scores), panel_of(np.ones((4, 82))), 5, FIVE_POINTS)
    assert net.traded == 0.0
    assert net.cost == 0.0
    assert net.net.sessions == 71


def test_what_drifted_is_brought_back() -> None:
    """One of two doubles: its weight is 2/3, of which 1/6 is sold and 1/6 bought of the other."""
    closes = np.ones((4, 82))
    closes[3] = 2.0 ** np.arange(82)
    scores = np.tile([1.0, 2.0, 3.0, 4.0], (80, 1))
    net, spread = measured(signals_of(scores), panel_of(closes), 1, FIVE_POINTS)
    assert spread[:5] == pytest.approx([0.5] * 5)
    assert net.traded == pytest.approx(1 / 3)
    assert net.cost == pytest.approx(0.0005 / 3)
    assert net.net.mean == pytest.approx(0.5 - 0.0005 / 3)
    assert net.break_even == pytest.approx(0.5 / (1 / 3))


def test_at_the_break_even_cost_nothing_is_left() -> None:
    random = np.random.default_rng(12)
    found, panel = signals_of(random.normal(size=(120, 30))), walk(30, 130, seed=5)
    free, _ = measured(found, panel, 5, FREE)
    if isinstance(free.break_even, Missing):
        found = signals_of(-random.normal(size=(120, 30)))
        free, _ = measured(found, panel, 5, FREE)
    assert isinstance(free.break_even, float)
    fraction = Decimal(repr(free.break_even))
    just, _ = measured(found, panel, 5, CostModel(frictions=(Proportional(fraction),), fees=()))
    assert just.net.mean == pytest.approx(0.0, abs=1e-12)


def test_trades_and_costs_are_those_of_a_plain_loop() -> None:
    """Random scores with gaps, all bricks of the default cost model, horizon 3."""
    random = np.random.default_rng(13)
    scores = random.normal(size=(100, 12))
    scores[random.random(scores.shape) < 0.1] = np.nan
    panel = walk(12, 110, seed=6)
    found = signals_of(scores)
    net, spread = measured(found, panel, 3, CostModel(), capital=5e5)
    codes = np.full(scores.shape, -1)
    codes[found.session_of, found.rows] = whole(found, 2).codes
    daily = panel.close[:, 1:] / panel.close[:, :-1] - 1.0
    total_cost, total_traded, left = [], [], []
    for session in range(3, 100):
        cost = traded = 0.0
        for code in (1, 0):
            grown = panel.close[:, session + 1] / panel.close[:, session - 2]
            old = np.where(codes[session - 3] == code, grown, 0.0)
            new = np.where(codes[session] == code, 1.0, 0.0)
            change = new / new.sum() - old / old.sum()
            rates = _rates(panel, daily, scores, session, np.abs(change) * 5e5)
            traded += np.abs(change).sum()
            cost += (np.abs(change) * rates).sum()
        total_cost.append(cost)
        total_traded.append(traded)
        left.append(spread[session] - cost)
    assert net.cost == pytest.approx(np.mean(total_cost), rel=1e-9)
    assert net.traded == pytest.approx(np.mean(total_traded), rel=1e-9)
    assert net.net.mean == pytest.approx(np.mean(left), rel=1e-9)
    assert net.net.sessions == 97


def _rates(
    panel: Panel, daily: FloatArray, scores: FloatArray, session: int, value: FloatArray
) -> FloatArray:
    volatility, traded = np.full(12, np.nan), np.full(12, np.nan)
    for row in range(12):
        end = session if not np.isnan(scores[session, row]) else session - 3
        if np.isnan(scores[end, row]) or end + 1 < 63:
            continue
        traded[row] = (panel.close * panel.volume)[row, end - 62 : end + 1].mean()
        volatility[row] = daily[row, max(end - 63, 0) : end].std(ddof=1)
    purchases, _ = CostModel().proportional(Trades(value, volatility, traded, np.full(12, np.nan)))
    return purchases


def test_without_a_portfolio_a_horizon_before_there_is_no_figure() -> None:
    net, _ = measured(signals_of(alternating(20)), panel_of(np.ones((4, 82))), 30, FIVE_POINTS)
    assert net.traded == Missing("no session has a portfolio of a horizon before")
    assert net.net.sessions == 0


def test_what_only_sales_pay_is_charged_on_sales_alone() -> None:
    """Of the four traded, two are sold: a sale of what was bought and a short sale."""
    fee = CostModel(frictions=(), fees=(SaleFee(Decimal("0.001")),))
    net, _ = measured(signals_of(alternating(80)), panel_of(np.ones((4, 82))), 1, fee)
    assert net.traded == pytest.approx(4.0)
    assert net.cost == pytest.approx(0.002)
