"""The label of the section that is shown, for training: low, high or leave out.

A click on the label that it has takes it back.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from hcc_scope.runs.section_analyses import OpenedStore
from hcc_scope.storage.section_labels import LABELS, label_section
from ui.kit.controls import ViewButton, control_row, style_buttons
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.storage.notes import Note
    from hcc_scope.storage.section_labels import SectionLabel
    from ui.kit.jobs import JobRunner
    from ui.kit.theme import ThemeName

__all__ = ["LABEL_TIPS", "LabelRow"]

LABEL_TIPS: dict[SectionLabel, str] = {
    "low": "Train on this section as low metastatic",
    "high": "Train on this section as high metastatic",
    "leave out": "Write no manifest with this section",
}
"""What each label does."""


class LabelRow(QWidget):
    """Three buttons, of which one is down or none.

    Parameters
    ----------
    jobs : JobRunner
        Writes on its worker ``disk``.
    """

    changed = Signal(OpenedStore)
    """The store that was given a label, or whose label was taken back."""
    failed = Signal(str)
    """Why the label was not kept, as text."""

    def __init__(self, jobs: JobRunner) -> None:
        super().__init__()
        self._jobs = jobs
        self._opened: OpenedStore | None = None
        self._writing = False
        self._buttons: dict[SectionLabel, ViewButton] = {}
        for label in LABELS:
            button = self._buttons[label] = ViewButton()
            button.setText(label.capitalize())
            button.setCheckable(True)
            button.setAccessibleName(f"Label for training: {label}")
            button.setToolTip(f"{LABEL_TIPS[label]}; again to take it back")
            button.clicked.connect(partial(self._clicked, label))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX // 2)
        column.addWidget(QLabel("Label for training"))
        column.addWidget(control_row(*self._buttons.values()))

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        style_buttons(self, theme)

    def set_store(self, opened: OpenedStore | None) -> None:
        """Show the label of a store."""
        self._opened = opened
        self._show()

    def _show(self) -> None:
        for label, button in self._buttons.items():
            button.setChecked(self._opened is not None and self._opened.label == label)
            button.setEnabled(self._opened is not None and not self._writing)

    def _clicked(self, label: SectionLabel, _down: bool = False) -> None:
        self._show()  # down once it is on disk
        self.choose(label)

    def choose(self, label: SectionLabel) -> None:
        """Give the store a label; the one that it has is taken back."""
        opened = self._opened
        if opened is None or self._writing:
            return
        self._writing = True
        self._show()
        new = None if opened.label == label else label
        self._jobs.submit(
            "disk", partial(label_section, opened.path, new), partial(self._kept, opened, new), self._not_kept
        )

    def _kept(self, opened: OpenedStore, label: SectionLabel | None, note: Note) -> None:
        self._writing = False
        opened.notes.append(note)
        opened.label = label
        self._show()
        self.changed.emit(opened)

    @Slot(str)
    def _not_kept(self, why: str) -> None:
        self._writing = False
        self._show()
        self.failed.emit(why)
