"""A portfolio made by hand from two ETFs, with one deposit, one dividend and one split.

Every number of its answer by arithmetic that can be followed with a calculator.

Prices are whole dollars, AAA splits two for one on day 7, BBB pays a dollar a share on day 4, 2,000
USD come in on day 5. CCC is the benchmark. AAA charges 0.05 % a year and BBB 0.08 %.
"""

import math
import statistics
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind
from app.schemas.performance import PerformanceRead
from app.schemas.performance_asked import PerformanceAsked
from app.services import performance
from tests.services import scenes
from tests.services.past_books import NOW, book, deposit, trade
from tests.services.scenes import Prices

AAA = [100, 102, 104, 101, 103, 105, 106, 54, 55, 53, 52, 54, 56]
BBB = [100, 99, 101, 100, 98, 99, 100, 101, 102, 101, 103, 104, 105]
CCC = [100, 101, 102, 101, 103, 102, 104, 105, 103, 104, 106, 105, 107]
SHARES_AAA = [40] * 7 + [80] * 2 + [70] * 4
SHARES_BBB = [50] * 5 + [70] * 8
CASH = [998] * 4 + [1048] + [1068] * 4 + [1598] * 4
"""40 AAA cost 40 x 100.05, 50 BBB 50 x 100; 50 USD of dividend; 2,000 come and 20 BBB cost 1,980;
10 new AAA bring 530."""
PAID_IN = [10_000, 0, 0, 0, 0, 2_000, 0, 0, 0, 0, 0, 0, 0]
VALUES = [
    *(9_998, 10_028, 10_208, 10_038, 10_068, 12_198, 12_308),
    *(12_458, 12_608, 12_378, 12_448, 12_658, 12_868),
]
CAPITAL = [before + paid for before, paid in zip([0, *VALUES], PAID_IN, strict=False)]
RETURNS = [value / capital - 1 for value, capital in zip(VALUES, CAPITAL, strict=True)]
MARKET = [after / before - 1 for before, after in pairwise(CCC)]
RF, YEAR, WINDOW = 0.04, 252, 5

close: Callable[..., Any] = pytest.approx


def bars(closes: Sequence[int]) -> list[Prices | None]:
    return [(float(price),) * 4 for price in closes[1:]]


@pytest.fixture
async def session(resources: Resources) -> AsyncIterator[AsyncSession]:
    async with scenes.undone(resources) as session:
        yield session


@pytest.fixture
async def answer(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> PerformanceRead:
    scene = await scenes.scene(
        session,
        market,
        resources.owner_id,
        {"AAA": bars(AAA), "BBB": bars(BBB), "CCC": bars(CCC)},
        capital="10000.00",
        risk_free_rate=RF,
        benchmark="CCC",
    )
    await scenes.with_action(scene, "BBB", ActionKind.DIVIDEND, "1", on=4)
    await scenes.with_split(scene, "AAA", "2", on=7)
    start = trade(scene.market, "AAA", 40, scene.day(0), slipped="0.05")
    await book(session, scene.portfolio, start, trade(scene.market, "BBB", 50, scene.day(0)))
    await scene.settle(4)
    later = trade(scene.market, "BBB", 20, scene.day(5))
    await book(session, scene.portfolio, deposit("2000", scene.day(5)), later)
    await scene.settle(8)
    await book(session, scene.portfolio, trade(scene.market, "AAA", -10, scene.day(9)))
    await scene.settle(12)
    asked = PerformanceAsked(window=WINDOW)
    return await performance.measure(session, scene.market, scene.portfolio, asked, now=NOW)


DAYS = [date(2025, 6, day) for day in (11, 12, 13, 16, 17, 18, 20, 23, 24, 25, 26, 27, 30)]
BEFORE = date(2025, 6, 10)


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def compounded(returns: Sequence[float]) -> float:
    return math.prod(1 + each for each in returns) - 1


def moment(power: int) -> float:
    return mean([(each - mean(RETURNS)) ** power for each in RETURNS])


def test_the_values_are_cash_and_shares_at_their_closes(answer: PerformanceRead) -> None:
    worth = [
        cash + many * price + more * other
        for cash, many, price, more, other in zip(
            CASH, SHARES_AAA, AAA, SHARES_BBB, BBB, strict=True
        )
    ]
    assert worth == VALUES
    assert [point.session for point in answer.series] == DAYS
    assert [point.value for point in answer.series] == [Decimal(each) for each in VALUES]
    assert [point.cash for point in answer.series] == [Decimal(each) for each in CASH]
    assert [point.external_flow for point in answer.series] == [Decimal(each) for each in PAID_IN]
    assert not any(point.carried for point in answer.series)


def test_the_sums_of_money(answer: PerformanceRead) -> None:
    assert (answer.start, answer.end, answer.complete) == (BEFORE, DAYS[-1], True)
    assert (answer.start_value, answer.end_value) == (Decimal(0), Decimal(12_868))
    assert answer.net_flow == Decimal(12_000)
    assert answer.profit == Decimal(868)
    assert answer.costs == Decimal("2.00")


def test_the_returns(answer: PerformanceRead) -> None:
    found, days = answer.metrics, (DAYS[-1] - BEFORE).days
    assert found.observations == 13
    assert found.total_return == close(compounded(RETURNS), rel=1e-12)
    assert found.cagr == close((1 + compounded(RETURNS)) ** (365.25 / days) - 1, rel=1e-12)
    assert [point.daily_return for point in answer.series] == close(RETURNS, rel=1e-9, abs=1e-15)
    growth = [1 + compounded(RETURNS[: k + 1]) for k in range(13)]
    assert [point.growth for point in answer.series] == close(growth, rel=1e-12)
    assert found.win_rate == close(sum(each > 0 for each in RETURNS) / 13)
    assert (found.best_day.value, found.best_day.on) == close_on(max(RETURNS))  # type: ignore[union-attr]
    assert (found.worst_day.value, found.worst_day.on) == close_on(min(RETURNS))  # type: ignore[union-attr]
    for month in (found.best_month, found.worst_month):
        assert month is not None
        assert (month.value, month.on) == (close(compounded(RETURNS), rel=1e-12), DAYS[-1])


def close_on(value: float) -> tuple[Any, date]:
    return close(value, rel=1e-9), DAYS[RETURNS.index(value)]


def test_the_risk(answer: PerformanceRead) -> None:
    found, n = answer.metrics, 13
    spread = statistics.stdev(RETURNS) * math.sqrt(YEAR)
    excess = mean(RETURNS) * YEAR - RF
    below = mean([min(each - RF / YEAR, 0) ** 2 for each in RETURNS])
    assert found.volatility == close(spread, rel=1e-12)
    assert found.sharpe == close(excess / spread, rel=1e-10)
    assert found.sortino == close(excess / math.sqrt(below * YEAR), rel=1e-10)
    skew = math.sqrt(n * (n - 1)) / (n - 2) * moment(3) / moment(2) ** 1.5
    tails = moment(4) / moment(2) ** 2 - 3
    assert found.skew == close(skew, rel=1e-10)
    assert found.kurtosis == close((n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * tails + 6), rel=1e-10)
    # 13 returns: the 5 % quantile lies 0.6 of the way from the lowest to the next, 1 % 0.12.
    lowest, second = sorted(RETURNS)[:2]
    assert found.var_95 == close(lowest + 0.6 * (second - lowest), rel=1e-12)
    assert found.var_99 == close(lowest + 0.12 * (second - lowest), rel=1e-12)
    assert found.cvar_95 == found.cvar_99 == close(lowest, rel=1e-12)


def test_the_drawdowns(answer: PerformanceRead) -> None:
    """Below 10,000 on day 0, below 10,208 on days 3 to 5, below 12,608 on days 9 and 10."""
    growth = [1.0] + [1 + compounded(RETURNS[: k + 1]) for k in range(13)]
    falls = [value / max(growth[: k + 1]) - 1 for k, value in enumerate(growth)]
    assert [point.drawdown for point in answer.series] == close(falls[1:], abs=1e-12)
    days = [BEFORE, *DAYS]
    listed = [
        (each.peak, each.trough, each.recovery, each.sessions_to_trough, each.sessions_to_recovery)
        for each in answer.drawdowns
    ]
    assert listed == [
        (days[9], days[10], days[12], 1, 2),
        (days[3], days[4], days[7], 1, 3),
        (days[0], days[1], days[2], 1, 1),
    ]
    depths = [12_378 / 12_608 - 1, 10_038 / 10_208 - 1, 9_998 / 10_000 - 1]
    assert [each.depth for each in answer.drawdowns] == close(depths, rel=1e-9)
    assert [each.sessions for each in answer.drawdowns] == [3, 4, 2]
    assert answer.drawdown_count == 3
    worst = answer.metrics.worst_drawdown
    assert worst is not None
    assert (worst.peak, worst.trough, worst.recovery, worst.sessions) == (
        *(days[9], days[10], days[12]),
        3,
    )
    assert answer.metrics.max_drawdown == worst.depth == close(depths[0], rel=1e-9)
    assert answer.metrics.calmar == close(answer.metrics.cagr / -depths[0], rel=1e-9)  # type: ignore[operator]


def test_the_benchmark(answer: PerformanceRead) -> None:
    """It begins at the close of the first session, at which the portfolio bought."""
    found, mine = answer.metrics, RETURNS[1:]
    slope = statistics.covariance(mine, MARKET) / statistics.variance(MARKET)
    active = [one - other for one, other in zip(mine, MARKET, strict=True)]
    error = statistics.stdev(active) * math.sqrt(YEAR)
    up = [k for k, each in enumerate(MARKET) if each > 0]
    down = [k for k, each in enumerate(MARKET) if each < 0]
    assert found.beta == close(slope, rel=1e-10)
    theirs = mean(MARKET) * YEAR - RF
    assert found.alpha == close(mean(mine) * YEAR - RF - slope * theirs, rel=1e-10)
    assert found.tracking_error == close(error, rel=1e-10)
    assert found.information_ratio == close(mean(active) * YEAR / error, rel=1e-10)
    captured = [mean([mine[k] for k in on]) / mean([MARKET[k] for k in on]) for on in (up, down)]
    assert [found.up_capture, found.down_capture] == close(captured, rel=1e-10)
    shown = answer.benchmark
    assert shown is not None
    assert (shown.ticker, shown.rebalanced, len(shown.parts)) == ("CCC", None, 1)
    assert shown.total_return == close(0.07, rel=1e-12)
    assert shown.cagr == close(1.07 ** (365.25 / (DAYS[-1] - DAYS[0]).days) - 1, rel=1e-12)
    assert shown.volatility == close(statistics.stdev(MARKET) * math.sqrt(YEAR), rel=1e-10)
    assert shown.sharpe == close(theirs / (statistics.stdev(MARKET) * math.sqrt(YEAR)), rel=1e-10)
    assert shown.max_drawdown == close(103 / 105 - 1, rel=1e-10)
    growth = [1.0, *(price / 100 for price in CCC[1:])]
    assert [point.benchmark_growth for point in answer.series] == close(growth, rel=1e-12)


def test_the_same_flows_in_the_benchmark(answer: PerformanceRead) -> None:
    """10,000 at the close of day 0 buy 100 CCC, 2,000 at that of day 4 another 2,000 / 103."""
    shares = [100.0] * 5 + [100 + 2_000 / 103] * 8
    worth = [Decimal(f"{many * price:.2f}") for many, price in zip(shares, CCC, strict=True)]
    assert [point.benchmark_value for point in answer.series] == worth
    assert answer.benchmark is not None
    same = answer.benchmark.same_flows
    assert same is not None
    assert same.end_value == worth[-1]
    assert same.profit == worth[-1] - 12_000
    assert same.difference == 12_868 - worth[-1]
    end = shares[-1] * CCC[-1]
    assert same.money_weighted.rate == close(rate_of(end), rel=1e-6)


def rate_of(end: float) -> float:
    """10,000 on the first day and 2,000 on the sixth became `end`: the yearly rate, by halving."""
    low, high = -0.99, 1e6
    flows = [(DAYS[0], 10_000.0), (DAYS[5], 2_000.0)]
    for _ in range(200):
        rate = math.sqrt((1 + low) * (1 + high)) - 1
        worth = sum(paid * (1 + rate) ** ((DAYS[-1] - day).days / 365) for day, paid in flows)
        low, high = (rate, high) if worth < end else (low, rate)
    return low


def test_the_money_weighted_return(answer: PerformanceRead) -> None:
    found, rate = answer.money_weighted, rate_of(12_868)
    assert (found.outcome, found.reasons) == ("one", {})
    assert found.rates == [found.rate]
    assert found.rate == answer.metrics.money_weighted_return == close(rate, rel=1e-9)
    assert found.over_period == close((1 + rate) ** ((DAYS[-1] - DAYS[0]).days / 365) - 1, rel=1e-9)


def test_the_rolling_figures(answer: PerformanceRead) -> None:
    found = answer.rolling
    assert found is not None
    assert found.window == WINDOW
    assert found.sessions == DAYS[WINDOW - 1 :]
    mine = [RETURNS[k : k + WINDOW] for k in range(13 - WINDOW + 1)]
    theirs = [MARKET[k - 1 : k - 1 + WINDOW] for k in range(1, 13 - WINDOW + 1)]
    spread = [statistics.stdev(each) * math.sqrt(YEAR) for each in mine]
    assert found.total_return == close([compounded(each) for each in mine], rel=1e-9)
    assert found.volatility == close(spread, rel=1e-10)
    ratios = [(mean(each) * YEAR - RF) / risk for each, risk in zip(mine, spread, strict=True)]
    assert found.sharpe == close(ratios, rel=1e-9)
    slopes = [
        statistics.covariance(one, other) / statistics.variance(other)
        for one, other in zip(mine[1:], theirs, strict=True)
    ]
    assert found.beta[0] is None
    assert found.beta[1:] == close(slopes, rel=1e-9)
    deepest = []
    for each in mine:
        path = [1.0] + [1 + compounded(each[: k + 1]) for k in range(WINDOW)]
        deepest.append(min(value / max(path[: k + 1]) - 1 for k, value in enumerate(path)))
    assert found.max_drawdown == close(deepest, abs=1e-12)


def test_the_calendar(answer: PerformanceRead) -> None:
    for table, name in ((answer.years, "2025"), (answer.months, "2025-06")):
        assert [each.period for each in table] == [name]
        assert table[0].value == close(compounded(RETURNS), rel=1e-12)
        assert table[0].benchmark == close(0.07, rel=1e-12)


def test_trading_and_its_costs(answer: PerformanceRead) -> None:
    found, years = answer.activity, 13 / YEAR
    assert (found.bought, found.sold) == (Decimal("10982.00"), Decimal("530.00"))
    assert found.turnover == close((10_982 + 530) / 2 / mean(VALUES) / years, rel=1e-12)
    assert found.cost_drag == close(2 / mean(VALUES) / years, rel=1e-12)
    charged = [0.0] + [
        0.0005 * SHARES_AAA[k] * AAA[k] + 0.0008 * SHARES_BBB[k] * BBB[k] for k in range(12)
    ]
    assert found.expense_ratio == close(mean(charged) / mean(CAPITAL), rel=1e-9)
    assert found.expenses_yearly == Decimal(f"{mean(charged):.2f}")
    assert found.reasons == {}


def test_the_trace_names_everything_that_went_in(answer: PerformanceRead) -> None:
    trace = answer.trace
    assert trace.command == (
        f"etftrader performance {answer.portfolio_id} --start {BEFORE} --end {DAYS[-1]} "
        f"--window {WINDOW} --benchmark CCC"
    )
    assert trace.inputs["risk_free_rate"] == RF
    assert trace.inputs["flows"] == 2
    assert trace.data_version is not None
    assert answer.reasons == {}
    assert answer.metrics.reasons == {}
    assert answer.end - answer.start == timedelta(days=20)
