"""The panels and tabs of the window: made here, once, and held for those who fill them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot

from ui.canvas.save_view import save_picture
from ui.devices.device_panels import DevicePanels
from ui.devices.properties import PropertyBrowser
from ui.hand.hand_tab import HandTab
from ui.kit.late_page import LatePage
from ui.kit.scrolled import scrolled
from ui.library.library_tab import LibraryTab
from ui.live.live_tab import LiveTab
from ui.map.hand_view import HandMapView
from ui.map.map_tab import SectionMapTab
from ui.models.models_tab import ModelsTab
from ui.replay.replay_tab import ReplayTab
from ui.score.focus_panel import FocusPanel
from ui.score.quality import QualityPanel
from ui.score.quality_signs import QualitySigns
from ui.score.score import ScorePanel
from ui.shell.section_page import SectionPage
from ui.shell.status_strip import StatusStrip
from ui.tiles.tiles_tab import TilesTab

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

    from ui.kit.jobs import Jobs
    from ui.kit.mode import ModeName
    from ui.kit.theme import ThemeName
    from ui.shell.action_specs import ActionName
    from ui.shell.main_window import MainWindow

__all__ = ["Views"]

LOW_PX = 800
"""In a window lower than this the picture needs the room of the histogram."""
_OF_CHOSEN: tuple[ActionName | None, ...] = (
    "library_open", "library_report", "library_animal_report", "library_classify", "library_compare",
    "library_export_as", "library_export", None, "library_low", "library_high", "library_leave_out",
    "library_no_label", None, "library_resume", "library_recover",
)  # fmt: skip
"""What is done with the chosen sections of the library, in the order of their menu; None is a line."""
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
        self.devices = DevicePanels()
        self.property_page, self.focus_page = LatePage(PropertyBrowser), LatePage(FocusPanel, scrolled)
        """Their contents are made when they are first shown."""
        self.score, self.quality, self.status = ScorePanel(), QualityPanel(), StatusStrip()
        window.add_dock("rig", "Rig", scrolled(self.devices), _LEFT, "Ctrl+Alt+1")
        window.add_dock("properties", "Properties", self.property_page, _LEFT, "Ctrl+Alt+2", beside="rig")
        window.add_dock("score", "Score", scrolled(self.score), _RIGHT, "Ctrl+Alt+3")
        window.add_dock("quality", "Quality", scrolled(self.quality), _RIGHT, "Ctrl+Alt+4")
        window.add_dock("focus", "Focus", self.focus_page, _RIGHT, "Ctrl+Alt+5", beside="quality")
        window.set_status(self.status)

    @property
    def properties(self) -> PropertyBrowser:
        """The properties of all devices."""
        return self.property_page.content

    @property
    def focusing(self) -> FocusPanel:
        """The searches for the focus."""
        return self.focus_page.content

    def _make_tabs(self, jobs: Jobs, allow_phantom_model: bool) -> None:
        window = self._window
        self.live, self.map, self.tiles = LiveTab(), SectionMapTab(jobs=jobs), TilesTab(jobs)
        self.replay = ReplayTab(jobs, allow_phantom_model=allow_phantom_model)
        self.hand_map = HandMapView(self.map)
        self.hand = HandTab([window.actions_[name] for name in ("start", "pause", "stop", "panels")], self.hand_map)
        actions = window.actions_
        self.library = LibraryTab(
            [None if name is None else actions[name] for name in _OF_CHOSEN], actions["library_folder"]
        )
        self.by_hand = False
        """Whether the window is that of a stand that is moved by hand."""
        window.add_tab(self.live, "Live", "The image of the camera, and the model's predictions")
        window.add_tab(self.map, "Section map", "All fields at their stage positions")
        window.add_tab(self.tiles, "Tiles", "All tiles of the section, sorted by the model's predictions")
        window.add_tab(self.replay, "Replay", "Stored sections: view, classify again, compare, write notes")
        window.add_tab(self.hand, "By hand", "Live picture, state, map and steps of a section that is moved by hand")
        window.add_tab(self.library, "Library", "All sections of a folder, by animal")
        names: tuple[ActionName, ...] = ("add_model", "use_model", "test_model", "time_engines", "remove_model")
        self.models = ModelsTab([window.actions_[name] for name in names])
        window.add_tab(self.models, "Models", "Models, their cards and tests, and whether they fit the rig")
        self.signs = QualitySigns()
        self.quality.changed.connect(self.signs.show_quality)
        self.section = SectionPage(self.signs)
        """Picture and map side by side, in Operator mode."""
        window.add_page(self.section, "Section", "The picture and the map of the section, side by side (Ctrl+1)")
        self.set_mode(window.mode)
        self._follow_page()
        window.mode_changed.connect(self.set_mode)
        window.page_changed.connect(self._follow_page)
        window.width_changed.connect(self._follow_width)

    @Slot(str)
    def set_theme(self, theme: ThemeName) -> None:
        """Take a theme's colours; the panels follow the palette by themselves."""
        tabs = (self.live, self.map, self.tiles, self.library, self.replay, self.models, self.hand, self.hand_map)
        for tab in tabs:
            tab.set_theme(theme)

    def set_by_hand(self, on: bool) -> None:
        """Show the window of a stand that is moved by hand, or that of one with a stage."""
        if on == self.by_hand:
            return
        self.by_hand = on
        self._offer_views()
        if self._window.mode == "expert":
            self._window.show_panels(not on)

    @Slot(str)
    def set_mode(self, mode: ModeName) -> None:
        """Offer the views of a mode, and in them what it shows; the view that is shown stays."""
        shown = self._window.shown_tab
        shown = self.live if shown is self.section else shown
        for view in (self.live, self.map, self.hand, self.score, self.status):
            view.set_mode(mode)
        self._offer_views()
        if shown is not None:
            self._window.show_view(shown)
        if self.by_hand and mode == "expert":
            self._window.show_panels(False)

    @Slot()
    def _follow_width(self) -> None:
        """Show picture and map side by side, or as two tabs, as the window has room."""
        if self._window.mode == "operator":
            shown = self._window.shown_tab
            self._offer_views()
            if shown is not None:
                self._window.show_view(self.live if shown is self.section else shown)
            self._follow_page()

    def _offer_views(self) -> None:
        """Offer the tabs of the present mode and rig."""
        views: tuple[QWidget, ...] = (self.live, self.map, self.tiles, self.library, self.replay, self.models)
        if self._window.mode == "operator" and self._window.narrow:
            self.section.take(self.live)
            views = (self.section, self.map, self.tiles, self.library, self.replay, self.models)
        elif self._window.mode == "operator":
            self.section.take(self.live, self.map)
            views = (self.section, self.tiles, self.library, self.replay, self.models)
        self._window.offer_views(*((self.hand, *views) if self.by_hand else views))

    @Slot()
    def _follow_page(self) -> None:
        """Show the score beside a view in Operator mode, unless that shows it itself, and a tab's own menu with it."""
        shown = self._window.shown_tab
        beside = shown not in (None, self.hand, self.models)
        if self._window.narrow and shown is self.library:
            beside = False  # its list has the scores, and needs the room
        self._window.show_score(beside)
        self._window.show_menu("library", shown is self.library)
        self._window.show_menu("model", shown is self.models)

    def make_room(self, height_px: int) -> None:
        """Hide the histogram if the window is so low that the picture needs its room."""
        if height_px < LOW_PX:
            self.live.hide_histogram()

    def show_live(self) -> None:
        """Show the tab Live, which shows stored fields too."""
        self._window.show_view(self.live)

    def open_store(self, path: Path) -> None:
        """Open a stored section in the tab Replay."""
        self.open_stores([path])

    def open_stores(self, paths: Sequence[Path]) -> None:
        """Open stored sections in the tab Replay; the last of them is shown."""
        self._window.show_view(self.replay)
        self.replay.open_stores(paths)

    def export_png(self, path: Path) -> None:
        """Save a picture of the tab that is shown.

        Raises
        ------
        StoreUnwritableError
            If the file cannot be written.
        """
        tab = self._window.tabs.currentWidget()
        if tab is self.section:
            save_picture(self.section, path, "Picture and map")  # with the lines below them
        elif isinstance(tab, TilesTab):
            save_picture(tab.view, path, "Tiles")
        elif isinstance(tab, LibraryTab):
            save_picture(tab.table, path, "Sections")
        elif isinstance(tab, LiveTab | SectionMapTab | ReplayTab | HandTab | ModelsTab):
            tab.export_png(path)
