"""How functions are compiled to machine code: once, kept on disk, free of the interpreter's lock.

Importing this module imports numba, which takes half a second: callers load the modules that use it
when they first calculate. A division by zero gives infinity or NaN.

Machine code contains what it calls, yet numba looks at nothing but the file of a function to tell
whether its code on disk is of today. So the code is kept in a folder named after all sources of
`quant`: a change of any of them compiles anew, and two versions of this program do not meet.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from time import time
from typing import Any, TypeVar

from numba import config, njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

QUANT = Path(__file__).parent
OUTDATED_SECONDS = 7 * 24 * 3600.0


def _places() -> Iterator[Path]:
    yield QUANT / "__pycache__"
    with suppress(RuntimeError):  # nobody's home
        yield Path.home() / ".cache" / "etftrader"


def _version() -> str:
    found = sha256()
    for source in sorted(QUANT.rglob("*.py")):
        found.update(source.read_bytes())
    return found.hexdigest()[:16]


def _folder() -> Path | None:
    """Where machine code is kept, made now; None where nothing can be written."""
    name = f"compiled-{_version()}"
    for place in _places():
        with suppress(OSError):
            (place / name).mkdir(parents=True, exist_ok=True)
            (place / name / "used").touch()
            _forget_others(place, name)
            return place / name
    return None


def _forget_others(place: Path, name: str) -> None:
    """Drop the machine code of sources that nobody has run for a week."""
    for other in place.glob("compiled-*"):
        with suppress(OSError):
            if other.name != name and time() - (other / "used").stat().st_mtime > OUTDATED_SECONDS:
                rmtree(other, ignore_errors=True)


FOLDER = _folder()
if FOLDER is not None:
    config.CACHE_DIR = str(FOLDER)


def exactly(function: Kernel) -> Kernel:
    """Compile with every floating-point operation as written, in its order."""
    return _compiled(function)


def reordering(function: Kernel) -> Kernel:
    """The same, but several terms of a sum may be added at a time; NaN and infinity keep their
    meaning. Which terms depends on the length of the loop alone, so equal windows have equal sums.
    """
    return _compiled(function, fastmath={"reassoc", "nsz"})


def _compiled(function: Kernel, **options: Any) -> Kernel:
    options = {"nogil": True, "error_model": "numpy", "cache": FOLDER is not None} | options
    return njit(**options)(function)
