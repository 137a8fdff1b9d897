import httpx2
import pytest


async def test_a_held_position_has_its_stop_and_its_part_of_the_risk(
    client: httpx2.AsyncClient, portfolio_id: int
) -> None:
    for ticker in ("AAA", "BBB"):
        order = {"portfolio_id": portfolio_id, "ticker": ticker, "side": "buy", "quantity": "200"}
        assert (await client.post("/api/trades", json=order)).status_code == 201

    answer = (await client.get(f"/api/risk/{portfolio_id}")).json()

    assert [each["ticker"] for each in answer["positions"]] == ["AAA", "BBB"]
    assert all(isinstance(each["stop_price"], str) for each in answer["positions"])
    assert sum(each["share"] for each in answer["contributions"]) == pytest.approx(1.0)
    assert answer["vix"]["date"] == answer["as_of"] == "2025-06-30"
    assert answer["reasons"]["beta"] == "the market has no prices of the benchmark SPY"


async def test_the_history_of_the_index_is_newest_first(client: httpx2.AsyncClient) -> None:
    answer = (await client.get("/api/risk/vix/history", params={"days": 3})).json()

    assert [each["date"] for each in answer["history"]] == [
        "2025-06-30",
        "2025-06-27",
        "2025-06-26",
    ]
    assert answer["current"]["value"] == answer["history"][0]["close"]
    assert answer["current"]["regime"] == answer["history"][0]["regime"]
    assert answer["symbol"] == "VIX"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"days": 0}, 422),
        ({"days": 10_001}, 422),
        ({"days": 10_000}, 200),
        ({"market": "demo"}, 409),
        ({"market": "nowhere"}, 404),
    ],
)
async def test_the_history_of_the_index_has_bounds(
    client: httpx2.AsyncClient, query: dict[str, str | int], status: int
) -> None:
    assert (await client.get("/api/risk/vix/history", params=query)).status_code == status
