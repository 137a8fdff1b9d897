"""`python -m tests.as_installed MODULE ARGUMENTS`: run a module as an installation would.

Development packages are installed beside those of `requirements.lock`, and would hide that one of
them is needed to run: here they cannot be imported.
"""

import re
import runpy
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
INSTALLERS = {"pip", "setuptools"}


class OnlyLocked:
    """Finds no module that comes from none of the locked distributions."""

    def __init__(self, locked: Iterable[str]) -> None:
        known = {_normal(name) for name in locked} | INSTALLERS
        self._hidden = {
            module
            for module, sources in packages_distributions().items()
            if not known & {_normal(source) for source in sources}
        }

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: object = None) -> None:
        if name.partition(".")[0] in self._hidden:
            raise ModuleNotFoundError(f"{name} is not in {LOCK.name}", name=name)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    locked = re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==", LOCK.read_text(), re.MULTILINE)
    sys.meta_path.insert(0, OnlyLocked(locked))
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
