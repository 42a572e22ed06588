"""The section under the lens: any field at any place, focus and pixel size, the same every time.

The world is drawn in square chunks of pixels whose content depends on the specimen and the chunk's place alone; fields
are cut from chunks. That is why two overlapping fields agree exactly, and why going back to a place is cheap.
"""

from __future__ import annotations

import functools
import math
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hcc_scope.phantom.effects import CLEAR_EFFECTS, DayEffect, EffectSizes, SectionEffect, TumourClass, stable_rng
from hcc_scope.phantom.sprites import CHUNK_PX, Textures, sprite_bank, textures
from hcc_scope.phantom.tissue import Architecture, Outline, Tissue, build_tissue

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Specimen", "defocus_sigma_um"]

F32 = NDArray[np.float32]
_ChunkKey = tuple[float, int, int]
_Bank = tuple[F32, ...]

_DEFOCUS_UM_PER_UM = 0.218
_SHARP_PX = 0.3
"""Blur below this many pixels (sigma) changes nothing that the noise would not hide."""
_TRUNCATE = 3.0
_LOW_RES_UM = 1.3
"""Architecture is evaluated on a grid of about this pitch and interpolated linearly to the pixels."""


def defocus_sigma_um(z_um: float) -> float:
    """Return the blur (Gaussian sigma, um) at a distance `z_um` from focus: ``0.218 * |z|``.

    Geometric optics: a point becomes a disc of radius |z| tan(asin(NA)), 0.436 |z| for the 20x/0.4 objective, and
    a disc of radius r has a standard deviation of r / 2 along each axis.
    """
    return _DEFOCUS_UM_PER_UM * abs(z_um)


# typed: 1 and True are equal, and their generators differ
@functools.lru_cache(maxsize=4, typed=True)
def _tissue(
    seed: int, animal: str, section: str, outline: Outline, effect: SectionEffect, sizes: EffectSizes
) -> Tissue:
    """Return a section's tissue, which takes half a second to grow: the same section is often rendered again."""
    return build_tissue(functools.partial(stable_rng, seed, animal, section), outline, effect, sizes)


class Specimen:
    """A frozen section of one tumour on its slide, in stage coordinates, with (0, 0) about its middle.

    Parameters
    ----------
    seed : int
        Number of the phantom's world.
    animal, section : str
        Who, and which of its sections. Animals and sections differ by random effects of known size.
    tumour_class : {"low", "high"}
        Metastatic potential: trabecular with regular nuclei, or solid with pleomorphic ones (on average).
    day : int or str
        Acquisition day: its thickness effect is in the rendered field, the rest is for `CameraPhysics.expose`.
    sizes : EffectSizes
        How large the effects are.
    cache_mb : int
        Memory for rendered chunks; 128 holds about six fields of 2048 x 2048.

    Attributes
    ----------
    day_effect : DayEffect
        To be given to `CameraPhysics.expose`.
    section_effect : SectionEffect
        The draws of this section's random effects.

    Raises
    ------
    ValueError
        If `tumour_class` is neither "low" nor "high".
    """

    def __init__(
        self,
        seed: int,
        animal: str,
        section: str,
        tumour_class: TumourClass,
        day: int | str = 0,
        *,
        sizes: EffectSizes = CLEAR_EFFECTS,
        cache_mb: int = 128,
    ) -> None:
        if tumour_class not in get_args(TumourClass):
            raise ValueError(f'tumour_class must be "low" or "high", not {tumour_class!r}')
        self.seed = seed
        self.animal = animal
        self.section = section
        self.tumour_class: TumourClass = tumour_class
        self.day = day
        self.sizes = sizes
        self.day_effect = DayEffect.draw(seed, day, sizes)
        self.section_effect = SectionEffect.draw(seed, animal, section, tumour_class, sizes)
        self._outline = Outline.draw(self._rng("outline"))
        self._grown: Tissue | None = None
        self._cache: OrderedDict[_ChunkKey, F32] = OrderedDict()
        self._cache_chunks = max(1, cache_mb * 2**20 // (4 * CHUNK_PX * CHUNK_PX))
        self._bank: tuple[float, _Bank] | None = None  # of the pixel size used last
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Specimen({self.seed}, {self.animal!r}, {self.section!r}, {self.tumour_class!r}, day={self.day!r})"

    def _rng(self, purpose: str) -> np.random.Generator:
        return stable_rng(self.seed, self.animal, self.section, purpose)

    @property
    def outline_um(self) -> NDArray[np.float64]:
        """The section's edge as a polygon: (n, 2) x, y in stage um."""
        return self._outline.polygon_um()

    def contains(self, x_um: float, y_um: float) -> bool:
        """Return whether a place is inside the section's outline."""
        return bool(self._outline.inside_um(np.array(x_um), np.array(y_um)) > 0.0)

    def phenotype(self, x_um: float, y_um: float) -> float:
        """Return the truth at a place: 0 is trabecular with regular nuclei, 1 solid with pleomorphic ones."""
        return float(self._tissue().architecture_on_grid(np.array([x_um]), np.array([y_um])).phenotype[0, 0])

    def tissue_share(self, x_um: float, y_um: float, side_um: float) -> float:
        """Return the share, 0 to 1, of a square field around a place that tissue covers."""
        axis = np.linspace(-0.5, 0.5, 17) * side_um
        return float(self._tissue().architecture_on_grid(x_um + axis, y_um + axis).inside.mean())

    def render(
        self, x_um: float, y_um: float, z_um: float, shape_yx: tuple[int, int], um_per_px: float
    ) -> NDArray[np.float32]:
        """Return what the lens shows: transmitted light relative to bare glass, before lamp, camera and noise.

        Rows go along +y and columns along +x of the stage. The field lies on the lattice of whole pixels around
        stage (0, 0): fields that overlap agree pixel for pixel, also out of focus. Safe to call from several threads.

        Parameters
        ----------
        x_um, y_um : float
            Stage position of the field's centre (of pixel ``shape // 2``), rounded to the nearest pixel.
        z_um : float
            Distance from focus; see `defocus_sigma_um`.
        shape_yx : tuple of int
            Rows and columns in px.
        um_per_px : float
            Size of a pixel at the specimen.

        Returns
        -------
        (y, x) ndarray of float32
            1 is bare glass; owned by the caller.

        Raises
        ------
        ValueError
            If `um_per_px` is not positive or `shape_yx` has a side below 1.
        """
        height, width = shape_yx
        if um_per_px <= 0.0 or not math.isfinite(um_per_px):
            raise ValueError(f"um_per_px must be positive, not {um_per_px}")
        if height < 1 or width < 1:
            raise ValueError(f"shape_yx must be at least (1, 1), not {shape_yx}")
        # the small number absorbs the rounding of positions that are meant to lie on half a pixel
        top = math.floor(y_um / um_per_px + 0.5 + 1e-6) - height // 2
        left = math.floor(x_um / um_per_px + 0.5 + 1e-6) - width // 2
        sigma_px = defocus_sigma_um(z_um) / um_per_px
        if sigma_px < _SHARP_PX:
            return self._cut(top, left, height, width, um_per_px)
        margin = int(_TRUNCATE * sigma_px + 0.5)
        sharp = self._cut(top - margin, left - margin, height + 2 * margin, width + 2 * margin, um_per_px)
        blurred = ndimage.gaussian_filter(sharp, sigma_px, truncate=_TRUNCATE)
        return np.ascontiguousarray(blurred[margin : margin + height, margin : margin + width])

    def _cut(self, top: int, left: int, height: int, width: int, um_per_px: float) -> F32:
        """Return a rectangle of the sharp world, in px of its lattice."""
        rows = range(top // CHUNK_PX, (top + height - 1) // CHUNK_PX + 1)
        columns = range(left // CHUNK_PX, (left + width - 1) // CHUNK_PX + 1)
        field: F32 = np.empty((height, width), dtype=np.float32)
        for (row, column), chunk in self._chunks([(r, c) for r in rows for c in columns], um_per_px):
            y, x = row * CHUNK_PX - top, column * CHUNK_PX - left
            y_to, x_to = slice(max(y, 0), min(y + CHUNK_PX, height)), slice(max(x, 0), min(x + CHUNK_PX, width))
            field[y_to, x_to] = chunk[y_to.start - y : y_to.stop - y, x_to.start - x : x_to.stop - x]
        return field

    def _chunks(self, places: list[tuple[int, int]], um_per_px: float) -> Iterator[tuple[tuple[int, int], F32]]:
        missing: list[tuple[int, int]] = []
        for place in places:
            with self._lock:
                chunk = self._cache.get((um_per_px, *place))
                if chunk is not None:
                    self._cache.move_to_end((um_per_px, *place))
            if chunk is None:
                missing.append(place)
            else:
                yield place, chunk
        if not missing:
            return
        bank = self._prepare(um_per_px)
        # one after the other: two threads took a quarter more time and twice the processor, waiting for the interpreter
        fresh = (self._draw_chunk(row, column, um_per_px, bank) for row, column in missing)
        yield from self._keep(missing, fresh, um_per_px)

    def _keep(
        self, places: list[tuple[int, int]], fresh: Iterator[F32], um_per_px: float
    ) -> Iterator[tuple[tuple[int, int], F32]]:
        for place, chunk in zip(places, fresh, strict=True):
            with self._lock:
                self._cache[(um_per_px, *place)] = chunk
                while len(self._cache) > self._cache_chunks:
                    self._cache.popitem(last=False)
            yield place, chunk

    def _tissue(self) -> Tissue:
        with self._lock:
            if self._grown is None:
                self._grown = _tissue(
                    self.seed, self.animal, self.section, self._outline, self.section_effect, self.sizes
                )
            return self._grown

    def _prepare(self, um_per_px: float) -> _Bank:
        """Make tissue and textures before threads need them, and return this specimen's stained sprites."""
        self._tissue()
        textures(um_per_px)
        with self._lock:
            if self._bank is None or self._bank[0] != um_per_px:
                plain = sprite_bank(um_per_px)
                stain = np.float32(self.section_effect.stain)
                stained = tuple(
                    sprite * stain if nuclear else sprite
                    for sprite, nuclear in zip(plain.sprites, plain.nuclear, strict=True)
                )
                self._bank = (um_per_px, stained)
            return self._bank[1]

    def _draw_chunk(self, row: int, column: int, um_per_px: float, bank: _Bank) -> F32:
        """Draw one chunk of the sharp world: tissue's absorbance, cells on it, folds, bubbles; then light."""
        tissue = self._tissue()
        # nodes of the coarse grid lie on pixels; the last one is the next chunk's first, so there is no seam
        step = 1
        while step < 16 and 2 * step * um_per_px <= _LOW_RES_UM:
            step *= 2
        nodes = np.arange(CHUNK_PX // step + 1) * step
        x_um = (column * CHUNK_PX + nodes) * um_per_px
        y_um = (row * CHUNK_PX + nodes) * um_per_px
        a = tissue.architecture_on_grid(x_um, y_um)
        if a.inside.max() > 0.0:
            texture = textures(um_per_px)
            base, grain, fibre = _absorbance(a)
            od = _interpolate(base, step)
            grit = Textures.chunk(texture.coarse, row, column) + Textures.chunk(texture.fine, row, column)
            grit *= _interpolate(grain, step)
            od += grit
            if fibre.max() > 0.0:
                od += _interpolate(fibre, step) * Textures.chunk(texture.fibre, row, column)
            self._draw_objects(od, row, column, um_per_px, bank)
            np.maximum(od, 0.0, out=od)
        else:
            od = np.zeros((CHUNK_PX, CHUNK_PX), dtype=np.float32)
        self._draw_bubbles(od, row, column, um_per_px)
        od *= np.float32(-self.section_effect.thickness * self.day_effect.thickness)
        np.exp(od, out=od)
        od.flags.writeable = False
        return od

    def _draw_objects(self, od: F32, row: int, column: int, um_per_px: float, bank: _Bank) -> None:
        objects = self._tissue().objects
        size_um = CHUNK_PX * um_per_px
        x0, y0 = column * size_um, row * size_um
        index = objects.near((x0, x0 + size_um), (y0, y0 + size_um))
        x_px = np.floor(objects.x_um[index] / um_per_px + 0.5).astype(np.int64) - column * CHUNK_PX
        y_px = np.floor(objects.y_um[index] / um_per_px + 0.5).astype(np.int64) - row * CHUNK_PX
        for x, y, number in zip(x_px.tolist(), y_px.tolist(), objects.sprite[index].tolist(), strict=True):
            sprite = bank[number]
            n = sprite.shape[0]
            top, left = y - n // 2, x - n // 2
            bottom, right = top + n, left + n
            if bottom <= 0 or right <= 0 or top >= CHUNK_PX or left >= CHUNK_PX:
                continue
            if top < 0 or left < 0 or bottom > CHUNK_PX or right > CHUNK_PX:
                sprite = sprite[max(-top, 0) : CHUNK_PX - top, max(-left, 0) : CHUNK_PX - left]
                top, left = max(top, 0), max(left, 0)
            place = od[top:bottom, left:right]
            np.add(place, sprite, out=place)

    def _draw_bubbles(self, od: F32, row: int, column: int, um_per_px: float) -> None:
        """Draw air bubbles: a dark rim where light is refracted away, a bright line inside it, a calm middle."""
        size_um = CHUNK_PX * um_per_px
        for bubble in self._tissue().bubbles:
            dx, dy = bubble.x_um - column * size_um, bubble.y_um - row * size_um
            reach = bubble.radius_um + 20.0
            if not (-reach < dx < size_um + reach and -reach < dy < size_um + reach):
                continue
            axis = np.arange(CHUNK_PX, dtype=np.float32) * np.float32(um_per_px)
            depth = np.float32(bubble.radius_um) - np.hypot(
                axis[:, None] - np.float32(dy), axis[None, :] - np.float32(dx)
            )
            od *= 1.0 - 0.35 * np.clip(depth / 4.0 + 0.5, 0.0, 1.0)
            width = 0.05 * bubble.radius_um + 1.5
            od += 1.3 * np.exp(-(((depth - width) / width) ** 2)) - 0.15 * np.exp(-(((depth - 4 * width) / width) ** 2))
            np.maximum(od, 0.0, out=od)


def _absorbance(a: Architecture) -> tuple[F32, F32, F32]:
    """Return the absorbance of what lies between the nuclei, and the amplitudes of its grain and its fibres."""
    # less cytoplasm with the phenotype: it balances the darker nuclei, so the mean grey does not give the class away
    cytoplasm = np.float32(0.27) - np.float32(0.17) * a.phenotype
    plate = cytoplasm * (1.0 - a.sinusoid) + 0.035 * a.sinusoid
    base = plate * (1.0 - a.stroma) * (1.0 - a.necrosis) + 0.20 * a.stroma + 0.17 * a.necrosis
    tissue = a.inside * a.thickness
    base *= tissue
    base += a.inside * a.fold * 0.38
    grain = tissue * (0.030 * (1.0 - a.sinusoid) + 0.006 * a.necrosis)
    fibre = tissue * a.stroma * 0.06
    return base, grain, fibre


def _interpolate(nodes: F32, step: int) -> F32:
    """Return a chunk's pixels, linearly between nodes that are `step` pixels apart.

    Without a matrix product, because those round differently from one processor to the next.
    """
    if step == 1:
        return nodes[:CHUNK_PX, :CHUNK_PX].copy()
    lines: F32 = np.empty((nodes.shape[0], CHUNK_PX), dtype=np.float32)
    slope = (nodes[:, 1:] - nodes[:, :-1]) * np.float32(1.0 / step)
    for k in range(step):
        lines[:, k::step] = nodes[:, :-1] + slope * np.float32(k)
    pixels: F32 = np.empty((CHUNK_PX // step, step, CHUNK_PX), dtype=np.float32)
    slope = (lines[1:] - lines[:-1]) * np.float32(1.0 / step)
    for k in range(step):
        np.multiply(slope, np.float32(k), out=pixels[:, k])
        pixels[:, k] += lines[:-1]
    return pixels.reshape(CHUNK_PX, CHUNK_PX)
