"""Images of other programs in the window: dropped on it, chosen in a dialog, imported as a section."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile
from find import find
from import_parts import pixels_of
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QComboBox, QDoubleSpinBox, QLabel, QPushButton
from shell_parts import finish, name_section, notices, wait_for

from hcc_scope.storage.reader import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from ui.app import App
    from ui.shell.import_dialog import ImportDialog


def drop(app: App, *urls: QUrl) -> bool:
    """Drop something on the window; return whether it took it."""
    dragged = QMimeData()
    dragged.setUrls(list(urls))
    how = Qt.DropAction.CopyAction, dragged, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPointF(200, 200).toPoint(), *how)
    enter.ignore()
    QApplication.sendEvent(app.window, enter)
    if enter.isAccepted():
        QApplication.sendEvent(app.window, QDropEvent(QPointF(200, 200), *how))
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
    assert not drop(shell, QUrl("https://example.org/stack.tif"))
    (tmp_path / "notes.txt").write_text("no image")
    assert drop(shell, QUrl.fromLocalFile(str(tmp_path / "notes.txt")))
    dialog = dialog_of(shell)
    wait_for(lambda: "neither a TIFF nor a PNG" in text(dialog, "What is missing"), "the refusal")
    assert not find(dialog, QPushButton, "Import").isEnabled()
    find(dialog, QPushButton, "Cancel").click()
    assert shell.imports.dialog is None

    assert drop(shell, QUrl.fromLocalFile(str(stack)))
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

    assert drop(shell, QUrl.fromLocalFile(str(store.path)))
    wait_for(lambda: shell.focus.on, "Replay to show the store")
    assert shell.imports.dialog is None
