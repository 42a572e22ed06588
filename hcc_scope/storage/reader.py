"""Read frames: a store opened read-only, finished or not, also while another process writes to it."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.retakes import replaced_frame
from hcc_scope.shading.correction import analysed_pixels
from hcc_scope.storage.drawn_sample import sample_problems
from hcc_scope.storage.facts import ROOT, check_folders, check_is_store, contradicted_key, copied_facts, recorded_facts
from hcc_scope.storage.files import cannot_read
from hcc_scope.storage.frame_array import FrameArray
from hcc_scope.storage.journal import read_journal
from hcc_scope.storage.metadata import JOURNAL, MANIFEST_COPY
from hcc_scope.storage.metadata_check import metadata_problems
from hcc_scope.storage.naming import with_own_name
from hcc_scope.storage.notes import lost_notes
from hcc_scope.storage.place import RemotePath, local_place, place_of
from hcc_scope.storage.place_files import check_still_there
from hcc_scope.storage.prediction_log import PREDICTIONS, log_files, log_problems
from hcc_scope.storage.shading_copy import read_shading_copy, shading_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.shading.correction import Shading
    from hcc_scope.storage.facts import Facts
    from hcc_scope.storage.journal import Journal, JournalEntry
    from hcc_scope.storage.layout import Layout
    from hcc_scope.storage.place import StorePlace
    from hcc_scope.storage.recorded_run import RecordedRun
    from hcc_scope.storage.remote_frames import RemoteFrames
    from hcc_scope.types import Frame, RunSpec

    FrameReader = FrameArray | RemoteFrames

__all__ = ["SectionStore", "open_store", "read_facts"]

_RECOVER = "Run hcc-scope recover on it, or Recover a section in the app's menu File."


def read_facts(path: StorePlace) -> tuple[Facts, tuple[str, ...]]:
    """Return the facts of the store at `path`, checked, and what is wrong with their copy.

    Raises
    ------
    StoreDamagedError
        If they are damaged, or stand in contradiction to their copy.
    StoreError
        If there is no store, it is not one of ours, holds links, or cannot be read.
    """
    path = place_of(path)
    check_is_store(path)
    copied: Facts | StoreError | None
    try:
        check_folders(path)
        copied = copied_facts(path)
    except FileNotFoundError:
        copied = None
    except StoreDamagedError as error:
        copied = error
    except OSError as error:
        raise cannot_read(error, f"The store {path}") from error
    hint = None if copied is None or isinstance(copied, StoreError) else _RECOVER
    try:
        facts = recorded_facts(path)
    except FileNotFoundError:
        raise StoreError(f"{path} is not an OME-Zarr 0.5 store: it has no {ROOT}", hint=hint) from None
    except StoreDamagedError as error:
        raise StoreDamagedError(error.message, hint=hint) from error
    if isinstance(copied, StoreError):
        return facts, (f"{copied.message}: hcc-scope recover writes it again",)
    if copied is None:
        # early stores of version 1 have none
        old = facts.attributes["schema_version"] == 1
        return facts, () if old else (f"{path / MANIFEST_COPY} is missing: hcc-scope recover writes it again",)
    contradiction = contradicted_key(facts, copied)
    if contradiction is not None:
        raise StoreDamagedError(f"{path} contradicts itself: {contradiction}", hint=_RECOVER)
    return facts, ()


def open_store(path: StorePlace) -> SectionStore:
    """Open a store read-only, on a disk, a share or object storage.

    Safe on an unfinished store: the frames are those that the journal listed when it was opened.

    Parameters
    ----------
    path : Path or RemotePath
        A `Path` that was made of an address such as ``s3://bucket/M1_S1.ome.zarr`` counts as the address.

    Raises
    ------
    StoreDamagedError
        If its facts are damaged.
    StoreError
        If there is no store, it is not one of ours, holds links where files belong, or its journal is missing; if it is
        on object storage that does not answer.
    """
    path = place_of(path)
    facts, problems = read_facts(path)
    path = with_own_name(path)
    try:
        journal = read_journal(path / JOURNAL, facts.spec.section_id)
    except OSError as error:
        raise StoreError(
            f"The journal {path / JOURNAL} cannot be read: {error.strerror or error}",
            hint="Without it there is no way to know which frames are whole.",
        ) from error
    if facts.run.frames is not None:
        journal = _without_lines_behind(journal, facts.run.frames)
    return SectionStore(path, facts, journal, problems)


def _without_lines_behind(journal: Journal, n_recorded: int) -> Journal:
    """Return `journal` without the unreadable lines behind the frames that were recorded: they are no frames."""
    n = journal.n_frames
    while n > n_recorded and journal.entries[n - 1] is None:
        n -= 1
    return replace(journal, entries=journal.entries[:n])


def _frames_at(place: StorePlace, shape_yx: tuple[int, int], layout: Layout, level: int = 0) -> FrameReader:
    """Return what reads the frames of a store, or their smaller pictures."""
    if isinstance(place, RemotePath):
        from hcc_scope.storage.remote_frames import RemoteFrames

        return RemoteFrames(place, shape_yx, layout, level)
    return FrameArray(place, shape_yx, layout, level=level)


class SectionStore:
    """One section's frames, read-only; made by `open_store`. Safe to use from several threads."""

    def __init__(self, path: StorePlace, facts: Facts, journal: Journal, problems: tuple[str, ...] = ()) -> None:
        self.place = path
        """The folder, or the address of a store on object storage."""
        self.spec: RunSpec = facts.spec
        """What was known before the first frame."""
        self.recorded: RecordedRun = facts.run
        """How the run was made, how it ended, and with which score."""
        self.attributes: Mapping[str, Any] = facts.attributes
        """The attribute ``hcc_scope`` as it is in the file (``docs/store.md``)."""
        self.facts = facts
        """As they were read, with the rest of ``zarr.json``."""
        self._journal = journal
        self._known_problems = problems
        self._other_problems: tuple[str, ...] | None = None
        self._result_problems: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._array = _frames_at(path, facts.spec.frame_shape_yx, facts.layout)
        self._pictures: FrameReader | None = None
        self._shading: Shading | None = None
        self._shading_is_read = False

    @property
    def path(self) -> Path:
        """The folder, for what does more than read it.

        Raises
        ------
        StoreUnwritableError
            If the store is on object storage.
        """
        return local_place(self.place, "this needs the store's folder")

    @property
    def layout(self) -> Layout:
        """Where the frames are; another one once the store is packed (`hcc_scope.storage.packing`)."""
        return self.facts.layout

    def own_file(self, seq: int) -> Path | None:
        """Return the file that holds a frame and nothing else; None in a packed store, whose files hold several.

        None too if the store is on object storage.

        Its pixels are neither decoded nor compared with the checksum.

        Raises
        ------
        StoreDamagedError
            If the file is missing or cannot be the frame's, or the journal's line is unreadable.
        StoreError
            If there is no such frame.
        """
        self._entry(seq)
        array = self._array
        if array.layout.shard_frames != 1 or not isinstance(array, FrameArray):
            return None
        try:
            array.check_file(seq)
        except StoreDamagedError:
            if not self._follow(array):
                raise
            return self.own_file(seq)
        return array.shard_path(seq)

    @property
    def n_frames(self) -> int:
        """Frames 0 .. n_frames-1 were committed when the store was opened."""
        return self._journal.n_frames

    @property
    def complete(self) -> bool:
        """Whether the run was ended in order, or recovered."""
        return self.recorded.complete

    @property
    def journal(self) -> tuple[JournalEntry | None, ...]:
        """What is known about each frame, by `seq`; None where the journal's line is unreadable."""
        return self._journal.entries

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the journal, the metadata and the predictions, as text; empty for a sound store.

        An unfinished last line, or fewer lines than frames, is a fault only of a run that has ended: the journal of an
        unfinished one may stop anywhere. Metadata and predictions are checked on the first access.
        """
        with self._lock:
            if self._other_problems is None:
                self._other_problems = tuple(self._look_at_other_files())
                self._result_problems = self._look_at_results()
        return (
            *self.journal_problems,
            *self._known_problems,
            *self._other_problems,
            *chain(*self._result_problems.values()),
        )

    def result_problems(self, name: str | None = None) -> tuple[str, ...]:
        """Return the part of `problems` that is about recorded predictions: without it, new ones are right.

        Parameters
        ----------
        name : str, optional
            Of the predictions; None: of all analyses.
        """
        _ = self.problems
        by_name = self._result_problems
        return tuple(chain(*by_name.values()) if name is None else by_name.get(name, ()))

    @property
    def journal_problems(self) -> tuple[str, ...]:
        """The part of `problems` that is about frames: nothing can make those lines again."""
        return (*self._journal.problems, *self._contradictions())

    @property
    def tagged_retakes(self) -> list[int]:
        """`seq` of the frames whose tags state that they take a field again: the notes state so too."""
        entries = enumerate(self.journal)
        return [seq for seq, entry in entries if entry is not None and replaced_frame(entry.tags) is not None]

    def _look_at_other_files(self) -> list[str]:
        n = max(self.n_frames, self.recorded_frames or 0)
        try:
            problems = [*metadata_problems(self.place, self.facts, n), *shading_problems(self.place, self.spec)]
            problems += sample_problems(self.place, self.spec, self.journal)
            if self.complete:
                problems += lost_notes(self.place, self.recorded.excluded_by_operator, self.tagged_retakes)
        except OSError as error:
            raise cannot_read(error, f"The store {self.place}") from error
        return problems

    def _look_at_results(self) -> dict[str, list[str]]:
        try:
            return {
                log.stem: log_problems(log, ended=self.complete and log.stem == PREDICTIONS)
                for log in log_files(self.place)
            }
        except OSError as error:
            raise cannot_read(error, f"The store {self.place}") from error

    @property
    def shading(self) -> Shading | None:
        """What the run corrected its frames by before it classified them; None if it classified them as they are.

        Read on the first access.

        Raises
        ------
        StoreDamagedError
            If the copy in the store is missing or damaged.
        """
        with self._lock:
            if not self._shading_is_read:
                self._shading = read_shading_copy(self.place, self.spec)
                self._shading_is_read = True
            return self._shading

    @property
    def recorded_frames(self) -> int | None:
        """How many frames the end of the run counted; None for an unfinished run, or if ``zarr.json`` lost it."""
        return self.recorded.frames

    def _contradictions(self) -> list[str]:
        if not self.complete:
            return []
        n, recorded, journal = self.n_frames, self.recorded_frames, self.place / JOURNAL
        if recorded is None:
            return [f"{self.place / ROOT} does not state how many frames were recorded"]
        if n < recorded:
            one = recorded == n + 1
            lost = f"frame {n} was" if one else f"frames {n} to {recorded - 1} were"
            lines = "its journal line is" if one else "their journal lines are"
            return [f"{lost} recorded but {lines} missing from {journal}"]
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
        self._entry(seq)
        array = self._array
        try:
            return self._finish(seq, array, array.start_read(seq))
        except StoreDamagedError:
            if not self._follow(array):
                raise
        array = self._array
        return self._finish(seq, array, array.start_read(seq))

    def _follow(self, array: FrameReader) -> bool:
        """Go to where the frames are now, if the store was packed or unpacked since `array` was opened.

        Raises
        ------
        StoreError
            If the whole store is gone: its frames are neither missing nor damaged.
        """
        check_still_there(self.place / JOURNAL)
        with suppress(StoreError, OSError), self._lock:
            if self._array is not array:
                return True
            facts = recorded_facts(self.place)
            if facts.layout != self.layout and facts.spec == self.spec:
                self._array = _frames_at(self.place, facts.spec.frame_shape_yx, facts.layout)
                self.facts, self.attributes, self._other_problems = facts, facts.attributes, None
                return True
        return False

    def read_picture(self, seq: int, level: int) -> NDArray[np.uint16]:
        """Read the smaller picture of a frame that a packed store has: for looking at, never for a number.

        Parameters
        ----------
        seq : int
        level : int
            How often it was halved: 1 to ``layout.n_levels - 1``.

        Raises
        ------
        StoreDamagedError
            If it is missing or damaged.
        StoreError
            If there is no such frame or level.
        """
        self._entry(seq)
        if not 1 <= level < self.layout.n_levels:
            raise StoreError(f"{self.place} has no pictures that are halved {level} times")
        with self._lock:
            if self._pictures is None or self._pictures.level != level or self._pictures.layout != self.layout:
                self._pictures = _frames_at(self.place, self.spec.frame_shape_yx, self.layout, level)
            array = self._pictures
        return array.finish_read(seq, array.start_read(seq), None)

    def read_analysed(self, seq: int) -> Frame:
        """Read one frame with the pixels that its run classified: corrected, if it corrected them.

        Raises
        ------
        StoreDamagedError, StoreError
            As `read`, and if the dark or flat field in the store is missing or damaged.
        """
        shading = self.shading
        frame = self.read(seq)
        return frame if shading is None else replace(frame, pixels=analysed_pixels(frame.pixels, shading))

    def read_ahead(self, seqs: Iterable[int], ahead: int) -> Iterator[Frame | StoreDamagedError]:
        """Yield frames in the order of `seqs`, reading `ahead` of them in advance; a damaged one as its error.

        Raises
        ------
        StoreError
            If there is no such frame.
        """
        started: list[tuple[int, FrameReader, Any]] = []
        for seq in seqs:
            array = self._array
            try:
                started.append((seq, array, array.start_read(self._entry(seq).seq)))
            except StoreDamagedError as error:
                started.append((seq, array, error))
            if len(started) > ahead:
                yield self._finish_or_error(*started.pop(0))
        for seq, array, reading in started:
            yield self._finish_or_error(seq, array, reading)

    def _finish_or_error(self, seq: int, array: FrameReader, reading: Any) -> Frame | StoreDamagedError:  # noqa: ANN401
        """Wait for a frame; `reading` is tensorstore's future, or why there is none."""
        damage = reading if isinstance(reading, StoreDamagedError) else None
        try:
            if damage is None:
                return self._finish(seq, array, reading)
        except StoreDamagedError as error:
            damage = error
        try:
            return self.read(seq) if self._follow(array) else damage
        except StoreDamagedError as error:
            return error

    def _entry(self, seq: int) -> JournalEntry:
        if not 0 <= seq < self.n_frames:
            raise StoreError(f"There is no frame {seq} in {self.place}: it has {self.n_frames}")
        entry = self._journal.entries[seq]
        if entry is None:
            raise StoreDamagedError(f"Frame {seq} cannot be checked: its line in {self.place / JOURNAL} is unreadable")
        return entry

    def _finish(self, seq: int, array: FrameReader, reading: Any) -> Frame:  # noqa: ANN401 - tensorstore's future
        entry = self._entry(seq)
        return entry.frame(array.finish_read(seq, reading, entry.crc32))
