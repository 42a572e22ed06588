"""Colour images become grey by the conversion that the manifest names, and by no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hcc_scope.colour import CONVERSIONS, describe_conversion, to_counts
from hcc_scope.datasets.cache import cut_tiles
from hcc_scope.datasets.check import check_dataset
from hcc_scope.datasets.images import read_headers, read_pixels
from hcc_scope.datasets.labelled_image import LabelledImage
from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.errors import DatasetError, ImageError, ManifestError
from hcc_scope.progress import ignore_progress
from tests.commands import cli
from tests.dataset_parts import HEADER, tissue, write_lines

if TYPE_CHECKING:
    from pathlib import Path

COLOUR_HEADER = f"{HEADER},colour"
RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (60, 70, 3), np.uint8)
COUNTS = RNG.integers(0, 65_536, (60, 70, 3), np.uint16)


def converted(path: Path, how: str, index: int = 0) -> np.ndarray:
    header = next(one for one in read_headers(path, colour=how) if one.index == index)  # type: ignore[arg-type]
    image = LabelledImage(path, index, "low", "m1", "s1", "mon", 0.325, header.shape_yx, header.bit_depth, colour=how)  # type: ignore[arg-type]
    return read_pixels(image)


def one_pixel(*rgb: int, how: str) -> int:
    return int(to_counts(np.array([[rgb]], np.uint16), how)[0, 0])  # type: ignore[arg-type]


@pytest.mark.parametrize("how", CONVERSIONS)
@given(rgb=st.tuples(*[st.integers(0, 65_535)] * 3))
def test_a_conversion_stays_within_the_three_numbers_and_keeps_grey(how: str, rgb: tuple[int, int, int]):
    assert min(rgb) <= one_pixel(*rgb, how=how) <= max(rgb)
    assert one_pixel(*[rgb[0]] * 3, how=how) == rgb[0]


def test_the_conversions_of_known_pixels():
    assert one_pixel(10_000, 0, 0, how="luminance") == 2126
    assert one_pixel(0, 0, 10_000, how="luminance") == 722
    assert [one_pixel(1, 2, 3, how=how) for how in ("red", "green", "blue")] == [1, 2, 3]
    # densities of 0, 1 and 2 are 1 on average: a tenth of the light of a white of 999
    assert one_pixel(999, 99, 9, how="od") == 99
    assert one_pixel(0, 0, 0, how="od") == 0


def test_large_images_are_converted_in_blocks_alike(monkeypatch: pytest.MonkeyPatch):
    whole = to_counts(COUNTS, "od")
    monkeypatch.setattr("hcc_scope.colour._BLOCK_PX", 100)
    np.testing.assert_array_equal(to_counts(COUNTS, "od"), whole)


TIFFS = {
    "8 bits": (BYTES, {"compression": "zlib"}),
    "16 bits": (COUNTS, {}),
    "planes": (np.moveaxis(COUNTS, 2, 0), {"planarconfig": "separate"}),
    "tiles": (BYTES, {"tile": (32, 32), "compression": "lzw"}),
    "big-endian": (COUNTS, {"byteorder": ">"}),
    "OME": (BYTES, {"ome": True, "metadata": {"axes": "YXS"}}),
}


@pytest.mark.parametrize(("pixels", "options"), TIFFS.values(), ids=TIFFS)
def test_colour_tiffs(tmp_path: Path, pixels: np.ndarray, options: dict):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", **options)
    rgb = BYTES if pixels.dtype == np.uint8 else COUNTS
    [header] = read_headers(path, colour="luminance")
    assert (header.shape_yx, header.bit_depth) == (rgb.shape[:2], 8 * rgb.itemsize)
    for how in CONVERSIONS:
        np.testing.assert_array_equal(converted(path, how), to_counts(rgb, how))


def test_the_pages_of_a_colour_tiff_and_jpeg_colours(tmp_path: Path):
    with tifffile.TiffWriter(tmp_path / "pages.tif") as file:
        for page in (BYTES, BYTES[::-1]):
            file.write(page, photometric="rgb", metadata=None)
    np.testing.assert_array_equal(converted(tmp_path / "pages.tif", "green", 1), BYTES[::-1, :, 1])
    flat = np.full((64, 64, 3), (200, 100, 50), np.uint8)
    tifffile.imwrite(tmp_path / "jpeg.tif", flat, photometric="rgb", compression="jpeg")  # stored as luma and chroma
    assert abs(int(converted(tmp_path / "jpeg.tif", "red")[0, 0]) - 200) <= 2
    assert abs(int(converted(tmp_path / "jpeg.tif", "blue")[0, 0]) - 50) <= 2


@pytest.mark.parametrize("rgb", [BYTES, COUNTS], ids=["8 bits", "16 bits"])
def test_colour_pngs(tmp_path: Path, rgb: np.ndarray):
    path = tmp_path / "image.png"
    path.write_bytes(imagecodecs.png_encode(rgb))
    for how in CONVERSIONS:
        np.testing.assert_array_equal(converted(path, how), to_counts(rgb, how))


def test_colour_without_a_conversion_is_refused_and_the_column_named(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", BYTES, photometric="rgb")
    Image.fromarray(BYTES).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        with pytest.raises(ImageError, match="not grey") as caught:
            read_headers(tmp_path / name)
        assert "column colour" in (caught.value.hint or "")


def test_transparency_and_grey_are_refused_with_a_conversion(tmp_path: Path):
    alpha = np.concatenate([BYTES, BYTES[:, :, :1]], axis=2)
    tifffile.imwrite(tmp_path / "alpha.tif", alpha, photometric="rgb", extrasamples=["unassalpha"])
    Image.fromarray(alpha).save(tmp_path / "alpha.png")
    tifffile.imwrite(tmp_path / "grey.tif", BYTES[:, :, 0], photometric="minisblack")
    Image.fromarray(BYTES[:, :, 0]).save(tmp_path / "grey.png")
    for name in ("alpha.tif", "alpha.png"):
        with pytest.raises(ImageError) as caught:
            read_headers(tmp_path / name, colour="od")
        assert caught.value.hint == "Save it without transparency."
    for name in ("grey.tif", "grey.png"):
        with pytest.raises(ImageError, match="is grey, so it cannot be converted by od"):
            read_headers(tmp_path / name, colour="od")


def colour_set(folder: Path, ways: tuple[str, str] = ("od", "od")) -> Path:
    lines = []
    for i, (name, how) in enumerate(zip(("low", "high"), ways, strict=True)):
        grey = tissue(i)
        tifffile.imwrite(folder / f"{name}.tif", np.stack([grey, grey // 2, grey // 4], axis=2), photometric="rgb")
        lines.append(f"{name}.tif,{name},{name}1,s1,mon,0.325,{how}")
    return write_lines(folder / "m.csv", lines, COLOUR_HEADER)


def test_a_set_of_colour_images_is_cut_as_converted_and_keeps_the_conversion(tmp_path: Path):
    data = read_manifest(colour_set(tmp_path))
    assert data.colour == "od"
    table = cut_tiles(data, None, ignore_progress)
    for row in range(2):
        np.testing.assert_array_equal(table.reader.read([row])[0], read_pixels(data.images[row]))
    other = read_manifest(colour_set(tmp_path, ("green", "green")))
    assert other.fingerprint != data.fingerprint
    np.testing.assert_array_equal(
        cut_tiles(other, None, ignore_progress).reader.read([0])[0], tifffile.imread(tmp_path / "low.tif")[:, :, 1]
    )


def test_the_check_states_the_conversion(tmp_path: Path):
    done = cli("dataset", "check", colour_set(tmp_path))
    assert f"2 images: {describe_conversion('od')}" in " ".join((done.out + done.err).split())
    report = check_dataset(colour_set(tmp_path, ("od", "green")))
    assert report.colours == {"od": 1, "green": 1}
    assert [problem.kind for problem in report.errors] == ["mixture"]


def test_mixed_conversions_and_unknown_ones_are_refused(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"most images are converted by od, but not high\.tif \(green\)"):
        read_manifest(colour_set(tmp_path, ("od", "green")))
    with pytest.raises(ManifestError, match="colour is 'grey', which is no conversion") as caught:
        read_manifest(colour_set(tmp_path, ("od", "grey")))
    assert "luminance, red, green, blue, od" in (caught.value.hint or "")
