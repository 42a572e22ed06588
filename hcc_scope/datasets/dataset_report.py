"""The result of a check of labelled images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hcc_scope.datasets.labelled_image import LabelledImage

__all__ = ["DatasetReport", "GroupCount", "Problem", "Severity", "group_counts"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person should know."""

    severity: Severity
    kind: str
    """In a word, for programs: ``manifest``, ``unreadable``, ``duplicate``, ``overlap``, ``mixture``, ``size``,
    ``quality``, ``animals``, ``day``, ``site``, ``batch``, ``few``, ``unbalanced``, ``store``, ``spelling``,
    ``depth``, ``file``."""
    what: str
    """What is wrong and where."""
    hint: str
    """What to do about it."""
    images: tuple[str, ...] = ()
    """Those concerned, if they are few enough to name: path, or path[page]."""

    def __str__(self) -> str:
        """Return both as one sentence or two."""
        return f"{self.what.rstrip('.')}. {self.hint}"


@dataclass(frozen=True, slots=True)
class GroupCount:
    """How many images a class, an animal, a section, a day, a site or a batch has."""

    name: str
    images: int
    low: int
    """Images of class low."""
    high: int
    animals: int
    sections: int
    days: int


def group_counts(images: Sequence[LabelledImage], name_of: Callable[[LabelledImage], str]) -> tuple[GroupCount, ...]:
    """Return how many images each group has, by name."""
    groups: dict[str, list[LabelledImage]] = {}
    for image in images:
        groups.setdefault(name_of(image), []).append(image)
    return tuple(
        GroupCount(
            name=name,
            images=len(group),
            low=sum(image.tumour_class == "low" for image in group),
            high=sum(image.tumour_class == "high" for image in group),
            animals=len({image.animal_id for image in group}),
            sections=len({image.section for image in group}),
            days=len({image.day for image in group}),
        )
        for name, group in sorted(groups.items())
    )


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What a manifest's images are, and what is wrong with them."""

    manifest: Path
    images: int
    """Listed and readable."""
    classes: tuple[GroupCount, ...]
    animals: tuple[GroupCount, ...]
    sections: tuple[GroupCount, ...]
    days: tuple[GroupCount, ...]
    sites: tuple[GroupCount, ...]
    """Empty if the manifest has no such column, as are the batches."""
    batches: tuple[GroupCount, ...]
    shapes_yx: dict[str, int]
    """Images by their size, such as ``2048 x 2048``."""
    bit_depths: dict[str, int]
    pixel_sizes_um: dict[str, int]
    colours: dict[str, int]
    """Images by how they become grey, as `hcc_scope.colour` names it; ``grey``: they are."""
    class_by_day_v: float | None
    """Cramér's V of class and day over images: 0 if the day reveals nothing of the class, 1 if it determines it; None
    for a single day or a single class."""
    class_by_site_v: float | None
    """The same of class and site; None also where no site is stated."""
    class_by_batch_v: float | None
    tiles: int
    """That the readable images are cut into."""
    tiles_usable: dict[str, int]
    """That pass quality, by class."""
    tiles_excluded: dict[str, int]
    """By reason; a tile counts under each of its reasons."""
    synthetic: str | None
    problems: tuple[Problem, ...]
    """Errors first."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that forbid training."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def trainable(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {**asdict(self), "manifest": str(self.manifest), "trainable": self.trainable}
