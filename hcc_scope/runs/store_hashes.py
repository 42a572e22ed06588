"""The hashes of many stores: each is computed once, and again when a file that it rests on is another.

To read and hash the small files of ten thousand stores takes seconds whenever a batch goes on. So the index of
`hcc_scope.runs.stamp_index` keeps the hashes, beside times, sizes and numbers of the files. It is never the truth:
where one of these differs, or the files were written just now, the store is hashed again.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import hcc_scope
from hcc_scope.inference.user_cache import cache_dir
from hcc_scope.runs.stamp_index import StampIndex, StorePlaces, gone
from hcc_scope.storage.files import is_settled, store_stamp
from hcc_scope.storage.store_hash import store_hash

if TYPE_CHECKING:
    from hcc_scope.runs.stamp_index import Indexed
    from hcc_scope.storage.place import StorePlace

__all__ = ["StoreHashes"]

_INDEX = "store-hashes.sqlite"
_RULE = 1
"""Counts up when `store_hash` covers something else."""
_FORM = zlib.crc32(repr((hcc_scope.__version__, _RULE)).encode()) & 0x7FFFFFFF
_KEPT_AT_ONCE = 1000


class StoreHashes:
    """The hashes of stores, as `hcc_scope.storage.store_hash.store_hash` computes them. Not thread-safe.

    Parameters
    ----------
    index : StampIndex, optional
        Where hashes are kept for the next process; None: each is computed.
    """

    def __init__(self, index: StampIndex | None = None) -> None:
        self._index = index
        self._places = StorePlaces()
        self._indexed: dict[str, dict[str, Indexed]] = {}
        self._new: dict[tuple[str, str], Indexed] = {}

    @classmethod
    def of_user(cls) -> StoreHashes:
        """Return hashes that all processes of this user share."""
        return cls(StampIndex(cache_dir() / _INDEX, _FORM))

    def of(self, place: StorePlace) -> str:
        """Return the hash of a store.

        Raises
        ------
        StoreError
            If it has to be computed, and one of its small files is there and cannot be read.
        """
        if self._index is None or not isinstance(place, Path):  # nothing elsewhere has a time that an index could go by
            return store_hash(place)
        stamp = store_stamp(place)
        folder, name = self._places.of(place)
        rows = self._indexed.get(folder)
        if rows is None:
            rows = self._indexed[folder] = self._index.rows(folder)
        known = rows.pop(name, None)
        if known is not None and known[0] == stamp:
            return known[1]
        found = store_hash(place)
        if is_settled(stamp):
            self._new[folder, name] = stamp, found
            if len(self._new) >= _KEPT_AT_ONCE:
                self._keep()
        return found

    def close(self) -> None:
        """Keep what is new for the next process, and forget stores that are gone."""
        self._keep([place for folder, rows in self._indexed.items() if rows for place in gone(folder, rows)])
        self._indexed = {}

    def _keep(self, forget: list[tuple[str, str]] | None = None) -> None:
        if self._index is not None and (self._new or forget):
            self._index.keep(self._new, forget or ())
            self._new = {}
