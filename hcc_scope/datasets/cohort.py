"""Write a phantom cohort to disk: images or stores, the manifest, and the truth; all of it or nothing.

Sections are drawn by several processes: drawing holds the interpreter. What they draw depends on the section alone, so
the number of processes changes nothing but the time.
"""

from __future__ import annotations

import contextlib
import csv
import io
import multiprocessing
import os
import queue
import shutil
import uuid
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime, time, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from hcc_scope import __version__
from hcc_scope.atomic_file import create_file, json_bytes, patiently
from hcc_scope.child_processes import children_without_ctrl_c
from hcc_scope.datasets.cohort_plan import CohortSpec, PlannedSection, plan_cohort, truth
from hcc_scope.datasets.given_paths import without_dots
from hcc_scope.datasets.manifest import COHORT_FILE
from hcc_scope.datasets.manifest_rows import COLUMNS
from hcc_scope.errors import DiskFullError, HccScopeError, StoreExistsError
from hcc_scope.phantom import CameraPhysics
from hcc_scope.progress import Progress
from hcc_scope.storage.files import explain
from hcc_scope.storage.folders import leave_none_empty
from hcc_scope.storage.space import RESERVE_BYTES, check_out_dir
from hcc_scope.types import Frame, RunSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.progress import OnProgress

__all__ = ["MANIFEST", "CohortSpec", "write_cohort"]

MANIFEST = "manifest.csv"
STAGE = "draw images"
_IMAGES = "images"
_HIDDEN_LETTERS = 40
"""Of the name, in that of the folder that is filled: names have 255 bytes."""
_POLL_S = 0.2
_LAST_WORDS_S = 10.0
_BYTES_PER_PX = 2
_SPACE_FACTOR = 1.02
"""Noise hardly compresses; headers come on top."""
_SOFTWARE = "HCC-Scope phantom"


def write_cohort(spec: CohortSpec, folder: Path, on_progress: OnProgress, *, jobs: int | None = None) -> Path:
    """Draw a cohort and return its manifest.

    Parameters
    ----------
    spec : CohortSpec
        What to draw.
    folder : Path
        Where; must not exist yet. It appears when it is complete.
    on_progress : callable
        Takes a `Progress` after each image.
    jobs : int, optional
        Processes that draw; by default one per core. 1 draws in this one.

    Returns
    -------
    Path
        ``manifest.csv`` in `folder`; ``cohort.json`` beside it holds the truth.

    Raises
    ------
    UsageError
        If the images do not fit into the sections.
    StoreExistsError
        If there is anything at `folder`: nothing is ever overwritten.
    DiskFullError, StoreUnwritableError, StoreError
        If it cannot be written; nothing is left behind.
    """
    folder = without_dots(folder)
    try:
        folder.lstat()
    except (FileNotFoundError, NotADirectoryError):  # what is above it is looked at with the space
        pass
    except OSError as error:  # such as a name of 300 letters: before anything is drawn
        raise explain(error, f"The cohort cannot be written to {folder}") from error
    else:
        raise StoreExistsError(f"{folder} exists; nothing is overwritten", hint="Choose a new folder with --out.")
    planned = plan_cohort(spec)
    _require_space(spec, folder.parent, sum(len(one.fields) for one in planned))
    hidden = folder.with_name(f".{folder.name[:_HIDDEN_LETTERS]}.{uuid.uuid4().hex[:8]}.partial")
    made = contextlib.ExitStack()
    try:
        made.enter_context(leave_none_empty(folder.parent))
        (hidden / _IMAGES).mkdir(parents=True)
        n_jobs = min(jobs or os.cpu_count() or 1, len(planned))
        _draw_all(spec, planned, hidden, on_progress, n_jobs)
        create_file(hidden / MANIFEST, _manifest_text(spec, planned).encode())
        software = {"hcc-scope": __version__, **{name: version(name) for name in ("numpy", "scipy")}}
        create_file(hidden / COHORT_FILE, json_bytes({**truth(spec, planned), "software": software}))
        if os.path.lexists(folder):
            raise StoreExistsError(f"{folder} exists; nothing is overwritten", hint="Choose a new folder with --out.")
        patiently(lambda: hidden.rename(folder))
    except OSError as error:
        raise explain(error, f"The cohort cannot be written to {folder}") from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        made.close()
    return folder / MANIFEST


def _require_space(spec: CohortSpec, folder: Path, n_images: int) -> None:
    need = int(n_images * spec.image_px**2 * _BYTES_PER_PX * _SPACE_FACTOR) + RESERVE_BYTES
    try:
        check_out_dir(folder, need_bytes=need)
    except DiskFullError as error:
        raise DiskFullError(
            f"{error.message} for {n_images} images of {spec.image_px} px",
            hint="Free some space, choose another disk, or draw fewer or smaller images.",
        ) from error


# ---- the manifest ---------------------------------------------------------------------------------------------------


def _image_name(one: PlannedSection, number: int) -> str:
    return f"{_IMAGES}/{one.animal}_{one.section}_{number:03d}.tif"


def _manifest_text(spec: CohortSpec, planned: tuple[PlannedSection, ...]) -> str:
    from hcc_scope.storage.naming import store_name

    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for one in planned:
        names = (
            [f"{_IMAGES}/{store_name(one.animal, one.section)}"]
            if spec.stores
            else [_image_name(one, number) for number in range(1, len(one.fields) + 1)]
        )
        lines.writerows(
            (name, one.tumour_class, one.animal, one.section, one.day, repr(spec.pixel_size_um)) for name in names
        )
    return text.getvalue()


# ---- drawing --------------------------------------------------------------------------------------------------------


def _images(spec: CohortSpec, one: PlannedSection) -> Iterator[NDArray[np.uint16]]:
    """Yield the frames of one section in the order of its fields."""
    specimen = one.specimen(spec)
    camera = CameraPhysics()
    shape = (spec.image_px, spec.image_px)
    for field in one.fields:
        light = specimen.render(field.x_um, field.y_um, field.z_um, shape, spec.pixel_size_um)
        yield camera.expose(light, exposure_ms=field.exposure_ms, noise_seed=field.noise_seed, day=specimen.day_effect)


def _draw_section(spec: CohortSpec, one: PlannedSection, folder: Path, on_image: Callable[[], None]) -> None:
    (_write_store if spec.stores else _write_tiffs)(spec, one, folder, on_image)


def _write_tiffs(spec: CohortSpec, one: PlannedSection, folder: Path, on_image: Callable[[], None]) -> None:
    import tifffile

    per_cm = 1e4 / spec.pixel_size_um
    for number, pixels in enumerate(_images(spec, one), start=1):
        tifffile.imwrite(
            folder / _image_name(one, number),
            pixels,
            photometric="minisblack",
            compression="zlib",
            compressionargs={"level": 1},
            predictor=True,
            resolution=(per_cm, per_cm),
            resolutionunit="CENTIMETER",
            software=_SOFTWARE,
            description=f"synthetic phantom, not tissue; {spec.pixel_size_um} um per px",
            metadata=None,
        )
        on_image()


def _write_store(spec: CohortSpec, one: PlannedSection, folder: Path, on_image: Callable[[], None]) -> None:
    from hcc_scope.storage.writer import create_store

    camera = CameraPhysics()
    run = RunSpec(
        frame_shape_yx=(spec.image_px, spec.image_px),
        bit_depth=camera.bit_depth,
        pixel_size_um=spec.pixel_size_um,
        animal_id=one.animal,
        section_id=one.section,
        expected_frames=len(one.fields),
        provenance={
            "specimen": "synthetic phantom, not tissue",
            "phantom_seed": spec.seed,
            "phantom_class": one.tumour_class,
            "phantom_day": one.day,
        },
    )
    start = datetime.combine(datetime.fromisoformat(one.day), time(9), tzinfo=UTC)
    with create_store(folder / _IMAGES, run) as writer:
        for seq, (field, pixels) in enumerate(zip(one.fields, _images(spec, one), strict=True)):
            pixels.flags.writeable = False
            writer.append(
                Frame(
                    seq=seq,
                    pixels=pixels,
                    t_mono_ns=seq * 10**9,
                    t_utc=start + timedelta(seconds=seq),
                    exposure_ms=field.exposure_ms,
                    section_id=one.section,
                    stage_um=(field.x_um, field.y_um, field.z_um),
                    pixel_size_um=spec.pixel_size_um,
                    bit_depth=camera.bit_depth,
                    tags={"phantom": True},
                )
            )
            on_image()
    writer.finalise({"state": "completed"})


# ---- processes ------------------------------------------------------------------------------------------------------


def _draw_all(
    spec: CohortSpec, planned: tuple[PlannedSection, ...], folder: Path, on_progress: OnProgress, jobs: int
) -> None:
    total = sum(len(one.fields) for one in planned)
    done = 0

    def on_image() -> None:
        nonlocal done
        done += 1
        on_progress(Progress(STAGE, done, total))

    if jobs == 1:
        for one in planned:
            _draw_section(spec, one, folder, on_image)
        return
    # spawned: a fork would copy the locks of whatever threads this process has
    context = multiprocessing.get_context("spawn")
    drawn, stop = context.Queue(), context.Event()
    pool = ProcessPoolExecutor(jobs, context, _begin, (drawn, stop))
    try:
        with children_without_ctrl_c():
            left = {pool.submit(_draw_in_process, spec, one, folder) for one in planned}
        while left:
            ended, left = wait(left, _POLL_S, FIRST_COMPLETED)
            with contextlib.suppress(queue.Empty):
                while True:
                    drawn.get_nowait()
                    on_image()
            for one_ended in ended:
                one_ended.result()
        while done < total:  # the last words are still on their way
            drawn.get(timeout=_LAST_WORDS_S)
            on_image()
    except BrokenProcessPool as error:
        raise HccScopeError(
            "A process that draws images ended without a word", hint="Is there enough memory? Take fewer with --jobs."
        ) from error
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        drawn.close()
        drawn.join_thread()


_in_process: tuple[Any, Any] | None = None
"""In a drawing process: where to report images, and whether to stop."""


class _Stopped(Exception):  # noqa: N818 - a signal, not an error
    """The process that requested the images no longer needs them."""


def _begin(drawn: Any, stop: Any) -> None:  # noqa: ANN401 - multiprocessing's proxies have no public types
    global _in_process
    _in_process = drawn, stop


def _draw_in_process(spec: CohortSpec, one: PlannedSection, folder: Path) -> None:
    assert _in_process is not None
    drawn, stop = _in_process

    def on_image() -> None:
        drawn.put(1)
        if stop.is_set():
            raise _Stopped

    if stop.is_set():
        raise _Stopped
    _draw_section(spec, one, folder, on_image)
