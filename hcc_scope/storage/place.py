"""Where a store is: a folder of this computer, or below an address such as ``s3://bucket/lab/M1_S1.ome.zarr``.

Standard library only: the command line names stores before tensorstore is loaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote, urlsplit

from hcc_scope.errors import StoreUnwritableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SCHEMES", "RemotePath", "StorePlace", "local_place", "place_of"]

SCHEMES = ("s3", "gs", "https", "http")
"""Kinds of addresses that stores are read from."""

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):([/\\]+)(.*)", re.DOTALL)
"""A drive of Windows has a single letter."""


@dataclass(frozen=True, slots=True, order=True)
class RemotePath:
    """What lies below an address: named like a `pathlib.Path`, and read by `hcc_scope.storage.remote_files` alone."""

    root: str
    """Scheme with bucket or host, without a slash at its end: ``s3://bucket``."""
    key: str = ""
    """What follows, without a slash at either end."""

    def __str__(self) -> str:
        """Return the address."""
        return f"{self.root}/{self.key}" if self.key else self.root

    def __truediv__(self, name: str) -> RemotePath:
        """Return what is called `name`, which may have slashes, below this."""
        return RemotePath(self.root, f"{self.key}/{name}" if self.key else name)

    @property
    def name(self) -> str:
        """The last part; that of the bucket or the host at the top."""
        return (self.key or self.root).rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its last ending."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> RemotePath:
        """What this lies in; itself at the top."""
        return RemotePath(self.root, self.key.rpartition("/")[0])

    @property
    def parents(self) -> Sequence[RemotePath]:
        """What this lies in, from the inside out."""
        found, here = [], self
        while here.key:
            here = here.parent
            found.append(here)
        return found

    def with_suffix(self, suffix: str) -> RemotePath:
        """Return what lies beside this and has another ending."""
        return self.parent / f"{self.stem}{suffix}"


StorePlace: TypeAlias = Path | RemotePath
"""Where a store is, or one of its files."""


def place_of(given: str | StorePlace) -> StorePlace:
    """Return the place that a person or a script gives, as a path or as an address.

    Parameters
    ----------
    given : str, Path or RemotePath
        A `Path` that was made of an address counts as the address.

    Raises
    ------
    UsageError
        If it is an address of a kind that stores are not read from, or names no bucket or host.

    Examples
    --------
    >>> str(place_of("s3://bucket/lab/M1_S1.ome.zarr/"))
    's3://bucket/lab/M1_S1.ome.zarr'
    """
    if isinstance(given, RemotePath):
        return given
    found = _ADDRESS.fullmatch(str(given))
    if found is None:
        return Path(given)
    scheme, rest = found[1].lower(), found[3].replace("\\", "/")
    if scheme not in (*SCHEMES, "file") and len(found[2]) == 1:
        return Path(given)  # one slash: `pathlib` makes it of the two of an address, but this is a folder's name
    if scheme == "file":
        from urllib.request import url2pathname  # loads all of http

        return Path(url2pathname(urlsplit(f"file:///{rest}").path))
    address = f"{scheme}://{rest}"
    if scheme not in SCHEMES:
        known = ", ".join(f"{one}://" for one in SCHEMES)
        raise UsageError(f"{address} is no address that stores are read from", hint=f"There are {known} and paths.")
    top, _, key = rest.partition("/")
    if not top or "@" in top:
        hint = "Give the bucket or the host after the two slashes, without a name or a password."
        raise UsageError(f"{scheme}:// is followed by no plain bucket or host", hint=hint)
    key = unquote(key) if scheme.startswith("http") else key
    return RemotePath(f"{scheme}://{top}", "/".join(part for part in key.split("/") if part))


def local_place(place: StorePlace, what: str) -> Path:
    """Return the folder of a store for something that only works on this computer.

    Parameters
    ----------
    place : StorePlace
    what : str
        What that is, as the end of a sentence: ``a note cannot be added to it``.

    Raises
    ------
    StoreUnwritableError
        If the store is on object storage, which is only read.
    """
    if isinstance(place, RemotePath):
        raise StoreUnwritableError(
            f"{place} is on object storage, which is only read: {what}", hint="Copy the store to this computer first."
        )
    return place
