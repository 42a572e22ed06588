"""The dialog that follows a training or an evaluation: its folder is read again every few seconds, by a worker."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt, QTimer, QUrl, Slot
from PySide6.QtGui import QColor, QDesktopServices, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QSizePolicy,
    QSplitter,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.evaluation.training_progress import follow_training
from ui.kit.dialog_buttons import without_icons
from ui.kit.labels import ValueLabel
from ui.kit.theme import GRID_PX, colours

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtGui import QPaintEvent

    from hcc_scope.evaluation.training_progress import NetworkProgress, TrainingProgress
    from ui.kit.jobs import JobRunner
    from ui.kit.theme import ThemeName

__all__ = ["LossView", "TrainingDialog"]

LOOK_MS = 3000
_LEFT_PX, _BOTTOM_PX, _TOP_PX = 56, 28, 28
_MARK_PX = 4.0


class LossView(QWidget):
    """Draws the loss of one network over its steps: a line; on held-out tiles after each epoch: triangles."""

    def __init__(self, theme: ThemeName) -> None:
        super().__init__()
        self._theme = theme
        self._network: NetworkProgress | None = None
        self.setAccessibleName("Loss over the steps")
        self.setMinimumSize(36 * GRID_PX, 22 * GRID_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_network(self, network: NetworkProgress | None) -> None:
        """Show another network, or how far it is now."""
        self._network = network
        self.setAccessibleDescription("" if network is None else f"{network.name}, {network.describe()}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw it."""
        c = colours(self._theme)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(event.rect(), QColor(c.surface))
        network = self._network
        if network is not None and network.steps:
            self._draw(painter, network)
        else:
            painter.setPen(QColor(c.text_muted))
            words = "No step is recorded yet." if network is not None else ""
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, words)
        painter.end()

    def _draw(self, painter: QPainter, network: NetworkProgress) -> None:
        c = colours(self._theme)
        ends = network.epoch_ends
        held = [(at, one.held_out_loss) for at, one in zip(ends, network.epochs, strict=True)]
        values = [loss for _, loss in network.steps] + [loss for _, loss in held if loss is not None]
        low, high = min(values), max(values)
        pad = 0.08 * (high - low) or 0.1
        low, high, last = low - pad, high + pad, max(network.steps[-1][0], 1)
        width, height = self.width() - _LEFT_PX - 2 * GRID_PX, self.height() - _TOP_PX - _BOTTOM_PX

        def place(step: float, loss: float) -> QPointF:
            return QPointF(_LEFT_PX + step / last * width, _TOP_PX + (high - loss) / (high - low) * height)

        painter.setPen(QPen(QColor(c.border), 1))
        for at in ends:
            painter.drawLine(place(at, low), place(at, high))
        painter.setPen(QPen(QColor(c.text), 2))
        painter.drawPolyline(QPolygonF([place(step, loss) for step, loss in network.steps]))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(c.accent))
        for at, loss in held:
            if loss is not None:
                _triangle(painter, place(at, loss))
        metrics = painter.fontMetrics()
        painter.setPen(QColor(c.text_muted))
        painter.drawText(GRID_PX // 2, _TOP_PX + metrics.ascent() // 2, f"{high:.2f}")
        painter.drawText(GRID_PX // 2, _TOP_PX + height, f"{low:.2f}")
        painter.drawText(_LEFT_PX, self.height() - GRID_PX, "0")
        end = f"{last} steps"
        right = _LEFT_PX + width - metrics.horizontalAdvance(end)
        painter.drawText(round(right), self.height() - GRID_PX, end)
        painter.drawText(_LEFT_PX, _TOP_PX - GRID_PX, "loss in the epoch so far")
        if any(loss is not None for _, loss in held):
            x = _LEFT_PX + metrics.horizontalAdvance("loss in the epoch so far") + 4 * GRID_PX
            painter.drawText(x + GRID_PX, _TOP_PX - GRID_PX, "on held-out tiles")
            painter.setPen(Qt.PenStyle.NoPen)
            _triangle(painter, QPointF(x, _TOP_PX - GRID_PX - metrics.ascent() / 3))


def _triangle(painter: QPainter, at: QPointF) -> None:
    size = _MARK_PX
    painter.drawPolygon(QPolygonF([at + QPointF(0, -size), at + QPointF(size, size), at + QPointF(-size, size)]))


class TrainingDialog(QDialog):
    """Shows how far it is until it is closed.

    Parameters
    ----------
    folder : Path
        Of the training or the evaluation.
    jobs : JobRunner
        Reads on its worker ``disk``.
    theme : {"dark", "light"}
    parent : QWidget, optional
    """

    def __init__(self, folder: Path, jobs: JobRunner, theme: ThemeName, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Training {folder.name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._folder, self._jobs = folder, jobs
        self._open, self._reading = True, False
        self._newest_row = -1
        self._found: TrainingProgress | None = None
        self.state = ValueLabel("State of the training", "Reading the folder …")
        self.protocols = ValueLabel("Figures so far")
        self.list = QTreeWidget()
        self.view = LossView(theme)
        self.report = self._build()
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()
        self.finished.connect(self._closed)
        self.look()

    def _build(self) -> QWidget:
        for label in (self.state, self.protocols):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.list.setAccessibleName("Networks")
        self.list.setHeaderLabels(["Network", "How far"])
        self.list.setRootIsDecorated(False)
        self.list.currentItemChanged.connect(self._chosen)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.list)
        split.addWidget(self.view)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        report = buttons.addButton("Open report", QDialogButtonBox.ButtonRole.ActionRole)
        report.clicked.connect(self._open_report)
        report.setEnabled(False)
        without_icons(buttons)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        layout.setSpacing(GRID_PX)
        layout.addWidget(self.state)
        layout.addWidget(self.protocols)
        layout.addWidget(split, 1)
        layout.addWidget(buttons)
        self.resize(760, 620)
        return report

    @Slot()
    def look(self) -> None:
        """Read the folder again, unless it is being read."""
        if not self._reading and self._open:
            self._reading = True
            self._jobs.submit("disk", partial(follow_training, self._folder, self._found), self._show, self._failed)

    @Slot(int)
    def _closed(self, _code: int) -> None:
        self._open = False
        self._timer.stop()

    def _failed(self, sentence: str) -> None:
        self._reading = False
        if self._open:
            self.state.setText(sentence)

    def _show(self, found: TrainingProgress) -> None:
        self._reading = False
        if not self._open:
            return
        self._found = found
        self.state.setText(" ".join(filter(None, (found.describe(), found.about))))
        lines = [*(one.describe() for one in found.protocols), *(f"⚠ {problem}" for problem in found.problems[:3])]
        if any(one.aucs for one in found.protocols):
            lines.append("Figures so far are of the finished networks; the report has the final ones.")
        self.protocols.setText("\n".join(lines))
        self.protocols.setVisible(bool(lines))
        self.report.setEnabled(found.report is not None)
        self.report.setToolTip("" if found.report is not None else "There is no report before the end")
        self._fill(found)
        if found.state == "finished":
            self._timer.stop()

    def _fill(self, found: TrainingProgress) -> None:
        chosen = self.list.currentItem()
        follows = chosen is None or chosen is self.list.topLevelItem(self._newest_row)
        for row, network in enumerate(found.networks):
            item = self.list.topLevelItem(row) or QTreeWidgetItem(self.list)
            for column, text in enumerate((network.name, network.describe())):
                if item.text(column) != text:
                    item.setText(column, text)
        while self.list.topLevelItemCount() > len(found.networks):
            self.list.takeTopLevelItem(len(found.networks))
        self.list.resizeColumnToContents(0)
        under_way = [row for row, one in enumerate(found.networks) if one.state == "under way"]
        self._newest_row = under_way[-1] if under_way else len(found.networks) - 1
        newest = self.list.topLevelItem(self._newest_row)
        if follows and newest is not None:  # the one under way, until a person chooses another
            self.list.setCurrentItem(newest)
        self._show_chosen()

    @Slot(QTreeWidgetItem, QTreeWidgetItem)
    def _chosen(self, _item: QTreeWidgetItem | None, _before: QTreeWidgetItem | None) -> None:
        self._show_chosen()

    def _show_chosen(self) -> None:
        item = self.list.currentItem()
        row = -1 if item is None else self.list.indexOfTopLevelItem(item)
        networks = () if self._found is None else self._found.networks
        self.view.show_network(networks[row] if 0 <= row < len(networks) else None)

    @Slot()
    def _open_report(self) -> None:
        if self._found is not None and self._found.report is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._found.report)))
