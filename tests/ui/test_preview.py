"""The live picture is judged and coloured before a section; a section that goes wrong pauses, and sounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from find import find
from PySide6.QtWidgets import QApplication, QInputDialog, QSpinBox
from shell_parts import finish, notices, start, wait_for

from hcc_scope.microscope.device_controls import DeviceControls
from ui.devices.device_action import DeviceAction
from ui.shell.alerts import NO_NOTIFICATIONS

if TYPE_CHECKING:
    import pytest

    from ui.app import App

FAR_OUT_OF_FOCUS_UM = 30.0


def test_the_live_picture_is_judged_and_a_section_out_of_focus_pauses(ready: App, monkeypatch: pytest.MonkeyPatch):
    beeps: list[bool] = []
    monkeypatch.setattr(QApplication, "beep", lambda: beeps.append(True))
    live, panel = ready.views.live, ready.views.quality
    ready.views.show_live()
    ready.window.actions_["live"].trigger()
    wait_for(lambda: panel.quality.what == "This picture: 1 of 1 tile would be scored.", "the judgement")
    assert "limit" in panel.quality.likeness.text
    assert panel.quality.focus.state == "good"
    assert live.coach.isVisible()
    assert live.tiles.result is None
    prediction = next(action for action in live.actions() if action.text() == "Live prediction")
    prediction.trigger()
    wait_for(lambda: live.tiles.result is not None, "the coloured tiles")
    assert ready.run.correctable is None  # nothing is stored or scored

    ready.rig.do(DeviceAction(DeviceControls.move_z_to_um, (FAR_OUT_OF_FOCUS_UM,)))
    wait_for(lambda: panel.quality.what == "This picture: 0 of 1 tile would be scored.", "the blurred picture")
    prediction.trigger()
    assert live.tiles.result is None

    ready.window.actions_["pause_after"].trigger()
    dialog = ready.window.findChild(QInputDialog)
    find(dialog, QSpinBox, "Bad fields in a row before a pause").setValue(2)
    dialog.accept()
    assert (ready.setup.request.pause_after, ready.settings_store.settings.pause_after) == (2, 2)
    start(ready)
    assert not ready.presenters[-2].judge.allowed
    wait_for(lambda: ready.run.phase == "paused", "the pause")
    assert "Paused: the last 2 fields" in notices(ready), notices(ready)[-900:]
    assert NO_NOTIFICATIONS in notices(ready)  # no desktop here
    wait_for(lambda: len(beeps) == 3, "the sound")
    assert ready.window.actions_["pause"].text() == "Resume"
    ready.window.actions_["alert_sound"].trigger()
    assert not ready.settings_store.settings.alert_sound
    ready.window.actions_["pause"].trigger()
    assert ready.run.phase == "running"
    ready.window.actions_["stop"].trigger()
    finish(ready)
    assert len(beeps) == 3
