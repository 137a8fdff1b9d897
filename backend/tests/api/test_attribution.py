"""Attribution, factor returns and regressions over HTTP, on the small market."""

import math
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import numpy as np
import pytest
import statsmodels.api as sm
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core.database import unit_of_work
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest
from app.services import (
    attribution,
    backtest_running,
    books_over_time,
    published_factors,
    replay,
)
from tests.api.test_backtests import asked
from tests.app_fixtures import Clients, for_new_user
from tests.services.lives import NOW, rules

TOLERANCE = 1e-10


@pytest.fixture(autouse=True, scope="module")
def engine() -> None:
    backtest_running.load_engine()


@pytest.fixture
async def published(resources: Resources, market: MarketSnapshot, tmp_path: Path) -> np.ndarray:
    """Three factors of every session of the market but the last two: rf, mkt_rf, mom."""
    random = np.random.default_rng(7)
    days = market.panel.sessions[1:-2]
    values = np.round(random.normal(0.0, 0.01, (len(days), 3)), 6)
    values[:, 0] = 0.0002
    path = tmp_path / "factors.csv"
    lines = [
        f"{day},{','.join(map(repr, row.tolist()))}" for day, row in zip(days, values, strict=True)
    ]
    path.write_text("date,rf,mkt_rf,mom\n" + "\n".join(lines) + "\n")
    async with unit_of_work(resources.sessions) as session:
        await published_factors.import_file(session, path)
    return values


async def replayed(resources: Resources, market: MarketSnapshot, since: str, **changes: Any) -> int:
    """A portfolio of five names that has lived by its rules since then."""
    async with unit_of_work(resources.sessions) as session:
        portfolio, _ = await replay.open_replayed(
            session,
            market,
            owner_id=resources.owner_id,
            name=uuid4().hex,
            initial_capital=Decimal(100_000),
            settings=rules(**changes),
            since=date.fromisoformat(since),
            now=NOW,
        )
        return portfolio.id


async def get(client: httpx2.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def require_parts_add_up(found: dict[str, Any]) -> None:
    total = found["total"]
    parts = [each["contribution"] for each in found["positions"]]
    assert abs(math.fsum((*parts, found["cash"], found["costs"])) - total) <= TOLERANCE
    factors = found["factors"]
    parts = [each["contribution"] for each in factors["factors"]]
    parts += [factors[name] for name in ("market", "selection", "cash", "costs")]
    assert abs(math.fsum(parts) - total) <= TOLERANCE
    classes = found["asset_classes"]
    names = ("allocation", "selection", "interaction", "trading", "interest", "costs")
    active = math.fsum(classes[name] for name in names)
    assert abs(active - (total - classes["benchmark_return"])) <= TOLERANCE
    assert abs(active - classes["active"]) <= TOLERANCE
    for name in ("allocation", "selection", "interaction"):
        assert classes[name] == pytest.approx(
            math.fsum(each[name] for each in classes["classes"]), abs=1e-14
        )


async def test_a_portfolio_is_told_by_position_factor_and_class(
    client: httpx2.AsyncClient, resources: Resources, market: MarketSnapshot
) -> None:
    portfolio_id = await replayed(resources, market, "2025-05-05")
    path = f"/api/performance/{portfolio_id}"

    found = await get(client, f"{path}/attribution", benchmark="AAA:0.7,bbb:0.3")
    performance = await get(client, path)

    require_parts_add_up(found)
    assert found["total"] == pytest.approx(performance["metrics"]["total_return"], abs=1e-12)
    assert found["reasons"] == {}
    assert [each["weight"] for each in found["asset_classes"]["benchmark"]] == [0.7, 0.3]
    factors = found["factors"]
    assert [each["name"] for each in factors["factors"]] == [
        *("momentum", "quality", "volatility", "value")
    ]
    assert factors["unexplained_sessions"] == 0
    point = factors["exposures"][-1]
    held = point["market"] + point["unscored"] + point["cash"]
    assert held == pytest.approx(1.0)
    assert found["trace"]["command"] == (
        f"etftrader performance {portfolio_id} --attribution --benchmark AAA:0.7,BBB:0.3"
    )
    assert found["trace"]["figures"]["asset_classes.allocation"]["source"]


async def test_the_default_benchmark_is_the_portfolios_own(
    client: httpx2.AsyncClient, resources: Resources, market: MarketSnapshot
) -> None:
    portfolio_id = await replayed(resources, market, "2025-05-05", benchmark="CCC")
    found = await get(client, f"/api/performance/{portfolio_id}/attribution", period="1M")
    require_parts_add_up(found)
    assert found["asset_classes"]["benchmark"] == [{"ticker": "CCC", "weight": 1.0}]


async def test_without_prices_of_the_benchmark_the_rest_stands(
    client: httpx2.AsyncClient, resources: Resources, market: MarketSnapshot
) -> None:
    """The market's own benchmark is SPY, which the small market does not have."""
    portfolio_id = await replayed(resources, market, "2025-05-05", benchmark=None)
    found = await get(client, f"/api/performance/{portfolio_id}/attribution")
    assert found["asset_classes"] is None
    assert found["reasons"] == {"asset_classes": "the market has no prices of the benchmark"}
    assert found["factors"] is not None


async def test_a_benchmark_that_is_no_blend_or_unknown_is_refused(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    path = f"/api/performance/{portfolio_id}/attribution"
    for wrong in ("AAA,BBB", "AAA:0.5,BBB:0.6", "AAA:0.5,AAA:0.5", "NOPE"):
        response = await client.get(path, params={"benchmark": wrong})
        assert response.status_code == 422, wrong


async def test_a_new_portfolio_has_no_parts_and_says_why(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    found = await get(client, f"/api/performance/{portfolio_id}/attribution")
    names = {"total", "positions", "cash", "costs", "factors", "asset_classes"}
    assert set(found["reasons"]) == names
    assert all(found[name] is None for name in names)


async def test_a_backtest_is_told_likewise(client: httpx2.AsyncClient) -> None:
    run = await asked(client, start="2025-05-05", cash_yield=0.04)
    path = f"/api/backtests/{run['id']}/attribution"

    found = await get(client, path, benchmark="AAA:0.5,CCC:0.5")

    require_parts_add_up(found)
    assert found["total"] == pytest.approx(run["report"]["metrics"]["total_return"], abs=1e-12)
    assert found["cash"] > 0.0 > found["costs"]
    assert (found["start"], found["end"]) == (run["first_session"], run["last_session"])
    assert found["data_version"] == run["data_version"]
    assert found["trace"]["command"].startswith(
        f"etftrader performance --backtest {run['id']} --attribution"
    )
    assert found == await get(client, path, benchmark="AAA:0.5,CCC:0.5")


async def test_a_part_of_a_life_begins_and_ends_where_it_is_told_to(
    client: httpx2.AsyncClient, resources: Resources, market: MarketSnapshot
) -> None:
    run = await asked(client, start="2025-05-05")
    portfolio_id = await replayed(resources, market, "2025-05-05")
    days = {"start": "2025-05-30", "end": "2025-06-13"}
    paths = {
        f"/api/performance/{portfolio_id}": "",
        f"/api/backtests/{run['id']}": "/performance",
    }
    for path, suffix in paths.items():
        found = await get(client, f"{path}/attribution", benchmark="BBB", **days)
        measured = await get(client, path + suffix, **days)

        require_parts_add_up(found)
        assert found["total"] == pytest.approx(measured["metrics"]["total_return"], abs=1e-12)
        assert (found["start"], found["end"], found["period"]) == (*days.values(), None)
        assert len(found["factors"]["exposures"]) == 10
        response = await client.get(f"{path}/attribution", params={**days, "period": "1M"})
        assert response.status_code == 422


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data_version": uuid4()}, "other prices than the market has now"),
        ({"returns": bytes(8 * 10)}, "trades otherwise than the version that made the run"),
    ],
)
async def test_a_backtest_that_cannot_be_lived_through_again_says_so(
    client: httpx2.AsyncClient,
    session: AsyncSession,
    market: MarketSnapshot,
    changes: dict[str, Any],
    says: str,
) -> None:
    run = await asked(client, start="2025-05-06")
    row = await session.get_one(Backtest, run["id"])
    session.expunge(row)
    for name, value in changes.items():
        setattr(row, name, value)
    books_over_time._remembered.clear()

    found = await attribution.attribute_backtest(market, row, now=NOW)

    assert found.total is None
    for name in ("total", "positions", "factors", "asset_classes"):
        assert says in found.reasons[name]


async def test_somebody_elses_is_absent(
    client: httpx2.AsyncClient, portfolio_id: int, resources: Resources, clients: Clients
) -> None:
    run = await asked(client)
    async with clients(await for_new_user(resources)) as stranger:
        for kind in ("attribution", "regression"):
            paths = (f"/api/backtests/{run['id']}", f"/api/performance/{portfolio_id}")
            for path in paths:
                assert (await stranger.get(f"{path}/{kind}")).status_code == 404


async def test_factor_returns_are_daily_regressions_with_statistics(
    client: httpx2.AsyncClient, market: MarketSnapshot
) -> None:
    found = await get(client, "/api/factors/returns", market="us", limit=1000)

    names = ["market", "momentum", "quality", "volatility", "value"]
    assert [each["name"] for each in found["factors"]] == names
    assert found["sessions"] == len(found["series"]) == len(market.panel) - 253
    assert found["end"] == str(market.latest_session) == found["series"][0]["session"]
    for each in found["factors"]:
        series = [day["factors"][each["name"]]["value"] for day in found["series"]]
        assert each["cumulative"] == pytest.approx(np.prod(1.0 + np.array(series)) - 1.0)
        assert each["mean"] == pytest.approx(252 * np.mean(series))
        assert each["mean_t"] == pytest.approx(each["mean"] / each["error"])
        assert found["series"][0]["factors"][each["name"]]["cumulative"] == pytest.approx(
            each["cumulative"]
        )
    page = await get(client, "/api/factors/returns", market="us", limit=2, offset=3)
    assert page["series"] == found["series"][3:5]


async def test_factor_returns_of_a_period_begin_after_its_first_close(
    client: httpx2.AsyncClient,
) -> None:
    found = await get(client, "/api/factors/returns", market="us", period="1M")
    assert found["start"] == "2025-06-02"
    assert found["sessions"] == len(found["series"]) == 20


async def test_factor_returns_are_of_the_days_asked_for(client: httpx2.AsyncClient) -> None:
    path = "/api/factors/returns"
    whole = await get(client, path, market="us", limit=1000)
    days = {"start": "2025-06-06", "end": "2025-06-13"}
    found = await get(client, path, market="us", **days)
    assert (found["period"], found["start"], found["end"]) == (None, "2025-06-09", "2025-06-13")
    values = [day["factors"]["market"]["value"] for day in found["series"]]
    assert values == [
        day["factors"]["market"]["value"]
        for day in whole["series"]
        if "2025-06-06" < day["session"] <= "2025-06-13"
    ]
    assert found["trace"]["command"].endswith("--market us --start 2025-06-06 --end 2025-06-13")
    early = await get(client, path, market="us", start="2001-01-01")
    assert early["sessions"] == whole["sessions"]
    until = await get(client, path, market="us", end="2025-06-13", period="1M")
    assert (until["period"], until["start"]) == ("1M", "2025-05-14")


@pytest.mark.parametrize("path", ["/api/factors/returns", "/api/factors/AAA/regression"])
async def test_what_is_asked_for_in_unknown_words_is_refused(
    client: httpx2.AsyncClient, path: str, published: np.ndarray
) -> None:
    await get(client, path, market="us")
    for wrong in (
        {"strat": "2025-06-06"},
        {"start": "2025-06-06", "period": "1M"},
        {"end": "2001-01-01"},
        {"market": "US"},
    ):
        refused = await client.get(path, params=wrong)
        assert refused.status_code == 422, wrong


async def test_an_etf_is_regressed_on_published_factors(
    client: httpx2.AsyncClient, market: MarketSnapshot, published: np.ndarray
) -> None:
    found = await get(client, "/api/factors/aaa/regression", factors="mkt_rf,mom", window=100)

    row = market.panel.adjusted[market.row("AAA")]
    excess = row[1:-2] / row[:-3] - 1.0 - published[:, 0]
    fit = sm.OLS(excess, sm.add_constant(published[:, 1:])).fit(
        cov_type="HAC", cov_kwds={"maxlags": found["lags"], "use_correction": True}
    )
    assert found["alpha"]["value"] == pytest.approx(252 * fit.params[0])
    assert [each["value"] for each in found["loadings"]] == pytest.approx(fit.params[1:].tolist())
    assert [each["t"] for each in found["loadings"]] == pytest.approx(fit.tvalues[1:].tolist())
    assert found["r_squared"] == pytest.approx(fit.rsquared)
    assert (found["observations"], found["unmatched"]) == (len(published), 2)
    assert found["end"] == found["published_until"] == str(market.panel.sessions[-3])
    assert found["rolling"][-1]["end"] == found["end"]
    assert set(found["rolling"][0]["loadings"]) == {"mkt_rf", "mom"}
    short = await get(client, "/api/factors/AAA/regression", factors="mkt_rf", start="2025-06-02")
    assert short["alpha"] is None
    assert short["reasons"]["alpha"] == "17 sessions with returns of both; 63 are needed"


@pytest.mark.usefixtures("published")
async def test_portfolios_and_backtests_are_regressed_too(
    client: httpx2.AsyncClient, resources: Resources, market: MarketSnapshot
) -> None:
    run = await asked(client, start="2025-04-24")
    portfolio_id = await replayed(resources, market, "2025-04-24")
    paths = {
        f"/api/backtests/{run['id']}/regression": f"backtest {run['id']}",
        f"/api/performance/{portfolio_id}/regression": f"portfolio {portfolio_id}",
    }
    for path, subject in paths.items():
        found = await get(client, path, factors="mkt_rf,mom")
        assert found["subject"] == subject
        assert found["unmatched"] == 2
        # A backtest begins with money at a close, a portfolio with its first day.
        assert found["observations"] + 2 in {len(run["curve"]) - 1, len(run["curve"])}
        assert found["trace"]["command"].startswith("etftrader factors regression --")


@pytest.mark.usefixtures("published")
async def test_a_series_that_is_sent_along_is_what_it_would_be_as_an_etf(
    client: httpx2.AsyncClient, market: MarketSnapshot
) -> None:
    closes = market.panel.adjusted[market.row("AAA")]
    series = {
        "dates": [str(day) for day in market.panel.sessions],
        "values": [f"{close:.2f}" for close in closes],
        "factors": "mkt_rf,mom",
        "window": 100,
    }
    path = "/api/performance/series/regression"
    response = await client.post(path, json=series)
    assert response.status_code == 200, response.text
    sent = response.json()
    held = await get(client, "/api/factors/AAA/regression", factors="mkt_rf,mom", window=100)

    assert sent["subject"] == "series"
    for name in ("observations", "unmatched", "lags", "start", "end"):
        assert sent[name] == held[name], name
    assert sent["r_squared"] == pytest.approx(held["r_squared"], rel=1e-9)
    both = zip((sent["alpha"], *sent["loadings"]), (held["alpha"], *held["loadings"]), strict=True)
    for mine, theirs in both:
        for figure in ("value", "error", "t", "p_value", "low", "high"):
            assert mine[figure] == pytest.approx(theirs[figure], rel=1e-9), figure
    assert [each["end"] for each in sent["rolling"]] == [each["end"] for each in held["rolling"]]
    assert (await client.get(path)).status_code == 405
    wrong = await client.post(path, json=series | {"factors": "luck"})
    assert wrong.status_code == 422


@pytest.mark.usefixtures("published")
async def test_factors_that_nobody_published_here_leave_nothing(
    client: httpx2.AsyncClient,
) -> None:
    found = await get(client, "/api/factors/AAA/regression")
    assert found["observations"] == 0
    assert found["start"] is None
    assert found["reasons"]["r_squared"].startswith("0 sessions")


@pytest.mark.usefixtures("published")
async def test_importing_again_changes_nothing_and_a_correction_is_counted(
    session: AsyncSession, tmp_path: Path
) -> None:
    lines = ["date,rf,mkt_rf,hml", "1999-01-04,0.0002,0.01,-0.001", "1999-01-05,0.0002,0.02,"]
    path = tmp_path / "old.csv"
    path.write_text("\n".join(lines))
    first = {each.name: each for each in await published_factors.import_file(session, path)}
    again = await published_factors.import_file(session, path)
    path.write_text("\n".join([*lines[:2], "1999-01-05,0.0002,0.03,0.001"]))
    corrected = {each.name: each for each in await published_factors.import_file(session, path)}

    assert (first["mkt_rf"].added, first["hml"].added, first["hml"].read) == (2, 1, 1)
    assert all(each.unchanged == each.read for each in again)
    assert (corrected["mkt_rf"].changed, corrected["mkt_rf"].unchanged) == (1, 1)
    assert (corrected["hml"].added, corrected["hml"].unchanged) == (1, 1)
    await session.execute(text("DELETE FROM published_factors WHERE session < '2000-01-01'"))


async def test_an_unknown_etf_or_factor_is_told(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/api/factors/NOPE/regression")).status_code == 404
    for wrong in ({"factors": "luck"}, {"factors": "mom,mom"}, {"window": 3}, {"start": "now"}):
        response = await client.get("/api/factors/AAA/regression", params=wrong)
        assert response.status_code == 422, wrong
