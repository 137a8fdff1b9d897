"""Factor research over HTTP, on the small market: 12 ETFs with 46 scored sessions."""

from typing import Any

import httpx2
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.quant.definitions.research import DEFINITIONS
from app.quant.factors.score_history import score_history
from app.services import backtest_running, freshness, research
from app.workers import running
from app.workers.registry import HANDLERS
from app.workers.running import Workshop

PATH = "/api/research/factors/momentum"


@pytest.fixture(autouse=True, scope="module")
def engine() -> None:
    """As it is once the server has warmed up: before, every question is a job."""
    backtest_running.load_engine()


async def asked(client: httpx2.AsyncClient, path: str = PATH, **query: Any) -> dict[str, Any]:
    response = await client.get(path, params={"market": "us", **query})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_the_rank_ic_is_that_of_the_scores_and_the_prices(
    client: httpx2.AsyncClient, market: MarketSnapshot
) -> None:
    found = await asked(client, horizons=[5], series=True)

    panel = market.panel
    first = len(panel) - 46
    scores = score_history(panel, market.facts, sessions=panel.sessions[first:]).factors
    momentum = scores.factor("momentum")
    last = pd.DataFrame(panel.adjusted.T).ffill().to_numpy().T  # one of the ETFs ends
    expected = []
    for session in range(46 - 6):
        column = first + session
        known = ~np.isnan(momentum[session]) & ~np.isnan(panel.adjusted[:, column + 1])
        then = last[known, column + 6] / panel.adjusted[known, column + 1] - 1
        expected.append(stats.spearmanr(momentum[session, known], then).statistic)
    answered = [each["ic"][0] for each in found["series"]]
    assert answered[:40] == pytest.approx(expected, abs=1e-12)
    assert answered[40:] == [None] * 6
    (horizon,) = found["horizons"]
    assert (horizon["sessions"], horizon["incomplete"]) == (40, 6)
    assert horizon["ic"]["mean"] == pytest.approx(np.mean(expected))
    assert horizon["ic_positive"] == np.mean(np.array(expected) > 0)


async def test_an_answer_says_what_it_is_built_on(client: httpx2.AsyncClient) -> None:
    found = await asked(client)

    assert (found["factor"], found["as_of"], found["end"]) == (
        "momentum",
        "2025-06-30",
        "2025-06-30",
    )
    assert found["sessions"] == 46
    assert [each["horizon"] for each in found["horizons"]] == [1, 5, 21, 63, 126]
    assert set(found["trace"]["figures"]) == set(DEFINITIONS)
    assert found["trace"]["command"].startswith("etftrader factors research momentum --market us")
    assert found["correlations"]["factors"] == ["momentum", "quality", "volatility", "value"]


async def test_what_cannot_be_said_is_null_with_its_reason(client: httpx2.AsyncClient) -> None:
    found = await asked(client)

    longest = found["horizons"][-1]
    assert (longest["sessions"], longest["incomplete"]) == (0, 46)
    assert longest["ic"]["mean"] is None
    assert longest["ic"]["reasons"]["mean"] == "fewer than 2 sessions"
    assert longest["spread_yearly"] is None
    assert longest["reasons"]["spread_yearly"] == "fewer than 2 sessions"
    assert longest["after_costs"]["reasons"]["break_even"]
    by_class = found["asset_classes"][0]
    assert 4.0 <= by_class["etfs"] < 6.0  # too few for ten
    assert by_class["horizons"][0]["ic"]["mean"] is None
    assert found["persistence"]["half_life"] is None
    assert "still" in found["persistence"]["reasons"]["half_life"]


async def test_regimes_are_those_of_the_stop_loss(
    client: httpx2.AsyncClient, market: MarketSnapshot
) -> None:
    found = await asked(client)

    closes = market.vix[-46:]
    by_name = {each["regime"]: each["sessions"] for each in found["regimes"]}
    assert by_name.get("low", 0) == int((closes < 15).sum())
    assert by_name.get("normal", 0) == int(((closes >= 15) & (closes <= 25)).sum())
    assert sum(by_name.values()) == 46


async def test_the_composite_is_compared_with_its_parts(client: httpx2.AsyncClient) -> None:
    found = await asked(client, "/api/research/factors/composite", horizons=[1])

    factors = [each["factor"] for each in found["horizons"][0]["coefficients"]]
    assert factors == ["momentum", "quality", "volatility", "value"]
    assert found["correlations"]["factors"] == ["composite", *factors]
    assert found["correlations"]["matrix"][0][0] == pytest.approx(1.0)


async def test_a_factor_without_weight_can_be_examined_beside_another(
    client: httpx2.AsyncClient,
) -> None:
    found = await asked(
        client, "/api/research/factors/reversal", horizons=[5, 1, 5], others=["trend", "carry"]
    )

    assert [each["horizon"] for each in found["horizons"]] == [1, 5]
    assert found["correlations"]["factors"] == ["reversal", "trend"]
    assert found["notes"] == [
        "carry is left out: a year of distributions beside traded prices is not known."
    ]


async def test_a_factor_that_nobody_knows_is_refused(client: httpx2.AsyncClient) -> None:
    response = await client.get("/api/research/factors/carry", params={"market": "us"})

    assert response.status_code == 422
    assert "There is no score of carry in the period." in response.json()["detail"]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/api/research/factors/luck", {}, 422),
        (PATH, {"horizons": 0}, 422),
        (PATH, {"horizons": list(range(1, 10))}, 422),
        (PATH, {"quantiles": 1}, 422),
        (PATH, {"capital": "nan"}, 422),
        (PATH, {"others": "composite"}, 422),
        (PATH, {"luck": 1}, 422),
        (PATH, {"market": "demo"}, 409),
        (PATH, {"market": "nowhere"}, 404),
        (f"{PATH}/", {"period": "1M"}, 200),
    ],
)
async def test_questions_have_bounds(
    client: httpx2.AsyncClient, path: str, query: dict[str, Any], status: int
) -> None:
    response = await client.get(path, params={"market": "us", **query})
    assert response.status_code == status, response.text


async def test_what_takes_longer_is_a_job_and_then_the_answer(
    client: httpx2.AsyncClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(research, "is_quick", lambda _: False)
    query = {"market": "us", "horizons": [2, 3]}
    first = await client.get(PATH, params=query)
    again = await client.get(PATH, params=query)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert first.json()["kind"] == "factor_research"

    await running.run(Workshop(resources, HANDLERS), first.json()["id"])

    job = (await client.get(f"/api/jobs/{first.json()['id']}")).json()
    assert job["state"] == "succeeded", job["error"]
    found = await client.get(PATH, params=query)
    assert found.status_code == 200
    assert [each["horizon"] for each in found.json()["horizons"]] == [2, 3]


async def test_an_answer_that_the_cache_lost_is_made_again(
    client: httpx2.AsyncClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(research, "is_quick", lambda _: False)
    query = {"market": "us", "horizons": [4]}
    job = (await client.get(PATH, params=query)).json()
    await running.run(Workshop(resources, HANDLERS), job["id"])

    async def nothing(_: str) -> None:
        return None

    monkeypatch.setattr(type(resources.cache), "known", lambda self, key: nothing(key))
    assert (await client.get(PATH, params=query)).status_code == 200


async def test_an_answer_that_there_cannot_be_is_looked_for_once(
    client: httpx2.AsyncClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(research, "is_quick", lambda _: False)
    path, query = "/api/research/factors/carry", {"market": "us", "horizons": [6]}
    job = (await client.get(path, params=query)).json()
    await running.run(Workshop(resources, HANDLERS), job["id"])

    answers = [await client.get(path, params=query) for _ in range(3)]

    for answer in answers:
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:etftrader:insufficient-history"
        assert answer.json()["detail"].startswith("There is no score of carry in the period.")
    newest, *_ = (await client.get("/api/jobs", params={"kind": "factor_research"})).json()
    assert (newest["id"], newest["state"]) == (job["id"], "failed")
    other = await client.get(path, params={**query, "horizons": [7]})
    assert other.status_code == 202


async def test_an_answer_that_there_cannot_be_is_remembered_when_the_data_are_a_session_older(
    client: httpx2.AsyncClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(research, "is_quick", lambda _: False)
    path, query = "/api/research/factors/carry", {"market": "us", "horizons": [8]}
    job = (await client.get(path, params=query)).json()
    await running.run(Workshop(resources, HANDLERS), job["id"])
    behind = freshness.behind
    monkeypatch.setattr(freshness, "behind", lambda market, now: behind(market, now) + 1)

    assert (await client.get(path, params=query)).status_code == 422


async def test_what_failed_on_our_side_is_tried_again(
    client: httpx2.AsyncClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(research, "is_quick", lambda _: False)
    query = {"market": "us", "horizons": [9]}
    job = (await client.get(PATH, params=query)).json()
    with monkeypatch.context() as broken:
        broken.setattr(research, "examine", lambda *_, **__: 1 / 0)
        await running.run(Workshop(resources, HANDLERS), job["id"])

    again = await client.get(PATH, params=query)
    assert again.status_code == 202
    assert again.json()["id"] != job["id"]
