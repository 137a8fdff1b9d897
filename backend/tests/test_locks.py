"""The two lock files: what tests run on is what users run on, and more."""

import re
import subprocess
import sys
from pathlib import Path

BACKEND = Path(__file__).resolve().parents[1]


def pins(lock: str) -> set[str]:
    """Every `name==version ; marker` of a lock file."""
    found = re.findall(r"^(\S+==[^\\\n]+)", (BACKEND / lock).read_text(), re.MULTILINE)
    assert found
    return {pin.strip() for pin in found}


def test_tests_run_on_exactly_the_versions_that_are_installed_to_run() -> None:
    assert pins("requirements.lock") - pins("requirements-dev.lock") == set()


def test_lock_files_name_no_address_to_download_from() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (BACKEND / lock).read_text()
        assert "://" not in text
        assert "--index-url" not in text


def test_every_module_can_be_imported_where_only_what_runs_is_installed() -> None:
    command = (sys.executable, "-m", "tests.as_installed", "tests.every_module")
    done = subprocess.run(command, cwd=BACKEND, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 300
