"""`python -m app.cli`: the `etftrader` command."""

import io
import sys
from types import TracebackType

from app.cli.commands import etftrader
from app.cli.failing import sentence_of, wants_traceback


def _last_resort(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """An error that no command foresaw: Python exits with code 1 after this."""
    if wants_traceback():
        sys.__excepthook__(kind, error, trace)
    else:
        sys.stderr.write(f"Error: {sentence_of(error)}\n")


def main() -> None:
    sys.excepthook = _last_resort
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name may have letters the terminal lacks
            stream.reconfigure(errors="replace")
    etftrader(prog_name="etftrader")


if __name__ == "__main__":
    main()
