"""Reach an operator who does not look at the window: by sound, the task bar, and a notification of the desktop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtWidgets import QApplication, QStyle, QSystemTrayIcon

if TYPE_CHECKING:
    from PySide6.QtGui import QIcon
    from PySide6.QtWidgets import QWidget

__all__ = ["NO_NOTIFICATIONS", "Alerts"]

AlertLevel = Literal["info", "warning", "error"]
NO_NOTIFICATIONS = (
    "This desktop shows no notifications for programs (it has no notification area): watch the window or listen for the"
    " sound."
)
_BEEPS: dict[AlertLevel, int] = {"info": 1, "warning": 3, "error": 3}
_BETWEEN_MS = 350


class Alerts(QObject):
    """Sounds and notifies.

    Parameters
    ----------
    window : QWidget
        Marked in the task bar.
    """

    unavailable = Signal(str)
    """Why there are no notifications, as a sentence; once."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self.sound = True
        """Whether alerts are heard."""
        self.notifies = True
        """Whether the desktop shows them."""
        self._tray: QSystemTrayIcon | None = None
        self._stated = False
        self._left = 0
        self._next = QTimer(self)
        self._next.setInterval(_BETWEEN_MS)
        self._next.timeout.connect(self._beep)

    def show_alert(self, level: AlertLevel, title: str, text: str) -> None:
        """Alert the operator in every way that is switched on."""
        QApplication.alert(self._window)
        if self.sound:
            self._left = _BEEPS[level]
            self._beep()
        if self.notifies:
            self._notify(level, title, text)

    @Slot()
    def _beep(self) -> None:
        if self._left and self.sound:
            self._left -= 1
            QApplication.beep()
        if self._left:
            self._next.start()
        else:
            self._next.stop()

    def _notify(self, level: AlertLevel, title: str, text: str) -> None:
        if not (QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages()):
            # a desktop of Linux may have none: GNOME without an extension, or a bare window manager
            if not self._stated:
                self._stated = True
                self.unavailable.emit(NO_NOTIFICATIONS)
            return
        if self._tray is None:
            self._tray = QSystemTrayIcon(self._icon(), self)
            self._tray.setToolTip(self._window.windowTitle())
            self._tray.activated.connect(self._come_forward)
            self._tray.messageClicked.connect(self._come_forward)
        self._tray.show()  # a hidden icon shows no message
        icons = QSystemTrayIcon.MessageIcon
        icon = {"info": icons.Information, "warning": icons.Warning, "error": icons.Critical}[level]
        self._tray.showMessage(title, text, icon)

    def _icon(self) -> QIcon:
        own = self._window.windowIcon()
        return self._window.style().standardIcon(QStyle.StandardPixmap.SP_ComputerIcon) if own.isNull() else own

    @Slot()
    def _come_forward(self) -> None:
        self._window.raise_()
        self._window.activateWindow()

    def end(self) -> None:
        """Take the icon out of the notification area."""
        self._next.stop()
        if self._tray is not None:
            self._tray.hide()
