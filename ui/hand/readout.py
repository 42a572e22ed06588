"""What is read from a metre away, hands on the stand: one state word, one number, one arrow, and the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from hcc_scope.formatting import sentence
from hcc_scope.score_text import SCORE_NAME, describe_interval, describe_score, format_section_score, verdict
from hcc_scope.validation_text import NOT_KNOWN, SCORE_MEANING, describe_error_rate
from ui.hand.arrow import ArrowSign
from ui.hand.state import NO_SECTION, HandState, count_of
from ui.kit.labels import ValueLabel, announce, with_micro_sign
from ui.kit.symbols import SymbolBadge
from ui.kit.theme import GRID_PX
from ui.score.score_bar import SHAPES, ScoreBar

if TYPE_CHECKING:
    from PySide6.QtGui import QFont, QResizeEvent

    from hcc_scope.by_hand import HandView
    from hcc_scope.inference.card_evaluation import StatementRecord
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.types import SectionScore

__all__ = ["LARGE_PX", "Readout"]

LARGE_PX = 48
"""Height of the font of state word and numbers where there is room: readable from a metre away."""
_LEAST_PX = 28
_WIDTH_SHARE, _HEIGHT_SHARE = 1 / 16, 1 / 20
"""Height of that font as a share of the panel's width and of the window's height."""
_NO_SCORE = ""
"""The words beside it say so; its place stays."""


class Readout(QWidget):
    """State and number at the top, arrow and score below."""

    def __init__(self) -> None:
        super().__init__()
        self._px = 0
        self._shown_score: SectionScore | None = None
        self._statement: StatementRecord | None = None
        self._badge = SymbolBadge("busy")
        self._word = ValueLabel("State")
        self._explanation = ValueLabel("What the state means")
        self._message = ValueLabel("What happened last")
        self._count = ValueLabel("Captured fields", tip="Captured fields; in a guided section, of the drawn ones")
        self._of = ValueLabel("What is counted")
        self._remark = ValueLabel("Skipped fields, and those kept against a rule")
        self._arrow = ArrowSign()
        self._way = ValueLabel("Way to the next field")
        self._score = ValueLabel("Score beside the picture", tip=sentence(SCORE_MEANING))
        self._verdict_badge = SymbolBadge()
        self._verdict = ValueLabel("Side of the threshold, beside the picture")
        self._interval = ValueLabel("Interval of the score, beside the picture")
        self._name = ValueLabel("Name of the score beside the picture")
        self._bar = ScoreBar(compact=True)
        self._bar.setAccessibleName("Score on its scale, beside the picture")
        for label in (self._explanation, self._message, self._verdict, self._interval, self._way):
            label.setWordWrap(True)
        for label in (self._message, self._interval, self._name):
            label.setForegroundRole(self.palette().ColorRole.PlaceholderText)
        self._lay_out()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self._fit_fonts()
        self.show_view(None, NO_SECTION)
        self.show_score(None)

    def _lay_out(self) -> None:
        state, count, way, score = QHBoxLayout(), QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for row in (state, count, way, score):
            row.setSpacing(2 * GRID_PX)
        state.addWidget(self._badge)
        state.addWidget(self._word, 1)
        beside = QVBoxLayout()
        beside.setSpacing(0)
        beside.addStretch(1)
        beside.addWidget(self._of)
        beside.addWidget(self._remark)
        beside.addStretch(1)
        count.addWidget(self._count)
        count.addLayout(beside, 1)
        way.addWidget(self._arrow)
        way.addWidget(self._way, 1)
        side = QVBoxLayout()
        side.setSpacing(GRID_PX // 2)
        stated = QHBoxLayout()
        stated.setSpacing(GRID_PX)
        stated.addWidget(self._verdict_badge)
        stated.addWidget(self._verdict, 1)
        side.addStretch(1)
        side.addLayout(stated)
        side.addWidget(self._bar)
        side.addWidget(self._name)
        side.addStretch(1)
        score.addWidget(self._score)
        score.addLayout(side, 1)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(3 * GRID_PX)
        grid.setVerticalSpacing(GRID_PX // 2)
        grid.addLayout(state, 0, 0)
        grid.addLayout(count, 0, 1)
        grid.addWidget(self._explanation, 1, 0)
        grid.addWidget(self._interval, 3, 1)
        grid.addLayout(way, 2, 0)
        grid.addLayout(score, 2, 1)
        grid.addWidget(self._message, 3, 0)
        grid.setColumnStretch(0, 4)
        grid.setColumnStretch(1, 3)
        for label in (self._explanation, self._message, self._interval):
            label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)

    # -- its size ------------------------------------------------------------------------------------------------------

    @property
    def large_px(self) -> int:
        """Height of the font of state word and numbers now."""
        return self._px

    @property
    def state(self) -> str:
        """The state word that is shown."""
        return self._word.text()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Use the room there is."""
        super().resizeEvent(event)
        self._fit_fonts()

    def _fit_fonts(self) -> None:
        room = min(self.width() * _WIDTH_SHARE, self.window().height() * _HEIGHT_SHARE)
        px = round(min(max(room, _LEAST_PX), LARGE_PX))
        if px == self._px:
            return
        self._px = px
        for widget in (self._word, self._count, self._score, self._badge):
            widget.setFont(_font(widget, px, bold=True))
        for widget in (self._way, self._of):
            widget.setFont(_font(widget, max(round(px * 0.5), 15), bold=widget is self._way))
        for widget in (self._verdict, self._verdict_badge):
            widget.setFont(_font(widget, max(round(px * 0.4), 14), bold=False))
        for widget in (self._explanation, self._message, self._remark, self._interval, self._name):
            widget.setFont(_font(widget, max(round(px * 0.34), 13), bold=False))
        self._arrow.set_side_px(round(px * 1.5))
        two_lines = 2 * self._explanation.fontMetrics().lineSpacing()
        for label in (self._explanation, self._message, self._interval):
            label.setMinimumHeight(two_lines)  # nothing jumps when a text becomes longer
        self._score.setMinimumWidth(self._score.fontMetrics().horizontalAdvance("0.000"))
        self._count.setMinimumWidth(self._count.fontMetrics().horizontalAdvance("00"))
        self._way.setMinimumHeight(2 * self._way.fontMetrics().lineSpacing())

    # -- what it shows -------------------------------------------------------------------------------------------------

    def show_view(self, view: HandView | None, state: HandState, sample: DrawnSample | None = None) -> None:
        """Show what is known after a live frame, and of the drawn fields if there are any; None before the first."""
        self.show_state(state)
        self._set(self._message, "" if view is None or not view.message else sentence(view.message))
        count = count_of(view, sample)
        self._set(self._count, count.n)
        self._set(self._of, count.of)
        self._set(self._remark, count.remark)
        self._remark.setVisible(bool(count.remark))
        guidance = None if view is None else view.guidance
        self._arrow.show_guidance(guidance)
        self._set(self._way, "" if guidance is None else with_micro_sign(guidance.text))

    def show_state(self, state: HandState) -> None:
        """Show another state; the numbers stay."""
        if state.word != self._word.text() and state.sign != "busy":
            announce(self._word, state.word, urgent=state.urgent)
        self._badge.show_shape(state.sign, f"State: {state.word}")
        self._set(self._word, state.word)
        self._set(self._explanation, state.explanation)
        self._word.setToolTip(state.explanation)

    def show_score(self, score: SectionScore | None) -> None:
        """Show the score; None for none. Cheap where it is the same."""
        if score is not None and score == self._shown_score:
            return
        self._shown_score = score
        stated = verdict(score)
        self._set(self._score, _NO_SCORE if score is None or score.score is None else format_section_score(score))
        self._set(self._name, "" if score is None or score.score is None else SCORE_NAME)
        description = sentence(stated.sentence if score is None else describe_score(score))
        self._score.setAccessibleDescription(description)
        self._verdict_badge.show_shape(SHAPES[stated.kind], stated.title)
        self._set(self._verdict, stated.title)
        interval = "" if score is None else describe_interval(score)
        why = sentence(stated.why) if stated.why else interval
        if stated.kind in ("low", "high"):
            why += f" {NOT_KNOWN if self._statement is None else describe_error_rate(self._statement)}"
        self._set(self._interval, why)
        self._bar.show_score(score)

    def show_statement(self, statement: StatementRecord | None) -> None:
        """Take what a verdict of the model is worth; None: its card has no record."""
        self._statement = statement
        shown, self._shown_score = self._shown_score, None
        self.show_score(shown)

    @staticmethod
    def _set(label: ValueLabel, text: str) -> None:
        if label.text() != text:
            label.setText(text)


def _font(widget: QWidget, px: int, *, bold: bool) -> QFont:
    font = widget.font()
    font.setPixelSize(px)
    font.setBold(bold)
    return font
