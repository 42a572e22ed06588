"""Set up a microscope: a few questions, the two files of a new rig, what the linter finds, and a trial of it."""

from __future__ import annotations

import html
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QLocale, Qt, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.errors import HccScopeError
from hcc_scope.rig.files import quoted
from hcc_scope.rig.findings import TO_FILL_IN
from hcc_scope.rig.rig_templates import STANDS
from hcc_scope.runs.new_rig import (
    DEFAULT_OBJECTIVES,
    USUAL_ADAPTERS_DIR,
    NewRig,
    cameras_for,
    lint_new_rig,
    objectives_of,
    rig_file_of,
    stand_of,
    template_of,
    write_new_rig,
)
from hcc_scope.runs.trial import try_rig
from hcc_scope.workers import Failure, StopToken, attempt
from ui.kit.dialog_buttons import without_icons
from ui.kit.labels import ValueLabel, announce, colours_of, describe
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.rig.findings import Finding
    from hcc_scope.runs.trial_report import TrialReport
    from ui.kit.jobs import JobRunner

__all__ = ["RigWizard"]

_WAIT = "A section is under way: wait until it has ended."
_MARKS = {"plain": "·", "good": "✓", "warning": "△", "bad": "✕"}


class RigWizard(QDialog):
    """Asks, writes, lints and tries.

    Parameters
    ----------
    jobs : JobRunner
    folder : Path
        Where the new files are proposed.
    parent : QWidget
    """

    rig_chosen = Signal(str)
    """The new rig shall be opened: carries its file."""

    def __init__(self, jobs: JobRunner, folder: Path, *, parent: QWidget) -> None:
        super().__init__(parent)
        self._jobs, self._folder = jobs, folder
        self._stop = StopToken()
        self._rig_file: Path | None = None
        self._section = self._trying = self._unfinished = self._closed = False
        self._proposed = ""
        self.setWindowTitle("Set up a microscope")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._make_fields()
        self._problem = ValueLabel("What is missing in the answers")
        self._result = QTextBrowser()
        self._result.setTabChangesFocus(True)
        describe(self._result, "What came of it", "What the linter finds in the new files, and how they were tried")
        self._result.setVisible(False)
        self._result.setMinimumHeight(24 * GRID_PX)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        without_icons(self._buttons)
        add, role = self._buttons.addButton, QDialogButtonBox.ButtonRole.ActionRole
        self._write = add("Write and try", role)
        self._write.setToolTip("Write both files, check them, and run a small section with demo devices")
        self._write.setDefault(True)
        self._show_files = add("Show the files", role)
        self._show_files.setToolTip("Open the folder with the new files")
        self._open = add("Open this rig", role)
        self._write.clicked.connect(self._write_files)
        self._show_files.clicked.connect(self._open_folder)
        self._open.clicked.connect(self._open_rig)
        self._buttons.rejected.connect(self.reject)
        self._show_files.setVisible(False)
        self._open.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        layout.setSpacing(GRID_PX)
        layout.addWidget(self._fields)
        layout.addWidget(self._problem)
        layout.addWidget(self._result, 1)
        layout.addWidget(self._buttons)
        self.setMinimumWidth(560)
        self._stand_chosen()

    def _make_fields(self) -> None:
        self._stand, self._camera = QComboBox(), QComboBox()
        for stand in STANDS:
            if cameras_for(stand):
                self._stand.addItem(stand.name, stand.key)
        self._objectives = QLineEdit(", ".join(DEFAULT_OBJECTIVES))
        self._mount = QDoubleSpinBox()
        self._mount.setLocale(QLocale.c())
        self._mount.setRange(0.01, 100.0)
        self._mount.setDecimals(3)
        self._mount.setSingleStep(0.1)
        self._mount.setValue(1.0)
        self._mount.setSuffix(" ×")
        self._sizes = ValueLabel("Size of a pixel on the specimen")
        self._sizes.setWordWrap(True)
        self._port = QLineEdit()
        self._port.setPlaceholderText("COM3; empty: fill it in later")
        self._adapters = QLineEdit(str(USUAL_ADAPTERS_DIR) if USUAL_ADAPTERS_DIR.is_dir() else "")
        self._adapters.setPlaceholderText("empty: fill it in later")
        self._out = QLineEdit()
        rows: list[tuple[str, QWidget, str]] = [
            ("Stand", self._stand, "The microscope stand"),
            ("Camera", self._camera, "Its maker and model decide the names of its properties"),
            (
                "Objectives",
                self._objectives,
                "In the order of the turret: 10X, or 10X=1.3 with its measured size of a pixel in µm",
            ),
            ("Camera mount", self._mount, "Magnification of the lens between stand and camera; 1 where there is none"),
            ("Serial port", self._port, "Of the stand; Windows' Device Manager lists it under Ports"),
            ("Micro-Manager", self._adapters, "Micro-Manager's own folder, whose adapters drive the devices"),
            ("New rig file", self._out, "The .cfg of the same name is written beside it; nothing is overwritten"),
        ]
        self._adapters_row = _with_button(self._adapters, "Micro-Manager", self._browse_adapters)
        self._out_row = _with_button(self._out, "New rig file", self._browse_out)
        self._fields = QWidget()
        self._form = QFormLayout(self._fields)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setSpacing(GRID_PX)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, widget, tip in rows:
            describe(widget, name, tip)
            in_row = {"Micro-Manager": self._adapters_row, "New rig file": self._out_row}
            self._form.addRow(name, in_row.get(name, widget))
            if widget is self._mount:
                self._form.addRow("", self._sizes)
        self._stand.currentIndexChanged.connect(self._stand_chosen)
        self._camera.currentIndexChanged.connect(self._update)
        self._mount.valueChanged.connect(self._update)
        for field in (self._objectives, self._port, self._adapters, self._out):
            field.textChanged.connect(self._update)

    def set_section(self, *, under_way: bool) -> None:
        """Leave the computer and the rig to a section while it is under way: a trial that runs is ended."""
        self._section = under_way
        if under_way and self._trying:
            self._stop.request()
        self._update()
        self._update_open()

    # -- the answers ---------------------------------------------------------------------------------------------------

    def answers(self) -> NewRig:
        """Return what is entered now."""
        template = template_of(NewRig(self._stand.currentData(), self._camera.currentData(), (), Path()))
        port, adapters = self._port.text().strip(), self._adapters.text().strip()
        return NewRig(
            self._stand.currentData(),
            self._camera.currentData(),
            tuple(part.strip() for part in self._objectives.text().split(",") if part.strip()),
            Path(self._out.text().strip()),
            port=port if port and template.needs_port else None,
            mount=self._mount.value(),
            adapters_dir=Path(adapters) if adapters and template.needs_adapters else None,
        )

    @Slot()
    def _stand_chosen(self) -> None:
        """Offer the cameras that this stand has templates for."""
        kept = self._camera.currentData()
        self._camera.blockSignals(True)
        self._camera.clear()
        for camera in cameras_for(stand_of(self._stand.currentData())):
            self._camera.addItem(camera.name, camera.key)
        self._camera.setCurrentIndex(max(0, self._camera.findData(kept)))
        self._camera.blockSignals(False)
        self._update()

    @Slot()
    def _update(self) -> None:
        """Show what follows from the answers, or what is wrong with them."""
        name = f"{self._stand.currentData()}-{self._camera.currentData()}.rig.yaml"
        if self._out.text() in ("", self._proposed) and self._proposed != str(self._folder / name):
            self._proposed = str(self._folder / name)
            self._out.setText(self._proposed)  # comes back here
            return
        sizes = problem = ""
        try:
            new = self.answers()
            template = template_of(new)
            self._form.setRowVisible(self._port, template.needs_port)
            self._form.setRowVisible(self._adapters_row, template.needs_adapters)
            sizes = " · ".join(f"{one.label}: {one.um_per_px:g} µm/px" for one in objectives_of(new))
            if rig_file_of(new.out).exists():
                problem = f"{rig_file_of(new.out).name} exists already, and nothing is overwritten: give another name."
        except HccScopeError as error:
            problem = str(error)
        self._sizes.setText(sizes)
        self._problem.setText(problem or (_WAIT if self._section else ""))
        self._write.setEnabled(not problem and not self._section and self._fields.isEnabled())

    @Slot()
    def _browse_adapters(self) -> None:
        dialog = QFileDialog(self, "Micro-Manager's folder", self._adapters.text())
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._adapters.setText)
        dialog.open()

    @Slot()
    def _browse_out(self) -> None:
        dialog = QFileDialog(self, "New rig file", self._out.text(), "Rig files (*.rig.yaml)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._out.setText)
        dialog.open()

    # -- what follows --------------------------------------------------------------------------------------------------

    @Slot()
    def _write_files(self) -> None:
        self._fields.setEnabled(False)
        self._write.setEnabled(False)
        self._jobs.submit("disk", partial(_written, self.answers()), self._files_written, self._not_written)

    def _not_written(self, sentence: str) -> None:
        self._fields.setEnabled(True)
        self._write.setEnabled(not self._section)
        self._problem.setText(sentence)

    def _files_written(self, made: tuple[Path, tuple[Finding, ...]]) -> None:
        self._rig_file, findings = made
        config = self._rig_file.with_name(self._rig_file.name.removesuffix(".rig.yaml") + ".cfg")
        self._write.setVisible(False)
        self._fields.setVisible(False)
        self._problem.setVisible(False)
        self._show_files.setVisible(True)
        self._result.setVisible(True)
        self._result.setFocus()
        self._add("good", f"Written: {self._rig_file} and {config.name}")
        note = stand_of(self._stand.currentData()).note
        if note:
            self._add("warning", note)
        for one in findings:
            place = f"{one.path.name}, line {one.line}" if one.line else one.path.name
            kind = "bad" if one.severity == "error" else "warning"
            self._add(kind, f"{place}: {one.message}. {one.hint}")
        self._unfinished = any(one.severity == TO_FILL_IN for one in findings)
        self._open.setVisible(True)
        self._update_open()
        self.resize(max(self.width(), 720), max(self.height(), 480))
        if self._section:
            self._not_tried()
            return
        self._add("plain", "Trying it with demo devices …")
        self._trying = True
        run = partial(_trial, self._rig_file, self._stop)
        self._jobs.submit("trial", run, self._tried, self._trial_failed)

    def _update_open(self) -> None:
        """Offer to open the new rig as soon as it can be opened."""
        self._open.setEnabled(not self._unfinished and not self._section)
        reason = (
            "Fill in what is listed first, in the two files" if self._unfinished else _WAIT if self._section else ""
        )
        self._open.setToolTip(reason or "Load it")

    def _not_tried(self) -> None:
        command = f"hcc-scope config try --all-twins {quoted(self._rig_file or '')}"
        self._add("warning", f"Not tried, as a section is under way. Afterwards: '{command}'.")

    def _trial_failed(self, sentence: str) -> None:
        self._trying = False
        self._add("bad", sentence)

    def _tried(self, report: TrialReport | None) -> None:
        self._trying = False
        if report is None:
            if not self._closed:
                self._not_tried()
            return
        for kind, text in report.lines(to_fill_in=False):  # it stands above already
            self._add(kind, text)
        passed = report.error is None
        text = "The rig passes with demo devices." if passed else "The rig does not pass yet: correct the files."
        if passed and self._unfinished:
            text += " Fill in what is listed above, then open it with 'Open rig …'."
        self._add("good" if passed else "bad", text)
        announce(self, text, urgent=False)

    def _add(self, kind: str, text: str) -> None:
        c = colours_of(self)
        colour = {"good": c.good, "warning": c.warning, "bad": c.error}.get(kind, c.text)
        mark = f"<span style='color:{colour}'>{_MARKS[kind]}</span>"
        self._result.append(f"{mark}&nbsp; {html.escape(text)}")

    @Slot()
    def _open_folder(self) -> None:
        if self._rig_file is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._rig_file.absolute().parent)))

    @Slot()
    def _open_rig(self) -> None:
        if self._rig_file is not None:
            self.rig_chosen.emit(str(self._rig_file))
            self.accept()

    def done(self, result: int) -> None:
        """Close; a trial that runs is ended."""
        self._closed = True
        self._stop.request()
        super().done(result)


def _written(new: NewRig) -> tuple[Path, tuple[Finding, ...]]:
    rig_file = write_new_rig(new)
    return rig_file, lint_new_rig(rig_file)


def _trial(rig_file: Path, stop: StopToken) -> TrialReport | None:
    """Return what came of the trial, or None if it was ended: the dialog was closed, or a section began."""
    outcome = attempt(lambda: try_rig(rig_file, all_twins=True, stop=stop))
    if not isinstance(outcome, Failure):
        return outcome
    if stop.requested:
        return None
    raise outcome.error


def _with_button(field: QWidget, name: str, browse: object) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GRID_PX)
    layout.addWidget(field, 1)
    button = QPushButton("Browse …")
    button.setAccessibleName(f"Browse for: {name}")
    button.setAutoDefault(False)
    button.clicked.connect(browse)
    layout.addWidget(button)
    return row
