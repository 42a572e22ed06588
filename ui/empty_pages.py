"""What the pages show while they are empty: one sentence, and the button of the action that fills them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from ui.kit.empty_hint import EmptyHint

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from ui.control.rig_control import RigControl
    from ui.control.run_control import RunControl
    from ui.shell.action_specs import ActionName
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["EmptyPages"]


class EmptyPages(QObject):
    """Looks at the page that is shown whenever something can have filled or emptied it; a hint is made when needed.

    Parameters
    ----------
    window : MainWindow
    views : Views
    rig : RigControl
    run : RunControl
    """

    def __init__(self, window: MainWindow, views: Views, rig: RigControl, run: RunControl) -> None:
        super().__init__(window)
        self._window, self._views, self._rig, self._run = window, views, rig, run
        self._hints: dict[QWidget, EmptyHint] = {}
        for signal in (
            *(window.page_changed, window.mode_changed, rig.opened, rig.closed, rig.kept, rig.live_changed),
            *(run.phase_changed, views.live.filled, views.map.redrawn, views.tiles.filled),
            *(views.replay.section_shown, views.replay.section_closed),
        ):
            signal.connect(self._look)

    @Slot()
    def _look(self) -> None:
        page, views = self._window.shown_tab, self._views
        if page is None:
            return
        if page in (views.live, views.section):
            self._show(views.live.view, *self._of_live())
        if page in (views.map, views.section):
            self._show(views.map.view, *self._of_map())
        if page is views.tiles:
            why = "" if views.tiles.model.n_tiles else "The tiles of a section appear here once it is classified."
            self._show(views.tiles.placeholder, why, "open_store")

    def _of_live(self) -> tuple[str, ActionName]:
        if self._views.live.shown_frame is not None or self._rig.live or self._run.active:
            return "", "live"
        if self._rig.loaded is None:
            return "The picture of the camera appears here once a rig is open.", "open_rig"
        return "The picture of the camera appears here.", "live"

    def _of_map(self) -> tuple[str, ActionName]:
        if not self._views.map.is_empty or self._run.active:
            return "", "plan"
        if self._rig.loaded is None:
            return "The fields of a section appear here at their stage positions.", "open_rig"
        return "The fields of the next section appear here at their stage positions.", "plan"

    def _show(self, over: QWidget, words: str, name: ActionName) -> None:
        hint = self._hints.get(over)
        if not words:
            if hint is not None:
                hint.hide()
            return
        if hint is None:
            hint = self._hints[over] = EmptyHint(over)
        hint.show_hint(words, self._window.actions_[name])
