"""Measure the window in both modes: controls and widgets, the share of picture, map and score, and the time to start.

``python -m benchmarks.window``; 1280 x 720, demo rig, no section. Needs no screen (``QT_QPA_PLATFORM=offscreen``).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QTabBar,
    QWidget,
)

if TYPE_CHECKING:
    from ui.app import App
    from ui.kit.mode import ModeName

SIZE = (1280, 720)
RIG_S = 120.0
_CONTROLS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QAbstractItemView)
_OWNERS = (QAbstractSpinBox, QComboBox, QAbstractItemView, QAbstractScrollArea, QTabBar, QLineEdit)


def controls_shown(window: QWidget) -> list[QWidget]:
    """Return the controls that are on the screen; of a tab bar, each tab is one. Menus and scroll bars do not count."""
    found: list[QWidget] = []
    for one in window.findChildren(QWidget):
        if not one.isVisible() or one.visibleRegion().isEmpty():
            continue
        if isinstance(one, QTabBar):
            found += [one] * one.count()
        elif isinstance(one, _CONTROLS) and not isinstance(one, QScrollBar) and not isinstance(one.parent(), _OWNERS):
            found.append(one)
    return found


def area_share(app: App) -> float:
    """Return the share of the window that picture, map and score take, 0 to 1."""
    parts = (app.views.live.view, app.views.map.view, app.window.docks["score"])
    shown = sum(one.width() * one.height() for one in parts if one.isVisible())
    return shown / (app.window.width() * app.window.height())


def main() -> None:
    began = time.monotonic()
    from ui.app import App

    qt = QApplication(sys.argv[:1])
    with tempfile.TemporaryDirectory() as scratch:
        app = App.make(Path(scratch) / "settings")
        app.setup.change(out_dir=Path(scratch) / "sections")
        app.begin()
        qt.processEvents()
        print(f"usable {time.monotonic() - began:.2f} s after the start")
        app.commands.open_rig("demo")
        deadline = time.monotonic() + RIG_S
        while app.state.rig is None and time.monotonic() < deadline:
            qt.processEvents()
            time.sleep(0.005)
        modes: tuple[ModeName, ...] = ("operator", "expert")
        for mode in modes:
            app.window.set_mode(mode)
            app.window.resize(*SIZE)
            until = time.monotonic() + 1.0
            while time.monotonic() < until:
                qt.processEvents()
            widgets = len(app.window.findChildren(QWidget))
            n = len(controls_shown(app.window))
            print(f"{mode}: {widgets} widgets, {n} controls shown, picture, map and score {area_share(app):.0%}")
        app.shutdown.ask()
        while app.window.isVisible():
            qt.processEvents()
            time.sleep(0.005)
        app.end()


if __name__ == "__main__":
    main()
