"""The dialog that guides an operator through a dark or flat field. It is not modal: the emergency stop stays in reach.

It shows what to do, each shot as it comes, and the result: the reference, or the shot with the tile that shows why it
is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDialog,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.formatting import counted, sentence
from hcc_scope.runs.reference_capture import STEPS
from hcc_scope.shading.making import LEAST_SHOTS
from ui.canvas.image_view import ImageView
from ui.canvas.luts import display_limits
from ui.devices.references import freshness_text
from ui.kit.labels import ValueLabel, announce, colours_of, describe, quiet_value
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.shading.freshness import ReferencesState
    from hcc_scope.shading.making import Refusal
    from hcc_scope.shading.reference import Reference, ReferenceKind
    from hcc_scope.types import Frame
    from ui.canvas.viewport import Viewport
    from ui.control.reference_control import CaptureProgress

__all__ = ["ReferenceDialog"]

_SIZE = QSize(672, 640)
"""Fits a screen of 1280 x 720."""
_TEXT_LINES = 4
_KINDS: dict[ReferenceKind, str] = {"dark": "Dark field", "flat": "Flat field"}


class _FaultLayer:
    """A `ui.canvas.canvas.Layer`: the tile that shows why a reference is refused."""

    def __init__(self) -> None:
        self.tile_px: tuple[int, int, int, int] | None = None
        self.colour = "red"

    def paint(self, painter: QPainter, view: Viewport) -> None:
        """Frame the tile."""
        if self.tile_px is None:
            return
        x, y, width, height = self.tile_px
        left, top = view.to_screen(float(x), float(y))
        right, bottom = view.to_screen(float(x + width), float(y + height))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, line_px in (("black", 5), (self.colour, 3)):
            painter.setPen(QPen(QColor(colour), line_px))
            painter.drawRect(QRectF(left, top, right - left, bottom - top))


class ReferenceDialog(QDialog):
    """The dialog.

    Parameters
    ----------
    parent : QWidget
        The window.
    corrects : bool
        Whether new sections are corrected by fresh references.
    """

    begin_asked = Signal(str)
    """``dark`` or ``flat``: take it."""
    shot_asked = Signal()
    """The operator has moved to another field."""
    cancel_asked = Signal()
    corrects_changed = Signal(bool)

    def __init__(self, parent: QWidget, *, corrects: bool) -> None:
        super().__init__(parent)
        self.setWindowTitle("Dark and flat fields")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._active = False
        self._choice = QButtonGroup(self)
        self._kinds: dict[ReferenceKind, QRadioButton] = {}
        self._states: dict[ReferenceKind, ValueLabel] = {}
        self._steps = quiet_value("What to do")
        self._view = ImageView()
        self._view.setMinimumSize(420, 240)
        self._view.describe_as(
            "Shot or result", "The newest shot; at the end the reference, or the tile with the fault"
        )
        self._fault = _FaultLayer()
        self._view.add_overlay(self._fault)
        self._progress = QProgressBar()
        self._progress.setAccessibleName("Shots taken")
        self._message = ValueLabel("Result", "")
        self._message.setWordWrap(True)
        self._message.setAlignment(Qt.AlignmentFlag.AlignTop)
        for label in (self._steps, self._message):  # room for the longest text, so that nothing moves or overlaps
            label.setMinimumHeight(_TEXT_LINES * label.fontMetrics().lineSpacing())
        self._begin = QPushButton("Take")
        self._begin.setDefault(True)
        self._shot = QPushButton("Take shot")
        describe(self._begin, "Take the reference", "Takes all shots of the chosen reference.")
        describe(self._shot, "Take the next shot", "Takes a shot of the blank field that the stage is at now.")
        self._cancel = QPushButton("Close")
        self._corrects = QCheckBox("Correct new sections by fresh dark and flat fields")
        self._corrects.setChecked(corrects)
        self._corrects.setToolTip("Frames are stored raw in any case; the correction comes before tiles and model.")
        self._lay_out()
        self._begin.clicked.connect(self._ask_begin)
        self._shot.clicked.connect(self._ask_shot)
        self._cancel.clicked.connect(self._cancel_or_close)
        self._corrects.toggled.connect(self.corrects_changed)
        for radio in self._kinds.values():
            radio.toggled.connect(self._choose)
        self._kinds["dark"].setChecked(True)
        self._update()
        self.resize(_SIZE)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        layout.setSpacing(GRID_PX)
        for kind, name in _KINDS.items():
            radio, state = QRadioButton(name), ValueLabel(f"State of the {kind} field now", "–")
            self._choice.addButton(radio)
            self._kinds[kind], self._states[kind] = radio, state
            row = QHBoxLayout()
            row.setSpacing(2 * GRID_PX)
            radio.setMinimumWidth(96)
            state.setWordWrap(True)
            row.addWidget(radio)
            row.addWidget(state, 1)
            layout.addLayout(row)
        layout.addWidget(self._steps)
        layout.addWidget(self._view, 1)
        layout.addWidget(self._progress)
        layout.addWidget(self._message)
        layout.addWidget(self._corrects)
        row = QHBoxLayout()
        row.setSpacing(GRID_PX)
        row.addStretch(1)
        for button in (self._begin, self._shot, self._cancel):
            row.addWidget(button)
        layout.addLayout(row)

    @property
    def kind(self) -> ReferenceKind:
        """Which reference is chosen."""
        return next(kind for kind, radio in self._kinds.items() if radio.isChecked())

    # -- what is asked for --------------------------------------------------------------------------------------------

    @Slot()
    def _choose(self) -> None:
        if not any(radio.isChecked() for radio in self._kinds.values()):
            return
        steps = "\n".join(f"{number}. {step}" for number, step in enumerate(STEPS[self.kind], start=1))
        self._steps.setText(steps)
        self._begin.setText(f"Take {counted(LEAST_SHOTS[self.kind], 'shot')}")

    @Slot()
    def _ask_begin(self) -> None:
        self._fault.tile_px = None
        self._message.clear()
        self.begin_asked.emit(self.kind)

    @Slot()
    def _ask_shot(self) -> None:
        self._shot.setEnabled(False)
        self.shot_asked.emit()

    @Slot()
    def _cancel_or_close(self) -> None:
        if self._active:
            self.cancel_asked.emit()
            self._say("Cancelled: nothing was kept, and the devices are put back.")
        else:
            self.close()

    def done(self, code: int) -> None:
        """Close; a reference that is being taken is cancelled first."""
        if self._active:
            self.cancel_asked.emit()
        super().done(code)

    # -- what is shown ------------------------------------------------------------------------------------------------

    @Slot(object)
    def set_references(self, state: ReferencesState | None) -> None:
        """Show how the references are for the settings as they are now."""
        for kind, label in self._states.items():
            one = None if state is None else getattr(state, kind)
            label.setText("–" if one is None else f"{freshness_text(one)}: {one.reason}")
        self._begin.setEnabled(not self._active and state is not None)

    @Slot(bool)
    def set_active(self, active: bool) -> None:
        """Show whether a reference is being taken."""
        self._active = active
        self._update()

    def _update(self) -> None:
        for radio in self._kinds.values():
            radio.setEnabled(not self._active)
        self._begin.setEnabled(not self._active)
        self._progress.setVisible(self._active)
        self._shot.setVisible(False)
        self._cancel.setText("Cancel" if self._active else "Close")

    @Slot(object)
    def set_progress(self, progress: CaptureProgress) -> None:
        """Show how many shots are taken."""
        self._progress.setRange(0, progress.wanted)
        self._progress.setValue(progress.taken)
        self._shot.setVisible(progress.by_hand)
        self._shot.setEnabled(progress.by_hand)
        words = f"{progress.taken} of {counted(progress.wanted, 'shot')}"
        if progress.by_hand:
            words += ": move to another blank field, and take the next shot"
        elif progress.kind == "dark" and not progress.shutter_closed:
            words += ": this rig has no shutter, so keep the lamp off"
        self._message.setText(f"{words}.")

    @Slot(object)
    def set_shot(self, frame: Frame) -> None:
        """Show a shot."""
        self._fault.tile_px = None
        self._view.set_limits(*display_limits(frame.pixels))
        self._view.set_pixels(frame.pixels, frame.bit_depth)

    @Slot(object)
    def show_made(self, reference: Reference) -> None:
        """Show the reference that was made."""
        self._view.set_limits(*display_limits(reference.pixels))
        self._view.set_pixels(reference.pixels)
        low, high = float(reference.values.min()), float(reference.values.max())
        manifest = reference.manifest
        span = f"{low:.1%} to {high:.1%} of its mean" if manifest.kind == "flat" else f"{low:.0f} to {high:.0f} counts"
        self._say(f"The {manifest.kind} field is kept: {counted(manifest.shots, 'shot')}, {span}.")

    @Slot(object)
    def show_refused(self, refusal: Refusal) -> None:
        """Show why there is no reference, and where."""
        if refusal.picture is not None:
            self._view.set_limits(*display_limits(refusal.picture))
            self._view.set_pixels(refusal.picture)
        self._fault.tile_px = refusal.tile_px
        self._fault.colour = colours_of(self).error
        self._view.update()
        self._say(f"{sentence(refusal.message)} {refusal.hint}")

    @Slot(str)
    def show_failed(self, why: str) -> None:
        """Show why the devices could not take it."""
        self._say(why)

    def _say(self, text: str) -> None:
        self._message.setText(text)
        announce(self._message, text, urgent=False)
