"""A process that forks another one for each line it is sent."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BACKEND = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Forking:
    process: subprocess.Popen[str]

    def ask(self, order: dict[str, Any]) -> Any:
        """What it answers when the process that it forked for this order has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextmanager
def forking(module: str, *arguments: str) -> Iterator[Forking]:
    """Start the module of ours that reads orders and forks."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=BACKEND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Forking(process)
        assert process.stdin is not None
        process.stdin.close()
