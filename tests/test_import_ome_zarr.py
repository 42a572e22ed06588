"""OME-Zarr of other programs, as zarr-python writes it: layouts, axes, compression, and what cannot be."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np
import pytest
import zarr
from yaozarrs import v05
from yaozarrs.write.v05 import write_bioformats2raw
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from hcc_scope.errors import ImageError
from hcc_scope.imports.ome_zarr import OmeZarr, is_ome_zarr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Change = Callable[[dict[str, Any]], object]

UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}


def pixels(shape: tuple[int, ...], dtype: str = "uint16") -> np.ndarray:
    """Numbers that differ from plane to plane and from pixel to pixel, none of them 0."""
    return (np.arange(np.prod(shape)).reshape(shape) % 251 + 1).astype(dtype)


def attributes(axes: str, scale: list[float], translation: list[float] | None = None, **more: object) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if translation is not None:
        steps.append({"type": "translation", "translation": translation})
    named = [{"name": name} | ({"unit": UNITS[name]} if name in UNITS else {}) for name in axes]
    return {
        "multiscales": [{"axes": named, "datasets": [{"path": "0", "coordinateTransformations": steps}]} | more],
        "omero": {"channels": [{"label": "BF"}, {"label": "DAPI"}]},
    }


def write(folder: Path, data: np.ndarray, ome: dict[str, Any], version: str = "0.4", **options: object) -> Path:
    """Write one image; `options` are those of zarr's ``create_array``."""
    options.setdefault("chunks", (*(1,) * (data.ndim - 2), 16, 16))
    zarr_format = 2 if version == "0.4" else 3
    if zarr_format == 2:
        ome["multiscales"][0]["version"] = version
        options.setdefault("chunk_key_encoding", {"name": "v2", "separator": "/"})
    group = zarr.create_group(folder, zarr_format=zarr_format)  # type: ignore[arg-type]
    group.attrs.update(ome if zarr_format == 2 else {"ome": ome | {"version": version}})
    array = group.create_array("0", shape=data.shape, dtype=data.dtype, **options)
    array[...] = data
    return folder


@pytest.mark.parametrize(
    ("version", "axes"), [("0.4", "tczyx"), ("0.5", "tczyx"), ("0.5", "yx"), ("0.4", "cxy"), ("0.5", "xyzct")]
)
def test_planes_come_by_time_z_and_channel_whatever_the_order_of_the_axes(tmp_path: Path, version: str, axes: str):
    lengths = {"t": 2, "c": 2, "z": 3, "y": 20, "x": 36}
    data = pixels(tuple(lengths[name] for name in axes))
    chunks = tuple(16 if name in "yx" else 1 for name in axes)
    path = write(tmp_path / "a.zarr", data, attributes(axes, [0.5] * len(axes)), version, chunks=chunks)
    assert is_ome_zarr(path)
    with OmeZarr(path) as image:
        assert image.format == f"OME-Zarr {version}"
        assert image.channel_names == ("BF", "DAPI")
        in_order = data.transpose([axes.index(name) for name in "tzcyx" if name in axes]).reshape(-1, 20, 36)
        assert len(image.planes) == len(in_order)
        for index, plane in enumerate(image.planes):
            assert plane.shape_yx == (20, 36)
            read = image.read(index)
            assert read.flags.c_contiguous
            assert np.array_equal(read, in_order[index])
        last = image.planes[-1]
        assert (last.time, last.channel, last.z) == tuple(lengths[name] - 1 if name in axes else 0 for name in "tcz")
        assert last.pixel_size_yx_um == (0.5, 0.5)
        assert (last.dtype, last.bit_depth, last.stage_um) == ("uint16", 16, None)
        assert not image.problems


COMPRESSED_V2 = {
    "none": None,
    "blosc": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1},
    "zstd": {"id": "zstd", "level": 3},
    "gzip": {"id": "gzip", "level": 5},
    "zlib": {"id": "zlib", "level": 5},
    "bz2": {"id": "bz2", "level": 1},
}


@pytest.mark.parametrize(
    ("kind", "dtype"), list(zip(COMPRESSED_V2, (">u2", "uint8", "float32", "int16", "uint16", "uint8"), strict=True))
)
def test_every_compression_and_number_of_version_2_is_read(tmp_path: Path, kind: str, dtype: str):
    data = pixels((2, 40, 24), dtype)
    codec = None if COMPRESSED_V2[kind] is None else numcodecs.get_codec(COMPRESSED_V2[kind])
    path = write(tmp_path / "a.zarr", data, attributes("tyx", [3.0, 0.5, 0.25]), compressors=codec)
    with OmeZarr(path) as image:
        assert np.array_equal(image.read(1), data[1])
        plane = image.planes[1]
        assert plane.dtype == np.dtype(dtype).name
        assert plane.bit_depth == {"uint8": 8, "float32": None}.get(dtype, 16)
        assert (plane.pixel_size_yx_um, plane.tags["time_s"]) == ((0.5, 0.25), 3.0)


@pytest.mark.parametrize(
    ("codecs", "shards"),
    [
        ([BloscCodec()], None),
        ([GzipCodec()], None),
        (None, None),
        ([ZstdCodec(), Crc32cCodec()], None),
        ([ZstdCodec()], (1, 48, 32)),
        (None, (2, 48, 32)),
    ],
)
def test_every_compression_of_version_3_is_read_also_in_shards(tmp_path: Path, codecs: object, shards: object):
    data = pixels((2, 40, 24))
    data[1, 16:32, :16] = 0  # an empty chunk: in a shard its place is marked, and outside it has no file
    path = write(tmp_path / "a.zarr", data, attributes("zyx", [1.0] * 3), "0.5", compressors=codecs, shards=shards)
    with OmeZarr(path) as image:
        for z in range(2):
            assert np.array_equal(image.read(z), data[z])
        expected = [] if shards else ["1 of its 6 chunks are not stored and were read as 0"]
        assert [words for problem in image.problems for words in expected if words in problem] == expected
        assert len(image.problems) == len(expected)


def test_the_translation_gives_the_centre_of_each_field_of_a_collection(tmp_path: Path):
    root = tmp_path / "fields.zarr"
    zarr.create_group(root, zarr_format=3, attributes={"ome": {"version": "0.5", "bioformats2raw.layout": 3}})
    for number in (0, 1, 2):
        ome = attributes("yx", [0.5, 0.25], [100.0 * number, -40.0])
        write(root / str(number), pixels((32, 16)) + number, ome, "0.5")
    with OmeZarr(root) as image:
        assert [plane.series for plane in image.planes] == [0, 1, 2]
        assert [plane.stage_um for plane in image.planes] == [(-38.125, 100.0 * n + 7.75, None) for n in range(3)]
        assert image.planes[0].tags["position_from"] == "translation"
        assert np.array_equal(image.read(2), pixels((32, 16)) + 2)
    (root / "1").rename(tmp_path / "apart")  # as of a copy that was not finished
    with OmeZarr(root) as image:
        assert [plane.series for plane in image.planes] == [0, 2]
        assert list(image.problems) == [f"Image 1 is left out: {root / '1'} holds no image of OME-Zarr"]
    (tmp_path / "apart").rename(root / "1")
    write(tmp_path / "one.zarr", pixels((32, 16)), attributes("yx", [0.5, 0.25], [0.0, 0.0]))
    with OmeZarr(tmp_path / "one.zarr") as image:
        assert image.planes[0].stage_um is None
        assert image.planes[0].tags["translation_x_um"] == 0
    shutil.rmtree(root / "1" / "0")
    zarr.create_group(root / "OME", zarr_format=3, attributes={"ome": {"series": ["2", "1", "0"]}})
    with OmeZarr(root) as image:
        assert [plane.series for plane in image.planes] == [0, 2]
        assert np.array_equal(image.read(0), pixels((32, 16)) + 2)
        [problem] = image.problems
        assert problem == f"Image 1 is left out: {root / '1' / '0'} holds no zarr array"


def test_a_pyramid_of_an_independent_writer_is_read_at_full_resolution(tmp_path: Path):
    """As yaozarrs writes a collection, by its own models of the metadata and in blosc-zstd."""

    def multiscale(first_um: float) -> v05.Image:
        levels = [
            v05.Dataset(
                path=str(level),
                coordinateTransformations=[
                    v05.ScaleTransformation(scale=[1.0, 0.5 * 2**level, 0.5 * 2**level]),
                    v05.TranslationTransformation(translation=[0.0, first_um, 0.0]),
                ],
            )
            for level in range(2)
        ]
        axes = [v05.ChannelAxis(name="c"), *(v05.SpaceAxis(name=name, unit="micrometer") for name in "yx")]
        return v05.Image(multiscales=[v05.Multiscale(axes=axes, datasets=levels)])

    data = pixels((2, 41, 63))
    fields = {str(n): (multiscale(30.0 * n), [data + n, data[:, ::2, ::2]]) for n in range(2)}
    path = write_bioformats2raw(tmp_path / "a.zarr", fields)
    with OmeZarr(path) as image:
        assert [(plane.series, plane.channel) for plane in image.planes] == [(0, 0), (0, 1), (1, 0), (1, 1)]
        assert image.planes[2].stage_um == (15.5, 40.0, None)
        assert np.array_equal(image.read(3), data[1] + 1)


def test_a_scale_of_1_is_not_taken_for_a_pixel_size(tmp_path: Path):
    """OME-Zarr asks for a scale: ome-writers and others write 1 micrometer and 1 second where they know none."""
    path = write(tmp_path / "a.zarr", pixels((1, 16, 16)), attributes("tyx", [1.0, 1.0, 1.0]))
    with OmeZarr(path) as image:
        [plane] = image.planes
        assert plane.pixel_size_yx_um is None
        assert "time_s" not in plane.tags
        assert plane.tags["scale"] == "1 x 1, as written where none is known"


def test_what_ome_writers_keeps_about_each_frame_is_found(tmp_path: Path):
    path = write(tmp_path / "a.zarr", pixels((2, 2, 16, 16)), attributes("tcyx", [1.0, 1.0, 0.5, 0.5]), "0.5")
    kept = {"position_x": 10.0, "position_y": -2.0, "position_z": 1.0, "exposure_time": 0.01, "temperature": -70}
    frames = [kept | {"storage_index": [1, 0], "delta_t": 0.5}, kept, {"storage_index": "all"}, 3]
    zarr.open_group(path).attrs["ome_writers"] = {"version": "0.3.2", "frame_metadata": frames}
    with OmeZarr(path) as image:
        planes = {(one.time, one.channel): one for one in image.planes}
        assert (planes[1, 0].stage_um, planes[1, 0].exposure_ms) == ((10.0, -2.0, 1.0), 10.0)
        assert (planes[1, 0].tags["temperature"], planes[1, 0].tags["delta_t"]) == (-70, 0.5)
        assert planes[0, 1].stage_um is None


def ome_xml(*images: str) -> str:
    return f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{"".join(images)}</OME>'


def test_the_ome_xml_of_a_collection_gives_positions_times_and_colour(tmp_path: Path):
    """As bioformats2raw writes it: of a colour image the array has three channels, and the XML states one."""
    root = tmp_path / "a.zarr"
    zarr.create_group(root, zarr_format=2, attributes={"bioformats2raw.layout": 3})
    write(root / "0", pixels((2, 3, 1, 20, 24), "uint8"), attributes("tczyx", [1.0, 1.0, 1.0, 1.0, 1.0]))
    write(root / "1", pixels((1, 1, 1, 20, 24)), attributes("tczyx", [1.0] * 5, [0.0, 0.0, 0.0, 7.0, 7.0]))
    for number in "01":
        change(
            root / number / ".zattrs", lambda stored: [one.pop("unit", 0) for one in stored["multiscales"][0]["axes"]]
        )
    size = 'SizeX="24" SizeY="20" SizeZ="1" PhysicalSizeX="0.5" PhysicalSizeY="0.5"'
    images = [
        f'<Image Name="A"><AcquisitionDate>2026-11-30T08:00:00Z</AcquisitionDate><Pixels SizeC="3" SizeT="2" {size}>'
        '<Channel SamplesPerPixel="3"/>'
        '<Plane TheT="1" PositionX="1.5" PositionXUnit="mm" PositionY="2" PositionYUnit="µm" DeltaT="60" '
        'ExposureTime="20" ExposureTimeUnit="ms"/></Pixels></Image>',
        f'<Image Name="B"><Pixels SizeC="1" SizeT="1" SignificantBits="12" {size}/></Image>',
    ]
    (root / "OME").mkdir()
    (root / "OME" / "METADATA.ome.xml").write_text(ome_xml(*images), encoding="utf-8")
    with OmeZarr(root) as image:
        first, second, grey = image.planes
        assert (first.colour, first.channel, first.dtype, first.tags["Image"]) == (True, 0, "uint8", "A")
        assert np.array_equal(image.read(1), pixels((2, 3, 1, 20, 24), "uint8")[1, :, 0].transpose(1, 2, 0))
        assert (second.stage_um, second.exposure_ms) == ((1500.0, 2.0, None), 20.0)
        assert second.t_utc is not None
        assert second.t_utc.isoformat() == "2026-11-30T08:01:00+00:00"
        assert (grey.colour, grey.bit_depth, grey.pixel_size_yx_um, grey.stage_um) == (False, 12, (0.5, 0.5), None)
        assert not image.problems
    (root / "OME" / "METADATA.ome.xml").write_text(ome_xml(images[0]), encoding="utf-8")
    with OmeZarr(root) as image:
        assert [plane.channel for plane in image.planes] == [0, 1, 2, 0, 1, 2, 0]
        assert list(image.problems) == [f"The OME-XML of {root} is left out: it describes 1 images of 2"]


def test_a_level_of_compression_plays_no_part_in_reading(tmp_path: Path):
    """One that is no number of 64 bits ended tensorstore's opening in an error of Python's own."""
    data = pixels((20, 20))
    path = write(tmp_path / "a.zarr", data, attributes("yx", [1.0, 1.0]), compressors=numcodecs.GZip())
    change(path / "0" / ".zarray", lambda stored: stored["compressor"].update(level=-(10**30)))
    with OmeZarr(path) as image:
        assert np.array_equal(image.read(0), data)


def test_a_missing_separator_is_found_on_disk(tmp_path: Path):
    """Readers that take zarr's default then show zeros (ome-zarr-py#235)."""
    data = pixels((20, 20))
    path = write(tmp_path / "a.zarr", data, attributes("yx", [1.0, 1.0]))
    change(path / "0" / ".zarray", lambda stored: stored.pop("dimension_separator"))
    with OmeZarr(path) as image:
        assert np.array_equal(image.read(0), data)


def change(file: Path, what: Change) -> None:
    stored = json.loads(file.read_text())
    what(stored)
    file.write_text(json.dumps(stored))


def test_a_plane_without_chunks_is_refused_and_the_others_are_read(tmp_path: Path):
    data = pixels((3, 20, 20))
    path = write(tmp_path / "a.zarr", data, attributes("tyx", [1.0] * 3))
    shutil.rmtree(path / "0" / "1")
    with OmeZarr(path) as image:
        with pytest.raises(ImageError, match=r"t 1 is not there: none of its 4 chunks is stored"):
            image.read(1)
        assert np.array_equal(image.read(2), data[2])
    (path / "0" / "2" / "1" / "0").unlink()
    change(path / "0" / ".zarray", lambda stored: stored.update(fill_value=None))
    with (
        OmeZarr(path) as image,
        pytest.raises(ImageError, match="1 of its 4 chunks are missing, and the array defines"),
    ):
        image.read(2)


@pytest.mark.parametrize("kind", ["blosc", "zstd", "gzip", "zlib", "bz2"])
def test_a_damaged_chunk_costs_its_plane_alone(tmp_path: Path, kind: str):
    data = pixels((2, 20, 20))
    path = write(
        tmp_path / "a.zarr", data, attributes("tyx", [1.0] * 3), compressors=numcodecs.get_codec(COMPRESSED_V2[kind])
    )
    chunk = path / "0" / "0" / "1" / "1"
    chunk.write_bytes(chunk.read_bytes()[:-1])  # of gzip and others, within the checksum
    with OmeZarr(path) as image:
        with pytest.raises(ImageError, match=r"t 0 (cannot be decoded|is damaged): "):
            image.read(0)
        assert np.array_equal(image.read(1), data[1])


@pytest.mark.parametrize("kind", ["blosc", "zstd", "gzip", "zlib", "bz2"])
def test_a_bomb_is_refused_by_its_claim(tmp_path: Path, kind: str):
    """100 MiB of zeros where half a kilobyte belongs."""
    codec = numcodecs.get_codec(COMPRESSED_V2[kind])
    path = write(tmp_path / "a.zarr", pixels((16, 16)), attributes("yx", [1.0, 1.0]), compressors=codec)
    (path / "0" / "0" / "0").write_bytes(100 * bytes(codec.encode(np.zeros(2**20, np.uint8))))
    with OmeZarr(path) as image, pytest.raises(ImageError, match=r"claims .*512"):
        image.read(0)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes in folders")
def test_a_pipe_in_the_place_of_a_chunk_is_refused(tmp_path: Path):
    path = write(tmp_path / "a.zarr", pixels((16, 16)), attributes("yx", [1.0, 1.0]))
    (path / "0" / "0" / "0").unlink()
    os.mkfifo(path / "0" / "0" / "0")
    with OmeZarr(path) as image, pytest.raises(ImageError, match="is no file"):
        image.read(0)


def multiscale(**what: object) -> Change:
    return lambda stored: stored["multiscales"][0].update(what)


@pytest.mark.parametrize(
    ("file", "what", "words"),
    [
        (".zattrs", multiscale(version="0.6"), "is OME-Zarr 0.6, which is not read"),
        (".zattrs", multiscale(datasets=[{"path": "../b.zarr/0"}]), "lists an array at ../b.zarr/0, which is no place"),
        (".zattrs", multiscale(datasets=[{"path": "/etc"}]), "holds no zarr array"),
        (".zattrs", multiscale(datasets=[]), "lists no array"),
        (".zattrs", multiscale(axes=["y", "y"]), "has the axes y, y, which are no image's"),
        (".zattrs", multiscale(axes=["z", "y", "x"], datasets=[{"path": "0"}]), "has 2 axes where"),
        (".zattrs", multiscale(datasets=[{"path": "0", "coordinateTransformations": [{"type": "affine"}]}]), "a scale"),
        (".zattrs", lambda stored: stored.update({"image-label": {}}), "holds labels"),
        (".zattrs", lambda stored: stored.update(plate={"wells": [{"path": "B/3"}]}), "is a plate of 1 wells"),
        (".zattrs", lambda stored: stored.update(well={"images": [{}, {}]}), "is a well of 2 fields"),
        (".zattrs", lambda stored: stored.update(multiscales=3), "lists no image in its multiscales"),
        ("0/.zarray", lambda stored: stored.update(dtype="<u4"), "numbers of the kind '<u4'"),
        ("0/.zarray", lambda stored: stored.update(shape=[16, -1]), r"an impossible shape: \[16, -1\]"),
        ("0/.zarray", lambda stored: stored.update(chunks=[2**20, 2**20]), "states chunks of 1048576 x 1048576"),
        ("0/.zarray", lambda stored: stored.update(filters=[{"id": "delta"}]), "names filters"),
        ("0/.zarray", lambda stored: stored.update(compressor={"id": "lzma"}), "the compression 'lzma'"),
        ("0/.zarray", lambda stored: stored.update(compressor={"id": ["gzip"]}), "the compression \\['gzip'\\]"),
        ("0/.zarray", lambda stored: stored.update(dimension_separator=["/"]), "an unknown separator"),
        (".zattrs", multiscale(datasets=[{"path": "a\nb"}]), r"lists an array at 'a\\nb', which is no place"),
        ("0/.zarray", lambda stored: stored.update(fill_value=70_000), "an impossible fill value: 70000"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(tmp_path: Path, file: str, what: Change, words: str):
    path = write(tmp_path / "a.zarr", pixels((16, 16)), attributes("yx", [1.0, 1.0]))
    change(path / file, what)
    with pytest.raises(ImageError, match=words):
        OmeZarr(path)


def test_a_size_that_is_only_claimed_is_refused_before_memory_is_taken(tmp_path: Path):
    path = write(tmp_path / "a.zarr", pixels((16, 16)), attributes("yx", [1.0, 1.0]), chunks=(128, 128))
    change(path / "0" / ".zarray", lambda stored: stored.update(shape=[8200, 8200]))
    with OmeZarr(path) as image, pytest.raises(ImageError, match="only 1 of its 4225 chunks are stored"):
        image.read(0)
    change(path / "0" / ".zarray", lambda stored: stored.update(shape=[200_000, 200_000]))
    with OmeZarr(path) as image, pytest.raises(ImageError, match="claims 200000 x 200000 px"):
        image.read(0)
