"""From stored sections to a model of one's own, in the window: labels, the manifest, and a training to follow."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from find import find
from PySide6.QtWidgets import QAbstractButton, QCheckBox
from review_parts import settle
from shell_parts import running_app
from test_accessible_names import nameless, shared_names, silent_values

from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.evaluation.training_progress import follow_training
from hcc_scope.storage.section_labels import label_section, section_label
from hcc_scope.storage.writer import create_store
from hcc_scope.theme_colours import colours
from ui import training_presenter
from ui.kit.display import choose_file_dialogs
from ui.kit.jobs import Jobs
from ui.kit.theme import apply_theme
from ui.replay.replay_tab import ReplayTab
from ui.shell.training_dialog import TrainingDialog

sys.path.insert(0, str(Path(__file__).parents[1]))
from storage_cases import make_frame, make_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from ui.kit.theme import ThemeName


@pytest.fixture
def jobs(qapp: QApplication) -> Iterator[Jobs]:
    made = Jobs()
    yield made
    assert made.close(30.0) == ()


def stored(folder: Path, animal: str) -> Path:
    writer = create_store(folder, make_spec((512, 512), animal_id=animal, section_id="S2"))
    writer.append(make_frame(0, (512, 512)))
    writer.close()
    return writer.path


def test_a_section_in_replay_is_labelled_and_the_label_taken_back(qtbot: QtBot, jobs: Jobs, tmp_path: Path):
    store = stored(tmp_path, "M1")
    label_section(store, "low")
    tab = ReplayTab(jobs)
    qtbot.addWidget(tab)
    assert tab.labels is None  # nothing to label yet
    tab.open_stores([store])
    settle(qtbot, jobs)
    low, high = (find(tab, QAbstractButton, f"Label for training: {name}") for name in ("low", "high"))
    assert (low.isChecked(), high.isChecked()) == (True, False)
    high.click()
    assert not high.isChecked()  # not before it is on disk
    settle(qtbot, jobs)
    assert (low.isChecked(), high.isChecked(), section_label(store)) == (False, True, "high")
    assert "Labelled high for training" in tab.stores.list.item(0).text()
    assert "labelled high for training" in tab.notes.list.item(0).text()
    high.click()
    settle(qtbot, jobs)
    assert (high.isChecked(), section_label(store)) == (False, None)


def test_the_manifest_of_the_folder_in_the_library_is_written(
    qapp: QApplication, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
):
    with running_app(tmp_path) as app:
        folder = tmp_path / "sections"
        actions = app.window.actions_
        assert actions.why_not("label_low") == "open the section in Replay first"
        label_section(stored(folder, "M1"), "low")
        app.views.open_store(stored(folder, "M2"))
        settle(qtbot, app.jobs)
        actions["label_high"].trigger()
        settle(qtbot, app.jobs)
        assert actions["label_high"].isChecked()
        messages: list[str] = []
        app.state.message.connect(lambda _level, text: messages.append(text))
        asked: list[Path] = []

        def take(_window: object, _title: str, start: Path, _files: str, then: Callable[[Path], None]) -> None:
            asked.append(start)
            then(start)

        monkeypatch.setattr(training_presenter, "ask_where", take)  # the dialog is the system's
        actions["manifest"].trigger()
        settle(qtbot, app.jobs)
        images = read_manifest(folder / "manifest.csv").images
        assert [(one.animal_id, one.tumour_class) for one in images] == [("M1", "low"), ("M2", "high")]
        listed = f"{folder / 'manifest.csv'} lists 2 images in 2 lines: high has 1 image of 1 animal"
        assert messages[-1].startswith(listed)
        other = tmp_path / "others"
        for animal, label in (("M8", "low"), ("M9", "high")):
            label_section(stored(other, animal), label)
        app.library.library.choose_folder(other)
        actions["manifest"].trigger()
        settle(qtbot, app.jobs)
        assert asked[-1] == other / "manifest.csv"
        assert [one.animal_id for one in read_manifest(asked[-1]).images] == ["M8", "M9"]


def write_run(folder: Path, n_steps: int, *, epochs: int, torn: bytes = b"") -> None:
    """Write a training run's folder as ``hcc-scope train`` leaves it when it is killed."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"asked": {"network": "compact", "recipe": "modern", "steps": 90}}))
    lines: list[dict[str, object]] = []
    for epoch in range(1, epochs + 2):
        for step in range(10, n_steps + 1, 10):
            loss = 0.7 / epoch
            lines.append({"epoch": epoch, "step": step, "loss": loss, "mean_loss": loss, "learning_rate": 0.001})
        if epoch <= epochs:
            lines.append(
                {"epoch": epoch, "loss": 0.6 / epoch, "held_out_loss": 0.65, "held_out_auc": 0.8,
                 "learning_rate": 0.001, "seconds": 2.0}
            )  # fmt: skip
    (folder / "metrics.jsonl").write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines) + torn)


def test_a_training_that_was_killed_is_followed_while_it_goes_on(qtbot: QtBot, jobs: Jobs, tmp_path: Path):
    run = tmp_path / "liver"
    write_run(run, 30, epochs=1, torn=b'{"epoch": 2, "st')
    dialog = TrainingDialog(run, jobs, "dark")
    qtbot.addWidget(dialog)
    settle(qtbot, jobs)
    assert "was stopped or killed before its end; --resume continues it." in dialog.state.text()
    assert "Network compact, recipe modern, 90 steps." in dialog.state.text()
    item = dialog.list.topLevelItem(0)
    assert item.text(1) == "broken off: 1 epoch, loss 0.600, loss on held-out tiles 0.650, their AUC 0.800"
    assert "1 epoch" in dialog.view.accessibleDescription()
    assert not dialog.view.grab().isNull()
    assert not dialog.report.isEnabled()
    assert nameless(dialog) == shared_names(dialog) == silent_values(dialog) == []
    write_run(run, 30, epochs=2)
    (run / "model").mkdir()
    for name in ("card.yaml", "README.md"):
        (run / "model" / name).touch()
    dialog.look()
    settle(qtbot, jobs)
    assert "is finished." in dialog.state.text()
    assert item.text(1).startswith("finished: 2 epochs, loss 0.300")
    assert dialog.report.isEnabled()
    dialog.close()
    progress = follow_training(run)
    assert [steps for steps, _ in progress.networks[0].steps][-1] == 90
    assert progress.networks[0].epoch_ends == (30, 60)


def test_a_folder_that_is_no_training_is_one_sentence(qtbot: QtBot, jobs: Jobs, tmp_path: Path):
    dialog = TrainingDialog(tmp_path, jobs, "light")
    qtbot.addWidget(dialog)
    settle(qtbot, jobs)
    assert dialog.state.text().startswith(f"{tmp_path} holds no training and no evaluation.")
    dialog.close()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_outline_of_a_check_box_stands_out_from_the_window(qtbot: QtBot, qapp: QApplication, theme: ThemeName):
    def lightness(colour: str) -> float:
        return sum(int(colour[at : at + 2], 16) for at in (1, 3, 5)) / 3

    before = qapp.palette(), qapp.style().name()
    try:
        apply_theme(qapp, theme)
        box = QCheckBox("x")
        qtbot.addWidget(box)
        image = box.grab().toImage()
        row = [image.pixelColor(x, image.height() // 2).name() for x in range(20)]
        window = lightness(colours(theme).window)
        assert max(abs(lightness(colour) - window) for colour in row) > 80
    finally:
        qapp.setStyle(before[1])
        qapp.setPalette(before[0])


def test_only_kde_needs_the_portal_for_its_file_dialogs():
    kde = {"XDG_CURRENT_DESKTOP": "KDE", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/1000/bus"}
    chosen = {**kde, "QT_QPA_PLATFORMTHEME": "kde"}
    gnome = {**kde, "XDG_CURRENT_DESKTOP": "ubuntu:GNOME"}
    for environment in (kde, chosen, gnome):
        choose_file_dialogs(environment)
    found = kde.get("QT_QPA_PLATFORMTHEME"), chosen["QT_QPA_PLATFORMTHEME"], gnome.get("QT_QPA_PLATFORMTHEME")
    assert found == ("xdgdesktopportal" if sys.platform.startswith("linux") else None, "kde", None)
