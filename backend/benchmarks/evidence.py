"""What it takes to say whether the best of many runs can be believed.

Run from backend/: `python -m benchmarks.evidence`. Medians over rounds; no peer has all of it.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np

from app.quant.evidence.assessment import assess
from app.quant.evidence.bootstrap import intervals
from app.quant.evidence.comparison import compare
from app.quant.evidence.overfitting import cross_validate
from app.quant.evidence.records import TrackRecord
from app.quant.evidence.trials import effective

SESSIONS = 4000
ROUNDS = 5


def main() -> None:
    generator = np.random.default_rng(7)
    rows = generator.normal(0.0003, 0.01, SESSIONS) + generator.normal(0, 0.004, (1000, SESSIONS))
    days = np.arange("2008-01-01", "2030-01-01", dtype="datetime64[D]")
    days = days[np.is_busday(days)][: SESSIONS + 1]
    records = [TrackRecord(days, row) for row in rows]
    work: dict[str, Callable[[], object]] = {
        "distinct trials, 1,000": lambda: effective(rows, rf=0.02),
        "12,870 halves, 100 trials": lambda: cross_validate(rows[:100], rf=0.02),
        "12,870 halves, 1,000 trials": lambda: cross_validate(rows, rf=0.02),
        "2,000 resamples": lambda: intervals(rows[0], days=5800, rf=0.02, seed=1),
        "comparison of two runs": lambda: compare(records[0], records[1], rf=0.02, seed=1),
        "all evidence, 100 trials": lambda: assess(records[:100], 0, rf=0.02, seed=1),
    }
    print(f"{SESSIONS} sessions")
    for name, call in work.items():
        call()
        print(f"{name:30} {statistics.median(_milliseconds(call) for _ in range(ROUNDS)):8.0f} ms")


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    main()
