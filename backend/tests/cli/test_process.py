"""The command as a process: what it imports, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Installation

BACKEND = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "app.cli")
HEAVY = ("numpy", "polars", "numba", "sqlalchemy", "pydantic", "fastapi", "rich")


def _environment(**settings: str) -> dict[str, str]:
    return {**os.environ, **settings}  # noqa: TID251 handed on, not read


def test_help_imports_nothing_that_takes_time() -> None:
    program = (
        "import sys; from app.cli.commands import etftrader; "
        "etftrader(['--help'], standalone_mode=False); "
        f"print(sorted(set({HEAVY}) & sys.modules.keys()), file=sys.stderr)"
    )
    told = subprocess.run(
        (sys.executable, "-c", program), cwd=BACKEND, capture_output=True, text=True, check=True
    )
    assert told.stderr.strip() == "[]"
    order = [told.stdout.index(f"\n  {name} ") for name in ("up", "data", "portfolio", "db")]
    assert order == sorted(order)


def test_scores_are_shown_without_compiling_or_serving_anything(etftrader: Installation) -> None:
    program = (
        "import sys; from app.cli.commands import etftrader; "
        "etftrader(['factors', 'top'], standalone_mode=False); "
        "print(sorted({'numba', 'fastapi', 'uvicorn'} & sys.modules.keys()))"
    )
    told = subprocess.run(
        (sys.executable, "-c", program),
        cwd=BACKEND,
        env=_environment(**etftrader.environment),
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_leaves_early_is_no_error(etftrader: Installation) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    told = subprocess.run(
        (*COMMAND, "factors", "top", "--json"),
        cwd=BACKEND,
        env=_environment(**etftrader.environment),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert not told.stderr


def test_an_interrupt_ends_with_130_and_no_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        with subprocess.Popen(
            (*COMMAND, "portfolio", "list"),
            cwd=BACKEND,
            env=_environment(DATABASE_URL=url, REDIS_URL="redis://127.0.0.1:1"),
            stderr=subprocess.PIPE,
            text=True,
        ) as waiting:
            connection, _ = silent.accept()
            with connection:
                waiting.send_signal(signal.SIGINT)
                _, said = waiting.communicate()
    assert waiting.returncode == 130
    assert "Traceback" not in said


def test_an_unforeseen_error_is_one_sentence_unless_debugging() -> None:
    program = (
        "import sys; from app.cli import __main__ as door; sys.excepthook = door._last_resort; "
        "raise ZeroDivisionError('secret')"
    )
    for debug, says, hides in (
        ("false", "Something went wrong on our side (ZeroDivisionError)", "secret"),
        ("true", "ZeroDivisionError: secret", "our side"),
    ):
        told = subprocess.run(
            (sys.executable, "-c", program),
            cwd=BACKEND,
            env=_environment(DEBUG=debug),
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 1
        assert says in told.stderr
        assert hides not in told.stderr
