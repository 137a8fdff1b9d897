import httpx2
import pytest

from app.bootstrap import Resources
from tests.app_fixtures import Clients, create_portfolio, for_new_user

PATHS = ("/api/performance/{}", "/api/performance/{}/attribution", "/api/risk/{}")


async def test_a_new_portfolio_is_answered_with_exact_money_and_reasons(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    response = await client.get(f"/api/performance/{portfolio_id}", params={"benchmark": "bbb"})

    assert response.status_code == 200
    answer = response.json()
    assert (answer["market"], answer["simulated"]) == ("us", False)
    assert (answer["as_of"], answer["stale"]) == ("2025-06-30", True)
    assert answer["sessions_behind"] > 0
    assert answer["end_value"] == answer["series"][0]["value"] == "100000.00"
    assert answer["benchmark"]["ticker"] == "BBB"
    assert answer["metrics"]["sharpe"] is None
    assert answer["metrics"]["reasons"]["sharpe"] == "fewer than 2 observations"


async def test_trades_are_seen_at_once(client: httpx2.AsyncClient, portfolio_id: int) -> None:
    order = {"portfolio_id": portfolio_id, "ticker": "AAA", "side": "buy", "quantity": "100"}
    assert (await client.post("/api/trades", json=order)).status_code == 201

    answer = (await client.get(f"/api/performance/{portfolio_id}")).json()
    standing = (await client.get(f"/api/portfolios/{portfolio_id}")).json()

    assert answer["end_value"] == standing["total_value"]
    assert float(answer["costs"]) > 1.0
    assert float(answer["profit"]) == pytest.approx(-float(answer["costs"]), abs=0.01)


async def test_a_liquidated_and_closed_portfolio_keeps_its_history(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    order = {"portfolio_id": portfolio_id, "ticker": "AAA", "side": "buy", "quantity": "100"}
    await client.post("/api/trades", json=order)
    await client.delete(f"/api/portfolios/{portfolio_id}", params={"liquidate": True})

    for path in PATHS:
        assert (await client.get(path.format(portfolio_id))).status_code == 200


@pytest.mark.parametrize("path", PATHS)
async def test_somebody_elses_portfolio_is_as_absent_as_none(
    clients: Clients, resources: Resources, path: str
) -> None:
    async with clients(await for_new_user(resources)) as other:
        theirs = (await create_portfolio(other))["id"]
    async with clients(resources) as mine:
        answers = [await mine.get(path.format(number)) for number in (theirs, 2**31 - 1)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"period": "2W"}, "invalid-request"),
        ({"benchmark": "NOPE"}, "unknown-ticker"),
        ({"benchmark": "../.."}, "invalid-request"),
    ],
)
async def test_a_period_or_benchmark_that_does_not_exist_is_refused(
    client: httpx2.AsyncClient, portfolio_id: int, query: dict[str, str], named: str
) -> None:
    response = await client.get(f"/api/performance/{portfolio_id}", params=query)

    assert response.status_code == 422
    assert response.json()["type"] == f"urn:etftrader:{named}"


@pytest.mark.parametrize("period", ["1M", "3M", "6M", "1Y", "3Y", "YTD", "ALL"])
async def test_every_period_is_answered(
    client: httpx2.AsyncClient, portfolio_id: int, period: str
) -> None:
    for path in PATHS[:2]:
        response = await client.get(path.format(portfolio_id), params={"period": period})
        assert response.status_code == 200
        assert response.json()["period"] == period
