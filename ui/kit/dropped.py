"""Files and folders of this computer that are dragged or dropped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

if TYPE_CHECKING:
    from PySide6.QtCore import QMimeData
    from PySide6.QtGui import QDragEnterEvent, QDropEvent

__all__ = ["local_paths", "take_drag", "take_drop"]


def local_paths(mime: QMimeData) -> list[Path]:
    """Return the paths of what is dragged or dropped; none of links to other computers."""
    return [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]


def take_drag(event: QDragEnterEvent) -> None:
    """Accept what is dragged over a widget if it is a file or folder of this computer."""
    if local_paths(event.mimeData()):
        event.acceptProposedAction()


def take_drop(event: QDropEvent) -> list[Path]:
    """Return the paths of what was dropped, which stays where it lies; empty if it is of no use here."""
    if paths := local_paths(event.mimeData()):
        event.setDropAction(Qt.DropAction.CopyAction)  # nothing is moved from where it lies
        event.accept()
    return paths
