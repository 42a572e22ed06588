"""Small screens: 1280 x 720 at 150 % and at 200 % are 853 x 480 and 640 x 360 logical pixels."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QByteArray, QEvent, QObject, QPoint, QRect, Qt
from PySide6.QtWidgets import QApplication, QMainWindow, QTabBar, QToolBar, QToolButton, QWidget
from shell_parts import running_app, wait_for
from shiboken6 import delete, isValid

from ui.canvas.canvas import Canvas
from ui.shell.dock_layout import LAYOUT_VERSION, DockLayout

if TYPE_CHECKING:
    from pathlib import Path

    from ui.app import App

LEFT, RIGHT = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea


@pytest.mark.parametrize("size", [(853, 480), (640, 360)])
def test_the_emergency_stop_is_whole_on_a_small_screen(shell: App, size: tuple[int, int]):
    window = shell.window
    window.show_welcome(False)
    window.resize(*size)
    window.reset_layout()
    wait_for(lambda: window.top.width() <= size[0], "the top bar to follow")
    QApplication.processEvents()
    assert (window.width(), window.height()) == size
    button = next(one for one in window.top.findChildren(QToolButton) if one.accessibleName() == "Emergency stop")
    place = QRect(button.mapTo(window, QPoint()), button.size())
    assert button.isVisible()
    assert button.visibleRegion().boundingRect() == button.rect()
    assert window.rect().contains(place)
    assert place.width() >= button.sizeHint().width()
    assert window.rect().contains(window.centralWidget().geometry())
    assert window.rect().contains(window.statusBar().geometry())
    assert window.docks["score"] in window.tabifiedDockWidgets(window.docks["rig"])
    (bar,) = (one for one in window.findChildren(QTabBar) if one.isVisible() and one.tabText(0) == "Rig")
    assert bar.currentIndex() == 0


def test_the_least_size_fits_the_screen_and_docks_part_again(shell: App):
    window = shell.window
    least, screen = window.minimumSize(), window.screen().availableGeometry()
    assert least.width() <= min(screen.width(), 640)
    assert least.height() <= min(screen.height(), 360)
    window.resize(640, 360)
    window.reset_layout()
    window.resize(1280, 720)
    window.reset_layout()
    assert window.docks["score"] not in window.tabifiedDockWidgets(window.docks["rig"])


def tabbed(shell: App) -> bool:
    return shell.window.docks["score"] in shell.window.tabifiedDockWidgets(shell.window.docks["rig"])


def stray_tab_bars(shell: App) -> list[QTabBar]:
    """Return tab bars of docks that lie on other parts of the window."""
    window = shell.window
    bars = [bar for bar in window.findChildren(QTabBar) if bar.parent() is window and bar.isVisible()]
    others = [window.centralWidget().geometry(), window.statusBar().geometry(), window.menuBar().geometry()]
    others += [bar.geometry() for bar in window.findChildren(QToolBar)]
    return [bar for bar in bars if any(bar.geometry().intersects(other) for other in others)]


def test_docks_gather_in_a_narrow_window_and_part_as_they_were(shell: App):
    window = shell.window
    window.resize(1280, 720)
    window.reset_layout()
    window.docks["quality"].hide()
    window.resize(740, 600)
    wait_for(lambda: tabbed(shell), "the docks to gather")
    assert not window.docks["quality"].toggleViewAction().isChecked()
    QApplication.processEvents()
    assert stray_tab_bars(shell) == []
    window.resize(1280, 720)
    wait_for(lambda: not tabbed(shell), "the docks to part")
    assert not window.docks["quality"].isVisible()
    for size in ((740, 600), (1280, 720), (640, 360)):
        window.resize(*size)
        window.reset_layout()
        QApplication.processEvents()
        assert stray_tab_bars(shell) == []


def test_a_layout_of_a_small_screen_is_not_kept_on_a_larger_one(shell: App):
    window = shell.window
    window.resize(740, 480)
    window.reset_layout()
    QApplication.processEvents()
    assert tabbed(shell)
    _, layout = window.packed_layout()
    assert layout == ""  # the user chose none
    window.resize(1280, 720)
    wait_for(lambda: not tabbed(shell), "the docks to part")
    window.docks["quality"].hide()
    window.resize(740, 480)
    wait_for(lambda: tabbed(shell), "the docks to gather")
    _, layout = window.packed_layout()
    assert layout != ""  # as it was chosen in the wide window


@pytest.mark.parametrize("size", [(740, 600), (700, 420), (640, 360)])
def test_nothing_overlaps_in_a_view_of_a_small_window(shell: App, size: tuple[int, int]):
    window = shell.window
    window.show_welcome(False)
    window.resize(*size)
    window.reset_layout()
    for index in range(window.tabs.count()):
        window.tabs.setCurrentIndex(index)
        QApplication.processEvents()
        QApplication.processEvents()
        for view in window.tabs.currentWidget().findChildren(Canvas):
            parts = [one for one in view.parentWidget().children() if isinstance(one, QWidget) and one.isVisible()]
            shapes = [(one, one.geometry()) for one in parts]
            laps = [
                (a, b) for n, (a, here) in enumerate(shapes) for b, there in shapes[n + 1 :] if here.intersects(there)
            ]
            assert laps == []


def test_a_window_with_its_frame_stays_on_the_screen(shell: App):
    window, room = shell.window, shell.window.screen().availableGeometry()
    window.resize(room.width() + 300, room.height() + 300)
    window.move(room.x() + 200, room.y() + 200)
    window.fit_screen()
    QApplication.processEvents()
    assert room.contains(window.frameGeometry())


def test_a_saved_layout_with_all_docks_in_one_place_is_repaired_in_a_wide_window(qapp: QApplication, tmp_path: Path):
    del qapp
    with running_app(tmp_path) as first:
        window = first.window
        window.resize(740, 480)
        window.reset_layout()
        layout = base64.b64encode(bytes(window.saveState(LAYOUT_VERSION).data())).decode()
    window = QMainWindow()
    docks = DockLayout(window)
    try:
        for name, area in (("rig", LEFT), ("properties", LEFT), ("score", RIGHT), ("quality", RIGHT)):
            docks.add(name, name, QWidget(), area, beside="rig" if name == "properties" else None)
        docks.add("messages", "messages", QWidget(), Qt.DockWidgetArea.BottomDockWidgetArea)
        window.resize(1280, 720)
        saved = QByteArray(base64.b64decode(layout))
        assert window.restoreState(saved, LAYOUT_VERSION)
        assert docks.docks["score"] in window.tabifiedDockWidgets(docks.docks["rig"])
        assert docks.restore(saved)
        assert docks.fits
        assert docks.docks["score"] not in window.tabifiedDockWidgets(docks.docks["rig"])
    finally:
        window.deleteLater()


def test_a_tab_bar_that_qt_deletes_while_others_are_hidden_is_left_alone(qapp: QApplication):
    del qapp
    window = QMainWindow()
    docks = DockLayout(window)
    left_behind = [QTabBar(window) for _ in range(3)]

    class Retire(QObject):
        """Deletes the others when the first is hidden, as a layout does with bars that it does not use."""

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
            if watched is left_behind[0] and event.type() == QEvent.Type.Hide and isValid(left_behind[1]):
                delete(left_behind[1])
            return False

    retire = Retire()
    try:
        docks.add("messages", "messages", QWidget(), Qt.DockWidgetArea.BottomDockWidgetArea)
        window.show()
        for bar in left_behind:
            bar.show()
        left_behind[0].installEventFilter(retire)
        docks.show_all(True)  # tidies soon
        wait_for(lambda: left_behind[2].isHidden(), "the last bar to be hidden")
        assert left_behind[0].isHidden()
        assert not isValid(left_behind[1])
    finally:
        window.close()
        window.deleteLater()
