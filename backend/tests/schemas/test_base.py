"""Numbers and text as clients send them: exact, finite, printable, or refused at once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.core.config import Settings
from app.core.money import plain
from app.schemas.base import AmountIn, Exact, Input, Output, QuantityIn, Text
from app.schemas.settings import PortfolioSettings, default_settings


class Order(Input):
    quantity: QuantityIn


class Transfer(Input):
    amount: AmountIn
    note: Text


class Balance(Output):
    cash: Exact


@pytest.mark.parametrize(
    "quantity",
    [
        True, 1.5, None, [], "", "5 ", "1_000", "0x10", "NaN", "Infinity", "-1", "0", "1e3",
        "٣", "0.0000001", "1" * 19, Decimal("NaN"), Decimal("1e999999999"), Decimal("1e-999999999"),
        10**40,
    ],
    ids=repr,
)  # fmt: skip
def test_a_quantity_that_is_not_an_exact_positive_number_is_refused(quantity: object) -> None:
    with pytest.raises(ValidationError):
        Order.model_validate({"quantity": quantity})


@pytest.mark.parametrize("quantity", ["12.5", 12, Decimal("12.345678"), "0.000001"], ids=repr)
def test_a_decimal_string_and_an_exact_number_are_accepted(quantity: object) -> None:
    order = Order.model_validate({"quantity": quantity})
    assert order.quantity == Decimal(str(quantity))


@pytest.mark.parametrize("note", ["\ud800", "a\x00b", "\x1b[31m"], ids=repr)
def test_text_the_database_or_a_terminal_would_choke_on_is_refused(note: str) -> None:
    with pytest.raises(ValidationError):
        Transfer.model_validate({"amount": "1", "note": note})


@given(st.decimals(min_value="-999999999999.99", max_value="999999999999.99", places=2))
def test_money_survives_the_way_out_and_in_to_the_cent(amount: Decimal) -> None:
    sent = Balance(cash=amount).model_dump(mode="json")["cash"]
    assert isinstance(sent, str)
    assert Transfer.model_validate({"amount": sent, "note": ""}).amount == amount
    assert "E" not in plain(amount)


def test_settings_survive_storage_unchanged() -> None:
    settings = default_settings(Settings())
    stored = settings.model_dump(mode="json")
    assert PortfolioSettings.model_validate(stored) == settings
