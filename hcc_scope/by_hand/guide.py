"""Guides a hand to the fields of a random sample: the outline, the draw, the arrow to the next field. Pure.

The life of a guided section::

    outline --close_outline--> mend --take(draw())--> targets --last field visited--> done

Nothing takes effect here before it is written down (`hcc_scope.by_hand.keeper`): `draw` and `target` only propose, and
`take`, `skipped` and `undone` follow the record.

Design notes
------------
- The target is the nearest open field when the one before was visited, and stays until it is visited itself. The order
  of the visits cannot bias the score: which fields are visited was decided by the draw.
- A captured frame shows a drawn field if it lies within the tolerance of *any* open one, the target or not
  (`drawn_at`), or, if the operator asked for it, of a skipped one. The lattice of the draw keeps fields a whole field
  apart, so there is at most one.
- Within the tolerance a drawn field may overlap a captured one: its neighbour in the lattice, captured off its own
  centre, or a field that the operator chose. It is captured nevertheless; the sample decides.
- The arrow is in the picture's axes (right, down), or in the hand's (`hcc_scope.by_hand.hand_axes`).

Examples
--------
>>> from hcc_scope.tracking import Place
>>> guide = Guide((1000, 1000), um_per_px=1.0)
>>> for corner in ((0, 0), (4000, 0), (4000, 3000), (0, 3000)):
...     _ = guide.see(Place(0, *corner, 0.0))
...     n_corners = guide.mark_corner()
>>> outline = guide.close_outline()
>>> guide.take(guide.draw(6, seed=1, outline_um=outline))
>>> _ = guide.see(Place(0, 300.0, 300.0, 0.5))
>>> guide.guidance().text
'right 0.3 fields, down 1.3 (1290 um)'
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.by_hand.hand_axes import HandAxes
from hcc_scope.by_hand.hand_strokes import HandStrokes
from hcc_scope.by_hand.view import Guidance
from hcc_scope.errors import PlanError
from hcc_scope.orientation import Orientation
from hcc_scope.plans.drawn_sample import draw_sample
from hcc_scope.plans.driven_outline import corner_outline, driven_outline
from hcc_scope.plans.outline import MAX_CORNERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.by_hand.hand_axes import Pair
    from hcc_scope.by_hand.view import HandPhase
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.tracking import Place
    from hcc_scope.types import SkipReason

__all__ = ["Guide", "describe_arrow"]

_COURSE_STEP = 0.1
"""How far apart points of the course are kept, as a share of a field."""
_MOST_POINTS = 20_000
"""Of the course: then every second one is dropped."""
_AWAY = 3.0
"""A way round something leads at least so far away, in fields."""
_BACK = 0.5
"""And back to within this distance of where it was, in fields."""
_LEAST_AREA = 6.0
"""What it surrounds is at least so large, in fields."""
_LEAST_ROUND = 0.15
"""And so large for the length of the way: 1 is a circle, 0 a way there and back."""
_FRAME_S = 0.1
"""From one live frame to the next, where no times are given."""


def describe_arrow(fields: Pair) -> str:
    """Return an arrow in words.

    Examples
    --------
    >>> describe_arrow((-2.31, -0.52)), describe_arrow((0.02, 1.0))
    ('left 2.3 fields, up 0.5', 'down 1.0 fields')
    """
    right, down = (round(one, 1) for one in fields)
    parts = [(right, "right" if right > 0 else "left"), (down, "down" if down > 0 else "up")]
    sizes = [f"{word} {abs(size):.1f}" for size, word in parts if size]  # a number first reads as what remains
    return ", ".join(f"{size} fields" if i == 0 else size for i, size in enumerate(sizes))


class Guide:
    """Guides one section. Not thread-safe.

    Parameters
    ----------
    shape_yx : (rows, columns)
        Of a frame.
    um_per_px : float
    orientation : Orientation
        How the camera lies over the stage.
    """

    def __init__(self, shape_yx: tuple[int, int], um_per_px: float, orientation: Orientation | None = None) -> None:
        self._orientation = Orientation() if orientation is None else orientation
        self.field_um = self._orientation.extent_um(shape_yx, um_per_px)
        """Width and height of a field along the stage's axes, as for a plan (`hcc_scope.plans.field_of`)."""
        self._picture_um = np.array([shape_yx[1], shape_yx[0]]) * um_per_px
        self._sample: DrawnSample | None = None
        self._mending = False
        self._place: Place | None = None
        self._last: Place | None = None
        self._course: list[list[Pair]] = []
        self._course_island = 0
        self._corners: list[Pair] = []
        self._round_from = 0
        """Number of the point of the course from which on a closed way is looked for."""
        self._outline: tuple[Pair, ...] = ()
        self._target: int | None = None
        self._blind = False
        """Whether the target was chosen while no position was known."""
        self._axes = HandAxes()
        self._strokes = HandStrokes((float(self._picture_um[0]), float(self._picture_um[1])))
        self._t_s = 0.0
        self.outline_remark = ""
        """What to look at before the outline is used, as a sentence; empty if nothing."""

    @property
    def phase(self) -> HandPhase:
        """Where the section is."""
        if self._sample is None:
            return "mend" if self._mending else "outline"
        return "done" if self._target is None else "targets"

    @property
    def sample(self) -> DrawnSample | None:
        """The drawn fields, and what became of them; None before the draw."""
        return self._sample

    @property
    def outline_um(self) -> tuple[Pair, ...]:
        """The outline that was closed last; empty before."""
        return self._outline

    @property
    def course_um(self) -> tuple[tuple[Pair, ...], ...]:
        """The way round the section so far, in pieces: between two of them the position was not known."""
        return tuple(tuple(piece) for piece in self._course)

    @property
    def in_hand_axes(self) -> bool:
        """Whether arrows are shown in the hand's axes, which differ from the picture's."""
        return self._axes.learned

    def see(self, place: Place | None, t_s: float | None = None) -> bool:
        """Take where the field is after a live frame; None while that is not known.

        Parameters
        ----------
        place : Place or None
        t_s : float, optional
            When the frame was exposed; a tenth of a second after the one before, if not given.

        Returns
        -------
        bool
            Whether the arrow is shown in other axes from now on.
        """
        before, self._place = self._place, place
        self._t_s = self._t_s + _FRAME_S if t_s is None else t_s
        if place is not None:
            self._last = place
        if self._sample is None and not self._mending:
            self._drive(before)
        elif self._target is not None:
            if self._blind and self._sample is not None and place is not None and place.island == self._sample.island:
                self._choose()
            return self._learn()
        return False

    # -- the outline -------------------------------------------------------------------------------------------------

    def _drive(self, before: Place | None) -> None:
        place = self._place
        if place is None:
            return
        if place.island != self._course_island:  # places of two islands cannot be joined
            self._course, self._corners, self._course_island, self._round_from = [], [], place.island, 0
        at = (place.x_um, place.y_um)
        if before is None or before.island != place.island or not self._course:
            self._course.append([at])
        elif max(self._apart(at, self._course[-1][-1])) >= _COURSE_STEP:
            self._course[-1].append(at)
            if sum(map(len, self._course)) > _MOST_POINTS:
                self._course = [piece[::2] for piece in self._course]
                self._round_from //= 2

    def came_round(self) -> bool:
        """Return whether the way has led round something and is back where it was before; once for each round."""
        if self._place is None or self._sample is not None or self._mending:
            return False
        way = (
            np.array([at for piece in self._course for at in piece][self._round_from :]).reshape(-1, 2) / self.field_um
        )
        here = np.array((self._place.x_um, self._place.y_um)) / self.field_um
        apart = np.abs(way - here).max(axis=1)
        away = np.flatnonzero(apart >= _AWAY)
        begin = np.flatnonzero(apart[: away[-1]] <= _BACK) if len(away) else away
        if not len(begin):
            return False
        x, y = way[begin[-1] :].T
        area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
        length = float(np.hypot(np.diff(x, append=x[0]), np.diff(y, append=y[0])).sum())
        if area < _LEAST_AREA or 4 * math.pi * area < _LEAST_ROUND * length**2:
            return False
        self._round_from += len(way)
        return True

    def mark_corner(self) -> int:
        """Take the present place as the next corner of the outline; three or more replace the way driven.

        Returns
        -------
        int
            How many are marked now.

        Raises
        ------
        PlanError
            If the position is not known, or there are too many corners.
        """
        if self._place is None:
            raise PlanError(
                "the position is not known, so no corner can be marked here", hint="Go back to where it was known."
            )
        if len(self._corners) >= MAX_CORNERS:
            raise PlanError(f"an outline has at most {MAX_CORNERS:,} corners", hint="Close the outline.")
        self._corners.append((self._place.x_um, self._place.y_um))
        return len(self._corners)

    def close_outline(self) -> tuple[Pair, ...]:
        """End the drive round the section and return its outline, to be mended or used. Can be repeated.

        Raises
        ------
        PlanError
            If the course surrounds no area, or the fields are drawn already.
        """
        self._check_not_drawn()
        if len(self._corners) >= 3:
            self._outline, self.outline_remark = corner_outline(self._corners), ""
        else:
            driven = driven_outline(self._course)
            self._outline, self.outline_remark = driven.points_um, driven.remark
        self._mending = True
        return self._outline

    def go_on_driving(self) -> None:
        """Take up the drive round the section where it was closed; the outline is made anew from the longer way.

        Raises
        ------
        PlanError
            If the fields are drawn already.
        """
        self._check_not_drawn()
        self._mending, self._outline, self.outline_remark = False, (), ""

    def drive_again(self) -> None:
        """Forget the way and its corners, and begin the drive round the section anew.

        Raises
        ------
        PlanError
            If the fields are drawn already.
        """
        self._check_not_drawn()
        self._mending, self._course, self._corners, self._outline, self.outline_remark = False, [], [], (), ""
        self._round_from = 0

    def draw(self, n: int, seed: int, outline_um: Sequence[Pair] | None = None) -> DrawnSample:
        """Draw the fields; they take effect with `take`. The drive round the section ends with it, if they fit.

        If they cannot be drawn, an outline that was not closed before stays open.

        Parameters
        ----------
        n : int
            How many.
        seed : int
        outline_um : sequence of (x, y), optional
            A mended outline; the one that was closed, if not given.

        Raises
        ------
        PlanError
            If the outline cannot be used, the fields do not all fit, or they are drawn already.
        """
        self._check_not_drawn()
        drives = not self._mending
        outline = tuple(outline_um or self._outline) or self.close_outline()
        try:
            return draw_sample(n, self.field_um, outline, seed, island=self._course_island)
        except PlanError:
            if drives:  # where no outline is shown to be mended, a longer way is all that can help
                self.go_on_driving()
            raise

    def _check_not_drawn(self) -> None:
        if self._sample is not None:
            raise PlanError(
                f"the {self._sample.n_drawn} fields of this section are drawn already, and the outline is fixed",
                hint="A second draw would choose among samples; end the section and start a new one.",
            )

    # -- the fields --------------------------------------------------------------------------------------------------

    def take(self, sample: DrawnSample) -> None:
        """Guide to the open fields of a sample; one of an earlier day can be continued."""
        self._sample = sample
        self._outline = sample.outline_um
        self._choose()

    @property
    def target(self) -> int | None:
        """The field to go to, by its number in the draw; None if there is none."""
        return self._target

    def drawn_at(self, place: Place | None, *, asked: bool = False) -> int | None:
        """Return the open drawn field that a frame at a place shows; None if it shows none.

        A frame that the operator `asked` for may also show one that was skipped: the skip is overruled then.
        """
        sample = self._sample
        if sample is None or place is None or place.island != sample.island or self._is_vague(place):
            return None
        at = (place.x_um, place.y_um)
        skipped = tuple(sample.skipped) if asked else ()
        for k in sample.open_fields + skipped:
            if max(self._apart(sample.fields_um[k], at)) <= sample.tolerance:
                return k
        return None

    def reached(self, k: int, seq: int) -> None:
        """Note that frame `seq` shows the drawn field `k`; the next one becomes the target."""
        assert self._sample is not None
        self._sample = self._sample.with_reached(k, seq)
        self._choose()

    def skipped(self, k: int, reason: SkipReason) -> None:
        """Note that the drawn field `k` is skipped; the next one becomes the target."""
        assert self._sample is not None
        self._sample = self._sample.with_skipped(k, reason)
        self._choose()

    def undone(self, seq: int) -> None:
        """Note that the capture of frame `seq` was undone: the field that it showed, if open again, is the target."""
        if self._sample is None:
            return
        again = next((k for k, one in self._sample.reached.items() if one == seq), None)
        self._sample = self._sample.with_undone(seq)
        if again in self._sample.open_fields:
            self._aim_at(again)

    def guidance(self) -> Guidance | None:
        """Return the way to the target; None if there is none."""
        sample, k = self._sample, self._target
        if sample is None or k is None:
            return None
        arrow, distance_um, within = None, None, False
        text = self._why_no_arrow(sample)
        if not text and self._place is not None:
            to_um = self._to_target(self._place)
            right, down = self._axes.shown(to_um)
            arrow = (right / float(self._picture_um[0]), down / float(self._picture_um[1]))
            distance_um = math.hypot(*to_um)
            within = self.drawn_at(self._place) is not None  # as a capture there would count
            text = "here: hold still" if within else f"{describe_arrow(arrow)} ({distance_um:.0f} um)"
            if self._strokes.astray and not within:
                text = f"the other way: {text}"
        return Guidance(
            target=k,
            target_um=sample.fields_um[k],
            n_drawn=sample.n_drawn,
            n_reached=len(sample.reached),
            n_skipped=len(sample.skipped),
            arrow_fields=arrow,
            distance_um=distance_um,
            within=within,
            text=text,
            picture_um=(float(self._picture_um[0]), float(self._picture_um[1])),
        )

    def _why_no_arrow(self, sample: DrawnSample) -> str:
        place = self._place
        if place is None:
            return "position not known: go back the way you came"
        if place.island != sample.island:
            return f"the drawn fields lie on island {sample.island}, and this is island {place.island}"
        if self._is_vague(place):
            return "position too vague: go back to a captured field"
        return ""

    def _is_vague(self, place: Place) -> bool:
        """Return whether two standard errors of a position are more than the tolerance."""
        sample = self._sample
        return sample is not None and 2 * place.se_um > sample.tolerance * min(self.field_um)

    def _choose(self) -> None:
        """Make the nearest open field the target; the first drawn one until a position is known."""
        sample = self._sample
        assert sample is not None
        here = self._last
        self._blind = here is None or here.island != sample.island
        if here is None or self._blind:
            self._aim_at(min(sample.open_fields, default=None))
        else:
            at = here.x_um, here.y_um
            ways = [(math.dist(sample.fields_um[k], at), k) for k in sample.open_fields]
            self._aim_at(min(ways)[1] if ways else None)

    def _aim_at(self, k: int | None) -> None:
        self._target = k
        self._strokes.new_target()  # one under way began with an arrow to another field
        self._axes.end_run()

    # -- the hand ----------------------------------------------------------------------------------------------------

    def _learn(self) -> bool:
        """Look for strokes, and learn from them."""
        place, sample = self._place, self._sample
        if place is None or sample is None or place.island != sample.island:
            stroke = self._strokes.lost()
            changed = stroke is not None and self._axes.stroke(stroke.arrow, stroke.moved)
            self._axes.lost()
            return changed
        to_target = self._to_target(place)
        stroke = self._strokes.see(self._t_s, to_target, self._axes.shown(to_target))
        if stroke is None or not self._axes.stroke(stroke.arrow, stroke.moved):
            return False
        self._strokes.shown_otherwise(self._axes.shown(to_target))
        return True

    def _to_target(self, place: Place) -> Pair:
        """Return how far to the right in the picture, and below, the target lies, in um."""
        assert self._sample is not None
        assert self._target is not None
        x, y = self._sample.fields_um[self._target]
        return self._in_picture((x - place.x_um, y - place.y_um))

    def _in_picture(self, um: Pair) -> Pair:
        right, down = self._orientation.to_picture_px(np.array(um), 1.0).tolist()
        return right, down

    def _apart(self, one: Pair, other: Pair) -> Pair:
        """Return how far apart two places are along each axis of the stage, in fields."""
        return abs(one[0] - other[0]) / self.field_um[0], abs(one[1] - other[1]) / self.field_um[1]
