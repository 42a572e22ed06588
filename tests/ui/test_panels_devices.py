"""The device panels: what the rig has is there, wishes come out as actions, what was refused goes back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from find import find, name_of
from panel_parts import (
    BINNING,
    CAMERA,
    EXPOSURE,
    GAIN,
    MANUAL_STAND,
    READOUT,
    REGION,
    RIG,
    SET_POINT,
    button,
    choice,
    goal,
    line,
    number,
    value,
)
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
from ui.devices.stage_pad import StagePad
from ui.kit.fields import ChoiceField
from ui.kit.labels import ValueLabel

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


def gains_asked(panel: CameraPanel) -> list[float]:
    gains: list[float] = []
    panel.em_gain_requested.connect(gains.append)
    return gains


def test_camera_shows_what_the_device_has(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    assert number(panel, EXPOSURE).text() == "20 ms"
    assert number(panel, GAIN).text() == "120"
    assert button(panel, "Use EM gain").isChecked()
    assert choice(panel, BINNING).currentText() == "1"
    assert choice(panel, READOUT).currentText() == "10 MHz EM amplifier"
    assert value(panel, "Sensor temperature") == "-69.8 °C"
    assert value(panel, "Region that is read") == "Whole sensor, 2048 x 2048 px"


def test_camera_leaves_out_what_the_device_has_not(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(MANUAL_STAND)
    for field in (
        number(panel, GAIN),
        button(panel, "Use EM gain"),
        choice(panel, BINNING),
        choice(panel, READOUT),
        find(panel, ValueLabel, "Sensor temperature"),
        number(panel, SET_POINT),
    ):
        assert not field.isVisible()
    assert number(panel, EXPOSURE).isVisible()
    panel.set_state(None)
    assert not number(panel, EXPOSURE).isVisible()
    assert not button(panel, "Apply the typed region").isVisible()
    assert value(panel, "Camera in use") == "No rig is open."


def test_camera_asks_by_action(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes, gains, searches = asked(panel), gains_asked(panel), []
    panel.auto_exposure_requested.connect(lambda: searches.append("auto"))
    type_into(qtbot, number(panel, EXPOSURE), "35.5")
    type_into(qtbot, number(panel, GAIN), "200")
    button(panel, "Auto exposure").click()
    button(panel, "Use EM gain").click()
    choice(panel, BINNING).activated.emit(1)
    choice(panel, READOUT).activated.emit(1)
    type_into(qtbot, number(panel, SET_POINT), "-80")
    assert wishes == [
        DeviceAction(DeviceControls.set_exposure_ms, (35.5,)),
        DeviceAction(DeviceControls.set_em_switch, (False,)),
        DeviceAction(DeviceControls.set_binning, ("2",)),
        DeviceAction(DeviceControls.set_readout, ("1 MHz conventional",)),
        DeviceAction(DeviceControls.set_temperature_set_point, (-80.0,)),
    ]
    assert (gains, searches) == ([200.0], ["auto"])


def test_refused_value_goes_back_to_what_the_device_has(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    type_into(qtbot, number(panel, EXPOSURE), "9000")
    choice(panel, BINNING).setCurrentIndex(2)
    button(panel, "Use EM gain").click()
    panel.set_state(RIG)  # the device kept its own
    assert number(panel, EXPOSURE).text() == "20 ms"
    assert choice(panel, BINNING).currentText() == "1"
    assert button(panel, "Use EM gain").isChecked()


def test_field_being_edited_is_left_alone(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    type_into(qtbot, number(panel, EXPOSURE), "33", end=None)
    panel.set_state(replace(RIG, camera=replace(CAMERA, exposure_ms=50.0)))
    assert number(panel, EXPOSURE).text().startswith("33")
    qtbot.keyClick(number(panel, EXPOSURE), Qt.Key.Key_Escape)
    assert number(panel, EXPOSURE).text() == "50 ms"
    assert wishes == []


def test_same_value_asks_for_nothing(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    type_into(qtbot, number(panel, EXPOSURE), "20")
    choice(panel, BINNING).activated.emit(0)
    assert wishes == []


def test_wheel_and_arrow_keys_do_not_change_a_choice(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    qtbot.keyClick(choice(panel, BINNING), Qt.Key.Key_Down)
    assert choice(panel, BINNING).view().isVisible()
    qtbot.keyClick(choice(panel, BINNING).view(), Qt.Key.Key_Escape)
    assert wishes == []


def test_region_is_typed_and_applied_together(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    apply = button(panel, "Apply the typed region")
    assert not apply.isEnabled()
    for field, text in zip((number(panel, name) for name in REGION), ("512", "256", "1024", "512"), strict=True):
        type_into(qtbot, field, text)
    panel.set_state(RIG)  # what is typed stays until it is applied
    apply.click()
    assert wishes == [DeviceAction(DeviceControls.set_roi, (512, 256, 1024, 512))]
    panel.set_state(replace(RIG, camera=replace(CAMERA, roi=(512, 256, 1024, 512))))
    assert value(panel, "Region that is read") == "1024 x 512 px of 2048 x 2048 px"
    button(panel, "Whole sensor").click()
    assert wishes[1:] == [DeviceAction(DeviceControls.clear_roi, ())]
    with qtbot.waitSignal(panel.roi_draw_requested, timeout=500):
        button(panel, "Draw the region on the image").click()


def test_presets_have_a_row_per_group(qtbot: QtBot):
    panel = PresetsPanel()
    panel.set_state(RIG)
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    channel = choice(panel, "Preset of Channel-Multiband")
    assert len(panel.findChildren(ChoiceField)) == 3
    assert channel.currentIndex() == -1  # none matches, and none is claimed
    channel.activated.emit(1)
    assert wishes == [DeviceAction(DeviceControls.apply_preset, ("Channel-Multiband", "Transmitted light"))]
    panel.set_state(RIG)
    assert choice(panel, "Preset of Channel-Multiband") is channel  # not built anew: the focus stays
    panel.set_state(MANUAL_STAND)
    assert panel.findChildren(ChoiceField) == []
    assert find(panel, QLabel, "This configuration has no groups.").isVisible()


def test_a_group_that_only_names_objectives_is_left_to_their_panel(qtbot: QtBot):
    panel = PresetsPanel()
    qtbot.addWidget(panel)
    again = GroupState(("10x", "40x"), "40x")
    more = GroupState(("10x", "100x"), "10x")
    panel.set_state(replace(RIG, groups={"Objective": again, "Magnification": more, "Empty": GroupState((), "")}))
    assert {name_of(one) for one in panel.findChildren(ChoiceField)} == {"Preset of Magnification", "Preset of Empty"}


def test_objective_warns_where_the_pixel_size_is_unknown(qtbot: QtBot):
    panel = ObjectivePanel()
    panel.set_state(RIG)
    show(qtbot, panel)
    wishes = asked(panel)
    panel.set_state(RIG)
    assert value(panel, "Pixel size") == "0.325 µm"
    assert not line(panel, "Warning about the pixel size").isVisible()
    choice(panel, "Objective").activated.emit(0)
    assert wishes == [DeviceAction(DeviceControls.set_objective, ("40x",))]
    panel.set_state(MANUAL_STAND)
    assert value(panel, "Pixel size") == "not known"
    assert line(panel, "Warning about the pixel size").isVisible()


def test_light_shows_open_or_closed(qtbot: QtBot):
    panel = LightPanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    panel.show()
    wishes = asked(panel)
    assert value(panel, "State of the shutter") == "closed"
    button(panel, "Open or close the shutter").click()
    panel.set_state(replace(RIG, shutter_open=True))
    assert button(panel, "Open or close the shutter").text() == "Close shutter"
    button(panel, "Open or close the shutter").click()
    button(panel, "Open the shutter for each exposure").click()
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
    assert value(column.camera, "Camera in use") == "No rig is open."


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
    ("key", "arrow", "wish"),
    [
        (Qt.Key.Key_Left, "Move the stage left (-x) by 100 µm", DeviceAction(DeviceControls.move_by_um, (-100.0, 0.0))),
        (
            Qt.Key.Key_Right,
            "Move the stage right (+x) by 100 µm",
            DeviceAction(DeviceControls.move_by_um, (100.0, 0.0)),
        ),
        (Qt.Key.Key_Up, "Move the stage up (-y) by 100 µm", DeviceAction(DeviceControls.move_by_um, (0.0, -100.0))),
        (Qt.Key.Key_Down, "Move the stage down (+y) by 100 µm", DeviceAction(DeviceControls.move_by_um, (0.0, 100.0))),
        (Qt.Key.Key_PageUp, "Move the focus up (+z) by 1 µm", DeviceAction(DeviceControls.move_z_by_um, (1.0,))),
        (Qt.Key.Key_PageDown, "Move the focus down (-z) by 1 µm", DeviceAction(DeviceControls.move_z_by_um, (-1.0,))),
    ],
)
def test_pad_moves_by_a_step_with_keys_and_buttons(qtbot: QtBot, key: Qt.Key, arrow: str, wish: DeviceAction):
    panel = StagePanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    qtbot.keyClick(find(panel, StagePad, "Stage pad"), key)
    button(panel, arrow).click()
    assert wishes == [wish, wish]


def test_pad_does_not_leave_the_limits(qtbot: QtBot):
    panel = StagePanel()
    show(qtbot, panel)
    wishes = asked(panel)
    panel.set_state(replace(RIG, xy_um=(59950.0, 0.0), z_um=-299.5))
    pad = find(panel, StagePad, "Stage pad")
    right = button(panel, "Move the stage right (+x) by 100 µm")
    assert not right.isEnabled()
    assert button(panel, "Move the stage left (-x) by 100 µm").isEnabled()
    assert not button(panel, "Move the focus down (-z) by 1 µm").isEnabled()
    assert "limits" in right.toolTip()
    qtbot.keyClick(pad, Qt.Key.Key_Right)
    assert wishes == []
    type_into(qtbot, number(panel, "Step of the stage in micrometres"), "50")
    assert right.isEnabled()
    assert name_of(right) == "Move the stage right (+x) by 50 µm"
    qtbot.keyClick(pad, Qt.Key.Key_Right)
    assert wishes == [DeviceAction(DeviceControls.move_by_um, (50.0, 0.0))]


def test_stage_goes_to_the_typed_position(qtbot: QtBot):
    panel = StagePanel()
    show(qtbot, panel)
    panel.set_state(RIG)
    wishes = asked(panel)
    assert value(panel, "Position x") == "12345.6 µm"
    assert not button(panel, "Go to the typed position").isEnabled()
    type_into(qtbot, goal(panel, "x"), "-2000")
    panel.set_state(replace(RIG, xy_um=(12300.0, -3987.2)))  # moved by somebody else: the typed position stays
    assert goal(panel, "x").text() == "-2000 µm"
    button(panel, "Go to the typed position").click()
    assert wishes == [DeviceAction(DeviceControls.move_to_um, (-2000.0, -3987.2))]
    panel.set_state(replace(RIG, xy_um=(-2000.0, -3987.2)))
    assert not button(panel, "Go to the typed position").isEnabled()
    panel.set_state(replace(RIG, xy_um=(10.0, 20.0)))  # there, so the fields follow again
    assert goal(panel, "x").text() == "10 µm"
    type_into(qtbot, goal(panel, "z"), "5")
    button(panel, "Go to the typed position").click()
    button(panel, "Go to the origin").click()
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
    assert not choice(column.camera, BINNING).isEnabled()
    assert number(column.camera, EXPOSURE).isEnabled()
    assert not column.presets.body.isEnabled()
    wishes = asked(column)
    qtbot.keyClick(find(column, StagePad, "Stage pad"), Qt.Key.Key_Left)
    qtbot.keyClick(find(column, StagePad, "Stage pad"), Qt.Key.Key_PageUp)
    assert wishes == [DeviceAction(DeviceControls.move_z_by_um, (1.0,))]
    with qtbot.waitSignal(column.stage.halt_requested, timeout=500):
        button(column.stage, "Stop stage and focus immediately").click()
    column.set_locked("A section is paused.", paused=True)
    qtbot.keyClick(find(column, StagePad, "Stage pad"), Qt.Key.Key_Left)
    assert wishes[1:] == [DeviceAction(DeviceControls.move_by_um, (-100.0, 0.0))]
    column.set_locked(None)
    assert choice(column.camera, BINNING).isEnabled()
    assert not any(label.isVisible() and "section" in label.text() for label in column.findChildren(QLabel))
    QApplication.processEvents()


@pytest.mark.parametrize(
    ("name", "limits", "typed", "wish"),
    [
        (GAIN, {"em_gain_limits": (1.0, 8.0)}, "300", 300.0),
        (GAIN, {"em_gain_limits": (1.0, 300.0)}, "3000", 3000.0),
        (
            EXPOSURE,
            {"exposure_limits_ms": (0.1, 90.0)},
            "1000",
            DeviceAction(DeviceControls.set_exposure_ms, (1000.0,)),
        ),
    ],
)
def test_what_is_typed_beyond_the_limits_is_asked_for_whole(
    qtbot: QtBot, name: str, limits: dict[str, object], typed: str, wish: DeviceAction | float
):
    """The device refuses it in words; a field that drops the digits beyond its limit would make 3 of 300."""
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(replace(RIG, camera=replace(CAMERA, **limits)))
    wishes: list[object] = []
    panel.requested.connect(wishes.append)
    panel.em_gain_requested.connect(wishes.append)
    type_into(qtbot, number(panel, name), typed)
    assert wishes == [wish]


def test_the_arrows_end_at_the_limits(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    panel.set_state(replace(RIG, camera=replace(CAMERA, em_gain=119.5, em_gain_limits=(1.0, 120.0))))
    gains = gains_asked(panel)
    for _ in range(3):
        qtbot.keyClick(number(panel, GAIN), Qt.Key.Key_Up)
    assert gains == [120.0]


def test_a_warm_sensor_stays_on_the_screen_until_it_is_cold(qtbot: QtBot):
    panel = CameraPanel()
    show(qtbot, panel)
    concern = find(panel, ValueLabel, "What is wrong with the sensor")
    panel.set_state(RIG)
    assert not concern.isVisible()
    panel.set_state(replace(RIG, camera=replace(CAMERA, temperature_c=-20.0)))
    assert concern.isVisible()
    assert "The sensor is at -20.0 °C, 50.0 °C above its set point" in concern.text()
    panel.set_state(RIG)
    assert not concern.isVisible()
