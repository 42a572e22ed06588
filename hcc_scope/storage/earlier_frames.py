"""What a store held before it was continued, to give it back if nothing comes."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.atomic_file import replace_file
from hcc_scope.storage.drawn_sample import SAMPLE
from hcc_scope.storage.facts import MAX_METADATA_BYTES, ROOT
from hcc_scope.storage.files import explain, open_own, read_plain
from hcc_scope.storage.notes import NOTES
from hcc_scope.storage.prediction_log import PREDICTIONS
from hcc_scope.storage.run_log import RUN_LOG

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

    from hcc_scope.storage.facts import Facts

__all__ = ["EarlierFrames"]

_SCORE_FILES = (f"{PREDICTIONS}.jsonl", NOTES, SAMPLE)


@dataclass(frozen=True, slots=True)
class EarlierFrames:
    """The frames and the facts of a store that is continued."""

    n_frames: int
    facts: Facts
    root: bytes
    """``zarr.json``, word for word."""
    run_log_bytes: int | None
    """Length of the run log; None if there is none."""
    lengths: Mapping[str, int | None]
    """Of the files on which the score rests, by name."""

    @classmethod
    def of(cls, path: Path, facts: Facts, n_frames: int) -> Self:
        """Return those of the store at `path`.

        Raises
        ------
        OSError, StoreError
            If ``zarr.json`` cannot be read.
        """
        root = read_plain(path / ROOT, MAX_METADATA_BYTES)
        return cls(n_frames, facts, root, _size(path / RUN_LOG), {name: _size(path / name) for name in _SCORE_FILES})

    def put_back(self, path: Path) -> bool:
        """Make the store as it was, after its writers were closed.

        Returns
        -------
        bool
            Whether it is. Not if there is a new result, note, draw or skip: the score may be another one then.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        if any(_size(path / name) != size for name, size in self.lengths.items()):
            return False
        try:
            self._cut_run_log(path / RUN_LOG)
            replace_file(path / ROOT, self.root)
        except OSError as error:
            raise explain(error, f"{path} could not be put back as it was") from error
        return True

    def _cut_run_log(self, log: Path) -> None:
        """Remove what this part wrote: its log goes with it, as that of a run without a frame does."""
        if self.run_log_bytes is None:
            log.unlink(missing_ok=True)
            return
        with suppress(FileNotFoundError):
            handle = open_own(log, os.O_RDWR)
            try:
                if os.fstat(handle).st_size > self.run_log_bytes:
                    os.ftruncate(handle, self.run_log_bytes)
                    os.fsync(handle)
            finally:
                os.close(handle)


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None
