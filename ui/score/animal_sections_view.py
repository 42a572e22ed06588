"""The animal's other sections: each with its score on the same scale, and the animal's mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from hcc_scope.animal_scoring import animal_score
from hcc_scope.formatting import counted, full_stop
from hcc_scope.score_text import SCORE_DECIMALS, format_section_score, verdict
from hcc_scope.validation_text import describe_animal
from ui.kit.labels import ValueLabel, quiet_value, words
from ui.kit.symbols import SymbolBadge
from ui.kit.theme import GRID_PX
from ui.score.score_bar import SHAPES, ScoreBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.inference.card_evaluation import StatementRecord
    from hcc_scope.runs.animal_sections import OtherSection
    from hcc_scope.types import SectionScore

__all__ = ["OtherSectionsView"]


class OtherSectionsView(QWidget):
    """One row per section."""

    def __init__(self) -> None:
        super().__init__()
        self._sections: tuple[OtherSection, ...] = ()
        self._current: SectionScore | None = None
        self._mean = ValueLabel("Mean of the animal's sections")
        self._mean.setWordWrap(True)
        self._statement: StatementRecord | None = None
        self._model_sha256: str | None = None
        self._p_values = quiet_value("What the animal's mean is evidence of")
        self._none = quiet_value("Other sections")
        self._none.setText("None scored by this model yet.")
        self._rows = QWidget()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(GRID_PX // 2)
        for widget in (self._none, self._rows, self._mean, self._p_values):
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
            stated = verdict(section.score)
            meaning = full_stop(stated.sentence)
            badge = SymbolBadge()
            badge.show_shape(SHAPES[stated.kind], meaning)
            name, bar, number = words(section.section_id), ScoreBar(compact=True), QLabel()
            bar.show_score(section.score)
            number.setText(format_section_score(section.score))
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

    def show_statement(self, statement: StatementRecord | None, model_sha256: str | None) -> None:
        """Compare the mean with the scores of unseen animals on the card of a model; None: it has none.

        Only if that model has scored all of the sections.
        """
        if (statement, model_sha256) != (self._statement, self._model_sha256):
            self._statement, self._model_sha256 = statement, model_sha256
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
        one_model = all(section.model_sha256 == self._model_sha256 for section in self._sections)
        evidence = describe_animal(self._statement, mean) if mean is not None and one_model else ""
        self._p_values.setText(evidence)
        self._p_values.setVisible(bool(self._sections) and bool(evidence))
        if mean is not None:
            this = " with this one" if self._current is not None and self._current.score is not None else ""
            self._mean.setText(f"Mean of {counted(n, 'section')}{this}: {mean:.{SCORE_DECIMALS}f}")
