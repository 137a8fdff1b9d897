"""What the doctor says about healthy and broken installations."""

import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.core.config import Settings
from app.supervisor import doctor
from app.supervisor.doctor import Finding


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Settings(_env_file=None, data_dir=tmp_path / "data", port=port).model_copy(
        update={"database_url": None, "redis_url": None}
    )


def problems(settings: Settings) -> dict[str, str]:
    return {found.topic: found.sentence for found in doctor.run(settings) if found.problem}


def test_a_new_installation_has_no_problem_and_is_not_changed(settings: Settings) -> None:
    assert problems(settings) == {}
    assert not settings.data_dir.exists()


def test_a_migrated_database_without_prices_names_the_command(
    settings: Settings, fresh_database_url: str, redis_url: str
) -> None:
    urls = {"database_url": SecretStr(fresh_database_url), "redis_url": SecretStr(redis_url)}
    findings = doctor.run(settings.model_copy(update=urls))
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
    findings = doctor.run(settings.model_copy(update={"database_url": url}))
    assert doctor.exit_code(findings) == 1
    assert any("check DATABASE_URL" in finding.sentence for finding in findings)
