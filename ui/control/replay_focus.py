"""The focus of Replay: whether score, quality and buttons belong to its section, and which field is on the screen."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

__all__ = ["ReplayFocus", "ReplayedField"]


@dataclass(frozen=True, slots=True)
class ReplayedField:
    """A stored field that Replay shows."""

    seq: int
    excluded: bool
    """Whether it is excluded from the score of its section."""


class ReplayFocus(QObject):
    """Set by the presenter of Replay; read by everything that belongs either to the run or to Replay."""

    changed = Signal()
    """Another section or field is shown in Replay, or Replay was opened or left."""
    map_taken = Signal()
    """The map shows a section in Replay from now on."""
    map_given_back = Signal()
    """The map shows no section in Replay any more, and is free for the plan of the next section."""
    left = Signal()
    """Score, quality and buttons belong to the run again."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._on = False
        self._field: ReplayedField | None = None
        self.fills_gallery = False
        """Whether the tiles in the gallery are those of a section in Replay; set by its presenter."""
        self.fills_map = False
        """Whether the fields on the map are those of a section in Replay."""

    @property
    def on(self) -> bool:
        """Whether score, quality and buttons belong to a section in Replay."""
        return self._on

    @property
    def field(self) -> ReplayedField | None:
        """The field that Replay shows; None if it shows none."""
        return self._field

    def take_map(self) -> None:
        """Show a section in Replay on the map from now on."""
        self.fills_map = True
        self.map_taken.emit()

    def give_map_back(self) -> None:
        """Show no section in Replay on the map any more."""
        self.fills_map = False
        self.map_given_back.emit()

    def set(self, field: ReplayedField | None, *, on: bool) -> None:
        """Take what Replay shows, and whether its tab is open."""
        left = self._on and not on
        self._on, self._field = on, field
        if left:
            self.left.emit()
        self.changed.emit()
