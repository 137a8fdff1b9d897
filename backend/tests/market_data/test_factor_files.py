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


@needs_market_data
def test_the_real_file_has_eight_factors_and_the_risk_free_rate() -> None:
    found = read_factors(SHARED / "data" / "factor_returns_daily.csv")
    assert len(found) == 15_813
    assert found.columns[1:] == ["rf", "mkt_rf", "smb", "hml", "rmw", "cma", "mom", "qmj", "bab"]
    assert found["qmj"].null_count() == 438
