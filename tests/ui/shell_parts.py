"""The whole app in this process, on the real demo camera, with frames of one tile: it is the app that is tested."""

from __future__ import annotations

import json
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication
from shiboken6 import isValid

from tests.commands import small_rig_file
from ui.app import App

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ui.kit.mode import ModeName

WAIT_S = 120.0
"""Long: beside other tests, a section of a second has taken a minute."""
ONE_TILE = {"OnCameraCCDXSize": 512, "OnCameraCCDYSize": 512}


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        QApplication.processEvents()
        time.sleep(0.002)


@contextmanager
def running_app(folder: Path, mode: ModeName = "expert") -> Iterator[App]:
    """Make the app, show it, and close it in order whatever happened; settings that are there keep their mode."""
    settings = folder / "settings" / "settings.json"
    if not (folder / "settings").exists():
        settings.parent.mkdir()
        settings.write_text(json.dumps({"mode": mode}), encoding="utf-8")
    app = App.make(folder / "settings")
    app.setup.change(out_dir=folder / "sections")
    app.window.resize(1280, 720)
    app.begin()
    try:
        yield app
    finally:
        close(app)


def close(app: App) -> None:
    """Close the window as an operator who wants no more, and release everything."""
    if not isValid(app.window):
        return
    if app.window.isVisible():
        if app.run.active:
            app.run.skip_analysis()
            wait_for(lambda: not app.run.active, "the section to end")
        wait_for(lambda: not app.shutdown.under_way, "what was asked for")
        app.shutdown.ask()
        wait_for(lambda: not app.window.isVisible(), "the window to close")
    wait_for(lambda: not app.jobs.n_open, "what is under way to end")
    left = app.end()
    app.window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert left == ()
    assert app.log not in logging.getLogger().handlers


def open_rig(app: App, rig: str | Path = "demo") -> None:
    app.commands.open_rig(str(rig))
    wait_for(lambda: not app.rig.busy, "the rig to load")
    assert app.rig.loaded is not None, app.rig.failure
    wait_for(lambda: app.state.rig is not None, "the devices to be read")


def rig_file(cfg: Path) -> Path:
    """Write the demo's rig file beside a configuration, with room for frames of one tile."""
    return small_rig_file(cfg.with_name("small.rig.yaml"), cfg)


def name_section(app: App, animal: str = "M7", section: str = "S1") -> None:
    app.window.top.animal.set_value(animal)
    app.window.top.section.set_value(section)


def notices(app: App) -> str:
    """All messages, one a line."""
    model = app.window.messages
    return "\n".join(str(model.message(row)) for row in range(model.rowCount()))


def start(app: App) -> None:
    wait_for(lambda: app.window.actions_["start"].isEnabled(), f"Start: {app.action_states.missing}")
    app.window.actions_["start"].trigger()
    wait_for(lambda: app.run.phase != "preparing", "the section to begin")
    assert app.run.phase == "running", notices(app)


def finish(app: App) -> None:
    wait_for(lambda: not app.run.active, "the section to end")


def wait_until_held(app: App) -> None:
    """Wait until a pause has taken hold: before, what is exposed already still comes, and is then the last field."""
    wait_for(lambda: app.state.snapshot.paused and app.state.snapshot.message == "paused", "the pause")
