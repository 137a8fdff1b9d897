"""Backtests over HTTP, on the small market."""

from decimal import Decimal
from typing import Any

import httpx2
import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core import calendar
from app.core.clock import utc_now
from app.core.database import unit_of_work
from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest
from app.quant import metrics
from app.quant.evidence.assessment import assess
from app.quant.evidence.bootstrap import Interval
from app.quant.evidence.comparison import Comparison, compare
from app.quant.evidence.records import TrackRecord
from app.quant.measured import number
from app.quant.panel import FloatArray
from app.services import backtest_evidence, backtest_running, backtest_runs
from app.workers import running
from app.workers.registry import HANDLERS
from app.workers.running import Workshop
from tests.app_fixtures import Clients, for_new_user
from tests.small_market import FIRST, LATEST

BODY: dict[str, Any] = {
    "optimizer": "simple",
    "num_positions": 5,
    "max_weight": 0.34,
    "benchmark": "BBB",
    "initial_capital": "100000.00",
    "start": "2025-05-01",
    "market": "us",
}


@pytest.fixture(autouse=True, scope="module")
def engine() -> None:
    """As it is once the server has warmed up: before, every run is a job."""
    backtest_running.load_engine()


async def asked(client: httpx2.AsyncClient, **changes: object) -> dict[str, Any]:
    response = await client.post("/api/backtests", json=BODY | changes)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_a_run_answers_what_was_asked_and_everything_that_came_of_it(
    client: httpx2.AsyncClient, market: MarketSnapshot
) -> None:
    found = await asked(client, label="First")

    assert found["label"] == "First"
    assert found["spec"]["hold_buffer"] == 1.5
    assert (found["first_session"], found["last_session"]) == ("2025-05-01", "2025-06-30")
    assert found["repeated"] is False
    curve, trades = found["curve"], found["trades"]
    assert len(curve) == 41
    assert curve[0]["value"] == "100000.00"
    assert found["report"]["final_value"] == curve[-1]["value"]
    held = sum(Decimal(position["value"]) for position in found["positions"])
    assert Decimal(curve[-1]["cash"]) + held == Decimal(curve[-1]["value"])
    spent = sum(Decimal(trade["net_amount"]) for trade in trades)
    assert Decimal("100000.00") + spent == Decimal(curve[-1]["cash"])
    assert all(trade["decided_on"] < trade["session"] for trade in trades)
    assert sum(Decimal(trade["cost"]) for trade in trades) == Decimal(found["report"]["costs"])
    assert {each["code"] for each in found["report"]["caveats"]} >= {"few_sessions"}


async def test_its_metrics_are_those_of_its_curve(client: httpx2.AsyncClient) -> None:
    found = await asked(client)
    values = np.array([float(point["value"]) for point in found["curve"]])
    days = np.array([point["session"] for point in found["curve"]], "datetime64[D]")
    expected = metrics.compute(values[1:] / values[:-1] - 1.0, days, rf=0.04)
    mine = found["report"]["metrics"]
    for name in ("total_return", "sharpe", "max_drawdown", "volatility"):
        assert mine[name] == pytest.approx(getattr(expected, name))
    assert found["headline"]["sharpe"] == mine["sharpe"]
    growth = [point["benchmark_growth"] for point in found["curve"]]
    assert found["report"]["benchmark"]["total_return"] == pytest.approx(growth[-1] - 1.0)


async def test_the_same_question_is_the_same_run(
    client: httpx2.AsyncClient, resources: Resources, session: AsyncSession
) -> None:
    first = await asked(client)
    again = await asked(client, label="Under another name")
    spelled_out = await asked(client, hold_buffer=1.5, schedule="weekly")
    by_other_days = await asked(client, end="2025-06-30", start="2025-05-01")
    other = await asked(client, schedule="monthly")

    assert again["id"] == spelled_out["id"] == by_other_days["id"] == first["id"]
    assert again["repeated"]
    assert other["id"] != first["id"]
    tried = await backtest_evidence.tried(session, resources.owner_id, "us")
    assert len(tried) == 2


async def test_days_without_a_session_stand_for_the_sessions_within_them(
    client: httpx2.AsyncClient,
) -> None:
    flow = {"day": "2025-05-10", "amount": "-500"}
    found = await asked(client, start="2025-05-03", end="2025-06-29", cash_flows=[flow])
    assert (found["first_session"], found["last_session"]) == ("2025-05-05", "2025-06-27")
    moved = [{"day": "2025-05-12", "amount": "-500"}]
    same = await asked(client, start="2025-05-05", end="2025-06-27", cash_flows=moved)
    assert same["id"] == found["id"]
    assert found["report"]["net_flow"] == "-500.00"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"start": "2024-06-03"}, 422),
        ({"end": "2031-01-02"}, 422),
        ({"start": "2025-06-30"}, 422),
        ({"end": "2025-04-30"}, 422),
        ({"benchmark": "NOPE"}, 422),
        ({"initial_capital": "0"}, 422),
        ({"initial_capital": "10000000001"}, 422),
        ({"factor_weights": {"carry": 1}}, 422),
        ({"cash_flows": [{"day": "2020-01-02", "amount": "5"}]}, 422),
        ({"cash_flows": [{"day": "2025-06-02", "amount": "-99999999"}]}, 422),
        ({"num_positions": 2, "max_weight": 0.34}, 422),
        ({"cash_flows": [{"day": "2025-06-02", "amount": "9999999999.99"}]}, 422),
        ({"cash_flows": [{"day": "2025-06-02", "amount": "9999999999999999.99"}] * 10}, 422),
        ({"universe": {"tickers": ["AAA", "NOPE"]}}, 422),
        ({"universe": {"asset_classes": ["Equities"]}}, 422),
        ({"asset_class_caps": {"equity": 0.2}}, 422),
        ({"market": "mars"}, 404),
        ({"typo": 1}, 422),
    ],
)
async def test_what_cannot_be_run_is_refused_and_leaves_nothing(
    client: httpx2.AsyncClient, changes: dict[str, object], status: int
) -> None:
    response = await client.post("/api/backtests", json=BODY | changes)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert (await client.get("/api/backtests")).json() == []


async def test_a_withdrawn_run_leaves_its_trace_and_counts_as_a_try(
    client: httpx2.AsyncClient, resources: Resources, session: AsyncSession
) -> None:
    kept, gone = await asked(client), await asked(client, num_positions=4)
    path = f"/api/backtests/{gone['id']}"
    response = await client.request("DELETE", path, json={"reason": "A typing error"})
    assert response.status_code == 200
    assert (await client.request("DELETE", path, json={"reason": "Again"})).status_code == 409

    listed = (await client.get("/api/backtests")).json()
    assert [each["id"] for each in listed] == [kept["id"]]
    withdrawn = (await client.get("/api/backtests?withdrawn=true")).json()
    assert [each["withdrawn_reason"] for each in withdrawn] == ["A typing error"]
    assert (await client.get(path)).json()["report"]["trades"] == gone["report"]["trades"]
    evidence = (await client.get(f"/api/backtests/{kept['id']}/evidence")).json()
    assert evidence["trials"] == 2


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM backtests WHERE id = :id",
        "UPDATE backtests SET headline = '{}' WHERE id = :id",
        "UPDATE backtests SET returns = '\\x00' WHERE id = :id",
    ],
)
async def test_the_database_refuses_to_change_or_forget_a_run(
    client: httpx2.AsyncClient, resources: Resources, statement: str
) -> None:
    found = await asked(client)
    with pytest.raises(DBAPIError, match="never changed"):
        async with unit_of_work(resources.sessions) as session:
            await session.execute(text(statement), {"id": found["id"]})


async def test_a_run_belongs_to_its_owner(
    client: httpx2.AsyncClient, clients: Clients, resources: Resources
) -> None:
    mine = await asked(client)
    async with clients(await for_new_user(resources)) as stranger:
        for path in ("", "/trades", "/evidence"):
            foreign = await stranger.get(f"/api/backtests/{mine['id']}{path}")
            absent = await stranger.get(f"/api/backtests/2147483647{path}")
            assert foreign.status_code == absent.status_code == 404
            assert foreign.json() == absent.json()
        theirs = await asked(stranger)
        assert theirs["id"] != mine["id"]
        path = f"/api/backtests/compare?first={theirs['id']}&second={mine['id']}"
        assert (await stranger.get(path)).status_code == 404


@pytest.mark.parametrize("word", ["9" * 5000, "compared", "-1", "1.0", "\u0663"])
async def test_what_is_no_id_is_no_backtest(client: httpx2.AsyncClient, word: str) -> None:
    assert (await client.get(f"/api/backtests/{word}")).status_code == 404


async def test_a_comparison_is_no_backtest_that_could_be_withdrawn(
    client: httpx2.AsyncClient,
) -> None:
    refused = await client.request("DELETE", "/api/backtests/compare", json={"reason": "No"})
    assert refused.status_code == 405


async def test_trades_come_as_a_table_too(client: httpx2.AsyncClient) -> None:
    found = await asked(client)
    path = f"/api/backtests/{found['id']}/trades"
    assert (await client.get(path)).json() == found["trades"]
    lines = (await client.get(path, headers={"Accept": "text/csv"})).text.splitlines()
    assert len(lines) == len(found["trades"]) + 1
    short = (await client.get(f"/api/backtests/{found['id']}?trades=false&curves=false")).json()
    assert (short["trades"], short["curve"]) == (None, None)


async def test_two_runs_of_few_sessions_cannot_be_compared(client: httpx2.AsyncClient) -> None:
    first, second = await asked(client), await asked(client, score_method="mix")
    response = await client.get(f"/api/backtests/compare?first={first['id']}&second={second['id']}")
    assert response.status_code == 422
    assert "cannot be compared" in response.json()["detail"]


@pytest.mark.parametrize(
    ("said", "otherwise"),
    [
        (
            {"factor_weights": {"momentum": 0.3, "quality": 0.1, "value": 0, "volatility": 0}},
            {"factor_weights": {"momentum": 3, "quality": 1, "value": 0, "volatility": 0}},
        ),
        (
            {"universe": {"tickers": ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF"]}},
            {"universe": {"tickers": ["FFF", "EEE", "DDD", "CCC", "BBB", "AAA", "AAA"]}},
        ),
        (
            {"cash_flows": [{"day": "2025-06-02", "amount": "7"}]},
            {
                "cash_flows": [
                    {"day": "2025-06-02", "amount": "3.00"},
                    {"day": "2025-06-02", "amount": "4.00"},
                ]
            },
        ),
    ],
)
async def test_the_same_question_in_other_words_is_the_same_run(
    client: httpx2.AsyncClient, said: dict[str, Any], otherwise: dict[str, Any]
) -> None:
    first, again = await asked(client, **said), await asked(client, **otherwise)
    assert (again["id"], again["repeated"]) == (first["id"], True)
    assert (await asked(client))["id"] != first["id"]


async def test_the_benchmark_that_is_taken_anyway_may_be_named(
    client: httpx2.AsyncClient,
) -> None:
    found = await asked(client)
    named = found["spec"]["benchmark"]
    again = await asked(client, **({"benchmark": named} if named else {}))
    assert (again["id"], again["repeated"]) == (found["id"], True)


async def test_rules_that_no_history_is_long_enough_for_hold_cash_and_say_so(
    client: httpx2.AsyncClient,
) -> None:
    found = await asked(client, lookback=2000)
    report = found["report"]
    assert (report["trades"], report["rebalances"]) == (0, 0)
    (said,) = [each for each in report["caveats"] if each["code"] == "nothing_eligible"]
    assert said["figure"] == sum(report["decisions"].values())


async def kept_with(
    resources: Resources, like: int, returns: FloatArray, tag: int
) -> tuple[int, TrackRecord]:
    """A run like another, with given returns from the market's first session on."""
    days = calendar.sessions(FIRST, LATEST)[: len(returns) + 1]
    async with unit_of_work(resources.sessions) as session:
        row = await session.get_one(Backtest, like)
        columns = columns_of(row) | {
            "settings_hash": bytes([tag]),
            "returns": returns.astype("<f8").tobytes(),
            "first_session": days[0].item(),
            "last_session": days[-1].item(),
        }
        kept, _ = await backtest_runs.keep(session, columns)
        return kept.id, TrackRecord(days.astype("datetime64[D]"), returns)


def columns_of(row: Backtest) -> dict[str, Any]:
    return {each.name: getattr(row, each.name) for each in Backtest.__table__.columns[1:]}


async def test_runs_are_compared_and_judged_by_their_kept_returns(
    client: httpx2.AsyncClient, resources: Resources, session: AsyncSession
) -> None:
    random = np.random.default_rng(3)
    found = await asked(client)
    ids, records = [], []
    for tag, sessions in enumerate((290, 280)):
        returns = random.normal(0.0004, 0.01, sessions)
        kept, record = await kept_with(resources, found["id"], returns, tag)
        ids.append(kept)
        records.append(record)

    path = f"/api/backtests/compare?first={ids[0]}&second={ids[1]}"
    compared = (await client.get(path)).json()
    expected = compare(*records, rf=0.04, seed=0)
    assert isinstance(expected, Comparison)
    assert (compared["sessions"], compared["only_first"], compared["only_second"]) == (280, 10, 0)
    difference = records[0].returns[:280] - records[1].returns
    assert compared["mean"]["value"] == pytest.approx(252 * difference.mean())
    for name in ("mean", "sharpe"):
        assert compared[name]["p_value"] == getattr(expected, name).p_value
        assert compared[name]["interval"]["low"] == getattr(expected, name).interval.low

    evidence = (await client.get(f"/api/backtests/{ids[0]}/evidence")).json()
    short = backtest_evidence.record_of(await session.get_one(Backtest, found["id"]))
    judged = assess([short, *records], 1, rf=0.04, seed=0)
    assert (evidence["trials"], evidence["observations"]) == (3, 290)
    for name in ("sharpe", "psr", "dsr", "expected_maximum", "min_track_record", "pbo"):
        assert evidence[name] == number(getattr(judged, name)), name
    assert evidence["dsr"] < evidence["psr"]
    assert isinstance(judged.cagr_interval, Interval)
    assert evidence["cagr_interval"]["high"] == judged.cagr_interval.high


async def test_a_key_runs_once(client: httpx2.AsyncClient) -> None:
    headers = {"Idempotency-Key": "backtest"}
    first = await client.post("/api/backtests", json=BODY, headers=headers)
    again = await client.post("/api/backtests", json=BODY, headers=headers)
    assert again.content == first.content
    other = BODY | {"num_positions": 4}
    assert (await client.post("/api/backtests", json=other, headers=headers)).status_code == 422


async def test_what_takes_longer_is_a_job_whose_result_is_the_same_run(
    client: httpx2.AsyncClient,
    resources: Resources,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.services.backtest_running.QUICK_SECONDS", 0.0)
    response = await client.post("/api/backtests", json=BODY | {"label": "Later"})
    assert response.status_code == 202
    job = response.json()
    again = await client.post("/api/backtests", json=BODY | {"label": "Later"})
    assert again.json() == job
    for _ in range(2):  # delivered twice
        await running.run(Workshop(resources, HANDLERS), job["id"])
    done = (await client.get(f"/api/jobs/{job['id']}")).json()
    assert done["state"] == "succeeded"
    found = (await client.get(f"/api/backtests/{done['result']['backtest_id']}")).json()
    assert found["label"] == "Later"
    monkeypatch.undo()
    assert (await asked(client))["id"] == found["id"]


async def test_scores_that_made_one_run_wait_are_there_for_the_next(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.backtest_running.SECONDS_PER_SCORE", 1.0)
    body = BODY | {"universe": {"excluded": ["LLL"]}}
    assert (await client.post("/api/backtests", json=body)).status_code == 202
    assert (await client.post("/api/backtests", json=body)).status_code == 201


async def test_two_who_store_the_same_run_at_once_store_one(
    client: httpx2.AsyncClient, resources: Resources, market: MarketSnapshot
) -> None:
    found = await asked(client)
    async with unit_of_work(resources.sessions) as session:
        row = await session.get_one(Backtest, found["id"])
        columns = columns_of(row) | {"created_at": utc_now()}
        again, is_new = await backtest_runs.keep(session, columns)
        assert (again.id, is_new) == (found["id"], False)
