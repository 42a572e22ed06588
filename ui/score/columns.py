"""Panels below each other in one scrolling column, each under its heading: what goes into a dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from ui.devices.camera import CameraPanel
from ui.devices.light import LightPanel
from ui.devices.objective import ObjectivePanel
from ui.devices.presets import PresetsPanel
from ui.devices.stage import StagePanel
from ui.kit.labels import describe, quiet
from ui.kit.theme import GRID_PX
from ui.score.quality import QualityPanel
from ui.score.score import ScorePanel

if TYPE_CHECKING:
    from hcc_scope.microscope.device_controls import RigState

__all__ = ["PanelColumn", "ResultColumn", "RigColumn"]

_WIDTH_PX = 300


class _Folder(QWidget):
    """A panel under a heading that folds it away."""

    def __init__(self, panel: QWidget) -> None:
        super().__init__()
        self.panel = panel
        self._head = QToolButton()
        self._head.setText(panel.windowTitle())
        self._head.setCheckable(True)
        self._head.setChecked(True)
        self._head.setAutoRaise(True)
        self._head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._head.setArrowType(Qt.ArrowType.DownArrow)
        self._head.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._head.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        font = self._head.font()
        font.setBold(True)
        self._head.setFont(font)
        describe(self._head, f"{panel.windowTitle()}: fold or unfold", f"Folds or unfolds {panel.windowTitle()}.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._head)
        layout.addWidget(panel)
        self._head.toggled.connect(self._fold)

    @Slot(bool)
    def _fold(self, open_: bool) -> None:
        self._head.setArrowType(Qt.ArrowType.DownArrow if open_ else Qt.ArrowType.RightArrow)
        self.panel.setVisible(open_)

    @Slot(bool)
    def follow(self, present: bool) -> None:
        """Disappear with a panel that has nothing to show."""
        self.setVisible(present)
        self.panel.setVisible(present and self._head.isChecked())


class PanelColumn(QScrollArea):
    """Scrolls up and down; sideways only where it is narrower than its panels can be."""

    def __init__(self, *panels: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)  # the width does not jump
        self.folders = tuple(_Folder(panel) for panel in panels)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, GRID_PX)
        layout.setSpacing(0)
        self.note = quiet()
        """Above the panels, for what holds for all of them."""
        self.note.setMargin(GRID_PX)
        self.note.hide()
        layout.addWidget(self.note)
        for folder in self.folders:
            layout.addWidget(folder)
        layout.addStretch(1)
        self.setWidget(content)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the usual width of a dock."""
        return QSize(max(_WIDTH_PX, self.minimumSizeHint().width()), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the width that the panels need, with the scroll bar."""
        content = self.widget()
        needed = 0 if content is None else content.minimumSizeHint().width()
        return QSize(needed + self.verticalScrollBar().sizeHint().width(), 8 * self.fontMetrics().height())


class RigColumn(PanelColumn):
    """All devices: camera, stage with its red stop, objective, presets and light."""

    requested = Signal(str, tuple)
    """Name of a `DeviceControls` action and its arguments, from whichever panel."""

    def __init__(self) -> None:
        panels = (CameraPanel(), StagePanel(), ObjectivePanel(), PresetsPanel(), LightPanel())
        super().__init__(*panels)
        self.camera, self.stage, self.objective, self.presets, self.light = panels
        for folder, panel in zip(self.folders, panels, strict=True):
            panel.requested.connect(self.requested)
            panel.presence_changed.connect(folder.follow)
            folder.follow(panel.present)

    def set_state(self, state: RigState | None) -> None:
        """Show what the devices say."""
        for panel in (self.camera, self.stage, self.objective, self.presets, self.light):
            panel.set_state(state)

    def set_locked(self, reason: str | None, *, paused: bool = False) -> None:
        """Lock what would spoil a running section, for a reason; while it is paused, the stage stays free."""
        self.note.setText(reason or "")
        self.note.setVisible(reason is not None)
        for panel in (self.camera, self.stage, self.objective, self.presets, self.light):
            panel.set_locked(None if paused and panel is self.stage else reason, say=False)


class ResultColumn(PanelColumn):
    """Score and quality."""

    def __init__(self) -> None:
        score, quality = ScorePanel(), QualityPanel()
        super().__init__(score, quality)
        self.score, self.quality = score, quality
