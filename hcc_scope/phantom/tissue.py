"""The tissue of a section: its outline, its slowly varying fields, and the list of every cell.

Everything is in stage um and independent of any pixel size; `hcc_scope.phantom.specimen` draws it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hcc_scope.phantom.arrangement import group_pitch_um, nuclei_of_groups
from hcc_scope.phantom.sprites import KINDS, MAX_HALF_UM, N_LEVELS, N_ORIENTATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.phantom.effects import EffectSizes, SectionEffect

__all__ = ["Architecture", "Bubble", "ObjectTable", "Outline", "Tissue", "build_tissue"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

FINE_PITCH_UM = 8.0
COARSE_PITCH_UM = 40.0
SLOW = ("latent", "stroma", "necrosis", "tear", "fold", "fold_where", "fat", "thickness", "edge_um")
"""Fields on the coarse lattice; unit variance, but for ``edge_um``: distance to the outline, positive inside."""

_MARGIN_UM = 120.0
_CELL_PITCH_UM = 12.4
_BIN_UM = 64.0
_FARTHEST = 60.0
"""No mean of a latent number is taken as farther from 0 than this."""
_JITTER = 0.16
_GROUP_JITTER = 0.08
"""Of candidates around the nodes of their lattice, in pitches (standard deviation along each axis)."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The section's edge: radius as a function of the angle, around the stage's zero."""

    semi_axes_um: tuple[float, float]
    tilt: float
    waves: tuple[tuple[float, float], ...]
    """Relative amplitude and phase of the harmonics 2, 3, 4 ..."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Outline:
        """Draw an outline of about 8 x 6 mm."""
        a, b = 4000.0 * math.exp(rng.normal(0.0, 0.03)), 3000.0 * math.exp(rng.normal(0.0, 0.03))
        waves = tuple((float(rng.normal(0.0, 0.055 / k**0.8)), float(rng.uniform(0.0, 6.283))) for k in range(1, 10))
        return cls((a, b), float(rng.normal(0.0, 0.12)), waves)

    def radius_um(self, angle: Floats) -> F64:
        """Return the distance of the edge from the centre in the direction `angle` (rad, from +x towards +y)."""
        phi = angle - self.tilt
        a, b = self.semi_axes_um
        base = a * b / np.hypot(b * np.cos(phi), a * np.sin(phi))
        factor = np.ones_like(base)
        for k, (amplitude, phase) in enumerate(self.waves, start=2):
            factor += amplitude * np.cos(k * phi + phase)
        radius: F64 = base * factor
        return radius

    def inside_um(self, x_um: Floats, y_um: Floats) -> F64:
        """Return how far inside (positive) or outside a place is, along the ray from the centre."""
        depth: F64 = self.radius_um(np.arctan2(y_um, x_um)) - np.hypot(x_um, y_um)
        return depth

    def polygon_um(self, n: int = 360) -> F64:
        """Return the edge as (n, 2) x, y in um."""
        angle: F64 = np.arange(n, dtype=np.float64) * (2.0 * math.pi / n)
        r = self.radius_um(angle)
        return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1)


@dataclass(frozen=True, slots=True)
class Bubble:
    """An air bubble in the mounting medium."""

    x_um: float
    y_um: float
    radius_um: float


@dataclass(frozen=True, slots=True)
class _Lattice:
    """Fields on a square lattice, between whose nodes a cubic B-spline goes (smooth, local, no ringing)."""

    x0_um: float
    y0_um: float
    pitch_um: float
    values: F32
    """(field, y, x)."""

    def on_grid(self, x_um: Floats, y_um: Floats) -> F32:
        """Return the fields (field, y, x) at the nodes of the grid y_um, x_um."""
        # four taps per axis, without a matrix product: those round differently from one processor to the next
        top, y_weights = self._taps(y_um, self.y0_um, self.values.shape[1])
        left, x_weights = self._taps(x_um, self.x0_um, self.values.shape[2])
        window = self.values[:, :, left[0] : left[-1] + 4]
        lines = window[:, top] * y_weights[0][:, None]
        for k in range(1, 4):
            lines += window[:, top + k] * y_weights[k][:, None]
        left = left - left[0]
        result: F32 = lines[:, :, left] * x_weights[0]
        for k in range(1, 4):
            result += lines[:, :, left + k] * x_weights[k]
        return result

    def _taps(self, at_um: Floats, origin_um: float, n: int) -> tuple[NDArray[np.intp], F32]:
        """Return for each place the first of its four nodes, and the weights (4, places) of the cubic B-spline."""
        position = np.clip((at_um - origin_um) / self.pitch_um, 1.0, n - 3.001)
        node = np.floor(position).astype(np.intp)
        t = position - node
        u = 1.0 - t
        weights = np.stack([u * u * u, (3 * t - 6) * t * t + 4, (3 * u - 6) * u * u + 4, t * t * t]) / 6.0
        return node - 1, weights.astype(np.float32)

    def at(self, x_um: F64, y_um: F64, *, order: int = 3) -> F32:
        """Return the fields (field, n) at n places: by the same spline, or (order 1, much faster) linearly."""
        place = np.stack([(y_um - self.y0_um) / self.pitch_um, (x_um - self.x0_um) / self.pitch_um])
        return np.stack(
            [ndimage.map_coordinates(v, place, order=order, mode="nearest", prefilter=False) for v in self.values]
        )


def _smoothstep(value: F32, low: float, high: float) -> F32:
    t = np.clip((value - np.float32(low)) * np.float32(1.0 / (high - low)), 0.0, 1.0)
    step: F32 = t * t * (np.float32(3.0) - 2 * t)
    return step


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the fields mean at some places: all arrays of the places' shape, 0 to 1 where nothing else is noted."""

    phenotype: F32
    inside: F32
    """Tissue (1) or glass (0), tears included."""
    sinusoid: F32
    wall: F32
    """Distance from the nearest sinusoid's wall in units of the level-set field; negative inside."""
    stroma: F32
    necrosis: F32
    fold: F32
    fat: F32
    thickness: F32
    """Local factor on absorbance, around 1."""


@dataclass(frozen=True, slots=True)
class ObjectTable:
    """Every cell of the section, sorted into square bins so that a chunk finds its own."""

    x_um: F64
    y_um: F64
    sprite: NDArray[np.int32]
    """Index into `hcc_scope.phantom.sprites.sprite_bank`."""
    bin_start: NDArray[np.intp]
    """(rows * columns + 1,) first object of each bin."""
    bins_yx: tuple[int, int]
    origin_um: tuple[float, float]
    """x, y of the corner of the first bin."""

    def near(self, x_um: tuple[float, float], y_um: tuple[float, float]) -> NDArray[np.intp]:
        """Return the objects of which a part may lie in the rectangle, always in the same order."""
        rows, columns = self.bins_yx
        cols = [
            min(max(math.floor((v - self.origin_um[0]) / _BIN_UM), 0), columns - 1)
            for v in (x_um[0] - MAX_HALF_UM, x_um[1] + MAX_HALF_UM)
        ]
        lines = [
            min(max(math.floor((v - self.origin_um[1]) / _BIN_UM), 0), rows - 1)
            for v in (y_um[0] - MAX_HALF_UM, y_um[1] + MAX_HALF_UM)
        ]
        runs = [
            np.arange(self.bin_start[line * columns + cols[0]], self.bin_start[line * columns + cols[1] + 1])
            for line in range(lines[0], lines[1] + 1)
        ]
        return np.concatenate(runs)


@dataclass(frozen=True, slots=True)
class Tissue:
    """One section: fields, cells, bubbles."""

    latent_mean: float
    fine: _Lattice
    slow: _Lattice
    objects: ObjectTable
    bubbles: tuple[Bubble, ...]

    def architecture_on_grid(self, x_um: Floats, y_um: Floats) -> Architecture:
        """Return the architecture (y, x) on a grid."""
        return interpret(self.fine.on_grid(x_um, y_um)[0], self.slow.on_grid(x_um, y_um), self.latent_mean)


def interpret(level: F32, slow: F32, latent_mean: float) -> Architecture:
    """Translate fields into tissue.

    Sinusoids are where the level-set field is near zero; the band narrows with the phenotype, from plates of two or
    three cells to solid sheets with a few slits.
    """
    latent, stroma_f, necrosis_f, tear_f, fold_f, fold_where, fat_f, thickness_f, edge_um = slow
    phenotype = 1.0 / (1.0 + np.exp(-(latent + np.float32(latent_mean))))
    band = np.float32(0.02) + np.float32(0.40) * (1.0 - phenotype) ** 1.4
    wall = np.abs(level) - band
    sinusoid = 1.0 - _smoothstep(wall, -0.10, 0.08)
    stroma = 1.0 - _smoothstep(np.abs(stroma_f) + 0.10 * level, 0.05, 0.16)
    stroma *= _smoothstep(fat_f, -0.3, 0.5)  # septa end somewhere
    necrosis = _smoothstep(necrosis_f + np.float32(1.0) * phenotype + 0.12 * level, 2.25, 2.6)
    inside = _smoothstep(edge_um + 5.0 * level + 12.0 * tear_f, -3.0, 4.0)
    inside *= _smoothstep(np.abs(tear_f) + 0.015 * level + 0.5 * (fold_where + 1.2).clip(0.0), 0.015, 0.05)
    fold = np.exp(-((fold_f / np.float32(0.045)) ** 2)) * _smoothstep(fold_where, 1.2, 1.6)
    sinusoid *= (1.0 - stroma) * (1.0 - necrosis)
    fat = _smoothstep(fat_f, 0.6, 1.8) * (1.0 - necrosis)
    thickness = 1.0 + np.float32(0.05) * thickness_f
    return Architecture(phenotype, inside, sinusoid, wall, stroma, necrosis, fold, fat, thickness)


def _noise(shape: tuple[int, int], sigma: float, rng: np.random.Generator, outer: float | None = None) -> F32:
    """Return smooth noise of unit variance; with `outer`, a band between the two blurs."""
    white = rng.standard_normal(shape, dtype=np.float32)
    smooth: F32 = ndimage.gaussian_filter(white, sigma, mode="reflect")
    if outer is not None:
        smooth -= ndimage.gaussian_filter(white, outer, mode="reflect")
        smooth /= smooth.std()
        return smooth
    # by theory, not by the sample's own spread: that would couple far places and shrink the section's mean
    return smooth * np.float32(2.0 * sigma * math.sqrt(math.pi))


def build_tissue(
    rng_of: Callable[[str], np.random.Generator], outline: Outline, effect: SectionEffect, sizes: EffectSizes
) -> Tissue:
    """Grow a section: fields first, then cells where the fields let them.

    Parameters
    ----------
    rng_of : callable
        Returns the section's generator for a purpose, so that a change to one part leaves the others alone.
    outline : Outline
    effect : SectionEffect
        Means of the latent phenotype and of the latent arrangement.
    sizes : EffectSizes
        Gives the scale of the heterogeneity.
    """
    # farther out nothing changes, and the logistic function's exponential would overflow
    latent_mean = min(max(effect.latent_mean, -_FARTHEST), _FARTHEST)
    polygon = outline.polygon_um()
    x0, y0 = (float(v) - _MARGIN_UM for v in polygon.min(axis=0))
    x1, y1 = (float(v) + _MARGIN_UM for v in polygon.max(axis=0))

    def shape(pitch: float) -> tuple[int, int]:
        return math.ceil((y1 - y0) / pitch) + 4, math.ceil((x1 - x0) / pitch) + 4

    level = _noise(shape(FINE_PITCH_UM), 10.0 / FINE_PITCH_UM, rng_of("level"), outer=17.0 / FINE_PITCH_UM)
    fine = _Lattice(x0, y0, FINE_PITCH_UM, level[None])
    n = shape(COARSE_PITCH_UM)
    x = x0 + np.arange(n[1]) * COARSE_PITCH_UM
    y = y0 + np.arange(n[0]) * COARSE_PITCH_UM
    sigma_um = {
        "latent": sizes.heterogeneity_um,
        "stroma": 150.0,
        "necrosis": 100.0,
        "tear": 260.0,
        "fold": 320.0,
        "fold_where": 400.0,
        "fat": 130.0,
        "thickness": 500.0,
    }
    fields = [_noise(n, sigma_um[name] / COARSE_PITCH_UM, rng_of(name)) for name in SLOW if name != "edge_um"]
    fields.append(outline.inside_um(x[None, :], y[:, None]).astype(np.float32))
    slow = _Lattice(x0, y0, COARSE_PITCH_UM, np.stack(fields))
    arrangement = None
    if effect.arrangement_mean is not None:
        nests = _noise(n, sizes.heterogeneity_um / COARSE_PITCH_UM, rng_of("arrangement"))
        mean = min(max(effect.arrangement_mean, -_FARTHEST), _FARTHEST)
        arrangement = _Lattice(x0, y0, COARSE_PITCH_UM, nests[None] + np.float32(mean))
    cells = _grow_cells(rng_of, fine, slow, arrangement, latent_mean, (x0, x1), (y0, y1))
    rng = rng_of("bubbles")
    corners = polygon[rng.integers(len(polygon), size=int(rng.poisson(3.0)))] * rng.uniform(0.2, 0.97)
    bubbles = tuple(Bubble(float(bx), float(by), float(rng.uniform(30.0, 130.0))) for bx, by in corners)
    return Tissue(latent_mean, fine, slow, cells, bubbles)


def _grow_cells(
    rng_of: Callable[[str], np.random.Generator],
    fine: _Lattice,
    slow: _Lattice,
    arrangement: _Lattice | None,
    latent_mean: float,
    x_um: tuple[float, float],
    y_um: tuple[float, float],
) -> ObjectTable:
    """Put candidates on jittered hexagonal lattices and let the architecture decide what each becomes.

    The lattices have generators of their own, named after what grows on them. Without an arrangement nuclei and other
    cells share one lattice.
    """
    rng = rng_of("cells" if arrangement is None else "nuclei in groups")
    first: dict[str, int] = {}
    total = 0
    for kind, (groups, variants) in KINDS.items():
        first[kind] = total
        total += groups * variants

    edge = _Lattice(slow.x0_um, slow.y0_um, slow.pitch_um, slow.values[-1:])

    def candidates(pitch: float, jitter: float = _JITTER) -> tuple[F64, F64]:
        row_pitch = pitch * math.sqrt(0.75)
        ny, nx = math.ceil((y_um[1] - y_um[0]) / row_pitch), math.ceil((x_um[1] - x_um[0]) / pitch)
        gy, gx = np.meshgrid(np.arange(ny), np.arange(nx), indexing="ij")
        off = rng.normal(0.0, jitter * pitch, (2, ny, nx))
        x = (x_um[0] + (gx + 0.5 * (gy % 2)) * pitch + off[0]).ravel()
        y = (y_um[0] + gy * row_pitch + off[1]).ravel()
        tissue = edge.at(x, y, order=1)[0] > -20.0
        return x[tissue], y[tissue]

    found: list[tuple[F64, F64, NDArray[np.int32]]] = []

    def add(kind: str, x: F64, y: F64, chosen: NDArray[np.bool_], group: NDArray[np.integer] | None = None) -> None:
        variants = KINDS[kind][1]
        picked = rng.integers(variants, size=x.size)
        sprite = first[kind] + picked if group is None else first[kind] + group * variants + picked
        found.append((x[chosen], y[chosen], sprite[chosen].astype(np.int32)))

    def add_nuclei(x: F64, y: F64, a: Architecture, chosen: NDArray[np.bool_]) -> None:
        grade = np.clip(a.phenotype + rng.normal(0.0, 0.13, x.size), 0.0, 1.0)
        add("tumour", x, y, chosen, np.rint(grade * (N_LEVELS - 1)).astype(np.int64))

    if arrangement is not None:
        x, y = candidates(group_pitch_um(_CELL_PITCH_UM), _GROUP_JITTER)
        crowding = interpret(fine.at(x, y)[0], slow.at(x, y, order=1), latent_mean).phenotype
        keep = rng.random(x.size) < 0.62 + 0.28 * crowding
        x, y = x[keep], y[keep]
        nest_share = 1.0 / (1.0 + np.exp(-arrangement.at(x, y, order=1)[0]))
        x, y = nuclei_of_groups(rng, x, y, rng.random(x.size) < nest_share)
        a = interpret(fine.at(x, y)[0], slow.at(x, y, order=1), latent_mean)
        add_nuclei(x, y, a, _in_plate(a))
        rng = rng_of("other cells")
    x, y = candidates(_CELL_PITCH_UM)
    a = interpret(fine.at(x, y)[0], slow.at(x, y, order=1), latent_mean)
    chance = rng.random((3, x.size), dtype=np.float32)
    if arrangement is None:
        add_nuclei(x, y, a, _in_plate(a) & (chance[0] < 0.62 + 0.28 * a.phenotype))
    alive = (a.inside > 0.9) & (a.necrosis < 0.5)
    spare = chance[1]
    add("vacuole", x + 5.0, y + 3.0, _in_plate(a) & (spare < 0.01 + 0.30 * a.fat))
    blood = (a.inside > 0.9) & (a.sinusoid > 0.9) & (a.wall < -0.08)
    add("erythrocyte", x, y, blood & (chance[2] < 0.30))
    add("lymphocyte", x, y, (a.inside > 0.9) & (a.stroma > 0.5) & (spare < 0.25))
    add("lymphocyte", x, y, blood & (spare < 0.03))
    dead = (a.inside > 0.9) & (a.necrosis >= 0.5)
    add("ghost", x, y, dead & (chance[0] < 0.8))
    add("debris", x + 4.0, y, dead & (spare < 0.8))
    add("debris", x, y - 4.0, (a.inside > 0.9) & (a.necrosis > 0.05) & (chance[2] < 0.6))
    add("debris", x, y + 5.0, alive & (spare > 0.985))

    x, y = candidates(9.0)
    use = rng.random(x.size) < 0.30
    x, y = x[use], y[use]
    level = fine.at(x, y)[0]
    a = interpret(level, slow.at(x, y, order=1), latent_mean)
    lining = (a.inside > 0.9) & (a.sinusoid > 0.1) & (np.abs(a.wall) < 0.10) & (rng.random(x.size) < 0.75)
    for kind, where, lattice, field, step in (
        ("endothelial", lining, fine, 0, 1.0),
        ("fibroblast", (a.inside > 0.9) & (a.stroma > 0.6), slow, SLOW.index("stroma"), 20.0),
    ):
        at_x, at_y = x[where], y[where]
        here = lattice.at(at_x, at_y)[field]
        rise_x, rise_y = lattice.at(at_x + step, at_y)[field] - here, lattice.at(at_x, at_y + step)[field] - here
        along = np.arctan2(rise_y, rise_x) + 0.5 * math.pi + rng.normal(0.0, 0.15, at_x.size)
        group = np.rint(along / math.pi * N_ORIENTATIONS).astype(np.int64) % N_ORIENTATIONS
        add(kind, at_x, at_y, np.ones(at_x.size, dtype=np.bool_), group)
    return _binned(found, (x_um[0], y_um[0]))


def _in_plate(a: Architecture) -> NDArray[np.bool_]:
    """Return where tumour cells live: away from the sinusoids' walls by half a nucleus, so that plates have an edge."""
    return (a.inside > 0.9) & (a.necrosis < 0.5) & (a.wall > 0.06) & (a.stroma < 0.3)


def _binned(found: list[tuple[F64, F64, NDArray[np.int32]]], origin_um: tuple[float, float]) -> ObjectTable:
    x, y, sprite = (np.concatenate(columns) for columns in zip(*found, strict=True))
    column = np.maximum((x - origin_um[0]) // _BIN_UM, 0).astype(np.intp)
    row = np.maximum((y - origin_um[1]) // _BIN_UM, 0).astype(np.intp)
    shape = (int(row.max(initial=0)) + 1, int(column.max(initial=0)) + 1)
    number = row * shape[1] + column
    order = np.argsort(number, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=shape[0] * shape[1]))])
    return ObjectTable(x[order], y[order], sprite[order], start.astype(np.intp), shape, origin_um)
