"""The tab Library: what it lists, how it is searched, and what is done with the chosen sections."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from find import find
from PySide6.QtCore import QItemSelectionModel, QModelIndex, Qt
from PySide6.QtGui import QAction, QDesktopServices
from PySide6.QtWidgets import QLabel, QProgressBar, QPushButton, QWidget
from review_parts import assert_usable_without_eyes_or_mouse, settle
from shell_parts import notices, wait_for
from test_accessible_names import nameless, shared_names, silent_values

sys.path.insert(0, str(Path(__file__).parents[1]))
from library_parts import stored_section

from hcc_scope.inference.catalogue import MODELS_DIR_VARIABLE
from hcc_scope.resources import models_dir
from hcc_scope.runs.animal_scores import animal_scores
from hcc_scope.runs.library import SectionLister
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.reader import open_store
from ui.control.section_library import SectionLibrary
from ui.kit.jobs import Jobs
from ui.library.classify_dialog import ClassifyDialog
from ui.library.compare_dialog import CompareDialog
from ui.library.library_filter import Column, LibraryFilter, Since
from ui.library.library_model import LibraryModel
from ui.library.library_tab import LibraryTab
from ui.library.section_pictures import SectionPictures
from ui.shell.export_dialog import ExportDialog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from ui.app import App


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sections of two animals, one that was cut off, and one that cannot be read; read-only."""
    folder = tmp_path_factory.mktemp("sections")
    for animal_id, section_id, mean in (("M1", "S10", 0.8), ("M1", "S2", 0.3), ("M2", "S1", 0.6)):
        stored_section(folder, animal_id, section_id, mean=mean)
    stored_section(folder / "day 2", "M2", "S2", ended=False)
    (stored_section(folder, "M3", "S1") / "zarr.json").write_bytes(b"{")
    shutil.rmtree(folder / "M3_S1.ome.zarr" / "frames")
    (folder / "M3_S1.ome.zarr" / "hcc_scope.json").unlink()
    return folder


@pytest.fixture
def sections(stored: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(stored, tmp_path / "sections"))


@pytest.fixture
def jobs(qapp: QApplication) -> Iterator[Jobs]:
    made = Jobs()
    yield made
    assert made.close(30.0) == ()


@pytest.fixture
def library(jobs: Jobs) -> SectionLibrary:
    return SectionLibrary(jobs)


@pytest.fixture
def tab(qtbot: QtBot, jobs: Jobs, library: SectionLibrary) -> Iterator[LibraryTab]:
    actions = [QAction("Open"), None, QAction("Write reports")]
    made = LibraryTab(actions, QAction("Other folder …"))
    pictures = SectionPictures(jobs)
    made.model.take_sources(pictures.get, library.animals)
    library.changed.connect(lambda: made.set_sections(library.sections.values(), library.problem))
    library.listing_changed.connect(made.set_listing)
    pictures.arrived.connect(made.show_picture)
    qtbot.addWidget(made)
    made.resize(1000, 500)
    with qtbot.waitActive(made):
        made.show()
    yield made
    library.end()


def listed(qtbot: QtBot, jobs: Jobs, library: SectionLibrary, folder: Path) -> None:
    library.choose_folder(folder)
    library.refresh()
    settle(qtbot, jobs)
    qtbot.wait(20)  # what is painted asks for pictures and intervals
    settle(qtbot, jobs)


def shown(tab: LibraryTab) -> dict[str, list[str]]:
    return {group.title: [one.section_id or one.path.name for one in group.sections] for group in tab.model.groups}


def choose(tab: LibraryTab, *paths: Path) -> None:
    tab.table.clearSelection()
    for path in paths:
        flags = QItemSelectionModel.SelectionFlag
        tab.table.selectionModel().select(tab.model.index_of(path), flags.Select | flags.Rows)


def test_sections_are_listed_by_animal_with_picture_score_and_interval(
    qtbot: QtBot, tab: LibraryTab, jobs: Jobs, library: SectionLibrary, stored: Path
):
    listed(qtbot, jobs, library, stored)
    assert shown(tab) == {
        "Animal M1": ["S2", "S10"],
        "Animal M2": ["S1", "S2"],
        "Animal not known": ["M3_S1.ome.zarr"],
    }
    animal = tab.model.index(0, int(Column.SCORE))
    (score,) = library.animals("M1")
    assert animal.data().splitlines() == [f"{score.score:.3f}, mean of 2 sections", score.describe_interval()]
    assert score.interval is not None
    row = tab.model.index_of(stored / "M1_S2.ome.zarr")
    picture = row.data(Qt.ItemDataRole.DecorationRole)
    assert {picture.pixelColor(x, 40).alpha() for x in range(80)} == {255}, "across its middle"
    assert row.siblingAtColumn(int(Column.SCORE)).data().startswith("0.")
    header = tab.table.header()
    assert header.visualIndex(int(Column.STATE)) == header.visualIndex(int(Column.SCORE)) + 1
    assert tab.table.sizeHintForColumn(int(Column.STATE)) <= header.sectionSize(int(Column.STATE)), "cut"
    cut_off = tab.model.index_of(stored / "day 2" / "M2_S2.ome.zarr")
    assert cut_off.siblingAtColumn(int(Column.STATE)).data() == "not ended in order"
    assert cut_off.siblingAtColumn(int(Column.SCORE)).data() != "…", "it is read after the list"
    unreadable = tab.model.index_of(stored / "M3_S1.ome.zarr").siblingAtColumn(int(Column.STATE))
    assert unreadable.data() == "cannot be read"
    assert unreadable.data(Qt.ItemDataRole.ToolTipRole).endswith(".")
    assert_usable_without_eyes_or_mouse(tab)


def test_search_and_filters_leave_what_matches(
    qtbot: QtBot, tab: LibraryTab, jobs: Jobs, library: SectionLibrary, stored: Path
):
    listed(qtbot, jobs, library, stored)
    tab.bar.search.setText("m2 SMALL")
    assert shown(tab) == {"Animal M2": ["S1", "S2"]}
    tab.bar.state.setCurrentText("Not ended")
    assert shown(tab) == {"Animal M2": ["S2"]}
    tab.bar.search.setText("nothing of the kind")
    assert "No section here matches" in "".join(one.text() for one in tab.findChildren(QLabel) if one.isVisible())
    find(tab, QPushButton, "Show all sections").click()
    assert tab.model.n_shown == 5
    assert tab.bar.filter == LibraryFilter()


def test_each_filter_keeps_to_its_own(stored: Path):
    row = next(one for one in SectionLister().each([stored]) if one.section_id == "S10")
    now = row.created_utc
    assert now is not None
    for fits, misses in (
        ({"side": "Undecided"}, {"side": "No score"}),
        ({"model": "small-model"}, {"model": "other"}),
        ({"label": "no label"}, {"label": "low"}),
        ({"state": "complete"}, {"state": "unreadable"}),
    ):
        assert LibraryFilter(**fits).lets_through(row, now)
        assert not LibraryFilter(**misses).lets_through(row, now)
    assert LibraryFilter(since=Since.WEEK).lets_through(row, now + timedelta(days=6))
    assert not LibraryFilter(since=Since.WEEK).lets_through(row, now + timedelta(days=8))
    assert now < datetime.now(UTC)


def test_what_is_chosen_and_folded_stays_while_stores_come_and_go(
    qtbot: QtBot, tab: LibraryTab, jobs: Jobs, library: SectionLibrary, sections: Path
):
    listed(qtbot, jobs, library, sections)
    tab.table.setExpanded(tab.model.index(1, 0), False)
    tab.choose(sections / "M1_S10.ome.zarr")
    stored_section(sections, "M0", "S1")
    shutil.rmtree(sections / "M1_S2.ome.zarr")
    NotesWriter(sections / "M1_S10.ome.zarr").add("exclude", "a fold", 1)
    before = library.sections[sections / "M1_S10.ome.zarr"].score
    library.refresh()
    settle(qtbot, jobs)
    assert list(shown(tab))[:2] == ["Animal M0", "Animal M1"]
    assert [one.section_id for one in tab.chosen] == ["S10"]
    assert tab.chosen[0].score != before, "the present one"
    assert not tab.table.isExpanded(tab.model.index(2, 0))
    assert tab.table.isExpanded(tab.model.index(0, 0))
    tab.table.sortByColumn(int(Column.SCORE), Qt.SortOrder.DescendingOrder)
    scores = [group.sections[0].score.score for group in tab.model.groups if group.animal_id in ("M0", "M1")]
    assert scores == sorted(scores, reverse=True)
    tab.table.setCurrentIndex(QModelIndex())
    choose(tab)
    tab.table.selectionModel().select(tab.model.index(0, 0), QItemSelectionModel.SelectionFlag.Select)


def test_nothing_is_listed_while_the_disk_is_behind_or_the_tab_is_hidden(qtbot: QtBot, jobs: Jobs, stored: Path):
    behind = [True]
    library = SectionLibrary(jobs, lambda: behind[0])
    library.choose_folder(stored)
    library.set_watched(True)
    assert jobs.n_open == 0
    behind[0] = False
    library.refresh()
    settle(qtbot, jobs)
    assert len(library.sections) == 5
    library.set_watched(False)
    assert not library.findChild(type(library._timer)).isActive()


def test_rows_that_come_fast_are_shown_together(qtbot: QtBot, library: SectionLibrary, stored: Path):
    library.choose_folder(stored)
    rows = list(SectionLister().each([stored]))
    reports: list[int] = []
    library.changed.connect(lambda: reports.append(len(library.sections)))
    for row in rows:
        library._take_batch(library._generation, [row])
    assert reports == []
    qtbot.waitUntil(lambda: bool(reports))
    assert reports == [len(rows)]
    assert len(library.animals("M1", False)) == 1


def test_a_copy_is_shown_as_one_that_does_not_count(qapp: QApplication, stored: Path):
    del qapp
    rows = list(SectionLister().each([stored]))
    original = next(one for one in rows if one.section_id == "S10")
    copy = replace(original, path=stored / "copies" / original.path.name)
    scores = animal_scores([*rows, copy])
    model = LibraryModel()
    model.take_sources(lambda _: None, lambda animal_id, _: [one for one in scores if one.animal_id == animal_id])
    model.set_sections([*rows, copy])
    for one, shown in ((original, "complete"), (copy, "complete\na copy, does not count")):
        assert model.index_of(one.path).siblingAtColumn(int(Column.STATE)).data() == shown
    tip = model.index_of(copy.path).siblingAtColumn(int(Column.STATE)).data(Qt.ItemDataRole.ToolTipRole)
    assert tip.endswith(f"Not in the score of the animal: a copy of {original.path}.")


def test_to_sort_by_score_asks_for_no_interval(qapp: QApplication, stored: Path):
    del qapp
    asked: list[bool] = []
    model = LibraryModel()
    model.take_sources(lambda _section: None, lambda _animal_id, asks: asked.append(asks) or [])
    model.set_sections(SectionLister().each([stored]))
    model.sort(int(Column.SCORE))
    assert set(asked) == {False}


def test_a_folder_without_sections_has_one_sentence_and_one_button(
    qtbot: QtBot, tab: LibraryTab, jobs: Jobs, library: SectionLibrary, tmp_path: Path
):
    tab.set_folder(tmp_path / "none")
    listed(qtbot, jobs, library, tmp_path / "none")
    (button,) = (one for one in tab.findChildren(QPushButton) if one.isVisible())
    assert button.text() == "Other folder …"
    words = [one.text() for one in tab.findChildren(QLabel) if one.isVisible()]
    assert f"No section is stored in {tmp_path / 'none'} yet." in words


def test_from_the_library_a_section_fills_replay_map_and_tiles_and_several_are_worked_on(
    shell: App, qtbot: QtBot, sections: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    actions, tab, views = shell.window.actions_, shell.views.library, shell.views
    shell.library._take_folder(str(sections))
    wait_for(lambda: len(shell.library.library.sections) == 5 and not shell.jobs.n_open, "the list")
    assert shell.window.shown_tab is tab
    assert "no section is chosen" in actions.why_not("library_open")
    first, second = sections / "M1_S2.ome.zarr", sections / "M1_S10.ome.zarr"

    tab.choose(first)
    assert actions.why_not("library_compare") == "two sections have to be chosen"
    qtbot.keyClick(tab.table, Qt.Key.Key_Return)
    wait_for(lambda: len(views.map.fields.fields) == 4, "the fields on the map")
    assert views.replay.opened is not None
    assert views.replay.opened.path == first
    assert views.tiles.model.n_fields == 4
    assert shell.window.shown_tab is views.replay
    views.map.field_chosen.emit(2)
    wait_for(lambda: views.replay.pane.frame is not None and views.replay.pane.frame.seq == 2, "the field")
    views.replay.close_store(first)
    assert not views.map.fields.fields
    find(views.replay, QPushButton, "Choose one in the library").click()
    assert shell.window.shown_tab is tab

    choose(tab, first, second)
    actions["library_compare"].trigger()
    wait_for(lambda: shell.window.findChildren(CompareDialog), "the comparison")
    (dialog,) = shell.window.findChildren(CompareDialog)
    assert "The second section scores" in dialog.answer.text()
    dialog.close()
    actions["library_high"].trigger()
    wait_for(lambda: {shell.library.library.sections[one].label for one in (first, second)} == {"high"}, "labels")
    assert [one.path for one in tab.chosen] == [first, second]
    actions["library_report"].trigger()
    assert find(tab, QProgressBar, "Progress over the chosen sections").isVisible()
    assert actions.why_not("library_report") == "other sections are being worked on"
    find(tab, QPushButton, "Cancel").click()
    wait_for(lambda: (sections / "M1_S2-report.html").is_file() and not actions.why_not("library_report"), "a report")
    assert not (sections / "M1_S10-report.html").exists(), "it was cancelled after the first"
    assert opened == [str(sections / "M1_S2-report.html")]
    monkeypatch.setattr("hcc_scope.report.section.draw_overview", lambda _sections, path, **_: path.write_bytes(b""))
    tab.choose(first)
    actions["library_animal_report"].trigger()
    wait_for(lambda: (sections / "M1-report.html").is_file() and not actions.why_not("library_report"), "the animal's")
    assert opened[1:] == [str(sections / "M1-report.html")]
    assert {"M1_S2-report.pdf", "M1_S10-report.pdf"} <= {one.name for one in sections.iterdir()}, "and of its sections"
    choose(tab, first, second)
    monkeypatch.setenv(MODELS_DIR_VARIABLE, str(tmp_path / "models"))
    shutil.copytree(models_dir() / "phantom-meng2019", tmp_path / "models" / "mine")
    actions["library_classify"].trigger()
    (asking,) = shell.window.findChildren(ClassifyDialog)
    folder = str(tmp_path / "models" / "mine")
    wait_for(lambda: asking.model.findData(folder) >= 0, "the user's own model")
    asking.close()
    shell.library._classify([first], "phantom-meng2019", "torchscript", "again")
    wait_for(lambda: "1 could not be classified" in notices(shell), "the refusal: its frames are smaller than a tile")
    shell.library._export(tab.chosen, str(tmp_path / "out"))
    wait_for(lambda: "4 files written" in notices(shell), "the export")

    actions["library_export_as"].trigger()
    export = shell.export.dialog
    assert nameless(export) == shared_names(export) == silent_values(export) == []
    assert not export.begin_button.isEnabled()
    export.kinds["frames"].setChecked(True)
    assert not export.options["files"].isVisible(), "it has no effect on frames"
    export.kinds["fields"].setChecked(True)
    export.take_folder(str(tmp_path / "out"))
    export.begin_button.click()
    assert export.close_button.text() == "Cancel"
    wait_for(lambda: export.state.text() == "4 exports written.", "the exports")
    assert export.account.toPlainText().count("M1_S10-fields.zarr: 4 fields") == 1
    export.folder_button.click()
    assert opened[-1] == str(tmp_path / "out")
    assert (tmp_path / "out" / "M1_S10-fields.zarr" / "OME" / "METADATA.ome.xml").is_file()
    export.kinds["frames"].setChecked(True)
    export.begin_button.click()
    wait_for(lambda: "never overwritten" in export.state.text(), "the refusal")
    shell.run._set_phase("running")
    export.take_folder(str(tmp_path / "later"))
    export.kinds["frames"].setChecked(True)
    export.begin_button.click()
    wait_for(lambda: "waits until the section under way has ended" in export.state.text(), "the camera comes first")
    shell.export.ask([first])
    waiting = "M1_S2 can be exported when this export has ended: choose it again then."
    assert waiting in export.about.text()
    assert waiting in notices(shell)
    assert not (tmp_path / "later" / "M1_S2-frames.ome.tif").exists()
    shell.run._set_phase("idle")
    wait_for(lambda: export.state.text() == "2 exports written.", "the section has ended")
    assert waiting not in export.about.text()
    export.close_button.click()
    assert shell.export.dialog is None
    views.open_store(first)
    wait_for(lambda: shell.focus.on and views.replay.opened is not None, "the section in Replay")
    actions["export"].trigger()
    assert shell.export.dialog.about.text().startswith("M1_S2:")
    shell.export.dialog.close_button.click()
    shell.library.show()

    cut_off = sections / "day 2" / "M2_S2.ome.zarr"
    tab.choose(cut_off)
    actions["library_recover"].trigger()
    wait_for(lambda: shell.library.library.sections[cut_off].state == "complete", "the recovery to be listed")
    assert open_store(cut_off).complete


def test_predictions_that_were_kept_can_be_exported(qtbot: QtBot, tmp_path: Path) -> None:
    store = tmp_path / "M1_S1.ome.zarr"
    store.mkdir()
    parent = QWidget()
    qtbot.addWidget(parent)
    plain = ExportDialog([store], parent)
    (store / "predictions-again.jsonl").touch()
    dialog = ExportDialog([store], parent)
    for one in (plain, dialog):
        one.kinds["csv"].setChecked(True)
        one.show()
    assert not plain.options["predictions"].isVisible(), "there is no choice"
    box = dialog.options["predictions"]
    assert [box.itemText(row) for row in range(box.count())] == ["Of the run", "again"]
    box.setCurrentIndex(1)
    with qtbot.waitSignal(dialog.asked) as asked:
        dialog.begin_button.click()
    assert asked.args == [["csv"], None, {"predictions": "again"}]


def test_a_copy_that_comes_later_is_stated_beside_the_animals_score(library: SectionLibrary, stored: Path):
    row = next(one for one in SectionLister().each([stored]) if one.section_id == "S10")
    said = []
    for path in (row.path, stored / "copies" / row.path.name):
        library._take_batch(library._generation, [replace(row, path=path)])
        library._report()
        said.append(library.animals("M1", False)[0].describe())
    assert "copy" not in said[0]
    assert "without 1 copy" in said[1]
