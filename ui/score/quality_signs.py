"""The quality of the field on the screen as one row of signs, under the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Slot
from PySide6.QtGui import QPainter, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from hcc_scope.field_quality import FieldQuality
from ui.kit.labels import colours_of
from ui.kit.symbols import paint_symbol
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from hcc_scope.field_quality import Judgement
    from ui.kit.symbols import Shape

__all__ = ["QualitySigns"]


class _Sign(QWidget):
    """One sign and, where there is room, what it is of; the tooltip has the judgement as a sentence."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._shape: Shape = "unknown"
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    @property
    def shape_name(self) -> Shape:
        """The sign that is shown."""
        return self._shape

    def show_judgement(self, judgement: Judgement) -> None:
        """Show another judgement; cheap where it is the same."""
        meaning = f"{self._name}: {judgement.text}"
        if meaning != self.accessibleName():
            self.setAccessibleName(meaning)
            self.setToolTip(meaning)
        if judgement.state != self._shape:
            self._shape = judgement.state
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for sign and name."""
        metrics = self.fontMetrics()
        side = metrics.height()
        return QSize(side + GRID_PX // 2 + metrics.horizontalAdvance(self._name) + 2, side + GRID_PX // 2)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Do with the sign alone."""
        side = self.fontMetrics().height()
        return QSize(side, side + GRID_PX // 2)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the sign, and the name if it fits."""
        side = self.fontMetrics().height()
        top = (self.height() - side) / 2
        c = colours_of(self)
        painter = QPainter(self)
        paint_symbol(painter, QRectF(1, top + 1, side - 2, side - 2), self._shape, c)
        if self.width() >= self.sizeHint().width():
            left = side + GRID_PX // 2
            room = QRectF(left, 0, self.width() - left, self.height())
            painter.setPen(self.palette().text().color())
            painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._name)
        painter.end()


class QualitySigns(QWidget):
    """Focus, tissue, saturation, light, and similarity to the training images; which field they are of, if of one."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Quality of the field on the screen")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        nothing = FieldQuality.unknown()
        self._signs = {judgement.aspect: _Sign(judgement.name) for judgement in nothing}
        self._field = QLabel()
        self._field.setAccessibleName("Field of the quality")
        self._field.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        row.addWidget(self._field)
        for sign in self._signs.values():
            row.addWidget(sign, sign.sizeHint().width())  # so that all names fit, or none is shown
        self.show_quality(nothing)

    @Slot(FieldQuality)
    def show_quality(self, quality: FieldQuality) -> None:
        """Show the judgements on a field or a live picture."""
        self._field.setText("" if quality.seq is None else f"Field {quality.seq}")
        self._field.setVisible(quality.seq is not None)
        for judgement in quality:
            self._signs[judgement.aspect].show_judgement(judgement)
