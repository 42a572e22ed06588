"""The interfaces of the pipeline: what a source, a sink and a classifier guarantee.

`hcc_scope.session.Session` knows only these; live, replay and catch-up differ only in what is plugged in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, Union, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.run_events import RunEvents
    from hcc_scope.types import Classification, Frame, FrameResult, NoteKind, RunSpec

__all__ = [
    "Classifier",
    "EventfulSource",
    "FrameSink",
    "FrameSource",
    "NoteSink",
    "PausingSource",
    "ReportingSource",
    "ResultSink",
    "SourceListener",
    "StopSignal",
    "Tiles",
]

Tiles: TypeAlias = Union["NDArray[np.uint16]", Sequence["NDArray[np.uint16]"]]
"""Raw counts: an array (n, tile, tile), or n views (tile, tile) into a frame, without a copy."""


class StopSignal(Protocol):
    """What a source may read and wait for (`hcc_scope.workers.StopToken` is the real one)."""

    @property
    def requested(self) -> bool:
        """Whether the run must end: deliver what was already exposed, then return."""

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`, or until stop is requested; return whether it is."""

    @property
    def paused(self) -> bool:
        """Whether no further frame is to be taken for now."""

    def wait_while_paused(self) -> None:
        """Block until the run continues or must end."""


@runtime_checkable
class FrameSource(Protocol):
    """Where frames come from. Its maker opens it (a context manager); the session only reads."""

    @property
    def spec(self) -> RunSpec:
        """What is known before the first frame."""

    @property
    def live(self) -> bool:
        """True if frames cannot wait (a camera): analysis then never blocks acquisition."""

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        """Yield frames in order of `seq`, until the plan ends or stop is requested.

        The first is frame 0, or the next one of a section that is continued; ``spec.expected_frames`` are those that
        this source yields.

        A live source counts without a gap: a frame that was lost is an error. One that is not live leaves out what it
        cannot read (the damaged frames of a store), so `seq` then has gaps.

        Raises
        ------
        FramesLost, CameraError, DeviceError
            The run then fails; frames that were yielded stay.
        """


@runtime_checkable
class PausingSource(FrameSource, Protocol):
    """A source that pauses itself, because its camera would continue while no frame is taken.

    It delivers what was exposed before, then waits in ``stop.wait_while_paused()``. The session holds
    any other source between two frames.
    """

    @property
    def pauses_itself(self) -> bool:
        """True."""


class SourceListener(Protocol):
    """Takes what a source reports besides its frames; safe from any thread, and quick."""

    def begin_aside(self, what: str, n_left: int | None) -> None:
        """Note that the source begins something that takes time and gives no frame, such as focusing.

        Parameters
        ----------
        what : str
            What it does, for the operator.
        n_left : int or None
            How often it will do such a thing in this run, this time included; None if that is not known.
        """

    def end_aside(self, n_left: int | None) -> None:
        """Note that this is over; `n_left` times are still to come."""

    def note(self, message: str) -> None:
        """Show a message; the run continues."""

    def remark(self, sentence: str) -> None:
        """Show what deviates from the request although the run continues, and keep it with the outcome."""

    def skip(self, why: str) -> None:
        """Count a field of the plan that is left out, before the next frame; the numbers of the frames have no gap."""

    def miss(self, why: str) -> None:
        """Count a frame that cannot be read, before the next one; the numbers of the frames have no gap."""


@runtime_checkable
class ReportingSource(FrameSource, Protocol):
    """A source that does more than take frames, or leaves fields of its plan out, and reports it."""

    def report_to(self, listener: SourceListener) -> None:
        """Report to this listener from now on."""

    @property
    def remark(self) -> str | None:
        """What deviated from the plan although the run continued, as half a sentence; None if nothing did."""


@runtime_checkable
class RetakingSource(FrameSource, Protocol):
    """A source that can take a field again: a further frame of the same place.

    A tag of that frame states which one it takes again (`hcc_scope.retakes.RETAKE_TAG`). Retakes come beyond
    ``spec.expected_frames``.
    """

    def retake(self, seq: int, reason: str = "") -> None:
        """Take the field of an earlier frame again, before the next field of the plan. Safe from any thread.

        The reason goes into the tags of the frame.

        Raises
        ------
        UsageError
            If there is no such field, or no further frame is taken.
        """


@runtime_checkable
class EventfulSource(FrameSource, Protocol):
    """A source whose devices report what happens to them; a run keeps that in its store."""

    @property
    def events(self) -> RunEvents:
        """Where they report it."""

    def put_back(self) -> None:
        """Put back what the section has changed; for one that never began. Idempotent."""


@runtime_checkable
class FrameSink(Protocol):
    """Where frames are kept. One thread appends; any thread may ask `committed` or `read`."""

    @property
    def committed(self) -> int:
        """Frames 0 .. committed-1 are on disk and journalled: they survive a crash."""

    def append(self, frame: Frame) -> None:
        """Take over one frame; may block (back-pressure). An earlier write's error is raised here or in `close`."""

    def close(self) -> None:
        """Wait for every append to be on disk. Idempotent. Raises if anything is not."""

    def read(self, seq: int) -> Frame:
        """Read a committed frame back (for deferred analysis)."""


@runtime_checkable
class ResultSink(Protocol):
    """Where per-tile predictions are kept. One thread appends."""

    def append(self, result: FrameResult) -> None:
        """Write one frame's results, append-only."""

    def close(self) -> None:
        """Flush; idempotent; raises if anything is not on disk."""


@runtime_checkable
class NoteSink(Protocol):
    """Where a person's notes and marks are kept. Safe from any thread."""

    def add(self, kind: NoteKind, text: str, seq: int | None = None, replaces: int | None = None) -> object:
        """Write one down, durably, before it takes effect; a retake states which frame it replaces."""


@runtime_checkable
class Classifier(Protocol):
    """A model on an engine.

    Any object with these two members will do. One that calls bright tiles *high*:

    >>> import numpy as np
    >>> from hcc_scope.types import Classification
    >>> class Brightness:
    ...     engine = "brightness 1.0"
    ...
    ...     def classify(self, tiles):
    ...         level = np.float32([tile.mean() / 65535 - 0.5 for tile in tiles])
    ...         return Classification(np.stack([-level, level], axis=1))
    >>> Brightness().classify([np.full((2, 2), 65535, np.uint16)]).logits
    array([[-0.5,  0.5]], dtype=float32)
    """

    @property
    def engine(self) -> str:
        """Name of the engine, recorded with every prediction (``torchscript`` ...)."""

    def classify(self, tiles: Tiles) -> Classification:
        """Return logits, and distances from the training tiles if the model gives any.

        The answer for a tile depends on that tile alone: the same bits whatever else is in the batch. Of no tiles it
        is empty.

        A session asks from one thread of its own, once per frame, and only for tiles without a quality flag. What this
        raises is the frame's error; the next frame is tried. After several such frames in a row, an answer of another
        form, or none in time (`hcc_scope.session.SessionLimits`), nothing more is classified in that run.

        Parameters
        ----------
        tiles : ndarray or sequence of ndarray
            n raw tiles: an array (n, tile, tile) uint16, or a list of views (tile, tile). Leave them as they
            are: they may be parts of a frame, with strides.
        """
