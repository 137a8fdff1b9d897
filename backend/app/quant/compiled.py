"""How functions are compiled to machine code: once, kept on disk, free of the interpreter's lock.

Importing this module imports numba, which takes half a second: callers load the modules that use it
when they first calculate.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def exactly(function: Kernel) -> Kernel:
    """Compile with every floating-point operation as written, in its order.

    The machine code is kept on disk where some folder allows it. A division by zero gives infinity
    or NaN.
    """
    return _compiled(function)


def reordering(function: Kernel) -> Kernel:
    """The same, but several terms of a sum may be added at a time; NaN and infinity keep their
    meaning. Which terms depends on the length of the loop alone, so equal windows have equal sums.
    """
    return _compiled(function, fastmath={"reassoc", "nsz"})


def _compiled(function: Kernel, **options: Any) -> Kernel:
    options = {"nogil": True, "error_model": "numpy"} | options
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # neither the source folder nor the user's cache folder is writable
        return njit(**options)(function)
