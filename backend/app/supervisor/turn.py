"""One `up` per data directory, and how others find it."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.core.embedded import Home, locks
from app.core.errors import ETFTraderError


class AlreadyRunning(ETFTraderError):
    """Another `up` has this data directory."""


class PortTaken(ETFTraderError):
    """Another program listens on the port, or we may not."""


@dataclass(frozen=True, slots=True)
class Running:
    """An `up` that runs now."""

    address: str
    pid: int


@contextmanager
def only_one(home: Home, address: str) -> Iterator[None]:
    """Be the one `up` of this data directory; raises `AlreadyRunning` with the other's address."""
    with locks.opened(home.run / "up") as descriptor:
        if not locks.try_exclusive(descriptor):
            other = running(home)
            where = f" at {other.address} (process {other.pid})" if other else ""
            raise AlreadyRunning(
                f"ETFTrader is already running for {home.data_dir}{where}. Stop it there with "
                f"Ctrl-C, or set another DATA_DIR and --port for a second installation."
            )
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps({"address": address, "pid": os.getpid()}).encode())
        yield


def running(home: Home) -> Running | None:
    """The `up` that has this data directory, if any; starts and changes nothing."""
    path = home.run / "up"
    if not path.exists():
        return None
    with locks.if_free(path) as free:
        if free is not None:
            return None
    try:
        return Running(**json.loads(path.read_text()))
    except (ValueError, TypeError):  # it has only just taken the lock
        return None


def require_free(host: str, port: int) -> None:
    """Raise `PortTaken` unless we could listen there."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise PortTaken(
                f"Port {port} cannot be used ({error.strerror}): choose another one, "
                f"for example with --port {port + 1 if port < 65535 else 8000}."
            ) from error
