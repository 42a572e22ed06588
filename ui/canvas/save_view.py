"""Save what a view shows as a PNG, with a caption."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPixmap

from hcc_scope.errors import StoreUnwritableError
from hcc_scope.research_use import RESEARCH_USE_ONLY
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

__all__ = ["save_picture"]


def save_picture(widget: QWidget, path: Path, caption: str) -> None:
    """Save a widget as it is on the screen, with a caption below it.

    Parameters
    ----------
    widget : QWidget
    path : Path
        Where; an existing file is replaced, as every save dialogue asks first.
    caption : str
        What is seen; the research-use line is added.

    Raises
    ------
    StoreUnwritableError
        If the file cannot be written.
    """
    shown = widget.grab()
    ratio = shown.devicePixelRatio()
    text = "   ".join(part for part in (caption, f"HCC-Scope. {RESEARCH_USE_ONLY}") if part)
    metrics = QFontMetrics(widget.font())
    width = widget.width()
    room = QRect(GRID_PX, 0, width - 2 * GRID_PX, 10_000)
    wrap = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft
    height = metrics.boundingRect(room, int(wrap), text).height() + 2 * GRID_PX
    picture = QPixmap(round(width * ratio), round((widget.height() + height) * ratio))
    picture.setDevicePixelRatio(ratio)
    picture.fill(QColor("#ffffff"))
    painter = QPainter(picture)
    painter.drawPixmap(0, 0, shown)
    painter.setFont(widget.font())
    painter.setPen(QColor("#000000"))
    painter.drawText(room.translated(0, widget.height() + GRID_PX), int(wrap), text)
    painter.end()
    if not picture.save(str(path), "PNG"):
        raise StoreUnwritableError(
            f"the picture {path} cannot be written", hint="Choose a folder that exists and may be written to."
        )
