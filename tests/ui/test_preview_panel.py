"""The live picture is judged and coloured before a section; a section that goes wrong pauses, and sounds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from find import find
from PySide6.QtWidgets import QApplication, QInputDialog, QSpinBox
from shell_parts import finish, notices, start, wait_for

from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.phantom import Specimen
from hcc_scope.phantom.camera import CameraPhysics
from hcc_scope.runs.preview_judge import NOT_ASKED_YET, PreviewJudgement, PreviewMeans
from hcc_scope.runs.references import need_references_dir, settings_now
from hcc_scope.runs.scoring_model import load_scoring_model
from hcc_scope.shading.files import keep
from hcc_scope.shading.reference import Reference
from hcc_scope.types import Frame
from ui.control.live_judge import LiveJudge
from ui.devices.device_action import DeviceAction
from ui.kit.jobs import Jobs
from ui.shell.alerts import NO_NOTIFICATIONS

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from hcc_scope.runs.rigs import OpenRig
    from ui.app import App

FAR_OUT_OF_FOCUS_UM = 30.0
WAIT_MS = 60_000


def test_a_slow_model_does_not_hold_up_the_judgement_of_focus_and_light(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ui.control.live_judge._SLOW_S", 0.0)
    specimen = Specimen(5, "m1", "s1", "high", day="preview")
    sharp = specimen.render(0.0, 0.0, 0.0, (512, 512), 0.325)
    pixels = CameraPhysics().expose(sharp, exposure_ms=8.0, em_gain=1.0, noise_seed=1, day=specimen.day_effect)
    frame = Frame(0, pixels, 0, datetime.now(UTC), 8.0, "", stage_um=(0.0, 0.0, None), pixel_size_um=0.325)
    jobs = Jobs()
    judge, judged, predicted = LiveJudge(jobs), list[PreviewJudgement](), list[PreviewJudgement]()
    judge.judged.connect(judged.append)
    judge.predicted.connect(predicted.append)
    model = load_scoring_model("phantom-meng2019", "torchscript", lambda _text: None)
    judge.set_means(PreviewMeans(model, may_be_tissue=False))
    judge.see(frame)  # the first shows how slow the model is
    qtbot.waitUntil(lambda: len(judged) == len(predicted) == 1, timeout=WAIT_MS)
    judge.see(frame)
    qtbot.waitUntil(lambda: len(judged) == len(predicted) == 2, timeout=WAIT_MS)
    assert [one.result is None for one in judged] == [False, True]
    assert judged[1].quality == replace(judged[0].quality, what=judged[1].quality.what)  # its likeness too
    judge.see(replace(frame, stage_um=(500.0, 0.0, None)))
    qtbot.waitUntil(lambda: len(judged) == 3, timeout=WAIT_MS)
    assert judged[2].quality.likeness.text == NOT_ASKED_YET  # here it has seen nothing
    qtbot.waitUntil(lambda: not jobs.n_open, timeout=WAIT_MS)
    assert jobs.close() == ()


@pytest.fixture
def small_rig(small_rig: Path) -> Path:
    small_rig.write_text(small_rig.read_text(encoding="utf-8") + "references_dir: references\n", encoding="utf-8")
    return small_rig


def keep_references(rig: OpenRig) -> None:
    """Keep fresh dark and flat fields for the rig as it is set now."""
    here = settings_now(rig, painted=True)
    for reference in (
        Reference.of_map("dark", np.zeros(here.shape_yx), here, shots=32),
        Reference.of_map("flat", np.ones(here.shape_yx), here, shots=16),
    ):
        keep(need_references_dir(rig.rig), reference)


def test_the_live_picture_is_judged_and_a_section_out_of_focus_pauses(ready: App, monkeypatch: pytest.MonkeyPatch):
    beeps: list[bool] = []
    monkeypatch.setattr(QApplication, "beep", lambda: beeps.append(True))
    live, panel, judge = ready.views.live, ready.views.quality, ready.presenters[-2].judge
    assert judge.means.shading is None
    keep_references(ready.rig.loaded.rig)
    ready.views.show_live()
    ready.window.actions_["live"].trigger()
    wait_for(lambda: panel.quality.what == "This picture: 1 of 1 tile would be scored.", "the judgement")
    assert "limit" in panel.quality.likeness.text
    assert panel.quality.focus.state == "good"
    assert live.coach.isVisible()
    wait_for(lambda: judge.means.shading is not None, "the correction that a section would get")
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
    assert not judge.allowed
    wait_for(lambda: ready.run.phase == "paused", "the pause")
    assert "Paused: the last 2 fields" in notices(ready), notices(ready)[-900:]
    assert NO_NOTIFICATIONS in notices(ready)  # no desktop here
    assert "no notification area" in ready.window.actions_.why_not("notifications")
    wait_for(lambda: len(beeps) == 3, "the sound")
    assert ready.window.actions_["pause"].text() == "Resume"
    ready.window.actions_["alert_sound"].trigger()
    assert not ready.settings_store.settings.alert_sound
    ready.window.actions_["pause"].trigger()
    assert ready.run.phase == "running"
    ready.window.actions_["stop"].trigger()
    finish(ready)
    assert len(beeps) == 3
