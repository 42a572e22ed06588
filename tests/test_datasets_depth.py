"""Counts that do not fit the stated bit depth, files that contradict the manifest, ids that a spreadsheet changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from dataset_parts import HEADER, tissue, write_lines
from labelled_image_parts import labelled_image

from hcc_scope.datasets.check import check_dataset
from hcc_scope.datasets.depth import TopCounts, depth_problems, file_problems, top_counts
from hcc_scope.datasets.images import read_headers
from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.datasets.spelling import spelling_problems
from hcc_scope.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(5)


def exposed(largest: int, bright: float, shape: tuple[int, int] = (300, 300)) -> np.ndarray:
    """Shot noise around `bright` of the camera's range, which ends at `largest`."""
    return RNG.normal(bright * largest, largest / 20, shape).clip(0, largest).astype(np.uint16)


# ---- bit depth ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixels", "plateau"),
    [
        (exposed(16_383, 0.95), True),
        (exposed(4_095, 1.0), True),
        (exposed(4_095, 1.0) * np.uint16(16), True),
        (exposed(255, 1.0), True),
        (exposed(16_383, 0.5), False),
        (exposed(255, 0.5), False),
        (np.full((300, 300), 900, np.uint16), False),
        (tissue(1), False),
    ],
)
def test_a_plateau_is_more_than_light_leaves_there_by_chance(pixels: np.ndarray, plateau: bool):
    top = top_counts(pixels)
    assert top.largest == pixels.max()
    assert top.plateau_px == (np.count_nonzero(pixels == pixels.max()) if plateau else 0)


def problems_of(depth: int, *tops: TopCounts) -> list[str]:
    images = [replace(labelled_image(i), bit_depth=depth) for i in range(len(tops))]
    return [str(problem) for problem in depth_problems(images, tops)]


def test_fourteen_bits_in_files_of_sixteen_are_reported_with_the_figure():
    [problem] = problems_of(16, TopCounts(16_383, 900), TopCounts(9_000, 0), TopCounts(16_383, 500))
    assert problem == (
        "2 images have no count above 16383 and many there, as if saturated, but the bit depth of 16 allows 65535: "
        "0.tif, 2.tif. Say 14 in the column bit_depth: tiles that are saturated there are not left out now."
    )
    [problem] = problems_of(16, TopCounts(9_000, 0), TopCounts(11_000, 0))
    assert problem == (
        "No count of 2 images of 16 bit is above 11000: a camera of 14 bits ends at 16383, of 16 bits at 65535. If the "
        "camera has 14 bits, write 14 in the column bit_depth: otherwise, saturation goes unseen."
    )
    [problem] = problems_of(14, TopCounts(4_000, 0))
    assert "a camera of 12 bits ends at 4095, of 14 bits at 16383" in problem


@pytest.mark.parametrize(("bits", "level"), [(12, 65_520), (14, 65_532), (10, 65_472), (8, 65_280)])
def test_bits_that_were_shifted_upwards_are_reported_with_their_number(bits: int, level: int):
    [problem] = problems_of(16, TopCounts(level, 900))
    by = 2 ** (16 - bits)
    assert f"look like counts of {bits} bits times {by}: divide them by {by} and write {bits} in bit_depth" in problem


def test_one_bright_image_shows_what_dim_ones_do_not():
    assert problems_of(16, TopCounts(2_000, 0), TopCounts(3_000, 0), TopCounts(40_000, 0)) == []
    assert problems_of(16, TopCounts(65_535, 4_000)) == []
    assert problems_of(12, TopCounts(4_095, 4_000), TopCounts(100, 0), TopCounts(3_000, 0)) == []
    assert problems_of(8, TopCounts(90, 0)) == []
    # a level that no camera of a usual depth has, for example after white balance
    [problem] = problems_of(16, TopCounts(61_000, 700), TopCounts(65_000, 0))
    assert "1 image has no count above 61000" in problem
    assert "Find out at which count the camera saturates" in problem


# ---- what files state -----------------------------------------------------------------------------------------------


def ome(path: Path, pixels: np.ndarray, **keys: object) -> Path:
    metadata = {"axes": "YX", **keys}
    tifffile.imwrite(path, pixels, ome=True, metadata=metadata, photometric="minisblack")
    return path


MICRO = {"PhysicalSizeX": 0.65, "PhysicalSizeXUnit": "\u00b5m", "PhysicalSizeY": 0.65, "PhysicalSizeYUnit": "\u00b5m"}
NANO = {"PhysicalSizeX": 325.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 650.0, "PhysicalSizeYUnit": "nm"}
RESOLUTIONS = {
    "OME": ({"ome": True, "metadata": {"axes": "YX", **MICRO}}, (0.65, 0.65)),
    "OME in nm": ({"ome": True, "metadata": {"axes": "YX", **NANO}}, (0.65, 0.325)),
    "OME without": ({"ome": True, "metadata": {"axes": "YX"}}, None),
    "OME in px": ({"ome": True, "metadata": {"axes": "YX", **MICRO, "PhysicalSizeXUnit": "pixel"}}, None),
    "ImageJ": ({"imagej": True, "resolution": (2.0, 2.0), "metadata": {"unit": "um"}}, (0.5, 0.5)),
    "ImageJ in microns": ({"imagej": True, "resolution": (2.0, 4.0), "metadata": {"unit": "micron"}}, (0.25, 0.5)),
    "centimetres": ({"resolution": (20_000, 20_000), "resolutionunit": 3}, (0.5, 0.5)),
    "inches": ({"resolution": (25_400, 25_400), "resolutionunit": 2}, (1.0, 1.0)),
    "of a printer": ({"resolution": (300, 300), "resolutionunit": 2}, None),
    "of no unit": ({"resolution": (2, 2), "resolutionunit": 1}, None),
}


@pytest.mark.parametrize(("options", "expected"), RESOLUTIONS.values(), ids=RESOLUTIONS)
def test_the_pixel_size_that_a_file_states_is_read(tmp_path: Path, options: dict, expected: tuple | None):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, tissue(0), photometric="minisblack", **options)
    [header] = read_headers(path)
    assert header.pixel_size_yx_um == (None if expected is None else pytest.approx(expected, rel=1e-3))


def test_a_contradiction_of_files_and_manifest_is_reported_with_both_figures(tmp_path: Path):
    dim = tissue(0) >> 4
    ome(tmp_path / "a.tif", dim, SignificantBits=12, **MICRO)
    ome(tmp_path / "b.tif", dim + np.uint16(3), SignificantBits=12, **NANO)
    ome(tmp_path / "c.tif", dim + np.uint16(5), SignificantBits=12)
    rows = ["a.tif,low,m1,s1,mon,0.325,14", "b.tif,high,m2,s1,mon,0.65,14", "c.tif,high,m3,s1,mon,0.325,14"]
    report = check_dataset(write_lines(tmp_path / "m.csv", rows, HEADER + ",bit_depth"))
    assert [str(problem) for problem in report.problems if problem.kind == "file"] == [
        "The bit depth of 3 images is 14 bit in the manifest and 12 bit in the files: a.tif, b.tif, c.tif. Find out "
        "which is right; the manifest's is used.",
        "The pixel size of 1 image is 0.325 um in the manifest and 0.65 um in the file: a.tif. Find out which is "
        "right; the manifest's is used.",
        "The pixel size of 1 image is 0.65 um in the manifest and 0.325 x 0.65 um in the file: b.tif. Find out which "
        "is right; the manifest's is used.",
    ]


def test_the_bit_depth_that_a_file_states_is_used_where_the_manifest_has_none(tmp_path: Path):
    dim = tissue(0) >> 4
    ome(tmp_path / "a.tif", dim, SignificantBits=12)
    ome(tmp_path / "b.tif", dim + np.uint16(3), SignificantBits=12)
    manifest = write_lines(tmp_path / "m.csv", ["a.tif,low,m1,s1,mon,0.325", "b.tif,high,m2,s1,mon,0.325"])
    data = read_manifest(manifest)
    assert (data.bit_depth, file_problems(data.images)) == (12, [])
    ome(tmp_path / "b.tif", tissue(1), SignificantBits=12)  # 12 bits that were shifted to the upper ones
    [problem] = [one for one in check_dataset(manifest).errors if one.kind == "unreadable"]
    assert "above the 4095 that a bit depth of 12 allows" in str(problem)
    for nonsense in (3, 17, 99):
        ome(tmp_path / "b.tif", tissue(1), SignificantBits=nonsense)
        assert read_headers(tmp_path / "b.tif")[0].bit_depth == 16
    ome(tmp_path / "a.tif", tissue(2))
    assert read_manifest(manifest).bit_depth == 16


def test_broken_or_endless_ome_xml_is_ignored(tmp_path: Path):
    path = tmp_path / "image.tif"
    bomb = "<!DOCTYPE a [<!ENTITY b 'cccccccccc'>" + "".join(
        f"<!ENTITY b{i} '{('&b%s;' % (i - 1 if i else '')) * 20}'>" for i in range(12)
    )
    for xml in ("<OME><Image><Pixels SizeX='512'", bomb + "]><OME><Image><Pixels SizeX='&b11;'/></Image></OME>"):
        tifffile.imwrite(path, tissue(0), description=xml, metadata=None)
        assert len(read_headers(path)) == 1
    huge = (
        "<OME><Image><Pixels SizeC='1' SizeZ='1' SizeT='999999999' DimensionOrder='XYZCT' Type='uint16'/></Image></OME>"
    )
    with tifffile.TiffWriter(path) as file:
        for i in range(2):
            file.write(tissue(i), description=huge if i == 0 else None, metadata=None)
    assert len(read_headers(path)) == 2
    tifffile.imwrite(path, np.stack([tissue(0)] * 2), ome=True, metadata={"axes": "CYX"}, photometric="minisblack")
    with pytest.raises(ImageError, match="stack of 2 channels"):
        read_headers(path)


# ---- ids ------------------------------------------------------------------------------------------------------------


def spelt(*animals: str) -> list[str]:
    return [problem.what for problem in spelling_problems([labelled_image(i, animal=a) for i, a in enumerate(animals)])]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("07", "7"),
        ("7", "7.0"),
        ("007", "7,0"),
        ("M07", "M7"),
        ("m-007", "M7"),
        ("1E5", "100000"),
        ("1E5", "1.00E+05"),
        ("1-07", "1-7"),
        ("\uff17", "7"),
    ],
)
def test_ids_that_a_spreadsheet_may_have_changed_are_reported(one: str, other: str):
    found = spelt(one, other, "another")
    assert f"The animal ids {' and '.join(sorted((one, other)))} differ only in how a number is written" in found


@pytest.mark.parametrize(
    "ids",
    [
        ("1-11", "11-1", "111", "1.11", "11.1"),
        ("M1", "M10", "M100", "1M"),
        ("7", "70", "700", "0.7", "17"),
        ("mar", "marie", "may", "M-3", "3", "E5", "2E", "A-1", "DEC", "S3-A", "Mai"),
    ],
)
def test_ids_that_differ_are_not(ids: tuple[str, ...]):
    assert spelt(*ids) == []


@pytest.mark.parametrize("changed", ["3-May", "01. Mrz", "Mar-01", "12-Dec", "05-Okt"])
def test_an_id_that_became_a_date_is_reported(changed: str):
    assert spelt("1-4", changed) == [f"The id {changed} looks like a date that a spreadsheet made of another id"]


def test_an_id_that_became_a_number_is_reported():
    assert spelt("1.20E+07", "b") == ["The id 1.20E+07 looks like a number that a spreadsheet made of another id"]


def test_an_id_with_the_apostrophe_that_marks_text_is_reported():
    assert spelt("'07", "07", "b") == ["The animal ids '07 and 07 differ only in an apostrophe before them"]


def test_a_formula_in_the_place_of_an_id_is_reported():
    assert spelt("=B2+1", "b") == ["The id =B2+1 looks like a formula"]


def test_days_are_checked_too():
    images = [replace(labelled_image(i), day=day) for i, day in enumerate(("2026-03-02", "2026-3-2", "2026-03-12"))]
    [problem] = spelling_problems(images)
    assert problem.what == "The days 2026-03-02 and 2026-3-2 differ only in how a number is written"
