"""The main window: the place of every part. What the parts do is in `ui.commands` and the presenters."""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QEvent, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QLabel,
    QListView,
    QMainWindow,
    QMenu,
    QStackedWidget,
    QTabWidget,
    QToolBar,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.research_use import RESEARCH_USE_ONLY
from ui.canvas.canvas import Canvas
from ui.kit.dropped import take_drag, take_drop
from ui.kit.theme import GRID_PX, apply_theme
from ui.shell.action_specs import MENUS
from ui.shell.actions import Actions
from ui.shell.dock_layout import DockLayout
from ui.shell.log_dock import LogView
from ui.shell.messages import MessageModel
from ui.shell.notice import NoticeBar
from ui.shell.top_bar import TopBar
from ui.shell.welcome import Welcome

if TYPE_CHECKING:
    from ui.control.section_setup import SectionSetup
    from ui.control.settings import Settings
    from ui.kit.mode import ModeName
    from ui.kit.theme import ThemeName
    from ui.shell.action_specs import Menu

__all__ = ["MainWindow"]

_FIRST_SIZE = QSize(1600, 960)
_FRAME = QSize(16, 48)
"""Room for the frame that a window manager draws around the window; how large it is shows once it is there."""
_LEAST_PICTURE_PX = 200
_LEAST_SIZE = QSize(600, 320)
"""Fits a screen of 1280 x 720 at 200 %, with a title bar."""


class MainWindow(QMainWindow):
    """Menus, top bar, centre, docks and the line below.

    Parameters
    ----------
    settings : Settings
        What it looked like last time.
    setup : SectionSetup
        What the top bar shows and edits.
    """

    close_asked = Signal()
    """The operator wants to close the window; `allow_close` and `close` do it."""
    theme_changed = Signal(str)
    mode_changed = Signal(str)
    """The window is in Operator or in Expert mode now."""
    width_changed = Signal()
    """The window has become narrow, or wide (`narrow`)."""
    dropped = Signal(list)
    """Files and folders were dropped on the window: their paths."""
    page_changed = Signal()
    """Another view, or the welcome page, is shown."""

    def __init__(self, settings: Settings, setup: SectionSetup) -> None:
        super().__init__()
        self.theme: ThemeName = settings.theme
        self._score_beside = True
        self.mode: ModeName = settings.mode
        """What the window shows; `set_mode` changes it."""
        self._may_close = False
        self._shown_before = False
        self._late = QTimer(self, singleShot=True, interval=0)
        self._late.timeout.connect(self._resized)
        self._saved = settings
        self._layout = DockLayout(self, settings.mode)
        self.setObjectName("main_window")
        self.setAcceptDrops(True)
        self.setWindowTitle(f"HCC-Scope: {RESEARCH_USE_ONLY}")
        self.setDockOptions(
            QMainWindow.DockOption.AnimatedDocks
            | QMainWindow.DockOption.AllowTabbedDocks
            | QMainWindow.DockOption.AllowNestedDocks
        )
        self.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
        self.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)

        self.actions_ = Actions(self, settings.theme)
        self.actions_["expert"].setChecked(settings.mode == "expert")
        self.messages = MessageModel(settings.theme, self)
        self.top = TopBar(self.actions_, settings, setup)
        self.welcome = Welcome(self.actions_, settings.theme)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName("Views")
        self._pages = QStackedWidget()
        self._pages.addWidget(self.welcome)
        self._pages.addWidget(self.tabs)
        self._pages.currentChanged.connect(self._signal_page)
        self.tabs.currentChanged.connect(self._signal_page)
        centre = QWidget()
        self.notice = NoticeBar(settings.theme, centre)
        self.notice.over = self._picture
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(GRID_PX // 2, GRID_PX // 2, GRID_PX // 2, 0)
        layout.addWidget(self._pages, 1)
        self.setCentralWidget(centre)

        bar = QToolBar("Top bar")
        bar.setObjectName("toolbar_top")
        bar.setMovable(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        bar.toggleViewAction().setEnabled(False)
        bar.toggleViewAction().setVisible(False)
        bar.addWidget(self.top)
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, bar)

        self._views: dict[QWidget, tuple[str, str, QAction]] = {}
        """Of every view: its title, its tip, and the action that shows it."""
        self._pages_of_views: dict[QWidget, tuple[str, str]] = {}
        """Of every page of several views: its title and its tip."""
        self._make_menus()
        self.log = LogView(self.messages)
        self.add_dock("messages", "Messages", self.log, Qt.DockWidgetArea.BottomDockWidgetArea, "Ctrl+M")
        note = self._note = QLabel(RESEARCH_USE_ONLY, self.menuBar())  # PySide keeps no reference to it
        note.setAccessibleName(RESEARCH_USE_ONLY)
        font = note.font()
        font.setBold(True)
        note.setFont(font)
        note.setContentsMargins(GRID_PX, GRID_PX // 2, 2 * GRID_PX, 0)
        self.menuBar().setCornerWidget(note)
        self.statusBar().setSizeGripEnabled(False)
        self.setMinimumSize(_LEAST_SIZE.boundedTo(QGuiApplication.primaryScreen().availableGeometry().size()))

    def set_status(self, strip: QWidget) -> None:
        """Show a widget at the bottom at all times."""
        self.statusBar().insertWidget(0, strip, 1)

    # -- made once -----------------------------------------------------------------------------------------------------

    def _make_menus(self) -> None:
        self._menus: dict[Menu, QMenu] = {}
        for name, title in MENUS.items():
            menu = self._menus[name] = self.menuBar().addMenu(title if "&" in title else f"&{title}")
            menu.setToolTipsVisible(True)
            for spec, action in self.actions_.menu(name):
                if spec.separate:
                    menu.addSeparator()
                menu.addAction(action)
            if name == "view":
                menu.addSeparator()
                self._view_menu = menu
                self._tabs_end = menu.addSeparator()

    def show_menu(self, name: Menu, shown: bool) -> None:
        """Offer a menu, or take it away while what it acts on cannot be seen."""
        self._menus[name].menuAction().setVisible(shown)

    def add_dock(
        self,
        name: str,
        title: str,
        widget: QWidget,
        area: Qt.DockWidgetArea,
        keys: str,
        beside: str | None = None,
    ) -> QDockWidget:
        """Put a widget in a dock; `beside` names a dock with which it shares a place as tabs."""
        dock = self._layout.add(name, title, widget, area, beside)
        shown = dock.toggleViewAction()
        action = QAction(title, self)
        action.setCheckable(True)
        action.setChecked(shown.isChecked())
        action.setShortcut(keys)
        action.setToolTip(f"Show or hide the panel {title} ({keys})")
        action.setStatusTip(f"Show or hide the panel {title}")
        shown.toggled.connect(action.setChecked)
        action.triggered.connect(partial(self._show_or_hide, name, action))
        self._view_menu.addAction(action)
        if name == "rig":
            self.top.offer_panel(action)
        return dock

    def _show_or_hide(self, name: str, action: QAction, _checked: bool = False) -> None:
        self._layout.show_or_hide(name)
        action.setChecked(not self.docks[name].isHidden())  # the click has changed it

    @property
    def docks(self) -> dict[str, QDockWidget]:
        """The docks by name."""
        return self._layout.docks

    def add_tab(self, widget: QWidget, title: str, tip: str) -> None:
        """Put a view in the centre."""
        index = self.tabs.addTab(widget, title)
        keys = f"Ctrl+{index + 1}"
        self.tabs.setTabToolTip(index, f"{tip} ({keys})")
        action = QAction(title, self)
        self._views[widget] = title, f"{tip} ({keys})", action
        action.setShortcut(keys)
        action.setToolTip(f"{tip} ({keys})")
        action.setStatusTip(tip)
        action.triggered.connect(partial(self._show_tab, widget))
        self._view_menu.insertAction(self._tabs_end, action)

    def add_page(self, widget: QWidget, title: str, tip: str) -> None:
        """Take a page that holds views of `add_tab`, to be offered instead of them; their actions show it."""
        self._pages_of_views[widget] = title, tip

    def _show_tab(self, widget: QWidget, _checked: bool = False) -> None:
        self.show_view(widget)

    def show_view(self, widget: QWidget) -> None:
        """Show a view, or the one that it is a part of now."""
        self.show_welcome(False)
        pages = [page for i in range(self.tabs.count()) if (page := self.tabs.widget(i)) is not None]
        page = next((page for page in pages if page is widget or page.isAncestorOf(widget)), None)
        if page is not None:
            self.tabs.setCurrentWidget(page)

    def offer_views(self, *widgets: QWidget) -> None:
        """Offer these views as tabs, in this order, and show the first; the others of `add_tab` are taken away."""
        self.tabs.blockSignals(True)
        while self.tabs.count():
            self.tabs.removeTab(0)
        for widget in widgets:
            title, tip = self._pages_of_views.get(widget) or self._views[widget][:2]
            self.tabs.setTabToolTip(self.tabs.addTab(widget, title), tip)
        for widget, (_, _, action) in self._views.items():
            action.setVisible(any(page is widget or page.isAncestorOf(widget) for page in widgets))
        self.tabs.setCurrentIndex(0)
        self.tabs.blockSignals(False)
        self._signal_page(0)

    # -- what is shown -------------------------------------------------------------------------------------------------

    def show_welcome(self, shown: bool) -> None:
        """Show the welcome page, or the views."""
        self._pages.setCurrentWidget(self.welcome if shown else self.tabs)

    @property
    def shown_tab(self) -> QWidget | None:
        """The view that is shown; None while the welcome page is."""
        return None if self.welcome_shown else self.tabs.currentWidget()

    @Slot(int)
    def _signal_page(self, _index: int) -> None:
        self.page_changed.emit()
        self.notice.place_soon()

    def _picture(self) -> QWidget | None:
        """Return the largest picture of the view that is shown; a notice lies over it and not over controls."""
        tab = self.shown_tab
        if tab is None:
            return None
        for kind in (Canvas, QListView, QTreeView):
            seen = [one for one in tab.findChildren(kind) if one.isVisible() and one.width() > _LEAST_PICTURE_PX]
            if seen:
                return max(seen, key=lambda one: one.width() * one.height())
        return None

    @property
    def welcome_shown(self) -> bool:
        """Whether the welcome page is shown."""
        return self._pages.currentWidget() is self.welcome

    def set_theme(self, theme: ThemeName) -> None:
        """Change every colour."""
        self.theme = theme
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        apply_theme(app, theme)
        self.actions_.set_theme(theme)
        for part in (self.top, self.notice, self.welcome, self.messages):
            part.set_theme(theme)
        self.theme_changed.emit(theme)

    def set_mode(self, mode: ModeName) -> None:
        """Show what Operator or Expert mode shows; nothing that is under way changes."""
        if mode == self.mode:
            return
        self.mode = mode
        self.actions_["expert"].setChecked(mode == "expert")
        self.actions_["panels"].setChecked(True)
        self.top.set_mode(mode)
        self._layout.set_mode(mode)
        self.show_score(self._score_beside)
        self.mode_changed.emit(mode)

    def show_score(self, shown: bool) -> None:
        """Show the score beside the view in Operator mode, or give its room to the view; Expert mode is as it is."""
        self._score_beside = shown
        if self.mode == "operator" and self.actions_["panels"].isChecked():
            self.docks["score"].setVisible(shown)

    # -- the layout ----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Restore geometry and layout of the last time, else lay everything out. Call it when all docks are added."""
        room = QGuiApplication.primaryScreen().availableGeometry().size() - _FRAME
        self.resize(_FIRST_SIZE.boundedTo(room))
        self._layout.lay_out()
        if self._saved.geometry:
            self.restoreGeometry(_unpack(self._saved.geometry))
        restored = bool(self._saved.layout) and self._layout.restore(_unpack(self._saved.layout))
        if not restored and not self._layout.fits:
            self._layout.lay_out()  # an automatic layout of a small screen is not kept on a larger one
        self.show_score(self._score_beside)
        self.width_changed.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Lay out the docks again once the window becomes narrow or wide."""
        super().resizeEvent(event)
        if self.isVisible() and not self._layout.fits:
            self._late.start()

    @Slot()
    def _resized(self) -> None:
        if self.isVisible() and not self._layout.fits:
            self._layout.follow_width()
            self.width_changed.emit()

    @property
    def narrow(self) -> bool:
        """Whether there is too little room for two views side by side."""
        return self._layout.gathered

    def reset_layout(self) -> None:
        """Put every dock back in its first place."""
        self._layout.reset()
        self.actions_["panels"].setChecked(True)
        self.show_score(self._score_beside)
        self.width_changed.emit()

    def show_panels(self, shown: bool) -> None:
        """Show the docks that were put away, or put all away, so that the view has their room."""
        self._layout.show_all(shown)
        self.actions_["panels"].setChecked(shown)
        self.show_score(self._score_beside)

    def packed_layout(self) -> tuple[str, str]:
        """Return geometry and layout as the settings keep them; the automatic layout of a narrow window is not kept."""
        layout = self._layout.save()
        return _pack(self.saveGeometry()), "" if layout is None else _pack(layout)

    @Slot()
    def fit_screen(self) -> None:
        """Keep the window with its frame, whose size is known once it is shown, on the screen."""
        if self.isMaximized() or self.isFullScreen():
            return
        room, frame = self.screen().availableGeometry(), self.frameGeometry()
        extra = frame.size() - self.size()
        if frame.width() > room.width() or frame.height() > room.height():
            self.resize(self.size().boundedTo(room.size() - extra))
            frame = self.frameGeometry()
        x = min(max(frame.x(), room.x()), max(room.x(), room.right() + 1 - frame.width()))
        y = min(max(frame.y(), room.y()), max(room.y(), room.bottom() + 1 - frame.height()))
        if (x, y) != (frame.x(), frame.y()):
            self.move(x, y)

    # -- the end -------------------------------------------------------------------------------------------------------

    def allow_close(self) -> None:
        """Let the next `close` through."""
        self._may_close = True

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Ask first: a section that is under way has to be finished."""
        if self._may_close:
            event.accept()
        else:
            event.ignore()
            self.close_asked.emit()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Take files and folders of this computer."""
        take_drag(event)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Signal what was dropped."""
        if paths := take_drop(event):
            self.dropped.emit(paths)

    def event(self, event: QEvent) -> bool:
        """Keep the hints of actions from covering the status at the bottom."""
        if event.type() == QEvent.Type.StatusTip:
            return True
        return super().event(event)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Begin with the keyboard focus in the window, not in the first field."""
        super().showEvent(event)
        self.setFocus(Qt.FocusReason.OtherFocusReason)
        if not self._shown_before:
            self._shown_before = True
            QTimer.singleShot(0, self, self.fit_screen)
        self._late.start()


def _pack(value: QByteArray) -> str:
    return base64.b64encode(bytes(value.data())).decode()


def _unpack(text: str) -> QByteArray:
    try:
        return QByteArray(base64.b64decode(text, validate=True))
    except ValueError:
        return QByteArray()  # a broken layout is no layout
