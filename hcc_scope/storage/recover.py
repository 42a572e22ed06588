"""Make an interrupted store valid again, from its journal. Running it again changes nothing."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.storage.files import TEMPORARY_SUFFIX, explain, json_bytes, lock, replace_file, sync_folder
from hcc_scope.storage.journal import read_journal
from hcc_scope.storage.metadata import (
    ARRAY_PATH,
    JOURNAL,
    MANIFEST_COPY,
    SCHEMA_VERSION,
    array_metadata,
    frames_group_metadata,
    group_metadata,
    spec_from_json,
)
from hcc_scope.storage.notes import NOTES, read_notes_log
from hcc_scope.storage.predictions import PREDICTIONS, read_log, write_table
from hcc_scope.storage.reader import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.storage.reader import SectionStore

__all__ = ["RecoverReport", "recover"]

TORN_SUFFIX = ".torn"
"""What was cut off a journal, or was an unreadable ``zarr.json``, is kept in a file of its name with this ending."""

_LASTING = ("state", "cause", "degraded", "counts")
"""Keys of an outcome that tell how the run went, whatever was lost afterwards."""


@dataclass(frozen=True, slots=True)
class RecoverReport:
    """What `recover` found and did."""

    path: Path
    n_frames: int
    """Committed frames; every one of them is still there, or in `damaged`."""
    changes: tuple[str, ...]
    """What was changed, in words; empty if the store was valid."""
    damaged: tuple[StoreDamagedError, ...]
    """Committed frames that are missing or damaged, and why."""
    problems: tuple[str, ...]
    """What is wrong with the journal, the predictions and the notes: unreadable lines, left as they are, and lines that
    the journal has lost."""
    unacknowledged: int
    """Frames that reached the disk but not the journal; left as they are, behind the end of the array."""


def recover(path: Path) -> RecoverReport:
    """Make the store at `path` valid again and check every frame.

    What the journal lists is kept, whatever else is there. A lost ``zarr.json`` is made from the copy of its start, an
    unfinished last line is cut (and kept in a side file), the array is set to the journal's count, temporary files are
    removed, the table of predictions is made from its lines, and the run is marked complete, with the outcome
    ``recovered``. So is a run that had ended, if its journal lost lines since: its count is set right, and its score,
    which rested on other frames, is dropped. The marker comes last: an interrupted recovery is simply run again.

    Raises
    ------
    StoreError
        If there is no store, it is not one of ours, or another process still writes to it.
    StoreUnwritableError, DiskFullError
        If it cannot be changed.
    """
    try:
        manifest = _manifest_from_copy(path)
        if manifest is None:
            open_store(path)  # refuses what is not ours before anything is touched
        with ExitStack() as stack:
            for file in (path / JOURNAL, *_logs(path), *path.glob(NOTES)):
                handle = os.open(file, os.O_RDWR)
                stack.callback(os.close, handle)
                if not lock(handle):
                    raise StoreError(f"{path} is being written by another process", hint="Wait until it has ended.")
            return _recover(path, manifest)
    except OSError as error:
        raise explain(error, f"The store {path} cannot be recovered") from error


def _logs(path: Path) -> list[Path]:
    return sorted(path.glob(f"{PREDICTIONS}*.jsonl"))


def _manifest_from_copy(path: Path) -> bytes | None:
    """Return a new root ``zarr.json`` if that is lost and there is a copy of what it said at the start, else None."""
    if _json_object(path / "zarr.json") is not None or not (path / JOURNAL).is_file():
        return None
    attributes = _json_object(path / MANIFEST_COPY)
    if attributes is None or attributes.get("schema_version") != SCHEMA_VERSION:
        return None
    try:
        return json_bytes(group_metadata(spec_from_json(attributes["spec"]), attributes))
    except (KeyError, TypeError, ValueError):
        return None


def _json_object(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file; None if the file is missing or holds something else."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _recover(path: Path, manifest: bytes | None) -> RecoverReport:
    changes = [] if manifest is None else [_replace_manifest(path / "zarr.json", manifest)]
    changes += [*_remove_temporary_files(path), *_mend_journal(path / JOURNAL)]
    store = open_store(path)
    problems = list(store.problems)
    changes += _mend_notes(path, problems)
    wanted = {
        path / ARRAY_PATH / "zarr.json": array_metadata(store.spec.frame_shape_yx, store.n_frames),
        path / "frames" / "zarr.json": frames_group_metadata(),
    }
    for file, metadata in wanted.items():
        if _replace_if_different(file, json_bytes(metadata)):
            changes.append(f"{file.relative_to(path)} rewritten for {store.n_frames} frames")
    for log in _logs(path):
        changes += _mend_predictions(path, log, problems, anew=store.complete and not _agrees(store))
    damaged = tuple(item for item in store.read_ahead(range(store.n_frames), 3) if isinstance(item, StoreDamagedError))
    changes += _mark_complete(store, "the run was interrupted" if manifest is None else "zarr.json was lost")
    return RecoverReport(
        path=path,
        n_frames=store.n_frames,
        changes=tuple(changes),
        damaged=damaged,
        problems=tuple(problems),
        unacknowledged=_count_unacknowledged(path / ARRAY_PATH / "c", store.n_frames),
    )


def _replace_manifest(file: Path, manifest: bytes) -> str:
    if file.exists():
        replace_file(file.with_name(file.name + TORN_SUFFIX), file.read_bytes())
    replace_file(file, manifest)
    return f"{file.name} made again from {MANIFEST_COPY}"


def _remove_temporary_files(path: Path) -> list[str]:
    """Remove files that were about to replace others: tensorstore's end in ``.__lock``, ours in ``.tmp``."""
    leftovers = sorted([*path.rglob("*.__lock"), *path.rglob(f"*{TEMPORARY_SUFFIX}")])
    for file in leftovers:
        file.unlink()
    return [f"{file.relative_to(path)} removed (temporary)" for file in leftovers]


def _mend_journal(path: Path) -> list[str]:
    """Cut an unfinished last line, or end a whole one that lacks its line end."""
    journal = read_journal(path)
    if journal.torn:
        return [_cut(path, journal.torn)]
    if journal.unterminated:
        with path.open("ab") as file:
            file.write(b"\n")
            file.flush()
            os.fsync(file.fileno())
        return [f"{path.name}: last line ended"]
    return []


def _mend_notes(store: Path, problems: list[str]) -> list[str]:
    """Cut an unfinished last line: that note was never acknowledged."""
    log = read_notes_log(store)
    problems += log.problems
    return [_cut(store / NOTES, log.torn)] if log.torn else []


def _cut(path: Path, torn: bytes) -> str:
    """Cut an unfinished last line off; nothing that was on disk is thrown away."""
    with path.with_name(path.name + TORN_SUFFIX).open("ab") as file:
        file.write(torn + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - len(torn))
        os.fsync(file.fileno())
    return f"{path.name}: an unfinished last line of {len(torn)} bytes cut off"


def _mend_predictions(store: Path, path: Path, problems: list[str], *, anew: bool) -> list[str]:
    """Cut an unfinished last line and make the table if it is missing, or `anew` as it has rows of lost frames."""
    try:
        log = read_log(path)
    except StoreError as error:  # predictions can be made again: they must not stand between the user and the frames
        problems.append(error.message)
        return []
    problems += log.problems
    changes = []
    if log.torn:
        changes.append(_cut(path, log.torn))
    table = path.with_suffix(".parquet")
    if log.header and (anew or not table.exists()):  # no header: killed before the first line was whole
        changes.append(f"{table.name} made from {write_table(store, log, table)} frames")
    return changes


def _replace_if_different(path: Path, data: bytes) -> bool:
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, data)
    return True


def _agrees(store: SectionStore) -> bool:
    """Return whether the journal lists as many frames as the end of the run counted."""
    return store.recorded_frames == store.n_frames


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
        attributes.setdefault("outcome_before_recovery", _lasting_part(store.attributes.get("outcome")))
    else:
        change = "marked complete, outcome recovered"
        attributes["finished_utc"] = datetime.now(UTC).isoformat()
    replace_file(store.path / "zarr.json", json_bytes(group_metadata(store.spec, attributes)))
    return [change]


def _lasting_part(outcome: object) -> dict[str, Any]:
    """Return what stays true of an outcome when frames that it counted are lost: not its score."""
    return {key: outcome[key] for key in _LASTING if key in outcome} if isinstance(outcome, dict) else {}


def _count_unacknowledged(chunks: Path, n_frames: int) -> int:
    if not chunks.is_dir():
        return 0
    return sum(folder.name.isdecimal() and int(folder.name) >= n_frames for folder in chunks.iterdir())
