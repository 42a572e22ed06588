"""The seams of the pipeline: what a source, a sink and a classifier promise each other.

`hcc_scope.session.Session` knows only these; live, replay and catch-up differ only in what is plugged in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, Union, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.types import Frame, FrameResult, NoteKind, RunSpec

__all__ = [
    "Classifier",
    "FrameSink",
    "FrameSource",
    "MeasuringClassifier",
    "NoteSink",
    "PausingSource",
    "ResultSink",
    "StopSignal",
    "Tiles",
]

Tiles: TypeAlias = Union["NDArray[np.uint16]", Sequence["NDArray[np.uint16]"]]
"""Raw counts: an array (n, tile, tile), or n views (tile, tile) into a frame, without a copy."""


class StopSignal(Protocol):
    """What a source may ask and wait for (`hcc_scope.workers.StopToken` is the real one)."""

    @property
    def requested(self) -> bool:
        """Whether the run shall end: deliver what was already exposed, then return."""

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`, or until stop is requested; return whether it is."""

    @property
    def paused(self) -> bool:
        """Whether no further frame shall be taken for now."""

    def wait_while_paused(self) -> None:
        """Stand still until the run goes on or shall end."""


@runtime_checkable
class FrameSource(Protocol):
    """Where frames come from. Its builder opens it (a context manager); the session only reads."""

    @property
    def spec(self) -> RunSpec:
        """What is known before the first frame."""

    @property
    def live(self) -> bool:
        """True if frames cannot wait (a camera): analysis then never blocks acquisition."""

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        """Yield frames in order of `seq` from 0, until the plan ends or stop is requested.

        A live source counts without a gap: a frame that was lost is an error. One that is not live leaves out what it
        cannot read (the damaged frames of a store), so `seq` then has gaps.

        Raises
        ------
        FramesLost, CameraError, DeviceError
            The run then fails; frames that were yielded stay.
        """


@runtime_checkable
class PausingSource(FrameSource, Protocol):
    """A source that sees to a pause itself, because its camera would go on while its frames are not taken.

    It delivers what was exposed before, then stands still in ``stop.wait_while_paused()``. Any other source is held
    between two frames, where they are taken.
    """

    @property
    def pauses_itself(self) -> bool:
        """True."""


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

    def add(self, kind: NoteKind, text: str, seq: int | None = None) -> object:
        """Write one down, durably, before it takes effect."""


@runtime_checkable
class Classifier(Protocol):
    """A model on an engine."""

    @property
    def engine(self) -> str:
        """Name of the engine, recorded with every prediction (``torchscript`` ...)."""

    def classify(self, tiles: Tiles) -> NDArray[np.float32]:
        """Return logits (n, 2), columns *low*, *high*, for n raw tiles: an array (n, tile, tile) or a list of views.

        A tile's logits depend on that tile alone: the same bits whatever else is in the batch.
        """


@runtime_checkable
class MeasuringClassifier(Classifier, Protocol):
    """One that can also say how unlike its training data a tile is (the artefact then has a third output)."""

    def classify_and_measure(self, tiles: Tiles) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return logits (n, 2) as `classify` does, and distances (n,), or None if this model measures none.

        A distance is a finite number from 0 on, and depends on its tile alone, as the logits do.
        """
