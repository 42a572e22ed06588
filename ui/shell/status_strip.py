"""The strip at the bottom: whether everything keeps up, and for how long it can go on.

In Operator mode it is one line: run, time left, disk and lost frames, and beside them whatever needs attention.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPalette, QPen
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QLabel, QSizePolicy, QWidget

from hcc_scope.formatting import counted, format_bytes, format_duration, percent, sentence
from hcc_scope.microscope.sensor_care import cooler_concern
from ui.kit.flow_layout import FlowLayout
from ui.kit.labels import colours_of, describe
from ui.kit.symbols import SymbolBadge
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent, QResizeEvent

    from hcc_scope.types import Snapshot
    from ui.kit.mode import ModeName
    from ui.kit.symbols import Shape

__all__ = ["StatusStrip"]

_UNKNOWN = "–"
_OF_A_RUN = ("camera", "stored", "classified", "store_queue", "analyse_queue", "waiting", "lost", "skipped", "eta")
"""Cells that show nothing without a run."""
_FOR_OPERATORS = ("phase", "eta", "disk", "lost")
"""Cells that Operator mode shows; the others only for as long as they need attention."""
_QUEUE_FULL = 0.8
_DISK_LOW_S, _DISK_URGENT_S = 15 * 60.0, 5 * 60.0
_HARDLY_WRITING_BYTES_PER_S = 1e4
_LONGEST_S = 100 * 3600.0
_PHASES = {"starting": "Starting", "running": "Running", "draining": "Finishing", "finished": "Finished"}


class _Cell(QWidget):
    """A value under its name; a sign appears beside it when it needs attention."""

    def __init__(self, name: str, tip: str, widest: str) -> None:
        super().__init__()
        self._name, self._tip, self._widest = name, tip, widest
        self._shown_always = True
        self._title = QLabel(name)
        self._title.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._value = QLabel(_UNKNOWN)
        self._badge = SymbolBadge("warning")
        self._badge.hide()
        line = QHBoxLayout()
        line.setSpacing(GRID_PX // 2)
        line.addWidget(self._badge)
        line.addWidget(self._value)
        line.addStretch(1)
        self._layout = QBoxLayout(QBoxLayout.Direction.TopToBottom, self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)
        self._layout.addWidget(self._title)
        self._layout.addLayout(line)
        self._line = line
        describe(self, f"{name}: not known", tip)

    def add(self, widget: QWidget) -> None:
        """Put a widget behind the value."""
        self._line.insertWidget(2, widget)

    def set_mode(self, mode: ModeName, *, always: bool) -> None:
        """Stand in one line in Operator mode; there, a cell that is not shown always is shown while it has a sign."""
        one_line = mode == "operator"
        self._layout.setDirection(QBoxLayout.Direction.LeftToRight if one_line else QBoxLayout.Direction.TopToBottom)
        self._layout.setSpacing(GRID_PX if one_line else 0)
        self._shown_always = always
        self.updateGeometry()
        self.setVisible(always or not self._badge.isHidden())

    def show_value(self, value: str, concern: Shape | None = None, meaning: str = "") -> None:
        """Show a value and, if it needs attention, a sign and why."""
        if value != self._value.text():
            self._value.setText(value)
            self.setAccessibleName(f"{self._name}: {value}")
        if concern is not None:
            self._badge.show_shape(concern, meaning)
        if self._badge.isHidden() == (concern is not None):
            self._badge.setVisible(concern is not None)
            self.setVisible(self._shown_always or concern is not None)
        tip = f"{self._tip} {meaning}" if meaning else self._tip
        if tip != self.toolTip():
            self.setToolTip(tip)
            self.setAccessibleDescription(tip)

    def text(self) -> str:
        """Return the value that is shown."""
        return self._value.text()

    def concern(self) -> Shape | None:
        """Return the sign that is shown, if any."""
        return None if self._badge.isHidden() else self._badge.shape_name

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a width that does not jump with every digit."""
        hint = super().sizeHint()
        metrics = self.fontMetrics()
        steady = metrics.horizontalAdvance(self._widest) + metrics.height() + GRID_PX // 2
        if self._layout.direction() == QBoxLayout.Direction.LeftToRight:
            steady += self._title.sizeHint().width() + self._layout.spacing()
        return QSize(max(hint.width(), steady), hint.height())


class _Gauge(QWidget):
    """A small bar from empty to full."""

    def __init__(self) -> None:
        super().__init__()
        self._fill = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_fill(self, fill: float) -> None:
        """Show another fill, 0 to 1."""
        if round(100 * fill) != round(100 * self._fill):
            self._fill = fill
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a bar half as tall as the text."""
        line = self.fontMetrics().height()
        return QSize(3 * line, line // 2)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint it; what is full carries a stripe pattern too."""
        painter = QPainter(self)
        c = colours_of(self)
        painter.fillRect(self.rect(), QColor(c.surface))
        full = self._fill >= _QUEUE_FULL
        filled = QRectF(0, 0, self._fill * self.width(), self.height())
        painter.fillRect(filled, QColor(c.warning if full else c.accent))
        if full:
            painter.setBrush(QColor(c.surface))
            brush = painter.brush()
            brush.setStyle(Qt.BrushStyle.BDiagPattern)
            painter.fillRect(filled, brush)
            painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()


class StatusStrip(QFrame):
    """Rates, queues, disk, memory and the time to go."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Status of the run")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        cells = {
            "phase": ("Run", "What the run does at present.", "Finishing"),
            "camera": ("Camera", "Frames that arrive from the camera, in frames per second.", "99.9 /s"),
            "stored": ("Stored", "Frames that reach the disk, in frames per second.", "99.9 /s"),
            "classified": ("Classified", "Frames with a result, in frames per second.", "99.9 /s"),
            "shown": ("Shown", "Pictures painted in the live view, per second.", "99.9 /s"),
            "store_queue": ("Storage queue", "Fill of the queue in front of the disk, in per cent.", "100 %"),
            "analyse_queue": ("Analysis queue", "Fill of the queue in front of the model, in per cent.", "100 %"),
            "waiting": (
                "Deferred | pending",
                "Frames deferred because the analysis was busy, and frames in analysis now.",
                "9999 | 99",
            ),
            "lost": ("Lost", "Frames that the camera's own buffer dropped, or images that could not be read.", "999"),
            "skipped": ("Skipped", "Fields of the plan that the stage did not reach.", "999"),
            "eta": ("Time left", "Until the last frame is stored and classified, at the present rates.", "9 h 59 min"),
            "disk": ("Disk left", "How long the free space lasts at the present rate of writing.", "99 h 59 min"),
            "memory": ("Memory", "Memory that this program uses.", "99.9 GB"),
            "sensor": ("Sensor", "Temperature of the camera's sensor.", "-70.0 °C"),
        }
        self._cells = {key: _Cell(*cell) for key, cell in cells.items()}
        self._store_gauge, self._analyse_gauge = _Gauge(), _Gauge()
        self._cells["store_queue"].add(self._store_gauge)
        self._cells["analyse_queue"].add(self._analyse_gauge)
        flow = FlowLayout(spacing_px=2 * GRID_PX, line_spacing_px=GRID_PX // 2, widest_px=None)
        flow.setContentsMargins(GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
        for cell in self._cells.values():
            flow.addWidget(cell)
            flow.setAlignment(cell, Qt.AlignmentFlag.AlignTop)  # the names stay in one line
        self.setLayout(flow)
        self._flow = flow
        self.set_snapshot(None)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Take as many lines as the width asks for, in docks and status bars too."""
        super().resizeEvent(event)
        self._fit_height()

    def set_mode(self, mode: ModeName) -> None:
        """Show what an operator needs, or everything; what needs attention is shown in both modes."""
        for key, cell in self._cells.items():
            cell.set_mode(mode, always=mode == "expert" or key in _FOR_OPERATORS)
        self._fit_height()

    def _fit_height(self) -> None:
        self._flow.invalidate()  # a cell that has just changed has not asked for it yet
        self.setMinimumHeight(self._flow.heightForWidth(self.width()))

    def value(self, key: str) -> str:
        """Return the words shown for one of the cells."""
        return self._cells[key].text()

    def concern(self, key: str) -> Shape | None:
        """Return the sign shown beside one of the cells, if any."""
        return self._cells[key].concern()

    def set_snapshot(self, snapshot: Snapshot | None, live_fps: float | None = None) -> None:
        """Show the state of a run; None for no run.

        Parameters
        ----------
        snapshot : Snapshot or None
        live_fps : float, optional
            Frames per second that arrive in a section by hand, which takes few of them; None before the first.
        """
        cells = self._cells
        if snapshot is None:
            for key in _OF_A_RUN:
                cells[key].show_value(_UNKNOWN)
            cells["phase"].show_value("No run")
            self._store_gauge.show_fill(0)
            self._analyse_gauge.show_fill(0)
            return
        self._show_phase(snapshot if live_fps is None else _begun(snapshot))
        cells["camera"].show_value(_rate(snapshot.acquire_fps if live_fps is None else live_fps))
        cells["stored"].show_value(_rate(snapshot.store_fps))
        cells["classified"].show_value(_rate(snapshot.classify_fps))
        self._show_queue("store_queue", self._store_gauge, snapshot.store_queue_fill, "The disk is the slowest part.")
        self._show_queue(
            "analyse_queue", self._analyse_gauge, snapshot.analyse_queue_fill, "The model is the slowest part."
        )
        counts = snapshot.counts
        cells["waiting"].show_value(f"{counts.deferred} | {counts.pending}")
        lost = f"{counted(counts.lost, 'frame')} never reached this program." if counts.lost else ""
        cells["lost"].show_value(str(counts.lost), "bad" if counts.lost else None, lost)
        skipped = f"{counted(counts.skipped, 'field')} not reached by the stage: no frame." if counts.skipped else ""
        cells["skipped"].show_value(str(counts.skipped), "bad" if counts.skipped else None, skipped)
        done = snapshot.phase == "finished"
        cells["eta"].show_value("done" if done else format_duration(snapshot.eta_s))

    def set_system(self, disk_free_bytes: int | None, bytes_per_s: float, rss_bytes: int | None) -> None:
        """Show the free disk and the memory of the computer.

        Parameters
        ----------
        disk_free_bytes : int or None
            On the disk that the stores go to.
        bytes_per_s : float
            At which the run fills it; 0 without one: the free space is then shown instead of minutes.
        rss_bytes : int or None
            Resident memory of this process.
        """
        disk = self._cells["disk"]
        if disk_free_bytes is None:
            disk.show_value(_UNKNOWN)
        elif bytes_per_s < _HARDLY_WRITING_BYTES_PER_S:
            disk.show_value(format_bytes(disk_free_bytes))
        else:
            left_s = disk_free_bytes / bytes_per_s
            free = f"{format_bytes(disk_free_bytes)} free, {format_bytes(bytes_per_s)} per second."
            concern: Shape | None = "bad" if left_s < _DISK_URGENT_S else "warning" if left_s < _DISK_LOW_S else None
            text = "over 100 h" if left_s > _LONGEST_S else _minutes(left_s)
            disk.show_value(text, concern, free)
        self._cells["memory"].show_value(_UNKNOWN if rss_bytes is None else format_bytes(rss_bytes))

    def set_sensor(self, temperature_c: float | None, set_point_c: float | None, ageing: str | None = None) -> None:
        """Show the sensor's temperature, with a sign for as long as it is away from its set point or ages.

        Parameters
        ----------
        temperature_c, set_point_c : float or None
            In degrees Celsius; None where they are not known.
        ageing : str, optional
            Why the sensor ages now (`hcc_scope.microscope.sensor_care.ageing_concern`).
        """
        warm = cooler_concern(temperature_c, set_point_c)
        text = _UNKNOWN if temperature_c is None else f"{temperature_c:.1f} °C"
        if ageing is not None:
            self._cells["sensor"].show_value("saturated", "bad", sentence(ageing))
        elif warm is not None:
            self._cells["sensor"].show_value(text, "warning", sentence(warm))
        else:
            self._cells["sensor"].show_value(text)

    def set_shown_fps(self, fps: float) -> None:
        """Show how many pictures per second are painted."""
        self._cells["shown"].show_value(_rate(fps))

    def _show_phase(self, snapshot: Snapshot) -> None:
        text = "Paused" if snapshot.paused and snapshot.phase == "running" else _PHASES[snapshot.phase]
        if snapshot.degraded is None:
            self._cells["phase"].show_value(text)
        else:
            self._cells["phase"].show_value(text, "bad", f"Classification stopped: {snapshot.degraded}.")

    def _show_queue(self, key: str, gauge: _Gauge, fill: float, reason: str) -> None:
        gauge.show_fill(fill)
        full = fill >= _QUEUE_FULL
        words = percent(fill, 0)
        self._cells[key].show_value(words, "warning" if full else None, f"Nearly full. {reason}" if full else "")


def _begun(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot that is not at its start any more: pictures arrive, even if none was taken yet."""
    return replace(snapshot, phase="running") if snapshot.phase == "starting" else snapshot


def _rate(fps: float) -> str:
    return f"{fps:.1f} /s"


def _minutes(seconds: float) -> str:
    """Return whole minutes, rounded down: never more than there is."""
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
