"""``hcc-scope finish``: pack the frames of sections that are done, for archives and viewers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.progress_bar import steps_shown
from hcc_scope.cli.runs import interruptible
from hcc_scope.errors import HccScopeError, UsageError
from hcc_scope.formatting import counted, format_bytes
from hcc_scope.storage.packing import pack_store, unpack_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.storage.packing import PackReport

__all__ = ["run_finish"]


def run_finish(
    stores: Sequence[Path], *, shard_frames: int | None, pictures: bool | None, undo: bool, json_mode: bool
) -> None:
    """Pack each store, or unpack it, and report what it takes then.

    Parameters
    ----------
    stores : sequence of Path
    shard_frames, pictures
        As for `hcc_scope.storage.packing.pack_store`.
    undo : bool
        Whether to give each frame a file of its own again.
    json_mode : bool
        Write the result to standard output.

    Raises
    ------
    HccScopeError
        After all stores, the first one's: it cannot be packed, and is as it was.
    """
    if undo and (shard_frames is not None or pictures is not None):
        raise UsageError("--undo takes neither --frames-per-file nor --pictures")
    console = people(json_mode=json_mode)
    reports, troubles = [], []
    for path in stores:
        try:
            with interruptible("each section is as it was, or done as a whole"), steps_shown(console) as show:
                if undo:
                    report = unpack_store(path, on_progress=show)
                else:
                    report = pack_store(path, shard_frames=shard_frames, pictures=pictures, on_progress=show)
        except HccScopeError as error:
            troubles.append(error)
            if len(stores) > 1:
                console.note(f"{path}: {error}", "yellow")
            continue
        reports.append(report)
        console.note(f"{path}: {_account(report)}")
        if report.left_over is not None:
            console.note(f"  Old files could not be removed ({report.left_over}); give the command again", "yellow")
    if json_mode:
        print_json({"stores": [_row(report) for report in reports]})
    if troubles:
        raise troubles[0]


def _account(report: PackReport) -> str:
    layout = report.layout
    size = f"{counted(report.files[1], 'file')}, {format_bytes(report.n_bytes[1])}"
    if not report.changed:
        return f"nothing to change; {counted(report.n_frames, 'frame')} in {size}"
    pictures = f", with {counted(layout.n_levels - 1, 'smaller picture')} of each" if layout.n_levels > 1 else ""
    before = f"{counted(report.files[0], 'file')}, {format_bytes(report.n_bytes[0])}"
    return f"{counted(report.n_frames, 'frame')} in {size}{pictures} (before: {before}); every frame was compared"


def _row(report: PackReport) -> dict[str, Any]:
    return {
        "store": str(report.path),
        "frames": report.n_frames,
        "changed": report.changed,
        "packed": report.layout.is_packed,
        "frames_per_file": report.layout.shard_frames,
        "smaller_pictures": report.layout.n_levels - 1,
        "files_before": report.files[0],
        "files": report.files[1],
        "bytes_before": report.n_bytes[0],
        "bytes": report.n_bytes[1],
        "left_over": report.left_over,
    }
