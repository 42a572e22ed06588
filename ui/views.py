"""The panels and tabs of the window: made here, once, and held for those who fill them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot

from ui.canvas.save_view import save_picture
from ui.devices.device_panels import DevicePanels
from ui.devices.properties import PropertyBrowser
from ui.hand.hand_tab import HandTab
from ui.kit.scrolled import scrolled
from ui.live.live_tab import LiveTab
from ui.map.hand_view import HandMapView
from ui.map.map_tab import SectionMapTab
from ui.models.models_tab import ModelsTab
from ui.replay.replay_tab import ReplayTab
from ui.score.focus_panel import FocusPanel
from ui.score.quality import QualityPanel
from ui.score.score import ScorePanel
from ui.shell.status_strip import StatusStrip
from ui.tiles.tiles_tab import TilesTab

if TYPE_CHECKING:
    from pathlib import Path

    from ui.kit.jobs import Jobs
    from ui.kit.theme import ThemeName
    from ui.shell.actions import ActionName
    from ui.shell.main_window import MainWindow

__all__ = ["Views"]

LOW_PX = 800
"""In a window lower than this the picture needs the room of the histogram."""
_LEFT, _RIGHT = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea


class Views(QObject):
    """Makes the panels and tabs and puts them into the window; they know nothing of each other.

    Parameters
    ----------
    window : MainWindow
    jobs : Jobs
    allow_phantom_model : bool
        Allow a model trained on phantoms alone to score what may be tissue, in Replay.
    """

    def __init__(self, window: MainWindow, jobs: Jobs, *, allow_phantom_model: bool = False) -> None:
        super().__init__(window)
        self._window = window
        self._make_panels()
        self._make_tabs(jobs, allow_phantom_model)
        self.set_theme(window.theme)
        window.theme_changed.connect(self.set_theme)

    def _make_panels(self) -> None:
        window = self._window
        self.devices, self.properties = DevicePanels(), PropertyBrowser()
        self.score, self.quality, self.status = ScorePanel(), QualityPanel(), StatusStrip()
        self.focusing = FocusPanel()
        window.add_dock("rig", "Rig", scrolled(self.devices), _LEFT, "Ctrl+Alt+1")
        window.add_dock("properties", "Properties", self.properties, _LEFT, "Ctrl+Alt+2", beside="rig")
        window.add_dock("score", "Score", scrolled(self.score), _RIGHT, "Ctrl+Alt+3")
        window.add_dock("quality", "Quality of the field", scrolled(self.quality), _RIGHT, "Ctrl+Alt+4")
        window.add_dock("focus", "Focus", scrolled(self.focusing), _RIGHT, "Ctrl+Alt+5", beside="quality")
        window.set_status(self.status)

    def _make_tabs(self, jobs: Jobs, allow_phantom_model: bool) -> None:
        window = self._window
        self.live, self.map, self.tiles = LiveTab(), SectionMapTab(), TilesTab(jobs)
        self.replay = ReplayTab(jobs, allow_phantom_model=allow_phantom_model)
        self.hand_map = HandMapView(self.map)
        self.hand = HandTab([window.actions_[name] for name in ("start", "pause", "stop", "panels")], self.hand_map)
        self.by_hand = False
        """Whether the window is that of a stand that is moved by hand."""
        window.add_tab(self.live, "Live", "The image of the camera, and the model's predictions")
        window.add_tab(self.map, "Section map", "All fields at their stage positions")
        window.add_tab(self.tiles, "Tiles", "All tiles of the section, sorted by the model's predictions")
        window.add_tab(self.replay, "Replay", "Stored sections: view, classify again, compare, write notes")
        window.add_tab(self.hand, "By hand", "Live picture, state, map and steps of a section that is moved by hand")
        names: tuple[ActionName, ...] = ("add_model", "use_model", "test_model", "time_engines", "remove_model")
        self.models = ModelsTab([window.actions_[name] for name in names])
        window.add_tab(self.models, "Models", "Models, their cards and tests, and whether they fit the rig")
        window.offer_views(self.live, self.map, self.tiles, self.replay, self.models)

    @Slot(str)
    def set_theme(self, theme: ThemeName) -> None:
        """Take a theme's colours; the panels follow the palette by themselves."""
        for tab in (self.live, self.map, self.tiles, self.replay, self.models, self.hand, self.hand_map):
            tab.set_theme(theme)

    def set_by_hand(self, on: bool) -> None:
        """Show the window of a stand that is moved by hand, or that of one with a stage."""
        if on == self.by_hand:
            return
        self.by_hand = on
        views = (self.live, self.map, self.tiles, self.replay, self.models)
        self._window.offer_views(*((self.hand, *views) if on else views))
        self._window.show_panels(not on)

    def make_room(self, height_px: int) -> None:
        """Hide the histogram if the window is so low that the picture needs its room."""
        if height_px < LOW_PX:
            self.live.hide_histogram()

    def show_live(self) -> None:
        """Show the tab Live, which shows stored fields too."""
        self._window.show_welcome(False)
        self._window.tabs.setCurrentWidget(self.live)

    def open_store(self, path: Path) -> None:
        """Open a stored section in the tab Replay."""
        self._window.show_welcome(False)
        self._window.tabs.setCurrentWidget(self.replay)
        self.replay.open_stores([path])

    def export_png(self, path: Path) -> None:
        """Save a picture of the tab that is shown.

        Raises
        ------
        StoreUnwritableError
            If the file cannot be written.
        """
        tab = self._window.tabs.currentWidget()
        if isinstance(tab, TilesTab):
            save_picture(tab.view, path, "Tiles")
        elif isinstance(tab, LiveTab | SectionMapTab | ReplayTab | HandTab | ModelsTab):
            tab.export_png(path)
