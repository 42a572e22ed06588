"""Names of stores: which ids can be part of a file name on every system, and where a section is kept.

Standard library only: the command line checks ids before anything heavy is loaded.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, overload

from hcc_scope.errors import IdError, StoreExistsError, UsageError

if TYPE_CHECKING:
    from hcc_scope.storage.place import StorePlace

__all__ = [
    "JOURNAL",
    "MAX_ID_BYTES",
    "NOTES",
    "PREDICTIONS",
    "RESERVED_NAMES",
    "ROOT",
    "SAMPLE",
    "STORE_SUFFIX",
    "check_id",
    "is_taken",
    "refuse_inside_store",
    "refuse_taken",
    "store_name",
    "store_path",
    "taken_error",
    "with_own_name",
]

STORE_SUFFIX = ".ome.zarr"

ROOT = "zarr.json"
JOURNAL = "frames.jsonl"
NOTES = "notes.jsonl"
SAMPLE = "sample.jsonl"
PREDICTIONS = "predictions"
"""Without an ending: of the log of results, and of the table."""

MAX_ID_BYTES = 100
"""In UTF-8. Two ids, the suffix and a temporary prefix stay below the 255 bytes that a file name may have."""

_FORBIDDEN = frozenset('<>:"/\\|?*[]')
"""What Windows refuses, and brackets: programs that look for files by a pattern cannot find a path with them."""
RESERVED_NAMES = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    | {f"{port}{n}" for port in ("COM", "LPT") for n in "123456789¹²³"}
)


def check_id(value: str, what: str) -> str:
    """Return an animal or section id if it can be part of a file name on Linux, macOS and Windows.

    Parameters
    ----------
    value : str
        The id as the user typed it.
    what : str
        What the message calls it: ``animal id``, ``section id``, ``name of the predictions``.

    Returns
    -------
    str
        `value`, unchanged: an id is never repaired silently.

    Raises
    ------
    IdError
        If it is empty, too long, or not usable in a file name.
    """
    reason = _why_not(value)
    if reason is not None:
        raise IdError(
            f"The {what} {value!r} {reason}",
            hint="Use letters, digits, '-' and '.', for example 'M17' or 'S03'.",
        )
    return value


def _why_not(value: str) -> str | None:
    """Return what is wrong with `value` as a part of a file name, or None."""
    if not value.strip():
        return "is empty"
    if bad := sorted(_FORBIDDEN.intersection(value)):
        return f"contains {' '.join(bad)}, which a file name cannot hold everywhere"
    # Cc: control characters; Cf: invisible ones, such as a right-to-left mark; Cs: halves of a pair; Zl, Zp: line ends
    if any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in value):
        return "contains a control character"
    if len(value.encode()) > MAX_ID_BYTES:
        return f"is longer than {MAX_ID_BYTES} bytes"
    if value != value.strip():
        return "starts or ends with a space"
    if value.startswith(".") or value.endswith("."):
        return "starts or ends with a dot"
    if ".." in value:
        return "contains '..'"
    # Windows reserves the name with any extension too: NUL.txt is the null device
    if value.split(".")[0].rstrip().upper() in RESERVED_NAMES:
        return "is a name that Windows keeps for a device"
    return None


def store_name(animal: str, section: str) -> str:
    """Return the folder name of a section's store, ``<animal>_<section>.ome.zarr``.

    Raises
    ------
    IdError
        If an id cannot be part of a file name.
    """
    return f"{check_id(animal, 'animal id')}_{check_id(section, 'section id')}{STORE_SUFFIX}"


def store_path(out_dir: Path, animal: str, section: str) -> Path:
    """Return where the store of a section lies below `out_dir`; raises like `store_name`."""
    return out_dir / store_name(animal, section)


@overload
def with_own_name(path: Path) -> Path: ...
@overload
def with_own_name(path: StorePlace) -> StorePlace: ...
def with_own_name(path: StorePlace) -> StorePlace:
    """Return the path of a folder that ends in its name: ``.`` and ``x/..`` do not, and what is beside them is not."""
    return path.resolve() if isinstance(path, Path) and path.name in {"", ".."} else path


def refuse_inside_store(path: Path) -> None:
    """Refuse a place within a store for what is no part of it.

    Raises
    ------
    UsageError
        If the place, or a folder above it, is a store.
    """
    if any(part.name.endswith(STORE_SUFFIX) for part in (path, *path.resolve().parents)):
        raise UsageError(f"{path} lies inside a store", hint="Choose a folder outside of it.")


def taken_error(path: Path) -> StoreExistsError:
    """Return the error for a store whose name is taken: nothing is ever overwritten."""
    return StoreExistsError(
        f"{path} is already there and is never overwritten", hint="Choose another section id or output folder."
    )


def is_taken(path: Path) -> bool:
    """Return whether anything has this name, a link that leads nowhere included; False where it cannot be looked up."""
    return os.path.lexists(path)


def refuse_taken(path: Path) -> None:
    """Refuse the name of a store if it is taken.

    Raises
    ------
    StoreExistsError
        If there is anything of that name.
    """
    if is_taken(path):
        raise taken_error(path)
