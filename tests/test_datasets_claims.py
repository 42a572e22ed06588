"""Claims of files: images behind one page, impossible sizes, endless chains; counted or refused with a message."""

from __future__ import annotations

import io
import math
import os
import random
import re
import struct
import sys
import zlib
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
import tifffile
from dataset_parts import small_set, tissue
from PIL import Image

from hcc_scope.datasets.check import check_dataset
from hcc_scope.datasets.header import LARGEST_PX
from hcc_scope.datasets.images import read_headers, read_pixels
from hcc_scope.datasets.labelled_image import LabelledImage
from hcc_scope.errors import ImageError
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FIELDS = np.random.default_rng(0).integers(0, 65_536, (4, 60, 70), dtype=np.uint16)


def read_all(path: Path, page: int | None = None) -> list[np.ndarray]:
    return [
        read_pixels(LabelledImage(path, one.index, "low", "m1", "s1", "mon", 0.3, one.shape_yx, one.bit_depth))
        for one in read_headers(path, page)
    ]


def tags_of(*tags: tuple[int, int, int, object], order: str = "<", end: int = 8) -> bytes:
    """Return a TIFF's page: (code, type, count, value); bytes go behind it."""
    blob, entries = b"", b""
    behind = end + 2 + 12 * len(tags) + 4
    for code, kind, count, value in sorted(tags, key=lambda tag: tag[0]):
        if isinstance(value, bytes):
            entries += struct.pack(order + "HHII", code, kind, count, behind + len(blob))
            blob += value + bytes(len(value) % 2)
        elif kind == 3:
            entries += struct.pack(order + "HHIHH", code, kind, count, value, 0)
        else:
            entries += struct.pack(order + "HHII", code, kind, count, value)
    return struct.pack(order + "H", len(tags)) + entries + bytes(4) + blob


def one_page(
    shape_yx: tuple[int, int], data: bytes, *more: tuple[int, int, int, object], bits: int = 16, packing: int = 1
) -> bytes:
    """Return a TIFF of one strip, by hand, so that it can claim anything."""
    height, width = shape_yx

    def page(at: int) -> bytes:
        facts = ((256, width), (257, height), (278, height), (279, len(data)), (273, at))
        short = ((258, bits), (259, packing), (262, 1), (277, 1))
        return tags_of(*((c, 4, 1, v) for c, v in facts), *((c, 3, 1, v) for c, v in short), *more)

    return b"II*\0" + struct.pack("<I", 8) + page(8 + len(page(0))) + data


# ---- behind one page ------------------------------------------------------------------------------------------------


BEHIND = {
    "ImageJ": {"imagej": True, "metadata": {"axes": "TYX"}},
    "shaped": {"metadata": {"axes": "TYX"}},
    "big-endian": {"metadata": {"axes": "TYX"}, "byteorder": ">"},
    "white as 0": {"metadata": {"axes": "TYX"}, "photometric": "miniswhite"},
}


@pytest.mark.parametrize("options", BEHIND.values(), ids=BEHIND)
def test_images_behind_one_page_are_counted(tmp_path: Path, options: dict):
    path = tmp_path / "behind.tif"
    stored = 65_535 - FIELDS if "photometric" in options else FIELDS
    tifffile.imwrite(path, stored, truncate=True, **{"photometric": "minisblack", **options})
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 1
    np.testing.assert_array_equal(read_all(path), FIELDS)
    np.testing.assert_array_equal(read_all(path, 2), FIELDS[2:3])
    with pytest.raises(ImageError, match="has no page 4: its pages are 0 to 3"):
        read_headers(path, 4)
    whole = path.read_bytes()
    path.write_bytes(whole[: -FIELDS[0].nbytes])
    with pytest.raises(ImageError, match="claims to hold 4 images, but has 1 page and ends before the others"):
        read_headers(path)
    assert len(read_headers(path, 0)) == 1
    np.testing.assert_array_equal(read_all(path, 2), FIELDS[2:3])  # as the hint advises
    with pytest.raises(ImageError, match="claims to hold 4 images, but has 1 page and ends before page 3 does"):
        read_headers(path, 3)


def test_eight_bits_behind_one_page(tmp_path: Path):
    fields = (FIELDS >> 8).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", fields, truncate=True, imagej=True, metadata={"axes": "TYX"})
    np.testing.assert_array_equal(read_all(tmp_path / "a.tif"), fields)


@pytest.mark.parametrize(("axes", "name"), [("CYX", "4 channels"), ("ZYX", "4 focal planes")])
@pytest.mark.parametrize("kind", [{"imagej": True}, {}], ids=["ImageJ", "shaped"])
def test_channels_and_focal_planes_behind_one_page_are_refused(tmp_path: Path, axes: str, name: str, kind: dict):
    path = tmp_path / "behind.tif"
    tifffile.imwrite(path, FIELDS, truncate=True, photometric="minisblack", metadata={"axes": axes}, **kind)
    with pytest.raises(ImageError, match=f"is a stack of {name}.*column page"):
        read_headers(path)
    np.testing.assert_array_equal(read_all(path, 3), FIELDS[3:])


def ome_behind(channels: int = 1, focal_planes: int = 1, times: int = 1) -> bytes:
    n = channels * focal_planes * times
    xml = (
        "<OME xmlns='http://www.openmicroscopy.org/Schemas/OME/2016-06'><Image><Pixels DimensionOrder='XYZCT' "
        f"Type='uint16' SizeC='{channels}' SizeZ='{focal_planes}' SizeT='{times}'><TiffData IFD='0' PlaneCount='{n}'/>"
        "</Pixels></Image></OME>\0"
    ).encode()
    return one_page(FIELDS[0].shape, FIELDS[0].tobytes(), (270, 2, len(xml), xml)) + FIELDS[1:].tobytes()


def test_planes_behind_one_page_are_found_in_ome_xml(tmp_path: Path):
    path = tmp_path / "a.ome.tif"
    path.write_bytes(ome_behind(times=4))
    np.testing.assert_array_equal(read_all(path), FIELDS)
    path.write_bytes(path.read_bytes()[: -FIELDS[0].nbytes])
    with pytest.raises(ImageError, match=r"one page, but .* more than that, room for 2 other images"):
        read_headers(path)
    for wrong, name in (({"channels": 4}, "4 channels"), ({"focal_planes": 4}, "4 focal planes")):
        path.write_bytes(ome_behind(**wrong))
        with pytest.raises(ImageError, match=f"is a stack of {name}"):
            read_headers(path)
        np.testing.assert_array_equal(read_all(path, 3), FIELDS[3:])
    # a run that was ended after its first frame
    path.write_bytes(ome_behind(times=4)[: -FIELDS[1:].nbytes])
    np.testing.assert_array_equal(read_all(path), FIELDS[:1])


def test_compressed_images_that_are_claimed_but_not_there_are_refused(tmp_path: Path):
    path = tmp_path / "a.tif"
    description = "ImageJ=1.54f\nimages=4\nframes=4\n"
    tifffile.imwrite(path, FIELDS[0], description=description, metadata=None, compression="zlib")
    with pytest.raises(ImageError, match="claims to hold 4 images, but has 1 page"):
        read_headers(path)
    np.testing.assert_array_equal(read_all(path, 0), FIELDS[:1])


def test_images_that_no_page_and_no_word_points_to_are_noticed(tmp_path: Path):
    path = tmp_path / "a.tif"
    path.write_bytes(one_page(FIELDS[0].shape, FIELDS.tobytes()[: FIELDS[0].nbytes]) + FIELDS[1:].tobytes())
    with pytest.raises(
        ImageError, match=r"has one page, but 25\d\d\d bytes more .* 3 other images.*write 0 in the column"
    ):
        read_headers(path)
    np.testing.assert_array_equal(read_all(path, 0), FIELDS[:1])
    note = (37_724, 7, 40_000, bytes(40_000))  # what an image editor keeps beside its picture is no image
    path.write_bytes(one_page(FIELDS[0].shape, FIELDS[0].tobytes(), note))
    np.testing.assert_array_equal(read_all(path), FIELDS[:1])


def stk(distance: int, times: Sequence[int]) -> bytes:
    """MetaMorph's stack: one page, its planes one after another; heights in UIC2 as rationals, times in ms."""
    planes = b"".join(struct.pack("<6I", distance, 1, 2_451_545, one, 2_451_545, one) for one in times)
    waves = b"".join(struct.pack("<II", 1, 1) for _ in times)
    tags = ((33_629, 5, len(times), planes), (33_628, 5, len(times), waves))
    return one_page(FIELDS[0].shape, FIELDS[0].tobytes(), *tags) + FIELDS[1:].tobytes()


def test_the_planes_of_metamorph_are_counted_unless_they_are_focal_planes(tmp_path: Path):
    path = tmp_path / "a.stk"
    for distance in (0, 1):
        path.write_bytes(stk(distance, range(4)))
        np.testing.assert_array_equal(read_all(path), FIELDS)
    path.write_bytes(stk(1, [7] * 4))
    with pytest.raises(ImageError, match="is a stack of 4 focal planes"):
        read_headers(path)


def test_one_channel_of_several_files_is_an_image(tmp_path: Path):
    xml = (
        "<OME xmlns='http://www.openmicroscopy.org/Schemas/OME/2016-06'><Image><Pixels SizeC='2' SizeT='1' SizeZ='1' "
        "DimensionOrder='XYZCT' Type='uint16'>{}</Pixels></Image></OME>"
    ).format("".join(f"<TiffData FirstC='{c}' IFD='0'><UUID FileName='c{c}.tif'>u</UUID></TiffData>" for c in (0, 1)))
    tifffile.imwrite(tmp_path / "c0.tif", FIELDS[0], description=xml, metadata=None)
    np.testing.assert_array_equal(read_all(tmp_path / "c0.tif"), FIELDS[:1])


# ---- chains of pages ------------------------------------------------------------------------------------------------


def pages(n: int, *, bigtiff: bool = False, byteorder: str = "<") -> tuple[bytearray, list[int]]:
    """Return a TIFF and where each page names its successor."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=bigtiff, byteorder=byteorder) as writer:
        for i in range(n):
            writer.write(FIELDS[i % 4], photometric="minisblack", metadata=None)
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as written:
        entry, count = (20, 8) if bigtiff else (12, 2)
        following = [page.offset + count + entry * len(page.tags) for page in written.pages]
    return data, following


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}], ids=["plain", "BigTIFF", "big-endian"])
def test_a_chain_that_breaks_off_loses_no_image_without_a_word(tmp_path: Path, options: dict):
    path = tmp_path / "a.tif"
    data, following = pages(4, **options)
    layout = options.get("byteorder", "<") + ("Q" if "bigtiff" in options else "I")
    path.write_bytes(data)
    np.testing.assert_array_equal(read_all(path), FIELDS)
    struct.pack_into(layout, data, following[1], len(data) + 1000)
    path.write_bytes(data)
    with pytest.raises(ImageError, match="ends before its page 2 does"):
        read_headers(path)
    np.testing.assert_array_equal(read_all(path, 1), FIELDS[1:2])


@pytest.mark.parametrize(("n", "back_to"), [(1, 0), (3, 1), (150, 20)])
def test_pages_that_run_in_a_circle_are_refused(tmp_path: Path, n: int, back_to: int):
    path = tmp_path / "a.tif"
    data, following = pages(n)
    first = struct.unpack_from("<I", data, 4)[0]
    target = first if back_to == 0 else struct.unpack_from("<I", data, following[back_to - 1])[0]
    struct.pack_into("<I", data, following[-1], target)
    path.write_bytes(data)
    for page in (None, 0):
        with pytest.raises(ImageError, match="its pages run in a circle"):
            read_headers(path, page)


def test_pages_beyond_number_are_refused_immediately(tmp_path: Path):
    path = tmp_path / "a.tif"
    n = 100_001
    path.write_bytes(
        b"II*\0" + struct.pack("<I", 8) + b"".join(struct.pack("<HI", 0, 8 + 6 * (i + 1)) for i in range(n)) + bytes(6)
    )
    with pytest.raises(ImageError, match="has more than 100000 pages"):
        read_headers(path)


# ---- bombs ----------------------------------------------------------------------------------------------------------


def png(width: int, height: int, depth: int = 16, idat: bytes = b"", *chunks: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", idat), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )


FEW = zlib.compress(bytes(1000))
BOMBS = {
    "PNG of 11.5 GB": (png(76_000, 76_000, 16, FEW), "claims 76000 x 76000 px, more than the"),
    "PNG of 400 MB": (png(20_000, 10_000, 16, FEW), r"claims 10000 x 20000 px, but \d+ bytes cannot hold so many"),
    "PNG without pixels": (png(0, 512, 16, FEW), "has no pixels"),
    "TIFF": (one_page((60_000, 60_000), bytes(100)), "claims 60000 x 60000 px, more than"),
    "TIFF, not packed": (one_page((5_000, 5_000), bytes(100)), "claims 5000 x 5000 px, but 100 bytes cannot"),
    "TIFF, deflate": (one_page((20_000, 20_000), FEW, packing=8), "claims 20000 x 20000 px, but"),
    "TIFF, LZW": (one_page((20_000, 20_000), bytes(100), packing=5), "claims 20000 x 20000 px, but"),
    "TIFF, packbits": (one_page((4_000, 4_000), bytes(100), packing=32_773), "claims 4000 x 4000 px, but"),
    "TIFF, zstd": (one_page((40_000, 40_000), b"x", packing=50_000), "claims 40000 x 40000 px, more than"),
}


@pytest.mark.parametrize(("data", "message"), BOMBS.values(), ids=BOMBS)
@pytest.mark.filterwarnings("error")
def test_a_bomb_is_refused_by_its_claim(tmp_path: Path, data: bytes, message: str):
    assert len(data) < 1000
    path = tmp_path / "bomb.tif"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=message):
        read_headers(path)


@pytest.mark.filterwarnings("error")
def test_a_large_png_is_read_without_a_warning_of_its_decoder(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    path = tmp_path / "large.png"
    side = 9_500  # beyond the decoder's own limit
    line = bytes(1 + side)
    packer = zlib.compressobj(1)
    path.write_bytes(png(side, side, 8, b"".join(packer.compress(line) for _ in range(side)) + packer.flush()))
    [pixels] = read_all(path)
    assert (pixels.shape, int(pixels.max())) == ((side, side), 0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("packing", "encode"), [(8, zlib.compress), (5, imagecodecs.lzw_encode)])
def test_a_strip_that_unpacks_to_more_than_belongs_there_fills_no_memory(
    tmp_path: Path, packing: int, encode: Callable[[bytes], bytes]
):
    path = tmp_path / "a.tif"
    path.write_bytes(one_page((60, 70), encode(bytes(1 << 24)), packing=packing))
    read = attempt(lambda: read_all(path))
    if isinstance(read, Failure):
        assert "cannot be decoded" in str(read.error)
    else:
        assert read[0].shape == (60, 70)


def test_a_tile_that_is_far_larger_than_its_image_is_refused(tmp_path: Path):
    path = tmp_path / "a.tif"
    data = zlib.compress(bytes(2 * 600 * 600))

    def page(at: int, side: int) -> bytes:
        facts = ((256, 600), (257, 600), (322, side), (323, side), (324, at), (325, len(data)))
        short = ((258, 16), (259, 8), (262, 1), (277, 1))
        return tags_of(*((c, 4, 1, v) for c, v in facts), *((c, 3, 1, v) for c, v in short))

    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + page(8 + len(page(0, 0)), 65_520) + data)
    with pytest.raises(ImageError, match=r"claims tiles of 4292870400 px, but has 600 x 600 px"):
        read_headers(path)


LARGER = np.zeros((300, 300), np.uint8)
CARRIED = {
    "jpeg": (7, imagecodecs.jpeg_encode(LARGER)),
    "jpeg 2000": (34_712, imagecodecs.jpeg2k_encode(LARGER)),
    "png": (34_933, imagecodecs.png_encode(LARGER)),
}


@pytest.mark.parametrize(("kind", "packing", "data"), [(k, *v) for k, v in CARRIED.items()])
def test_a_strip_that_claims_too_large_a_size_is_not_decoded(tmp_path: Path, kind: str, packing: int, data: bytes):
    path = tmp_path / "a.tif"
    path.write_bytes(one_page((60, 70), data, bits=8, packing=packing))
    with pytest.raises(ImageError, match=f"holds a {kind} of 90000 px where 4200 belong"):
        read_all(path)
    path.write_bytes(one_page((300, 300), data, bits=8, packing=packing))
    assert read_all(path)[0].shape == (300, 300)


def test_the_largest_image_is_larger_than_any_sensor():
    assert math.isqrt(LARGEST_PX) > 14_204 * 1.5  # 151 Mpx: 14204 x 10652


# ---- PNG ------------------------------------------------------------------------------------------------------------


def grey_png() -> bytearray:
    file = io.BytesIO()
    Image.fromarray(FIELDS[0]).save(file, "PNG")
    return bytearray(file.getvalue())


def test_every_checksum_of_a_png_is_looked_at(tmp_path: Path):
    path = tmp_path / "a.png"
    whole = grey_png()
    path.write_bytes(whole)
    np.testing.assert_array_equal(read_all(path), FIELDS[:1])
    start = whole.index(b"IDAT")
    [length] = struct.unpack_from(">I", whole, start - 4)
    for at in (start + 4 + length, start + 5, start + 4 + length + 3, 31, len(whole) - 2):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ImageError, match="a checksum at byte"):
            read_all(path)


@pytest.mark.parametrize(
    ("chunk", "message"),
    [((b"tRNS", b"\0\1"), "grey with transparency"), ((b"acTL", struct.pack(">II", 2, 0)), "an animation")],
)
def test_pngs_that_hold_more_than_one_grey_image_are_refused(tmp_path: Path, chunk: tuple[bytes, bytes], message: str):
    path = tmp_path / "a.png"
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in FIELDS[0])
    path.write_bytes(png(70, 60, 16, zlib.compress(rows)))
    np.testing.assert_array_equal(read_all(path), FIELDS[:1])
    path.write_bytes(png(70, 60, 16, zlib.compress(rows), chunk))
    with pytest.raises(ImageError, match=message):
        read_headers(path)


# ---- damage, and what is no file ------------------------------------------------------------------------------------


def test_a_description_that_does_not_fit_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "a.tif"
    chance = random.Random(2)
    words = ["images", "slices", "frames", "channels", "order", "hyperstack", "unit", "spacing", "loop"]
    values = ["4", "0", "-1", "3", "1e9", "999999999999", "nan", "true", "zct", "", "\u00b5m", "4" * 400, "[[", "0x4"]
    refused = 0
    for _ in range(60):
        lines = [f"{chance.choice(words)}={chance.choice(values)}" for _ in range(chance.randrange(1, 6))]
        text = "ImageJ=1.11a\n" + "\n".join(lines)
        tifffile.imwrite(path, FIELDS, description=text.encode(), metadata=None, photometric="minisblack")
        found = attempt(lambda: read_all(path))
        if isinstance(found, Failure):
            refused += 1
            assert isinstance(found.error, ImageError)
            assert re.search("stack of|claims to hold", str(found.error))
        else:
            assert len(found) == 4
    assert 10 < refused < 50
    assert not caplog.records


@pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
def test_everything_that_is_no_image_is_reported_without_waiting(tmp_path: Path):
    manifest = small_set(tmp_path)
    os.mkfifo(tmp_path / "pipe.tif")
    (tmp_path / "circle.tif").symlink_to("circle.tif")
    (tmp_path / "folder.tif").mkdir()
    names = ["pipe.tif", "circle.tif", "folder.tif", "n" * 300, "n/" * 2500, "/dev/zero", "low1-0.tif/below.tif"]
    with manifest.open("a", encoding="utf-8") as file:
        file.writelines(f"{name},low,low1,s1,mon,0.325\n" for name in names)
    found = [problem for problem in check_dataset(manifest).errors if problem.kind in {"unreadable", "manifest"}]
    assert len(found) == len(names)
    for problem, name in zip(found, names, strict=True):
        assert name.rstrip("/") in str(problem)


def test_a_forbidden_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    manifest = small_set(tmp_path)
    stat = type(tmp_path).stat

    def forbidden(path: Path, **options: bool) -> os.stat_result:
        if path.name.startswith("low1"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(type(tmp_path), "stat", forbidden)
    [problem] = [one for one in check_dataset(manifest).errors if one.kind == "unreadable"]
    assert "low1-0.tif cannot be opened: Permission denied" in str(problem)


@pytest.mark.parametrize(
    ("packing", "packed"),
    [
        ("jpegxl", lambda: imagecodecs.jpegxl_encode(np.zeros((200, 300), np.uint8))),
        ("jpegxl", lambda: imagecodecs.jpegxl_encode(np.zeros((200, 300), np.uint8), usecontainer=False)),
        ("lerc", lambda: imagecodecs.lerc_encode(np.zeros((200, 300), np.uint8))),
        ("jpeg2000", lambda: imagecodecs.jpeg2k_encode(np.zeros((200, 300), np.uint8), level=0)),
        ("jpeg", lambda: imagecodecs.jpeg8_encode(np.zeros((200, 300), np.uint8))),
        ("png", lambda: imagecodecs.png_encode(np.zeros((200, 300), np.uint8))),
    ],
)
def test_a_strip_that_claims_more_pixels_than_belong_there_is_refused(
    tmp_path: Path, packing: str, packed: Callable[[], bytes]
):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, iter([packed()]), shape=(64, 64), dtype="uint8", compression=packing, metadata=None, rowsperstrip=64
    )
    with pytest.raises(ImageError, match=r"page 0 holds a .* of 60000 px where 4096 belong"):
        read_all(path)


def test_a_strip_that_hides_its_size_is_refused(tmp_path: Path):
    """Behind more than 64 KiB of comments, where it was not looked for: the decoder took the memory."""
    jpeg = imagecodecs.jpeg8_encode(np.zeros((200, 300), np.uint8))
    comment = b"\xff\xfe\xff\xff" + bytes(65_533)
    path = tmp_path / "a.tif"
    data = iter([jpeg[:2] + comment + jpeg[2:]])
    tifffile.imwrite(path, data, shape=(64, 64), dtype="uint8", compression="jpeg", metadata=None, rowsperstrip=64)
    with pytest.raises(ImageError, match="page 0 holds a jpeg that does not state its size"):
        read_all(path)


def test_a_compression_whose_claims_cannot_be_seen_is_refused(tmp_path: Path):
    path = tmp_path / "a.tif"
    data = iter([imagecodecs.webp_encode(np.zeros((200, 300, 3), np.uint8))])
    tifffile.imwrite(path, data, shape=(64, 64), dtype="uint8", compression="webp", metadata=None, rowsperstrip=64)
    with pytest.raises(ImageError, match=r"page 0 is compressed by WEBP \(50001\), which is not read"):
        read_all(path)


def test_tissue_is_no_bomb(tmp_path: Path):
    """Images that pack well are images."""
    for i, packing in enumerate(("zlib", "lzw", "packbits", "zstd", "lzma", "lerc", "jpegxl", "jpeg2000", "png")):
        for pixels in (np.zeros((512, 512), np.uint16), tissue(0)):
            path = tmp_path / f"{i}.tif"
            lossless = {"jpegxl": {"lossless": True}, "jpeg2000": {"level": 0}}.get(packing)
            tifffile.imwrite(path, pixels, compression=packing, compressionargs=lossless, metadata=None)
            np.testing.assert_array_equal(read_all(path), [pixels])
