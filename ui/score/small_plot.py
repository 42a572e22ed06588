"""What the small plots beside the score share: values from 0 to 1, nothing to do in them, the colours of the theme."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ui.kit.labels import colours_of, describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ui.kit.theme import Colours

__all__ = ["SmallPlot"]

_RECOLOUR = (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange)


class SmallPlot(QWidget):
    """A plot of values from 0 to 1; a subclass draws its items.

    Parameters
    ----------
    name, legend : str
        For screen readers and the tooltip.
    bottom : str
        What lies along x.
    lines_high : int
        Its height, in lines of text.
    """

    def __init__(self, name: str, legend: str, bottom: str, lines_high: int) -> None:
        super().__init__()
        describe(self, name, legend)
        self._drawn = False
        self._plot = pg.PlotWidget(parent=self)
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        for widget in (self._plot, self._plot.viewport()):
            widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # nothing to do in it
        self._plot.setFixedHeight(lines_high * self.fontMetrics().height())
        self._plot.setYRange(-0.03, 1.08, padding=0)  # room for the label of 1
        self._plot.setLabel("bottom", bottom)
        self._plot.getAxis("left").setTicks([[(0, "0"), (0.5, "0.5"), (1, "1")], []])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._plot)

    def _add(self, items: Iterable[object]) -> None:
        """Draw these items, the last one in front, in the colours of the theme from now on."""
        for item in items:
            self._plot.addItem(item)
        self._drawn = True
        self._recolour()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in _RECOLOUR and getattr(self, "_drawn", False):  # Qt asks before there is a plot
            self._recolour()

    def _recolour(self) -> None:
        c = colours_of(self)
        self._plot.setBackground(c.surface)
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(c.border)
            axis.setTextPen(c.text_muted)
        self._paint(c)

    def _paint(self, c: Colours) -> None:
        """Give the items a theme's colours."""
        raise NotImplementedError
