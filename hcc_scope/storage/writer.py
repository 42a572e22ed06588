"""Create the store of a section that is about to be acquired, whole and under its name at once."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreError
from hcc_scope.storage.files import explain
from hcc_scope.storage.frame_array import FrameArray
from hcc_scope.storage.journal_writer import JournalWriter
from hcc_scope.storage.metadata import (
    JOURNAL,
    check_spec,
    initial_attributes,
)
from hcc_scope.storage.naming import store_path, taken_error
from hcc_scope.storage.section_writer import GROW_FRAMES, SectionWriter
from hcc_scope.storage.shading_copy import begun_provenance, shading_copy
from hcc_scope.storage.skeleton import create_skeleton, remove_empty
from hcc_scope.storage.space import check_out_dir

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.shading.correction import Shading
    from hcc_scope.types import RunSpec

__all__ = ["MAX_IN_FLIGHT_BYTES", "create_store"]

MAX_IN_FLIGHT_BYTES = 256 * 2**20


def create_store(
    out_dir: Path,
    spec: RunSpec,
    *,
    interval_s: float | None = None,
    max_in_flight_bytes: int = MAX_IN_FLIGHT_BYTES,
    shading: Shading | None = None,
) -> SectionWriter:
    """Create ``<animal>_<section>.ome.zarr`` below `out_dir` and return its writer.

    The store appears under its name all at once, with valid metadata: a kill in between leaves a hidden folder without
    frames, nothing else.

    Parameters
    ----------
    out_dir : Path
        Created if it is not there.
    spec : RunSpec
        What is known about the run.
    interval_s : float, optional
        Nominal time between frames, the scale of the time axis; None for an irregular course: the axis has no unit.
    max_in_flight_bytes : int
        How much may wait for the disk before `SectionWriter.append` blocks. One frame always may.
    shading : Shading, optional
        What the run corrects its frames by; kept in the store, and recorded in the writer's spec.

    Raises
    ------
    IdError
        If an id cannot be part of a file name.
    StoreExistsError
        If there is anything of that name: nothing is ever overwritten.
    StoreUnwritableError
        If the folder cannot be written to.
    DiskFullError
        If there is too little space for the plan.
    StoreError
        If `spec` makes no sense.
    """
    path = store_path(out_dir, spec.animal_id, spec.section_id)
    if shading is not None:
        shading.check_fits(spec.frame_shape_yx, spec.bit_depth)
    spec = replace(spec, provenance=begun_provenance(spec.provenance, shading))
    check_spec(spec)
    check_out_dir(out_dir, spec)
    attributes = initial_attributes(
        spec,
        created_utc=datetime.now(UTC).isoformat(),
        interval_s=interval_s,
        software={name: version(name) for name in ("hcc-scope", "tensorstore", "numpy")},
    )
    length = GROW_FRAMES if spec.expected_frames is None else spec.expected_frames
    made = [folder for folder in (out_dir, *out_dir.parents) if not folder.exists()]
    created = False
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        create_skeleton(path, spec, attributes, length, shading_copy(shading))
        created = True
        array = FrameArray(path, spec.frame_shape_yx, pinned=True)
        journal = JournalWriter(path / JOURNAL)
    except (OSError, ValueError, StoreError) as error:  # tensorstore's errors are ValueErrors
        if created:
            remove_empty(path)
        for folder in made:
            with suppress(OSError):  # another program uses it by now
                folder.rmdir()
        if isinstance(error, StoreError):
            raise
        taken = isinstance(error, OSError) and error.errno in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
        if taken and os.path.lexists(path):
            raise taken_error(path) from error  # another program was faster
        raise explain(error, f"The store {path} cannot be created") from error
    return SectionWriter(path, spec, attributes, array, journal, length, max_in_flight_bytes)
