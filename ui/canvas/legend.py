"""The legend of the marks over an image: the heatmap's colours, and the hatching of excluded tiles with counts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from hcc_scope.flag_texts import FLAG_TEXTS
from hcc_scope.formatting import counted, format_threshold
from ui.canvas.drawing import heat_argb, paint_hatch
from ui.kit.flow_layout import FlowLayout
from ui.kit.swatch import Swatch
from ui.kit.theme import GRID_PX, colours

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PySide6.QtGui import QPaintEvent

    from hcc_scope.types import QualityFlag
    from ui.kit.mode import ModeName
    from ui.kit.theme import Colours, ThemeName

__all__ = ["HeatBar", "TileLegend"]

_SWATCH_PX = 16
_BAR_PX = 72


class HeatBar(QWidget):
    """From *low* to *high* in the heatmap's colours, with a mark at the model's threshold."""

    def __init__(self) -> None:
        super().__init__()
        self._threshold = 0.5
        self._colours = colours("dark")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Colours of the heatmap")
        self.set_threshold(0.5)

    def set_threshold(self, threshold: float) -> None:
        """Mark another threshold."""
        if threshold == self._threshold and self.toolTip():
            return
        self._threshold = threshold
        self.setToolTip(
            "Probability of high, per tile: blue is below the model's threshold, orange at or above it;\n"
            f"the stronger the colour, the further away. The mark is the threshold, {format_threshold(threshold)}."
        )
        self.update()

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._colours = colours(theme)
        self.update()

    def _texts(self) -> tuple[str, str]:
        return "low 0", "1 high"

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for the bar and its words."""
        metrics = self.fontMetrics()
        width = sum(metrics.horizontalAdvance(text) for text in self._texts()) + _BAR_PX + 3 * GRID_PX
        return QSize(width, max(metrics.height() + 4, _SWATCH_PX + 4))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Paint the words and the bar between them."""
        painter = QPainter(self)
        low, high = self._texts()
        metrics = self.fontMetrics()
        left = metrics.horizontalAdvance(low) + GRID_PX
        bar = QRectF(left, (self.height() - 12) / 2, _BAR_PX, 12)
        painter.setPen(QColor(self._colours.text))
        text_rect = QRectF(0, 0, self.width(), self.height())
        painter.drawText(text_rect, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, low)
        painter.drawText(
            text_rect.adjusted(bar.right() + GRID_PX, 0, 0, 0),
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter,
            high,
        )
        painter.fillRect(bar, QColor("#b8bcc2"))  # about the brightness of tissue: what the colours lie on
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        stops = np.unique(np.concatenate([np.linspace(0, 1, 21), [self._threshold, self._threshold - 1e-4]]))
        for stop, rgba in zip(stops.tolist(), heat_argb(stops.astype(np.float32), self._threshold), strict=True):
            if 0 <= stop <= 1:
                gradient.setColorAt(stop, QColor(*(int(v) for v in rgba)))
        painter.fillRect(bar, gradient)
        x = bar.left() + self._threshold * bar.width()
        painter.setPen(QPen(QColor(self._colours.text), 2))
        painter.drawLine(QPointF(x, bar.top() - 3), QPointF(x, bar.bottom() + 3))
        painter.end()


def _paint_reason(flag: QualityFlag, painter: QPainter, rect: QRectF, c: Colours) -> None:
    box = rect.adjusted(0.5, 0.5, 0.5, 0.5)
    painter.fillRect(box, QColor("#8d9299"))
    paint_hatch(painter, box, flag.value)
    painter.setPen(QColor(c.border))
    painter.drawRect(box)


class TileLegend(QWidget):
    """The heatmap's colours and the reasons of excluded tiles."""

    def __init__(self) -> None:
        super().__init__()
        self.heat_bar = HeatBar()
        self._swatches = {
            flag: Swatch(partial(_paint_reason, flag), side_px=_SWATCH_PX, widest=f"{text.name} 00")
            for flag, text in FLAG_TEXTS.items()
        }
        self.set_flags(None)
        row = FlowLayout(self, spacing_px=GRID_PX)
        row.addWidget(self.heat_bar)
        for swatch in self._swatches.values():
            row.addWidget(swatch)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def set_flags(self, flags: NDArray[np.uint8] | None) -> None:
        """Count the reasons of the tiles of a field; None for no field."""
        for flag, swatch in self._swatches.items():
            n = 0 if flags is None else int(np.count_nonzero(flags & np.uint8(flag.value)))
            text = FLAG_TEXTS[flag]
            swatch.show_text(f"{text.name} {n}", muted=n == 0)
            swatch.setAccessibleName(f"{counted(n, 'tile')} excluded: {text.name}")
            swatch.setToolTip(
                f"Tiles excluded, {text.name}: {n}. {text.meaning}; such tiles are not {text.missed_step}."
            )

    def set_mode(self, mode: ModeName) -> None:
        """Show colours and reasons, or in Operator mode the colours alone: a tile's tooltip states the reason."""
        for swatch in self._swatches.values():
            swatch.setVisible(mode == "expert")

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self.heat_bar.set_theme(theme)
