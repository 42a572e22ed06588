"""What a worker needs once, in the worker: files checked by their hash, and prepared a single time."""

from __future__ import annotations

import hashlib
import pickle
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import HccScopeError
from hcc_scope.executors.tasks import SentFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hcc_scope.executors.tasks import Setup, WorkerFacts

__all__ = ["Preparations", "setup_digest"]


def setup_digest(setup: Setup) -> str:
    """Return what identifies a setup: equal for those that prepare the same from files with the same content."""
    files = sorted((file.name, file.sha256) for file in setup.files)
    named = (setup.prepare.__module__, setup.prepare.__qualname__, setup.argument, files)
    return hashlib.sha256(pickle.dumps(named)).hexdigest()


class Preparations:
    """What this worker has prepared; a setup that is another one replaces it, so that memory holds one at a time."""

    def __init__(self, worker: WorkerFacts) -> None:
        self._worker = worker
        self._digest: str | None = None
        self._prepared: Any = None

    def prepare(self, setup: Setup, digest: str, files: Mapping[str, Path]) -> Any:  # noqa: ANN401
        """Return what the setup prepares, from files that have to be those that were sent.

        Raises
        ------
        HccScopeError
            If a file is another one.
        """
        if self._digest != digest:
            for file in setup.files:
                _check(file, files[file.name])
            self._digest = self._prepared = None  # free the one before first
            self._prepared = setup.prepare(setup.argument, files, self._worker)
            self._digest = digest
        return self._prepared

    def prepare_packed(self, packed: bytes, digest: str, folder: Path | None = None) -> Any:  # noqa: ANN401
        """Return what a pickled setup prepares, from files below `folder`; None: from where they were.

        Raises
        ------
        Exception
            What unpickling or preparing raises, such as for data that this worker cannot see.
        """
        if self._digest == digest:
            return self._prepared
        setup: Setup = pickle.loads(packed)
        files = {file.name: file.path if folder is None else folder / file.name for file in setup.files}
        return self.prepare(setup, digest, files)

    @property
    def prepared(self) -> Any:  # noqa: ANN401
        """What was prepared last, or None."""
        return self._prepared


def _check(file: SentFile, path: Path) -> None:
    try:
        found = SentFile.of(path).sha256
    except OSError as error:
        raise HccScopeError(f"{path} cannot be read: {error.strerror or error}", hint="Start again.") from error
    if found != file.sha256:
        raise HccScopeError(f"{path} is not the file that was sent: it was changed meanwhile", hint="Start again.")
