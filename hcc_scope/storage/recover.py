"""Make an interrupted store valid again, from its journal. Running it again changes nothing.

Facts that are damaged are taken from their copy, whichever of the two that is; where both are sound and differ, the
frames decide, or nothing is changed. What is replaced is kept beside, unless it can be made again.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import TEMPORARY_SUFFIX, json_bytes, replace_file, sync_folder, write_all
from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.formatting import counted
from hcc_scope.storage.drawn_sample import SAMPLE, read_sample_log, sample_problems
from hcc_scope.storage.facts import ROOT, check_folders, check_is_store
from hcc_scope.storage.files import check_plain, explain, lock, open_own, read_plain
from hcc_scope.storage.journal import read_journal
from hcc_scope.storage.layout import ARRAY_PATH, FRAMES_FOLDER, PACKED_FOLDER
from hcc_scope.storage.lines import parse_object
from hcc_scope.storage.metadata import JOURNAL, MANIFEST_COPY, sealed, start_facts
from hcc_scope.storage.metadata_check import array_files, describes_image, hides_array, is_group, root_bytes
from hcc_scope.storage.naming import with_own_name
from hcc_scope.storage.notes import NOTES, lost_notes, read_notes_log
from hcc_scope.storage.other_frames import missing_pictures, remove_other_frames
from hcc_scope.storage.prediction_log import log_files, log_problems, read_log, table_path
from hcc_scope.storage.predictions import read_predictions_table, remake_table
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.run_log import RUN_LOG, read_run_log
from hcc_scope.storage.settled_facts import SettledFacts, check_shape, settle
from hcc_scope.storage.shading_copy import SHADING_FILES, shading_problems

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.storage.reader import SectionStore

__all__ = ["RecoverReport", "recover", "refuse_links"]

TORN_SUFFIX = ".torn"
"""What was cut off a journal, or was replaced, is kept under its name with this ending; the next one with a 2, 3 ..."""
_MAX_KEPT_BYTES = 2 << 30

_LASTING = ("state", "cause", "degraded", "counts", "spoilt")
"""Keys of an outcome that stay true of the run, whatever is lost afterwards."""


@dataclass(frozen=True, slots=True)
class RecoverReport:
    """What `recover` found and did."""

    path: Path
    n_frames: int
    """Committed frames; every one of them is still there, or in `damaged`."""
    changes: tuple[str, ...]
    """What was changed, as text; empty if the store was valid."""
    damaged: tuple[StoreDamagedError, ...]
    """Committed frames that are missing or damaged, and why."""
    problems: tuple[str, ...]
    """What is wrong with the journal, the predictions, the notes, the drawn sample and the references: unreadable
    lines, left as they are, lines that the journal has lost, and damaged dark or flat fields, which nothing can make
    again."""
    unacknowledged: int
    """Frames that reached the disk but not the journal; left as they are, behind the end of the array."""


def recover(path: Path) -> RecoverReport:
    """Make the store at `path` valid again and check every frame.

    What the journal lists is kept, whatever else is there. A lost or damaged ``zarr.json`` is made from the copy of its
    start, or the copy from it, an unfinished last line is cut (and kept in a side file), the array is set to the
    journal's count, temporary files are removed, the table of predictions is made from its lines, and the run is marked
    complete, with the outcome ``recovered``. So is a run that had ended, if its journal lost lines since: its count is
    set right, and its score, which rested on other frames, is dropped. The marker comes last: an interrupted recovery
    is simply run again.

    Raises
    ------
    StoreError
        If there is no store, it is not one of ours, holds links where files belong, or another process still writes to
        it.
    StoreDamagedError
        If its facts are damaged twice, or contradict each other or the frames: nothing was changed then.
    StoreUnwritableError, DiskFullError
        If it cannot be changed.
    """
    check_is_store(path)
    path = with_own_name(path)
    try:
        refuse_links(path)
        if not (path / JOURNAL).exists() and (path / ROOT).exists():
            open_store(path)  # reports what is missing
        settled = settle(path)
        with ExitStack() as stack:
            for file in (path / JOURNAL, *log_files(path), *path.glob(NOTES), *path.glob(SAMPLE)):
                handle = open_own(file, os.O_RDWR)
                stack.callback(os.close, handle)
                if not lock(handle):
                    raise StoreError(f"{path} is being written by another process", hint="Wait until it has ended.")
            if settled.facts.attributes["schema_version"] == 1:  # later ones have a checksum for that
                check_shape(path, settled.facts)
            return _recover(path, settled)
    except OSError as error:
        hint = "Copy it to a folder that you may write to, and recover the copy."
        raise explain(error, f"The store {path} cannot be recovered", unwritable_hint=hint) from error


def refuse_links(path: Path) -> None:
    """Refuse a store that holds links, pipes or devices: what is written through them lands elsewhere.

    Raises
    ------
    StoreError
        If there is one, in the place of one of our files or anywhere below the frames' folders.
    """
    check_folders(path)
    ours = [*path.glob("*.json*"), *path.glob("*.parquet*"), *path.glob(f"*{TEMPORARY_SUFFIX}")]
    ours += [path / name for name in SHADING_FILES.values() if os.path.lexists(path / name)]
    folders = [path / FRAMES_FOLDER, path / PACKED_FOLDER]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(folder / entry.name)
            else:
                ours.append(folder / entry.name)
    for file in ours:
        mode = file.lstat().st_mode
        if not stat.S_ISDIR(mode):  # a folder there does no harm: that frame is damaged
            check_plain(file)


def _recover(path: Path, settled: SettledFacts) -> RecoverReport:
    changes = _mend_facts(path, settled)
    changes += [*_remove_temporary_files(path), *_mend_journal(path / JOURNAL)]
    store = open_store(path)
    problems = [*store.journal_problems, *shading_problems(path, store.spec)]
    changes += [*_mend_notes(path, problems), *_mend_sample(store, problems), *_mend_run_log(path, problems)]
    if store.complete:
        problems += lost_notes(path, store.recorded.excluded_by_operator, store.tagged_retakes)
    for name, metadata in array_files(store.facts, store.n_frames).items():
        if _replace_if_different(path / name, metadata):
            changes.append(f"{name} rewritten for {store.n_frames} frames")
    if hides_array(store.facts, store.n_frames):
        replace_file(path / ROOT, root_bytes(store.facts, dict(store.attributes)))
        changes.append(f"{ROOT}: a wrong copy of the array's metadata removed")
    for log in log_files(path):
        changes += _mend_predictions(store, log, problems)
    damaged = tuple(item for item in store.read_ahead(range(store.n_frames), 3) if isinstance(item, StoreDamagedError))
    if not damaged:  # else what the other folder holds may be all that is left of a frame
        changes += _remove_other_frames(store, problems)
    problems += missing_pictures(path, store.layout, store.n_frames)
    changes += _mark_complete(store, settled.root_anew or "the run was interrupted")
    return RecoverReport(
        path=path,
        n_frames=store.n_frames,
        changes=tuple(changes),
        damaged=damaged,
        problems=tuple(problems),
        unacknowledged=_count_unacknowledged(path / ARRAY_PATH / "c", store.n_frames),
    )


def _keep(file: Path, *, whole: bool = False) -> None:
    """Keep what a file holds beside it, under a name that is free; `whole`: the file itself, which is made anew."""
    if not file.exists():
        return
    kept = file.with_name(file.name + TORN_SUFFIX)
    n = 1
    while kept.exists():
        n += 1
        kept = file.with_name(f"{file.name}{TORN_SUFFIX}{n}")
    if whole:
        file.rename(kept)
    else:
        replace_file(kept, read_plain(file, _MAX_KEPT_BYTES))


def _mend_facts(path: Path, settled: SettledFacts) -> list[str]:
    """Make whichever file of the facts is wrong again, and the description for other programs."""
    facts = settled.facts
    changes = []
    if settled.root_anew is not None:
        _keep(path / ROOT)
        replace_file(path / ROOT, root_bytes(facts, facts.attributes))
        changes.append(f"{ROOT} made again from {MANIFEST_COPY}")
    elif not describes_image(facts):
        _keep(path / ROOT)
        replace_file(path / ROOT, root_bytes(facts, facts.attributes))
        changes.append(f"{ROOT}: its description of the image made again from the facts")
    elif not is_group(facts):
        _keep(path / ROOT)
        replace_file(path / ROOT, root_bytes(facts, facts.attributes))
        changes.append(f"{ROOT} made a group of zarr format 3 again")
    if settled.copy_anew:
        _keep(path / MANIFEST_COPY)
        start = sealed({**start_facts(facts.attributes), "complete": False})
        replace_file(path / MANIFEST_COPY, json_bytes(start))
        changes.append(f"{MANIFEST_COPY} made again from {ROOT}")
    return changes


def _remove_temporary_files(path: Path) -> list[str]:
    """Remove files that were about to replace others: tensorstore's end in ``.__lock``, ours in ``.tmp``."""
    arrays = [path / ARRAY_PATH, *(path / PACKED_FOLDER).glob("[0-9]")]
    folders = [path / FRAMES_FOLDER, path / PACKED_FOLDER, *arrays]
    leftovers = [file for folder in (path, *folders) for file in folder.glob(f"*{TEMPORARY_SUFFIX}") if file.is_file()]
    leftovers += [file for array in arrays for file in (array / "c").rglob("*.__lock") if file.is_file()]
    for file in sorted(leftovers):
        file.unlink()
    return [f"{file.relative_to(path)} removed (temporary)" for file in sorted(leftovers)]


def _mend_journal(path: Path) -> list[str]:
    """Cut an unfinished last line, or end a whole one that lacks its line end."""
    journal = read_journal(path)
    if journal.torn:
        return [_cut(path, journal.torn)]
    if journal.unterminated:
        handle = open_own(path, os.O_WRONLY | os.O_APPEND)
        try:
            write_all(handle, b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        return [f"{path.name}: last line ended"]
    return []


def _mend_notes(store: Path, problems: list[str]) -> list[str]:
    """Cut an unfinished last line: that note was never acknowledged."""
    log = read_notes_log(store)
    problems += log.problems
    return [_cut(store / NOTES, log.torn)] if log.torn else []


def _mend_sample(store: SectionStore, problems: list[str]) -> list[str]:
    """Cut an unfinished last line: that draw or skip was never acknowledged, and never took effect."""
    problems += sample_problems(store.path, store.spec, store.journal)
    torn = read_sample_log(store.path).torn
    return [_cut(store.path / SAMPLE, torn)] if torn else []


def _mend_run_log(store: Path, problems: list[str]) -> list[str]:
    """Cut an unfinished last line; a log that cannot be read must not stand between the user and the frames."""
    try:
        log = read_run_log(store)
    except StoreError as error:
        problems.append(error.message)
        return []
    if log is None:
        return []
    problems += log.problems
    return [_cut(store / RUN_LOG, log.torn)] if log.torn else []


def _cut(path: Path, torn: bytes) -> str:
    """Cut an unfinished last line off; nothing that was on disk is thrown away."""
    kept = path.with_name(path.name + TORN_SUFFIX)
    before = read_plain(kept, _MAX_KEPT_BYTES) if kept.exists() else b""
    replace_file(kept, before + torn + b"\n")
    sync_folder(path.parent)
    handle = open_own(path, os.O_RDWR)
    try:
        os.ftruncate(handle, os.fstat(handle).st_size - len(torn))
        os.fsync(handle)
    finally:
        os.close(handle)
    return f"{path.name}: an unfinished last line of {len(torn)} bytes cut off"


def _mend_predictions(store: SectionStore, path: Path, problems: list[str]) -> list[str]:
    """Cut an unfinished last line and make the table if it is missing or damaged, or has rows of lost frames."""
    try:
        log = read_log(path)
    except StoreError as error:  # predictions can be made again: they must not stand between the user and the frames
        problems.append(error.message)
        return []
    problems += log.problems
    changes = []
    if log.torn:
        changes.append(_cut(path, log.torn))
    if not log.header:  # killed before its first line was whole: it holds nothing, and nothing can be added to it
        path.unlink()
        return [*changes, f"{path.name} removed (empty)"]
    table = table_path(path)
    anew = store.complete and not _agrees(store)
    if anew or not _table_is_sound(store.path, path):
        _keep(table, whole=True)
        n = remake_table(store.path, path, guided=store.spec.sampling == "guided")
        changes.append(f"{table.name} made from {n} frames")
    return changes


def _table_is_sound(store: Path, path: Path) -> bool:
    if any(str(table_path(path)) in problem for problem in log_problems(path, ended=True)):
        return False
    try:
        read_predictions_table(store, path.stem)
    except StoreError:
        return False
    return True


def _replace_if_different(path: Path, metadata: dict[str, Any]) -> bool:
    """Write metadata anew unless it is there, word for word; keep what was there unless only its length was another."""
    data = json_bytes(metadata)
    try:
        there = read_plain(path, _MAX_KEPT_BYTES)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    else:
        if there == data:
            return False
        if not _only_longer(there, metadata):
            _keep(path)
    replace_file(path, data)
    return True


def _only_longer(there: bytes, metadata: dict[str, Any]) -> bool:
    try:
        found = parse_object(there)
    except ValueError:
        return False
    shape, wanted = found.get("shape"), metadata.get("shape")
    if isinstance(shape, list) and isinstance(wanted, list):
        found = {**found, "shape": [*wanted[:1], *shape[1:]]}
    return found == metadata


def _agrees(store: SectionStore) -> bool:
    """Return whether the journal lists as many frames as the end of the run counted."""
    return store.recorded_frames == store.n_frames


def _remove_other_frames(store: SectionStore, problems: list[str]) -> list[str]:
    """Remove what an interrupted packing left; a file that is held open must not stand between user and frames."""
    try:
        removed = remove_other_frames(store.path, store.layout, store.n_frames)
    except OSError as error:
        problems.append(f"{error.filename or store.path}, which holds frames a second time, cannot be removed: {error}")
        return []
    return [f"{counted(removed, 'file')} with frames that are elsewhere too removed"] if removed else []


def _mark_complete(store: SectionStore, why_unfinished: str) -> list[str]:
    if store.complete and _agrees(store):
        return []
    attributes: dict[str, Any] = {
        **store.attributes,
        "complete": True,
        "recovered": True,
        "n_frames": store.n_frames,
        "outcome": {
            "state": "recovered",
            "cause": why_unfinished,
            "counts": {"stored": store.n_frames},
        },
    }
    if store.complete:
        change = f"n_frames set from {store.attributes.get('n_frames')} to {store.n_frames}, outcome recovered"
        attributes["outcome"]["cause"] = (
            f"the journal did not list the {store.attributes.get('n_frames')} frames that were recorded"
        )
        attributes.setdefault("outcome_before_recovery", _lasting_part(store))
    else:
        change = "marked complete, outcome recovered"
        attributes["finished_utc"] = datetime.now(UTC).isoformat()
    replace_file(store.path / ROOT, root_bytes(store.facts, attributes))
    return [change]


def _lasting_part(store: SectionStore) -> dict[str, Any]:
    """Return what stays true of an outcome when frames that it counted are lost: not its score."""
    outcome = store.attributes.get("outcome", {})
    reason = None if store.recorded.outcome is None else store.recorded.outcome.lasting_reason
    lasting = {key: outcome[key] for key in _LASTING if key in outcome}
    return lasting if reason is None else {**lasting, "spoilt": reason}


def _count_unacknowledged(chunks: Path, n_frames: int) -> int:
    if not chunks.is_dir():
        return 0
    return sum(folder.name.isdecimal() and int(folder.name) >= n_frames for folder in chunks.iterdir())
