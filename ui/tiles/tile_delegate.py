"""Paint a tile in the gallery: its picture, its probability as a bar and in figures, and where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from hcc_scope.formatting import format_score
from ui.canvas.drawing import paint_hatch, plate
from ui.kit.theme import GRID_PX, colours
from ui.tiles.tile_model import TILE_ROLE
from ui.tiles.tile_text import class_side, format_place, format_probability

if TYPE_CHECKING:
    from PySide6.QtCore import QObject

    from ui.kit.theme import Colours, ThemeName
    from ui.tiles.thumbnails import Thumbnails
    from ui.tiles.tile_model import TileListModel
    from ui.tiles.tile_table import Tile

__all__ = ["THUMBNAIL_PX", "TileDelegate"]

THUMBNAIL_PX = 128
_BAR_PX = 6


class TileDelegate(QStyledItemDelegate):
    """Paints one tile; requests its thumbnail only then, so that only visible tiles are read."""

    def __init__(self, thumbnails: Thumbnails, model: TileListModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._model = model
        self._colours: Colours = colours("dark")

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._colours = colours(theme)

    def cell_size(self, option: QStyleOptionViewItem) -> QSize:
        """Return the size of every cell."""
        line = option.fontMetrics.height()
        return QSize(THUMBNAIL_PX + 2 * GRID_PX, THUMBNAIL_PX + 2 * line + _BAR_PX + 3 * GRID_PX)

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:  # noqa: N802
        """Return the size of every cell."""
        return self.cell_size(option)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint one cell."""
        tile: Tile | None = index.data(TILE_ROLE)
        if tile is None:
            return
        painter.save()
        cell: QRect = option.rect.adjusted(GRID_PX // 2, GRID_PX // 2, -GRID_PX // 2, -GRID_PX // 2)
        picture = QRect(cell.left() + GRID_PX // 2, cell.top() + GRID_PX // 2, THUMBNAIL_PX, THUMBNAIL_PX)
        self._paint_frame(painter, option, cell)
        self._paint_picture(painter, tile, picture)
        bar = QRectF(picture.left(), picture.bottom() + 1 + GRID_PX / 2, picture.width(), _BAR_PX)
        self._paint_bar(painter, tile, bar)
        self._paint_text(painter, option, tile, picture, round(bar.bottom()) + 2)
        painter.restore()

    def _paint_frame(self, painter: QPainter, option: QStyleOptionViewItem, cell: QRect) -> None:
        c = self._colours
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        painter.setBrush(QColor(c.window))
        painter.setPen(QPen(QColor(c.accent if chosen or hovered else c.border), 2 if chosen else 1))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawRoundedRect(QRectF(cell).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)

    def _paint_picture(self, painter: QPainter, tile: Tile, picture: QRect) -> None:
        c = self._colours
        image = self._thumbnails.get(tile.seq, tile.index)
        if image is None:
            painter.fillRect(picture, QColor(c.surface))
            painter.setPen(QColor(c.text_muted))
            words = "cannot be read" if self._thumbnails.problem(tile.seq) else "reading ..."
            painter.drawText(picture, int(Qt.AlignmentFlag.AlignCenter), words)
        else:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(picture, image)
        if tile.flags:
            paint_hatch(painter, QRectF(picture), tile.flags)
        if tile.failed or self._model.is_excluded(tile.seq):
            plate(painter, QPointF(picture.topLeft()) + QPointF(4, 4), "failed" if tile.failed else "by operator")
        if self._model.retake_of(tile.seq) is not None:
            below = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom
            plate(painter, QPointF(picture.bottomLeft()) + QPointF(4, -3), "taken again", below)

    def _paint_bar(self, painter: QPainter, tile: Tile, bar: QRectF) -> None:
        """Paint the probability from 0 to 1, with a notch at the threshold."""
        c, threshold = self._colours, self._model.threshold
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(c.border))
        painter.drawRect(bar)
        if tile.probability is None or tile.flags:
            return
        painter.setBrush(QColor(c.high if tile.probability >= threshold else c.low))
        painter.drawRect(QRectF(bar.left(), bar.top(), bar.width() * tile.probability, bar.height()))
        painter.setPen(QPen(QColor(c.text), 1.5))
        x = bar.left() + bar.width() * threshold
        painter.drawLine(QPointF(x, bar.top() - 2), QPointF(x, bar.bottom() + 2))

    def _paint_text(
        self, painter: QPainter, option: QStyleOptionViewItem, tile: Tile, picture: QRect, top: int
    ) -> None:
        c, metrics = self._colours, option.fontMetrics
        line = QRect(picture.left(), top, picture.width(), metrics.height())
        bold = QFont(option.font)
        bold.setBold(True)
        painter.setFont(bold)
        painter.setPen(QColor(c.text))
        left = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        if tile.probability is None or tile.flags or tile.failed:
            painter.drawText(line, left, metrics.elidedText(format_probability(tile), Qt.TextElideMode.ElideRight, 128))
        else:
            side = class_side(tile.probability, self._model.threshold)
            painter.drawText(line, left, format_score(tile.probability, self._model.threshold, 3))
            painter.setPen(QColor(c.high if side == "high" else c.low))
            painter.drawText(line.adjusted(0, 0, -GRID_PX - 6, 0), _RIGHT, side)
            self._paint_arrow(painter, line, up=side == "high")
        painter.setFont(option.font)
        painter.setPen(QColor(c.text_muted))
        place = format_place(tile, self._model.grid).replace(", row ", " · r ").replace(", col ", " c ")
        line.translate(0, metrics.height())
        painter.drawText(line, left, metrics.elidedText(place, Qt.TextElideMode.ElideRight, line.width()))

    def _paint_arrow(self, painter: QPainter, line: QRect, *, up: bool) -> None:
        """Paint the side of the threshold as a shape too: colour alone is not enough."""
        painter.setBrush(painter.pen().color())
        painter.setPen(Qt.PenStyle.NoPen)
        x, y = line.right() - 4.0, line.center().y() + 0.5
        tip = -4.0 if up else 4.0
        painter.drawPolygon(QPolygonF([QPointF(x - 4, y - tip), QPointF(x + 4, y - tip), QPointF(x, y + tip)]))


_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
