"""The dialogs in which folders and files are chosen. They return at once; a function takes the choice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

__all__ = ["choose_folder", "choose_new_picture", "choose_plan_file", "choose_rig_file"]


def choose_folder(parent: QWidget, title: str, start: Path, chosen: Callable[[str], None]) -> None:
    """Choose a folder; the dialog begins in `start`, or in the home folder if that does not exist."""
    dialog = QFileDialog(parent, title, str(start if start.is_dir() else Path.home()))
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    _open(dialog, chosen)


def choose_rig_file(parent: QWidget, start: Path, chosen: Callable[[str], None]) -> None:
    """Choose a rig file or a Micro-Manager configuration."""
    dialog = QFileDialog(parent, "Open rig", str(start), "Rigs (*.rig.yaml *.yaml *.yml *.cfg);;All files (*)")
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    _open(dialog, chosen)


def choose_plan_file(parent: QWidget, start: Path, chosen: Callable[[str], None]) -> None:
    """Choose a plan file, or a position list of Micro-Manager."""
    dialog = QFileDialog(parent, "Load plan", str(start), "Plans (*.yaml *.yml *.pos);;All files (*)")
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    _open(dialog, chosen)


def choose_new_picture(parent: QWidget, start: Path, chosen: Callable[[str], None]) -> None:
    """Choose the PNG file in which a view is saved."""
    dialog = QFileDialog(parent, "Export view", str(start), "PNG pictures (*.png)")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix("png")
    _open(dialog, chosen)


def _open(dialog: QFileDialog, chosen: Callable[[str], None]) -> None:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.fileSelected.connect(chosen)
    dialog.open()
