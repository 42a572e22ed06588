"""Ask where to save a file, without blocking the window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

__all__ = ["ask_where", "with_suffix"]


def with_suffix(path: Path, suffix: str) -> Path:
    """Return a path with an ending, added only where it is missing.

    Examples
    --------
    >>> with_suffix(Path("M7.v2"), ".png").name, with_suffix(Path("a.PNG"), ".png").name
    ('M7.v2.png', 'a.PNG')
    """
    return path if path.suffix.lower() == suffix else path.with_name(path.name + suffix)


def ask_where(parent: QWidget, title: str, suggestion: Path, kind: str, then: Callable[[Path], None]) -> QFileDialog:
    """Ask for a file to write; returns at once, and `then` takes the answer. Asks before a file is replaced.

    Parameters
    ----------
    parent : QWidget
    title : str
        Of the dialog.
    suggestion : Path
        Folder and name to begin with.
    kind : str
        As Qt writes it: ``"PNG picture (*.png)"``.
    then : callable
        Not called if the person changes their mind.
    """
    dialog = QFileDialog(parent, title, str(suggestion.parent), kind)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(suggestion.suffix.removeprefix("."))
    dialog.selectFile(suggestion.name)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.fileSelected.connect(lambda chosen: then(with_suffix(Path(chosen), suggestion.suffix)))
    dialog.open()
    return dialog
