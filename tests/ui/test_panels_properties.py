"""The property browser: finds, marks what is fixed, asks for changes, and leaves an open editor alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from find import find
from panel_parts import PROPERTIES, value
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QLineEdit, QTreeView, QWidget

from hcc_scope.microscope.device_controls import DeviceControls
from ui.devices.device_action import DeviceAction
from ui.devices.properties import PropertyBrowser
from ui.devices.property_model import PROPERTY_ROLE, PropertyModel, why_fixed

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def browser(qtbot: QtBot) -> PropertyBrowser:
    widget = PropertyBrowser()
    qtbot.addWidget(widget)
    widget.resize(300, 600)
    with qtbot.waitExposed(widget):
        widget.show()
    widget.set_properties(PROPERTIES)
    return widget


def view_of(browser: PropertyBrowser) -> QTreeView:
    return find(browser, QTreeView, "Properties")


def index_of(browser: PropertyBrowser, device: str, name: str) -> QModelIndex:
    model = view_of(browser).model()
    for device_row in range(model.rowCount()):
        parent = model.index(device_row, 0)
        for row in range(model.rowCount(parent)):
            index = model.index(row, 0, parent)
            prop = index.data(PROPERTY_ROLE)
            if (prop.device, prop.name) == (device, name):
                return index
    raise AssertionError(f"{device}, {name} is not shown")


def editor_of(browser: PropertyBrowser, index: QModelIndex) -> QWidget:
    view_of(browser).setCurrentIndex(index)
    view_of(browser).edit(index)
    editor = view_of(browser).indexWidget(index) or view_of(browser).viewport().findChild(QLineEdit)
    return editor or view_of(browser).viewport().findChild(QComboBox)


def wishes_of(browser: PropertyBrowser) -> list[DeviceAction]:
    wishes: list[DeviceAction] = []
    browser.requested.connect(wishes.append)
    return wishes


def test_model_keeps_qts_rules():
    model = PropertyModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.set_properties(PROPERTIES)
    model.set_properties([replace(PROPERTIES[0], value="4"), *PROPERTIES[1:]])
    model.set_properties(PROPERTIES[:2])
    model.set_properties(())
    assert tester.model() is model
    assert model.rowCount() == 0


def test_filter_takes_words_of_device_name_and_value(browser: PropertyBrowser):
    assert value(browser, "Number of properties") == "7 of 7 properties"
    filter_ = find(browser, QLineEdit, "Filter of properties")
    filter_.setText("camera exposure")
    assert value(browser, "Number of properties") == "2 of 7 properties"
    find(browser, QCheckBox, "Only what can be changed").setChecked(True)
    assert value(browser, "Number of properties") == "1 of 7 properties"
    filter_.setText("nothing like this")
    assert value(browser, "Number of properties") == "0 of 7 properties"
    filter_.clear()
    assert value(browser, "Number of properties") == "4 of 7 properties"


def test_a_fixed_property_is_marked_and_cannot_be_edited(browser: PropertyBrowser):
    fixed = {prop.name: why_fixed(prop) for prop in PROPERTIES}
    assert fixed["CCDTemperature RO"] == "read-only"
    assert fixed["MaximumExposureMs"] == "fixed at load"
    assert fixed["Exposure"] == ""
    index = index_of(browser, "Camera", "CCDTemperature RO")
    assert not index.flags() & Qt.ItemFlag.ItemIsEditable
    assert "Cannot be changed: read-only." in index.data(Qt.ItemDataRole.ToolTipRole)
    assert not view_of(browser).model().setData(index, "3")


def test_typed_value_is_asked_for_and_shown_only_once_the_device_has_it(qtbot: QtBot, browser: PropertyBrowser):
    wishes = wishes_of(browser)
    index = index_of(browser, "Camera", "Exposure")
    editor = editor_of(browser, index)
    assert isinstance(editor, QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, "33.5")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(wishes), timeout=2000)  # Qt commits in the next turn of its loop
    assert wishes == [DeviceAction(DeviceControls.set_property, ("Camera", "Exposure", "33.5"))]
    assert index.data(Qt.ItemDataRole.EditRole) == "20.00"
    browser.set_properties([replace(p, value="33.50") if p.name == "Exposure" else p for p in PROPERTIES])
    assert index_of(browser, "Camera", "Exposure").data(Qt.ItemDataRole.EditRole) == "33.50"


def test_a_value_beyond_the_limits_is_asked_for_whole_and_not_cut_to_the_digits_that_fit(
    qtbot: QtBot, browser: PropertyBrowser
):
    wishes = wishes_of(browser)
    editor = editor_of(browser, index_of(browser, "Camera", "Exposure"))
    editor.selectAll()
    qtbot.keyClicks(editor, "99999")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    QApplication.processEvents()
    assert wishes == [
        DeviceAction(DeviceControls.set_property, ("Camera", "Exposure", "99999"))
    ]  # which the rig refuses in words


def test_allowed_values_are_a_list(browser: PropertyBrowser):
    wishes = wishes_of(browser)
    index = index_of(browser, "Camera", "Binning")
    editor = view_of(browser).itemDelegate().createEditor(view_of(browser), None, index)
    assert isinstance(editor, QComboBox)
    view_of(browser).itemDelegate().setEditorData(editor, index)
    assert [editor.itemText(i) for i in range(editor.count())] == ["1", "2", "4", "8"]
    editor.setCurrentText("4")
    view_of(browser).itemDelegate().setModelData(editor, view_of(browser).model(), index)
    assert wishes == [DeviceAction(DeviceControls.set_property, ("Camera", "Binning", "4"))]


def test_open_editor_survives_new_values(qtbot: QtBot, browser: PropertyBrowser):
    editor = editor_of(browser, index_of(browser, "Camera", "Exposure"))
    editor.selectAll()
    qtbot.keyClicks(editor, "4")
    browser.set_properties([replace(p, value="50.00") if p.name == "Exposure" else p for p in PROPERTIES])
    assert editor.text() == "4"
    assert editor.isVisible()


def test_locked_browser_opens_no_editor(qtbot: QtBot, browser: PropertyBrowser):
    browser.set_locked("A section is running.")
    view_of(browser).setCurrentIndex(index_of(browser, "Camera", "Exposure"))
    qtbot.keyClick(view_of(browser), Qt.Key.Key_F2)
    assert view_of(browser).viewport().findChild(QLineEdit) is None
    browser.set_locked(None)
    qtbot.keyClick(view_of(browser), Qt.Key.Key_F2)
    assert view_of(browser).viewport().findChild(QLineEdit) is not None


def test_long_value_wraps_at_a_narrow_width(browser: PropertyBrowser):
    long = "an adapter that says a great deal about itself, " * 4
    browser.set_properties([replace(p, value=long) if p.name == "Description" else p for p in PROPERTIES])
    view = view_of(browser)
    short_height = view.visualRect(index_of(browser, "Objective", "Label")).height()
    view.scrollToBottom()
    assert view.visualRect(index_of(browser, "White Light Shutter", "Description")).height() > 2 * short_height
