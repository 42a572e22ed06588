"""Images of other programs that are damaged: TIFF, PNG, Micro-Manager's folders, NDTiff, OME-Zarr.

Each is opened as `hcc-scope import` does, and every plane of it is described and read. A case is wrong if a sentence is
not one line of plain text, if pixels differ from what was written where the format has checksums, if a file beside the
dataset was read, or if more than 1 GB of memory was taken.
"""

from __future__ import annotations

import io
import json
import math
import struct
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from benchmarks.fuzz import (
    ODD_VALUES,
    Case,
    Finding,
    changed_leaf,
    damaged_bytes,
    damaged_text,
    generator,
    run_families,
)
from benchmarks.fuzz_datasets import damaged_png, damaged_tiff, png_file, tiff_files

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


__all__ = ["run"]

Files = dict[str, bytes]
"""Content of files, by their paths within a dataset."""

LIMIT_S = 20.0
MOST_BYTES = 2**30
MOST_RESERVED_BYTES = 8 * 2**30
"""Of address space: the threads of tensorstore alone reserve two thirds of a gigabyte that they never use."""
RNG = np.random.default_rng(0)
COUNTS = RNG.integers(1, 4096, (3, 96, 80)).astype(np.uint16)
RGB = RNG.integers(1, 255, (96, 80, 3)).astype(np.uint8)
SECRET = 54321
"""Of every pixel of an image that lies beside the dataset."""
METADATA = ("zarr.json", ".zarray", ".zattrs", "METADATA.ome.xml")
CHECKED = frozenset({"gzip", "zlib", "bz2", "shards"})
"""Datasets in which a checksum covers every pixel."""


# ---- sound datasets


def _more_tiffs() -> Files:
    """Return kinds of TIFF that only an import reads."""
    signed, real = (COUNTS.astype(np.int32) - 2000).astype(np.int16), COUNTS.astype(np.float32) / 4096
    named = {"axes": "TCYX", "Channel": {"Name": ["a", "b", "c"]}, "Plane": {"PositionX": [1.0, 2.0, 3.0]}}
    ways: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
        "signed": (signed, {"metadata": None}),
        "floating point": (real, {"metadata": None, "compression": "zlib", "predictor": 3}),
        "colour, planes apart": (RGB.transpose(2, 0, 1), {"photometric": "rgb", "planarconfig": "separate"}),
        "colour, JPEG": (RGB, {"photometric": "rgb", "compression": "jpeg"}),
        "OME with channels": (COUNTS[None], {"ome": True, "metadata": named}),
        "ImageJ with channels": (COUNTS[None], {"imagej": True, "metadata": {"axes": "TCYX"}}),
    }
    files = {}
    for name, (pixels, options) in ways.items():
        file = io.BytesIO()
        tifffile.imwrite(file, pixels, **({"photometric": "minisblack"} | options))
        files[name] = file.getvalue()
    return files


def _micromanager_folder() -> Files:
    """Return a folder with a file for each image, as Micro-Manager 1.4 and 2.0 write them."""
    files: Files = {}
    entries: dict[str, Any] = {"Summary": {"Channels": 1, "Frames": 3, "PixelSize_um": 0.5, "ChNames": ["BF"]}}
    for time, pixels in enumerate(COUNTS):
        name = f"img_{time:09}_BF_000.tif"
        file = io.BytesIO()
        tifffile.imwrite(file, pixels, metadata=None)
        files[name] = file.getvalue()
        entries[f"FrameKey-{time}-0-0"] = {
            "FileName": name, "FrameIndex": time, "ChannelIndex": 0, "SliceIndex": 0, "PositionIndex": 0,
            "XPositionUm": 10.0 * time, "YPositionUm": 0.0, "Exposure-ms": 5, "ElapsedTime-ms": 100 * time,
        }  # fmt: skip
    files["metadata.txt"] = json.dumps(entries, indent=1).encode()
    return files


def _ndtiff(folder: Path) -> Files:
    from ndstorage import NDTiffDataset

    dataset = NDTiffDataset(str(folder), name="nd", summary_metadata={"ChNames": ["BF"]}, writable=True)
    for number, pixels in enumerate(COUNTS):
        facts = {"XPosition_um_Intended": 5.0 * number, "YPosition_um_Intended": 1.0, "Exposure": 10, "Camera": "C"}
        dataset.put_image({"position": number, "channel": "BF"}, pixels, facts)
    dataset.current_writer.reader.close()  # which ndstorage leaves open
    dataset.finish()
    dataset.close()
    files = _files_in(folder / "nd_1")
    for number in range(len(COUNTS)):  # ndstorage writes the axes in an order that differs from process to process
        axes = f'"channel": "BF", "position": {number}', f'"position": {number}, "channel": "BF"'
        files["NDTiff.index"] = files["NDTiff.index"].replace(axes[1].encode(), axes[0].encode())
    return files


def _zarrs(folder: Path) -> dict[str, Files]:
    """Return images of OME-Zarr by their compression, and a collection with OME-XML."""
    import numcodecs
    import zarr
    from zarr.codecs import BloscCodec, ZstdCodec

    codecs: dict[str, Any] = {
        "none": None,
        "blosc": numcodecs.Blosc(),
        "zstd": numcodecs.Zstd(),
        "gzip": numcodecs.GZip(),
        "zlib": numcodecs.Zlib(),
        "bz2": numcodecs.BZ2(),
    }
    for name, codec in codecs.items():
        _zarr(
            folder / name, 2, chunks=(1, 32, 32), compressors=codec, chunk_key_encoding={"name": "v2", "separator": "/"}
        )
    _zarr(
        folder / "shards",
        3,
        chunks=(1, 32, 32),
        shards=(1, 96, 96),
        compressors=[ZstdCodec(), zarr.codecs.Crc32cCodec()],
    )
    _zarr(folder / "version 3", 3, chunks=(1, 96, 80), compressors=BloscCodec())
    zarr.create_group(folder / "collection", zarr_format=2, attributes={"bioformats2raw.layout": 3})
    for number in "01":
        _zarr(folder / "collection" / number, 2, chunks=(1, 96, 80), compressors=None)
    size = 'SizeX="80" SizeY="96" SizeC="1" SizeZ="1" SizeT="3" SignificantBits="12" Type="uint16"'
    plane = '<Plane TheC="0" TheZ="0" TheT="1" PositionX="1" PositionXUnit="mm" PositionY="2" PositionYUnit="mm"/>'
    image = f'<Image ID="Image:0"><Pixels {size}><Channel ID="Channel:0:0"/>\n{plane}</Pixels></Image>\n'
    (folder / "collection" / "OME").mkdir()
    (folder / "collection" / "OME" / "METADATA.ome.xml").write_text(
        f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">\n{2 * image}</OME>'
    )
    found = {one.name: _files_in(one) for one in sorted(folder.iterdir())}
    for name, data in found["gzip"].items():  # its header has the time of writing
        if data.startswith(b"\x1f\x8b"):
            found["gzip"][name] = data[:4] + bytes(4) + data[8:]
    return found


def _zarr(folder: Path, zarr_format: Any, **options: Any) -> None:  # noqa: ANN401 - zarr's own
    import zarr

    steps = [
        {"type": kind, "scale": [1.0, 0.5, 0.5], "translation": [0.0, 3.0, 4.0]} for kind in ("scale", "translation")
    ]
    axes = [{"name": "t", "type": "time", "unit": "second"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    version = "0.4" if zarr_format == 2 else "0.5"
    multiscale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}], "version": version}
    ome = {"multiscales": [multiscale], "omero": {"channels": [{"label": "BF"}]}}
    attributes = ome if zarr_format == 2 else {"ome": ome | {"version": version}}
    group = zarr.create_group(folder, zarr_format=zarr_format, attributes=attributes)
    group.create_array("0", shape=COUNTS.shape, dtype=COUNTS.dtype, **options)[...] = COUNTS


def _files_in(folder: Path) -> Files:
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


# ---- damage


def _damaged_metadata(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    way = chance.choice(("value", "value", "value", "text", "bytes", "nested"))
    if way == "value" and data.lstrip().startswith(b"{"):
        what, value = changed_leaf(json.loads(data), chance)
        return what, json.dumps(value).encode()
    if way == "nested":
        depth = chance.choice((10, 1_000, 100_000))
        return f"{depth} brackets", chance.choice((b"[", b'{"a":')) * depth
    if way == "bytes":
        return damaged_bytes(data, chance)
    what, text = damaged_text(data.decode(), chance, separators='="[, \n')
    return what, text.encode("utf-8", "surrogatepass")


def damaged_zarr(sound: dict[str, Files], seed: int, number: int) -> Case:
    """Return an OME-Zarr with odd metadata, a damaged or missing file."""
    chance = generator("OME-Zarr", seed, number)
    kind = chance.choice(sorted(sound))
    files = dict(sound[kind])
    metadata = [name for name in files if name.endswith(METADATA)]
    if chance.random() < 0.7:
        name = chance.choice(metadata)
        what, files[name] = _damaged_metadata(files[name], chance)
        return Case(f"{kind}: {name}, {what}", (kind, files, False))
    name = chance.choice([one for one in files if one not in metadata])
    if chance.random() < 0.1:
        del files[name]
        return Case(f"{kind}: {name} left out", (kind, files, False))
    what, files[name] = damaged_bytes(files[name], chance)
    return Case(f"{kind}: {name}, {what}", (kind, files, kind in CHECKED))


def _repacked(index: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return an index of NDTiff with another value in one entry."""
    entries, at = [], 0
    while at + 4 <= len(index):
        texts = []
        for _ in range(2):
            [length] = struct.unpack_from("<I", index, at)
            texts.append(index[at + 4 : at + 4 + length])
            at += 4 + length
        entries.append((texts, list(struct.unpack_from("<8I", index, at))))
        at += 32
    texts, numbers = chance.choice(entries)
    which = chance.choice(("axes", "name", "number", "number", "number"))
    if which == "axes":
        what, axes = changed_leaf(json.loads(texts[0]), chance)
        texts[0] = json.dumps(axes).encode()
    elif which == "name":
        odd = chance.choice(
            ("../secret.tif", "/etc/passwd", "..", "", "C:\\x.tif", "nd/../../secret.tif", "a\0b", "é" * 300)
        )
        what, texts[1] = f"name {odd!r}", odd.encode()
    else:
        which_one = chance.randrange(8)
        odd_number = chance.choice((0, 1, 2, 7, 79, 81, 95, 97, 65_535, 2**31, 2**32 - 1, chance.randrange(2**20)))
        what, numbers[which_one] = f"number {which_one} became {odd_number}", odd_number
    packed = b"".join(
        b"".join((struct.pack("<I", len(text)) + text) for text in texts) + struct.pack("<8I", *numbers)
        for texts, numbers in entries
    )
    return what, packed


def damaged_ndtiff(sound: Files, seed: int, number: int) -> Case:
    """Return an NDTiff dataset with a damaged index, or a damaged file."""
    chance = generator("NDTiff", seed, number)
    files = dict(sound)
    [tiff] = [name for name in files if name.endswith(".tif")]
    way = chance.choice(("entry", "entry", "index", "index", "metadata", "file"))
    if way == "entry":
        what, files["NDTiff.index"] = _repacked(files["NDTiff.index"], chance)
    elif way == "index":
        what, files["NDTiff.index"] = damaged_bytes(files["NDTiff.index"], chance)
    elif way == "metadata":
        odd = json.dumps({"XPosition_um_Intended": chance.choice(ODD_VALUES), "YPosition_um_Intended": 1.0}).encode()
        old = files[tiff][files[tiff].rindex(b'{"XPosition') :]
        what, files[tiff] = f"metadata {odd[:60]!r}", files[tiff].replace(old, odd[: len(old)].ljust(len(old)))
    else:
        what, files[tiff] = damaged_bytes(files[tiff], chance)
    # the pixels themselves have no checksum; an index that leads elsewhere contradicts itself
    return Case(f"{way}: {what}", ("ndtiff", files, way != "file"))


def damaged_folder(sound: Files, seed: int, number: int) -> Case:
    """Return a folder of Micro-Manager with odd metadata."""
    chance = generator("Micro-Manager", seed, number)
    files = dict(sound)
    what, files["metadata.txt"] = _damaged_metadata(files["metadata.txt"], chance)
    return Case(what, ("folder", files, False))


# ---- reading them as an import does


def read_dataset(payload: tuple[str, Files, bool], folder: Path) -> str | None:
    """Write the files of a dataset, and read every plane of it."""
    kind, files, checked = payload
    tifffile.imwrite(folder / "secret.tif", np.full(COUNTS.shape[1:], SECRET, np.uint16))
    path = folder / "data"
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return _judged(path / next(iter(files)) if kind == "file" else path, checked=checked)


def _judged(path: Path, *, checked: bool) -> str | None:
    from hcc_scope.errors import HccScopeError, ImageError
    from hcc_scope.imports.opening import open_sources

    before = _peak_bytes()
    n_read = 0
    refusal: ImageError | None = None
    sentences: list[str] = []
    try:
        [(images, _)] = open_sources([path])
        for index in range(min(len(images.planes), 200)):
            plane = images.planes[index]
            json.dumps(dict(plane.tags), allow_nan=False)
            if not all(_is_fact(one) for one in (*(plane.stage_um or ()), *(plane.pixel_size_yx_um or ()))):
                return f"{plane.where} has impossible facts"
            try:
                pixels = images.read(index)
            except ImageError as error:
                refusal = error
                sentences.append(str(error))
                continue
            n_read += 1
            if pixels.shape[:2] != plane.shape_yx or pixels.dtype != np.dtype(plane.dtype):
                return f"{plane.where} is {pixels.dtype} of {pixels.shape}"
            if (pixels == SECRET).mean() > 0.5:
                return f"{plane.where} is an image outside of the dataset"
            same = pixels.shape == COUNTS.shape[1:]
            if checked and same and not any(np.array_equal(pixels, one) for one in COUNTS):
                return f"{plane.where} differs from what was written"
        sentences += map(str, images.problems)
        images.close()
    except HccScopeError as error:
        if not isinstance(error, ImageError):
            return f"it is refused as {type(error).__name__}"
        refusal = error
        sentences.append(str(error))
    if (taken := _peak_bytes() - before) > MOST_BYTES:
        return f"{taken >> 20} MiB of memory were taken"
    if odd := next((one for one in sentences if "\n" in one or "Traceback" in one or not one), None):
        return f"the sentence {odd[:100]!r}"
    if n_read == 0 and refusal is not None:
        raise refusal
    return None


def _is_fact(value: float | None) -> bool:
    return value is None or math.isfinite(value)


def _peak_bytes() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def run(n: int, seed: int) -> list[Finding]:
    """Return what becomes of `n` cases of each family; the same for the same arguments."""
    tiffs = tiff_files() | _more_tiffs()
    png = png_file(COUNTS[0])
    folder = _micromanager_folder()
    with tempfile.TemporaryDirectory(prefix="hcc-scope-fuzz-") as name:
        (Path(name) / "zarr").mkdir()
        ndtiff, zarrs = _ndtiff(Path(name)), _zarrs(Path(name) / "zarr")
    tiffs["with Micro-Manager's metadata"] = next(data for file, data in ndtiff.items() if file.endswith(".tif"))
    families: list[tuple[str, Callable[[int], Case]]] = [
        ("imported TIFF", lambda number: _file("image.tif", damaged_tiff(tiffs, seed, number))),
        ("imported PNG", lambda number: _file("image.png", damaged_png(png, seed, number))),
        ("Micro-Manager folder", lambda number: damaged_folder(folder, seed, number)),
        ("NDTiff", lambda number: damaged_ndtiff(ndtiff, seed, number)),
        ("OME-Zarr", lambda number: damaged_zarr(zarrs, seed, number)),
    ]
    return run_families(
        [(family, read_dataset, [case(number) for number in range(n)]) for family, case in families],
        limit_s=LIMIT_S,
        limit_bytes=MOST_RESERVED_BYTES,
    )


def _file(name: str, case: Case) -> Case:
    return Case(case.name, ("file", {name: case.payload}, False))
