"""NDTiff datasets as ndstorage and pycromanager write them, whole and damaged."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hcc_scope.errors import ImageError
from hcc_scope.imports.ndtiff import INDEX, NDTiff, is_ndtiff

if TYPE_CHECKING:
    from pathlib import Path

SUMMARY = {"StartTime": "2026-11-30 09:00:00.000 +0100", "ChNames": ["BF", "DAPI"], "PixelSize_um": 0.325}
SHAPE = (24, 32)


def picture(number: int, dtype: str = "uint16") -> np.ndarray:
    """Pixels that carry their number, so that a read-back proves which image landed where."""
    return (np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) % 97 + number).astype(dtype)


def write(
    folder: Path,
    images: list[tuple[dict[str, Any], dict[str, Any]]],
    dtype: str = "uint16",
    summary: dict[str, Any] = SUMMARY,
) -> Path:
    from ndstorage import NDTiffDataset  # imports dask and pandas: in the one process of the tests that writes these

    folder.mkdir(exist_ok=True)
    dataset = NDTiffDataset(str(folder), name="run", summary_metadata=summary, writable=True)
    for number, (axes, metadata) in enumerate(images):
        dataset.put_image(axes, picture(number, dtype), metadata)
    dataset.current_writer.reader.close()  # which ndstorage leaves open
    dataset.finish()
    dataset.close()
    return folder / "run_1"


def test_every_fact_that_pycromanager_states_is_kept(tmp_path: Path):
    metadata = {
        "XPosition_um_Intended": 1500.5, "YPosition_um_Intended": -20.0, "ZPosition_um_Intended": 3.25,
        "Exposure": 12.5, "PixelSize_um": 0.5, "BitDepth": "12", "ElapsedTime-ms": 1500, "Camera": "Andor",
        "Andor-EMSwitch": "On", "Andor-Gain": "120", "Andor-CCDTemperature": "-70",
        "Andor-CCDTemperatureSetPoint": "-75", "ImageNumber": "7",
        "ObjectiveTurret-Label": "20x", "PositionName": "A", "ROI": [0, 0, 32, 24],
    }  # fmt: skip
    path = write(tmp_path, [({"position": 0}, metadata)])
    assert is_ndtiff(path)
    assert is_ndtiff(path / INDEX)
    assert not is_ndtiff(tmp_path)
    with NDTiff(path) as dataset:
        assert dataset.format == "NDTiff 3.3"
        [plane] = dataset.planes
        assert np.array_equal(dataset.read(0), picture(0))
        assert not dataset.problems
    assert plane.where.endswith("run_NDTiffStack.tif, position 0")
    assert (plane.shape_yx, plane.dtype, plane.bit_depth, plane.colour) == (SHAPE, "uint16", 12, False)
    assert (plane.stage_um, plane.tags["position_from"]) == ((1500.5, -20.0, 3.25), "request")
    assert (plane.exposure_ms, plane.pixel_size_yx_um) == (12.5, (0.5, 0.5))
    assert plane.t_utc is not None
    assert plane.t_utc.isoformat() == "2026-11-30T08:00:01.500000+00:00"
    assert (plane.em_gain, plane.temperature_c, plane.camera_frame, plane.objective) == (120.0, -70.0, 7, "20x")
    assert (plane.tags["PositionName"], plane.tags["axis_position"]) == ("A", 0)


def positions(z_um: float) -> dict[str, float]:
    return {"XPosition_um_Intended": 10.0, "YPosition_um_Intended": 20.0, "ZPosition_um_Intended": z_um}


def test_images_come_field_by_field_and_in_each_by_time_z_and_channel(tmp_path: Path):
    """Written channel by channel from the last field on, with named channels and a field that is missing."""
    images = [
        ({"position": position, "time": time, "z": z, "channel": channel}, positions(1.5 * z))
        for channel in ("DAPI", "BF")
        for position in (3, 1)
        for time in (0, 1)
        for z in (-1, 0)
    ]
    with NDTiff(write(tmp_path, images)) as dataset:
        assert dataset.channel_names == ["DAPI", "BF"]
        found = [(one.series, one.time, one.z, one.channel) for one in dataset.planes]
        assert found == sorted(found)
        assert len(set(found)) == len(images)
        assert {one.tags["axis_position"] for one in dataset.planes if one.series == 0} == {1}
        assert {(one.z, one.tags["axis_z"], one.stage_um) for one in dataset.planes} == {
            (0, -1, (10.0, 20.0, -1.5)),  # planes are counted from 0; where they lie stays as it is
            (1, 0, (10.0, 20.0, 0.0)),
        }
        for index, plane in enumerate(dataset.planes):
            [number] = [
                i for i, (axes, _) in enumerate(images)
                if all(plane.tags[f"axis_{name}"] == value for name, value in axes.items())
            ]  # fmt: skip
            assert np.array_equal(dataset.read(index), picture(number))


def test_8_bit_pixels_are_read_by_the_index_whose_tiff_header_is_wrong(tmp_path: Path):
    """ndstorage writes 16 bits a pixel into the TIFF's own header."""
    with NDTiff(write(tmp_path, [({"time": 0}, {}), ({"time": 1}, {})], "uint8")) as dataset:
        assert [(one.dtype, one.bit_depth) for one in dataset.planes] == [("uint8", 8)] * 2
        assert np.array_equal(dataset.read(1), picture(1, "uint8"))


def test_an_empty_tiff_in_the_folder_costs_nothing_else(tmp_path: Path):
    """As a failed acquisition leaves it (NDStorage#191)."""
    path = write(tmp_path, [({"time": 0}, {})])
    (path / "run_NDTiffStack_1.tif").touch()
    with NDTiff(path) as dataset:
        assert np.array_equal(dataset.read(0), picture(0))


def test_a_cut_tiff_costs_the_images_behind_the_cut(tmp_path: Path):
    path = write(tmp_path, [({"time": number}, {}) for number in range(3)])
    file = path / "run_NDTiffStack.tif"
    file.write_bytes(file.read_bytes()[: -SHAPE[0] * SHAPE[1]])
    with NDTiff(path) as dataset:
        assert np.array_equal(dataset.read(1), picture(1))
        with pytest.raises(ImageError, match=r"time 2 ends before its pixels do"):
            dataset.read(2)
        assert [one.time for one in dataset.planes] == [0, 1, 2]
    file.unlink()
    with NDTiff(path) as dataset, pytest.raises(ImageError, match=r"time 0 cannot be read: its file is missing"):
        dataset.read(0)


def test_a_cut_index_gives_the_images_before_the_cut(tmp_path: Path):
    path = write(tmp_path, [({"time": number}, {}) for number in range(3)])
    index = (path / INDEX).read_bytes()
    (path / INDEX).write_bytes(index[:-5])
    with NDTiff(path) as dataset:
        assert len(dataset.planes) == 2
        assert [str(one) for one in dataset.problems] == [
            f"{path / INDEX} breaks off or is damaged after 2 images: those behind are left out"
        ]
    (path / INDEX).write_bytes(index[:5])
    with pytest.raises(ImageError, match="lists no image"):
        NDTiff(path)


def entry(axes: bytes, name: bytes, *numbers: int) -> bytes:
    return b"".join(
        (struct.pack("<I", len(axes)), axes, struct.pack("<I", len(name)), name, struct.pack("<8I", *numbers))
    )


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (entry(b'{"time": 9}', b"../other.tif", 0, 4, 4, 0, 0, 16, 2, 0), r"'\.\./other\.tif' is no name of a file"),
        (entry(b'{"time": 9}', b"/etc/passwd", 0, 4, 4, 0, 0, 16, 2, 0), "is no name of a file"),
        (entry(b'{"time": 9}', b"a\n.tif", 0, 4, 4, 0, 0, 16, 2, 0), r"'a\\n.tif' is no name of a file"),
        (entry(b'{"time": 9}', b"a.tif", 0, 4, 4, 9, 0, 16, 2, 0), "its pixels are of type 9, which is unknown"),
        (entry(b'{"time": 9}', b"a.tif", 0, 4, 4, 0, 1, 16, 2, 0), "compressed in a way that is unknown"),
        (entry(b'{"time": 9}', b"a.tif", 0, 40_000, 40_000, 0, 0, 1_600_000_000, 2, 0), "it claims 40000 x 40000 px"),
        (entry(b'{"time": 9}', b"a.tif", 0, 4, 5, 0, 0, 16, 2, 0), "contradict its size"),
        (entry(b'["time"]', b"a.tif", 0, 4, 4, 0, 0, 16, 2, 0), "its axes cannot be read"),
        (entry(b'{"time": 0.5}', b"a.tif", 0, 4, 4, 0, 0, 16, 2, 0), "its axes cannot be read"),
    ],
)
def test_an_impossible_entry_is_left_out_and_named(tmp_path: Path, bad: bytes, words: str):
    path = write(tmp_path, [({"time": 0}, {}), ({"time": 1}, {})])
    index = (path / INDEX).read_bytes()
    (path / INDEX).write_bytes(bad + index)
    with NDTiff(path) as dataset:
        assert [one.time for one in dataset.planes] == [0, 1]
        [problem] = dataset.problems
        assert problem.startswith(f"{path / INDEX}, image 0 is left out: ")
        assert re.search(words, problem)


def test_colour_and_the_bits_of_the_camera_are_read_from_the_index(tmp_path: Path):
    """Types that ndstorage's writer does not offer: three numbers a pixel, and 16 bits with 12 in use."""
    colour = write(tmp_path / "a", [({"time": 0}, {})], "uint8")
    index = bytearray((colour / INDEX).read_bytes())
    struct.pack_into("<3I", index, len(index) - 28, 4, SHAPE[0] * SHAPE[1] // 12, 2)  # width, height, type
    (colour / INDEX).write_bytes(index)
    with NDTiff(colour) as dataset:
        [plane] = dataset.planes
        assert (plane.colour, plane.shape_yx, plane.dtype, plane.bit_depth) == (True, (64, 4), "uint8", 8)
        assert np.array_equal(dataset.read(0), picture(0, "uint8").reshape(64, 4, 3))
    twelve = write(tmp_path / "b", [({"time": 0}, {})])
    index = bytearray((twelve / INDEX).read_bytes())
    struct.pack_into("<I", index, len(index) - 20, 4)
    (twelve / INDEX).write_bytes(index)
    with NDTiff(twelve) as dataset:
        assert [one.bit_depth for one in dataset.planes] == [12]


def test_version_2_and_the_folder_of_full_resolution_are_read(tmp_path: Path):
    """Version 2 has a shorter header, and reduced copies lie in folders beside that of the images."""
    path = write(tmp_path, [({"row": 0, "column": 1}, {}), ({"row": 0, "column": -1}, {})])
    file = path / "run_NDTiffStack.tif"
    data = bytearray(file.read_bytes())
    [length] = struct.unpack_from("<I", data, 24)
    summary = b'{"ChNames": ["BF"]}'.ljust(length + 4)
    data[12 : 28 + length] = struct.pack("<3I", 2, 2_355_492, length + 4) + summary
    file.write_bytes(data)
    path.rename(tmp_path / "Full resolution")
    (tmp_path / "Downsampled_x2").mkdir()
    with NDTiff(tmp_path) as dataset:
        assert (dataset.format, dataset.channel_names) == ("NDTiff 2", ("BF",))
        assert [one.tags["axis_column"] for one in dataset.planes] == [-1, 1]
        assert np.array_equal(dataset.read(0), picture(1))


def test_a_time_without_a_zone_stays_a_tag(tmp_path: Path):
    metadata = {"Time": "2026-11-30 09:00:00 -", "ElapsedTime-ms": 3.0, "XPositionUm": 1, "YPositionUm": "2"}
    path = write(tmp_path, [({"time": 0}, metadata)], summary={"a": 1})
    with NDTiff(path) as dataset:
        [plane] = dataset.planes
        assert plane.t_utc is None
        assert plane.tags["Time"] == "2026-11-30 09:00:00 -"
        assert plane.pixel_size_yx_um is None
        assert (plane.stage_um, plane.tags.get("position_from")) == ((1.0, 2.0, None), None)
