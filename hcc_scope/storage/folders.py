"""Remove folders for results that stay empty."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["leave_none_empty"]


@contextmanager
def leave_none_empty(folder: Path) -> Iterator[None]:
    """Remove `folder`, and the folders above it, if they are made in here and are empty at the end."""
    missing = [one for one in (folder, *folder.parents) if not os.path.lexists(one)]
    try:
        yield
    finally:
        with suppress(OSError):
            for one in missing:
                one.rmdir()
