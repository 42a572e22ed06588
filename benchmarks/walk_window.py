"""The app as `benchmarks.walk` starts it: the real window, which also answers where on the screen something is.

It only looks; whatever is done is done by the mouse and the keyboard of the screen. A question is a line of JSON on
the standard input, the answer one on the standard output.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QPoint, QPointF, QRect, QSocketNotifier
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QMenu,
    QMenuBar,
    QTabBar,
    QWidget,
)

from hcc_scope.cli.app_command import run_desktop_app
from ui.app import App

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Rect = tuple[int, int, int, int]
Seen = tuple[str, str, Rect, bool]
"""Words, kind, place, and whether it can be used."""


class Lookout(QObject):
    """Answers what is asked about the window.

    Parameters
    ----------
    app : App
    """

    def __init__(self, app: App) -> None:
        super().__init__(app.window)
        self._app = app
        self._notifier = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._answer)

    def _answer(self) -> None:
        line = sys.stdin.readline()
        if not line:
            self._notifier.setEnabled(False)
            return
        name, *arguments = json.loads(line)
        asked: dict[str, Callable[..., object]] = {
            "find": self.find,
            "place": self.place,
            "field": self.field,
            "map": self.map,
            "facts": self.facts,
        }
        answer = asked[name](*arguments)
        print(json.dumps(answer), flush=True)

    def find(self, words: str, kind: str = "") -> dict[str, Any] | None:
        """Return where the first thing with these words is, front to back, and whether it can be used.

        Parameters
        ----------
        words : str
            Its text, or how its text begins.
        kind : {"", "tab", "entry", "row"}
            What it is: a tab, an entry of a menu, a row of a list; empty for anything.
        """
        seen = [(text.replace("&", ""), rect, enabled) for text, of, rect, enabled in self._seen() if kind in ("", of)]
        found = [one for one in seen if one[0] == words] or [one for one in seen if one[0].startswith(words)]
        return {"text": found[0][0], "rect": found[0][1], "enabled": found[0][2]} if found else None

    def map(self) -> Rect:
        """Return where the map is on the screen."""
        view = self._app.views.map.view
        return _rect(view, view.rect())

    def place(self, x_um: float, y_um: float) -> list[int]:
        """Return where a place of the map is on the screen."""
        view = self._app.views.map.view
        at = view.mapToGlobal(QPointF(*view.viewport.to_screen(x_um, y_um)).toPoint())
        return [at.x(), at.y()]

    def field(self, seq: int) -> list[int] | None:
        """Return where the middle of a field of the map is on the screen; None if it is not shown."""
        for one, (left, top, width, height) in self._app.views.map.fields.boxes():
            if one.seq == seq:
                return self.place(left + width / 2, top + height / 2)
        return None

    def facts(self) -> dict[str, Any]:
        """Return what the window knows."""
        app = self._app
        snapshot, fields = app.state.snapshot, app.views.map.fields
        counts = None if snapshot is None else snapshot.counts
        return {
            "rig": app.state.rig is not None,
            "phase": app.run.phase,
            "stored": 0 if counts is None else counts.stored,
            "classified": 0 if counts is None else counts.classified + counts.excluded,
            "shown": sorted(one.seq for one in fields.shown),
            "excluded": sorted(one.seq for one in fields.fields.values() if one.excluded),
            "hint": app.window.top.hint,
            "notice": app.window.notice.text,
            "opened": app.views.replay.opened is not None,
            "jobs": app.jobs.n_open,
        }

    def _seen(self) -> Iterator[Seen]:
        """Yield what is on the screen, with its words: pop-overs, then dialogs, then the window."""
        popup, front = QApplication.activePopupWidget(), []
        if popup is not None:
            front.append(popup)
        tops = [top for top in QApplication.topLevelWidgets() if top.isVisible() and top is not popup]
        tops.sort(key=lambda top: (top is self._app.window, not top.isWindow()))
        for top in [*front, *tops]:
            for widget in (top, *top.findChildren(QWidget)):
                if widget.isVisible() and not widget.visibleRegion().isEmpty():
                    yield from _words_of(widget)


def _words_of(widget: QWidget) -> Iterator[Seen]:
    enabled = widget.isEnabled()
    if isinstance(widget, QMenu | QMenuBar):
        for action in widget.actions():
            if isinstance(action, QAction) and action.isVisible() and action.text():
                yield action.text(), "entry", _rect(widget, widget.actionGeometry(action)), action.isEnabled()
    elif isinstance(widget, QTabBar):
        for index in range(widget.count()):
            yield widget.tabText(index), "tab", _rect(widget, widget.tabRect(index)), widget.isTabEnabled(index)
    elif isinstance(widget, QAbstractItemView) and widget.model() is not None:
        model = widget.model()
        parents = [widget.rootIndex(), *(model.index(row, 0) for row in range(model.rowCount()))]
        for parent in parents:
            for row in range(model.rowCount(parent)):
                one = model.index(row, 0, parent)
                shown = widget.visualRect(one)
                if shown.isValid() and widget.viewport().rect().intersects(shown):
                    yield str(one.data() or ""), "row", _rect(widget.viewport(), shown), enabled
    elif isinstance(widget, QAbstractButton) and widget.text():
        yield widget.text(), "button", _rect(widget, widget.rect()), enabled
    elif isinstance(widget, QComboBox):
        yield widget.currentText(), "box", _rect(widget, widget.rect()), enabled
    if widget.accessibleName():
        yield widget.accessibleName(), "", _rect(widget, widget.rect()), enabled


def _rect(widget: QWidget, rect: QRect) -> Rect:
    at = widget.mapToGlobal(QPoint(rect.x(), rect.y()))
    return at.x(), at.y(), rect.width(), rect.height()


def main() -> None:
    begin = App.begin

    def begin_and_look(app: App) -> None:
        begin(app)
        Lookout(app)

    App.begin = begin_and_look  # type: ignore[method-assign,assignment]  # the window itself has no such door
    run_desktop_app(None)


if __name__ == "__main__":
    main()
