"""Pictures of cells and textures, made once per pixel size, from which every field is composed.

All values are optical densities (natural logarithm) to be added; sizes are in um, so a pixel size changes the sampling
and not the tissue.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hcc_scope.phantom.effects import stable_rng

__all__ = ["KINDS", "N_LEVELS", "N_ORIENTATIONS", "SpriteBank", "Textures", "sprite_bank", "textures"]

Sprite = NDArray[np.float32]

N_LEVELS = 8
"""Steps of the phenotype (0 to 1) for tumour cells."""
N_ORIENTATIONS = 16
"""Steps of direction (half a turn) for elongated nuclei."""
KINDS: dict[str, tuple[int, int]] = {
    "tumour": (N_LEVELS, 72),
    "endothelial": (N_ORIENTATIONS, 6),
    "fibroblast": (N_ORIENTATIONS, 8),
    "lymphocyte": (1, 32),
    "erythrocyte": (1, 24),
    "vacuole": (1, 64),
    "ghost": (1, 32),
    "debris": (1, 64),
}
"""Kind of object: number of groups, and variants in each."""

MAX_HALF_UM = 17.0
"""No sprite reaches farther from its centre than this."""

CHUNK_PX = 256
"""Side of a rendered chunk of the world; texture periods are multiples of it, so a chunk's texture is a view."""


@dataclass(frozen=True, slots=True)
class SpriteBank:
    """All sprites of one pixel size."""

    sprites: tuple[Sprite, ...]
    first: dict[str, int]
    """Index of a kind's first sprite; group g, variant v is at ``first + g * variants + v``."""
    nuclear: tuple[bool, ...]
    """Per sprite: whether the stain factor of animal and section applies."""


def _smooth_edge(signed_um: NDArray[np.float64], width_um: float) -> NDArray[np.float64]:
    """Return 1 well inside (positive), 0 well outside; the edge is as soft as the objective's resolution."""
    edge: NDArray[np.float64] = np.clip(0.5 + signed_um / (2.0 * width_um), 0.0, 1.0)
    return edge * edge * (3.0 - 2.0 * edge)


class _Canvas:
    """A square grid in um around an object's centre, and the shapes that are drawn on it."""

    def __init__(self, half_um: float, um_per_px: float, rng: np.random.Generator) -> None:
        half = max(1, math.ceil(half_um / um_per_px))
        axis = np.arange(-half, half + 1) * um_per_px
        self.y, self.x = axis[:, None], axis[None, :]
        self.um_per_px = um_per_px
        self.edge_um = max(0.45, 0.5 * um_per_px)
        self.rng = rng
        self.radius = np.hypot(self.x, self.y)
        self.angle = np.arctan2(self.y, self.x)

    def ellipse(
        self, a_um: float, b_um: float, theta: float, rough: float, centre: tuple[float, float] = (0.0, 0.0)
    ) -> NDArray[np.float64]:
        """Return the signed distance (um, positive inside) to an ellipse with an irregular outline."""
        dx, dy = self.x - centre[0], self.y - centre[1]
        u = dx * math.cos(theta) + dy * math.sin(theta)
        v = dy * math.cos(theta) - dx * math.sin(theta)
        rho = np.hypot(u / a_um, v / b_um)
        if rough > 0.0:
            phi = np.arctan2(v / b_um, u / a_um)
            wave = np.zeros_like(phi)
            for k in (2, 3, 4, 5):
                wave += self.rng.normal(0.0, rough / (k - 1) ** 0.5) * np.cos(k * phi + self.rng.uniform(0.0, 6.283))
            rho = rho / (1.0 + wave)
        return (1.0 - rho) * math.sqrt(a_um * b_um)

    def grain(self, sigma_um: float) -> NDArray[np.float64]:
        """Return smooth noise of unit standard deviation (for one pixel: white)."""
        noise = self.rng.standard_normal(self.radius.shape)
        smooth = ndimage.gaussian_filter(noise, sigma_um / self.um_per_px, mode="wrap")
        spread = float(smooth.std())
        grain: NDArray[np.float64] = smooth / spread if spread > 0.0 else smooth
        return grain


def _tumour_cell(level: float, um_per_px: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a tumour cell: cytoplasm and nucleus; `level` 0 is regular and small, 1 pleomorphic and large."""
    mean_r = 3.25 + 1.25 * level
    r = float(np.clip(mean_r * math.exp(rng.normal(0.0, 0.09 + 0.17 * level)), 2.2, 8.5))
    stretch = math.exp(abs(rng.normal(0.0, 0.10 + 0.16 * level)))
    a, b = r * math.sqrt(stretch), r / math.sqrt(stretch)
    density = float(np.clip(rng.normal(0.46 + 0.05 * level, 0.06 + 0.09 * level), 0.22, 1.0))
    body_r = max(9.2 - 2.2 * level, a * 1.15) * rng.uniform(0.9, 1.1)
    canvas = _Canvas(min(body_r * 1.25 + 1.0, MAX_HALF_UM - 0.5), um_per_px, rng)
    theta = rng.uniform(0.0, math.pi)
    body = canvas.ellipse(body_r * 1.08, body_r * 0.93, theta + rng.normal(0.0, 0.4), 0.06)
    od = (0.085 - 0.025 * level + 0.03 * rng.standard_normal()) * _smooth_edge(body, 1.3)
    od *= 1.0 + 0.15 * canvas.grain(1.0)
    off = rng.normal(0.0, 0.8 - 0.3 * level, 2)
    nucleus = canvas.ellipse(a, b, theta, 0.015 + 0.045 * level, (off[0], off[1]))
    inside = _smooth_edge(nucleus, canvas.edge_um)
    # chromatin: coarser and more clumped with the level; a darker membrane; some nuclei are open (vesicular)
    clumps = canvas.grain(0.45 + 0.35 * level)
    membrane = np.exp(-((nucleus / 0.6) ** 2))
    vesicular = rng.random() < 0.25 + 0.25 * level
    core = density * ((0.72 if vesicular else 1.0) + (0.14 + 0.12 * level) * clumps)
    core += density * (0.45 if vesicular else 0.18) * membrane
    halo = _smooth_edge(nucleus + 0.9, 0.9) - inside
    od = od * (1.0 - 0.5 * inside) + inside * core - 0.05 * rng.random() * np.clip(halo, 0.0, 1.0)
    for _ in range(int(rng.integers(0, 2) if level < 0.4 else rng.integers(0, 4))):
        spot_r = rng.uniform(0.45, 0.7 + 0.7 * level)
        where = rng.uniform(-0.45, 0.45, 2) * b
        spot = canvas.ellipse(spot_r, spot_r * 0.9, 0.0, 0.0, (off[0] + where[0], off[1] + where[1]))
        od += 0.40 * density * _smooth_edge(spot, canvas.edge_um) * inside
    return od


def _spindle(kind: str, group: int, um_per_px: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw an elongated nucleus lying along its group's direction."""
    theta = math.pi * (group + rng.uniform(-0.4, 0.4)) / N_ORIENTATIONS
    a = rng.uniform(4.0, 6.0) if kind == "endothelial" else rng.uniform(5.0, 8.0)
    b = rng.uniform(1.0, 1.6) if kind == "endothelial" else rng.uniform(1.2, 2.2)
    canvas = _Canvas(a * 1.3 + 1.0, um_per_px, rng)
    # bent: the axis is a shallow arc
    bend = rng.normal(0.0, 0.02)
    u = canvas.x * math.cos(theta) + canvas.y * math.sin(theta)
    v = canvas.y * math.cos(theta) - canvas.x * math.sin(theta) + bend * u * u
    signed = (1.0 - np.hypot(u / a, v / b)) * b
    density = rng.uniform(0.40, 0.62)
    return density * _smooth_edge(signed, canvas.edge_um) * (1.0 + 0.15 * canvas.grain(0.5))


def _round(kind: str, um_per_px: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw one of the round things: blood cells, vacuoles, ghosts of dead cells, debris."""
    theta = rng.uniform(0.0, math.pi)
    if kind == "lymphocyte":
        r = rng.uniform(2.6, 3.4)
        canvas = _Canvas(r * 1.3 + 1.0, um_per_px, rng)
        inside = _smooth_edge(canvas.ellipse(r, r * 0.94, theta, 0.02), canvas.edge_um)
        return inside * rng.uniform(0.62, 0.85) * (1.0 + 0.18 * canvas.grain(0.6))
    if kind == "erythrocyte":
        r = rng.uniform(2.5, 3.3)
        canvas = _Canvas(r * 1.3 + 1.0, um_per_px, rng)
        signed = canvas.ellipse(r, r * rng.uniform(0.7, 1.0), theta, 0.03)
        pallor: NDArray[np.float64] = np.exp(-((canvas.radius / (0.5 * r)) ** 2))
        return rng.uniform(0.14, 0.26) * _smooth_edge(signed, canvas.edge_um) * (1.0 - 0.4 * pallor)
    if kind == "vacuole":
        r = min(math.exp(rng.normal(math.log(2.6), 0.5)), 9.0)
        canvas = _Canvas(r * 1.15 + 2.0, um_per_px, rng)
        signed = canvas.ellipse(r, r * rng.uniform(0.88, 1.0), theta, 0.02)
        return -0.24 * _smooth_edge(signed, 0.6) + 0.10 * np.exp(-(((signed + 0.4) / 0.7) ** 2))
    if kind == "ghost":
        r = rng.uniform(3.0, 5.0)
        canvas = _Canvas(r * 1.4 + 1.0, um_per_px, rng)
        signed = canvas.ellipse(r, r * rng.uniform(0.7, 1.0), theta, 0.07)
        return rng.uniform(0.05, 0.20) * _smooth_edge(signed, 1.0) * (1.0 + 0.3 * canvas.grain(0.8))
    r = math.exp(rng.normal(math.log(0.9), 0.45))
    canvas = _Canvas(min(r * 1.5, 6.0) + 1.0, um_per_px, rng)
    signed = canvas.ellipse(r, r * rng.uniform(0.5, 1.0), theta, 0.1)
    return rng.uniform(0.25, 0.7) * _smooth_edge(signed, canvas.edge_um)


@functools.lru_cache(maxsize=3)
def sprite_bank(um_per_px: float) -> SpriteBank:
    """Return the sprites for one pixel size; the same in every process."""
    sprites: list[Sprite] = []
    first: dict[str, int] = {}
    nuclear: list[bool] = []
    for kind, (groups, variants) in KINDS.items():
        first[kind] = len(sprites)
        for group in range(groups):
            for variant in range(variants):
                rng = stable_rng("sprite", kind, group, variant)
                if kind == "tumour":
                    od = _tumour_cell(group / (N_LEVELS - 1), um_per_px, rng)
                elif kind in ("endothelial", "fibroblast"):
                    od = _spindle(kind, group, um_per_px, rng)
                else:
                    od = _round(kind, um_per_px, rng)
                sprites.append(np.ascontiguousarray(od, dtype=np.float32))
                nuclear.append(kind in ("tumour", "endothelial", "fibroblast", "lymphocyte"))
    return SpriteBank(tuple(sprites), first, tuple(nuclear))


@dataclass(frozen=True, slots=True)
class Textures:
    """Endless textures: each tiles the plane with a period of a whole number of chunks; zero mean.

    `fine` and `coarse` have different periods, so their sum repeats only after several mm.
    """

    fine: NDArray[np.float32]
    coarse: NDArray[np.float32]
    fibre: NDArray[np.float32]

    @staticmethod
    def chunk(texture: NDArray[np.float32], row: int, column: int) -> NDArray[np.float32]:
        """Return the view of `texture` that lies on chunk (row, column) of the world."""
        n = texture.shape[0] // CHUNK_PX
        y, x = (row % n) * CHUNK_PX, (column % n) * CHUNK_PX
        return texture[y : y + CHUNK_PX, x : x + CHUNK_PX]


def _tileable_noise(n_px: int, sigma_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    noise = rng.standard_normal((n_px, n_px), dtype=np.float32)
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(noise, sigma_px, mode="wrap", truncate=3.0)
    smooth -= smooth.mean()
    smooth /= smooth.std()
    return smooth


@functools.lru_cache(maxsize=3)
def textures(um_per_px: float) -> Textures:
    """Return the textures for one pixel size: granular cytoplasm in two grain sizes, and wavy fibres."""
    rng = stable_rng("textures")
    n_fine, n_coarse, n_fibre = 4 * CHUNK_PX, 5 * CHUNK_PX, 4 * CHUNK_PX
    # a pixel averages what is finer than itself
    fine = _tileable_noise(n_fine, 0.30 / um_per_px, rng) * np.float32(min(1.0, 0.6 / um_per_px))
    coarse = _tileable_noise(n_coarse, 1.3 / um_per_px, rng) * np.float32(min(1.0, 2.6 / um_per_px))
    coarse += 0.5 * _tileable_noise(n_coarse, 0.6 / um_per_px, rng) * np.float32(min(1.0, 1.2 / um_per_px))
    # fibres: stripes whose phase is bent by smooth noise; a whole number of stripes per period keeps it endless
    period_um = n_fibre * um_per_px
    bend = _tileable_noise(n_fibre, min(14.0 / um_per_px, n_fibre / 12), rng) * 9.0
    bend += _tileable_noise(n_fibre, 2.5 / um_per_px, rng) * 1.3
    axis = np.arange(n_fibre, dtype=np.float32) * np.float32(2.0 * math.pi / n_fibre)
    phase = round(period_um / 14.0) * axis[:, None] + round(period_um / 22.0) * axis[None, :]
    fibre = np.sin(phase + bend).astype(np.float32)
    fibre *= np.float32(min(1.0, 1.5 / um_per_px))
    for texture in (fine, coarse, fibre):
        texture.flags.writeable = False
    return Textures(fine, coarse, fibre)
