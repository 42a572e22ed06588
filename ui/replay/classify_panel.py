"""Classify a stored section again: choose model and engine, follow the progress, end it early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.inference.base import AUTO, ENGINES, REFERENCE
from hcc_scope.inference.catalogue import ModelEntry, list_models, offered
from hcc_scope.runs.reclassify import Reclassification
from hcc_scope.runs.section_analyses import OpenedStore, SectionAnalysis
from ui.kit.labels import ValueLabel
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from pathlib import Path

    from ui.kit.jobs import JobRunner

__all__ = ["ClassifyPanel"]

_POLL_MS = 100
_ENGINE_TIPS = {
    AUTO: "The fastest of those below that agrees with the reference on this machine",
    REFERENCE: "The reference engine",
    "openvino": "OpenVINO, float32",
    "openvino-bf16": "OpenVINO, bfloat16: needs a processor that has it",
    "cuda": "An NVIDIA GPU",
}


class ClassifyPanel(QWidget):
    """The form, and the progress of a classification.

    Parameters
    ----------
    jobs : JobRunner
        Runs it on its worker ``replay``, so that frames and saliency stay available meanwhile.
    allow_phantom_model : bool
        Let a model that was trained on a phantom only classify what may be tissue.
    """

    analysed = Signal(OpenedStore, SectionAnalysis)
    """The store and its new analysis."""
    failed = Signal(str)
    """Why there is no new analysis, in words."""

    def __init__(self, jobs: JobRunner, parent: QWidget | None = None, *, allow_phantom_model: bool = False) -> None:
        super().__init__(parent)
        self.setAccessibleName("Classify")
        self.allow_phantom_model = allow_phantom_model
        self._jobs = jobs
        self._opened: OpenedStore | None = None
        self._task: Reclassification | None = None
        self._of: OpenedStore | None = None
        self._models_asked = False
        self._offered: frozenset[str] = frozenset()
        """Folders of the models that `offer_models` was given last."""
        self.model = QComboBox()
        self.engine = QComboBox()
        self.save_as = QLineEdit()
        self.start_button = QPushButton("Classify a&gain")
        self.cancel_button = QPushButton("Cancel")
        self.progress = QProgressBar()
        self._state = ValueLabel("State of the classification")
        self._poll = QTimer(self, interval=_POLL_MS)
        self._poll.timeout.connect(self._show_progress)
        self._build()
        self._show_state()

    def _build(self) -> None:
        for box in (self.model, self.engine):
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.setMinimumWidth(12 * GRID_PX)
        self.model.setAccessibleName("Model")
        self.model.setToolTip("Model that classifies the stored frames; Model > Add a model lists others")
        for name in (AUTO, *ENGINES):
            self.engine.addItem("automatic" if name == AUTO else name, name)
            self.engine.setItemData(self.engine.count() - 1, _ENGINE_TIPS.get(name, name), Qt.ItemDataRole.ToolTipRole)
        self.engine.setAccessibleName("Engine")
        self.engine.setToolTip("Engine for the model; each agrees with the reference within the model's tolerance")
        self.save_as.setPlaceholderText("none: compare only, store nothing")
        self.save_as.setAccessibleName("Name of the results in the store")
        self.save_as.setToolTip(
            "With a name the predictions are stored beside the recorded ones, which are never overwritten"
        )
        form = QFormLayout()
        form.setHorizontalSpacing(GRID_PX)
        form.setVerticalSpacing(GRID_PX)
        model_label = QLabel("Mo&del:")
        model_label.setBuddy(self.model)
        form.addRow(model_label, self.model)
        form.addRow("&Engine:", self.engine)
        form.addRow("Res&ults name:", self.save_as)
        self.start_button.setToolTip("Classify all stored fields again; the recorded predictions stay")
        self.cancel_button.setToolTip("End it early; the fields classified until then are shown")
        self.start_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        self.progress.setAccessibleName("Progress in fields")
        self.progress.setFormat("%v of %m fields")
        self._state.setWordWrap(True)
        self._state.setAlignment(Qt.AlignmentFlag.AlignTop)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID_PX)
        buttons.addWidget(self.start_button, 1)
        buttons.addWidget(self.cancel_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        column.setSpacing(GRID_PX)
        column.addLayout(form)
        column.addLayout(buttons)
        column.addWidget(self.progress)
        column.addWidget(self._state)
        column.addStretch(1)

    # -- the form ----------------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether a section is being classified."""
        return self._task is not None

    @property
    def state(self) -> str:
        """The state of the classification, as text."""
        return self._state.text()

    def set_store(self, opened: OpenedStore | None) -> None:
        """Classify this store next; a running classification continues."""
        self._opened = opened
        if opened is not None and not self._models_asked:
            self._models_asked = True
            self._jobs.submit("disk", list_models, self._have_models, self._no_models)
        self._show_state()

    def _have_models(self, models: list[ModelEntry]) -> None:
        if not self._offered:  # else the window's own list is there already, which has those that were added as well
            self.offer_models([(name, entry.folder) for name, entry in offered(models)])

    def _no_models(self, why: str) -> None:
        self._state.setText(why)
        self.failed.emit(why)

    def add_model(self, name: str, folder: Path) -> None:
        """Offer a model, and choose it."""
        row = self.model.findData(str(folder))
        if row < 0:
            self.model.addItem(name, str(folder))
            row = self.model.count() - 1
            self.model.setItemData(row, str(folder), Qt.ItemDataRole.ToolTipRole)
        self.model.setCurrentIndex(row)
        self._show_state()

    def offer_models(self, models: list[tuple[str, Path]]) -> None:
        """Offer these models; the chosen one stays chosen, and stays offered."""
        names = {str(folder): name for name, folder in models}
        for row in reversed(range(self.model.count())):
            folder = self.model.itemData(row)
            if folder in names:
                self.model.setItemText(row, names[folder])
            elif folder in self._offered and row != self.model.currentIndex():
                self.model.removeItem(row)
        for folder, name in names.items():
            if self.model.findData(folder) < 0:
                self.model.addItem(name, folder)
                self.model.setItemData(self.model.count() - 1, folder, Qt.ItemDataRole.ToolTipRole)
        self._offered = frozenset(names)
        self._show_state()

    # -- the work ----------------------------------------------------------------------------------------------------

    @Slot()
    def start(self) -> None:
        """Classify the store with the chosen model and engine."""
        opened = self._opened
        if opened is None or self._task is not None or self.model.currentIndex() < 0:
            return
        opened.n_replays += 1
        self._of = opened
        self._task = Reclassification(
            opened.path,
            model=self.model.currentData(),
            engine=self.engine.currentData(),
            title=f"Replay {opened.n_replays}",
            save_as=self.save_as.text().strip() or None,
            allow_phantom_model=self.allow_phantom_model,
        )
        self._jobs.submit("replay", self._task.run, self._done, self._failed)
        self._poll.start()
        self._show_progress()

    @Slot()
    def cancel(self) -> None:
        """End the running classification early."""
        if self._task is not None:
            self._task.cancel()
            self.cancel_button.setEnabled(False)
            self._state.setText("Ending: the fields classified so far are kept ...")

    def _done(self, analysis: SectionAnalysis | None) -> None:
        opened = self._end()
        if analysis is None:
            if opened is not None:
                opened.n_replays -= 1
            self._state.setText("Cancelled before the first field was classified.")
            return
        self._state.setText(analysis.note or f"{analysis.title} is done.")
        self.save_as.clear()
        if opened is not None:
            self.analysed.emit(opened, analysis)

    def _failed(self, why: str) -> None:
        opened = self._end()
        if opened is not None:
            opened.n_replays -= 1
        self._state.setText(why)
        self.failed.emit(why)

    def _end(self) -> OpenedStore | None:
        opened, self._of, self._task = self._of, None, None
        self._poll.stop()
        self.progress.setRange(0, 1)
        self.progress.reset()
        self._show_state()
        return opened

    @Slot()
    def _show_progress(self) -> None:
        if self._task is None:
            return
        now = self._task.progress()
        self.progress.setRange(0, now.total)
        self.progress.setValue(now.done)
        if not self._task.cancelled:
            self._state.setText(now.message)
        self._show_state()

    def _show_state(self) -> None:
        running = self._task is not None
        for widget in (self.model, self.engine, self.save_as):
            widget.setEnabled(not running)
        frames = self._opened is not None and self._opened.store.n_frames > 0
        self.start_button.setEnabled(not running and frames and self.model.count() > 0)
        self.cancel_button.setEnabled(running and self._task is not None and not self._task.cancelled)
        self.progress.setVisible(running)
