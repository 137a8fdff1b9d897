"""The embedded Valkey: cache, publish and subscribe, limits. Nothing in it needs to last."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from app.core.embedded import process
from app.core.embedded.errors import EmbeddedServerFailed
from app.core.embedded.home import Home
from app.core.embedded.locks import Progress
from app.core.embedded.process import Launch
from app.core.embedded.programs import find_valkey

SOCKET = "valkey.sock"
SECRET_FILE = "valkey.password"  # noqa: S105 a file name
CONFIGURATION = """\
port 0
unixsocket {socket}
unixsocketperm 700
requirepass {password}
save ""
appendonly no
maxmemory 256mb
maxmemory-policy volatile-lru
daemonize no
"""


@dataclass(frozen=True, slots=True)
class Valkey:
    """The server of one data directory."""

    home: Home

    @property
    def name(self) -> str:
        return "Valkey"

    @property
    def log(self) -> Path:
        return self.home.logs / "valkey.log"

    @property
    def socket(self) -> Path:
        return self.home.socket_folder(self.home.run) / SOCKET

    @property
    def url(self) -> str:
        return f"unix://:{self.home.secret(SECRET_FILE)}@{self.socket}?db=0"

    def ready(self) -> bool:
        if process.listener(self.socket) is None:
            return False
        answer = self._ask(f"AUTH {self.home.secret(SECRET_FILE)}\r\nPING\r\n")
        if answer.startswith("-WRONGPASS"):
            raise EmbeddedServerFailed(
                f"The running Valkey refuses the password in {SECRET_FILE}: stop it, or put "
                f"back the file."
            )
        return answer.endswith("+PONG\r\n")

    def _ask(self, request: str) -> str:
        """Two commands and their answers; empty while the server starts or ends.

        By hand, because the client library takes a third of a second to import.
        """
        answer = ""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(self.socket))
                connection.sendall(request.encode())
                while answer.count("\r\n") < request.count("\r\n"):
                    received = connection.recv(4096)
                    if not received:
                        break
                    answer += received.decode()
        except OSError:
            return ""
        return answer

    def launch(self, lock: int, progress: Progress) -> None:  # noqa: ARG002 starts at once
        configuration = self.home.run / "valkey.conf"
        configuration.unlink(missing_ok=True)
        configuration.touch(mode=0o600)
        configuration.write_text(
            CONFIGURATION.format(socket=SOCKET, password=self.home.secret(SECRET_FILE))
        )
        # The socket's name is relative to the folder it starts in: any length of path will do.
        command = (os.fspath(find_valkey()), os.fspath(configuration))
        Launch(command, self.home.run, self.log, lock).detached()
