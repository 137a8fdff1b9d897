"""The embedded servers: one per data directory, shared, durable, and closed to others."""

import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.core import embedded
from app.core.embedded import EmbeddedServerFailed, Home, PostgreSQL, Valkey, process
from app.core.embedded.programs import find_valkey, installed_postgres

BACKEND = Path(__file__).resolve().parents[2]
as_root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused by PostgreSQL")
USER = """
import sys, time
from pathlib import Path
from app.core import embedded
with embedded.postgres(Path(sys.argv[1]), durable=False):
    print("using", flush=True)
    time.sleep(600)
"""


def silent(_message: str) -> None:
    pass


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def postmaster(data_dir: Path) -> int | None:
    return process.listener(PostgreSQL(Home(data_dir)).socket)


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose cluster has been made; nothing runs."""
    data_dir = tmp_path_factory.mktemp("cluster") / "data"
    with embedded.postgres(data_dir, durable=False, progress=silent):
        pass
    return data_dir


@pytest.fixture
def data_dir(cluster: Path, tmp_path: Path) -> Path:
    shutil.copytree(cluster, tmp_path / "data")
    return tmp_path / "data"


def test_a_new_server_answers_as_an_ordinary_role_with_checksums_and_fsync(tmp_path: Path) -> None:
    with embedded.postgres(tmp_path / "data", progress=silent) as url, connect(url) as connection:
        found = connection.execute(
            "SELECT current_database(), current_setting('is_superuser'), "
            "current_setting('data_checksums'), current_setting('fsync'), "
            "current_setting('synchronous_commit'), current_setting('password_encryption')"
        ).fetchone()
    assert found == ("etftrader", "off", "on", "on", "on", "scram-sha-256")


def test_everything_is_closed_to_other_users(cluster: Path) -> None:
    assert mode(cluster) == 0o700
    assert mode(cluster / "postgres") == 0o700
    passwords = list(cluster.glob("*.password"))
    assert len(passwords) == 2
    assert {mode(path) for path in passwords} == {0o600}
    assert len({path.read_text() for path in passwords}) == 2


def test_a_connection_without_the_password_is_refused(data_dir: Path) -> None:
    with embedded.postgres(data_dir, durable=False, progress=silent) as url:
        socket = PostgreSQL(Home(data_dir)).socket.parent
        connect(url).close()
        with pytest.raises(psycopg.OperationalError, match="no password"):
            psycopg.connect(host=str(socket), user="etftrader", dbname="etftrader")


def test_users_share_one_server_and_the_last_one_out_stops_it(data_dir: Path) -> None:
    with embedded.postgres(data_dir, durable=False, progress=silent) as first:
        running = postmaster(data_dir)
        with embedded.postgres(data_dir, durable=False, progress=silent) as second:
            assert first == second == embedded.url_of_running(data_dir)
            assert postmaster(data_dir) == running
        assert postmaster(data_dir) == running
    assert embedded.url_of_running(data_dir) is None


def test_two_first_starters_at_once_share_one_new_cluster(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(2) as pool:
        inside = pool.starmap(_server_seen_by_a_user, [(tmp_path / "data",)] * 2)
    assert all(inside)
    assert embedded.url_of_running(tmp_path / "data") is None


def _server_seen_by_a_user(data_dir: Path) -> int | None:
    with embedded.postgres(data_dir, durable=False, progress=silent):
        return postmaster(data_dir)


def test_a_server_whose_user_was_killed_is_joined_and_then_stopped(data_dir: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(data_dir)], cwd=BACKEND, stdout=subprocess.PIPE
    ) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == b"using\n"
        left_behind = postmaster(data_dir)
        user.kill()
    with embedded.postgres(data_dir, durable=False, progress=silent):
        assert postmaster(data_dir) == left_behind
    assert postmaster(data_dir) is None


def test_a_killed_server_keeps_what_it_acknowledged(data_dir: Path) -> None:
    with embedded.postgres(data_dir, progress=silent) as url:
        with connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
        killed = postmaster(data_dir)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: postmaster(data_dir) is None)
        embedded.restore(PostgreSQL(Home(data_dir)), silent)
        with connect(url) as connection:
            assert connection.execute("SELECT sum(number) FROM kept").fetchone() == (500_500,)


def test_a_stale_pid_that_now_belongs_to_another_program_does_not_matter(data_dir: Path) -> None:
    pid_file = data_dir / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getppid()}\n{data_dir / 'postgres'}\n")
    with embedded.postgres(data_dir, durable=False, progress=silent) as url:
        connect(url).close()


def test_half_of_a_new_cluster_is_made_again(data_dir: Path) -> None:
    (data_dir / "postgres").rename(data_dir / "postgres.new")
    with embedded.postgres(data_dir, durable=False, progress=silent) as url:
        connect(url).close()
    assert not (data_dir / "postgres.new").exists()


def test_a_cluster_of_another_version_is_refused_with_the_way_out(data_dir: Path) -> None:
    (data_dir / "postgres" / "PG_VERSION").write_text("9\n")
    with (
        pytest.raises(
            EmbeddedServerFailed, match=r"made by PostgreSQL 9,(.|\n)*db dump(.|\n)*db rest"
        ),
        embedded.postgres(data_dir, progress=silent),
    ):
        pass


def test_a_server_that_cannot_start_shows_its_last_words(data_dir: Path) -> None:
    (data_dir / "postgres" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with (
        pytest.raises(EmbeddedServerFailed, match="no_such_setting"),
        embedded.postgres(data_dir, progress=silent),
    ):
        pass


def test_a_lost_password_file_is_explained(data_dir: Path) -> None:
    for path in data_dir.glob("*.password"):
        path.unlink()
    with (
        pytest.raises(EmbeddedServerFailed, match="put back the file"),
        embedded.postgres(data_dir, progress=silent),
    ):
        pass
    assert postmaster(data_dir) is None


def test_long_and_unusual_paths_work(data_dir: Path) -> None:
    unusual = data_dir.with_name("ä folder with 100 % ' " + "x" * 120)
    data_dir.rename(unusual)
    with (
        embedded.postgres(unusual, durable=False, progress=silent) as url,
        embedded.valkey(unusual, progress=silent) as redis_url,
    ):
        assert "%" not in url
        connect(url).close()
        with redis.Redis.from_url(redis_url) as client:
            assert client.ping()


def test_a_folder_that_others_use_is_not_closed_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "somebody's.txt").touch()
    with (
        pytest.raises(EmbeddedServerFailed, match="already holds other files"),
        embedded.postgres(tmp_path, progress=silent),
    ):
        pass
    assert mode(tmp_path) == 0o755


@as_root_only
def test_for_root_the_files_stay_roots_where_user_namespaces_are_allowed(data_dir: Path) -> None:
    if subprocess.run(["unshare", "--user", "true"], check=False).returncode:
        pytest.skip("no user namespaces here")
    with embedded.postgres(data_dir, durable=False, progress=silent):
        assert (data_dir / "postgres" / "postmaster.pid").stat().st_uid == 0


@as_root_only
def test_for_root_without_namespaces_nobody_runs_it_inside_a_closed_folder(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir.parent.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no `unshare`
    for folder in (data_dir, tmp_path / "new"):
        with embedded.postgres(folder, durable=False, progress=silent) as url:
            assert (folder / "postgres" / "postmaster.pid").stat().st_uid != 0
            assert folder.stat().st_uid == 0
            connect(url).close()


def test_valkey_needs_its_password_and_keeps_nothing(tmp_path: Path) -> None:
    with embedded.valkey(tmp_path / "data", progress=silent) as url:
        with redis.Redis.from_url(url) as client:
            assert client.config_get("save", "appendonly") == {"save": "", "appendonly": "no"}
            client.set("key", "value")
        socket = Valkey(Home(tmp_path / "data")).socket
        with (
            redis.Redis(unix_socket_path=str(socket), retry=Retry(NoBackoff(), 0)) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
    with (
        embedded.valkey(tmp_path / "data", progress=silent) as url,
        redis.Redis.from_url(url) as client,
    ):
        assert client.get("key") is None


def test_the_programs_come_with_the_installed_packages() -> None:
    assert installed_postgres()[0].major >= 15
    assert "site-packages" in str(installed_postgres()[0].folder)
    assert "site-packages" in str(find_valkey())


def test_a_valkey_that_does_not_know_our_password_is_an_error(tmp_path: Path) -> None:
    with embedded.valkey(tmp_path / "data", progress=silent):
        (tmp_path / "data" / "valkey.password").write_text("another\n")
        with (
            pytest.raises(EmbeddedServerFailed, match="refuses the password"),
            embedded.valkey(tmp_path / "data", progress=silent),
        ):
            pass
