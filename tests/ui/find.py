"""Reach a widget as an operator does who cannot see it: by its kind and the name that a screen reader reads out."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QFrame,
    QHeaderView,
    QLineEdit,
    QMenuBar,
    QPlainTextEdit,
    QScrollBar,
    QTabBar,
    QTextEdit,
    QWidget,
)

from ui.canvas.canvas import Canvas
from ui.devices.stage_pad import StagePad
from ui.live.histogram import HistogramPlot

W = TypeVar("W", bound=QWidget)

INTERACTIVE = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    Canvas,
    HistogramPlot,
    StagePad,
)
"""Everything that a person operates."""
_OWNERS_OF_PARTS = (QAbstractSpinBox, QComboBox, QAbstractItemView, QAbstractScrollArea, QTabBar, QMenuBar, QLineEdit)


def name_of(widget: QWidget) -> str:
    """Return the name that a screen reader gets: the accessible name, else the text of a button or of the label."""
    interface = QAccessible.queryAccessibleInterface(widget)
    if interface is None:
        return ""
    if isinstance(widget, QComboBox) and not widget.accessibleName():  # on Linux Qt gives its value for its name
        labels = [label for label, relation in interface.relations() if relation & QAccessible.RelationFlag.Label]
        return labels[0].text(QAccessible.Text.Name) if labels else ""
    return widget.accessibleName() or interface.text(QAccessible.Text.Name)


def description_of(widget: QWidget) -> str:
    """Return what a screen reader adds to the name."""
    interface = QAccessible.queryAccessibleInterface(widget)
    return "" if interface is None else interface.text(QAccessible.Text.Description)


def find_all(root: QWidget, kind: type[W], name: str) -> list[W]:
    """Return the descendants of a kind with a name, shown or not."""
    return [one for one in root.findChildren(kind) if name_of(one) == name]


def find(root: QWidget, kind: type[W], name: str) -> W:
    """Return the only descendant of a kind with a name, shown or not.

    Raises
    ------
    AssertionError
        If there is none or more than one; the message lists the names that there are.
    """
    found = find_all(root, kind, name)
    there = sorted({f"{type(one).__name__} {name_of(one)!r}" for one in root.findChildren(kind) if name_of(one)})
    assert len(found) == 1, f"{len(found)} of {kind.__name__} {name!r} in {root}; there are: {', '.join(there)}"
    return found[0]


def names_of(root: QWidget, kind: type[QWidget]) -> list[str]:
    """Return the names of all shown descendants of a kind that have one, in the order in which they were made."""
    return [name_of(one) for one in root.findChildren(kind) if one.isVisibleTo(root) and name_of(one)]


def interactive(root: QWidget) -> list[QWidget]:
    """Return all descendants that a person operates, without the parts that Qt makes for them."""
    return [one for one in root.findChildren(QWidget) if isinstance(one, INTERACTIVE) and not _is_part(one)]


def _is_part(widget: QWidget) -> bool:
    """Return whether a widget is a part of another one: the arrow of a combo box, the header of a table."""
    parent = widget.parentWidget()
    return (
        isinstance(widget, (QScrollBar, QHeaderView))
        or isinstance(parent, _OWNERS_OF_PARTS)
        or (parent is not None and parent.metaObject().className() == "QComboBoxPrivateContainer")
        or widget.objectName().startswith("qt_")
        or type(widget).__module__.startswith("pyqtgraph")
    )


def panel_of(widget: QWidget) -> QWidget:
    """Return the group that a widget belongs to: the nearest ancestor with a name that is not operated itself."""
    parent = widget.parentWidget()
    while parent is not None and parent.parentWidget() is not None:
        if (parent.accessibleName() or parent.windowTitle()) and not isinstance(parent, INTERACTIVE):
            return parent
        parent = parent.parentWidget()
    return parent or widget


def layers_of(tab: QWidget) -> QWidget:
    """Return the pop-over *Layers* of a tab, opened and closed again: its switches work in any case."""
    find(tab, QAbstractButton, "Layers").click()
    popover = next(child for child in tab.findChildren(QFrame) if child.accessibleName() == "Layers")
    popover.close()
    return popover
