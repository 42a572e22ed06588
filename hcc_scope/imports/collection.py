"""What every reader of a foreign format gives: its planes with the facts that were found, read one at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from hcc_scope.types import TagValue

__all__ = ["ImageCollection", "Plane"]


@dataclass(frozen=True, slots=True)
class Plane:
    """One stored image that can become a frame, as its headers describe it; no pixel has been read."""

    where: str
    """File and page, array and index ...: for messages, and recorded with the frame."""
    shape_yx: tuple[int, int]
    dtype: str
    """NumPy's name of the numbers as they are stored: ``uint8``, ``uint16``, ``int16``, ``float32`` ..."""
    bit_depth: int | None
    """Of the counts, 8 to 16: the camera's if it is stated, else that of the numbers; None of floating point."""
    colour: bool = False
    """Whether a pixel has red, green and blue."""
    channel: int = 0
    """0-based index along the channels; the same for `z` and `time`."""
    z: int = 0
    time: int = 0
    series: int = 0
    """0-based index of the image, position or field within its file."""
    pixel_size_yx_um: tuple[float, float] | None = None
    """At the specimen, where it is stated."""
    stage_um: tuple[float, float, float | None] | None = None
    """x, y, z of the field's centre on the stage, where they are stated; z may be missing."""
    exposure_ms: float | None = None
    t_utc: datetime | None = None
    """End of the exposure."""
    em_gain: float | None = None
    temperature_c: float | None = None
    objective: str | None = None
    camera_frame: int | None = None
    """The camera's own counter."""
    tags: Mapping[str, TagValue] = field(default_factory=dict)
    """Everything else that the file states about this image."""


class ImageCollection(Protocol):
    """One file, folder or dataset of a foreign format, open for reading; a context manager, and the base of readers.

    Memory stays bounded: planes are described from headers, and pixels are read one plane at a time.
    """

    path: Path
    """What was opened."""
    format: str
    """The format by its name: ``OME-TIFF``, ``NDTiff``, ``OME-Zarr 0.4`` ...; several where files differ."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def planes(self) -> Sequence[Plane]:
        """In the file's order, position by position and in each by time, z and channel where the file has these."""

    @property
    def channel_names(self) -> Sequence[str]:
        """By index; empty where the file names none."""

    @property
    def problems(self) -> Sequence[str]:
        """What is damaged or missing, a sentence each (file, page, what was left out); empty for a sound file."""

    def read(self, index: int) -> NDArray[Any]:
        """Return the pixels of ``planes[index]``: (y, x), or (y, x, 3) in colour, in the stored numbers.

        Raises
        ------
        ImageError
            If this plane is damaged; others may still be read.
        """

    def close(self) -> None:
        """Close what is open. Idempotent."""
