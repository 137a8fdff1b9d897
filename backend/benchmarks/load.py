"""Mixed orders from 64 clients over 16 portfolios, with duplicates, cuts and kills, and an audit.

    python -m benchmarks.load [--orders 2000] [--kills 8] [--restarts 2] [--seed 1]

Starts a durable PostgreSQL, a Valkey and the server in a scratch folder. Every client repeats each
request with its Idempotency-Key until it is acknowledged or refused. The server is killed with
SIGKILL, and PostgreSQL stopped, crashed or killed, at random moments spread over the whole load.
Exit code 0 if nothing was lost, doubled or invented, `etftrader db check` finds no difference, and
`bean-check`, where it is installed, accepts the exported ledger.

The times are those of acknowledged requests, waiting for other clients included, faults excluded.
"""

import argparse
import asyncio
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from subprocess import run
from tempfile import NamedTemporaryFile

from tests.reliability import audit
from tests.reliability.installation import Installation, installed
from tests.reliability.instructions import instructions
from tests.reliability.journal import Journal
from tests.reliability.load import CLIENTS, Fault, Load, faults, open_portfolios


@dataclass(frozen=True, slots=True)
class Options:
    orders: int
    kills: int
    restarts: int
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    journal: Journal
    faults: Sequence[Fault]
    seconds: float


def main() -> None:
    options = _options()
    with installed() as installation:
        installation.api.start()
        outcome = asyncio.run(_trade(installation, options))
        _tell(outcome)
        findings = audit.findings(installation, outcome.journal)
        findings += _checked(installation)
        findings += _exported(installation)
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


async def _trade(installation: Installation, options: Options) -> Outcome:
    portfolio_ids = await open_portfolios(installation, "load")
    todo = islice(instructions(portfolio_ids, options.seed), options.orders)
    load = Load(installation.api.port, todo, options.seed)
    random = Random(options.seed)
    chosen = faults(kills=options.kills, restarts=options.restarts, random=random)
    started = time.perf_counter()
    running = asyncio.create_task(load.run())
    for number, fault in enumerate(chosen, start=1):
        await load.begins(number * options.orders // (len(chosen) + 1))
        await asyncio.to_thread(fault.strike, installation)
    load.expect_answers()
    await running
    return Outcome(load.journal, chosen, time.perf_counter() - started)


def _tell(outcome: Outcome) -> None:
    journal = outcome.journal
    kills = sum(fault.kills_api for fault in outcome.faults)
    restarts = sum(fault.stops_database is not None for fault in outcome.faults)
    times = sorted(answer.seconds for answer in journal.answers() if answer.acknowledges)
    print(f"orders            {len(journal.records):>8,} from {CLIENTS} clients")
    print(f"acknowledged      {journal.acknowledged:>8,}")
    print(f"refused           {journal.refused:>8,}")
    print(f"sent again        {journal.repeated:>8,}")
    print(f"connections cut   {journal.cut:>8,}")
    print(f"server killed     {kills:>8,}")
    print(f"database stopped  {restarts:>8,}")
    print(f"seconds           {outcome.seconds:>8,.1f}")
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        print(f"{name:<18}{1000 * times[int(share * len(times))]:>8,.0f} ms")


def _checked(installation: Installation) -> Iterator[str]:
    """What `etftrader db check` finds."""
    checked = installation.command("db", "check")
    print(checked.stdout.strip())
    if checked.returncode != 0:
        yield f"db check ended with {checked.returncode}: {checked.stderr.strip()}"


def _exported(installation: Installation) -> Iterator[str]:
    """What `bean-check` says of the exported ledger of all portfolios."""
    bean_check = shutil.which("bean-check", path=f"{Path(sys.executable).parent}:{os.defpath}")
    exported = installation.command("ledger", "export", "--all", "--format", "beancount")
    if exported.returncode != 0:
        yield f"ledger export ended with {exported.returncode}: {exported.stderr.strip()}"
    elif bean_check is None:
        print("bean-check is not installed.")
    else:
        with NamedTemporaryFile("w", suffix=".beancount") as file:
            file.write(exported.stdout)
            file.flush()
            told = run((bean_check, file.name), capture_output=True, text=True, check=False)
        print(f"bean-check on {len(exported.stdout):,} characters: exit code {told.returncode}.")
        if told.returncode != 0:
            yield f"bean-check refuses the ledger: {told.stderr[:500]}"


def _options() -> Options:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--restarts", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
