"""Stops on the command line."""

from tests.cli.conftest import Installation


def test_a_check_that_finds_nothing_says_so(etftrader: Installation) -> None:
    portfolio = etftrader.create("Stops", "--since", "2025-06-10")
    assert "No stop has fired." in etftrader("stops", "check", portfolio).stdout
    assert etftrader.json("stops", "check", portfolio)["orders"] == []
    assert "There are no alerts." in etftrader("alerts", "--portfolio", portfolio).stdout


def test_a_check_of_a_closed_portfolio_is_refused(etftrader: Installation) -> None:
    portfolio = etftrader.create("Closed stops")
    etftrader("portfolio", "close", portfolio)
    assert "closed" in etftrader.failure("stops", "check", portfolio)
    assert etftrader.json("stops", "show", portfolio)["positions"] == []
    assert etftrader.failure("alerts", "--portfolio", "2000000000") == "There is no such portfolio."
