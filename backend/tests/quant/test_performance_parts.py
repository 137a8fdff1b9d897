"""Drawdown tables, rolling windows, calendar tables, benchmarks and expenses: closed forms,
properties, and what the metrics say of the same stretch."""

import math
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant import activity, drawdowns
from app.quant.benchmarks import Rebalanced, SameFlows, blend, same_flows
from app.quant.calendar_returns import by_calendar
from app.quant.errors import EmptyPeriod
from app.quant.measured import Missing
from app.quant.metrics import compute
from app.quant.panel import DateArray, FloatArray
from app.quant.performance import Against, analyse, days_with
from app.quant.periods import Period, between
from app.quant.returns import Flow, MoneyWeighted, money_weighted, time_weighted
from app.quant.rolling import FIGURES, Rolling, rolling
from app.quant.statistics import Drawdown
from app.quant.track import Money, Track

RF = 0.03


def weekdays(count: int, first: str = "2020-01-01") -> DateArray:
    days = np.arange(first, np.datetime64(first) + 2 * count + 10, dtype="datetime64[D]")
    return days[np.is_busday(days)][:count]


def noise(sessions: int, seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).normal(0.0005, 0.01, sessions)


def tracked(values: list[str], flows: list[str], after: list[str] | None = None) -> Track:
    worth = tuple(Decimal(value) for value in values)
    late = after or ["0"] * len(flows)
    paid = tuple(Flow(Decimal(a), Decimal(b)) for a, b in zip(flows, late, strict=True))
    returns = time_weighted(worth, paid)
    return Track(weekdays(len(values)), returns, Money(worth, paid), from_nothing=not worth[0])


class TestDrawdowns:
    def test_each_fall_has_its_dates_depth_and_lengths(self) -> None:
        days = [day.item() for day in weekdays(8)]
        returns = np.array([0.25, -0.2, 0.25, -0.1, -0.5, 0.5, 1.0])
        found = drawdowns.table(returns, weekdays(8), most=5)
        assert found.count == 2
        deep, shallow = found.deepest
        assert deep.depth == pytest.approx(-0.55)
        assert (deep.peak, deep.trough, deep.recovery) == (days[3], days[5], days[7])
        assert (deep.sessions_to_trough, deep.sessions_to_recovery, deep.sessions) == (2, 2, 4)
        assert shallow.depth == pytest.approx(-0.2)
        assert (shallow.peak, shallow.trough, shallow.recovery) == (days[1], days[2], days[3])

    def test_one_that_lasts_has_no_recovery(self) -> None:
        found = drawdowns.table(np.array([0.1, -0.1, 0.05]), weekdays(4), most=5)
        (fall,) = found.deepest
        assert (fall.recovery, fall.sessions_to_recovery, fall.sessions) == (None, None, 2)

    def test_a_series_that_only_rises_has_none(self) -> None:
        assert drawdowns.table(np.array([0.1, 0.0]), weekdays(3), most=5).deepest == ()
        assert drawdowns.table(np.empty(0), weekdays(1), most=5).count == 0

    def test_a_peak_that_is_reached_again_ends_a_fall(self) -> None:
        """1, 0.5, 1, 0.75: the second fall begins at the second top."""
        found = drawdowns.table(np.array([-0.5, 1.0, -0.25]), weekdays(4), most=5)
        assert [fall.sessions for fall in found.deepest] == [2, 1]

    @given(st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=200))
    def test_the_deepest_is_that_of_the_metrics(self, given_returns: list[float]) -> None:
        returns, dates = np.array(given_returns), weekdays(len(given_returns) + 1)
        found = drawdowns.table(returns, dates, most=1).deepest
        worst = compute(returns, dates, rf=RF).worst_drawdown
        if isinstance(worst, Missing):
            assert found == ()
            return
        (fall,) = found
        assert isinstance(worst, Drawdown)
        assert fall.depth == pytest.approx(worst.depth, rel=1e-12)
        if fall.trough == worst.trough:  # of two equally deep, either is the deepest
            assert (fall.peak, fall.recovery) == (worst.peak, worst.recovery)
            assert fall.sessions == worst.sessions


class TestRolling:
    def test_every_window_has_the_figures_that_the_metrics_give_it(self) -> None:
        returns, benchmark, dates = noise(120), noise(120, seed=2), weekdays(121)
        found = rolling(returns, dates, window=20, rf=RF, benchmark=benchmark)
        assert isinstance(found, Rolling)
        assert len(found.dates) == 101
        for place in (0, 37, 100):
            part = slice(place, place + 20)
            alone = compute(
                returns[part], dates[place : place + 21], rf=RF, benchmark=benchmark[part]
            )
            assert found.dates[place] == dates[place + 20]
            for name in FIGURES:
                assert getattr(found, name)[place] == pytest.approx(
                    getattr(alone, name), rel=1e-11
                ), name

    def test_a_window_with_an_unknown_return_has_no_figures(self) -> None:
        returns = noise(30)
        returns[12] = math.nan
        found = rolling(returns, weekdays(31), window=10, rf=RF)
        assert isinstance(found, Rolling)
        for name in ("total_return", "volatility", "sharpe", "max_drawdown"):
            known = np.isfinite(getattr(found, name))
            assert known.tolist() == [place < 3 or place > 12 for place in range(21)], name
        assert np.isnan(found.beta).all()

    def test_a_constant_window_has_no_sharpe_ratio(self) -> None:
        found = rolling(np.full(10, 0.001), weekdays(11), window=5, rf=RF)
        assert isinstance(found, Rolling)
        assert (found.volatility == 0.0).all()
        assert np.isnan(found.sharpe).all()

    def test_a_period_shorter_than_the_window_says_so(self) -> None:
        assert rolling(noise(9), weekdays(10), window=10, rf=RF) == Missing(
            "the period has 9 sessions, fewer than the 10 of a window"
        )


class TestCalendar:
    def test_months_and_years_compound_to_the_whole(self) -> None:
        returns, dates = noise(600), weekdays(601, "2019-11-15")
        for unit, count in (("Y", 4), ("M", 29)):
            table = by_calendar(dates, returns, None, unit)  # type: ignore[arg-type]
            values = [each.value for each in table if isinstance(each.value, float)]
            assert len(table) == count
            assert math.prod(1 + value for value in values) == pytest.approx((1 + returns).prod())

    def test_a_period_without_a_known_return_says_so(self) -> None:
        dates = np.array(["2020-01-30", "2020-01-31", "2020-02-03"], "datetime64[D]")
        first, second = by_calendar(dates, np.array([math.nan, 0.1]), np.array([0.1, 0.2]), "M")
        assert (first.period, first.value) == ("2020-01", Missing("no return is known"))
        assert (second.period, second.value) == ("2020-02", pytest.approx(0.1))
        assert (first.benchmark, second.benchmark) == (pytest.approx(0.1), pytest.approx(0.2))


class TestBlends:
    DATES = np.array(["2020-01-30", "2020-01-31", "2020-02-03", "2020-02-04"], "datetime64[D]")
    RETURNS = np.array([[0.1, 0.0], [0.1, 0.0], [0.1, 0.0]])

    def test_daily_weights_are_restored_every_session(self) -> None:
        found = blend(self.RETURNS, [0.5, 0.5], self.DATES, Rebalanced.DAILY)
        assert found == pytest.approx([0.05, 0.05, 0.05])

    def test_monthly_weights_drift_until_the_last_close_of_the_month(self) -> None:
        """Within February 50 : 50 become 55 : 50, of which 10 % of 55 are earned."""
        found = blend(self.RETURNS, [0.5, 0.5], self.DATES, Rebalanced.MONTHLY)
        assert found == pytest.approx([0.05, 0.05, 5.5 / 105])

    def test_a_session_without_a_return_is_unknown_and_stands_still(self) -> None:
        returns = self.RETURNS.copy()
        returns[1, 1] = math.nan
        for rebalanced in Rebalanced:
            found = blend(returns, [0.5, 0.5], self.DATES, rebalanced)
            assert np.isnan(found).tolist() == [False, True, False]

    @given(st.integers(0, 2**32 - 1))
    def test_a_blend_of_one_is_that_one(self, seed: int) -> None:
        own = noise(50, seed)
        for rebalanced in Rebalanced:
            found = blend(own[:, None], [1.0], weekdays(51), rebalanced)
            assert found == pytest.approx(own, rel=1e-9, abs=1e-15)

    @given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.9))
    def test_a_blend_lies_between_its_parts(self, seed: int, part: float) -> None:
        both = np.column_stack((noise(50, seed), noise(50, seed + 1)))
        for rebalanced in Rebalanced:
            found = blend(both, [part, 1 - part], weekdays(51), rebalanced)
            assert (found >= both.min(axis=1) - 1e-12).all()
            assert (found <= both.max(axis=1) + 1e-12).all()


class TestSameFlows:
    def test_a_track_that_did_what_the_benchmark_did_is_worth_the_same(self) -> None:
        track = tracked(["100", "110", "231", "115.5"], ["0", "100", "0"])
        found = same_flows(track, np.array([0.1, 0.1, -0.5]))
        assert isinstance(found, SameFlows)
        assert found.values == pytest.approx([100.0, 110.0, 231.0, 115.5])
        mine = track.money_weighted()
        assert mine is not None
        assert found.money_weighted.rates == pytest.approx(mine.rates)

    def test_what_comes_after_the_close_does_not_earn_the_session(self) -> None:
        track = tracked(["100", "210", "210"], ["100", "0"], ["100", "0"])
        found = same_flows(track, np.array([0.5, 0.5]))
        assert isinstance(found, SameFlows)
        assert found.values == pytest.approx([100.0, 250.0, 375.0])

    def test_what_begins_from_nothing_buys_at_the_first_close(self) -> None:
        track = tracked(["0", "1000", "1000"], ["1000", "0"])
        found = same_flows(track, np.array([math.nan, 0.1]))
        assert isinstance(found, SameFlows)
        assert found.values == pytest.approx([0.0, 1000.0, 1100.0])

    def test_a_withdrawal_that_the_benchmark_could_not_pay_is_a_reason(self) -> None:
        track = tracked(["100", "200", "50"], ["0", "-150"])
        day = weekdays(3)[2]
        assert same_flows(track, np.array([-0.5, 0.0])) == Missing(
            f"the withdrawal of {day} is more than the benchmark would have left"
        )

    def test_a_benchmark_without_a_return_is_a_reason(self) -> None:
        track = tracked(["100", "100", "100"], ["0", "0"])
        found = same_flows(track, np.array([math.nan, 0.1]))
        assert found == Missing(f"the benchmark has no return on {weekdays(2)[1]}")
        assert isinstance(same_flows(Track(weekdays(2), np.zeros(1)), np.zeros(1)), Missing)


class TestExpenses:
    def test_they_are_weighted_by_what_was_held(self) -> None:
        weights, capital = np.array([[0.0, 1.0], [0.5, 0.25]]), np.array([100.0, 300.0])
        found = activity.expenses(weights, capital, np.array([0.01, 0.002]), ["AAA", "BBB"])
        charged = (100 * 0.002 + 300 * (0.005 + 0.0005)) / 2
        assert found.yearly == pytest.approx(charged)
        assert found.ratio == pytest.approx(charged / 200)

    def test_an_unknown_ratio_counts_only_where_the_fund_was_held(self) -> None:
        ratios = np.array([0.01, math.nan])
        held = activity.expenses(np.array([[0.5, 0.1]]), np.ones(1), ratios, ["AAA", "BBB"])
        assert held.ratio == Missing("the expense ratio is unknown of BBB")
        never = activity.expenses(np.array([[0.5, 0.0]]), np.ones(1), ratios, ["AAA", "BBB"])
        assert never.ratio == pytest.approx(0.005)


class TestDays:
    DATES = weekdays(100)

    def test_a_start_and_an_end_are_the_last_values_at_or_before_them(self) -> None:
        start, end = self.DATES[10].item(), self.DATES[40].item()
        found = between(self.DATES, start=start, end=end)
        assert (found.first, found.end, found.complete) == (10, 41, True)

    def test_a_period_counts_back_from_the_end(self) -> None:
        end = np.datetime64("2020-03-20").item()
        found = between(self.DATES, start=None, end=end, period=Period.MONTH)
        days = self.DATES[[found.first, found.end - 1]].astype(str).tolist()
        assert days == ["2020-02-20", "2020-03-20"]

    def test_days_without_a_return_are_refused(self) -> None:
        last = self.DATES[-1].item()
        with pytest.raises(EmptyPeriod, match="No session"):
            between(self.DATES, start=last, end=None)
        with pytest.raises(EmptyPeriod, match="no values on or before"):
            between(self.DATES, start=None, end=np.datetime64("2019-01-01").item())

    def test_a_start_before_the_beginning_is_marked(self) -> None:
        found = between(self.DATES, start=np.datetime64("2019-01-01").item(), end=None)
        assert (found.first, found.complete) == (0, False)


def test_a_part_of_a_track_is_measured_as_if_it_were_all_of_it() -> None:
    values = [str(100 + k * k % 17) for k in range(40)]
    whole = tracked(values, ["0"] * 10 + ["5"] + ["0"] * 28)
    start, end = whole.dates[5].item(), whole.dates[30].item()
    part = whole.within(between(whole.dates, start=start, end=end))
    assert (part.start, part.end) == (start, end)
    assert part.money is not None
    assert part.money.values[0] == Decimal(values[5])
    assert part.money.net_flow == 5
    found = analyse(part, rf=RF, benchmark=Missing("none"), window=5)
    assert found.metrics == compute(whole.returns[5:30], whole.dates[5:31], rf=RF)
    assert found.against == Missing("none")


def test_a_rate_over_a_year_is_itself() -> None:
    assert MoneyWeighted((math.log(1.07),)).over(365) == pytest.approx(0.07, rel=1e-12)
    assert MoneyWeighted((math.log(1.07),)).over(0) == 0.0
    assert MoneyWeighted((-math.inf,)).over(3) == -1.0
    assert MoneyWeighted((699.0,)).over(3650) == Missing(
        "the rate is beyond all numbers over the whole period"
    )
    assert isinstance(MoneyWeighted((0.1, 0.2)).over(365), Missing)
    assert isinstance(MoneyWeighted(()).over(365), Missing)


@pytest.mark.parametrize("end", [1, 50, 1000])
def test_what_a_day_made_is_known_where_its_yearly_rate_is_no_number(end: int) -> None:
    """Half lost within a day is -1 a year to rounding; ten times as much has no yearly rate."""
    flows = [(date(2025, 6, 2), Decimal(-100)), (date(2025, 6, 3), Decimal(end))]
    assert money_weighted(flows).over(1) == pytest.approx(end / 100 - 1)


class TestTimeWithoutMoney:
    """100 become 110 on Thursday and are paid out on Friday; 200 come on Tuesday, are 220 at its
    close, and are paid out on Wednesday. On Monday, and after Wednesday, there is nothing."""

    VALUES = ("100", "110", "0", "0", "220", "0", "0", "0")
    FLOWS = ("0", "-110", "0", "200", "-220", "0", "0")
    BENCHMARK = np.array([0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64])

    @property
    def track(self) -> Track:
        return tracked([*self.VALUES], [*self.FLOWS])

    def test_the_benchmark_is_of_the_sessions_with_money_alone(self) -> None:
        found = analyse(self.track, rf=RF, benchmark=self.BENCHMARK, window=5)
        assert isinstance(found.against, Against)
        theirs = found.against
        assert (found.metrics.observations, theirs.metrics.observations) == (2, 2)
        assert theirs.metrics.total_return == pytest.approx(1.01 * 1.08 - 1)
        assert theirs.path.growth[-1] == pytest.approx(1.01 * 1.08)
        assert np.isnan(theirs.path.returns).tolist() == [0, 1, 1, 0, 1, 1, 1]
        (january,) = found.months
        assert january.benchmark == theirs.metrics.total_return

    def test_days_of_growth_are_those_of_the_sessions_with_money(self) -> None:
        """Wednesday to Thursday, and Monday to Tuesday."""
        found = analyse(self.track, rf=RF, benchmark=self.BENCHMARK, window=5)
        assert found.metrics.cagr == pytest.approx(1.21 ** (365.25 / 2) - 1)
        assert isinstance(found.against, Against)
        assert found.against.metrics.cagr == pytest.approx((1.01 * 1.08) ** (365.25 / 2) - 1)

    def test_days_of_money_are_those_after_a_close_with_some(self) -> None:
        """Wednesday to Friday, and Tuesday to Wednesday: paid in at no time, they earn nothing."""
        assert days_with(self.track.days, [float(value) for value in self.VALUES]) == 3

    @given(
        before=st.integers(0, 5),
        lived=st.integers(1, 30),
        after=st.integers(0, 40),
        end=st.integers(50, 200),
    )
    def test_one_payment_has_earned_its_profit_whenever_it_came_and_went(
        self, before: int, lived: int, after: int, end: int
    ) -> None:
        values = ["0"] * (before + 1) + ["100"] * lived + [str(end)] + ["0"] * (after + 1)
        flows = ["0"] * before + ["100"] + ["0"] * lived + [str(-end)] + ["0"] * after
        track = tracked(values, flows)
        assert track.money is not None
        weighted = track.money_weighted()
        assert weighted is not None
        days = days_with(track.days, [float(value) for value in values])
        assert weighted.over(days) == pytest.approx(end / 100 - 1, abs=1e-9)
