"""The menu of a field, a tile or a place: on the map, in Live, Tiles and Replay, and in the menu bar.

Its entries are the actions of the menu *Field*, wherever it opens. In Replay they act on the section that is shown
there, elsewhere on that of the run.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PySide6.QtCore import QObject, QPoint, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu

from hcc_scope.orientation import Orientation
from hcc_scope.plans import position_text
from hcc_scope.position_tags import position_origin
from ui.control.field_spot import FIELD_ENTRIES, FieldFacts, FieldSpot, entry_texts, why_not
from ui.map.map_field import cell_shares
from ui.shell.note_dialog import NoteDialogs, ReasonDialogs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hcc_scope.runs.section_analyses import OpenedStore
    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import Frame, RunSpec, TagValue
    from ui.canvas.canvas import Canvas
    from ui.control.app_state import AppState
    from ui.control.field_spot import FieldEntry
    from ui.control.replay_focus import ReplayFocus
    from ui.control.rig_control import RigControl
    from ui.control.run_control import RunControl
    from ui.control.running import Running
    from ui.map.map_field import MapField
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["FieldPresenter"]

_LEAST_TILE_PX = 12.0
"""On the map; smaller tiles are not told apart, and a menu is about the field."""
_OTHER_SECTION = "The section is not shown any more, and nothing was changed."

XY = tuple[float, float]


class _Excluded(NamedTuple):
    """What is about to be excluded: the section may be another one when the reason is given."""

    spot: FieldSpot
    section: Running | OpenedStore


class FieldPresenter(QObject):
    """Opens the menu, keeps its entries up to date, and does what they offer.

    Parameters
    ----------
    window : MainWindow
    views : Views
    state : AppState
    rig : RigControl
    run : RunControl
    focus : ReplayFocus
        Whether the gallery shows the section in Replay.
    """

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        state: AppState,
        rig: RigControl,
        run: RunControl,
        focus: ReplayFocus,
    ) -> None:
        super().__init__(window)
        self._window, self._views, self._state = window, views, state
        self._rig, self._run, self._focus = rig, run, focus
        self._spot = FieldSpot()
        self._menu: QMenu | None = None
        self._notes = NoteDialogs(window, self._write_note)
        self._reasons = ReasonDialogs(window, self._exclude)
        self._does: dict[FieldEntry, Callable[[], None]] = {
            "show_field": self._show_field,
            "show_tile": self._show_tile,
            "show_on_map": self._show_on_map,
            "exclude_field": self._ask_reason,
            "include_field": self._include,
            "retake_field": self._retake,
            "note_field": self._begin_note,
            "go_to_field": self._go,
            "copy_position": self._copy,
        }
        for name in FIELD_ENTRIES:
            window.actions_[name].triggered.connect(partial(self._do, name))
        for owner in window.actions_["show_field"].associatedObjects():
            if isinstance(owner, QMenu):  # that of the menu bar
                owner.aboutToShow.connect(self._aim_at_screen)
        views.map.view.menu_asked.connect(self._on_map)
        views.hand_map.view.menu_asked.connect(self._on_hand_map)
        views.live.view.menu_asked.connect(self._on_live)
        views.tiles.menu_asked.connect(self._on_tiles)
        views.replay.pane.view.menu_asked.connect(self._on_replay)
        window.close_asked.connect(self._close_dialogs)
        self._aim(FieldSpot())

    # -- what the menu is about ----------------------------------------------------------------------------------------

    def _aim(self, spot: FieldSpot) -> None:
        """Let the entries be about a spot."""
        self._spot = spot
        actions = self._window.actions_
        reasons, texts = why_not(spot, self._facts(spot)), entry_texts(spot)
        for name in FIELD_ENTRIES:
            actions.enable(name, reasons[name])
            actions[name].setText(texts[name])

    @Slot()
    def _aim_at_screen(self) -> None:
        """Let the menu bar's entries be about what is chosen in the view that is shown."""
        views = self._views
        if views.replay.isVisible():
            self._aim(self._replay_spot(None))
        elif views.tiles.isVisible():
            self._aim(self._tile_spot(views.tiles.current))
        elif views.live.isVisible() and (views.map.fields.chosen is None or not views.map.isVisible()):
            self._aim(self._live_spot(None))
        else:
            self._aim(self._map_spot(None, 0.0))

    def _open(self, spot: FieldSpot, at: QPoint) -> None:
        self._aim(spot)
        menu = self._menu = QMenu(self._window)
        menu.setAccessibleName(f"Menu of {spot.what}")
        menu.setToolTipsVisible(True)
        for spec, action in self._window.actions_.menu("field"):
            if spec.separate:
                menu.addSeparator()
            menu.addAction(action)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(at)

    @Slot(object, QPoint)
    def _on_map(self, place_um: XY | None, at: QPoint) -> None:
        self._open_on_map(self._views.map.view, place_um, at)

    @Slot(object, QPoint)
    def _on_hand_map(self, place_um: XY | None, at: QPoint) -> None:
        self._open_on_map(self._views.hand_map.view, place_um, at)

    def _open_on_map(self, view: Canvas, place_um: XY | None, at: QPoint) -> None:
        if view.drag_tool is None:  # else the button belongs to what is drawn
            if place_um is None and self._views.map.fields.chosen is None:
                place_um = view.cursor_at
            self._open(self._map_spot(place_um, view.viewport.scale), at)

    @Slot(object, QPoint)
    def _on_live(self, point_px: XY | None, at: QPoint) -> None:
        self._open(self._live_spot(point_px or self._views.live.view.cursor_at), at)

    @Slot(object, QPoint)
    def _on_tiles(self, tile: tuple[int, int] | None, at: QPoint) -> None:
        self._open(self._tile_spot(tile), at)

    @Slot(object, QPoint)
    def _on_replay(self, point_px: XY | None, at: QPoint) -> None:
        self._open(self._replay_spot(point_px or self._views.replay.pane.view.cursor_at), at)

    def _map_spot(self, place_um: XY | None, scale: float) -> FieldSpot:
        """Return the field, its tile if tiles are large enough to be told apart, or the place."""
        fields, in_replay = self._views.map.fields, self._focus.fills_map
        if place_um is None:
            one = None if fields.chosen is None else fields.fields.get(fields.chosen)
        else:
            one = fields.at(*place_um)
        if one is None:
            return FieldSpot(place_um=place_um if fields.on_stage else None, in_replay=in_replay)
        tracked, spec = one.origin.source == "tracked", self._spec(in_replay=in_replay)
        tile = None
        if spec is not None and one.grid is not None and one.stage_um is not None and place_um is not None:
            if fields.field_um[0] * scale >= _LEAST_TILE_PX * max(one.grid.shape_rc):
                tile = _tile_on_stage(one, fields.layout.drawn_um(one.origin.island, *one.stage_um), place_um, spec)
            if tile is not None:
                place = _tile_place(one.grid, tile, one.stage_um, spec)
                return FieldSpot(one.seq, tile, place, tracked, in_replay)
        return FieldSpot(one.seq, None, one.stage_um, tracked, in_replay)

    def _live_spot(self, point_px: XY | None) -> FieldSpot:
        live, run = self._views.live, self._run.correctable
        frame = live.shown_frame
        if frame is None or run is None or frame.section_id != run.spec.section_id:
            return FieldSpot()  # a picture that is not stored
        tile = None if point_px is None or live.tiles.result is None else live.tiles.tile_at(*point_px)
        return _spot_in(frame, tile, live.tiles.grid, run.spec)

    def _replay_spot(self, point_px: XY | None) -> FieldSpot:
        pane, opened = self._views.replay.pane, self._views.replay.opened
        if pane.frame is None or opened is None:
            return FieldSpot(in_replay=True)
        tile = None if point_px is None or pane.tiles.result is None else pane.tiles.tile_at(*point_px)
        return _spot_in(pane.frame, tile, pane.tiles.grid, opened.spec, in_replay=True)

    def _tile_spot(self, tile: tuple[int, int] | None) -> FieldSpot:
        in_replay, grid = self._focus.fills_gallery, self._views.tiles.model.grid
        if tile is None:
            return FieldSpot(in_replay=in_replay)
        seq, index = tile
        opened, spec = self._views.replay.opened, self._spec(in_replay=in_replay)
        stage_um: XY | None = None
        tracked = False
        if in_replay and opened is not None:
            stage_um, tags = _journalled(opened, seq)
            tracked = position_origin(tags, has_position=stage_um is not None).source == "tracked"
        elif not in_replay and not self._focus.fills_map and (one := self._views.map.fields.fields.get(seq)):
            stage_um, tracked = one.stage_um, one.origin.source == "tracked"
        place = None if spec is None or stage_um is None or grid is None else _tile_place(grid, index, stage_um, spec)
        return FieldSpot(seq, index, place, tracked, in_replay)

    def _spec(self, *, in_replay: bool) -> RunSpec | None:
        """Return what is known of the section in Replay, or of that of the run."""
        opened, run = self._views.replay.opened, self._run.correctable
        if in_replay:
            return None if opened is None else opened.spec
        return None if run is None else run.spec

    # -- what can be done ----------------------------------------------------------------------------------------------

    def _facts(self, spot: FieldSpot) -> FieldFacts:
        views, run = self._views, self._run
        seq = spot.seq
        no_tile, not_on_map = self._why_no_tile(spot), self._why_not_on_map(spot)
        if spot.in_replay:
            opened, frame = views.replay.opened, views.replay.pane.frame
            under_way = opened is not None and run.correctable is not None and run.correctable.store_path == opened.path
            return FieldFacts(
                no_section="no section is open in Replay" if opened is None else "",
                on_screen=views.replay.isVisible() and frame is not None and frame.seq == seq,
                no_tile=no_tile,
                not_on_map=not_on_map,
                excluded=opened is not None and seq in opened.excluded,
                no_retake=run.why_no_retake() if under_way else "only a field of the last section can be taken again",
                no_move=self._why_no_move(),
            )
        frame = views.live.shown_frame
        mine = frame is not None and frame.seq == seq and views.live.pinned
        return FieldFacts(
            no_section="" if run.correctable is not None else "there is no section",
            on_screen=views.live.isVisible() and mine,
            no_tile=no_tile,
            not_on_map=not_on_map,
            excluded=seq is not None and run.is_excluded(seq),
            not_included=""
            if seq is not None and run.can_include(seq)
            else "its capture was undone, or it was excluded in an earlier part of the section: Replay can include it",
            no_retake=run.why_no_retake(),
            no_move=self._why_no_move(),
        )

    def _why_no_tile(self, spot: FieldSpot) -> str:
        if spot.seq is None or spot.tile is None:
            return ""
        if spot.in_replay != self._focus.fills_gallery:
            return "the tab Tiles shows another section"
        if self._views.tiles.model.find(spot.seq, spot.tile) is None:
            return "it is not classified"
        return ""

    def _why_not_on_map(self, spot: FieldSpot) -> str:
        if spot.in_replay != self._focus.fills_map:
            return "the map shows another section"
        return "" if spot.seq in self._views.map.fields.fields else "the map does not show it"

    def _why_no_move(self) -> str:
        loaded = self._rig.loaded
        if loaded is None:
            return "no rig is open"
        if not loaded.has_stage:
            return "this rig has no motorised stage"
        if self._run.phase not in ("idle", "paused"):
            return "the section moves the stage: pause it first"
        return ""

    # -- doing it ------------------------------------------------------------------------------------------------------

    def _do(self, name: FieldEntry, _checked: bool = False) -> None:
        reason = why_not(self._spot, self._facts(self._spot))[name]  # it may have changed while the menu was open
        if reason:
            self._state.message.emit("warning", f"{entry_texts(self._spot)[name]}: {reason}.")
        else:
            self._does[name]()

    def _section_of(self, spot: FieldSpot) -> Running | OpenedStore | None:
        """Return the section that a spot belongs to."""
        return self._views.replay.opened if spot.in_replay else self._run.correctable

    def _show_field(self) -> None:
        if self._spot.seq is None:
            return
        if self._spot.in_replay:
            self._window.show_view(self._views.replay)
            self._views.replay.pane.show_field(self._spot.seq)
        else:
            self._views.map.field_chosen.emit(self._spot.seq)

    def _show_tile(self) -> None:
        if self._spot.seq is not None and self._spot.tile is not None:
            self._views.tiles.open_tile(self._spot.seq, self._spot.tile)

    def _show_on_map(self) -> None:
        if self._spot.seq is not None:
            self._window.show_view(self._views.map)
            self._views.map.reveal(self._spot.seq)

    def _ask_reason(self) -> None:
        section = self._section_of(self._spot)
        if self._spot.seq is not None and section is not None:
            name = f"{section.spec.animal_id} {section.spec.section_id}"
            self._reasons.open(_Excluded(self._spot, section), self._spot.seq, name)

    def _exclude(self, what: object, reason: str) -> None:
        assert isinstance(what, _Excluded)
        seq = what.spot.seq
        shown = self._section_of(what.spot)
        if seq is None or shown is not what.section:
            self._state.message.emit("warning", _OTHER_SECTION)
        elif what.spot.in_replay:
            self._views.replay.notes.write("exclude", reason, seq)
        else:
            self._run.exclude(seq, reason)

    def _include(self) -> None:
        if self._spot.seq is None:
            return
        if self._spot.in_replay:
            self._views.replay.notes.write("include", "", self._spot.seq)
        else:
            self._run.include(self._spot.seq)

    def _retake(self) -> None:
        if self._spot.seq is not None:
            self._run.retake(self._spot.seq)

    def _begin_note(self) -> None:
        opened, run = self._views.replay.opened, self._run.correctable
        if self._spot.in_replay and opened is not None:
            self._notes.open(opened.path, self._spot.seq)
        elif not self._spot.in_replay and run is not None:
            self._notes.open(run.store_path, self._spot.seq)

    def _write_note(self, store: Path, seq: int | None, text: str) -> None:
        opened = self._views.replay.opened
        if opened is not None and opened.path == store and seq is not None:
            self._views.replay.notes.write("note", text, seq)  # which shows it, too
        else:
            self._run.write_note(store, text, seq)

    def _go(self) -> None:
        if self._spot.place_um is not None:
            self._views.map.move_requested.emit(*self._spot.place_um)

    def _copy(self) -> None:
        if self._spot.place_um is not None:
            text = position_text(*self._spot.place_um)
            QGuiApplication.clipboard().setText(text)
            self._state.message.emit("info", f"The position of {self._spot.what} is copied: {text} µm.")

    @Slot()
    def _close_dialogs(self) -> None:
        """Before the window closes: keep what was written of a note; exclude nothing that was not confirmed."""
        self._notes.accept()
        self._reasons.close()


def _spot_in(
    frame: Frame, tile: int | None, grid: TileGrid | None, spec: RunSpec, *, in_replay: bool = False
) -> FieldSpot:
    """Return the field of a frame, or one of its tiles."""
    tracked = position_origin(frame.tags, has_position=frame.stage_um is not None).source == "tracked"
    place = None if frame.stage_um is None else frame.stage_um[:2]
    if tile is not None and grid is not None and place is not None:
        place = _tile_place(grid, tile, place, spec)
    return FieldSpot(frame.seq, tile, place, tracked, in_replay)


def _tile_place(grid: TileGrid, tile: int, centre_um: XY, spec: RunSpec) -> XY:
    """Return where the centre of a tile lies, in the coordinates of its field's centre."""
    x_um, y_um = grid.centres_um(Orientation(spec.camera_axes), spec.pixel_size_um)[tile] + centre_um
    return float(x_um), float(y_um)


def _tile_on_stage(one: MapField, drawn_um: XY, at_um: XY, spec: RunSpec) -> int | None:
    """Return the tile of a field at a place of the map, where the field's centre is drawn at `drawn_um`."""
    assert one.grid is not None
    offset = np.array(at_um) - drawn_um
    dx, dy = Orientation(spec.camera_axes).to_picture_px(offset, spec.pixel_size_um).tolist()
    height, width = one.grid.frame_shape_yx
    row, column = (
        bisect_right(shares, share) - 1
        for shares, share in zip(cell_shares(one.grid), (dy / height + 0.5, dx / width + 0.5), strict=True)
    )
    rows, columns = one.grid.shape_rc
    return row * columns + column if 0 <= row < rows and 0 <= column < columns else None


def _journalled(opened: OpenedStore, seq: int) -> tuple[XY | None, dict[str, TagValue]]:
    """Return position and tags of a stored field."""
    entry = opened.store.journal[seq] if 0 <= seq < opened.store.n_frames else None
    if entry is None:
        return None, {}
    return None if entry.stage_um is None else entry.stage_um[:2], dict(entry.tags)
