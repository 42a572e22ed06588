"""What a reader finds in one file: its planes, where their pixels lie, and what is missing."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from hcc_scope.formatting import counted
from hcc_scope.imports.collection import Plane
from hcc_scope.printable import printable

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence
    from pathlib import Path

    from hcc_scope.errors import ImageError
    from hcc_scope.imports.facts import Facts
    from hcc_scope.types import TagValue

__all__ = ["Described", "Found", "as_found", "few", "listed", "shared"]

_MOST_LISTED = 50
_MOST_NAMED = 3
_FIELDS = frozenset(one.name for one in fields(Plane))
_MISSING = object()


class Found(NamedTuple):
    """A plane, and where its pixels lie."""

    plane: Plane
    """Its `series` is not counted yet."""
    path: Path
    place: Any
    series: Hashable
    """Planes of equal value belong to one image, position or field."""


@dataclass
class Described:
    """What is in a file."""

    format: str
    found: list[Found] = field(default_factory=list)
    channel_names: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)
    others: set[str] = field(default_factory=set)
    """Names of other files that hold images of the same dataset."""

    def add(self, found: Sequence[Found]) -> None:
        """Add planes, which keep the tags that are those of the first one only once in memory."""
        for one in found:
            first = self.found[0].plane.tags if self.found else one.plane.tags
            tags = shared(one.plane.tags, first)
            self.found.append(one._replace(plane=replace(one.plane, tags=tags)))


def as_found(path: Path, place: Any, where: str, series: Hashable, facts: Facts, **others: Any) -> Found:  # noqa: ANN401
    """Return a plane with what was found about it."""
    known = {key: value for key, value in facts.items() if key in _FIELDS}
    return Found(Plane(where=where, **known, **others), path, place, series)  # type: ignore[arg-type]


def listed(left_out: Sequence[tuple[str, ImageError]]) -> list[str]:
    """Return a sentence for each image that is left out; of very many, a sentence for all the rest."""
    sentences = [f"{where} is left out: {error.message}" for where, error in left_out[:_MOST_LISTED]]
    if (more := len(left_out) - _MOST_LISTED) > 0:
        sentences.append(f"left out for such reasons: {counted(more, 'more image')}")
    return sentences


def few(names: Iterable[str]) -> str:
    """Return the first of some names that come with a file, in their order, as a sentence may show them."""
    ordered = sorted(names)
    return ", ".join(printable(name) for name in ordered[:_MOST_NAMED]) + " ..." * (len(ordered) > _MOST_NAMED)


def shared(tags: Mapping[str, TagValue], first: Mapping[str, TagValue]) -> Mapping[str, TagValue]:
    """Return tags that keep what they have in common with those of another image only once in memory."""
    if tags is first or not first.keys() <= tags.keys():
        return tags
    own = {
        key: value
        for key, value in tags.items()
        if (other := first.get(key, _MISSING)) is _MISSING or type(other) is not type(value) or other != value
    }
    return ChainMap(own, first)  # type: ignore[arg-type]
