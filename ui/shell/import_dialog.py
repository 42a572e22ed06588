"""The dialog in which images of other programs are chosen for an import: which, of what animal, and what is missing."""

from __future__ import annotations

from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QLocale, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.colour import CONVERSIONS
from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import capital, counted, format_number, full_stop
from hcc_scope.imports.conversion import Conversion
from hcc_scope.imports.frame_facts import stated_pixel_sizes_um
from hcc_scope.imports.selection import AXES, Selection, axis_values
from hcc_scope.runs.import_section import ImportRequest, describe_sources, facts_of_choice
from ui.kit.dialog_buttons import without_icons
from ui.kit.dropped import take_drag, take_drop
from ui.kit.labels import ValueLabel, form, heading, label_for
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QDragEnterEvent, QDropEvent

    from hcc_scope.colour import ColourConversion
    from hcc_scope.imports.collection import Plane
    from hcc_scope.imports.selection import Axis
    from hcc_scope.imports.source_facts import SourceFacts
    from ui.kit.jobs import JobRunner

__all__ = ["ImportDialog"]

_DEPTHS = (8, 10, 12, 14, 16)
_CHOOSE = "Choose …"
_MOST_UM = 1000.0


class ImportDialog(QDialog):
    """Sources, ids, and the choices that the sources leave open.

    Parameters
    ----------
    jobs : JobRunner
        Reads headers on its worker ``disk``.
    animal_id, section_id : str
        To begin with.
    out_dir : Path
        Where the store is made.
    parent : QWidget
    """

    import_asked = Signal(ImportRequest)
    """What is to be imported."""

    def __init__(self, jobs: JobRunner, animal_id: str, section_id: str, out_dir: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import images")
        self._jobs, self._out_dir = jobs, out_dir
        self._found: tuple[SourceFacts, ...] = ()
        self._asked = 0
        self._reading = False
        self._failure = ""
        self._list = QListWidget()
        self._list.setAccessibleName("Sources")
        self._list.setToolTip("Files and folders of images; drop more on the list")
        self._list.setFixedHeight(11 * GRID_PX)
        self.setAcceptDrops(True)
        self.animal, self.section = QLineEdit(animal_id), QLineEdit(section_id)
        self.animal.setAccessibleName("Animal id")
        self.section.setAccessibleName("Section id")
        self._axes: dict[Axis, QComboBox] = {axis: QComboBox() for axis in AXES}
        self._axes["series"].setAccessibleName("Series")
        self._axes["channel"].setAccessibleName("Channel")
        self._axes["z"].setAccessibleName("Focal plane")
        self._axes["time"].setAccessibleName("Time point")
        self._size = _SizeBox()
        self._size.setAccessibleName("Pixel size at the specimen in µm")
        self._size.setLocale(QLocale.c())
        self._size.setDecimals(6)
        self._size.setRange(0.0, _MOST_UM)
        self._size.setSingleStep(0.01)
        self._size.setSuffix(" µm")
        self._depth = QComboBox()
        self._depth.setAccessibleName("Bit depth of the camera")
        self._colour = QComboBox()
        self._colour.setAccessibleName("How colour becomes grey")
        self._colour.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._low, self._high = (_number(name) for name in ("Value that becomes 0", "Value that becomes full scale"))
        self._about = ValueLabel("What is imported")
        self._about.setWordWrap(True)
        self._problem = ValueLabel("What is missing")
        self._problem.setWordWrap(True)
        self._form = form()
        self._build()
        self._fill()

    # -- made once -----------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        buttons = QWidget()
        row = QHBoxLayout(buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        for text, tip, do in (
            ("Add files …", "Choose TIFF or PNG files, or any file of a dataset", self._browse_files),
            ("Add folder …", "Choose a folder of images, an NDTiff or an OME-Zarr dataset", self._browse_folder),
            ("Remove", "Take the chosen source off the list; no file is deleted", self._remove),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(do)
            row.addWidget(button)
        row.addStretch(1)
        self._range = QWidget()
        row = QHBoxLayout(self._range)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        row.addWidget(self._low)
        row.addWidget(self._high)
        for label, field in (
            ("Animal", self.animal),
            ("Section", self.section),
            ("Series", self._axes["series"]),
            ("Channel", self._axes["channel"]),
            ("Focal plane", self._axes["z"]),
            ("Time point", self._axes["time"]),
            ("Pixel size", self._size),
            ("Bit depth", self._depth),
            ("Colour", self._colour),
            ("Range", self._range),
        ):
            self._form.addRow(label_for(label, field), field)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self._import = self._buttons.button(QDialogButtonBox.StandardButton.Ok)
        self._import.setText("Import")
        self._buttons.accepted.connect(self._accept)
        self._buttons.rejected.connect(self.reject)
        without_icons(self._buttons)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        layout.setSpacing(GRID_PX)
        layout.addWidget(heading("Sources"))
        layout.addWidget(self._list)
        layout.addWidget(buttons)
        layout.addLayout(self._form)
        layout.addStretch(1)
        layout.addWidget(self._about)
        layout.addWidget(self._problem)
        layout.addWidget(self._buttons)
        self.setMinimumWidth(65 * GRID_PX)
        for box in (*self._axes.values(), self._depth, self._colour):
            box.currentIndexChanged.connect(self._check)
        for line in (self.animal, self.section, self._low, self._high):
            line.textChanged.connect(self._check)
        self._size.valueChanged.connect(self._check)

    # -- sources -------------------------------------------------------------------------------------------------------

    @property
    def sources(self) -> tuple[Path, ...]:
        """Files and folders, in their order."""
        return tuple(Path(self._list.item(row).text()) for row in range(self._list.count()))

    def add(self, paths: Sequence[Path]) -> None:
        """Add files and folders, each once, and read their headers."""
        there = set(self.sources)
        self._list.addItems([str(path) for path in dict.fromkeys(paths) if path not in there])
        self._read()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Take files and folders of this computer."""
        take_drag(event)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Add what was dropped to the sources."""
        if paths := take_drop(event):
            self.add(paths)

    @Slot()
    def _browse_files(self) -> None:
        self._browse(QFileDialog.FileMode.ExistingFiles, "Images to import")

    @Slot()
    def _browse_folder(self) -> None:
        self._browse(QFileDialog.FileMode.Directory, "Folder of images to import")

    def _browse(self, mode: QFileDialog.FileMode, title: str) -> None:
        last = self.sources[-1:]
        dialog = QFileDialog(self, title, str(last[0].parent if last else Path.home()))
        dialog.setFileMode(mode)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filesSelected.connect(self._take_files)
        dialog.open()

    @Slot(list)
    def _take_files(self, names: list[str]) -> None:
        self.add([Path(name) for name in names])

    @Slot()
    def _remove(self) -> None:
        for item in self._list.selectedItems():
            self._list.takeItem(self._list.row(item))
        self._read()

    def _read(self) -> None:
        """Read the headers of all sources in the background."""
        self._asked += 1
        self._found, self._failure = (), ""
        self._reading = bool(self.sources)
        if self._reading:
            ask, number = partial(describe_sources, self.sources), self._asked
            self._jobs.submit("disk", ask, partial(self._take, number), partial(self._miss, number))
        self._fill()

    def _take(self, number: int, found: tuple[SourceFacts, ...]) -> None:
        if number == self._asked:
            self._found, self._reading = found, False
            self._fill()

    def _miss(self, number: int, why: str) -> None:
        if number == self._asked:
            self._failure, self._reading = why, False
            self._fill()

    # -- choices -------------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Offer what the sources leave open, and hide what they do not."""
        planes = [plane for source in self._found for plane in source.planes]
        for axis, box in self._axes.items():
            values = sorted({value for source in self._found for value in axis_values(source.planes, axis)})
            _offer(box, self._choices(axis, values))
            self._form.setRowVisible(box, len(values) > 1)
        self._size.setSpecialValueText(_size_words(planes))
        depths = sorted({plane.bit_depth for plane in planes if plane.bit_depth is not None})
        as_stated = "as stated" if not planes else _depth_words(depths)
        _offer(self._depth, [(as_stated, None), *((str(depth), depth) for depth in _DEPTHS)])
        conversions = [(f"{name}: {words}", name) for name, words in CONVERSIONS.items()]
        _offer(self._colour, [(_CHOOSE, None), *conversions])
        self._form.setRowVisible(self._colour, any(plane.colour for plane in planes))
        self._form.setRowVisible(self._range, any(_is_float(plane) for plane in planes))
        self._check()
        self.adjustSize()

    def _choices(self, axis: Axis, values: Sequence[int]) -> list[tuple[str, object]]:
        several = [source for source in self._found if len(axis_values(source.planes, axis)) > 1]
        named = list(dict.fromkeys(source.channel_names for source in several))
        if axis == "channel" and len(named) > 1 and all(named):  # a number is another channel in each
            return [(_CHOOSE, None), *((name, name) for name in dict.fromkeys(chain(*named)) if name)]
        names = named[0] if len(named) == 1 else ()
        numbers: list[tuple[str, object]] = [
            (
                f"{value}: {names[value]}" if axis == "channel" and value < len(names) and names[value] else str(value),
                value,
            )
            for value in values
        ]
        every: dict[Axis, tuple[str, object]] = {
            "series": ("all, each a field", "all"),
            "time": ("all, each a field", "all"),
        }
        first = [every[axis]] if axis in every else []
        return [*first, *numbers] if axis == "series" else [(_CHOOSE, None), *first, *numbers]

    def request(self) -> ImportRequest:
        """Return what is asked for now.

        Raises
        ------
        HccScopeError
            If a choice makes no sense.
        """
        channel, z, time, series = (self._chosen(axis) for axis in ("channel", "z", "time", "series"))
        selection = Selection(
            channel=cast("str | int | None", channel),
            z=cast("int | None", z),
            time=cast("int | None", time),
            series="all" if series is None else cast("int", series),
        )
        low, high = self._low.text().strip(), self._high.text().strip()
        conversion = Conversion(
            colour=None if self._colour.isHidden() else cast("ColourConversion | None", self._colour.currentData()),
            float_range=_range(low, high) if not self._range.isHidden() else None,
            bit_depth=self._depth.currentData(),
        )
        return ImportRequest(
            sources=self.sources,
            animal_id=self.animal.text().strip(),
            section_id=self.section.text().strip(),
            out_dir=self._out_dir,
            selection=selection,
            conversion=conversion,
            pixel_size_um=self._size.value() or None,
        )

    def _chosen(self, axis: Axis) -> object:
        box = self._axes[axis]
        return None if box.isHidden() else box.currentData()

    @Slot()
    def _check(self) -> None:
        """Show what would be imported, or what is still missing."""
        about, problem = "", ""
        if self._reading:
            about = f"Reading the headers of {counted(self._list.count(), 'source')} …"
        elif not self.sources:
            problem = "Add files or folders of images, or drop them here."
        elif self._failure:
            problem = self._failure
        else:
            try:
                request = self.request()
                n, facts = facts_of_choice(self._found, request)
                _ = request.store  # refuses ids
                height, width = facts.shape_yx
                about = (
                    f"{counted(n, 'image')} of {width} × {height} px and {facts.bit_depth} bits, "
                    f"{facts.pixel_size_um:g} µm a pixel, into {request.store}."
                )
            except HccScopeError as error:
                problem = full_stop(capital(error.message))
        notes = [problem for source in self._found for problem in source.problems][:3]
        self._about.setText("\n".join(filter(None, [about, *(f"⚠ {note}" for note in notes)])))
        self._problem.setText(problem)
        self._about.setVisible(bool(self._about.text()))
        self._problem.setVisible(bool(problem))
        self._import.setEnabled(not problem and not self._reading)

    @Slot()
    def _accept(self) -> None:
        if self._import.isEnabled():
            self.import_asked.emit(self.request())


class _SizeBox(QDoubleSpinBox):
    """Shows as many digits as a number has."""

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        """Return the number without zeros at its end."""
        return format_number(value, self.decimals())


def _offer(box: QComboBox, choices: Sequence[tuple[str, object]]) -> None:
    """Offer other choices; the one that is made stays if it is among them."""
    before = box.currentData()
    box.blockSignals(True)
    box.clear()
    for text, value in choices:
        box.addItem(text, value)
    at = next((i for i, (_, value) in enumerate(choices) if value == before and value is not None), 0)
    box.setCurrentIndex(at)
    box.blockSignals(False)


def _number(name: str) -> QLineEdit:
    line = QLineEdit()
    line.setAccessibleName(name)
    line.setPlaceholderText(name)
    return line


def _size_words(planes: Sequence[Plane]) -> str:
    """Return what is meant without a pixel size, by those that images state."""
    stated = stated_pixel_sizes_um(planes)
    if len(stated) != 1:
        return "several are stated" if stated else "not stated"
    if any(plane.pixel_size_yx_um is None for plane in planes):
        return "not stated by all"
    return f"as stated: {stated[0]:g} µm"


def _depth_words(depths: Sequence[int]) -> str:
    """Return what is meant without a choice, by the depths that images state; floating point has none."""
    if not depths:
        return "16, of the full range"
    return f"as stated: {depths[0]}" if len(depths) == 1 else "several are stated"


def _is_float(plane: Plane) -> bool:
    return plane.dtype.startswith("float")


def _range(low: str, high: str) -> tuple[float, float] | None:
    """Return the two numbers; None while they are not two, the second the larger."""
    try:
        found = float(low), float(high)
    except ValueError:
        return None
    return found if found[0] < found[1] else None
