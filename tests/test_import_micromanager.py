"""Datasets of Micro-Manager come in with all that they state; what is damaged is named, and the rest is read."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from hcc_scope.errors import ImageError
from hcc_scope.imports.images import open_image_files, open_images
from tests.micromanager_files import SUMMARY, metadata_of, ome_xml, write_folder_1, write_folder_2, write_stack

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.imports.collection import ImageCollection

SHAPE = (32, 40)


def counts(i: int) -> np.ndarray:
    return np.random.default_rng(i).integers(0, 1 << 14, SHAPE, dtype=np.uint16)


def axes(images: ImageCollection) -> list[tuple[int, int, int, int]]:
    return [(plane.series, plane.time, plane.z, plane.channel) for plane in images.planes]


def assert_images(images: ImageCollection, wanted: list[int]) -> None:
    assert len(images.planes) == len(wanted)
    for k, i in enumerate(wanted):
        np.testing.assert_array_equal(images.read(k), counts(i))


def test_a_stack_keeps_all_that_each_image_states(tmp_path: Path):
    path = tmp_path / "run_1_MMStack_Default.ome.tif"
    write_stack(path, [(counts(i), metadata_of(time=i)) for i in range(2)])
    with tifffile.TiffFile(path) as file:  # an independent reader recognises what is written here
        assert file.series[0].kind == "mmstack"
    with open_images(path) as images:
        assert (images.format, axes(images)) == ("Micro-Manager stack", [(0, 0, 0, 0), (0, 1, 0, 0)])
        assert list(images.channel_names) == ["Bright", "DAPI"]
        assert not images.problems
        assert_images(images, [0, 1])
        plane = images.planes[1]
    assert (plane.shape_yx, plane.dtype, plane.bit_depth) == (SHAPE, "uint16", 14)
    assert (plane.stage_um, plane.pixel_size_yx_um) == ((100.5, -20.25, 3.5), (0.325, 0.325))
    assert (plane.exposure_ms, plane.em_gain, plane.temperature_c) == (12.5, 300.0, -69.0)
    assert (plane.objective, plane.camera_frame) == ("20x", 7)
    assert plane.t_utc == datetime(2026, 11, 30, 8, 0, 1, 250_000, tzinfo=UTC)
    assert plane.tags["Andor-EMSwitch"] == "On"
    assert plane.tags["Note"] == "one of two"
    assert plane.tags["PositionName"] == "Pos0"


def test_the_facts_of_a_stack_are_not_guessed(tmp_path: Path):
    stated = metadata_of(PixelSizeUm=0.0, XPositionUm=float("nan"), BitDepth=99)
    del stated["ReceivedTime"]
    stated |= {"Andor-EMSwitch": "Off", "ElapsedTime-ms": 2000}
    write_stack(tmp_path / "a.tif", [(counts(0), stated)])
    with open_images(tmp_path / "a.tif") as images:
        [plane] = images.planes
    assert (plane.stage_um, plane.bit_depth, plane.em_gain) == (None, 16, 1.0)
    assert plane.t_utc == datetime(2026, 11, 30, 8, 0, 2, tzinfo=UTC)
    assert plane.pixel_size_yx_um == pytest.approx((0.325, 0.325), rel=1e-4)  # from the page's resolution


def test_positions_in_several_files_are_one_dataset(tmp_path: Path):
    for position in range(2):
        images = [(counts(2 * position + time), metadata_of(position, time)) for time in range(2)]
        write_stack(tmp_path / f"run_1_MMStack_Pos{position}.ome.tif", images)
    with open_images(tmp_path) as images:
        assert axes(images) == [(0, 0, 0, 0), (0, 1, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0)]
        assert [plane.stage_um[0] for plane in images.planes if plane.stage_um] == [100.5, 100.5, 101.5, 101.5]
        assert_images(images, [0, 1, 2, 3])


def test_a_copy_of_a_file_counts_no_field_twice(tmp_path: Path):
    path = tmp_path / "run_1_MMStack_Pos0.ome.tif"
    write_stack(path, [(counts(time), metadata_of(time=time)) for time in range(2)])
    shutil.copy(path, tmp_path / "run_1_MMStack_Pos0 (1).ome.tif")
    write_stack(tmp_path / "run_1_MMStack_Pos0_1.ome.tif", [(counts(2), metadata_of(time=2))])
    with open_images(tmp_path) as images:
        assert axes(images) == [(0, 0, 0, 0), (0, 1, 0, 0), (0, 2, 0, 0)]
        assert_images(images, [0, 1, 2])
        assert images.problems == (
            "run_1_MMStack_Pos0 (1).ome.tif holds 2 images of the same position, time, z and channel as "
            "run_1_MMStack_Pos0.ome.tif: what it holds twice is left out",
        )


def test_an_acquisition_that_was_stopped_early_has_no_image_twice(tmp_path: Path):
    path = tmp_path / "run_1_MMStack_Default.ome.tif"
    repeated = ome_xml(path.name, [(0, 0), (1, 1), (2, 1), (3, 1)], 4)  # as Micro-Manager fills the gaps
    write_stack(path, [(counts(i), metadata_of(time=i)) for i in range(2)], SUMMARY | {"Frames": 4}, repeated)
    with open_images(path) as images:
        assert_images(images, [0, 1])
    # the same for a file that has the OME-XML alone
    tifffile.imwrite(tmp_path / "b.ome.tif", np.stack([counts(0), counts(1)]), description=repeated, metadata=None,
                     photometric="minisblack")  # fmt: skip
    with open_images(tmp_path / "b.ome.tif") as images:
        assert_images(images, [0, 1])
        assert "what its OME-XML lists once more is left out, 2 images (" in images.problems[0]


def test_a_stack_whose_program_was_killed_is_read_as_far_as_it_goes(tmp_path: Path):
    path = tmp_path / "run_1_MMStack_Default.ome.tif"
    write_stack(path, [(counts(i), metadata_of(time=i)) for i in range(3)], killed=True)
    with open_images(path) as images:
        assert_images(images, [0, 1, 2])
        assert "ends before its page 3 does; what it holds before that is read" in images.problems[0]
    path.write_bytes(path.read_bytes()[:-9000])
    with open_images(path) as images:
        assert_images(images, [0])


def test_metadata_that_are_not_ended_properly_are_read_and_others_named(tmp_path: Path):
    cut = json.dumps(metadata_of(time=1))[:-5].encode() + b"\0"  # within its last text
    images = [(counts(0), metadata_of()), (counts(1), cut), (counts(2), b"\x01\x02{{{\0")]
    write_stack(tmp_path / "a.tif", images)
    with open_images(tmp_path / "a.tif") as found:
        assert sorted(axes(found)) == [(0, 0, 0, 0), (0, 1, 0, 0), (1, 2, 0, 0)]
        assert found.problems == (
            "a.tif: the metadata of 1 of its images cannot be read, so their positions and times are not known",
        )
        assert_images(found, [0, 1, 2])


def test_a_page_of_a_stack_that_cannot_be_parsed_loses_no_other(tmp_path: Path):
    path = tmp_path / "a.tif"
    write_stack(path, [(counts(i), metadata_of(time=i)) for i in range(3)])
    with tifffile.TiffFile(path) as file:
        at = file.pages[1].offset
    data = bytearray(path.read_bytes())
    data[at + 2 + 2 * 12 : at + 2 + 2 * 12 + 2] = b"\x07\x01"  # BitsPerSample becomes another tag
    path.write_bytes(data)
    with open_images(path) as found:
        assert_images(found, [0, 2])
        assert found.problems[-1].startswith("page 1 of a.tif is left out: ")


def test_an_image_that_was_written_once_more_counts_once(tmp_path: Path):
    write_stack(tmp_path / "a.tif", [(counts(0), metadata_of()), (counts(1), metadata_of())])
    with open_images(tmp_path / "a.tif") as images:
        assert_images(images, [1])
        assert "1 image that a later one replaces" in images.problems[0]


def test_a_folder_of_version_1(tmp_path: Path):
    names = ["DAPI", "Bright field"]  # not in the order of their names
    write_folder_1(tmp_path / "Pos0", {(t, c): counts(2 * t + c) for t in range(2) for c in range(2)}, names)
    (tmp_path / "Pos0" / "thumbnail.png").write_bytes(b"of another program")
    with open_images(tmp_path) as images:
        assert images.format == "Micro-Manager images"
        assert axes(images) == [(0, 0, 0, 0), (0, 0, 0, 1), (0, 1, 0, 0), (0, 1, 0, 1)]
        assert list(images.channel_names) == names
        assert images.problems == (
            f"{tmp_path / 'Pos0'} holds 1 file that the dataset does not know, left out: thumbnail.png",
        )
        assert_images(images, [0, 1, 2, 3])
        plane = images.planes[3]
    assert (plane.where, plane.exposure_ms) == ("Pos0/img_000000001_Bright field_000.tif", 20.0)
    assert (plane.stage_um, plane.pixel_size_yx_um) == ((5.0, 6.0, 7.0), (0.65, 0.65))
    assert plane.t_utc == datetime(2019, 5, 1, 8, 0, 1, 250_000, tzinfo=UTC)


def test_positions_of_version_2_and_what_is_missing(tmp_path: Path):
    for position in (0, 1, 10):
        write_folder_2(tmp_path / f"Pos{position}", {t: counts(10 * position + t) for t in range(2)}, position)
    (tmp_path / "Pos1" / "img_channel000_position001_time000000000_z000.tif").unlink()
    with open_images(tmp_path) as images:
        assert axes(images) == [(0, 0, 0, 0), (0, 1, 0, 0), (1, 1, 0, 0), (2, 0, 0, 0), (2, 1, 0, 0)]
        assert_images(images, [0, 1, 11, 100, 101])
        assert [plane.bit_depth for plane in images.planes] == [14] * 5
        [problem] = images.problems
    assert "Pos1/metadata.txt lists 1 image without a file: img_channel000_position001_time0" in problem
    with open_images(tmp_path / "Pos10") as images:  # a position by itself
        assert_images(images, [100, 101])
    files = sorted((tmp_path / "Pos10").glob("*.tif"))
    for given in (files, files[1:]):  # and some of its files
        with open_image_files(given) as images:
            assert_images(images, [100, 101][-len(given) :])
            assert [plane.exposure_ms for plane in images.planes] == [12.5] * len(given)
            assert not images.problems


def test_metadata_that_end_early_lose_no_image(tmp_path: Path):
    write_folder_2(tmp_path / "Default", {t: counts(t) for t in range(3)})
    listed = tmp_path / "Default" / "metadata.txt"
    listed.write_text(listed.read_text()[:-900])
    with open_images(tmp_path / "Default") as images:
        assert_images(images, [0, 1, 2])
        assert [plane.exposure_ms for plane in images.planes] == [12.5, 12.5, None]
        assert "metadata.txt ends early or is damaged, and is read up to there (" in images.problems[0]
        assert "does not list 1 image, so that positions and times are not known: img_" in images.problems[1]
    listed.unlink()
    with open_images(tmp_path / "Default") as images:
        assert axes(images) == [(0, 0, 0, 0), (0, 1, 0, 0), (0, 2, 0, 0)]
        assert_images(images, [0, 1, 2])


def test_no_name_in_metadata_leads_out_of_the_folder(tmp_path: Path):
    tifffile.imwrite(tmp_path / "img_000000007_secret_000.tif", counts(9))
    folder = tmp_path / "Pos0"
    write_folder_1(folder, {(0, 0): counts(0)}, ["Bright"])
    listed = folder / "metadata.txt"
    listed.write_text(listed.read_text().replace('"img_000000000_Bright', '"../img_000000007_secret'))
    with open_images(folder) as images:
        assert_images(images, [0])
        assert "lists 1 image without a file" in images.problems[0]


def test_images_beside_a_dataset_are_not_taken_for_a_part_of_it(tmp_path: Path):
    write_folder_1(tmp_path / "calibration", {(0, 0): counts(0)}, ["Bright"])
    tifffile.imwrite(tmp_path / "field.tif", counts(1))
    with open_images(tmp_path) as images:
        assert images.format == "TIFF"
        assert_images(images, [1])


def test_a_folder_without_a_readable_image_is_refused(tmp_path: Path):
    write_folder_1(tmp_path / "Pos0", {(0, 0): counts(0)}, ["Bright"])
    (tmp_path / "Pos0" / "img_000000000_Bright_000.tif").write_bytes(b"")
    with pytest.raises(ImageError, match=r"img_000000000_Bright_000.tif is empty"):
        open_images(tmp_path)
