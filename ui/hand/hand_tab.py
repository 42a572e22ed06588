"""The tab *By hand*: a large live picture, and beside it what is read from a metre away, the buttons and the map."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QApplication, QSplitter, QVBoxLayout, QWidget

from ui.canvas.save_view import save_picture
from ui.hand.hand_picture import HandPicture
from ui.hand.readout import Readout
from ui.hand.state import ENDED, NO_SECTION, PREPARING, SEQUENCE, STARTING, state_of
from ui.hand.steps import Steps
from ui.kit.controls import style_buttons
from ui.kit.low_page import scrolling_column
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtGui import QAction, QResizeEvent

    from hcc_scope.by_hand import HandView
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.types import Frame, SectionScore
    from ui.hand.state import HandState
    from ui.kit.mode import ModeName
    from ui.kit.theme import ThemeName

__all__ = ["HandTab"]

_LEAST_MAP_PX = 240
_LEAST_SIDE_PX = 320
_MOST_PICTURE = 0.6
"""Share of the width that the picture takes at most."""


class HandTab(QWidget):
    """The tab.

    Parameters
    ----------
    actions : sequence of QAction
        Start, pause and stop: those of the window.
    hand_map : QWidget
        The map beside the picture.
    """

    capture_seen = Signal(int)
    """The number in the store of a field that was captured just now."""

    def __init__(self, actions: Sequence[QAction], hand_map: QWidget) -> None:
        super().__init__()
        self.setAccessibleName("By hand")
        self._view: HandView | None = None
        self._sample: DrawnSample | None = None
        self._paused = False
        self._captured_seq: int | None = None
        self.sound = self.flashes = True
        """Whether a capture is heard, and seen at the border of the picture."""
        self.picture = HandPicture()
        self.readout = Readout()
        self.steps = Steps(actions, self)
        side = QWidget()
        side.setAccessibleName("State, steps and map")
        side.setMinimumWidth(_LEAST_SIDE_PX)
        column = scrolling_column(side)
        column.setContentsMargins(GRID_PX, 0, 0, 0)
        column.setSpacing(GRID_PX)
        column.addWidget(self.readout)
        column.addWidget(self.steps)
        column.addWidget(hand_map, 1)
        hand_map.setMinimumHeight(_LEAST_MAP_PX)
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.addWidget(self.picture)
        self._split.addWidget(side)
        self._split.setChildrenCollapsible(False)
        self._split.setStretchFactor(0, 1)
        self._split.setStretchFactor(1, 1)
        self._split.splitterMoved.connect(self._note_split)
        self._chosen = False
        """Whether a person has chosen how large the picture is."""
        page = QVBoxLayout(self)
        page.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        page.addWidget(self._split)

    @Slot()
    def _note_split(self) -> None:
        self._chosen = True

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Give the picture, which is about square, the whole height, unless a person has chosen its size."""
        super().resizeEvent(event)
        if not self._chosen:
            whole = self._split.width()
            picture = min(self._split.height(), round(_MOST_PICTURE * whole), whole - self._least_side_px())
            self._split.setSizes([picture, whole - picture])

    def _least_side_px(self) -> int:
        side = self._split.widget(1)
        return _LEAST_SIDE_PX if side is None else max(_LEAST_SIDE_PX, side.minimumSizeHint().width())

    # -- what it shows -------------------------------------------------------------------------------------------------

    def begin(self, last_seq: int | None = None) -> None:
        """Begin a section: nothing of an earlier one stays.

        Parameters
        ----------
        last_seq : int, optional
            Number of the field that was captured last, in a section that is continued.
        """
        self._view = self._sample = None
        self._captured_seq = last_seq
        self.picture.show_frame(None)
        self.picture.setFocus(Qt.FocusReason.OtherFocusReason)  # the keys of the buttons work from here on
        self._show()

    def await_section(self, state: HandState) -> None:
        """Show what goes on before the first live frame of a section by hand, or during another section."""
        self._view = self._sample = None
        self.readout.show_view(None, state)
        self.steps.show_phase(None)

    def show_frame(self, frame: Frame) -> None:
        """Show what the camera sees while no section is acquired, or in a pause."""
        self.picture.show_frame(frame)

    def show_view(self, view: HandView, sample: DrawnSample | None = None, *, paused: bool) -> None:
        """Show what is known after a live frame; a field that was captured since is seen and heard.

        Parameters
        ----------
        view : HandView
        sample : DrawnSample, optional
            The drawn fields, once there are any.
        paused : bool
            Whether the section waits.
        """
        new = view.captured_seq is not None and view.captured_seq != self._captured_seq
        before, self._captured_seq = self._captured_seq, view.captured_seq
        self._view, self._sample, self._paused = view, sample, paused
        self.picture.show_frame(view.frame)
        if new and view.captured_seq is not None and (before is None or view.captured_seq > before):
            if self.flashes:
                self.picture.flash()
            if self.sound:
                QApplication.beep()
            self.capture_seen.emit(view.captured_seq)
        self.steps.set_automatic(view.automatic)
        self._show()

    def set_paused(self, paused: bool) -> None:
        """Show that the section waits, or goes on."""
        self._paused = paused
        if self._view is not None:
            self._show()

    def show_score(self, score: SectionScore | None) -> None:
        """Show the score; None for none."""
        self.readout.show_score(score)

    def end(self, state: HandState = ENDED, view: HandView | None = None, sample: DrawnSample | None = None) -> None:
        """Show that nothing more is captured; the last picture and the numbers stay.

        Parameters
        ----------
        state : HandState
        view : HandView, optional
            The last one; without it, no picture came.
        sample : DrawnSample, optional
            The drawn fields at the end.
        """
        self._view, self._paused = None, False
        if view is not None:
            self.readout.show_view(replace(view, guidance=None, message=""), state, sample)
        elif self.readout.state == SEQUENCE.word:
            self.readout.show_state(state)
        elif self.readout.state in (PREPARING.word, STARTING.word):
            self.readout.show_view(None, NO_SECTION)
        self.steps.show_phase(None)

    def _show(self) -> None:
        view = self._view
        self.readout.show_view(view, state_of(view, paused=self._paused), self._sample)
        self.steps.show_phase(None if view is None else view.phase, paused=self._paused)

    # -- the look ------------------------------------------------------------------------------------------------------

    def set_mode(self, mode: ModeName) -> None:
        """Show the window's own buttons beside the steps, or in Operator mode those of the top bar alone."""
        self.steps.set_mode(mode)

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self.picture.set_theme(theme)
        style_buttons(self, theme)

    def export_png(self, path: Path) -> None:
        """Save the live picture as it is shown.

        Raises
        ------
        StoreUnwritableError
            If the file cannot be written.
        """
        save_picture(self.picture, path, "By hand")
