"""While the tab Replay is open, score, quality and buttons belong to the section that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Slot

from hcc_scope.orientation import Orientation
from hcc_scope.research_use import phantom_alarm
from hcc_scope.types import Counts, Snapshot
from ui.control.replay_focus import ReplayedField
from ui.control.settings import with_recent
from ui.map.stored_map import StoredMap

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.runs.section_analyses import OpenedStore, SectionAnalysis
    from hcc_scope.types import SectionScore
    from ui.control.app_state import AppState
    from ui.control.replay_focus import ReplayFocus
    from ui.control.run_control import RunControl
    from ui.control.settings_store import SettingsStore
    from ui.kit.jobs import Jobs
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["ReplayPresenter"]


class ReplayPresenter(QObject):
    """Shows the section that is open in Replay in the panels, on the map and in the gallery.

    Parameters
    ----------
    window : MainWindow
        Knows which tab is open.
    views : Views
    jobs : Jobs
    state : AppState
    run : RunControl
    focus : ReplayFocus
        Kept up to date.
    settings_store : SettingsStore
    """

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        jobs: Jobs,
        state: AppState,
        run: RunControl,
        focus: ReplayFocus,
        settings_store: SettingsStore,
    ) -> None:
        super().__init__(window)
        self._window, self._views, self._run = window, views, run
        self._map = StoredMap(views.map, jobs)
        self._focus, self._settings_store = focus, settings_store
        replay = views.replay
        replay.message.connect(state.message)
        replay.store_opened.connect(self._remember_store)
        replay.section_shown.connect(self._show_tiles)
        replay.section_shown.connect(self._show_map)
        replay.section_closed.connect(self._clear_tiles)
        replay.section_closed.connect(self._clear_map)
        views.map.field_chosen.connect(self._show_field)
        shown = replay.section_shown, replay.section_closed, replay.pane.field_shown, replay.notes_changed
        for signal in (window.page_changed, *shown):
            signal.connect(self._look)
        window.page_changed.connect(self._read_again)
        state.run_started.connect(self._leave_gallery)

    @Slot()
    def _read_again(self) -> None:
        """Read the section again that Replay shows: it may have got fields, or marks in Live, while another tab was."""
        replay, run = self._views.replay, self._run.run
        opened = replay.opened if self._window.shown_tab is replay else None
        if opened is not None and (run is None or run.store_path.resolve() != opened.path):
            replay.look_again()

    @Slot(object)
    def _remember_store(self, path: Path) -> None:
        self._settings_store.change(recent_stores=with_recent(self._settings_store.settings.recent_stores, str(path)))

    # -- the gallery ---------------------------------------------------------------------------------------------------

    @Slot()
    def _clear_tiles(self) -> None:
        """Empty the gallery of an opened section."""
        if self._focus.fills_gallery and not self._run.active:
            self._views.tiles.clear()

    @Slot(object)
    def _show_tiles(self, opened: OpenedStore) -> None:
        """Fill the gallery with an opened section, unless one is being acquired."""
        if self._run.active:
            return
        if not opened.analyses:
            self._clear_tiles()
            return
        recorded = opened.analyses[0]
        self._focus.fills_gallery = True
        self._views.tiles.show_section(
            recorded.results.values(),
            recorded.grid,
            opened.reader_of(recorded),
            threshold=recorded.threshold,
            pixel_size_um=opened.spec.pixel_size_um,
            orientation=Orientation(opened.spec.camera_axes),
            excluded=opened.excluded,
            retaken=recorded.score.retaken,
            set_aside=recorded.score.set_aside,
        )

    @Slot()
    def _leave_gallery(self) -> None:
        self._focus.fills_gallery = self._focus.fills_map = False
        self._map.leave()

    def end(self) -> None:
        """Read nothing more for the map, when the window closes."""
        self._map.leave()

    # -- the map -------------------------------------------------------------------------------------------------------

    @Slot(object)
    def _show_map(self, opened: OpenedStore) -> None:
        """Put the fields of an opened section on the map, unless one is being acquired."""
        if not self._run.active:
            self._focus.take_map()
            self._map.show(opened)

    @Slot()
    def _clear_map(self) -> None:
        if self._focus.fills_map and not self._run.active:
            self._map.clear()
            self._focus.give_map_back()

    @Slot()
    def leave_map(self) -> None:
        """Leave the map to the next section."""
        self._map.leave()
        self._focus.fills_map = False

    @Slot(int)
    def _show_field(self, seq: int) -> None:
        """Show a field that was chosen on the map."""
        opened, replay = self._views.replay.opened, self._views.replay
        if self._focus.fills_map and opened is not None and opened is self._map.opened:
            self._views.map.choose(seq)
            replay.pane.show_field(seq)
            self._window.show_view(replay)

    # -- score and quality ---------------------------------------------------------------------------------------------

    @Slot()
    def _look(self) -> None:
        replay = self._views.replay
        opened, frame = replay.opened, replay.pane.frame
        on = opened is not None and self._window.shown_tab is replay
        field = None
        if opened is not None and frame is not None:
            field = ReplayedField(frame.seq, frame.seq in opened.excluded)
        if on and opened is not None:
            self._show(opened, field)
        self._focus.set(field, on=on)

    def _show(self, opened: OpenedStore, field: ReplayedField | None) -> None:
        views, spec = self._views, opened.spec
        analysis = opened.analyses[0] if opened.analyses else None
        views.score.set_section(spec.animal_id, spec.section_id, replayed=True)
        views.score.set_course(np.empty((0, 4)))
        views.score.set_snapshot(None if analysis is None else _snapshot(opened, analysis))
        views.score.set_other_sections(())
        trained_on = None if analysis is None else analysis.trained_on
        views.score.set_statement(None if analysis is None else analysis.card.statement)
        views.score.set_training(trained_on, phantom_alarm(trained_on, spec.provenance))
        if field is None:
            views.quality.set_result(None)
        else:
            views.quality.show_field(field.seq, None if analysis is None else analysis.results.get(field.seq))


def _snapshot(opened: OpenedStore, analysis: SectionAnalysis) -> Snapshot:
    """Return a stored section as a run that has ended."""
    outcomes = [result.outcome for result in analysis.results.values()]
    n, recorded = opened.store.n_frames, opened.store.recorded.outcome
    counts = Counts(
        acquired=n,
        stored=n,
        classified=outcomes.count("classified"),
        excluded=outcomes.count("excluded"),
        failed=outcomes.count("failed"),
        deferred=max(0, n - len(outcomes)),
        skipped=0 if recorded is None else recorded.skipped_fields,
    )
    score: SectionScore = analysis.score
    return Snapshot(
        phase="finished",
        counts=counts,
        score=score,
        expected_frames=opened.spec.expected_frames,
        elapsed_s=0.0,
        eta_s=None,
        acquire_fps=0.0,
        store_fps=0.0,
        classify_fps=0.0,
        store_queue_fill=0.0,
        analyse_queue_fill=0.0,
        latest=None,
        latest_result=None,
        degraded=None,
        message="",
    )
