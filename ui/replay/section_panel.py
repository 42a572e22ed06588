"""A stored section: ids, how it was acquired, and each analysis with its score, interval and coverage."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QTextDocumentFragment
from PySide6.QtWidgets import QLabel, QScrollArea, QVBoxLayout, QWidget

from hcc_scope.flag_texts import describe_reason_counts
from hcc_scope.formatting import capital, counted, sentence, significant
from hcc_scope.report.acquired_text import acquired_word, describe_acquired, describe_ended
from hcc_scope.research_use import RESEARCH_USE_ONLY, phantom_alarm
from hcc_scope.score_text import SAMPLING_TEXTS, describe_named_score
from hcc_scope.storage.notes import stored_retakes
from hcc_scope.validation_text import describe_statement
from ui.kit.labels import breakable
from ui.kit.theme import GRID_PX, colours

if TYPE_CHECKING:
    from hcc_scope.runs.section_analyses import OpenedStore, SectionAnalysis
    from ui.kit.theme import ThemeName

__all__ = ["SectionPanel"]


class SectionPanel(QScrollArea):
    """Text that can be selected and copied."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._opened: OpenedStore | None = None
        self._theme: ThemeName = "dark"
        self._prevalence: float | None = None
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.RichText)
        self.label.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.label.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.label.setAccessibleName("About the section")
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        column.addWidget(self.label, 1)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.set_store(None)

    def _set_text(self, html: str) -> None:
        self.label.setText(html)
        self.label.setAccessibleDescription(QTextDocumentFragment.fromHtml(html).toPlainText())

    def set_store(self, opened: OpenedStore | None) -> None:
        """Describe a store."""
        self._opened = opened
        self._show_text()

    def set_prevalence(self, prevalence: float | None) -> None:
        """Take the share of animals that are high, 0 to 1; None: not stated."""
        self._prevalence = prevalence
        self._show_text()

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._theme = theme
        self._show_text()

    def _show_text(self) -> None:
        opened, c = self._opened, colours(self._theme)
        if opened is None:
            self._set_text("Open a store, or drop its folder here.")
            return
        spec, n_frames = opened.spec, opened.store.n_frames
        n_fields = n_frames - len(stored_retakes(opened.notes, n_frames))
        in_frames = "" if n_fields == n_frames else f" in {n_frames:,} frames"
        muted = f"color: {c.text_muted}"
        lines = [f"<h3>Animal {escape(spec.animal_id)}, section {escape(spec.section_id)}</h3>"]
        facts = [
            (acquired_word(spec.sampling), capital(describe_acquired(opened.store.recorded))),
            ("Fields", f"{n_fields:,}{in_frames}: {SAMPLING_TEXTS[spec.sampling]}"),
            ("Frame", f"{spec.frame_shape_yx[1]} x {spec.frame_shape_yx[0]} px, {spec.bit_depth} bit"),
            ("Pixel size", f"{significant(spec.pixel_size_um, 4)} µm" if spec.pixel_size_um > 0 else "unknown"),
            ("Correction", opened.store.recorded.provenance.correction),
            ("Ended", describe_ended(opened.store.recorded, n_fields, spec.expected_frames)),
            ("Store", str(opened.path)),
        ]
        lines.append("<table cellspacing='0' cellpadding='2'>")
        lines += [
            f"<tr><td style='{muted}'>{name}&nbsp;&nbsp;</td><td>{breakable(escape(value))}</td></tr>"
            for name, value in facts
        ]
        lines.append("</table>")
        lines += [f"<p style='color: {c.warning}'>⚠ {escape(sentence(problem))}</p>" for problem in opened.problems]
        lines += [self._analysis(one) for one in opened.analyses]
        if not opened.analyses:
            lines.append("<p>No predictions are recorded. Classify the section to get a score.</p>")
        if opened.happened:
            happened = "<br>".join(breakable(escape(one)) for one in opened.happened)
            lines.append(f"<h4 style='margin-bottom: 2px'>During the run</h4><div style='{muted}'>{happened}</div>")
        lines.append(f"<p style='{muted}'>{escape(RESEARCH_USE_ONLY)}</p>")
        self._set_text("".join(lines))

    def _alarm(self, one: SectionAnalysis) -> str:
        alarm = "" if self._opened is None else phantom_alarm(one.trained_on, self._opened.spec.provenance)
        return f"<div style='color: {colours(self._theme).error}'><b>{escape(alarm)}</b></div>" if alarm else ""

    def _analysis(self, one: SectionAnalysis) -> str:
        score, c = one.score, colours(self._theme)
        outcomes = [result.outcome for result in one.results.values()]
        n_open = (self._opened.store.n_frames if self._opened is not None else len(outcomes)) - len(outcomes)
        coverage = [f"{counted(outcomes.count('classified'), 'field')} classified"]
        coverage += [f"{outcomes.count(word)} {word}" for word in ("excluded", "failed") if word in outcomes]
        if n_open > 0:
            coverage.append(f"{n_open} without a result")
        if self._opened is not None and self._opened.excluded:
            coverage.append(f"{len(self._opened.excluded)} excluded by the operator")
        tiles = [f"{counted(score.tiles, 'tile')} scored", *describe_reason_counts(score.tiles_excluded)]
        return (
            f"<h4 style='margin-bottom: 2px'>{escape(one.title)}</h4>{self._alarm(one)}"
            f"<div><b>{escape(capital(describe_named_score(score)))}</b></div>{self._worth(one)}"
            f"<div style='color: {c.text_muted}'>{escape('; '.join(coverage))}. {escape(', '.join(tiles))}.<br>"
            f"{escape(one.model)} on {escape(one.engine)}{'. ' + escape(one.note) if one.note else ''}</div>"
        )

    def _worth(self, one: SectionAnalysis) -> str:
        """Return what the verdict is worth; nothing without a score."""
        if one.score.score is None:
            return ""
        sentences = describe_statement(one.card.statement, one.score, self._prevalence)
        return f"<div>{escape(' '.join(sentences))}</div>"
