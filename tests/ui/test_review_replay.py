"""The Replay tab on a store that the demo rig made: open, scrub, classify again, compare, note, export."""

from __future__ import annotations

import html
import importlib.util
import itertools
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from find import find
from PySide6.QtCore import QCoreApplication, QEvent, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QImage
from PySide6.QtWidgets import QAbstractButton, QCheckBox, QFileDialog, QLabel, QSlider
from review_parts import assert_usable_without_eyes_or_mouse, settle, wait
from storage_cases import change_facts

from hcc_scope.inference import load_model
from hcc_scope.inference.card import read_card
from hcc_scope.inference.catalogue import find_model
from hcc_scope.inference.saliency_map import relative_saliency
from hcc_scope.position_tags import PositionOrigin, position_tags
from hcc_scope.score_text import describe_score
from hcc_scope.storage.files import lock
from hcc_scope.storage.metadata import JOURNAL
from hcc_scope.storage.notes import NotesWriter, read_notes
from hcc_scope.storage.predictions import read_predictions
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store
from ui.kit.controls import ElidedLabel
from ui.kit.jobs import Jobs
from ui.kit.low_page import LowPage
from ui.replay.replay_tab import ReplayTab
from ui.replay.scatter import TileScatter
from ui.tiles.tiles_tab import TilesTab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from ui.kit.theme import ThemeName

sys.path.insert(0, str(Path(__file__).parents[1]))
from commands import cli, edited
from storage_cases import make_frame, make_spec

N_FIELDS = 4


@pytest.fixture(scope="module")
def acquired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A section from the demo rig; read-only."""
    folder = tmp_path_factory.mktemp("acquired")
    arguments = ("--phantom", "high", "--animal", "M7", "--section", "S1", "--fields", str(N_FIELDS))
    done = cli("acquire", "--rig", "demo", *arguments, "--engine", "torchscript", "--out", folder)
    assert done.code == 0, done.err
    return folder / "M7_S1.ome.zarr"


@pytest.fixture
def store(acquired: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(acquired, tmp_path / acquired.name))


@pytest.fixture
def jobs(qapp: QApplication) -> Iterator[Jobs]:
    made = Jobs()
    yield made
    assert made.close(30.0) == ()


@pytest.fixture
def tab(qtbot: QtBot, jobs: Jobs) -> ReplayTab:
    made = ReplayTab(jobs)
    qtbot.addWidget(made)
    made.resize(1280, 640)
    with qtbot.waitActive(made):
        made.show()
    return made


@pytest.fixture
def notices(tab: ReplayTab) -> list[tuple[str, str]]:
    messages: list[tuple[str, str]] = []
    tab.message.connect(lambda level, text: messages.append((level, text)))
    return messages


@pytest.mark.parametrize("width_px", [720, 925, 1000, 1280])
def test_the_scrubber_is_whole_beside_the_lists(tab: ReplayTab, width_px: int):
    tab.stores.add_opening(Path("M7_S1.ome.zarr"))
    tab.pane.scrubber.set_number_of_fields(1000)
    tab.resize(width_px, 760)
    tab.pages.setCurrentWidget(tab.compare)
    for _ in range(5):  # the page follows its layout later
        QCoreApplication.processEvents()
    (area,) = tab.pane.findChildren(LowPage)
    assert not area.horizontalScrollBar().isVisible()
    assert find(tab, QLabel, "How the two analyses differ").y() < 200  # not adrift on its page


def opened(qtbot: QtBot, jobs: Jobs, tab: ReplayTab, *stores: Path) -> None:
    tab.open_stores(stores)
    settle(qtbot, jobs)


def classify(qtbot: QtBot, jobs: Jobs, tab: ReplayTab, engine: str = "torchscript", save_as: str = "") -> None:
    tab.classify.engine.setCurrentIndex(tab.classify.engine.findData(engine))
    tab.classify.save_as.setText(save_as)
    tab.classify.start_button.click()
    assert tab.classify.running
    settle(qtbot, jobs)
    assert not tab.classify.running


def save_picture(tab: ReplayTab, path: Path) -> None:
    find(tab, QAbstractButton, "Save picture …").click()
    dialog = find(tab, QFileDialog, "Save picture")
    dialog.fileSelected.emit(str(path))
    dialog.close()
    QCoreApplication.sendPostedEvents(dialog, QEvent.Type.DeferredDelete)


# -- opening ---------------------------------------------------------------------------------------------------------


def test_a_store_is_shown_with_its_frames_scores_and_predictions(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path
):
    with qtbot.waitSignal(tab.store_opened) as signal:
        tab.open_stores([acquired])
    assert signal.args == [acquired]
    settle(qtbot, jobs)
    frame = open_store(acquired).read(0)
    recorded = read_predictions(acquired)
    assert np.array_equal(tab.pane.view.pixels, frame.pixels)
    assert tab.pane.overlay.currentText() == "Recorded"
    assert np.array_equal(tab.pane.tiles.result.probabilities, recorded[0].probabilities, equal_nan=True)
    live = json.loads((acquired / "zarr.json").read_bytes())["attributes"]["hcc_scope"]["outcome"]
    assert tab.opened.analyses[0].score.score == live["score"]
    assert tab.opened.analyses[0].score.interval == tuple(live["interval"])
    assert f"{live['score']:.3f}" in tab.stores.list.item(0).text()
    description = describe_score(tab.opened.analyses[0].score)
    assert description in html.unescape(tab.section.label.text())
    assert description in tab.stores.list.item(0).toolTip()
    assert "Research use only" in tab.section.label.text()


def test_a_frame_states_how_its_position_was_obtained(qtbot: QtBot, tab: ReplayTab, jobs: Jobs, tmp_path: Path):
    spec = make_spec(tile_px=40, sampling="chosen")
    with create_store(tmp_path, spec) as writer:
        for seq, (place, origin) in enumerate(
            [
                ((1203.2, -88.4, None), PositionOrigin("tracked", 1, 0.42)),
                (None, PositionOrigin("unknown")),
                ((10.0, 20.0, 3.0), PositionOrigin("stage")),
            ]
        ):
            writer.append(make_frame(seq, stage_um=place, tags=position_tags(origin)))
    opened(qtbot, jobs, tab, writer.path)
    texts = []
    for seq in range(3):
        tab.pane.show_field(seq)
        settle(qtbot, jobs)
        texts.append(find(tab.pane, ElidedLabel, "About the field").whole_text())
    assert "x 1,203 µm, y -88 µm (tracked, ±0.4 µm, island 1)" in texts[0]
    assert "position not known" in texts[1]
    assert "x 10 µm, y 20 µm · " in texts[2]


def test_stores_are_opened_by_dropping_their_folder(qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(acquired.parent))])
    nothing, left = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    tab.dropEvent(QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, mime, left, nothing))
    settle(qtbot, jobs)
    assert tab.stores.paths() == [acquired]
    opened(qtbot, jobs, tab, acquired)  # again: it is only shown
    assert tab.stores.paths() == [acquired]


def test_an_open_store_that_was_changed_elsewhere_is_shown_as_it_is_now(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, store: Path
):
    opened(qtbot, jobs, tab, store)
    before = tab.opened
    opened(qtbot, jobs, tab, store)
    assert tab.opened is before, "no file has changed"
    NotesWriter(store).add("exclude", "a fold", 0)
    tab.pane.show_field(1)
    opened(qtbot, jobs, tab, store)
    assert tab.opened.excluded == {0}
    assert tab.opened.analyses[0].score.fields_excluded_by_operator == 1
    assert tab.pane.seq == 1, "the field stays"


def test_a_file_that_is_no_store_is_reported_in_a_sentence(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, notices: list[tuple[str, str]], tmp_path: Path
):
    opened(qtbot, jobs, tab, tmp_path / "missing.ome.zarr")
    assert notices == [
        (
            "error",
            f"There is no store at {tmp_path / 'missing.ome.zarr'}. Give the path of a folder that ends in .ome.zarr.",
        )
    ]
    assert tab.stores.paths() == []
    assert tab.opened is None


def test_an_unfinished_store_opens_with_a_warning(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, notices: list[tuple[str, str]], store: Path
):
    change_facts(store, complete=False)
    opened(qtbot, jobs, tab, store)
    assert notices[0][0] == "warning"
    assert "not ended in order" in notices[0][1]
    assert "problem" in tab.stores.list.item(0).text()
    assert tab.pane.frame is not None


def test_a_store_whose_run_is_under_way_is_not_called_broken(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, notices: list[tuple[str, str]], store: Path
):
    change_facts(store, complete=False)
    with (store / JOURNAL).open("rb+") as journal:
        assert lock(journal.fileno())  # as its writer holds it
        opened(qtbot, jobs, tab, store)
    words = "its run is under way: what was stored until now is shown; open it again for more"
    assert notices == [("warning", f"{store.name}: {words}")]


def test_a_store_that_was_still_growing_is_read_again(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path, store: Path
):
    manifest, journal = store / "zarr.json", store / "frames.jsonl"
    whole = manifest.read_bytes(), journal.read_bytes()
    change_facts(store, complete=False)
    journal.write_bytes(whole[1][: whole[1].index(b"\n") + 1])
    opened(qtbot, jobs, tab, store)
    assert tab.opened.store.n_frames == 1
    manifest.write_bytes(whole[0])
    journal.write_bytes(whole[1])
    opened(qtbot, jobs, tab, store)
    assert tab.stores.paths() == [store]
    assert tab.opened.store.n_frames == N_FIELDS
    assert find(tab, QSlider, "Field").maximum() == N_FIELDS - 1


def test_the_dialog_opens_what_is_chosen_in_it(qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path):
    tab.stores.ask()
    tab.stores.dialog.fileSelected.emit(str(acquired / "frames"))
    tab.stores.dialog.close()
    settle(qtbot, jobs)
    assert tab.stores.paths() == [acquired]


def test_delete_closes_a_store(qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path):
    opened(qtbot, jobs, tab, acquired)
    tab.stores.list.setFocus()
    qtbot.keyClick(tab.stores.list, Qt.Key.Key_Delete)
    assert tab.stores.paths() == []
    assert tab.opened is None
    assert tab.pane.view.pixels is None
    assert not tab.classify.start_button.isEnabled()
    assert acquired.is_dir()


# -- scrubbing -------------------------------------------------------------------------------------------------------


def test_keys_go_from_field_to_field(qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path):
    opened(qtbot, jobs, tab, acquired)
    tab.stores.list.setFocus()
    alt = Qt.KeyboardModifier.AltModifier
    for key, seq in ((Qt.Key.Key_Right, 1), (Qt.Key.Key_End, 3), (Qt.Key.Key_Left, 2), (Qt.Key.Key_Home, 0)):
        qtbot.keyClick(tab, key, alt)
        assert tab.pane.seq == seq
        settle(qtbot, jobs)
        assert tab.pane.frame.seq == seq
        assert tab.pane.tiles.result.seq == seq
        assert find(tab, ElidedLabel, "About the field").whole_text().startswith(f"Field {seq} · recorded ")


def test_scrubbing_fast_reads_only_what_is_wanted_last(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path, monkeypatch: pytest.MonkeyPatch
):
    opened(qtbot, jobs, tab, acquired)
    read: list[int] = []
    whole = tab.opened.store.read
    monkeypatch.setattr(tab.opened.store, "read", lambda seq: (read.append(seq), whole(seq))[1])
    for seq in (1, 2, 1, 2, 3):
        tab.pane.show_field(seq)
    settle(qtbot, jobs)
    wait(qtbot, lambda: tab.pane.frame.seq == 3)
    assert read == [1, 3]


def test_a_damaged_field_is_reported_and_the_others_are_shown(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, notices: list[tuple[str, str]], store: Path
):
    (store / "frames" / "0" / "c" / "1" / "0" / "0").unlink()
    opened(qtbot, jobs, tab, store)
    tab.pane.show_field(1)
    settle(qtbot, jobs)
    assert notices[-1][0] == "error"
    assert tab.pane.view.pixels is None
    assert find(tab, ElidedLabel, "About the field").whole_text() == notices[-1][1]
    tab.pane.show_field(2)
    settle(qtbot, jobs)
    assert tab.pane.frame.seq == 2


def test_the_same_contrast_may_be_kept(qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path):
    opened(qtbot, jobs, tab, acquired)
    find(tab, QCheckBox, "Same contrast").setChecked(True)
    limits = tab.pane.view.frame_layer.limits
    tab.pane.show_field(2)
    settle(qtbot, jobs)
    assert tab.pane.view.frame_layer.limits == limits


# -- classifying again, and comparing ----------------------------------------------------------------------------------


def test_the_same_engine_gives_the_same_bits_and_is_shown_as_equal(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path
):
    before = sorted(path.name for path in acquired.iterdir())
    opened(qtbot, jobs, tab, acquired)
    classify(qtbot, jobs, tab)
    comparison = tab.compare.comparison
    assert comparison.equal
    assert tab.pages.currentWidget() is tab.compare
    assert tab.compare.sentence.text().startswith("Equal bit for bit: ")
    assert tab.opened.analyses[1].score == tab.opened.analyses[0].score
    titles = [tab.pane.overlay.itemText(row) for row in range(tab.pane.overlay.count())]
    assert titles == ["Recorded", "Replay 1", "Replay 1 minus recorded", "Frame alone"]
    assert sorted(path.name for path in acquired.iterdir()) == before  # nothing was written


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_another_engine_differs_within_the_model_s_tolerance(qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path):
    opened(qtbot, jobs, tab, acquired)
    classify(qtbot, jobs, tab, "openvino")
    comparison = tab.compare.comparison
    assert len(comparison.fields) == N_FIELDS
    assert comparison.largest <= 0.01
    tab.pane.overlay.setCurrentIndex(2)
    assert tab.pane.difference.visible
    shown = tab.pane.difference.difference(5)
    one, other = (analysis.results[0] for analysis in tab.opened.analyses)
    assert shown == pytest.approx(float(other.probabilities[5]) - float(one.probabilities[5]))
    assert "difference" in tab.pane.view.tooltip_of(700.0, 700.0)
    tab.compare.view.sortByColumn(4, Qt.SortOrder.DescendingOrder)
    worst = max(comparison.fields, key=lambda field: field.largest)
    assert tab.compare.table.field_at(0) == worst.seq
    tab.compare.view.activated.emit(tab.compare.table.index(0, 0))
    assert tab.pane.seq == worst.seq
    scatter = find(tab, TileScatter, "Probabilities of all tiles, first against second analysis")
    assert f"{len(comparison.pairs)} tiles" in scatter.accessibleDescription()
    scatter.tile_chosen.emit(2, 0)
    assert tab.pane.seq == 2


def test_two_models_are_compared_each_with_its_own_threshold(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path, tmp_path: Path
):
    shipped = find_model("phantom-meng2019")
    other = Path(shutil.copytree(shipped, tmp_path / "stricter"))
    threshold = read_card(shipped).decision_threshold
    edited(shipped / "card.yaml", other / "card.yaml", (f"decision_threshold: {threshold}", "decision_threshold: 0.9"))
    opened(qtbot, jobs, tab, acquired)
    settle(qtbot, jobs)
    tab.classify.add_model("stricter", other)
    classify(qtbot, jobs, tab)
    comparison = tab.compare.comparison
    assert (comparison.first.threshold, comparison.second.threshold) == (threshold, 0.9)
    between = (comparison.pairs[:, 0] >= threshold) & (comparison.pairs[:, 0] < 0.9)
    assert comparison.sides_changed == np.count_nonzero(between) > 0
    assert f"With their own thresholds, {comparison.sides_changed} tiles lie" in tab.compare.sentence.text()
    tab.pane.overlay.setCurrentIndex(2)
    changed = [tab.pane.difference.changed_side(tile) for tile in range(16)]
    assert sum(changed) == comparison.fields[0].sides_changed


def test_it_can_be_ended_early_and_reports_its_progress(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, notices: list[tuple[str, str]], acquired: Path
):
    opened(qtbot, jobs, tab, acquired)
    tab.classify.engine.setCurrentIndex(tab.classify.engine.findData("torchscript"))
    tab.classify.start()
    assert not tab.classify.start_button.isEnabled()
    wait(qtbot, lambda: tab.classify.progress.value() >= 1 or not tab.classify.running)
    tab.classify.cancel_button.click()
    settle(qtbot, jobs)
    assert not tab.classify.running
    n = len(tab.opened.analyses[1].results)
    if n < N_FIELDS:  # it may have been faster
        assert f"ended early after {n} fields" in tab.classify.state
    assert tab.compare.comparison.equal


def test_ended_before_the_first_field_it_leaves_nothing(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, notices: list[tuple[str, str]], acquired: Path
):
    opened(qtbot, jobs, tab, acquired)
    tab.classify.start()
    tab.classify.cancel()
    assert tab.classify.state.startswith("Ending")
    settle(qtbot, jobs)
    assert tab.classify.state == "Cancelled before the first field was classified."
    assert notices == []  # it is no error
    assert len(tab.opened.analyses) == 1
    assert tab.opened.n_replays == 0


def test_predictions_can_be_kept_and_are_never_overwritten(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, notices: list[tuple[str, str]], store: Path
):
    opened(qtbot, jobs, tab, store)
    classify(qtbot, jobs, tab, save_as="again")
    assert read_predictions(store, "predictions-again").keys() == read_predictions(store).keys()
    assert "kept in the store as predictions-again" in tab.classify.state
    classify(qtbot, jobs, tab, save_as="again")
    assert "never overwritten" in notices[-1][1]
    classify(qtbot, jobs, tab, save_as="../elsewhere")
    assert notices[-1][0] == "error"
    assert len(tab.opened.analyses) == 2
    tab.close_store(store)
    opened(qtbot, jobs, tab, store)
    assert [one.title for one in tab.opened.analyses] == ["Recorded", "Saved again"]
    assert tab.compare.comparison.equal


def test_a_folder_that_is_no_model_is_refused_with_a_message(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, notices: list[tuple[str, str]], acquired: Path, tmp_path: Path
):
    opened(qtbot, jobs, tab, acquired)
    tab.classify.add_model(tmp_path.name, tmp_path)
    classify(qtbot, jobs, tab)
    assert notices[-1] == ("error", f"The model folder {tmp_path} has no card.yaml")
    assert tab.classify.state == notices[-1][1]


def test_an_analysis_stays_with_its_store(qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path, store: Path):
    opened(qtbot, jobs, tab, acquired)
    tab.classify.engine.setCurrentIndex(tab.classify.engine.findData("torchscript"))
    tab.classify.start()
    opened(qtbot, jobs, tab, store)
    assert [one.title for one in tab.opened.analyses] == ["Recorded"]
    tab.stores.select(acquired)
    assert [one.title for one in tab.opened.analyses] == ["Recorded", "Replay 1"]
    assert tab.compare.comparison.equal


# -- notes -------------------------------------------------------------------------------------------------------------


def test_notes_are_kept_in_the_store(qtbot: QtBot, tab: ReplayTab, jobs: Jobs, store: Path):
    opened(qtbot, jobs, tab, store)
    tab.pages.setCurrentWidget(tab.notes)
    assert not tab.notes.add_to_section.isEnabled()
    tab.notes.text.setPlainText("Necrosis in the middle")
    tab.notes.add_to_section.click()
    settle(qtbot, jobs)
    tab.pane.show_field(2)
    settle(qtbot, jobs)
    tab.notes.text.setPlainText("A fold")
    tab.notes.text.setFocus()
    qtbot.keyClick(tab.notes.text, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    settle(qtbot, jobs)
    assert [(note.seq, note.text) for note in read_notes(store)] == [(None, "Necrosis in the middle"), (2, "A fold")]
    assert tab.notes.text.toPlainText() == ""
    tab.notes.which.setCurrentIndex(2)
    assert tab.notes.list.count() == 1
    tab.pane.show_field(0)
    settle(qtbot, jobs)
    assert tab.notes.list.count() == 0
    tab.notes.which.setCurrentIndex(0)
    tab.notes.list.itemActivated.emit(tab.notes.list.item(0))
    assert tab.pane.seq == 2


def test_a_field_can_be_taken_out_of_the_score_and_back(qtbot: QtBot, tab: ReplayTab, jobs: Jobs, store: Path):
    opened(qtbot, jobs, tab, store)
    whole = tab.opened.analyses[0].score
    tab.pane.show_field(1)
    settle(qtbot, jobs)
    tab.notes.text.setPlainText("air bubble")
    tab.notes.exclude.click()
    settle(qtbot, jobs)
    score = tab.opened.analyses[0].score
    assert (score.frames, score.fields_excluded_by_operator) == (N_FIELDS - 1, 1)
    assert score.score != whole.score
    assert "1 excluded by the operator" in tab.section.label.text()
    assert "excluded from the score: air bubble" in tab.notes.list.item(0).text()
    classify(qtbot, jobs, tab)  # a replay honours it
    assert tab.opened.analyses[1].score == score
    tab.notes.exclude.click()
    settle(qtbot, jobs)
    assert [one.score.score for one in tab.opened.analyses] == [whole.score, whole.score]
    assert [(note.seq, note.kind) for note in read_notes(store)] == [(1, "exclude"), (1, "include")]


def test_a_note_that_cannot_be_kept_stays_in_the_editor(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, notices: list[tuple[str, str]], store: Path
):
    opened(qtbot, jobs, tab, store)
    shutil.rmtree(store)
    tab.notes.text.setPlainText("too late")
    tab.notes.add_to_section.click()
    settle(qtbot, jobs)
    assert notices[-1][0] == "error"
    assert "no store" in notices[-1][1]
    assert tab.notes.text.toPlainText() == "too late"


def test_the_gallery_shows_an_opened_section_with_saliency_of_its_own_model(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path
):
    opened(qtbot, jobs, tab, acquired)
    gallery, section = TilesTab(jobs), tab.opened
    qtbot.addWidget(gallery)
    recorded = section.analyses[0]
    gallery.show_section(
        recorded.results.values(),
        section.grid,
        section.store.read,
        threshold=recorded.threshold,
        pixel_size_um=section.spec.pixel_size_um,
        saliency=section.saliency,
    )
    assert gallery.model.rowCount() == 16 * N_FIELDS
    gallery.open_tile(1, 6)
    wait(qtbot, lambda: gallery.dialog.view.relative is not None)
    tile = section.grid.views(section.store.read(1).pixels)[6]
    assert np.array_equal(gallery.dialog.view.pixels, tile)
    expected = relative_saliency(load_model("phantom-meng2019").saliency(tile))
    assert np.allclose(gallery.dialog.view.relative, expected, atol=1e-3)
    gallery.clear()


# -- exports and looks -------------------------------------------------------------------------------------------------


def test_the_view_is_saved_as_a_picture(
    qtbot: QtBot, tab: ReplayTab, jobs: Jobs, notices: list[tuple[str, str]], acquired: Path, tmp_path: Path
):
    opened(qtbot, jobs, tab, acquired)
    save_picture(tab, tmp_path / "view.png")
    assert notices[-1] == ("info", f"Picture saved: {tmp_path / 'view.png'}")
    assert QImage(str(tmp_path / "view.png")).width() >= tab.pane.view.width()
    save_picture(tab, tmp_path / "missing" / "view.png")
    assert notices[-1][0] == "error"
    assert "cannot be written" in notices[-1][1]


def test_the_report_is_made_from_the_store(qtbot: QtBot, tab: ReplayTab, jobs: Jobs, notices: list, store: Path):
    opened(qtbot, jobs, tab, store)
    with qtbot.waitSignal(tab.report_made, timeout=150_000) as signal:
        tab.make_report()
    (page,) = signal.args
    assert "field 0: saliency" in page.read_text(encoding="utf-8")
    assert page.with_suffix(".pdf").is_file()
    assert notices[-1] == ("info", f"The report is {page}.")


def test_both_themes_paint_and_what_can_be_used_has_a_name(qtbot: QtBot, tab: ReplayTab, jobs: Jobs, acquired: Path):
    opened(qtbot, jobs, tab, acquired)
    classify(qtbot, jobs, tab)
    themes: tuple[ThemeName, ...] = ("light", "dark")
    for row, theme in itertools.product(range(tab.pages.count()), themes):
        tab.set_theme(theme)
        tab.pages.setCurrentIndex(row)
        assert not tab.grab().isNull()
        assert_usable_without_eyes_or_mouse(tab)
