"""A page whose content is made when it is first needed: a window with less in it opens sooner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QShowEvent

__all__ = ["LatePage"]

W = TypeVar("W", bound=QWidget)


class LatePage(QWidget, Generic[W]):
    """Holds one widget, which is made when the page is first shown or the widget is asked for.

    Parameters
    ----------
    make : callable
        Returns the widget.
    around : callable, optional
        Returns what the page shows of it, with a scroll area around it for example.
    """

    made = Signal()
    """The content is there: it can be connected and filled."""

    def __init__(self, make: Callable[[], W], around: Callable[[W], QWidget] | None = None) -> None:
        super().__init__()
        self._make, self._around = make, around
        self._content: W | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)

    @property
    def is_made(self) -> bool:
        """Whether the content is there."""
        return self._content is not None

    @property
    def content(self) -> W:
        """The content, made now if it is not there yet."""
        if self._content is None:
            self._content = self._make()
            self._column.addWidget(self._content if self._around is None else self._around(self._content))
            self.made.emit()
        return self._content

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Make the content."""
        super().showEvent(event)
        _ = self.content
