"""Small screens: 1280 x 720 at 150 % and at 200 % are 853 x 480 and 640 x 360 logical pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, QRect
from PySide6.QtWidgets import QApplication, QToolButton
from shell_parts import wait_for

if TYPE_CHECKING:
    from ui.app import App


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
