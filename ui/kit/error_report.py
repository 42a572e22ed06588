"""The report of an error: one sentence for a person, and details that they can copy."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox

from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import capital
from ui.kit.dialog_buttons import without_icons

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

__all__ = ["ErrorReport", "describe", "show_error_report"]


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An error, for the operator."""

    sentence: str
    """What, where, and what to do."""
    details: str
    """For debugging: the traceback, or more context; may be empty."""

    def __str__(self) -> str:
        """Return sentence and details, as they are copied."""
        return f"{self.sentence}\n\n{self.details}".strip()


def describe(error: BaseException) -> ErrorReport:
    """Return an error as text. One that is no `HccScopeError` is reported as a bug."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, HccScopeError):
        return ErrorReport(capital("; ".join([str(error), *getattr(error, "__notes__", ())])), details)
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return ErrorReport(
        f"A bug in HCC-Scope ({what}). What was acknowledged is stored; please report the details.", details
    )


def show_error_report(parent: QWidget, title: str, report: ErrorReport) -> QMessageBox:
    """Show what went wrong, with its details to look at and to copy; returns at once."""
    box = QMessageBox(QMessageBox.Icon.Warning, title, report.sentence, QMessageBox.StandardButton.Close, parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    if report.details:
        box.setDetailedText(report.details)
    copy = box.addButton("Copy details", QMessageBox.ButtonRole.ActionRole)
    copy.clicked.disconnect()  # it copies, and does not close the box
    copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(str(report)))
    without_icons(box)
    box.open()
    return box
