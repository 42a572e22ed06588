"""The folder that keeps the references of a rig: a PNG of 16 bits for each map, and a manifest beside it.

A file is named after the sha256 of map and settings, so nothing is ever replaced by something else. The map is written
first and the manifest last, each atomically: a reference without its manifest is none.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pydantic

from hcc_scope.atomic_file import json_bytes, replace_file
from hcc_scope.errors import ConfigError
from hcc_scope.shading.correction import Shading
from hcc_scope.shading.reference import Manifest, Reference
from hcc_scope.small_files import read_small_file
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.shading.freshness import ReferencesState

__all__ = [
    "MAX_MAP_BYTES",
    "KeptReferences",
    "decode_map",
    "encode_map",
    "keep",
    "list_references",
    "load_reference",
    "load_shading",
    "read_reference",
]

_MANIFEST_BYTES = 1 << 16
_PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
MAX_MAP_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class KeptReferences:
    """What a folder holds."""

    manifests: tuple[Manifest, ...]
    """Newest first."""
    problems: tuple[str, ...]
    """Files that cannot be used, each in a sentence without a full stop."""


def encode_map(pixels: NDArray[np.uint16]) -> bytes:
    """Return a map as a PNG of 16 bits, which any program can show."""
    return bytes(imagecodecs.png_encode(pixels, level=6))


def decode_map(data: bytes, shape_yx: tuple[int, int]) -> NDArray[np.uint16]:
    """Return the map (y, x) of a PNG.

    Raises
    ------
    ValueError
        If it is no PNG of 16-bit grey of this shape; looked at before any memory is taken.
    """
    if data[:16] != _PNG_HEAD or len(data) < 33:
        raise ValueError("it is no PNG")
    width, height, bits, colour, _, _, interlace = struct.unpack(">IIBBBBB", data[16:29])
    if (height, width, bits, colour, interlace) != (*shape_yx, 16, 0, 0):
        raise ValueError(f"it is not a grey PNG of 16 bits and {shape_yx[1]} x {shape_yx[0]} px")
    decoded = attempt(lambda: imagecodecs.png_decode(data))  # whatever it raises over a broken file
    if isinstance(decoded, Failure):
        raise ValueError("it is damaged") from decoded.error  # noqa: TRY004 - one kind of error for all damage
    pixels = np.ascontiguousarray(decoded)
    if pixels.dtype != np.uint16 or pixels.shape != shape_yx:
        raise ValueError("it is damaged")
    return pixels


def keep(folder: Path, reference: Reference) -> Path:
    """Write a reference into a folder, which is made if it is missing; return its manifest's path.

    Raises
    ------
    ConfigError
        If the folder cannot be written to.
    """
    manifest = reference.manifest
    path = folder / f"{manifest.name}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(path.with_suffix(".png"), encode_map(reference.pixels), shared=True)
        replace_file(path, json_bytes(manifest.model_dump(mode="json")), shared=True)
    except OSError as error:
        with suppress(OSError):
            if not path.exists():
                path.with_suffix(".png").unlink(missing_ok=True)
        raise ConfigError(
            f"the reference cannot be written into {folder}: {error.strerror or error}",
            hint="Name a folder that you may write to as references_dir in the rig file.",
        ) from error
    return path


def list_references(folder: Path) -> KeptReferences:
    """Return what a folder holds; a missing one holds nothing. Reads the manifests, not the maps."""
    manifests, problems = [], []
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except FileNotFoundError:
        files = []
    except OSError as error:
        return KeptReferences((), (f"the folder {folder} cannot be read: {error.strerror or error}",))
    for file in files:
        try:
            manifest = Manifest.model_validate_json(read_small_file(file, _MANIFEST_BYTES))
        except OSError as error:
            problems.append(f"{file} cannot be read: {error.strerror or error}")
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            problems.append(f"{file} is no manifest of a reference: {f'{key}: ' if key else ''}{first['msg']}")
        else:
            if file.stem != manifest.name:
                problems.append(f"{file} does not have the name of its map and settings ({manifest.name})")
            elif not file.with_suffix(".png").is_file():
                problems.append(f"{file} has no map: {file.with_suffix('.png').name} is missing")
            else:
                manifests.append(manifest)
    return KeptReferences(tuple(sorted(manifests, key=lambda one: one.t_utc, reverse=True)), tuple(problems))


def load_reference(folder: Path, manifest: Manifest) -> Reference:
    """Return a reference that a folder keeps.

    Raises
    ------
    ConfigError
        If its map is missing, or not the one that was kept.
    """
    path = folder / f"{manifest.name}.png"
    try:
        return read_reference(manifest, lambda: read_small_file(path, MAX_MAP_BYTES))
    except OSError as error:
        raise ConfigError(f"the reference {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"the reference {path} is damaged: {error}", hint="Take it again.") from error


def read_reference(manifest: Manifest, read: Callable[[], bytes], shape_yx: tuple[int, int] | None = None) -> Reference:
    """Return the reference of a manifest and the PNG that `read` returns.

    Parameters
    ----------
    manifest : Manifest
    read : callable
    shape_yx : (int, int), optional
        Of the frames that it has to fit; another one is refused before a map of any size is decoded.

    Raises
    ------
    ValueError
        If they do not belong together, or the PNG is damaged.
    """
    if shape_yx not in (None, manifest.settings.shape_yx):
        raise ValueError("it is not of these frames")
    return Reference(manifest, decode_map(read(), manifest.settings.shape_yx))


def load_shading(folder: Path, state: ReferencesState) -> Shading | None:
    """Return the correction by the references that count; None unless both are fresh.

    Raises
    ------
    ConfigError
        If one is damaged.
    """
    if state.freshness != "fresh" or state.dark.manifest is None or state.flat.manifest is None:
        return None
    return Shading(load_reference(folder, state.dark.manifest), load_reference(folder, state.flat.manifest))
