"""A classifier on its own thread, so that a run can continue without one that hangs."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.clocks import Patience
from hcc_scope.errors import ModelError
from hcc_scope.workers import Channel, Closed, Failure, Worker, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.protocols import Classifier, Tiles
    from hcc_scope.types import Classification

__all__ = ["Abandoned", "ClassifierHangs", "WatchedClassifier"]

_LOOK_S = 0.05
_GRACE_S = 2.0


class ClassifierHangs(ModelError):  # noqa: N818 - names what is wrong
    """The classifier did not answer in time; its thread is abandoned."""


class Abandoned(Exception):  # noqa: N818 - a signal, not an error
    """The operator skips analysis, and the classifier did not answer within the grace time."""


class _Call:
    """One batch of tiles and, later, its answer. A caller that stops waiting drops it, and a late answer with it."""

    def __init__(self, tiles: Tiles) -> None:
        self.tiles = tiles
        self.answer: Classification | Failure = Failure(RuntimeError("there is no answer yet"))
        self.done = threading.Event()


class WatchedClassifier:
    """Asks a classifier, always from the same thread, and limits the wait for its answer.

    Parameters
    ----------
    classifier : Classifier
        The classifier that runs on the thread.
    timeout_s : float
        How long one call may take. After that the thread is abandoned and gets no further call.
    analysis_skipped : callable
        Whether the operator skips analysis; a call that is under way then gets `_GRACE_S` at most.
    """

    def __init__(self, classifier: Classifier, *, timeout_s: float, analysis_skipped: Callable[[], bool]) -> None:
        self._classifier = classifier
        self._timeout_s = timeout_s
        self._analysis_skipped = analysis_skipped
        self._calls: Channel[_Call] = Channel(1)
        self._abandoned = False
        self._worker = Worker("classify", self._serve, self._surprise)
        self._worker.start()

    def _serve(self) -> None:
        while True:
            try:
                call = self._calls.get()
            except Closed:
                return
            call.answer = attempt(partial(self._classifier.classify, call.tiles))
            call.done.set()

    def _surprise(self, error: BaseException, where: str) -> None:
        raise AssertionError(f"{where}: every error of the classifier is in its answer") from error

    def classify(self, tiles: Tiles) -> Classification:
        """Return the classifier's answer for `tiles`, or raise what it raised.

        Raises
        ------
        ClassifierHangs
            If there is no answer within the timeout.
        Abandoned
            If the operator skipped the analysis meanwhile.
        """
        call = _Call(tiles)
        self._calls.put(call, 1)
        waited = Patience()
        skip_until_s: float | None = None
        while not call.done.wait(_LOOK_S):
            now_s = waited.spent_s()
            if now_s > self._timeout_s:
                self._abandoned = True
                raise ClassifierHangs(
                    f"the model did not answer within {self._timeout_s:g} s",
                    hint="Frames are still stored; replay them when it works again",
                )
            if self._analysis_skipped():
                skip_until_s = now_s + _GRACE_S if skip_until_s is None else skip_until_s
                if now_s > skip_until_s:
                    self._abandoned = True
                    raise Abandoned
        if isinstance(call.answer, Failure):
            raise call.answer.error
        return call.answer

    def close(self) -> None:
        """End the thread; an abandoned one ends when the classifier returns, if ever."""
        self._calls.close()
        if not self._abandoned:
            self._worker.join()
