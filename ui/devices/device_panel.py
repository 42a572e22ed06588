"""The base of all device panels: they show a `RigState` and request `DeviceAction`s."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ui.devices.device_action import DeviceAction
from ui.kit.labels import grid_margins, quiet

__all__ = ["DevicePanel"]


class DevicePanel(QWidget):
    """A panel that hides itself where the rig has nothing for it.

    Parameters
    ----------
    title : str
        Also its window title, for docks and headings.
    """

    requested = Signal(DeviceAction)
    """Asks for something of the devices."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.setWindowTitle(title)
        self.setAccessibleName(title)
        self._present = True
        self._lock_words = quiet()
        self._lock_words.hide()
        self.body = QWidget()
        """Holds what the panel shows of the rig."""
        self.outer = QVBoxLayout(self)
        grid_margins(self.outer)
        self.outer.addWidget(self._lock_words)
        self.outer.addWidget(self.body)

    @property
    def present(self) -> bool:
        """Whether the rig has something for this panel."""
        return self._present

    def set_locked(self, reason: str | None, *, show: bool = True) -> None:
        """Lock what would spoil a running section, for a reason that is shown unless `show` is False; None unlocks."""
        for widget in self.locked_widgets():
            widget.setEnabled(reason is None)
        self._lock_words.setText(reason or "")
        self._lock_words.setVisible(show and reason is not None)

    def locked_widgets(self) -> tuple[QWidget, ...]:
        """Return what would spoil a section that is being acquired; a panel may leave some of it free."""
        return (self.body,)

    def be_present(self, present: bool) -> None:
        """Show or hide the whole panel."""
        if present != self._present:
            self._present = present
            if present and self.parentWidget() is None:
                # not placed yet: shown with its later parent, not as a separate window
                self.setAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide, False)
            else:
                self.setVisible(present)
