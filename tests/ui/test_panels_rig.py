"""The device panels on Micro-Manager's real demo devices: what they ask for is done, and shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from session_parts import wait_until

from hcc_scope.errors import DeviceError
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.rig.rigfile import load_rig
from ui.devices.device_panels import DevicePanels
from ui.devices.properties import PropertyBrowser
from ui.devices.property_model import PROPERTY_ROLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from ui.devices.device_action import DeviceAction

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
    column.set_state(controls.read())
    camera, stage = column.camera, column.stage
    assert camera._exposure.text() == "10 ms"
    assert not camera._switch.isVisible()  # the demo camera has no such switch

    type_into(qtbot, camera._exposure, "25")
    type_into(qtbot, camera._gain, "3")
    type_into(qtbot, camera._set_point, "-40")
    camera._binning.activated.emit(1)
    state = controls.read()
    assert (state.camera.exposure_ms, state.camera.em_gain, state.camera.binning) == (25.0, 3.0, "2")
    assert (camera._exposure.text(), camera._gain.text(), camera._binning.currentText()) == ("25 ms", "3", "2")
    camera._binning.activated.emit(0)

    for field, text in zip(camera._region._fields, ("8", "8", "32", "16"), strict=True):
        type_into(qtbot, field, text)
    camera._region._apply.click()
    assert controls.read().camera.roi == (8, 8, 32, 16)
    assert camera._region._says.text() == "32 x 16 px of 64 x 48 px"
    camera._region.whole.click()
    assert controls.read().camera.roi == (0, 0, 64, 48)

    column.objective._choice.activated.emit(column.objective._choice.findText("Objective-2"))
    assert column.objective._warning.isVisible()  # the configuration gives no pixel size for it
    column.presets._fields["System"].activated.emit(0)
    column.objective._choice.activated.emit(column.objective._choice.findText("10x"))
    assert column.objective._choice.currentText() == "10x"
    assert column.objective._size.text() == "0.65 µm"

    qtbot.keyClick(stage._pad, Qt.Key.Key_Right)
    qtbot.keyClick(stage._pad, Qt.Key.Key_PageUp)
    assert controls.read().xy_um == pytest.approx((100.0, 0.0), abs=0.015)
    assert stage._z._now.text() == "1.000 µm"
    type_into(qtbot, stage._x.target, "-500")
    stage._go.click()
    assert controls.read().xy_um == pytest.approx((-500.0, 0.0), abs=0.015)
    stage._home.click()
    assert stage._x._now.text() == "0.0 µm"
    column.light._toggle.click()
    column.light._auto.click()
    assert (controls.read().shutter_open, controls.read().auto_shutter) == (True, False)
    assert column.light._says.text() == "open, the lamp shines"
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
        browser._filter.setText("Camera Gain")
        parent = browser._shown.index(0, 0)
        index = browser._shown.index(0, 0, parent)
        assert index.data(PROPERTY_ROLE).name == "Gain"
        browser._shown.setData(index, value)
        return str(index.data(Qt.ItemDataRole.EditRole))

    browser.requested.connect(act)
    assert set_value("4") == "4"
    assert set_value("99") == "4"
    assert len(refused) == 1
