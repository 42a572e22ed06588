"""The page before a rig is open: demo, recent rigs and sections, and what this computer lacks."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ui.kit.theme import GRID_PX, colours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QAction

    from hcc_scope.doctor.results import Result
    from ui.kit.theme import ThemeName
    from ui.shell.actions import Actions

__all__ = ["Welcome"]

SHOWN_RECENT = 5
_NARROW_PX, _WIDE_PX = 240, 440


class Welcome(QScrollArea):
    """The page.

    Parameters
    ----------
    actions : Actions
    theme : {"dark", "light"}
    """

    rig_chosen = Signal(str)
    """Carries a rig file, or the name of a shipped rig."""
    store_chosen = Signal(str)

    def __init__(self, actions: Actions, theme: ThemeName) -> None:
        super().__init__()
        self._theme: ThemeName = theme
        self._findings: Sequence[Result] | None = None
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAccessibleName("Welcome page")
        page = QWidget()
        outer = QVBoxLayout(page)
        outer.setContentsMargins(4 * GRID_PX, 4 * GRID_PX, 4 * GRID_PX, 4 * GRID_PX)
        outer.setSpacing(2 * GRID_PX)
        title = QLabel("HCC-Scope")
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 2)
        title.setFont(font)
        outer.addWidget(title)
        intro = QLabel(
            "Does this liver-tumour section look like a low- or a high-metastatic tumour? See it while the section is"
            " still under the lens."
        )
        intro.setWordWrap(True)
        outer.addWidget(intro)
        outer.addSpacing(GRID_PX)

        grid = QGridLayout()
        grid.setHorizontalSpacing(4 * GRID_PX)
        grid.setVerticalSpacing(3 * GRID_PX)
        self._rigs = _Part("Begin")
        self._rigs.add_button(actions["open_demo"], main=True)
        self._rigs.add_text("Micro-Manager's demo camera and stage, with a synthetic section. No microscope needed.")
        self._rigs.add_button(actions["open_rig"])
        self._rigs.add_button(actions["new_rig"])
        self._recent_rigs = _Part("Recent rigs")
        self._stores = _Part("Stored sections")
        self._stores.add_button(actions["open_store"])
        self._missing = _Part("This computer")
        self._missing.add_text("Looking …")
        for place, part in enumerate((self._rigs, self._stores, self._recent_rigs, self._missing)):
            grid.addWidget(part, place // 2, place % 2, Qt.AlignmentFlag.AlignTop)
        for column in (0, 1):
            grid.setColumnStretch(column, _WIDE_PX)
        grid.setColumnStretch(2, 1)  # takes what a wide window has beside both
        outer.addLayout(grid)
        outer.addStretch(1)
        self.setWidget(page)
        self._stores_shown = _Recent(self._stores)
        self._rigs_shown = _Recent(self._recent_rigs)
        self.set_recent((), ())

    def set_recent(self, rigs: Sequence[str], stores: Sequence[str]) -> None:
        """Offer what was opened lately."""
        self._rigs_shown.show([rig for rig in rigs if rig != "demo"], self.rig_chosen.emit, "none yet")
        self._stores_shown.show(list(stores), self.store_chosen.emit, "")

    def set_findings(self, findings: Sequence[Result]) -> None:
        """Show what is installed and what is missing."""
        self._findings = findings
        c = colours(self._theme)
        self._missing.clear()
        for finding in findings:
            good = finding.verdict == "pass"
            mark = f"<span style='color:{c.good}'>✓</span>" if good else f"<span style='color:{c.warning}'>△</span>"
            words = " ".join(filter(None, (finding.words, finding.advice)))
            self._missing.add_text(f"{mark}&nbsp; {'' if good else 'Missing: '}{escape(words)}")

    def set_theme(self, theme: ThemeName) -> None:
        """Take a theme's colours."""
        self._theme = theme
        if self._findings is not None:
            self.set_findings(self._findings)


class _Part(QWidget):
    """A heading with things below."""

    def __init__(self, heading: str) -> None:
        super().__init__()
        self.setMinimumWidth(_NARROW_PX)
        self.setMaximumWidth(_WIDE_PX)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(GRID_PX)
        label = QLabel(heading)
        font = label.font()
        font.setBold(True)
        label.setFont(font)
        self._layout.addWidget(label)
        self._parts: list[QWidget] = []

    def add(self, widget: QWidget) -> None:
        self._layout.addWidget(widget)
        self._parts.append(widget)

    def add_text(self, text: str) -> None:
        label = QLabel(text)
        label.setWordWrap(True)
        self.add(label)

    def add_button(self, action: QAction, *, main: bool = False) -> None:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        button = QPushButton(action.text())
        button.setToolTip(action.toolTip())
        button.setMinimumHeight(4 * GRID_PX)
        button.setDefault(main)
        button.clicked.connect(action.trigger)
        button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        button.setMinimumWidth(22 * GRID_PX)
        layout.addWidget(button)
        layout.addStretch(1)
        self.add(row)

    def clear(self) -> None:
        for widget in self._parts:
            self._layout.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        self._parts.clear()


class _Recent:
    """The links of a part; they are replaced each time."""

    def __init__(self, part: _Part) -> None:
        self._part = part
        self._links: list[QWidget] = []

    def show(self, names: list[str], choose: Callable[[str], None], nothing: str) -> None:
        for link in self._links:
            self._part.layout().removeWidget(link)  # type: ignore[union-attr]  # it has one
            link.hide()
            link.deleteLater()
        self._links.clear()
        for name in names[:SHOWN_RECENT]:
            button = QPushButton(Path(name).name)
            button.setFlat(True)
            button.setToolTip(name)
            button.setAccessibleName(f"Open {name}")
            button.setStyleSheet("text-align: left; padding: 2px 4px;")
            button.clicked.connect(partial(_call, choose, name))
            self._add(button)
        if not names and nothing:
            self._add(QLabel(nothing))

    def _add(self, widget: QWidget) -> None:
        self._part.layout().addWidget(widget)  # type: ignore[union-attr]  # it has one
        self._links.append(widget)


def _call(choose: Callable[[str], None], name: str, _checked: bool = False) -> None:
    choose(name)
