"""Fields as OME-Zarr images and frames as an OME-TIFF: other programs read what was stored, and where."""

from __future__ import annotations

import errno
import json
import os
import signal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
import yaozarrs
import zarr
from library_parts import stored_section
from storage_cases import make_frame, make_pixels, make_spec

from hcc_scope.datasets.ome import FRAME_NAMESPACE
from hcc_scope.errors import DiskFullError, StoreDamagedError, StoreError
from hcc_scope.exports.fields import export_fields
from hcc_scope.exports.frames import export_frames
from hcc_scope.exports.ome_xml import OmeImage, ome_xml
from hcc_scope.orientation import NOT_TURNED, Orientation
from hcc_scope.position_tags import PositionOrigin, position_tags
from hcc_scope.retakes import retake_tags
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.packing import pack_store
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hcc_scope.storage.reader import SectionStore

N = 3
OME = {"o": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}


def stored(
    folder: Path,
    shape_yx: tuple[int, int] = (70, 90),
    n: int = N,
    *,
    frames: Mapping[int, Mapping[str, Any]] = MappingProxyType({}),
    **changes: object,
) -> SectionStore:
    writer = create_store(folder, make_spec(shape_yx, **changes))
    with writer:
        for seq in range(n):
            writer.append(make_frame(seq, shape_yx, **frames.get(seq, {})))
    return open_store(writer.path)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def images(folder: Path) -> list[tuple[Any, list[float], list[float]]]:
    """Return pixels, scale and translation of each image, as zarr-python reads them, by ``OME/METADATA.ome.xml``."""
    root = zarr.open_group(folder, mode="r")
    assert root.attrs["ome"]["bioformats2raw.layout"] == 3
    series = root["OME"].attrs["ome"]["series"]
    xml = ElementTree.parse(folder / "OME" / "METADATA.ome.xml")
    assert [one.get("ID") for one in xml.iterfind("o:Image", OME)] == [f"Image:{path}" for path in series]
    found = []
    for path in series:
        (multiscale,) = root[path].attrs["ome"]["multiscales"]
        (level,) = multiscale["datasets"]
        scale, translation = level["coordinateTransformations"]
        found.append((root[f"{path}/{level['path']}"][:], scale["scale"], translation["translation"]))
    return found


@pytest.mark.parametrize(
    ("shape_yx", "matrix"),
    [
        ((70, 90), NOT_TURNED),
        ((513, 91), NOT_TURNED),  # odd, and beyond one chunk
        ((70, 91), (-1.0, 0.0, 0.0, 1.0)),
        ((71, 90), (0.0, -1.0, 1.0, 0.0)),
    ],
)
def test_every_pixel_of_a_field_lies_where_it_was_taken(
    tmp_path: Path, shape_yx: tuple[int, int], matrix: tuple[float, float, float, float]
) -> None:
    store = stored(tmp_path, shape_yx, camera_axes=matrix)
    before = bytes_of(store.path)
    made = export_fields(store, tmp_path / "fields.zarr")
    assert bytes_of(store.path) == before
    yaozarrs.validate_zarr_store(str(made.path / "1"))
    upright = matrix == NOT_TURNED
    assert (made.path / "1/0/c.0.0.0").samefile(store.path / "frames/0/c/1/0/0") is upright
    assert made.what.startswith("3 fields, sharing" if upright else "3 fields, turned")
    for seq, (pixels, scale, translation) in enumerate(images(made.path)):
        assert scale == [1.0, 0.325, 0.325]
        (plane,) = pixels
        assert plane.size == shape_yx[0] * shape_yx[1]
        # the corners of the frame, as the camera took it, by the convention of the store
        for row, column in ((0, 0), (shape_yx[0] - 1, 5)):
            offset = np.array([column + 0.5 - shape_yx[1] / 2, row + 0.5 - shape_yx[0] / 2])
            stage = Orientation(matrix).to_stage_um(offset, 0.325) + np.array([100.1 * seq, -1 / 3])
            x, y = (stage - (translation[2], translation[1])) / 0.325
            assert plane[round(y), round(x)] == make_pixels(seq, shape_yx)[row, column]
            assert (x, y) == pytest.approx((round(x), round(y)), abs=1e-6)


def test_fields_are_copied_where_their_files_can_have_no_second_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stored(tmp_path)
    damaged = store.path / "frames/0/c/1/0/0"
    data = bytearray(damaged.read_bytes())
    data[40] ^= 1
    damaged.write_bytes(data)

    def refused(*_paths: object) -> None:
        raise OSError(errno.EXDEV, "another disk")

    monkeypatch.setattr(os, "link", refused)
    made = export_fields(store, tmp_path / "fields.zarr")
    assert made.what == "2 fields, copied, as the section's files cannot have a second name there"
    (left_out,) = made.left_out
    assert "Frame 1 in" in left_out
    for seq, (pixels, _, _) in zip((0, 2), images(made.path), strict=True):
        np.testing.assert_array_equal(pixels[0], make_pixels(seq))
    monkeypatch.undo()
    copied = export_fields(store, tmp_path / "copied.zarr", shared=False)
    assert copied.what == "2 fields, copied"
    assert (copied.path / "0/0/c.0.0.0").stat().st_nlink == 1


def test_fields_of_a_packed_section_are_copied_and_those_shared_before_stay(tmp_path: Path) -> None:
    path = stored_section(tmp_path)
    before = export_fields(open_store(path), tmp_path / "before.zarr")
    pack_store(path)
    after = export_fields(open_store(path), tmp_path / "after.zarr")
    assert after.what == "4 fields, copied"
    for one, other in zip(images(before.path), images(after.path), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1:] == other[1:]


def test_a_retake_lies_in_the_place_of_its_field_and_islands_lie_apart(tmp_path: Path) -> None:
    away = {"stage_um": (0.0, 0.0, None), "tags": position_tags(PositionOrigin("tracked", 1, 0.2))}
    again = {"stage_um": (0.0, 0.0, None), "tags": retake_tags(0, "blurred")}
    store = stored(tmp_path, frames={1: away, 2: again})
    NotesWriter(store.path).add("retake", "blurred", 2, replaces=0)
    made = export_fields(store, tmp_path / "fields.zarr")
    names = [zarr.open_group(made.path / str(k), mode="r").attrs["ome"]["multiscales"][0]["name"] for k in range(2)]
    assert names == ["M1_S2 field 1, island 1", "M1_S2 field 2, island 0"]
    assert made.left_out == (
        "1 frame not drawn, as a retake of the field counts",
        "islands are drawn apart: where they lie to each other is not known",
    )
    (_, _, first), (_, _, second) = images(made.path)
    assert abs(first[2] - second[2]) > 90 * 0.325, "both were taken at the same coordinates"


def test_a_section_without_positions_lies_in_rows_and_one_without_frames_is_refused(tmp_path: Path) -> None:
    nowhere = {seq: {"stage_um": None} for seq in range(N)}
    made = export_fields(stored(tmp_path, frames=nowhere), tmp_path / "fields.zarr")
    assert made.left_out == ("no field has a position: all lie in rows, in the order of their numbers",)
    empty = stored(tmp_path / "empty", n=0)
    for export in (export_fields, export_frames):
        with pytest.raises(StoreError, match=r"has no f.* to export"):
            export(empty, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def plane_facts(xml: str) -> list[dict[str, str]]:
    """Return the attributes of each plane, and what its annotation holds."""
    root = ElementTree.fromstring(xml)
    notes = {
        one.get("ID"): {m.get("K"): m.text for m in one.iterfind("o:Value/o:M", OME)}
        for one in root.iterfind(f"o:StructuredAnnotations/o:MapAnnotation[@Namespace='{FRAME_NAMESPACE}']", OME)
    }
    return [
        {**plane.attrib, **notes[plane.find("o:AnnotationRef", OME).get("ID")]}  # type: ignore[union-attr]
        for plane in root.iterfind("o:Image/o:Pixels/o:Plane", OME)
    ]


@pytest.mark.parametrize("largest_classic", [1 << 32, 1000])
def test_a_stack_holds_every_frame_and_what_is_known_about_it(tmp_path: Path, largest_classic: int) -> None:
    store = stored(tmp_path)
    made = export_frames(store, tmp_path / "frames.ome.tif", largest_classic=largest_classic)
    assert made.what == "3 frames, time = number of the frame"
    with tifffile.TiffFile(made.path) as file:
        assert file.is_bigtiff is (largest_classic == 1000)
        (series,) = file.series
        assert (series.kind, series.axes, series.shape) == ("ome", "TYX", (N, 70, 90))
        np.testing.assert_array_equal(series.asarray(), [make_pixels(seq) for seq in range(N)])
        facts = plane_facts(file.ome_metadata or "")
    for seq, (fact, entry) in enumerate(zip(facts, store.journal, strict=True)):
        assert entry is not None
        assert (float(fact["PositionX"]), float(fact["PositionY"])) == (100.1 * seq, -1 / 3)
        assert "PositionZ" not in fact
        assert float(fact["ExposureTime"]) == entry.exposure_ms
        assert float(fact["DeltaT"]) == pytest.approx(0.038 * seq, abs=1e-9)
        assert fact["t_utc"] == entry.t_utc.isoformat()
        assert (fact["seq"], fact["em_gain"], fact["camera_frame"]) == (str(seq), "300.0", str(1000 + seq))
        assert (fact["ImageNumber"], fact["hot"], fact["roi"]) == (f'"{seq}"', "true", "null")
        assert fact["line\nend"] == "\\u2028 \\udc80"


def test_a_full_disk_is_reported_as_one(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="Windows knows no limit on the size of a file")
    store = stored(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(DiskFullError, match="no space is left"):
            export_frames(store, tmp_path / "frames.tif")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [path.name for path in tmp_path.iterdir()] == [store.path.name]


def test_a_description_comes_in_pieces_that_do_not_grow_with_the_frames(tmp_path: Path) -> None:
    store = stored(tmp_path)
    image = OmeImage("many", (70, 90), [store.journal[0]] * 1000)
    pieces = list(ome_xml(store.spec, [image], Orientation()))
    assert max(map(len, pieces)) < 1 << 17 < sum(map(len, pieces))
    assert len(plane_facts(b"".join(pieces).decode())) == 1000


def test_a_damaged_frame_leaves_its_time_without_a_page(tmp_path: Path) -> None:
    store = stored(tmp_path)
    (store.path / "frames/0/c/1/0/0").unlink()
    made = export_frames(store, tmp_path / "frames.ome.tif")
    (left_out,) = made.left_out
    assert left_out == f"Frame 1 in {store.path / 'frames/0/c/1/0/0'} is missing"
    with tifffile.TiffFile(made.path) as file:
        assert len(file.pages) == 2
        root = ElementTree.fromstring(file.ome_metadata or "")
        np.testing.assert_array_equal(file.pages[1].asarray(), make_pixels(2))
    (pixels,) = root.iterfind("o:Image/o:Pixels", OME)
    assert pixels.get("SizeT") == "3"
    blocks = [(one.get("FirstT"), one.get("IFD")) for one in pixels.iterfind("o:TiffData", OME)]
    assert blocks == [("0", "0"), ("2", "1")]
    (store.path / "frames/0/c/0/0/0").unlink()
    (store.path / "frames/0/c/2/0/0").unlink()
    for export, target in ((export_frames, "all.ome.tif"), (export_fields, "all.zarr")):
        with pytest.raises(StoreError, match="damaged or missing") as caught:
            export(store, tmp_path / target)
        assert not isinstance(caught.value, StoreDamagedError)
    assert not list(tmp_path.glob("*all*"))
    assert json.loads((store.path / "zarr.json").read_bytes())["attributes"]["ome"]["version"] == "0.5"
