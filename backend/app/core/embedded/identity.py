"""Whom PostgreSQL runs as: it refuses to run as root.

Root first tries a user namespace in which it goes by another number: files stay root's. Where that
is forbidden (many containers), the programs run as the account `nobody`, or as whoever owns
the cluster already. No account is created and no permission widened: the other user gets a
copy of the programs, and is started inside the cluster's folder, which it reaches as
`/proc/self/cwd` even though the folders above are closed to it.
"""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.embedded.errors import EmbeddedServerFailed
from app.core.embedded.process import BARE_ENVIRONMENT
from app.core.embedded.programs import PostgresPrograms

ROOT = 0
WORKING_FOLDER = "/proc/self/cwd"
NO_WAY = (
    "PostgreSQL does not run as root, and this machine allows neither a user namespace nor to run "
    "it as another user: run as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own."
)
NEEDED = ("bin", "lib", "share")


@dataclass(frozen=True, slots=True)
class Identity:
    """How to run PostgreSQL's programs: a command in front of them, or another user."""

    programs: PostgresPrograms
    prefix: tuple[str, ...] = ()
    user: int | None = None
    group: int | None = None

    def command(self, program: str, *arguments: str) -> tuple[str, ...]:
        return (*self.prefix, self.programs.path(program), *arguments)

    def cluster(self, folder: Path) -> str:
        """The name by which the programs, started inside `folder`, reach it."""
        return str(folder) if self.user is None else WORKING_FOLDER

    def take(self, folder: Path) -> None:
        """Give the cluster's folder and all in it to the user who runs the programs."""
        if self.user is None or self.group is None or folder.stat().st_uid == self.user:
            return
        for path in (*folder.rglob("*"), folder):
            os.chown(path, self.user, self.group, follow_symlinks=False)


def choose(programs: PostgresPrograms, folder: Path) -> Identity:
    """Who runs `programs` on the cluster in `folder`, which exists.

    Raises `EmbeddedServerFailed` where nobody can.
    """
    owner = folder.stat().st_uid
    if os.geteuid() != ROOT:
        if owner != os.geteuid():
            raise EmbeddedServerFailed(
                f"The cluster {folder} belongs to the user {_name(owner)}: run as that user, or "
                f"set DATA_DIR to a folder of your own."
            )
        return Identity(programs)
    for identity in _ways_for_root(programs, folder):
        if _works(identity, folder):
            return identity
    raise EmbeddedServerFailed(NO_WAY)


def _ways_for_root(programs: PostgresPrograms, folder: Path) -> Iterator[Identity]:
    found = folder.stat()
    if found.st_uid != ROOT:
        yield Identity(_readable_copy(programs), user=found.st_uid, group=found.st_gid)
        return
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return
    unshare = shutil.which("unshare")
    if unshare is not None:
        numbers = (f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}")
        yield Identity(programs, prefix=(unshare, "--user", *numbers))
    yield Identity(_readable_copy(programs), user=nobody.pw_uid, group=nobody.pw_gid)


def _works(identity: Identity, folder: Path) -> bool:
    """Try it: the programs run, and may write to the folder, unless that is still to be given."""
    to_be_given = identity.user is not None and folder.stat().st_uid == ROOT
    place = "/" if to_be_given else identity.cluster(folder)
    script = '{ [ "$1" = / ] || [ -w "$1" ]; } && exec "$2" --version'
    shell = ("/bin/sh", "-c", script, "sh", place, identity.programs.path("initdb"))
    try:
        tried = subprocess.run(
            (*identity.prefix, *shell),
            check=False,
            cwd=folder,
            capture_output=True,
            env=BARE_ENVIRONMENT,
            user=identity.user,
            group=identity.group,
            extra_groups=None if identity.user is None else (),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return tried.returncode == 0


def _readable_copy(programs: PostgresPrograms) -> PostgresPrograms:
    """The programs where every user can run them and only root can write: copied if need be.

    The copy keeps the layout of the installed packages, because the programs find their libraries
    by it. It is made under another name and then renamed, so that half of one is never used.
    """
    if _open_to_all(programs.folder):
        return programs
    installation = programs.folder.parent
    package = installation.parent
    copy = _place_for_copies() / f"{installation.name}-{installation.stat().st_mtime_ns}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(prefix="new-", dir=copy.parent))
        for part in NEEDED:
            shutil.copytree(installation / part, draft / package.name / installation.name / part)
        libraries = package.parent / f"{package.name}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name)
        _open_copy(draft)
        try:
            draft.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(draft)
    return PostgresPrograms(programs.major, copy / package.name / installation.name / "bin")


def _open_to_all(folder: Path) -> bool:
    return all(path.stat().st_mode & 0o005 == 0o005 for path in (folder, *folder.parents))


def _open_copy(copy: Path) -> None:
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _place_for_copies() -> Path:
    """A folder of root's own, which every user can read."""
    for parent in (Path("/var/cache"), Path(tempfile.gettempdir())):
        place = parent / "etftrader"
        try:
            place.mkdir()
            place.chmod(0o755)
        except FileExistsError:
            pass
        except OSError:
            continue
        found = place.lstat()
        if found.st_uid == ROOT and stat.S_IMODE(found.st_mode) == 0o755:
            return place
    raise EmbeddedServerFailed(NO_WAY)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
