"""Two stored sections beside each other: pictures, scores on one scale, and what is different about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from ui.kit.dialog_buttons import without_icons
from ui.kit.labels import ValueLabel, breakable
from ui.kit.theme import GRID_PX
from ui.score.score_bar import ScoreBar

if TYPE_CHECKING:
    from PySide6.QtGui import QImage

    from hcc_scope.runs.section_comparison import SectionComparison

__all__ = ["CompareDialog"]

_PICTURE_PX = 224


class CompareDialog(QDialog):
    """Does not hold up the window.

    Parameters
    ----------
    comparison : SectionComparison
    pictures : (QImage, QImage)
        Of both sections.
    parent : QWidget
    """

    def __init__(self, comparison: SectionComparison, pictures: tuple[QImage, QImage], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Compare two sections")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.answer = ValueLabel("Difference of the scores", comparison.answer)
        self.answer.setWordWrap(True)
        self.answer.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        font = self.answer.font()
        font.setBold(True)
        self.answer.setFont(font)
        inside = QWidget()
        grid = QGridLayout(inside)
        grid.setHorizontalSpacing(2 * GRID_PX)
        grid.setVerticalSpacing(GRID_PX)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(2, 1)
        for column, (section, picture) in enumerate(
            zip((comparison.first, comparison.second), pictures, strict=True), start=1
        ):
            shown = QLabel()
            shown.setAccessibleName(f"A field of {section.name}")
            if picture.width() > 1:
                shown.setPixmap(
                    QPixmap.fromImage(picture).scaled(
                        _PICTURE_PX,
                        _PICTURE_PX,
                        Qt.AspectRatioMode.KeepAspectRatio,
                        Qt.TransformationMode.SmoothTransformation,
                    )
                )
            bar = ScoreBar()
            bar.show_score(section.score)
            grid.addWidget(shown, 0, column)
            grid.addWidget(bar, 1, column)
        for row, fact in enumerate(comparison.facts, start=2):
            name = QLabel(fact.name)
            grid.addWidget(name, row, 0, Qt.AlignmentFlag.AlignTop)
            for column, text in ((1, fact.first), (2, fact.second)):
                value = ValueLabel(f"{fact.name}, section {column}", breakable(text) or "none")
                value.setWordWrap(True)
                value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                font = value.font()
                font.setBold(fact.differs)
                value.setFont(font)
                grid.addWidget(value, row, column, Qt.AlignmentFlag.AlignTop)
        grid.setRowStretch(grid.rowCount(), 1)
        area = QScrollArea()
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        without_icons(buttons)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        layout.setSpacing(2 * GRID_PX)
        layout.addWidget(self.answer)
        layout.addWidget(area, 1)
        layout.addWidget(buttons)
        self.resize(880, 640)
