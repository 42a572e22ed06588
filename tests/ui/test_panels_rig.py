"""The device panels on Micro-Manager's real demo devices: what they ask for is done, and shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from find import find
from panel_parts import BINNING, EXPOSURE, GAIN, REGION, SET_POINT, button, choice, goal, line, number, value
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QTreeView
from session_parts import wait_until

from hcc_scope.errors import DeviceError
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.rig.rigfile import load_rig
from ui.devices.device_action import DeviceAction
from ui.devices.device_panels import DevicePanels
from ui.devices.properties import PropertyBrowser
from ui.devices.property_model import PROPERTY_ROLE
from ui.devices.stage_pad import StagePad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot


RIG = load_rig("demo")


@pytest.fixture
def controls(demo_cfg: Callable[..., Path], adapters_dir: Path) -> Iterator[DeviceControls]:
    with MicroManager.start(
        demo_cfg(OnCameraCCDXSize=64, OnCameraCCDYSize=48),
        adapters_dir=adapters_dir,
        buffer_size_mb=64,
        roles=RIG.roles,
        limits=RIG.stage_limits,
    ) as microscope:
        yield DeviceControls(microscope)


def type_into(qtbot: QtBot, field: QWidget, text: str) -> None:
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def test_every_wish_of_the_panels_is_an_action_of_the_rig(qtbot: QtBot, controls: DeviceControls):
    column, refused = DevicePanels(), []
    qtbot.addWidget(column)
    column.resize(300, 1400)
    column.show()

    def act(action: DeviceAction) -> None:
        try:
            action(controls)
        except DeviceError as error:
            refused.append(str(error))
        wait_until(lambda: not controls.read().busy)
        column.set_state(controls.read())

    column.requested.connect(act)
    column.camera.em_gain_requested.connect(lambda gain: act(DeviceAction(DeviceControls.set_em_gain, (gain,))))
    column.set_state(controls.read())
    camera, stage = column.camera, column.stage
    assert number(camera, EXPOSURE).text() == "10 ms"
    assert not button(camera, "Use EM gain").isVisible()  # the demo camera has no such switch

    type_into(qtbot, number(camera, EXPOSURE), "25")
    type_into(qtbot, number(camera, GAIN), "3")
    type_into(qtbot, number(camera, SET_POINT), "-40")
    choice(camera, BINNING).activated.emit(1)
    state = controls.read()
    assert (state.camera.exposure_ms, state.camera.em_gain, state.camera.binning) == (25.0, 3.0, "2")
    assert (number(camera, EXPOSURE).text(), number(camera, GAIN).text()) == ("25 ms", "3")
    assert choice(camera, BINNING).currentText() == "2"
    choice(camera, BINNING).activated.emit(0)

    for field, text in zip((number(camera, name) for name in REGION), ("8", "8", "32", "16"), strict=True):
        type_into(qtbot, field, text)
    button(camera, "Apply the typed region").click()
    assert controls.read().camera.roi == (8, 8, 32, 16)
    assert value(camera, "Region that is read") == "32 x 16 px of 64 x 48 px"
    button(camera, "Whole sensor").click()
    assert controls.read().camera.roi == (0, 0, 64, 48)

    objective = choice(column, "Objective")
    objective.activated.emit(objective.findText("Objective-2"))
    warning = line(column, "Warning about the pixel size")
    assert warning.isVisible()  # the configuration gives no pixel size for it
    choice(column.presets, "Preset of System").activated.emit(0)
    objective.activated.emit(objective.findText("10x"))
    assert objective.currentText() == "10x"
    assert value(column.objective, "Pixel size") == "0.65 µm"

    qtbot.keyClick(find(stage, StagePad, "Stage pad"), Qt.Key.Key_Right)
    qtbot.keyClick(find(stage, StagePad, "Stage pad"), Qt.Key.Key_PageUp)
    assert controls.read().xy_um == pytest.approx((100.0, 0.0), abs=0.015)
    assert value(stage, "Position z") == "1.000 µm"
    type_into(qtbot, goal(stage, "x"), "-500")
    button(stage, "Go to the typed position").click()
    assert controls.read().xy_um == pytest.approx((-500.0, 0.0), abs=0.015)
    button(stage, "Go to the origin").click()
    assert value(stage, "Position x") == "0.0 µm"
    button(column.light, "Open or close the shutter").click()
    button(column.light, "Open the shutter for each exposure").click()
    assert (controls.read().shutter_open, controls.read().auto_shutter) == (True, False)
    assert value(column.light, "State of the shutter") == "open, the lamp shines"
    assert refused == []


def test_property_is_changed_and_a_refusal_changes_nothing(qtbot: QtBot, controls: DeviceControls):
    browser, refused = PropertyBrowser(), []
    qtbot.addWidget(browser)
    browser.set_properties(controls.properties())

    def act(action: DeviceAction) -> None:
        try:
            action(controls)
        except DeviceError as error:
            refused.append(str(error))
        browser.set_properties(controls.properties())

    def set_value(value: str) -> str:
        find(browser, QLineEdit, "Filter of properties").setText("Camera Gain")
        shown = find(browser, QTreeView, "Properties").model()
        index = shown.index(0, 0, shown.index(0, 0))
        assert index.data(PROPERTY_ROLE).name == "Gain"
        shown.setData(index, value)
        return str(index.data(Qt.ItemDataRole.EditRole))

    browser.requested.connect(act)
    assert set_value("4") == "4"
    assert set_value("99") == "4"
    assert len(refused) == 1
