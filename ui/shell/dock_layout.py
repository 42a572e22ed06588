"""The layout of the docks: on both sides of the window, or in one place where the window is too narrow for both.

Operator mode shows the score alone, and any other dock on request. The layout that is kept is that of Expert mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QDockWidget, QTabBar
from shiboken6 import isValid

if TYPE_CHECKING:
    from collections.abc import Collection

    from PySide6.QtCore import QByteArray
    from PySide6.QtWidgets import QMainWindow, QWidget

    from ui.kit.mode import ModeName

__all__ = ["LAYOUT_VERSION", "DockLayout"]

LAYOUT_VERSION = 2
"""Raised when docks change their names: an earlier layout is then not restored."""
_TIDY_MS = (0, 400)
"""At once, and when docks have stopped moving."""
_LEFT_PX, _RIGHT_PX, _BOTTOM_PX = 296, 328, 152
_NARROW_PX = 1440
_VERY_NARROW_PX = 1000
"""Below this width docks on both sides leave no room for the picture: all go to one side, as tabs."""
_SCORE_PX, _QUALITY_PX = 640, 192
_LEFT_NARROW_PX, _RIGHT_NARROW_PX = 256, 288
_OPERATOR_PX, _LEAST_SCORE_PX = 304, 288
"""Width of the score in Operator mode, at first and at least."""
_TALL_PX = 1000
"""From this height on there is room for the messages from the start."""
_FREE = (
    QDockWidget.DockWidgetFeature.DockWidgetMovable
    | QDockWidget.DockWidgetFeature.DockWidgetFloatable
    | QDockWidget.DockWidgetFeature.DockWidgetClosable
)


class DockLayout(QObject):
    """Places the docks, and gathers them while the window is narrow.

    Parameters
    ----------
    window : QMainWindow
    mode : {"operator", "expert"}
    """

    def __init__(self, window: QMainWindow, mode: ModeName = "expert") -> None:
        super().__init__(window)
        self._window = window
        self._mode: ModeName = mode
        self._expert_layout: QByteArray | None = None
        """The layout of Expert mode, while the window is in Operator mode."""
        self.docks: dict[str, QDockWidget] = {}
        """The docks by name."""
        self._places: dict[str, tuple[Qt.DockWidgetArea, str | None]] = {}
        self._gathered = False
        self._wide_layout: QByteArray | None = None
        """The layout before the window became too narrow for it."""
        self._put_away: tuple[QDockWidget, ...] = ()
        """Docks that give their room to the view."""

    def add(
        self, name: str, title: str, widget: QWidget, area: Qt.DockWidgetArea, beside: str | None = None
    ) -> QDockWidget:
        """Put a widget in a dock; `beside` names a dock with which it shares a place as tabs."""
        dock = QDockWidget(title, self._window)
        dock.setObjectName(f"dock_{name}")
        dock.setWidget(widget)
        self._window.addDockWidget(area, dock)
        if beside is not None:
            self._window.tabifyDockWidget(self.docks[beside], dock)
            self.docks[beside].raise_()
        self.docks[name] = dock
        self._places[name] = area, beside
        return dock

    # -- what the window asks for --------------------------------------------------------------------------------------

    @property
    def gathered(self) -> bool:
        """Whether the window is so narrow that all docks share one place."""
        return self._gathered

    @property
    def fits(self) -> bool:
        """Whether the docks are as the present width of the window asks for."""
        return self._is_narrow() == self._gathered

    def set_mode(self, mode: ModeName) -> None:
        """Lay the docks out for another mode; those of Expert mode return as they were left."""
        if mode == self._mode:
            return
        if mode == "operator":
            self._expert_layout = self.save()
        self._mode = mode
        self._put_away = ()
        self.lay_out()
        if mode == "expert" and self._expert_layout is not None:
            self.restore(self._expert_layout)
            self._expert_layout = None

    def restore(self, layout: QByteArray) -> bool:
        """Take a layout of before; return whether it could be used. It may be of a larger screen.

        In Operator mode it waits for Expert mode.
        """
        if self._mode == "operator":
            self._expert_layout = layout
            return False
        if not self._window.restoreState(layout, LAYOUT_VERSION):
            return False
        self._gathered = self._in_one_place()
        self.follow_width()
        return True

    def save(self) -> QByteArray | None:
        """Return the layout to be kept: that of the wide window; None where only an automatic one is known."""
        if self._mode == "operator":
            return self._expert_layout
        self.show_all(True)
        self.follow_width()
        return self._wide_layout if self._gathered else self._window.saveState(LAYOUT_VERSION)

    def reset(self) -> None:
        """Put every dock back in its first place."""
        self._wide_layout = None
        self._put_away = ()
        self.lay_out()

    def show_or_hide(self, name: str) -> None:
        """Hide a dock that can be seen; show any other in front of those with which it shares a place."""
        dock = self.docks[name]
        if dock.isVisible() and not dock.visibleRegion().isEmpty():
            dock.hide()
        else:
            dock.show()
            dock.raise_()

    def show_all(self, shown: bool) -> None:
        """Put all docks away, so that the view has their room, or show again those that were put away."""
        if shown:
            docks, self._put_away = self._put_away, ()
        else:
            docks = tuple(dock for dock in self.docks.values() if not dock.isHidden())
            self._put_away += docks
        for dock in docks:
            dock.setVisible(shown)
        self._tidy_soon()

    def follow_width(self) -> None:
        """Gather the docks when the window is too narrow for both sides now; let them part when it is wide again."""
        if self.fits:
            return
        # not from their actions: in a window that is not shown these report all docks as hidden
        hidden = [dock for dock in self.docks.values() if dock.isHidden()]
        if self._is_narrow():
            self._wide_layout = self._window.saveState(LAYOUT_VERSION)
            self.lay_out(hidden)
            return
        wide, self._wide_layout = self._wide_layout, None
        self.lay_out(hidden)
        if wide is not None:
            self._window.restoreState(wide, LAYOUT_VERSION)

    def lay_out(self, hidden: Collection[QDockWidget] | None = None) -> None:
        """Put every dock in its first place, and give it its first size.

        Parameters
        ----------
        hidden : collection of QDockWidget, optional
            Stay hidden; without it, those that the mode does not show at first.
        """
        window, docks = self._window, self.docks
        operator = self._mode == "operator"
        if hidden is None:
            hidden = [dock for name, dock in docks.items() if operator and name != "score"]
        for name, dock in docks.items():
            of_operator = QDockWidget.DockWidgetFeature.DockWidgetClosable
            if name == "score":
                of_operator = QDockWidget.DockWidgetFeature.NoDockWidgetFeatures
            dock.setFeatures(of_operator if operator else _FREE)
        if "score" in docks:  # docks that part in a window that grows take no size
            docks["score"].setMinimumWidth(_LEAST_SCORE_PX if operator else 0)
        self._place(hidden)
        narrow = window.width() < _NARROW_PX
        left, right = (_LEFT_NARROW_PX, _RIGHT_NARROW_PX) if narrow else (_LEFT_PX, _RIGHT_PX)
        if operator:
            right = _OPERATOR_PX
        sides = [
            (docks[name], px)
            for name, px in (("rig", left), ("score", right))
            if name in docks and not docks[name].isHidden()
        ]
        if sides:
            window.resizeDocks([dock for dock, _ in sides], [px for _, px in sides], Qt.Orientation.Horizontal)
        if "quality" in docks:
            # the score shows more
            window.resizeDocks([docks["score"], docks["quality"]], [_SCORE_PX, _QUALITY_PX], Qt.Orientation.Vertical)
        window.resizeDocks([docks["messages"]], [_BOTTOM_PX], Qt.Orientation.Vertical)
        room = operator or window.height() >= _TALL_PX
        docks["messages"].setVisible(room and docks["messages"] not in hidden)
        self._tidy_soon()

    # -- how it is done ------------------------------------------------------------------------------------------------

    def _is_narrow(self) -> bool:
        return self._window.width() < _VERY_NARROW_PX

    def _in_one_place(self) -> bool:
        """Return whether all docks share one place, as in a window that is too narrow for both sides."""
        sides = [dock for name, dock in self.docks.items() if name != "messages"]
        shown = [dock for dock in sides if not dock.isHidden()]  # hidden docks do not count as tabs in Qt
        together = len(shown) < 2 or len(self._window.tabifiedDockWidgets(shown[0])) == len(shown) - 1
        return len(sides) > 2 and together and len({self._window.dockWidgetArea(dock) for dock in sides}) == 1

    def _place(self, hidden: Collection[QDockWidget]) -> None:
        """Put every dock in its first place; where the window is too narrow for both sides, all into one, as tabs.

        They are taken out first: a layout that is restored over another one leaves tab bars of that on the window.
        """
        window = self._window
        self._gathered = self._is_narrow()
        for dock in self.docks.values():
            dock.setFloating(False)
            window.removeDockWidget(dock)
        first: QDockWidget | None = None
        for name, dock in self.docks.items():
            area, beside = self._places[name]
            if self._gathered and area != Qt.DockWidgetArea.BottomDockWidgetArea:
                window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
                if first is not None:
                    window.tabifyDockWidget(first, dock)
                first = first or dock
            else:
                window.addDockWidget(area, dock)
                if beside is not None:
                    window.tabifyDockWidget(self.docks[beside], dock)
            dock.setVisible(dock not in hidden)
        for name, dock in self.docks.items():
            if any(beside == name for _, beside in self._places.values()):
                dock.raise_()
        if first is not None:
            first.raise_()

    def _tidy_soon(self) -> None:
        for wait_ms in _TIDY_MS:
            QTimer.singleShot(wait_ms, self, self._tidy_tab_bars)

    @Slot()
    def _tidy_tab_bars(self) -> None:
        """Hide tab bars that Qt left behind when docks changed their places: they lie over menus and controls.

        Qt deletes bars while it lays the window out, which hiding or showing one can bring about: it does so first.
        """
        layout = self._window.layout()
        if layout is not None:
            layout.activate()
        bars = self._window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly)
        used: set[QTabBar] = set()
        for dock in self.docks.values():
            if dock.isHidden():
                continue
            group = [dock, *self._window.tabifiedDockWidgets(dock)]
            titles = {one.windowTitle() for one in group}
            fitting = [bar for bar in bars if {bar.tabText(i) for i in range(bar.count())} == titles]
            if len(group) > 1 and fitting:
                at = next((one for one in group if not one.visibleRegion().isEmpty()), dock).geometry().topLeft()
                used.add(min(fitting, key=lambda bar: (bar.geometry().bottomLeft() - at).manhattanLength()))
        for bar in bars:
            if isValid(bar) and bar.isHidden() == (bar in used):
                bar.setVisible(bar in used)
