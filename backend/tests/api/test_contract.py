"""The interface keeps to its own description: no 5xx and no undocumented answer, over HTTP."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.small_market import SmallMarket

EXAMPLES = 20
"""Per operation and phase; the rules that do not hold for a trading system are left out: a request
that fits the schema may still ask for more than there is."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


@pytest.fixture
def server(
    database_url: str, redis_url: str, small_market: SmallMarket, tmp_path: Path
) -> Iterator[str]:
    """The application as users run it, with one portfolio."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,  # noqa: TID251 - handed on
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "DATA_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port)]
    process = subprocess.Popen([*command, "--log-level", "error"], env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            if httpx2.get(f"{address}/ready", timeout=60).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server ended while starting")


@pytest.mark.timeout(600)
def test_schemathesis_finds_no_fault_in_any_operation(server: str, tmp_path: Path) -> None:
    body = {"name": "Contract", "initial_capital": "100000", "market": "us"}
    created = httpx2.post(f"{server}/api/portfolios", json=body, timeout=60)
    assert created.status_code == 201, created.text
    options = ["--max-examples", str(EXAMPLES), "--checks", ",".join(CHECKS), "--seed", "1"]
    run = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"),
            "run",
            f"{server}/openapi.json",
            *options,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-6000:]
