"""Image files of other programs: those that are counts are read exactly, all others are refused with a message."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from hcc_scope.datasets.images import read_headers, read_pixels
from hcc_scope.datasets.labelled_image import LabelledImage
from hcc_scope.errors import ImageError

COUNTS = np.random.default_rng(0).integers(0, 65_536, (150, 170), dtype=np.uint16)
BYTES = (COUNTS >> 8).astype(np.uint8)


def labelled(path: Path, index: int = 0, bit_depth: int | None = None) -> LabelledImage:
    header = next(header for header in read_headers(path) if header.index == index)
    return LabelledImage(path, index, "low", "m1", "s1", "mon", 0.325, header.shape_yx, bit_depth or header.bit_depth)


def read(path: Path, index: int = 0) -> np.ndarray:
    return read_pixels(labelled(path, index))


TIFFS = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "tiled": {"tile": (64, 64), "compression": "zlib"},
    "strips": {"rowsperstrip": 7, "compression": "lzw", "predictor": True},
    "deflate": {"compression": "zlib", "predictor": True, "byteorder": ">"},
    "zstd": {"compression": "zstd"},
    "packbits": {"compression": "packbits"},
    "jpeg2000": {"compression": "jpeg2000"},
    "OME": {"ome": True, "metadata": {"axes": "YX"}},
    "ImageJ": {"imagej": True},
}


@pytest.mark.parametrize("pixels", [COUNTS, BYTES], ids=["16 bit", "8 bit"])
@pytest.mark.parametrize("options", TIFFS.values(), ids=TIFFS)
def test_tiffs_are_read_as_they_were_counted(tmp_path: Path, options: dict, pixels: np.ndarray):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack", **options)
    [header] = read_headers(path)
    assert (header.shape_yx, header.bit_depth) == (pixels.shape, 8 * pixels.itemsize)
    found = read(path)
    assert found.dtype == np.uint16
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, pixels)
    # whatever is missing at its end is noticed before any pixel is read
    whole = path.read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(ImageError, match=r"cut.tif"):
        read_headers(tmp_path / "cut.tif")


def test_white_stored_as_zero_is_turned_round(tmp_path: Path):
    tifffile.imwrite(tmp_path / "white.tif", 65_535 - COUNTS, photometric="miniswhite")
    np.testing.assert_array_equal(read(tmp_path / "white.tif"), COUNTS)


def test_pages_and_their_companions(tmp_path: Path):
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as file:
        for i in range(3):
            file.write(COUNTS + np.uint16(i), photometric="minisblack", metadata=None)
        file.write(COUNTS[::2, ::2], photometric="minisblack", subfiletype=1, metadata=None)  # a reduced copy
    assert [header.index for header in read_headers(path)] == [0, 1, 2]
    np.testing.assert_array_equal(read(path, 2), COUNTS + np.uint16(2))


@pytest.mark.parametrize("options", [{"ome": True}, {"imagej": True}, {"ome": True, "tile": (64, 64)}])
def test_a_series_of_fields_in_one_file(tmp_path: Path, options: dict):
    path = tmp_path / "series.tif"
    fields = np.stack([COUNTS + np.uint16(i) for i in range(3)])
    with tifffile.TiffWriter(path, **{k: v for k, v in options.items() if k != "tile"}) as file:
        file.write(fields, photometric="minisblack", metadata={"axes": "TYX"}, tile=options.get("tile"))
    assert [header.index for header in read_headers(path)] == [0, 1, 2]
    for i in range(3):
        np.testing.assert_array_equal(read(path, i), fields[i])


def test_levels_of_a_pyramid_are_no_images_of_their_own(tmp_path: Path):
    path = tmp_path / "pyramid.ome.tif"
    fields = np.stack([COUNTS, COUNTS + np.uint16(1)])
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(fields, photometric="minisblack", subifds=1, metadata={"axes": "TYX"})
        file.write(fields[:, ::2, ::2], photometric="minisblack", subfiletype=1)
    assert [header.shape_yx for header in read_headers(path)] == [COUNTS.shape] * 2
    np.testing.assert_array_equal(read(path, 1), fields[1])


def test_the_decoders_own_faults_are_not_what_a_person_reads(tmp_path: Path):
    path = tmp_path / "image.lsm"
    info = b"\x49\x3e\x04\x03" + bytes(196)  # of Zeiss's LSM, with nothing in it
    tifffile.imwrite(path, COUNTS, photometric="minisblack", metadata=None, extratags=[(34412, 1, 200, info, True)])
    with pytest.raises(ImageError, match="its headers state impossible values"):
        read_headers(path)


@pytest.mark.parametrize("smaller_first", [False, True])
def test_smaller_copies_that_are_not_marked_are_refused_with_a_message(tmp_path: Path, smaller_first: bool):
    levels = [COUNTS, COUNTS[::2, ::2], COUNTS[::4, ::4]]
    path = tmp_path / "pyramid.tif"
    with tifffile.TiffWriter(path) as file:
        for level in levels[:: -1 if smaller_first else 1]:
            file.write(level, photometric="minisblack", metadata=None)
    largest = 2 if smaller_first else 0
    with pytest.raises(ImageError, match=f"smaller copy of page {largest} .*not marked") as caught:
        read_headers(path)
    assert f"Write {largest} in the manifest's column page" in (caught.value.hint or "")
    [header] = read_headers(path, largest)
    assert header.shape_yx == COUNTS.shape


def test_pages_of_other_sizes_are_images(tmp_path: Path):
    path = tmp_path / "fields.tif"
    with tifffile.TiffWriter(path) as file:
        for field in (COUNTS, COUNTS[:, :-7], COUNTS[::2]):
            file.write(field, photometric="minisblack", metadata=None)
    assert len(read_headers(path)) == 3


@pytest.mark.parametrize("depth", [8, 16])
def test_grey_pngs(tmp_path: Path, depth: int):
    pixels = BYTES if depth == 8 else COUNTS
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    np.testing.assert_array_equal(read(path), pixels)
    assert read_headers(path, 0)[0].bit_depth == depth
    with pytest.raises(ImageError, match="page 0 alone"):
        read_headers(path, 1)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageError, match="cannot be decoded"):
        read(path)


FLAT = np.zeros((60, 70), np.uint8)
STACK = np.zeros((4, 60, 70), np.uint16)
REFUSED_TIFFS = {
    "colour": (np.zeros((60, 70, 3), np.uint8), {"photometric": "rgb"}, "is not grey: it has 3 samples"),
    "planes": (np.zeros((3, 60, 70), np.uint8), {"photometric": "rgb", "planarconfig": "separate"}, "is not grey"),
    "palette": (FLAT, {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}, "a palette of colours"),
    "float": (FLAT.astype(np.float32), {}, "holds float32 of 32 bits, not counts"),
    "signed": (FLAT.astype(np.int16), {}, "holds int16"),
    "32 bits": (FLAT.astype(np.uint32), {}, "holds uint32"),
    "1 bit": (FLAT.astype(bool), {}, "of 1 bits"),
    "volume": (np.zeros((16, 64, 64), np.uint16), {"volumetric": True, "tile": (16, 16, 16)}, "3 dimensions"),
    "focal planes": (STACK, {"ome": True, "metadata": {"axes": "ZYX"}}, "stack of 4 focal planes.*column page"),
    "channels": (STACK.reshape(2, 2, 60, 70), {"imagej": True, "metadata": {"axes": "TCYX"}}, "stack of 2 channels"),
}


@pytest.mark.parametrize(("pixels", "options", "message"), REFUSED_TIFFS.values(), ids=REFUSED_TIFFS)
def test_tiffs_that_are_no_counts_are_refused(tmp_path: Path, pixels: np.ndarray, options: dict, message: str):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, pixels, **{"photometric": "minisblack", **options})
    with pytest.raises(ImageError, match=message) as caught:
        read_headers(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "1"])
def test_pngs_that_are_no_counts_are_refused(tmp_path: Path, mode: str):
    path = tmp_path / "image.png"
    Image.new(mode, (70, 60)).save(path)
    with pytest.raises(ImageError, match=r"not grey|not 8 or 16"):
        read_headers(path)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff\xe0 a JPEG", b"II*\0", b"MM\0*\0\0\0\x08", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "image.tif").write_bytes(content)
    with pytest.raises(ImageError, match=r"image\.tif"):
        read_headers(tmp_path / "image.tif")


def test_a_named_plane_of_a_stack_is_an_image(tmp_path: Path):
    tifffile.imwrite(tmp_path / "z.tif", STACK, ome=True, metadata={"axes": "ZYX"}, photometric="minisblack")
    assert [header.index for header in read_headers(tmp_path / "z.tif", 2)] == [2]


def test_counts_above_the_cameras_full_scale_are_an_error(tmp_path: Path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, COUNTS, photometric="minisblack")
    with pytest.raises(ImageError, match="has a count of 65535, above the 4095 that a bit depth of 12 allows"):
        read_pixels(labelled(path, bit_depth=12))


def test_a_file_that_changed_since_its_headers_were_read(tmp_path: Path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, COUNTS, photometric="minisblack")
    image = labelled(path)
    tifffile.imwrite(path, COUNTS[:100], photometric="minisblack")
    with pytest.raises(ImageError, match="has changed"):
        read_pixels(image)


@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"tile": (64, 64), "compression": "zlib"}])
def test_damage_never_shows_a_traceback(tmp_path: Path, options: dict, caplog: pytest.LogCaptureFixture):
    """Any byte may be wrong: what comes back is an image or an `ImageError`, and nothing on the log."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, COUNTS, photometric="minisblack", **options)
    whole = path.read_bytes()
    chance = random.Random(1)
    refused = 0
    for i in range(60):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[chance.randrange(400 if i % 2 else len(whole))] = chance.randrange(256)
        path.write_bytes(bytes(damaged))
        try:
            for header in read_headers(path):
                read(path, header.index)
        except ImageError:
            refused += 1
    assert refused > 10
    assert not caplog.records


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes among its files")
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.tif")
    for path in (tmp_path / "pipe.tif", Path("/dev/zero")):
        with pytest.raises(
            ImageError, match=r"is a pipe, a device or the like, not a file\. Name the image's own file"
        ):
            read_headers(path)
