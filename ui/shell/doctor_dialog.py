"""The dialog that examines this computer, and a rig if one is chosen: the checks of ``hcc-scope doctor``."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
)

from hcc_scope.doctor.examination import examine
from hcc_scope.doctor.results import summary
from hcc_scope.doctor.subject import Options
from ui.kit.dialog_buttons import without_icons
from ui.kit.theme import GRID_PX, colours

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

    from hcc_scope.doctor.results import Result
    from ui.kit.jobs import Jobs
    from ui.kit.theme import ThemeName

__all__ = ["DoctorDialog"]

_POLL_MS = 100
_NO_RIG = "No rig: the computer alone"


class DoctorDialog(QDialog):
    """Shows each finding as soon as it is there; does not hold up the window.

    Parameters
    ----------
    out_dir : Path
        The folder for sections, whose disk is measured.
    rigs : sequence of str
        To choose from; empty while a rig is open in this window, as its devices cannot be used twice.
    jobs : Jobs
    theme : {"dark", "light"}
    parent : QWidget, optional
    """

    def __init__(
        self, out_dir: Path, rigs: Sequence[str], jobs: Jobs, theme: ThemeName, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Examine this computer")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._out_dir, self._jobs, self._theme = out_dir, jobs, theme
        self._open, self._busy = True, False
        self._found: deque[Result] = deque()
        self._results: list[Result] = []
        about = QLabel(
            "Looks at what a section depends on, for about half a minute. Nothing is changed, and nothing moves."
            + ("" if rigs else " Close the rig to examine its devices as well.")
        )
        about.setWordWrap(True)
        self.rig = QComboBox()
        self.rig.setAccessibleName("Rig to examine")
        self.rig.addItems([_NO_RIG, *rigs])
        self.rig.setEnabled(bool(rigs))
        self.begin_button = QPushButton("Examine")
        self.begin_button.clicked.connect(self.begin)
        row = QHBoxLayout()
        row.addWidget(self.rig, 1)
        row.addWidget(self.begin_button)
        self.list = QTreeWidget()
        self.list.setAccessibleName("Findings")
        self.list.setHeaderLabels(["Check", "Result", "Finding"])
        self.list.setRootIsDecorated(False)
        self.list.setWordWrap(True)
        self.words = QLabel("Not examined yet.")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        without_icons(buttons)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        layout.setSpacing(2 * GRID_PX)
        layout.addWidget(about)
        layout.addLayout(row)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.words)
        layout.addWidget(buttons)
        self.resize(960, 620)
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._look)
        self.finished.connect(self._closed)

    @Slot()
    def begin(self) -> None:
        """Make the checks."""
        if self._busy:
            return
        self._busy = True
        self.begin_button.setEnabled(False)
        self.list.clear()
        self._results.clear()
        self.words.setText("Examining …")
        rig = self.rig.currentText() if self.rig.currentIndex() > 0 else None
        options = Options(out_dir=str(self._out_dir), rig=rig)
        self._timer.start()
        work = partial(examine, options, self._found.append, stop=lambda: not self._open)
        self._jobs.submit("doctor", work, self._ended, self._failed)

    @Slot(int)
    def _closed(self, _code: int) -> None:
        self._open = False

    @Slot()
    def _look(self) -> None:
        """Show what was found since the last look; the checks run in another thread."""
        while self._found and self._open:
            self._add(self._found.popleft())

    def _add(self, result: Result) -> None:
        self._results.append(result)
        words = " ".join(filter(None, (result.words, result.advice)))
        row = QTreeWidgetItem(self.list, [result.title, result.verdict, words])
        row.setToolTip(2, words)
        c = colours(self._theme)
        colour = {"pass": c.good, "warn": c.warning, "fail": c.error, "not tried": c.text_muted}[result.verdict]
        row.setForeground(1, QColor(colour))
        for column in range(2):
            self.list.resizeColumnToContents(column)
        self.list.scrollToItem(row)

    def _ended(self, _results: list[Result]) -> None:
        if not self._open:
            return
        self._look()
        self._end(summary(self._results))

    def _failed(self, sentence: str) -> None:
        if self._open:
            self._end(sentence)

    def _end(self, words: str) -> None:
        self._timer.stop()
        self._busy = False
        self.begin_button.setEnabled(True)
        self.words.setText(words)
