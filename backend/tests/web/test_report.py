"""Reports: complete in themselves, for every kind of portfolio and backtest, and for any name."""

import re
import subprocess
import sys
from decimal import Decimal

import httpx2
import pytest

from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.market_data.snapshot import MarketSnapshot
from app.services import backtest_running
from tests.api.test_backtests import BODY
from tests.api.test_sweeps import PATH as SWEEPS
from tests.api.test_sweeps import finish
from tests.app_fixtures import create_portfolio
from tests.services.past_books import all_in, opened, session_of
from tests.web.packed import numbers
from tests.web.page import Page

HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(2)> & "Sons" </title>'
MOST_BYTES = 6_000_000
LOADING = {"src", "href", "data", "poster", "srcset", "action", "background", "xlink:href"}
SHARED_SECTIONS = {
    "growth-section",
    "exposure",
    "trading",
    "distribution-section",
    "metrics-section",
    "data",
}


@pytest.fixture(autouse=True, scope="module")
def engine() -> None:
    """As it is once the server has warmed up: before, attribution waits for it to be compiled."""
    backtest_running.load_engine()


async def report(client: httpx2.AsyncClient, path: str, **query: str) -> Page:
    response = await client.get(f"{path}/report", params=query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert len(response.content) <= MOST_BYTES
    page = Page(response.text)
    assert_complete_in_itself(page)
    assert_says_why_where_nothing_is_shown(page)
    return page


def assert_complete_in_itself(page: Page) -> None:
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "img", "form"}
        for name in LOADING & attributes.keys():
            assert (attributes[name] or "").startswith("#"), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
    for style in page.inside["style"]:
        assert "url(" not in style
        assert "@import" not in style
    (policy,) = (
        attributes["content"] or ""
        for tag, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy


def assert_says_why_where_nothing_is_shown(page: Page) -> None:
    for figure in page.figures.values():
        assert figure["data"], "an empty chart"
    for reason in re.findall(r"is not shown: (.*?)\.", page.words):
        assert reason


@pytest.fixture
async def invested_id(client: httpx2.AsyncClient, portfolio_id: int) -> int:
    order = {"portfolio_id": portfolio_id, "ticker": "AAA", "side": "buy", "quantity": "100"}
    assert (await client.post("/api/trades", json=order)).status_code == 201
    return portfolio_id


async def test_a_report_is_light_dark_and_printable(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    page = await report(client, f"/api/portfolios/{portfolio_id}")
    (style,) = page.inside["style"]
    for part in (
        "@media screen and (prefers-color-scheme: dark)",
        "@media print",
        "@page { size: A4",
        "break-inside: avoid",
    ):
        assert part in style, part
    drawing = page.inside["script"][-1]
    for part in ("prefers-color-scheme: dark", "beforeprint", "afterprint"):
        assert part in drawing, part


async def test_a_portfolio_of_one_day_says_what_is_missing_and_why(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    page = await report(client, f"/api/portfolios/{portfolio_id}")
    assert page.ids >= SHARED_SECTIONS | {"attribution", "risk"}
    assert not page.figures
    for words in (
        "Growth of one unit is not shown: the period has fewer than two sessions with a return.",
        "Bought and sold by month is not shown: nothing was traded in the period.",
        "What is held is not shown: nothing is held at the latest close.",
        "fewer than 2 observations",
        "Prices are adjusted for splits and distributions",
    ):
        assert words in page.words, words


async def test_a_name_is_shown_as_it_is_and_runs_nothing(client: httpx2.AsyncClient) -> None:
    created = await create_portfolio(client, name=HOSTILE)
    page = await report(client, f"/api/portfolios/{created['id']}")
    assert page.inside["title"] == [HOSTILE]
    assert HOSTILE in page.words
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert [each for each in scripts if each.get("type") != "application/json"] == [{}, {}]
    assert "alert" not in page.inside["script"][-1]


async def test_figures_hold_what_the_answers_say(
    client: httpx2.AsyncClient, resources: Resources, market: MarketSnapshot
) -> None:
    async with unit_of_work(resources.sessions) as session:
        portfolio = await all_in(session, market, resources.owner_id, back=40)
    page = await report(client, f"/api/portfolios/{portfolio.id}")
    answer = (await client.get(f"/api/performance/{portfolio.id}")).json()
    parts = (await client.get(f"/api/performance/{portfolio.id}/attribution")).json()

    mine, theirs = page.figures["growth"]["data"]
    assert mine["x"] == [point["session"] for point in answer["series"]]
    assert numbers(mine["y"]) == [point["growth"] for point in answer["series"]]
    assert numbers(theirs["y"]) == [point["benchmark_growth"] for point in answer["series"]]
    fallen = page.figures["drawdown"]["data"][0]
    assert numbers(fallen["y"]) == [point["drawdown"] for point in answer["series"]]
    steps = page.figures["waterfall_positions"]["data"][0]
    assert dict(zip(steps["y"], steps["x"], strict=True)) == {
        **{part["ticker"]: part["contribution"] for part in parts["positions"]},
        "cash": parts["cash"],
        "costs": parts["costs"],
        "total": parts["total"],
    }
    counted = sum(numbers(page.figures["distribution"]["data"][0]["y"]))
    assert counted == answer["metrics"]["observations"]
    assert f"{answer['metrics']['total_return']:.2%}" in page.words


async def test_an_all_cash_portfolio_has_flat_curves_and_reasons(
    client: httpx2.AsyncClient, resources: Resources, market: MarketSnapshot
) -> None:
    async with unit_of_work(resources.sessions) as session:
        day = session_of(market, 20)
        portfolio = await opened(session, market, resources.owner_id, on=day, capital=Decimal(1000))
    page = await report(client, f"/api/portfolios/{portfolio.id}")
    assert set(numbers(page.figures["growth"]["data"][0]["y"])) == {1.0}
    assert set(numbers(page.figures["invested"]["data"][0]["y"])) == {0.0}
    assert "waterfall_positions" not in page.figures
    assert "nothing was held in the period" in page.words
    assert "nothing was traded in the period" in page.words


async def test_a_period_and_a_benchmark_may_be_named(
    client: httpx2.AsyncClient, resources: Resources, market: MarketSnapshot
) -> None:
    async with unit_of_work(resources.sessions) as session:
        portfolio = await all_in(session, market, resources.owner_id, back=40)
    path = f"/api/portfolios/{portfolio.id}"
    page = await report(client, path, period="1M", benchmark="CCC")
    mine, theirs = page.figures["growth"]["data"]
    assert len(mine["x"]) < 25
    assert theirs["name"] == "CCC"
    days = {"start": "2025-05-30", "end": "2025-06-13"}
    page = await report(client, path, **days)
    assert page.figures["growth"]["data"][0]["x"] == [
        point["session"]
        for point in (await client.get(f"/api/performance/{portfolio.id}", params=days)).json()[
            "series"
        ]
    ]
    assert f"etftrader report portfolio {portfolio.id} --start 2025-05-30 --end 2025-06-13" in (
        page.words
    )
    for wrong in ({"benchmark": "NOPE"}, {"strat": "2025-05-30"}, {**days, "period": "1M"}):
        refused = await client.get(f"{path}/report", params=wrong)
        assert refused.status_code == 422, wrong


async def test_a_report_of_a_backtest_is_of_all_of_it(client: httpx2.AsyncClient) -> None:
    run = (await client.post("/api/backtests", json=BODY)).json()
    path = f"/api/backtests/{run['id']}/report"
    refused = await client.get(path, params={"start": "2025-05-30"})
    assert refused.status_code == 422
    assert "not known" in refused.json()["detail"]


async def test_a_backtest_says_how_far_it_can_be_believed(client: httpx2.AsyncClient) -> None:
    created = await client.post("/api/backtests", json=BODY | {"label": HOSTILE[:90]})
    run = created.json()
    path = f"/api/backtests/{run['id']}"
    page = await report(client, path)
    evidence = (await client.get(f"{path}/evidence")).json()

    assert page.ids >= SHARED_SECTIONS | {"evidence", "calendar", "asked"}
    assert HOSTILE[:90] in page.words
    assert numbers(page.figures["growth"]["data"][0]["y"]) == [
        point["growth"] for point in run["curve"][1:]
    ]
    assert page.figures["years"]["data"][0]["y"] == [y["value"] for y in run["report"]["years"]]
    for caveat in run["report"]["caveats"]:
        assert caveat["message"] in page.words
    assert "It is the only run that was recorded on this market." in page.words
    assert "Trials made 1 Runs that you made on this market" in page.words
    assert f"Probabilistic Sharpe ratio (PSR) {evidence['psr']:.1%}" in page.words
    assert f"Deflated Sharpe ratio (DSR) {evidence['dsr']:.1%}" in page.words
    assert run["data_version"] in page.words
    bought = sum(numbers(page.figures["traded"]["data"][0]["y"]))
    assert bought == pytest.approx(float(run["report"]["bought"]))
    costs = sum(numbers(page.figures["costs"]["data"][0]["y"]))
    assert costs == pytest.approx(float(run["report"]["costs"]))


@pytest.mark.parametrize("what", ["portfolios", "backtests"])
async def test_a_report_of_what_is_not_there_is_refused(
    client: httpx2.AsyncClient, what: str
) -> None:
    assert (await client.get(f"/api/{what}/2147483647/report")).status_code == 404


def test_the_server_starts_without_plotly() -> None:
    command = "import sys, app.main; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


async def test_a_member_of_a_sweep_has_what_its_returns_say_and_reasons_for_the_rest(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    grid = {"num_positions": [3, 4]}
    started = await client.post(SWEEPS, json={**BODY, "grid": grid})
    await finish(resources, started.json()["id"])
    member = (await client.get("/api/backtests", params={"source": "sweep"})).json()[0]
    page = await report(client, f"/api/backtests/{member['id']}")

    assert {"growth", "drawdown", "distribution", "months"} <= page.figures.keys()
    assert not {"traded", "costs", "invested"} & page.figures.keys()
    assert "of which only its returns were kept: run its settings alone" in page.words
    assert "Trials made" in page.words
