"""One window per rig: two programs that move one stage are an accident."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from PySide6.QtCore import QLockFile

from hcc_scope.errors import RigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RigLock"]


class RigLock:
    """Marks a rig as in use by this program; the mark ends with the program, also if that is killed.

    Parameters
    ----------
    config : Path
        The rig's Micro-Manager configuration: what two rig files have in common if they mean the same devices.
    folder : Path
        Where the marks lie; the same for every program of a user.
    """

    def __init__(self, config: Path, folder: Path) -> None:
        self._config = config
        self._folder = folder
        name = os.path.normcase(str(config.resolve()))
        self._path = folder / f"rig-{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"
        self._lock: QLockFile | None = None

    def take(self) -> None:
        """Take the rig.

        Raises
        ------
        RigError
            If another program has it.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return  # without a place for the mark there is no reason to refuse the rig
        lock = QLockFile(str(self._path))
        lock.setStaleLockTime(0)  # only the end of its program frees it, not time
        if not lock.tryLock(0):
            if lock.error() != QLockFile.LockError.LockFailedError:
                return
            # an older PySide returns a tuple of another make: the number is only for the message
            process_id = next((part for part in lock.getLockInfo() if isinstance(part, int) and part > 1), None)
            whose = "another program" if process_id is None else f"another program (process {process_id})"
            raise RigError(
                f"the rig {self._config} is in use by {whose} on this computer",
                hint="Close the other window first.",
            )
        self._lock = lock

    def release(self) -> None:
        """Give the rig back. Idempotent."""
        if self._lock is not None:
            self._lock.unlock()
        self._lock = None
