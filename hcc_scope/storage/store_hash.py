"""The hash of what the scores of a store rest on: equal for two copies, another once a score may be another.

It covers the facts, the journal (which has the checksum of each frame), the drawn sample, the notes that decide what
counts, and how long the record of the predictions is. Remarks, labels, the run log, smaller pictures and the way in
which frames are packed into files change no score, and are left out.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

from hcc_scope.storage.files import cannot_read, read_plain
from hcc_scope.storage.layout import PACKED
from hcc_scope.storage.metadata import ATTRIBUTE, FACTS_HASH
from hcc_scope.storage.naming import JOURNAL, NOTES, PREDICTIONS, ROOT, SAMPLE
from hcc_scope.storage.place import RemotePath

if TYPE_CHECKING:
    from hcc_scope.storage.place import StorePlace

__all__ = ["store_hash"]

_MOST_BYTES = 1 << 30
_OF_LAYOUT = (FACTS_HASH, PACKED, "schema_version")
"""Keys that a packed store has otherwise, with the same frames."""
_NO_MARKS = (b'"kind":"note"', b'"kind":"label"')
"""In notes that decide nothing. In a text of theirs, the quotes would be escaped."""


def store_hash(path: StorePlace) -> str:
    """Return the hash of a store as 64 hexadecimal digits; reads its small files, and no frame.

    Parameters
    ----------
    path : Path or RemotePath
        The store.

    Raises
    ------
    StoreError
        If one of the files is there and cannot be read. Whether their content is whole is checked by opening the store.
    """
    # paths as text, for thousands of stores
    below = path.__truediv__ if isinstance(path, RemotePath) else f"{path}{os.sep}".__add__
    found = hashlib.sha256(_facts(below(ROOT)))
    for name, content in (
        (JOURNAL, _content(below(JOURNAL))),
        (SAMPLE, _content(below(SAMPLE))),
        (NOTES, _marks(_content(below(NOTES)))),
        (PREDICTIONS, str(_size(below(f"{PREDICTIONS}.jsonl"))).encode()),
    ):
        found.update(f"\n{name} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()


def _facts(path: RemotePath | str) -> bytes:
    content = _content(path)
    try:
        facts = json.loads(content)["attributes"][ATTRIBUTE]
        kept = {key: value for key, value in facts.items() if key not in _OF_LAYOUT}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return content  # not one of ours, or damaged: opening it reports why
    return json.dumps(kept, sort_keys=True, separators=(",", ":")).encode("ascii")


def _content(path: RemotePath | str) -> bytes:
    """Return the bytes of a file, none of one that is not there."""
    try:
        return read_plain(path, _MOST_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise cannot_read(error, str(path)) from error


def _marks(notes: bytes) -> bytes:
    """Return the lines of the notes that decide what counts, and those of which nothing is known."""
    lines = notes.split(b"\n")
    return b"\n".join(line for line in lines if not any(kind in line for kind in _NO_MARKS))


def _size(path: RemotePath | str) -> int | None:
    try:
        if isinstance(path, RemotePath):
            return len(read_plain(path, _MOST_BYTES))  # object storage gives a size with the content alone
        return os.stat(path).st_size  # noqa: PTH116 - a path as text
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_read(error, str(path)) from error
