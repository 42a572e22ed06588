"""A stored section on the map beside a rig: its places may be none of the stage that is open."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from find import find
from PySide6.QtWidgets import QAbstractButton, QApplication
from review_parts import WAIT_MS
from shell_parts import notices, open_rig, wait_for

from hcc_scope.position_tags import PositionOrigin, position_tags
from hcc_scope.runs.section_analyses import open_section
from hcc_scope.storage.writer import create_store
from ui.kit.jobs import Jobs
from ui.map.map_tab import SectionMapTab
from ui.map.stored_map import StoredMap

sys.path.insert(0, str(Path(__file__).parents[1]))
from storage_cases import make_frame, make_spec

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from ui.app import App


SCORED = Path(__file__).parents[1] / "data" / "version2_scored.ome.zarr"


def hand_store(folder: Path) -> Path:
    """Write a section that was moved by hand: 3 fields, whose positions were measured from the pictures."""
    with create_store(folder, make_spec(tile_px=40, sampling="chosen")) as writer:
        for seq in range(3):
            tags = position_tags(PositionOrigin("tracked", 0, 0.5))
            writer.append(make_frame(seq, stage_um=(400.0 * seq, 900.0, None), tags=tags))
    return writer.path


def test_results_that_come_later_are_shown(qtbot: QtBot):
    jobs, section_map = Jobs(), SectionMapTab()
    qtbot.addWidget(section_map)
    stored, opened = StoredMap(section_map, jobs), open_section(SCORED)
    (recorded,), opened.analyses = opened.analyses, []
    stored.show(opened)
    qtbot.waitUntil(lambda: len(section_map.fields.fields) == opened.store.n_frames, timeout=WAIT_MS)
    assert not any(one.result for one in section_map.fields.fields.values())
    opened.analyses = [recorded]
    stored.show(opened)
    assert {seq: one.result for seq, one in section_map.fields.fields.items()} == dict(recorded.results)
    assert section_map.fields.threshold == recorded.threshold
    assert jobs.close() == ()


def test_no_stage_goes_to_places_that_were_measured_from_pictures(shell: App, small_rig: Path, tmp_path: Path):
    app, section_map = shell, shell.views.map
    store = hand_store(tmp_path)
    app.commands.open_one_store(str(store))
    wait_for(lambda: len(section_map.fields.fields) == 3, "the stored fields")
    open_rig(app, small_rig)
    wait_for(lambda: app.views.map.next.limits.limits is not None, "the stage")
    QApplication.processEvents()
    assert len(section_map.fields.fields) == 3, "the section in Replay went with another rig"

    asked: list[tuple[float, float]] = []
    section_map.move_requested.connect(lambda *at: asked.append(at))
    section_map.view.double_clicked.emit(400.0, 900.0)
    section_map.choose(1)
    app.window.actions_["go_there"].trigger()
    assert asked == []
    assert "The stage may go from" not in section_map.view.describe()  # its limits mean nothing among these places

    find(section_map, QAbstractButton, "Edit outline").click()
    assert section_map.fields.fields == {}  # an outline is drawn in places of the stage
    assert not app.focus.fills_map
    find(section_map, QAbstractButton, "Edit outline").click()
    app.views.replay.section_shown.emit(app.views.replay.opened)
    wait_for(lambda: len(section_map.fields.fields) == 3, "the stored fields again")
    assert "Error" not in notices(app)
