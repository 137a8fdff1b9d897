"""Blends as they are written."""

import pytest
from pydantic import TypeAdapter, ValidationError

from app.schemas.blend import BlendText, parts_of

TEXT: TypeAdapter[str] = TypeAdapter(BlendText)


def weights(text: str) -> dict[str, float]:
    return {part.ticker: part.weight for part in parts_of(TEXT.validate_python(text))}


def test_one_ticker_is_the_whole() -> None:
    assert weights("spy") == weights("SPY:1") == {"SPY": 1.0}


def test_several_have_weights_that_add_up_to_one() -> None:
    assert weights("spy:0.6,BRK.B:0.3,A-G:0.1") == {"SPY": 0.6, "BRK.B": 0.3, "A-G": 0.1}


@pytest.mark.parametrize(
    "text",
    ["", "SPY,AGG", "SPY:0.6,AGG:0.5", "SPY:0.5,SPY:0.5", "SPY:0,AGG:1", "SPY:0.5", "a b", "A:-1"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TEXT.validate_python(text)
