"""Whole sessions at a hand-moved stand, from a seed: free fields, a drive round the section, a long way with crossings.

Examples
--------
>>> from hcc_scope.phantom import Specimen
>>> script = free_fields(Specimen(1, "A1", "S1", "high"), 1, fps=10.0, events=Events(fields=3))
>>> sum(stop.expected for stop in script.stops)
3
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from hcc_scope.phantom.hand import SHORT_S, Habits, Hand, HandScript

if TYPE_CHECKING:
    from hcc_scope.phantom.specimen import Specimen

__all__ = ["FIELD_UM", "Events", "edge_places", "free_fields", "outline_drive", "travel"]

FIELD_UM = (332.8, 332.8)
"""1024 x 1024 pixels of 0.325 um."""
_TISSUE = 0.9
"""Share of a field to be captured that tissue covers, at least."""
_GLASS = 0.005
_APART = 1.12
"""Distance of a new field from all others along one axis, in fields: they do not overlap, however the hand errs."""


@dataclass(frozen=True, slots=True)
class Events:
    """How often what happens in a session, in an order that the seed decides; the first stop is a field."""

    fields: int = 12
    """Fields to be captured."""
    blurred: int = 0
    glass: int = 0
    seen: int = 0
    short: int = 0
    bumps: int = 0
    """Knocks against the table while at rest at a field that was captured."""
    lenses: int = 0
    """Another objective, a move with it, and back."""
    dark: int = 0
    """The lamp off for a while, without a move."""
    fast: int = 0
    """A move too fast for the camera, then back to a field that was captured."""
    coffee: int = 0
    """A long rest at a field that was captured, with drift."""
    glass_start: bool = False
    """Whether the session begins beside the tissue."""

    def shuffled(self, hand: Hand) -> list[str]:
        """Return all of them, one by one; the first is a field."""
        rest = ["fields"] * (self.fields - 1)
        for field in fields(self):
            if field.name not in ("fields", "glass_start"):
                rest += [field.name] * getattr(self, field.name)
        return ["fields", *(rest[i] for i in hand.rng.permutation(len(rest)))]


class _Session:
    """Puts intentions together."""

    def __init__(
        self, specimen: Specimen, seed: int, field_um: tuple[float, float], habits: Habits | None, *, glass_start: bool
    ) -> None:
        self.field_um = field_um
        self.specimen = specimen
        self.seed = seed
        self.hand = Hand(specimen, seed, (0.0, 0.0), habits)
        start = self._beside_tissue(0.0) if glass_start else self.on_tissue()
        self.hand = Hand(specimen, seed, start, habits)
        self.captured: list[tuple[float, float]] = []
        self._moves_first = glass_start

    def _tissue_share(self, x_um: float, y_um: float) -> float:
        return self.specimen.tissue_share(x_um, y_um, max(self.field_um))

    def on_tissue(self) -> tuple[float, float]:
        outline = self.specimen.outline_um
        while True:
            corner = outline[self.hand.rng.integers(len(outline))] * self.hand.rng.uniform(0.2, 0.85)
            if self._tissue_share(*corner) >= _TISSUE:
                return float(corner[0]), float(corner[1])

    def _beside_tissue(self, near: float | None = None) -> tuple[float, float]:
        """Return a place on bare glass; near where the hand is, or with `near` anywhere."""
        outline = self.specimen.outline_um
        here = self.hand.here()
        if near is None:
            corner = min(outline, key=lambda at: math.hypot(at[0] - here.x_um, at[1] - here.y_um))
        else:
            corner = outline[self.hand.rng.integers(len(outline))]
        radius = math.hypot(*corner)
        outwards = 0.75 * math.hypot(*self.field_um)
        while self._tissue_share(*(corner * (1 + outwards / radius))) > _GLASS:
            outwards += 50.0
        place = corner * (1 + outwards / radius)
        return float(place[0]), float(place[1])

    def _new_place(self) -> tuple[float, float]:
        """Return the centre of a field on tissue that overlaps no field of before, not far away."""
        here, rng = self.hand.here(), self.hand.rng
        far = 1.3
        for _ in range(4000):
            angle, distance = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(1.15, 1.15 + far)
            x = here.x_um + distance * self.field_um[0] * math.cos(angle)
            y = here.y_um + distance * self.field_um[1] * math.sin(angle)
            apart = all(
                abs(x - cx) >= _APART * self.field_um[0] or abs(y - cy) >= _APART * self.field_um[1]
                for cx, cy in self.captured
            )
            if apart and self._tissue_share(x, y) >= _TISSUE:
                return x, y
            far *= 1.01
        raise ValueError("the section has no room for that many fields")

    def _seen_place(self) -> tuple[float, float]:
        """Return a place over the field that was captured last or shortly before."""
        rng = self.hand.rng
        x, y = self.captured[-1 - int(rng.integers(min(3, len(self.captured))))]
        dx, dy = rng.uniform(-0.12, 0.12, 2)
        return x + dx * self.field_um[0], y + dy * self.field_um[1]

    def fields(self) -> None:
        # a session that begins on tissue begins at rest there, and that is a field like any other
        begin_s = self.hand.reach(*self._new_place()) if self.captured or self._moves_first else 0.0
        self.hand.focus()
        self.hand.rest(self.hand.between(self.hand.habits.rest_s))
        self.hand.add_stop("field", begin_s)
        self.captured.append((self.hand.stops[-1].x_um, self.hand.stops[-1].y_um))

    def blurred(self) -> None:
        hand = self.hand
        away = hand.between((8.0, 14.0)) * (1 if hand.rng.random() < 0.5 else -1)
        hand.defocus(away - hand.here().z_um)
        begin_s = hand.reach(*self._new_place())
        hand.rest(hand.between(hand.habits.rest_s))
        hand.add_stop("blurred", begin_s)

    def glass(self) -> None:
        begin_s = self.hand.reach(*self._beside_tissue())
        self.hand.rest(self.hand.between(self.hand.habits.rest_s))
        self.hand.add_stop("glass", begin_s)
        self._back()

    def _back(self) -> None:
        """Go back to the field that was captured last, and rest there."""
        begin_s = self.hand.reach(*self.captured[-1])
        self.hand.focus()
        self.hand.rest(self.hand.between((0.8, 1.4)))
        self.hand.add_stop("seen", begin_s)

    def seen(self) -> None:
        begin_s = self.hand.reach(*self._seen_place())
        self.hand.focus()
        self.hand.rest(self.hand.between(self.hand.habits.rest_s))
        self.hand.add_stop("seen", begin_s)

    def short(self) -> None:
        x, y = self._new_place()
        here = self.hand.here()
        begin_s = self.hand.now_s
        self.hand.push(x - here.x_um, y - here.y_um)
        self.hand.rest(self.hand.between((0.0, SHORT_S)))
        self.hand.add_stop("short", begin_s)

    def bumps(self) -> None:
        self._back()
        begin_s = self.hand.now_s
        self.hand.bump(self.hand.between((5.0, 40.0)))
        self.hand.rest(0.6)
        self.hand.add_stop("seen", begin_s)

    def lenses(self) -> None:
        self._back()
        begin_s, hand = self.hand.now_s, self.hand
        hand.swap_lens(2.0, 60.0)
        hand.rest(hand.between((0.5, 1.0)))
        angle = hand.between((0.0, 2.0 * math.pi))
        hand.push(0.6 * self.field_um[0] * math.cos(angle), 0.6 * self.field_um[1] * math.sin(angle))
        hand.rest(hand.between((0.8, 1.5)))
        hand.add_stop("lens", begin_s)
        hand.swap_back()
        self._back()

    def dark(self) -> None:
        self._back()
        begin_s = self.hand.now_s
        self.hand.light_off(self.hand.between((0.8, 1.5)))
        self.hand.rest(0.8)
        self.hand.add_stop("seen", begin_s)

    def fast(self) -> None:
        self._back()
        hand = self.hand
        angle, far = hand.between((0.0, 2.0 * math.pi)), hand.between((1.5, 3.0))
        begin_s = hand.now_s
        peak_um_s = hand.between((5000.0, 9000.0))
        hand.push(far * self.field_um[0] * math.cos(angle), far * self.field_um[1] * math.sin(angle), peak_um_s)
        hand.add_stop("short", begin_s)
        self._back()

    def coffee(self) -> None:
        self._back()
        begin_s = self.hand.now_s
        self.hand.rest(self.hand.between((4.0, 8.0)))
        self.hand.add_stop("seen", begin_s)

    def script(self, fps: float) -> HandScript:
        self.hand.rest(0.3)
        return self.hand.script(self.seed, fps, self.field_um)


def free_fields(
    specimen: Specimen,
    seed: int,
    *,
    fps: float,
    events: Events | None = None,
    field_um: tuple[float, float] = FIELD_UM,
    habits: Habits | None = None,
) -> HandScript:
    """Return a session in which fields are chosen freely.

    Parameters
    ----------
    specimen : Specimen
    seed : int
    fps : float
        Live frames per second.
    events : Events, optional
    field_um : (width, height)
    habits : Habits, optional
    """
    events = Events() if events is None else events
    session = _Session(specimen, seed, field_um, habits, glass_start=events.glass_start)
    session.hand.rest(0.5)
    for name in events.shuffled(session.hand):
        getattr(session, name)()
    return session.script(fps)


def outline_drive(
    specimen: Specimen,
    seed: int,
    *,
    fps: float,
    inside_um: float = 120.0,
    field_um: tuple[float, float] = FIELD_UM,
    habits: Habits | None = None,
) -> HandScript:
    """Return a drive once round the section, along its edge, that ends where it began.

    Parameters
    ----------
    specimen, seed, fps, field_um, habits
        As for `free_fields`.
    inside_um : float
        How far from the edge, so that most of each field is tissue.
    """
    start, *ring = edge_places(specimen, inside_um)
    hand = Hand(specimen, seed, start, habits)
    hand.rest(0.5)
    for place in ring:
        hand.reach(*place, aim_um=80.0)
        hand.focus(blurred_um=4.0)
    hand.rest(0.5)
    return hand.script(seed, fps, field_um)


def edge_places(specimen: Specimen, inside_um: float = 120.0) -> list[tuple[float, float]]:
    """Return places along the edge of a section, that far inside it; the first one again at the end."""
    outline = specimen.outline_um[::6]
    ring = [tuple((at * (1 - inside_um / math.hypot(*at))).tolist()) for at in outline]
    return [(x, y) for x, y in (*ring, ring[0])]


def travel(
    specimen: Specimen,
    seed: int,
    *,
    fps: float,
    length_um: float = 20_000.0,
    field_um: tuple[float, float] = FIELD_UM,
    habits: Habits | None = None,
) -> HandScript:
    """Return a long way with crossings: across the section and back to fields that were captured, again and again.

    Parameters
    ----------
    specimen, seed, fps, field_um, habits
        As for `free_fields`.
    length_um : float
        Of the way, at least.
    """
    session = _Session(specimen, seed, field_um, habits, glass_start=False)
    hand = session.hand
    hand.rest(0.5)
    gone_um = 0.0
    while gone_um < length_um:
        for _ in range(int(hand.rng.integers(2, 4))):
            before = hand.here()
            session.fields()
            gone_um += math.hypot(hand.here().x_um - before.x_um, hand.here().y_um - before.y_um)
        for place in (session.on_tissue(), session.captured[int(hand.rng.integers(len(session.captured)))]):
            before = hand.here()
            hand.reach(*place)
            gone_um += math.hypot(hand.here().x_um - before.x_um, hand.here().y_um - before.y_um)
    return session.script(fps)
