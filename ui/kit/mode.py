"""The two modes of the window, and how a row of controls shows only those of the present mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ui.kit.controls import ViewButton

if TYPE_CHECKING:
    from collections.abc import Collection

    from PySide6.QtWidgets import QWidget

__all__ = ["ModeName", "offer_in_row"]

ModeName = Literal["operator", "expert"]
"""``operator``: what it takes to acquire a section; ``expert``: all controls and panels."""

_HIDDEN = "hidden_by_mode"


def offer_in_row(row: QWidget, kept: Collection[QWidget], mode: ModeName) -> None:
    """Show all controls of a row in Expert mode, and some of them in Operator mode.

    The keys of the buttons work in both modes. A button that is hidden for another reason stays so.

    Parameters
    ----------
    row : QWidget
        As `ui.kit.controls.control_row` returns it.
    kept : collection of QWidget
        The controls that Operator mode shows.
    mode : {"operator", "expert"}
    """
    layout = row.layout()
    items = [] if layout is None else [layout.itemAt(index) for index in range(layout.count())]
    for item in items:
        widget = None if item is None else item.widget()
        if widget is None:
            continue
        offered = mode == "expert" or widget in kept
        if isinstance(widget, ViewButton):
            widget.set_offered(offered)
        elif not offered and not widget.isHidden():
            widget.setProperty(_HIDDEN, True)
            widget.hide()
        elif offered and widget.property(_HIDDEN):
            widget.setProperty(_HIDDEN, False)
            widget.show()
