"""Go on in the store of a section whose run has ended: the next day, after a coffee, or after a crash.

Design
------
- *First the checks*: whole, not being written, of the same section, frame by frame sound, room on its disk. Until then
  nothing changes; only a store whose run never ended is recovered first, as ``hcc-scope recover`` does.
- *One step*: the store becomes unfinished again when ``zarr.json`` is replaced, which also records the new part
  (`hcc_scope.storage.parts`). From then on it is a store like any other under way: frames that are there are never
  written again, the journal goes on, and a crash leaves what `recover` makes whole.
- *No new frame, no change*: a run that adds nothing gives the store back as it was.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from hcc_scope.atomic_file import replace_file
from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.storage.drawn_sample import SAMPLE, drop_lost_frames, read_sample_log
from hcc_scope.storage.earlier_frames import EarlierFrames
from hcc_scope.storage.facts import ROOT, check_is_store
from hcc_scope.storage.files import cannot_read, explain, open_own
from hcc_scope.storage.frame_array import FrameArray
from hcc_scope.storage.journal_writer import JournalWriter
from hcc_scope.storage.metadata import ARRAY_PATH, JOURNAL, check_spec
from hcc_scope.storage.metadata_check import root_bytes
from hcc_scope.storage.naming import with_own_name
from hcc_scope.storage.notes import NOTES, excluded_fields, read_notes_log, release_lost_frames
from hcc_scope.storage.parts import PARTS, begun_part, n_parts
from hcc_scope.storage.prediction_log import PREDICTIONS, drop_results_of_lost_frames, log_files
from hcc_scope.storage.predictions import read_predictions
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recover import recover, refuse_links
from hcc_scope.storage.run_log import RUN_LOG
from hcc_scope.storage.same_section import refuse_another_section
from hcc_scope.storage.section_writer import SectionWriter
from hcc_scope.storage.settled_facts import settle
from hcc_scope.storage.shading_copy import begun_provenance
from hcc_scope.storage.space import check_free_space, check_out_dir
from hcc_scope.storage.writer import MAX_IN_FLIGHT_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hcc_scope.shading.correction import Shading
    from hcc_scope.storage.facts import Facts
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.storage.recover import RecoverReport
    from hcc_scope.types import FrameResult, RunSpec

__all__ = ["ReopenedSection", "refuse_packed", "reopen_section"]

_AHEAD = 3
_LOG = f"{PREDICTIONS}.jsonl"
_ADDED_TO = (_LOG, NOTES, SAMPLE, RUN_LOG)
"""Files beside the journal that a run adds to, if they are there."""
_NEW = "Start a new section."
_RECOVER = "Run hcc-scope recover on it and try again, or start a new section."


@dataclass(frozen=True, slots=True)
class ReopenedSection:
    """A store that goes on."""

    sink: SectionWriter
    """Takes the next frame; its `seq` is ``earlier.n_frames``."""
    earlier: SectionStore
    """The store as it was, for reading."""
    results: Mapping[int, FrameResult]
    """Of the earlier frames, by `seq`, bit for bit; a frame that was not analysed has none."""
    excluded: tuple[int, ...]
    """`seq` of the earlier fields that a person excluded from the score."""
    part: int
    """Number of the part that begins, from 2."""
    recovered: RecoverReport | None
    """What was done to a store whose run never ended; None for one that ended."""

    @property
    def first_frames(self) -> tuple[tuple[int, str], ...]:
        """The first frame of each part, and when the part began (ISO 8601)."""
        return tuple((part["first_frame"], part["began_utc"]) for part in self.sink.attributes[PARTS])


def reopen_section(
    path: Path,
    spec: RunSpec,
    *,
    shading: Shading | None = None,
    max_in_flight_bytes: int = MAX_IN_FLIGHT_BYTES,
) -> ReopenedSection:
    """Open the store of a section to add frames to it.

    Parameters
    ----------
    path : Path
        The store.
    spec : RunSpec
        Of the run that continues it. Its ``expected_frames`` are those that are still to come.
    shading : Shading, optional
        What the run corrects its frames by: the correction that the store keeps, or None if it keeps none.
    max_in_flight_bytes : int
        As for `hcc_scope.storage.writer.create_store`.

    Raises
    ------
    StoreError
        If there is no store, another process writes to it, its version is too old, or `spec` is of another section,
        camera, model or correction. Nothing was changed then.
    StoreDamagedError
        If a frame, a fact or a prediction is damaged.
    StoreUnwritableError, DiskFullError
        If nothing can be added to it.
    """
    if shading is not None:
        shading.check_fits(spec.frame_shape_yx, spec.bit_depth)
    spec = replace(spec, provenance=begun_provenance(spec.provenance, shading))
    check_spec(spec)
    recovered = _made_whole(path, spec)
    path = with_own_name(path)
    with ExitStack() as undo:
        try:
            journal = JournalWriter(path / JOURNAL)
            undo.callback(journal.close)
            store, results, excluded = _checked(path, spec, journal.n_frames)
            _forget_lost_frames(path, store.n_frames)
            attributes = begun_part(
                store.attributes,
                spec,
                n_frames=store.n_frames,
                began_utc=datetime.now(UTC).isoformat(),
                software={name: version(name) for name in ("hcc-scope", "tensorstore", "numpy")},
            )
            earlier = EarlierFrames.of(path, store.facts, store.n_frames)
            array = FrameArray(path, spec.frame_shape_yx, pinned=True)
            undo.callback(_put_back, earlier, path)  # a file may be replaced although its folder is not synced
            replace_file(path / ROOT, root_bytes(store.facts, attributes))
        except (OSError, ValueError) as error:  # tensorstore's errors are ValueErrors
            raise explain(error, f"{path} cannot be continued") from error
        undo.pop_all()
    sink = SectionWriter(path, store.spec, attributes, array, journal, store.n_frames, max_in_flight_bytes, earlier)
    return ReopenedSection(sink, store, results, excluded, n_parts(attributes), recovered)


def _made_whole(path: Path, spec: RunSpec) -> RecoverReport | None:
    """Recover a store whose run never ended, if `spec` can continue it at all; return what was done."""
    check_is_store(path)
    try:
        facts = settle(path).facts
    except OSError as error:
        raise cannot_read(error, f"The store {path}") from error
    if facts.attributes["schema_version"] == 1:
        raise StoreError(
            f"{path} cannot be continued: it has store version 1, whose lines have no checksums",
            hint="Start a new section; this one can be replayed.",
        )
    refuse_another_section(path, facts.spec, spec)
    refuse_packed(path, facts)
    if facts.run.complete:
        return None
    report = recover(path)
    # not the report's problems: nothing rests on the run log, which may have lost a line
    found = (*open_store(path).problems, *read_notes_log(path).problems)
    for problem in (*(damaged.message for damaged in report.damaged), *found):
        raise StoreDamagedError(f"{path} was recovered and cannot be continued: {problem}", hint=_NEW)
    return report


def refuse_packed(path: Path, facts: Facts) -> None:
    """Refuse to add frames to a packed store: its files hold several, and would have to be written again.

    Raises
    ------
    StoreError
        If it is packed.
    """
    if facts.layout.is_packed:
        raise StoreError(
            f"{path} cannot be continued: it is packed, its files hold several frames each",
            hint="Run hcc-scope finish --undo on it first.",
        )


def _put_back(earlier: EarlierFrames, path: Path) -> None:
    with suppress(StoreError):  # the error before it is the one to report
        earlier.put_back(path)


def _forget_lost_frames(path: Path, n_frames: int) -> None:
    """Take back what was said about frames that never reached the journal: further ones are given their numbers."""
    for log in log_files(path):
        drop_results_of_lost_frames(log, n_frames)
    drop_lost_frames(path, n_frames)
    release_lost_frames(path, n_frames)


def _checked(
    path: Path, spec: RunSpec, n_journalled: int
) -> tuple[SectionStore, Mapping[int, FrameResult], tuple[int, ...]]:
    """Return the store that this process alone may write to now, its results and the fields that a person excluded."""
    refuse_links(path)
    store = open_store(path)
    refuse_another_section(path, store.spec, spec)
    notes = read_notes_log(path)
    for problem in (*store.problems, *notes.problems):
        raise StoreDamagedError(f"{path} cannot be continued: {problem}", hint=_RECOVER)
    for file, torn in ((NOTES, notes.torn), (SAMPLE, read_sample_log(path).torn)):
        if torn:  # the next line would make it an unreadable one
            raise StoreDamagedError(f"{path} cannot be continued: {file} ends in the middle of a line", hint=_RECOVER)
    if not store.complete or n_journalled != store.n_frames:
        raise StoreError(f"{path} cannot be continued: its run was not ended in order", hint=_RECOVER)
    for frame in store.read_ahead(range(store.n_frames), _AHEAD):
        if isinstance(frame, StoreDamagedError):
            raise StoreDamagedError(f"{path} cannot be continued: {frame.message}", hint=_NEW)
    for name in _ADDED_TO:
        with suppress(FileNotFoundError):
            os.close(open_own(path / name, os.O_RDWR))
    check_out_dir(path)
    check_out_dir(path / ARRAY_PATH / "c")
    check_free_space(path, spec)
    excluded = tuple(seq for seq in excluded_fields(notes.notes) if seq < store.n_frames)
    return store, read_predictions(path) if (path / _LOG).exists() else {}, excluded
