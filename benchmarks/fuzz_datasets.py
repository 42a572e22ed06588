"""Labelled images that are damaged: TIFF and PNG files, manifests, cohort files, caches of tiles."""

from __future__ import annotations

import io
import json
import shutil
import struct
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image

from benchmarks.fuzz import Case, Finding, changed_leaf, damaged_bytes, damaged_text, generator, run_families

if TYPE_CHECKING:
    import random

__all__ = ["damaged_png", "damaged_tiff", "png_file", "run", "tiff_files"]

COUNTS = (np.random.default_rng(0).integers(0, 4096, (4, 96, 80)) + np.arange(80) * 20).astype(np.uint16)
SIDE_PX = 512
MANIFEST = (
    "path,class,animal_id,section_id,day,pixel_size_um,bit_depth,page\n"
    "a.tif,low,m07,s1,2026-03-02,0.325,16,0\n"
    '"b.png",high,m8,s1,2026-03-03,0.325,16,\n'
)
COHORT = {"spec": {"seed": 1}, "synthetic": "Synthetic phantom sections, not tissue.", "days": {}, "sections": []}
_HEAD_BYTES = 700


def tiff_files() -> dict[str, bytes]:
    ways: dict[str, dict[str, Any]] = {
        "plain": {"metadata": None},
        "tiled lzw": {"tile": (32, 32), "compression": "lzw", "metadata": None},
        "deflate, predicted, big-endian": {
            "compression": "zlib",
            "predictor": True,
            "byteorder": ">",
            "metadata": None,
        },
        "BigTIFF zstd": {"bigtiff": True, "compression": "zstd", "metadata": None},
        "JPEG 2000": {"compression": "jpeg2000", "metadata": None},
        "ImageJ": {"imagej": True, "metadata": {"axes": "TYX", "unit": "um"}, "resolution": (3.08, 3.08)},
        "ImageJ behind one page": {"imagej": True, "metadata": {"axes": "TYX"}, "truncate": True},
        "shaped behind one page": {"metadata": {"axes": "TYX"}, "truncate": True},
        "OME": {"ome": True, "metadata": {"axes": "TYX", "SignificantBits": 14, "PhysicalSizeX": 0.325}},
    }
    files = {}
    for name, options in ways.items():
        file = io.BytesIO()
        tifffile.imwrite(file, COUNTS, photometric="minisblack", **options)
        files[name] = file.getvalue()
    return files


def damaged_tiff(files: dict[str, bytes], seed: int, number: int) -> Case:
    """Return a damaged TIFF: mostly its head and its tail, where the facts are."""
    chance = generator("TIFF", seed, number)
    name = chance.choice(sorted(files))
    data = files[name]
    way = chance.choice(("words", "head", "tail", "bytes"))
    if way == "words" and (start := data.find(b"\0ImageJ=") + 1 or data.find(b'{"shape"') or data.find(b"<?xml")) > 0:
        end = data.index(b"\0", start)
        what, words = damaged_text(data[start:end].decode("latin-1"), chance, separators='="[, \n')
        changed = words.encode("latin-1", "replace")[: end - start].ljust(end - start, b" ")
        return Case(f"{name}: {what}", data[:start] + changed + data[end:])
    if way == "tail":
        what, changed = damaged_bytes(data[-_HEAD_BYTES:], chance)
        return Case(f"{name}: in its tail, {what}", data[:-_HEAD_BYTES] + changed)
    if way == "head":
        what, changed = damaged_bytes(data[:_HEAD_BYTES], chance)
        return Case(f"{name}: in its head, {what}", changed + data[_HEAD_BYTES:])
    what, changed = damaged_bytes(data, chance)
    return Case(f"{name}: {what}", changed)


def png_file(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def damaged_png(data: bytes, seed: int, number: int) -> Case:
    """Return a damaged PNG, half of them with a checksum that fits again."""
    chance = generator("PNG", seed, number)
    if chance.random() < 0.5:
        header = bytearray(data[16:29])
        for _ in range(chance.choice((1, 2, 4))):
            header[chance.randrange(13)] = chance.choice((0, 1, 2, 3, 4, 6, 8, 16, 127, 255))
        checksum = struct.pack(">I", zlib.crc32(b"IHDR" + bytes(header)))
        return Case(f"a header of {bytes(header).hex()}", data[:16] + bytes(header) + checksum + data[33:])
    return Case(*damaged_bytes(data, chance))


def read_image(content: bytes, folder: Path) -> str | None:
    from hcc_scope.datasets.images import read_headers, read_pixels
    from hcc_scope.datasets.labelled_image import LabelledImage

    path = folder / "image.tif"
    path.write_bytes(content)
    for header in read_headers(path):
        image = LabelledImage(path, header.index, "low", "a", "s", "d", 0.3, header.shape_yx, header.bit_depth)
        pixels = read_pixels(image)
        if pixels.dtype != np.uint16 or pixels.shape != header.shape_yx:
            return f"page {header.index} is {pixels.dtype} of {pixels.shape}"
    return None


def read_png(content: bytes, folder: Path) -> str | None:
    from hcc_scope.datasets.images import read_headers, read_pixels
    from hcc_scope.datasets.labelled_image import LabelledImage

    path = folder / "image.png"
    path.write_bytes(content)
    [header] = read_headers(path)
    image = LabelledImage(path, 0, "low", "a", "s", "d", 0.3, header.shape_yx, header.bit_depth)
    pixels = read_pixels(image)
    same = header.shape_yx == COUNTS[0].shape and header.bit_depth == 16
    return "the pixels are others" if same and not np.array_equal(pixels, COUNTS[0]) else None


def damaged_manifest(seed: int, number: int) -> Case:
    """Return a damaged manifest."""
    chance = generator("manifest", seed, number)
    if chance.random() < 0.7:
        what, text = damaged_text(MANIFEST, chance, separators=",\n")
        return Case(what, text.encode("utf-8", "surrogatepass"))
    return Case(*damaged_bytes(MANIFEST.encode(), chance))


def read_set(content: bytes, folder: Path) -> str | None:
    from hcc_scope.datasets.check import check_dataset
    from hcc_scope.datasets.manifest import read_manifest

    pixels = np.random.default_rng(1).integers(20_000, 40_000, (SIDE_PX, SIDE_PX)).astype(np.uint16)
    tifffile.imwrite(folder / "a.tif", pixels, metadata=None)
    (folder / "b.png").write_bytes(png_file(pixels.T + np.uint16(9)))
    path = folder / "manifest.csv"
    path.write_bytes(content)
    report = check_dataset(path)
    json.dumps(report.to_json(), allow_nan=False)
    read_manifest(path)
    return None


def damaged_cohort(seed: int, number: int) -> Case:
    """Return a damaged ``cohort.json``."""
    chance: random.Random = generator("cohort.json", seed, number)
    way = chance.choice(("value", "text", "bytes", "nested"))
    if way == "value":
        what, value = changed_leaf(COHORT, chance)
        return Case(what, json.dumps(value).encode())
    if way == "text":
        what, text = damaged_text(json.dumps(COHORT, indent=1), chance)
        return Case(what, text.encode("utf-8", "surrogatepass"))
    if way == "nested":
        depth = chance.choice((10, 1_000, 100_000, 3_000_000))
        return Case(f"{depth} brackets", chance.choice((b"[", b'{"a":')) * depth)
    return Case(*damaged_bytes(json.dumps(COHORT).encode(), chance))


def read_cohort(content: bytes, folder: Path) -> str | None:
    from hcc_scope.datasets.manifest import synthetic_sentence

    (folder / "cohort.json").write_bytes(content)
    sentence = synthetic_sentence(folder / "manifest.csv", [])
    return None if sentence and sentence.isprintable() else f"its message is {sentence!r}"


def damaged_cache(index: bytes, seed: int, number: int) -> Case:
    """Return a damaged index of a cache of tiles."""
    chance = generator("cache of tiles", seed, number)
    if chance.random() < 0.7:
        what, value = changed_leaf(json.loads(index), chance)
        return Case(what, json.dumps(value).encode())
    return Case(*damaged_bytes(index, chance))


def read_cache(payload: tuple[str, bytes], folder: Path) -> str | None:
    from hcc_scope.datasets.cache import CACHE_FOLDER, cut_tiles
    from hcc_scope.datasets.manifest import read_manifest
    from hcc_scope.progress import ignore_progress

    whole, index = payload
    data = read_manifest(Path(whole) / "manifest.csv")
    [made] = (Path(whole) / CACHE_FOLDER).glob("[0-9a-f]*")
    shutil.copytree(made, folder / made.name)
    (folder / made.name / "index.json").write_bytes(index)
    expected, found = cut_tiles(data, None, ignore_progress), cut_tiles(data, folder, ignore_progress)
    if found.digests != expected.digests or found.overlaps != expected.overlaps or found.excluded != expected.excluded:
        return "the facts of the images differ"
    rows = range(len(expected))
    same = len(found) == len(expected) and np.array_equal(found.reader.read(rows), expected.reader.read(rows))
    return None if same else "the tiles are others"


def make_cache(folder: Path) -> bytes:
    """Write a small set with its cache, and return the index."""
    from hcc_scope.datasets.cache import CACHE_FOLDER, cut_tiles
    from hcc_scope.datasets.manifest import read_manifest
    from hcc_scope.progress import ignore_progress

    coarse = np.random.default_rng(1).normal(30_000, 6_000, (3, 64, 64))
    for name, one in zip("abc", coarse, strict=True):
        tifffile.imwrite(folder / f"{name}.tif", np.kron(one, np.ones((8, 8))).clip(0, 65_535).astype(np.uint16))
    rows = ("a.tif,low,m1,s1,d,0.3", "b.tif,high,m2,s1,d,0.3", "c.tif,high,m3,s1,d,0.3")
    (folder / "manifest.csv").write_text("\n".join(["path,class,animal_id,section_id,day,pixel_size_um", *rows]))
    cut_tiles(read_manifest(folder / "manifest.csv"), None, ignore_progress)
    [index] = (folder / CACHE_FOLDER).glob("*/index.json")
    return index.read_bytes()


def run(n: int, seed: int) -> list[Finding]:
    """Return the findings of `n` cases of each family."""
    files, png = tiff_files(), png_file(COUNTS[0])
    with tempfile.TemporaryDirectory(prefix="hcc-scope-fuzz-") as whole:
        index = make_cache(Path(whole))
        caches = [damaged_cache(index, seed, i) for i in range(n)]
        return run_families(
            [
                ("TIFF", read_image, [damaged_tiff(files, seed, i) for i in range(n)]),
                ("PNG", read_png, [damaged_png(png, seed, i) for i in range(n)]),
                ("manifest", read_set, [damaged_manifest(seed, i) for i in range(n)]),
                ("cohort.json", read_cohort, [damaged_cohort(seed, i) for i in range(n)]),
                ("cache of tiles", read_cache, [Case(case.name, (whole, case.payload)) for case in caches]),
            ]
        )
