"""Runs tests on a copy of the application, with one fault in it or none."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.forking import BACKEND, Forking
from tests.mutations.seeded import Seeded
from tests.servers import ServerUrls

PASSED, FAILED = 0, 1
"""pytest's exit codes; whatever else it says, the tests did not run."""


class NotThere(Exception):
    """The text to be replaced is not in the file exactly once: the fault has to be written anew."""


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    output: str


@dataclass(frozen=True, slots=True)
class Copy:
    """The application and its tests in a folder of their own."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "Copy":
        for part in ("app", "tests", "alembic"):
            shutil.copytree(BACKEND / part, folder / part)
        for file in ("pyproject.toml", "alembic.ini"):
            shutil.copy2(BACKEND / file, folder / file)
        return cls(folder)

    @contextmanager
    def sown(self, fault: Seeded) -> Iterator[None]:
        """With the fault in it for as long as the block; raises NotThere."""
        file = self.folder / fault.file
        text = file.read_text()
        if text.count(fault.old) != 1:
            raise NotThere(f"{fault.file} has {text.count(fault.old)} times: {fault.old}")
        self._write(file, text.replace(fault.old, fault.new))
        try:
            yield
        finally:
            self._write(file, text)

    @staticmethod
    def _write(file: Path, text: str) -> None:
        """The compiled form goes by time and length, which may be those of the other text."""
        file.write_text(text)
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
            compiled.unlink()

    def run(self, nursery: Forking, urls: ServerUrls, tests: Sequence[str]) -> Outcome:
        """Run the tests until the first that fails."""
        order = {
            "folder": str(self.folder),
            "arguments": ["-x", "-q", "-n0", "--tb=short", "-p", "no:cacheprovider", *tests],
            "environment": {"TEST_DATABASE_URL": urls.database, "TEST_REDIS_URL": urls.redis},
        }
        return Outcome(nursery.ask(order), (self.folder / "output").read_text()[-4000:])
