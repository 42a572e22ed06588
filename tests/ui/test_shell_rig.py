"""A real demo rig in the window: loaded in the background, observed, operated, stopped, and never in the way."""

from __future__ import annotations

import threading
import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QInputDialog
from shell_parts import notices, open_rig, wait_for
from shiboken6 import isValid

from hcc_scope.errors import RigError
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.resources import hardware_configs_dir
from hcc_scope.rig.rigfile import load_rig
from ui.control.app_state import AppState
from ui.control.rig_control import RigControl
from ui.control.rig_lock import RigLock
from ui.devices.device_action import DeviceAction

if TYPE_CHECKING:
    from pathlib import Path

    from ui.app import App
    from ui.control.loaded_rig import LoadedRig


def test_it_loads_in_the_background_and_reports_it(shell: App, small_rig: Path):
    shell.commands.open_rig(str(small_rig))
    assert "loading" in shell.rig.light.words
    assert not shell.window.welcome_shown
    assert not shell.window.actions_["open_demo"].isEnabled()
    wait_for(lambda: shell.state.rig is not None, "the devices to be read")
    assert shell.rig.light.words == "small: ready"
    assert shell.state.rig is not None
    assert shell.state.rig.camera.library == "DemoCamera"
    assert shell.settings_store.settings.recent_rigs[0] == str(small_rig)
    assert shell.window.actions_["emergency"].isEnabled()
    shell.commands.close_rig()
    wait_for(lambda: shell.rig.light.words == "no rig", "the rig to close")
    assert shell.state.rig is None


def test_live_shows_the_phantom_and_stops(shell: App, small_rig: Path):
    open_rig(shell, small_rig)
    shell.window.actions_["live"].trigger()
    wait_for(lambda: shell.state.frame is not None and shell.state.frame.seq > 3, "pictures")
    assert shell.rig.light.words == "small: live"
    assert shell.window.actions_["live"].isChecked()
    assert shell.views.live.shown_frame is not None
    wait_for(lambda: shell.state.shown_fps > 0, "a rate")  # of the last second: 0 in between on a busy computer
    shell.window.actions_["live"].trigger()
    wait_for(lambda: not shell.jobs.n_open, "the camera to stop")
    last = shell.state.frame
    time.sleep(0.1)
    QApplication.processEvents()
    assert shell.state.frame is last
    assert shell.rig.light.words == "small: ready"


def test_a_snap_is_shown(shell: App, small_rig: Path):
    open_rig(shell, small_rig)
    for live in (False, True):
        before = shell.state.frame
        if live:
            shell.window.actions_["live"].trigger()
            wait_for(lambda before=before: shell.state.frame is not before, "a picture")
            before = shell.state.frame
        shell.window.actions_["snap"].trigger()
        wait_for(lambda before=before: shell.state.frame is not before, "the picture")


def test_what_a_panel_asks_for_is_done_and_read_back(shell: App, small_rig: Path):
    open_rig(shell, small_rig)
    shell.views.devices.camera.requested.emit(DeviceAction(DeviceControls.set_exposure_ms, (25.0,)))
    wait_for(lambda: shell.state.rig is not None and shell.state.rig.camera.exposure_ms == 25.0, "the exposure")
    shell.views.devices.stage.requested.emit(DeviceAction(DeviceControls.move_to_um, (500.0, -300.0)))
    wait_for(lambda: shell.state.rig is not None and shell.state.rig.xy_um == pytest.approx((500, -300), abs=0.1), "it")
    shell.views.devices.stage.requested.emit(DeviceAction(DeviceControls.move_to_um, (1e7, 0.0)))
    wait_for(lambda: "limit" in notices(shell), "the refusal in words")
    assert shell.window.notice.text


def test_properties_are_read_while_they_are_visible(shell: App, small_rig: Path):
    open_rig(shell, small_rig)
    shell.window.docks["properties"].show()
    shell.window.docks["properties"].raise_()
    wait_for(lambda: "of 0" not in _count(shell) and "No rig" not in _count(shell), "the properties")


def _count(shell: App) -> str:
    from PySide6.QtWidgets import QLabel

    return " ".join(label.text() for label in shell.views.properties.findChildren(QLabel))


def test_a_drawn_region_of_interest_is_set_where_it_was_drawn(shell: App, demo_cfg: object):
    cfg = demo_cfg(OnCameraCCDXSize=1024, OnCameraCCDYSize=1024)  # type: ignore[operator]  # the fixture's function
    open_rig(shell, cfg)
    shell.views.live.roi_drawn.emit(128, 64, 512, 640)
    wait_for(lambda: shell.state.rig is not None and shell.state.rig.camera.roi == (128, 64, 512, 640), "the region")
    shell.views.live.roi_drawn.emit(0, 64, 512, 512)  # on the region that is read now
    wait_for(lambda: shell.state.rig is not None and shell.state.rig.camera.roi == (128, 128, 512, 512), "the region")


def test_the_contrast_of_a_camera_is_remembered(shell: App, small_rig: Path):
    open_rig(shell, small_rig)
    shell.views.live.contrast_changed.emit(100.0, 4000.0, False)
    assert shell.settings_store.settings.contrast[str(small_rig)].high == 4000
    open_rig(shell, small_rig)
    assert shell.views.live.contrast() == (100.0, 4000.0, False)


def test_a_rig_that_cannot_be_opened_is_reported_with_a_message(shell: App, tmp_path: Path):
    path = tmp_path / "bad.rig.yaml"
    for text, complaint in (
        ("config: no.cfg\n", "no.cfg"),
        ("config: [\n", "is not YAML"),
        ("config: demo.cfg\nhologram: true\n", "unknown key 'hologram'"),
    ):
        path.write_text(text)
        shell.commands.open_rig(str(path))
        wait_for(lambda: not shell.rig.busy, "the end of it")
        assert complaint in shell.window.notice.text
        assert shell.rig.light.words == "not opened"
        assert not shell.window.actions_["live"].isEnabled()


def test_another_program_cannot_take_the_same_rig(shell: App, small_rig: Path, tmp_path: Path):
    open_rig(shell, small_rig)
    marks = tmp_path / "settings" / "rigs-in-use"
    other = RigLock(load_rig(small_rig).config, marks)
    with pytest.raises(RigError, match="in use by another program"):
        other.take()
    RigLock(hardware_configs_dir() / "demo.cfg", marks).take()  # another rig is another matter
    shell.commands.close_rig()
    wait_for(lambda: not shell.rig.busy, "the rig to close")
    other.take()
    shell.commands.open_rig(str(small_rig))
    wait_for(lambda: not shell.rig.busy, "the refusal")
    assert "in use by another program" in shell.window.notice.text
    other.release()
    open_rig(shell, small_rig)


def test_a_device_that_stalls_leaves_the_window_alive_and_the_emergency_stop_goes_past_it(
    shell: App, small_rig: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ui.control.rig_control.STALLED_S", 0.3)
    open_rig(shell, small_rig)
    loaded = shell.rig.loaded
    assert loaded is not None
    free, began = threading.Event(), threading.Event()

    def hang() -> None:
        began.set()
        free.wait()

    shell.jobs.submit("rig", partial(loaded.rig.microscope.thread.call, "waiting for a driver", hang))
    wait_for(began.is_set, "the driver to hang")
    wait_for(lambda: "no answer" in shell.rig.light.words, "the window to say so")
    longest = 0.0
    for index in range(shell.window.tabs.count()):
        start = time.monotonic()
        shell.window.tabs.setCurrentIndex(index)
        QApplication.processEvents()
        longest = max(longest, time.monotonic() - start)
    assert longest < 1.0  # a limit for a loaded computer; on a quiet one it is a few ms
    shell.window.actions_["emergency"].trigger()
    wait_for(lambda: "Stop sent" in notices(shell), "the emergency stop")
    free.set()
    wait_for(lambda: shell.rig.light.words == "small: ready", "it to answer again")


def test_the_key_of_the_emergency_stop_works_in_every_dialog(shell: App, small_rig: Path, tmp_path: Path):
    open_rig(shell, small_rig)
    shell.run.last_store = tmp_path / "M7_S1.ome.zarr"
    stops: list[str] = []
    shell.window.actions_["emergency"].triggered.connect(lambda: stops.append(name))
    names = ["note", "shortcuts", "about", "plan", "open_rig"]
    for place, name in enumerate(names):
        shell.window.actions_[name].setEnabled(True)
        shell.window.actions_[name].trigger()
        (dialog,) = (one for one in shell.window.findChildren(QDialog) if one.isVisible())
        assert dialog.isModal() == (name not in ("note", "shortcuts")), name
        QTest.qWaitForWindowActive(dialog)
        QTest.keyClick(dialog.windowHandle(), Qt.Key.Key_F12)
        assert stops == names[: place + 1]
        wait_for(lambda: "Stop sent" in notices(shell), "the emergency stop")
        dialog.reject()
        wait_for(lambda dialog=dialog: not isValid(dialog) or not dialog.isVisible(), "the dialog to close")


def test_the_key_of_the_emergency_stop_works_once_in_the_window(shell: App, small_rig: Path):
    stops: list[str] = []
    shell.window.actions_["emergency"].triggered.connect(lambda: stops.append("stop"))
    QTest.keyClick(shell.window.windowHandle(), Qt.Key.Key_F12)
    assert not stops  # there is nothing to stop
    open_rig(shell, small_rig)
    shell.window.activateWindow()
    QTest.qWaitForWindowActive(shell.window)
    QTest.keyClick(shell.window.windowHandle(), Qt.Key.Key_F12)
    assert len(stops) == 1


def test_a_note_that_is_being_written_is_kept_when_the_window_closes(
    shell: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    written: list[str] = []
    shell.run.last_store = tmp_path / "M7_S1.ome.zarr"
    monkeypatch.setattr(shell.run, "write_note", lambda _store, text, _seq: written.append(text))
    shell.commands.add_note()
    shell.commands.add_note()
    (dialog,) = shell.window.findChildren(QInputDialog)
    dialog.setTextValue("fold")
    shell.window.close()
    wait_for(lambda: not shell.window.isVisible(), "the window to close")
    assert written == ["fold"]


@pytest.mark.parametrize("broken", [False, True])
def test_closing_while_the_rig_loads_closes_the_rig_and_then_the_window(
    shell: App, small_rig: Path, tmp_path: Path, broken: bool
):
    path = tmp_path / "bad.rig.yaml"
    path.write_text("config: no.cfg\n")
    notices: list[str] = []
    for signal in (shell.rig.opened, shell.rig.closed):
        signal.connect(lambda *_: notices.append(shell.window.notice.text))
    shell.commands.open_rig(str(path if broken else small_rig))
    assert shell.rig.busy
    start = time.monotonic()
    shell.window.close()
    shell.state.message.emit("error", "something else")
    wait_for(lambda: not shell.window.isVisible(), "the window to close")
    assert time.monotonic() - start < 10  # the closing's patience ends after 15 s
    assert shell.rig.loaded is None
    assert shell.rig.light.words == ("not opened" if broken else "no rig")
    assert set(notices) == {"Closing the rig …"}
    assert len(notices) == (1 if broken else 2)


def test_a_broken_rig_file_leaves_the_open_rig_open(shell: App, small_rig: Path, tmp_path: Path):
    open_rig(shell, small_rig)
    loaded = shell.rig.loaded
    (tmp_path / "bad.cfg").write_text("Equipment,1\n")
    path = tmp_path / "bad.rig.yaml"
    for text, complaint, exposure_ms in (
        ("config: no.cfg\n", "no.cfg", 25.0),
        ("config: bad.cfg\n", "bad.cfg:1", 35.0),
    ):
        path.write_text(text)
        shell.commands.open_rig(str(path))
        assert shell.action_states.missing == "another rig is being opened"
        wait_for(lambda: not shell.rig.busy, "the end of it")
        assert complaint in shell.window.notice.text
        assert shell.rig.loaded is loaded
        assert shell.rig.light.words == "small: ready"
        assert shell.window.actions_["live"].isEnabled()
        shell.views.devices.camera.requested.emit(DeviceAction(DeviceControls.set_exposure_ms, (exposure_ms,)))
        wait_for(
            lambda ms=exposure_ms: shell.state.rig is not None and shell.state.rig.camera.exposure_ms == ms,
            "the exposure",
        )
    shell.commands.open_rig(str(path))
    shell.window.close()
    wait_for(lambda: not shell.window.isVisible(), "the window to close", 10)
    assert shell.rig.loaded is None


def test_time_without_a_device_is_no_silence_of_the_rig(shell: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    control = RigControl(shell.jobs, AppState(shell.jobs, shell.window), tmp_path, shell.window)
    control.loaded = cast("LoadedRig", SimpleNamespace(name="demo"))
    monkeypatch.setattr("ui.control.rig_control.STALLED_S", 3600.0)
    monkeypatch.setattr(shell.jobs, "busy_s", lambda _worker: 7200.0)  # a piece of work that is under way for long
    wait_for(lambda: control.light.words == "Demo rig: no answer for 7200 s", "the alarm")
    with control.doing("drawing the phantom section"):
        wait_for(lambda: "drawing the phantom section" in control.light.words, "what it does instead")
    wait_for(lambda: control.light.words == "Demo rig: ready", "the rig to be asked from now on")
