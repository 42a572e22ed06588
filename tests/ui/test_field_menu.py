"""The menu of a field in Replay and Tiles, by mouse, menu key and menu bar. For the run, see `test_shell_fields`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from field_menu_parts import in_menu, menu_key, right_click
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QInputDialog, QMenu, QPlainTextEdit
from shell_parts import notices, wait_for

from hcc_scope.plans import parse_plan
from hcc_scope.storage.notes import USUAL_REASONS, read_notes
from ui.map_presenter import MapPresenter

if TYPE_CHECKING:
    from ui.app import App

STORE = Path(__file__).parents[1] / "data" / "version2_scored.ome.zarr"


def dialog(app: App) -> QInputDialog:
    (shown,) = (one for one in app.window.findChildren(QInputDialog) if one.isVisible())
    return shown


def test_the_menu_of_a_stored_field_acts_on_the_section_in_replay(shell: App, tmp_path: Path):
    store = Path(shutil.copytree(STORE, tmp_path / "M8_S2.ome.zarr"))
    n_notes = len(read_notes(store))
    shell.commands.open_one_store(str(store))
    pane = shell.views.replay.pane
    wait_for(lambda: shell.focus.on and pane.frame is not None and pane.tiles.result is not None, "the section")
    opened, actions = shell.views.replay.opened, shell.window.actions_
    excluded = set(opened.excluded)
    seq = 1 - min(excluded, default=1)  # one that counts
    pane.show_field(seq)
    wait_for(lambda: pane.frame.seq == seq, "the field")

    wait_for(lambda: seq in shell.views.map.fields.fields, "the field on the map")
    menu_key(pane.view)
    texts = in_menu(shell)
    assert texts["show_field"] == (f"Show field {seq}", "it is on the screen")
    assert texts["include_field"][1] == "it is not excluded"
    assert texts["go_to_field"][1] == "no rig is open"
    assert texts["show_on_map"][1] == ""
    assert "Not now: only a field of the last section" in actions["retake_field"].toolTip()
    actions["exclude_field"].trigger()
    box = dialog(shell).findChild(QComboBox)
    assert [box.itemText(i) for i in range(box.count())] == list(USUAL_REASONS)
    box.setEditText("a fold over the rim")
    dialog(shell).accept()
    wait_for(lambda: opened.excluded == excluded | {seq}, "the mark")
    menu_key(pane.view)
    assert in_menu(shell)["exclude_field"][1] == "it is excluded already"
    actions["include_field"].trigger()
    wait_for(lambda: opened.excluded == excluded, "the field back in")
    menu_key(pane.view)
    in_menu(shell)
    actions["note_field"].trigger()
    dialog(shell).findChild(QPlainTextEdit).setPlainText("bright rim")
    dialog(shell).accept()
    wait_for(lambda: len(read_notes(store)) == n_notes + 3, "the note")
    written = [(note.kind, note.seq, note.text) for note in read_notes(store)[n_notes:]]
    assert written == [("exclude", seq, "a fold over the rim"), ("include", seq, ""), ("note", seq, "bright rim")]
    wait_for(lambda: any(note.text == "bright rim" for note in opened.notes), "the note in the list")

    right_click(pane.view, 256.0, 256.0)
    assert in_menu(shell)["show_tile"] == (f"Show tile 1 of field {seq}", "")
    actions["copy_position"].trigger()
    copied = QGuiApplication.clipboard().text()
    x_um, y_um, _ = pane.frame.stage_um
    plan = parse_plan(yaml.safe_load(f"kind: positions\npositions_um:\n  - {copied}\n"))
    assert plan.positions_um == ((round(x_um, 2), round(y_um, 2)),)
    assert copied in notices(shell)

    shell.window.tabs.setCurrentWidget(shell.views.tiles)
    tiles = shell.views.tiles
    wait_for(lambda: tiles.model.rowCount() > 0, "the tiles")
    tiles.view.setCurrentIndex(tiles.model.index(0))
    menu_key(tiles.view.viewport())
    other = tiles.current[0]
    assert in_menu(shell)["show_field"] == (f"Show field {other}", "")
    actions["show_tile"].trigger()
    assert tiles.dialog.here == tiles.current
    tiles.dialog.close()
    actions["show_field"].trigger()
    wait_for(
        lambda: getattr(pane.frame, "seq", None) == other and shell.window.shown_tab is shell.views.replay,
        "the field in Replay",
    )
    (in_bar,) = (one for one in actions["show_field"].associatedObjects() if isinstance(one, QMenu))
    in_bar.aboutToShow.emit()
    assert actions["show_field"].text() == f"Show field {other}"
    assert not actions["show_field"].isEnabled()
    assert in_bar.toolTipsVisible()
    assert in_bar.menuAction().text() == "Fie&ld"
    assert shell.views.tiles.view.contextMenuPolicy() is Qt.ContextMenuPolicy.DefaultContextMenu
    shell.views.map.fields.clear()  # as they are before the first is read
    (presenter,) = (one for one in shell.window.children() if isinstance(one, MapPresenter))
    presenter._show_plan()
    assert not shell.views.map.next.shown, "the map is the stored section's"


def test_without_a_section_every_entry_has_its_reason(shell: App):
    shell.window.show_view(shell.views.live)
    for view in (shell.views.map.view, shell.views.live.view, shell.views.replay.pane.view):
        menu_key(view)
        entries = in_menu(shell)
        assert len(entries) == 9
        assert all("no field is chosen" in why for _, why in entries.values())
