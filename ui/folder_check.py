"""Whether sections can be stored in a folder, asked when it is chosen and not when a section starts."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreUnwritableError
from hcc_scope.storage.files import explain

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_folder"]


def check_folder(folder: Path) -> None:
    """Refuse a folder that nothing can be written to; leaves nothing behind. Not for the Qt thread.

    Raises
    ------
    StoreError
        If nothing can be written there.
    """
    what = f"Nothing can be stored in {folder}"
    if folder.exists() and not folder.is_dir():
        raise StoreUnwritableError(f"{what}: it is a file", hint="Choose a folder.")
    try:
        # only trying tells: access rules, quotas and read-only disks are not all in the mode bits
        with tempfile.TemporaryDirectory(prefix=".hcc-scope-", dir=folder):
            pass
    except OSError as error:
        raise explain(error, what) from error
