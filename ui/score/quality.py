"""The quality of the current field: focus, tissue, saturation, light, and whether its tiles resemble the training's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from hcc_scope.field_quality import ASPECT_NAMES, ASPECT_TIPS, FieldQuality, judge_result
from ui.kit.labels import ValueLabel, grid_margins, heading, quiet_value
from ui.kit.symbols import SymbolBadge
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.quality import TileQuality
    from hcc_scope.types import FrameResult

__all__ = ["QualityPanel"]


class QualityPanel(QWidget):
    """Shows the judgements on a field or a live picture, and is the one place that others take them from."""

    changed = Signal(FieldQuality)
    """The judgements that are shown now."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("Quality of this field")
        self.setAccessibleName("Quality of the current field")
        self._what = ValueLabel("Outcome of the field")
        self._what.setWordWrap(True)
        layout = QVBoxLayout(self)
        grid_margins(layout)
        layout.addWidget(self._what)
        grid = QGridLayout()
        grid.setHorizontalSpacing(GRID_PX)
        grid.setVerticalSpacing(GRID_PX)
        grid.setColumnStretch(2, 1)
        self._rows = {}
        top = Qt.AlignmentFlag.AlignTop
        for row, (aspect, name) in enumerate(ASPECT_NAMES.items()):
            badge, title, text = SymbolBadge(), heading(name), quiet_value(name)
            for widget in (title, text):
                widget.setToolTip(ASPECT_TIPS[aspect])
            title.setWordWrap(False)
            title.setContentsMargins(0, 0, GRID_PX, 0)
            text.setForegroundRole(title.foregroundRole())
            grid.addWidget(badge, row, 0, top)
            grid.addWidget(title, row, 1, top)
            grid.addWidget(text, row, 2, top)
            self._rows[aspect] = (badge, text)
        layout.addLayout(grid)
        layout.addStretch(1)
        self._quality: FieldQuality | None = None
        self.set_result(None)

    @property
    def quality(self) -> FieldQuality:
        """The judgements that are shown."""
        assert self._quality is not None
        return self._quality

    def show_field(self, seq: int, result: FrameResult | None) -> None:
        """Show the quality of one field, which need not be analysed yet."""
        if result is None:
            self.set_quality(FieldQuality.unknown(f"Field {seq}: not analysed yet.", seq=seq))
        else:
            self.set_result(result)

    def set_result(self, result: FrameResult | None, quality: TileQuality | None = None) -> None:
        """Show a field's quality; None for no field yet."""
        if result is None:
            self.set_quality(FieldQuality.unknown("No field analysed yet."))
        else:
            self.set_quality(judge_result(result, quality))

    def set_quality(self, quality: FieldQuality) -> None:
        """Show judgements."""
        if quality == self._quality:
            return
        self._quality = quality
        self._what.setText(quality.what)
        for one in quality:
            badge, label = self._rows[one.aspect]
            badge.show_shape(one.state, f"{one.name}: {one.text}")
            label.setText(one.text)
        self.changed.emit(quality)
