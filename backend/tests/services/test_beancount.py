"""Beancount reads the exported ledger without a complaint, and its sums are ours."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.models import EntryKind
from app.services import beancount
from app.services.beancount import Account
from tests.services.written_ledgers import OPENED, TICKERS, Written, ledgers

BEAN_CHECK = Path(sys.executable).with_name("bean-check")


def file_of(*accounts: Account) -> str:
    names = beancount.commodities(TICKERS)
    bodies = (beancount.account(account, names) for account in accounts)
    return beancount.head(TICKERS, OPENED) + "".join(bodies)


def complaints(text: str, folder: Path) -> str:
    """What the program says about the file; nothing where it accepts it."""
    file = folder / "ledger.beancount"
    file.write_text(text)
    checked = subprocess.run(
        [BEAN_CHECK, "--no-cache", str(file)], capture_output=True, text=True, check=False
    )
    assert bool(checked.returncode) == bool(checked.stderr), checked
    return checked.stderr


def life() -> Written:
    """Bought twice, split three for two with a fraction in cash, sold in parts, paid a dividend."""
    written = Written()
    written.add(EntryKind.DEPOSIT, "10000.00", reason='From "me"')
    written.add(EntryKind.BUY, "-1000.01", 1, "7", price="142.71", fee="1.04")
    written.day += timedelta(days=3)
    written.add(EntryKind.BUY, "-500.00", 1, "3", price="166.666667")
    written.add(EntryKind.SELL, "151.00", 1, "1", price="152", fee="1.00")
    written.day += timedelta(days=30)
    written.add(EntryKind.SPLIT, "50.00", 1, "4", price="100", fraction=Decimal("0.5"))
    written.add(EntryKind.DIVIDEND, "12.34", 1)
    written.add(EntryKind.SELL, "800.00", 1, "9", price="88.9", fee="0.10")
    written.add(EntryKind.TICKER_CHANGE, "0", 1)
    return written


def test_a_life_with_everything_is_accepted(tmp_path: Path) -> None:
    assert complaints(file_of(life().account), tmp_path) == ""


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.tuples(*(ledgers(number) for number in range(1, 9))))
def test_every_ledger_is_accepted_and_its_gains_are_ours(
    tmp_path_factory: pytest.TempPathFactory, lives: Sequence[Written]
) -> None:
    """But for less than a cent for each lot that is sold from: Beancount rounds in the end only."""
    text = file_of(*(each.account for each in lives)) + "".join(map(same_gains, lives))
    assert complaints(text, tmp_path_factory.mktemp("beans")) == ""


def same_gains(life: Written) -> str:
    sales = [entry for entry in life.entries if entry.closed_lots is not None]
    cost = sum((lot.cost for entry in sales for lot in entry.closed_lots or ()), Decimal(0))
    gain = sum((entry.amount for entry in sales), Decimal(0)) - cost
    off = Decimal("0.01") * sum(1 + len(entry.closed_lots or ()) for entry in sales)
    day, gains = life.day + timedelta(days=1), f"Income:{life.account.label}:Gains"
    return f"{day} balance {gains}  {-gain} ~ {off} USD\n"


@pytest.mark.parametrize("what", ["cash", "shares"])
def test_a_book_that_is_off_by_the_least_is_refused(tmp_path: Path, what: str) -> None:
    account = life().account
    if what == "cash":
        account = replace(account, cash=account.cash + Decimal("0.01"))
    else:
        account = replace(account, held={1: account.held[1] - Decimal("0.000001")})
    assert "Balance failed" in complaints(file_of(account), tmp_path)


def test_directives_are_dated_by_their_booking_and_never_go_back(tmp_path: Path) -> None:
    """Entered in March for a day in January, with a clock that was set back in between."""
    written = Written()
    written.add(EntryKind.DEPOSIT, "100.00")
    first = written.entries[0]
    written.day = date(2024, 1, 5)
    written.add(EntryKind.DEPOSIT, "1.00")
    text = file_of(written.account)
    assert f'\n{first.session} * "Deposit" "test"\n  sequence: 2\n  effective: 2024-01-05\n' in text
    assert complaints(text, tmp_path) == ""


def test_the_gain_of_a_sale_is_what_beancount_works_out(tmp_path: Path) -> None:
    """Sold for 30.00 what had cost 10.00; the program itself names the amount that is left out."""
    written = Written()
    written.add(EntryKind.DEPOSIT, "100.00")
    written.add(EntryKind.BUY, "-20.00", 1, "2", price="10")
    written.add(EntryKind.SELL, "30.00", 1, "1", price="30")
    text = file_of(written.account)
    day = written.day + timedelta(days=1)
    right = f"{text}{day} balance Income:Portfolio-1:Gains  -20.00 ~ 0 USD\n"
    assert complaints(right, tmp_path) == ""
    assert "Balance failed" in complaints(right.replace("-20.00 ~", "-20.01 ~"), tmp_path)


def test_every_ticker_becomes_a_name_of_its_own() -> None:
    tickers = {
        1: "SPY",
        2: "BRK.B",
        3: "BRK-B",
        4: "USD",
        5: "3X",
        6: "T",
        7: "TRUE",
        8: "A" * 32,
        9: "A" * 31,
        10: "X_",
        11: "SPY",
    }
    assert beancount.commodities(tickers) == {
        1: "SPY",
        2: "BRK-B",
        3: "BRK-B-3",
        4: "USD-4",
        5: "X3X",
        6: "T-6",
        7: "TRUE-7",
        8: "A" * 22 + "-8",
        9: "A" * 22 + "-9",
        10: "X-10",
        11: "SPY-11",
    }


@given(
    st.dictionaries(
        st.integers(1, 99), st.from_regex(r"[A-Z0-9][A-Z0-9._\-]{0,31}", fullmatch=True)
    )
)
def test_names_are_valid_and_different(tickers: dict[int, str]) -> None:
    names = beancount.commodities(tickers)
    assert len(set(names.values())) == len(tickers)
    for name in names.values():
        assert name[0].isalpha()
        assert name[-1].isalnum()
        assert 2 <= len(name) <= 24
        assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
