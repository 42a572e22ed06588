"""The coverage of the section: one bar of all frames by state, and a line of text for each part of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from hcc_scope.flag_texts import FLAG_TEXTS, describe_reason_counts
from hcc_scope.formatting import counted, percent, sentence
from hcc_scope.score_text import describe_sample
from ui.kit.labels import ValueLabel, colours_of, quiet_value, words
from ui.kit.swatch import Swatch
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PySide6.QtGui import QPaintEvent

    from hcc_scope.types import Counts, Snapshot
    from ui.kit.theme import Colours

__all__ = ["CoverageView", "describe_excluded_tiles"]


class _Part(NamedTuple):
    """One place where a frame can be."""

    field: str
    """Field of `Counts`."""
    colour: str
    """Field of `Colours`."""
    pattern: Qt.BrushStyle
    words: str
    tip: str
    always: bool
    """Whether it is shown at 0."""


_PARTS = (
    _Part(
        "classified",
        "good",
        Qt.BrushStyle.SolidPattern,
        "classified",
        "Frames with at least one tile that the model classified; the score is their mean.",
        always=True,
    ),
    _Part(
        "excluded",
        "text_muted",
        Qt.BrushStyle.BDiagPattern,
        "excluded, no usable tile",
        f"Frames without a usable tile: {', '.join(text.name for text in FLAG_TEXTS.values())}.",
        always=True,
    ),
    _Part(
        "deferred",
        "warning",
        Qt.BrushStyle.Dense4Pattern,
        "deferred, classified later",
        "Frames that came while the analysis was busy: stored, and classified from the store before the run closes.",
        always=True,
    ),
    _Part(
        "pending",
        "accent",
        Qt.BrushStyle.VerPattern,
        "pending, in analysis now",
        "Frames that were acquired and are in analysis or waiting for it.",
        always=True,
    ),
    _Part(
        "failed",
        "error",
        Qt.BrushStyle.DiagCrossPattern,
        "failed, not classified",
        "Frames that could not be classified; they are stored.",
        always=False,
    ),
    _Part(
        "lost",
        "error",
        Qt.BrushStyle.CrossPattern,
        "lost before they reached us",
        "Frames that the camera's own buffer dropped, or images that could not be read: neither stored nor classified.",
        always=False,
    ),
    _Part(
        "skipped",
        "error",
        Qt.BrushStyle.HorPattern,
        "skipped, not reached by the stage",
        "Fields of the plan without a frame: the stage did not reach them.",
        always=False,
    ),
)


def describe_excluded_tiles(tiles: int, excluded: Mapping[str, int]) -> str:
    """Return how many tiles were left out and why, as text."""
    if not tiles and not excluded:
        return ""
    used = f"{counted(tiles, 'tile')} used"
    if not excluded:
        return f"{used}, none excluded."
    reasons = ", ".join(describe_reason_counts(excluded))
    return f"{used}. Tiles excluded: {reasons}."


def _paint_part(part: _Part, painter: QPainter, rect: QRectF, c: Colours) -> None:
    """Paint one part's pattern with a border, so that parts differ without their colours."""
    colour = QColor(getattr(c, part.colour))
    painter.fillRect(rect, QColor(c.surface))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(colour, 1))
    if part.pattern is Qt.BrushStyle.SolidPattern:
        painter.fillRect(rect, colour)
    else:
        painter.setBrushOrigin(rect.topLeft())
        painter.setBrush(colour)
        brush = painter.brush()
        brush.setStyle(part.pattern)
        painter.fillRect(rect, brush)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(rect.adjusted(0.5, 0.5, -0.5, -0.5))


class _Bar(QWidget):
    """All frames side by side; what a plan still has to acquire stays empty."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: tuple[int, ...] = ()
        self._total = 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Frames of the section")

    def show_numbers(self, numbers: tuple[int, ...], total: int) -> None:
        if (numbers, total) != (self._numbers, self._total):
            self._numbers, self._total = numbers, total
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        line = self.fontMetrics().height()
        return QSize(8 * line, round(0.8 * line))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        c = colours_of(self)
        painter.fillRect(self.rect(), QColor(c.surface))
        left = 0.0
        for part, n in zip(_PARTS, self._numbers, strict=False):
            width = n / max(1, self._total) * self.width()
            if n:
                _paint_part(part, painter, QRectF(left, 0, max(2.0, width), self.height()), c)
            left += width
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()


class CoverageView(QWidget):
    """Says on how many of the frames the score rests, and where the others are."""

    def __init__(self) -> None:
        super().__init__()
        self._replayed = False
        self._sentence = ValueLabel("Frames that the score rests on")
        self._sentence.setWordWrap(True)
        self._bar = _Bar()
        self._tiles = quiet_value("Tiles used and excluded")
        rows = QGridLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setHorizontalSpacing(GRID_PX)
        rows.setVerticalSpacing(GRID_PX // 2)
        rows.setColumnStretch(2, 1)
        self._rows: list[tuple[QWidget, QLabel, QLabel]] = []
        for row, part in enumerate(_PARTS):
            swatch = Swatch(partial(_paint_part, part))
            number, text = ValueLabel(f"Frames {part.words}", "0"), words(part.words)
            for widget in (swatch, number, text):
                widget.setToolTip(part.tip)
            rows.addWidget(swatch, row, 0, Qt.AlignmentFlag.AlignVCenter)
            rows.addWidget(number, row, 1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            rows.addWidget(text, row, 2, Qt.AlignmentFlag.AlignVCenter)
            self._rows.append((swatch, number, text))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID_PX)
        layout.addWidget(self._sentence)
        layout.addWidget(self._bar)
        layout.addLayout(rows)
        layout.addWidget(self._tiles)
        self.show_snapshot(None)

    def set_replayed(self, replayed: bool) -> None:
        """Speak of a stored section, of which nothing is under way, or of a run."""
        self._replayed = replayed
        for part, row in zip(_PARTS, self._rows, strict=True):
            if part.field == "deferred":
                row[2].setText("without a result" if replayed else part.words)
                row[1].setAccessibleName(f"Frames {row[2].text()}")
                for widget in row:
                    widget.setToolTip("Stored frames that were not classified." if replayed else part.tip)

    def show_snapshot(self, snapshot: Snapshot | None) -> None:
        """Show where the frames of a run are; None for no run."""
        numbers = _numbers(None if snapshot is None else snapshot.counts)
        planned = None if snapshot is None else snapshot.expected_frames
        acquired = 0 if snapshot is None else snapshot.counts.acquired
        for part, n, row in zip(_PARTS, numbers, self._rows, strict=True):
            row[1].setText(str(n))
            for widget in row:
                widget.setVisible(n > 0 or (part.always and not (self._replayed and part.field == "pending")))
        self._bar.show_numbers(numbers, max(planned or 0, sum(numbers)))
        self._sentence.setText(_sentence(snapshot))
        self._bar.setAccessibleDescription(self._sentence.text())
        self._bar.setToolTip(_describe_plan(acquired, planned))
        score = None if snapshot is None else snapshot.score
        tiles = "" if score is None else describe_excluded_tiles(score.tiles, score.tiles_excluded)
        self._tiles.setText(tiles)
        self._tiles.setVisible(bool(tiles))


def _numbers(counts: Counts | None) -> tuple[int, ...]:
    return tuple(0 if counts is None else int(getattr(counts, part.field)) for part in _PARTS)


def _sentence(snapshot: Snapshot | None) -> str:
    if snapshot is None:
        return "No section yet."
    acquired, used = snapshot.counts.acquired, snapshot.score.frames
    if not acquired:
        return f"No frame yet. {_describe_plan(0, snapshot.expected_frames)}"
    by_operator = snapshot.score.fields_excluded_by_operator
    text = f"The score rests on {used:,} of {counted(acquired, 'frame')} ({percent(used / acquired, 0)})."
    if by_operator:
        text += f" {by_operator} {'is' if by_operator == 1 else 'are'} excluded by the operator."
    sample = describe_sample(snapshot.score.sample)
    if sample:
        text += f" {sentence(sample)}"
    return f"{text} {_describe_plan(acquired, snapshot.expected_frames)}"


def _describe_plan(acquired: int, planned: int | None) -> str:
    if planned is None:
        return f"{acquired:,} acquired, open-ended." if acquired else "The run is open-ended."
    if not acquired:
        return f"{counted(planned, 'frame')} {'is' if planned == 1 else 'are'} planned."
    return f"{acquired:,} of {counted(planned, 'planned frame')} acquired."
