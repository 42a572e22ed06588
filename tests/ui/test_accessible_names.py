"""An operator who cannot see the window uses it by names: every control has one of its own in its panel."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from find import description_of, find, find_all, interactive, name_of, panel_of
from panel_parts import RIG
from PySide6.QtGui import QTextDocumentFragment
from PySide6.QtWidgets import QDialog, QLabel, QPushButton, QSpinBox, QWidget
from review_parts import GRID, Reader, result

from ui.devices.device_panel import DevicePanel
from ui.shell.about import show_about
from ui.shell.import_dialog import ImportDialog
from ui.shell.plan_dialog import PlanDialog
from ui.shell.reference_dialog import ReferenceDialog
from ui.shell.rig_wizard import RigWizard
from ui.shell.shortcuts_dialog import ShortcutsDialog

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from ui.app import App


def nameless(root: QWidget) -> list[str]:
    """Return what a person operates and a screen reader has no name for."""
    return [f"{one} in {panel_of(one).accessibleName()!r}" for one in interactive(root) if not name_of(one).strip()]


def shared_names(root: QWidget) -> list[str]:
    """Return the names that two controls of one panel share."""
    seen: dict[tuple[int, str], list[QWidget]] = defaultdict(list)
    for one in interactive(root):
        seen[id(panel_of(one)), name_of(one)].append(one)
    return [
        f"{name!r} in {panel_of(ones[0]).accessibleName()!r}: {ones}"
        for (_, name), ones in seen.items()
        if len(ones) > 1 and any(one.focusPolicy() for one in ones)
    ]


def signs_alone(root: QWidget) -> list[str]:
    """Return the names without a single letter or digit: a screen reader reads nothing, or the name of a glyph."""
    return [name_of(one) for one in interactive(root) if not any(letter.isalnum() for letter in name_of(one))]


def silent_values(root: QWidget) -> list[str]:
    """Return the labels whose name hides their text: what stands there is then never read out."""
    return [
        f"{name_of(one)!r} hides {one.text()!r}"
        for one in root.findChildren(QLabel)
        if _letters(one.text()) not in _letters(f"{name_of(one)} {description_of(one)}")
    ]


def _letters(text: str) -> str:
    """Return letters and digits of a text that may be markup: signs are not read out."""
    return "".join(filter(str.isalnum, QTextDocumentFragment.fromHtml(text).toPlainText()))


def test_every_control_of_the_window_and_its_dialogs_has_a_name_of_its_own(shell: App, tmp_path: Path):
    window = shell.window
    section = shell.views.tiles
    section.show_section([result(0, [0.1, 0.4, 0.9, 0.5])], GRID, Reader(), threshold=0.45)
    section.open_tile(0, 1)
    window.show_view(shell.views.models)  # which makes its list and its page
    dialogs: list[QDialog] = [
        show_about(window),
        ShortcutsDialog(window, window.actions_),
        PlanDialog(shell.setup.request.plan, outlined=True, parent=window),
        RigWizard(shell.jobs, tmp_path, parent=window),
        ImportDialog(shell.jobs, "M7", "S1", tmp_path, parent=window),
        ReferenceDialog(window, corrects=True),
    ]
    for panel in window.findChildren(DevicePanel):
        panel.set_state(RIG)
    try:
        assert len(interactive(window)) > 150
        assert nameless(window) == []
        assert shared_names(window) == []
        assert signs_alone(window) == []
        assert silent_values(window) == []
    finally:
        for dialog in dialogs:
            dialog.close()


@pytest.fixture
def panel(qtbot: QtBot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    return made


def test_what_has_no_name_or_anothers_name_is_found(panel: QWidget):
    first, second = QPushButton("Apply", panel), QSpinBox(panel)
    assert nameless(panel) == [f"{second} in ''"]
    second.setAccessibleName("Apply")
    assert nameless(panel) == []
    assert len(shared_names(panel)) == 1
    first.setText("▶")
    assert signs_alone(panel) == ["▶"]
    assert shared_names(panel) == []


def test_a_label_whose_name_hides_its_value_is_found(panel: QWidget):
    zoom = QLabel("100 %", panel)
    assert silent_values(panel) == []
    zoom.setAccessibleName("Zoom")
    assert silent_values(panel) == ["'Zoom' hides '100 %'"]
    zoom.setAccessibleDescription("100 %")
    assert silent_values(panel) == []


def test_find_lists_what_there_is(panel: QWidget):
    button = QPushButton("&Go there", panel)
    assert find(panel, QPushButton, "Go there") is button
    QPushButton("Go there", panel)
    assert len(find_all(panel, QPushButton, "Go there")) == 2
    with pytest.raises(AssertionError, match="2 of QPushButton 'Go there'"):
        find(panel, QPushButton, "Go there")
    with pytest.raises(AssertionError, match=r"0 of QPushButton 'Stop'.*QPushButton 'Go there'"):
        find(panel, QPushButton, "Stop")
