"""Fields as OME-Zarr images at their places: what reads their translations shows them as a map of the section.

The layout is that of bioformats2raw: one image for each field, in groups 0, 1, 2 ..., and ``OME/METADATA.ome.xml``
about all of them. An image is (z, y, x) with one plane, as some viewers know no image without z. Its `translation` is
where the centre of its first pixel lies, as OME-Zarr counts.

A field's only shard is a second name (a hard link) of the frame's file in the store: no byte is copied, the field stays
when the section is deleted, and the store when the export is. The field is written anew where there can be no second
name (on another disk), where the store is packed (`hcc_scope.storage.packing`), and where the camera is turned or
mirrored: OME-Zarr 0.5 has no place for a turn.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import json_bytes
from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.exports.geometry import lay_out_section
from hcc_scope.exports.ome_xml import OmeImage, ome_xml
from hcc_scope.exports.outcome import ExportOutcome
from hcc_scope.exports.target import export_name, exported
from hcc_scope.formatting import counted
from hcc_scope.position_tags import describe_island
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.storage.field_array import FIELD_SHARD, field_metadata, write_field
from hcc_scope.storage.metadata import omero_metadata
from hcc_scope.storage.space import check_out_dir
from hcc_scope.time_tags import time_is_known

if TYPE_CHECKING:
    from hcc_scope.exports.geometry import FieldPlace, SectionGeometry
    from hcc_scope.progress import OnProgress
    from hcc_scope.storage.journal import JournalEntry
    from hcc_scope.storage.reader import SectionStore

__all__ = ["export_fields"]

_METADATA_BYTES = 32 * 1024
"""Of the folders and files about one field, at most."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a link is refused for although the disk knows them."""


def export_fields(
    store: SectionStore, target: Path, *, shared: bool = True, on_progress: OnProgress = ignore_progress
) -> ExportOutcome:
    """Write a folder of OME-Zarr 0.5 images, one for each field.

    Parameters
    ----------
    store : SectionStore
    target : Path
        The folder to make.
    shared : bool
        Whether the fields may be the store's own files. Those are not decoded, so their checksums are not compared.
    on_progress : callable

    Raises
    ------
    StoreError
        If there is no field.
    StoreExistsError, StoreUnwritableError, DiskFullError, UsageError
        If it cannot be written.
    """
    geometry = lay_out_section(store)
    if not geometry.fields:
        raise StoreError(f"{store.place} has no field to export", hint="Its journal lists no frame that can be read.")
    n = len(geometry.fields)
    left_out = [*geometry.left_out, *geometry.caveats]
    may_link = shared and geometry.orientation.is_upright and store.layout.shard_frames == 1
    need_bytes = n * (_METADATA_BYTES + (0 if may_link else _frame_bytes(store)))
    with exported(target, need_bytes) as part:
        writer = _FieldWriter(store, geometry, part, shared=shared)
        written: list[FieldPlace] = []
        for done, field in enumerate(geometry.fields):
            on_progress(Progress("fields", done, n))
            try:
                writer.write(len(written), field)
            except StoreDamagedError as error:
                left_out.append(str(error))
            else:
                written.append(field)
        if not written:
            raise StoreError(f"{store.place} has no field to export: every frame is damaged or missing")
        writer.close(written)
        on_progress(Progress("fields", n, n))
    return ExportOutcome(target, f"{counted(len(written), 'field')}, {writer.describe(len(written))}", tuple(left_out))


class _FieldWriter:
    """Writes the images of fields below a folder."""

    def __init__(self, store: SectionStore, geometry: SectionGeometry, folder: Path, *, shared: bool) -> None:
        self._store, self._geometry, self._folder = store, geometry, folder
        self._turned = not geometry.orientation.is_upright
        self._shared = shared
        self._can_link = shared
        self._n_linked = 0
        self._array = json_bytes(field_metadata(geometry.field_shape_yx))
        self._array_file = ""
        (folder / "OME").mkdir(parents=True)

    def describe(self, n: int) -> str:
        """Return how the pixels of `n` fields were written, as text."""
        if self._n_linked:
            some = "" if self._n_linked == n else f"{self._n_linked:,} of them "
            return f"{some}sharing the section's files, whose checksums were not compared"
        if self._turned:
            return "turned as they lie on the stage"
        why = ", as the section's files cannot have a second name there" if self._shared and not self._can_link else ""
        return f"copied{why}"

    def write(self, number: int, field: FieldPlace) -> None:
        """Write one field.

        Raises
        ------
        StoreDamagedError
            If its frame is damaged or missing; nothing of it is written then.
        """
        entry = self._store.journal[field.seq]
        assert entry is not None  # else the field has no place
        file = None if self._turned else self._store.own_file(field.seq)
        is_linked = file is not None and self._can_link
        frame = None if is_linked else self._store.read(field.seq)
        image = f"{self._folder}/{number}"
        array, shard = f"{image}/0", f"{image}/0/{FIELD_SHARD}"
        os.mkdir(image)  # noqa: PTH102 - a path object each would take as long as all else
        os.mkdir(array)  # noqa: PTH102 - as above
        self._write_array(f"{array}/zarr.json")
        _write(f"{image}/zarr.json", json.dumps(self._image(field, entry), ensure_ascii=False).encode())
        if file is not None and is_linked and self._link(file, shard):
            return
        if frame is None:
            try:
                frame = self._store.read(field.seq)
            except StoreDamagedError:
                shutil.rmtree(image)
                raise
        write_field(Path(array), self._geometry.upright(frame.pixels))

    def _write_array(self, path: str) -> None:
        """Write the facts of an array: where files may be shared, as a second name of those of the array before."""
        if self._can_link and self._array_file:
            with suppress(OSError):  # no second names here, or no more of this file
                os.link(self._array_file, path)
                return
        _write(path, self._array)
        self._array_file = path

    def _link(self, file: Path, shard: str) -> bool:
        """Give a file of the store a second name; False where that cannot be done."""
        try:
            os.link(file, shard)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise
            self._can_link = False
            left = len(self._geometry.fields) - self._n_linked
            check_out_dir(self._folder.parent, need_bytes=left * _frame_bytes(self._store))
            return False
        self._n_linked += 1
        return True

    def _image(self, field: FieldPlace, entry: JournalEntry) -> dict[str, Any]:
        spec = self._store.spec
        pixel = spec.pixel_size_um
        x_um, y_um = (corner + pixel / 2 for corner in field.corner_um)
        multiscale = {
            "name": self._name(field),
            # a plane has no known thickness: its scale of 1.0, which OME-Zarr asks for, counts planes
            "axes": [
                {"name": "z", "type": "space"},
                {"name": "y", "type": "space", "unit": "micrometer"},
                {"name": "x", "type": "space", "unit": "micrometer"},
            ],
            "datasets": [
                {
                    "path": "0",
                    "coordinateTransformations": [
                        {"type": "scale", "scale": [1.0, pixel, pixel]},
                        {"type": "translation", "translation": [0.0, y_um, x_um]},
                    ],
                }
            ],
        }
        frame = {
            "animal_id": spec.animal_id,
            "section_id": spec.section_id,
            "seq": entry.seq,
            "t_utc": entry.t_utc.isoformat() if time_is_known(entry.tags) else None,
            "stage_um": None if entry.stage_um is None else list(entry.stage_um),
            "crc32": None if self._turned else entry.crc32,
        }
        return _group({"ome": {"version": "0.5", "multiscales": [multiscale], "omero": omero_metadata(spec)},
                       "hcc_scope_frame": frame})  # fmt: skip

    def _name(self, field: FieldPlace) -> str:
        apart = field.stage is not None and self._geometry.islands.apart
        island = f", {describe_island(field.stage.island)}" if apart and field.stage is not None else ""
        return f"{export_name(self._store.place, '')} field {field.seq}{island}"

    def close(self, written: list[FieldPlace]) -> None:
        """Write what is about all of the fields."""
        (self._folder / "zarr.json").write_bytes(
            json_bytes(_group({"ome": {"version": "0.5", "bioformats2raw.layout": 3}}))
        )
        series = [str(number) for number in range(len(written))]
        ome = self._folder / "OME"
        (ome / "zarr.json").write_bytes(json_bytes(_group({"ome": {"version": "0.5", "series": series}})))
        images = [
            OmeImage(self._name(field), self._geometry.field_shape_yx, [self._store.journal[field.seq]])
            for field in written
        ]
        with (ome / "METADATA.ome.xml").open("xb") as file:
            file.writelines(ome_xml(self._store.spec, images, self._geometry.orientation.of_upright))


def _write(path: str, data: bytes) -> None:
    with open(path, "xb", buffering=0) as file:  # noqa: PTH123 - as above
        file.write(data)


def _group(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def _frame_bytes(store: SectionStore) -> int:
    height, width = store.spec.frame_shape_yx
    return 2 * height * width
