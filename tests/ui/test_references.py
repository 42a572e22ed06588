"""Dark and flat fields in the window: their state in the dock, the dialog from the first shot to the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from find import find
from PySide6.QtWidgets import QCheckBox, QLabel, QProgressBar, QPushButton, QRadioButton, QWidget
from shell_parts import open_rig, wait_for

from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.shading.making import Refusal
from hcc_scope.shading.reference import Reference
from hcc_scope.storage import reader
from hcc_scope.storage.writer import create_store
from tests.shading_parts import settings, shot, simple
from tests.storage_cases import make_frame, make_spec
from ui.control.growing_store import StoredFields
from ui.control.reference_control import CaptureProgress
from ui.devices.device_action import DeviceAction
from ui.shell.reference_dialog import ReferenceDialog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from ui.app import App

LIGHT = {"OnCameraCCDXSize": 512, "OnCameraCCDYSize": 512, "FastImage": 0, "Mode": "Noise", "Photon Flux": 1000}


def text(parent: QWidget, name: str) -> str:
    return find(parent, QLabel, name).text()


def set_property(app: App, *values: str) -> None:
    acted: list[bool] = []
    done = app.rig.acted.connect(lambda: acted.append(True))
    app.rig.do(DeviceAction(DeviceControls.set_property, values))
    wait_for(lambda: acted, "the property")
    app.rig.acted.disconnect(done)


def test_references_are_taken_and_shown(shell: App, demo_cfg: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    cfg = demo_cfg(**LIGHT)
    path = cfg.with_name("lab.rig.yaml")
    path.write_text(f"config: {cfg.name}\nroles: {{objective: Objective}}\nreferences_dir: references\n")
    open_rig(shell, path)
    panel = shell.views.devices.references
    wait_for(lambda: "missing" in text(panel, "State of the dark field"), "the state in the dock")
    find(panel, QPushButton, "Dark and flat fields").click()
    dialog = shell.window.findChild(ReferenceDialog)
    assert dialog is not None
    ends: list[object] = []
    for signal in (shell.references.made, shell.references.refused, shell.references.failed):
        signal.connect(ends.append)

    def take(kind: str) -> object:
        ends.clear()
        find(dialog, QRadioButton, kind).setChecked(True)
        take_all = find(dialog, QPushButton, "Take the reference")
        wait_for(lambda: take_all.isEnabled(), "the button")
        take_all.click()
        assert shell.references.active
        assert "a dark or flat field is being taken" in shell.action_states.missing
        wait_for(lambda: ends, f"the {kind}")
        wait_for(lambda: not shell.references.active, "the devices to be put back")
        return ends[0]

    assert "flat field needs a dark field first" in str(take("Flat field"))
    refusal = take("Dark field")  # with the demo camera's light on
    assert isinstance(refusal, Refusal)
    assert "there is light in the dark" in text(dialog, "Result")
    set_property(shell, "Camera", "Photon Flux", "5")
    assert isinstance(take("Dark field"), Reference)
    assert "The dark field is kept: 32 shots" in text(dialog, "Result")
    wait_for(lambda: "● fresh" in text(panel, "State of the dark field"), "the fresh dark field in the dock")
    find(dialog, QCheckBox, "Correct new sections by fresh dark and flat fields").setChecked(False)
    assert shell.setup.request.shading == "none"
    assert shell.settings_store.settings.shading == "none"  # the next start has it, too
    dialog.close()

    calls: list[bool] = []
    switch = DeviceControls.set_auto_shutter
    monkeypatch.setattr(DeviceControls, "set_auto_shutter", lambda self, on: calls.append(on) or switch(self, on))
    ends.clear()
    shell.references.begin("dark")
    shell.references.cancel()  # before the devices are ready
    wait_for(lambda: not shell.references.active, "the reference to be given up")
    wait_for(lambda: calls == [False, True], "the shutter to be put back")
    shell.references.begin("dark")
    wait_for(lambda: calls[2:] == [False], "the shutter to be closed")
    shell.rig.close()
    wait_for(lambda: calls[2:] == [False, True], "the shutter to be put back")
    wait_for(lambda: not shell.references.active, "the reference to be given up")
    assert ends == []


def test_the_maps_of_a_growing_store_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    read: list[Path] = []
    copy = reader.read_shading_copy
    monkeypatch.setattr(reader, "read_shading_copy", lambda path, spec: read.append(path) or copy(path, spec))
    shading = simple(300.0, 0.5, roi=(0, 0, 64, 64), bit_depth=14)
    writer = create_store(tmp_path, make_spec((64, 64)), shading=shading)
    fields = StoredFields(writer.path)
    for seq in range(3):
        frame = make_frame(seq, (64, 64))
        writer.append(frame)
        wait_for(lambda n=seq + 1: writer.committed == n, "the frame")
        assert np.array_equal(fields.read_analysed(seq).pixels, shading.corrected(frame.pixels))
    writer.close()
    assert len(read) == 1


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    parent = QWidget()
    qtbot.addWidget(parent)
    parent.show()
    return parent


@pytest.fixture
def dialog(parent: QWidget) -> ReferenceDialog:
    dialog = ReferenceDialog(parent, corrects=True)
    dialog.show()
    return dialog


def test_it_fits_a_low_screen(dialog: ReferenceDialog):
    assert dialog.height() <= 660
    assert dialog.minimumSizeHint().height() <= 660


def test_without_a_stage_the_operator_asks_for_each_shot(dialog: ReferenceDialog):
    asked: list[bool] = []
    dialog.shot_asked.connect(lambda: asked.append(True))
    dialog.set_active(True)
    dialog.set_progress(CaptureProgress("flat", 3, 16, by_hand=True, shutter_closed=False))
    button = find(dialog, QPushButton, "Take the next shot")
    assert button.isVisible()
    button.click()
    assert asked == [True]
    assert not button.isEnabled()  # until the shot is there
    assert "move to another blank field" in text(dialog, "Result")
    assert find(dialog, QProgressBar, "Shots taken").value() == 3


def test_the_tile_that_shows_a_fault_is_framed(dialog: ReferenceDialog):
    picture = shot(1.0, 1)
    plain = dialog.grab().toImage()
    refusal = Refusal("flat", "a tile has texture", "Use clean glass.", (64, 96, 32, 32), picture)
    dialog.show_refused(refusal)
    where = "the tile of 32 x 32 px at x 64, y 96 shows it"
    assert text(dialog, "Result") == f"The flat field is refused: a tile has texture ({where}). Use clean glass."
    framed = dialog.grab().toImage()
    dialog.show_refused(Refusal("flat", "a tile has texture", "Use clean glass.", None, picture))
    assert framed != dialog.grab().toImage() != plain


def test_closing_it_cancels_what_is_under_way(dialog: ReferenceDialog):
    cancelled: list[bool] = []
    dialog.cancel_asked.connect(lambda: cancelled.append(True))
    dialog.set_active(True)
    dialog.close()
    assert cancelled == [True]
    assert settings().shape_yx == (256, 256)
