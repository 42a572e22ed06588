"""Judge the pictures on the screen that no section acquires, in a worker of its own.

One picture is judged at a time, and of those that come meanwhile the newest is next. The worker rests after each as
long as it took. While a section takes or classifies frames, nothing is judged here: its frames come first.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hcc_scope.runs.preview_judge import PreviewJudge, PreviewJudgement, PreviewMeans

if TYPE_CHECKING:
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.types import Frame
    from ui.kit.jobs import Jobs

__all__ = ["LiveJudge"]

_LEAST_REST_MS = 15


class LiveJudge(QObject):
    """Judges pictures that it is given; the newest one wins.

    Parameters
    ----------
    jobs : Jobs
        Works on its worker ``judge``.
    parent : QObject, optional
    """

    judged = Signal(PreviewJudgement)
    """What is known of a picture."""

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._judge = PreviewJudge()
        self._means = PreviewMeans()
        self._broken: ScoringModel | None = None
        """A model that has failed; it is not asked again."""
        self._allowed = True
        self._busy = False
        self._waiting: Frame | None = None
        self._view: object = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.timeout.connect(self._take)

    @property
    def means(self) -> PreviewMeans:
        """By what pictures are judged."""
        return self._means

    def set_means(self, means: PreviewMeans) -> None:
        """Judge by something else from now on; a model that has failed is not asked again, as a message reported."""
        model = means.scoring_model
        if model is not None and model is self._broken:
            means = replace(
                means, scoring_model=None, no_model=f"The model {model.model.card.name} has failed: see the messages"
            )
        self._means = means

    def allow(self, allowed: bool) -> None:
        """Judge, or leave the computer to a section."""
        self._allowed = allowed
        if not allowed:
            self._waiting = None

    @property
    def allowed(self) -> bool:
        """Whether it judges."""
        return self._allowed

    @Slot()
    def restart(self) -> None:
        """Forget the best focus that was seen: another field is under the lens."""
        self._judge.restart()
        self._waiting = None

    def note_view(self, view: object) -> None:
        """Note which part of the sensor is read; another one shows something else."""
        if view != self._view:
            self._view = view
            self.restart()

    def see(self, frame: Frame) -> None:
        """Take the newest picture on the screen; returns at once."""
        if not self._allowed:
            return
        self._waiting = frame
        if not self._busy and not self._rest.isActive():
            self._take()

    @Slot()
    def _take(self) -> None:
        frame, self._waiting = self._waiting, None
        if frame is None or self._busy:
            return
        self._busy = True
        means = self._means
        self._jobs.submit("judge", partial(self._judge.judge, frame, means), self._took, partial(self._failed, means))

    def _took(self, judgement: PreviewJudgement) -> None:
        self._busy = False
        self._rest.start(max(_LEAST_REST_MS, math.ceil(1000 * judgement.took_s)))
        if self._allowed:
            self.judged.emit(judgement)

    def _failed(self, means: PreviewMeans, _sentence: str) -> None:
        self._busy = False
        self._broken = means.scoring_model
        self.set_means(self._means)
        self._rest.start(_LEAST_REST_MS)
