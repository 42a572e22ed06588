"""Files of frames that a store does not read: what a packing, finished or interrupted, leaves in the other folder."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from hcc_scope.storage.layout import LIVE, MAX_LEVELS, Layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["missing_pictures", "remove_frames", "remove_other_frames"]

_METADATA = "zarr.json"


def remove_other_frames(store: Path, layout: Layout, n_frames: int) -> int:
    """Remove the frames that a store holds a second time; see `remove_frames`.

    Parameters
    ----------
    store : Path
    layout : Layout
        The one that holds: its frames stay.
    n_frames : int
        As in the journal.
    """
    other = LIVE if layout.is_packed else Layout.packed(1, MAX_LEVELS)
    return remove_frames(store, other, n_frames) if (store / other.folder).is_dir() else 0


def remove_frames(store: Path, layout: Layout, n_frames: int) -> int:
    """Remove the files of a layout, and the folders that are empty then.

    What is not ours stays; so does a frame that reached ``frames`` but not the journal, with the metadata beside it.

    Parameters
    ----------
    store : Path
    layout : Layout
        The folder, and how many arrays it may have.
    n_frames : int
        As in the journal.

    Returns
    -------
    int
        How many files are gone.

    Raises
    ------
    OSError
        If one cannot be removed.
    """
    folder = store / layout.folder
    removed = 0
    if layout.is_packed:  # first what states that its arrays are whole
        removed += _unlink(folder / _METADATA)
    for level in range(layout.n_levels):
        array = store / layout.array_path(level)
        for shard in _shards(array / "c", None if layout.is_packed else n_frames):
            for file in (shard / "0").glob("0*"):  # what a kill left half-written ends in .__lock
                removed += _unlink(file)
            _remove_if_empty(shard / "0", shard)
        _remove_if_empty(array / "c")
        if not (array / "c").exists():
            removed += _unlink(array / _METADATA)
            _remove_if_empty(array)
    if not any(path.is_dir() for path in folder.iterdir()):
        removed += _unlink(folder / _METADATA)
    _remove_if_empty(folder)
    return removed


def _shards(chunks: Path, below: int | None) -> Iterator[Path]:
    """Yield the folders of shards, of smaller numbers than `below`."""
    if chunks.is_dir():
        for folder in sorted(chunks.iterdir()):
            if folder.name.isdecimal() and (below is None or int(folder.name) < below):
                yield folder


def _unlink(file: Path) -> int:
    try:
        file.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return 1


def _remove_if_empty(*folders: Path) -> None:
    for folder in folders:
        with suppress(OSError):  # not there, or not empty
            folder.rmdir()


def missing_pictures(store: Path, layout: Layout, n_frames: int) -> list[str]:
    """Return which files of a packed store's smaller pictures are missing, as text; nothing rests on them."""
    gone = [
        layout.shard_path(seq, level)
        for level in range(1, layout.n_levels)
        for seq in range(0, n_frames, layout.shard_frames)
        if not (store / layout.shard_path(seq, level)).is_file()
    ]
    if not gone:
        return []
    what = (
        f"{store / gone[0]} is missing" if len(gone) == 1 else f"{store / gone[0]} and {len(gone) - 1} more are missing"
    )
    return [
        f"{what}, so other programs show parts of the smaller pictures as black; "
        "hcc-scope finish --undo and then hcc-scope finish make them again"
    ]
