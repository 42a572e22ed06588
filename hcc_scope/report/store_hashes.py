"""What a section's report rests on, by sha256: the model, the rig's configuration, and the files of the store.

The journal has a checksum of each frame's pixels, so its sha256 stands for all of them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hcc_scope.storage.metadata import JOURNAL
from hcc_scope.storage.notes import NOTES
from hcc_scope.storage.prediction_log import PREDICTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.storage.reader import SectionStore

__all__ = ["hash_rows"]


def hash_rows(store: SectionStore) -> list[tuple[str, str]]:
    """Return names and hashes; a file that cannot be read has a word in the place of its hash."""
    files = (
        ("frames", JOURNAL),
        ("predictions", f"{PREDICTIONS}.jsonl"),
        ("notes", NOTES),
    )
    return [
        ("model sha256", store.spec.model_sha256 or "not recorded"),
        ("rig configuration sha256", store.spec.rig_sha256 or "not recorded"),
        *((f"{what} sha256 ({name})", _sha256(store.path / name)) for what, name in files),
    ]


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "none"
    except OSError as error:
        return f"not read: {error.strerror or error}"
