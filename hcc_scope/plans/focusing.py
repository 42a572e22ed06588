"""When a plan focuses: not at all, once, at every k-th field, or at a few places that a plane is laid through.

In a plan file::

    focus: none
    focus: once
    focus: {every_k: 5}
    focus: plane
    focus: {plane: {points: 12}}

On the command line, and as one text everywhere else: ``every_k:5``, ``plane:12``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray  # noqa: TC002 - dataclasses keep annotations as they are
from pydantic import PlainSerializer, PlainValidator

from hcc_scope.errors import PlanError

__all__ = [
    "DEFAULT_PLANE_POINTS",
    "FOCUS_FORMS",
    "LEAST_PLANE_POINTS",
    "MOST_PLANE_POINTS",
    "NO_FOCUSING",
    "FocusMode",
    "FocusPlan",
    "Focusing",
    "focusing_of",
    "plane_points",
]

FocusMode = Literal["none", "once", "every_k", "plane"]

LEAST_PLANE_POINTS = 6
"""Three decide a plane; twice as many let one that is wrong be recognised."""
DEFAULT_PLANE_POINTS = 9
MOST_PLANE_POINTS = 100
_MOST_K = 1_000_000
_FLATTEST = 0.05
"""Places whose extent across is a smaller share of that along lie on a line: no plane is known from them."""

FOCUS_FORMS = "none, once, every_k: K or plane"
_TEXT = re.compile(r"(every_k|plane)\s*:\s*(\S+)")


@dataclass(frozen=True, slots=True)
class Focusing:
    """When to focus."""

    mode: FocusMode = "none"
    every_k: int = 1
    """At the fields 0, k, 2k ...; of the mode ``every_k``."""
    points: int = DEFAULT_PLANE_POINTS
    """Places to focus at; of the mode ``plane``."""

    def plain(self) -> str | dict[str, Any] | None:
        """Return it as a plan file holds it; None, which a file leaves out, for no focusing."""
        if self.mode == "none":
            return None
        if self.mode == "every_k":
            return {"every_k": self.every_k}
        if self.mode == "plane" and self.points != DEFAULT_PLANE_POINTS:
            return {"plane": {"points": self.points}}
        return self.mode

    def text(self) -> str:
        """Return it as one text, as ``--focus`` takes it.

        Examples
        --------
        >>> Focusing("every_k", every_k=5).text(), Focusing("plane").text(), Focusing("plane", points=12).text()
        ('every_k:5', 'plane', 'plane:12')
        """
        if self.mode == "every_k":
            return f"every_k:{self.every_k}"
        if self.mode == "plane" and self.points != DEFAULT_PLANE_POINTS:
            return f"plane:{self.points}"
        return self.mode

    def is_due(self, index: int) -> bool:
        """Return whether to focus at the field of this number, from 0, before its exposure."""
        if self.mode == "once":
            return index == 0
        return self.mode == "every_k" and index % self.every_k == 0

    def n_left(self, index: int, n_fields: int | None) -> int | None:
        """Return how many focusings are left from the field of this number on; None for an open end.

        Those of a plane are over before the first field.
        """
        if self.mode == "once":
            return int(index == 0)
        if self.mode != "every_k":
            return 0
        if n_fields is None:
            return None
        done = -(-index // self.every_k)
        return max(0, -(-n_fields // self.every_k) - done)


NO_FOCUSING = Focusing()
_SIMPLE: dict[str, Focusing] = {
    focusing.mode: focusing for focusing in (NO_FOCUSING, Focusing("once"), Focusing("plane"))
}


def focusing_of(value: object) -> Focusing:
    """Make it of a value in one of the forms above.

    Raises
    ------
    ValueError
        If it is none of them; the message is half a sentence.

    Examples
    --------
    >>> focusing_of({"every_k": 5}) == focusing_of("every_k:5") == focusing_of("every_k: 5")
    True
    """
    if value is None:
        return NO_FOCUSING
    if isinstance(value, Focusing):
        return value
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, dict) and len(value) == 1:
        (mode, rest), *_ = value.items()
        if mode == "every_k":
            return Focusing("every_k", every_k=_count("every_k", rest, 1, _MOST_K))
        if mode == "plane" and isinstance(rest, dict) and set(rest) == {"points"}:
            return _plane(rest["points"])
        if mode == "plane":
            raise ValueError("plane holds 'points' and nothing else: {plane: {points: 9}}")
        raise ValueError(f"'{mode}' is not one of {FOCUS_FORMS}")
    raise ValueError(f"must be one of {FOCUS_FORMS}")


def _of_text(text: str) -> Focusing:
    simple = _SIMPLE.get(text)
    if simple is not None:
        return simple
    if text == "every_k":
        raise ValueError("every_k needs a number of fields, such as every_k: 5")
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text[:40]}' is not one of {FOCUS_FORMS}")
    number = int(found[2]) if re.fullmatch(r"[0-9]{1,9}", found[2]) else found[2]
    if found[1] == "plane":
        return _plane(number)
    return Focusing("every_k", every_k=_count("every_k", number, 1, _MOST_K))


def _plane(points: object) -> Focusing:
    return Focusing("plane", points=_count("points", points, LEAST_PLANE_POINTS, MOST_PLANE_POINTS))


def _count(name: str, value: object, least: int, most: int) -> int:
    if type(value) is not int:  # true is no number here, either
        raise ValueError(f"{name} must be a whole number, not '{str(value)[:40]}'")
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most:,}, not {value:,}")
    return value


FocusPlan: TypeAlias = Annotated[Focusing, PlainValidator(focusing_of), PlainSerializer(Focusing.plain)]
"""The field of a plan; it is written down as a plan file holds it."""


def plane_points(centres_um: NDArray[np.float64], n: int) -> tuple[int, ...]:
    """Choose well spread places to focus at, in an order that takes a short way.

    The first is the one farthest from the middle of all, each further one the farthest from those that are chosen. The
    same places give the same choice.

    Parameters
    ----------
    centres_um : (m, 2) float64
        Every place of the plan.
    n : int
        How many to choose; fewer are chosen if there are not as many.

    Returns
    -------
    tuple of int
        Their indices, going once around the middle.

    Raises
    ------
    PlanError
        If there are fewer than `LEAST_PLANE_POINTS`, or they lie on a line: no plane can be known from them.
    """
    places, first_of = np.unique(centres_um, axis=0, return_index=True)
    if len(places) < LEAST_PLANE_POINTS:
        raise PlanError(
            f"a focus plane needs at least {LEAST_PLANE_POINTS} different places, and the plan has {len(places)}",
            hint="Focus once, or at every k-th field.",
        )
    across, along = _extents(places)
    if across < _FLATTEST * along:
        raise PlanError(
            "a focus plane cannot be laid through places on a line",
            hint="Focus once or at every k-th field, or add places beside the line.",
        )
    middle = places.mean(axis=0)
    chosen = [int(np.argmax(np.linalg.norm(places - middle, axis=1)))]
    nearest = np.linalg.norm(places - places[chosen[0]], axis=1)
    while len(chosen) < min(n, len(places)):
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.linalg.norm(places - places[chosen[-1]], axis=1))
    angle = np.arctan2(*(places[chosen] - middle).T[::-1])
    return tuple(int(first_of[chosen[i]]) for i in np.argsort(angle, kind="stable"))


def _extents(places: NDArray[np.float64]) -> tuple[float, float]:
    """Return the root mean square extents of places across and along their main direction."""
    along, across = np.linalg.svd(places - places.mean(axis=0), compute_uv=False) / np.sqrt(len(places))
    return float(across), float(along)
