"""The dialog About: what the program is, its versions, and what it must not be used for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, qVersion
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox, QTextEdit

from hcc_scope.report.summary import software_versions
from hcc_scope.research_use import RESEARCH_USE_ONLY
from ui.kit.dialog_buttons import without_icons

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

__all__ = ["show_about"]


def show_about(parent: QWidget) -> QMessageBox:
    """Show it; returns at once."""
    versions = {**software_versions(), "Qt": qVersion()}
    text = "\n".join(f"{name} {version}" for name, version in versions.items())
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle("About HCC-Scope")
    box.setText(f"<h3>HCC-Scope {versions['hcc-scope']}</h3><p><b>{RESEARCH_USE_ONLY}</b></p>")
    box.setInformativeText(
        "Acquires, stores and classifies microscope sections of liver-cancer tumours while they are under the lens."
        " The shipped model is trained on a synthetic phantom: its numbers mean nothing for tissue."
    )
    box.setDetailedText(text)
    for details in box.findChildren(QTextEdit):
        details.setAccessibleName("Versions of the software")
    box.setStandardButtons(QMessageBox.StandardButton.Close)
    copy = box.addButton("Copy versions", QMessageBox.ButtonRole.ActionRole)
    copy.clicked.disconnect()  # it copies, and does not close the box
    copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(text))
    without_icons(box)
    box.open()
    return box
