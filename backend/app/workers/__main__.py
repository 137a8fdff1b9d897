"""`python -m app.workers worker|beat`: what an installation runs besides the API."""

import sys

from app.core.config import Settings
from app.workers import serving
from app.workers.process import cores
from app.workers.registry import HANDLERS


def main() -> None:
    served = serving.Serving(Settings.load(), HANDLERS)
    if sys.argv[1] == "beat":
        served.beat()
    else:
        served.work(cores())


if __name__ == "__main__":
    main()
