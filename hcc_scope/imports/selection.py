"""Which images of a foreign file become frames: channel, focal plane and time are chosen by a person, never guessed.

>>> Selection(channel="DAPI", z=2, time="all")
Selection(channel='DAPI', z=2, time='all', series='all')
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hcc_scope.errors import ImageError, UsageError
from hcc_scope.formatting import counted, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hcc_scope.imports.collection import Plane
    from hcc_scope.imports.source_facts import SourceFacts

__all__ = ["AXES", "Axis", "Selection", "axis_values", "chosen_planes", "describe_axis", "parse_index"]

Axis = Literal["series", "channel", "z", "time"]
AXES: dict[Axis, tuple[str, str]] = {
    "series": ("series", "series"),
    "channel": ("channel", "channels"),
    "z": ("focal plane", "focal planes"),
    "time": ("time point", "time points"),
}
"""What one and several of each are called. `Plane` has an attribute of each name."""

_OF: dict[Axis, Callable[[Plane], int]] = {
    "series": lambda plane: plane.series,
    "channel": lambda plane: plane.channel,
    "z": lambda plane: plane.z,
    "time": lambda plane: plane.time,
}
_SHOWN = 8
"""Values that a message lists."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The images that a person chose; numbers count from 0."""

    channel: str | int | None = None
    """Name, or its number as text, or number; None: the images have one channel."""
    z: int | None = None
    """None: they have one focal plane."""
    time: int | Literal["all"] | None = None
    """``all``: every time point is a frame; None: there is one."""
    series: int | Literal["all"] = "all"
    """Image, position or field of a file; by default each is taken."""


def parse_index(option: str, text: str | None) -> int | Literal["all"] | None:
    """Return the number, from 0, or ``all`` that an option gives; None of None.

    Raises
    ------
    UsageError
        If it is neither.
    """
    if text is None:
        return None
    if text.strip().lower() == "all":
        return "all"
    if not (text.strip().isascii() and text.strip().isdecimal() and len(text.strip()) < 10):
        raise UsageError(f"{option} is a number from 0, or 'all', not {text!r}")
    return int(text)


def axis_values(planes: Sequence[Plane], axis: Axis) -> tuple[int, ...]:
    """Return the values of an axis that occur, ascending."""
    return tuple(sorted({_OF[axis](plane) for plane in planes}))


def describe_axis(source: SourceFacts, axis: Axis, values: Sequence[int]) -> str:
    """Return the values of an axis for a sentence: how many, and their numbers and names.

    Parameters
    ----------
    source : SourceFacts
        Names its channels.
    axis : {"series", "channel", "z", "time"}
    values : sequence of int
        As `axis_values` returns them.
    """
    one, several = AXES[axis]
    names = source.channel_names if axis == "channel" else ()
    if len(values) > 1 and tuple(values) == tuple(range(values[0], values[-1] + 1)) and not names:
        return f"{counted(len(values), one, several)} ({values[0]} to {values[-1]})"
    words = [f"{value} ({names[value]})" if value < len(names) and names[value] else str(value) for value in values]
    if len(words) > _SHOWN:
        words = [*words[:_SHOWN], "..."]
    return f"{counted(len(values), one, several)} ({', '.join(words)})"


def chosen_planes(source: SourceFacts, selection: Selection) -> tuple[int, ...]:
    """Return the indices of the chosen planes, in the file's order.

    Parameters
    ----------
    source : SourceFacts
    selection : Selection

    Raises
    ------
    ImageError
        If there is no image.
    UsageError
        If there are several channels, focal planes or time points of which none is chosen, or if there is none such as
        was chosen. The message names what there is, and the option.
    """
    planes = source.planes
    if not planes:
        raise ImageError(next(iter(source.problems), f"{source.path} holds no image"))
    chosen = list(range(len(planes)))
    wanted: dict[Axis, int | Literal["all"] | None] = {"series": selection.series}
    for axis in AXES:
        if axis == "channel":
            wanted |= {"channel": _channel(source, selection.channel), "z": selection.z, "time": selection.time}
        values = axis_values([planes[index] for index in chosen], axis)
        value = wanted[axis]
        if value is None:
            if len(values) > 1:
                raise UsageError(
                    f"{source.path} has {describe_axis(source, axis, values)}, and no choice is made for it",
                    hint=f"Choose with {_option(axis)}.",
                )
        elif value != "all":
            if value not in values:
                raise UsageError(
                    f"{source.path} has no {AXES[axis][0]} {value}",
                    hint=f"It has {describe_axis(source, axis, values)}.",
                )
            chosen = [index for index in chosen if _OF[axis](planes[index]) == value]
    return tuple(chosen)


def _option(axis: Axis) -> str:
    return {"series": "--series N", "channel": "--channel NAME or N", "z": "--z N", "time": "--time N or all"}[axis]


def _channel(source: SourceFacts, wanted: str | int | None) -> int | None:
    """Return the number of a channel that a person named, or numbered; of a text, a name comes first."""
    if wanted is None or isinstance(wanted, int):
        return wanted
    names = list(source.channel_names)
    for found in (names, [name.casefold() for name in names]):
        same = [index for index, name in enumerate(found) if name == (wanted if found is names else wanted.casefold())]
        if len(same) == 1:
            return same[0]
        if same:
            raise UsageError(
                f"{source.path} has {len(same)} channels named {wanted!r}: {listed([str(index) for index in same])}",
                hint="Choose with --channel N.",
            )
    if wanted.isascii() and wanted.isdecimal() and len(wanted) < 10:
        return int(wanted)
    present = axis_values(source.planes, "channel")
    raise UsageError(
        f"{source.path} has no channel {wanted!r}", hint=f"It has {describe_axis(source, 'channel', present)}."
    )
