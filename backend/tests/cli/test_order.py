"""`etftrader order`: what the HTTP interface answers, and tables."""

from dataclasses import replace

import pytest

from tests.cli.conftest import Installation

LIMIT = ("--limit", "1.00", "--gtc")


@pytest.fixture
def etftrader(etftrader: Installation) -> Installation:
    """On a wide terminal."""
    return replace(etftrader, environment={**etftrader.environment, "COLUMNS": "240"})


def test_the_ids_of_orders_are_whole_on_a_narrow_terminal(etftrader: Installation) -> None:
    narrow = replace(etftrader, environment={**etftrader.environment, "COLUMNS": "80"})
    portfolio = narrow.create("Narrow")
    order = narrow.json("trade", portfolio, "buy", "AAA", "10", *LIMIT)["order_id"]
    assert order in narrow("order", "list", portfolio).stdout


def test_an_order_is_listed_shown_and_cancelled(etftrader: Installation) -> None:
    portfolio = etftrader.create("Orders")
    assert "There are no such orders" in etftrader("order", "list", portfolio).stdout
    taken = etftrader.json("trade", portfolio, "buy", "AAA", "10", *LIMIT)
    order = taken["order_id"]

    table = etftrader("order", "list", portfolio, "--state", "open").stdout
    assert order in table
    assert "accepted" in table
    assert "limit" in etftrader("order", "show", portfolio, order).stdout
    listed, path = etftrader.json("order", "list", portfolio), f"/api/orders/{portfolio}"
    answers = etftrader.api(path, f"{path}/{order}")
    assert answers[path] == listed
    assert answers[f"{path}/{order}"] == etftrader.json("order", "show", portfolio, order)

    cancelled = etftrader.json("order", "cancel", portfolio, order)
    assert cancelled["state"] == "cancelled"
    assert etftrader.json("order", "cancel", portfolio, order) == cancelled
    assert "cancelled_by_user" in etftrader("order", "show", portfolio, order).stdout
    assert etftrader.json("order", "list", portfolio, "--state", "open") == []


def test_a_filled_order_cannot_be_cancelled(etftrader: Installation) -> None:
    portfolio = etftrader.create("Filled orders")
    order = etftrader.json("trade", portfolio, "buy", "AAA", "10")["order_id"]
    assert "filled already" in etftrader.failure("order", "cancel", portfolio, order)
    assert etftrader.json("order", "list", portfolio, "--ticker", "bbb") == []


def test_an_order_that_is_not_there_is_named_in_one_sentence(etftrader: Installation) -> None:
    portfolio = etftrader.create("No orders")
    absent = "00000000-0000-0000-0000-000000000000"
    assert etftrader.failure("order", "show", portfolio, absent) == "There is no such order."
    etftrader("order", "show", portfolio, "first", code=2)
    etftrader("order", "list", portfolio, "--state", "gone", code=2)


def test_lists_that_go_on_say_so_and_orders_show_their_terms(etftrader: Installation) -> None:
    portfolio = etftrader.create("Long lists")
    for ticker in ("AAA", "BBB"):
        said = etftrader("trade", portfolio, "buy", ticker, "10").stdout
        (order,) = etftrader.json("order", "list", portfolio, "--ticker", ticker)
        assert order["id"] in said
    etftrader("trade", portfolio, "buy", "AAA", "10", "--next-open")
    etftrader("trade", portfolio, "sell", "AAA", "5", "--stop", "2", "--limit", "1.5", "--gtc")

    table = etftrader("order", "list", portfolio).stdout
    assert "stop 2 limit 1.5, gtc" in table
    assert "market, day, next_open" in table
    assert "There are more" not in table
    assert (
        "There are more: --offset 3."
        in etftrader("order", "list", portfolio, "--offset", "2", "--limit", "1").stdout
    )
    assert (
        "There are more: --offset 1."
        in etftrader("portfolio", "trades", portfolio, "--limit", "1").stdout
    )
    assert "There are more" not in etftrader("portfolio", "trades", portfolio).stdout
    assert len(etftrader.json("portfolio", "trades", portfolio, "--limit", "1")) == 1
    assert len(etftrader.json("order", "list", portfolio, "--limit", "1000")) == 4
