"""What the doctor says about healthy and broken installations."""

import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.core.config import Settings
from app.supervisor import doctor
from app.supervisor.doctor import Finding
from tests.small_market import SmallMarket

NOW = datetime(2025, 6, 30, 21, tzinfo=UTC)
"""The small market's latest session has closed."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Settings(_env_file=None, data_dir=tmp_path / "data", port=port).model_copy(
        update={"database_url": None, "redis_url": None}
    )


def problems(settings: Settings) -> dict[str, str]:
    return {found.topic: found.sentence for found in doctor.run(settings, now=NOW) if found.problem}


def test_a_new_installation_has_no_problem_and_is_not_changed(settings: Settings) -> None:
    assert problems(settings) == {}
    assert not settings.data_dir.exists()


def test_a_migrated_database_without_prices_names_the_command(
    settings: Settings, fresh_database_url: str, redis_url: str
) -> None:
    urls = {"database_url": SecretStr(fresh_database_url), "redis_url": SecretStr(redis_url)}
    findings = doctor.run(settings.model_copy(update=urls), now=NOW)
    assert Finding("Migrations", problem=False, sentence="The schema is up to date.") in findings
    assert Finding("Redis", problem=False, sentence="Redis answers.") in findings
    assert {found.topic for found in findings if found.problem} <= {"Market data"}


def test_what_is_wrong_is_said_with_what_to_do(settings: Settings) -> None:
    settings.data_dir.mkdir(mode=0o755)
    (settings.data_dir / "postgres").mkdir()
    broken = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
    with socket.create_server(("127.0.0.1", settings.port)):
        found = problems(broken)
    assert found.keys() == {"Data directory", "Port", "Database", "Redis"}
    assert "chmod 700" in found["Data directory"]
    assert "--port" in found["Port"]
    assert "DATA_DIR" in found["Database"] or "chmod" in found["Database"]
    assert "REDIS_URL" in found["Redis"]


def test_an_unreachable_database_is_a_problem_and_exit_code_1(settings: Settings) -> None:
    url = SecretStr("postgresql+psycopg://nobody@127.0.0.1:1/none")
    findings = doctor.run(settings.model_copy(update={"database_url": url}), now=NOW)
    assert doctor.exit_code(findings) == 1
    assert any("check DATABASE_URL" in finding.sentence for finding in findings)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (NOW, None),
        (datetime(2025, 7, 1, 21, tzinfo=UTC), None),
        # Without the holiday of 4 July.
        (datetime(2025, 7, 7, 21, tzinfo=UTC), "4 sessions behind"),
    ],
)
def test_prices_that_are_too_old_for_stops_to_act_are_a_warning(
    settings: Settings,
    database_url: str,
    small_market: SmallMarket,
    now: datetime,
    said: str | None,
) -> None:
    url = {"database_url": SecretStr(database_url)}
    findings = doctor.run(settings.model_copy(update=url), now=now)
    (about,) = (each for each in findings if f"until {small_market.sessions[-1]}" in each.sentence)
    assert (about.problem, about.warning) == (False, said is not None)
    assert said is None or said in about.sentence
    assert ("data import" in about.sentence) is about.warning
    assert doctor.exit_code(findings) == 0
