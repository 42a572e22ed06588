"""Which of a store's two files with facts to go by, where one is damaged or they differ; `recover` acts on it.

Nothing is changed here.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.storage.facts import (
    ROOT,
    Facts,
    contradicted_key,
    copied_facts,
    read_array_metadata,
    read_packed_group,
    recorded_facts,
)
from hcc_scope.storage.frame_array import FrameArray
from hcc_scope.storage.journal import read_journal
from hcc_scope.storage.layout import ARRAY_PATH, LIVE, PACKED, PACKED_FOLDER
from hcc_scope.storage.metadata import JOURNAL, MANIFEST_COPY

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SettledFacts", "check_shape", "settle"]

_LOOK_AT_FRAMES = 3


@dataclass(frozen=True, slots=True)
class SettledFacts:
    """The facts to go by, and which of their two files has to be made again."""

    facts: Facts
    root_anew: str | None = None
    """What was wrong with ``zarr.json``, if it has to be made again."""
    copy_anew: bool = False


def settle(path: Path) -> SettledFacts:
    """Return the facts to go by.

    Parameters
    ----------
    path : Path
        The store.

    Raises
    ------
    StoreError
        If it is no store of ours, or of a later version.
    StoreDamagedError
        If neither file is sound, or both are and nothing decides between them.
    """
    recorded, wrong = _facts_or_error(path, from_copy=False)
    copied, _ = _facts_or_error(path, from_copy=True)
    if recorded is None:
        if copied is None or not (path / JOURNAL).is_file():
            raise wrong
        return SettledFacts(_where_frames_are(path, copied, wrong), root_anew="zarr.json was lost")
    if copied is None:
        # early stores of version 1 have no copy
        old = recorded.attributes["schema_version"] == 1 and not (path / MANIFEST_COPY).exists()
        return SettledFacts(recorded, copy_anew=not old)
    contradiction = contradicted_key(recorded, copied)
    return SettledFacts(recorded) if contradiction is None else _decide(path, recorded, copied, contradiction)


def _where_frames_are(path: Path, copied: Facts, wrong: StoreError) -> Facts:
    """Return the facts of the start with where the frames are now: a packed store states that beside them too."""
    if not (path / PACKED_FOLDER).exists():
        return copied
    packed = read_packed_group(path)
    n_frames = read_journal(path / JOURNAL).n_frames
    if packed is not None and packed["n_frames"] == n_frames:
        attributes = {**copied.attributes, PACKED: packed[PACKED], "schema_version": packed["schema_version"]}
        with suppress(ValueError):
            return Facts.parse(attributes, copied.file)
    if n_frames == 0 or any((path / LIVE.shard_path(seq)).exists() for seq in range(n_frames)):
        return copied
    raise StoreDamagedError(
        f"{wrong.message}, and {path / PACKED_FOLDER / ROOT}, which repeats where the frames are, is damaged too; "
        "nothing was changed"
    )


def _facts_or_error(path: Path, *, from_copy: bool) -> tuple[Facts | None, StoreError]:
    """Return the facts, or None and why not; another program's or a later version's file is an error in any case."""
    read = copied_facts if from_copy else recorded_facts
    try:
        return read(path), StoreError("")
    except FileNotFoundError:
        return None, StoreError(f"{path} is not an OME-Zarr 0.5 store: it has no {ROOT}")
    except StoreDamagedError as error:
        return None, error
    except StoreError:
        if from_copy:
            return None, StoreError("")
        raise


def _decide(path: Path, recorded: Facts, copied: Facts, contradiction: str) -> SettledFacts:
    """Return which of two sound and different accounts the frames agree with; only their shape can decide."""
    with_its_shape = replace(recorded.spec, frame_shape_yx=copied.spec.frame_shape_yx)
    attributes = {**recorded.attributes, "spec": copied.attributes["spec"]}
    if (
        recorded.attributes["schema_version"] == 1
        and with_its_shape == copied.spec
        and contradicted_key(replace(recorded, attributes=attributes), copied) is None
    ):
        reads = [_reads(path, facts.spec.frame_shape_yx) for facts in (recorded, copied)]
        if reads == [True, False]:
            return SettledFacts(recorded, copy_anew=True)
        if reads == [False, True]:
            facts = Facts.parse(attributes, recorded.file)
            return SettledFacts(facts, root_anew=f"{contradiction}; the frames have the latter")
    raise StoreDamagedError(
        f"{path} contradicts itself: {contradiction}; nothing was changed",
        hint="Set the wrong one right in a text editor, then run this again.",
    )


def _reads(path: Path, shape_yx: tuple[int, int]) -> bool:
    """Return whether one of the first frames reads as sound in this shape; without any, whether the array has it."""
    entries = [entry for entry in read_journal(path / JOURNAL).entries if entry is not None][:_LOOK_AT_FRAMES]
    if not entries:
        metadata = read_array_metadata(path)
        return metadata is not None and metadata["shape"][1:] == list(shape_yx)
    array = FrameArray(path, shape_yx)
    for entry in entries:
        try:
            array.finish_read(entry.seq, array.start_read(entry.seq), entry.crc32)
        except StoreDamagedError:
            continue
        return True
    return False


def check_shape(path: Path, facts: Facts) -> None:
    """Refuse to make the array's metadata anew from a shape that its frames do not have.

    Raises
    ------
    StoreDamagedError
        If the array states another shape, and no frame reads in that of the facts.
    """
    metadata = read_array_metadata(path)
    shape_yx = facts.spec.frame_shape_yx
    if metadata is None or metadata["shape"][1:] == list(shape_yx):
        return
    if not any(read_journal(path / JOURNAL).entries) or _reads(path, shape_yx):
        return
    raise StoreDamagedError(
        f"{path} contradicts itself: its facts state frames of {list(shape_yx)} px (y, x), {ARRAY_PATH}/{ROOT} of "
        f"{metadata['shape'][1:]}, and none reads as the former; nothing was changed",
        hint="Set the wrong one right in a text editor, then run this again.",
    )
