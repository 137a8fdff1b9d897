"""Tables on narrow and wide terminals."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.cli.output import percent, print_line, print_table, shares

WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80)
ROWS = st.lists(st.tuples(WORDS, st.integers(0, 10**9), WORDS), min_size=1, max_size=5)


@given(rows=ROWS, width=st.integers(50, 200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_table_fits_and_its_numbers_are_whole(
    capsys: pytest.CaptureFixture[str], rows: list[tuple[str, int, str]], width: int
) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COLUMNS", str(width))
        print_table("Title", ("name", "amount", "reason"), rows, wrapped="reason")
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= width
    shown = "\n".join(lines[3:])
    assert all(str(amount) in shown for _, amount, _ in rows)


def test_a_file_gets_whole_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    name = "A fund with a name " + "that goes on " * 20 + "to its end"
    print_table("Title", ("name",), [(name,)])
    print_line(name)
    assert capsys.readouterr().out.count("to its end") == 2


def test_numbers_are_written_as_people_read_them(capsys: pytest.CaptureFixture[str]) -> None:
    values = (Decimal("1234567.50"), Decimal("12.345600"), shares(Decimal("10.500000")), None)
    rows = [(value, percent(-0.00001), True) for value in values]
    print_table("Title", ("amount", "part", "yes"), rows)
    assert [line.split() for line in capsys.readouterr().out.splitlines()[3:]] == [
        ["1,234,567.50", "0.00%", "yes"],
        ["12.3456", "0.00%", "yes"],
        ["10.5", "0.00%", "yes"],
        ["-", "0.00%", "yes"],
    ]


def test_no_name_reaches_the_terminal_as_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Title", ("name",), [("\x1b[2Jgone\n",)])
    assert "\x1b" not in capsys.readouterr().out
