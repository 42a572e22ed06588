"""The facts in which all chosen images agree, before the first one is read: frame size, bit depth, pixel size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import ImageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.imports.collection import Plane
    from hcc_scope.imports.conversion import Conversion

__all__ = ["FrameFacts", "frame_facts", "stated_pixel_sizes_um"]

_SAME = 1e-3
"""Relative difference up to which two pixel sizes count as one: files round them."""
_SQUARE = 0.01
"""How far the sides of a pixel may differ; a store keeps one size."""


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What the frames of an import have in common."""

    shape_yx: tuple[int, int]
    bit_depth: int
    pixel_size_um: float
    stated_um: float | None
    """The pixel size that the files state; None if they state none, or several."""

    @property
    def remark(self) -> str | None:
        """That a person gave another pixel size than the files state, as half a sentence; None if not."""
        if self.stated_um is None or math.isclose(self.stated_um, self.pixel_size_um, rel_tol=_SAME):
            return None
        return (
            f"the images state a pixel size of {self.stated_um:g} um, and {self.pixel_size_um:g} um was given by hand"
        )


def frame_facts(planes: Sequence[Plane], conversion: Conversion, pixel_size_um: float | None) -> FrameFacts:
    """Return what the chosen planes have in common.

    Parameters
    ----------
    planes : sequence of Plane
        Of all sources, at least one.
    conversion : Conversion
        As a person stated it.
    pixel_size_um : float or None
        As a person stated it; comes before what the files state.

    Raises
    ------
    ImageError
        If they differ in size or bit depth, or hold no counts.
    UsageError
        If the pixel size or a conversion is missing.
    """
    first = planes[0]
    for plane in planes:
        conversion.check(plane)
        if plane.shape_yx != first.shape_yx:
            one, other = (_sides(of.shape_yx) for of in (first, plane))
            raise ImageError(
                f"{plane.where} has {other} px, and {first.where} has {one} px: the frames of a section have one size",
                hint="Leave one kind out, or choose with --series N.",
            )
        if (one_bits := conversion.depth_of(plane)) != (bits := conversion.depth_of(first)):
            raise ImageError(
                f"{plane.where} has {one_bits} bits, and {first.where} has {bits} bits",
                hint="Import them as two sections, or give the camera's with --bit-depth.",
            )
    stated = _stated(planes, given=pixel_size_um is not None)
    if pixel_size_um is None:
        without = next((plane for plane in planes if plane.pixel_size_yx_um is None), None)
        if stated is None or without is not None:
            where = first.where if without is None else without.where
            others = "" if stated is None else f", and others state {stated:g} um"
            raise UsageError(
                f"{where} does not state its pixel size{others}", hint="Give it with --pixel-size-um, at the specimen."
            )
        pixel_size_um = stated
    elif not (math.isfinite(pixel_size_um) and 1e-4 <= pixel_size_um <= 1e3):
        raise UsageError(f"--pixel-size-um is from 0.0001 to 1000, not {pixel_size_um:g}")
    return FrameFacts(first.shape_yx, conversion.depth_of(first), pixel_size_um, stated)


def stated_pixel_sizes_um(planes: Sequence[Plane]) -> tuple[float, ...]:
    """Return the pixel sizes that the planes state, each once, ascending; the mean of a pixel's two sides."""
    found: list[float] = []
    for pair in sorted({plane.pixel_size_yx_um for plane in planes if plane.pixel_size_yx_um is not None}):
        size = sum(pair) / 2
        if not any(math.isclose(size, one, rel_tol=_SAME) for one in found):
            found.append(size)
    return tuple(found)


def _stated(planes: Sequence[Plane], *, given: bool) -> float | None:
    sizes = stated_pixel_sizes_um(planes)
    if len(sizes) > 1:
        if given:
            return None
        few = [f"{size:g} um" for size in sizes[:4]]
        raise UsageError(
            f"the images state {len(sizes)} pixel sizes: {', '.join(few)}",
            hint="Import them as sections of their own, or give the one that holds with --pixel-size-um.",
        )
    for plane in planes:
        pair = plane.pixel_size_yx_um
        if pair is not None and not given and not math.isclose(*pair, rel_tol=_SQUARE):
            raise ImageError(
                f"{plane.where} states pixels of {pair[1]:g} x {pair[0]:g} um, which are not square",
                hint="Resample it, or give the size that holds with --pixel-size-um.",
            )
    return sizes[0] if sizes else None


def _sides(shape_yx: tuple[int, int]) -> str:
    return f"{shape_yx[1]} x {shape_yx[0]}"
