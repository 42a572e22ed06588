"""Small things that all panels share: headings, quiet text, forms with aligned labels."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QFont, QPalette
from PySide6.QtWidgets import QFormLayout, QLabel, QWidget

from ui.kit.theme import GRID_PX, Colours, colours

if TYPE_CHECKING:
    from PySide6.QtWidgets import QLayout

__all__ = [
    "MICROMETRE",
    "ValueLabel",
    "announce",
    "breakable",
    "colours_of",
    "describe",
    "form",
    "grid_margins",
    "heading",
    "label_column_px",
    "label_for",
    "plain_tip",
    "quiet",
    "quiet_value",
    "with_micro_sign",
    "words",
]

MICROMETRE = "µm"
_PLAIN_MICROMETRE = re.compile(r"(?<=[0-9] )um\b")
_DARK_BELOW = 128
_LABEL_CHARACTERS = 13
"""Width of the column of labels, in average characters: the same in every panel, so that fields stand in one line."""


def colours_of(widget: QWidget) -> Colours:
    """Return the colours of the theme that a widget's palette belongs to."""
    # not by the window's: check boxes have one of their own (`ui.kit.theme`)
    dark = widget.palette().color(QPalette.ColorRole.Base).lightness() < _DARK_BELOW
    return colours("dark" if dark else "light")


def describe(widget: QWidget, name: str, tip: str) -> None:
    """Give a widget its name for screen readers and its tooltip (with the unit, where there is one)."""
    widget.setAccessibleName(name)
    widget.setAccessibleDescription(tip)
    widget.setToolTip(tip)


def plain_tip(text: str) -> str:
    """Return a text as a tooltip that shows its letters: Qt takes what looks like HTML for it, and loads its pictures.

    Messages may quote what a received file holds.
    """
    return f"<span>{html.escape(text, quote=False).replace(chr(10), '<br>')}</span>" if text else ""


def announce(widget: QWidget, text: str, *, urgent: bool) -> None:
    """Have a screen reader read a text that appears by itself; an urgent one interrupts what it reads."""
    politeness = QAccessible.AnnouncementPoliteness
    event = QAccessibleAnnouncementEvent(widget, text)
    event.setPoliteness(politeness.Assertive if urgent else politeness.Polite)
    QAccessible.updateAccessibility(event)


def breakable(text: str) -> str:
    """Return a text that may be broken at slashes and underscores: a path, the name of a kernel."""
    for sign in ("/", "\\", "_"):
        text = text.replace(sign, f"{sign}\u200b")
    return text


def with_micro_sign(text: str) -> str:
    """Return a text of the core, which consoles print too, with its lengths as this window writes them.

    Not for texts with paths: a folder may be named by a length.

    Examples
    --------
    >>> with_micro_sign("tiles of 512 px at 0.5 um, from um.csv")
    'tiles of 512 px at 0.5 µm, from um.csv'
    """
    return _PLAIN_MICROMETRE.sub(MICROMETRE, text)


class ValueLabel(QLabel):
    """A label that shows a value: a screen reader reads its name, and the value as its description.

    Parameters
    ----------
    name : str
        What the value is of. The name of a label hides its text from screen readers.
    text : str
        The value, not as markup.
    tip : str
        The tooltip.
    """

    def __init__(self, name: str, text: str = "", tip: str = "") -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAccessibleName(name)
        self.setToolTip(tip)
        self.setText(text)

    def setText(self, text: str) -> None:  # noqa: N802 - Qt's name
        """Show another value."""
        super().setText(text)
        self.setAccessibleDescription(text)

    def clear(self) -> None:
        """Show no value."""
        self.setText("")


def quiet_value(name: str) -> ValueLabel:
    """Return a value in muted text that wraps."""
    label = ValueLabel(name)
    label.setWordWrap(True)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return label


def words(text: str = "", *, selectable: bool = False) -> QLabel:
    """Return a label that wraps and shows its text as it is."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)  # ids and device names are not markup
    label.setWordWrap(True)
    if selectable:
        label.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
    return label


def quiet(text: str = "") -> QLabel:
    """Return a label in muted text that wraps."""
    label = words(text)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)  # the theme's muted text, whichever theme
    return label


def heading(text: str) -> QLabel:
    """Return a label that begins a part of a panel."""
    label = words(text)
    font = QFont(label.font())
    font.setWeight(QFont.Weight.DemiBold)
    label.setFont(font)
    return label


def grid_margins(layout: QLayout) -> None:
    """Put a panel's outer layout on the grid."""
    layout.setContentsMargins(GRID_PX, GRID_PX, GRID_PX, GRID_PX)
    layout.setSpacing(GRID_PX)


def form() -> QFormLayout:
    """Return a form: labels left-aligned in a column of fixed width, fields below them where they do not fit beside."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(GRID_PX)
    layout.setVerticalSpacing(GRID_PX)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    layout.setFormAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    return layout


def label_column_px(widget: QWidget) -> int:
    """Return the width of the column of labels."""
    return _LABEL_CHARACTERS * widget.fontMetrics().averageCharWidth()


def label_for(text: str, field: QWidget) -> QLabel:
    """Return a form's label for a field, as wide as in every other panel."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setBuddy(field)
    label.setMinimumWidth(label_column_px(label))
    label.setToolTip(field.toolTip())
    return label
