"""Price panels kept as files, so that a process maps in milliseconds what another one read.

A panel is a folder named by its data version, holding one .npy file per array. It is written under
another name, flushed to disk and renamed, so a reader finds all of it or nothing. Files of old
versions are unlinked; a process that has them mapped keeps them until it lets go. The folder is a
cache: without it, or when the disk is full, panels are read from the database.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import structlog

from app.quant.panel import DateArray, FloatArray, IntArray

_UNFINISHED = ".unfinished-"
_ABANDONED_AFTER_SECONDS = 600.0
_VERSION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PriceArrays:
    """Aligned history by ETF id: (ETF, session) arrays, read-only, NaN where there is no bar.

    `adjusted` is the same object as `close` where the two do not differ. An open lies within the
    range of its bar.
    """

    etf_ids: IntArray
    sessions: DateArray
    opens: FloatArray
    close: FloatArray
    adjusted: FloatArray
    volume: FloatArray

    @property
    def agree(self) -> bool:
        shape = (len(self.etf_ids), len(self.sessions))
        return all(array.shape == shape for array in self._aligned)

    @property
    def _aligned(self) -> tuple[FloatArray, ...]:
        return self.opens, self.close, self.adjusted, self.volume


@dataclass(slots=True)
class PanelFiles:
    """The panels of one installation, below `folder`, safe to use from several processes."""

    folder: Path
    _complained: bool = field(default=False, init=False)

    def read(self, version: UUID) -> PriceArrays | None:
        """The arrays of `version`, mapped read-only; None where they are not kept or damaged."""
        folder = self.folder / str(version)
        try:
            close = _mapped(folder / "close.npy")
            found = PriceArrays(
                etf_ids=np.load(folder / "etf_ids.npy"),
                sessions=np.load(folder / "sessions.npy"),
                opens=_mapped(folder / "opens.npy"),
                close=close,
                adjusted=_mapped(path) if (path := folder / "adjusted.npy").exists() else close,
                volume=_mapped(folder / "volume.npy"),
            )
        except (OSError, ValueError, EOFError):
            return None
        return found if found.agree else None

    def write(self, version: UUID, arrays: PriceArrays, *, keep: Collection[UUID]) -> None:
        """Keep `arrays` as `version` and remove every version but this one and those in `keep`.

        A disk that is full or not writable is logged once and otherwise no obstacle.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.folder))
            try:
                _save(unfinished, arrays)
                self._publish(unfinished, version)
                self._remove_all_but({version, *keep}, now=self.folder.stat().st_mtime)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        except OSError as error:
            if not self._complained:
                log.warning("panel_not_kept", folder=str(self.folder), reason=error.strerror)
            self._complained = True

    def _publish(self, unfinished: Path, version: UUID) -> None:
        final = self.folder / str(version)
        try:
            unfinished.rename(final)
        except OSError:
            if self.read(version) is None:
                shutil.rmtree(final)
                unfinished.rename(final)

    def _remove_all_but(self, kept: Collection[UUID], *, now: float) -> None:
        names = {str(version) for version in kept}
        for entry in self.folder.iterdir():
            with suppress(OSError):
                if entry.name.startswith(_UNFINISHED):
                    old = now - entry.stat().st_mtime > _ABANDONED_AFTER_SECONDS
                else:
                    old = _VERSION.fullmatch(entry.name) is not None and entry.name not in names
                if old:
                    shutil.rmtree(entry)


def _mapped(path: Path) -> FloatArray:
    """A plain array over the mapped file: the memmap class would slow every slice down."""
    array: FloatArray = np.asarray(np.load(path, mmap_mode="r"))
    return array


def _save(folder: Path, arrays: PriceArrays) -> None:
    named: dict[str, npt.NDArray[Any]] = {
        "etf_ids": arrays.etf_ids,
        "sessions": arrays.sessions,
        "opens": arrays.opens,
        "close": arrays.close,
        "volume": arrays.volume,
    }
    if arrays.adjusted is not arrays.close:
        named["adjusted"] = arrays.adjusted
    for name, array in named.items():
        with (folder / f"{name}.npy").open("wb") as file:
            np.save(file, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
