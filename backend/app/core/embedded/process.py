"""Starting a server that outlives us, finding it again, and reading the end of its log."""

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BIGGEST_LOG = 5_000_000
LAST_LINES = 8
DARWIN_SOL_LOCAL, DARWIN_LOCAL_PEERPID = 0, 2


@dataclass(frozen=True, slots=True)
class Launch:
    """A program to start: in its own session, with a bare environment, writing to `log`.

    `lock` is inherited, so it stays held until the program's last process has ended.
    `user` and `group` are those to change to, when we are root.
    """

    command: Sequence[str]
    folder: Path
    log: Path
    lock: int
    user: int | None = None
    group: int | None = None

    def detached(self) -> None:
        """Start it in the background; its parent is the system, never us."""
        self._run(("/bin/sh", "-c", '"$@" </dev/null &', "sh", *self.command))

    def to_its_end(self) -> bool:
        """Run it, and say whether it succeeded."""
        return self._run(self.command) == 0

    def _run(self, command: Sequence[str]) -> int:
        self.log.touch(mode=0o600)
        with self.log.open("ab") as log:
            return subprocess.run(
                command,
                check=False,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=BARE_ENVIRONMENT,
                start_new_session=True,
                pass_fds=(self.lock,),
                user=self.user,
                group=self.group,
                extra_groups=None if self.user is None else (),
            ).returncode


BARE_ENVIRONMENT: Mapping[str, str] = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def listener(address: Path) -> int | None:
    """The process that listens on the unix socket, told by the kernel; None if none does."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(0)
        try:
            connection.connect(str(address))
        except BlockingIOError:
            return _WAITING_ROOM_FULL
        except OSError:
            return None
        if sys.platform == "darwin":
            pid = connection.getsockopt(DARWIN_SOL_LOCAL, DARWIN_LOCAL_PEERPID, 4)
            return int(struct.unpack("i", pid)[0])
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int(struct.unpack("3i", credentials)[0])


_WAITING_ROOM_FULL = -1


def shorten(log: Path) -> None:
    """Put a log that has grown big aside, once."""
    if log.exists() and log.stat().st_size > BIGGEST_LOG:
        log.rename(log.with_suffix(".log.old"))


def last_lines(log: Path) -> str:
    if not log.exists():
        return "(no log)"
    lines = log.read_bytes()[-20_000:].decode(errors="replace").splitlines()
    return "\n".join(lines[-LAST_LINES:])
