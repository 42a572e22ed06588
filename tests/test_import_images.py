"""TIFF and PNG of other programs come in as stored, with all facts; what is damaged is named and left out."""

from __future__ import annotations

import struct
import sys
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from hcc_scope.datasets.ome import FRAME_NAMESPACE
from hcc_scope.errors import ImageError
from hcc_scope.imports.images import open_image_files, open_images

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.imports.collection import ImageCollection, Plane

COUNTS = np.random.default_rng(0).integers(0, 1 << 16, (48, 56), dtype=np.uint16)
BYTES = (COUNTS >> 8).astype(np.uint8)
STACK = np.stack([COUNTS + np.uint16(i) for i in range(12)])
RGB = np.stack([COUNTS, COUNTS[::-1], COUNTS // 2], -1)


def axes(images: ImageCollection) -> list[tuple[int, int, int, int]]:
    return [(plane.series, plane.time, plane.z, plane.channel) for plane in images.planes]


def only(path: Path) -> tuple[Plane, np.ndarray]:
    """Return the one image of a file."""
    with open_images(path) as images:
        [plane] = images.planes
        assert not images.problems
        return plane, images.read(0)


def assert_images(images: ImageCollection, wanted: list[np.ndarray]) -> None:
    assert len(images.planes) == len(wanted)
    for i, pixels in enumerate(wanted):
        found = images.read(i)
        np.testing.assert_array_equal(found, pixels)
        assert (found.dtype.name, found.flags.c_contiguous) == (images.planes[i].dtype, True)


KINDS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "plain": (COUNTS, {}),
    "8 bit": (BYTES, {}),
    "big-endian": (COUNTS, {"byteorder": ">"}),
    "BigTIFF": (COUNTS, {"bigtiff": True, "byteorder": ">"}),
    "tiled lzw": (COUNTS, {"tile": (16, 32), "compression": "lzw", "predictor": True}),
    "deflate": (COUNTS, {"compression": "zlib", "predictor": True, "byteorder": ">"}),
    "zstd": (COUNTS, {"compression": "zstd", "rowsperstrip": 7}),
    "jpeg 2000": (COUNTS, {"compression": "jpeg2000"}),
    "jpeg": (BYTES, {"compression": "jpeg"}),
    "colour": (RGB, {"photometric": "rgb"}),
    "colour, planar": (RGB, {"photometric": "rgb", "planarconfig": "separate"}),
    "colour, jpeg": ((RGB >> 8).astype(np.uint8), {"photometric": "ycbcr", "compression": "jpeg"}),
    "float": ((COUNTS / 65_535).astype(np.float32), {}),
    "half float": ((COUNTS / 65_535).astype(np.float16), {"byteorder": ">"}),
}


@pytest.mark.parametrize(("pixels", "options"), KINDS.values(), ids=KINDS)
def test_every_kind_is_read_as_it_is_stored(tmp_path: Path, pixels: np.ndarray, options: dict[str, Any]):
    path = tmp_path / "image.tif"
    stored = np.moveaxis(pixels, -1, 0) if "planarconfig" in options else pixels
    tifffile.imwrite(path, stored, **{"photometric": "minisblack", "metadata": None} | options)
    plane, found = only(path)
    if options.get("compression") == "jpeg":  # loses a little
        pixels = tifffile.imread(path)
    np.testing.assert_array_equal(found, pixels)
    assert (plane.shape_yx, plane.dtype, plane.colour) == ((48, 56), pixels.dtype.name, pixels.ndim == 3)
    assert plane.bit_depth == (None if pixels.dtype.kind == "f" else 8 * pixels.itemsize)
    assert plane.where == "image.tif"


SIGNED = (COUNTS // 2).astype(np.int16)
STATED: dict[str, tuple[np.ndarray, dict[str, Any], np.ndarray, int]] = {
    "no negative numbers": (SIGNED, {"extratags": [(340, 8, 1, 0, True)]}, COUNTS // 2, 15),
    "all numbers": (SIGNED, {"extratags": [(340, 8, 1, -32768, True)]}, COUNTS // 2 + np.uint16(32768), 16),
    "ImageJ's": (SIGNED, {"description": "ImageJ=1.54f\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n"}, COUNTS // 2, 15),
    "ImageJ's, shifted": (
        COUNTS // 2 + np.uint16(32768),
        {"description": "ImageJ=1.54f\nc0=-32768.0\nc1=1.0\n"},
        COUNTS // 2,
        15,
    ),
    "white is 0": (65_535 - COUNTS, {"photometric": "miniswhite"}, COUNTS, 16),
}


@pytest.mark.parametrize(("stored", "options", "counts", "bits"), STATED.values(), ids=STATED)
def test_numbers_become_counts_where_the_file_states_which_is_zero(
    tmp_path: Path, stored: np.ndarray, options: dict[str, Any], counts: np.ndarray, bits: int
):
    tifffile.imwrite(tmp_path / "a.tif", stored, **{"photometric": "minisblack", "metadata": None} | options)
    plane, found = only(tmp_path / "a.tif")
    assert (plane.dtype, plane.bit_depth) == ("uint16", bits)
    np.testing.assert_array_equal(found, counts)
    assert "stored_zero" in plane.tags or "stored_white" in plane.tags


REFUSED: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "signed": (SIGNED, {}, "signed numbers and does not state which of them is zero"),
    "32 bits": (COUNTS.astype(np.uint32), {}, "uint32 of 32 bits, not counts"),
    "palette": (BYTES, {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}, "a palette of colours"),
    "transparency": (
        np.concatenate([RGB, RGB[..., :1]], -1),
        {"photometric": "rgb", "extrasamples": ["unassalpha"]},
        "has transparency",
    ),
}


@pytest.mark.parametrize(("stored", "options", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_count_is_refused_with_a_message(
    tmp_path: Path, stored: np.ndarray, options: dict[str, Any], words: str
):
    tifffile.imwrite(tmp_path / "a.tif", stored, **{"photometric": "minisblack", "metadata": None} | options)
    with pytest.raises(ImageError, match=f"a.tif, page 0 .*{words}"):
        open_images(tmp_path / "a.tif")


def test_numbers_below_the_stated_zero_are_refused_when_they_are_read(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", SIGNED - np.int16(5), extratags=[(340, 8, 1, 0, True)], metadata=None)
    with open_images(tmp_path / "a.tif") as images, pytest.raises(ImageError, match="below the 0 that it states"):
        images.read(0)


# ---- what pages are -------------------------------------------------------------------------------------------------

BY_CHANNEL_LAST = [(t, z, c) for t in range(2) for z in range(3) for c in range(2)]
LAYOUTS: dict[str, dict[str, Any]] = {
    "OME": {"ome": True, "metadata": {"axes": "TZCYX"}},
    "ImageJ": {"imagej": True, "metadata": {"axes": "TZCYX"}},
    "ImageJ, without pages": {"imagej": True, "metadata": {"axes": "TZCYX"}, "truncate": True},
    "axes": {"metadata": {"axes": "TZCYX"}},
    "axes, without pages": {"metadata": {"axes": "TZCYX"}, "truncate": True},
}


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
def test_channels_focal_planes_and_times_are_kept_apart(tmp_path: Path, options: dict[str, Any]):
    path = tmp_path / ("a.ome.tif" if "ome" in options else "a.tif")
    tifffile.imwrite(path, STACK.reshape(2, 3, 2, 48, 56), photometric="minisblack", **options)
    with open_images(path) as images:
        assert axes(images) == [(0, *index) for index in BY_CHANNEL_LAST]
        assert_images(images, list(STACK))


def test_pages_that_nothing_is_stated_about_are_counted_along_time(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", STACK[:3], photometric="minisblack", metadata=None)
    with open_images(tmp_path / "a.tif") as images:
        assert axes(images) == [(0, 0, 0, 0), (0, 1, 0, 0), (0, 2, 0, 0)]
        assert [plane.where for plane in images.planes] == [f"a.tif, page {i}" for i in range(3)]
        assert_images(images, list(STACK[:3]))


@pytest.mark.parametrize(("stated", "axis"), [("", "time"), ("spacing=2.0\n", "z"), ("hyperstack=true\n", "z")])
def test_slices_of_imagej_are_focal_planes_where_more_than_their_number_is_stated(
    tmp_path: Path, stated: str, axis: str
):
    path = tmp_path / "a.tif"
    known = f"ImageJ=1.54f\nimages=12\nslices=12\n{stated}loop=false\n"
    tifffile.imwrite(path, STACK, photometric="minisblack", description=known, metadata=None)
    with open_images(path) as images:
        assert [getattr(plane, axis) for plane in images.planes] == list(range(12))
        assert {getattr(plane, "z" if axis == "time" else "time") for plane in images.planes} == {0}


def test_grey_images_that_share_a_page_are_channels(tmp_path: Path):
    for i, kind in enumerate(("separate", "contig")):
        pixels = STACK[:2] if kind == "separate" else np.moveaxis(STACK[:2], 0, -1)
        tifffile.imwrite(tmp_path / f"{i}.tif", pixels, photometric="minisblack", planarconfig=kind, metadata=None)
        with open_images(tmp_path / f"{i}.tif") as images:
            assert axes(images) == [(0, 0, 0, 0), (0, 0, 0, 1)]
            assert_images(images, list(STACK[:2]))


def test_series_sizes_and_reduced_copies(tmp_path: Path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for i in range(2):
            file.write(STACK[i], subifds=1, metadata={"axes": "YX", "Name": f"Pos{i}"})
            file.write(STACK[i][::2, ::2], subfiletype=1)
    with open_images(path) as images:
        assert axes(images) == [(0, 0, 0, 0), (1, 0, 0, 0)]
        assert [plane.tags["Image"] for plane in images.planes] == ["Pos0", "Pos1"]
        assert_images(images, [STACK[0], STACK[1]])
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:  # a label beside the image, and no mark on it
        for pixels in (COUNTS, COUNTS[:20, :30]):
            file.write(pixels, metadata=None)
    with open_images(tmp_path / "b.tif") as images:
        assert axes(images) == [(0, 0, 0, 0), (1, 0, 0, 0)]


# ---- facts ----------------------------------------------------------------------------------------------------------


def test_the_facts_of_an_ome_tiff(tmp_path: Path):
    path = tmp_path / "a.ome.tif"
    stated = {
        "axes": "TCYX",
        "Name": "section 3",
        "AcquisitionDate": "2026-11-30T09:00:00+01:00",
        "PhysicalSizeX": 325.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.325,
        "SignificantBits": 12,
        "Channel": {"Name": ["Bright", "DAPI"]},
        "Plane": {
            "PositionX": [1.5, 1.5, -2.5, -2.5],
            "PositionXUnit": ["mm"] * 4,
            "PositionY": [20.0] * 4,
            "PositionYUnit": ["µm"] * 4,
            "ExposureTime": [10.0] * 4,
            "ExposureTimeUnit": ["ms"] * 4,
            "DeltaT": [0.0, 0.1, 1.0, 1.1],
        },
    }
    tifffile.imwrite(path, STACK[:4].reshape(2, 2, 48, 56) >> 4, ome=True, photometric="minisblack", metadata=stated)
    with open_images(path) as images:
        assert list(images.channel_names) == ["Bright", "DAPI"]
        plane = images.planes[3]
    assert (plane.bit_depth, plane.pixel_size_yx_um) == (12, (0.325, 0.325))
    assert (plane.stage_um, plane.exposure_ms) == ((-2500.0, 20.0, None), 10.0)
    assert plane.t_utc == datetime(2026, 11, 30, 8, 0, 1, 100_000, tzinfo=UTC)
    assert (plane.tags["Image"], plane.tags["Channel"]) == ("section 3", "DAPI")


def test_what_this_program_stated_about_a_frame_becomes_its_facts_again(tmp_path: Path):
    values = {
        "t_utc": "2026-11-30T08:00:00.123456+00:00", "em_gain": "300.0", "temperature_c": "-70.5", "objective": '"20"',
        "camera_frame": "1007", "position_island": "3", "Andor-Gain": '"300"', "note": "as seen", "shutter": "true",
    }  # fmt: skip
    entries = "".join(f"<M K='{key}'>{value}</M>" for key, value in values.items())
    xml = ome_xml(1, '<TiffData/><Plane TheT="0" TheC="0" TheZ="0"><AnnotationRef ID="A:0"/></Plane>').replace(
        "</Image>",
        f'</Image><StructuredAnnotations><MapAnnotation ID="A:0" Namespace="{FRAME_NAMESPACE}"><Value>{entries}'
        "</Value></MapAnnotation></StructuredAnnotations>",
    )
    tifffile.imwrite(tmp_path / "a.tif", COUNTS, description=xml, metadata=None, software=False)
    plane, _ = only(tmp_path / "a.tif")
    assert plane.t_utc == datetime(2026, 11, 30, 8, 0, 0, 123_456, tzinfo=UTC)
    assert (plane.em_gain, plane.temperature_c, plane.objective, plane.camera_frame) == (300.0, -70.5, "20", 1007)
    assert plane.tags == {"position_island": 3, "Andor-Gain": "300", "note": "as seen", "shutter": True}


def test_a_position_or_time_without_a_unit_or_zone_is_a_tag_and_no_fact(tmp_path: Path):
    path = tmp_path / "a.ome.tif"
    plane_facts = {"PositionX": [1.5], "PositionY": [2.5]}
    stated = {"axes": "YX", "AcquisitionDate": "2026-11-30T09:00:00", "Plane": plane_facts}
    tifffile.imwrite(path, COUNTS, ome=True, metadata=stated)
    plane, _ = only(path)
    assert (plane.stage_um, plane.t_utc) == (None, None)
    assert (plane.tags["Plane.PositionX"], plane.tags["AcquisitionDate"]) == ("1.5", "2026-11-30T09:00:00")


def test_sizes_and_places_by_the_tags_of_tiff(tmp_path: Path):
    um = 0.5
    for i in range(2):
        extra = [(286, 5, 1, (i * 200, 10_000), True), (287, 5, 1, (0, 1), True)]  # cm
        tifffile.imwrite(
            tmp_path / f"{i}.tif", COUNTS, metadata=None, extratags=extra, resolution=(1e4 / um, 1e4 / um),
            resolutionunit="centimeter", software="scan 2", datetime="2026:11:30 09:00:00",
        )  # fmt: skip
    with open_images(tmp_path) as images:
        assert [plane.stage_um for plane in images.planes] == [(14.0, 12.0, None), (214.0, 12.0, None)]
        assert images.planes[0].pixel_size_yx_um == pytest.approx((um, um))
        assert images.planes[0].tags["Software"] == "scan 2"
        assert images.planes[0].t_utc is None  # of which zone is not stated
    tifffile.imwrite(tmp_path / "screen.tif", COUNTS, metadata=None, resolution=(72, 72))
    assert only(tmp_path / "screen.tif")[0].pixel_size_yx_um is None


@pytest.mark.parametrize(("yunit", "y_um"), [("mm", 0.25), ("pixel", None)])
def test_imagej_may_state_another_unit_for_rows(tmp_path: Path, yunit: str, y_um: float | None):
    path, description = tmp_path / "a.tif", f"ImageJ=1.54f\nunit=micron\nyunit={yunit}\n"
    resolution = (2, 4000)
    tifffile.imwrite(path, COUNTS, metadata=None, description=description, resolution=resolution, resolutionunit="none")
    assert only(path)[0].pixel_size_yx_um == (None if y_um is None else pytest.approx((y_um, 0.5)))


# ---- folders and datasets of several files --------------------------------------------------------------------------


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path):
    for i in (1, 2, 10):
        tifffile.imwrite(tmp_path / f"field_{i}.tif", STACK[i])
    Image.fromarray(BYTES).save(tmp_path / "field_11.png", pnginfo=None)
    (tmp_path / "._field_1.tif").write_bytes(b"of a Mac")
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "field_3.tif").write_bytes(b"no TIFF")
    with open_images(tmp_path) as images:
        assert images.format == "TIFF and PNG"
        assert axes(images) == [(i, 0, 0, 0) for i in range(4)]
        assert_images(images, [STACK[1], STACK[2], STACK[10], BYTES])
        [problem] = images.problems
    assert problem.startswith("field_3.tif is left out: ")
    assert problem.endswith("field_3.tif is neither a TIFF nor a PNG")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="empty holds no TIFF or PNG file"):
        open_images(tmp_path / "empty")


def ome_xml(n: int, blocks: str) -> str:
    return (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        f'DimensionOrder="XYZCT" Type="uint16" SizeX="56" SizeY="48" SizeC="1" SizeZ="1" SizeT="{n}">'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{blocks}</Pixels></Image></OME>'
    )


def multi_file(folder: Path, xml_names: tuple[str, str]) -> list[Path]:
    blocks = "".join(
        f'<TiffData FirstT="{t}" IFD="{t % 2}" PlaneCount="1"><UUID FileName="{xml_names[t // 2]}">u</UUID></TiffData>'
        for t in range(4)
    )
    xml = ome_xml(4, blocks)
    files = [folder / "a.ome.tif", folder / "b.ome.tif"]
    for i, file in enumerate(files):
        pixels = STACK[2 * i : 2 * i + 2]
        tifffile.imwrite(file, pixels, photometric="minisblack", description=xml, metadata=None)
    return files


def test_files_of_one_name_in_several_folders_are_told_apart(tmp_path: Path):
    files = [tmp_path / folder / "a.tif" for folder in ("Pos0", "Pos1")]
    for file in files:
        file.parent.mkdir()
        tifffile.imwrite(file, COUNTS)
    with open_image_files(files) as images:
        assert [plane.where for plane in images.planes] == ["Pos0/a.tif", "Pos1/a.tif"]


def test_an_ome_dataset_of_several_files(tmp_path: Path):
    files = multi_file(tmp_path, ("a.ome.tif", "b.ome.tif"))
    for given in (open_images(tmp_path), open_image_files(files)):
        with given as images:
            assert axes(images) == [(0, t, 0, 0) for t in range(4)]
            assert not images.problems
            assert_images(images, list(STACK[:4]))
    with open_images(files[1]) as images:  # one alone has its own part
        assert axes(images) == [(0, 2, 0, 0), (0, 3, 0, 0)]
        assert "1 other file that this import does not read: a.ome.tif" in images.problems[0]
    files[0].rename(tmp_path / "renamed.tif")
    with open_images(tmp_path / "renamed.tif") as images:
        assert axes(images) == [(0, 0, 0, 0), (0, 1, 0, 0)]
        assert "its OME-XML lists none of its pages" in images.problems[0]


def test_blocks_of_ome_xml_without_a_page_and_a_number_end_where_the_next_one_begins(tmp_path: Path):
    blocks = "".join(
        f'<TiffData FirstT="{t}"><UUID FileName="f{t}.ome.tif">urn:{t}</UUID></TiffData>' for t in (0, 2, 3, 4, 5)
    )
    places = "".join(
        f'<Plane TheC="0" TheZ="0" TheT="{t}" PositionX="{t}" PositionXUnit="µm" PositionY="1" PositionYUnit="µm"/>'
        for t in range(6)
    )
    (tmp_path / "set.companion.ome").write_text(ome_xml(6, blocks + places), "utf-8")
    only = ome_xml(1, "").partition("<Image")[0] + '<BinaryOnly MetadataFile="set.companion.ome"/></OME>'
    for t, n in ((0, 2), (2, 1), (3, 1), (4, 1), (5, 1)):
        pages = STACK[t : t + n]
        tifffile.imwrite(tmp_path / f"f{t}.ome.tif", pages, photometric="minisblack", description=only, metadata=None)
    with open_images(tmp_path) as images:
        assert axes(images) == [(0, t, 0, 0) for t in range(6)]
        assert [one.stage_um for one in images.planes] == [(float(t), 1.0, None) for t in range(6)]
        assert not images.problems
        assert_images(images, list(STACK[:6]))
    (tmp_path / "set.companion.ome").unlink()
    with open_images(tmp_path / "f2.ome.tif") as images:
        assert "its OME-XML belongs in set.companion.ome, which is missing" in images.problems[0]


def test_pages_of_another_file_that_has_an_identity_alone_are_not_taken_for_own(tmp_path: Path):
    blocks = "".join(f'<TiffData FirstT="{t}" IFD="{t % 2}"><UUID>urn:{t // 2}</UUID></TiffData>' for t in range(4))
    xml = ome_xml(4, blocks).replace("<OME ", '<OME UUID="urn:1" ')
    tifffile.imwrite(tmp_path / "b.tif", STACK[2:4], photometric="minisblack", description=xml, metadata=None)
    with open_images(tmp_path / "b.tif") as images:
        assert axes(images) == [(0, 2, 0, 0), (0, 3, 0, 0)]
        assert "1 other file that this import does not read: urn:0" in images.problems[0]


def test_no_name_in_a_file_is_followed(tmp_path: Path):
    inside = tmp_path / "inside"
    inside.mkdir()
    tifffile.imwrite(tmp_path / "secret.ome.tif", STACK[5:7], photometric="minisblack")
    files = multi_file(inside, ("a.ome.tif", "../secret.ome.tif"))
    with open_images(files[0]) as images:
        assert_images(images, list(STACK[:2]))
    pointer = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><BinaryOnly MetadataFile="{}"/></OME>'
    (inside / "set.companion.ome").write_text(tifffile.tiffcomment(files[0]))
    (tmp_path / "out.companion.ome").write_text(tifffile.tiffcomment(files[0]))
    for name, read in (("set.companion.ome", True), ("../out.companion.ome", False)):
        tifffile.imwrite(files[0], STACK[:2], photometric="minisblack", description=pointer.format(name), metadata=None)
        with open_images(files[0]) as images:
            assert ("its OME-XML belongs in" in images.problems[0]) is not read


# ---- damage ---------------------------------------------------------------------------------------------------------


def page_offsets(path: Path) -> list[int]:
    with tifffile.TiffFile(path) as file:
        return [page.offset for page in file.pages]


def test_a_damaged_page_is_named_and_the_others_are_read(tmp_path: Path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for i in range(5):
            file.write(STACK[i], metadata=None, compression="zlib", contiguous=False)
    data = bytearray(path.read_bytes())
    at = page_offsets(path)[1]
    [n_tags] = struct.unpack_from("<H", data, at)
    for k in range(n_tags):
        code, *_ = struct.unpack_from("<HHII", data, at + 2 + 12 * k)
        if code == 273:  # StripOffsets: behind the end of the file
            struct.pack_into("<I", data, at + 2 + 12 * k + 8, 1 << 30)
    with tifffile.TiffFile(path) as file:  # and the pixels of another one
        start = file.pages[3].dataoffsets[0]
    data[start + 50 : start + 60] = bytes(10)
    path.write_bytes(data)
    with open_images(path) as images:
        assert axes(images) == [(0, t, 0, 0) for t in (0, 2, 3, 4)]
        assert images.problems == (f"page 1 of a.tif is left out: {path}, page 1 ends before its pixels do",)
        for k, i in ((0, 0), (1, 2), (3, 4)):
            np.testing.assert_array_equal(images.read(k), STACK[i])
        with pytest.raises(ImageError, match=r"a\.tif, page 3 cannot be decoded"):
            images.read(2)


def test_a_chain_of_pages_that_breaks_off_or_runs_in_a_circle(tmp_path: Path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for i in range(4):
            file.write(STACK[i], metadata=None, contiguous=False)
    whole, offsets = path.read_bytes(), page_offsets(path)
    path.write_bytes(whole[: offsets[3] + 20])
    with open_images(path) as images:
        assert_images(images, list(STACK[:3]))
        assert images.problems == ("a.tif ends before its page 3 does; what it holds before that is read",)
    data = bytearray(whole)
    [n_tags] = struct.unpack_from("<H", data, offsets[2])
    struct.pack_into("<I", data, offsets[2] + 2 + 12 * n_tags, offsets[1])
    path.write_bytes(data)
    with open_images(path) as images:
        assert_images(images, list(STACK[:3]))
        assert "its pages run in a circle" in images.problems[0]


@pytest.mark.parametrize("kind", ["ImageJ", "OME"])
def test_of_a_stack_that_lost_its_end_the_whole_images_are_read(tmp_path: Path, kind: str):
    path = tmp_path / "a.tif"
    blocks = "".join(f'<TiffData FirstT="{t}" IFD="{t}"/>' for t in range(12))
    known = ome_xml(12, blocks) if kind == "OME" else "ImageJ=1.54f\nimages=12\nframes=12\n"
    tifffile.imwrite(path, STACK, photometric="minisblack", description=known, metadata=None)
    with tifffile.TiffFile(path) as file:
        end = file.pages[0].dataoffsets[0] + 7 * COUNTS.nbytes + 100
    path.write_bytes(path.read_bytes()[:end])
    with open_images(path) as images:
        assert_images(images, list(STACK[:7]))
        assert "ends before its page 1 does" in images.problems[0]
        assert ("lacks 5 of the 12" if kind == "OME" else "12 images, but holds 7") in images.problems[1]


def test_sizes_that_cannot_be_are_refused_before_memory_is_taken(tmp_path: Path):
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, COUNTS, compression="zlib", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as file:
        for code in ("ImageWidth", "ImageLength"):
            file.pages[0].tags[code].overwrite(60_000)
    with pytest.raises(ImageError, match=r"bomb\.tif, page 0 claims 60000 x 60000 px, more than the"):
        open_images(path)


@pytest.mark.parametrize("kind", ["OME", "ImageJ"])
def test_numbers_of_images_that_cannot_be_are_refused(tmp_path: Path, kind: str):
    known = ome_xml(900_000_000, "<TiffData/>") if kind == "OME" else "ImageJ=1.54f\nimages=900000000\n"
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((1, 1), np.uint8), description=known, metadata=None)
    with (tmp_path / "a.tif").open("ab") as file:
        file.write(bytes(300_000))
    with pytest.raises(ImageError, match=r"claims 900000000 planes|more than 100000 images"):
        open_images(tmp_path / "a.tif")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_png(tmp_path: Path):
    path = tmp_path / "a.png"
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in RGB)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 56, 48, 16, 2, 0, 0, 0))
    size = chunk(b"pHYs", struct.pack(">IIB", 2_000_000, 4_000_000, 1))
    text = chunk(b"tEXt", b"Comment\0by hand")
    body = b"\x89PNG\r\n\x1a\n" + header + size + text + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(body)
    plane, found = only(path)
    np.testing.assert_array_equal(found, RGB)
    assert (plane.colour, plane.bit_depth, plane.pixel_size_yx_um) == (True, 16, (0.25, 0.5))
    assert plane.tags == {"PNG.Comment": "by hand"}
    path.write_bytes(body[:28] + b"\7" + body[29:])
    with pytest.raises(ImageError, match="packed in a way that PNG does not know"):
        open_images(path)
    damaged = bytearray(body)
    damaged[-40] ^= 1
    path.write_bytes(damaged)
    with open_images(path) as images, pytest.raises(ImageError, match="a checksum at byte"):
        images.read(0)


# ---- beyond 4 GB ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="a file with holes")
@pytest.mark.parametrize("kind", ["BigTIFF", "ImageJ"])
def test_images_beyond_4_gb(tmp_path: Path, kind: str):
    path, n, pixels = tmp_path / "large.tif", 600, np.zeros((2048, 2048), np.uint16)
    with tifffile.TiffWriter(path, bigtiff=kind == "BigTIFF") as file:
        description = f"ImageJ=1.54f\nimages={n}\nframes={n}\n" if kind == "ImageJ" else None
        file.write(pixels, metadata=None, description=description)
    with tifffile.TiffFile(path) as file:
        start = file.pages[0].dataoffsets[0] if kind == "ImageJ" else path.stat().st_size
        offset = file.pages[0].tags["StripOffsets"].valueoffset
    last = np.full((2048, 2048), 7, np.uint16)
    with path.open("r+b") as opened:
        at = start + (n - 1) * pixels.nbytes
        assert at > 1 << 32
        opened.seek(at)
        opened.write(last.tobytes())
        if kind == "BigTIFF":
            opened.seek(offset)
            opened.write(struct.pack("<Q", at))
    with open_images(path) as images:
        assert len(images.planes) == (n if kind == "ImageJ" else 1)
        np.testing.assert_array_equal(images.read(len(images.planes) - 1), last)
