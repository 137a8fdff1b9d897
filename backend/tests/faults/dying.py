"""A server process that serves one request and exits at one of its statements.

Started once (`python -m tests.faults.dying SETTINGS`, a JSON object on the command line), it forks
for each line that it reads: a JSON object that says whose request, which, and where to exit. It
answers with one line: the backend that served it, and whether the process died there.

Nothing is cleaned up in a process that exits with `os._exit`: no ROLLBACK, no closed pool.
"""

import asyncio
import json
import os
import sys
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from sqlalchemy import text
from starlette.types import Receive, Scope, Send

from app.bootstrap import open_resources
from app.core.config import Settings
from app.core.database import unit_of_work
from app.main import create_app
from app.market_data import live
from tests.faults.statements import Statement, hooked, watched

DIED, SERVED = 17, 0


@dataclass(slots=True)
class Exit:
    """Leaves at the statement with the number `at`, before it is sent or after its answer."""

    at: int
    late: bool
    report: int
    seen: int = 0

    async def before(self, statement: Statement) -> None:
        self.seen += 1
        if not self.late:
            self._leave(statement)

    async def after(self, statement: Statement) -> None:
        if self.late:
            self._leave(statement)

    def _leave(self, statement: Statement) -> None:
        if self.seen == self.at + 1:
            os.write(self.report, json.dumps([statement.backend, statement.text]).encode())
            os._exit(DIED)


async def _serve(settings: Settings, order: dict[str, Any], report: int) -> None:
    live.RECHECK_SECONDS = -1.0  # as where the statements are counted
    async with open_resources(settings) as opened:
        resources = replace(opened, owner_id=order["owner_id"])
        async with unit_of_work(resources.sessions) as session:
            await session.execute(text("SELECT 1"))  # connects, which takes statements of its own
        app = create_app(settings)

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": {"resources": resources}}, receive, send)

        transport = httpx2.ASGITransport(with_state)
        with hooked(), watched(Exit(order["at"], order["late"], report)):
            async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as one:
                answer = await one.request(
                    order["method"],
                    order["path"],
                    json=order["body"],
                    headers={"Idempotency-Key": order["key"]},
                )
        os.write(report, json.dumps([answer.status_code, answer.text]).encode())


def main() -> None:
    settings = Settings(**json.loads(sys.argv[1]), _env_file=None)
    for line in sys.stdin:
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            asyncio.run(_serve(settings, json.loads(line), write))
            os._exit(SERVED)
        os.close(write)
        with os.fdopen(read) as report:
            said = report.read()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps([os.waitstatus_to_exitcode(status), said]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
