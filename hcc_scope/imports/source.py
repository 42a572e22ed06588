"""Images of other programs as the frames of a section, read one after the other while the section is stored."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from hcc_scope.errors import ImageError, UsageError
from hcc_scope.formatting import counted
from hcc_scope.imports.frame_tags import imported_tags
from hcc_scope.run_events import RunEvents
from hcc_scope.types import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.imports.collection import ImageCollection, Plane
    from hcc_scope.imports.conversion import Conversion
    from hcc_scope.imports.source_facts import SourceFacts
    from hcc_scope.protocols import SourceListener, StopSignal
    from hcc_scope.types import RunSpec

__all__ = ["ChosenImages", "ImportSource"]

_KEPT = 1000
_NAMED = 3
"""Images, and problems of a file, that the remark at the end names; the run log has all."""


class ChosenImages(NamedTuple):
    """A source, and which of its images become frames."""

    images: ImageCollection
    facts: SourceFacts
    indices: tuple[int, ...]
    """Of those that become frames."""

    @property
    def chosen(self) -> list[Plane]:
        """The planes that become frames, in order."""
        return [self.facts.planes[index] for index in self.indices]


class ImportSource:
    """A `hcc_scope.protocols.FrameSource` that is not live, and reports what it cannot read.

    Parameters
    ----------
    chosen : sequence of ChosenImages
        Open; its maker closes them.
    spec : RunSpec
        Of the section. Its ``expected_frames`` are the images from `first_index` on.
    conversion : Conversion
        Of stored numbers to counts.
    first_seq : int
        Number of the first frame: how many an import that goes on has already.
    first_index : int
        Place among the chosen images at which it begins.
    remark : str, optional
        What deviates from what the files state, as half a sentence.
    """

    def __init__(
        self,
        chosen: Sequence[ChosenImages],
        spec: RunSpec,
        conversion: Conversion,
        *,
        first_seq: int = 0,
        first_index: int = 0,
        remark: str | None = None,
    ) -> None:
        self._chosen, self._spec, self._conversion = tuple(chosen), spec, conversion
        self._first_seq, self._first_index = first_seq, first_index
        self._remark = remark
        self._listener: SourceListener | None = None
        self._unread: list[str] = []
        self._n_unread = 0
        self.events = RunEvents()
        """What is damaged, for the run log."""
        for problem in self._problems():
            self.events.add("damaged", why=problem)

    @property
    def spec(self) -> RunSpec:
        """What is known before the first frame."""
        return self._spec

    @property
    def live(self) -> bool:
        """False: images wait."""
        return False

    @property
    def n_unread(self) -> int:
        """How many images could not be read so far."""
        return self._n_unread

    def _problems(self) -> list[str]:
        """Return what the readers found wrong, but for the images that could not be read."""
        found = [problem for one in self._chosen for problem in one.images.problems]
        return [problem for problem in found if problem not in self._unread]

    def put_back(self) -> None:
        """Do nothing: an import changes no device."""

    def report_to(self, listener: SourceListener) -> None:
        """Report to this listener from now on."""
        self._listener = listener

    @property
    def remark(self) -> str | None:
        """What was left out, and what deviates from what the files state, as half a sentence."""
        words = []
        if self._n_unread:
            verb = "is" if self._n_unread == 1 else "are"
            words.append(
                f"{counted(self._n_unread, 'image')} cannot be read and {verb} left out: "
                f"{_few(self._unread, self._n_unread)}"
            )
        if problems := self._problems():
            words.append(_few(problems, len(problems)))
        if self._remark:
            words.append(self._remark)
        return "; ".join(words) or None

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        """Yield the images as frames; one that cannot be read is reported and left out.

        Raises
        ------
        UsageError
            If a pixel lies beyond the bit depth or the range that was stated.
        ImageError
            If a source is no longer there, or none of all images can be read.
        """
        seq = self._first_seq
        for index, images, at in self._from(self._first_index):
            if stop.requested:
                return
            plane = images.planes[at]
            try:
                counts = self._conversion.counts(plane, images.read(at))
            except ImageError as error:
                if not images.path.exists():
                    raise ImageError(
                        f"{images.path} is no longer there", hint="Give the same command again once it is."
                    ) from error
                self._leave_out(plane, error)
                continue
            except UsageError as error:
                if seq == 0:
                    raise
                raise UsageError(
                    error.message,
                    hint=f"{error.hint} What is stored already ({counted(seq, 'frame')}) cannot be converted anew: "
                    "delete the store, or choose another section id.",
                ) from error
            yield self._frame(seq, index, plane, counts)
            seq += 1
        if seq == 0 and self._n_unread:
            raise ImageError(f"none of {counted(self._n_unread, 'image')} can be read: {self._unread[0]}")

    def _from(self, first: int) -> Iterator[tuple[int, ImageCollection, int]]:
        """Yield the place of each chosen image, its source and its place there."""
        index = 0
        for one in self._chosen:
            for at in one.indices:
                if index >= first:
                    yield index, one.images, at
                index += 1

    def _leave_out(self, plane: Plane, error: ImageError) -> None:
        self._n_unread += 1
        if len(self._unread) < _KEPT:
            self._unread.append(error.message)
        self.events.add("damaged", image=plane.where, why=error.message)
        if self._listener is not None:
            self._listener.miss(f"{error.message}: this image is left out")

    def _frame(self, seq: int, index: int, plane: Plane, counts: NDArray[np.uint16]) -> Frame:
        counts.flags.writeable = False
        stage_um, t_utc = _place(plane), _utc(plane.t_utc)
        has = {"has_position": stage_um is not None, "has_time": t_utc is not None}
        return Frame(
            seq=seq,
            pixels=counts,
            t_mono_ns=time.monotonic_ns(),
            t_utc=datetime.now(UTC) if t_utc is None else t_utc,
            exposure_ms=math.nan if plane.exposure_ms is None else plane.exposure_ms,
            section_id=self._spec.section_id,
            em_gain=plane.em_gain,
            stage_um=stage_um,
            camera_frame=plane.camera_frame,
            pixel_size_um=self._spec.pixel_size_um,
            bit_depth=self._spec.bit_depth,
            temperature_c=plane.temperature_c,
            objective=plane.objective,
            tags=imported_tags(plane, index, **has),
        )


def _place(plane: Plane) -> tuple[float, float, float | None] | None:
    if plane.stage_um is None:
        return None
    x, y, z = plane.stage_um
    if not (math.isfinite(x) and math.isfinite(y)):
        return None
    return x, y, z if z is not None and math.isfinite(z) else None


def _utc(when: datetime | None) -> datetime | None:
    """Return a time of a file in UTC; one without a zone is taken as UTC."""
    if when is None:
        return None
    try:
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except OverflowError:  # in the year 1 or 9999
        return None


def _few(sentences: Sequence[str], n: int) -> str:
    shown = [sentence.rstrip(".") for sentence in sentences[:_NAMED]]
    return "; ".join([*shown, f"and {n - len(shown):,} more"] if n > len(shown) else shown)
