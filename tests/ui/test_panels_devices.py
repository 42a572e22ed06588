"""The device panels: what the rig has is there, wishes come out as actions, what was refused goes back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from panel_parts import CAMERA, MANUAL_STAND, RIG
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget

from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.rig_state import GroupState
from ui.devices.camera import CameraPanel
from ui.devices.device_action import DeviceAction
from ui.devices.device_panels import DevicePanels
from ui.devices.light import LightPanel
from ui.devices.objective import ObjectivePanel
from ui.devices.presets import PresetsPanel
from ui.devices.stage import StagePanel

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from ui.devices.device_panel import DevicePanel


def show(qtbot: QtBot, panel: QWidget) -> None:
    qtbot.addWidget(panel)
    panel.resize(300, 900)
    with qtbot.waitExposed(panel):
        panel.show()


def asked(panel: DevicePanel | DevicePanels) -> list[DeviceAction]:
    """Return a list to which everything that the panel asks for will be added."""
    wishes: list[DeviceAction] = []
    panel.requested.connect(wishes.append)
    return wishes


def type_into(qtbot: QtBot, field: QWidget, text: str, *, end: Qt.Key | None = Qt.Key.Key_Return) -> None:
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text)
    if end is not None:
        qtbot.keyClick(field, end)


def test_camera_shows_what_the_device_has(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    assert panel._exposure.text() == "20 ms"
    assert panel._gain.text() == "120"
    assert panel._switch.isChecked()
    assert panel._binning.currentText() == "1"
    assert panel._readout.currentText() == "10 MHz EM amplifier"
    assert panel._temperature.text() == "-69.8 °C"
    assert panel._region._says.text() == "Whole sensor, 2048 x 2048 px"


def test_camera_leaves_out_what_the_device_has_not(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(MANUAL_STAND)
    for field in (panel._gain, panel._switch, panel._binning, panel._readout, panel._temperature, panel._set_point):
        assert not field.isVisible()
    assert panel._exposure.isVisible()
    panel.set_state(None)
    assert not panel._exposure.isVisible()
    assert not panel._region.isVisible()
    assert panel._who.text() == "No rig is open."


def test_camera_asks_by_action(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    type_into(qtbot, panel._exposure, "35.5")
    type_into(qtbot, panel._gain, "200")
    panel._switch.click()
    panel._binning.activated.emit(1)
    panel._readout.activated.emit(1)
    type_into(qtbot, panel._set_point, "-80")
    assert wishes == [
        DeviceAction(DeviceControls.set_exposure_ms, (35.5,)),
        DeviceAction(DeviceControls.set_em_gain, (200.0,)),
        DeviceAction(DeviceControls.set_em_switch, (False,)),
        DeviceAction(DeviceControls.set_binning, ("2",)),
        DeviceAction(DeviceControls.set_readout, ("1 MHz conventional",)),
        DeviceAction(DeviceControls.set_temperature_set_point, (-80.0,)),
    ]


def test_refused_value_goes_back_to_what_the_device_has(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    type_into(qtbot, panel._exposure, "9000")
    panel._binning.setCurrentIndex(2)
    panel._switch.click()
    panel.set_state(RIG)  # the device kept its own
    assert panel._exposure.text() == "20 ms"
    assert panel._binning.currentText() == "1"
    assert panel._switch.isChecked()


def test_field_being_edited_is_left_alone(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    type_into(qtbot, panel._exposure, "33", end=None)
    panel.set_state(replace(RIG, camera=replace(CAMERA, exposure_ms=50.0)))
    assert panel._exposure.text().startswith("33")
    qtbot.keyClick(panel._exposure, Qt.Key.Key_Escape)
    assert panel._exposure.text() == "50 ms"
    assert wishes == []


def test_same_value_asks_for_nothing(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    type_into(qtbot, panel._exposure, "20")
    panel._binning.activated.emit(0)
    assert wishes == []


def test_wheel_and_arrow_keys_do_not_change_a_choice(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    qtbot.keyClick(panel._binning, Qt.Key.Key_Down)
    assert panel._binning.view().isVisible()
    qtbot.keyClick(panel._binning.view(), Qt.Key.Key_Escape)
    assert wishes == []


def test_region_is_typed_and_applied_together(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    region = panel._region
    assert not region._apply.isEnabled()
    for field, text in zip(region._fields, ("512", "256", "1024", "512"), strict=True):
        type_into(qtbot, field, text)
    panel.set_state(RIG)  # what is typed stays until it is applied
    region._apply.click()
    assert wishes == [DeviceAction(DeviceControls.set_roi, (512, 256, 1024, 512))]
    panel.set_state(replace(RIG, camera=replace(CAMERA, roi=(512, 256, 1024, 512))))
    assert region._says.text() == "1024 x 512 px of 2048 x 2048 px"
    region.whole.click()
    assert wishes[1:] == [DeviceAction(DeviceControls.clear_roi, ())]
    with qtbot.waitSignal(panel.roi_draw_requested, timeout=500):
        region.draw.click()


def test_presets_have_a_row_per_group(qtbot: QtBot):
    panel = PresetsPanel()
    panel.set_state(RIG)
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    fields = dict(panel._fields)
    assert fields["Channel-Multiband"].currentIndex() == -1  # none matches, and none is claimed
    fields["Channel-Multiband"].activated.emit(1)
    assert wishes == [DeviceAction(DeviceControls.apply_preset, ("Channel-Multiband", "Transmitted light"))]
    panel.set_state(RIG)
    assert panel._fields == fields  # not built anew: the focus stays
    panel.set_state(MANUAL_STAND)
    assert panel._fields == {}
    assert panel._none.isVisible()


def test_a_group_that_only_names_objectives_is_left_to_their_panel(qtbot: QtBot):
    panel = PresetsPanel()
    qtbot.addWidget(panel)
    again = GroupState(("10x", "40x"), "40x")
    more = GroupState(("10x", "100x"), "10x")
    panel.set_state(replace(RIG, groups={"Objective": again, "Magnification": more, "Empty": GroupState((), "")}))
    assert set(panel._fields) == {"Magnification", "Empty"}


def test_objective_warns_where_the_pixel_size_is_unknown(qtbot: QtBot):
    panel = ObjectivePanel()
    panel.set_state(RIG)
    show(qtbot, panel)
    wishes = asked(panel)
    panel.set_state(RIG)
    assert panel._size.text() == "0.325 µm"
    assert not panel._warning.isVisible()
    panel._choice.activated.emit(0)
    assert wishes == [DeviceAction(DeviceControls.set_objective, ("40x",))]
    panel.set_state(MANUAL_STAND)
    assert panel._size.text() == "not known"
    assert panel._warning.isVisible()


def test_light_says_open_or_closed(qtbot: QtBot):
    panel = LightPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    panel.show()
    wishes = asked(panel)
    assert panel._says.text() == "closed"
    panel._toggle.click()
    panel.set_state(replace(RIG, shutter_open=True))
    assert panel._toggle.text() == "Close shutter"
    panel._toggle.click()
    panel._auto.click()
    assert wishes == [
        DeviceAction(DeviceControls.set_shutter, (True,)),
        DeviceAction(DeviceControls.set_shutter, (False,)),
        DeviceAction(DeviceControls.set_auto_shutter, (False,)),
    ]
    panel.set_state(MANUAL_STAND)
    assert not panel.isVisible()


def test_column_without_a_rig_shows_the_camera_alone(qtbot: QtBot):
    column = DevicePanels()
    show(qtbot, column)
    assert column.camera.isVisible()
    for panel in (column.stage, column.objective, column.presets, column.light):
        assert not panel.isVisible()
    column.set_state(RIG)
    column.set_state(None)
    assert not column.stage.isVisible()
    assert column.camera._who.text() == "No rig is open."


def test_panel_without_a_place_opens_no_window(qtbot: QtBot):
    panel = StagePanel()
    qtbot.addWidget(panel)
    panel.set_state(RIG)
    assert not panel.isVisible()
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.addWidget(panel)
    show(qtbot, box)
    assert panel.isVisible()


def test_stage_hides_on_a_manual_stand(qtbot: QtBot):
    column = DevicePanels()
    show(qtbot, column)
    column.set_state(RIG)
    assert column.stage.isVisible()
    assert column.light.isVisible()
    column.set_state(MANUAL_STAND)
    assert not column.stage.isVisible()
    assert not column.light.isVisible()
    column.set_state(RIG)
    assert column.stage.isVisible()


@pytest.mark.parametrize(
    ("key", "wish"),
    [
        (Qt.Key.Key_Left, DeviceAction(DeviceControls.move_by_um, (-100.0, 0.0))),
        (Qt.Key.Key_Right, DeviceAction(DeviceControls.move_by_um, (100.0, 0.0))),
        (Qt.Key.Key_Up, DeviceAction(DeviceControls.move_by_um, (0.0, -100.0))),
        (Qt.Key.Key_Down, DeviceAction(DeviceControls.move_by_um, (0.0, 100.0))),
        (Qt.Key.Key_PageUp, DeviceAction(DeviceControls.move_z_by_um, (1.0,))),
        (Qt.Key.Key_PageDown, DeviceAction(DeviceControls.move_z_by_um, (-1.0,))),
    ],
)
def test_pad_moves_by_a_step_with_keys_and_buttons(qtbot: QtBot, key: Qt.Key, wish: DeviceAction):
    panel = StagePanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    qtbot.keyClick(panel._pad, key)
    (panel._pad._xy_buttons | panel._pad._z_buttons)[key].click()
    assert wishes == [wish, wish]


def test_pad_does_not_leave_the_limits(qtbot: QtBot):
    panel = StagePanel()
    show(qtbot, panel)
    wishes = asked(panel)
    panel.set_state(replace(RIG, xy_um=(59950.0, 0.0), z_um=-299.5))
    pad = panel._pad
    assert not pad._xy_buttons[Qt.Key.Key_Right].isEnabled()
    assert pad._xy_buttons[Qt.Key.Key_Left].isEnabled()
    assert not pad._z_buttons[Qt.Key.Key_PageDown].isEnabled()
    assert "limits" in pad._xy_buttons[Qt.Key.Key_Right].toolTip()
    qtbot.keyClick(pad, Qt.Key.Key_Right)
    assert wishes == []
    type_into(qtbot, panel._step, "50")
    assert pad._xy_buttons[Qt.Key.Key_Right].isEnabled()
    qtbot.keyClick(pad, Qt.Key.Key_Right)
    assert wishes == [DeviceAction(DeviceControls.move_by_um, (50.0, 0.0))]


def test_stage_goes_where_it_is_told(qtbot: QtBot):
    panel = StagePanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    assert panel._x._now.text() == "12345.6 µm"
    assert not panel._go.isEnabled()
    type_into(qtbot, panel._x.target, "-2000")
    panel.set_state(replace(RIG, xy_um=(12300.0, -3987.2)))  # moved by somebody else: what is typed stays
    assert panel._x.target.text() == "-2000 µm"
    panel._go.click()
    assert wishes == [DeviceAction(DeviceControls.move_to_um, (-2000.0, -3987.2))]
    panel.set_state(replace(RIG, xy_um=(-2000.0, -3987.2)))
    assert not panel._go.isEnabled()
    panel.set_state(replace(RIG, xy_um=(10.0, 20.0)))  # there, so the fields follow again
    assert panel._x.target.text() == "10 µm"
    type_into(qtbot, panel._z.target, "5")
    panel._go.click()
    panel._home.click()
    assert wishes[1:] == [
        DeviceAction(DeviceControls.move_z_to_um, (5.0,)),
        DeviceAction(DeviceControls.home_origin, ()),
    ]


def test_stop_is_never_locked(qtbot: QtBot):
    column = DevicePanels()
    show(qtbot, column)
    column.set_state(RIG)
    reason = "A section is running."
    column.set_locked(reason)
    assert [label.text() for label in column.findChildren(QLabel) if label.isVisible()].count(reason) == 1
    assert not column.camera._binning.isEnabled()
    assert column.camera._exposure.isEnabled()
    assert not column.presets.body.isEnabled()
    wishes = asked(column)
    qtbot.keyClick(column.stage._pad, Qt.Key.Key_Left)
    qtbot.keyClick(column.stage._pad, Qt.Key.Key_PageUp)
    assert wishes == [DeviceAction(DeviceControls.move_z_by_um, (1.0,))]
    with qtbot.waitSignal(column.stage.halt_requested, timeout=500):
        column.stage._stop.click()
    column.set_locked("A section is paused.", paused=True)
    qtbot.keyClick(column.stage._pad, Qt.Key.Key_Left)
    assert wishes[1:] == [DeviceAction(DeviceControls.move_by_um, (-100.0, 0.0))]
    column.set_locked(None)
    assert column.camera._binning.isEnabled()
    assert not any(label.isVisible() and "section" in label.text() for label in column.findChildren(QLabel))
    QApplication.processEvents()


@pytest.mark.parametrize(
    ("name", "limits", "typed", "wish"),
    [
        ("_gain", {"em_gain_limits": (1.0, 8.0)}, "300", DeviceAction(DeviceControls.set_em_gain, (300.0,))),
        ("_gain", {"em_gain_limits": (1.0, 300.0)}, "3000", DeviceAction(DeviceControls.set_em_gain, (3000.0,))),
        (
            "_exposure",
            {"exposure_limits_ms": (0.1, 90.0)},
            "1000",
            DeviceAction(DeviceControls.set_exposure_ms, (1000.0,)),
        ),
    ],
)
def test_what_is_typed_beyond_the_limits_is_asked_for_whole(
    qtbot: QtBot, name: str, limits: dict[str, object], typed: str, wish: DeviceAction
):
    """The device refuses it in words; a field that drops the digits beyond its limit would make 3 of 300."""
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(replace(RIG, camera=replace(CAMERA, **limits)))
    wishes = asked(panel)
    type_into(qtbot, getattr(panel, name), typed)
    assert wishes == [wish]


def test_the_arrows_end_at_the_limits(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(replace(RIG, camera=replace(CAMERA, em_gain=119.5, em_gain_limits=(1.0, 120.0))))
    wishes = asked(panel)
    for _ in range(3):
        qtbot.keyClick(panel._gain, Qt.Key.Key_Up)
    assert wishes == [DeviceAction(DeviceControls.set_em_gain, (120.0,))]
