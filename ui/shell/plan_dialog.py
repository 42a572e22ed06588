"""The dialog in which the plan of a section is chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.formatting import counted
from ui.control.section_request import BY_HAND, OF_AREA, PlanChoice
from ui.kit.dialog_buttons import without_icons
from ui.kit.labels import ValueLabel
from ui.kit.theme import GRID_PX
from ui.shell.focus_choice import FocusChoice

if TYPE_CHECKING:
    from PySide6.QtCore import SignalInstance

    from hcc_scope.plans.focusing import FocusMode
    from ui.control.section_request import PlanKind

__all__ = ["PlanDialog"]

_OF_STAGE: tuple[PlanKind, ...] = ("random", "grid", "list")
"""The stage goes from field to field."""
_ALL_MODES: tuple[FocusMode, ...] = ("none", "once", "every_k", "plane")
_MAX_UM = 200_000.0
_MOST = 10**9


class PlanDialog(QDialog):
    """Random fields, a grid, a list, fields by hand, a sequence, or a plan file.

    Parameters
    ----------
    choice : PlanChoice
        The present one.
    outlined : bool
        Whether the specimen brings its outline, so that no area need be given.
    has_stage : bool
        Whether the rig can go to places; without, an operator moves the specimen to them.
    has_focus : bool
        Whether the rig has a focus drive; without, focusing is not offered.
    parent : QWidget
    """

    chosen = Signal(PlanChoice)
    """The new plan."""
    save_asked = Signal(PlanChoice)
    """The plan as it is chosen now is to be saved as a file."""
    check_asked = Signal(PlanChoice)
    """A dry run of it is asked for."""
    proposed = Signal(PlanChoice)
    """The plan as it is chosen now, whenever something is changed and can be read."""

    def __init__(
        self, choice: PlanChoice, *, outlined: bool, parent: QWidget, has_stage: bool = True, has_focus: bool = True
    ) -> None:
        super().__init__(parent)
        self._no_work = "no rig is open"
        kind: PlanKind = choice.kind if choice.fits(has_stage=has_stage) else "random" if has_stage else "guided"
        self.setWindowTitle("Plan of the section")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._random = QRadioButton("Random fields")
        self._random.setToolTip("The stage goes to places drawn at random: only then is the score's interval valid")
        self._grid = QRadioButton("Grid")
        self._grid.setToolTip("Fields side by side over the whole area; the score's interval is then not valid")
        self._list = QRadioButton("List of fields on the map")
        self._list.setToolTip(
            "Fields that were marked, or moved, on the map, in their order; the score's interval is then not valid"
        )
        self._guided = QRadioButton("Random fields, guided by hand")
        self._guided.setToolTip(
            "You drive round the section, fields are drawn at random inside, and an arrow leads to each:\n"
            "the score's interval is valid once every drawn field was visited, or skipped for a reason"
        )
        self._free = QRadioButton("Fields of your choice, by hand")
        self._free.setToolTip("Every field at which you stop is captured; the score's interval is then not valid")
        self._sequence = QRadioButton("Sequence, stage at rest")
        self._sequence.setToolTip("Frames as fast as the camera gives them; the interval is then not valid")
        self._file = QRadioButton("Plan file")
        self._file.setToolTip(
            "A YAML file with positions, a grid, an outline or a time series, or a .pos file of Micro-Manager"
        )
        self._before = choice
        self._where = QComboBox()
        self._where.setAccessibleName("Where the fields lie")
        self._where.addItem("Outline of the phantom section" if outlined else "Area around the stage")
        if choice.outline_um:
            self._where.addItem("Outline on the map")
            self._where.setCurrentIndex(int(choice.uses_outline))
        self._n_fields = _count(choice.n_fields, 100_000, "Number of random fields")
        self._n_drawn = _count(choice.n_fields, 100_000, "Number of fields that are drawn")
        self._overlap = QSpinBox()
        self._overlap.setRange(0, 89)
        self._overlap.setSuffix(" %")
        self._overlap.setValue(round(100 * choice.overlap))
        self._overlap.setAccessibleName("Overlap of neighbours in the grid")
        n_listed = 0 if choice.listed is None else len(choice.listed.positions_um)
        self._listed = QLabel(
            f"{counted(n_listed, 'field')}; Edit fields on the map adds, moves and deletes"
            if n_listed
            else "No field yet: Mark here adds the place under the lens, Edit fields any place on the map"
        )
        self._listed.setWordWrap(True)
        self._width = _um(choice.area_um[0], "Width of the area in µm")
        self._height = _um(choice.area_um[1], "Height of the area in µm")
        self._n_frames = _count(choice.n_frames, 1_000_000, "Number of frames")
        self._path = QLineEdit(choice.file)
        self._path.setAccessibleName("Path of the plan file")
        self._path.setPlaceholderText("plan.yaml")
        browse = QPushButton("Browse …")
        browse.clicked.connect(self._browse)
        self._kept_focus = choice.focus
        self._focus: dict[PlanKind, FocusChoice] = {}
        if has_focus:
            of_fields = FocusChoice(choice.focus, _ALL_MODES, "Focusing of the fields")
            self._focus |= dict.fromkeys(_OF_STAGE, of_fields)
            self._focus["sequence"] = FocusChoice(choice.focus, ("none", "once"), "Focusing of a sequence")

        area = QWidget()
        row = QHBoxLayout(area)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        row.addWidget(self._width)
        row.addWidget(QLabel("×"))
        row.addWidget(self._height)
        row.addStretch(1)
        file = QWidget()
        row = QHBoxLayout(file)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        row.addWidget(self._path, 1)
        row.addWidget(browse)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        layout.setSpacing(GRID_PX)
        self._parts: dict[PlanKind, tuple[QRadioButton, QWidget]] = {}
        rows: list[tuple[PlanKind, QRadioButton, list[tuple[str, QWidget]]]] = [
            ("random", self._random, [("Fields", self._n_fields)]),
            ("grid", self._grid, [("Overlap", self._overlap)]),
            ("list", self._list, [("", self._listed)]),
            ("guided", self._guided, [("Fields", self._n_drawn)]),
            ("free", self._free, []),
            ("sequence", self._sequence, [("Frames", self._n_frames)]),
            ("file", self._file, [("File", file)]),
        ]
        self._area_row, self._outlined = area, outlined
        for name, radio, fields in rows:
            part, form = _form(fields)
            layout.addWidget(radio)
            layout.addWidget(part)
            self._parts[name] = radio, part
            radio.toggled.connect(self._update_parts)
            radio.setChecked(name == kind)
            if (name in BY_HAND) if has_stage else (name in _OF_STAGE):
                radio.hide()
                part.hide()
            if name == "list":  # what random fields, a grid and a list have in common
                common = [("Where", self._where), ("Area", area)]
                if has_focus:
                    common.append(("Focus", self._focus["random"]))
                self._common, self._common_form = _form(common)
                self._common.setVisible(has_stage)
                layout.addWidget(self._common)
            elif name == "sequence" and has_focus:
                form.addRow("Focus", self._focus[name])
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self._buttons.accepted.connect(self._accept)
        self._buttons.rejected.connect(self.reject)
        without_icons(self._buttons)
        self._save = self._work_button("Save plan …", "Save the plan as a file (YAML)", self.save_asked)
        self._check = self._work_button(
            "Dry run", "Check the plan as a run would, and estimate its time and size; nothing moves", self.check_asked
        )
        self._result = ValueLabel("Result of the dry run")
        self._result.setWordWrap(True)
        self._result.hide()
        layout.addStretch(1)
        self._problem = ValueLabel("What is missing in the plan")
        self._planned = ValueLabel("What the plan takes")
        self._planned.setWordWrap(True)
        layout.addWidget(self._planned)
        layout.addWidget(self._result)
        layout.addWidget(self._problem)
        layout.addWidget(self._buttons)
        self._path.textChanged.connect(self._update_parts)
        for box in (self._n_fields, self._overlap, self._n_drawn, self._width, self._height, self._n_frames):
            box.valueChanged.connect(self._update_parts)
        for focus in set(self._focus.values()):
            focus.changed.connect(self._update_parts)
        self._where.currentIndexChanged.connect(self._update_parts)
        self._update_parts()
        self.setMinimumWidth(480)

    @Slot()
    def _update_parts(self) -> None:
        """Enable the chosen part only, and show what is wrong with it."""
        for radio, part in self._parts.values():
            part.setEnabled(radio.isChecked())
        if hasattr(self, "_buttons"):
            problem = self._describe_problem()
            self._buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not problem)
            self._problem.setText(problem)
            self._common.setEnabled(any(self._parts[kind][0].isChecked() for kind in _OF_STAGE))
            around_stage = not self._outlined and self._where.currentIndex() == 0
            in_area = any(self._parts[kind][0].isChecked() for kind in OF_AREA)
            self._where.setEnabled(in_area)
            self._common_form.setRowVisible(self._area_row, around_stage)
            self._area_row.setEnabled(in_area)
            by_hand = self._guided.isChecked() or self._free.isChecked()  # no device moves, so there is nothing to try
            for button in (self._save, self._check):
                button.setEnabled(not problem and not self._no_work and not by_hand)
            if not problem:
                self.proposed.emit(self.choice())

    def _work_button(self, text: str, tip: str, asked: SignalInstance) -> QPushButton:
        button = self._buttons.addButton(text, QDialogButtonBox.ButtonRole.ActionRole)
        button.setToolTip(tip)
        button.setAccessibleDescription(tip)
        button.clicked.connect(lambda: asked.emit(self.choice()))
        return button

    def offer_work(self, why_not: str) -> None:
        """Offer to save and to check the plan, or not, for a reason; empty to offer it."""
        self._no_work = why_not
        for button in (self._save, self._check):
            button.setToolTip(f"{button.accessibleDescription()}\nNot now: {why_not}" if why_not else button.toolTip())
        self._update_parts()

    def show_planned(self, words: str, *, bad: bool) -> None:
        """Show what the plan takes as it is chosen now, or why it cannot be taken."""
        self._planned.setText(f"⚠ {words}" if bad else words)

    def show_result(self, words: str, *, bad: bool) -> None:
        """Show what a check or saving came to."""
        self._result.setText(f"⚠ {words}" if bad else words)
        self._result.show()
        self.adjustSize()

    def _describe_problem(self) -> str:
        """Return what is wrong with the plan, as text; empty if nothing is."""
        if self._file.isChecked() and not self._path.text().strip():
            return "Name a plan file: type its path, or browse for it."
        boxes: dict[QRadioButton, tuple[QSpinBox | QDoubleSpinBox, ...]] = {
            self._random: (self._n_fields, self._width, self._height),
            self._grid: (self._width, self._height),
            self._guided: (self._n_drawn,),
            self._sequence: (self._n_frames,),
        }
        for box in next((fields for radio, fields in boxes.items() if radio.isChecked()), ()):
            most = float(box.property("most"))
            if box.value() > most and not box.isHidden():
                return f"{box.accessibleName()}: at most {most:,.0f}."
        return ""

    @Slot()
    def _browse(self) -> None:
        dialog = QFileDialog(self, "Plan file", self._path.text(), "Plans (*.yaml *.yml *.pos);;All files (*)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._path.setText)
        dialog.open()

    def choice(self) -> PlanChoice:
        """Return what is chosen now."""
        kind = next(kind for kind, (radio, _) in self._parts.items() if radio.isChecked())
        return replace(
            self._before,
            kind=kind,
            n_fields=(self._n_drawn if kind == "guided" else self._n_fields).value(),
            overlap=self._overlap.value() / 100,
            area_um=(self._width.value(), self._height.value()),
            n_frames=self._n_frames.value(),
            file=self._path.text().strip(),
            focus=self._focus[kind].focusing() if kind in self._focus else self._kept_focus,
            uses_outline=bool(self._before.outline_um) and self._where.currentIndex() == 1,
        )

    @Slot()
    def _accept(self) -> None:
        if self._problem.text():
            return
        self.chosen.emit(self.choice())
        self.accept()


def _form(fields: list[tuple[str, QWidget]]) -> tuple[QWidget, QFormLayout]:
    """Return labelled fields below a radio button."""
    part = QWidget()
    form = QFormLayout(part)
    form.setContentsMargins(3 * GRID_PX, 0, 0, GRID_PX)
    form.setSpacing(GRID_PX)
    for label, widget in fields:
        form.addRow(label, widget)
    return part, form


def _count(value: int, top: int, name: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(
        1, _MOST
    )  # a number beyond the limit is refused with a message: a box that drops digits would make another number of it
    box.setProperty("most", top)
    box.setValue(value)
    box.setAccessibleName(name)
    return box


def _um(value: float, name: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(0)
    box.setRange(1.0, _MOST)
    box.setProperty("most", _MAX_UM)
    box.setSingleStep(500.0)
    box.setSuffix(" µm")
    box.setValue(value)
    box.setAccessibleName(name)
    return box
