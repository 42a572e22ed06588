"""The app's tests need no screen, and leave no window behind. Where Qt cannot start, they are skipped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before Qt is imported

import pytest

from hcc_scope.system_check import qt_obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QApplication, QWidget
    from pytestqt.qtbot import QtBot

    from ui.app import App
    from ui.control.settings_store import SettingsStore

OBSTACLE = qt_obstacle()


class SkippedModule(pytest.Module):
    """A module that cannot even be imported, since Qt cannot."""

    def collect(self) -> list[pytest.Item]:
        assert OBSTACLE is not None
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(OBSTACLE, pytrace=False)
        pytest.skip(OBSTACLE, allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Skip every module of this folder where Qt cannot start; with CI=true that is a failure."""
    return None if OBSTACLE is None else SkippedModule.from_parent(parent, path=module_path)


@pytest.fixture(autouse=True)
def no_widget_left(qapp: QApplication) -> Iterator[None]:
    """Fail the test that leaves a top-level widget behind."""
    from PySide6.QtCore import QCoreApplication, QEvent
    from PySide6.QtWidgets import QApplication

    before = set(map(id, QApplication.topLevelWidgets()))
    yield
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    qapp.processEvents()
    left = [w for w in QApplication.topLevelWidgets() if id(w) not in before and w.isVisible()]
    assert not left, f"widgets left behind: {left}"


@pytest.fixture
def qtbot(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> QtBot:
    """Return pytest-qt's, which keeps its widgets to the end here: else one could be collected while it is painted."""
    kept: list[QWidget] = []
    add = qtbot.addWidget

    def keep(widget: QWidget, **more: Callable[[QWidget], None]) -> None:
        kept.append(widget)
        add(widget, **more)

    monkeypatch.setattr(qtbot, "addWidget", keep)
    return qtbot


@pytest.fixture
def settings_store(qapp: QApplication) -> Iterator[Callable[..., SettingsStore]]:
    """Return `SettingsStore`, whose objects end with the test and in this thread: their timers run a second longer."""
    from PySide6.QtCore import QCoreApplication, QEvent, QObject

    from ui.control.settings_store import SettingsStore

    del qapp
    owner = QObject()
    yield lambda *arguments: SettingsStore(*arguments, owner)
    owner.deleteLater()
    QCoreApplication.sendPostedEvents(owner, QEvent.Type.DeferredDelete)


@pytest.fixture
def shell(qapp: QApplication, tmp_path: Path) -> Iterator[App]:
    """Return the whole app, shown, without a rig; closed in order at the end."""
    from shell_parts import running_app

    del qapp
    with running_app(tmp_path) as app:
        yield app


@pytest.fixture
def small_rig(demo_cfg: object) -> Path:
    """Return the demo rig with frames of one tile: a rig file, so that it has roles and limits."""
    from shell_parts import ONE_TILE, rig_file

    return rig_file(demo_cfg(**ONE_TILE))  # type: ignore[operator]  # the fixture's function


@pytest.fixture
def ready(shell: App, small_rig: Path) -> App:
    """Return the app with a rig, ids, a short plan and the reference engine."""
    from shell_parts import name_section, open_rig

    from ui.control.section_request import PlanChoice

    open_rig(shell, small_rig)
    shell.window.top.engine.setCurrentText("torchscript")
    shell.setup.change(plan=PlanChoice(n_fields=6), seed=1)  # all six fields lie on tissue
    name_section(shell)
    return shell
