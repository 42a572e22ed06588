"""How an array of another program's zarr lies on disk, from its metadata alone: versions 2 and 3, sharded or not.

What is not understood whole is refused here in words: tensorstore would read a missing or misnamed file as the fill
value, and take whatever memory a chunk claims.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hcc_scope.errors import COPY_AGAIN, ImageError
from hcc_scope.small_files import read_small_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["ForeignLayout", "ShardIndex", "read_layout", "read_zarr_json"]

_MOST_METADATA_BYTES: Final = 2**24
"""Python's objects take twenty times as much."""
_MOST_AXES: Final = 8
_MOST_LENGTH: Final = 2**40
_MOST_CHUNK_BYTES: Final = 2**29
"""Of one chunk when it is decompressed; to read one plane of it, all of it is."""
_MOST_INNER_CHUNKS: Final = 2**20
_NUMBERS: Final = frozenset({"uint8", "uint16", "int8", "int16", "float16", "float32", "float64"})
_V2_COMPRESSIONS: Final = frozenset({"blosc", "zlib", "gzip", "zstd", "bz2"})
_V3_COMPRESSIONS: Final[dict[str, dict[str, Any]]] = {
    "blosc": {"cname": "lz4", "clevel": 5, "shuffle": "noshuffle", "blocksize": 0},
    "gzip": {"level": 5},
    "zstd": {"level": 0},
}
"""With the configuration that tensorstore asks for; what it decompresses states its own."""
_CRC_BYTES: Final = 4
_SEPARATORS: Final = (".", "/")
"""Tuples and no sets, here and below: what a file states may be a list, which no set can be asked for."""
_SMALLER_CHUNKS: Final = "Save it with smaller chunks."
_OTHER_CODEC: Final = "Save it with blosc, zstd, gzip or without compression."


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """Where a shard's file lists its chunks."""

    at_end: bool
    trailing_bytes: int
    """Of a checksum behind the offsets and lengths."""


@dataclass(frozen=True, slots=True)
class ForeignLayout:
    """An array's metadata, checked; nothing of it has been read."""

    shape: tuple[int, ...]
    dtype: str
    cell_shape: tuple[int, ...]
    """What one file holds: a chunk or a shard."""
    chunk_shape: tuple[int, ...]
    """What is decompressed at once; that of the file where it is not sharded."""
    fill_value: float | None
    """None: undefined, so that no chunk may be missing."""
    compression: str | None
    trailing_bytes: int
    """Of a checksum behind each compressed chunk."""
    shard: ShardIndex | None
    prefix: str
    """Of the files' names."""
    separator: str
    driver: str
    """tensorstore's name of the version."""
    metadata: dict[str, Any]
    """For tensorstore."""

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return np.dtype(self.dtype).itemsize

    @property
    def chunk_bytes(self) -> int:
        """Of a chunk when it is decompressed."""
        return math.prod(self.chunk_shape) * self.itemsize

    def file_name(self, cell: Sequence[int]) -> str:
        """Return the path of a cell's file within the array's folder."""
        return self.prefix + self.separator.join(map(str, cell))


def read_zarr_json(path: Path) -> dict[str, Any] | None:
    """Return what a small JSON file of zarr holds; None if it is not there.

    Raises
    ------
    ImageError
        If it cannot be read, or is no object.
    """
    try:
        value = json.loads(read_small_file(path, _MOST_METADATA_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{path} is damaged: it is no JSON", hint=COPY_AGAIN) from error
    if not isinstance(value, dict):
        raise ImageError(f"{path} is damaged: it is no object of JSON", hint=COPY_AGAIN)
    return value


def read_layout(folder: Path) -> ForeignLayout:
    """Return how the array in a folder lies on disk.

    Parameters
    ----------
    folder : Path
        With ``zarr.json`` of an array (version 3) or ``.zarray`` (version 2).

    Raises
    ------
    ImageError
        If it is none, damaged, or stored in a way that is not read.
    """
    version_3 = read_zarr_json(folder / "zarr.json")
    if version_3 is not None and version_3.get("node_type") == "array":
        return _Checked(str(folder / "zarr.json")).version_3(version_3)
    version_2 = read_zarr_json(folder / ".zarray")
    if version_2 is not None:
        return _Checked(str(folder / ".zarray")).version_2(version_2, folder)
    raise ImageError(f"{folder} holds no zarr array", hint=COPY_AGAIN)


class _Checked:
    """Reads metadata, and names the file where they are wrong."""

    def __init__(self, where: str) -> None:
        self._where = where

    def _refuse(self, what: str, hint: str = COPY_AGAIN) -> ImageError:
        return ImageError(f"{self._where} {what}", hint=hint)

    # ---- version 2

    def version_2(self, stored: dict[str, Any], folder: Path) -> ForeignLayout:
        dtype = self._v2_dtype(stored.get("dtype"))
        shape = self._lengths("shape", stored.get("shape"))
        chunks = self._lengths("chunks", stored.get("chunks"), len(shape))
        if stored.get("filters"):
            raise self._refuse("names filters, which are not read", _OTHER_CODEC)
        compressor = stored.get("compressor")
        kind = None
        if compressor is not None:
            kind = compressor.get("id") if isinstance(compressor, dict) else compressor
            if not isinstance(kind, str) or kind not in _V2_COMPRESSIONS:
                raise self._refuse(f"names the compression {_short(kind)}, which is not read", _OTHER_CODEC)
        fill_value = self._fill_value(stored.get("fill_value"), dtype)
        separator = stored.get("dimension_separator") or _separator_on_disk(folder)
        order = stored.get("order", "C")
        if separator not in _SEPARATORS or order not in ("C", "F"):
            raise self._refuse("states an unknown separator of names, or order of numbers")
        metadata = {
            "zarr_format": 2,
            "shape": list(shape),
            "chunks": list(chunks),
            "dtype": stored["dtype"],
            "compressor": None if kind is None else {"id": kind},
            "fill_value": _json_number(fill_value),
            "order": order,
            "filters": None,
            "dimension_separator": separator,
        }
        return self._checked(
            ForeignLayout(
                shape, dtype, chunks, chunks, fill_value, kind, 0, None, "", separator, "zarr", metadata
            )
        )  # fmt: skip

    def _v2_dtype(self, stored: object) -> str:
        try:
            name = np.dtype(stored).name if isinstance(stored, str) and stored[:1] in "<>|" else ""
        except TypeError:
            name = ""
        return self._dtype(name, stored)

    def _dtype(self, name: str, stored: object) -> str:
        if name not in _NUMBERS:
            hint = "Save it as whole numbers of 8 or 16 bits, as the camera took it."
            raise self._refuse(f"states numbers of the kind {_short(stored)}, not counts of 8 or 16 bits", hint)
        return name

    # ---- version 3

    def version_3(self, stored: dict[str, Any]) -> ForeignLayout:
        data_type = stored.get("data_type")
        dtype = self._dtype(data_type if isinstance(data_type, str) else "", data_type)
        shape = self._lengths("shape", stored.get("shape"))
        name, options = self._named(stored.get("chunk_grid"), "chunk_grid")
        if name != "regular" or stored.get("storage_transformers"):
            raise self._refuse("is not cut into a regular grid of chunks", "Save it with a regular grid of chunks.")
        cells = self._lengths("chunk_shape", options.get("chunk_shape"), len(shape))
        prefix, separator, key_encoding = self._key_encoding(stored.get("chunk_key_encoding"))
        codecs = stored.get("codecs")
        shard, chunks = None, cells
        if isinstance(codecs, list) and any(_name(one) == "sharding_indexed" for one in codecs):
            if len(codecs) != 1:
                raise self._refuse("compresses whole shards, which is not read", _OTHER_CODEC)
            _, options = self._named(codecs[0], "codecs")
            chunks = self._lengths("chunk_shape of shards", options.get("chunk_shape"), len(shape))
            if any(cell % chunk for cell, chunk in zip(cells, chunks, strict=True)):
                raise self._refuse("states chunks that do not fill its shards")
            shard = self._shard_index(options)
            codecs = options.get("codecs")
        compression, trailing_bytes, codecs = self._codecs(codecs, len(shape))
        if shard is not None:
            codecs = [_sharding(shard, chunks, codecs)]
        fill_value = self._fill_value(stored.get("fill_value", 0), dtype)
        metadata = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(shape),
            "data_type": dtype,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(cells)}},
            "chunk_key_encoding": {"name": key_encoding, "configuration": {"separator": separator}},
            "fill_value": _json_number(fill_value) or 0,
            "codecs": codecs,
        }
        return self._checked(
            ForeignLayout(
                shape, dtype, cells, chunks, fill_value, compression, trailing_bytes, shard, prefix, separator,
                "zarr3", metadata,
            )
        )  # fmt: skip

    def _named(self, stored: object, what: str) -> tuple[str, dict[str, Any]]:
        """Return name and configuration of an extension point of version 3."""
        if isinstance(stored, str):
            return stored, {}
        options = stored.get("configuration", {}) if isinstance(stored, dict) else None
        if not isinstance(stored, dict) or not isinstance(options, dict):
            raise self._refuse(f"has no {what} that can be read")
        return _name(stored), options

    def _key_encoding(self, stored: object) -> tuple[str, str, str]:
        """Return prefix and separator of the files' names, and how version 3 calls this."""
        name, options = self._named(stored, "chunk_key_encoding")
        if name not in ("default", "v2"):
            raise self._refuse(f"names its chunks in the way {_short(name)}, which is unknown")
        separator = options.get("separator", "/" if name == "default" else ".")
        if separator not in _SEPARATORS:
            raise self._refuse("states an unknown separator of names")
        return (f"c{separator}" if name == "default" else ""), separator, name

    def _codecs(self, stored: object, n_axes: int) -> tuple[str | None, int, list[dict[str, Any]]]:
        """Return the compression, the bytes of a checksum behind what it makes, and the codecs for tensorstore.

        What a codec states about its compressing (a level, a size of blocks) is left out: nothing is written.
        """
        if not isinstance(stored, list):
            raise self._refuse("has no codecs that can be read")
        codecs: list[dict[str, Any]] = []
        compressions: list[str] = []
        checksums = 0
        for one in stored:
            name, options = self._named(one, "codecs")
            packed = any(codec["name"] == "bytes" for codec in codecs)
            order, endian = options.get("order"), options.get("endian", "little")
            if name == "transpose" and not packed and _is_order(order, n_axes):
                codecs.append({"name": name, "configuration": {"order": order}})
            elif name == "bytes" and not packed and endian in ("little", "big"):
                codecs.append({"name": name, "configuration": {"endian": endian}})
            elif name in _V3_COMPRESSIONS and packed and not compressions and not checksums:
                compressions.append(name)
                codecs.append({"name": name, "configuration": _V3_COMPRESSIONS[name]})
            elif name == "crc32c" and packed and not checksums:
                checksums = 1
                codecs.append({"name": name})
            else:
                names = ", ".join(map(_name, stored))
                raise self._refuse(f"states the codecs {_short(names)}, which are not read", _OTHER_CODEC)
        if not any(codec["name"] == "bytes" for codec in codecs):
            raise self._refuse("has no codecs that can be read")
        return (compressions[0] if compressions else None), _CRC_BYTES * checksums, codecs

    def _shard_index(self, options: dict[str, Any]) -> ShardIndex:
        codecs = options.get("index_codecs", [{"name": "bytes"}, {"name": "crc32c"}])
        names = [_name(one) for one in codecs] if isinstance(codecs, list) else []
        place = options.get("index_location", "end")
        if names not in (["bytes"], ["bytes", "crc32c"]) or place not in ("start", "end"):
            raise self._refuse("has an index of its shards that is not read")
        _, of_bytes = self._named(codecs[0], "index_codecs")
        if of_bytes.get("endian", "little") != "little":
            raise self._refuse("has an index of its shards that is not read")
        return ShardIndex(place == "end", _CRC_BYTES * (len(names) - 1))

    # ---- both

    def _lengths(self, what: str, stored: object, n: int | None = None) -> tuple[int, ...]:
        whole = isinstance(stored, list) and all(
            isinstance(one, int) and not isinstance(one, bool) and 0 < one < _MOST_LENGTH for one in stored
        )
        if (
            not isinstance(stored, list)
            or not whole
            or not 2 <= len(stored) <= _MOST_AXES
            or n not in {None, len(stored)}
        ):
            raise self._refuse(f"states an impossible {what}: {_short(stored)}")
        return tuple(stored)

    def _fill_value(self, stored: object, dtype: str) -> float | None:
        """Return the fill value; some programs write it as text."""
        if stored is None:
            return None
        try:
            value = float(stored) if isinstance(stored, (int, float, str)) else math.nan
        except (ValueError, OverflowError):
            raise self._refuse(f"states an impossible fill value: {_short(stored)}") from None
        if np.dtype(dtype).kind == "f":
            return value
        limits = np.iinfo(dtype)
        if not limits.min <= value <= limits.max or value != int(value):
            raise self._refuse(f"states an impossible fill value: {_short(stored)}")
        return int(value)

    def _checked(self, layout: ForeignLayout) -> ForeignLayout:
        if layout.chunk_bytes > _MOST_CHUNK_BYTES:
            size = " x ".join(map(str, layout.chunk_shape))
            raise self._refuse(
                f"states chunks of {size} numbers, more than {_MOST_CHUNK_BYTES >> 20} MiB", _SMALLER_CHUNKS
            )
        if math.prod(layout.cell_shape) // math.prod(layout.chunk_shape) > _MOST_INNER_CHUNKS:
            raise self._refuse(f"states more than {_MOST_INNER_CHUNKS} chunks in a shard")
        return layout


def _name(stored: object) -> str:
    name = stored.get("name") if isinstance(stored, dict) else stored
    return name if isinstance(name, str) else "?"


def _short(stored: object) -> str:
    words = ascii(stored)
    return words if len(words) <= 60 else f"{words[:57]}..."


def _is_order(stored: object, n_axes: int) -> bool:
    """Return whether a value of a file is an order of so many axes."""
    whole = isinstance(stored, list) and all(isinstance(one, int) for one in stored)
    return whole and isinstance(stored, list) and sorted(stored) == list(range(n_axes))


def _sharding(shard: ShardIndex, chunks: tuple[int, ...], codecs: list[dict[str, Any]]) -> dict[str, Any]:
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    return {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": list(chunks),
            "codecs": codecs,
            "index_codecs": index if shard.trailing_bytes else index[:1],
            "index_location": "end" if shard.at_end else "start",
        },
    }


def _json_number(value: float | None) -> float | str | None:
    """Return a number as zarr's JSON has it, which writes some as text."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _separator_on_disk(folder: Path) -> str:
    """Return what separates the numbers in the names of the chunks, where the metadata do not state it.

    zarr's default is a point; OME-Zarr 0.4 asks for a slash, and programs wrote that without stating it.
    """
    try:
        return "/" if any(one.name.isdecimal() and one.is_dir() for one in folder.iterdir()) else "."
    except OSError:
        return "."
