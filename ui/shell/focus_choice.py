"""The choice of when to focus, for a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSpinBox, QWidget

from hcc_scope.plans.focusing import NO_FOCUSING, Focusing
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.plans.focusing import FocusMode

__all__ = ["FocusChoice"]

_MOST_K = 10_000
_DEFAULT_K = 5
_WORDS: dict[FocusMode, str] = {
    "none": "no: the height stays as it is",
    "once": "once, at the first field",
    "every_k": "again after so many fields:",
    "plane": "by a plane through {points} places",
}


class FocusChoice(QWidget):
    """Whether and when a section is focused by the camera's image.

    Parameters
    ----------
    focusing : Focusing
        The present choice.
    modes : tuple of FocusMode
        Those that the plan can have.
    name : str
        For screen readers.
    """

    changed = Signal()
    """Another choice."""

    def __init__(self, focusing: Focusing, modes: tuple[FocusMode, ...], name: str) -> None:
        super().__init__()
        self._modes = modes
        self._mode = QComboBox()
        self._plane = focusing if focusing.mode == "plane" else Focusing("plane")
        self._mode.addItems([_WORDS[mode].format(points=self._plane.points) for mode in modes])
        self._mode.setCurrentIndex(modes.index(focusing.mode) if focusing.mode in modes else 0)
        self._mode.setAccessibleName(name)
        self._mode.setToolTip(
            "A search over \u00b120 \u00b5m, over tissue, before the exposure. It takes some seconds. If it finds no\n"
            "height, the focus stays as it was, and the section continues."
        )
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        row.addWidget(self._mode)
        self._k: QSpinBox | None = None
        if "every_k" in modes:
            self._k, self._unit = QSpinBox(), QLabel("fields")
            self._k.setRange(1, _MOST_K)
            self._k.setValue(focusing.every_k if focusing.mode == "every_k" else _DEFAULT_K)
            self._k.setAccessibleName("Fields from one focusing to the next")
            row.addWidget(self._k)
            row.addWidget(self._unit)
        row.addStretch(1)
        self._mode.currentIndexChanged.connect(self._update)
        self._mode.currentIndexChanged.connect(self.changed)
        if self._k is not None:
            self._k.valueChanged.connect(self.changed)
        self._update()

    @Slot()
    def _update(self, _index: int = 0) -> None:
        if self._k is not None:
            for widget in (self._k, self._unit):
                widget.setVisible(self._modes[self._mode.currentIndex()] == "every_k")

    def focusing(self) -> Focusing:
        """Return what is chosen."""
        match self._modes[self._mode.currentIndex()]:
            case "every_k" if self._k is not None:
                return Focusing("every_k", every_k=self._k.value())
            case "plane":
                return self._plane
            case "once":
                return Focusing("once")
            case _:
                return NO_FOCUSING
