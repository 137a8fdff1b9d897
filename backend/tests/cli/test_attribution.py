"""Attribution, factor returns and regressions on the command line."""

from pathlib import Path

import numpy as np

from app.core import calendar
from tests.cli.conftest import RULES, Installation
from tests.small_market import FIRST, LATEST


def factor_file(folder: Path) -> Path:
    """A market and a momentum factor of every session of the small market."""
    random = np.random.default_rng(5)
    path = folder / "published.csv"
    lines = [
        f"{day},0.0001,{market:.5f},{momentum:.5f}"
        for day, (market, momentum) in zip(
            calendar.sessions(FIRST, LATEST),
            random.normal(0.0, 0.01, (1000, 2)),
            strict=False,
        )
    ]
    path.write_text("\n".join(["date,rf,mkt_rf,mom", *lines]))
    return path


def test_published_factors_are_imported_and_regressed_on(
    etftrader: Installation, tmp_path: Path
) -> None:
    path = factor_file(tmp_path)
    first = etftrader.json("data", "import", "--published-factors", str(path))
    again = etftrader("data", "import", "--published-factors", str(path)).stdout
    assert {each["name"]: each["added"] for each in first} == dict.fromkeys(
        ("rf", "mkt_rf", "mom"), first[0]["read"]
    )
    assert "mkt_rf" in again

    run = str(etftrader.json("backtest", "run", *RULES, "--market", "us")["id"])
    portfolio = etftrader.create("Regressed", "--since", "2025-06-10")
    options = ("--factors", "mkt_rf,mom", "--window", "63")
    query = "factors=mkt_rf,mom&window=63"
    asked = {
        ("aaa",): f"/api/factors/AAA/regression?{query}",
        ("--backtest", run): f"/api/backtests/{run}/regression?{query}",
        ("--portfolio", portfolio): f"/api/performance/{portfolio}/regression?{query}",
    }
    answers = etftrader.api(*asked.values())
    for subject, url in asked.items():
        command = ("factors", "regression", *subject, *options)
        assert etftrader.json(*command) == answers[url]
        assert answers[url]["trace"]["command"].startswith("etftrader factors regression ")

    series = tmp_path / "series.csv"
    days = list(map(str, calendar.sessions(FIRST, LATEST)))
    returns = np.random.default_rng(1).normal(0.0, 0.01, len(days)).round(6).tolist()
    lines = [f"{day},{each}" for day, each in zip(days, returns, strict=True)]
    series.write_text("\n".join(["date,return", *lines]))
    sent = etftrader.json("factors", "regression", "--file", str(series), *options)
    body = {"dates": days, "returns": returns, "factors": "mkt_rf,mom", "window": 63}
    path = "/api/performance/series/regression"
    assert etftrader.request("POST", path, json=body).json() == sent

    told = " ".join(etftrader("factors", "regression", "AAA", *options).stdout.split())
    for words in ("alpha is per year", "Loadings over 63 sessions", "mkt_rf"):
        assert words in told, words
    told = etftrader("factors", "regression", "--portfolio", portfolio, *options).stdout
    assert "63 are needed" in " ".join(told.split())


def test_a_trace_names_a_command_that_gives_the_same_answer(etftrader: Installation) -> None:
    run = etftrader.json("backtest", "run", *RULES, "--market", "us", "--benchmark", "BBB")
    number = str(run["id"])
    told_of = ("performance", "--backtest", number, "--attribution")
    found = etftrader.json(*told_of, "--benchmark", "AAA:0.6,BBB:0.4")

    again = found["trace"]["command"].split()
    assert again[0] == "etftrader"
    assert etftrader.json(*again[1:]) == found
    path = f"/api/backtests/{number}/attribution?benchmark=AAA:0.6,BBB:0.4"
    assert etftrader.api(path)[path] == found
    told = " ".join(etftrader(*told_of).stdout.split())
    for words in ("by position", "By factor", "By asset class, against BBB 100%", "selection"):
        assert words in told, words
