"""Files of published factor returns."""

from datetime import date
from pathlib import Path

import pytest

from app.core.errors import BadFile
from app.market_data.factor_files import read_factors
from tests.shared_data import SHARED, needs_market_data


def csv(folder: Path, *lines: str) -> Path:
    path = folder / "factors.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_known_columns_are_read_and_empty_cells_are_unknown(tmp_path: Path) -> None:
    lines = (
        "date,mkt_rf,rf,bab,luck",
        "2025-06-27,0.01,0.0001,,1",
        "2025-06-30,-0.02,0.0001,0.3,2",
    )

    found = read_factors(csv(tmp_path, *lines))

    assert found.columns == ["date", "rf", "mkt_rf", "bab"]
    assert found["date"].to_list() == [date(2025, 6, 27), date(2025, 6, 30)]
    assert found["bab"].to_list() == [None, 0.3]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("date,mkt_rf", "2025-06-27,0.01"), "column rf is missing"),
        (("date,mkt_rf,rf", "2025-06-27,1.2,0.01"), "write 0.01 for 1 %"),
        (("date,mkt_rf,rf", "2025-06-27,inf,0.01"), "write 0.01 for 1 %"),
        (("date,mkt_rf,rf", "2025-06-27,x,0.01"), "write plain numbers"),
        (
            ("date,mkt_rf,rf", "2025-06-27,0.1,0.01", "2025-06-27,0.1,0.01"),
            "names a day twice",
        ),
    ],
)
def test_a_fault_is_one_sentence_that_says_what_to_do(
    tmp_path: Path, lines: tuple[str, ...], says: str
) -> None:
    with pytest.raises(BadFile, match=says):
        read_factors(csv(tmp_path, *lines))


@pytest.mark.parametrize(
    ("day", "what"),
    [
        ("1963-07-06", ", a Saturday"),
        ("1952-10-04", ", a Saturday"),
        ("1940-06-02", ", a Sunday"),
        ("2025-07-04", ""),
        ("2001-09-12", ""),
        ("2060-01-03", ", a Saturday"),
    ],
)
def test_a_day_on_which_the_exchange_is_closed_is_refused_by_name(
    tmp_path: Path, day: str, what: str
) -> None:
    given = csv(tmp_path, "date,mkt_rf,rf", "1940-06-03,0.01,0.0001", f"{day},0.01,0.0001")
    with pytest.raises(BadFile, match=rf"'date' has {day}{what}, when .* closed \(row 2\)"):
        read_factors(given)


@pytest.mark.parametrize(
    "day",
    # Saturdays were sessions until September 1952; before 1990 holidays are not known.
    ["1952-05-24", "1963-07-04", "2025-07-03", "2060-01-05"],
)
def test_a_day_on_which_the_exchange_may_have_traded_is_read(tmp_path: Path, day: str) -> None:
    found = read_factors(csv(tmp_path, "date,mkt_rf,rf", f"{day},0.01,0.0001"))
    assert found["date"].to_list() == [date.fromisoformat(day)]


def test_a_row_without_any_value_may_be_of_any_day(tmp_path: Path) -> None:
    """Files that cover many countries have rows of the holidays of each."""
    lines = ("date,mkt_rf,rf", "2025-07-03,0.01,0.0001", "2025-07-04,,")
    assert len(read_factors(csv(tmp_path, *lines))) == 2


@needs_market_data
def test_the_real_file_has_eight_factors_and_the_risk_free_rate() -> None:
    found = read_factors(SHARED / "data" / "factor_returns_daily.csv")
    assert len(found) == 15_813
    assert found.columns[1:] == ["rf", "mkt_rf", "smb", "hml", "rmw", "cma", "mom", "qmj", "bab"]
    assert found["qmj"].null_count() == 438
