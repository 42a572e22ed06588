"""The animal's other sections: each with its score on the same scale, and the animal's mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from hcc_scope.formatting import counted, format_score, format_threshold
from hcc_scope.report.summary import decision
from hcc_scope.scoring import animal_score
from ui.kit.labels import ValueLabel, quiet_value, words
from ui.kit.symbols import SymbolBadge
from ui.kit.theme import GRID_PX
from ui.score.score_bar import ScoreBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.runs.animal_sections import OtherSection
    from hcc_scope.types import SectionScore
    from ui.kit.symbols import Shape

__all__ = ["OtherSectionsView", "Verdict", "verdict"]


class Verdict(NamedTuple):
    """What may be said about a score."""

    shape: Shape
    words: str
    why: str


def verdict(score: SectionScore | None) -> Verdict:
    """Return what may be said: *high* or *low* only once the whole interval lies on that side of the threshold."""
    if score is None or score.score is None:
        return Verdict("unknown", "No score yet", "No field has been classified.")
    if not score.interval_valid:
        return Verdict("invalid", "No decision", "The interval is not valid for this plan.")
    side = decision(score)
    beside = format_threshold(score.threshold, *score.interval)
    if side is None:
        return Verdict("undecided", "Undecided", f"The interval contains the threshold {beside}.")
    words_, beyond = ("High metastatic side", "above") if side == "high" else ("Low metastatic side", "below")
    return Verdict(side, words_, f"The whole interval is {beyond} the threshold {beside}.")


class OtherSectionsView(QWidget):
    """One row per section."""

    def __init__(self) -> None:
        super().__init__()
        self._sections: tuple[OtherSection, ...] = ()
        self._current: SectionScore | None = None
        self._mean = ValueLabel("Mean of the animal's sections")
        self._mean.setWordWrap(True)
        self._none = quiet_value("Other sections")
        self._none.setText("None stored yet.")
        self._rows = QWidget()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(GRID_PX // 2)
        for widget in (self._none, self._rows, self._mean):
            self._layout.addWidget(widget)
        self._update_mean()

    def show_sections(self, sections: Sequence[OtherSection]) -> None:
        """Show these sections, in this order."""
        if tuple(sections) == self._sections:
            return
        self._sections = tuple(sections)
        rows = QWidget()
        grid = QGridLayout(rows)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GRID_PX)
        grid.setVerticalSpacing(GRID_PX // 2)
        grid.setColumnStretch(2, 1)
        for row, section in enumerate(self._sections):
            said = verdict(section.score)
            meaning = f"{said.words}: {said.why}"
            badge = SymbolBadge()
            badge.show_shape(said.shape, meaning)
            name, bar, number = words(section.section_id), ScoreBar(compact=True), QLabel()
            bar.show_score(section.score)
            one = section.score
            number.setText("none" if one.score is None else format_score(one.score, one.threshold))
            number.setAccessibleName(f"Section {section.section_id}: {number.text()}. {meaning}")
            metrics = self.fontMetrics()
            name.setFixedWidth(min(metrics.horizontalAdvance(section.section_id) + 2, 14 * metrics.averageCharWidth()))
            name.setToolTip(f"Section {section.section_id}")
            for column, widget in enumerate((badge, name, bar, number)):
                grid.addWidget(widget, row, column, Qt.AlignmentFlag.AlignVCenter)
        self._layout.replaceWidget(self._rows, rows)
        self._rows.deleteLater()
        self._rows = rows
        self._update_mean()

    def show_current(self, score: SectionScore | None) -> None:
        """Take the running section into the mean."""
        if score != self._current:
            self._current = score
            self._update_mean()

    def _update_mean(self) -> None:
        scores = [section.score for section in self._sections]
        if self._current is not None:
            scores.append(self._current)
        mean = animal_score(scores)
        n = sum(score.score is not None for score in scores)
        self._none.setVisible(not self._sections)
        self._rows.setVisible(bool(self._sections))
        self._mean.setVisible(bool(self._sections) and mean is not None)
        if mean is not None:
            this = " with this one" if self._current is not None and self._current.score is not None else ""
            self._mean.setText(f"Mean of {counted(n, 'section')}{this}: {mean:.2f}")
