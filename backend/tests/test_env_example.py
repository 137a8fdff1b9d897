"""`.env.example` names every setting, with its default."""

import re
from pathlib import Path

import pytest

from app.core.config import ROOT, Settings

SHOWN = dict(
    re.findall(r"^#([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
)


def test_every_setting_is_shown_and_nothing_else() -> None:
    assert {name.lower() for name in SHOWN} == set(Settings.model_fields)


def test_what_is_shown_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SHOWN:
        monkeypatch.delenv(name, raising=False)
    uncommented = tmp_path / ".env"
    uncommented.write_text("\n".join(f"{name}={value}" for name, value in SHOWN.items()))
    assert Settings(_env_file=uncommented) == Settings(_env_file=None)
