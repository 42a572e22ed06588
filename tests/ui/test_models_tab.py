"""The models of the window: the list that is kept, the page on one, the box, and what does not fit the rig."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QTextDocument, QTextTable
from PySide6.QtWidgets import QListWidget, QWidget
from review_parts import settle

from hcc_scope.errors import ModelMismatchError
from hcc_scope.inference.card import read_card
from hcc_scope.inference.catalogue import MODELS_DIR_VARIABLE, list_models, offered
from hcc_scope.report.card_markdown import card_markdown
from hcc_scope.resources import models_dir
from hcc_scope.runs.model_demands import Demand, ModelFit
from hcc_scope.templates import markdown_text
from tests.model_parts import Inside, Plain, archive, make_model, random_tiles
from ui.control.model_list import ModelList
from ui.control.run_control import ModelChoice
from ui.control.settings import Settings
from ui.kit.jobs import Jobs
from ui.library.classify_dialog import ClassifyDialog
from ui.models.card_view import CardView
from ui.models.model_page import ModelPage, page_markdown
from ui.models.models_tab import ModelRow, ModelsTab
from ui.replay.classify_panel import ClassifyPanel
from ui.shell.model_box import ModelBox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from ui.control.settings_store import SettingsStore

SHIPPED = "phantom-meng2019"


@pytest.fixture
def jobs(qtbot: QtBot) -> Iterator[Jobs]:
    del qtbot
    made = Jobs()
    yield made
    assert made.close() == ()


@pytest.fixture
def remember(jobs: Jobs, tmp_path: Path, settings_store: Callable[..., SettingsStore]) -> Callable[..., SettingsStore]:
    """Return a function that makes a store of settings."""
    return lambda **values: settings_store(Settings.model_validate(values), tmp_path, jobs)


def model_in(folder: Path) -> Path:
    folder.parent.mkdir(exist_ok=True)
    return make_model(folder, b"an artefact", np.zeros((1, 2), np.float32), random_tiles(1))


def read(qtbot: QtBot, jobs: Jobs, models: ModelList) -> dict[str, str | None]:
    models.refresh()
    settle(qtbot, jobs)
    return {one.reference: one.problem for one in models.entries}


def test_folders_are_added_and_removed_and_their_files_stay(
    qtbot: QtBot, jobs: Jobs, tmp_path: Path, remember: Callable[..., SettingsStore]
):
    store = remember()
    models = ModelList(jobs, store)
    assert models.chosen == SHIPPED
    several = model_in(tmp_path / "several" / "a").parent
    model_in(several / "b")
    added: list[str] = []
    removed: list[str] = []
    models.added.connect(added.append)
    models.removed.connect(removed.append)
    for _ in range(2):  # twice is once
        models.add(several)
        settle(qtbot, jobs)
    assert store.settings.model_folders == (str(several),)
    assert added[0] == str(several / "a")
    a = models.find(added[0])
    assert a is not None
    models.choose(str(several / "b"))
    assert store.settings.model == str(several / "b")
    assert models.why_not_removable(a) == "sections use it: choose another model for them first"
    models.choose(SHIPPED)
    assert models.why_not_removable(models.find(SHIPPED)) == "it travels with the program"
    models.remove(a)
    settle(qtbot, jobs)
    assert removed == [f"2 models of {several} are not listed any more. No file was changed."]
    assert [one.reference for one in models.entries] == [SHIPPED]
    assert (several / "a" / "card.yaml").is_file()
    assert store.settings.model_folders == ()


def test_the_chosen_model_stays_chosen_and_is_named_when_its_folder_vanished(
    qtbot: QtBot, jobs: Jobs, tmp_path: Path, remember: Callable[..., SettingsStore]
):
    folder = tmp_path / "gone"
    store = remember(model=str(folder), model_folders=(str(folder),))
    models = ModelList(jobs, store)
    assert read(qtbot, jobs, models)[str(folder)] == f"the folder {folder} is not there any more"
    assert (models.chosen, store.settings.model) == (str(folder), str(folder))
    unknown = ModelList(jobs, remember(model="liver-9"))
    assert "there is no model 'liver-9'" in str(read(qtbot, jobs, unknown)["liver-9"])


def test_a_model_of_the_users_folder_is_the_one_that_was_chosen_by_its_name(
    qtbot: QtBot,
    jobs: Jobs,
    tmp_path: Path,
    remember: Callable[..., SettingsStore],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv(MODELS_DIR_VARIABLE, str(tmp_path / "mine"))
    folder = model_in(tmp_path / "mine" / "liver-2")
    store = remember(model="liver-2")
    models = ModelList(jobs, store)
    assert read(qtbot, jobs, models) == {SHIPPED: None, str(folder): None}
    assert models.chosen == str(folder)
    models.choose("liver-2")
    models.refresh()
    models.choose(SHIPPED)  # before the list is there
    settle(qtbot, jobs)
    assert (models.chosen, store.settings.model) == (SHIPPED, SHIPPED)
    first = ModelList(jobs, store, first=tmp_path / "other")  # as hcc-scope app --model
    assert (first.chosen, store.settings.model_folders) == (str(tmp_path / "other"), (str(tmp_path / "other"),))


def test_models_of_one_name_are_told_apart_wherever_one_is_chosen(qtbot: QtBot, jobs: Jobs, tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        model_in(tmp_path / name / "liver")
    (tmp_path / "broken").mkdir()
    added = [tmp_path / name / "liver" for name in ("a", "b")]
    entries = list_models([*added, tmp_path / "broken"])
    labels = [SHIPPED, *(f"liver ({folder})" for folder in added)]
    assert [label for label, _ in offered(entries)] == labels
    assert len(offered(entries, str(tmp_path / "broken"))) == 4
    parent, panel = QWidget(), ClassifyPanel(jobs)
    qtbot.addWidget(parent)
    qtbot.addWidget(panel)
    dialog = ClassifyDialog(2, parent)
    dialog.set_models(entries, str(added[1]))
    assert [dialog.model.itemText(row) for row in range(dialog.model.count())] == labels
    assert (dialog.model.currentData(), dialog.name.text()) == (str(added[1]), "liver")
    dialog.set_models(entries[1:], "")  # the list has changed: the choice stays
    assert dialog.model.currentData() == str(added[1])
    gone = ClassifyDialog(2, parent)
    gone.set_models(entries, str(tmp_path / "gone"))  # no other one takes its place
    assert (gone.model.currentIndex(), gone.start.isEnabled()) == (-1, False)
    panel.offer_models([(label, one.folder) for label, one in offered(entries)])
    panel.model.setCurrentIndex(2)
    panel.offer_models([(one.title, one.folder) for one in entries[:1]])
    assert [panel.model.itemText(row) for row in range(panel.model.count())] == [labels[0], labels[2]]
    assert panel.model.currentData() == str(added[1])


def test_a_model_that_was_replaced_in_its_folder_is_loaded_again_at_the_start(tmp_path: Path):
    def train(folder: Path, seed: int) -> None:
        torch.manual_seed(seed)
        module, tiles = Inside(Plain().eval(), 2.0**-13), random_tiles(2)
        with torch.no_grad():
            logits = module(torch.from_numpy(tiles.astype(np.float32))[:, None])[0].numpy()
        make_model(folder, archive(module), logits, tiles)

    folder = tmp_path / "mine"
    train(folder, 1)
    choice = ModelChoice(str(folder), "torchscript", allow_phantom_model=False)
    loaded = choice.load(print)
    assert choice.load_if_changed(print, loaded) is loaded
    folder.rename(tmp_path / "elsewhere")
    assert choice.load_if_changed(print, loaded) is loaded  # it is in memory, and was checked
    train(folder, 2)
    assert choice.load_if_changed(print, loaded).model.card == read_card(folder)
    assert loaded.model.card != read_card(folder)


def test_a_card_of_a_window_of_1280_px_is_read_without_scrolling_sideways(qtbot: QtBot):
    view = CardView("Card")
    qtbot.addWidget(view)
    view.set_markdown(card_markdown(read_card(models_dir() / SHIPPED)))
    view.resize(956, 500)
    with qtbot.waitActive(view):
        view.show()
    qtbot.waitUntil(lambda: view.document().documentLayout().documentSize().height() > 3000)
    assert view.document().documentLayout().documentSize().width() <= view.viewport().width() + 8
    assert not view.horizontalScrollBar().isVisible()


def test_markup_in_a_card_or_an_error_is_shown_as_text_and_nothing_is_loaded(qtbot: QtBot, tmp_path: Path):
    view = CardView("Card")
    qtbot.addWidget(view)
    hostile = "<img src='file:///etc/passwd'> ![x](file:///etc/passwd) | # no"
    refusal = ModelMismatchError(hostile)
    fit = ModelFit("m", (Demand("pixel size", hostile, "0.65 um", refusal), Demand("bit depth", "16", "16")))
    page = ModelPage("<b>m</b>", str(tmp_path), hostile, fit, (hostile,), test_failed=True, busy="Testing …")
    view.set_markdown(page_markdown(page))
    text = view.toPlainText()
    assert text.count(hostile.replace(" | ", " ").split()[0]) == 4
    assert "Not passed." in text
    assert "does not fit" in text
    tables = [one for one in view.document().rootFrame().childFrames() if isinstance(one, QTextTable)]
    assert [one.rows() for one in tables] == [3]
    picture = int(QTextDocument.ResourceType.ImageResource)
    assert view.loadResource(picture, QUrl.fromLocalFile(str(tmp_path))) is None
    assert "￼" not in text  # the place of a picture


def test_the_tab_makes_its_widgets_when_it_is_shown_and_keeps_the_selection(qtbot: QtBot):
    tab = ModelsTab([])
    qtbot.addWidget(tab)
    rows = [ModelRow(name, name, "added", "unknown", name) for name in ("a", "b")]
    tab.set_rows(rows)
    tab.select("b")
    tab.set_page("# b")
    assert tab.findChildren(QWidget) == []
    tab.show()
    shown = tab.findChild(QListWidget)
    assert shown is not None
    assert shown.currentRow() == 1
    assert tab.page is not None
    assert tab.page.toPlainText() == "b"
    with qtbot.waitSignal(tab.selected) as chosen:
        shown.setCurrentRow(0)
    assert chosen.args == ["a"]
    tab.set_rows([ModelRow("c", "c", "added", "error", "c"), *rows])
    assert (shown.currentRow(), tab.reference) == (1, "a")


def test_the_box_shows_whether_the_model_fits_and_keeps_its_choice(qtbot: QtBot):
    box = ModelBox(240)
    qtbot.addWidget(box)
    box.set_models([("one", "1", ""), ("two", "/2", "<img src='x'>")], "/2")
    assert "&lt;img" in box.itemData(1, Qt.ItemDataRole.ToolTipRole)  # else Qt would load it
    box.set_verdict("warning", "The frames have 12 bits.")
    assert box.reference == "/2"
    assert [box.itemIcon(index).isNull() for index in range(2)] == [True, False]
    assert "The frames have 12 bits." in box.toolTip()
    assert box.accessibleDescription() == "The frames have 12 bits."
    box.choose("elsewhere")
    assert box.reference == "/2"
    box.set_verdict("unknown", "")
    assert box.itemIcon(1).isNull()
    box.set_models([("one", "1", "")], "/3")  # the list is older than the choice
    assert box.reference == ""


def test_a_long_name_of_a_model_ends_in_an_ellipsis_and_is_whole_in_the_tooltip(qtbot: QtBot):
    box = ModelBox(240)
    qtbot.addWidget(box)
    box.set_models([("phantom-meng2019-second", "1", ""), ("b", "2", "")], "1")
    box.set_verdict("good", "It fits.")
    box.resize(130, 28)
    assert box.shown_text.startswith("phantom")
    assert box.shown_text.endswith("…")
    assert "phantom-meng2019-second" in box.toolTip()
    assert not box.grab().isNull()
    box.choose("2")
    assert box.shown_text == "b"
    assert "phantom" not in box.toolTip()


def test_lengths_have_the_micro_sign_and_folders_keep_their_letters():
    page = ModelPage("one", "/models/0.5 um", card="tiles of 512 px at 0.5 um")
    assert page_markdown(page) == f"tiles of 512 px at 0.5 µm\n\nFolder: {markdown_text('/models/0.5 um')}"
