"""The position of the field, frame after frame, from the pictures alone."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hcc_scope.orientation import Orientation
from hcc_scope.tracking.fixed_pattern import FixedPattern
from hcc_scope.tracking.key_frames import KeyFrame, KeyFrames
from hcc_scope.tracking.picture import Picture, reduced, reduction_factor, relative
from hcc_scope.tracking.registration import Match, chosen, match, measure, proposals, repeats
from hcc_scope.tracking.search import Search
from hcc_scope.tracking.settings import TrackSettings
from hcc_scope.tracking.view import Place, TrackState, TrackView

if TYPE_CHECKING:
    from hcc_scope.tracking.picture import F32

__all__ = ["AWAY", "Tracker"]

F64 = NDArray[np.float64]

_N_UNTIL_LOST = 3
_MIN_COVERED = 0.12
_SURE_COVERED = 0.7
"""Share of the field with structure that dirt alone, with its halo, does not reach ..."""
_BEGIN_COVERED = 0.4
"""... and what is not recognised as dirt, of that in the tissue's colours, does not: an island begins from there on."""
_DIM = 0.3
"""Share of the usual brightness below which the light counts as off."""
_AGREE_PX = 1.5
"""Difference between what the frame before and a key frame give, up to which they confirm each other."""
_MOVES_PX = 3.0
_SMEARED = 0.17
"""A picture less isotropic than this is smeared by motion over some 70 px of the frame: the middle of the streaks is
not exactly where the middle of the exposure was, and nothing is measured against it later."""
_EDGE = 0.4
_EDGE_BONUS = 0.1
"""A picture less isotropic than this may show little but an edge, along which a shift is not seen: it must correlate
more to prove a position."""
_MUST_AGREE = 0.5
"""A key frame that a field overlaps this much must agree with the step."""
_CAPTURED_BONUS = 0.15
"""Captured fields are preferred to other key frames that overlap this much more: positions are stated against them."""
_EDGE_OVERLAP = 0.3
_N_EDGES = 4
_MOST_UNMEASURED = 64
_MOST_UNDONE = 1000
_COURSE_STEP = 0.05
"""Share of a field by which the course's positions lie apart at least."""
_FROZEN = "The camera delivers the same picture again and again. Check the camera."
_DARK = "There is no light: the lamp is off, or the path to the camera is closed."
_NOTHING = "The picture shows nothing to measure by: bare glass, or out of focus."
_OTHER_LENS = (
    "The picture fits what was seen before if its px are {ratio:g} times as large: another objective seems to be in "
    "place. Turn the usual one back in."
)
_TURNED = (
    "The specimen lies turned by {degrees:.1f} degrees against what was seen before, so that the old positions "
    "do not hold. Begin a new island."
)
_REPEATING = "The picture repeats itself, so that a move by one period cannot be told from none."
AWAY = "The position is not known. Move back over a place that was seen, or begin a new island."
"""The remark of the state ``lost`` if no more is known; another objective, for example, is stated in its place."""


class Tracker:
    """Follows a specimen that is moved by hand.

    Parameters
    ----------
    shape_yx : tuple of int
        Rows and columns of a frame, in px.
    um_per_px : float
        Size of a px at the specimen.
    orientation : Orientation
        How the camera lies over the stage's axes.
    settings : TrackSettings

    Examples
    --------
    >>> tracker = Tracker((64, 64), 0.5)
    >>> tracker.see(np.zeros((64, 64), np.uint16), 0.0).state
    'no_structure'
    """

    def __init__(
        self,
        shape_yx: tuple[int, int],
        um_per_px: float,
        orientation: Orientation | None = None,
        settings: TrackSettings | None = None,
    ) -> None:
        self._settings = settings or TrackSettings()
        self._orientation = orientation or Orientation()
        self._shape_yx = shape_yx
        self._factor = reduction_factor(shape_yx, self._settings.reduced_px)
        self._um = um_per_px * self._factor
        small_yx = (shape_yx[0] // self._factor, shape_yx[1] // self._factor)
        self._keys = KeyFrames(small_yx, self._settings.max_key_frames)
        self._fixed = FixedPattern()
        self._small: F32 | None = None
        self._picture: Picture | None = None
        self._t_s = 0.0
        self._island = 0
        self._islands = 1
        self._position: F64 | None = None
        self._variance = 0.0
        self._begin = True
        self._missed = self._doubt = self._repeating = 0
        self._light = 0.0
        self._last: tuple[int, F64] | None = None
        self._untested: list[KeyFrame] = []
        """Kept before the specimen was seen to move, so that dirt may still be in their pictures."""
        self._search = Search(self._keys, self._settings)
        self._unmeasured: list[tuple[KeyFrame, KeyFrame]] = []
        self._captures: deque[tuple[KeyFrame, float]] = deque(maxlen=_MOST_UNDONE)
        self._course: list[tuple[int, float, float]] = []
        self._view = TrackView("no_structure")

    # -- what is known -----------------------------------------------------------------------------------------------

    @property
    def view(self) -> TrackView:
        """What is known after the newest frame."""
        return self._view

    @property
    def reduced(self) -> F32 | None:
        """The newest frame at reduced size, (y, x) mean counts; one px of it stands for `factor` px of the frame."""
        return self._small

    @property
    def factor(self) -> int:
        """Px of a frame along each side of one px of `reduced`."""
        return self._factor

    @property
    def course_um(self) -> tuple[tuple[int, float, float], ...]:
        """(island, x, y) of the positions so far, in order; thinned once there are many."""
        return tuple(self._course)

    # -- what happens ------------------------------------------------------------------------------------------------

    def see(self, pixels: NDArray[Any], t_s: float) -> TrackView:
        """Follow the specimen to the newest frame.

        Parameters
        ----------
        pixels : (y, x) ndarray of uint8 or uint16
            Raw counts; not kept.
        t_s : float
            Time of the exposure.

        Returns
        -------
        TrackView

        Raises
        ------
        ValueError
            If the frame has another shape than the ones before.
        """
        if pixels.shape != self._shape_yx:
            raise ValueError(f"the frame is {pixels.shape} px, but the tracker follows frames of {self._shape_yx} px")
        small = reduced(pixels, self._factor)
        repeated = self._small is not None and np.array_equal(small, self._small)
        before, elapsed_s = self._picture, t_s - self._t_s
        self._small, self._t_s = small, t_s
        if repeated and small.min() < small.max():
            self._view = self._unknown("lost", _FROZEN)
            return self._view
        part = relative(small)
        dim = float(small.mean()) < _DIM * self._light
        corrected = None if dim else self._fixed.without(small)  # the shadow of dirt needs light
        clean = part if corrected is None else relative(corrected)
        tested = self._fixed.tested
        picture = Picture.of(clean, self._fixed.static, self._fixed.dirty)
        self._picture = picture
        if picture.covered < _MIN_COVERED:
            self._view = self._unknown("no_structure", self._why_nothing(small))
            return self._view
        if not dim and self._fixed.learn(part, clean, picture):
            # what is not the specimen's is known from this frame on
            picture = self._picture = Picture.of(clean, self._fixed.static, self._fixed.dirty)
            if not tested and self._fixed.static is not None:
                before = self._cleaned(before, self._fixed.static)
        if self._begin and picture.covered < (_BEGIN_COVERED if tested else _SURE_COVERED):
            self._view = self._unknown("no_structure", _NOTHING)
            return self._view
        self._light = max(self._light * 0.999, float(small.mean()))
        step = None
        if before is not None and before.covered >= _MIN_COVERED:
            found = proposals(before, picture, self._settings)
            step = chosen(before, picture, found, self._settings)
            self._repeating = self._repeating + 1 if step is None and repeats(found) else 0
            if self._repeating >= _N_UNTIL_LOST:  # not at once: a jerk smears the picture to streaks, which repeat too
                self._view = self._unknown("no_structure", _REPEATING)
                return self._view
        self._view = self._followed(picture, step, elapsed_s)
        return self._view

    def capture(self) -> Place | None:
        """Make the newest frame a captured field, which later ones are measured against; None without a position."""
        place = self._view.place
        if place is None or self._picture is None or self._position is None:
            return None
        near = self._keys.overlaps(self._island, self._position)
        key = self._keys.add(self._picture, self._island, self._position, 0.0, captured=True)
        self._measure_later(key, [one for _, one in near])
        self._captures.append((key, self._variance))
        if not self._fixed.tested:
            self._untested.append(key)
        self._variance = 0.0
        return place

    def undo_capture(self) -> None:
        """Take back the last `capture`: the field stays known, but its position is no longer a stated one."""
        if self._captures:
            key, variance = self._captures.pop()
            key.captured, key.variance = False, variance

    def new_island(self) -> int:
        """Begin a new coordinate frame at the next frame with structure.

        Returns
        -------
        int
            Its number.
        """
        if len(self._keys) or self._begin is False:
            self._island = self._islands
            self._islands += 1
        self._begin = True
        self._position = None
        return self._island

    def interrupted(self) -> None:
        """Forget where the field is, because frames were missed: it is known again once it is recognised."""
        self._position = self._picture = self._small = None
        self._search.forget()
        self._missed = _N_UNTIL_LOST
        self._view = TrackView("lost", island=self._island, remark=AWAY)

    def add_known(self, pixels: NDArray[Any], place: Place) -> None:
        """Add a captured field of an earlier session: the position is known once the field comes over one of them."""
        picture = Picture.of(relative(reduced(pixels, self._factor)))
        if picture.covered >= _MIN_COVERED:
            self._keys.add(picture, place.island, self._from_um(place.x_um, place.y_um), 0.0, captured=True)
        self._islands = max(self._islands, place.island + 1)
        if self._position is None:
            self._begin = False
            self._missed = _N_UNTIL_LOST

    # -- how it is done ----------------------------------------------------------------------------------------------

    def _followed(self, picture: Picture, step: Match | None, elapsed_s: float) -> TrackView:
        smeared = (step is None or math.hypot(*step.offset_yx) >= _MOVES_PX) and picture.isotropy < _SMEARED
        if self._begin and self._search.px_size_ratio is None and not smeared:
            self._begin = False
            self._search.forget()
            self._position, self._variance = np.zeros(2), 0.0
            key = self._keys.add(picture, self._island, self._position, 0.0, captured=False)
            if not self._fixed.tested:
                self._untested.append(key)
            self._missed = self._doubt = 0
            return self._known(step, elapsed_s, 1.0)
        predicted = None
        if self._position is not None and step is not None:
            predicted = self._position + step.offset_yx
        if predicted is not None and step is not None:
            return self._corrected(picture, step, predicted, elapsed_s, smeared=smeared)
        found = None
        if not smeared:
            found = self._search.field(picture, step, self._last, recent=self._missed <= _N_UNTIL_LOST)
        if found is not None:
            key, seen = found
            self._island = key.island
            self._search.forget()
            self._place_at(key, seen)
            return self._known(step, elapsed_s, seen.correlation)
        self._missed += 1
        if self._missed < _N_UNTIL_LOST:
            return self._unknown("too_fast", "", step, elapsed_s)
        self._search.objective(picture, self._last)
        other = self._search.px_size_ratio
        remark = AWAY if other is None else _OTHER_LENS.format(ratio=other)
        if self._search.turned_deg:
            remark = _TURNED.format(degrees=self._search.turned_deg)
        return self._unknown("lost", remark, step, elapsed_s)

    def _corrected(
        self, picture: Picture, step: Match, predicted: F64, elapsed_s: float, *, smeared: bool
    ) -> TrackView:
        """Measure a field against the key frames that it must overlap, if it moved as the step says."""
        settings = self._settings
        near = self._keys.overlaps(self._island, predicted)
        by_use = sorted(near[:8], key=lambda one: -one[0] - _CAPTURED_BONUS * one[1].captured)
        for _, key in by_use[:2]:
            seen = measure(self._keys.picture(key), picture, (predicted - key.position).tolist(), settings)
            if seen is None:
                continue
            apart = float(np.abs(key.position + seen.offset_yx - predicted).max())
            agree = step.correlation >= settings.sure_correlation and apart <= _AGREE_PX
            proof = settings.stated_correlation + (_EDGE_BONUS if picture.isotropy < _EDGE else 0.0)
            if (smeared or not agree) and seen.correlation < proof:
                break
            self._place_at(key, seen)
            if near[0][0] < settings.key_overlap and seen.correlation >= settings.sure_correlation and not smeared:
                self._new_key(picture, key, seen)
            else:
                self._measure_an_edge()
            return self._known(step, elapsed_s, seen.correlation)
        must_agree = bool(near) and near[0][0] > _MUST_AGREE
        if must_agree or smeared or self._doubt or step.correlation < settings.sure_correlation:
            return self._doubted(step, predicted, elapsed_s)
        self._position, self._variance = predicted, self._variance + step.se_px**2
        if not near or near[0][0] < settings.key_overlap:
            self._keys.add(picture, self._island, predicted, self._variance, captured=False)
        return self._known(step, elapsed_s, step.correlation)

    def _doubted(self, step: Match, predicted: F64, elapsed_s: float) -> TrackView:
        """Remember where the step leads, and state no position, since no key frame confirms it."""
        self._doubt += 1
        if self._doubt >= _N_UNTIL_LOST:
            self._missed = _N_UNTIL_LOST
            return self._unknown("lost", AWAY, step, elapsed_s)
        variance = self._variance + step.se_px**2
        view = self._unknown("too_fast", "", step, elapsed_s)
        self._position, self._variance = predicted, variance
        return view

    def _cleaned(self, before: Picture | None, static: NDArray[np.bool_]) -> Picture | None:
        """Take dirt that was just found out of what was kept until now, so that the field is known by the specimen."""
        for key in self._untested:
            self._keys.replace(key, self._keys.picture(key).without(static))
        self._untested.clear()
        return None if before is None else before.without(static)

    def _place_at(self, key: KeyFrame, seen: Match) -> None:
        self._position = key.position + seen.offset_yx
        self._variance = key.variance + seen.se_px**2
        self._doubt = 0

    def _new_key(self, picture: Picture, key: KeyFrame, seen: Match) -> None:
        """Keep the field as a key frame, and note the others that it is to be measured against."""
        assert self._position is not None
        near = self._keys.overlaps(self._island, self._position)
        new = self._keys.add(picture, self._island, self._position, self._variance, captured=False)
        self._keys.connect(key, new, np.array(seen.offset_yx), seen.se_px**2)
        self._measure_later(new, [one for share, one in near if share >= _EDGE_OVERLAP and one is not key])

    def _measure_later(self, new: KeyFrame, others: list[KeyFrame]) -> None:
        self._unmeasured += [(new, one) for one in others[:_N_EDGES]]
        del self._unmeasured[:-_MOST_UNMEASURED]

    def _measure_an_edge(self) -> None:
        """Measure one pair of key frames that overlap: one with every frame, so that no frame costs much."""
        if not self._unmeasured:
            return
        new, other = self._unmeasured.pop(0)
        one, two = self._keys.picture(other), self._keys.picture(new)
        seen = measure(one, two, (new.position - other.position).tolist(), self._settings)
        if seen is None:
            seen = match(one, two, self._settings)
            if seen is None or seen.correlation < self._settings.sure_correlation:
                return
        self._keys.connect(other, new, np.array(seen.offset_yx), seen.se_px**2)
        self._keys.relax(new)

    def _known(self, step: Match | None, elapsed_s: float, correlation: float) -> TrackView:
        assert self._position is not None
        x_um, y_um = self._to_um(self._position)
        self._missed = 0
        self._last = self._island, self._position
        self._remember((self._island, x_um, y_um))
        place = Place(self._island, x_um, y_um, math.sqrt(self._variance) * self._um)
        step_um, speed = self._moved(step, elapsed_s)
        return TrackView("tracking", place, step_um, speed, correlation, self._island)

    def _unknown(self, state: TrackState, remark: str, step: Match | None = None, elapsed_s: float = 0.0) -> TrackView:
        self._position = None
        if state == "no_structure":
            self._missed = max(self._missed, _N_UNTIL_LOST - 1)
        step_um, speed = self._moved(step, elapsed_s)
        return TrackView(state, None, step_um, speed, 0.0, self._island, remark)

    def _moved(self, step: Match | None, elapsed_s: float) -> tuple[tuple[float, float] | None, float | None]:
        if step is None:
            return None, None
        step_um = self._to_um(np.array(step.offset_yx))
        return step_um, math.hypot(*step_um) / elapsed_s if elapsed_s > 0.0 else None

    def _why_nothing(self, small: F32) -> str:
        return _DARK if float(small.mean()) < _DIM * self._light else _NOTHING

    def _remember(self, where: tuple[int, float, float]) -> None:
        if self._course and self._course[-1][0] == where[0]:
            step_um = math.dist(self._course[-1][1:], where[1:])
            if step_um < _COURSE_STEP * min(self._shape_yx) / self._factor * self._um:
                return
        self._course.append(where)
        if len(self._course) > self._settings.max_course:
            self._course = self._course[::2]

    def _to_um(self, offset_yx: F64) -> tuple[float, float]:
        x_um, y_um = self._orientation.to_stage_um(offset_yx[::-1], self._um).tolist()
        return x_um, y_um

    def _from_um(self, x_um: float, y_um: float) -> F64:
        inverse = np.linalg.inv(np.reshape(self._orientation.matrix, (2, 2)))
        x, y = inverse @ np.array([x_um, y_um]) / self._um
        return np.array([y, x])
