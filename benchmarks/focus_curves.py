"""Specimens that mislead an autofocus, as focus readings without pixels: what each shows at a height, and the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.focus import FocusReading, FocusResult, FocusSettings, find_focus

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["KINDS", "Outcome", "Stand", "search", "specimen"]


_VISIBLE = 0.05
"""Of the whole range of sharpness; on the phantom in focus that is a quarter of a um."""


@dataclass
class Stand:
    """A focus drive over a specimen."""

    sharpness: Callable[[float, int], float]
    """The tissue's true sharpness at a height, when the n-th frame is taken."""
    read: Callable[[float, int], FocusReading]
    """What the frame shows there."""
    began_um: float
    z_span_um: tuple[float, float] | None
    reached: Callable[[float], float] = lambda z_um: z_um
    """Where the drive ends up when it is sent to a height."""
    visited_um: list[float] = field(default_factory=list)
    """Every height that it was sent to."""

    def read_at(self, z_um: float) -> FocusReading:
        """Go to a height and take a frame."""
        self.visited_um.append(z_um)
        return self.read(self.reached(z_um), len(self.visited_um) - 1)


@dataclass(frozen=True)
class Outcome:
    """How a search on a stand ended, compared with the truth."""

    result: FocusResult
    runaway: bool
    """Beyond the rig's limits, one range, the frames, or, if accepted, the bracket."""
    blurrier: bool
    """The tissue is less sharp than where the search began, by more than 5 % of the whole range of sharpness."""


def search(stand: Stand, settings: FocusSettings = FocusSettings()) -> Outcome:  # noqa: B008 - frozen
    """Search on a stand, and judge how it ended."""
    result = find_focus(stand.read_at, stand.began_um, stand.z_span_um, settings)
    low, high = stand.z_span_um or (-np.inf, np.inf)
    one_range = 2 * settings.coarse_range_um
    strayed = any(not low <= z <= high or abs(z - stand.began_um) > one_range for z in stand.visited_um)
    if result.accepted:
        assert result.around_um is not None
        strayed |= not result.around_um[0] <= result.z_um <= result.around_um[1]
    else:
        strayed |= result.z_um != stand.began_um
    now = len(stand.visited_um)
    heights = np.linspace(stand.began_um - one_range, stand.began_um + one_range, 161)
    whole = np.ptp([stand.sharpness(float(z), now) for z in heights])
    loss = stand.sharpness(stand.began_um, now) - stand.sharpness(result.z_um, now)
    return Outcome(result, strayed or len(stand.visited_um) > settings.most_frames, bool(loss > _VISIBLE * whole))


def _peak(z_um: float, at_um: float, width_um: float, power: float) -> float:
    return float(1.0 / (1.0 + abs((z_um - at_um) / width_um) ** power))


def specimen(kind: str, rng: np.random.Generator) -> Stand:
    """Make a stand with a specimen of one kind.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    rng : Generator
        Decides heights, widths, noise and where the search begins.
    """
    n = int(rng.choice([1, 4, 16]))
    width_um, power = float(rng.uniform(1.0, 8.0)), float(rng.uniform(1.4, 3.0))
    began_um = float(rng.uniform(-100, 100))
    at_um = began_um + float(rng.uniform(-18, 18))
    noise = float(rng.uniform(0.0, 0.02))
    contrast = float(rng.uniform(0.5, 0.95))
    drift_um = 0.0
    other_um, other_height = at_um, 0.0
    dusty = np.zeros(n, dtype=bool)
    tissue = np.ones(n, dtype=bool)
    saturates_above = np.inf
    inverted = False
    glitch = -1
    reached: Callable[[float], float] = lambda z_um: z_um  # noqa: E731
    span_um: tuple[float, float] | None = None
    match kind:
        case "flat":
            contrast, noise = 0.0, float(rng.uniform(0.0, 0.1))
        case "double peak":
            other_um = at_um + float(rng.choice([-1, 1]) * rng.uniform(4, 30))
            other_height = float(rng.uniform(0.3, 1.0))
        case "edge":
            at_um = began_um + float(rng.choice([-1, 1]) * rng.uniform(22, 90))
            width_um = float(rng.uniform(2, 40))
        case "limits":
            below, above = rng.uniform(0, 30, size=2)
            span_um = (began_um - float(below), began_um + float(above))
        case "saturated":
            saturates_above = float(rng.uniform(0.1, 0.9))
            inverted = bool(rng.integers(2))
        case "dust":
            dusty[: max(1, int(rng.uniform(0, 0.45) * n))] = True  # grains, on fewer than half of the tiles
            other_um = at_um + float(rng.choice([-1, 1]) * rng.uniform(6, 40))
            other_height = float(rng.uniform(0.3, 3.0 if n > 1 else 1.0))
        case "empty":
            tissue[:] = False
            contrast, noise = 0.0, float(rng.uniform(0.0, 0.5))
        case "drifting":
            drift_um = float(rng.choice([-1, 1]) * rng.uniform(0.02, 3.0))
        case "noisy":
            noise = float(rng.uniform(0.05, 0.6))
        case "glitch":
            glitch = int(rng.integers(0, 20))
        case "sticking drive":
            stuck_um, play_um = began_um + float(rng.uniform(-10, 10)), float(rng.uniform(0, 3))
            reached = (lambda z_um: min(z_um, stuck_um)) if rng.integers(2) else (lambda z_um: z_um - play_um)
        case "ramp":
            at_um, width_um, power = began_um + float(rng.choice([-1, 1]) * 300.0), 150.0, 2.0
        case _:
            assert kind == "good", kind

    def sharpness(z_um: float, frame: int) -> float:
        own = _peak(z_um, at_um + drift_um * frame, width_um, power)
        if kind == "double peak":  # two layers of tissue
            own = max(own, other_height * _peak(z_um, other_um, width_um, power))
        return contrast * float(own)

    def read(z_um: float, frame: int) -> FocusReading:
        own = sharpness(z_um, frame)
        other = contrast * other_height * _peak(z_um, other_um, width_um, power)
        shown = np.where(dusty, max(own, other), own)
        saturated = np.full(n, own > saturates_above * contrast)
        if inverted:
            shown = contrast - shown
        if frame == glitch:
            shown = np.full(n, 2.0)
        focus = (1.0 - contrast + shown) * (1 + noise * rng.standard_normal(n))
        second = (1.0 - contrast + shown**1.5) * (1 + noise * rng.standard_normal(n))
        return FocusReading(
            z_um=z_um,
            tile_focus=np.maximum(0.0, 0.08 * focus).astype(np.float32),
            tile_tenengrad=np.maximum(0.0, 0.01 * second).astype(np.float32),
            tile_has_tissue=tissue,
            tile_saturated=saturated,
        )

    return Stand(sharpness, read, began_um, span_um, reached)


KINDS = (
    "flat",
    "double peak",
    "edge",
    "limits",
    "saturated",
    "dust",
    "empty",
    "drifting",
    "noisy",
    "glitch",
    "sticking drive",
    "ramp",
)
"""What misleads an autofocus; ``good`` is one that does not."""
