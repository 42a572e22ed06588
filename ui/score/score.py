"""The running score as someone who looks over the operator's shoulder should understand it at once.

No number is alone: beside the score are its interval, its basis, and the statement about the threshold.
A side is named only once the whole, valid interval lies on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from hcc_scope.formatting import full_stop, sentence
from hcc_scope.research_use import research_use
from hcc_scope.score_text import (
    describe_drift,
    describe_excluded_bounds,
    describe_interval,
    describe_lattice,
    describe_score,
    describe_stability,
    format_section_score,
    verdict,
)
from hcc_scope.validation_text import NOT_KNOWN, SCORE_MEANING, describe_error_rate
from ui.kit.labels import ValueLabel, colours_of, grid_margins, heading, quiet, quiet_value
from ui.kit.symbols import SignedLine
from ui.kit.theme import GRID_PX
from ui.score.animal_sections_view import OtherSectionsView
from ui.score.course_plot import CoursePlot
from ui.score.coverage import CoverageView
from ui.score.score_bar import SHAPES, ScoreBar, large_font
from ui.score.worth_view import WorthView

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.inference.card_evaluation import StatementRecord
    from hcc_scope.runs.animal_sections import OtherSection
    from hcc_scope.types import SectionScore, Snapshot
    from ui.kit.mode import ModeName

__all__ = ["ScorePanel"]

_SCORE_SIZE, _VERDICT_SIZE, _ALARM_SIZE = 4.0, 1.4, 1.0  # times the usual text
_NO_SCORE = "–"


class ScorePanel(QWidget):
    """Score, interval, what a verdict is worth, coverage, course and the animal's other sections."""

    prevalence_chosen = Signal(object)
    """A person states the share of animals that are high, 0 to 1; None: no longer."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("Score")
        self.setAccessibleName("Score of the section")
        self._snapshot: Snapshot | None = None
        self._course: NDArray[np.float64] | None = None
        self._of = quiet_value("Section")
        self._number = ValueLabel("Score", _NO_SCORE)
        self._number.setFont(large_font(self._number, _SCORE_SIZE))
        self._number.setToolTip(f"{sentence(SCORE_MEANING)} Over the classified fields.")
        self._meaning = quiet(SCORE_MEANING)
        self._verdict = SignedLine("Side of the threshold", font=large_font(self, _VERDICT_SIZE))
        self._why = quiet_value("Reason for the side")
        self._error_rate = quiet_value("Unseen animals on the right side")
        self._statement: StatementRecord | None = None
        self._prevalence: float | None = None
        self._worth_heading = heading("What a verdict is worth")
        self._worth = WorthView()
        self._worth.prevalence.chosen.connect(self._choose_prevalence)
        self._bar = ScoreBar()
        self._interval = ValueLabel("Interval of the score")
        self._interval.setWordWrap(True)
        self._beside = quiet_value("What the interval does not allow for")
        self._stabilised = SignedLine("Stability of the score")
        self._degraded = SignedLine("Classification")
        self._coverage = CoverageView()
        self._expert = True
        self._coverage_heading = heading("Coverage")
        self._course_heading = heading("Course over the classified fields")
        self._plot = CoursePlot()
        self._others_heading = heading("Other sections of this animal")
        self._others = OtherSectionsView()
        self._research = heading(research_use(None))
        self._alarm = SignedLine("Why this score means nothing", font=large_font(self, _ALARM_SIZE))
        self._lay_out()
        self.set_training(None)
        self.set_section("", "")
        self.set_snapshot(None)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        grid_margins(layout)
        top = QHBoxLayout()
        top.setSpacing(GRID_PX + GRID_PX // 2)
        top.addWidget(self._number)
        top.addWidget(self._meaning, 1, Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self._of)
        layout.addLayout(top)
        layout.addWidget(self._alarm)  # beside the score, where no low window scrolls it away
        layout.addWidget(self._verdict)
        layout.addWidget(self._why)
        layout.addWidget(self._error_rate)
        layout.addWidget(self._bar)
        layout.addWidget(self._interval)
        layout.addWidget(self._stabilised)
        layout.addWidget(self._degraded)
        layout.addWidget(self._course_heading)
        layout.addWidget(self._plot)
        layout.addWidget(self._research)  # up here, where a low window does not scroll it away
        layout.addWidget(self._beside)
        for title, widget in (
            (self._worth_heading, self._worth),
            (self._coverage_heading, self._coverage),
            (self._others_heading, self._others),
        ):
            layout.addSpacing(GRID_PX)
            layout.addWidget(title)
            layout.addWidget(widget)
        layout.addStretch(1)

    def set_mode(self, mode: ModeName) -> None:
        """Show everything, or in Operator mode what fits a low window, the course among it."""
        self._expert = mode == "expert"
        for widget in (self._coverage_heading, self._coverage):
            widget.setVisible(self._expert)

    def set_section(self, animal_id: str, section_id: str, *, replayed: bool = False) -> None:
        """Say whose score this is; empty ids for none. A replayed section has no course, and no other sections here."""
        known = bool(animal_id and section_id)
        where = "In Replay: animal" if replayed else "Animal"
        self._of.setText(f"{where} {animal_id}, section {section_id}" if known else "No section is running.")
        for widget in (self._course_heading, self._plot, self._others_heading, self._others):
            widget.setVisible(not replayed)
        self._coverage.set_replayed(replayed)
        self._others_heading.setText(f"Other sections of {animal_id}" if animal_id else "Other sections of this animal")

    def set_training(self, trained_on: str | None, alarm: str = "") -> None:
        """Say what the model was trained on, and in red why its score of this specimen means nothing.

        Parameters
        ----------
        trained_on : str, optional
            As in the model's card; None where that has no entry.
        alarm : str
            A sentence; empty if there is nothing to warn of.
        """
        self._research.setText(research_use(trained_on))
        self._alarm.setVisible(bool(alarm))
        if alarm:
            self._alarm.show_line("bad", sentence(alarm))
        self._alarmed = bool(alarm)
        self._paint_red()

    def set_statement(self, statement: StatementRecord | None, model_sha256: str | None = None) -> None:
        """Take what a verdict of the model is worth, as its card has it; None: it has no record."""
        self._statement = statement
        self._others.show_statement(statement, model_sha256)
        self._show_worth(None if self._snapshot is None else self._snapshot.score)

    def set_prevalence(self, prevalence: float | None) -> None:
        """Take the share of animals that are high, 0 to 1; None: not stated."""
        self._prevalence = prevalence
        self._show_worth(None if self._snapshot is None else self._snapshot.score)

    @Slot(object)
    def _choose_prevalence(self, prevalence: float | None) -> None:
        self.set_prevalence(prevalence)
        self.prevalence_chosen.emit(prevalence)

    def _show_worth(self, score: SectionScore | None) -> None:
        """Show what the verdict is worth; nothing without a score."""
        scored = score is not None and score.score is not None
        statement = self._statement
        self._error_rate.setText(NOT_KNOWN if statement is None else describe_error_rate(statement))
        self._error_rate.setVisible(scored)
        for widget in (self._worth_heading, self._worth):
            widget.setVisible(scored and statement is not None)
        if score is not None and statement is not None:
            self._worth.show_worth(statement, score, self._prevalence)

    def _paint_red(self) -> None:
        red = f"color: {colours_of(self).error};" if self._alarmed else ""
        for widget in (self._number, self._alarm):
            if widget.styleSheet() != red:
                widget.setStyleSheet(red)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Take the red of another theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_alarmed"):
            self._paint_red()

    def set_snapshot(self, snapshot: Snapshot | None) -> None:
        """Show the state of a run; cheap where nothing that is shown here changed. None for no run."""
        before, self._snapshot = self._snapshot, snapshot
        if snapshot is not None and before is not None and _shown(snapshot) == _shown(before):
            return
        score = None if snapshot is None else snapshot.score
        self._show_score(score)
        self._coverage.show_snapshot(snapshot)
        degraded = None if snapshot is None else snapshot.degraded
        self._degraded.setVisible(degraded is not None)
        if degraded is not None:
            self._degraded.show_line("bad", f"Classification stopped, frames are still stored: {full_stop(degraded)}")
        self._plot.show_threshold(
            None if score is None else score.threshold, None if score is None else score.threshold_interval
        )
        if self._course is not None and (score is None or before is None or _valid(before) != score.interval_valid):
            self.set_course(self._course)

    def set_course(self, course: NDArray[np.float64]) -> None:
        """Draw the course.

        Parameters
        ----------
        course : (n, 4) float64
            Classified fields so far, score, lower and upper end of the interval.
        """
        self._course = course
        valid = self._snapshot is not None and self._snapshot.score.interval_valid
        self._plot.show_course(course, interval_valid=valid)

    def set_other_sections(self, sections: Sequence[OtherSection]) -> None:
        """Show the animal's other sections."""
        self._others.show_sections(sections)

    def _show_score(self, score: SectionScore | None) -> None:
        stated = verdict(score)
        scored = score is not None and score.score is not None
        self._number.setText(format_section_score(score) if score is not None and scored else _NO_SCORE)
        for widget in (self._number, self._meaning):  # without a score the verdict says so
            widget.setVisible(scored)
        self._verdict.show_line(SHAPES[stated.kind], stated.title)
        self._why.setText(sentence(stated.why))
        self._number.setAccessibleDescription(sentence(stated.sentence if score is None else describe_score(score)))
        self._show_worth(score)
        self._bar.show_score(score)
        self._others.show_current(score)
        interval, stability = ("", "") if score is None else (describe_interval(score), describe_stability(score))
        self._interval.setText(interval)
        self._interval.setVisible(bool(interval))
        self._interval.setToolTip("" if score is None else sentence(describe_lattice(score)))
        drift = "" if score is None or not score.interval_valid else describe_drift(score)  # else the verdict has it
        beside = ["" if score is None else describe_excluded_bounds(score), drift]
        self._beside.setText(" ".join(sentence(text) for text in beside if text))
        self._beside.setVisible(any(beside))
        self._stabilised.setVisible(bool(stability))
        if score is not None and stability:
            self._stabilised.show_line("good" if score.stabilised else "busy", full_stop(stability))


def _shown(snapshot: Snapshot) -> tuple[object, ...]:
    return snapshot.score, snapshot.counts, snapshot.expected_frames, snapshot.degraded


def _valid(snapshot: Snapshot) -> bool:
    return snapshot.score.interval_valid
