"""`up` on real servers and the smallest application."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from app.core import embedded, heartbeat
from app.core.embedded import Home, PostgreSQL, Valkey, process
from app.supervisor import turn
from tests.core.test_embedded import wait_until

BACKEND = Path(__file__).resolve().parents[2]
UP = """
import sys
from pathlib import Path
from app.core.config import Settings
from app.core.errors import ETFTraderError
from app.supervisor import up
settings = Settings(_env_file=None, data_dir=Path(sys.argv[1])).model_copy(
    update={"database_url": None, "redis_url": None}
)
try:
    up(settings, port=int(sys.argv[2]), prepare=lambda settings: None, application=sys.argv[3])
except ETFTraderError as error:
    sys.exit(str(error))
"""
SMALL_APP = "tests.supervisor.small_app:app"


class Installation:
    """A data directory and a port, and the `up` that was started on them."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    @contextmanager
    def up(self) -> Iterator[subprocess.Popen[str]]:
        """Started, and ready."""
        with self.start() as started:
            assert started.stderr is not None
            said = iter(started.stderr.readline, "")
            assert any("is ready at" in line for line in said), "up has ended"
            try:
                yield started
            finally:
                started.terminate()
                started.communicate()

    def start(self, application: str = SMALL_APP) -> subprocess.Popen[str]:
        arguments = [str(self.data_dir), str(self.port), application]
        return subprocess.Popen(
            [sys.executable, "-c", UP, *arguments], cwd=BACKEND, stderr=subprocess.PIPE, text=True
        )

    def api(self) -> int | None:
        """The process that answers, if one does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request("GET", "/ready")
            return int(connection.getresponse().read())
        except OSError:
            return None
        finally:
            connection.close()

    def worker(self, up: int) -> int | None:
        """The process of the worker, found among the children of `up`."""
        children = Path(f"/proc/{up}/task/{up}/children").read_text().split()
        commands = {int(pid): Path(f"/proc/{pid}/cmdline") for pid in children}
        found = (pid for pid, path in commands.items() if b"app.workers\0worker" in _read(path))
        return next(found, None)

    def hears_a_worker(self) -> bool:
        with redis.Redis.from_url(Valkey(Home(self.data_dir)).url) as client:
            return heartbeat.is_heard_by(client)

    def servers(self) -> list[int | None]:
        home = Home(self.data_dir)
        return [process.listener(server.socket) for server in (PostgreSQL(home), Valkey(home))]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("installation") / "data")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_with_exit_code_0(
    installation: Installation, how: signal.Signals
) -> None:
    with installation.up() as running:
        assert None not in (installation.api(), *installation.servers())
        running.send_signal(how)
        assert running.wait() == 0
        assert [installation.api(), *installation.servers()] == [None, None, None]


def test_a_second_up_says_where_the_first_one_is(installation: Installation) -> None:
    with installation.up() as running, installation.start() as second:
        _, said = second.communicate()
        assert second.returncode == 1
        assert f"already running for {installation.data_dir}" in said
        assert f"http://127.0.0.1:{installation.port} (process {running.pid})" in said
        found = turn.running(Home(installation.data_dir))
        assert found is not None
        assert found.pid == running.pid
    assert turn.running(Home(installation.data_dir)) is None


def test_a_taken_port_is_named_and_nothing_is_left_running(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", installation.port)), installation.start() as refused:
        _, said = refused.communicate()
    assert refused.returncode == 1
    assert f"Port {installation.port} cannot be used" in said
    assert "--port" in said
    assert installation.servers() == [None, None]


@pytest.mark.parametrize("part", ["api", "database", "redis"])
def test_a_killed_part_comes_back(installation: Installation, part: str) -> None:
    def find() -> int | None:
        database, redis = installation.servers()
        return {"api": installation.api(), "database": database, "redis": redis}[part]

    with installation.up():
        killed = find()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        wait_until(_another(find, killed))


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the worker in /proc")
def test_a_worker_is_heard_and_comes_back(installation: Installation) -> None:
    with installation.up() as up:
        wait_until(lambda: installation.worker(up.pid) is not None)
        wait_until(installation.hears_a_worker)
        killed = installation.worker(up.pid)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        wait_until(_another(lambda: installation.worker(up.pid), killed))


def _read(path: Path) -> bytes:
    """Empty where the process has ended meanwhile."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _another(find: Callable[[], int | None], before: int) -> Callable[[], bool]:
    return lambda: find() not in {None, before}


def test_killed_itself_its_api_ends_and_the_next_up_recovers(installation: Installation) -> None:
    with installation.up() as killed:
        orphan = installation.api()
        assert orphan is not None
        killed.kill()
    wait_until(lambda: installation.api() is None)
    assert embedded.url_of_running(installation.data_dir) is not None
    with installation.up():
        assert installation.api() not in {None, orphan}
    assert installation.servers() == [None, None]


def test_an_application_that_cannot_start_is_an_error(installation: Installation) -> None:
    with installation.start("tests.supervisor.no_such_module:app") as failed:
        _, said = failed.communicate()
    assert failed.returncode == 1
    assert "The API ended while starting" in said
    assert installation.servers() == [None, None]
