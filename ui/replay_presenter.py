"""While the tab Replay is open, score, quality and buttons belong to the section that is replayed there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from hcc_scope.research_use import phantom_alarm
from hcc_scope.types import Counts, Snapshot

if TYPE_CHECKING:
    from hcc_scope.runs.section_analyses import OpenedStore, SectionAnalysis
    from hcc_scope.types import SectionScore
    from ui.rig_presenter import Wiring
    from ui.shell.main_window import MainWindow

__all__ = ["ReplayWiring"]


class ReplayWiring(QObject):
    """Hands the panels over to Replay and back.

    Parameters
    ----------
    views : Wiring
        Has them.
    window : MainWindow
        Knows which tab is open.
    """

    changed = Signal()
    """Another section or field is looked at in Replay, or Replay was opened or left."""

    def __init__(self, views: Wiring, window: MainWindow) -> None:
        super().__init__(views)
        self._views, self._window = views, window
        self._on = False
        replay = views.replay
        window.page_changed.connect(self._look)
        replay.section_shown.connect(self._look)
        replay.section_closed.connect(self._look)
        replay.pane.field_shown.connect(self._look)
        replay.notes.changed.connect(self._look)

    @property
    def on(self) -> bool:
        """Whether the panels belong to a section in Replay."""
        return self._on

    @property
    def field(self) -> tuple[int, bool] | None:
        """The field that Replay shows and whether it is excluded; None if it shows none."""
        opened, frame = self._views.replay.opened, self._views.replay.pane.frame
        return None if opened is None or frame is None else (frame.seq, frame.seq in opened.excluded)

    @Slot()
    def _look(self) -> None:
        views = self._views
        opened = views.replay.opened
        was, self._on = self._on, opened is not None and self._window.shown_tab is views.replay
        if self._on and opened is not None:
            self._show(opened)
        elif was:
            views.section.show_again()
        self.changed.emit()

    def _show(self, opened: OpenedStore) -> None:
        views, spec = self._views, opened.spec
        analysis = opened.analyses[0] if opened.analyses else None
        views.score.set_section(spec.animal_id, spec.section_id, replayed=True)
        views.score.set_course(np.empty((0, 4)))
        views.score.set_snapshot(None if analysis is None else _snapshot(opened, analysis))
        views.score.set_other_sections(())
        trained_on = None if analysis is None else analysis.trained_on
        views.score.set_training(trained_on, phantom_alarm(trained_on, spec.provenance))
        shown = self.field
        if shown is None:
            views.quality.set_result(None)
        else:
            views.quality.show_field(shown[0], None if analysis is None else analysis.results.get(shown[0]))


def _snapshot(opened: OpenedStore, analysis: SectionAnalysis) -> Snapshot:
    """Return a stored section as a run that has ended."""
    outcomes = [result.outcome for result in analysis.results.values()]
    n = opened.store.n_frames
    counts = Counts(
        acquired=n,
        stored=n,
        classified=outcomes.count("classified"),
        excluded=outcomes.count("excluded"),
        failed=outcomes.count("failed"),
        deferred=max(0, n - len(outcomes)),
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
