"""`etftrader verify` on a small market."""

from tests.cli.conftest import Installation


def test_a_market_is_verified_and_nothing_looks_ahead(etftrader: Installation) -> None:
    found = etftrader.json("verify", "lookahead", "--cuts", "2", "--seed", "3")
    assert found["leaks"] == 0
    stages = {each["stage"]: each["compared"] for each in found["stages"]}
    assert stages["factor momentum"] > 0
    assert stages["values of mvo"] > 0
    again = etftrader.json("verify", "lookahead", "--cuts", "2", "--seed", "3")
    assert again["cuts"] == found["cuts"]
    assert "Nothing that was decided" in etftrader("verify", "lookahead", "--cuts", "1").stdout


def test_an_unknown_market_is_refused_in_a_sentence(etftrader: Installation) -> None:
    assert "market" in etftrader.failure("verify", "lookahead", "--market", "mars")
