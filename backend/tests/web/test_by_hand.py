"""A portfolio of two ETFs with one deposit, one dividend, one split and one sale, by calculator.

| session | AAA   | BBB | what happens                              | cash | value | r       |
| ------- | ----- | --- | ----------------------------------------- | ---- | ----- | ------- |
| opening | 100   | 50  | 1,001 paid in; 5 AAA at 100.20, 10 BBB    | 0    | 1,000 | -1/1001 |
| second  | 110   | 50  | 100 paid in                               | 100  | 1,150 | 50/1100 |
| third   | 55    | 50  | AAA splits two for one: 10 AAA            | 100  | 1,150 | 0       |
| fourth  | 60.50 | 49  | BBB pays 1.00 a share                     | 110  | 1,205 | 55/1150 |
| last    | 60.50 | 51  | 2 AAA sold at 60.00                       | 230  | 1,224 | 19/1205 |

The benchmark CCC closes at 100, 101, 102, 101 and 103. Everything below is written out from this
table and the definitions; nothing of the project computes what is expected.
"""

from datetime import date
from decimal import Decimal
from math import exp, log, sqrt
from statistics import mean, stdev

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind
from app.schemas.report import ReportAsked
from app.services import backtest_running, marking, reporting
from app.web import report
from tests.services import lives
from tests.services.past_books import NOW, book, deposit, opened, rules, trade
from tests.web.packed import numbers
from tests.web.page import Page

RETURNS = (-1 / 1001, 50 / 1100, 0.0, 55 / 1150, 19 / 1205)
BENCHMARK = (101 / 100 - 1, 102 / 101 - 1, 101 / 102 - 1, 103 / 101 - 1)
BESIDE = RETURNS[1:]
"""Ours on the sessions on which the benchmark has a return."""
RATE = 0.04
TOTAL = (1000 / 1001) * (1224 / 1100) - 1
DAYS = 7
"""From the session before the opening, a Monday, to the last, a Monday."""
CAGR = (1 + TOTAL) ** (365.25 / DAYS) - 1
VOLATILITY = sqrt(252) * stdev(RETURNS)


@pytest.fixture
async def page(resources: Resources, market: MarketSnapshot) -> Page:
    """The report of that portfolio; nothing is kept."""
    backtest_running.load_engine()
    async with resources.sessions() as session:
        made = await written(session, resources, market)
        await session.rollback()
    return made


async def written(session: AsyncSession, resources: Resources, market: MarketSnapshot) -> Page:
    closes = market.panel.close.copy()
    for ticker, last in {
        "AAA": (100.0, 110.0, 110.0, 121.0, 121.0),  # as if there were no split: it halves them
        "BBB": (50.0, 50.0, 50.0, 49.0, 51.0),
        "CCC": (100.0, 101.0, 102.0, 101.0, 103.0),
    }.items():
        closes[market.row(ticker), -5:] = last
    known = lives.with_closes(market, closes)
    first, second, third, fourth, last_day = (lives.day(known, back) for back in (4, 3, 2, 1, 0))
    settings = rules(benchmark="CCC", risk_free_rate=RATE)
    portfolio = await opened(
        session, known, resources.owner_id, on=first, capital=Decimal(1001), settings=settings
    )
    portfolio.name = "By hand"
    await book(session, portfolio, trade(known, "AAA", 5, first, slipped="0.20"))
    await book(session, portfolio, trade(known, "BBB", 10, first))
    await book(session, portfolio, deposit("100", second))
    known = await lives.with_action(
        session, known, "AAA", ActionKind.SPLIT, ex_date=third, value="2"
    )
    known = await lives.with_action(
        session, known, "BBB", ActionKind.DIVIDEND, ex_date=fourth, value="1"
    )
    await marking.mark_portfolios(session, known, [portfolio], now=NOW)
    await book(session, portfolio, trade(known, "AAA", -2, last_day, slipped="0.50"))
    found = await reporting.of_portfolio(
        session,
        resources.cache,
        known,
        portfolio,
        ReportAsked(),
        now=NOW,
    )
    return Page(report.of_portfolio(found))


async def test_its_curves_are_those_of_the_table(page: Page) -> None:
    grown = [1.0]
    for each in RETURNS:
        grown.append(grown[-1] * (1 + each))
    growth, against = page.figures["growth"]["data"]
    assert growth["x"][0] == "2025-06-24"
    assert numbers(growth["y"]) == pytest.approx(grown[1:], rel=1e-12)
    theirs = [1.0, 1.01, 1.02, 1.01, 1.03]
    assert numbers(against["y"]) == pytest.approx(theirs, rel=1e-12)
    fallen = numbers(page.figures["drawdown"]["data"][0]["y"])
    assert fallen == pytest.approx([-1 / 1001, 0, 0, 0, 0], abs=1e-12)
    invested = numbers(page.figures["invested"]["data"][0]["y"])
    expected = [1.0, 1050 / 1150, 1050 / 1150, 1095 / 1205, 994 / 1224]
    assert invested == pytest.approx(expected, rel=1e-12)


async def test_its_headline_figures_are_those_of_a_calculator(page: Page) -> None:
    tiles = page.words.split("Sections")[0]
    for words in (
        f"total return {percent(TOTAL)} CCC {percent(0.03)}",
        f"CAGR {percent(CAGR)}",
        f"volatility {percent(VOLATILITY)} CCC {percent(sqrt(252) * stdev(BENCHMARK))}",
        f"Sharpe ratio {ratio((252 * mean(RETURNS) - RATE) / VOLATILITY)}",
        f"max drawdown {percent(-1 / 1001)} CCC {percent(101 / 102 - 1)}",
    ):
        assert words in tiles, words


async def test_every_figure_of_returns_and_risk_is_that_of_a_calculator(page: Page) -> None:
    shown = {row[0]: row[1] for row in page.tables["metrics"]}
    ordered = sorted(RETURNS)
    tail = ordered[0] + 0.2 * (ordered[1] - ordered[0])
    farther = ordered[0] + 0.04 * (ordered[1] - ordered[0])
    below = [min(each - RATE / 252, 0.0) ** 2 for each in RETURNS]
    beta = covariance(BESIDE, BENCHMARK) / stdev(BENCHMARK) ** 2
    ahead = [mine - theirs for mine, theirs in zip(BESIDE, BENCHMARK, strict=True)]
    error = sqrt(252) * stdev(ahead)
    up = mean([BESIDE[0], BESIDE[1], BESIDE[3]]) / mean([BENCHMARK[0], BENCHMARK[1], BENCHMARK[3]])
    alpha = 252 * mean(BESIDE) - RATE - beta * (252 * mean(BENCHMARK) - RATE)
    expected = {
        "Observations": "5",
        "Time-weighted return": percent(TOTAL),
        "Compound annual growth rate": percent(CAGR),
        "Volatility": percent(VOLATILITY),
        "Sharpe ratio": ratio((252 * mean(RETURNS) - RATE) / VOLATILITY),
        "Sortino ratio": ratio((252 * mean(RETURNS) - RATE) / sqrt(252 * mean(below))),
        "Calmar ratio": ratio(CAGR / (1 / 1001)),
        "Maximum drawdown": percent(-1 / 1001),
        "Win rate": "60.00%",
        "Best day": f"{percent(55 / 1150)}, 2025-06-27",
        "Worst day": f"{percent(-1 / 1001)}, 2025-06-24",
        "Best month": f"{percent(TOTAL)}, 2025-06-30",
        "Worst month": f"{percent(TOTAL)}, 2025-06-30",
        "Skew": ratio(skew(RETURNS)),
        "Excess kurtosis": ratio(kurtosis(RETURNS)),
        "Value at risk, 95 %": percent(tail),
        "Value at risk, 99 %": percent(farther),
        "Expected shortfall, 95 %": percent(ordered[0]),
        "Expected shortfall, 99 %": percent(ordered[0]),
        "Jensen's alpha": percent(alpha),
        "Beta": ratio(beta),
        "Tracking error": percent(error),
        "Information ratio": ratio(252 * mean(ahead) / error),
        "Up capture": ratio(up),
        "Down capture": ratio(BESIDE[2] / BENCHMARK[2]),
    }
    assert {name: shown[name] for name in expected} == expected


async def test_every_figure_of_money_is_that_of_a_calculator(page: Page) -> None:
    shown = {row[0]: row[1] for row in page.tables["money"]}
    worth = mean([1000, 1150, 1150, 1205, 1224])
    per_year = 252 / 5
    # AAA charges 0.05 % a year and BBB 0.08 %, of what they were worth at the close before.
    charged = mean(
        0.0005 * aaa + 0.0008 * bbb
        for aaa, bbb in ((0, 0), (500, 500), (550, 500), (550, 500), (605, 490))
    )
    expected = {
        "Start value": "0.00",
        "End value": "1,224.00",
        "Net flow": "1,101.00",
        "Profit": "123.00",
        "Trading costs": "2.00",
        "Bought": "1,001.00",
        "Sold": "120.00",
        "Turnover": percent((1001 + 120) / 2 / worth * per_year),
        "Cost drag": percent(2 / worth * per_year),
        "Money-weighted return, yearly": percent(yearly_rate()),
        "Weighted expense ratio": f"{charged / mean([1001, 1100, 1150, 1150, 1205]):.3%}",
        "Expenses of the funds": f"{charged:.2f}",
        # The deposit comes before the session in which the benchmark goes from 100 to 101.
        "Same flows, end value": f"{1101 * 1.03:,.2f}",
        "Gained over the benchmark": f"{1224 - 1101 * 1.03:.2f}",
    }
    assert {name: shown[name] for name in expected} == expected


async def test_what_made_the_return_adds_up_as_linked_by_hand(page: Page) -> None:
    capital = (1001, 1100, 1150, 1150, 1205)
    earned = {
        "AAA": (0, 50, 0, 55, 0),
        "BBB": (0, 0, 0, 0, 20),
        "costs": (-1, 0, 0, 0, -1),
    }
    whole = log(1 + TOTAL) / TOTAL
    parts = {
        name: sum(
            (log(1 + r) / r if r else 1.0) / whole * profit / at_work
            for r, profit, at_work in zip(RETURNS, profits, capital, strict=True)
        )
        for name, profits in earned.items()
    }
    steps = page.figures["waterfall_positions"]["data"][0]
    shown = dict(zip(steps["y"], numbers(steps["x"]), strict=True))
    assert shown == pytest.approx({**parts, "cash": 0.0, "total": TOTAL}, abs=1e-12)
    assert sum(parts.values()) == pytest.approx(TOTAL, rel=1e-12)


async def test_trades_weights_and_the_month_are_those_of_the_table(page: Page) -> None:
    bought, sold = page.figures["traded"]["data"]
    assert (numbers(bought["y"]), numbers(sold["y"])) == ([1001.0], [-120.0])
    assert numbers(page.figures["costs"]["data"][0]["y"]) == [2.0]
    assert page.figures["months"]["data"][0]["text"][0][5] == f"{100 * TOTAL:.1f}"
    assert page.tables["year-table"][1] == ["2025", percent(TOTAL), percent(0.03)]
    assert page.tables["falls"][1][:4] == [
        *("2025-06-23", "2025-06-24", "2025-06-25"),
        percent(-1 / 1001),
    ]
    held = {row[0]: row[2:6] for row in page.tables["holdings"][1:]}
    assert held == {
        "AAA": [percent(484 / 1224), "484.00", "60.50", "2025-06-30"],
        "BBB": [percent(510 / 1224), "510.00", "51.00", "2025-06-30"],
    }


def percent(value: float) -> str:
    return f"{value:.2%}"


def ratio(value: float) -> str:
    return f"{value:,.2f}"


def yearly_rate() -> float:
    """At which 1,001, and 100 a day later, are 1,224 after six days: halved until it is found."""
    low, high = 0.0, 1e6
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        worth = 1001 * (1 + middle) ** (6 / 365) + 100 * (1 + middle) ** (5 / 365)
        low, high = (middle, high) if worth < 1224 else (low, middle)
    return low


def covariance(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    products = [(a - mean(first)) * (b - mean(second)) for a, b in zip(first, second, strict=True)]
    return sum(products) / (len(first) - 1)


def moment(values: tuple[float, ...], power: int) -> float:
    return mean([(each - mean(values)) ** power for each in values])


def skew(values: tuple[float, ...]) -> float:
    n = len(values)
    return sqrt(n * (n - 1)) / (n - 2) * moment(values, 3) / moment(values, 2) ** 1.5


def kurtosis(values: tuple[float, ...]) -> float:
    n = len(values)
    plain = moment(values, 4) / moment(values, 2) ** 2 - 3
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * plain + 6)


def test_the_table_adds_up() -> None:
    assert exp(sum(log(1 + each) for each in RETURNS)) - 1 == pytest.approx(TOTAL, rel=1e-12)
    assert date(2025, 6, 30).toordinal() - date(2025, 6, 23).toordinal() == DAYS
