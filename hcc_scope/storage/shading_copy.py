"""The dark and the flat field that a run corrected its frames by, kept in its store: a replay needs nothing else.

The manifests stand in the facts, each with the sha256 of its map; the maps are PNG files of 16 bits in the store's
folder. A map that is missing or differs is damage: nothing is classified without it, and nothing can make it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pydantic

from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.shading.correction import Shading
from hcc_scope.shading.files import MAX_MAP_BYTES, encode_map, read_reference
from hcc_scope.shading.reference import Manifest
from hcc_scope.storage.files import read_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.shading.reference import Reference, ReferenceKind
    from hcc_scope.storage.place import StorePlace
    from hcc_scope.types import RunSpec, TagValue

__all__ = ["SHADING_FILES", "begun_provenance", "is_corrected", "read_shading_copy", "shading_copy", "shading_problems"]

SHADING_FILES: dict[ReferenceKind, str] = {"dark": "shading-dark.png", "flat": "shading-flat.png"}
_FACTS = frozenset({"shading_estimated", "shading_dark", "shading_flat", "shading_dark_sha256", "shading_flat_sha256"})
"""Keys of `Shading.facts` that stand only beside a correction."""


def is_corrected(provenance: Mapping[str, TagValue]) -> bool:
    """Return whether a run corrected its frames before it classified them."""
    return provenance.get("shading") == "corrected"


def begun_provenance(provenance: Mapping[str, TagValue], shading: Shading | None) -> dict[str, TagValue]:
    """Return the provenance of a run that begins: with its own correction, and not that of a store that it is from."""
    kept = {key: value for key, value in provenance.items() if shading is not None or key not in _FACTS}
    if shading is not None:
        return {**kept, **shading.facts}
    return {**kept, "shading": "none"} if is_corrected(provenance) else kept


def shading_copy(shading: Shading | None) -> dict[str, bytes]:
    """Return the files to keep in a store, by name."""
    if shading is None:
        return {}
    return {
        SHADING_FILES["dark"]: encode_map(shading.dark.pixels),
        SHADING_FILES["flat"]: encode_map(shading.flat.pixels),
    }


def read_shading_copy(path: StorePlace, spec: RunSpec) -> Shading | None:
    """Return the correction of a store's run; None if it had none.

    Parameters
    ----------
    path : Path
        The store.
    spec : RunSpec
        Its spec, whose provenance holds the manifests.

    Raises
    ------
    StoreDamagedError
        If a map or its manifest is missing, damaged or another.
    """
    if not is_corrected(spec.provenance):
        return None
    try:
        shading = Shading(_read(path, spec, "dark"), _read(path, spec, "flat"))
    except ValueError as error:
        raise StoreDamagedError(f"the dark and flat field in {path} are damaged: {error}") from error
    if (shading.shape_yx, shading.bit_depth) != (spec.frame_shape_yx, spec.bit_depth):
        raise StoreDamagedError(f"the dark and flat field in {path} are not of its frames")
    return shading


def _read(path: StorePlace, spec: RunSpec, kind: ReferenceKind) -> Reference:
    file = path / SHADING_FILES[kind]
    stated = spec.provenance.get(f"shading_{kind}")
    hint = "Without it this section cannot be classified as it was; its frames are raw and whole."
    try:
        manifest = Manifest.model_validate_json(stated if isinstance(stated, str) else "")
        return read_reference(manifest, lambda: read_plain(file, MAX_MAP_BYTES), spec.frame_shape_yx)
    except FileNotFoundError as error:
        raise StoreDamagedError(f"the {kind} field {file} is missing", hint=hint) from error
    except OSError as error:
        raise StoreDamagedError(f"the {kind} field {file} cannot be read: {error.strerror or error}") from error
    except pydantic.ValidationError as error:
        raise StoreDamagedError(f"the manifest of the {kind} field in {path} is damaged", hint=hint) from error
    except ValueError as error:
        raise StoreDamagedError(f"the {kind} field {file} is damaged: {error}", hint=hint) from error


def shading_problems(path: StorePlace, spec: RunSpec) -> list[str]:
    """Return what is wrong with the dark and flat field of a store, as text; empty if nothing."""
    try:
        read_shading_copy(path, spec)
    except StoreError as error:
        return [error.message]
    return []
