"""The usable tiles of a labelled set, cut once and kept on disk.

Tiles are cut and judged by the code of the live pipeline (`TileGrid`, `quality.assess`), and kept as counts: the
normalisation is inside the model. One folder per set, named by its fingerprint::

    .hcc-scope-tiles/<fingerprint[:12]>/
        tiles/          zarr array (n, 512, 512), see `hcc_scope.storage.tile_array`
        index.json      which tile is whose; written last

The folder gets its name when it is complete: a killed or failed cut leaves a hidden folder that the next one removes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections import Counter
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.atomic_file import create_file, json_bytes, patiently
from hcc_scope.datasets.given_paths import without_dots
from hcc_scope.datasets.images import classified_pixels, read_pixels
from hcc_scope.datasets.labelled_image import CLASSES, LabelledImage, LabelledSet
from hcc_scope.datasets.landmarks import Landmarks, Overlap, Region, landmarks_of, overlaps_of
from hcc_scope.datasets.parallel import n_workers, over
from hcc_scope.datasets.tiles import TileTable
from hcc_scope.errors import DatasetError, DiskFullError, StoreError, StoreExistsError, StoreUnwritableError
from hcc_scope.flag_texts import describe_reason_counts, reason_names
from hcc_scope.progress import Progress
from hcc_scope.quality import QualityLimits, assess
from hcc_scope.small_files import read_small_file
from hcc_scope.storage.files import explain, lock
from hcc_scope.storage.space import RESERVE_BYTES
from hcc_scope.storage.tile_array import TileArray, TileArrayWriter
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.progress import OnProgress

__all__ = ["CACHE_FOLDER", "TILE_PX", "cut_tiles", "digest_of"]

CACHE_FOLDER = ".hcc-scope-tiles"
TILE_PX = 512
STAGE = "cut tiles"

_FORMAT = 3
_INDEX = "index.json"
_TILES = "tiles"
_LOCK = "lock"
_CHECKSUM = "sha256"
_MOST_INDEX_BYTES = 1 << 30
_ELSEWHERE = "Choose another folder with --cache DIR."


@dataclass(frozen=True, slots=True)
class _Cut:
    """What one image gave."""

    digest: str
    kept: NDArray[np.intp]
    tiles: NDArray[np.uint16]
    excluded: Counter[str]
    landmarks: Landmarks


def cut_tiles(data: LabelledSet, folder: Path | None, on_progress: OnProgress) -> TileTable:
    """Return the usable tiles of a set: cut from its images, or as they were cut before.

    Parameters
    ----------
    data : LabelledSet
        As `read_manifest` returns it.
    folder : Path or None
        Where caches are kept, each under its set's fingerprint; None for ``.hcc-scope-tiles`` beside the manifest.
    on_progress : callable
        Takes a `Progress` after each image; is not called for a cache that is there.

    Returns
    -------
    TileTable
        Its reader opens the cache again where it is unpickled. An image without a usable tile stays in `images`.

    Raises
    ------
    ImageError
        If an image cannot be read.
    DatasetError
        If a class has no usable tile.
    DiskFullError
        If there is no room; nothing is left behind.
    StoreUnwritableError
        If the folder cannot be written to.
    """
    parent = data.manifest.parent / CACHE_FOLDER if folder is None else without_dots(folder)
    place = parent / data.fingerprint[:12]
    table = _found(place, data)
    if table is None:
        _make(place, data, on_progress)
        table = _found(place, data)
    if table is None:
        raise StoreError(f"The tiles in {place} cannot be read back", hint="Check the disk.")
    usable = {data.images[i].tumour_class for i in np.unique(table.image_index)}
    if missing := [name for name in CLASSES if name not in usable]:
        reasons = ", ".join(describe_reason_counts(table.excluded)) or "none was cut"
        raise DatasetError(
            f"No tile of class {' or '.join(missing)} in {data.manifest} passes quality ({reasons})",
            hint="Look at these images: are they in focus, exposed, and on tissue?",
        )
    return table


def digest_of(pixels: NDArray[np.uint16]) -> str:
    """Return the sha256 of an image's shape and pixels: equal for copies, whatever their files are."""
    digest = hashlib.sha256(f"{pixels.shape[0]} {pixels.shape[1]}\n".encode())
    digest.update(np.ascontiguousarray(pixels, dtype="<u2").data)
    return digest.hexdigest()


# ---- making ---------------------------------------------------------------------------------------------------------


def _make(place: Path, data: LabelledSet, on_progress: OnProgress) -> None:
    need = sum(TileGrid.for_frame(image.shape_yx, TILE_PX).n for image in data.images) * 2 * TILE_PX**2
    what = f"The tiles of {len(data.images)} images, up to {need / 1e9:.2f} GB, cannot be kept in {place.parent}"
    hidden = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(place)
        _require_space(place.parent, need, what)
        hidden.mkdir()
        with (hidden / _LOCK).open("wb") as held:
            lock(held.fileno())
            (hidden / _TILES).mkdir()
            index = _write(hidden / _TILES, data, on_progress)
            create_file(hidden / _INDEX, json_bytes({**index, _CHECKSUM: _checksum(index)}))
        (hidden / _LOCK).unlink()
        _give_name(hidden, place, data)
    except OSError as error:
        raise _explained(explain(error, what)) from error
    except (DiskFullError, StoreUnwritableError) as error:
        raise _explained(error, what) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _require_space(folder: Path, need: int, what: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < need + RESERVE_BYTES:
        raise DiskFullError(f"{what}: {free / 1e9:.2f} GB are free")


def _explained(error: StoreError, what: str | None = None) -> StoreError:
    """Return an error of the disk with what was to be done, and the way out."""
    message = error.message if what is None or error.message.startswith(what) else f"{what}: {error.message}"
    if isinstance(error, DiskFullError):
        return DiskFullError(message, hint=f"Free some space. {_ELSEWHERE}")
    if isinstance(error, StoreUnwritableError):
        return StoreUnwritableError(message, hint=_ELSEWHERE)
    return error


def _write(folder: Path, data: LabelledSet, on_progress: OnProgress) -> dict[str, Any]:
    """Write the tiles and return the index."""
    limits = QualityLimits()
    excluded: Counter[str] = Counter()
    images: list[dict[str, Any]] = []
    landmarks: list[Landmarks] = []
    writer = TileArrayWriter(folder, TILE_PX)
    try:
        with closing(_cut_all(data, limits)) as cuts:
            for image, cut in zip(data.images, cuts, strict=True):
                writer.append(cut.tiles)
                excluded += cut.excluded
                landmarks.append(cut.landmarks)
                images.append({"digest": cut.digest, "tiles": cut.kept.tolist()})
                on_progress(Progress(STAGE, len(images), len(data.images), image.name))
        writer.close()
    finally:
        writer.abandon()
    array = TileArray(folder, TILE_PX, writer.n_tiles)
    return {
        "format": _FORMAT,
        "fingerprint": data.fingerprint,
        "tile_px": TILE_PX,
        "n_tiles": writer.n_tiles,
        "limits": limits.as_dict(),
        "excluded": dict(sorted(excluded.items())),
        "shard_bytes": [path.stat().st_size for path in array.shard_files()],
        "images": images,
        "overlaps": [asdict(overlap) for overlap in overlaps_of(landmarks, data.images)],
    }


def _cut_all(data: LabelledSet, limits: QualityLimits) -> Generator[_Cut]:
    grids = {shape: TileGrid.for_frame(shape, TILE_PX) for shape in {image.shape_yx for image in data.images}}

    def cut(image: LabelledImage) -> _Cut:
        raw = read_pixels(image)
        pixels = classified_pixels(image, raw)
        grid = grids[image.shape_yx]
        flags = assess(pixels, grid, limits, image.bit_depth, raw=raw).flags
        kept = np.flatnonzero(flags == 0)
        excluded = Counter(reason for flag in flags.tolist() for reason in reason_names(flag))
        return _Cut(digest_of(raw), kept, grid.cut(pixels, kept), excluded, landmarks_of(raw, grid, kept))

    return over(data.images, cut, n_workers())


def _remove_leftovers(place: Path) -> None:
    """Remove what killed cuts of this set left; not what another process is cutting just now."""
    for left in place.parent.glob(f".{place.name}.*.partial"):
        with suppress(OSError):
            with (left / _LOCK).open("r+b") as held:  # one that has none yet is being made just now
                dead = lock(held.fileno())
            if dead:
                shutil.rmtree(left, ignore_errors=True)


def _give_name(hidden: Path, place: Path, data: LabelledSet) -> None:
    """Make a complete cache visible; what is there under its name is another's, equal, or useless."""
    for attempts_left in (1, 0):
        if os.path.lexists(place):
            if _found(place, data) is not None:
                return  # another process was faster
            if not place.is_dir() or any(path.name not in {_INDEX, _TILES, _LOCK} for path in place.iterdir()):
                raise StoreExistsError(f"{place} is no cache of tiles; nothing is overwritten", hint=_ELSEWHERE)
            shutil.rmtree(place)
        try:
            patiently(lambda: hidden.rename(place))
        except OSError:
            if not attempts_left or not os.path.lexists(place):
                raise
        else:
            return


# ---- finding --------------------------------------------------------------------------------------------------------


def _found(place: Path, data: LabelledSet) -> TileTable | None:
    """Return the cache that is there if it is this set's and whole, else None."""
    try:
        index = json.loads(read_small_file(place / _INDEX, _MOST_INDEX_BYTES))
        if index.pop(_CHECKSUM) != _checksum(index):
            return None
        if (index["format"], index["fingerprint"], index["tile_px"]) != (_FORMAT, data.fingerprint, TILE_PX):
            return None
        if index["limits"] != QualityLimits().as_dict() or len(index["images"]) != len(data.images):
            return None
        kept = [np.array(image["tiles"], dtype=np.int64) for image in index["images"]]
        overlaps = tuple(_overlap(one, len(data.images)) for one in index["overlaps"])
        digests = tuple(str(image["digest"]) for image in index["images"])
        n_tiles = sum(map(len, kept))
        reader = TileArray(place / _TILES, TILE_PX, n_tiles)
        sizes = [path.stat().st_size for path in reader.shard_files()]
        if n_tiles != index["n_tiles"] or sizes != index["shard_bytes"]:
            return None
        excluded = {str(reason): int(n) for reason, n in index["excluded"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return TileTable(
        images=data.images,
        image_index=np.repeat(np.arange(len(kept), dtype=np.int64), [len(tiles) for tiles in kept]),
        tile_index=np.concatenate(kept) if kept else np.empty(0, np.int64),
        reader=reader,
        tile_px=TILE_PX,
        digests=digests,
        overlaps=overlaps,
        excluded=excluded,
    )


def _checksum(index: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()


def _overlap(kept: dict[str, Any], n_images: int) -> Overlap:
    """Return what the index states about two images.

    Raises
    ------
    ValueError, KeyError, TypeError
        If it is not what `_write` writes.
    """
    one, other, shared = (int(kept[name]) for name in ("one", "other", "shared"))
    if not (0 <= one < n_images and 0 <= other < n_images):
        raise ValueError(f"there is no image {one} or {other}")
    in_one, in_other = (Region(*map(int, kept[name])) for name in ("in_one", "in_other"))
    return Overlap(one, other, shared, in_one, in_other, bool(kept["turned"]))
