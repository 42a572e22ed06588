"""The library's model: animals, and below each its sections, filtered and in the chosen order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont

from hcc_scope.formatting import capital, counted, format_utc, full_stop
from hcc_scope.score_text import SCORE_DECIMALS, describe_interval, describe_named_score, format_section_score, verdict
from ui.kit.symbols import symbol_icon
from ui.kit.theme import colours
from ui.library.library_filter import Column, LibraryFilter, order_of, order_of_animal
from ui.score.score_bar import SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from PySide6.QtGui import QImage, QPixmap

    from hcc_scope.runs.animal_scores import AnimalScore, LeftOut
    from hcc_scope.runs.listed_section import ListedSection, SectionState
    from ui.kit.symbols import Shape
    from ui.kit.theme import ThemeName

__all__ = ["SECTION_ROLE", "LibraryModel"]

SECTION_ROLE = Qt.ItemDataRole.UserRole
"""The `ListedSection` of a row; None for an animal."""
_Index = QModelIndex | QPersistentModelIndex
_TITLES = {
    Column.SECTION: "Section",
    Column.SCORE: "Score",
    Column.STATE: "State",
    Column.ACQUIRED: "Acquired (UTC)",
    Column.FIELDS: "Fields",
    Column.LABEL: "Label",
    Column.MODEL: "Model",
    Column.LEFT_OUT: "Left out",
    Column.NOTES: "Notes",
}
_STATES: dict[SectionState, Shape] = {
    "complete": "good",
    "under way": "busy",
    "unfinished": "warning",
    "unreadable": "bad",
}
UNREADABLE = "Animal not known"
"""Heading of the stores whose animal is not known."""
_ICON_PX = 14
ROW_PX = 44
"""Height of a row: a picture and a little more, or two lines."""
_PENDING = "…"
"""In place of a score that is being read."""


@dataclass(frozen=True, slots=True)
class Group:
    """An animal, with those of its sections that are shown."""

    animal_id: str
    """Empty: not known."""
    sections: tuple[ListedSection, ...]

    @property
    def title(self) -> str:
        """As a person reads it."""
        return f"Animal {self.animal_id}" if self.animal_id else UNREADABLE


class LibraryModel(QAbstractItemModel):
    """Two levels: animals, then sections. A change resets it; the view keeps what is chosen and what is open.

    Parameters
    ----------
    parent : QObject, optional
    """

    about_to_change = Signal()
    rearranged = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._picture_of: Callable[[ListedSection], QImage | None] = lambda _section: None
        self._animals: Callable[[str, bool], list[AnimalScore]] = lambda _animal_id, _asks: []
        self._all: tuple[ListedSection, ...] = ()
        self._filter = LibraryFilter()
        self._column, self._descending = Column.SECTION, False
        self._places: dict[Path, tuple[int, int]] = {}
        self.groups: list[Group] = []
        self._theme: ThemeName = "dark"
        self._icons: dict[Shape, QPixmap] = {}

    # -- content -----------------------------------------------------------------------------------------------------

    def take_sources(
        self, picture_of: Callable[[ListedSection], QImage | None], animals: Callable[[str, bool], list[AnimalScore]]
    ) -> None:
        """Take pictures and scores of animals from elsewhere.

        Parameters
        ----------
        picture_of : callable
            Returns the small picture of a section, or an empty one and asks for it.
        animals : callable
            Returns the scores of an animal over all its sections; with True asks for their intervals too.
        """
        self._picture_of, self._animals = picture_of, animals

    @property
    def n_sections(self) -> int:
        """How many sections there are, shown or not."""
        return len(self._all)

    @property
    def n_shown(self) -> int:
        """How many sections are shown."""
        return len(self._places)

    @property
    def all_sections(self) -> tuple[ListedSection, ...]:
        """Every section, shown or not."""
        return self._all

    def set_sections(self, sections: Iterable[ListedSection]) -> None:
        """Take all sections anew."""
        self._all = tuple(sections)
        self._arrange()

    def set_filter(self, which: LibraryFilter) -> None:
        """Show others of the sections."""
        if which != self._filter:
            self._filter = which
            self._arrange()

    @property
    def filter(self) -> LibraryFilter:
        """Which sections are shown."""
        return self._filter

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort animals, and the sections of each, by a column."""
        self._column, self._descending = Column(max(0, column)), order == Qt.SortOrder.DescendingOrder
        self._arrange()

    def _arrange(self) -> None:
        self.about_to_change.emit()
        self.beginResetModel()
        by_animal: dict[str, list[ListedSection]] = {}
        for one in self._all:
            if self._filter.lets_through(one):
                by_animal.setdefault(one.animal_id, []).append(one)
        groups = []
        for animal_id, sections in by_animal.items():
            sections.sort(key=lambda one: order_of(self._column, one), reverse=self._descending)
            groups.append(Group(animal_id, tuple(sections)))
        by_score = self._column is Column.SCORE
        scores = {group.animal_id: self._scores_of(group, asks=False) for group in groups} if by_score else {}
        groups.sort(
            key=lambda group: order_of_animal(
                self._column, group.animal_id, group.sections, scores.get(group.animal_id, ())
            ),
            reverse=self._descending,
        )
        groups.sort(key=lambda group: not group.animal_id)  # last, whatever the order
        self.groups = groups
        self._places = {
            one.path: (number, row) for number, group in enumerate(groups) for row, one in enumerate(group.sections)
        }
        self.endResetModel()
        self.rearranged.emit()

    def _scores_of(self, group: Group, *, asks: bool = True) -> list[AnimalScore]:
        return self._animals(group.animal_id, asks) if group.animal_id else []

    def show_picture(self, path: Path) -> None:
        """Paint a section's row again: its picture is there."""
        index = self.index_of(path)
        if index.isValid():
            self.dataChanged.emit(index, index, [Qt.ItemDataRole.DecorationRole])

    def show_animals(self) -> None:
        """Paint the rows of animals again: their scores, or intervals, are there."""
        if self.groups:
            last = self.index(len(self.groups) - 1, len(Column) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def index_of(self, key: Path | str) -> QModelIndex:
        """Return where a section (by its path) or an animal (by its id) is; an invalid index if it is not shown."""
        if isinstance(key, str):
            numbers = [number for number, group in enumerate(self.groups) if group.animal_id == key]
            return self.index(numbers[0], 0) if numbers else QModelIndex()
        if key not in self._places:
            return QModelIndex()
        number, row = self._places[key]
        return self.index(row, 0, self.index(number, 0))

    def key_of(self, index: _Index) -> Path | str | None:
        """Return by what `index_of` finds a row again; None for an invalid index."""
        if not index.isValid():
            return None
        section = self.section_at(index)
        return self.groups[index.row()].animal_id if section is None else section.path

    def section_at(self, index: _Index) -> ListedSection | None:
        """Return the section of a row; None for an animal."""
        if not index.isValid() or not index.internalId():
            return None
        return self.groups[int(index.internalId()) - 1].sections[index.row()]

    def sections_at(self, index: _Index) -> tuple[ListedSection, ...]:
        """Return the section of a row, or all that are shown of an animal."""
        section = self.section_at(index)
        if section is not None:
            return (section,)
        return self.groups[index.row()].sections if index.isValid() else ()

    def set_theme(self, theme: ThemeName) -> None:
        """Take the colours of a theme."""
        self._theme = theme
        self._icons.clear()
        self.show_animals()

    # -- what Qt asks ------------------------------------------------------------------------------------------------

    def index(self, row: int, column: int, parent: _Index = QModelIndex()) -> QModelIndex:  # noqa: B008 - Qt's default
        """Return the index of a cell: its internal id is 0 for an animal, and 1 more than that of its animal else."""
        if not self.hasIndex(row, column, parent):
            return QModelIndex()
        return self.createIndex(row, column, parent.row() + 1 if parent.isValid() else 0)

    def parent(self, index: _Index = QModelIndex()) -> QModelIndex:  # type: ignore[override]  # noqa: B008
        """Return the animal of a section."""
        number = int(index.internalId()) if index.isValid() else 0
        return self.createIndex(number - 1, 0, 0) if number else QModelIndex()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: N802, B008
        """Return how many animals there are, or sections of one."""
        if not parent.isValid():
            return len(self.groups)
        return 0 if parent.internalId() or parent.column() else len(self.groups[parent.row()].sections)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: N802, B008
        """Return the number of columns."""
        del parent
        return len(Column)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:  # noqa: ANN401 - Qt's
        """Return the title of a column."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[Column(section)]
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's
        """Return what a cell shows."""
        if not index.isValid():
            return None
        section, column = self.section_at(index), Column(index.column())
        if role == SECTION_ROLE:
            return section
        if role == Qt.ItemDataRole.SizeHintRole:  # of all rows alike: the view asks for the first alone
            return QSize(0, ROW_PX) if column is Column.SECTION else None
        if section is None:
            return self._of_animal(self.groups[index.row()], column, Qt.ItemDataRole(role))
        return self._of_section(section, column, Qt.ItemDataRole(role))

    def _of_animal(self, group: Group, column: Column, role: Qt.ItemDataRole) -> Any:  # noqa: ANN401
        roles = Qt.ItemDataRole
        if role == roles.FontRole and column is Column.SECTION:
            font = QFont()
            font.setBold(True)
            return font
        if role not in (roles.DisplayRole, roles.ToolTipRole, roles.AccessibleTextRole):
            return None
        if column is Column.SECTION:
            return f"{group.title}\n{counted(len(group.sections), 'section')}"
        if column is not Column.SCORE:
            return None
        scores = self._scores_of(group)
        if role == roles.DisplayRole:
            return _short_animal(scores)
        sentences = [full_stop(f"{one.model or 'Unknown model'}: {one.describe()}") for one in scores]
        if len(scores) == 1:
            sentences += ["The interval is about the mean over these sections.", scores[0].evidence()]
        return "\n".join(filter(None, sentences))

    def _of_section(self, one: ListedSection, column: Column, role: Qt.ItemDataRole) -> Any:  # noqa: ANN401
        roles = Qt.ItemDataRole
        if role == roles.DecorationRole:
            return self._sign(one, column)
        left_out = self._left_out(one) if column is Column.STATE else None
        if role == roles.DisplayRole:
            return _text(one, column) + (f"\n{left_out.title}" if left_out is not None else "")
        if role in (roles.ToolTipRole, roles.AccessibleTextRole):
            text = _whole_text(one, column)
            if left_out is not None:
                text += f"\nNot in the score of the animal: {full_stop(left_out.describe())}"
            return f"{_TITLES[column]}: {text}" if role == roles.AccessibleTextRole and text else text
        if role == roles.ForegroundRole and column is Column.STATE and one.state == "unreadable":
            return QColor(colours(self._theme).error)
        return None

    def _left_out(self, one: ListedSection) -> LeftOut | None:
        """Return why the score of a section's animal is without it; None if it counts, or has no score."""
        scores = self._animals(one.animal_id, False) if one.animal_id else []
        return next((out for score in scores for out in score.left_out if out.section.path == one.path), None)

    def _sign(self, one: ListedSection, column: Column) -> QImage | QPixmap | None:
        if column is Column.SECTION:
            return self._picture_of(one)
        if column is Column.SCORE:
            return self._icon(SHAPES[verdict(one.score).kind]) if _short_score(one) not in ("", _PENDING) else None
        if column is Column.STATE:
            warned = one.state == "complete" and (one.problem or one.alarm)
            return self._icon("warning" if warned else _STATES[one.state])
        return None

    def _icon(self, shape: Shape) -> QPixmap:
        """Return a sign as a picture: an icon would be painted as large as a section's picture."""
        if shape not in self._icons:
            self._icons[shape] = symbol_icon(shape, colours(self._theme), _ICON_PX).pixmap(
                QSize(_ICON_PX, _ICON_PX), 2.0
            )
        return self._icons[shape]


def _short_animal(scores: list[AnimalScore]) -> str:
    """Return the score of an animal in two lines."""
    if not scores:
        return ""
    if len(scores) > 1:
        return f"scored by {len(scores)} models\nno common mean"
    (one,) = scores
    first = f"{one.score:.{SCORE_DECIMALS}f}, mean of {counted(len(one.sections), 'section')}"
    return f"{first}\n{one.describe_interval()}"


def _text(one: ListedSection, column: Column) -> str:
    """Return what a cell shows, in two lines at most."""
    match column:
        case Column.SECTION:
            return f"{one.section_id or one.path.name}\n{'' if one.section_id else one.path.parent.name}".rstrip()
        case Column.SCORE:
            return _short_score(one)
        case Column.ACQUIRED:
            when = "" if one.created_utc is None else format_utc(one.created_utc, seconds=False)
            return when.removesuffix(" UTC").replace(" ", "\n")
        case Column.MODEL:
            return one.model or ""
        case Column.FIELDS:
            return one.describe_fields() + (f"\n{one.n_parts} parts" if one.n_parts > 1 else "")
        case Column.LEFT_OUT:
            return one.describe_quality()
        case Column.LABEL:
            return one.label or ""
        case Column.NOTES:
            return f"{one.n_notes}\n{one.note}".rstrip() if one.n_notes else ""
        case Column.STATE:
            return one.ended if one.can_open else "cannot be read"


def _short_score(one: ListedSection) -> str:
    if one.has_old_score:
        return _PENDING
    if not one.can_open or one.state == "under way":
        return ""
    stated = verdict(one.score)
    if one.score is None or one.score.score is None:
        return stated.title
    interval = describe_interval(one.score) or "interval not valid"
    return f"{format_section_score(one.score)}, {stated.title[:1].lower()}{stated.title[1:]}\n{interval}"


def _whole_text(one: ListedSection, column: Column) -> str:
    """Return what a cell stands for, as sentences."""
    match column:
        case Column.SECTION:
            return f"{one.name}\n{one.path}"
        case Column.SCORE if one.shown_score is not None:
            return "\n".join(filter(None, (full_stop(capital(describe_named_score(one.shown_score))), one.alarm)))
        case Column.NOTES:
            return f"{counted(one.n_notes, 'note')}. {one.note}".strip() if one.n_notes else ""
        case Column.STATE:
            return "\n".join(filter(None, (full_stop(capital(one.ended)), one.problem, one.alarm)))
        case _:
            return _text(one, column).replace("\n", ", ")
