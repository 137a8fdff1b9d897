"""Settings: environment or `.env`, typed, checked once at start."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.errors import Misconfigured

BACKEND = Path(__file__).resolve().parents[2]
ROOT = BACKEND.parent
"""The folder of the start-up script."""

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Settings(BaseSettings):
    """Every variable a user can set, with its default; names are case-insensitive."""

    model_config = SettingsConfigDict(
        env_file=(ROOT / ".env", ".env"), extra="ignore", frozen=True, env_ignore_empty=True
    )

    database_url: SecretStr | None = Field(None, description="PostgreSQL; unset: embedded server")
    redis_url: SecretStr | None = Field(None, description="Redis; unset: embedded server")
    data_dir: Path = Field(ROOT / "data", description="Where this installation keeps its files")
    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    debug: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    secret_key: SecretStr | None = Field(None, description="Unset: made once in DATA_DIR")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Other origins whose pages may call the API, separated by commas"
    )
    default_optimizer: Literal["mvo", "rank_based", "minvar", "simple"] = "mvo"
    default_num_positions: int = Field(20, ge=1, le=500)
    default_drift_threshold: Fraction = 0.05
    default_commission: Decimal = Field(Decimal("1.0"), ge=0, le=1000, allow_inf_nan=False)
    default_slippage_pct: Annotated[float, Field(ge=0, le=0.1, allow_inf_nan=False)] = 0.0005
    default_stop_loss_pct: Fraction = 0.12
    use_vix_adjustment: bool = True

    def handed_on(self) -> dict[str, str]:
        """The environment of a process that we start: ours, with what we know better."""
        urls = {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}
        known = {name: url.get_secret_value() for name, url in urls.items() if url is not None}
        return {
            **os.environ,  # noqa: TID251 handed on, not read
            **known,
            "DATA_DIR": str(self.data_dir.absolute()),
            "PORT": str(self.port),
            "PYTHONPATH": str(BACKEND),
        }

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _postgresql_only(cls, value: SecretStr | None) -> SecretStr | None:
        """Understand the three usual spellings; anything but PostgreSQL is refused."""
        if value is None:
            return None
        scheme, _, rest = value.get_secret_value().partition("://")
        if not rest or scheme not in {
            "postgres",
            "postgresql",
            "postgresql+asyncpg",
            "postgresql+psycopg",
        }:
            raise ValueError("use a PostgreSQL address such as postgresql://user@host:5432/name")
        return SecretStr(f"postgresql+psycopg://{rest}")

    @field_validator("redis_url")
    @classmethod
    def _redis_only(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(
            ("redis://", "rediss://", "unix://")
        ):
            raise ValueError("use a Redis address such as redis://127.0.0.1:6379/0")
        return value

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises `Misconfigured` naming the first variable that is wrong and what is wrong with it.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            variable = "_".join(str(part) for part in first["loc"]).upper()
            fault = first["msg"].removeprefix("Value error, ")
            raise Misconfigured(f"The setting {variable} is wrong: {fault}.") from None
