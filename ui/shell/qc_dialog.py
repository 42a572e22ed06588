"""The dialog with the control charts of the sections in the folder for sections."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QSizePolicy,
    QSplitter,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.formatting import format_utc, full_stop, significant
from hcc_scope.report.control_charts import control_charts
from ui.kit.dialog_buttons import without_icons
from ui.kit.labels import colours_of
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.report.control_charts import Chart, ControlCharts
    from ui.kit.jobs import JobRunner

__all__ = ["ChartView", "QcDialog"]

_LEFT_PX, _TOP_PX, _BOTTOM_PX = 80, 12, 28
_DOT_PX = 4.0
_MARGIN = 0.08
_VERDICTS = {"baseline": "sets the limits", "inside": "inside", "outside": "OUTSIDE", "drift": "DRIFT"}


class ChartView(QWidget):
    """Draws one chart: readings in order of time, and the limits that each was judged by."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chart: Chart | None = None
        self.setAccessibleName("Control chart")
        self.setMinimumSize(40 * GRID_PX, 24 * GRID_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_chart(self, chart: Chart) -> None:
        """Show another chart."""
        self._chart = chart
        self.setAccessibleDescription(f"{chart.title}: {chart.describe_last()}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw it."""
        c = colours_of(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(event.rect(), QColor(c.surface))
        if self._chart is not None:
            self._draw(painter, self._chart)
        painter.end()

    def _draw(self, painter: QPainter, chart: Chart) -> None:
        c = colours_of(self)
        low, high = chart.span()
        pad = _MARGIN * (high - low) or abs(high) or 1.0
        low, high = low - pad, high + pad
        step = (self.width() - _LEFT_PX - GRID_PX) / len(chart.points)
        height = self.height() - _TOP_PX - _BOTTOM_PX

        def place(n: float, value: float) -> QPointF:
            return QPointF(_LEFT_PX + (n + 0.5) * step, _TOP_PX + (high - value) / (high - low) * height)

        band = QColor(c.accent)
        band.setAlpha(50)
        for n, point in enumerate(chart.points):
            if point.limits is None:
                continue
            corner, other = place(n - 0.5, point.limits.high), place(n + 0.5, point.limits.low)
            painter.fillRect(QRectF(corner, other), band)
            painter.setPen(QPen(QColor(c.accent), 1, Qt.PenStyle.DashLine))
            painter.drawLine(place(n - 0.5, point.limits.centre), place(n + 0.5, point.limits.centre))
        painter.setPen(QPen(QColor(c.text_muted), 1))
        painter.drawPolyline(QPolygonF([place(n, point.value) for n, point in enumerate(chart.points)]))
        kinds = {"baseline": c.text_muted, "inside": c.text, "outside": c.error, "drift": c.warning}
        for n, point in enumerate(chart.points):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(kinds[point.verdict]))
            dot = place(n, point.value)
            if point.verdict in ("outside", "drift"):  # a colour is never the only sign
                painter.drawRect(QRectF(dot.x() - _DOT_PX, dot.y() - _DOT_PX, 2 * _DOT_PX, 2 * _DOT_PX))
            else:
                painter.drawEllipse(dot, _DOT_PX, _DOT_PX)
        self._write(painter, chart, low, high)

    def _write(self, painter: QPainter, chart: Chart, low: float, high: float) -> None:
        painter.setPen(QColor(colours_of(self).text_muted))
        painter.drawText(GRID_PX // 2, _TOP_PX + 10, significant(high))
        painter.drawText(GRID_PX // 2, self.height() - _BOTTOM_PX, significant(low))
        first, last = (format_utc(one.t_utc)[:10] for one in (chart.sections[0], chart.sections[-1]))
        painter.drawText(_LEFT_PX, self.height() - GRID_PX, first)
        if last != first:
            width = painter.fontMetrics().horizontalAdvance(last)
            painter.drawText(self.width() - width - GRID_PX, self.height() - GRID_PX, last)


class QcDialog(QDialog):
    """Reads the manifests in a folder, and shows their charts; does not hold up the window.

    Parameters
    ----------
    folder : Path
        Of the sections.
    jobs : JobRunner
    parent : QWidget, optional
    """

    def __init__(self, folder: Path, jobs: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Control charts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._open = True
        self.about = QLabel("Reading the sections …")
        self.about.setWordWrap(True)
        self.list = QTreeWidget()
        self.list.setAccessibleName("Charts")
        self.list.setHeaderLabels(["Reading", "Verdict", "Last"])
        self.list.currentItemChanged.connect(self._chosen)
        self.view = ChartView()
        self.words = QLabel()
        self.words.setWordWrap(True)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.view, 1)
        column.addWidget(self.words)
        split = QSplitter()
        split.addWidget(self.list)
        split.addWidget(right)
        split.setSizes([520, 560])
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        without_icons(buttons)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        layout.setSpacing(2 * GRID_PX)
        layout.addWidget(self.about)
        layout.addWidget(split, 1)
        layout.addWidget(buttons)
        self.resize(1080, 560)
        self.finished.connect(self._closed)
        self._folder = folder
        self._charts: list[Chart] = []
        jobs.submit("disk", partial(control_charts, [folder]), self._show, self._failed)

    @Slot(int)
    def _closed(self, _code: int) -> None:
        self._open = False

    def _failed(self, sentence: str) -> None:
        if self._open:
            self.about.setText(sentence)

    def _show(self, found: ControlCharts) -> None:
        if not self._open:
            return
        self._charts = list(found.charts)
        self.about.setText(full_stop(f"{self._folder}: {found.describe()}"))
        groups: dict[tuple[str, str], QTreeWidgetItem] = {}
        rows: list[QTreeWidgetItem] = []
        for number, chart in enumerate(self._charts):
            key = (chart.rig, chart.objective)
            if key not in groups:
                groups[key] = QTreeWidgetItem(self.list, [", ".join(key)])
                groups[key].setFirstColumnSpanned(True)
            last = chart.points[-1]
            shown = [chart.title, _VERDICTS[last.verdict], f"{significant(last.value)}{chart.kind.unit}"]
            row = QTreeWidgetItem(groups[key], shown)
            row.setData(0, Qt.ItemDataRole.UserRole, number)
            rows.append(row)
        self.list.expandAll()
        for column in range(3):
            self.list.resizeColumnToContents(column)
        first = next((n for n, chart in enumerate(self._charts) if chart.is_out), 0)
        if rows:
            self.list.setCurrentItem(rows[first])
        else:
            self.words.setText("No section here has readings of its microscope.")

    @Slot(QTreeWidgetItem, QTreeWidgetItem)
    def _chosen(self, item: QTreeWidgetItem | None, _before: QTreeWidgetItem | None) -> None:
        number = None if item is None else item.data(0, Qt.ItemDataRole.UserRole)
        if number is None:
            return
        chart = self._charts[number]
        self.view.show_chart(chart)
        advice = f" {chart.kind.advice}" if chart.is_out else ""
        verdict = _VERDICTS[chart.points[-1].verdict]
        self.words.setText(f"{chart.title}, last section: {chart.describe_last()}, {verdict}.{advice}")
