"""Files and folders of this computer that are dragged or dropped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtCore import QMimeData

__all__ = ["local_paths"]


def local_paths(mime: QMimeData) -> list[Path]:
    """Return the paths of what is dragged or dropped; none of links to other computers."""
    return [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
