"""Comma-separated text keeps every value, and none of them is run by a spreadsheet."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.csv_text import csv_text


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_values_are_written_as_json_carries_them() -> None:
    at = datetime(2025, 6, 30, 21, 5, tzinfo=UTC)
    row = (Decimal("1E+2"), Decimal("-0.50"), None, True, date(2025, 6, 30), at, 7, 'a "b", c')
    assert read(csv_text(("name", *"bcdefgh"), [row])) == [
        ["name", *"bcdefgh"],
        ["100", "-0.50", "", "true", "2025-06-30", "2025-06-30T21:05:00Z", "7", 'a "b", c'],
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+cmd|'/C calc'!A0", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_looks_like_a_formula_is_quoted(text: str) -> None:
    assert read(csv_text(["reason"], [[text]])) == [["reason"], [f"'{text}"]]


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))))
def test_any_other_text_comes_back_as_it_was(texts: list[str]) -> None:
    plain = [text for text in texts if not text.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert read(csv_text(["n", "text"], enumerate(plain)))[1:] == [
        [str(number), text] for number, text in enumerate(plain)
    ]
