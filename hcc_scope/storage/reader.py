"""Frames out: a store opened read-only, finished or not, also while another process writes to it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.storage.frame_array import FrameArray
from hcc_scope.storage.journal import read_journal
from hcc_scope.storage.metadata import ATTRIBUTE, JOURNAL, MANIFEST_COPY, SCHEMA_VERSION, check_spec, spec_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from hcc_scope.storage.journal import Journal, JournalEntry
    from hcc_scope.types import Frame, RunSpec

__all__ = ["SectionStore", "open_store", "read_attributes"]


def read_attributes(path: Path) -> dict[str, Any]:
    """Return the attribute ``hcc_scope`` of the store at `path`.

    Raises
    ------
    StoreError
        If there is no store, or it is not one of ours.
    """
    if not path.is_dir():
        raise StoreError(f"There is no store at {path}", hint="Give the path of a folder that ends in .ome.zarr.")
    mendable = (path / MANIFEST_COPY).is_file() and (path / JOURNAL).is_file()
    hint = "Run hcc-scope recover on it, or Recover a section in the app's menu File." if mendable else None
    try:
        root = json.loads((path / "zarr.json").read_bytes())
        attributes = root["attributes"].get(ATTRIBUTE)
    except FileNotFoundError:
        if not any(path.iterdir()):
            raise StoreError(
                f"{path} is an empty folder and holds no frames", hint="Choose a folder that ends in .ome.zarr."
            ) from None
        raise StoreError(f"{path} is not an OME-Zarr 0.5 store: it has no zarr.json", hint=hint) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"{path / 'zarr.json'} cannot be read: {error}", hint=hint) from error
    if not isinstance(attributes, dict):
        raise StoreError(f"{path} was not written by HCC-Scope", hint="Import it first.")
    if attributes.get("schema_version") != SCHEMA_VERSION:
        raise StoreError(
            f"{path} has store version {attributes.get('schema_version')}, this program reads version {SCHEMA_VERSION}",
            hint="Update HCC-Scope.",
        )
    return attributes


def open_store(path: Path) -> SectionStore:
    """Open a store read-only.

    Safe on an unfinished store: what is readable is what the journal said when it was opened.

    Raises
    ------
    StoreError
        If there is no store, it is not one of ours, or its journal is missing.
    """
    attributes = read_attributes(path)
    try:
        spec = spec_from_json(attributes["spec"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path / 'zarr.json'} does not describe a run: {error!r}") from error
    check_spec(spec)
    try:
        journal = read_journal(path / JOURNAL)
    except OSError as error:
        raise StoreError(
            f"The journal {path / JOURNAL} cannot be read: {error.strerror or error}",
            hint="Without it nobody can tell which frames are whole.",
        ) from error
    recorded = _recorded_frames(attributes)
    if recorded is not None:
        journal = _without_lines_behind(journal, recorded)
    return SectionStore(path, spec, attributes, journal)


def _recorded_frames(attributes: Mapping[str, Any]) -> int | None:
    n = attributes.get("n_frames")
    return n if attributes.get("complete") is True and type(n) is int and n >= 0 else None


def _without_lines_behind(journal: Journal, n_recorded: int) -> Journal:
    """Return `journal` without the unreadable lines behind the frames that were recorded: they are no frames."""
    n = journal.n_frames
    while n > n_recorded and journal.entries[n - 1] is None:
        n -= 1
    return replace(journal, entries=journal.entries[:n])


class SectionStore:
    """One section's frames, read-only; made by `open_store`. Safe to use from several threads."""

    def __init__(self, path: Path, spec: RunSpec, attributes: Mapping[str, Any], journal: Journal) -> None:
        self.path = path
        self.spec = spec
        """What was known before the first frame, as the writer was told."""
        self.attributes = attributes
        """The attribute ``hcc_scope``: ids, versions, outcome ... (``docs/store.md``)."""
        self._journal = journal
        self._array = FrameArray(path, spec.frame_shape_yx)

    @property
    def n_frames(self) -> int:
        """Frames 0 .. n_frames-1 were committed when the store was opened."""
        return self._journal.n_frames

    @property
    def complete(self) -> bool:
        """Whether the run was ended in order, or recovered."""
        return self.attributes.get("complete") is True

    @property
    def journal(self) -> tuple[JournalEntry | None, ...]:
        """What is known about each frame, by `seq`; None where the journal's line is unreadable."""
        return self._journal.entries

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the journal, in words; empty for a sound store.

        An unfinished last line, or fewer lines than frames, is a fault only of a run that has ended: the journal of an
        unfinished one may stop anywhere.
        """
        return (*self._journal.problems, *self._contradictions())

    @property
    def recorded_frames(self) -> int | None:
        """How many frames the end of the run counted; None for an unfinished run, or if ``zarr.json`` lost it."""
        return _recorded_frames(self.attributes)

    def _contradictions(self) -> list[str]:
        if not self.complete:
            return []
        n, recorded, journal = self.n_frames, self.recorded_frames, self.path / JOURNAL
        if recorded is None:
            return [f"{self.path / 'zarr.json'} does not say how many frames were recorded"]
        if n < recorded:
            return [f"frames {n} to {recorded - 1} were recorded but their journal lines are missing from {journal}"]
        if n > recorded:
            return [f"{journal} lists {n} frames, but {recorded} were recorded"]
        if self._journal.torn:
            return [f"{journal} has {len(self._journal.torn)} bytes behind its last line"]
        return []

    def read(self, seq: int) -> Frame:
        """Read one frame and check it.

        Raises
        ------
        StoreDamagedError
            If its file is missing or damaged, or its journal line is unreadable.
        StoreError
            If there is no such frame.
        """
        return self._finish(seq, self._array.start_read(self._entry(seq).seq))

    def read_ahead(self, seqs: Iterable[int], ahead: int) -> Iterator[Frame | StoreDamagedError]:
        """Yield frames in the order of `seqs`, reading `ahead` of them in advance; a damaged one as its error.

        Raises
        ------
        StoreError
            If there is no such frame.
        """
        started: list[tuple[int, Any]] = []
        for seq in seqs:
            try:
                started.append((seq, self._array.start_read(self._entry(seq).seq)))
            except StoreDamagedError as error:
                started.append((seq, error))
            if len(started) > ahead:
                yield self._finish_or_error(*started.pop(0))
        for seq, reading in started:
            yield self._finish_or_error(seq, reading)

    def _finish_or_error(self, seq: int, reading: Any) -> Frame | StoreDamagedError:  # noqa: ANN401 - a future
        if isinstance(reading, StoreDamagedError):
            return reading
        try:
            return self._finish(seq, reading)
        except StoreDamagedError as error:
            return error

    def _entry(self, seq: int) -> JournalEntry:
        if not 0 <= seq < self.n_frames:
            raise StoreError(f"There is no frame {seq} in {self.path}: it has {self.n_frames}")
        entry = self._journal.entries[seq]
        if entry is None:
            raise StoreDamagedError(f"Frame {seq} cannot be checked: its line in {self.path / JOURNAL} is unreadable")
        return entry

    def _finish(self, seq: int, reading: Any) -> Frame:  # noqa: ANN401 - tensorstore's future
        entry = self._entry(seq)
        return entry.frame(self._array.finish_read(seq, reading, entry.crc32))
