"""Where an installation keeps its servers' files, readable by nobody else."""

import hashlib
import os
import re
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.core.embedded.errors import EmbeddedServerFailed

PRIVATE = 0o700
LONGEST_SOCKET_FOLDER = 80
"""A socket's path may have 107 bytes (103 on macOS); the rest is for its name."""


@dataclass(frozen=True, slots=True)
class Home:
    """The data directory of one installation."""

    data_dir: Path

    @property
    def run(self) -> Path:
        return self.data_dir / "run"

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"

    def create(self) -> None:
        """Make the folders, mode 0700.

        Raises `EmbeddedServerFailed` where that would close a folder that others use, or where
        the folder belongs to somebody else.
        """
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
            self._close_to_others()
            self.run.mkdir(exist_ok=True, mode=PRIVATE)
            self.logs.mkdir(exist_ok=True, mode=PRIVATE)
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise EmbeddedServerFailed(
                f"The data directory {self.data_dir} cannot be used ({error.strerror}): set "
                f"DATA_DIR to a folder of your own, or run as the user who owns it."
            ) from error

    def _close_to_others(self) -> None:
        mode = stat.S_IMODE(self.data_dir.stat().st_mode)
        if mode == PRIVATE:
            return
        if not self.run.is_dir() and any(self.data_dir.iterdir()):
            raise EmbeddedServerFailed(
                f"The data directory {self.data_dir} already holds other files and is open to "
                f"other users (mode {mode:o}): set DATA_DIR to an empty folder, or close it with "
                f"'chmod 700 {self.data_dir}'."
            )
        self.data_dir.chmod(PRIVATE)

    def secret(self, name: str) -> str:
        """The random password kept under this name, made at the first call (mode 0600)."""
        path = self.data_dir / name
        if not path.exists():
            draft = path.with_suffix(".new")
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(24) + "\n")
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        return path.read_text().strip()

    def socket_folder(self, folder: Path) -> Path:
        """A path of `folder` that is short and plain enough for a socket's address and a URL.

        A long or unusual path is reached through a link in a private folder of the system's
        temporary folder.
        """
        if re.fullmatch(r"[\w./-]+", str(folder), re.ASCII) and (
            len(str(folder)) <= LONGEST_SOCKET_FOLDER
        ):
            return folder
        name = hashlib.sha256(bytes(folder)).hexdigest()[:16]
        private = Path(tempfile.gettempdir()) / f"etftrader-{os.geteuid()}"
        private.mkdir(exist_ok=True, mode=PRIVATE)
        found = private.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise EmbeddedServerFailed(
                f"{private} belongs to somebody else: remove it, or set TMPDIR to a folder of "
                f"your own."
            )
        link = private / name
        if not link.is_symlink() or link.readlink() != folder:
            link.unlink(missing_ok=True)
            link.symlink_to(folder)
        return link
