"""A hand that follows a list of places over a printed pattern, for tests of sections by hand on the demo camera."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from hcc_scope.by_hand import HandView
    from hcc_scope.microscope.hardware import StageUm
    from hcc_scope.orientation import Orientation

__all__ = ["PatternScene", "Walk", "rests_at", "stroke"]

STEP_S = 0.1
"""Between two live frames."""


def stroke(begin_um: tuple[float, float], end_um: tuple[float, float], n: int) -> list[tuple[float, float]]:
    """Return the places of a minimum-jerk move in n steps, without its begin."""
    shares = [(i + 1) / n for i in range(n)]
    smooth = [share**3 * (10 - 15 * share + 6 * share**2) for share in shares]
    return [tuple(a + s * (b - a) for a, b in zip(begin_um, end_um, strict=True)) for s in smooth]  # type: ignore[misc]


def rests_at(*stops_um: tuple[float, float], n_rest: int = 5, n_move: int = 5) -> list[tuple[float, float]]:
    """Return a walk that rests at each of these places."""
    walk: list[tuple[float, float]] = []
    for stop_um in stops_um:
        if walk:
            walk += stroke(walk[-1], stop_um, n_move)
        walk += [stop_um] * n_rest
    return walk


@functools.cache
def _pattern(side_px: int) -> NDArray[np.float32]:
    """Return (side_px, side_px) structure of the grain of tissue, between 0 and 1, which repeats after that."""
    rng = np.random.default_rng(3)
    grain = sum(
        ndimage.gaussian_filter(rng.standard_normal((side_px, side_px)).astype(np.float32), sigma, mode="wrap") * sigma
        for sigma in (1.0, 3.0, 8.0)
    )
    return np.clip(0.5 + 0.25 * grain / grain.std(), 0.0, 1.0)  # type: ignore[no-any-return, union-attr]


class PatternScene:
    """A `hcc_scope.microscope.demo_scene.Scene`: the pattern under a camera, with the camera's noise.

    Parameters
    ----------
    full_scale : int
        Of the camera.
    side_px : int
        The pattern repeats after so many pixels: 520 um, if not given.
    """

    def __init__(self, full_scale: int, side_px: int = 1600) -> None:
        self._full_scale = full_scale
        self._side_px = side_px
        self.here_um: tuple[float, float] | None = None
        """Where the field is; None: where the stage is."""
        self.light = 0.6
        """Level of the brightest structure, as a share of full scale."""
        self.glass = False
        """Whether there is no pattern."""
        self.frozen = False
        """Whether the camera repeats its last picture."""
        self._last: NDArray[np.uint16] | None = None
        self.painted: list[int] = []
        """Numbers of the frames that were painted."""

    def expect(self, *_: object) -> None:
        """Nothing to prepare."""

    def paint(
        self,
        shape_yx: tuple[int, int],
        *,
        stage_um: StageUm | None,
        exposure_ms: float,
        em_gain: float | None,
        um_per_px: float,
        orientation: Orientation,
        seq: int,
    ) -> NDArray[np.uint16]:
        del exposure_ms, em_gain, orientation
        self.painted.append(seq)
        if self.frozen and self._last is not None:
            return self._last.copy()
        x_um, y_um = (0.0, 0.0) if stage_um is None else stage_um[:2]
        if self.here_um is not None:
            x_um, y_um = self.here_um
        rows, columns = (
            np.arange(side) + round(um / um_per_px) for side, um in zip(shape_yx, (y_um, x_um), strict=True)
        )
        pattern = _pattern(self._side_px)
        field = pattern[np.ix_(rows % len(pattern), columns % len(pattern))]
        if self.glass:
            field = np.full_like(field, 0.8)
        noise = np.random.default_rng(seq).normal(0.0, 0.01, field.shape)
        self._last = np.clip((self.light * field + noise) * self._full_scale, 0, self._full_scale).astype(np.uint16)
        return self._last.copy()

    def close(self) -> None:
        """Nothing to end."""


class Walk:
    """A `hcc_scope.microscope.hand_operator.HandOperator` that moves a pattern: one place for each live frame.

    Parameters
    ----------
    scene : PatternScene
    places_um : iterable of (x, y)
    at : mapping, optional
        What is done before a live frame, by its number.
    """

    def __init__(
        self,
        scene: PatternScene,
        places_um: Iterable[tuple[float, float]],
        at: Mapping[int, Callable[[], object]] | None = None,
    ) -> None:
        self.scene = scene
        self._left: Iterator[tuple[float, float]] = iter(places_um)
        self._next = next(self._left, None)
        self._at = {} if at is None else at
        self.views: list[HandView] = []
        """What was on the screen after each live frame but the last."""
        self.n = 0

    @property
    def over(self) -> bool:
        return self._next is None

    def before_frame(self, view: HandView | None) -> float:
        if view is not None:
            self.views.append(view)
        if self.n in self._at:
            self._at[self.n]()
        self.scene.here_um, self._next = self._next, next(self._left, None)
        self.n += 1
        return self.n * STEP_S
