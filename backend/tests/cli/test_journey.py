"""The journey of an investor, command by command."""

from typing import Any

import pytest

from tests.cli.conftest import RULES, Installation
from tests.small_market import LATEST


def test_a_newcomer_is_told_where_data_come_from(empty: Installation) -> None:
    sentence = empty.failure("factors", "top")
    assert sentence.startswith("No market has prices yet")
    assert "'etftrader up'" in sentence
    assert "There are no portfolios yet" in empty("portfolio", "list").stdout
    assert "no prices" in empty("data", "status").stdout


def test_a_proposal_is_executed_and_the_books_agree(etftrader: Installation) -> None:
    portfolio = etftrader.create("Journey")
    shown = etftrader("portfolio", "rebalance", portfolio).stdout
    assert "Rebalance needed: Nothing is held yet." in shown
    assert f"'etftrader portfolio execute {portfolio} " in shown
    proposal = etftrader.json("portfolio", "rebalance", portfolio)
    assert proposal["status"] == "proposed"
    assert len(proposal["orders"]) == 5

    done = etftrader.json("portfolio", "execute", portfolio, str(proposal["id"]))
    assert {fill["status"] for fill in done["fills"]} == {"filled"}
    assert "executed" in etftrader.failure("portfolio", "execute", portfolio, str(proposal["id"]))
    held = etftrader.json("portfolio", "positions", portfolio)["positions"]
    assert {row["ticker"] for row in held} == {order["ticker"] for order in proposal["orders"]}
    assert "not needed" in etftrader("portfolio", "drift", portfolio).stdout
    assert "no differences" in etftrader("db", "check").stdout


def test_money_goes_in_and_out(etftrader: Installation) -> None:
    portfolio = etftrader.create("Money")
    paid = etftrader.json("portfolio", "deposit", portfolio, "250.50", "--note", "gift")
    assert (paid["amount"], paid["cash"], paid["reason"]) == ("250.50", "100250.50", "gift")
    said = etftrader("portfolio", "deposit", portfolio, "-250.50").stdout
    assert "100,000.00 USD in cash" in " ".join(said.split())
    assert "is missing" in etftrader.failure("portfolio", "deposit", portfolio, "-100000.01")


def test_a_budget_invests_no_more_than_it_says(etftrader: Installation) -> None:
    portfolio = etftrader.create("Budget")
    proposal = etftrader.json("portfolio", "rebalance", portfolio, "--budget", "5000")
    assert proposal["budget"] == "5000"
    assert float(proposal["cash_after"]) >= 95_000


def test_every_setting_can_be_given(etftrader: Installation) -> None:
    portfolio = etftrader.create(
        "Settings",
        *("--drift-threshold", "0.03"),
        *("--set", "factor_weights.value=0", "--set", "universe.excluded=AAA,bbb"),
        *("--set", "fractional_shares=true", "--set", "commission=1.25"),
        *("--set", "asset_class_caps.Fixed Income=0.5", "--set", "benchmark=CCC"),
    )
    settings = etftrader.json("portfolio", "show", portfolio)["settings"]
    assert settings["drift_threshold"] == 0.03
    assert settings["factor_weights"] == {
        "momentum": 0.35,
        "quality": 0.3,
        "volatility": 0.2,
        "value": 0,
        "trend": 0,
        "beta": 0,
        "carry": 0,
        "reversal": 0,
    }
    assert settings["universe"]["excluded"] == ["AAA", "BBB"]
    assert settings["fractional_shares"] is True
    assert settings["commission"] == "1.25"
    assert settings["asset_class_caps"] == {"Fixed Income": 0.5}
    assert settings["benchmark"] == "CCC"
    changed = etftrader.json(
        "portfolio", "change", portfolio, "--name", "Others", "--set", "benchmark=null"
    )
    assert changed["name"] == "Others"
    assert changed["settings"] == {**settings, "benchmark": None}


def test_sessions_between_two_days_are_scored_again_and_stay_the_same(
    etftrader: Installation,
) -> None:
    before = etftrader.json("factors", "show", "AAA", "--days", "60")
    days = [row["session"] for row in before["history"]]
    again = etftrader.json("factors", "score", "--from", days[59], "--to", days[40])
    assert again["sessions"] == 20
    assert again["etfs_scored"] == 12
    assert etftrader.json("factors", "score", "--from", days[3])["sessions"] == 4
    assert etftrader.json("factors", "score", "--date", days[7])["sessions"] == 1
    assert etftrader.json("factors", "show", "AAA", "--days", "60") == before
    assert "there are prices" in etftrader.failure("factors", "score", "--from", "2031-01-01")


def test_a_key_trades_once(etftrader: Installation) -> None:
    portfolio = etftrader.create("Once", "--set", "fractional_shares=true")
    order = ("trade", portfolio, "buy", "aaa", "--notional", "1000", "--key", "one order")
    first = etftrader.json(*order)
    assert first["ticker"] == "AAA"
    assert etftrader.json(*order) == first
    assert etftrader.json("portfolio", "show", portfolio)["last_sequence"] == first["sequence"]
    other = ("trade", portfolio, "buy", "AAA", "1", "--key", "one order")
    assert "was used for another request" in etftrader.failure(*other)


def test_a_key_is_the_same_by_either_door(etftrader: Installation) -> None:
    """However the same thing is written: the first answer, and nothing done twice."""
    created = ("portfolio", "create", "Doors", "100000.00", "--key", "open doors")
    mine = etftrader.json(*created, "--num-positions", "5", "--set", "max_weight=0.34")
    path = f"/api/portfolios/{mine['id']}"

    def sent(method: str, to: str, key: str, body: object = None) -> Any:
        answer = etftrader.request(method, to, json=body, headers={"Idempotency-Key": key})
        assert answer.is_success, answer.text
        return answer.json()

    new = {"name": "Doors", "max_weight": 0.34, "num_positions": 5}
    assert sent("POST", "/api/portfolios", "open doors", new | {"initial_capital": 100000}) == mine
    order = {"ticker": "aaa", "side": "buy", "quantity": 10.0, "portfolio_id": mine["id"]}
    bought = sent("POST", "/api/trades/", "a trade", order)
    trade = ("trade", str(mine["id"]), "buy", "AAA", "10", "--key", "a trade")
    assert etftrader.json(*trade) == bought
    changed = etftrader.json("portfolio", "change", str(mine["id"]), "--name", "D", "--key", "d")
    assert sent("PATCH", path, "d", {"name": "D"}) == changed
    etftrader.json("portfolio", "rebalance", str(mine["id"]), "--execute", "--key", "r")
    sent("POST", f"/api/positions/{mine['id']}/rebalance", "r", {"execute": True})
    stops = sent("POST", f"/api/risk/{mine['id']}/stops", "s")
    assert etftrader.json("stops", "check", str(mine["id"]), "--key", "s") == stops
    resting = etftrader.json("trade", str(mine["id"]), "buy", "AAA", "1", "--limit", "1")
    order_path = f"/api/orders/{mine['id']}/{resting['order_id']}"
    cancelled = sent("DELETE", order_path, "c")
    cancel = ("order", "cancel", str(mine["id"]), resting["order_id"], "--key", "c")
    assert etftrader.json(*cancel) == cancelled
    closed = sent("DELETE", f"{path}?liquidate=true", "closing")
    closing = ("portfolio", "close", str(mine["id"]), "--liquidate", "--key", "closing")
    assert etftrader.json(*closing) == closed
    other = ("portfolio", "close", str(mine["id"]), "--key", "closing")
    assert "was used for another request" in etftrader.failure(*other)


def test_a_closed_portfolio_is_sold_only_when_asked(etftrader: Installation) -> None:
    portfolio = etftrader.create("Closing")
    assert "Bought 10 AAA" in etftrader("trade", portfolio, "buy", "AAA", "10").stdout
    assert "still holds 1 position" in etftrader.failure("portfolio", "close", portfolio)
    closed = etftrader.json("portfolio", "close", portfolio, "--liquidate")
    assert (closed["status"], closed["positions"]) == ("closed", [])
    assert "closed" in etftrader.failure("trade", portfolio, "buy", "AAA", "1")


def test_a_portfolio_lives_through_the_past(etftrader: Installation) -> None:
    portfolio = etftrader.create("Past", "--since", "2025-05-28")
    found = etftrader.json("portfolio", "show", portfolio)
    assert found["opened_on"] == "2025-05-28"
    assert found["replayed_until"] == LATEST.isoformat()
    assert len(found["positions"]) >= 5
    assert "replay" in etftrader("performance", portfolio).stdout
    parts = etftrader.json("performance", portfolio, "--attribution")
    explained = sum(row["contribution"] for row in parts["positions"])
    assert explained + parts["cash"] + parts["costs"] == pytest.approx(parts["total"], abs=1e-10)


def test_what_cannot_be_known_says_why(etftrader: Installation) -> None:
    portfolio = etftrader.create("New")
    assert "fewer than 2 observations" in etftrader("performance", portfolio).stdout
    assert "nothing is held" in etftrader("risk", portfolio).stdout


def test_an_import_is_repeatable(empty: Installation, tmp_path: object) -> None:
    prices = empty.settings.data_dir / "prices.csv"
    rows = [f"XYZ,2025-06-{day},10,11,9,{close},1000" for day, close in ((26, 10), (27, 10.5))]
    prices.write_text("\n".join(["ticker,date,open,high,low,close,volume", *rows, rows[0]]) + "\n")
    assert "Scored" in empty("data", "import", str(prices)).stdout
    again = empty("data", "import", str(prices)).stdout
    assert "Nothing changed: these data were here already." in again
    report = empty.json("data", "import", str(prices))["report"]
    assert report["changed"] is False
    assert {bar["ticker"] for bar in empty.json("data", "issues")["bars"]} <= {"XYZ"}


def test_rules_that_nobody_can_follow_open_nothing(etftrader: Installation) -> None:
    before = etftrader.json("portfolio", "list")
    clash = ("portfolio", "create", "Never", "1000", *RULES, "--set", "min_weight=0.3")
    assert "min_weight" in etftrader.failure(*clash)
    assert etftrader.json("portfolio", "list") == before
