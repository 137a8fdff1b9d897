"""Runs tests in processes that have everything loaded except the application and its tests.

Started once (`python -m tests.mutations.nursery`), it forks for each line that it reads, a JSON
object with a `folder` to be in and the `arguments` of pytest; the folder's own application and
tests are loaded there. It answers with one line: pytest's exit code. What pytest printed is in the
folder's `output`.
"""

import importlib
import json
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

OWN = ("app", "tests")


def load() -> None:
    """Load what takes long; forget our own modules, which a copy of them takes the place of."""
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    for name in ("app.main", "tests.conftest"):
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]


def run(folder: Path, arguments: list[str]) -> int:
    """pytest's exit code for the tests of a folder, in this process, which is good for one run."""
    sys.stdin.close()
    with (folder / "output").open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.dont_write_bytecode = False  # the next run in the folder has the same modules but one
    os.chdir(folder)
    sys.path[:] = [str(folder), *(each for each in sys.path if each not in {"", str(BACKEND)})]
    code = pytest.main([*arguments, "-W", "ignore::pytest.PytestAssertRewriteWarning"])
    sys.stdout.flush()
    return int(code)


BACKEND = Path(__file__).parents[2]


def main() -> None:
    load()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            os.environ.update(order["environment"])  # noqa: TID251 what the tests are started with
            os._exit(run(Path(order["folder"]), order["arguments"]))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps(os.waitstatus_to_exitcode(status)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
