"""Images of other programs in the window: dropped on it, chosen in a dialog, imported as a section."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from find import find
from import_parts import pixels_of
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QComboBox, QDoubleSpinBox, QLabel, QPushButton, QWidget
from shell_parts import finish, name_section, notices, wait_for

from hcc_scope.errors import HccScopeError
from hcc_scope.runs.import_section import open_import
from hcc_scope.storage.reader import open_store
from ui.shell.import_dialog import ImportDialog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ui.app import App


def drop(target: QWidget, *urls: QUrl) -> bool:
    """Drop something on a window; return whether it took it."""
    dragged = QMimeData()
    dragged.setUrls(list(urls))
    how = Qt.DropAction.CopyAction, dragged, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPointF(200, 200).toPoint(), *how)
    enter.ignore()
    QApplication.sendEvent(target, enter)
    if enter.isAccepted():
        QApplication.sendEvent(target, QDropEvent(QPointF(200, 200), *how))
    return enter.isAccepted()


def dialog_of(app: App) -> ImportDialog:
    dialog = app.imports.dialog
    assert dialog is not None
    return dialog


def text(dialog: ImportDialog, name: str) -> str:
    return find(dialog, QLabel, name).text()


def test_images_that_are_dropped_become_a_section_and_a_store_that_is_dropped_is_opened(shell: App, tmp_path: Path):
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, np.stack([pixels_of(index) for index in range(2)]), photometric="minisblack")
    name_section(shell)
    shell.window.top.engine.setCurrentText("torchscript")
    assert not drop(shell.window, QUrl("https://example.org/stack.tif"))
    (tmp_path / "notes.txt").write_text("no image")
    assert drop(shell.window, QUrl.fromLocalFile(str(tmp_path / "notes.txt")))
    dialog = dialog_of(shell)
    wait_for(lambda: "neither a TIFF nor a PNG" in text(dialog, "What is missing"), "the refusal")
    assert not find(dialog, QPushButton, "Import").isEnabled()
    find(dialog, QPushButton, "Cancel").click()
    assert shell.imports.dialog is None

    assert drop(shell.window, QUrl.fromLocalFile(str(stack)))
    dialog = dialog_of(shell)
    wait_for(lambda: "time points" in text(dialog, "What is missing"), "the headers to be read")
    button = find(dialog, QPushButton, "Import")
    assert not button.isEnabled()
    times = find(dialog, QComboBox, "Time point")
    assert [times.itemText(row) for row in range(times.count())] == ["Choose …", "all, each a field", "0", "1"]
    times.setCurrentIndex(1)
    assert "does not state its pixel size" in text(dialog, "What is missing")
    find(dialog, QDoubleSpinBox, "Pixel size at the specimen in µm").setValue(0.325)
    assert "2 images of 512 × 512 px and 16 bits" in text(dialog, "What is imported")
    assert not find(dialog, QComboBox, "Channel").isVisible()

    button.click()  # the shipped model has seen phantoms alone
    wait_for(lambda: shell.run.phase == "idle" and dialog.isVisible(), "the refusal")
    assert "--allow-phantom-model" in notices(shell)
    shell.run.allow_phantom_model = True
    button.click()
    wait_for(lambda: shell.run.run is not None or shell.run.last_store is not None, "the import to begin")
    assert shell.imports.dialog is None
    finish(shell)
    store = open_store(tmp_path / "sections" / "M7_S1.ome.zarr")
    assert [np.array_equal(store.read(seq).pixels, pixels_of(seq)) for seq in range(2)] == [True, True]
    assert "M7 S1 is complete: 2 frames stored" in notices(shell)
    assert shell.setup.request.section_id == "S2"
    assert shell.run.why_no_retake() == "its images were imported"

    assert drop(shell.window, QUrl.fromLocalFile(str(store.path)))
    wait_for(lambda: shell.focus.on, "Replay to show the store")
    assert shell.imports.dialog is None


class Now:
    """Does work at once."""

    def submit(self, _worker: str, fn: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[str], None]):
        try:
            found = fn()
        except HccScopeError as error:
            failed(str(error))
        else:
            done(found)


def test_a_channel_is_chosen_by_its_place_or_by_its_name_where_sources_have_other_places(qapp: object, tmp_path: Path):
    files = [tmp_path / folder / "two.ome.tif" for folder in "ab"]
    for file, names in zip(files, (["1", "0"], ["0", "1"]), strict=True):
        file.parent.mkdir()
        pixels = np.zeros((2, 8, 8), np.uint16)
        tifffile.imwrite(file, pixels, metadata={"axes": "CYX", "Channel": {"Name": names}})
    parent = QWidget()
    dialog = ImportDialog(Now(), "M7", "S1", tmp_path, parent)
    assert drop(dialog, QUrl.fromLocalFile(str(files[0])))
    channels = find(dialog, QComboBox, "Channel")
    assert [channels.itemText(row) for row in range(channels.count())] == ["Choose …", "0: 1", "1: 0"]
    channels.setCurrentIndex(1)
    with open_import(replace(dialog.request(), pixel_size_um=0.5)) as opened:
        assert [plane.channel for plane in opened.chosen[0].chosen] == [0]

    dialog._list.clear()
    dialog.add([file.parent for file in files])
    assert [channels.itemText(row) for row in range(channels.count())] == ["Choose …", "1", "0"]
    channels.setCurrentIndex(1)
    with open_import(replace(dialog.request(), pixel_size_um=0.5)) as opened:
        assert [plane.channel for one in opened.chosen for plane in one.chosen] == [0, 1]
    size = find(dialog, QDoubleSpinBox, "Pixel size at the specimen in µm")
    size.setValue(6.5 / 60)
    assert dialog.request().pixel_size_um == 0.108333
    assert size.text() == "0.108333 µm"
    dialog.close()
    parent.deleteLater()
