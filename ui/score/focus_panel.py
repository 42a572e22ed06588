"""The searches for the focus of a section: the last one, or one that the operator chooses, with its curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QComboBox, QVBoxLayout, QWidget

from hcc_scope.focus.record import ENDED, PlaneRecord
from hcc_scope.formatting import capital, counted, sentence
from ui.kit.labels import MICROMETRE, describe, grid_margins, quiet, quiet_value, with_micro_sign
from ui.kit.symbols import SignedLine
from ui.score.focus_plot import FOCUS_LEGEND, FocusPlot

if TYPE_CHECKING:
    from hcc_scope.focus.record import FocusRecord
    from ui.kit.symbols import Shape

__all__ = ["FocusPanel"]

_NOTHING = "Nothing was focused by the camera's image."
_NO_LOG = "This section has no run log, so that its focus curves are not known."


class FocusPanel(QWidget):
    """Shows one search or plane at a time; the newest, until the operator chooses an earlier one."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Focus")
        self._records: tuple[FocusRecord | PlaneRecord, ...] = ()
        self._known = True
        self._pinned = False
        """Whether the operator has chosen one that is not the newest."""
        self._choice = QComboBox()
        self._choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._choice.setMinimumContentsLength(12)
        describe(self._choice, "Which focusing is shown", "The newest is shown as it comes, or one of before.")
        self._result = SignedLine("How the focusing ended")
        self._facts = quiet_value("About the focusing")
        self._plot = FocusPlot()
        self._legend = quiet(FOCUS_LEGEND)
        layout = QVBoxLayout(self)
        grid_margins(layout)
        for widget in (self._choice, self._result, self._plot, self._facts, self._legend):
            layout.addWidget(widget)
        layout.addStretch(1)
        self._choice.currentIndexChanged.connect(self._show)
        self._choice.activated.connect(self._pin)
        self._show()

    def set_records(self, records: tuple[FocusRecord | PlaneRecord, ...], *, known: bool = True) -> None:
        """Show other records, oldest first; `known` is false for a store that has kept none.

        What the operator has chosen stays, as long as it is there.
        """
        if (records, known) == (self._records, self._known):
            return
        before, self._records, self._known = self._records, records, known
        at = self._choice.currentIndex()
        self._pinned = self._pinned and records[: len(before)] == before
        self._choice.blockSignals(True)
        self._choice.clear()
        self._choice.addItems([_title(record) for record in records])
        self._choice.setCurrentIndex(at if self._pinned else len(records) - 1)
        self._choice.blockSignals(False)
        self._show()

    def show_seq(self, focus_seq: int) -> None:
        """Show the search or plane with this number, if it is there: the one that a field's height comes from."""
        for index, record in enumerate(self._records):
            if record.focus_seq == focus_seq:
                self._choice.setCurrentIndex(index)

    @Slot(int)
    def _pin(self, index: int) -> None:
        self._pinned = index < len(self._records) - 1

    @Slot()
    def _show(self, _index: int = 0) -> None:
        index = self._choice.currentIndex()
        record = self._records[index] if 0 <= index < len(self._records) else None
        self._choice.setVisible(record is not None)
        search = None if record is None or isinstance(record, PlaneRecord) else record
        for widget in (self._plot, self._legend):
            widget.setVisible(search is not None and search.is_drawn)
        self._plot.show_record(search)
        if record is None:
            self._result.show_line("unknown", _NOTHING if self._known else _NO_LOG)
            self._facts.hide()
            return
        self._result.show_line(_shape(record), with_micro_sign(sentence(record.explanation)))
        facts = _facts(record)
        self._facts.setText(facts)
        self._facts.setVisible(bool(facts))


def _shape(record: FocusRecord | PlaneRecord) -> Shape:
    if isinstance(record, PlaneRecord):
        return "warning" if record.plane.outliers else "good"
    return "good" if record.accepted and record.error is None else "warning"


def _title(record: FocusRecord | PlaneRecord) -> str:
    if isinstance(record, PlaneRecord):
        return "Plane of the section"
    ended = ": ended" if record.reason == ENDED else ": refused"
    return capital(record.where) + ("" if record.accepted else ended)


def _facts(record: FocusRecord | PlaneRecord) -> str:
    if isinstance(record, PlaneRecord):
        apart = ", ".join(f"{value:+.2f}" for value in record.plane.residuals_um)
        return f"Height of each point above the plane: {apart} {MICROMETRE}."
    if not record.curve:
        return ""
    of, frames = counted(record.tiles, "tile"), counted(len(record.curve), "frame")
    if not record.is_drawn:
        return f"{frames}, no curve: none of {of} was judged."
    return f"{frames}, judged by {record.judged_tiles} of {of}."
